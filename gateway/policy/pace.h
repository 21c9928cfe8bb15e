/*
 * pace: how fast the API lets us ask.
 *
 * Owns what is known of the API's rate windows, one for each endpoint, learnt from X-RateLimit-*,
 * Retry-After and Date, and of the clock that their times belong to. Leaves to others: what is
 * sent (batch), and what an answer means for messages (retry). Pure: no I/O, no clock. Thread:
 * the forwarding thread.
 *
 * The one rule above all: not a request more than the limit. So a window that is not known gets one
 * request at a time, requests without an answer yet count as if the API had them already, and a
 * reset is never believed to be earlier than it can be.
 *
 * All `now_ms` are monotonic.
 */
#ifndef GATEWAY_POLICY_PACE_H
#define GATEWAY_POLICY_PACE_H

#include "gateway/api/api.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The longest that a header can make us wait. */
enum { PACE_WAIT_MAX_MS = 60 * 60 * 1000 };

/* Room where there is no known limit. */
#define PACE_UNLIMITED SIZE_MAX

enum pace_knowledge {
    PACE_UNKNOWN, /* no answer has told anything yet: one request at a time */
    PACE_KNOWN,   /* `remaining` until `reset_ms`, then unknown again */
    PACE_FREE     /* the API answered without the headers: there is no known limit */
};

/* One endpoint's window. All zero: nothing is known. */
struct pace_window {
    enum pace_knowledge knowledge;
    int64_t limit;         /* as an answer has shown it last; 0 = none has */
    int64_t remaining;     /* the lowest that an answer of this window has shown */
    int64_t reset_ms;      /* when it ends */
    int64_t reset_s;       /* the header's value (made absolute): tells windows apart */
    int64_t held_until_ms; /* a 429 said so; 0 = never */
    size_t in_flight;      /* begun and not ended */
    size_t unaccounted; /* ended without showing a count: maybe counted by the API, until reset */
    int64_t last_began_ms;   /* of any request */
    int64_t last_partial_ms; /* when a partial batch last began, if `has_partial` */
    bool has_partial;
};

/*
 * The API's Unix time minus our monotonic time, from Date. What a Date shows is always too
 * little: it has no fractions of a second and it has travelled. So the largest value is the
 * nearest, and too little only makes us late. Begun anew now and then, since clocks drift.
 */
struct pace_clock {
    bool is_known;
    int64_t offset_ms;
    int64_t since_ms;
};

/* All zero to begin with. */
struct pace {
    struct pace_window windows[API_ENDPOINTS];
    struct pace_clock clock;
    bool is_reset_rounded_down; /* it was seen that Reset is up to a second too early */
};

/*
 * How many requests may be started at `endpoint` now. PACE_UNLIMITED where no limit is known; where
 * nothing is known, 1 less what is in flight.
 */
size_t pace_room(const struct pace *pace, enum api_endpoint endpoint, int64_t now_ms);

/*
 * The earliest time at which a request may be started: `now_ms` if at once, INT64_MAX if only an
 * answer can tell. Partial batches keep (reset - now) / remaining apart, measured from the last
 * partial one.
 */
int64_t pace_next_ms(const struct pace *pace, enum api_endpoint endpoint, bool is_partial,
                     int64_t now_ms);

/* A request has been started. */
void pace_began(struct pace *pace, enum api_endpoint endpoint, bool is_partial, int64_t now_ms);

/*
 * A request has ended. `unix_ms` is our wall clock, used only while the API has shown no Date.
 * `backoff_ms` is how long a 429 holds the endpoint back that tells no time itself.
 * Returns until when a 429 holds the endpoint back, 0 if the answer is no 429.
 */
int64_t pace_ended(struct pace *pace, enum api_endpoint endpoint, const struct api_answer *answer,
                   int64_t now_ms, int64_t unix_ms, int64_t backoff_ms);

#endif
