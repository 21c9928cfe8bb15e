/* pace: see pace.h. */
#include "gateway/policy/pace.h"

#include "gateway/base/int64.h"

enum {
    CLOCK_LIFE_MS = 10 * 60 * 1000,
    CLOCK_SET_BACK_MS = 2000, /* more than a Date can be late: somebody has set a clock */
    ROUNDING_MS = 1000,       /* the fraction that Reset has lost */
    STALE_MS = 1000,          /* a count that others go on from is out of date */
    /* A twentieth is kept for urgent requests, but of a small window five, or a fifth. */
    RESERVE_SHARE = 20,
    RESERVE_SMALL = 5,
    RESERVE_SMALL_SHARE = 5
};
static const int64_t UNIX_TIME_FROM_S =
    1000000000; /* above this, Reset is a Unix time, else seconds from now */
static const int64_t TIME_MAX_S =
    100000000000; /* so that arithmetic in milliseconds cannot overflow */

/* What one answer says about its endpoint's window. */
struct reading {
    int64_t limit;
    int64_t remaining;
    int64_t reset_ms; /* monotonic */
    int64_t reset_s;
    int64_t tolerance_s; /* how far the reset_s of one window may differ */
};

/* --- the API's clock ---------------------------------------------------------------------- */

static void clock_learn(struct pace_clock *clock, int64_t date_s, int64_t now_ms)
{
    if (date_s <= 0 || date_s > TIME_MAX_S) {
        return;
    }

    /* One less, because `now_ms` has lost its fraction. */
    int64_t shown_ms = date_s * 1000 - now_ms - 1;
    if (!clock->is_known || now_ms - clock->since_ms >= CLOCK_LIFE_MS ||
        shown_ms < clock->offset_ms - CLOCK_SET_BACK_MS) {
        *clock = (struct pace_clock){true, shown_ms, now_ms};
    }
    clock->offset_ms = int64_max(clock->offset_ms, shown_ms);
}

/* --- windows ------------------------------------------------------------------------------ */

static bool is_known(const struct pace_window *w, int64_t now_ms)
{
    return w->knowledge == PACE_KNOWN && now_ms < w->reset_ms;
}

static bool read_rate(const struct pace *pace, const struct api_rate *rate, int64_t now_ms,
                      int64_t unix_ms, struct reading *reading)
{
    if (!rate->is_present || rate->limit < 0) {
        return false;
    }

    bool is_unix = rate->reset > UNIX_TIME_FROM_S;
    int64_t reset_s = int64_min(int64_max(rate->reset, 0), TIME_MAX_S);
    int64_t reset_ms = now_ms + reset_s * 1000;
    if (is_unix) {
        int64_t offset_ms = pace->clock.is_known ? pace->clock.offset_ms : unix_ms - now_ms;
        reset_ms = reset_s * 1000 - offset_ms;
    }
    reset_ms += ROUNDING_MS;
    *reading = (struct reading){.limit = rate->limit,
                                .remaining = int64_min(int64_max(rate->remaining, 0), rate->limit),
                                .reset_ms = int64_min(reset_ms, now_ms + PACE_WAIT_MAX_MS),
                                .reset_s = is_unix ? reset_s : now_ms / 1000 + reset_s,
                                .tolerance_s = is_unix ? 1 : 2};
    return true;
}

static void begin_window(struct pace_window *w, const struct reading *reading, int64_t now_ms)
{
    w->knowledge = PACE_KNOWN;
    w->since_ms = w->read_ms = now_ms;
    w->limit = reading->limit;
    w->remaining = reading->remaining;
    w->reset_s = reading->reset_s;
    w->reset_ms = reading->reset_ms;
    w->unaccounted = 0;
}

/*
 * Answers arrive out of order: one of an older window is of no use any more, and within a window
 * the lowest count is the newest.
 */
static void learn(struct pace_window *w, const struct reading *reading, int64_t now_ms)
{
    if (reading->reset_ms <= now_ms) {
        if (w->knowledge == PACE_FREE) {
            w->knowledge = PACE_UNKNOWN;
        }
        return;
    }
    if (!is_known(w, now_ms) || reading->reset_s > w->reset_s + reading->tolerance_s) {
        begin_window(w, reading, now_ms);
        return;
    }
    if (reading->reset_s < w->reset_s - reading->tolerance_s) {
        return;
    }
    w->remaining = int64_min(w->remaining, reading->remaining);
    w->read_ms = now_ms;
    if (reading->reset_s >= w->reset_s) {
        w->reset_s = reading->reset_s;
        w->reset_ms = reading->reset_ms;
    }
}

/*
 * A 429. If the window has requests left, something else refused, and only Retry-After can tell
 * until when. Afterwards the window is learnt again, with one request.
 */
static int64_t hold(struct pace_window *w, const struct api_rate *rate,
                    const struct reading *reading, int64_t now_ms, int64_t backoff_ms)
{
    bool has_retry_after = rate->retry_after_s >= 0;
    int64_t until_ms = 0;

    if (has_retry_after) {
        until_ms = now_ms + int64_min(rate->retry_after_s, PACE_WAIT_MAX_MS / 1000) * 1000;
    }
    if (reading != NULL && (reading->remaining == 0 || !has_retry_after)) {
        until_ms = int64_max(until_ms, reading->reset_ms);
    }
    if (until_ms <= now_ms) {
        until_ms = now_ms + backoff_ms;
    }
    w->held_until_ms = int64_max(w->held_until_ms, until_ms);
    w->knowledge = PACE_UNKNOWN;
    return w->held_until_ms;
}

/* --- shared windows ----------------------------------------------------------------------- */

/* The endpoint that this one may share a window with; itself = none. */
static enum api_endpoint other_of(enum api_endpoint endpoint)
{
    return endpoint == API_SINGLE ? API_BULK : endpoint == API_BULK ? API_SINGLE : endpoint;
}

/*
 * Do both endpoints share a window? If so, a request that began when the other one's count was
 * `below` shows less, but not less than what is under way there explains: beyond that, somebody
 * else's requests count, which proves nothing. A request tells only if it was alone, for then its
 * count is its own.
 */
static void learn_sharing(struct pace *pace, enum api_endpoint endpoint,
                          const struct reading *reading, int64_t now_ms)
{
    const struct pace_window *w = &pace->windows[endpoint];
    const struct pace_window *other = &pace->windows[other_of(endpoint)];

    if (other == w || w->in_flight != 1 || w->below < 0 || !is_known(other, now_ms) ||
        reading->reset_s >= other->reset_s + reading->tolerance_s) {
        return; /* the last one: this request has opened a window */
    }
    int64_t lowest = other->remaining - (int64_t)(other->in_flight + other->unaccounted) - 1;
    bool is_alike =
        other->limit == reading->limit && reading->reset_s > other->reset_s - reading->tolerance_s;
    bool is_used_up = w->below == 0 && reading->remaining == 0;
    if (!is_alike || (reading->remaining >= w->below && !is_used_up)) {
        pace->sharing = PACE_SEPARATE;
    } else if (reading->remaining >= lowest) {
        pace->sharing = PACE_SHARED;
    }
}

/* Adds what is known of the other half of a shared window. */
static void add_other(struct pace_window *w, const struct pace_window *other, int64_t now_ms)
{
    if (is_known(other, now_ms)) {
        bool is_both = is_known(w, now_ms);
        w->knowledge = PACE_KNOWN;
        w->limit = other->limit;
        w->remaining = is_both ? int64_min(w->remaining, other->remaining) : other->remaining;
        w->since_ms = is_both ? int64_min(w->since_ms, other->since_ms) : other->since_ms;
        w->read_ms = is_both ? int64_max(w->read_ms, other->read_ms) : other->read_ms;
        w->reset_ms = is_both ? int64_max(w->reset_ms, other->reset_ms) : other->reset_ms;
        w->unaccounted += other->unaccounted;
    }
    w->in_flight += other->in_flight;
    w->held_until_ms = int64_max(w->held_until_ms, other->held_until_ms);
    w->last_began_ms = int64_max(w->last_began_ms, other->last_began_ms);
}

/* An endpoint's window, with what the other one knows of it if they share it. */
static struct pace_window window_of(const struct pace *pace, enum api_endpoint endpoint,
                                    int64_t now_ms)
{
    struct pace_window w = pace->windows[endpoint];

    if (pace->sharing == PACE_SHARED && other_of(endpoint) != endpoint) {
        add_other(&w, &pace->windows[other_of(endpoint)], now_ms);
    }
    return w;
}

/* How much of a fresh window is kept for urgent requests. */
static int64_t whole_reserve(const struct pace *pace, enum api_endpoint endpoint,
                             const struct pace_window *w, int64_t now_ms)
{
    bool may_share =
        endpoint == API_BULK || (endpoint == API_SINGLE && pace->sharing == PACE_SHARED);

    if (!may_share || pace->sharing == PACE_SEPARATE || !is_known(w, now_ms)) {
        return 0;
    }
    return int64_max(w->limit / RESERVE_SHARE,
                     int64_min(w->limit / RESERVE_SMALL_SHARE, RESERVE_SMALL));
}

/* How much of it is left, in proportion to the time, rounded to the nearest. */
static size_t reserve_at(const struct pace_window *w, int64_t whole, int64_t now_ms)
{
    int64_t length_ms = int64_max(w->reset_ms - w->since_ms, 1);

    return whole == 0
               ? 0
               : (size_t)((2 * whole * (w->reset_ms - now_ms) + length_ms) / (2 * length_ms));
}

/* The first time at which the reserve is less than `room`. */
static int64_t released_ms(const struct pace_window *w, int64_t whole, size_t room)
{
    int64_t length_ms = int64_max(w->reset_ms - w->since_ms, 1);

    return room == 0 ? w->reset_ms
                     : w->reset_ms - (length_ms * (2 * (int64_t)room - 1) - 1) / (2 * whole);
}

/* --- public ------------------------------------------------------------------------------- */

/* The first time at which t - last >= (reset - t) / room. */
static int64_t spaced_ms(const struct pace_window *w, int64_t last_ms, size_t room)
{
    int64_t gaps = (int64_t)room + 1;

    return last_ms + (w->reset_ms - last_ms + gaps - 1) / gaps;
}

/* What other relays may have under way; at most half of a tiny window, so that each gets its part. */
static uint64_t kept_for_others(const struct pace_window *w, size_t others)
{
    return (uint64_t)int64_min((int64_t)others, w->limit / 2);
}

/* `others`: see struct pace. */
static size_t room_of(const struct pace_window *w, size_t others, int64_t now_ms)
{
    if (now_ms < w->held_until_ms) {
        return 0;
    }
    if (w->knowledge == PACE_FREE) {
        return PACE_UNLIMITED;
    }
    if (!is_known(w, now_ms)) {
        return w->in_flight == 0 ? 1 : 0;
    }

    uint64_t remaining = (uint64_t)w->remaining;
    uint64_t spoken_for = w->in_flight + w->unaccounted + kept_for_others(w, others);
    size_t room = remaining > spoken_for ? (size_t)(remaining - spoken_for) : 0;
    bool is_stale = others > 0 && now_ms - w->read_ms >= STALE_MS;
    return is_stale && room > 0 ? w->in_flight == 0 : room;
}

size_t pace_room(const struct pace *pace, enum api_endpoint endpoint, enum pace_kind kind,
                 int64_t now_ms)
{
    struct pace_window w = window_of(pace, endpoint, now_ms);
    size_t room = room_of(&w, pace->others, now_ms);
    size_t reserve = reserve_at(&w, whole_reserve(pace, endpoint, &w, now_ms), now_ms);

    if (kind != PACE_URGENT) {
        return room > reserve ? room - reserve : 0;
    }
    bool is_scarce = room > 0 && room <= reserve;
    return is_scarce ? now_ms >= spaced_ms(&w, w.last_began_ms, room) : room;
}

int64_t pace_next_ms(const struct pace *pace, enum api_endpoint endpoint, enum pace_kind kind,
                     int64_t now_ms)
{
    struct pace_window w = window_of(pace, endpoint, now_ms);
    size_t room = room_of(&w, pace->others, now_ms);
    int64_t whole = whole_reserve(pace, endpoint, &w, now_ms);
    size_t reserve = reserve_at(&w, whole, now_ms);

    if (now_ms < w.held_until_ms) {
        return w.held_until_ms;
    }
    if (room == 0) {
        return is_known(&w, now_ms) ? w.reset_ms : INT64_MAX;
    }
    if (kind == PACE_URGENT) {
        bool is_scarce = room <= reserve;
        return is_scarce ? int64_max(now_ms, spaced_ms(&w, w.last_began_ms, room)) : now_ms;
    }
    if (room <= reserve) {
        return released_ms(&w, whole, room);
    }
    if (kind == PACE_FULL || !w.has_partial || !is_known(&w, now_ms)) {
        return now_ms;
    }
    return int64_max(now_ms, spaced_ms(&w, w.last_partial_ms, room - reserve));
}

void pace_began(struct pace *pace, enum api_endpoint endpoint, bool is_partial, int64_t now_ms)
{
    struct pace_window *w = &pace->windows[endpoint];
    const struct pace_window *other = &pace->windows[other_of(endpoint)];

    if (w->in_flight == 0) {
        w->below = is_known(other, now_ms) ? other->remaining : -1;
    }
    w->in_flight++;
    w->last_began_ms = now_ms;
    if (is_partial) {
        w->has_partial = true;
        w->last_partial_ms = now_ms;
    }
}

/*
 * An answer without a count, or none: the API may still have counted the request. Only a success,
 * which cannot be a proxy's page, shows that the API has no limit.
 */
static void miss_count(struct pace_window *w, int status, int64_t now_ms)
{
    if (is_known(w, now_ms)) {
        w->unaccounted++;
    } else if (status >= 200 && status < 300) {
        w->knowledge = PACE_FREE;
    }
}

int64_t pace_ended(struct pace *pace, enum api_endpoint endpoint, const struct api_answer *answer,
                   int64_t now_ms, int64_t unix_ms, int64_t backoff_ms)
{
    struct pace_window *w = &pace->windows[endpoint];
    struct reading reading;
    bool has_reading = false;

    if (answer->transport == API_ANSWERED) {
        clock_learn(&pace->clock, answer->rate.date_s, now_ms);
        has_reading = read_rate(pace, &answer->rate, now_ms, unix_ms, &reading);
    }
    if (has_reading) {
        learn_sharing(pace, endpoint, &reading, now_ms);
    }
    if (w->in_flight > 0) {
        w->in_flight--;
    }
    if (answer->transport == API_NOT_SENT) {
        return 0;
    }
    if (has_reading) {
        learn(w, &reading, now_ms);
    } else {
        miss_count(w, answer->status, now_ms);
    }
    if (answer->transport != API_ANSWERED || answer->status != 429) {
        return 0;
    }
    return hold(w, &answer->rate, has_reading ? &reading : NULL, now_ms, backoff_ms);
}
