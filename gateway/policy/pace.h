/*
 * pace: how fast the API lets us ask.
 *
 * The API allows so many requests a window, counts each endpoint by itself, and tells in every
 * answer how many are left (X-RateLimit-Remaining) and when the window ends (Reset). pace learns
 * this and never sends one request too many, for a 429 costs more than waiting: everything then
 * stands still until the reset. So it always assumes the worst. While a window is not known, one
 * request at a time finds out. Requests without an answer count as if the API had them already.
 * Within a window `remaining` only falls, since answers may overtake one another. And a reset is
 * never believed to be earlier than it can be: the API's clock is learnt from Date, and since the
 * API cuts off the fraction of Reset, the window may be open for a second longer.
 *
 * The API's documentation says that POST /sms and POST /sms/bulk have windows of their own. If their
 * counts show that they share one, pace counts for both. It then keeps a reserve, about a twentieth
 * of the window, for requests that are urgent: else a campaign would use up the window at once, and
 * a login code wait for the next. The reserve is released as time passes, so that none of it is
 * lost. As long as no count has told, the window of bulks has a reserve, too.
 *
 * Several relays may share one account, and so its windows: the headers are then a counter that all
 * of them read. What one has read is soon out of date, for the others go on: then one request finds
 * out, as if the window were not known. And so many requests are kept back as the others may have
 * under way.
 *
 * Leaves to others: what is sent (batch), and what an answer means for messages (retry).
 * All `now_ms` are monotonic. Thread: the forwarding thread. Pure.
 */
#ifndef GATEWAY_POLICY_PACE_H
#define GATEWAY_POLICY_PACE_H

#include "gateway/api/api.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The longest wait that a header can ask for. */
enum { PACE_WAIT_MAX_MS = 60 * 60 * 1000 };

/* Room where there is no known limit. */
#define PACE_UNLIMITED SIZE_MAX

enum pace_knowledge {
    PACE_UNKNOWN, /* no answer has told anything: one request at a time */
    PACE_KNOWN,   /* `remaining` until `reset_ms`, then unknown again */
    PACE_FREE     /* the API answered without the headers: there is no known limit */
};

/* One endpoint's window. All zero: nothing is known. */
struct pace_window {
    enum pace_knowledge knowledge;
    int64_t limit;         /* as an answer showed it last; 0 = none has */
    int64_t below;         /* `remaining` of the other window when the oldest request in flight
                              began; -1 = that was not known */
    int64_t remaining;     /* the lowest that an answer of this window has shown */
    int64_t since_ms;      /* when it became known */
    int64_t read_ms;       /* when an answer last told its count */
    int64_t reset_ms;      /* when it ends */
    int64_t reset_s;       /* the header's value (made absolute): tells windows apart */
    int64_t held_until_ms; /* by a 429; 0 = never */
    size_t in_flight;      /* begun, not ended */
    size_t
        unaccounted; /* ended without a count, so the API may have counted them; until the reset */
    int64_t last_began_ms;   /* of any request */
    int64_t last_partial_ms; /* when a partial batch last began, if `has_partial` */
    bool has_partial;
};

/*
 * The API's Unix time minus our monotonic time, from Date. A Date always shows too little: it has
 * lost its fraction of a second, and it was under way. So the largest value is the nearest, and one
 * that is too small only makes us late. It is learnt again now and then, since clocks drift.
 */
struct pace_clock {
    bool is_known;
    int64_t offset_ms;
    int64_t since_ms;
};

/* All zero to begin with, but for `others`. */
struct pace {
    struct pace_window windows[API_ENDPOINTS];
    size_t
        others; /* requests of other relays that may be under way at an endpoint; 0 = no others */
    struct pace_clock clock;
    enum pace_sharing {
        PACE_SHARING_UNKNOWN,
        PACE_SHARED, /* API_SINGLE and API_BULK have one window */
        PACE_SEPARATE
    } sharing;
};

/* What a request is, to pace. */
enum pace_kind {
    PACE_FULL,
    PACE_PARTIAL, /* could wait, and would then carry more */
    PACE_URGENT   /* has a message of high priority */
};

/*
 * How many requests of this kind may be started at `endpoint` now: PACE_UNLIMITED where there is no
 * known limit; one where nothing is known and none is in flight. PACE_PARTIAL has the room that
 * PACE_FULL has.
 */
size_t pace_room(const struct pace *pace, enum api_endpoint endpoint, enum pace_kind kind,
                 int64_t now_ms);

/*
 * The earliest time at which a request may be started: `now_ms` = at once, INT64_MAX = only an
 * answer can tell. Partial batches keep (reset - now) / remaining apart from the last partial one,
 * so that they do not use up the window that full ones need. So do urgent requests, from the last
 * one of any kind, once nothing is left but what is kept for them.
 */
int64_t pace_next_ms(const struct pace *pace, enum api_endpoint endpoint, enum pace_kind kind,
                     int64_t now_ms);

/* A request has been started. */
void pace_began(struct pace *pace, enum api_endpoint endpoint, bool is_partial, int64_t now_ms);

/*
 * A request has ended. `unix_ms` is our wall clock, used only until the API has shown a Date;
 * `backoff_ms` is how long a 429 that names no time holds the endpoint back.
 * Returns until when a 429 holds it back, 0 if the answer is no 429.
 */
int64_t pace_ended(struct pace *pace, enum api_endpoint endpoint, const struct api_answer *answer,
                   int64_t now_ms, int64_t unix_ms, int64_t backoff_ms);

#endif
