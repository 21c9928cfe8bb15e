/* reconcile: see reconcile.h. */
#include "gateway/policy/reconcile.h"

#include "gateway/base/backoff.h"
#include "gateway/base/int64.h"
#include "gateway/queue/types.h"

#include <search.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    ATTEMPTS_MAX = 16, /* any further one is merged with the last, so that none is lost */
    MARKS_MAX = 32,    /* of more, the oldest are forgotten: then less is proven */
    MARK_SIZE = 64,    /* a longer API id is no mark */
    REPEATS_MAX = 3,   /* pages in a row with nothing new before it stops being a shift of pages */
    MISSING_MAX = 3,   /* calls in a row after which a history that is not there is none for now */
    PUT_OFF_MS = 1000
};

/* Requests that ended ambiguous and wait for a scan. */
struct attempt {
    int64_t began_ms, ended_ms;
    char *floor; /* owned; NULL = none */
    bool is_deep;
    uint32_t anchor_number, begun; /* see struct reconcile_attempt, like is_deep */
    uint32_t marked;               /* the latest POST of which there is a mark */
};

/* A message that the API has taken from POST `number`. A scan that shows it shows everything that
 * was taken from POSTs that had ended by then. */
struct mark {
    char api_id[MARK_SIZE];
    uint32_t number;
};

enum scan_state {
    SCAN_NONE,    /* no scan; the rest of `struct scan` is empty */
    SCAN_WANTS,   /* `page` is to be asked for, not before `due_ms` */
    SCAN_ASKED,   /* `page` is under way */
    SCAN_FINISHED /* `findings` are complete */
};

/* What absence means once the scan is finished. */
enum scan_power {
    SCAN_TELLS,
    SCAN_CANNOT_TELL,
    SCAN_UNANSWERED /* there was no page: only what need not wait for one is decided */
};

/* Every finding is RETURNED, that is absent, until its message is found. */
struct scan {
    enum scan_state state;
    struct queue_doubtful *doubtful;   /* as given */
    struct queue_resolution *findings; /* in the same order */
    struct queue_resolution **by_id;   /* the same, sorted */
    size_t count, found;
    size_t impatient;       /* messages that need not wait for a page: see waits_for_page */
    struct attempt covered; /* the requests that it is about, merged; their `floor` is another */
    bool is_covering;       /* there are any */
    char *floor;            /* owned; NULL = none */
    unsigned page;
    int64_t due_ms;
    unsigned repeats;                 /* in a row */
    unsigned repeated;                /* pages with nothing new, in all */
    unsigned barren;                  /* pages on which nothing was found, in all */
    void *seen;                       /* API ids; a tree of tsearch */
    bool has_entries, has_client_ids; /* on any page so far */
    uint32_t shown;                   /* the latest POST whose mark was on a page so far */
    enum scan_power power;
    const char *reason; /* why it cannot tell */
};

struct reconcile {
    struct reconcile_options options;
    struct attempt attempts[ATTEMPTS_MAX];
    size_t waiting;
    struct mark marks[MARKS_MAX]; /* a ring */
    size_t next_mark;
    int64_t put_off_ms; /* no scan before this: an allocation or a call failed */
    /* Calls that failed, in a row; those whose answer was that there is no history. */
    unsigned failures, missing;
    int64_t failing_since_ms, missing_since_ms;
    struct scan scan;
};

/* --- attempts and marks ------------------------------------------------------------------- */

static char *copy(const char *s)
{
    return s != NULL ? strdup(s) : NULL;
}

static uint32_t larger(uint32_t a, uint32_t b)
{
    return a > b ? a : b;
}

/* Merges `b`, which is taken over, into `a`; the older floor is right for both. */
static void merge(struct attempt *a, struct attempt *b)
{
    if (b->began_ms < a->began_ms) {
        char *later = a->floor;
        a->began_ms = b->began_ms;
        a->floor = b->floor;
        b->floor = later;
    }
    a->ended_ms = int64_max(a->ended_ms, b->ended_ms);
    a->is_deep = a->is_deep && b->is_deep;
    a->anchor_number = larger(a->anchor_number, b->anchor_number);
    a->begun = larger(a->begun, b->begun);
    a->marked = larger(a->marked, b->marked);
    free(b->floor);
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

/* Takes `attempt` over. */
static void add(struct reconcile *r, struct attempt *attempt)
{
    if (r->waiting < ATTEMPTS_MAX) {
        r->attempts[r->waiting++] = *attempt;
    } else {
        merge(&r->attempts[ATTEMPTS_MAX - 1], attempt);
    }
}

/* Moves the attempts that ended at or before `cutoff_ms` into the scan. */
static void cover_attempts(struct reconcile *r, int64_t cutoff_ms)
{
    struct scan *scan = &r->scan;
    size_t kept = 0;

    for (size_t i = 0; i < r->waiting; i++) {
        if (r->attempts[i].ended_ms > cutoff_ms) {
            r->attempts[kept++] = r->attempts[i];
        } else if (scan->is_covering) {
            merge(&scan->covered, &r->attempts[i]);
        } else {
            scan->covered = r->attempts[i];
            scan->is_covering = true;
        }
    }
    r->waiting = kept;
}

static bool can_mark(uint32_t number, const char *api_id)
{
    return number > 0 && api_id[0] != '\0' && strlen(api_id) < MARK_SIZE;
}

static void add_mark(struct reconcile *r, uint32_t number, const char *api_id)
{
    struct mark *mark = &r->marks[r->next_mark];

    snprintf(mark->api_id, sizeof(mark->api_id), "%s", api_id);
    mark->number = number;
    r->next_mark = (r->next_mark + 1) % MARKS_MAX;
}

void reconcile_add(struct reconcile *r, const struct reconcile_attempt *attempt)
{
    struct attempt added = {.began_ms = attempt->began_ms,
                            .ended_ms = attempt->ended_ms,
                            .floor = copy(attempt->floor),
                            .is_deep = attempt->is_deep,
                            .anchor_number = attempt->anchor_number,
                            .begun = attempt->begun};

    /* The anchor is a mark for the doubts that its messages had before. */
    if (attempt->anchor != NULL && can_mark(attempt->anchor_number, attempt->anchor)) {
        add_mark(r, attempt->anchor_number, attempt->anchor);
    }
    add(r, &added);
}

/* Of the messages relayed after a request, the history should show the first one soonest. */
static bool wants_mark(struct attempt *attempt, uint32_t number)
{
    bool is_wanted = number > attempt->begun && attempt->marked <= attempt->begun;

    attempt->marked = is_wanted ? number : attempt->marked;
    return is_wanted;
}

void reconcile_relayed(struct reconcile *r, uint32_t number, const char *api_id)
{
    if (!can_mark(number, api_id)) {
        return;
    }
    bool is_wanted = r->scan.is_covering && wants_mark(&r->scan.covered, number);
    for (size_t i = 0; i < r->waiting; i++) {
        is_wanted = wants_mark(&r->attempts[i], number) || is_wanted;
    }
    if (is_wanted) {
        add_mark(r, number, api_id);
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
    for (size_t i = 0; scan->findings != NULL && i < scan->count; i++) {
        free(scan->findings[i].answer);
    }
    free(scan->findings);
    free(scan->by_id);
    free(scan->doubtful);
    free(scan->covered.floor);
    free(scan->floor);
    tdestroy(scan->seen, free);
    *scan = (struct scan){.state = SCAN_NONE};
}

static enum reconcile_progress finish(struct scan *scan, enum scan_power power, const char *reason)
{
    scan->state = SCAN_FINISHED;
    scan->power = power;
    scan->reason = reason;
    return RECONCILE_FINISHED;
}

static enum reconcile_progress finish_in_doubt(struct scan *scan, const char *reason)
{
    return finish(scan, SCAN_CANNOT_TELL, reason);
}

/* Not what is only suspected after a restart: it may be sent when there is no answer. */
static bool waits_for_page(const struct queue_doubtful *d)
{
    return d->doubts > 0 || d->is_unlooked;
}

/* A scan with one finding for each message, in no state yet; takes `doubtful` over. Returns false
 * on allocation failure. */
static bool fill_scan(struct scan *scan, struct queue_doubtful *doubtful, size_t count)
{
    *scan = (struct scan){.state = SCAN_NONE, .doubtful = doubtful};
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
        scan->findings[i].id = doubtful[i].id;
        scan->findings[i].fate = FATE_RETURNED;
        scan->by_id[i] = &scan->findings[i];
        scan->impatient += waits_for_page(&doubtful[i]) ? 0 : 1;
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
    bool has_new, has_floor;
};

static void note_mark(struct reconcile *r, const char *api_id)
{
    for (size_t i = 0; i < MARKS_MAX; i++) {
        if (strcmp(r->marks[i].api_id, api_id) == 0) {
            r->scan.shown = larger(r->scan.shown, r->marks[i].number);
        }
    }
}

static struct page_facts note_page(struct reconcile *r, const struct api_history *page)
{
    struct page_facts facts = {false, false};
    struct scan *scan = &r->scan;

    for (size_t i = 0; i < page->count; i++) {
        const struct api_history_entry *entry = &page->entries[i];
        scan->has_entries = true;
        if (is_new(scan, entry->id)) {
            facts.has_new = true;
        }
        if (scan->floor != NULL && strcmp(entry->id, scan->floor) == 0) {
            facts.has_floor = true;
        }
        note_mark(r, entry->id);
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
        return finish_in_doubt(scan, "the API's history shows no clientIds");
    }
    return finish(scan, SCAN_TELLS, NULL);
}

static enum reconcile_progress want_page(struct scan *scan, unsigned page, int64_t due_ms)
{
    scan->state = SCAN_WANTS;
    scan->page = page;
    scan->due_ms = due_ms;
    return RECONCILE_CONTINUE;
}

/* The floor was not met: the history does not show everything that it holds. */
static const char hidden[] = "the API's history does not show a message that must be in it";

/*
 * An empty page is the end of the history, unless there was not one entry where the floor must be.
 */
static enum reconcile_progress finish_at_empty(struct scan *scan)
{
    if (scan->floor != NULL && !scan->has_entries) {
        return finish_in_doubt(scan, hidden);
    }
    return finish_at_end(scan);
}

/*
 * A page with nothing new. A short one is the end, unless the floor is still to come. A full one
 * means that pages have shifted: our own messages explain as many such pages as they fill, and
 * others may have sent, too. If it does not stop, this history cannot be paged, and its rest was
 * not seen.
 */
static enum reconcile_progress pass_repeats(struct scan *scan, bool is_full, unsigned explained)
{
    if (scan->floor == NULL && !is_full) {
        return finish_at_end(scan);
    }
    if (scan->repeats >= REPEATS_MAX && scan->repeated > explained) {
        return finish_in_doubt(scan, hidden);
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
    for (size_t i = 0; i < r->waiting; i++) {
        free(r->attempts[i].floor);
    }
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

void reconcile_hurry(struct reconcile *r, int64_t now_ms)
{
    r->put_off_ms = 0;
    if (r->scan.state == SCAN_WANTS) {
        r->scan.due_ms = int64_min(r->scan.due_ms, now_ms);
    }
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

enum reconcile_progress reconcile_begin(struct reconcile *r, struct queue_doubtful *doubtful,
                                        size_t count, size_t left_out, int64_t now_ms)
{
    int64_t cutoff_ms = reconcile_cutoff_ms(r, now_ms);
    const struct attempt *first = earliest(r);

    if (!fill_scan(&r->scan, doubtful, count)) {
        r->put_off_ms = now_ms + PUT_OFF_MS;
        return RECONCILE_CONTINUE;
    }
    if (first != NULL) {
        struct attempt again = *first;
        again.ended_ms = cutoff_ms + PUT_OFF_MS;
        again.floor = copy(first->floor);
        r->scan.floor = copy(first->floor);
        cover_attempts(r, cutoff_ms);
        if (left_out > 0 && r->waiting == 0) {
            add(r, &again);
        } else {
            free(again.floor);
        }
    }
    return count > 0 ? want_page(&r->scan, 1, now_ms) : finish(&r->scan, SCAN_TELLS, NULL);
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
    struct page_facts facts = note_page(r, page);
    uint64_t filled = (added + r->options.per_page - 1) / r->options.per_page;
    unsigned explained =
        filled < r->options.history_pages ? (unsigned)filled : r->options.history_pages;

    r->failures = r->missing = 0;
    scan->repeats = facts.has_new ? 0 : scan->repeats + 1;
    scan->repeated += facts.has_new ? 0 : 1;
    scan->barren += scan->found > found_before ? 0 : 1;
    if (scan->found == scan->count) {
        return finish(scan, SCAN_TELLS, NULL);
    }
    if (facts.has_floor) {
        return finish_at_end(scan);
    }
    if (page->count == 0) {
        return finish_at_empty(scan);
    }
    /* Pages that only repeat entries, because our own messages pushed them down, do not count. */
    unsigned passed = scan->repeated < explained ? scan->repeated : explained;
    if (scan->barren - passed >= r->options.history_pages) {
        return finish_in_doubt(scan, "the API's history is longer than relay.history_pages");
    }
    return facts.has_new ? want_page(scan, scan->page + 1, 0)
                         : pass_repeats(scan, page->count >= r->options.per_page, explained);
}

/* Does this answer say that there is no history? */
static bool is_missing(const struct api_answer *answer)
{
    static const int statuses[] = {404, 405, 410, 501};
    bool is_answered = answer != NULL && answer->transport == API_ANSWERED;
    bool is_unreadable = is_answered && answer->status / 100 == 2;

    for (size_t i = 0; is_answered && i < sizeof(statuses) / sizeof(statuses[0]); i++) {
        is_unreadable = is_unreadable || answer->status == statuses[i];
    }
    return is_unreadable;
}

static void count_failure(struct reconcile *r, const struct api_answer *answer, int64_t now_ms)
{
    if (r->failures++ == 0) {
        r->failing_since_ms = now_ms;
    }
    if (is_missing(answer)) {
        r->missing_since_ms = r->missing++ == 0 ? now_ms : r->missing_since_ms;
    } else if (answer != NULL && answer->transport == API_ANSWERED) {
        r->missing = 0;
    }
}

enum reconcile_progress reconcile_refused(struct reconcile *r, const struct api_answer *answer,
                                          int64_t now_ms, double random)
{
    count_failure(r, answer, now_ms);
    int64_t due_ms =
        now_ms + backoff_ms(r->failures, r->options.retry_min_ms, r->options.retry_max_ms, random);
    bool is_none = r->missing > 0 && now_ms - r->missing_since_ms >= r->options.patience_ms;
    bool is_lasting =
        r->missing >= MISSING_MAX || now_ms - r->failing_since_ms >= r->options.patience_ms;
    if (is_none) {
        return finish_in_doubt(&r->scan, "the API has no history that can be read");
    }
    if (is_lasting && r->scan.impatient > 0) {
        r->put_off_ms = due_ms;
        return finish(&r->scan, SCAN_UNANSWERED, NULL);
    }
    return want_page(&r->scan, r->scan.page, due_ms);
}

/* --- results ------------------------------------------------------------------------------ */

/*
 * How many of its doubts are left: none if the history shows what was sent after all of them, the
 * last if it shows what was sent after the others. A scan that is not deep tells of the last alone,
 * and only of one that has just arisen: with fewer doubts the message may wait since an earlier run.
 * What was refused in an earlier run has one more if nothing can tell.
 */
static unsigned doubts_left(const struct reconcile *r, const struct queue_doubtful *d)
{
    const struct scan *scan = &r->scan;
    uint32_t shown = scan->power == SCAN_TELLS ? scan->shown : 0;

    if (scan->power == SCAN_CANNOT_TELL && d->is_unlooked) {
        return d->doubts + 1U;
    }
    if (d->doubts == 0 || !scan->covered.is_deep) {
        bool is_last_gone = d->doubts > r->options.resends && shown > scan->covered.begun;
        return d->doubts - (is_last_gone ? 1U : 0U);
    }
    if (shown > scan->covered.begun) {
        return 0;
    }
    bool shows_anchor = shown > 0 && shown >= scan->covered.anchor_number;
    return shows_anchor && d->is_anchored ? 1 : d->doubts;
}

static const char not_shown[] =
    "it is not known whether the API took it, and the API's history does not show it";

/* The fate of a message that was not found. */
static enum queue_fate decide(const struct reconcile *r, const struct queue_doubtful *d,
                              unsigned doubts, bool others_wait)
{
    const struct scan *scan = &r->scan;
    bool tells = scan->power == SCAN_TELLS;

    if (d->doubts == 0 && doubts == 0) {
        return FATE_RETURNED;
    }
    if (tells && scan->page > 1 && d->looks == 0) {
        return FATE_AMBIGUOUS;
    }
    if (d->ambiguous_ends >= RECONCILE_ENDS_MAX) {
        return FATE_UNRESOLVED;
    }
    if (doubts <= r->options.resends) {
        return FATE_RETURNED;
    }
    bool may_be_proven = tells && (d->looks < RECONCILE_LOOKS || others_wait);
    return may_be_proven ? FATE_AMBIGUOUS : FATE_UNRESOLVED;
}

static void conclude(const struct reconcile *r, const struct queue_doubtful *d, bool others_wait,
                     struct queue_resolution *finding)
{
    bool tells = r->scan.power == SCAN_TELLS;
    unsigned doubts = doubts_left(r, d);

    finding->fate = decide(r, d, doubts, others_wait);
    /* The last doubt must not be taken off once more by the next look. */
    finding->doubts = (finding->fate == FATE_RETURNED ? doubts : d->doubts) & MESSAGE_DOUBTS_MAX;
    finding->looks = (d->looks < RECONCILE_LOOKS ? d->looks + 1U : d->looks) & MESSAGE_LOOKS_MAX;
    finding->is_absent = tells || doubts == 0;
    if (finding->fate == FATE_UNRESOLVED) {
        finding->answer = message_answer_new(NULL, tells ? not_shown : r->scan.reason);
    }
}

/* The requests of this scan have messages left to look for: they wait for another. */
static void add_covered(struct reconcile *r, int64_t now_ms)
{
    struct attempt again = r->scan.covered;

    again.ended_ms = r->scan.power == SCAN_UNANSWERED ? again.ended_ms : now_ms;
    r->scan.covered.floor = NULL;
    add(r, &again);
}

struct queue_resolution *reconcile_results(struct reconcile *r, bool others_wait, int64_t now_ms,
                                           size_t *count)
{
    struct scan *scan = &r->scan;
    struct queue_resolution *findings = scan->findings;
    bool is_left = false;

    *count = 0;
    if (scan->state != SCAN_FINISHED) {
        return NULL;
    }
    for (size_t i = 0; i < scan->count; i++) {
        bool is_found = findings[i].fate == FATE_RELAYED;
        bool is_open = scan->power == SCAN_UNANSWERED && waits_for_page(&scan->doubtful[i]);
        if (!is_found && !is_open) {
            conclude(r, &scan->doubtful[i], others_wait, &findings[i]);
        }
        is_left = is_left || is_open || findings[i].fate == FATE_AMBIGUOUS;
        if (is_found || !is_open) {
            findings[(*count)++] = findings[i];
        }
    }
    if (is_left) {
        add_covered(r, now_ms);
    }
    scan->findings = NULL;
    clear_scan(scan);
    return findings;
}
