/* pace: the rules one by one, then against a simulated API with clocks, latencies and losses. */
#include "gateway/policy/pace.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

/* Our wall clock and the API's, at monotonic 0. */
enum { NOON_S = 1800000000 };
static const int64_t noon_ms = (int64_t)NOON_S * 1000;

static struct api_answer plain(int status)
{
    return (struct api_answer){.endpoint = API_BULK,
                               .transport = API_ANSWERED,
                               .status = status,
                               .rate = {.retry_after_s = -1}};
}

static struct api_answer counted(int64_t limit, int64_t remaining, int64_t reset, int64_t date_s)
{
    struct api_answer answer = plain(201);
    answer.rate = (struct api_rate){.is_present = true,
                                    .limit = limit,
                                    .remaining = remaining,
                                    .reset = reset,
                                    .retry_after_s = -1,
                                    .date_s = date_s};
    return answer;
}

static int64_t end(struct pace *pace, struct api_answer answer, int64_t now_ms)
{
    return pace_ended(pace, API_BULK, &answer, now_ms, noon_ms + now_ms, 700);
}

/* Begins and ends a request at once. */
static int64_t ask(struct pace *pace, struct api_answer answer, int64_t now_ms)
{
    pace_began(pace, API_BULK, false, now_ms);
    return end(pace, answer, now_ms);
}

static size_t room(const struct pace *pace, int64_t now_ms)
{
    return pace_room(pace, API_BULK, PACE_FULL, now_ms);
}

static int64_t next(const struct pace *pace, int64_t now_ms)
{
    return pace_next_ms(pace, API_BULK, PACE_FULL, now_ms);
}

Test(pace, one_at_a_time_until_an_answer_shows_the_window)
{
    struct pace pace = {.sharing = PACE_SEPARATE};

    cr_assert_eq(room(&pace, 0), 1);
    cr_assert_eq(next(&pace, 0), 0);
    pace_began(&pace, API_BULK, false, 0);
    cr_assert_eq(room(&pace, 0), 0);
    cr_assert_eq(next(&pace, 0), INT64_MAX, "only the answer can tell");
    end(&pace, counted(10, 9, NOON_S + 60, 0), 5);
    cr_assert_eq(room(&pace, 5), 9);
    cr_assert_eq(pace.windows[API_BULK].limit, 10);
    cr_assert_eq(pace_room(&pace, API_SINGLE, PACE_FULL, 5), 1, "each endpoint by itself");

    cr_assert_eq(room(&pace, 60999), 9, "Reset has lost its fraction");
    cr_assert_eq(room(&pace, 61000), 1, "not known again after the reset");
    pace_began(&pace, API_BULK, false, 61000);
    cr_assert_eq(room(&pace, 61000), 0);
}

Test(pace, no_headers_mean_no_known_limit)
{
    struct pace pace = {.sharing = PACE_SEPARATE};

    ask(&pace, plain(502), 0);
    cr_assert_eq(room(&pace, 0), 1, "a proxy's page proves nothing");
    ask(&pace, plain(201), 0);
    cr_assert_eq(room(&pace, 0), PACE_UNLIMITED);
    cr_assert_eq(next(&pace, 3), 3);
    ask(&pace, counted(10, 4, NOON_S + 60, 0), 0);
    cr_assert_eq(room(&pace, 0), 4, "the headers came back");
    ask(&pace, plain(201), 10);
    cr_assert_eq(room(&pace, 10), 3, "what was known holds, and the API may have counted this one");
    cr_assert_eq(room(&pace, 61000), 1);
    ask(&pace, plain(201), 61000);
    cr_assert_eq(room(&pace, 61000), PACE_UNLIMITED);
}

Test(pace, requests_without_an_answer_count)
{
    struct pace pace = {.sharing = PACE_SEPARATE};
    struct api_answer lost = {.transport = API_NO_ANSWER, .rate = {.retry_after_s = -1}};
    struct api_answer unsent = {.transport = API_NOT_SENT, .rate = {.retry_after_s = -1}};

    ask(&pace, counted(5, 4, NOON_S + 60, 0), 0);
    for (int i = 0; i < 4; i++) {
        pace_began(&pace, API_BULK, false, 1);
    }
    cr_assert_eq(room(&pace, 1), 0);
    cr_assert_eq(next(&pace, 1), 61000);
    end(&pace, unsent, 2);
    cr_assert_eq(room(&pace, 2), 1, "not sent: its place is free again");
    end(&pace, lost, 3);
    cr_assert_eq(room(&pace, 3), 1, "lost: it stays counted");
    end(&pace, counted(5, 2, NOON_S + 60, 0), 4);
    end(&pace, counted(5, 1, NOON_S + 60, 0), 5);
    cr_assert_eq(room(&pace, 5), 0, "1 remaining, and one that may be counted yet");
    cr_assert_eq(room(&pace, 61000), 1, "but not in the next window");
    ask(&pace, counted(5, 4, NOON_S + 121, 0), 61000);
    cr_assert_eq(room(&pace, 61000), 4);
}

Test(pace, what_other_relays_may_have_under_way_is_kept_back)
{
    struct pace pace = {.sharing = PACE_SEPARATE, .others = 8};

    cr_assert_eq(room(&pace, 0), 1, "the window is not known: one finds out");
    ask(&pace, counted(100, 20, NOON_S + 60, 0), 0);
    cr_assert_eq(room(&pace, 0), 12);
    ask(&pace, counted(100, 8, NOON_S + 60, 0), 10);
    cr_assert_eq(room(&pace, 10), 0, "the others may have used them up");
    cr_assert_eq(next(&pace, 10), 61000);
    cr_assert_eq(room(&pace, 61000), 1);

    ask(&pace, counted(4, 3, NOON_S + 121, 0), 61000);
    cr_assert_eq(room(&pace, 61000), 1, "of a tiny window, half at most");
}

Test(pace, a_count_that_others_go_on_from_is_soon_out_of_date)
{
    struct pace pace = {.sharing = PACE_SEPARATE, .others = 4};

    ask(&pace, counted(100, 50, NOON_S + 60, 0), 0);
    cr_assert_eq(room(&pace, 999), 46);
    cr_assert_eq(room(&pace, 1000), 1, "one finds out");
    cr_assert_eq(next(&pace, 1000), 1000);
    pace_began(&pace, API_BULK, false, 1000);
    cr_assert_eq(room(&pace, 1000), 0);
    end(&pace, counted(100, 30, NOON_S + 60, 0), 1010);
    cr_assert_eq(room(&pace, 1010), 26);

    struct pace alone = {.sharing = PACE_SEPARATE};
    ask(&alone, counted(100, 50, NOON_S + 60, 0), 0);
    cr_assert_eq(room(&alone, 59000), 50, "without others it stays true");
}

Test(pace, remaining_only_falls_within_a_window)
{
    static const struct {
        int64_t remaining, reset;
        size_t room;
        int64_t ends_s; /* of the window, a second more */
        const char *why;
    } rows[] = {
        {7, NOON_S + 60, 7, 60, "the first"},
        {5, NOON_S + 60, 5, 60, "falls"},
        {6, NOON_S + 60, 5, 60, "an answer that was overtaken"},
        {9, NOON_S + 61, 5, 61, "Reset computed anew, a second off, is the same window"},
        {4, NOON_S + 60, 4, 61, "and here too; the later one counts"},
        {3, NOON_S, 4, 61, "an answer of the window before"},
        {3, NOON_S + 50, 4, 61, "and another"},
        {8, NOON_S + 120, 8, 120, "the next window"},
        {2, NOON_S + 60, 8, 120, "a late answer of the last one"},
    };
    struct pace pace = {.sharing = PACE_SEPARATE};

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        ask(&pace, counted(10, rows[i].remaining, rows[i].reset, 0), 1000);
        cr_expect_eq(room(&pace, 1000), rows[i].room, "%s: %zu", rows[i].why, room(&pace, 1000));
        struct pace full = pace;
        for (int n = 0; n < 10; n++) {
            pace_began(&full, API_BULK, false, 1000);
        }
        cr_expect_eq(next(&full, 1000), (rows[i].ends_s + 1) * 1000, "%s", rows[i].why);
    }
}

Test(pace, reset_in_every_form)
{
    static const struct {
        int64_t limit, remaining, reset;
        size_t room;     /* at 1000 ms */
        int64_t next_ms; /* with the room used up */
        const char *why;
    } rows[] = {
        {10, 9, NOON_S + 31, 9, 32000, "Unix time"},
        {10, 9, 30, 9, 32000, "seconds from now"},
        {10, 9, 1000000000, 9, 1000 + PACE_WAIT_MAX_MS, "10^9 is still seconds, and capped"},
        {10, 9, NOON_S + 90000, 9, 1000 + PACE_WAIT_MAX_MS, "capped at an hour"},
        {10, 9, INT64_MAX, 9, 1000 + PACE_WAIT_MAX_MS, "absurd"},
        {10, 90, NOON_S + 31, 10, 32000, "more remaining than the limit"},
        {10, -3, NOON_S + 31, 0, 32000, "less than none"},
        {0, 0, NOON_S + 31, 0, 32000, "a limit of none"},
        {10, 9, NOON_S - 10, 1, INT64_MAX, "in the past: tells nothing"},
        {10, 9, NOON_S, 1, INT64_MAX, "a second ago: tells nothing"},
        {10, 9, 0, 9, 2000, "within a second"},
        {10, 9, -5, 9, 2000, "negative: within a second, too"},
        {-1, -1, NOON_S + 31, PACE_UNLIMITED, 1000, "a negative limit is none"},
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct pace pace = {.sharing = PACE_SEPARATE};
        ask(&pace, counted(rows[i].limit, rows[i].remaining, rows[i].reset, 0), 1000);
        cr_expect_eq(room(&pace, 1000), rows[i].room, "%s: %zu", rows[i].why, room(&pace, 1000));
        for (size_t n = 0; n < 10; n++) {
            pace_began(&pace, API_BULK, false, 1000);
        }
        cr_expect_eq(next(&pace, 1000), rows[i].next_ms, "%s: %lld", rows[i].why,
                     (long long)next(&pace, 1000));
    }
}

Test(pace, date_shows_how_the_clocks_differ)
{
    struct pace pace = {.sharing = PACE_SEPARATE};

    /* The API's clock is 100 s ahead of ours; the first answer shows it with 900 ms too little. */
    ask(&pace, counted(10, 0, NOON_S + 160, NOON_S + 100), 900);
    cr_assert_eq(next(&pace, 900), 61901, "never early, so late by what Date leaves out");
    ask(&pace, counted(10, 0, NOON_S + 160, NOON_S + 101), 1005);
    cr_assert_eq(next(&pace, 1005), 61006, "a larger value is nearer");
    ask(&pace, counted(10, 0, NOON_S + 160, NOON_S + 101), 1800);
    cr_assert_eq(next(&pace, 1800), 61006, "a smaller one is not");
    ask(&pace, counted(10, 0, NOON_S + 160, NOON_S + 50), 2000);
    cr_assert_eq(next(&pace, 2000), 113001, "unless by so much that a clock was set");
}

Test(pace, an_old_clock_difference_is_forgotten)
{
    struct pace pace = {.sharing = PACE_SEPARATE};
    int64_t later_ms = 3600 * 1000;

    ask(&pace, counted(10, 0, NOON_S + 60, NOON_S + 1), 0); /* one second ahead */
    /* An hour later it is level: nothing of the second is left. */
    ask(&pace, counted(10, 0, NOON_S + 3660, NOON_S + 3600), later_ms);
    cr_assert_eq(next(&pace, later_ms), later_ms + 61001);

    /* Drifting slowly, with an answer each minute. */
    struct pace drifting = {.sharing = PACE_SEPARATE};
    for (int64_t minute = 0; minute <= 60; minute++) {
        int64_t now_ms = minute * 60000 + minute * 25; /* ours is fast: 25 ms a minute */
        ask(&drifting, counted(10, 0, NOON_S + minute * 60 + 60, NOON_S + minute * 60), now_ms);
        int64_t lead_ms = next(&drifting, now_ms) - (now_ms + 61001);
        cr_assert(lead_ms >= -250 && lead_ms <= 0, "minute %lld: %lld", (long long)minute,
                  (long long)lead_ms);
    }
}

Test(pace, partial_batches_keep_apart)
{
    struct pace pace = {.sharing = PACE_SEPARATE};

    ask(&pace, counted(100, 60, NOON_S + 59, 0), 0);
    cr_assert_eq(pace_next_ms(&pace, API_BULK, PACE_PARTIAL, 0), 0, "the first one goes at once");
    pace_began(&pace, API_BULK, true, 0);
    end(&pace, counted(100, 59, NOON_S + 59, 0), 0);

    int64_t t = pace_next_ms(&pace, API_BULK, PACE_PARTIAL, 10);
    cr_assert_eq(t, 1000, "59 left for 60 s: every second, not %lld", (long long)t);
    cr_assert_eq(pace_next_ms(&pace, API_BULK, PACE_PARTIAL, t), t, "and then it is time");
    cr_assert_eq(next(&pace, 10), 10, "full ones do not wait");
    cr_assert_eq(pace_next_ms(&pace, API_SINGLE, PACE_PARTIAL, 10), 10,
                 "nor does another endpoint");

    /* Full batches have used most of it: partial ones keep further apart. */
    ask(&pace, counted(100, 5, NOON_S + 59, 0), 10);
    cr_assert_eq(pace_next_ms(&pace, API_BULK, PACE_PARTIAL, 10), 10000);
    cr_assert_eq(pace_next_ms(&pace, API_BULK, PACE_PARTIAL, 30000), 30000, "waited long enough");
    for (int64_t left = 1; left <= 60; left++) {
        struct pace spaced = {.sharing = PACE_SEPARATE};
        ask(&spaced, counted(100, left, NOON_S + 59, 0), 0);
        pace_began(&spaced, API_BULK, true, 0);
        end(&spaced, counted(100, left, NOON_S + 59, 0), 0);
        t = pace_next_ms(&spaced, API_BULK, PACE_PARTIAL, 0);
        cr_expect(t * left >= 60000 - t && (t - 1) * left < 60000 - (t - 1),
                  "%lld left: the first millisecond at which it is (reset - now) / remaining",
                  (long long)left);
    }
}

/* A window is never used up by partial batches, yet all of it can be used. */
Test(pace, partial_batches_last_for_the_whole_window)
{
    struct pace pace = {.sharing = PACE_SEPARATE};
    int64_t remaining = 20, now_ms = 0;

    ask(&pace, counted(20, remaining, NOON_S + 59, 0), 0);
    while (remaining > 0) {
        now_ms = pace_next_ms(&pace, API_BULK, PACE_PARTIAL, now_ms);
        pace_began(&pace, API_BULK, true, now_ms);
        end(&pace, counted(20, --remaining, NOON_S + 59, 0), now_ms);
    }
    cr_assert(now_ms > 54000 && now_ms < 60000, "the last one at %lld", (long long)now_ms);
}

Test(pace, a_429_holds_the_endpoint_back)
{
    static const struct {
        bool has_rate;
        int64_t remaining, reset, retry_after_s;
        int64_t until_ms;
        const char *why;
    } rows[] = {
        {true, 0, NOON_S + 31, -1, 32000, "until the reset"},
        {true, 0, NOON_S + 31, 3, 32000, "the later of both"},
        {true, 0, NOON_S + 31, 50, 51000, "the later of both"},
        {true, 5, NOON_S + 31, 3, 4000, "it is not the window that refused"},
        {true, 5, NOON_S + 31, -1, 32000, "there is nothing else to go by"},
        {false, 0, 0, 3, 4000, "Retry-After alone"},
        {false, 0, 0, INT64_MAX, 1000 + PACE_WAIT_MAX_MS, "capped"},
        {false, 0, 0, -1, 1700, "nothing: the backoff"},
        {false, 0, 0, 0, 1700, "at once, it says: the backoff"},
        {true, 0, NOON_S - 5, -1, 1700, "a reset in the past: the backoff"},
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct pace pace = {.sharing = PACE_SEPARATE};
        struct api_answer answer = plain(429);
        if (rows[i].has_rate) {
            answer = counted(10, rows[i].remaining, rows[i].reset, 0);
        }
        answer.status = 429;
        answer.rate.retry_after_s = rows[i].retry_after_s;

        /* Another request, answered before the 429 was, must not open the door again. */
        pace_began(&pace, API_BULK, false, 0);
        int64_t until_ms = ask(&pace, answer, 1000);
        end(&pace, counted(10, 9, NOON_S + 31, 0), 1001);
        cr_expect_eq(until_ms, rows[i].until_ms, "%s: %lld", rows[i].why, (long long)until_ms);
        cr_expect_eq(room(&pace, until_ms - 1), 0, "%s", rows[i].why);
        cr_expect_eq(next(&pace, 1001), until_ms, "%s", rows[i].why);
        cr_expect_gt(room(&pace, until_ms), 0, "%s", rows[i].why);
        cr_expect_eq(pace_room(&pace, API_SINGLE, PACE_FULL, 1001), 1,
                     "the other endpoint is free");
    }
}

Test(pace, after_a_429_one_request_goes_first)
{
    struct pace pace = {.sharing = PACE_SEPARATE};
    struct api_answer refused = plain(429);

    ask(&pace, plain(201), 0);
    cr_assert_eq(room(&pace, 0), PACE_UNLIMITED);
    ask(&pace, refused, 0);
    cr_assert_eq(room(&pace, 699), 0);
    cr_assert_eq(room(&pace, 700), 1);

    /* In the middle of a window, for another reason than the window. */
    ask(&pace, counted(10, 6, NOON_S + 60, 0), 700);
    refused = counted(10, 5, NOON_S + 60, 0);
    refused.status = 429;
    refused.rate.retry_after_s = 2;
    ask(&pace, refused, 800);
    cr_assert_eq(room(&pace, 2799), 0);
    cr_assert_eq(room(&pace, 2800), 1);
    ask(&pace, counted(10, 4, NOON_S + 60, 0), 2800);
    cr_assert_eq(room(&pace, 2800), 4);
}

/* --- shared windows ------------------------------------------------------------------------ */

static void ask_single(struct pace *pace, struct api_answer answer, int64_t now_ms)
{
    pace_began(pace, API_SINGLE, false, now_ms);
    pace_ended(pace, API_SINGLE, &answer, now_ms, noon_ms + now_ms, 700);
}

Test(pace, counts_show_whether_a_window_is_shared)
{
    static const struct {
        size_t bulks_in_flight;
        int64_t limit, remaining, reset;
        enum pace_sharing sharing;
        const char *why;
    } rows[] = {
        {0, 100, 49, NOON_S + 60, PACE_SHARED, "one less than the other endpoint showed"},
        {0, 100, 50, NOON_S + 60, PACE_SEPARATE, "not less"},
        {0, 100, 99, NOON_S + 60, PACE_SEPARATE, "a window of its own"},
        {0, 100, 48, NOON_S + 60, PACE_SHARING_UNKNOWN, "somebody else's requests"},
        {3, 100, 46, NOON_S + 60, PACE_SHARED, "what is under way counts, too"},
        {3, 100, 45, NOON_S + 60, PACE_SHARING_UNKNOWN, "but no more than that"},
        {0, 100, 49, NOON_S + 59, PACE_SEPARATE, "it ends earlier"},
        {0, 100, 49, NOON_S + 61, PACE_SHARING_UNKNOWN, "it is the next one"},
        {0, 200, 49, NOON_S + 60, PACE_SEPARATE, "another limit"},
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct pace pace = {0};
        ask(&pace, counted(100, 50, NOON_S + 60, 0), 0);
        for (size_t n = 0; n < rows[i].bulks_in_flight; n++) {
            pace_began(&pace, API_BULK, false, 0);
        }
        ask_single(&pace, counted(rows[i].limit, rows[i].remaining, rows[i].reset, 0), 0);
        cr_expect_eq(pace.sharing, rows[i].sharing, "%s", rows[i].why);
    }
}

Test(pace, a_window_that_the_other_endpoint_has_used_up)
{
    struct pace pace = {0};
    struct api_answer refused = counted(100, 0, NOON_S + 60, 0);

    ask(&pace, refused, 0);
    refused.status = 429;
    ask_single(&pace, refused, 0);
    cr_assert_eq(pace.sharing, PACE_SHARED);
    cr_assert_eq(pace_next_ms(&pace, API_SINGLE, PACE_URGENT, 0), 61000);

    /* It is learnt again, whatever it was. */
    ask(&pace, counted(100, 99, NOON_S + 121, 0), 61000);
    ask_single(&pace, counted(100, 99, NOON_S + 121, 0), 61000);
    cr_assert_eq(pace.sharing, PACE_SEPARATE);
}

Test(pace, a_shared_window_is_counted_for_both)
{
    struct pace pace = {0};

    ask(&pace, counted(100, 50, NOON_S + 60, 0), 0);
    ask_single(&pace, counted(100, 49, NOON_S + 60, 0), 0);
    cr_assert_eq(pace_room(&pace, API_BULK, PACE_URGENT, 0), 49);
    pace_began(&pace, API_BULK, false, 0);
    pace_began(&pace, API_BULK, false, 0);
    cr_assert_eq(pace_room(&pace, API_SINGLE, PACE_URGENT, 0), 47);
    cr_assert_eq(pace_room(&pace, API_BULK, PACE_FULL, 0), 42, "five are kept");

    /* In the next window one request finds out for both. */
    end(&pace, counted(100, 48, NOON_S + 60, 0), 1);
    end(&pace, counted(100, 47, NOON_S + 60, 0), 1);
    pace_began(&pace, API_BULK, false, 61000);
    cr_assert_eq(pace_room(&pace, API_SINGLE, PACE_URGENT, 61000), 0);
    end(&pace, counted(100, 99, NOON_S + 121, 0), 61010);
    cr_assert_eq(pace_room(&pace, API_SINGLE, PACE_URGENT, 61010), 99);
}

Test(pace, what_is_kept_for_urgent_requests)
{
    static const struct {
        enum pace_sharing sharing;
        enum api_endpoint endpoint;
        int64_t limit;
        size_t kept;
    } rows[] = {
        {PACE_SHARED, API_BULK, 1200, 60},
        {PACE_SHARED, API_SINGLE, 1200, 60},
        {PACE_SHARED, API_BULK, 100, 5},
        {PACE_SHARED, API_BULK, 20, 4},
        {PACE_SHARED, API_BULK, 5, 1},
        {PACE_SHARED, API_BULK, 4, 0},
        {PACE_SHARED, API_HISTORY, 100, 0},
        {PACE_SEPARATE, API_BULK, 1200, 0},
        {PACE_SHARING_UNKNOWN, API_BULK, 100, 5},
        {PACE_SHARING_UNKNOWN, API_SINGLE, 100, 0},
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct pace pace = {.sharing = rows[i].sharing};
        struct api_answer answer = counted(rows[i].limit, rows[i].limit - 1, NOON_S + 60, 0);
        pace_began(&pace, rows[i].endpoint, false, 0);
        pace_ended(&pace, rows[i].endpoint, &answer, 0, noon_ms, 700);
        size_t all = pace_room(&pace, rows[i].endpoint, PACE_URGENT, 0);
        cr_expect_eq(all, (size_t)rows[i].limit - 1, "row %zu", i);
        cr_expect_eq(pace_room(&pace, rows[i].endpoint, PACE_FULL, 0), all - rows[i].kept,
                     "row %zu: %zu", i, pace_room(&pace, rows[i].endpoint, PACE_FULL, 0));
    }
}

/* Nobody is urgent: what was kept goes evenly, and none of the window is lost. */
Test(pace, the_reserve_is_released_in_time)
{
    static const int64_t limits[] = {5, 20, 100, 1200};
    for (size_t i = 0; i < sizeof(limits) / sizeof(limits[0]); i++) {
        struct pace pace = {.sharing = PACE_SHARED};
        int64_t remaining = limits[i], now_ms = 0, last_ms = 0, longest_ms = 0;
        ask(&pace, counted(limits[i], remaining, NOON_S + 59, 0), 0);
        int64_t burst = (int64_t)pace_room(&pace, API_BULK, PACE_FULL, 0);
        while (remaining > 0) {
            now_ms = next(&pace, now_ms);
            cr_assert_gt(room(&pace, now_ms), 0, "it is time");
            longest_ms = now_ms - last_ms > longest_ms ? now_ms - last_ms : longest_ms;
            last_ms = now_ms;
            ask(&pace, counted(limits[i], --remaining, NOON_S + 59, 0), now_ms);
        }
        int64_t kept = limits[i] - burst;
        cr_expect_lt(now_ms, 60000, "all are used");
        cr_expect_leq(longest_ms, 60000 / kept + 1, "limit %lld: %lld", (long long)limits[i],
                      (long long)longest_ms);
    }
}

Test(pace, urgent_requests_make_the_reserve_last)
{
    struct pace pace = {.sharing = PACE_SHARED};
    int64_t remaining = 60, now_ms = 0;

    ask(&pace, counted(1200, remaining, NOON_S + 59, 0), 0);
    cr_assert_eq(room(&pace, 0), 0);
    for (; remaining > 0; remaining--) {
        int64_t due_ms = pace_next_ms(&pace, API_SINGLE, PACE_URGENT, now_ms);
        cr_assert_leq(due_ms - now_ms, 1000);
        now_ms = due_ms;
        cr_assert_geq(pace_room(&pace, API_SINGLE, PACE_URGENT, now_ms), 1);
        ask_single(&pace, counted(1200, remaining - 1, NOON_S + 59, 0), now_ms);
    }
    cr_expect(now_ms > 57000 && now_ms < 60000, "%lld", (long long)now_ms);
}

/* --- against a simulated API -------------------------------------------------------------- */

enum { CONNECTIONS_MAX = 64 };

struct scenario {
    const char *name;
    int64_t limit, window_ms;
    int64_t offset_ms; /* the API's clock minus ours */
    int64_t latency_ms;
    size_t connections;
    bool is_aligned;  /* windows begin at multiples of window_ms, not with the first request */
    bool rounds_down; /* Reset */
    bool is_relative; /* Reset in seconds from now */
    bool has_no_date;
    unsigned lost_percent;
    uint64_t over_limit; /* requests over the limit that are allowed in the whole run */
};

struct request {
    int64_t arrives_ms, answered_ms;
    struct api_answer answer;
    bool has_arrived;
};

struct simulation {
    const struct scenario *scenario;
    struct pace pace;
    struct request requests[CONNECTIONS_MAX];
    size_t in_flight;
    int64_t now_ms, window_end_ms; /* ours; the API's */
    int64_t used;
    uint64_t accepted, over_limit, windows;
    uint64_t seed;
};

static int64_t draw(struct simulation *s, int64_t below)
{
    s->seed = s->seed * 6364136223846793005u + 1442695040888963407u;
    return (int64_t)(s->seed >> 33) % below;
}

/* The API sees a request. */
static void arrive(struct simulation *s, struct request *request)
{
    const struct scenario *c = s->scenario;
    int64_t there_ms = noon_ms + s->now_ms + c->offset_ms;

    if (there_ms >= s->window_end_ms) {
        s->windows++;
        s->used = 0;
        s->window_end_ms =
            c->is_aligned ? (there_ms / c->window_ms + 1) * c->window_ms : there_ms + c->window_ms;
    }
    bool is_over = s->used >= c->limit;
    s->used += is_over ? 0 : 1;
    s->accepted += is_over ? 0 : 1;
    s->over_limit += is_over ? 1 : 0;

    int64_t reset_ms = s->window_end_ms - (c->is_relative ? there_ms : 0);
    int64_t reset_s = (reset_ms + (c->rounds_down ? 0 : 999)) / 1000;
    request->has_arrived = true;
    request->answer =
        counted(c->limit, c->limit - s->used, reset_s, c->has_no_date ? 0 : there_ms / 1000);
    request->answer.status = is_over ? 429 : 201;
    if (draw(s, 100) < (int64_t)c->lost_percent) {
        request->answer = (struct api_answer){.transport = API_NO_ANSWER};
    }
}

static void start(struct simulation *s)
{
    int64_t there_ms = draw(s, s->scenario->latency_ms + 1);
    int64_t back_ms = draw(s, s->scenario->latency_ms - there_ms + 1);

    pace_began(&s->pace, API_BULK, false, s->now_ms);
    s->requests[s->in_flight++] = (struct request){.arrives_ms = s->now_ms + there_ms,
                                                   .answered_ms = s->now_ms + there_ms + back_ms};
}

/* Carries out what happens at `now_ms`, in the order of arrival. */
static void happen(struct simulation *s)
{
    for (size_t i = 0; i < s->in_flight; i++) {
        if (!s->requests[i].has_arrived && s->requests[i].arrives_ms <= s->now_ms) {
            arrive(s, &s->requests[i]);
        }
    }
    for (size_t i = 0; i < s->in_flight;) {
        if (!s->requests[i].has_arrived || s->requests[i].answered_ms > s->now_ms) {
            i++;
            continue;
        }
        pace_ended(&s->pace, API_BULK, &s->requests[i].answer, s->now_ms, noon_ms + s->now_ms, 500);
        s->requests[i] = s->requests[--s->in_flight];
    }
}

static int64_t earlier(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

static void simulate(const struct scenario *c, uint64_t windows)
{
    struct simulation s = {.scenario = c, .now_ms = 1, .seed = 7};
    int64_t begun_ms = s.now_ms;

    while (s.windows < windows) {
        happen(&s);
        while (s.in_flight < c->connections &&
               pace_room(&s.pace, API_BULK, PACE_FULL, s.now_ms) > 0) {
            start(&s);
        }
        int64_t next_ms = INT64_MAX;
        if (s.in_flight < c->connections) {
            next_ms = pace_next_ms(&s.pace, API_BULK, PACE_FULL, s.now_ms);
        }
        for (size_t i = 0; i < s.in_flight; i++) {
            next_ms = earlier(next_ms, s.requests[i].has_arrived ? s.requests[i].answered_ms
                                                                 : s.requests[i].arrives_ms);
        }
        cr_assert_neq(next_ms, INT64_MAX, "%s: it hangs", c->name);
        s.now_ms = next_ms > s.now_ms ? next_ms : s.now_ms + (s.in_flight > 0 ? 0 : 1);
    }
    double possible = (double)(s.now_ms - begun_ms) / (double)c->window_ms * (double)c->limit;
    double share = (double)s.accepted / possible;
    cr_expect_leq(s.over_limit, c->over_limit, "%s, offset %lld: %llu over the limit", c->name,
                  (long long)c->offset_ms, (unsigned long long)s.over_limit);
    if (c->window_ms >= 60000 && c->lost_percent == 0) {
        cr_expect_geq(share, 0.95, "%s, offset %lld: only %.3f of the limit", c->name,
                      (long long)c->offset_ms, share);
    }
}

Test(pace, never_over_the_limit_and_hardly_under)
{
    static const int64_t offsets_ms[] = {-5000, -3700, -999, -400, 0, 1, 500, 999, 2345, 5000};
    static const struct scenario scenarios[] = {
        {.name = "5 in 2 s", .limit = 5, .window_ms = 2000, .latency_ms = 500, .connections = 4},
        {.name = "5 in 2 s, quick",
         .limit = 5,
         .window_ms = 2000,
         .latency_ms = 1,
         .connections = 4},
        {.name = "60 a minute",
         .limit = 60,
         .window_ms = 60000,
         .latency_ms = 500,
         .connections = 4},
        {.name = "600 a minute",
         .limit = 600,
         .window_ms = 60000,
         .latency_ms = 500,
         .connections = 4},
        {.name = "1200 a minute",
         .limit = 1200,
         .window_ms = 60000,
         .latency_ms = 500,
         .connections = 16},
        {.name = "aligned",
         .limit = 100,
         .window_ms = 60000,
         .latency_ms = 300,
         .connections = 8,
         .is_aligned = true},
        {.name = "seconds from now",
         .limit = 100,
         .window_ms = 60000,
         .latency_ms = 500,
         .connections = 4,
         .is_relative = true},
        {.name = "with losses",
         .limit = 20,
         .window_ms = 60000,
         .latency_ms = 500,
         .connections = 4,
         .lost_percent = 10},
        {.name = "rounded down",
         .limit = 20,
         .window_ms = 60000,
         .latency_ms = 100,
         .connections = 4,
         .rounds_down = true},
        {.name = "5 in 2 s, rounded down",
         .limit = 5,
         .window_ms = 2000,
         .latency_ms = 20,
         .connections = 4,
         .rounds_down = true},
        {.name = "seconds from now, rounded down",
         .limit = 100,
         .window_ms = 60000,
         .latency_ms = 500,
         .connections = 4,
         .rounds_down = true,
         .is_relative = true},
        {.name = "less than a second, rounded down",
         .limit = 3,
         .window_ms = 700,
         .latency_ms = 20,
         .connections = 4,
         .rounds_down = true},
    };

    for (size_t i = 0; i < sizeof(scenarios) / sizeof(scenarios[0]); i++) {
        for (size_t k = 0; k < sizeof(offsets_ms) / sizeof(offsets_ms[0]); k++) {
            struct scenario scenario = scenarios[i];
            scenario.offset_ms = offsets_ms[k];
            simulate(&scenario, scenario.limit > 100 ? 100 : 1000);
        }
    }
}

Test(pace, without_date_the_clocks_are_taken_as_equal)
{
    struct scenario scenario = {.name = "no Date",
                                .limit = 60,
                                .window_ms = 60000,
                                .latency_ms = 500,
                                .connections = 4,
                                .has_no_date = true};
    simulate(&scenario, 1000);
    scenario.offset_ms = -300; /* ours is ahead: late is safe, early is learnt from */
    scenario.over_limit = 2;
    simulate(&scenario, 1000);
}
