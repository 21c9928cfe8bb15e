/* reconcile: when a scan begins, where it ends, and what it may conclude from that. */
#include "gateway/policy/reconcile.h"
#include "gateway/queue/types.h"

#include <criterion/criterion.h>
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct reconcile_options defaults = {.settle_delay_ms = 10000,
                                                  .history_pages = 100,
                                                  .per_page = 3,
                                                  .resends = 1,
                                                  .patience_ms = 3600000,
                                                  .retry_min_ms = 1000,
                                                  .retry_max_ms = 60000};

static struct reconcile *new_reconcile(unsigned resends)
{
    struct reconcile_options options = defaults;
    options.resends = resends;
    struct reconcile *r = reconcile_new(&options);
    cr_assert_not_null(r);
    return r;
}

/* Messages go by a letter: its ULID, and in the history its API id is "api-<letter>". */
static struct ulid id_of(char letter)
{
    unsigned char random[ULID_RANDOM_BYTES] = {0};
    return ulid_make(1700000000000 + letter, random);
}

/* The letters as messages that are like `template`, malloc'ed. */
static struct queue_doubtful *doubtful_of(const char *letters, struct queue_doubtful template)
{
    struct queue_doubtful *doubtful = malloc((strlen(letters) + 1) * sizeof(*doubtful));
    cr_assert_not_null(doubtful);
    for (size_t i = 0; letters[i] != '\0'; i++) {
        doubtful[i] = template;
        doubtful[i].id = id_of(letters[i]);
    }
    return doubtful;
}

static enum reconcile_progress begin_with(struct reconcile *r, const char *letters,
                                          struct queue_doubtful template, int64_t now_ms)
{
    return reconcile_begin(r, doubtful_of(letters, template), strlen(letters), 0, now_ms);
}

/* Messages with one doubt that have been looked for once, so that several pages are enough. */
static enum reconcile_progress begin(struct reconcile *r, const char *letters, int64_t now_ms)
{
    return begin_with(r, letters, (struct queue_doubtful){.doubts = 1, .looks = 1}, now_ms);
}

static void add(struct reconcile *r, int64_t began_ms, int64_t ended_ms, const char *floor)
{
    reconcile_add(
        r, &(struct reconcile_attempt){.began_ms = began_ms, .ended_ms = ended_ms, .floor = floor});
}

/*
 * A page with one entry for each character: a letter with its clientId, a digit (API id "api-7")
 * without. Upper case letters have their clientId in lower case.
 */
struct page {
    struct api_history history;
    struct api_history_entry entries[16];
    char api_ids[16][8], client_ids[16][ULID_SIZE];
};

static const struct api_history *page_of(struct page *page, const char *letters)
{
    page->history = (struct api_history){page->entries, strlen(letters)};
    for (size_t i = 0; letters[i] != '\0'; i++) {
        struct ulid id = id_of((char)tolower(letters[i]));
        snprintf(page->api_ids[i], sizeof(page->api_ids[i]), "api-%c", tolower(letters[i]));
        ulid_format(&id, page->client_ids[i]);
        for (char *c = page->client_ids[i]; isupper(letters[i]) && *c != '\0'; c++) {
            *c = (char)tolower(*c);
        }
        page->entries[i].id = page->api_ids[i];
        page->entries[i].client_id = isdigit(letters[i]) ? NULL : page->client_ids[i];
    }
    return &page->history;
}

static enum reconcile_progress read_page(struct reconcile *r, const char *letters)
{
    struct page page;
    cr_assert_gt(reconcile_page_wanted(r, INT64_MAX), 0, "no page is wanted before \"%s\"",
                 letters);
    reconcile_page_asked(r);
    return reconcile_read(r, page_of(&page, letters), 0);
}

/* "a:relayed=api-a b:returned(1) c:again(2)", with the doubts that are left. */
static const char *results_when(struct reconcile *r, const char *letters, bool others_wait)
{
    static const char *const names[] = {[FATE_RELAYED] = "relayed",
                                        [FATE_RETURNED] = "returned",
                                        [FATE_AMBIGUOUS] = "again",
                                        [FATE_UNRESOLVED] = "unresolved"};
    static char text[1000];
    size_t count = 0;
    struct queue_resolution *results = reconcile_results(r, others_wait, 11000, &count);
    size_t len = 0;

    text[0] = '\0';
    cr_assert_eq(count, strlen(letters));
    for (size_t i = 0; i < count; i++) {
        const struct queue_resolution *result = &results[i];
        struct ulid id = id_of(letters[i]);
        cr_expect_eq(memcmp(&id, &result->id, sizeof(id)), 0);
        len += (size_t)snprintf(text + len, sizeof(text) - len, "%s%c:%s", i > 0 ? " " : "",
                                letters[i], names[result->fate]);
        if (result->fate == FATE_RELAYED) {
            len += (size_t)snprintf(text + len, sizeof(text) - len, "=%s", result->answer);
        } else if (result->fate == FATE_UNRESOLVED) {
            cr_expect_str_eq(result->answer, "", "no API id is known");
            cr_expect_neq(result->answer[1], '\0', "but there is a reason");
        } else {
            cr_expect_null(result->answer);
            len += (size_t)snprintf(text + len, sizeof(text) - len, "(%d)", result->doubts);
        }
        free(result->answer);
    }
    free(results);
    return text;
}

static const char *results_of(struct reconcile *r, const char *letters)
{
    return results_when(r, letters, false);
}

/* --- when ---------------------------------------------------------------------------------- */

Test(reconcile, begins_when_the_attempt_has_settled)
{
    struct reconcile *r = new_reconcile(1);

    cr_expect_eq(reconcile_due_ms(r), INT64_MAX, "nothing to do");
    add(r, 500, 1000, NULL);
    add(r, 600, 5000, NULL);
    cr_expect_eq(reconcile_due_ms(r), 11000, "the earliest end and settle_delay");
    cr_expect_eq(reconcile_cutoff_ms(r, 11000), 1000);
    cr_expect_not(reconcile_is_scanning(r));

    cr_expect_eq(begin(r, "a", 11000), RECONCILE_CONTINUE);
    cr_expect(reconcile_is_scanning(r));
    cr_expect_leq(reconcile_due_ms(r), 11000, "the first page at once");
    cr_expect_eq(reconcile_page_wanted(r, 11000), 1);
    reconcile_page_asked(r);
    cr_expect_eq(reconcile_page_wanted(r, 11000), 0);
    cr_expect_eq(reconcile_due_ms(r), INT64_MAX, "a page is under way");
    struct page page;
    cr_expect_eq(reconcile_read(r, page_of(&page, "a"), 0), RECONCILE_FINISHED);
    cr_expect_eq(reconcile_due_ms(r), INT64_MAX, "finished, not fetched");
    cr_expect(reconcile_is_scanning(r));
    cr_expect_str_eq(results_of(r, "a"), "a:relayed=api-a");
    cr_expect_not(reconcile_is_scanning(r));
    cr_expect_eq(reconcile_due_ms(r), 15000, "the later attempt has its own scan");
    reconcile_free(r);
}

Test(reconcile, a_scan_for_nothing_ends_at_once)
{
    struct reconcile *r = new_reconcile(1);
    size_t count = 7;

    add(r, 500, 1000, "api-x");
    cr_expect_eq(reconcile_begin(r, NULL, 0, 0, 11000), RECONCILE_FINISHED);
    cr_expect_eq(reconcile_page_wanted(r, 11000), 0);
    cr_expect_null(reconcile_results(r, false, 0, &count));
    cr_expect_eq(count, 0);
    cr_expect_eq(reconcile_due_ms(r), INT64_MAX);
    reconcile_free(r);
}

Test(reconcile, no_attempt_is_ever_forgotten)
{
    struct reconcile *r = new_reconcile(1);

    for (int i = 0; i < 100; i++) {
        add(r, i, 1000 + i * 100, "api-x");
    }
    int64_t last_ms = 0;
    while (reconcile_due_ms(r) != INT64_MAX) {
        last_ms = reconcile_due_ms(r);
        reconcile_begin(r, NULL, 0, 0, last_ms);
        size_t count;
        reconcile_results(r, false, 0, &count);
    }
    cr_expect_eq(last_ms, 1000 + 99 * 100 + 10000, "the last scan covers the last attempt");
    reconcile_free(r);
}

Test(reconcile, covers_all_when_the_last_attempt_has_settled)
{
    struct reconcile *r = new_reconcile(1);

    add(r, 500, 1000, NULL);
    cr_expect(reconcile_covers_all(r, 11000));
    cr_expect_not(reconcile_covers_all(r, 10999));
    add(r, 600, 5000, NULL);
    cr_expect_not(reconcile_covers_all(r, 14999), "the later one may still be under way");
    cr_expect(reconcile_covers_all(r, 15000));
    reconcile_free(r);
}

Test(reconcile, who_is_left_out_gets_another_scan)
{
    struct reconcile *r = new_reconcile(1);

    /* By the wall clock one attempt was too recent, by ours it was not. */
    add(r, 500, 1000, "api-x");
    cr_expect_eq(reconcile_begin(r, NULL, 0, 1, 11000), RECONCILE_FINISHED);
    size_t count;
    reconcile_results(r, false, 0, &count);
    cr_expect_eq(reconcile_due_ms(r), 12000);
    cr_expect_eq(begin(r, "a", 12000), RECONCILE_CONTINUE);
    cr_expect_eq(read_page(r, "cxd"), RECONCILE_FINISHED, "its floor still holds");
    cr_expect_str_eq(results_of(r, "a"), "a:returned(1)");
    cr_expect_eq(reconcile_due_ms(r), INT64_MAX);
    reconcile_free(r);
}

/* --- where it ends, and what that proves ----------------------------------------------------- */

struct scan_case {
    const char *what;
    const char *floor;
    const char *pages[9];     /* read in this order until the scan ends, which is with the last */
    const char *once, *never; /* the results for a, b, c by relay.ambiguous_resends, 1 or 0 */
};

static void run(const struct scan_case *c, unsigned resends)
{
    struct reconcile *r = new_reconcile(resends);
    enum reconcile_progress progress;

    add(r, 500, 1000, c->floor);
    progress = begin(r, "abc", 11000);
    for (size_t i = 0; c->pages[i] != NULL; i++) {
        cr_assert_eq(progress, RECONCILE_CONTINUE, "%s: ended before \"%s\"", c->what, c->pages[i]);
        cr_assert_eq(reconcile_page_wanted(r, 11000), i + 1, "%s", c->what);
        progress = read_page(r, c->pages[i]);
    }
    cr_expect_eq(progress, RECONCILE_FINISHED, "%s: goes on", c->what);
    const char *want = resends == 0 ? c->never : c->once;
    const char *got = results_of(r, "abc");
    cr_expect_str_eq(got, want, "%s: %s", c->what, got);
    reconcile_free(r);
}

#define ABSENT     "a:returned(1) b:returned(1) c:returned(1)"
#define AGAIN      "a:again(1) b:again(1) c:again(1)" /* absent, but it may just be late */
#define UNRESOLVED "a:unresolved b:unresolved c:unresolved"
#define ALL        "a:relayed=api-a b:relayed=api-b c:relayed=api-c"
#define ONLY_A     "a:relayed=api-a b:returned(1) c:returned(1)"
#define ONLY_A_YET "a:relayed=api-a b:again(1) c:again(1)"

Test(reconcile, ends)
{
    static const struct scan_case cases[] = {
        {"all found on the first page", NULL, {"cba"}, ALL, ALL},
        {"all found, over two pages, in any case", "api-w", {"zCy", "Bax"}, ALL, ALL},
        {"at the floor", "api-x", {"zya", "xwv"}, ONLY_A, ONLY_A_YET},
        {"the floor's page is read to its end", "api-x", {"zyx", NULL}, ABSENT, AGAIN},
        {"what stands behind the floor counts",
         "api-x",
         {"zxb"},
         "a:returned(1) b:relayed=api-b c:returned(1)",
         "a:again(1) b:relayed=api-b c:again(1)"},
        {"at an empty page", NULL, {"zyx", "wv", ""}, ABSENT, AGAIN},
        {"at an empty page, before the floor: an old one", "api-t", {"zyx", ""}, ABSENT, AGAIN},
        {"an empty history", NULL, {""}, ABSENT, AGAIN},
        {"an empty history that must hold the floor", "api-t", {""}, ABSENT, UNRESOLVED},
        {"at a short last page, repeated", NULL, {"zyx", "wv", "wv"}, ABSENT, AGAIN},
        {"pages that are ignored", NULL, {"zyx", "zyx", "zyx", "zyx"}, ABSENT, UNRESOLVED},
        {"shifted by a page, without a floor", NULL, {"zyx", "zyx", "wba", "c"}, ALL, ALL},
        {"pages that are ignored, and the floor not shown",
         "api-t",
         {"zyx", "zyx", "zyx", "zyx"},
         ABSENT,
         UNRESOLVED},
        {"shifted by two: repeats, but not only", NULL, {"zyx", "yxw", "xwv", ""}, ABSENT, AGAIN},
        {"shifted by a page, then found", "api-t", {"zyx", "zyx", "wba", "ct"}, ALL, ALL},
        {"shifted twice by a page",
         "api-t",
         {"zyx", "zyx", "zyx", "wva", "sut"},
         ONLY_A,
         ONLY_A_YET},
        {"shifted now and again",
         "api-s",
         {"zyx", "zyx", "zyx", "wvu", "wvu", "wvu", "tba", "sc"},
         ALL,
         ALL},
        {"entries without clientId among others", "api-x", {"12a", "34x"}, ONLY_A, ONLY_A_YET},
        {"no entry with a clientId", "api-9", {"123", "459"}, ABSENT, UNRESOLVED},
        {"no entry with a clientId, up to the end", NULL, {"123", ""}, ABSENT, UNRESOLVED},
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        run(&cases[i], 0);
        run(&cases[i], 1);
    }
}

Test(reconcile, passes_as_many_repeats_as_our_own_messages_explain)
{
    enum { REPEATS = 20, ADDED = 3 * REPEATS - 2 };
    for (int is_explained = 0; is_explained <= 1; is_explained++) {
        struct reconcile *r = new_reconcile(0);
        struct page page;
        begin(r, "a", 11000);
        read_page(r, "zyx");
        enum reconcile_progress progress = RECONCILE_CONTINUE;
        for (int i = 0; i < REPEATS && progress == RECONCILE_CONTINUE; i++) {
            reconcile_page_asked(r);
            progress = reconcile_read(r, page_of(&page, "zyx"), is_explained ? ADDED : 0);
        }
        cr_expect_eq(progress, is_explained ? RECONCILE_CONTINUE : RECONCILE_FINISHED);
        if (is_explained) {
            cr_expect_eq(read_page(r, "wva"), RECONCILE_FINISHED, "more pages than history_pages");
        }
        cr_expect_str_eq(results_of(r, "a"), is_explained ? "a:relayed=api-a" : "a:unresolved");
        reconcile_free(r);
    }
}

Test(reconcile, of_a_message_that_is_there_twice_the_newest_counts)
{
    struct reconcile *r = new_reconcile(1);
    char client_id[ULID_SIZE];
    struct ulid id = id_of('a');
    struct api_history_entry entries[] = {{.id = (char[]){"api-2"}, .client_id = client_id},
                                          {.id = (char[]){"api-1"}, .client_id = client_id}};
    struct api_history page = {entries, 2};

    ulid_format(&id, client_id);
    begin(r, "ab", 11000);
    reconcile_page_asked(r);
    cr_expect_eq(reconcile_read(r, &page, 0), RECONCILE_CONTINUE, "b was not seen");
    read_page(r, "");
    cr_expect_str_eq(results_of(r, "ab"), "a:relayed=api-2 b:returned(1)");
    reconcile_free(r);
}

Test(reconcile, history_pages_prove_nothing)
{
    for (unsigned resends = 0; resends <= 1; resends++) {
        struct reconcile_options options = defaults;
        options.history_pages = 2;
        options.resends = resends;
        struct reconcile *r = reconcile_new(&options);
        cr_assert_not_null(r);
        add(r, 500, 1000, NULL);
        begin(r, "ab", 11000);
        cr_expect_eq(read_page(r, "zya"), RECONCILE_CONTINUE, "a find: it is worth going on");
        cr_expect_eq(read_page(r, "xwv"), RECONCILE_CONTINUE);
        cr_expect_eq(read_page(r, "uts"), RECONCILE_FINISHED);
        cr_expect_str_eq(results_of(r, "ab"), resends == 0 ? "a:relayed=api-a b:unresolved"
                                                           : "a:relayed=api-a b:returned(1)");

        /* An end on the very last page is an end. */
        add(r, 500, 1000, "api-v");
        begin(r, "ab", 11000);
        read_page(r, "zyx");
        cr_expect_eq(read_page(r, "wvu"), RECONCILE_FINISHED);
        cr_expect_str_eq(results_of(r, "ab"),
                         resends == 0 ? "a:again(1) b:again(1)" : "a:returned(1) b:returned(1)");
        reconcile_free(r);
    }
}

Test(reconcile, the_floor_is_that_of_the_attempt_that_began_first)
{
    /* They ended in the other order, and only one is due: what counts is which began first. */
    static const struct {
        int64_t began_ms, ended_ms;
        const char *floor;
    } attempts[] = {{300, 1000, "api-z"}, {100, 9000, "api-x"}, {200, 1500, "api-y"}};
    struct reconcile *r = new_reconcile(1);

    for (size_t i = 0; i < 3; i++) {
        add(r, attempts[i].began_ms, attempts[i].ended_ms, attempts[i].floor);
    }
    begin(r, "a", 12000);
    cr_expect_eq(read_page(r, "zwv"), RECONCILE_CONTINUE);
    cr_expect_eq(read_page(r, "yut"), RECONCILE_CONTINUE);
    cr_expect_eq(read_page(r, "sxr"), RECONCILE_FINISHED);
    results_of(r, "a");
    cr_expect_eq(reconcile_due_ms(r), 19000);
    begin(r, "a", 19000);
    cr_expect_eq(read_page(r, "qxp"), RECONCILE_FINISHED);
    results_of(r, "a");
    reconcile_free(r);

    /* The first one had none, so there is none, also when there are too many to keep apart. */
    r = new_reconcile(1);
    for (int i = 50; i >= 0; i--) {
        add(r, i, 1000, i > 0 ? "api-x" : NULL);
    }
    begin(r, "a", 12000);
    cr_expect_eq(read_page(r, "xwv"), RECONCILE_CONTINUE);
    cr_expect_eq(read_page(r, ""), RECONCILE_FINISHED);
    results_of(r, "a");
    reconcile_free(r);
}

/* However much the history grows between two pages, nothing that is there is missed. */
Test(reconcile, shifting_pages_hide_nothing)
{
    static const char history[] = "cxbwa"; /* newest first, when the scan begins; then the floor */
    for (size_t shift = 0; shift <= 3; shift++) {
        struct reconcile *r = new_reconcile(1);
        enum reconcile_progress progress;
        size_t grown = 0;

        add(r, 500, 1000, "api-w");
        progress = begin(r, "abc", 11000);
        while (progress == RECONCILE_CONTINUE) {
            unsigned page = reconcile_page_wanted(r, 11000);
            char letters[4] = "";
            for (size_t i = 0; i < 3; i++) {
                size_t position = (page - 1) * 3 + i;
                if (position < grown) {
                    letters[i] = (char)('1' + (grown - position - 1) % 9);
                } else if (position - grown < strlen(history)) {
                    letters[i] = history[position - grown];
                }
            }
            progress = read_page(r, letters);
            if (grown < 9) {
                grown += shift;
            }
        }
        const char *got = results_of(r, "abc");
        cr_expect_not_null(strstr(got, "c:relayed"), "shift %zu: %s", shift, got);
        cr_expect_not_null(strstr(got, "b:relayed"), "shift %zu: %s", shift, got);
        reconcile_free(r);
    }
}

/* --- where there is no page ------------------------------------------------------------------ */

static enum reconcile_progress refuse(struct reconcile *r, enum api_transport transport, int status,
                                      int64_t now_ms)
{
    struct api_answer answer = {.transport = transport, .status = status};
    cr_assert_gt(reconcile_page_wanted(r, now_ms), 0);
    reconcile_page_asked(r);
    return reconcile_refused(r, &answer, now_ms, 0.5);
}

Test(reconcile, a_call_that_fails_for_now_is_made_again)
{
    static const struct {
        enum api_transport transport;
        int status;
    } rows[] = {{API_NOT_SENT, 0},   {API_NO_ANSWER, 0},  {API_ANSWERED, 429}, {API_ANSWERED, 500},
                {API_ANSWERED, 502}, {API_ANSWERED, 503}, {API_ANSWERED, 302}};

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct reconcile *r = new_reconcile(0);
        add(r, 500, 1000, NULL);
        begin(r, "a", 11000);
        read_page(r, "zyx");
        int64_t now_ms = 11000, cap_ms = 1000;
        for (int n = 0; n < 20; n++) {
            cr_expect_eq(refuse(r, rows[i].transport, rows[i].status, now_ms), RECONCILE_CONTINUE,
                         "row %zu, %d", i, n);
            cr_expect_eq(reconcile_due_ms(r), now_ms + cap_ms / 2, "row %zu, %d", i, n);
            cr_expect_eq(reconcile_page_wanted(r, now_ms + cap_ms / 2 - 1), 0);
            now_ms += cap_ms / 2;
            cap_ms = cap_ms < 30000 ? cap_ms * 2 : 60000;
            cr_expect_eq(reconcile_page_wanted(r, now_ms), 2, "the same page");
        }
        cr_expect_eq(read_page(r, "wva"), RECONCILE_FINISHED);
        cr_expect_str_eq(results_of(r, "a"), "a:relayed=api-a");
        reconcile_free(r);
    }
}

/* Whatever the status, it is no answer about a message. */
Test(reconcile, a_call_that_is_refused_is_made_again)
{
    enum { HOUR_MS = 60 * 60 * 1000 };
    static const int statuses[] = {302, 400, 401, 402, 403, 409, 422, 429, 451, 499, 500, 503};

    for (size_t i = 0; i < sizeof(statuses) / sizeof(statuses[0]); i++) {
        struct reconcile *r = new_reconcile(1);
        int64_t now_ms = 11000;
        add(r, 500, 1000, NULL);
        begin(r, "ab", now_ms);
        for (; now_ms < 3 * HOUR_MS; now_ms = reconcile_due_ms(r)) {
            cr_assert_eq(refuse(r, API_ANSWERED, statuses[i], now_ms), RECONCILE_CONTINUE, "%d",
                         statuses[i]);
        }
        cr_expect_eq(read_page(r, "zya"), RECONCILE_CONTINUE);
        cr_expect_eq(read_page(r, ""), RECONCILE_FINISHED);
        cr_expect_str_eq(results_of(r, "ab"), "a:relayed=api-a b:returned(1)");
        reconcile_free(r);
    }
}

Test(reconcile, a_history_that_is_not_there_for_an_hour_cannot_tell)
{
    static const int statuses[] = {404, 405, 410, 501, 200, 201};

    for (size_t i = 0; i < sizeof(statuses) / sizeof(statuses[0]); i++) {
        for (unsigned resends = 0; resends <= 1; resends++) {
            struct reconcile *r = new_reconcile(resends);
            add(r, 500, 1000, NULL);
            begin(r, "ab", 11000);
            read_page(r, "zya");
            for (int n = 0; n < 20; n++) {
                cr_expect_eq(refuse(r, API_ANSWERED, statuses[i], 11000 + n * 180000),
                             RECONCILE_CONTINUE, "%d", statuses[i]);
            }
            cr_expect_eq(refuse(r, API_ANSWERED, statuses[i], 11000 + 3600000), RECONCILE_FINISHED);
            cr_expect_str_eq(results_of(r, "ab"),
                             resends == 0 ? "a:relayed=api-a b:unresolved"
                                          : "a:relayed=api-a b:returned(1)",
                             "%d: what was found is found", statuses[i]);

            /* After a restart: what was refused counts as what may be taken. */
            add(r, 500, 3600000, NULL);
            begin_with(r, "d", (struct queue_doubtful){.is_unlooked = true}, 3690000);
            cr_expect_eq(refuse(r, API_ANSWERED, statuses[i], 3690000), RECONCILE_FINISHED);
            cr_expect_str_eq(results_of(r, "d"), resends == 0 ? "d:unresolved" : "d:returned(1)");

            /* It is known now, until a page comes. */
            add(r, 500, 3700000, NULL);
            begin(r, "c", 3710000);
            cr_expect_eq(refuse(r, API_ANSWERED, statuses[i], 3710000), RECONCILE_FINISHED);
            results_of(r, "c");
            add(r, 500, 3720000, NULL);
            begin(r, "c", 3730000);
            read_page(r, "zyx");
            cr_expect_eq(refuse(r, API_ANSWERED, statuses[i], 3730000), RECONCILE_CONTINUE);
            reconcile_free(r);
        }
    }
}

Test(reconcile, another_answer_shows_that_it_may_be_there)
{
    struct reconcile *r = new_reconcile(0);

    add(r, 500, 1000, NULL);
    begin(r, "a", 11000);
    refuse(r, API_ANSWERED, 404, 11000);
    refuse(r, API_NO_ANSWER, 0, 1811000);
    cr_expect_eq(refuse(r, API_ANSWERED, 503, 1911000), RECONCILE_CONTINUE);
    cr_expect_eq(refuse(r, API_ANSWERED, 404, 3700000), RECONCILE_CONTINUE, "the first again");
    cr_expect_eq(refuse(r, API_NO_ANSWER, 0, 5000000), RECONCILE_CONTINUE);
    cr_expect_eq(refuse(r, API_ANSWERED, 404, 7300000), RECONCILE_FINISHED, "an hour of it");
    cr_expect_str_eq(results_of(r, "a"), "a:unresolved");
    reconcile_free(r);
}

/* After a restart: what was not in a request for certain need not wait for ever. */
Test(reconcile, without_a_doubt_a_message_waits_less)
{
    static const struct queue_doubtful innocent = {.doubts = 0};
    struct reconcile *r = new_reconcile(0);
    size_t count;

    /* There is no history: three times is enough. Those in doubt are left out, and another scan
     * comes due for them. */
    add(r, 500, 1000, NULL);
    struct queue_doubtful *both = doubtful_of("ab", innocent);
    both[1].doubts = 1;
    reconcile_begin(r, both, 2, 0, 11000);
    cr_expect_eq(refuse(r, API_ANSWERED, 404, 11000), RECONCILE_CONTINUE);
    cr_expect_eq(refuse(r, API_ANSWERED, 404, 12000), RECONCILE_CONTINUE);
    cr_expect_eq(refuse(r, API_ANSWERED, 404, 13000), RECONCILE_FINISHED);
    cr_expect_str_eq(results_of(r, "a"), "a:returned(0)");
    cr_expect_eq(reconcile_due_ms(r), 13000 + 2000, "with backoff");
    reconcile_hurry(r, 13500);
    cr_expect_eq(reconcile_due_ms(r), 11000, "at once");

    /* It fails: an hour is enough, and nothing is known of the others. */
    both = doubtful_of("ab", innocent);
    both[1].is_unlooked = true; /* refused, and the earlier run had not looked */
    reconcile_begin(r, both, 2, 0, 15000);
    read_page(r, "zyx");
    cr_expect_eq(refuse(r, API_ANSWERED, 401, 15000), RECONCILE_CONTINUE);
    cr_expect_eq(refuse(r, API_ANSWERED, 401, 3000000), RECONCILE_CONTINUE);
    cr_expect_eq(refuse(r, API_ANSWERED, 401, 15000 + 3600000), RECONCILE_FINISHED);
    cr_expect_str_eq(results_of(r, "a"), "a:returned(0)");
    begin(r, "b", 4000000);
    cr_expect_eq(refuse(r, API_ANSWERED, 401, 4000000), RECONCILE_CONTINUE, "it waits on");
    cr_expect_null(reconcile_results(r, false, 0, &count));
    reconcile_free(r);
}

Test(reconcile, hurries_when_the_reason_may_be_gone)
{
    struct reconcile *r = new_reconcile(0);

    reconcile_hurry(r, 0);
    add(r, 500, 1000, NULL);
    reconcile_hurry(r, 2000);
    cr_expect_eq(reconcile_due_ms(r), 11000, "not before settle_delay");
    begin(r, "a", 11000);
    refuse(r, API_ANSWERED, 401, 11000);
    cr_expect_eq(reconcile_page_wanted(r, 11100), 0);
    reconcile_hurry(r, 11100);
    cr_expect_eq(reconcile_page_wanted(r, 11100), 1);
    reconcile_free(r);
}

/* --- what absence proves ---------------------------------------------------------------------- */

/* A POST that ended in doubt; its anchor, and the floor, is n of POST 1. */
static void add_doubt(struct reconcile *r, int64_t began_ms, bool is_deep, uint32_t begun)
{
    reconcile_add(r, &(struct reconcile_attempt){.began_ms = began_ms,
                                                 .ended_ms = 1000,
                                                 .floor = "api-n",
                                                 .is_deep = is_deep,
                                                 .anchor = "api-n",
                                                 .anchor_number = 1,
                                                 .begun = begun});
}

static void add_post(struct reconcile *r, int64_t began_ms, uint32_t begun)
{
    add_doubt(r, began_ms, true, begun);
}

/* POST 1 relayed n, POST 2 (anchor n) ended in doubt, then POST 3 relayed o, POST 4 p. */
Test(reconcile, what_was_sent_later_is_proof)
{
    static const struct {
        const char *what, *page;
        struct queue_doubtful message;
        unsigned resends;
        const char *results;
    } cases[] = {
        {"it shows a later one", "on", {.doubts = 1}, 0, "a:returned(0)"},
        {"and what was there before", "poxn", {.doubts = 3}, 0, "a:returned(0)"},
        {"it is late: it shows what was there before", "xn", {.doubts = 1}, 0, "a:again(1)"},
        {"and may be, once", "xn", {.doubts = 1}, 1, "a:returned(1)"},
        {"but not twice", "xn", {.doubts = 2}, 1, "a:again(2)"},
        {"the first of the later ones is what counts", "pn", {.doubts = 1}, 0, "a:again(1)"},
        {"its anchor, sent after the doubt before",
         "xn",
         {.doubts = 2, .is_anchored = true},
         1,
         "a:returned(1)"},
        {"which is not enough", "xn", {.doubts = 2, .is_anchored = true}, 0, "a:again(2)"},
        {"or not seen", "", {.doubts = 2, .is_anchored = true}, 1, "a:unresolved"},
        {"looked for often enough", "xn", {.doubts = 2, .looks = 6}, 1, "a:unresolved"},
        {"once less", "xn", {.doubts = 2, .looks = 5}, 1, "a:again(2)"},
        {"proof, at the last look", "on", {.doubts = 2, .looks = 6}, 1, "a:returned(0)"},
        {"proof, but too often",
         "on",
         {.doubts = 1, .ambiguous_ends = RECONCILE_ENDS_MAX},
         1,
         "a:unresolved"},
        {"found after all",
         "an",
         {.doubts = 7, .looks = 6, .ambiguous_ends = MESSAGE_ENDS_MAX},
         0,
         "a:relayed=api-a"},
        {"only suspected", "n", {.doubts = 0}, 0, "a:returned(0)"},
        {"refused by an earlier run", "n", {.is_unlooked = true}, 0, "a:returned(0)"},
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct reconcile *r = new_reconcile(cases[i].resends);
        add_post(r, 500, 2);
        reconcile_relayed(r, 3, "api-o");
        reconcile_relayed(r, 4, "api-p");
        begin_with(r, "a", cases[i].message, 11000);
        cr_expect_eq(read_page(r, cases[i].page), RECONCILE_FINISHED, "%s", cases[i].what);
        const char *got = results_of(r, "a");
        cr_expect_str_eq(got, cases[i].results, "%s: %s", cases[i].what, got);
        bool is_left = strstr(got, "again") != NULL;
        cr_expect_eq(reconcile_due_ms(r), is_left ? 11000 + 10000 : INT64_MAX, "%s", cases[i].what);
        reconcile_free(r);
    }
}

/* Not deep: what was taken from an earlier request may lie below the floor. */
Test(reconcile, a_scan_that_is_not_deep_proves_less)
{
    static const struct {
        const char *what, *page;
        struct queue_doubtful message;
        unsigned resends;
        const char *results;
    } cases[] = {
        {"it shows a later one", "on", {.doubts = 1}, 0, "a:returned(0)"},
        {"which says nothing of the doubt before", "on", {.doubts = 2}, 1, "a:returned(1)"},
        {"nor of one that may be old", "on", {.doubts = 1}, 1, "a:returned(1)"},
        {"a second look proves no more", "on", {.doubts = 3}, 1, "a:again(3)"},
        {"it shows no later one", "n", {.doubts = 2}, 1, "a:again(2)"},
        {"its anchor", "xn", {.doubts = 2, .is_anchored = true}, 1, "a:again(2)"},
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct reconcile *r = new_reconcile(cases[i].resends);
        add_doubt(r, 500, false, 2);
        add_doubt(r, 600, true, 2);
        reconcile_relayed(r, 3, "api-o");
        begin_with(r, "a", cases[i].message, 11000);
        read_page(r, cases[i].page);
        const char *got = results_of(r, "a");
        cr_expect_str_eq(got, cases[i].results, "%s: %s", cases[i].what, got);
        reconcile_free(r);
    }
}

/* What was under way when the other ended proves nothing, nor what has no id, or too long a one. */
Test(reconcile, what_is_no_proof)
{
    char long_id[100];
    struct reconcile *r = new_reconcile(0);

    memset(long_id, 'x', sizeof(long_id) - 1);
    long_id[sizeof(long_id) - 1] = '\0';
    add_post(r, 500, 5);
    reconcile_relayed(r, 5, "api-o");
    reconcile_relayed(r, 6, "");
    reconcile_relayed(r, 6, long_id);
    begin(r, "a", 11000);
    read_page(r, "on");
    cr_expect_str_eq(results_of(r, "a"), "a:again(1)");

    /* One that comes during the scan, or after it, is for the next. */
    begin(r, "a", 21000);
    reconcile_relayed(r, 7, "api-p");
    read_page(r, "on");
    cr_expect_str_eq(results_of(r, "a"), "a:again(1)");
    begin(r, "a", 31000);
    read_page(r, "pon");
    cr_expect_str_eq(results_of(r, "a"), "a:returned(0)");
    reconcile_free(r);
}

/* Two requests in one scan: proof is what was sent after both. */
Test(reconcile, of_several_requests_the_last_counts)
{
    static const struct {
        const char *page, *results;
    } cases[] = {{"on", "a:again(2)"}, {"pon", "a:returned(0)"}};

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct reconcile *r = new_reconcile(1);
        add_post(r, 500, 2);
        reconcile_relayed(r, 3, "api-o");
        add_post(r, 600, 4);
        reconcile_relayed(r, 5, "api-p");
        begin_with(r, "a", (struct queue_doubtful){.doubts = 2}, 11000);
        read_page(r, cases[i].page);
        cr_expect_str_eq(results_of(r, "a"), cases[i].results);
        reconcile_free(r);
    }
}

/* No look is the last while the API does not work and others wait: they may pass yet. */
Test(reconcile, others_that_wait_may_become_proof)
{
    struct reconcile *r = new_reconcile(0);

    add_post(r, 500, 2);
    begin_with(r, "a", (struct queue_doubtful){.doubts = 1, .looks = 6}, 11000);
    read_page(r, "n");
    cr_expect_str_eq(results_when(r, "a", true), "a:again(1)");
    begin_with(r, "a", (struct queue_doubtful){.doubts = 1, .looks = 6}, 21000);
    read_page(r, "n");
    cr_expect_str_eq(results_when(r, "a", false), "a:unresolved");
    reconcile_free(r);
}

/* Several pages may come from replicas of unequal age. */
Test(reconcile, what_is_absent_from_several_pages_is_looked_for_twice)
{
    static const struct queue_doubtful fresh = {.doubts = 1},
                                       looked_for = {.doubts = 1, .looks = 1};
    struct reconcile *r = new_reconcile(1);

    add_post(r, 500, 2);
    reconcile_relayed(r, 3, "api-o");
    begin_with(r, "ab", fresh, 11000);
    read_page(r, "oyx");
    read_page(r, "wan");
    cr_expect_str_eq(results_of(r, "ab"), "a:relayed=api-a b:again(1)");
    cr_expect_eq(reconcile_due_ms(r), 21000);
    begin_with(r, "b", looked_for, 21000);
    read_page(r, "oyx");
    read_page(r, "wan");
    cr_expect_str_eq(results_of(r, "b"), "b:returned(0)");

    /* One page is enough, and for what was only suspected after a restart any number. */
    add_post(r, 500, 2);
    begin_with(r, "a", fresh, 31000);
    read_page(r, "yxn");
    cr_expect_str_eq(results_of(r, "a"), "a:returned(1)");
    add_post(r, 500, 2);
    begin_with(r, "a", (struct queue_doubtful){.doubts = 0}, 41000);
    read_page(r, "zyx");
    read_page(r, "n");
    cr_expect_str_eq(results_of(r, "a"), "a:returned(0)");
    reconcile_free(r);
}

Test(reconcile, freed_at_any_time)
{
    struct reconcile *r = new_reconcile(1);

    reconcile_free(NULL);
    add(r, 1, 2, "api-x");
    reconcile_free(r);

    r = new_reconcile(1);
    add(r, 1, 2, "api-x");
    add(r, 1, 90000, "api-x");
    begin(r, "abc", 11000);
    read_page(r, "zya");
    reconcile_free(r);
}

/* Everything unfinished, after a restart. */
Test(reconcile, many_messages)
{
    enum { COUNT = 100000 };
    struct queue_doubtful *all = calloc(COUNT, sizeof(*all));
    unsigned char random[ULID_RANDOM_BYTES] = {0};
    struct reconcile *r = new_reconcile(1);

    cr_assert_not_null(all);
    for (int i = 0; i < COUNT; i++) {
        all[i].id = ulid_make(1000 + i, random);
    }
    add(r, 0, 0, NULL);
    reconcile_begin(r, all, COUNT, 0, 10000);
    for (int i = 0; i < COUNT; i += 1000) {
        struct ulid id = ulid_make(1000 + i, random);
        char api_id[16], client_id[ULID_SIZE];
        struct api_history_entry entry = {.id = api_id, .client_id = client_id};
        struct api_history page = {&entry, 1};
        snprintf(api_id, sizeof(api_id), "%d", i);
        ulid_format(&id, client_id);
        reconcile_page_asked(r);
        cr_assert_eq(reconcile_read(r, &page, 0), RECONCILE_CONTINUE, "each page has a find");
    }
    cr_assert_eq(read_page(r, ""), RECONCILE_FINISHED);
    size_t count = 0, relayed = 0;
    struct queue_resolution *results = reconcile_results(r, false, 0, &count);
    cr_assert_eq(count, COUNT);
    for (size_t i = 0; i < count; i++) {
        relayed += results[i].fate == FATE_RELAYED ? 1 : 0;
        free(results[i].answer);
    }
    cr_expect_eq(relayed, COUNT / 1000);
    free(results);
    reconcile_free(r);
}
