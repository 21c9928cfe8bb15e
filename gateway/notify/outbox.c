/* outbox: see outbox.h. */
#include "gateway/notify/outbox.h"

#include "gateway/base/clock.h"
#include "gateway/base/log.h"

#include <pthread.h>
#include <stdlib.h>

enum {
    NUMBERS_PER_MS = 1000, /* more than a run uses up, so that numbers rise from run to run */
    BYTES_PER_NOTICE = 1024
};

/* A consumer, and how far it is. */
struct reader {
    void (*wake)(void *arg); /* NULL = there is no such consumer */
    void *arg;
    struct notice *next; /* to be taken; NULL = it has taken all */
    uint64_t taken, acknowledged;
    bool waits; /* it got nothing: wake it for the next notice */
};

struct outbox {
    size_t max_notices;
    struct stats *stats;
    void (*progressed)(void *arg);
    void *keeper;

    pthread_mutex_t mutex;
    /* Under the mutex. */
    struct notices list;
    size_t count, bytes;
    uint64_t last_number; /* given out */
    uint64_t gone, steps;
    struct reader readers[OUTBOX_CONSUMERS];
};

const char *outbox_consumer_name(enum outbox_consumer consumer)
{
    static const char *const names[OUTBOX_CONSUMERS] = {
        [OUTBOX_WEBHOOK] = "webhook", [OUTBOX_PROGRAM] = "exec"};
    return names[consumer];
}

struct outbox *outbox_new(size_t max_notices, struct stats *stats)
{
    struct outbox *o = calloc(1, sizeof *o);
    if (o != NULL) {
        o->max_notices = max_notices;
        o->stats = stats;
        o->last_number = (uint64_t)clock_unix_ms() * NUMBERS_PER_MS;
        STAILQ_INIT(&o->list);
        pthread_mutex_init(&o->mutex, NULL);
    }
    return o;
}

void outbox_free(struct outbox *o)
{
    if (o != NULL) {
        notices_clear(&o->list);
        pthread_mutex_destroy(&o->mutex);
        free(o);
    }
}

void outbox_join(struct outbox *o, enum outbox_consumer consumer, void (*wake)(void *arg),
                 void *arg)
{
    o->readers[consumer].wake = wake;
    o->readers[consumer].arg = arg;
}

void outbox_set_keeper(struct outbox *o, void (*progressed)(void *arg), void *arg)
{
    o->progressed = progressed;
    o->keeper = arg;
}

static bool is_used(const struct reader *reader)
{
    return reader->wake != NULL;
}

/* --- the list: under the mutex ------------------------------------------------------------------ */

/* Moves the oldest notice to `doomed`. */
static void remove_first(struct outbox *o, struct notices *doomed)
{
    struct notice *notice = STAILQ_FIRST(&o->list);
    STAILQ_REMOVE_HEAD(&o->list, entry);
    o->count--;
    o->bytes -= notice->len;
    o->gone = notice->number;
    STAILQ_INSERT_TAIL(doomed, notice, entry);
}

static bool is_full(const struct outbox *o)
{
    return o->count > o->max_notices || o->bytes > o->max_notices * BYTES_PER_NOTICE;
}

/* Drops the oldest notices while the list is over its bound. Counts for each consumer those that it
 * has not taken: it may still deliver the others. */
static void trim(struct outbox *o, struct notices *doomed, size_t dropped[OUTBOX_CONSUMERS])
{
    while (is_full(o)) {
        struct notice *notice = STAILQ_FIRST(&o->list);
        for (int i = 0; i < OUTBOX_CONSUMERS; i++) {
            if (is_used(&o->readers[i]) && o->readers[i].next == notice) {
                o->readers[i].next = STAILQ_NEXT(notice, entry);
                dropped[i]++;
            }
        }
        o->steps++;
        remove_first(o, doomed);
    }
}

/* Removes what every consumer has acknowledged. */
static void release(struct outbox *o, struct notices *doomed)
{
    struct notice *notice;
    uint64_t number = UINT64_MAX;
    for (int i = 0; i < OUTBOX_CONSUMERS; i++) {
        if (is_used(&o->readers[i]) && o->readers[i].acknowledged < number) {
            number = o->readers[i].acknowledged;
        }
    }
    while ((notice = STAILQ_FIRST(&o->list)) != NULL && notice->number <= number) {
        remove_first(o, doomed);
    }
}

static void admit(struct outbox *o, struct notice *notice)
{
    STAILQ_INSERT_TAIL(&o->list, notice, entry);
    o->count++;
    o->bytes += notice->len;
    o->last_number = notice->number > o->last_number ? notice->number : o->last_number;
    for (int i = 0; i < OUTBOX_CONSUMERS; i++) {
        struct reader *reader = &o->readers[i];
        if (is_used(reader) && reader->next == NULL && notice->number > reader->taken) {
            reader->next = notice;
        }
    }
}

/* --- appending ---------------------------------------------------------------------------------- */

uint64_t outbox_next_number(struct outbox *o)
{
    pthread_mutex_lock(&o->mutex);
    uint64_t number = ++o->last_number;
    pthread_mutex_unlock(&o->mutex);
    return number;
}

static void count_dropped(struct outbox *o, const size_t dropped[OUTBOX_CONSUMERS])
{
    for (int i = 0; i < OUTBOX_CONSUMERS; i++) {
        if (dropped[i] > 0) {
            stats_add(o->stats, STAT_CHANGES_DROPPED, (int64_t)dropped[i]);
            LOG(LOG_ERROR, "changes_dropped",
                LOG_STR("consumer", outbox_consumer_name((enum outbox_consumer)i)),
                LOG_STR("reason", "the consumer does not take them, and reports.backlog is full"),
                LOG_INT("changes", dropped[i]));
        }
    }
}

void outbox_append(struct outbox *o, struct notices *notices)
{
    struct notices doomed = STAILQ_HEAD_INITIALIZER(doomed);
    size_t dropped[OUTBOX_CONSUMERS] = {0};
    bool wakes[OUTBOX_CONSUMERS];
    struct notice *notice;
    pthread_mutex_lock(&o->mutex);
    while ((notice = STAILQ_FIRST(notices)) != NULL) {
        STAILQ_REMOVE_HEAD(notices, entry);
        admit(o, notice);
    }
    /* Those of an earlier run may have waited only for a consumer that is gone. */
    size_t all = o->count;
    release(o, &doomed);
    o->steps += all - o->count;
    trim(o, &doomed, dropped);
    for (int i = 0; i < OUTBOX_CONSUMERS; i++) {
        struct reader *reader = &o->readers[i];
        wakes[i] = is_used(reader) && reader->waits && reader->next != NULL;
        reader->waits = reader->waits && !wakes[i];
    }
    stats_set(o->stats, STAT_CHANGES_WAITING, (int64_t)o->count);
    pthread_mutex_unlock(&o->mutex);

    for (int i = 0; i < OUTBOX_CONSUMERS; i++) {
        if (wakes[i]) {
            o->readers[i].wake(o->readers[i].arg);
        }
    }
    count_dropped(o, dropped);
    if (!STAILQ_EMPTY(&doomed) && o->progressed != NULL) {
        o->progressed(o->keeper);
    }
    notices_clear(&doomed);
}

/* --- consuming ---------------------------------------------------------------------------------- */

size_t outbox_take(struct outbox *o, enum outbox_consumer consumer, size_t max,
                   bool (*take)(void *arg, const struct notice *notice), void *arg)
{
    struct reader *reader = &o->readers[consumer];
    size_t count = 0;
    pthread_mutex_lock(&o->mutex);
    while (count < max && reader->next != NULL && take(arg, reader->next)) {
        reader->taken = reader->next->number;
        reader->next = STAILQ_NEXT(reader->next, entry);
        count++;
    }
    reader->waits = count == 0;
    pthread_mutex_unlock(&o->mutex);
    return count;
}

void outbox_acknowledge(struct outbox *o, enum outbox_consumer consumer, uint64_t number,
                        size_t count)
{
    static const enum stats_name names[OUTBOX_CONSUMERS] = {
        [OUTBOX_WEBHOOK] = STAT_CHANGES_TOLD_WEBHOOK, [OUTBOX_PROGRAM] = STAT_CHANGES_TOLD_EXEC};
    struct notices doomed = STAILQ_HEAD_INITIALIZER(doomed);
    pthread_mutex_lock(&o->mutex);
    o->readers[consumer].acknowledged = number;
    o->steps += count;
    release(o, &doomed);
    stats_set(o->stats, STAT_CHANGES_WAITING, (int64_t)o->count);
    pthread_mutex_unlock(&o->mutex);

    stats_add(o->stats, names[consumer], (int64_t)count);
    notices_clear(&doomed);
    if (o->progressed != NULL) {
        o->progressed(o->keeper);
    }
}

/* --- saving ------------------------------------------------------------------------------------- */

void outbox_progress(struct outbox *o, struct outbox_progress *progress)
{
    pthread_mutex_lock(&o->mutex);
    progress->gone = o->gone;
    progress->steps = o->steps;
    for (int i = 0; i < OUTBOX_CONSUMERS; i++) {
        progress->acknowledged[i] = o->readers[i].acknowledged;
    }
    pthread_mutex_unlock(&o->mutex);
}

void outbox_resume(struct outbox *o, const struct outbox_progress *progress)
{
    pthread_mutex_lock(&o->mutex);
    o->gone = progress->gone;
    o->last_number = o->gone > o->last_number ? o->gone : o->last_number;
    for (int i = 0; i < OUTBOX_CONSUMERS; i++) {
        uint64_t number = progress->acknowledged[i];
        o->readers[i].taken = o->readers[i].acknowledged = number;
        o->last_number = number > o->last_number ? number : o->last_number;
    }
    pthread_mutex_unlock(&o->mutex);
}

size_t outbox_count(struct outbox *o)
{
    pthread_mutex_lock(&o->mutex);
    size_t count = o->count;
    pthread_mutex_unlock(&o->mutex);
    return count;
}
