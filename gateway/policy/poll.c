/*
 * poll: see poll.h.
 *
 * A message that waits is in the list of a level. All messages of a level wait equally long, so
 * each list is in the order in which they become due, without any sorting. While a poll asks about
 * it, a message is in the last list, the newest first.
 */
#include "gateway/policy/poll.h"

#include "gateway/base/backoff.h"
#include "gateway/base/int64.h"

#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

enum {
    BUCKETS = 1 << 16,
    LEVELS = 40,      /* each waits half as long again as the one before */
    SOON = 4,         /* 1/SOON of its waiting time a message may be asked about early */
    CALLS_MAX = 1000, /* of one poll: what is left waits for the next, behind newer messages */
    BARREN_MAX =
        3, /* pages without a due message, in a row or in all beyond those found: then by id */
    MISSES_MAX = 3,     /* polls that could not find a message before it is given up */
    FAILURES_MAX = 3,   /* in a row before a call may be one that the API cannot answer */
    UNREADABLE_MAX = 3, /* answers in a row that are no page: this is no history */
    REFUSED_MS = 60 * 60 * 1000
};

struct asked {
    TAILQ_ENTRY(asked) entry;
    struct asked *same_id, *same_api_id; /* next in the bucket */
    struct ulid id;
    uint64_t number; /* rises with each message relayed */
    int64_t relayed_ms, due_ms;
    uint32_t told; /* hash of what was last told of it, 0 = nothing */
    uint8_t level; /* its list, LEVELS = due */
    uint8_t misses;
    char api_id[]; /* "" = not known */
};

TAILQ_HEAD(list, asked);

struct poll {
    struct poll_options options;
    int64_t waits_ms[LEVELS];
    struct list lists[LEVELS + 1]; /* the last: due now, the newest first */
    struct asked *by_id[BUCKETS], *by_api_id[BUCKETS];
    size_t count;
    uint64_t relayed;              /* messages added, in all */
    int64_t next_ms;               /* no new poll before this */
    int64_t pause_ms;              /* no call before this */
    unsigned failures, unreadable; /* in a row */

    /* Of the poll under way. */
    bool is_asked; /* a call is under way: */
    struct poll_call call;
    uint64_t asked_at; /* `relayed` then */
    unsigned calls;
    unsigned page;          /* the last one read */
    unsigned per_page;      /* how many entries the pages have */
    int64_t drift;          /* how much deeper than estimated messages were found */
    unsigned barren;        /* pages in a row on which nothing due was found */
    size_t pages, found;    /* pages read, and due messages found on them, in all */
    bool is_paging_useless; /* the rest is asked for by id */
};

/* --- finding ---------------------------------------------------------------------------------- */

/* FNV-1a. */
static uint32_t hash_bytes(uint32_t hash, const void *bytes, size_t len)
{
    const unsigned char *byte = bytes;
    for (size_t i = 0; i < len; i++) {
        hash = (hash ^ byte[i]) * 0x01000193U;
    }
    return hash;
}

enum { HASH_START = 0x11c9dc5 };

static size_t id_bucket(const struct ulid *id)
{
    return hash_bytes(HASH_START, id->bytes, ULID_BYTES) % BUCKETS;
}

static size_t api_id_bucket(const char *api_id)
{
    return hash_bytes(HASH_START, api_id, strlen(api_id)) % BUCKETS;
}

static struct asked *find_by_id(const struct poll *p, const struct ulid *id)
{
    struct asked *a = p->by_id[id_bucket(id)];
    while (a != NULL && memcmp(&a->id, id, sizeof *id) != 0) {
        a = a->same_id;
    }
    return a;
}

static struct asked *find_by_api_id(const struct poll *p, const char *api_id)
{
    struct asked *a = api_id[0] == '\0' ? NULL : p->by_api_id[api_id_bucket(api_id)];
    while (a != NULL && strcmp(a->api_id, api_id) != 0) {
        a = a->same_api_id;
    }
    return a;
}

/* An entry may have no clientId, or one that is not ours. */
static struct asked *find_entry(const struct poll *p, const struct api_history_entry *entry)
{
    struct ulid id;
    bool has_id =
        entry->client_id != NULL && ulid_parse(entry->client_id, strlen(entry->client_id), &id);
    struct asked *a = has_id ? find_by_id(p, &id) : NULL;
    return a != NULL ? a : find_by_api_id(p, entry->id);
}

/* --- lists ------------------------------------------------------------------------------------ */

static void leave_list(struct poll *p, struct asked *a)
{
    TAILQ_REMOVE(&p->lists[a->level], a, entry);
}

/* Lets a message wait for the interval, or half its age if that is longer. */
static void let_wait(struct poll *p, struct asked *a, int64_t now_ms)
{
    int64_t half_age_ms = (now_ms - a->relayed_ms) / 2;
    uint8_t level = 0;
    while (level + 1 < LEVELS && p->waits_ms[level + 1] <= half_age_ms) {
        level++;
    }
    a->level = level;
    a->due_ms = now_ms + p->waits_ms[level];
    TAILQ_INSERT_TAIL(&p->lists[level], a, entry);
}

static void enter(struct poll *p, struct asked *a)
{
    struct asked **bucket = &p->by_id[id_bucket(&a->id)];
    a->same_id = *bucket;
    *bucket = a;
    if (a->api_id[0] != '\0') {
        bucket = &p->by_api_id[api_id_bucket(a->api_id)];
        a->same_api_id = *bucket;
        *bucket = a;
    }
    TAILQ_INSERT_TAIL(&p->lists[0], a, entry);
    p->count++;
}

static void forget(struct poll *p, struct asked *a)
{
    struct asked **link = &p->by_id[id_bucket(&a->id)];
    while (*link != a) {
        link = &(*link)->same_id;
    }
    *link = a->same_id;
    if (a->api_id[0] != '\0') {
        link = &p->by_api_id[api_id_bucket(a->api_id)];
        while (*link != a) {
            link = &(*link)->same_api_id;
        }
        *link = a->same_api_id;
    }
    leave_list(p, a);
    p->count--;
    free(a);
}

/* The oldest message, or nearly so: old ones are in the higher levels. */
static struct asked *oldest(const struct poll *p)
{
    for (int level = LEVELS - 1; level > 0; level--) {
        if (!TAILQ_EMPTY(&p->lists[level])) {
            return TAILQ_FIRST(&p->lists[level]);
        }
    }
    struct asked *due = TAILQ_LAST(&p->lists[LEVELS], list);
    return due != NULL ? due : TAILQ_FIRST(&p->lists[0]);
}

/* It could not be found. */
static void miss(struct poll *p, struct asked *a, int64_t now_ms)
{
    if (++a->misses >= MISSES_MAX) {
        forget(p, a);
    } else {
        leave_list(p, a);
        let_wait(p, a, now_ms);
    }
}

/* The message that was asked for by its API id could not be found. */
static void miss_asked(struct poll *p, int64_t now_ms)
{
    struct asked *a = find_by_api_id(p, p->call.api_id);
    if (a != NULL && a->level == LEVELS) {
        miss(p, a, now_ms);
    }
}

/* --- a poll ----------------------------------------------------------------------------------- */

static int compare_newest_first(const void *a, const void *b)
{
    const struct asked *const *x = a, *const *y = b;
    return ((*x)->number < (*y)->number) - ((*x)->number > (*y)->number);
}

/*
 * Takes what is due of a level, or soon will be, so that what was relayed together is asked about
 * together. Forgets what is too old.
 */
static size_t take_due(struct poll *p, int level, int64_t now_ms, struct asked **due)
{
    struct asked *a;
    size_t count = 0;
    int64_t soon_ms = now_ms + p->waits_ms[level] / SOON;
    while ((a = TAILQ_FIRST(&p->lists[level])) != NULL && a->due_ms <= soon_ms) {
        if (now_ms - a->relayed_ms > p->options.give_up_ms) {
            forget(p, a);
        } else {
            leave_list(p, a);
            due[count++] = a;
        }
    }
    return count;
}

/* Begins a poll. On allocation failure nothing is due until the next one. */
static void begin(struct poll *p, int64_t now_ms)
{
    struct asked **due = malloc((p->count + 1) * sizeof(struct asked *));
    size_t count = 0;
    p->next_ms = now_ms + p->options.interval_ms;
    for (int level = 0; due != NULL && level < LEVELS; level++) {
        count += take_due(p, level, now_ms, due + count);
    }
    if (count > 1) {
        qsort(due, count, sizeof(struct asked *), compare_newest_first);
    }
    for (size_t i = 0; i < count; i++) {
        due[i]->level = LEVELS;
        TAILQ_INSERT_TAIL(&p->lists[LEVELS], due[i], entry);
    }
    free(due);
    p->calls = p->page = p->barren = 0;
    p->pages = p->found = 0;
    p->per_page = p->options.per_page;
    p->drift = 0;
    p->is_paging_useless = false;
}

/* Gives up a poll: what was not found is due again at once. */
static void abandon(struct poll *p)
{
    struct asked *a;
    while ((a = TAILQ_LAST(&p->lists[LEVELS], list)) != NULL) {
        leave_list(p, a);
        a->level = 0;
        TAILQ_INSERT_HEAD(&p->lists[0], a, entry); /* its due_ms has passed */
    }
}

/* The page that a message should be on. */
static unsigned page_of(const struct poll *p, const struct asked *a)
{
    int64_t above = (int64_t)(p->relayed - a->number) + p->drift;
    int64_t page = above <= 0 ? 1 : above / p->per_page + 1;
    return page < INT32_MAX ? (unsigned)page : INT32_MAX;
}

/* Goes down only, since new messages push all others down. */
static unsigned next_page(const struct poll *p, const struct asked *a)
{
    unsigned page = page_of(p, a);
    return page > p->page ? page : p->page + 1;
}

/* The call that shows `a`, the newest message that is due. Returns false when there is none. */
static bool choose(const struct poll *p, const struct asked *a, struct poll_call *call)
{
    const struct asked *second = TAILQ_NEXT(a, entry);
    unsigned page = next_page(p, a);
    bool has_two = second != NULL && page_of(p, second) <= page;
    *call = (struct poll_call){.page = 0};
    if (!p->is_paging_useless && (page == 1 || has_two || a->api_id[0] == '\0')) {
        call->page = page;
        return true;
    }
    memcpy(call->api_id, a->api_id, strlen(a->api_id) + 1);
    return a->api_id[0] != '\0';
}

/* --- reading --------------------------------------------------------------------------------- */

/* Notes what an entry says of its message. Returns whether the message was due. */
static bool note_entry(struct poll *p, struct asked *a, const struct api_history_entry *entry,
                       int64_t now_ms, struct poll_news *news)
{
    bool was_due = a->level == LEVELS;
    const char *status = entry->report.status;
    uint32_t told = hash_bytes(HASH_START, status, strlen(status));
    told = hash_bytes(told, entry->report.code, strlen(entry->report.code)) | 1;
    bool is_news = status[0] != '\0' && (told != a->told || report_status_is_last(status));
    if (is_news && news != NULL &&
        api_report_from_entry(&news->reports[news->count], &a->id, entry)) {
        news->count++;
        a->told = told;
    }
    a->misses = 0;
    leave_list(p, a);
    let_wait(p, a, now_ms);
    return was_due;
}

/* What a page tells about those to come. */
static void note_page(struct poll *p, const struct api_history *page, size_t due)
{
    p->page = p->call.page;
    p->barren = due > 0 ? 0 : p->barren + 1;
    p->pages++;
    p->found += due;
    p->is_paging_useless =
        page->count == 0 || p->barren >= BARREN_MAX || p->pages >= p->found + BARREN_MAX;
    if (page->count > 0 && page->count < p->per_page) {
        p->per_page = (unsigned)page->count; /* the end of the history, or the API's limit */
    }
}

static enum poll_outcome refuse(struct poll *p, int64_t now_ms)
{
    abandon(p);
    p->unreadable = 0;
    p->pause_ms = now_ms + REFUSED_MS;
    return POLL_REFUSED;
}

/*
 * The call at hand keeps failing, and others must not wait for it: one page far down, or one
 * message, may be too much for the API. But the API may also be down, so nothing is given up, and
 * the first page, which every API can show, is tried on and on.
 */
static void pass_over(struct poll *p, int64_t now_ms)
{
    struct asked *a = find_by_api_id(p, p->call.api_id);
    if (p->call.page > 1) {
        p->is_paging_useless = true;
    } else if (a != NULL && a->level == LEVELS) {
        leave_list(p, a);
        let_wait(p, a, now_ms);
    }
}

/* Can this failure be of the call, not of the API as a whole? */
static bool may_be_of_the_call(const struct api_answer *answer)
{
    bool is_fault = answer->status / 100 == 5 && answer->status != 503;
    return answer->transport == API_ANSWERED ? is_fault : answer->transport == API_NO_ANSWER;
}

static enum poll_outcome fail(struct poll *p, const struct api_answer *answer, int64_t now_ms,
                              double random)
{
    p->failures++;
    if (p->failures >= FAILURES_MAX && may_be_of_the_call(answer)) {
        pass_over(p, now_ms);
    }
    p->pause_ms =
        now_ms + backoff_ms(p->failures, p->options.retry_min_ms, p->options.retry_max_ms, random);
    return POLL_FAILED;
}

static enum poll_outcome succeed(struct poll *p)
{
    p->failures = p->unreadable = 0;
    return POLL_FINE;
}

/* --- public ----------------------------------------------------------------------------------- */

struct poll *poll_new(const struct poll_options *options)
{
    struct poll *p = calloc(1, sizeof *p);
    if (p == NULL) {
        return NULL;
    }
    p->options = *options;
    p->next_ms = p->pause_ms = INT64_MIN;
    p->waits_ms[0] = options->interval_ms;
    for (int level = 1; level < LEVELS; level++) {
        p->waits_ms[level] = p->waits_ms[level - 1] + p->waits_ms[level - 1] / 2;
    }
    for (int level = 0; level <= LEVELS; level++) {
        TAILQ_INIT(&p->lists[level]);
    }
    return p;
}

void poll_free(struct poll *p)
{
    if (p == NULL) {
        return;
    }
    abandon(p);
    while (p->count > 0) {
        forget(p, oldest(p));
    }
    free(p);
}

void poll_add(struct poll *p, const struct ulid *id, const char *api_id, int64_t relayed_ms,
              int64_t now_ms)
{
    size_t len = strlen(api_id) < POLL_API_ID_SIZE ? strlen(api_id) : 0;
    p->relayed++;
    struct asked *a = find_by_id(p, id) != NULL ? NULL : calloc(1, sizeof *a + len + 1);
    if (a == NULL) {
        return;
    }
    if (p->count >= p->options.max_messages) {
        forget(p, oldest(p));
    }
    memcpy(a->api_id, api_id, len);
    a->id = *id;
    a->number = p->relayed;
    a->relayed_ms = relayed_ms;
    a->due_ms = now_ms + p->options.interval_ms;
    enter(p, a);
}

void poll_end(struct poll *p, const struct ulid *id)
{
    struct asked *a = find_by_id(p, id);
    if (a != NULL) {
        forget(p, a);
    }
}

size_t poll_count(const struct poll *p)
{
    return p->count;
}

int64_t poll_due_ms(const struct poll *p)
{
    int64_t due_ms = INT64_MAX;
    if (p->is_asked) {
        return INT64_MAX;
    }
    if (!TAILQ_EMPTY(&p->lists[LEVELS])) {
        return p->pause_ms;
    }
    for (int level = 0; level < LEVELS; level++) {
        const struct asked *first = TAILQ_FIRST(&p->lists[level]);
        due_ms = first != NULL ? int64_min(due_ms, first->due_ms) : due_ms;
    }
    return int64_max(due_ms, int64_max(p->next_ms, p->pause_ms));
}

bool poll_next(struct poll *p, int64_t now_ms, struct poll_call *call)
{
    struct asked *a;
    if (now_ms < poll_due_ms(p)) {
        return false;
    }
    if (p->calls >= CALLS_MAX) {
        abandon(p);
        p->calls = 0;
        return false;
    }
    if (TAILQ_EMPTY(&p->lists[LEVELS])) {
        begin(p, now_ms);
    }
    while ((a = TAILQ_FIRST(&p->lists[LEVELS])) != NULL) {
        if (choose(p, a, call)) {
            return true;
        }
        miss(p, a, now_ms);
    }
    return false;
}

void poll_asked(struct poll *p, const struct poll_call *call)
{
    p->call = *call;
    p->asked_at = p->relayed;
    p->is_asked = true;
    p->calls++;
}

bool poll_wants_page(const struct poll *p)
{
    return p->call.page > 0;
}

void poll_news_free(struct poll_news *news)
{
    for (size_t i = 0; news != NULL && i < news->count; i++) {
        api_report_free(&news->reports[i]);
    }
    free(news);
}

enum poll_outcome poll_read(struct poll *p, const struct api_history *page, int64_t now_ms,
                            struct poll_news **news)
{
    size_t due = 0, ours = 0, with_status = 0;
    *news = calloc(1, sizeof **news + page->count * sizeof(struct api_report));
    p->is_asked = false;
    for (size_t i = 0; i < page->count; i++) {
        const struct api_history_entry *entry = &page->entries[i];
        struct asked *a = find_entry(p, entry);
        with_status += entry->report.status[0] != '\0' ? 1 : 0;
        if (a != NULL) {
            int64_t above = (int64_t)((p->call.page - 1) * (uint64_t)p->per_page + i);
            p->drift = p->call.page == 0 ? p->drift : above - (int64_t)(p->asked_at - a->number);
            ours++;
            due += note_entry(p, a, entry, now_ms, *news) ? 1 : 0;
        }
    }
    if (*news != NULL && (*news)->count == 0) {
        free(*news);
        *news = NULL;
    }
    if (p->call.page > 0) {
        note_page(p, page, due);
    } else {
        miss_asked(p, now_ms); /* unless it was on the page, and so is not due any more */
    }
    return ours > 0 && with_status == 0 ? refuse(p, now_ms) : succeed(p);
}

enum poll_outcome poll_refused(struct poll *p, const struct api_answer *answer, int64_t now_ms,
                               double random)
{
    int status = answer->transport == API_ANSWERED ? answer->status : 0;
    bool is_refusal = status / 100 == 4 && status != 429;
    bool is_of_us = status == 401 || status == 403 || p->call.page == 1;
    p->is_asked = false;
    if (is_refusal && is_of_us) {
        return refuse(p, now_ms);
    }
    if (is_refusal && p->call.page > 0) {
        p->is_paging_useless = true;
        return succeed(p);
    }
    if (is_refusal) {
        miss_asked(p, now_ms);
        return succeed(p);
    }
    if (status / 100 == 2 && ++p->unreadable >= UNREADABLE_MAX) {
        return refuse(p, now_ms);
    }
    return fail(p, answer, now_ms, random);
}

void poll_resume(struct poll *p)
{
    p->pause_ms = INT64_MIN;
}
