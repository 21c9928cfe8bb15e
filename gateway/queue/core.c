/* core: see core.h. */
#include "gateway/queue/core.h"

#include "gateway/base/int64.h"

#include <stdlib.h>
#include <string.h>

static const enum message_state state_of_place[QUEUE_PLACES] = {
    [LANE_HIGH] = MESSAGE_QUEUED,
    [LANE_NORMAL] = MESSAGE_QUEUED,
    [LANE_LOW] = MESSAGE_QUEUED,
    [PLACE_SCHEDULED] = MESSAGE_SCHEDULED,
    [PLACE_SENDING] = MESSAGE_SENDING,
    [PLACE_DEFERRED] = MESSAGE_DEFERRED,
    [PLACE_AMBIGUOUS] = MESSAGE_DEFERRED,
    [PLACE_SUSPECT] = MESSAGE_DEFERRED,
    [PLACE_UNRESOLVED] = MESSAGE_UNRESOLVED,
    [PLACE_RELAYED] = MESSAGE_RELAYED,
    [PLACE_REJECTED] = MESSAGE_REJECTED,
    [PLACE_EXPIRED] = MESSAGE_EXPIRED,
    [PLACE_CANCELED] = MESSAGE_CANCELED,
};

static void chain_insert(struct queue_chain *chain, struct message *m, enum queue_end end)
{
    m->prev = end == QUEUE_HEAD ? NULL : chain->last;
    m->next = end == QUEUE_HEAD ? chain->first : NULL;
    *(m->prev == NULL ? &chain->first : &m->prev->next) = m;
    *(m->next == NULL ? &chain->last : &m->next->prev) = m;
    chain->count++;
}

static void chain_remove(struct queue_chain *chain, struct message *m)
{
    *(m->prev == NULL ? &chain->first : &m->prev->next) = m->next;
    *(m->next == NULL ? &chain->last : &m->next->prev) = m->prev;
    chain->count--;
}

enum message_state queue_place_state(enum queue_place place)
{
    return state_of_place[place];
}

enum queue_place queue_lane_of(const struct message *m)
{
    return (enum queue_place)m->priority;
}

static enum queue_place place_of(const struct message *m)
{
    static const enum queue_place place_of_state[MESSAGE_STATES] = {
        [MESSAGE_SCHEDULED] = PLACE_SCHEDULED, [MESSAGE_SENDING] = PLACE_SENDING,
        [MESSAGE_DEFERRED] = PLACE_DEFERRED,   [MESSAGE_UNRESOLVED] = PLACE_UNRESOLVED,
        [MESSAGE_RELAYED] = PLACE_RELAYED,     [MESSAGE_REJECTED] = PLACE_REJECTED,
        [MESSAGE_EXPIRED] = PLACE_EXPIRED,     [MESSAGE_CANCELED] = PLACE_CANCELED,
    };
    if (m->state == MESSAGE_QUEUED) {
        return queue_lane_of(m);
    }
    if (m->state == MESSAGE_DEFERRED && m->is_suspect) {
        return PLACE_SUSPECT;
    }
    return m->is_ambiguous ? PLACE_AMBIGUOUS : place_of_state[m->state];
}

size_t queue_count(const struct queue *q, int first, int end)
{
    size_t count = 0;
    for (int place = first; place < end; place++) {
        count += q->places[place].count;
    }
    return count;
}

/* --- the mutex, and the callbacks after it --------------------------------------------------- */

int64_t queue_next_due_ms(const struct queue *q, bool with_lanes)
{
    const struct queue_heap_slot *slot = queue_heap_first(&q->heap);
    int64_t due_ms = slot == NULL ? QUEUE_NEVER : slot->time_ms;
    for (int lane = 0; with_lanes && lane < QUEUE_LANES; lane++) {
        const struct message *m = q->places[lane].first;
        if (m != NULL && m->expires_ms < due_ms) {
            due_ms = m->expires_ms;
        }
    }
    return due_ms;
}

/* Only a forwarder that waits for no messages has to wake for an expiry in a lane: any other wakes
 * long before. */
bool queue_is_wake_due(const struct queue *q)
{
    return (q->wake_ready > 0 && queue_count(q, 0, QUEUE_LANES) >= q->wake_ready) ||
           (q->wake_on_high && q->places[LANE_HIGH].count > 0) || q->is_refused_gone ||
           queue_next_due_ms(q, q->wake_ready == 0) < q->told_due_ms;
}

void queue_enter(struct queue *q)
{
    pthread_mutex_lock(&q->mutex);
}

void queue_leave(struct queue *q)
{
    bool wakes = q->is_asleep && queue_is_wake_due(q);
    bool notifies = q->feed.count > 0 && !q->feed.is_told;
    bool stores = q->unsaved.first != NULL && !q->unsaved.is_told;
    struct message *doomed = q->doomed;
    bool has_endings = q->endings.list != NULL;
    struct queue_endings endings;
    if (has_endings) {
        endings = q->endings;
        q->endings = (struct queue_endings){.list = NULL};
    }
    q->is_asleep = q->is_asleep && !wakes;
    q->feed.is_told = q->feed.is_told || notifies;
    q->unsaved.is_told = q->unsaved.is_told || stores;
    q->doomed = NULL;
    pthread_mutex_unlock(&q->mutex);

    if (wakes && q->options.wake_forwarder != NULL) {
        q->options.wake_forwarder(q->options.wake_arg);
    }
    if (notifies && q->options.notify_events != NULL) {
        q->options.notify_events(q->options.notify_arg);
    }
    if (stores && q->options.wake_store != NULL) {
        q->options.wake_store(q->options.store_arg);
    }
    if (has_endings) {
        queue_endings_log(&endings);
    }
    while (doomed != NULL) {
        struct message *next = doomed->next;
        message_free(doomed);
        doomed = next;
    }
}

void queue_doom(struct queue *q, struct message *m)
{
    m->next = q->doomed;
    q->doomed = m;
}

/* --- one message ---------------------------------------------------------------------------- */

struct message *queue_find(const struct queue *q, const struct ulid *id)
{
    uint64_t hash; /* the random part of the id */
    memcpy(&hash, id->bytes + ULID_BYTES - sizeof(hash), sizeof(hash));
    struct message *m = queue_index_first(&q->by_id, hash);
    while (m != NULL && memcmp(m->id.bytes, id->bytes, ULID_BYTES) != 0) {
        m = queue_index_next(&q->by_id, m);
    }
    return m;
}

struct message *queue_find_visible(const struct queue *q, const struct ulid *id, int32_t owner,
                                   bool sees_all)
{
    struct message *m = queue_find(q, id);
    return m != NULL && (sees_all || m->owner == owner) ? m : NULL;
}

/*
 * Whether the API has an ambiguous message is for the history to tell, also after its time. When
 * nobody has been able to ask for so long, it is given up.
 */
static int64_t given_up_ms(const struct message *m)
{
    int64_t since_ms = int64_max(m->expires_ms, m->updated_ms);
    return since_ms == QUEUE_NEVER ? QUEUE_NEVER : since_ms + QUEUE_LOOKED_FOR_MS;
}

int64_t queue_look_at_ms(const struct queue *q, const struct message *m)
{
    if (m->is_ambiguous) {
        return given_up_ms(m);
    }
    switch ((enum message_state)m->state) {
    case MESSAGE_QUEUED:
        return m->has_ttl ? m->expires_ms : QUEUE_NEVER;
    case MESSAGE_SCHEDULED:
        return m->due_ms - q->clock_offset_ms;
    case MESSAGE_DEFERRED:
        return m->due_ms != 0 && m->due_ms < m->expires_ms ? m->due_ms : m->expires_ms;
    case MESSAGE_SENDING:
    case MESSAGE_UNRESOLVED:
    case MESSAGE_RELAYED:
    case MESSAGE_REJECTED:
    case MESSAGE_EXPIRED:
    case MESSAGE_CANCELED:
        break;
    }
    return QUEUE_NEVER;
}

int64_t queue_due_unix_ms(const struct queue *q, const struct message *m)
{
    bool is_steady = m->state == MESSAGE_DEFERRED && m->due_ms != 0;
    return m->due_ms + (is_steady ? q->clock_offset_ms : 0);
}

/* Puts a message in the list of its state, and in the heap if it waits for a time. */
static void put_in_place(struct queue *q, struct message *m, enum queue_end end)
{
    chain_insert(&q->places[place_of(m)], m, end);
    int64_t time_ms = queue_look_at_ms(q, m);
    if (time_ms != QUEUE_NEVER) {
        /* Cannot fail for AT and deferral, which reserve room. A failure costs no more than a
         * late expiry, when the message is taken. */
        (void)queue_heap_insert(&q->heap, m, time_ms);
    }
    queue_feed_note(&q->feed, m);
}

void queue_enlist(struct queue *q, struct message *m, int64_t offset_ms, int64_t now_ms)
{
    if (m->state != MESSAGE_SCHEDULED && m->expires_ms != QUEUE_NEVER) {
        m->expires_ms -= offset_ms;
    }
    queue_index_insert(&q->by_id, m);
    q->bytes += message_bytes(m);
    m->updated_ms = now_ms;
    put_in_place(q, m, QUEUE_TAIL);
}

/* From the Unix times of the store. Does it still wait for its AT? */
static bool take_times(const struct queue *q, struct message *m, int64_t now_ms)
{
    m->updated_ms -= q->clock_offset_ms;
    if (m->state == MESSAGE_SCHEDULED && m->due_ms - q->clock_offset_ms > now_ms) {
        return true;
    }
    if (m->expires_ms != QUEUE_NEVER) {
        /* If the clock was set back, it has the time that it had at first, and no more. */
        int64_t ahead_ms = ulid_time_ms(&m->id) - q->clock_offset_ms - now_ms;
        m->expires_ms -= q->clock_offset_ms + int64_max(ahead_ms, 0);
    }
    m->due_ms -= m->due_ms == 0 ? 0 : q->clock_offset_ms;
    return false;
}

/* Makes a message of an earlier run ambiguous, as queue_restore says. */
static void doubt(struct message *m, int64_t now_ms)
{
    enum message_state state = (enum message_state)m->state;
    if (message_state_is_finished(state) || state == MESSAGE_UNRESOLVED) {
        return;
    }
    if (state == MESSAGE_SENDING && m->doubts < MESSAGE_DOUBTS_MAX) {
        m->doubts++;
    }
    /* A scan would leave out what is dated after now: the clock may have been set back. */
    m->updated_ms = m->updated_ms < now_ms ? m->updated_ms : now_ms;
    m->state = MESSAGE_DEFERRED;
    m->is_ambiguous = m->may_be_sent = true;
    m->due_ms = 0;
}

/* Is it one of the messages that queue.doubted counts? */
static bool is_doubted(const struct message *m)
{
    return m->doubts > 0 && place_of(m) < PLACE_UNRESOLVED;
}

void queue_set_doubts(struct queue *q, struct message *m, unsigned doubts)
{
    q->doubted -= is_doubted(m);
    m->doubts = (doubts < MESSAGE_DOUBTS_MAX ? doubts : MESSAGE_DOUBTS_MAX) & MESSAGE_DOUBTS_MAX;
    q->doubted += is_doubted(m);
}

static void release_ref(struct queue *q, const struct message *m)
{
    if (message_frees_ref(m)) {
        queue_refs_release(&q->refs, m);
    }
}

void queue_reenlist(struct queue *q, struct message *m, int64_t now_ms)
{
    if (!take_times(q, m, now_ms)) {
        doubt(m, now_ms);
    }
    q->doubted += is_doubted(m);
    queue_refs_claim(&q->refs, m);
    queue_index_insert(&q->by_id, m);
    q->bytes += message_bytes(m);
    if (!message_state_is_finished((enum message_state)m->state)) {
        queue_account_restore(&q->accounts, m);
    }
    q->feed.tells_settled = false; /* the earlier run has told it */
    put_in_place(q, m, QUEUE_TAIL);
    q->feed.tells_settled = q->options.tells_settled;
    if (m->is_ambiguous && m->heap_index != MESSAGE_NOT_IN_HEAP) {
        /* Its time may be long over, but nobody has had a chance to ask the history. */
        queue_heap_remove(&q->heap, m);
        (void)queue_heap_insert(&q->heap, m,
                                int64_max(given_up_ms(m), now_ms + QUEUE_LOOKED_FOR_MS));
    }
    release_ref(q, m);
    if (message_state_is_finished((enum message_state)m->state)) {
        queue_release(q, m);
    } else if (m->has_report) {
        queue_conclude(q, m, END_RELAYED_REPORT, now_ms);
    }
}

void queue_recollect(struct queue *q, struct message *m)
{
    m->updated_ms -= q->clock_offset_ms;
    queue_refs_claim(&q->refs, m);
    queue_index_insert(&q->by_id, m);
    chain_insert(&q->places[place_of(m)], m, QUEUE_TAIL);
    q->bytes += message_bytes(m);
    q->finished_bytes += message_bytes(m);
}

void queue_forget(struct queue *q, struct message *m)
{
    chain_remove(&q->places[place_of(m)], m);
    queue_index_remove(&q->by_id, m);
    queue_refs_remove(&q->refs, m);
    q->bytes -= message_bytes(m);
    q->finished_bytes -= message_bytes(m);
    queue_doom(q, m);
}

void queue_move(struct queue *q, struct message *m, enum queue_place to, enum queue_end end,
                int64_t now_ms)
{
    bool was_finished = message_state_is_finished((enum message_state)m->state);
    chain_remove(&q->places[place_of(m)], m);
    queue_heap_remove(&q->heap, m);
    q->doubted -= is_doubted(m);
    m->state = state_of_place[to] & 0xF;
    m->is_ambiguous = to == PLACE_AMBIGUOUS;
    m->is_suspect = to == PLACE_SUSPECT;
    q->doubted += is_doubted(m);
    m->may_be_sent = m->may_be_sent && ((int)to < QUEUE_UNFINISHED || to == PLACE_CANCELED);
    m->updated_ms = now_ms;
    if (to == PLACE_RELAYED && q->api_ids != NULL && message_api_id(m)[0] != '\0') {
        queue_api_ids_add(q->api_ids, message_api_id(m), &m->id);
    }
    put_in_place(q, m, end);
    queue_unsaved_add(&q->unsaved, m);
    if (!message_state_is_finished(state_of_place[to])) {
        return;
    }
    if (!was_finished) {
        queue_account_finish(&q->accounts, m,
                             message_ended_unsent(state_of_place[to], m->attempts, m->may_be_sent));
    }
    release_ref(q, m);
    if (!m->is_durable) {
        queue_release(q, m);
    }
}

void queue_conclude(struct queue *q, struct message *m, enum stats_end end, int64_t now_ms)
{
    static const enum queue_place place_of_end[STATS_ENDS] = {
        [END_RELAYED_API] = PLACE_RELAYED,           [END_RELAYED_HISTORY] = PLACE_RELAYED,
        [END_RELAYED_REPORT] = PLACE_RELAYED,        [END_REJECTED_API] = PLACE_REJECTED,
        [END_REJECTED_OPTED_OUT] = PLACE_REJECTED,   [END_EXPIRED_TTL] = PLACE_EXPIRED,
        [END_EXPIRED_MAX_AGE] = PLACE_EXPIRED,       [END_CANCELED] = PLACE_CANCELED,
        [END_UNRESOLVED_HISTORY] = PLACE_UNRESOLVED, [END_UNRESOLVED_EXPIRED] = PLACE_UNRESOLVED,
    };
    if (q->options.stats != NULL) {
        stats_count_end(q->options.stats, end);
    }
    queue_endings_note(&q->endings, m, end);
    queue_move(q, m, place_of_end[end], QUEUE_TAIL, now_ms);
}

/* A finished durable message is in the store, but its REF has to be found here. */
void queue_release(struct queue *q, struct message *m)
{
    size_t max_bytes = q->options.max_finished_bytes;
    q->finished_bytes += message_bytes(m);
    if (q->options.retention_ms == 0 && m->is_durable) {
        queue_account_forget_row(&q->accounts, m);
    }
    if (q->options.retention_ms == 0 || (m->is_durable && m->ref_len == 0)) {
        queue_forget(q, m);
    }
    struct message *first = NULL;
    while (max_bytes > 0 && q->finished_bytes > max_bytes &&
           (first = queue_first_finished(q)) != NULL) {
        queue_forget(q, first);
    }
}

void queue_begin_life(struct message *m, int64_t time_ms)
{
    m->expires_ms = time_ms + (m->expires_ms - m->due_ms);
}

void queue_move_to_lane(struct queue *q, struct message *m, enum queue_end end, int64_t now_ms)
{
    m->due_ms = 0;
    queue_move(q, m, queue_lane_of(m), end, now_ms);
}

/* Moves a message from the end of a chain inwards, past all that were refused before. */
static void pass_refused(struct queue_chain *chain, struct message *m, enum queue_end end)
{
    struct message *at = m;
    chain_remove(chain, m);
    do {
        at = end == QUEUE_HEAD ? at->next : at->prev;
    } while (at != NULL && at->refusals > 0);
    m->next = end == QUEUE_HEAD ? at : at == NULL ? chain->first : at->next;
    m->prev = end == QUEUE_TAIL ? at : at == NULL ? chain->last : at->prev;
    *(m->prev == NULL ? &chain->first : &m->prev->next) = m;
    *(m->next == NULL ? &chain->last : &m->next->prev) = m;
    chain->count++;
}

void queue_move_back(struct queue *q, struct message *m, int64_t now_ms)
{
    enum queue_end end = m->is_from_tail ? QUEUE_TAIL : QUEUE_HEAD;
    queue_move_to_lane(q, m, end, now_ms);
    if (!m->is_from_head) {
        pass_refused(&q->places[queue_lane_of(m)], m, end);
    }
}

void queue_recall_suspects(struct queue *q, int64_t now_ms)
{
    struct message *m;
    while ((m = q->places[PLACE_SUSPECT].first) != NULL) {
        queue_set_reason(q, m, "");
        queue_move_back(q, m, now_ms);
    }
}

void queue_swap_answer(struct queue *q, struct message *m, char **answer)
{
    if (*answer != NULL) {
        char *old = m->answer;
        q->bytes -= message_bytes(m);
        m->answer = *answer;
        m->has_report = false; /* it was part of the old answer */
        q->bytes += message_bytes(m);
        *answer = old;
    }
}

void queue_set_reason(struct queue *q, struct message *m, const char *reason)
{
    char *answer = message_answer_new(message_api_id(m), reason);
    queue_swap_answer(q, m, &answer);
    free(answer);
}

void queue_expire(struct queue *q, struct message *m, int64_t now_ms)
{
    if (m->may_be_sent) {
        queue_set_reason(q, m, "expired while it was unknown whether the API has it");
        queue_conclude(q, m, END_UNRESOLVED_EXPIRED, now_ms);
    } else {
        queue_set_reason(q, m,
                         m->doubts > 0 ? "expired, and the API's history does not show it"
                                       : "expired before it was sent");
        queue_conclude(q, m, m->has_ttl ? END_EXPIRED_TTL : END_EXPIRED_MAX_AGE, now_ms);
    }
}

bool queue_is_outdated(const struct queue *q, const struct message *m, int64_t now_ms)
{
    return message_state_is_finished((enum message_state)m->state) && m->saving == MESSAGE_SAVED &&
           now_ms - m->updated_ms >= q->options.retention_ms;
}

struct message *queue_first_finished(const struct queue *q)
{
    struct message *first = NULL;
    for (int place = QUEUE_UNFINISHED; place < QUEUE_PLACES; place++) {
        struct message *m = q->places[place].first;
        bool is_free = m != NULL && m->saving == MESSAGE_SAVED;
        if (is_free && (first == NULL || m->updated_ms < first->updated_ms)) {
            first = m;
        }
    }
    return first;
}

void queue_forget_outdated(struct queue *q, size_t steps, int64_t now_ms)
{
    struct message *m = queue_first_finished(q);
    while (steps-- > 0 && m != NULL && queue_is_outdated(q, m, now_ms)) {
        queue_forget(q, m);
        m = queue_first_finished(q);
    }
}
