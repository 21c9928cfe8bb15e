/* watch: see watch.h. */
#include "gateway/serve/watch.h"

#include "gateway/base/clock.h"
#include "gateway/base/int64.h"
#include "gateway/base/stats.h"
#include "gateway/queue/ask.h"
#include "gateway/queue/events.h"
#include "proto/reply.h"

#include <search.h>
#include <stdlib.h>
#include <string.h>

enum { CATCH_UP_MAX = 100 }; /* events that a watcher is told at a time */

/* A reply that ACK=relayed holds back. */
struct await {
    struct await *next, *prev; /* in order of their deadlines: all wait equally long */
    struct watcher *watcher;
    uint32_t slot;
    int64_t deadline_ms; /* monotonic */
    size_t count;
    size_t open; /* receipts that are not settled */
    struct session_receipt receipts[];
};

/* One interest in one message: of a held reply, or of a watching client. */
struct interest {
    struct interest *next; /* in the same message */
    struct watcher *watcher;
    struct await *await; /* NULL = WATCH */
    size_t position;     /* of the receipt in `await` */
};

/* A message with interests: a node of the tree. */
struct subject {
    struct ulid id;
    struct interest *interests;
};

struct watch {
    struct queue *queue;
    struct watch_options options;
    struct event *wake_event;
    struct event *deadline_event;
    void *subjects;           /* a tree of tsearch(3) */
    struct watcher *watchers; /* of all messages */
    struct await awaits;      /* head of a ring */
};

/* --- subjects --------------------------------------------------------------------------------- */

static int compare(const void *a, const void *b)
{
    return memcmp(&((const struct subject *)a)->id, &((const struct subject *)b)->id,
                  sizeof(struct ulid));
}

static struct subject *find(const struct watch *w, const struct ulid *id)
{
    struct subject key = {.id = *id};
    struct subject *const *node = tfind(&key, &w->subjects, compare);
    return node == NULL ? NULL : *node;
}

static struct subject *find_or_add(struct watch *w, const struct ulid *id)
{
    struct subject *subject = find(w, id);
    if (subject != NULL) {
        return subject;
    }
    subject = calloc(1, sizeof *subject);
    if (subject == NULL) {
        return NULL;
    }
    subject->id = *id;
    if (tsearch(subject, &w->subjects, compare) == NULL) {
        free(subject);
        return NULL;
    }
    return subject;
}

static bool add_interest(struct watch *w, const struct ulid *id, struct watcher *watcher,
                         struct await *await, size_t position)
{
    struct subject *subject = find_or_add(w, id);
    struct interest *interest = subject == NULL ? NULL : malloc(sizeof *interest);
    if (interest == NULL) {
        return false;
    }
    *interest = (struct interest){subject->interests, watcher, await, position};
    subject->interests = interest;
    return true;
}

/* Drops the interests in one message that are `doomed`, and the message with its last one. */
static void drop_interests(struct watch *w, const struct ulid *id,
                           bool (*doomed)(const struct interest *, const void *), const void *arg)
{
    struct subject *subject = find(w, id);
    if (subject == NULL) {
        return;
    }
    for (struct interest **p = &subject->interests; *p != NULL;) {
        struct interest *interest = *p;
        if (doomed(interest, arg)) {
            *p = interest->next;
            free(interest);
        } else {
            p = &interest->next;
        }
    }
    if (subject->interests == NULL) {
        queue_watch(w->queue, id, false);
        tdelete(subject, &w->subjects, compare);
        free(subject);
    }
}

static bool is_of_await(const struct interest *interest, const void *await)
{
    return interest->await == await;
}

static bool is_watch_of(const struct interest *interest, const void *watcher)
{
    return interest->watcher == watcher && interest->await == NULL;
}

/* --- ACK=relayed ------------------------------------------------------------------------------ */

static void arm_deadline(struct watch *w)
{
    struct await *first = w->awaits.next;
    if (first == &w->awaits) {
        event_del(w->deadline_event);
        return;
    }
    int64_t wait_ms = int64_max(first->deadline_ms - clock_monotonic_ms(), 0);
    struct timeval tv = {.tv_sec = wait_ms / 1000, .tv_usec = wait_ms % 1000 * 1000};
    event_add(w->deadline_event, &tv);
}

static void await_free(struct watch *w, struct await *await)
{
    await->prev->next = await->next;
    await->next->prev = await->prev;
    await->watcher->held--;
    for (size_t i = 0; i < await->count; i++) {
        drop_interests(w, &await->receipts[i].id, is_of_await, await);
        free((char *)await->receipts[i].answer);
    }
    free(await);
}

/*
 * A duplicate's message may be unwatched so far. It is watched from now on, and its state is read after
 * that, so that no event is missed in between.
 */
static bool refresh(struct watch *w, struct session_receipt *receipt)
{
    struct message_status status;
    if (!queue_watch(w->queue, &receipt->id, true) ||
        !queue_status(w->queue, &receipt->id, 0, true, &status)) {
        return false;
    }
    free((char *)receipt->answer);
    receipt->state = status.state;
    receipt->answer = status.answer;
    return true;
}

/* Copies a receipt, and waits for its message unless that is settled. */
static bool await_one(struct watch *w, struct await *await, const struct session_receipt *given)
{
    struct session_receipt *receipt = &await->receipts[await->count];
    *receipt = *given;
    receipt->answer = message_answer_new(message_answer_api_id(given->answer),
                                         message_answer_reason(given->answer));
    await->count++;
    if (message_state_is_settled(receipt->state) ||
        (receipt->is_duplicate && !refresh(w, receipt)) ||
        message_state_is_settled(receipt->state)) {
        return true;
    }
    await->open++;
    return add_interest(w, &receipt->id, await->watcher, await, await->count - 1);
}

bool watch_await(struct watch *w, struct watcher *watcher, uint32_t slot,
                 const struct session_receipt *receipts, size_t count)
{
    struct await *await = calloc(1, sizeof *await + count * sizeof *receipts);
    if (await == NULL) {
        return false;
    }
    await->watcher = watcher;
    watcher->held++;
    await->slot = slot;
    await->deadline_ms = clock_monotonic_ms() + w->options.ack_timeout_ms;
    await->prev = w->awaits.prev;
    await->next = &w->awaits;
    await->prev->next = await;
    await->next->prev = await;
    bool has_all = true;
    for (size_t i = 0; i < count; i++) {
        has_all = await_one(w, await, &receipts[i]) && has_all;
    }
    if (!has_all || await->open == 0) {
        await_free(w, await);
        return false;
    }
    if (w->awaits.next == await) {
        arm_deadline(w);
    }
    return true;
}

static void acknowledge(struct watch *w, struct await *await)
{
    w->options.acknowledge(await->watcher->client, await->slot, await->receipts, await->count);
    await_free(w, await);
}

static void on_deadline(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    struct watch *w = arg;
    int64_t now_ms = clock_monotonic_ms();
    while (w->awaits.next != &w->awaits && w->awaits.next->deadline_ms <= now_ms) {
        acknowledge(w, w->awaits.next);
    }
    arm_deadline(w);
    w->options.dispatched(w->options.arg);
}

/* --- events ----------------------------------------------------------------------------------- */

/* Notes an event in a held reply. Returns true if that was the last one that it waited for. */
static bool note_settled(struct await *await, size_t position, const struct queue_event *event)
{
    struct session_receipt *receipt = &await->receipts[position];
    if (message_state_is_settled(receipt->state)) {
        /* It was unresolved, and the operator has sent it again: the reply waits no more for it. */
        return false;
    }
    receipt->state = event->state;
    free((char *)receipt->answer);
    receipt->answer = message_answer_new(message_answer_api_id(event->answer),
                                         message_answer_reason(event->answer));
    await->open -= message_state_is_settled(event->state) ? 1 : 0;
    return await->open == 0;
}

/* Tells one watcher of an event. The line is written for the first one, and the same for all. */
static void tell(struct watch *w, struct watcher *watcher, const struct queue_event *event,
                 struct buffer *line)
{
    if (line->len == 0 && event->text != NULL) {
        reply_inbound(line, event->number, &event->id, event->to, event->text);
    } else if (line->len == 0) {
        reply_event(line, event->number, &event->id, event->state, event->answer, &event->report);
    }
    w->options.tell(watcher->client, line);
}

static void tell_live(struct watch *w, struct watcher *watcher, const struct queue_event *event,
                      struct buffer *line)
{
    if (!watcher->is_catching_up && event->number > watcher->caught_up) {
        tell(w, watcher, event, line);
    }
}

/* Held replies first: a line of WATCH never comes before the 250 of its message. */
static void dispatch(struct watch *w, const struct queue_event *event)
{
    struct buffer line = BUFFER_EMPTY;
    struct subject *subject = find(w, &event->id);
    for (struct interest *i = subject == NULL ? NULL : subject->interests; i != NULL;) {
        if (i->await != NULL && note_settled(i->await, i->position, event)) {
            acknowledge(w, i->await);
            /* That has freed interests, and maybe the subject. */
            subject = find(w, &event->id);
            i = subject == NULL ? NULL : subject->interests;
            continue;
        }
        i = i->next;
    }
    for (struct interest *i = subject == NULL ? NULL : subject->interests; i != NULL; i = i->next) {
        if (i->await == NULL && !i->watcher->watches_all) {
            tell_live(w, i->watcher, event, &line);
        }
    }
    for (struct watcher *watcher = w->watchers; watcher != NULL; watcher = watcher->next) {
        tell_live(w, watcher, event, &line);
    }
    buffer_free(&line);
}

void watch_take(struct watch *w)
{
    size_t count;
    struct queue_event *events = queue_events_take(w->queue, &count);
    for (size_t i = 0; i < count; i++) {
        dispatch(w, &events[i]);
        if (w->options.taken != NULL) {
            w->options.taken(w->options.taken_arg, &events[i]);
        }
    }
    queue_events_free(events, count);
    arm_deadline(w);
    w->options.dispatched(w->options.arg);
}

static void on_wake(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    watch_take(arg);
}

void watch_wake(void *arg)
{
    struct watch *w = arg;
    event_active(w->wake_event, EV_TIMEOUT, 0);
}

/* --- WATCH ------------------------------------------------------------------------------------ */

static void set_watching(struct watch *w, struct watcher *watcher, bool watches)
{
    if (watcher->is_watching != watches) {
        stats_add(w->options.stats, STAT_WATCHERS, watches ? 1 : -1);
        watcher->is_watching = watches;
    }
}

static bool watches_message(const struct watch *w, const struct watcher *watcher,
                            const struct ulid *id)
{
    const struct subject *subject = find(w, id);
    for (struct interest *i = subject == NULL ? NULL : subject->interests; i != NULL; i = i->next) {
        if (is_watch_of(i, watcher)) {
            return true;
        }
    }
    return false;
}

bool watch_message(struct watch *w, struct watcher *watcher, const struct ulid *id)
{
    if (!watches_message(w, watcher, id)) {
        (void)queue_watch(w->queue, id, true);
        if (!add_interest(w, id, watcher, NULL, 0)) {
            return false;
        }
    }
    set_watching(w, watcher, true);
    return true;
}

void watch_all(struct watch *w, struct watcher *watcher)
{
    if (!watcher->watches_all) {
        watcher->watches_all = true;
        watcher->next = w->watchers;
        w->watchers = watcher;
        queue_watch_all(w->queue, true);
    }
    set_watching(w, watcher, true);
}

bool watch_since(struct watch *w, struct watcher *watcher, uint64_t since)
{
    struct queue_event first;
    bool is_gone;
    uint64_t last = queue_last_event(w->queue);
    size_t count = queue_events_since(w->queue, since, &first, 1, &is_gone);
    /* A number above the last one is from an earlier run, whose clock was ahead of ours. */
    is_gone = is_gone || since > last;
    watcher->is_catching_up = true;
    watcher->caught_up = !is_gone ? since : count > 0 ? first.number - 1 : last;
    queue_events_drop(&first, count);
    return !is_gone;
}

bool watch_catch_up(struct watch *w, struct watcher *watcher)
{
    struct queue_event events[CATCH_UP_MAX];
    bool is_gone;
    size_t count = queue_events_since(w->queue, watcher->caught_up, events, CATCH_UP_MAX, &is_gone);
    for (size_t i = 0; !is_gone && i < count; i++) {
        struct buffer line = BUFFER_EMPTY;
        watcher->caught_up = events[i].number;
        if (watcher->watches_all || watches_message(w, watcher, &events[i].id)) {
            tell(w, watcher, &events[i], &line);
        }
        buffer_free(&line);
    }
    queue_events_drop(events, count);
    watcher->is_catching_up = count == CATCH_UP_MAX;
    return !is_gone;
}

/* For twalk_r: gathers the ids of all subjects. */
struct ids {
    struct ulid *ids;
    size_t count, size;
};

static void gather_id(const void *node, VISIT visit, void *arg)
{
    struct ids *ids = arg;
    if ((visit != postorder && visit != leaf) || ids->count == ids->size) {
        return;
    }
    ids->ids[ids->count++] = (*(struct subject *const *)node)->id;
}

static void count_id(const void *node, VISIT visit, void *arg)
{
    (void)node;
    ((struct ids *)arg)->size += visit == postorder || visit == leaf ? 1 : 0;
}

void watch_end(struct watch *w, struct watcher *watcher)
{
    if (watcher->watches_all) {
        struct watcher **p = &w->watchers;
        while (*p != watcher) {
            p = &(*p)->next;
        }
        *p = watcher->next;
        watcher->watches_all = false;
        queue_watch_all(w->queue, w->watchers != NULL);
    }
    watcher->is_catching_up = false;
    set_watching(w, watcher, false);
    struct ids ids = {0};
    twalk_r(w->subjects, count_id, &ids);
    ids.ids = calloc(ids.size + 1, sizeof *ids.ids);
    if (ids.ids == NULL) {
        return;
    }
    twalk_r(w->subjects, gather_id, &ids);
    for (size_t i = 0; i < ids.count; i++) {
        drop_interests(w, &ids.ids[i], is_watch_of, watcher);
    }
    free(ids.ids);
}

void watch_forget(struct watch *w, struct watcher *watcher)
{
    struct await *await = w->awaits.next;
    while (watcher->held > 0) {
        struct await *next = await->next;
        if (await->watcher == watcher) {
            await_free(w, await);
        }
        await = next;
    }
    if (watcher->is_watching) {
        watch_end(w, watcher);
    }
}

/* --- life ------------------------------------------------------------------------------------- */

struct watch *watch_new(struct event_base *base, struct queue *queue,
                        const struct watch_options *options)
{
    struct watch *w = calloc(1, sizeof *w);
    if (w == NULL) {
        return NULL;
    }
    w->queue = queue;
    w->options = *options;
    w->awaits.next = &w->awaits;
    w->awaits.prev = &w->awaits;
    w->wake_event = event_new(base, -1, 0, on_wake, w);
    w->deadline_event = evtimer_new(base, on_deadline, w);
    if (w->wake_event == NULL || w->deadline_event == NULL) {
        watch_free(w);
        return NULL;
    }
    return w;
}

static void subject_free(void *node)
{
    struct subject *subject = node;
    while (subject->interests != NULL) {
        struct interest *next = subject->interests->next;
        free(subject->interests);
        subject->interests = next;
    }
    free(subject);
}

void watch_free(struct watch *w)
{
    if (w == NULL) {
        return;
    }
    while (w->awaits.next != &w->awaits) {
        await_free(w, w->awaits.next);
    }
    tdestroy(w->subjects, subject_free);
    if (w->wake_event != NULL) {
        event_free(w->wake_event);
    }
    if (w->deadline_event != NULL) {
        event_free(w->deadline_event);
    }
    free(w);
}
