/*
 * destination: how the API is doing, and so whether a request may be sent at all.
 *
 * When the API fails, no message is to blame. Messages stay in the queue as they are, a million of
 * them if need be, and only the state of the destination changes. In BACKOFF and STOPPED nothing is
 * sent but a probe now and then: one request with one message, the only one in flight. If the API
 * takes it, all others follow.
 *
 * But when the API refuses one message or one batch, that may be to blame, not the API. The refused
 * message stands aside, and the next one is sent as a probe, at once: PROBING. The one after that is
 * taken from the other end of the queue, since what was submitted together is refused together. If
 * one of them passes, what was refused was to blame. If three different ones in a row are refused
 * alike, the API is, and none of them. Every probe is a message that was not refused before, also
 * while the API is stopped: messages that are to blame cannot keep it so.
 *
 * Requests that were in flight when the state changed are answered later, and say something about
 * the past. So each remembers the epoch in which it began; an answer of an older epoch may make the
 * state worse, but never better, and never counts as another failure.
 *
 * Leaves to others: what an answer means (retry), how fast to send (pace), and what (batch).
 * All `now_ms` are monotonic; `random` is in [0, 1). Thread: the forwarding thread. Pure.
 */
#ifndef GATEWAY_POLICY_DESTINATION_H
#define GATEWAY_POLICY_DESTINATION_H

#include "gateway/policy/retry.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    DESTINATION_PROBE_MS = 60 * 1000, /* while stopped, one probe a minute */
    DESTINATION_PROBE_MIN_MS = 500,   /* ... the first ones sooner if messages might be to blame */
    DESTINATION_ALIKE_MAX = 3,        /* different messages refused alike: the API is to blame */
    DESTINATION_REFUSED_MAX = 8,      /* as many refused in whatever way: the same */
    DESTINATION_REASON_SIZE = 200
};

/* From good to bad. What is true in each: */
enum destination_state {
    DESTINATION_FINE,    /* the newest evidence is that the API works: send at will */
    DESTINATION_WAITING, /* it answered 429: pace holds that endpoint back, the others go on */
    DESTINATION_PROBING, /* it refused a message or a batch: nothing goes but one probe at a time */
    DESTINATION_BACKOFF, /* it failed: nothing goes before `until_ms`, then one probe */
    DESTINATION_STOPPED  /* it refuses us: nothing goes but one probe a minute */
};

/* The settings relay.retry_min and relay.retry_max. */
struct destination_options {
    int64_t retry_min_ms, retry_max_ms;
};

/* A message that was refused alone, and how. */
struct destination_refusal {
    struct ulid id;
    int status;
    bool is_away; /* the history is asked about it: it does not wait for its turn */
};

/* All zero: fine, nothing has failed yet. */
struct destination {
    enum destination_state state;
    unsigned failures; /* in a row; what failed together counts once */
    unsigned nameless; /* lone refusals in a row that named no field */
    unsigned refused_count;
    struct destination_refusal refused[DESTINATION_REFUSED_MAX]; /* since one has passed */
    bool is_exhausted;        /* each message that waits was among them */
    bool is_flushed;          /* by the operator: the next probe is the first message */
    bool has_suspects;        /* messages stand aside */
    bool is_blamed;           /* enough of them were refused alike */
    bool has_passed;          /* a message has, since a batch was first refused as a whole */
    bool takes_refused;       /* the history has shown a message that was refused: from then on */
    bool is_token_refused;    /* STOPPED because of the token */
    bool has_probe_in_flight; /* there is only ever one */
    int64_t until_ms;         /* not before, in every state but FINE */
    int64_t quiet_until_ms;   /* the API wants no call of any kind before (Retry-After) */
    uint32_t epoch;           /* rises with every change of state */
    char reason[DESTINATION_REASON_SIZE]; /* why it is not FINE; "" when it is */
};

enum destination_permission { DESTINATION_NO, DESTINATION_PROBE, DESTINATION_YES };

/* An ended request, as destination_apply wants it. */
struct destination_event {
    uint32_t epoch;             /* the destination's when the request began */
    int status;                 /* HTTP status, 0 when there was none */
    const char *words;          /* the API's or curl's, for `reason`; NULL or "" = none */
    const char *proxy;          /* that it went through; NULL or "" = none */
    int64_t held_until_ms;      /* what pace_ended returned; only for RETRY_WAIT */
    const struct ulid *message; /* the only one of the request; NULL = it had more, or this one has
                                 * been to blame before */
    bool has_passed;            /* the API has taken a message of it */
};

/* What an answer says of the messages that stand aside. */
enum destination_finding {
    FINDING_NONE,
    FINDING_GUILTY,  /* others pass: they are to blame */
    FINDING_INNOCENT /* others are refused, too, or it is not known what it was */
};

const char *destination_state_name(enum destination_state state);

/* Draws the conclusion from a verdict: the only function that changes the state for an answer. */
enum destination_finding destination_apply(struct destination *d,
                                           const struct retry_verdict *verdict,
                                           const struct destination_event *event,
                                           const struct destination_options *options,
                                           int64_t now_ms, double random);

/*
 * For how long a message that was refused alone stands aside if nothing is found out: `refusals`
 * counts this one.
 */
int64_t destination_aside_ms(unsigned refusals, const struct retry_verdict *verdict,
                             const struct destination_options *options, double random);

/* How long a 429 that names no time holds back, for pace_ended, before destination_apply. */
int64_t destination_backoff_ms(const struct destination *d,
                               const struct destination_options *options, double random);

/* BACKOFF or STOPPED. */
bool destination_has_failed(const struct destination *d);

/* May a request be sent? PROBE: one with one message, with nothing else in flight. */
enum destination_permission destination_may_send(const struct destination *d, int64_t now_ms);

/*
 * Which message to probe with: alternately from either end of the queue, always one that was not
 * refused before; after FLUSH the first of all, for then everything may be well again, and in order.
 */
enum queue_probe destination_probe(const struct destination *d);

/*
 * So many messages wait for their turn or stand aside. If each of them has been refused, the next one
 * that comes is a probe, at once: it may well pass. Only a few are: the refused ones are counted.
 */
void destination_note_waiting(struct destination *d, size_t waiting, int64_t now_ms);

/* When that answer will change by itself; INT64_MAX = only an event can change it. */
int64_t destination_next_ms(const struct destination *d, int64_t now_ms);

/* A probe began, or ended in any way; before destination_apply. */
void destination_probe_began(struct destination *d);
void destination_probe_ended(struct destination *d);

/* A harmless call that began in this epoch was answered as it should be, and no message waits. */
void destination_recovered(struct destination *d, uint32_t epoch);

/* The probe is due now. */
void destination_hurry(struct destination *d, int64_t now_ms);

/* FLUSH: the probe is due now, and the next ones come sooner. A rate limit is not overridden. */
void destination_flush(struct destination *d, int64_t now_ms);

/* There is a new token: if the old one was refused, the probe is due now. */
void destination_token_changed(struct destination *d, int64_t now_ms);

/*
 * For QUEUE: why nothing is relayed, or NULL when it is; while PROBING, what is to be found out.
 * `*until_ms` is when that may end, monotonic; INT64_MAX = not known. The text is valid until the
 * destination changes.
 */
const char *destination_reason(const struct destination *d, int64_t now_ms, int64_t *until_ms);

#endif
