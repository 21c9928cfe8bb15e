/*
 * retry: what an answer means for the messages of its request, and what it says of the API.
 *
 * A request can end in three ways for a message: done (relayed), never (rejected) or later. Later
 * is either certain, when the API does not have it and it goes back to the queue, or ambiguous,
 * when the API may have it and reconcile has to look. The table at the top of retry.c decides by
 * the status, the body and whether the message was alone; each row also says how the API is doing,
 * for destination. When the API refuses a batch as a whole, one message is to blame, but which? The
 * batch is split in halves, and these again, until the one that is refused alone is known.
 *
 * Most refusals do not say whose fault they are: 402 may be the account's balance or the price of
 * this message, 403 the token, a firewall or a country. So a message that is refused alone is a
 * suspect and stands aside, and destination asks with others. A batch is sent again after the first
 * refusal, since another message has been asked with by then, and split after the second.
 *
 * A refusal does not prove that the API has not taken the request. A 503 may come from a proxy that
 * has passed it on: if the request had left whole, its messages are ambiguous. So are they after any
 * other refusal in the API's own words or a proxy's (3xx, 401, 404, 408, ...), once the history has
 * shown a message that had been refused (forward/look).
 *
 * Leaves to others: reading bodies (api/json), moving messages (queue), rate windows (pace),
 * ambiguous messages (reconcile), whether to send (destination).
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
    RETRY_NAMELESS_MAX = 10, /* lone refusals in a row that name no field: our requests are wrong */
    RETRY_AMBIGUOUS_MAX = 3, /* a batch that ended ambiguous so often is split */
    RETRY_AFTER_MAX_MS = 3600 * 1000 /* the longest wait that a Retry-After can ask for */
};

/* What becomes of the messages of a request. */
enum retry_outcome {
    RETRY_READ_ITEMS, /* 2xx: the body decides for each message, see retry_judge_items */
    RETRY_SPLIT,      /* one of them is to blame: send the halves, see retry_split */
    RETRY_REJECT,     /* the only message is refused for good */
    RETRY_RETURN,     /* the API has none of them: back to the head, attempt not charged */
    RETRY_SUSPECT,    /* the same, but the only message stands aside: it may be to blame */
    RETRY_AMBIGUOUS,  /* the API may have them: reconcile before any retry */
    RETRY_RELAYED     /* the API refuses the only message because it has it already */
};

/* What becomes of the destination. */
enum retry_effect {
    RETRY_FINE,    /* the API works */
    RETRY_WAIT,    /* 429: pace holds the endpoint back */
    RETRY_BACKOFF, /* try again soon, with one probe */
    RETRY_STOP     /* somebody has to do something; one probe a minute */
};

/* What is known of a request besides its answer. */
struct retry_request {
    size_t count;      /* messages in it, at least 1 */
    unsigned attempts; /* of a message that is alone, this one included */
    bool was_refused;  /* one of its messages was in a batch that was refused as a whole */
    bool is_proven;    /* of a message that is alone: others passed after it had been refused */
    unsigned nameless; /* the destination's, before this answer, like the next three */
    bool has_passed;
    bool is_stopped;
    bool takes_refused; /* the API has been seen to take a request that it refused */
};

struct retry_verdict {
    enum retry_outcome outcome;
    enum retry_effect effect;
    bool needs_proof;       /* the effect takes place once other messages are refused alike */
    bool is_unwelcome;      /* of a suspect: what is wrong does not change; proofs reject it */
    bool is_batch_refused;  /* as a whole: its messages are to be marked `was_refused` */
    bool is_first_refusal;  /* ... and none of them was before */
    bool is_token_refused;  /* the token file is to be read again at once */
    bool is_nameless;       /* a lone refusal that names no field */
    bool is_page;           /* the body is HTML: something between us and the API has answered */
    bool may_be_taken;      /* of RETURN, SUSPECT and SPLIT: the history may tell otherwise */
    int64_t retry_after_ms; /* the shortest wait that the API asks for; 0 = it asks for none */
    const char *why;        /* what is wrong, static; "" when nothing is */
};

const char *retry_outcome_name(enum retry_outcome outcome);

/*
 * Judges an ended request. `refusal` is what api_json_read_refusal read from the body of a 4xx, or
 * NULL.
 *
 * From the tenth lone refusal in a row that names no field, messages are returned instead of
 * rejected: by then the messages cannot be what is wrong.
 */
struct retry_verdict retry_judge(const struct api_answer *answer, const struct api_refusal *refusal,
                                 const struct retry_request *request);

/*
 * Judges a 2xx once its body is read: RETRY_READ_ITEMS again, or RETRY_AMBIGUOUS (and backoff) if
 * any item is UNKNOWN. Each item is settled by retry_item_fate either way. If the body could not be
 * read at all (`!is_read`), the API stops once other messages are answered so, too.
 */
struct retry_verdict retry_judge_items(const struct api_item *items, size_t count, bool is_read);

/*
 * The fate of one item of a 2xx. "clientId already used" is a refusal in a first attempt; later
 * (attempts > 1) it means that an earlier attempt has succeeded.
 */
enum queue_fate retry_item_fate(const struct api_item *item, unsigned attempts);

/* --- splitting ---------------------------------------------------------------------------- */

enum { RETRY_PARTS = 10 }; /* of a batch that is split because it ended ambiguous */

/*
 * Is a request of `count` messages that has just ended ambiguous to be split? `ambiguous_ends` is
 * the most that any of its messages had before.
 */
bool retry_splits_ambiguous(size_t count, unsigned ambiguous_ends);

/*
 * Assigns fresh groups to `parts` parts (at least 2) of `count` messages (at least 2), the larger
 * ones first. Halves find the one to blame with the fewest requests; RETRY_PARTS with the fewest
 * rounds, for each round may wait for the history. `*next_group` is the last group given out; 0 is
 * never one. A part of one message gets a group, too, for what was split is never merged again. (A
 * message that is returned or ambiguous without a split keeps the group it has.)
 */
void retry_split(size_t count, size_t parts, uint32_t *next_group, uint32_t *groups);

/* A fresh group, for a message that must be sent alone. */
uint32_t retry_new_group(uint32_t *next_group);

#endif
