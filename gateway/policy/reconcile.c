/* reconcile: see reconcile.h. */
#include "gateway/policy/reconcile.h"

#include "gateway/base/backoff.h"
#include "gateway/base/int64.h"
#include "gateway/queue/types.h"

#include <search.h>
#include <stdlib.h>
#include <string.h>

enum {
    ATTEMPTS_MAX = 16,  /* any further one is merged with the last, so that none is lost */
    REPEATS_MAX = 3,    /* pages in a row with nothing new before it stops being a shift of pages */
    UNREADABLE_MAX = 3, /* answers in a row that are no page: this is no history */
    PUT_OFF_MS = 1000
};

/* Requests that ended ambiguous and wait for a scan. */
struct attempt {
    int64_t began_ms, ended_ms;
    char *anchor; /* owned; NULL = none */
};

enum scan_state {
    SCAN_NONE,    /* no scan; the rest of `struct scan` is empty */
    SCAN_WANTS,   /* `page` is to be asked for, not before `due_ms` */
    SCAN_ASKED,   /* `page` is under way */
    SCAN_FINISHED /* `findings` are complete */
};

/* Every finding is RETURNED, that is absent, until its message is found. */
struct scan {
    enum scan_state state;
    struct queue_resolution *findings; /* in the order of the ids that were given */
    struct queue_resolution **by_id;   /* the same, sorted */
    size_t count, found;
    char *anchor;
    unsigned page;
    int64_t due_ms;
    unsigned failures, unreadable, repeats; /* in a row */
    unsigned repeated;                      /* pages with nothing new, in all */
    unsigned barren;                        /* pages on which nothing was found, in all */
    void *seen;                             /* API ids; a tree of tsearch */
    bool has_entries, has_client_ids;       /* on any page so far */
    const char *doubt;                      /* why absence proves nothing; NULL = it does */
};

struct reconcile {
    struct reconcile_options options;
    struct attempt attempts[ATTEMPTS_MAX];
    size_t waiting;
    int64_t put_off_ms; /* no scan before this: an allocation failed */
    struct scan scan;
};

/* --- attempts ----------------------------------------------------------------------------- */

static char *copy(const char *s)
{
    return s != NULL ? strdup(s) : NULL;
}

/* Merges `b`, which is taken over, into `a`; the older anchor is right for both. */
static void merge(struct attempt *a, struct attempt *b)
{
    if (b->began_ms < a->began_ms) {
        char *later = a->anchor;
        a->began_ms = b->began_ms;
        a->anchor = b->anchor;
        b->anchor = later;
    }
    a->ended_ms = int64_max(a->ended_ms, b->ended_ms);
    free(b->anchor);
}

/* The attempt that began first: what was relayed before it was relayed before all of them. */
static const struct attempt *earliest(const struct reconcile *r)
{
    const struct attempt *first = NULL;

    for (size_t i = 0; i < r->waiting; i++) {
        if (first == NULL || r->attempts[i].began_ms < first->began_ms) {
            first = &r->attempts[i];
        }
    }
    return first;
}

/* Removes the attempts that ended at or before `cutoff_ms`. */
static void forget_attempts(struct reconcile *r, int64_t cutoff_ms)
{
    size_t kept = 0;

    for (size_t i = 0; i < r->waiting; i++) {
        if (r->attempts[i].ended_ms <= cutoff_ms) {
            free(r->attempts[i].anchor);
        } else {
            r->attempts[kept++] = r->attempts[i];
        }
    }
    r->waiting = kept;
}

void reconcile_add(struct reconcile *r, int64_t began_ms, int64_t ended_ms, const char *anchor)
{
    struct attempt attempt = {began_ms, ended_ms, copy(anchor)};

    if (r->waiting < ATTEMPTS_MAX) {
        r->attempts[r->waiting++] = attempt;
    } else {
        merge(&r->attempts[ATTEMPTS_MAX - 1], &attempt);
    }
}

/* --- the scan ----------------------------------------------------------------------------- */

static int compare_ids(const void *a, const void *b)
{
    const struct queue_resolution *const *x = a, *const *y = b;
    return memcmp((*x)->id.bytes, (*y)->id.bytes, ULID_BYTES);
}

static int compare_texts(const void *a, const void *b)
{
    return strcmp(a, b);
}

/* Ends the scan and frees what it owns. */
static void clear_scan(struct scan *scan)
{
    for (size_t i = 0; i < scan->count; i++) {
        free(scan->findings[i].answer);
    }
    free(scan->findings);
    free(scan->by_id);
    free(scan->anchor);
    tdestroy(scan->seen, free);
    *scan = (struct scan){.state = SCAN_NONE};
}

static enum reconcile_progress finish(struct scan *scan, const char *doubt)
{
    scan->state = SCAN_FINISHED;
    scan->doubt = doubt;
    return RECONCILE_FINISHED;
}

/* A scan with one finding for each id, in no state yet. Returns false on allocation failure. */
static bool fill_scan(struct scan *scan, const struct ulid *ids, size_t count)
{
    *scan = (struct scan){.state = SCAN_NONE};
    if (count == 0) {
        return true;
    }
    scan->findings = calloc(count, sizeof(*scan->findings));
    scan->by_id = calloc(count, sizeof(struct queue_resolution *));
    if (scan->findings == NULL || scan->by_id == NULL) {
        clear_scan(scan);
        return false;
    }
    scan->count = count;
    for (size_t i = 0; i < count; i++) {
        scan->findings[i].id = ids[i];
        scan->findings[i].fate = FATE_RETURNED;
        scan->by_id[i] = &scan->findings[i];
    }
    qsort(scan->by_id, count, sizeof(struct queue_resolution *), compare_ids);
    return true;
}

/*
 * Remembers an API id and tells whether it is new. On allocation failure it counts as new, which
 * can only make the scan longer.
 */
static bool is_new(struct scan *scan, const char *id)
{
    char *key = strdup(id);
    char **node = key != NULL ? tsearch(key, &scan->seen, compare_texts) : NULL;

    if (node == NULL || *node != key) {
        free(key);
        return node == NULL;
    }
    return true;
}

/*
 * Marks the message as found if it is one of ours. Of several entries the newest, met first,
 * counts.
 */
static void note_client_id(struct scan *scan, const struct api_history_entry *entry)
{
    struct queue_resolution wanted = {.answer = NULL}, *key = &wanted;

    if (scan->count == 0 || !ulid_parse(entry->client_id, strlen(entry->client_id), &wanted.id)) {
        return;
    }
    struct queue_resolution **found =
        bsearch(&key, scan->by_id, scan->count, sizeof(key), compare_ids);
    if (found == NULL || (*found)->fate == FATE_RELAYED) {
        return;
    }
    struct queue_resolution *finding = *found;
    finding->fate = FATE_RELAYED;
    finding->answer = message_answer_new(entry->id, NULL);
    scan->found++;
}

/* What a page says about where the scan ends. */
struct page_facts {
    bool has_new, has_anchor;
};

static struct page_facts note_page(struct scan *scan, const struct api_history *page)
{
    struct page_facts facts = {false, false};

    for (size_t i = 0; i < page->count; i++) {
        const struct api_history_entry *entry = &page->entries[i];
        scan->has_entries = true;
        if (is_new(scan, entry->id)) {
            facts.has_new = true;
        }
        if (scan->anchor != NULL && strcmp(entry->id, scan->anchor) == 0) {
            facts.has_anchor = true;
        }
        if (entry->client_id != NULL) {
            scan->has_client_ids = true;
            note_client_id(scan, entry);
        }
    }
    return facts;
}

/* The scan has read everything it needs: what was not found is absent. */
static enum reconcile_progress finish_at_end(struct scan *scan)
{
    if (scan->has_entries && !scan->has_client_ids) {
        return finish(scan, "the API's history shows no clientIds");
    }
    return finish(scan, NULL);
}

static enum reconcile_progress want_page(struct scan *scan, unsigned page, int64_t due_ms)
{
    scan->state = SCAN_WANTS;
    scan->page = page;
    scan->due_ms = due_ms;
    return RECONCILE_CONTINUE;
}

/* The anchor was not met: the history does not show everything that it holds. */
static const char hidden[] = "the API's history does not show a message that must be in it";

/*
 * An empty page is the end of the history, unless there was not one entry where the anchor must be.
 */
static enum reconcile_progress finish_at_empty(struct scan *scan)
{
    if (scan->anchor != NULL && !scan->has_entries) {
        return finish(scan, hidden);
    }
    return finish_at_end(scan);
}

/*
 * A page with nothing new. A short one is the end, unless the anchor is still to come. A full one
 * means that pages have shifted: our own messages explain as many such pages as they fill, and
 * others may have sent, too. If it does not stop, this history cannot be paged, and its rest was
 * not seen.
 */
static enum reconcile_progress pass_repeats(struct scan *scan, bool is_full, unsigned explained)
{
    if (scan->anchor == NULL && !is_full) {
        return finish_at_end(scan);
    }
    if (scan->repeats >= REPEATS_MAX && scan->repeated > explained) {
        return finish(scan, hidden);
    }
    return want_page(scan, scan->page + 1, 0);
}

/* --- public ------------------------------------------------------------------------------- */

struct reconcile *reconcile_new(const struct reconcile_options *options)
{
    struct reconcile *r = calloc(1, sizeof(*r));

    if (r != NULL) {
        r->options = *options;
    }
    return r;
}

void reconcile_free(struct reconcile *r)
{
    if (r == NULL) {
        return;
    }
    forget_attempts(r, INT64_MAX);
    clear_scan(&r->scan);
    free(r);
}

int64_t reconcile_due_ms(const struct reconcile *r)
{
    int64_t ended_ms = INT64_MAX;

    if (r->scan.state == SCAN_WANTS) {
        return r->scan.due_ms;
    }
    if (r->scan.state != SCAN_NONE || r->waiting == 0) {
        return INT64_MAX;
    }
    for (size_t i = 0; i < r->waiting; i++) {
        ended_ms = int64_min(ended_ms, r->attempts[i].ended_ms);
    }
    int64_t due_ms = ended_ms + r->options.settle_delay_ms;
    return int64_max(due_ms, r->put_off_ms);
}

bool reconcile_is_scanning(const struct reconcile *r)
{
    return r->scan.state != SCAN_NONE;
}

int64_t reconcile_cutoff_ms(const struct reconcile *r, int64_t now_ms)
{
    return now_ms - r->options.settle_delay_ms;
}

bool reconcile_covers_all(const struct reconcile *r, int64_t now_ms)
{
    int64_t cutoff_ms = reconcile_cutoff_ms(r, now_ms);

    for (size_t i = 0; i < r->waiting; i++) {
        if (r->attempts[i].ended_ms > cutoff_ms) {
            return false;
        }
    }
    return true;
}

enum reconcile_progress reconcile_begin(struct reconcile *r, struct ulid *ids, size_t count,
                                        size_t left_out, int64_t now_ms)
{
    int64_t cutoff_ms = reconcile_cutoff_ms(r, now_ms);
    const struct attempt *first = earliest(r);
    bool is_filled = fill_scan(&r->scan, ids, count);

    free(ids);
    if (!is_filled) {
        r->put_off_ms = now_ms + PUT_OFF_MS;
        return RECONCILE_CONTINUE;
    }
    if (first != NULL) {
        struct attempt again = {first->began_ms, cutoff_ms + PUT_OFF_MS, copy(first->anchor)};
        r->scan.anchor = copy(first->anchor);
        forget_attempts(r, cutoff_ms);
        if (left_out > 0 && r->waiting == 0) {
            r->attempts[r->waiting++] = again;
        } else {
            free(again.anchor);
        }
    }
    return count > 0 ? want_page(&r->scan, 1, now_ms) : finish(&r->scan, NULL);
}

unsigned reconcile_page_wanted(const struct reconcile *r, int64_t now_ms)
{
    return r->scan.state == SCAN_WANTS && now_ms >= r->scan.due_ms ? r->scan.page : 0;
}

void reconcile_page_asked(struct reconcile *r)
{
    r->scan.state = SCAN_ASKED;
}

enum reconcile_progress reconcile_read(struct reconcile *r, const struct api_history *page,
                                       uint64_t added)
{
    struct scan *scan = &r->scan;
    size_t found_before = scan->found;
    struct page_facts facts = note_page(scan, page);
    uint64_t filled = (added + r->options.per_page - 1) / r->options.per_page;
    unsigned explained =
        filled < r->options.history_pages ? (unsigned)filled : r->options.history_pages;

    scan->failures = 0;
    scan->unreadable = 0;
    scan->repeats = facts.has_new ? 0 : scan->repeats + 1;
    scan->repeated += facts.has_new ? 0 : 1;
    scan->barren += scan->found > found_before ? 0 : 1;
    if (scan->found == scan->count) {
        return finish(scan, NULL);
    }
    if (facts.has_anchor) {
        return finish_at_end(scan);
    }
    if (page->count == 0) {
        return finish_at_empty(scan);
    }
    /* Pages that only repeat entries, because our own messages pushed them down, do not count. */
    unsigned passed = scan->repeated < explained ? scan->repeated : explained;
    if (scan->barren - passed >= r->options.history_pages) {
        return finish(scan, "the API's history is longer than relay.history_pages");
    }
    return facts.has_new ? want_page(scan, scan->page + 1, 0)
                         : pass_repeats(scan, page->count >= r->options.per_page, explained);
}

/* Why the history will never answer, if that is what this answer means; else NULL. */
static const char *refusal_of(struct scan *scan, const struct api_answer *answer)
{
    int status = answer->transport == API_ANSWERED ? answer->status : 0;

    if (status >= 200 && status < 300 && ++scan->unreadable >= UNREADABLE_MAX) {
        return "the API's history cannot be read";
    }
    if (status >= 400 && status < 500 && status != 429) {
        return "the API's history is refused";
    }
    return NULL;
}

enum reconcile_progress reconcile_refused(struct reconcile *r, const struct api_answer *answer,
                                          int64_t now_ms, double random)
{
    struct scan *scan = &r->scan;
    const char *refusal = refusal_of(scan, answer);

    if (refusal != NULL) {
        return finish(scan, refusal);
    }
    scan->failures++;
    return want_page(scan, scan->page,
                     now_ms + backoff_ms(scan->failures, r->options.retry_min_ms,
                                         r->options.retry_max_ms, random));
}

struct queue_resolution *reconcile_results(struct reconcile *r, size_t *count)
{
    struct scan *scan = &r->scan;
    struct queue_resolution *findings = scan->findings;

    *count = 0;
    if (scan->state != SCAN_FINISHED) {
        return NULL;
    }
    for (size_t i = 0; i < scan->count; i++) {
        if (findings[i].fate == FATE_RELAYED || scan->doubt == NULL || !r->options.holds_unknown) {
            continue;
        }
        findings[i].fate = FATE_UNRESOLVED;
        findings[i].answer = message_answer_new(NULL, scan->doubt);
    }
    *count = scan->count;
    scan->findings = NULL;
    scan->count = 0;
    clear_scan(scan);
    return findings;
}
