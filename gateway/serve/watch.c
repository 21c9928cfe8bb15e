/* watch: see watch.h. */
#include "gateway/serve/watch.h"

#include "gateway/base/clock.h"
#include "gateway/queue/ask.h"
#include "gateway/queue/events.h"

#include <search.h>
#include <stdlib.h>
#include <string.h>

/* A reply that ACK=relayed holds back. */
struct await {
    struct await *next, *prev; /* in order of their deadlines, since all wait equally long */
    void *client;
    uint32_t slot;
    int64_t deadline_ms; /* monotonic */
    size_t count;
    size_t open; /* receipts that are not settled */
    struct session_receipt receipts[];
};

/* One interest in one message: of a held reply, or of a watching client. */
struct interest {
    struct interest *next; /* in the same message */
    void *client;
    struct await *await; /* NULL = WATCH */
    size_t position;     /* of the receipt in `await` */
};

/* A message that somebody is interested in: a node of the tree. */
struct subject {
    struct ulid id;
    struct interest *interests;
};

struct watcher {
    struct watcher *next;
    void *client;
};

struct watch {
    struct queue *queue;
    struct watch_options options;
    struct event *changes_event;
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

static bool add_interest(struct watch *w, const struct ulid *id, void *client, struct await *await,
                         size_t position)
{
    struct subject *subject = find_or_add(w, id);
    struct interest *interest = subject == NULL ? NULL : malloc(sizeof *interest);
    if (interest == NULL) {
        return false;
    }
    *interest = (struct interest){subject->interests, client, await, position};
    subject->interests = interest;
    return true;
}

/* Drops what `doomed` says of one message's interests, and the message with its last one. */
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

static bool is_watch_of(const struct interest *interest, const void *client)
{
    return interest->client == client && interest->await == NULL;
}

/* --- ACK=relayed ------------------------------------------------------------------------------ */

static void arm_deadline(struct watch *w)
{
    struct await *first = w->awaits.next;
    if (first == &w->awaits) {
        event_del(w->deadline_event);
        return;
    }
    int64_t wait_ms = first->deadline_ms - clock_monotonic_ms();
    wait_ms = wait_ms < 0 ? 0 : wait_ms;
    struct timeval tv = {.tv_sec = wait_ms / 1000, .tv_usec = wait_ms % 1000 * 1000};
    event_add(w->deadline_event, &tv);
}

static void await_free(struct watch *w, struct await *await)
{
    await->prev->next = await->next;
    await->next->prev = await->prev;
    for (size_t i = 0; i < await->count; i++) {
        drop_interests(w, &await->receipts[i].id, is_of_await, await);
        free((char *)await->receipts[i].answer);
    }
    free(await);
}

/*
 * A duplicate's first submission need not have been watched: from now on it is, and its state is
 * asked for after that, so that no change can slip through between the two.
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

/* Copies a receipt and waits for its message unless that is settled. */
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
    return add_interest(w, &receipt->id, await->client, await, await->count - 1);
}

bool watch_await(struct watch *w, void *client, uint32_t slot,
                 const struct session_receipt *receipts, size_t count)
{
    struct await *await = calloc(1, sizeof *await + count * sizeof *receipts);
    if (await == NULL) {
        return false;
    }
    await->client = client;
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
    w->options.acknowledge(await->client, await->slot, await->receipts, await->count);
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

/* --- changes ---------------------------------------------------------------------------------- */

/* Notes a change in a held reply. Returns true when that was the last that it waited for. */
static bool note_settled(struct await *await, size_t position, const struct queue_event *change)
{
    struct session_receipt *receipt = &await->receipts[position];
    if (message_state_is_settled(receipt->state)) {
        /* Unresolved, and then sent again by the operator: it has been waited for. */
        return false;
    }
    receipt->state = change->state;
    free((char *)receipt->answer);
    receipt->answer = message_answer_new(message_answer_api_id(change->answer),
                                         message_answer_reason(change->answer));
    await->open -= message_state_is_settled(change->state) ? 1 : 0;
    return await->open == 0;
}

/* Held replies first: a WATCH line never comes before the 250 of its message. */
static void dispatch(struct watch *w, const struct queue_event *change)
{
    struct subject *subject = find(w, &change->id);
    for (struct interest *i = subject == NULL ? NULL : subject->interests; i != NULL;) {
        if (i->await != NULL && note_settled(i->await, i->position, change)) {
            acknowledge(w, i->await);
            /* That freed interests, and perhaps the subject. */
            subject = find(w, &change->id);
            i = subject == NULL ? NULL : subject->interests;
            continue;
        }
        i = i->next;
    }
    for (struct interest *i = subject == NULL ? NULL : subject->interests; i != NULL; i = i->next) {
        if (i->await == NULL) {
            w->options.changed(i->client, change);
        }
    }
    for (struct watcher *watcher = w->watchers; watcher != NULL; watcher = watcher->next) {
        w->options.changed(watcher->client, change);
    }
}

void watch_take(struct watch *w)
{
    size_t count;
    struct queue_event *changes = queue_events_take(w->queue, &count);
    for (size_t i = 0; i < count; i++) {
        dispatch(w, &changes[i]);
        if (w->options.taken != NULL) {
            w->options.taken(w->options.taken_arg, &changes[i]);
        }
    }
    queue_events_free(changes, count);
    arm_deadline(w);
    w->options.dispatched(w->options.arg);
}

static void on_changes(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    watch_take(arg);
}

void watch_wake(void *arg)
{
    struct watch *w = arg;
    event_active(w->changes_event, EV_TIMEOUT, 0);
}

/* --- WATCH ------------------------------------------------------------------------------------ */

static bool watches_message(const struct watch *w, const struct ulid *id, const void *client)
{
    const struct subject *subject = find(w, id);
    for (struct interest *i = subject == NULL ? NULL : subject->interests; i != NULL; i = i->next) {
        if (is_watch_of(i, client)) {
            return true;
        }
    }
    return false;
}

bool watch_concerns(const struct watch *w, const void *client, const struct ulid *id)
{
    const struct watcher *watcher = w->watchers;
    while (watcher != NULL && watcher->client != client) {
        watcher = watcher->next;
    }
    return watcher != NULL || watches_message(w, id, client);
}

bool watch_message(struct watch *w, void *client, const struct ulid *id)
{
    if (watches_message(w, id, client)) {
        return true;
    }
    (void)queue_watch(w->queue, id, true);
    return add_interest(w, id, client, NULL, 0);
}

bool watch_all(struct watch *w, void *client)
{
    for (struct watcher *watcher = w->watchers; watcher != NULL; watcher = watcher->next) {
        if (watcher->client == client) {
            return true;
        }
    }
    struct watcher *watcher = malloc(sizeof *watcher);
    if (watcher == NULL) {
        return false;
    }
    *watcher = (struct watcher){w->watchers, client};
    w->watchers = watcher;
    queue_watch_all(w->queue, true);
    return true;
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

void watch_end(struct watch *w, void *client)
{
    for (struct watcher **p = &w->watchers; *p != NULL;) {
        struct watcher *watcher = *p;
        if (watcher->client == client) {
            *p = watcher->next;
            free(watcher);
        } else {
            p = &watcher->next;
        }
    }
    queue_watch_all(w->queue, w->watchers != NULL);
    struct ids ids = {0};
    twalk_r(w->subjects, count_id, &ids);
    ids.ids = calloc(ids.size + 1, sizeof *ids.ids);
    if (ids.ids == NULL) {
        return;
    }
    twalk_r(w->subjects, gather_id, &ids);
    for (size_t i = 0; i < ids.count; i++) {
        drop_interests(w, &ids.ids[i], is_watch_of, client);
    }
    free(ids.ids);
}

void watch_forget(struct watch *w, void *client)
{
    for (struct await *await = w->awaits.next, *next; await != &w->awaits; await = next) {
        next = await->next;
        if (await->client == client) {
            await_free(w, await);
        }
    }
    watch_end(w, client);
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
    w->changes_event = event_new(base, -1, 0, on_changes, w);
    w->deadline_event = evtimer_new(base, on_deadline, w);
    if (w->changes_event == NULL || w->deadline_event == NULL) {
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
    while (w->watchers != NULL) {
        struct watcher *next = w->watchers->next;
        free(w->watchers);
        w->watchers = next;
    }
    tdestroy(w->subjects, subject_free);
    if (w->changes_event != NULL) {
        event_free(w->changes_event);
    }
    if (w->deadline_event != NULL) {
        event_free(w->deadline_event);
    }
    free(w);
}
