/*
 * retry: what an answer means for the messages of its request, and what it says of the API.
 *
 * Thread: the forwarding thread. Pure.
 */
#ifndef GATEWAY_POLICY_RETRY_H
#define GATEWAY_POLICY_RETRY_H

#include "gateway/api/api.h"
#include "gateway/api/json.h"
#include "gateway/queue/types.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* --- verdicts ----------------------------------------------------------------------------- */

enum {
    RETRY_NAMELESS_MAX = 10, /* lone refusals in a row that name no field: it is our requests */
    RETRY_AMBIGUOUS_MAX = 3, /* a batch that ended ambiguous so often is split */
    RETRY_AFTER_MAX_MS = 3600 * 1000, /* the longest that a Retry-After can make us wait */
};

/* What becomes of the messages of a request. */
enum retry_outcome {
    RETRY_READ_ITEMS, /* 2xx: the body tells for each, see retry_judge_items */
    RETRY_SPLIT,      /* one of them is the cause: send the halves, see retry_split */
    RETRY_REJECT,     /* the one message is refused for good */
    RETRY_RETURN,     /* the API has none of them: back to the head, attempt not charged */
    RETRY_AMBIGUOUS,  /* the API may have them: reconcile before any retry */
    RETRY_RELAYED     /* the API refuses the one message because it has it already */
};

/* What becomes of the destination. */
enum retry_effect {
    RETRY_FINE,    /* the API works */
    RETRY_WAIT,    /* 429: pace holds the endpoint back */
    RETRY_BACKOFF, /* try again soon, with one probe */
    RETRY_STOP     /* somebody has to do something; one probe a minute */
};

/* What is known of a request beside its answer. */
struct retry_request {
    size_t count;      /* messages in it, at least 1 */
    unsigned attempts; /* of its message, this one included; looked at only when it is alone */
    unsigned nameless; /* the destination's `nameless` before this answer */
};

struct retry_verdict {
    enum retry_outcome outcome;
    enum retry_effect effect;
    bool is_token_refused;  /* the token file is to be re-read at once */
    bool is_nameless;       /* a lone refusal that names no field */
    int64_t retry_after_ms; /* the API asks to wait at least so long; 0 = it does not */
    const char *why;        /* what is the matter, static; "" when nothing is */
};

const char *retry_outcome_name(enum retry_outcome outcome);

/*
 * Judges an ended request. `refusal` is what api_json_read_refusal read from the body of a 4xx, or
 * NULL. The table is at the top of retry.c.
 *
 * The tenth lone refusal in a row without a field's name, and every later one, is returned
 * instead of rejected: by then it is known that not the message is to blame.
 */
struct retry_verdict retry_judge(const struct api_answer *answer, const struct api_refusal *refusal,
                                 const struct retry_request *request);

/*
 * Judges a 2xx once its body is read: RETRY_READ_ITEMS again, or RETRY_AMBIGUOUS (and backoff) if
 * any item is UNKNOWN, which includes a body that could not be read. Settle each item by
 * retry_item_fate either way.
 */
struct retry_verdict retry_judge_items(const struct api_item *items, size_t count);

/*
 * The fate of one item of a 2xx. "clientId already used" after an earlier attempt (attempts > 1)
 * is that attempt's success; in a first one it is a refusal.
 */
enum queue_fate retry_item_fate(const struct api_item *item, unsigned attempts);

/* --- splitting ---------------------------------------------------------------------------- */

/*
 * Tells whether a request of `count` messages that has just ended ambiguous is to be split;
 * `ambiguous_ends` is the largest of its messages before this end.
 */
bool retry_splits_ambiguous(size_t count, unsigned ambiguous_ends);

/*
 * Assigns fresh groups to the two halves of `count` messages (at least 2), the first half rounded
 * up. `*next_group` is the last group given out; 0 is never one. A half of one message gets a
 * group too: what was split is never merged again. (So a message that is returned or ambiguous
 * without a split keeps the group it has.)
 */
void retry_split(size_t count, uint32_t *next_group, uint32_t *groups);

#endif
