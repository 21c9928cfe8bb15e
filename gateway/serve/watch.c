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

enum {
    CATCH_UP_MAX = 100, /* events that a watcher is told at a time */
    PORTION = 256       /* lines, replies and interests that are dealt with at a time */
};

/* One interest in one message: of a held reply, or of a watching client. */
struct interest {
    LIST_ENTRY(interest) entry; /* in the message's list */
    struct subject *subject;    /* NULL = it is in no list */
    union {
        struct watcher *watcher; /* in `watchers` */
        struct await *await;     /* in `awaits` */
    };
};

LIST_HEAD(interests, interest);

/* A message with interests: a node of the tree. */
struct subject {
    struct ulid id;
    struct interests awaits;   /* of held replies */
    struct interests watchers; /* of clients that WATCH it; each once */
};

/* A reply that ACK=relayed holds back. */
struct await {
    TAILQ_ENTRY(await) entry;        /* in order of their deadlines: all wait equally long */
    LIST_ENTRY(await) watcher_entry; /* those of the same client */
    struct watcher *watcher;
    uint32_t slot;
    int64_t deadline_ms;        /* monotonic */
    size_t size, count;         /* receipts: there is room for, and there are so far */
    size_t open;                /* receipts that are not settled */
    struct interest *interests; /* one for each receipt, in the same allocation */
    struct session_receipt receipts[];
};

struct watch {
    struct queue *queue;
    struct watch_options options;
    struct event *wake_event;
    struct event *deadline_event;
    void *subjects;                         /* a tree of tsearch(3) */
    LIST_HEAD(watchers, watcher) watch_all; /* watchers of all messages */
    TAILQ_HEAD(deadlines, await) awaits;
    struct queue_event *events; /* being told, from `next_event` on; NULL = none */
    size_t event_count, next_event;
    bool is_within;              /* that event has been told in part, ... */
    struct interest *next_await; /* ... and this held reply is the next one to see it */
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

static bool has_interests(const struct subject *subject)
{
    return !LIST_EMPTY(&subject->awaits) || !LIST_EMPTY(&subject->watchers);
}

/* Takes an interest out of its list; the message is forgotten with its last one. */
static void drop_interest(struct watch *w, struct interest *interest)
{
    struct subject *subject = interest->subject;
    if (subject == NULL) {
        return;
    }
    if (w->next_await == interest) {
        w->next_await = LIST_NEXT(interest, entry);
    }
    LIST_REMOVE(interest, entry);
    interest->subject = NULL;
    if (!has_interests(subject)) {
        queue_watch(w->queue, &subject->id, false);
        tdelete(subject, &w->subjects, compare);
        free(subject);
    }
}

/* --- budgets ---------------------------------------------------------------------------------- */

bool watch_has_room(const struct watcher *watcher, size_t count)
{
    const struct watch_budget *budget = watcher->budget;
    return budget == NULL || (budget->used < budget->max && count <= budget->max - budget->used);
}

static void charge(const struct watcher *watcher, size_t count)
{
    if (watcher->budget != NULL) {
        watcher->budget->used += count;
    }
}

static void discharge(const struct watcher *watcher, size_t count)
{
    if (watcher->budget != NULL) {
        watcher->budget->used -= count;
    }
}

/* --- ACK=relayed ------------------------------------------------------------------------------ */

static void arm_deadline(struct watch *w)
{
    const struct await *first = TAILQ_FIRST(&w->awaits);
    if (first == NULL) {
        event_del(w->deadline_event);
        return;
    }
    int64_t wait_ms = int64_max(first->deadline_ms - clock_monotonic_ms(), 0);
    struct timeval tv = {.tv_sec = wait_ms / 1000, .tv_usec = wait_ms % 1000 * 1000};
    event_add(w->deadline_event, &tv);
}

static void await_free(struct watch *w, struct await *await)
{
    TAILQ_REMOVE(&w->awaits, await, entry);
    LIST_REMOVE(await, watcher_entry);
    for (size_t i = 0; i < await->count; i++) {
        drop_interest(w, &await->interests[i]);
        free((char *)await->receipts[i].answer);
    }
    discharge(await->watcher, await->size);
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
    struct interest *interest = &await->interests[await->count];
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
    interest->subject = find_or_add(w, &receipt->id);
    if (interest->subject == NULL) {
        return false;
    }
    interest->await = await;
    LIST_INSERT_HEAD(&interest->subject->awaits, interest, entry);
    return true;
}

/* Makes one that has no receipts yet, with room for `count`. */
static struct await *await_new(struct watch *w, struct watcher *watcher, uint32_t slot,
                               size_t count)
{
    size_t size = sizeof(struct await) + count * sizeof(struct session_receipt);
    struct await *await = calloc(1, size + count * sizeof(struct interest));
    if (await == NULL) {
        return NULL;
    }
    await->watcher = watcher;
    await->size = count;
    charge(watcher, count);
    await->slot = slot;
    await->deadline_ms = clock_monotonic_ms() + w->options.ack_timeout_ms;
    await->interests = (struct interest *)(void *)&await->receipts[count];
    TAILQ_INSERT_TAIL(&w->awaits, await, entry);
    LIST_INSERT_HEAD(&watcher->awaits, await, watcher_entry);
    return await;
}

bool watch_await(struct watch *w, struct watcher *watcher, uint32_t slot,
                 const struct session_receipt *receipts, size_t count)
{
    struct await *await =
        watch_has_room(watcher, count) ? await_new(w, watcher, slot, count) : NULL;
    if (await == NULL) {
        return false;
    }
    bool has_all = true;
    for (size_t i = 0; i < count; i++) {
        has_all = await_one(w, await, &receipts[i]) && has_all;
    }
    if (!has_all || await->open == 0) {
        await_free(w, await);
        return false;
    }
    if (TAILQ_FIRST(&w->awaits) == await) {
        arm_deadline(w);
    }
    return true;
}

static void acknowledge(struct watch *w, struct await *await)
{
    w->options.acknowledge(await->watcher->client, await->slot, await->receipts, await->count);
    await_free(w, await);
}

/* Replies with the states so far; what is more than a portion, in the next turn of the loop. */
static void on_deadline(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    struct watch *w = arg;
    int64_t now_ms = clock_monotonic_ms();
    struct await *await;
    for (size_t done = 0; done < PORTION && (await = TAILQ_FIRST(&w->awaits)) != NULL &&
                          await->deadline_ms <= now_ms;) {
        done += await->count;
        acknowledge(w, await);
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
    if (watcher->is_watching && !watcher->is_catching_up && event->number > watcher->caught_up) {
        tell(w, watcher, event, line);
    }
}

/*
 * Shows an event to the held replies for its message, and gives those that it completes. Counts them
 * off `room`; what there is no room for, the next call does.
 */
static void show_awaits(struct watch *w, const struct queue_event *event, size_t *room)
{
    if (!w->is_within) {
        const struct subject *subject = find(w, &event->id);
        w->next_await = subject == NULL ? NULL : LIST_FIRST(&subject->awaits);
        w->is_within = true;
    }
    while (w->next_await != NULL && *room > 0) {
        struct interest *interest = w->next_await;
        struct await *await = interest->await;
        w->next_await = LIST_NEXT(interest, entry);
        --*room;
        if (note_settled(await, (size_t)(interest - await->interests), event)) {
            *room -= *room < await->count ? *room : await->count;
            acknowledge(w, await);
        }
    }
}

static void tell_watchers(struct watch *w, const struct queue_event *event, size_t *room)
{
    struct buffer line = BUFFER_EMPTY;
    const struct subject *subject = find(w, &event->id);
    const struct interest *interest = subject == NULL ? NULL : LIST_FIRST(&subject->watchers);
    struct watcher *watcher = LIST_FIRST(&w->watch_all);
    size_t told = 0;
    for (; interest != NULL; interest = LIST_NEXT(interest, entry), told++) {
        if (!interest->watcher->watches_all) {
            tell_live(w, interest->watcher, event, &line);
        }
    }
    for (; watcher != NULL; watcher = LIST_NEXT(watcher, entry), told++) {
        tell_live(w, watcher, event, &line);
    }
    *room -= *room < told ? *room : told;
    buffer_free(&line);
}

/* Held replies first: a line of WATCH never comes before the 250 of its message. Returns false if the
 * event has to be dispatched further. */
static bool dispatch(struct watch *w, const struct queue_event *event, size_t *room)
{
    show_awaits(w, event, room);
    if (w->next_await != NULL) {
        return false;
    }
    tell_watchers(w, event, room);
    w->is_within = false;
    if (w->options.taken != NULL) {
        w->options.taken(w->options.taken_arg, event);
    }
    return true;
}

/* Gets the next events, if those before them have been told. Returns false if there are none. */
static bool has_events(struct watch *w)
{
    if (w->next_event == w->event_count) {
        queue_events_free(w->events, w->event_count);
        w->events = queue_events_take(w->queue, &w->event_count);
        w->next_event = 0;
    }
    return w->event_count > 0;
}

/* Takes a portion of the queue's events. Returns false if that was all. */
static bool take_some(struct watch *w)
{
    size_t room = PORTION;
    while (room > 0) {
        if (!has_events(w)) {
            return false;
        }
        if (dispatch(w, &w->events[w->next_event], &room)) {
            w->next_event++;
            room -= room > 0 ? 1 : 0;
        }
    }
    return true;
}

static void end_taking(struct watch *w)
{
    arm_deadline(w);
    w->options.dispatched(w->options.arg);
}

void watch_take(struct watch *w)
{
    while (take_some(w)) {
    }
    end_taking(w);
}

static void on_wake(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    static const struct timeval NEXT_TURN = {0};
    struct watch *w = arg;
    if (take_some(w)) {
        event_add(w->wake_event, &NEXT_TURN);
    }
    end_taking(w);
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

/* For the tree of a watcher, which has an interest for each message that it watches. */
static int compare_watched(const void *a, const void *b)
{
    return compare(((const struct interest *)a)->subject, ((const struct interest *)b)->subject);
}

static bool watches_message(const struct watcher *watcher, const struct ulid *id)
{
    struct subject subject = {.id = *id};
    const struct interest key = {.subject = &subject};
    return tfind(&key, &watcher->watched, compare_watched) != NULL;
}

/* Returns false on allocation failure. */
static bool add_watched(struct watch *w, struct watcher *watcher, const struct ulid *id)
{
    struct interest *interest = malloc(sizeof *interest);
    struct subject *subject = interest == NULL ? NULL : find_or_add(w, id);
    if (subject == NULL) {
        free(interest);
        return false;
    }
    *interest = (struct interest){.subject = subject, .watcher = watcher};
    LIST_INSERT_HEAD(&subject->watchers, interest, entry);
    if (tsearch(interest, &watcher->watched, compare_watched) == NULL) {
        drop_interest(w, interest);
        free(interest);
        return false;
    }
    charge(watcher, 1);
    return true;
}

bool watch_message(struct watch *w, struct watcher *watcher, const struct ulid *id)
{
    if (!watches_message(watcher, id)) {
        watcher->is_over = watcher->is_over || !watch_has_room(watcher, 1);
        if (watcher->is_over) {
            return false;
        }
        (void)queue_watch(w->queue, id, true);
        if (!add_watched(w, watcher, id)) {
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
        LIST_INSERT_HEAD(&w->watch_all, watcher, entry);
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
        if (watcher->watches_all || watches_message(watcher, &events[i].id)) {
            tell(w, watcher, &events[i], &line);
        }
        buffer_free(&line);
    }
    queue_events_drop(events, count);
    watcher->is_catching_up = count == CATCH_UP_MAX;
    return !is_gone;
}

bool watch_end(struct watch *w, struct watcher *watcher)
{
    if (watcher->watches_all) {
        LIST_REMOVE(watcher, entry);
        watcher->watches_all = false;
        queue_watch_all(w->queue, !LIST_EMPTY(&w->watch_all));
    }
    watcher->is_catching_up = false;
    set_watching(w, watcher, false);
    for (size_t i = 0; watcher->watched != NULL && i < PORTION; i++) {
        /* A node of tsearch(3) begins with the pointer that was given to it. */
        struct interest *interest = *(struct interest **)watcher->watched;
        tdelete(interest, &watcher->watched, compare_watched);
        discharge(watcher, 1);
        drop_interest(w, interest);
        free(interest);
    }
    return watcher->watched == NULL;
}

bool watch_forget(struct watch *w, struct watcher *watcher)
{
    struct await *await;
    for (size_t done = 0; done < PORTION && (await = LIST_FIRST(&watcher->awaits)) != NULL;) {
        done += await->count;
        await_free(w, await);
    }
    return LIST_EMPTY(&watcher->awaits) && watch_end(w, watcher);
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
    TAILQ_INIT(&w->awaits);
    w->wake_event = event_new(base, -1, 0, on_wake, w);
    w->deadline_event = evtimer_new(base, on_deadline, w);
    if (w->wake_event == NULL || w->deadline_event == NULL) {
        watch_free(w);
        return NULL;
    }
    return w;
}

void watch_free(struct watch *w)
{
    if (w == NULL) {
        return;
    }
    queue_events_free(w->events, w->event_count);
    if (w->wake_event != NULL) {
        event_free(w->wake_event);
    }
    if (w->deadline_event != NULL) {
        event_free(w->deadline_event);
    }
    free(w);
}
