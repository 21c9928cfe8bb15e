/* batch: what goes, what waits, and for what. */
#include "gateway/policy/batch.h"

#include <criterion/criterion.h>

enum { NOW_MS = 1000, RESET_MS = 61000 };
static const int64_t never = INT64_MAX;

/* A window as a test states it. */
enum window {
    FREE,   /* no known limit */
    FRESH,  /* not known */
    BUSY,   /* not known, and a request is in flight */
    SPACED, /* 9 left until RESET_MS; a partial batch went at NOW_MS: the next at 7000 */
    EMPTY   /* none left until RESET_MS */
};
enum { SPACED_MS = 7000 };

static struct pace_window window(enum window kind)
{
    static const struct pace_window windows[] = {
        [FREE] = {.knowledge = PACE_FREE},
        [FRESH] = {.knowledge = PACE_UNKNOWN},
        [BUSY] = {.knowledge = PACE_UNKNOWN, .in_flight = 1},
        [SPACED] = {.knowledge = PACE_KNOWN,
                    .remaining = 9,
                    .reset_ms = RESET_MS,
                    .has_partial = true,
                    .last_partial_ms = NOW_MS},
        [EMPTY] = {.knowledge = PACE_KNOWN, .reset_ms = RESET_MS},
    };
    return windows[kind];
}

struct batch_case {
    const char *what;
    size_t high, normal, low;
    size_t in_flight; /* of 2 connections */
    enum window single, bulk;
    struct batch_view more; /* is_group_next, is_probe, bulk_max */
    struct batch_plan plan;
};

static struct batch_plan plan_of(const struct batch_case *c)
{
    struct batch_view view = c->more;
    struct pace pace = {
        .windows = {[API_SINGLE] = window(c->single), [API_BULK] = window(c->bulk)}};

    view.ready[PRIORITY_HIGH] = c->high;
    view.ready[PRIORITY_NORMAL] = c->normal;
    view.ready[PRIORITY_LOW] = c->low;
    view.in_flight = c->in_flight;
    view.connections = 2;
    if (view.bulk_max == 0) {
        view.bulk_max = 100;
    }
    return batch_next(&view, &pace, NOW_MS);
}

static void check(const struct batch_case *cases, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        const struct batch_case *c = &cases[i];
        struct batch_plan got = plan_of(c);
        const struct batch_plan *want = &c->plan;
        cr_expect_eq(got.count, want->count, "%s: %zu messages", c->what, got.count);
        if (want->count > 0) {
            cr_expect_eq(got.endpoint, want->endpoint, "%s: wrong endpoint", c->what);
            cr_expect_eq(got.is_partial, want->is_partial, "%s: partial or full", c->what);
            continue;
        }
        cr_expect_eq(got.wait_until_ms, want->wait_until_ms, "%s: until %lld", c->what,
                     (long long)got.wait_until_ms);
        cr_expect_eq(got.wake_ready, want->wake_ready, "%s: wake at %zu", c->what, got.wake_ready);
        cr_expect_eq(got.wake_on_high, want->wake_on_high, "%s: wake on high", c->what);
    }
}

#define CHECK(cases) check(cases, sizeof(cases) / sizeof(cases[0]))
#define SENDS(n, where, partial)                                   \
    {                                                              \
        .count = (n), .endpoint = (where), .is_partial = (partial) \
    }
#define WAITS(until, ready, high)                                               \
    {                                                                           \
        .wait_until_ms = (until), .wake_ready = (ready), .wake_on_high = (high) \
    }

Test(batch, nagle)
{
    static const struct batch_case cases[] = {
        {.what = "nothing there", .plan = WAITS(never, 1, true)},
        {.what = "nothing there, one in flight: only a full batch or a high one could go",
         .in_flight = 1,
         .plan = WAITS(never, 100, true)},
        {.what = "a lone message", .normal = 1, .plan = SENDS(1, API_SINGLE, true)},
        {.what = "two", .normal = 1, .low = 1, .plan = SENDS(2, API_BULK, true)},
        {.what = "99", .low = 99, .plan = SENDS(99, API_BULK, true)},
        {.what = "a full batch", .normal = 60, .low = 40, .plan = SENDS(100, API_BULK, false)},
        {.what = "a flood", .normal = 5000, .plan = SENDS(100, API_BULK, false)},
        {.what = "a partial one waits for the answer",
         .normal = 99,
         .in_flight = 1,
         .plan = WAITS(never, 100, true)},
        {.what = "so does a lone one",
         .normal = 1,
         .in_flight = 1,
         .plan = WAITS(never, 100, true)},
        {.what = "a full one does not",
         .normal = 100,
         .in_flight = 1,
         .single = FREE,
         .bulk = FREE,
         .plan = SENDS(100, API_BULK, false)},
        {.what = "without an idle connection only an answer helps",
         .normal = 500,
         .in_flight = 2,
         .plan = WAITS(never, 0, false)},
        {.what = "not even a high one", .high = 1, .in_flight = 2, .plan = WAITS(never, 0, false)},
        {.what = "nor anything to come", .in_flight = 2, .plan = WAITS(never, 0, false)},
        {.what = "bulk_max=20",
         .normal = 50,
         .more = {.bulk_max = 20},
         .plan = SENDS(20, API_BULK, false)},
    };
    CHECK(cases);
}

Test(batch, windows)
{
    static const struct batch_case cases[] = {
        {.what = "a full batch where the bulk window is not known and asked already",
         .normal = 100,
         .in_flight = 1,
         .bulk = BUSY,
         .plan = WAITS(never, 0, true)},
        {.what = "a backlog does not drip through /sms",
         .normal = 5000,
         .single = FREE,
         .bulk = EMPTY,
         .plan = WAITS(RESET_MS, 0, true)},
        {.what = "nor does part of one",
         .normal = 50,
         .single = FREE,
         .bulk = EMPTY,
         .plan = WAITS(RESET_MS, 0, true)},
        {.what = "a lone message waits for its own window; with another it is a bulk",
         .normal = 1,
         .single = EMPTY,
         .bulk = FREE,
         .plan = WAITS(RESET_MS, 2, true)},
        {.what = "where that would not help either, no number does",
         .normal = 1,
         .single = EMPTY,
         .bulk = EMPTY,
         .plan = WAITS(RESET_MS, 0, true)},
        {.what = "spacing: a partial batch waits, a full one would go",
         .normal = 5,
         .single = FREE,
         .bulk = SPACED,
         .plan = WAITS(SPACED_MS, 100, true)},
        {.what = "spacing: a full one goes",
         .normal = 100,
         .single = FREE,
         .bulk = SPACED,
         .plan = SENDS(100, API_BULK, false)},
        {.what = "spacing of /sms: two would be a bulk",
         .normal = 1,
         .single = SPACED,
         .bulk = FREE,
         .plan = WAITS(SPACED_MS, 2, true)},
        {.what = "spacing of both: 100 would go",
         .normal = 1,
         .single = SPACED,
         .bulk = SPACED,
         .plan = WAITS(SPACED_MS, 100, true)},
        {.what = "spacing of /sms, no bulk before",
         .normal = 1,
         .single = SPACED,
         .bulk = EMPTY,
         .plan = WAITS(SPACED_MS, 0, true)},
        {.what = "one in flight, and no room for a full batch: no number helps",
         .normal = 5,
         .in_flight = 1,
         .bulk = BUSY,
         .plan = WAITS(never, 0, true)},
        {.what = "one in flight, and room for a full batch later",
         .normal = 5,
         .in_flight = 1,
         .bulk = EMPTY,
         .plan = WAITS(never, 100, true)},
    };
    CHECK(cases);
}

Test(batch, high)
{
    static const struct batch_case cases[] = {
        {.what = "goes though one is in flight",
         .high = 1,
         .in_flight = 1,
         .plan = SENDS(1, API_SINGLE, true)},
        {.what = "takes others with it",
         .high = 1,
         .normal = 7,
         .in_flight = 1,
         .plan = SENDS(8, API_BULK, true)},
        {.what = "in a full batch if there are enough",
         .high = 1,
         .normal = 200,
         .in_flight = 1,
         .plan = SENDS(100, API_BULK, false)},
        {.what = "is exempt from spacing",
         .high = 1,
         .single = SPACED,
         .plan = SENDS(1, API_SINGLE, true)},
        {.what = "and so are those with it",
         .high = 1,
         .normal = 3,
         .bulk = SPACED,
         .plan = SENDS(4, API_BULK, true)},
        {.what = "uses the bulk window when its own is empty",
         .high = 1,
         .single = EMPTY,
         .plan = SENDS(1, API_BULK, true)},
        {.what = "uses /sms when the bulk window is empty, alone",
         .high = 3,
         .normal = 200,
         .bulk = EMPTY,
         .plan = SENDS(1, API_SINGLE, true)},
        {.what = "also from a partial batch",
         .high = 1,
         .normal = 5,
         .bulk = EMPTY,
         .plan = SENDS(1, API_SINGLE, true)},
        {.what = "waits when both are empty; more high ones are no help",
         .high = 1,
         .normal = 200,
         .single = EMPTY,
         .bulk = EMPTY,
         .plan = WAITS(RESET_MS, 0, false)},
        {.what = "until the first of them",
         .high = 2,
         .single = BUSY,
         .bulk = EMPTY,
         .in_flight = 1,
         .plan = WAITS(RESET_MS, 0, false)},
        {.what = "bulk_max=1 never uses a bulk",
         .high = 1,
         .single = EMPTY,
         .more = {.bulk_max = 1},
         .plan = WAITS(RESET_MS, 0, false)},
    };
    CHECK(cases);
}

Test(batch, groups_of_a_split)
{
    static const struct batch_case cases[] = {
        {.what = "count as full",
         .normal = 30,
         .in_flight = 1,
         .more = {.is_group_next = true},
         .plan = SENDS(100, API_BULK, false)},
        {.what = "do not wait for spacing",
         .normal = 30,
         .bulk = SPACED,
         .more = {.is_group_next = true},
         .plan = SENDS(100, API_BULK, false)},
        {.what = "wait for their window",
         .normal = 30,
         .bulk = EMPTY,
         .more = {.is_group_next = true},
         .plan = WAITS(RESET_MS, 0, true)},
        {.what = "are not torn apart for /sms",
         .high = 30,
         .bulk = EMPTY,
         .more = {.is_group_next = true},
         .plan = WAITS(RESET_MS, 0, false)},
        {.what = "of one message",
         .normal = 1,
         .in_flight = 1,
         .more = {.is_group_next = true},
         .plan = SENDS(1, API_SINGLE, false)},
        {.what = "of one high message, elsewhere",
         .high = 1,
         .single = EMPTY,
         .more = {.is_group_next = true},
         .plan = SENDS(1, API_BULK, true)},
    };
    CHECK(cases);
}

Test(batch, bulk_max_1)
{
    static const struct batch_case cases[] = {
        {.what = "every message is a full batch",
         .normal = 30,
         .in_flight = 1,
         .single = FREE,
         .more = {.bulk_max = 1},
         .plan = SENDS(1, API_SINGLE, false)},
        {.what = "no spacing",
         .normal = 1,
         .single = SPACED,
         .more = {.bulk_max = 1},
         .plan = SENDS(1, API_SINGLE, false)},
        {.what = "no room",
         .normal = 30,
         .single = EMPTY,
         .more = {.bulk_max = 1},
         .plan = WAITS(RESET_MS, 0, false)},
        {.what = "nothing there, one in flight",
         .in_flight = 1,
         .more = {.bulk_max = 1},
         .plan = WAITS(never, 1, true)},
    };
    CHECK(cases);
}

Test(batch, probe)
{
    static const struct batch_case cases[] = {
        {.what = "one message",
         .normal = 500,
         .more = {.is_probe = true},
         .plan = SENDS(1, API_SINGLE, true)},
        {.what = "one, of a group too",
         .normal = 50,
         .more = {.is_probe = true, .is_group_next = true},
         .plan = SENDS(1, API_SINGLE, true)},
        {.what = "nothing beside it",
         .high = 5,
         .in_flight = 1,
         .more = {.is_probe = true},
         .plan = WAITS(never, 0, false)},
        {.what = "within the window",
         .normal = 500,
         .single = EMPTY,
         .bulk = FREE,
         .more = {.is_probe = true},
         .plan = WAITS(RESET_MS, 0, false)},
        {.what = "with nothing to send",
         .more = {.is_probe = true},
         .plan = WAITS(never, 1, false)},
        {.what = "with nothing to send and an old request",
         .in_flight = 1,
         .more = {.is_probe = true},
         .plan = WAITS(never, 0, false)},
    };
    CHECK(cases);
}

/* queue_sleep returns at once if what it is to wait for is there: such a plan would spin. */
Test(batch, plans_never_wait_for_what_is_there)
{
    static const size_t highs[] = {0, 1, 3, 150}, normals[] = {0, 1, 2, 50, 99, 100, 101, 5000};
    size_t states = 0;

    for (size_t bits = 0; bits < 4 * 8 * 3 * 5 * 5 * 2 * 2 * 2; bits++) {
        size_t b = bits;
        struct batch_case c = {.what = "any"};
        c.high = highs[b % 4], b /= 4;
        c.normal = normals[b % 8], b /= 8;
        c.in_flight = b % 3, b /= 3;
        c.single = (enum window)(b % 5), b /= 5;
        c.bulk = (enum window)(b % 5), b /= 5;
        c.more.is_group_next = b % 2 != 0 && c.high + c.normal > 0, b /= 2;
        c.more.is_probe = b % 2 != 0, b /= 2;
        c.more.bulk_max = b % 2 != 0 ? 1 : 100;
        struct batch_plan plan = plan_of(&c);
        if (plan.count > 0) {
            cr_assert_leq(plan.count, c.more.bulk_max);
            cr_assert(plan.count == 1 || plan.endpoint == API_BULK);
            cr_assert_gt(c.high + c.normal, 0);
            continue;
        }
        states++;
        cr_assert(plan.wake_ready == 0 || plan.wake_ready > c.high + c.normal);
        cr_assert(!plan.wake_on_high || c.high == 0);
        cr_assert_gt(plan.wait_until_ms, NOW_MS);
        /* Something must be able to end the wait. */
        cr_assert(plan.wait_until_ms < never || plan.wake_ready > 0 || c.in_flight > 0 ||
                  c.single == BUSY || c.bulk == BUSY);
    }
    cr_assert_gt(states, 1000);
}

Test(batch, endpoint_of_what_was_taken)
{
    static const struct {
        enum api_endpoint planned;
        size_t taken;
        enum window single;
        enum api_endpoint endpoint;
    } rows[] = {
        {API_BULK, 100, FREE, API_BULK},   {API_BULK, 1, FREE, API_SINGLE},
        {API_BULK, 1, EMPTY, API_BULK},    {API_BULK, 2, FREE, API_BULK},
        {API_SINGLE, 1, FREE, API_SINGLE},
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct pace pace = {.windows = {[API_SINGLE] = window(rows[i].single)}};
        struct batch_plan plan = {.endpoint = rows[i].planned};
        cr_expect_eq(batch_endpoint(&plan, rows[i].taken, &pace, NOW_MS), rows[i].endpoint,
                     "row %zu", i);
    }
}
