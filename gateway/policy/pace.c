/* pace: see pace.h. */
#include "gateway/policy/pace.h"

#include "gateway/base/int64.h"

enum {
    CLOCK_LIFE_MS = 10 * 60 * 1000,
    CLOCK_SET_BACK_MS = 2000, /* more than a Date can be late: somebody has set a clock */
    ROUNDING_MS = 1000
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

/*
 * Does the API cut off the fraction of Reset? It shows when a Reset had passed before this request
 * began, yet the API still counts in that window. While a window is not known there is one request
 * at a time, so this is the one that began last.
 */
static bool shows_rounding_down(const struct pace_window *w, int64_t reset_ms, int64_t now_ms)
{
    return !is_known(w, now_ms) && w->in_flight == 1 && reset_ms <= w->last_began_ms &&
           w->last_began_ms < reset_ms + ROUNDING_MS;
}

/* Reads the headers of an answer whose request still counts in `in_flight`. */
static bool read_rate(struct pace *pace, const struct pace_window *w, const struct api_rate *rate,
                      int64_t now_ms, int64_t unix_ms, struct reading *reading)
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
        if (shows_rounding_down(w, reset_ms, now_ms)) {
            pace->is_reset_rounded_down = true;
        }
    }
    if (pace->is_reset_rounded_down) {
        reset_ms += ROUNDING_MS;
    }
    *reading = (struct reading){.limit = rate->limit,
                                .remaining = int64_min(int64_max(rate->remaining, 0), rate->limit),
                                .reset_ms = int64_min(reset_ms, now_ms + PACE_WAIT_MAX_MS),
                                .reset_s = is_unix ? reset_s : now_ms / 1000 + reset_s,
                                .tolerance_s = is_unix ? 1 : 2};
    return true;
}

static void begin_window(struct pace_window *w, const struct reading *reading)
{
    w->knowledge = PACE_KNOWN;
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
        begin_window(w, reading);
        return;
    }
    if (reading->reset_s < w->reset_s - reading->tolerance_s) {
        return;
    }
    w->remaining = int64_min(w->remaining, reading->remaining);
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

/* --- public ------------------------------------------------------------------------------- */

size_t pace_room(const struct pace *pace, enum api_endpoint endpoint, int64_t now_ms)
{
    const struct pace_window *w = &pace->windows[endpoint];

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
    uint64_t spoken_for = w->in_flight + w->unaccounted;
    return remaining > spoken_for ? (size_t)(remaining - spoken_for) : 0;
}

int64_t pace_next_ms(const struct pace *pace, enum api_endpoint endpoint, bool is_partial,
                     int64_t now_ms)
{
    const struct pace_window *w = &pace->windows[endpoint];
    size_t room = pace_room(pace, endpoint, now_ms);

    if (now_ms < w->held_until_ms) {
        return w->held_until_ms;
    }
    if (room == 0) {
        return is_known(w, now_ms) ? w->reset_ms : INT64_MAX;
    }
    if (!is_partial || !w->has_partial || !is_known(w, now_ms)) {
        return now_ms;
    }

    /* The first t at which t - last >= (reset - t) / room. */
    int64_t rest_ms = w->reset_ms - w->last_partial_ms;
    int64_t gaps = (int64_t)room + 1;
    return int64_max(now_ms, w->last_partial_ms + (rest_ms + gaps - 1) / gaps);
}

void pace_began(struct pace *pace, enum api_endpoint endpoint, bool is_partial, int64_t now_ms)
{
    struct pace_window *w = &pace->windows[endpoint];

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
        has_reading = read_rate(pace, w, &answer->rate, now_ms, unix_ms, &reading);
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
