/*
 * retry: what an answer means, for the messages of the request and for the destination.
 *
 * Owns the verdict table (done, later, never, or not known), the state of the destination with its
 * backoff, stops and probes, and how a batch is split. Leaves to others: reading bodies (api_json),
 * moving messages (queue), rate windows (pace), ambiguous messages (reconcile).
 * Pure: time and random numbers are parameters. Thread: the forwarding thread.
 *
 * All `now_ms` are monotonic; `random` is in [0, 1).
 */
#ifndef GATEWAY_POLICY_RETRY_H
#define GATEWAY_POLICY_RETRY_H

#include "gateway/api/api.h"
#include "gateway/api/json.h"
#include "gateway/queue/queue.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* --- verdicts ----------------------------------------------------------------------------- */

enum {
    RETRY_NAMELESS_MAX = 10,    /* lone refusals in a row that name no field: it is our requests */
    RETRY_AMBIGUOUS_MAX = 3,    /* a batch that ended ambiguous so often is split */
    RETRY_PROBE_MS = 60 * 1000, /* while stopped, one probe each minute */
    RETRY_AFTER_MAX_MS = 3600 * 1000, /* the longest that a Retry-After can make us wait */
    RETRY_REASON_SIZE = 200
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
const char *retry_effect_name(enum retry_effect effect);

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

/* --- the destination ---------------------------------------------------------------------- */

/* In order of weight. What is true in each: */
enum destination_state {
    DESTINATION_FINE,    /* the newest evidence is that the API works: send at will */
    DESTINATION_WAITING, /* it answered 429; pace holds that endpoint back, the others go on */
    DESTINATION_BACKOFF, /* it failed; nothing goes before `until_ms`, then one probe */
    DESTINATION_STOPPED  /* it refuses us; nothing goes but one probe a minute */
};

/* Which settings it obeys: relay.retry_min, relay.retry_max. */
struct destination_options {
    int64_t retry_min_ms, retry_max_ms;
};

/* All zero: fine, nothing failed yet. */
struct destination {
    enum destination_state state;
    unsigned failures;        /* in a row; what failed together counts once */
    unsigned nameless;        /* lone refusals in a row that named no field */
    bool is_token_refused;    /* STOPPED because of the token */
    bool has_probe_in_flight; /* only ever one */
    int64_t until_ms;         /* not before, in every state but FINE */
    uint32_t epoch;           /* rises with every change: tells what answers are out of date */
    char reason[RETRY_REASON_SIZE]; /* why it is not FINE; "" when it is */
};

enum destination_permission { DESTINATION_NO, DESTINATION_PROBE, DESTINATION_YES };

/* One ended request, as destination_apply wants it. */
struct destination_event {
    uint32_t epoch;        /* the destination's `epoch` when the request was started */
    int status;            /* HTTP status, 0 when there was none */
    const char *words;     /* the API's or curl's, for `reason`; NULL = none */
    int64_t held_until_ms; /* what pace_ended returned; looked at for RETRY_WAIT */
};

const char *destination_state_name(enum destination_state state);

/*
 * Draws the conclusion from a verdict; the only function that changes the state for an answer.
 *
 * An answer to a request that was started before the last change is out of date: it can make
 * things worse (401 after a 503), but never better (a success does not undo a stop that came
 * after it began), never count as another failure, and never worsen FINE, which rests on a newer
 * request.
 */
void destination_apply(struct destination *d, const struct retry_verdict *verdict,
                       const struct destination_event *event,
                       const struct destination_options *options, int64_t now_ms, double random);

/* How long a 429 that names no time holds back, for pace_ended (before destination_apply). */
int64_t destination_backoff_ms(const struct destination *d,
                               const struct destination_options *options, double random);

/* May a request be started? PROBE: one, with one message, with nothing else in flight. */
enum destination_permission destination_may_send(const struct destination *d, int64_t now_ms);

/* When destination_may_send will change its mind by itself; INT64_MAX = only an event can. */
int64_t destination_next_ms(const struct destination *d, int64_t now_ms);

/* A probe has been started, has ended (whatever came of it; before destination_apply). */
void destination_probe_began(struct destination *d);
void destination_probe_ended(struct destination *d);

/* FLUSH: the probe is due now. A rate limit is not overridden. */
void destination_flush(struct destination *d, int64_t now_ms);

/* There is another token: if the old one was refused, the probe is due now. */
void destination_token_changed(struct destination *d, int64_t now_ms);

/*
 * For QUEUE: why nothing is relayed, or NULL when it is. `*until_ms` is when that may end,
 * monotonic; INT64_MAX where no time is known. The text lives as long as the destination does not
 * change.
 */
const char *destination_reason(const struct destination *d, int64_t now_ms, int64_t *until_ms);

#endif
