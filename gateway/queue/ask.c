/*
 * ask: see ask.h. What is static here runs under the mutex.
 *
 * A list of ids is built in three steps: count how many there can be, allocate without the mutex,
 * then copy as many as fit. Messages that come in between are left out.
 */
#include "gateway/queue/ask.h"

#include "gateway/base/ranking.h"
#include "gateway/queue/core.h"

#include <stdlib.h>
#include <string.h>

/* --- lists of ids --------------------------------------------------------------------------- */

struct ids {
    struct ulid *array;
    size_t count, size;
};

/* Makes room for `size` ids; on allocation failure for none. */
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

/* Hands over the ids; NULL if there are none. */
static struct ulid *ids_finish(struct ids *ids, size_t *count)
{
    *count = ids->count;
    if (ids->count == 0) {
        free(ids->array);
        return NULL;
    }
    return ids->array;
}

/* The same, sorted by time of submission. */
static struct ulid *ids_finish_sorted(struct ids *ids, size_t *count)
{
    struct ulid *array = ids_finish(ids, count);
    if (array != NULL) {
        qsort(array, *count, sizeof(*array), compare_ids);
    }
    return array;
}

/* REFs are listed newest first. */
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

/* See the `state` of queue_list. */
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

/* Adds those of an owner from one list, newest first, of those that were looked at. */
static void add_of_owner(struct ids *ids, const struct message *last, int32_t owner)
{
    const struct message *m = last;
    for (size_t i = 0; i < QUEUE_LIST_MAX && m != NULL; i++) {
        if (m->owner == owner && !ids_add(ids, m)) {
            return;
        }
        m = m->prev;
    }
}

struct ulid *queue_list_owner(struct queue *q, int32_t owner, size_t max, size_t *count)
{
    size_t room = 0;
    queue_enter(q);
    for (int place = 0; place < QUEUE_PLACES; place++) {
        room += smaller(QUEUE_LIST_MAX, q->places[place].count);
    }
    queue_leave(q);

    struct ids ids = ids_new(room);
    queue_enter(q);
    for (int place = 0; place < QUEUE_PLACES; place++) {
        add_of_owner(&ids, q->places[place].last, owner);
    }
    queue_leave(q);
    if (ids.count > 0) {
        qsort(ids.array, ids.count, sizeof(*ids.array), compare_ids);
    }
    reverse(&ids);
    ids.count = smaller(ids.count, max);
    return ids_finish(&ids, count);
}

struct ulid *queue_find_ref(struct queue *q, const char *ref, int32_t owner, size_t *count)
{
    size_t room = 0;
    queue_enter(q);
    const struct message *newest = queue_refs_newest(&q->refs, owner, ref);
    for (const struct message *m = newest; m != NULL && room < QUEUE_LIST_MAX; room++) {
        m = queue_refs_older(m, newest);
    }
    queue_leave(q);

    struct ids ids = ids_new(room);
    queue_enter(q);
    newest = queue_refs_newest(&q->refs, owner, ref);
    for (const struct message *m = newest; m != NULL && ids_add(&ids, m);) {
        m = queue_refs_older(m, newest);
    }
    queue_leave(q);
    reverse(&ids);
    return ids_finish(&ids, count);
}

struct ulid *queue_find_ref_of_any(struct queue *q, const char *ref, size_t max, size_t *count)
{
    enum { OWNERS_MAX = 64 };
    int32_t owners[OWNERS_MAX];
    struct ids ids = ids_new(OWNERS_MAX * max);
    queue_enter(q);
    size_t owner_count =
        q->feed.recent == NULL ? 0 : queue_recent_owners(q->feed.recent, owners, OWNERS_MAX);
    for (size_t i = 0; i < owner_count; i++) {
        const struct message *newest = queue_refs_newest(&q->refs, owners[i], ref);
        const struct message *m = newest;
        for (size_t n = 0; n < max && m != NULL && ids_add(&ids, m); n++) {
            m = queue_refs_older(m, newest);
        }
    }
    queue_leave(q);
    return ids_finish(&ids, count);
}

struct queue_doubtful *queue_ambiguous(struct queue *q, int64_t cutoff_ms, size_t *count,
                                       size_t *left_out)
{
    queue_enter(q);
    size_t size = q->places[PLACE_AMBIGUOUS].count;
    queue_leave(q);

    struct queue_doubtful *doubtful = size == 0 ? NULL : malloc(size * sizeof(*doubtful));
    size = doubtful == NULL ? 0 : size;
    *count = *left_out = 0;
    queue_enter(q);
    for (const struct message *m = q->places[PLACE_AMBIGUOUS].first; m != NULL; m = m->next) {
        if (m->updated_ms > cutoff_ms || *count == size) {
            ++*left_out;
            continue;
        }
        doubtful[(*count)++] = (struct queue_doubtful){.id = m->id,
                                                       .doubts = m->doubts,
                                                       .looks = m->looks,
                                                       .ambiguous_ends = m->ambiguous_ends,
                                                       .is_anchored = m->is_anchored,
                                                       .is_unlooked = m->is_unlooked};
    }
    queue_leave(q);
    if (*count == 0) {
        free(doubtful);
        return NULL;
    }
    return doubtful;
}

/* --- one message, and how many -------------------------------------------------------------- */

bool queue_status(struct queue *q, const struct ulid *id, int32_t owner, bool sees_all,
                  struct message_status *status)
{
    queue_enter(q);
    const struct message *m = queue_find_visible(q, id, owner, sees_all);
    if (m != NULL) {
        message_status_copy(m, status);
        status->updated_ms += q->clock_offset_ms;
        status->due_ms = queue_due_unix_ms(q, m);
    }
    queue_leave(q);
    return m != NULL;
}

/* Does the relay itself have to send what is at this place, now or later? */
static bool is_waiting(int place)
{
    return place < QUEUE_LANES || place == PLACE_SENDING || place == PLACE_DEFERRED ||
           place == PLACE_AMBIGUOUS || place == PLACE_SUSPECT;
}

/* When a message was submitted (steady): not after its last change. */
static int64_t submitted_ms(const struct queue *q, const struct message *m)
{
    return queue_jumps_steady_ms(&q->jumps, ulid_time_ms(&m->id), q->clock_offset_ms,
                                 m->updated_ms);
}

/* With an AT, a message was last changed when it came to its lane. */
static int64_t waits_since_ms(const struct queue *q, const struct message *m)
{
    return m->has_at ? m->updated_ms : submitted_ms(q, m);
}

static void lower(int64_t *earliest_ms, int64_t time_ms)
{
    if (*earliest_ms == 0 || time_ms < *earliest_ms) {
        *earliest_ms = time_ms;
    }
}

static void total_times(const struct queue *q, struct queue_totals *totals)
{
    for (int place = 0; place < QUEUE_UNFINISHED; place++) {
        const struct message *m = q->places[place].first;
        if (m == NULL) {
            continue;
        }
        lower(&totals->oldest_ms, submitted_ms(q, m));
        if (place < QUEUE_LANES) {
            totals->oldest_by_lane_ms[place] = waits_since_ms(q, m);
        }
        if (is_waiting(place)) {
            lower(&totals->waits_since_ms, waits_since_ms(q, m));
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
    for (int lane = 0; lane < QUEUE_LANES; lane++) {
        totals->by_lane[lane] = q->places[lane].count;
    }
    total_times(q, totals);
    queue_leave(q);
}

/* --- owners --------------------------------------------------------------------------------- */

static struct queue_holding holding_of(const struct queue_account *account)
{
    return (struct queue_holding){.owner = account->owner,
                                  .messages = account->messages,
                                  .bytes = account->bytes,
                                  .disk = account->disk};
}

void queue_holding(struct queue *q, int32_t owner, struct queue_holding *holding)
{
    *holding = (struct queue_holding){.owner = owner};
    queue_enter(q);
    const struct queue_account *account = queue_account_find(&q->accounts, owner);
    if (account != NULL) {
        *holding = holding_of(account);
    }
    queue_leave(q);
}

static bool has_more(const void *first, const void *second)
{
    const struct queue_holding *a = first, *b = second;
    return a->messages != b->messages ? a->messages > b->messages : a->disk > b->disk;
}

size_t queue_holdings(struct queue *q, struct queue_holding *holdings, size_t max,
                      struct queue_holding *others)
{
    struct ranking ranking = {
        .items = holdings, .size = sizeof *holdings, .max = max, .comes_before = has_more};
    *others = (struct queue_holding){.owner = OWNER_LOCAL};
    queue_enter(q);
    for (size_t i = 0; i < QUEUE_ACCOUNT_BUCKETS; i++) {
        for (const struct queue_account *account = LIST_FIRST(&q->accounts.buckets[i]);
             account != NULL; account = LIST_NEXT(account, entry)) {
            struct queue_holding holding = holding_of(account);
            if (!ranking_add(&ranking, &holding)) {
                others->messages += holding.messages;
                others->bytes += holding.bytes;
                others->disk += holding.disk;
            }
        }
    }
    queue_leave(q);
    return ranking.count;
}

/* --- the relay ------------------------------------------------------------------------------ */

void queue_relaying(struct queue *q, struct queue_relaying *relaying)
{
    queue_enter(q);
    *relaying = q->relaying;
    queue_leave(q);
}
