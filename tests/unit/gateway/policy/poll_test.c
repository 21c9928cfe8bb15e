/* poll: which messages are asked about when, by which calls, and when no more. */
#include "gateway/policy/poll.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define COUNT(array) (sizeof(array) / sizeof(array)[0])

enum { INTERVAL = 30000, PER_PAGE = 10, HOUR = 3600 * 1000, PAGE_MAX = 200 };

static const struct poll_options defaults = {.interval_ms = INTERVAL,
                                             .give_up_ms = 72 * (int64_t)HOUR,
                                             .max_messages = 1000,
                                             .per_page = PER_PAGE,
                                             .retry_min_ms = 1000,
                                             .retry_max_ms = 60000};

/* Messages go by numbers, from 1; the API id of 7 is "api-7". */
static struct ulid id_of(unsigned number)
{
    unsigned char random[ULID_RANDOM_BYTES] = {0};
    return ulid_make(1700000000000 + number, random);
}

static const char *api_id_of(unsigned number)
{
    static char text[16];
    snprintf(text, sizeof text, "api-%u", number);
    return text;
}

static struct poll *new_poll(void)
{
    struct poll *p = poll_new(&defaults);
    cr_assert_not_null(p);
    return p;
}

static void add(struct poll *p, unsigned number, int64_t now_ms)
{
    struct ulid id = id_of(number);
    poll_add(p, &id, api_id_of(number), now_ms, now_ms);
}

static void add_range(struct poll *p, unsigned first, unsigned last, int64_t now_ms)
{
    for (unsigned number = first; number <= last; number++) {
        add(p, number, now_ms);
    }
}

static void end(struct poll *p, unsigned number)
{
    struct ulid id = id_of(number);
    poll_end(p, &id);
}

/* "page 2", "api-7", or "" */
static const char *next_call(struct poll *p, int64_t now_ms)
{
    static char text[POLL_API_ID_SIZE];
    struct poll_call call;
    text[0] = '\0';
    if (poll_next(p, now_ms, &call)) {
        poll_asked(p, &call);
        if (call.page > 0) {
            snprintf(text, sizeof text, "page %u", call.page);
        } else {
            snprintf(text, sizeof text, "%s", call.api_id);
        }
    }
    return text;
}

static void expect_call(struct poll *p, int64_t now_ms, const char *call)
{
    cr_assert_str_eq(next_call(p, now_ms), call, "not \"%s\" at %lld", call, (long long)now_ms);
}

/* A page; entries without a number ("0") are somebody else's. */
struct page {
    struct api_history history;
    struct api_history_entry entries[PAGE_MAX];
    char api_ids[PAGE_MAX][16], client_ids[PAGE_MAX][ULID_SIZE];
    bool has_client_ids;
};

static void show(struct page *page, unsigned number, const char *status)
{
    size_t i = page->history.count++;
    struct ulid id = id_of(number);
    snprintf(page->api_ids[i], sizeof page->api_ids[i], "%s", api_id_of(number));
    ulid_format(&id, page->client_ids[i]);
    page->entries[i] = (struct api_history_entry){
        .id = page->api_ids[i],
        .client_id = page->has_client_ids && number != 0 ? page->client_ids[i] : NULL,
    };
    snprintf(page->entries[i].report.status, sizeof page->entries[i].report.status, "%s", status);
    page->history.entries = page->entries;
}

/* Answers the call under way with `first` down to `last`, each with the status. Returns how many of
 * them were news. */
static size_t answer(struct poll *p, unsigned first, unsigned last, const char *status,
                     int64_t now_ms)
{
    struct page page = {.has_client_ids = true};
    struct poll_news *news;
    for (unsigned number = first; number >= last && number > 0; number--) {
        show(&page, number, status);
    }
    cr_assert_eq(poll_read(p, &page.history, now_ms, &news), POLL_FINE);
    size_t count = news == NULL ? 0 : news->count;
    poll_news_free(news);
    return count;
}

/* A call, and its answer: final statuses. */
static void expect_answered(struct poll *p, const char *call, unsigned first, unsigned last)
{
    expect_call(p, INTERVAL, call);
    answer(p, first, last, "delivered", INTERVAL);
}

static enum poll_outcome refuse(struct poll *p, int status, int64_t now_ms)
{
    struct api_answer refusal = {.endpoint = API_HISTORY,
                                 .transport = status == 0 ? API_NO_ANSWER : API_ANSWERED,
                                 .status = status,
                                 .body = "",
                                 .error = ""};
    return poll_refused(p, &refusal, now_ms, 0.5);
}

Test(poll, asks_after_the_interval_and_then_less_and_less_often)
{
    struct poll *p = new_poll();
    int64_t asked_ms = 0;
    int asks = 0;
    cr_assert_eq(poll_due_ms(p), INT64_MAX);
    add(p, 1, 0);
    cr_assert_eq(poll_due_ms(p), INTERVAL);
    expect_call(p, INTERVAL - 1, "");
    while (poll_due_ms(p) != INT64_MAX) {
        int64_t now_ms = poll_due_ms(p);
        int64_t half_ms = asked_ms / 2;
        cr_assert_geq(now_ms - asked_ms, INTERVAL);
        cr_assert_geq(now_ms - asked_ms, half_ms * 2 / 3, "%lld", (long long)now_ms);
        cr_assert_leq(now_ms - asked_ms, half_ms > INTERVAL ? half_ms : INTERVAL);
        asked_ms = now_ms;
        if (strcmp(next_call(p, now_ms), "page 1") == 0) {
            asks++;
            cr_assert_eq(poll_due_ms(p), INT64_MAX, "a call is under way");
            answer(p, 1, 1, "sent", now_ms);
        }
    }
    cr_assert_gt(asked_ms, defaults.give_up_ms, "it is given up when it is too old");
    cr_assert_eq(poll_count(p), 0);
    cr_assert(asks >= 15 && asks <= 30, "%d", asks);
    poll_free(p);
}

Test(poll, a_page_tells_of_all_on_it_and_final_ones_are_forgotten)
{
    struct poll *p = new_poll();
    add(p, 1, 0);
    add_range(p, 2, 5, 25000); /* not due yet, nor soon */
    expect_call(p, INTERVAL, "page 1");
    cr_assert_eq(answer(p, 5, 1, "delivered", INTERVAL), 5);
    cr_assert_eq(poll_count(p), 5, "until it is known that they are stored");
    for (unsigned number = 1; number <= 5; number++) {
        end(p, number);
        end(p, number);
    }
    cr_assert_eq(poll_count(p), 0);
    cr_assert_eq(poll_due_ms(p), INT64_MAX);
    expect_call(p, 100 * INTERVAL, "");
    poll_free(p);
}

Test(poll, what_has_not_changed_is_not_told_again)
{
    static const struct {
        const char *status;
        size_t told;
    } steps[] = {{"accepted", 1},  {"accepted", 0},  {"buffered", 1}, {"buffered", 0},
                 {"delivered", 1}, {"delivered", 1}, {"stop", 1},     {"stop", 1}};
    struct poll *p = new_poll();
    add(p, 1, 0);
    for (size_t i = 0; i < COUNT(steps); i++) {
        int64_t now_ms = poll_due_ms(p);
        expect_call(p, now_ms, "page 1");
        cr_assert_eq(answer(p, 1, 1, steps[i].status, now_ms), steps[i].told, "step %zu", i);
    }
    poll_free(p);
}

Test(poll, polls_keep_an_interval_apart)
{
    struct poll *p = new_poll();
    add(p, 1, 0);
    add(p, 2, 20000);
    expect_call(p, INTERVAL, "page 1");
    answer(p, 1, 1, "sent", INTERVAL);
    cr_assert_eq(poll_due_ms(p), 2 * INTERVAL, "though 2 is due at 50 s");
    expect_call(p, 2 * INTERVAL, "page 1");
    poll_free(p);
}

Test(poll, pages_of_many)
{
    struct poll *p = new_poll();
    add_range(p, 1, 25, 0);
    expect_answered(p, "page 1", 25, 16);
    expect_answered(p, "page 2", 15, 6);
    expect_answered(p, "page 3", 5, 1);
    expect_call(p, INTERVAL, "");
    poll_free(p);
}

Test(poll, pages_with_nothing_due_are_left_out_and_lone_messages_asked_for_alone)
{
    struct poll *p = new_poll();
    add_range(p, 1, 100, 0);
    for (unsigned number = 1; number <= 100; number++) {
        if (number != 31 && number != 33 && number != 5) {
            end(p, number);
        }
    }
    expect_call(p, INTERVAL, "page 7");
    answer(p, 40, 31, "sent", INTERVAL);
    expect_call(p, INTERVAL, "api-5");
    answer(p, 5, 5, "sent", INTERVAL);
    expect_call(p, INTERVAL, "");
    poll_free(p);
}

Test(poll, others_messages_lie_between)
{
    struct poll *p = new_poll();
    struct page page = {.has_client_ids = true};
    struct poll_news *news;
    add_range(p, 1, 30, 0);
    expect_call(p, INTERVAL, "page 1");
    for (int i = 0; i < 5; i++) {
        show(&page, 0, "sent");
    }
    for (unsigned number = 30; number > 25; number--) {
        show(&page, number, "delivered");
    }
    poll_read(p, &page.history, INTERVAL, &news);
    poll_news_free(news);
    expect_answered(p, "page 2", 25, 16);
    expect_answered(p, "page 3", 15, 6);
    expect_answered(p, "page 4", 5, 1);
    expect_call(p, INTERVAL, "");
    poll_free(p);
}

Test(poll, a_history_that_cannot_be_paged)
{
    struct poll *p = new_poll();
    add_range(p, 1, 14, 0);
    expect_answered(p, "page 1", 14, 5);
    for (int page = 2; page <= 4; page++) { /* always the same one */
        cr_assert_eq(strncmp(next_call(p, INTERVAL), "page", 4), 0);
        answer(p, 14, 5, "delivered", INTERVAL);
    }
    for (unsigned number = 4; number >= 1; number--) {
        expect_answered(p, api_id_of(number), number, number);
    }
    expect_call(p, INTERVAL, "");
    poll_free(p);
}

Test(poll, one_that_is_not_to_be_seen_is_given_up)
{
    struct poll *p = new_poll();
    add_range(p, 1, 1, 0);
    for (int try = 0; try < 3; try++) {
        int64_t now_ms = poll_due_ms(p);
        cr_assert_eq(poll_count(p), 1);
        expect_call(p, now_ms, "page 1");
        answer(p, 0, 0, "", now_ms);
        expect_call(p, now_ms, "api-1");
        cr_assert_eq(refuse(p, 404, now_ms), POLL_FINE);
    }
    cr_assert_eq(poll_count(p), 0);
    poll_free(p);
}

Test(poll, one_without_an_api_id)
{
    struct poll *p = new_poll();
    struct ulid id = id_of(1);
    poll_add(p, &id, "", 0, 0);
    poll_add(p, &id, "", 0, 0);
    cr_assert_eq(poll_count(p), 1, "once is enough");
    for (int try = 0; try < 3; try++) {
        int64_t now_ms = poll_due_ms(p);
        expect_call(p, now_ms, "page 1");
        answer(p, 0, 0, "", now_ms);
        expect_call(p, now_ms, "");
    }
    cr_assert_eq(poll_count(p), 0);
    poll_free(p);
}

Test(poll, entries_without_client_ids)
{
    struct poll *p = new_poll();
    struct page page = {.has_client_ids = false};
    struct poll_news *news;
    add_range(p, 1, 2, 0);
    expect_call(p, INTERVAL, "page 1");
    show(&page, 2, "failed");
    show(&page, 1, "delivered");
    cr_assert_eq(poll_read(p, &page.history, INTERVAL, &news), POLL_FINE);
    cr_assert(news != NULL && news->count == 2);
    struct ulid id = id_of(2);
    cr_assert_eq(memcmp(&news->reports[0].client_id, &id, sizeof id), 0);
    cr_assert(news->reports[0].has_client_id && news->reports[0].report.event_ms == 0);
    cr_assert_str_eq(news->reports[0].report.status, "failed");
    cr_assert_str_eq(news->reports[0].api_id, "api-2");
    poll_news_free(news);
    poll_free(p);
}

Test(poll, the_oldest_of_too_many_are_given_up)
{
    struct poll_options options = defaults;
    options.max_messages = 3;
    struct poll *p = poll_new(&options);
    add_range(p, 1, 2, 0);
    expect_call(p, INTERVAL, "page 1");
    answer(p, 2, 1, "sent", INTERVAL);
    expect_call(p, 3 * INTERVAL, "page 1");
    answer(p, 2, 1, "sent", 3 * INTERVAL);
    add_range(p, 3, 5, 3 * INTERVAL);
    cr_assert_eq(poll_count(p), 3);
    expect_call(p, 4 * INTERVAL, "page 1");
    cr_assert_eq(answer(p, 5, 1, "delivered", 4 * INTERVAL), 3, "1 and 2 are not known any more");
    poll_free(p);
}

Test(poll, failures)
{
    static const struct {
        int status;
        enum poll_outcome outcome;
        int64_t pause_ms;
    } cases[] = {
        {0, POLL_FAILED, 500},     {500, POLL_FAILED, 500},   {503, POLL_FAILED, 500},
        {429, POLL_FAILED, 500},   {302, POLL_FAILED, 500},   {200, POLL_FAILED, 500},
        {401, POLL_REFUSED, HOUR}, {403, POLL_REFUSED, HOUR}, {404, POLL_REFUSED, HOUR},
        {400, POLL_REFUSED, HOUR},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct poll *p = new_poll();
        add_range(p, 1, 3, 0);
        expect_call(p, INTERVAL, "page 1");
        cr_assert_eq(refuse(p, cases[i].status, INTERVAL), cases[i].outcome, "%d", cases[i].status);
        cr_assert_eq(poll_due_ms(p), INTERVAL + cases[i].pause_ms, "%d", cases[i].status);
        expect_call(p, INTERVAL + cases[i].pause_ms - 1, "");
        if (cases[i].outcome == POLL_REFUSED) {
            poll_resume(p);
            cr_assert_leq(poll_due_ms(p), 2 * INTERVAL);
        }
        expect_call(p, INTERVAL + cases[i].pause_ms + INTERVAL, "page 1");
        cr_assert_eq(answer(p, 3, 1, "sent", 2 * INTERVAL), 3);
        poll_free(p);
    }
}

Test(poll, what_cannot_be_read_three_times_is_no_history)
{
    struct poll *p = new_poll();
    add(p, 1, 0);
    for (int try = 1; try <= 3; try++) {
        int64_t now_ms = poll_due_ms(p) < INTERVAL ? INTERVAL : poll_due_ms(p);
        expect_call(p, now_ms, "page 1");
        cr_assert_eq(refuse(p, 200, now_ms), try < 3 ? POLL_FAILED : POLL_REFUSED);
    }
    poll_free(p);
}

/* Answers the call under way with an HTTP status each time it is made, four times at most. Returns
 * the next call. */
static const char *fail_until_another(struct poll *p, const char *call, int status, int64_t *now_ms)
{
    const char *next = call;
    for (int try = 0; try < 4 && strcmp(next, call) == 0; try++) {
        cr_assert_eq(refuse(p, status, *now_ms), POLL_FAILED);
        *now_ms = poll_due_ms(p);
        next = next_call(p, *now_ms);
    }
    return next;
}

Test(poll, a_call_that_always_fails_holds_up_no_other)
{
    static const int statuses[] = {500, 502, 504, 0};
    for (size_t i = 0; i < COUNT(statuses); i++) {
        struct poll *p = new_poll();
        int64_t now_ms = INTERVAL;
        add_range(p, 1, 13, 0);
        expect_answered(p, "page 1", 13, 4);
        expect_call(p, now_ms, "page 2");
        cr_expect_str_eq(fail_until_another(p, "page 2", statuses[i], &now_ms), "api-3");
        cr_expect_eq(answer(p, 3, 3, "delivered", now_ms), 1);
        expect_call(p, now_ms, "api-2");
        cr_expect_str_eq(fail_until_another(p, "api-2", statuses[i], &now_ms), "api-1");
        cr_expect_eq(answer(p, 1, 1, "delivered", now_ms), 1);
        expect_call(p, now_ms, "");
        cr_expect_gt(poll_due_ms(p), now_ms);
        cr_expect_eq(poll_count(p), 13, "it is asked about again: the API may have been down");
        poll_free(p);
    }
}

Test(poll, the_first_page_is_asked_for_until_it_comes)
{
    static const int statuses[] = {500, 503, 0};
    for (size_t i = 0; i < COUNT(statuses); i++) {
        struct poll *p = new_poll();
        int64_t now_ms = INTERVAL;
        add_range(p, 1, 13, 0);
        expect_call(p, now_ms, "page 1");
        cr_expect_str_eq(fail_until_another(p, "page 1", statuses[i], &now_ms), "page 1");
        poll_free(p);
    }
}

Test(poll, a_page_that_does_not_exist_is_the_end)
{
    struct poll *p = new_poll();
    add_range(p, 1, 12, 0);
    expect_answered(p, "page 1", 12, 3);
    expect_call(p, INTERVAL, "page 2");
    cr_assert_eq(refuse(p, 404, INTERVAL), POLL_FINE);
    expect_call(p, INTERVAL, "api-2");
    cr_assert_eq(refuse(p, 401, INTERVAL), POLL_REFUSED);
    poll_free(p);
}

Test(poll, a_history_without_statuses)
{
    static const struct {
        const char *of_ours, *of_others;
        enum poll_outcome outcome;
    } cases[] = {{"", "", POLL_REFUSED}, {"", "sent", POLL_FINE}, {"sent", "", POLL_FINE}};
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct poll *p = new_poll();
        struct page page = {.has_client_ids = true};
        struct poll_news *news;
        add(p, 1, 0);
        expect_call(p, INTERVAL, "page 1");
        show(&page, 1, cases[i].of_ours);
        show(&page, 0, cases[i].of_others);
        cr_assert_eq(poll_read(p, &page.history, INTERVAL, &news), cases[i].outcome, "case %zu", i);
        poll_news_free(news);
        poll_free(p);
    }
}

Test(poll, messages_end_while_they_are_asked_for)
{
    struct poll *p = new_poll();
    add_range(p, 1, 12, 0);
    expect_call(p, INTERVAL, "page 1");
    for (unsigned number = 1; number <= 12; number++) {
        end(p, number);
    }
    cr_assert_eq(answer(p, 12, 3, "delivered", INTERVAL), 0);
    expect_call(p, INTERVAL, "");
    cr_assert_eq(poll_due_ms(p), INT64_MAX);
    poll_free(p);
}

/* Nothing takes more calls than there are messages, and three more. */
Test(poll, never_more_calls_than_messages)
{
    unsigned seed = 1;
    for (int round = 0; round < 300; round++) {
        struct poll *p = new_poll();
        unsigned messages = 1 + (unsigned)rand_r(&seed) % 100;
        unsigned left = 0, calls = 0;
        add_range(p, 1, messages, 0);
        for (unsigned number = 1; number <= messages; number++) {
            if (rand_r(&seed) % 100 < round / 3) {
                end(p, number);
            } else {
                left++;
            }
        }
        const char *call;
        while (*(call = next_call(p, INTERVAL)) != '\0') {
            unsigned page = 0, alone = 0;
            calls++;
            if (sscanf(call, "page %u", &page) == 1) {
                unsigned above = (page - 1) * PER_PAGE + (round % 2 == 0 ? 0 : 17);
                unsigned first = above < messages ? messages - above : 0;
                answer(p, first, first > PER_PAGE ? first - PER_PAGE + 1 : 1, "sent", INTERVAL);
            } else if (sscanf(call, "api-%u", &alone) == 1) {
                answer(p, alone, alone, "sent", INTERVAL);
            }
        }
        cr_assert_leq(calls, left + 3, "%u of %u messages", left, messages);
        poll_free(p);
    }
}
