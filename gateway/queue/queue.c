/*
 * queue: see queue.h. Owns what intake and forwarder do to the queue: admitting submissions, whose
 * turn it is, and what becomes of what was sent. One message's ways are queue_core's, questions
 * queue_ask's. Any thread; what is static here runs under the mutex.
 */
#include "gateway/queue/core.h"

#include <stdlib.h>
#include <string.h>

enum {
    NORMAL_RUN = 9,        /* normal messages for each low one, where there are both */
    STEPS_MAX = 1000,      /* messages that one call makes due or ends for their time: 0.3 ms */
    FORGET_STEPS = 64,     /* finished messages that one call forgets for their age */
    AMBIGUOUS_ENDS_MAX = 3 /* a message that ended so often goes to the tail */
};

/* --- a queue's life ------------------------------------------------------------------------- */

struct queue *queue_new(const struct queue_options *options)
{
    struct queue *q = calloc(1, sizeof(*q));
    if (q == NULL) {
        return NULL;
    }
    q->options = *options;
    q->told_due_ms = QUEUE_NEVER;
    q->changes.event = options->first_event;
    bool is_good = queue_index_init(&q->by_id, offsetof(struct message, same_bucket),
                                    offsetof(struct message, id) + ULID_BYTES - sizeof(uint64_t));
    is_good = queue_refs_init(&q->refs) && is_good;
    q->changes.tells_settled = options->tells_settled;
    q->changes.past = options->recent_events > 0 ? queue_recent_new(options->recent_events) : NULL;
    is_good = is_good && (q->changes.past != NULL || options->recent_events == 0);
    q->api_ids = options->expects_reports ? queue_api_ids_new() : NULL;
    is_good = is_good && (q->api_ids != NULL || !options->expects_reports);
    if (!is_good || pthread_mutex_init(&q->mutex, NULL) != 0) {
        queue_index_free(&q->by_id);
        queue_refs_free(&q->refs);
        queue_api_ids_free(q->api_ids);
        queue_recent_free(q->changes.past);
        free(q);
        return NULL;
    }
    return q;
}

void queue_free(struct queue *q)
{
    if (q == NULL) {
        return;
    }
    for (int place = 0; place < QUEUE_PLACES; place++) {
        for (struct message *m = q->places[place].first, *next; m != NULL; m = next) {
            next = m->next;
            message_free(m);
        }
    }
    queue_events_clear(&q->changes);
    queue_heap_free(&q->heap);
    queue_index_free(&q->by_id);
    queue_refs_free(&q->refs);
    queue_api_ids_free(q->api_ids);
    queue_recent_free(q->changes.past);
    recipients_free(&q->refused);
    pthread_mutex_destroy(&q->mutex);
    free(q);
}

/* --- intake --------------------------------------------------------------------------------- */

static void forget_past(struct queue *q, size_t steps, int64_t now_ms)
{
    struct message *m = queue_first_finished(q);
    while (steps-- > 0 && m != NULL && queue_is_outdated(q, m, now_ms)) {
        queue_forget(q, m);
        m = queue_first_finished(q);
    }
}

static bool has_same_content(const struct message *a, const struct message *b)
{
    return a->allow_unicode == b->allow_unicode && a->text_len == b->text_len &&
           strcmp(message_from(a), message_from(b)) == 0 &&
           memcmp(message_text(a), message_text(b), a->text_len) == 0;
}

/* The message that holds the REF of `m`, or NULL. */
static struct message *find_holder(struct queue *q, const struct message *m, int64_t now_ms)
{
    struct message *holder = m->ref_len == 0 ? NULL : queue_refs_holder(&q->refs, m);
    while (holder != NULL) {
        if (queue_is_outdated(q, holder, now_ms)) {
            queue_forget(q, holder);
        } else if (message_has_mail_ref(holder) &&
                   ulid_time_ms(&holder->id) <= now_ms - MESSAGE_MAIL_REF_MS) {
            queue_refs_release(&q->refs, holder);
        } else {
            break;
        }
        holder = queue_refs_holder(&q->refs, m);
    }
    return holder;
}

static void add_demand(struct queue_demand *demand, const struct message *m)
{
    demand->messages++;
    demand->bytes += message_bytes(m);
    demand->timed += queue_look_at_ms(m) != QUEUE_NEVER;
}

/*
 * Fills the receipts of a submission and lets its messages claim their REFs, so that a duplicate
 * within it is seen too. Returns how many messages that was: fewer than it has after a conflict.
 */
static size_t claim_refs(struct queue *q, struct queue_submission *s, struct queue_demand *demand,
                         int64_t now_ms)
{
    for (size_t i = 0; i < s->count; i++) {
        struct message *m = s->messages[i];
        struct message *holder = find_holder(q, m, now_ms);
        if (holder != NULL && !has_same_content(m, holder)) {
            return i;
        }
        const struct message *told = holder != NULL ? holder : m;
        s->receipts[i] = (struct queue_receipt){
            .is_duplicate = holder != NULL,
            .id = told->id,
            .state = (enum message_state)told->state,
            .answer = message_answer_copy(told->answer),
        };
        if (holder != NULL) {
            continue;
        }
        add_demand(demand, m);
        if (m->ref_len != 0) {
            queue_refs_claim(&q->refs, m);
        }
    }
    return s->count;
}

/* Takes back what claim_refs did for the first `claimed` messages, and clears the receipts. */
static void unclaim_refs(struct queue *q, struct queue_submission *s, size_t claimed)
{
    for (size_t i = 0; i < claimed; i++) {
        free(s->receipts[i].answer);
        if (!s->receipts[i].is_duplicate && s->messages[i]->ref_len != 0) {
            queue_refs_remove(&q->refs, s->messages[i]);
        }
    }
    memset(s->receipts, 0, s->count * sizeof(*s->receipts));
}

/* Makes room by forgetting finished messages, if that is enough. */
static bool make_room(struct queue *q, const struct queue_demand *demand)
{
    const struct queue_demand *arriving = &q->arriving;
    size_t messages = demand->messages + arriving->messages;
    size_t bytes = demand->bytes + arriving->bytes;
    size_t unfinished_bytes = q->bytes - q->finished_bytes;
    if (queue_count(q, 0, QUEUE_UNFINISHED) + messages > q->options.max_messages ||
        unfinished_bytes + bytes > q->options.max_bytes ||
        !queue_heap_reserve(&q->heap, demand->timed + arriving->timed)) {
        return false;
    }
    while (q->bytes + bytes > q->options.max_bytes) {
        struct message *m = queue_first_finished(q);
        if (m == NULL) {
            return false; /* the store is about to learn of their end */
        }
        queue_forget(q, m);
    }
    return true;
}

/* The verdict on a submission; what it takes is counted as arriving. */
static enum queue_verdict prepare(struct queue *q, struct queue_submission *s, int64_t now_ms)
{
    struct queue_demand demand = {0, 0, 0};
    size_t claimed = claim_refs(q, s, &demand, now_ms);
    if (claimed < s->count || !make_room(q, &demand)) {
        unclaim_refs(q, s, claimed);
        return claimed < s->count ? QUEUE_REF_CONFLICT : QUEUE_FULL;
    }
    q->arriving.messages += demand.messages;
    q->arriving.bytes += demand.bytes;
    q->arriving.timed += demand.timed;
    return QUEUE_ACCEPTED;
}

/* Takes in what was prepared. */
static void admit(struct queue *q, struct queue_submission *s, int64_t now_ms)
{
    for (size_t i = 0; i < s->count; i++) {
        if (s->receipts[i].is_duplicate) {
            queue_doom(q, s->messages[i]);
        } else {
            queue_enlist(q, s->messages[i], now_ms);
        }
    }
}

/* Nothing that was prepared is arriving any more: it is here, or it will not come. */
static void end_arrival(struct queue *q, const struct queue_submission *s)
{
    struct queue_demand demand = {0, 0, 0};
    for (size_t i = 0; i < s->count; i++) {
        if (!s->receipts[i].is_duplicate) {
            add_demand(&demand, s->messages[i]);
        }
    }
    q->arriving.messages -= demand.messages;
    q->arriving.bytes -= demand.bytes;
    q->arriving.timed -= demand.timed;
}

void queue_prepare(struct queue *q, struct queue_submission *submissions, size_t count,
                   int64_t now_ms)
{
    size_t messages = 0;
    for (size_t i = 0; i < count; i++) {
        messages += submissions[i].count;
        for (size_t j = 0; j < submissions[i].count; j++) {
            if (submissions[i].messages[j]->ref_len != 0) {
                queue_refs_hash(&q->refs, submissions[i].messages[j]);
            }
        }
    }
    queue_enter(q);
    forget_past(q, FORGET_STEPS + 2 * messages, now_ms);
    for (size_t i = 0; i < count; i++) {
        submissions[i].verdict = prepare(q, &submissions[i], now_ms);
    }
    queue_leave(q);
}

void queue_admit(struct queue *q, struct queue_submission *submissions, size_t count,
                 bool is_stored, int64_t now_ms)
{
    queue_enter(q);
    for (size_t i = 0; i < count; i++) {
        struct queue_submission *s = &submissions[i];
        if (s->verdict != QUEUE_ACCEPTED) {
            continue;
        }
        end_arrival(q, s);
        if (is_stored) {
            admit(q, s, now_ms);
        } else {
            unclaim_refs(q, s, s->count);
            s->verdict = QUEUE_NOT_STORED;
        }
    }
    queue_leave(q);
}

void queue_add(struct queue *q, struct queue_submission *submissions, size_t count, int64_t now_ms)
{
    queue_prepare(q, submissions, count, now_ms);
    queue_admit(q, submissions, count, true, now_ms);
}

bool queue_restore(struct queue *q, struct message **messages, size_t count, int64_t now_ms)
{
    for (size_t i = 0; i < count; i++) {
        if (messages[i]->ref_len != 0) {
            queue_refs_hash(&q->refs, messages[i]);
        }
    }
    queue_enter(q);
    bool is_done = queue_heap_reserve(&q->heap, count);
    for (size_t i = 0; is_done && i < count; i++) {
        queue_reenlist(q, messages[i], now_ms);
    }
    struct message *finished = queue_first_finished(q);
    while (is_done && q->bytes > q->options.max_bytes && finished != NULL) {
        queue_forget(q, finished);
        finished = queue_first_finished(q);
    }
    queue_leave(q);
    return is_done;
}

/* --- forwarder ------------------------------------------------------------------------------ */

/*
 * The message whose turn it is: `high` first, then nine of `normal` to one of `low`. With `group`,
 * lanes whose head belongs to another group have nothing to give.
 */
static struct message *next_in_turn(const struct queue *q, const uint32_t *group)
{
    struct message *heads[QUEUE_LANES];
    for (int lane = 0; lane < QUEUE_LANES; lane++) {
        heads[lane] = q->places[lane].first;
        if (heads[lane] != NULL && group != NULL && heads[lane]->group != *group) {
            heads[lane] = NULL;
        }
    }
    if (heads[LANE_HIGH] != NULL) {
        return heads[LANE_HIGH];
    }
    bool is_low_due = heads[LANE_LOW] != NULL && q->normal_run >= NORMAL_RUN;
    return heads[LANE_NORMAL] != NULL && !is_low_due ? heads[LANE_NORMAL] : heads[LANE_LOW];
}

static void take(struct queue *q, struct message *m, int64_t now_ms)
{
    if (queue_lane_of(m) == LANE_NORMAL && q->normal_run < NORMAL_RUN) {
        q->normal_run++;
    } else if (queue_lane_of(m) == LANE_LOW) {
        q->normal_run = 0;
    }
    if (m->attempts < UINT16_MAX) {
        m->attempts++;
    }
    queue_move(q, m, PLACE_SENDING, QUEUE_TAIL, now_ms);
}

size_t queue_take(struct queue *q, size_t max, int64_t now_ms, struct message **out)
{
    size_t taken = 0;
    uint32_t group = 0;
    struct message *m;
    queue_enter(q);
    size_t steps = q->relaying.is_held ? 0 : max + STEPS_MAX;
    for (; taken < max && steps > 0; steps--) {
        m = next_in_turn(q, taken == 0 ? NULL : &group);
        if (m == NULL) {
            break;
        }
        if (m->expires_ms <= now_ms) {
            queue_expire(q, m, now_ms);
            continue;
        }
        if (recipients_has(&q->refused, message_to(m))) {
            queue_set_reason(q, m, "its recipient has opted out");
            queue_conclude(q, m, END_REJECTED_OPTED_OUT, now_ms);
            continue;
        }
        group = m->group;
        take(q, m, now_ms);
        out[taken++] = m;
    }
    queue_leave(q);
    return taken;
}

/* Does what the heap wants done by now. Returns how many of the steps are left. */
static size_t advance_heap(struct queue *q, size_t steps, int64_t now_ms)
{
    const struct queue_heap_slot *slot = queue_heap_first(&q->heap);
    while (steps > 0 && slot != NULL && slot->time_ms <= now_ms) {
        if (slot->message->expires_ms <= now_ms) {
            queue_expire(q, slot->message, now_ms);
        } else {
            queue_move_to_lane(q, slot->message, QUEUE_TAIL, now_ms);
        }
        steps--;
        slot = queue_heap_first(&q->heap);
    }
    return steps;
}

void queue_advance(struct queue *q, int64_t now_ms, struct queue_depth *depth)
{
    queue_enter(q);
    q->is_asleep = false;
    forget_past(q, FORGET_STEPS, now_ms);
    size_t steps = advance_heap(q, STEPS_MAX, now_ms);
    for (int lane = 0; lane < QUEUE_LANES; lane++) {
        struct message *m = q->places[lane].first;
        for (; steps > 0 && m != NULL && m->expires_ms <= now_ms; steps--) {
            queue_expire(q, m, now_ms);
            m = q->places[lane].first;
        }
    }
    const struct message *next = next_in_turn(q, NULL);
    q->told_due_ms = queue_next_due_ms(q, true);
    *depth = (struct queue_depth){
        .ready = {q->places[LANE_HIGH].count, q->places[LANE_NORMAL].count,
                  q->places[LANE_LOW].count},
        .is_held = q->relaying.is_held,
        .is_group_next = next != NULL && next->group != 0,
        .oldest_ms = queue_oldest_head_ms(q, 0, QUEUE_LANES),
        .next_due_ms = q->told_due_ms,
    };
    queue_leave(q);
}

static void settle_returned(struct queue *q, const struct queue_settlement *s, int64_t now_ms)
{
    struct message *m = s->message;
    m->group = s->group;
    m->attempts--;
    if (s->due_ms > now_ms && queue_heap_reserve(&q->heap, 1 + q->arriving.timed)) {
        m->due_ms = s->due_ms;
        queue_move(q, m, PLACE_DEFERRED, QUEUE_TAIL, now_ms);
    } else {
        queue_move_to_lane(q, m, QUEUE_HEAD, now_ms);
    }
}

/* Ends a message's time with the forwarder; the API's answer has told its fate, or its history. */
static void settle_known(struct queue *q, struct message *m, enum queue_fate fate, bool by_history,
                         int64_t now_ms)
{
    static const enum stats_end ends[][2] = {
        [FATE_RELAYED] = {END_RELAYED_API, END_RELAYED_HISTORY},
        [FATE_REJECTED] = {END_REJECTED_API, END_REJECTED_API},
        [FATE_UNRESOLVED] = {END_UNRESOLVED_HISTORY, END_UNRESOLVED_HISTORY},
    };
    queue_conclude(q, m, ends[fate][by_history], now_ms);
}

static void settle_ambiguous(struct queue *q, const struct queue_settlement *s, int64_t now_ms)
{
    struct message *m = s->message;
    m->group = s->group;
    if (m->ambiguous_ends < UINT8_MAX) {
        m->ambiguous_ends++;
    }
    queue_move(q, m, PLACE_AMBIGUOUS, QUEUE_TAIL, now_ms);
    m->may_be_sent = true;
}

/* A report came while it was being sent: the API has it, whatever became of the request. */
static void settle_reported(struct queue *q, const struct queue_settlement *s, int64_t now_ms)
{
    struct message *m = s->message;
    struct report report = message_report(m);
    const char *api_id = message_answer_api_id(s->answer);
    q->bytes -= message_bytes(m);
    message_set_report(m, api_id[0] == '\0' ? message_api_id(m) : api_id, "", &report);
    q->bytes += message_bytes(m);
    queue_conclude(q, m, END_RELAYED_REPORT, now_ms);
}

static void settle(struct queue *q, struct queue_settlement *s, int64_t now_ms)
{
    if (s->message->has_report) {
        settle_reported(q, s, now_ms);
        return;
    }
    queue_swap_answer(q, s->message, &s->answer);
    switch (s->fate) {
    case FATE_RETURNED:
        settle_returned(q, s, now_ms);
        break;
    case FATE_AMBIGUOUS:
        settle_ambiguous(q, s, now_ms);
        break;
    case FATE_RELAYED:
    case FATE_REJECTED:
    case FATE_UNRESOLVED:
        settle_known(q, s->message, s->fate, false, now_ms);
        break;
    }
}

void queue_settle(struct queue *q, struct queue_settlement *settlements, size_t count,
                  int64_t now_ms)
{
    queue_enter(q);
    for (size_t i = 0; i < count; i++) {
        if (settlements[i].fate != FATE_RETURNED) {
            settle(q, &settlements[i], now_ms);
        }
    }
    for (size_t i = count; i > 0; i--) { /* each to the head: the first one last */
        if (settlements[i - 1].fate == FATE_RETURNED) {
            settle(q, &settlements[i - 1], now_ms);
        }
    }
    queue_leave(q);
    for (size_t i = 0; i < count; i++) {
        free(settlements[i].answer);
        settlements[i].answer = NULL;
    }
}

/* The ambiguous message of a resolution, or NULL when it is gone or not ambiguous any more. */
static struct message *find_ambiguous(const struct queue *q, const struct queue_resolution *r)
{
    struct message *m = queue_find(q, &r->id);
    return m != NULL && m->is_ambiguous ? m : NULL;
}

void queue_resolve(struct queue *q, struct queue_resolution *resolutions, size_t count,
                   int64_t now_ms)
{
    queue_enter(q);
    for (size_t i = 0; i < count; i++) {
        struct queue_resolution *r = &resolutions[i];
        struct message *m = find_ambiguous(q, r);
        if (m == NULL) {
            continue;
        }
        if (r->fate == FATE_UNRESOLVED && !m->may_be_sent) {
            r->fate = FATE_RETURNED; /* it was only to be made sure of, after a restart */
            free(r->answer);
            r->answer = NULL;
        }
        queue_swap_answer(q, m, &r->answer);
        if (r->fate != FATE_RETURNED) {
            settle_known(q, m, r->fate, true, now_ms);
        } else if (m->ambiguous_ends >= AMBIGUOUS_ENDS_MAX) {
            queue_move_to_lane(q, m, QUEUE_TAIL, now_ms);
        }
    }
    for (size_t i = count; i > 0; i--) { /* each to the head: the first one last */
        struct message *m = find_ambiguous(q, &resolutions[i - 1]);
        if (m != NULL && resolutions[i - 1].fate == FATE_RETURNED) {
            queue_move_to_lane(q, m, QUEUE_HEAD, now_ms);
        }
    }
    queue_leave(q);
    for (size_t i = 0; i < count; i++) {
        free(resolutions[i].answer);
        resolutions[i].answer = NULL;
    }
}

bool queue_sleep(struct queue *q, size_t ready, bool on_high)
{
    queue_enter(q);
    q->wake_ready = ready;
    q->wake_on_high = on_high;
    q->is_asleep = !queue_is_wake_due(q);
    bool is_awake = !q->is_asleep;
    queue_leave(q);
    return is_awake;
}
