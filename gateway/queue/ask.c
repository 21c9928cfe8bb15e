/*
 * ask: the questions that queue.h lets one ask, what operators and clients may change, and
 * watching. Owns nothing of its own; a message's ways are queue_core's. Any thread.
 *
 * Lists of ids are built in three steps: how many there can be, memory for them without the mutex,
 * then as many as that memory holds. What comes in between is left out.
 */
#include "gateway/queue/core.h"

#include <stdlib.h>
#include <string.h>

/* --- lists of ids --------------------------------------------------------------------------- */

struct ids {
    struct ulid *array;
    size_t count, size;
};

/* Makes room for `size` ids. Without memory there is room for none. */
static struct ids ids_new(size_t size)
{
    struct ids ids = {NULL, 0, size};
    ids.array = size == 0 ? NULL : malloc(size * sizeof(*ids.array));
    if (ids.array == NULL) {
        ids.size = 0;
    }
    return ids;
}

static bool ids_add(struct ids *ids, const struct message *m)
{
    if (ids->count == ids->size) {
        return false;
    }
    ids->array[ids->count++] = m->id;
    return true;
}

static int compare_ids(const void *a, const void *b)
{
    return memcmp(a, b, sizeof(struct ulid));
}

/* Hands over the ids, or NULL when there are none. */
static struct ulid *ids_finish(struct ids *ids, size_t *count)
{
    *count = ids->count;
    if (ids->count == 0) {
        free(ids->array);
        return NULL;
    }
    return ids->array;
}

/* The same, sorted: by time of submission. */
static struct ulid *ids_finish_sorted(struct ids *ids, size_t *count)
{
    struct ulid *array = ids_finish(ids, count);
    if (array != NULL) {
        qsort(array, *count, sizeof(*array), compare_ids);
    }
    return array;
}

/* Ids of one millisecond do not tell which was first; the order of a list does. */
static void reverse(struct ids *ids)
{
    for (size_t i = 0; i < ids->count / 2; i++) {
        struct ulid swapped = ids->array[i];
        ids->array[i] = ids->array[ids->count - 1 - i];
        ids->array[ids->count - 1 - i] = swapped;
    }
}

static size_t smaller(size_t a, size_t b)
{
    return a < b ? a : b;
}

/* Is this place asked for by queue_list's `state`? */
static bool is_listed(int place, int state)
{
    return state == -1 ? place < QUEUE_UNFINISHED
                       : (int)queue_place_state((enum queue_place)place) == state;
}

struct ulid *queue_list(struct queue *q, int state, size_t max, size_t *count)
{
    size_t room = 0;
    max = smaller(max, QUEUE_LIST_MAX);
    queue_enter(q);
    for (int place = 0; place < QUEUE_PLACES; place++) {
        room += is_listed(place, state) ? smaller(max, q->places[place].count) : 0;
    }
    queue_leave(q);

    struct ids ids = ids_new(room);
    queue_enter(q);
    for (int place = 0; place < QUEUE_PLACES; place++) {
        const struct message *m = is_listed(place, state) ? q->places[place].first : NULL;
        for (size_t i = 0; i < max && m != NULL && ids_add(&ids, m); i++) {
            m = m->next;
        }
    }
    queue_leave(q);
    struct ulid *sorted = ids_finish_sorted(&ids, count);
    *count = smaller(*count, max);
    return sorted;
}

struct ulid *queue_find_ref(struct queue *q, const char *ref, int32_t owner, size_t *count)
{
    size_t room = 0;
    queue_enter(q);
    const struct message *m = queue_refs_newest(&q->refs, owner, ref);
    for (; m != NULL && room < QUEUE_LIST_MAX; room++) {
        m = queue_refs_older(&q->refs, m);
    }
    queue_leave(q);

    struct ids ids = ids_new(room);
    queue_enter(q);
    m = queue_refs_newest(&q->refs, owner, ref);
    while (m != NULL && ids_add(&ids, m)) {
        m = queue_refs_older(&q->refs, m);
    }
    queue_leave(q);
    reverse(&ids);
    return ids_finish(&ids, count);
}

struct ulid *queue_ambiguous(struct queue *q, int64_t cutoff_ms, size_t *count, size_t *left_out)
{
    queue_enter(q);
    size_t room = q->places[PLACE_AMBIGUOUS].count;
    queue_leave(q);

    struct ids ids = ids_new(room);
    queue_enter(q);
    size_t others = 0;
    for (const struct message *m = q->places[PLACE_AMBIGUOUS].first; m != NULL; m = m->next) {
        others += !(m->updated_ms <= cutoff_ms && ids_add(&ids, m));
    }
    queue_leave(q);
    if (left_out != NULL) {
        *left_out = others;
    }
    return ids_finish(&ids, count);
}

/* --- one message, and how many -------------------------------------------------------------- */

/* The message with this id, if this owner may know of it. */
static struct message *find_visible(const struct queue *q, const struct ulid *id, int32_t owner,
                                    bool sees_all)
{
    struct message *m = queue_find(q, id);
    return m != NULL && (sees_all || m->owner == owner) ? m : NULL;
}

bool queue_status(struct queue *q, const struct ulid *id, int32_t owner, bool sees_all,
                  struct message_status *status)
{
    queue_enter(q);
    const struct message *m = find_visible(q, id, owner, sees_all);
    if (m != NULL) {
        message_status_copy(m, status);
    }
    queue_leave(q);
    return m != NULL;
}

/* The places of what the relay has to send by itself, now or when it has tried to. */
static bool is_waiting(int place)
{
    return place < QUEUE_LANES || place == PLACE_SENDING || place == PLACE_DEFERRED ||
           place == PLACE_AMBIGUOUS;
}

/* Since when messages wait, so far as the heads of their lists tell. */
static void total_waits(const struct queue *q, struct queue_totals *totals)
{
    for (int place = 0; place < QUEUE_UNFINISHED; place++) {
        const struct message *m = q->places[place].first;
        int64_t since_ms = m == NULL ? 0 : queue_waits_since_ms(m);
        if (place < QUEUE_LANES) {
            totals->by_lane[place] = q->places[place].count;
            totals->oldest_by_lane_ms[place] = since_ms;
        }
        bool is_first = totals->waits_since_ms == 0 || since_ms < totals->waits_since_ms;
        if (m != NULL && is_waiting(place) && is_first) {
            totals->waits_since_ms = since_ms;
        }
    }
}

void queue_totals(struct queue *q, struct queue_totals *totals)
{
    *totals = (struct queue_totals){0};
    queue_enter(q);
    for (int place = 0; place < QUEUE_PLACES; place++) {
        totals->by_state[queue_place_state((enum queue_place)place)] += q->places[place].count;
    }
    totals->ambiguous = q->places[PLACE_AMBIGUOUS].count;
    totals->bytes = q->bytes;
    totals->unfinished = queue_count(q, 0, QUEUE_UNFINISHED);
    totals->unfinished_bytes = q->bytes - q->finished_bytes;
    totals->oldest_ms = queue_oldest_head_ms(q, 0, QUEUE_UNFINISHED);
    total_waits(q, totals);
    queue_leave(q);
}

/* --- what clients and operators change ------------------------------------------------------ */

static enum queue_outcome cancel(struct queue *q, struct message *m, int64_t now_ms)
{
    enum message_state state = (enum message_state)m->state;
    if (state == MESSAGE_SENDING || message_state_is_finished(state)) {
        return QUEUE_WRONG_STATE;
    }
    bool may_be_sent = m->is_ambiguous || state == MESSAGE_UNRESOLVED;
    queue_set_reason(
        q, m, may_be_sent ? "canceled, but it may have been sent" : "canceled before it was sent");
    queue_conclude(q, m, END_CANCELED, now_ms);
    return QUEUE_DONE;
}

enum queue_outcome queue_cancel(struct queue *q, const struct ulid *id, int32_t owner,
                                bool sees_all, int64_t now_ms)
{
    queue_enter(q);
    struct message *m = find_visible(q, id, owner, sees_all);
    enum queue_outcome verdict = m == NULL ? QUEUE_UNKNOWN : cancel(q, m, now_ms);
    queue_leave(q);
    return verdict;
}

static enum queue_outcome retry(struct queue *q, struct message *m, int64_t now_ms)
{
    if (m->state != MESSAGE_UNRESOLVED) {
        return QUEUE_WRONG_STATE;
    }
    if (m->expires_ms <= now_ms) {
        m->expires_ms = QUEUE_NEVER; /* the operator knows that it is late, and wants it sent */
        m->has_ttl = false;
    }
    m->group = 0;
    queue_move_to_lane(q, m, QUEUE_HEAD, now_ms);
    return QUEUE_DONE;
}

enum queue_outcome queue_retry(struct queue *q, const struct ulid *id, int64_t now_ms)
{
    queue_enter(q);
    struct message *m = queue_find(q, id);
    enum queue_outcome verdict = m == NULL ? QUEUE_UNKNOWN : retry(q, m, now_ms);
    queue_leave(q);
    return verdict;
}

void queue_flush(struct queue *q, int64_t now_ms)
{
    queue_enter(q);
    while (q->places[PLACE_DEFERRED].count > 0) {
        queue_move_to_lane(q, q->places[PLACE_DEFERRED].first, QUEUE_TAIL, now_ms);
    }
    queue_leave(q);
}

/* --- opt-outs ----------------------------------------------------------------------------------- */

void queue_refuse_all(struct queue *q, struct recipients *all)
{
    queue_enter(q);
    struct recipients old = q->refused;
    q->refused = *all;
    *all = old;
    queue_leave(q);
    recipients_free(all);
}

bool queue_refuse(struct queue *q, const char *number, bool is_refused)
{
    queue_enter(q);
    bool is_good = true;
    if (is_refused) {
        is_good = recipients_add(&q->refused, number);
    } else {
        recipients_remove(&q->refused, number);
    }
    queue_leave(q);
    return is_good;
}

/* --- watching ------------------------------------------------------------------------------- */

bool queue_watch(struct queue *q, const struct ulid *id, bool is_watched)
{
    queue_enter(q);
    struct message *m = queue_find(q, id);
    if (m != NULL) {
        m->is_watched = is_watched;
    }
    queue_leave(q);
    return m != NULL;
}

void queue_watch_all(struct queue *q, bool is_watched)
{
    queue_enter(q);
    q->changes.is_all_watched = is_watched;
    queue_leave(q);
}

struct queue_event *queue_events_take(struct queue *q, size_t *count)
{
    queue_enter(q);
    struct queue_event *array = q->changes.array;
    *count = q->changes.count;
    q->changes.array = NULL;
    q->changes.count = q->changes.size = 0;
    q->is_notified = false;
    queue_leave(q);
    return array;
}

size_t queue_events_since(struct queue *q, uint64_t since, struct queue_event *changes, size_t max,
                          bool *is_gone)
{
    size_t count = 0;
    *is_gone = since < q->options.first_event;
    queue_enter(q);
    if (q->changes.past != NULL) {
        bool is_past_gone;
        count = queue_recent_read(q->changes.past, since, changes, max, &is_past_gone);
        *is_gone = *is_gone || is_past_gone;
    }
    for (size_t i = 0; i < count; i++) {
        const struct message *m = queue_find(q, &changes[i].id);
        if (m != NULL && m->state == changes[i].state) {
            changes[i].answer = message_answer_copy(m->answer);
        }
    }
    queue_leave(q);
    return count;
}

uint64_t queue_last_event(struct queue *q)
{
    queue_enter(q);
    uint64_t event = q->changes.event;
    queue_leave(q);
    return event;
}

/* --- the destination -------------------------------------------------------------------------- */

void queue_hold(struct queue *q, bool holds)
{
    queue_enter(q);
    q->relaying.is_held = holds;
    queue_leave(q);
    if (!holds && q->options.wake_forwarder != NULL) {
        q->options.wake_forwarder(q->options.wake_arg);
    }
}

void queue_relaying_set(struct queue *q, const struct queue_relaying *relaying,
                        struct queue_relaying *before)
{
    queue_enter(q);
    bool is_held = q->relaying.is_held;
    *before = q->relaying;
    q->relaying = *relaying;
    q->relaying.is_held = is_held;
    queue_leave(q);
}

void queue_relaying(struct queue *q, struct queue_relaying *relaying)
{
    queue_enter(q);
    *relaying = q->relaying;
    queue_leave(q);
}
