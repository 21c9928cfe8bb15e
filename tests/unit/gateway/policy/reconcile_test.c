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
                                                  .retry_min_ms = 1000,
                                                  .retry_max_ms = 60000};

static struct reconcile *new_reconcile(bool holds_unknown)
{
    struct reconcile_options options = defaults;
    options.holds_unknown = holds_unknown;
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

/* Sorted ids of the letters, malloc'ed. */
static struct ulid *ids_of(const char *letters)
{
    struct ulid *ids = malloc((strlen(letters) + 1) * sizeof(*ids));
    cr_assert_not_null(ids);
    for (size_t i = 0; letters[i] != '\0'; i++) {
        ids[i] = id_of(letters[i]);
    }
    return ids;
}

static enum reconcile_progress begin(struct reconcile *r, const char *letters, int64_t now_ms)
{
    return reconcile_begin(r, ids_of(letters), strlen(letters), 0, now_ms);
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

/* "a:relayed=api-a b:returned", and frees the results. */
static const char *results_of(struct reconcile *r, const char *letters)
{
    static char text[1000];
    size_t count = 0;
    struct queue_resolution *results = reconcile_results(r, &count);

    text[0] = '\0';
    cr_assert_eq(count, strlen(letters));
    for (size_t i = 0; i < count; i++) {
        struct ulid id = id_of(letters[i]);
        cr_expect_eq(memcmp(&id, &results[i].id, sizeof(id)), 0);
        const char *fate = results[i].fate == FATE_RELAYED    ? "relayed"
                           : results[i].fate == FATE_RETURNED ? "returned"
                                                              : "unresolved";
        const char *answer = results[i].answer;
        size_t len = strlen(text);
        snprintf(text + len, sizeof(text) - len, "%s%c:%s", i > 0 ? " " : "", letters[i], fate);
        if (results[i].fate == FATE_RELAYED) {
            len = strlen(text);
            snprintf(text + len, sizeof(text) - len, "=%s", answer);
        } else if (results[i].fate == FATE_UNRESOLVED) {
            cr_expect_str_eq(answer, "", "no API id is known");
            cr_expect_neq(answer[1], '\0', "but there is a reason");
        } else {
            cr_expect_null(answer);
        }
        free(results[i].answer);
    }
    free(results);
    return text;
}

/* --- when ---------------------------------------------------------------------------------- */

Test(reconcile, begins_when_the_attempt_has_settled)
{
    struct reconcile *r = new_reconcile(false);

    cr_expect_eq(reconcile_due_ms(r), INT64_MAX, "nothing to do");
    reconcile_add(r, 500, 1000, NULL);
    reconcile_add(r, 600, 5000, NULL);
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
    struct reconcile *r = new_reconcile(false);
    size_t count = 7;

    reconcile_add(r, 500, 1000, "api-x");
    cr_expect_eq(reconcile_begin(r, NULL, 0, 0, 11000), RECONCILE_FINISHED);
    cr_expect_eq(reconcile_page_wanted(r, 11000), 0);
    cr_expect_null(reconcile_results(r, &count));
    cr_expect_eq(count, 0);
    cr_expect_eq(reconcile_due_ms(r), INT64_MAX);
    reconcile_free(r);
}

Test(reconcile, no_attempt_is_ever_forgotten)
{
    struct reconcile *r = new_reconcile(false);

    for (int i = 0; i < 100; i++) {
        reconcile_add(r, i, 1000 + i * 100, "api-x");
    }
    int64_t last_ms = 0;
    while (reconcile_due_ms(r) != INT64_MAX) {
        last_ms = reconcile_due_ms(r);
        reconcile_begin(r, NULL, 0, 0, last_ms);
        size_t count;
        reconcile_results(r, &count);
    }
    cr_expect_eq(last_ms, 1000 + 99 * 100 + 10000, "the last scan covers the last attempt");
    reconcile_free(r);
}

Test(reconcile, covers_all_when_the_last_attempt_has_settled)
{
    struct reconcile *r = new_reconcile(false);

    reconcile_add(r, 500, 1000, NULL);
    cr_expect(reconcile_covers_all(r, 11000));
    cr_expect_not(reconcile_covers_all(r, 10999));
    reconcile_add(r, 600, 5000, NULL);
    cr_expect_not(reconcile_covers_all(r, 14999), "the later one may still be under way");
    cr_expect(reconcile_covers_all(r, 15000));
    reconcile_free(r);
}

Test(reconcile, who_is_left_out_gets_another_scan)
{
    struct reconcile *r = new_reconcile(false);

    /* By the wall clock one attempt was too recent, by ours it was not. */
    reconcile_add(r, 500, 1000, "api-x");
    cr_expect_eq(reconcile_begin(r, NULL, 0, 1, 11000), RECONCILE_FINISHED);
    size_t count;
    reconcile_results(r, &count);
    cr_expect_eq(reconcile_due_ms(r), 12000);
    cr_expect_eq(begin(r, "a", 12000), RECONCILE_CONTINUE);
    cr_expect_eq(read_page(r, "cxd"), RECONCILE_FINISHED, "its anchor still holds");
    cr_expect_str_eq(results_of(r, "a"), "a:returned");
    cr_expect_eq(reconcile_due_ms(r), INT64_MAX);
    reconcile_free(r);
}

/* --- where it ends, and what that proves ----------------------------------------------------- */

struct scan_case {
    const char *what;
    const char *anchor;
    const char *pages[9];     /* read in this order until the scan ends, which is with the last */
    const char *retry, *hold; /* the results for a, b, c by relay.on_ambiguous */
};

static void run(const struct scan_case *c, bool holds_unknown)
{
    struct reconcile *r = new_reconcile(holds_unknown);
    enum reconcile_progress progress;

    reconcile_add(r, 500, 1000, c->anchor);
    progress = begin(r, "abc", 11000);
    for (size_t i = 0; c->pages[i] != NULL; i++) {
        cr_assert_eq(progress, RECONCILE_CONTINUE, "%s: ended before \"%s\"", c->what, c->pages[i]);
        cr_assert_eq(reconcile_page_wanted(r, 11000), i + 1, "%s", c->what);
        progress = read_page(r, c->pages[i]);
    }
    cr_expect_eq(progress, RECONCILE_FINISHED, "%s: goes on", c->what);
    const char *want = holds_unknown ? c->hold : c->retry;
    const char *got = results_of(r, "abc");
    cr_expect_str_eq(got, want, "%s: %s", c->what, got);
    reconcile_free(r);
}

#define ABSENT     "a:returned b:returned c:returned"
#define UNRESOLVED "a:unresolved b:unresolved c:unresolved"
#define ALL        "a:relayed=api-a b:relayed=api-b c:relayed=api-c"

Test(reconcile, ends)
{
    static const struct scan_case cases[] = {
        {"all found on the first page", NULL, {"cba"}, ALL, ALL},
        {"all found, over two pages, in any case", "api-w", {"zCy", "Bax"}, ALL, ALL},
        {"at the anchor",
         "api-x",
         {"zya", "xwv"},
         "a:relayed=api-a b:returned c:returned",
         "a:relayed=api-a b:returned c:returned"},
        {"the anchor's page is read to its end", "api-x", {"zyx", NULL}, ABSENT, ABSENT},
        {"what stands behind the anchor counts",
         "api-x",
         {"zxb"},
         "a:returned b:relayed=api-b c:returned",
         "a:returned b:relayed=api-b c:returned"},
        {"at an empty page", NULL, {"zyx", "wv", ""}, ABSENT, ABSENT},
        {"at an empty page, before the anchor: an old one", "api-t", {"zyx", ""}, ABSENT, ABSENT},
        {"an empty history", NULL, {""}, ABSENT, ABSENT},
        {"an empty history that must hold the anchor", "api-t", {""}, ABSENT, UNRESOLVED},
        {"at a short last page, repeated", NULL, {"zyx", "wv", "wv"}, ABSENT, ABSENT},
        {"pages that are ignored", NULL, {"zyx", "zyx", "zyx", "zyx"}, ABSENT, UNRESOLVED},
        {"shifted by a page, without an anchor", NULL, {"zyx", "zyx", "wba", "c"}, ALL, ALL},
        {"pages that are ignored, and the anchor not shown",
         "api-t",
         {"zyx", "zyx", "zyx", "zyx"},
         ABSENT,
         UNRESOLVED},
        {"shifted by two: repeats, but not only", NULL, {"zyx", "yxw", "xwv", ""}, ABSENT, ABSENT},
        {"shifted by a page, then found", "api-t", {"zyx", "zyx", "wba", "ct"}, ALL, ALL},
        {"shifted twice by a page",
         "api-t",
         {"zyx", "zyx", "zyx", "wva", "sut"},
         "a:relayed=api-a b:returned c:returned",
         "a:relayed=api-a b:returned c:returned"},
        {"shifted now and again",
         "api-s",
         {"zyx", "zyx", "zyx", "wvu", "wvu", "wvu", "tba", "sc"},
         ALL,
         ALL},
        {"entries without clientId among others",
         "api-x",
         {"12a", "34x"},
         "a:relayed=api-a b:returned c:returned",
         "a:relayed=api-a b:returned c:returned"},
        {"no entry with a clientId", "api-9", {"123", "459"}, ABSENT, UNRESOLVED},
        {"no entry with a clientId, up to the end", NULL, {"123", ""}, ABSENT, UNRESOLVED},
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        run(&cases[i], false);
        run(&cases[i], true);
    }
}

Test(reconcile, passes_as_many_repeats_as_our_own_messages_explain)
{
    enum { REPEATS = 20, ADDED = 3 * REPEATS - 2 };
    for (int is_explained = 0; is_explained <= 1; is_explained++) {
        struct reconcile *r = new_reconcile(true);
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
    struct reconcile *r = new_reconcile(false);
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
    cr_expect_str_eq(results_of(r, "ab"), "a:relayed=api-2 b:returned");
    reconcile_free(r);
}

Test(reconcile, history_pages_prove_nothing)
{
    for (int holds_unknown = 0; holds_unknown <= 1; holds_unknown++) {
        struct reconcile_options options = defaults;
        options.history_pages = 2;
        options.holds_unknown = holds_unknown != 0;
        struct reconcile *r = reconcile_new(&options);
        cr_assert_not_null(r);
        reconcile_add(r, 500, 1000, NULL);
        begin(r, "ab", 11000);
        cr_expect_eq(read_page(r, "zya"), RECONCILE_CONTINUE, "a find: it is worth going on");
        cr_expect_eq(read_page(r, "xwv"), RECONCILE_CONTINUE);
        cr_expect_eq(read_page(r, "uts"), RECONCILE_FINISHED);
        cr_expect_str_eq(results_of(r, "ab"), holds_unknown ? "a:relayed=api-a b:unresolved"
                                                            : "a:relayed=api-a b:returned");

        /* An end on the very last page is an end. */
        reconcile_add(r, 500, 1000, "api-v");
        begin(r, "ab", 11000);
        read_page(r, "zyx");
        cr_expect_eq(read_page(r, "wvu"), RECONCILE_FINISHED);
        cr_expect_str_eq(results_of(r, "ab"), "a:returned b:returned");
        reconcile_free(r);
    }
}

Test(reconcile, the_anchor_is_that_of_the_attempt_that_began_first)
{
    /* They ended in the other order, and only one is due: what counts is which began first. */
    static const struct {
        int64_t began_ms, ended_ms;
        const char *anchor;
    } attempts[] = {{300, 1000, "api-z"}, {100, 9000, "api-x"}, {200, 1500, "api-y"}};
    struct reconcile *r = new_reconcile(false);

    for (size_t i = 0; i < 3; i++) {
        reconcile_add(r, attempts[i].began_ms, attempts[i].ended_ms, attempts[i].anchor);
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
    r = new_reconcile(false);
    for (int i = 50; i >= 0; i--) {
        reconcile_add(r, i, 1000, i > 0 ? "api-x" : NULL);
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
    static const char history[] = "cxbwa"; /* newest first, when the scan begins; then the anchor */
    for (size_t shift = 0; shift <= 3; shift++) {
        struct reconcile *r = new_reconcile(false);
        enum reconcile_progress progress;
        size_t grown = 0;

        reconcile_add(r, 500, 1000, "api-w");
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
        struct reconcile *r = new_reconcile(true);
        reconcile_add(r, 500, 1000, NULL);
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

Test(reconcile, a_history_that_refuses_cannot_tell)
{
    static const int statuses[] = {400, 401, 402, 403, 404, 405, 410, 422, 499};

    for (size_t i = 0; i < sizeof(statuses) / sizeof(statuses[0]); i++) {
        for (int holds_unknown = 0; holds_unknown <= 1; holds_unknown++) {
            struct reconcile *r = new_reconcile(holds_unknown != 0);
            reconcile_add(r, 500, 1000, NULL);
            begin(r, "ab", 11000);
            read_page(r, "zya");
            cr_expect_eq(refuse(r, API_ANSWERED, statuses[i], 11000), RECONCILE_FINISHED);
            cr_expect_str_eq(results_of(r, "ab"),
                             holds_unknown ? "a:relayed=api-a b:unresolved"
                                           : "a:relayed=api-a b:returned",
                             "%d: what was found is found", statuses[i]);
            reconcile_free(r);
        }
    }
}

Test(reconcile, an_unreadable_page_is_asked_for_three_times)
{
    struct reconcile *r = new_reconcile(true);

    reconcile_add(r, 500, 1000, NULL);
    begin(r, "a", 11000);
    cr_expect_eq(refuse(r, API_ANSWERED, 200, 11000), RECONCILE_CONTINUE);
    cr_expect_eq(refuse(r, API_ANSWERED, 200, 20000), RECONCILE_CONTINUE);
    cr_expect_eq(read_page(r, "zyx"), RECONCILE_CONTINUE);
    cr_expect_eq(refuse(r, API_ANSWERED, 200, 30000), RECONCILE_CONTINUE);
    cr_expect_eq(reconcile_due_ms(r), 30500, "a page that was read starts anew");
    cr_expect_eq(refuse(r, API_ANSWERED, 200, 40000), RECONCILE_CONTINUE);
    cr_expect_eq(refuse(r, API_ANSWERED, 200, 50000), RECONCILE_FINISHED);
    cr_expect_str_eq(results_of(r, "a"), "a:unresolved");
    reconcile_free(r);
}

Test(reconcile, freed_at_any_time)
{
    struct reconcile *r = new_reconcile(false);

    reconcile_free(NULL);
    reconcile_add(r, 1, 2, "api-x");
    reconcile_free(r);

    r = new_reconcile(false);
    reconcile_add(r, 1, 2, "api-x");
    reconcile_add(r, 1, 90000, "api-x");
    begin(r, "abc", 11000);
    read_page(r, "zya");
    reconcile_free(r);
}

/* Everything unfinished, after a restart. */
Test(reconcile, many_messages)
{
    enum { COUNT = 100000 };
    struct ulid *ids = malloc(COUNT * sizeof(*ids));
    unsigned char random[ULID_RANDOM_BYTES] = {0};
    struct reconcile *r = new_reconcile(false);

    cr_assert_not_null(ids);
    for (int i = 0; i < COUNT; i++) {
        ids[i] = ulid_make(1000 + i, random);
    }
    reconcile_add(r, 0, 0, NULL);
    reconcile_begin(r, ids, COUNT, 0, 10000);
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
    struct queue_resolution *results = reconcile_results(r, &count);
    cr_assert_eq(count, COUNT);
    for (size_t i = 0; i < count; i++) {
        relayed += results[i].fate == FATE_RELAYED ? 1 : 0;
        free(results[i].answer);
    }
    cr_expect_eq(relayed, COUNT / 1000);
    free(results);
    reconcile_free(r);
}
