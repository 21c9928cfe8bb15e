/* dispatch: see dispatch.h. What is static here runs under the mutex. */
#include "gateway/queue/dispatch.h"

#include "gateway/queue/core.h"

#include <stdlib.h>

enum {
    NORMAL_RUN = 9,        /* normal messages for each low one while both wait */
    STEPS_MAX = 1000,      /* messages that one call makes due or expires: 0.3 ms */
    AMBIGUOUS_ENDS_MAX = 3 /* after so many a message goes to the tail */
};

/* The message whose turn it is, or NULL. With `group`, skips lanes whose head is not in it. */
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
    if (m->attempts < MESSAGE_ATTEMPTS_MAX) {
        m->attempts++;
    }
    m->is_unlooked = false;
    queue_move(q, m, PLACE_SENDING, QUEUE_TAIL, now_ms);
}

/* The first message in a lane that was not refused before, from one end; NULL = none nearby. */
static struct message *find_untried(const struct queue *q, int lane, enum queue_end end)
{
    struct message *m = end == QUEUE_TAIL ? q->places[lane].last : q->places[lane].first;
    for (size_t steps = STEPS_MAX; steps > 0 && m != NULL && m->refusals > 0; steps--) {
        m = end == QUEUE_TAIL ? m->prev : m->next;
    }
    return m != NULL && m->refusals == 0 ? m : NULL;
}

static struct message *find_for_probe(const struct queue *q, enum queue_probe which)
{
    struct message *m = NULL;
    for (int i = 0; which != PROBE_FIRST && m == NULL && i < QUEUE_LANES; i++) {
        m = which == PROBE_LAST ? find_untried(q, QUEUE_LANES - 1 - i, QUEUE_TAIL)
                                : find_untried(q, i, QUEUE_HEAD);
    }
    return m != NULL ? m : next_in_turn(q, NULL);
}

/* Ends a message that must not be sent any more. */
static bool is_ended(struct queue *q, struct message *m, int64_t now_ms)
{
    if (m->expires_ms <= now_ms) {
        queue_expire(q, m, now_ms);
        return true;
    }
    if (recipients_has(&q->refused, message_to(m))) {
        queue_set_reason(q, m, "the recipient has opted out");
        queue_conclude(q, m, END_REJECTED_OPTED_OUT, now_ms);
        return true;
    }
    return false;
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
        if (!is_ended(q, m, now_ms)) {
            group = m->group;
            m->is_from_tail = m->is_from_head = false;
            take(q, m, now_ms);
            out[taken++] = m;
        }
    }
    queue_leave(q);
    return taken;
}

size_t queue_take_probe(struct queue *q, enum queue_probe which, int64_t now_ms,
                        struct message **out)
{
    struct message *m = NULL;
    queue_enter(q);
    size_t steps = q->relaying.is_held ? 0 : STEPS_MAX;
    do {
        m = steps-- > 0 ? find_for_probe(q, which) : NULL;
    } while (m != NULL && is_ended(q, m, now_ms));
    if (m != NULL) {
        m->is_from_tail = which == PROBE_LAST;
        m->is_from_head = which == PROBE_FIRST;
        take(q, m, now_ms);
        *out = m;
    }
    queue_leave(q);
    return m != NULL ? 1 : 0;
}

/* Handles what in the heap is due by now. Returns how many of the steps are left. */
static size_t advance_heap(struct queue *q, size_t steps, int64_t now_ms)
{
    const struct queue_heap_slot *slot = queue_heap_first(&q->heap);
    while (steps > 0 && slot != NULL && slot->time_ms <= now_ms) {
        struct message *m = slot->message;
        if (m->state == MESSAGE_SCHEDULED) {
            queue_begin_life(m, slot->time_ms);
        }
        if (m->expires_ms <= now_ms) {
            queue_expire(q, m, now_ms);
        } else if (m->is_suspect) {
            queue_move_back(q, m, now_ms);
        } else {
            queue_move_to_lane(q, m, QUEUE_TAIL, now_ms);
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
    queue_forget_outdated(q, QUEUE_FORGET_STEPS, now_ms);
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
        .is_refused_gone = q->is_refused_gone,
        .suspects = q->places[PLACE_SUSPECT].count,
        .doubted = q->doubted,
        .next_due_ms = q->told_due_ms,
    };
    q->is_refused_gone = false;
    queue_leave(q);
}

static void settle_returned(struct queue *q, const struct queue_settlement *s, int64_t now_ms)
{
    struct message *m = s->message;
    m->group = s->group;
    m->attempts--;
    m->was_refused = m->was_refused || s->is_refused;
    m->is_unlooked = s->may_be_taken;
    if (s->due_ms > now_ms && queue_heap_reserve(&q->heap, 1 + q->arriving.timed)) {
        m->due_ms = s->due_ms;
        queue_move(q, m, PLACE_DEFERRED, QUEUE_TAIL, now_ms);
    } else {
        queue_move_to_lane(q, m, m->is_from_tail ? QUEUE_TAIL : QUEUE_HEAD, now_ms);
    }
}

/* Without room in the heap it can wait for others to pass, but not for a time: back to its lane. */
static void settle_suspect(struct queue *q, const struct queue_settlement *s, int64_t now_ms)
{
    struct message *m = s->message;
    if (!queue_heap_reserve(&q->heap, 1 + q->arriving.timed)) {
        settle_returned(q, s, now_ms);
        return;
    }
    m->group = s->group;
    m->attempts--;
    if (m->refusals < MESSAGE_REFUSALS_MAX) {
        m->refusals++;
    }
    m->is_unwelcome = s->is_unwelcome;
    m->is_unlooked = s->may_be_taken;
    m->due_ms = s->due_ms;
    queue_move(q, m, PLACE_SUSPECT, QUEUE_TAIL, now_ms);
}

/* Settles a message whose fate is known from the API's answer, or from its history. */
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
    if (m->ambiguous_ends < MESSAGE_ENDS_MAX) {
        m->ambiguous_ends++;
    }
    if (s->is_refused_alone && m->refusals < MESSAGE_REFUSALS_MAX) {
        m->refusals++;
    }
    m->was_refused = m->was_refused || s->is_refused;
    queue_set_doubts(q, m, m->doubts + 1U);
    m->may_be_sent = true;
    m->is_anchored = s->is_anchored;
    m->looks = 0;
    queue_move(q, m, PLACE_AMBIGUOUS, QUEUE_TAIL, now_ms);
}

/* A report came in while the message was being sent: so the API has it, whatever the answer. */
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
    case FATE_SUSPECT:
        settle_suspect(q, s, now_ms);
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
    for (size_t i = count; i > 0; i--) { /* each goes to the head: the first one last */
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

/* The message of a resolution; NULL if it is gone or no longer ambiguous. */
static struct message *find_ambiguous(const struct queue *q, const struct queue_resolution *r)
{
    struct message *m = queue_find(q, &r->id);
    return m != NULL && m->is_ambiguous ? m : NULL;
}

static bool goes_to_head(const struct message *m, const struct queue_resolution *r)
{
    return r->fate == FATE_RETURNED && m->ambiguous_ends < AMBIGUOUS_ENDS_MAX;
}

/* It was looked for and not found, which proves too little: it stays where it is. */
static void look_again(struct queue *q, struct message *m, const struct queue_resolution *r,
                       int64_t now_ms)
{
    queue_set_doubts(q, m, r->doubts);
    m->looks = r->looks;
    m->updated_ms = now_ms;
    queue_unsaved_add(&q->unsaved, m);
}

/* Ends it if its time is over, and sends it again otherwise. */
static void send_again(struct queue *q, struct message *m, const struct queue_resolution *r,
                       enum queue_end end, int64_t now_ms)
{
    queue_set_doubts(q, m, r->doubts);
    m->is_unlooked = false;
    m->may_be_sent = m->may_be_sent && !r->is_absent;
    if (message_answer_reason(m->answer)[0] != '\0') {
        queue_set_reason(q, m, ""); /* it spoke of the history */
    }
    if (m->expires_ms <= now_ms) {
        queue_expire(q, m, now_ms);
    } else {
        queue_move_to_lane(q, m, end, now_ms);
    }
}

static void resolve(struct queue *q, struct message *m, struct queue_resolution *r, int64_t now_ms)
{
    if (r->fate == FATE_AMBIGUOUS) {
        look_again(q, m, r, now_ms);
        return;
    }
    queue_swap_answer(q, m, &r->answer);
    if (r->fate == FATE_RETURNED) {
        send_again(q, m, r, goes_to_head(m, r) ? QUEUE_HEAD : QUEUE_TAIL, now_ms);
    } else {
        settle_known(q, m, r->fate, true, now_ms);
    }
}

void queue_resolve(struct queue *q, struct queue_resolution *resolutions, size_t count,
                   int64_t now_ms)
{
    queue_enter(q);
    for (size_t i = 0; i < count; i++) {
        struct message *m = find_ambiguous(q, &resolutions[i]);
        if (m != NULL && !goes_to_head(m, &resolutions[i])) {
            resolve(q, m, &resolutions[i], now_ms);
        }
    }
    for (size_t i = count; i > 0; i--) { /* each goes to the head: the first one last */
        struct message *m = find_ambiguous(q, &resolutions[i - 1]);
        if (m != NULL && goes_to_head(m, &resolutions[i - 1])) {
            resolve(q, m, &resolutions[i - 1], now_ms);
        }
    }
    queue_leave(q);
    for (size_t i = 0; i < count; i++) {
        free(resolutions[i].answer);
        resolutions[i].answer = NULL;
    }
}

static bool waits(const struct message *m)
{
    return m != NULL && !m->is_ambiguous && m->state != MESSAGE_SENDING &&
           !message_state_is_finished((enum message_state)m->state);
}

void queue_settle_shown(struct queue *q, struct queue_resolution *shown, size_t count,
                        int64_t now_ms)
{
    queue_enter(q);
    for (size_t i = 0; i < count; i++) {
        struct message *m = shown[i].fate == FATE_RELAYED ? queue_find(q, &shown[i].id) : NULL;
        if (waits(m)) {
            m->attempts = m->attempts > 0 ? m->attempts : 1; /* a refused one was not charged */
            queue_swap_answer(q, m, &shown[i].answer);
            settle_known(q, m, FATE_RELAYED, true, now_ms);
        } else {
            shown[i].fate = FATE_RETURNED;
        }
    }
    queue_leave(q);
    for (size_t i = 0; i < count; i++) {
        free(shown[i].answer);
        shown[i].answer = NULL;
    }
}

void queue_looked(struct queue *q, const struct ulid *ids, size_t count)
{
    queue_enter(q);
    for (size_t i = 0; i < count; i++) {
        struct message *m = queue_find(q, &ids[i]);
        if (m != NULL && m->is_unlooked) {
            m->is_unlooked = false;
            queue_unsaved_add(&q->unsaved, m);
        }
    }
    queue_leave(q);
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
