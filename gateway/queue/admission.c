/* admission: see admission.h. What is static here runs under the mutex. */
#include "gateway/queue/admission.h"

#include "gateway/queue/core.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool has_same_content(const struct message *a, const struct message *b)
{
    return a->allow_unicode == b->allow_unicode && a->text_len == b->text_len &&
           strcmp(message_from(a), message_from(b)) == 0 &&
           memcmp(message_text(a), message_text(b), a->text_len) == 0;
}

/* The message that holds the REF of `m` for its recipient, or NULL. Ends holds that are over. */
static struct message *find_holder(struct queue *q, const struct message *m, int64_t now_ms)
{
    struct message *holder;
    while ((holder = queue_refs_holder(&q->refs, m)) != NULL) {
        if (queue_is_outdated(q, holder, now_ms)) {
            queue_forget(q, holder);
        } else if (message_has_mail_ref(holder) &&
                   ulid_time_ms(&holder->id) <= now_ms + q->clock_offset_ms - MESSAGE_MAIL_REF_MS) {
            queue_refs_release(&q->refs, holder);
        } else {
            break;
        }
    }
    return holder;
}

static void add_demand(const struct queue *q, struct queue_demand *demand, const struct message *m)
{
    demand->messages++;
    demand->bytes += message_bytes(m);
    demand->timed += queue_look_at_ms(q, m) != QUEUE_NEVER;
    demand->disk += queue_account_disk(m);
}

/*
 * Fills the receipts of a submission and claims its REFs, so that a duplicate within it is found
 * too. Returns how many of its messages that was: fewer than all if one is in conflict.
 */
static size_t claim_refs(struct queue *q, struct queue_submission *s, int64_t now_ms)
{
    s->demand = (struct queue_demand){0};
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
        add_demand(q, &s->demand, m);
        queue_refs_claim(&q->refs, m);
    }
    return s->count;
}

/* Undoes claim_refs for the first `claimed` messages, and clears the receipts. */
static void unclaim_refs(struct queue *q, struct queue_submission *s, size_t claimed)
{
    for (size_t i = 0; i < claimed; i++) {
        free(s->receipts[i].answer);
        if (!s->receipts[i].is_duplicate) {
            queue_refs_remove(&q->refs, s->messages[i]);
        }
    }
    memset(s->receipts, 0, s->count * sizeof(*s->receipts));
}

/* Reserves room, forgetting finished messages if need be. Returns false if there is too little. */
static bool make_room(struct queue *q, const struct queue_demand *demand)
{
    const struct queue_demand *arriving = &q->arriving;
    size_t messages = demand->messages + arriving->messages;
    size_t bytes = demand->bytes + arriving->bytes;
    const struct queue_limits *limits = &q->limits;
    if (queue_count(q, 0, QUEUE_UNFINISHED) + messages > limits->messages ||
        q->bytes - q->finished_bytes + bytes > limits->bytes || bytes > q->room ||
        !queue_heap_reserve(&q->heap, demand->timed + arriving->timed)) {
        return false;
    }
    while (q->bytes + bytes > q->options.max_bytes) {
        struct message *m = queue_first_finished(q);
        if (m == NULL) {
            /* The rest cannot be forgotten before the store has written it. */
            return q->bytes + bytes <= limits->bytes;
        }
        queue_forget(q, m);
    }
    return true;
}

/* Charges a submission to its owner. Unless ACCEPTED, nothing is charged. */
static enum queue_verdict charge(struct queue *q, const struct queue_submission *s)
{
    int32_t owner = s->messages[0]->owner;
    const struct queue_account *account = queue_account_charge(&q->accounts, owner, &s->demand);
    if (account == NULL) {
        return QUEUE_FULL;
    }
    if (queue_account_is_over(account, &q->limits)) {
        queue_account_return(&q->accounts, owner, &s->demand);
        return QUEUE_OWNER_FULL;
    }
    return QUEUE_ACCEPTED;
}

/* Between queue_prepare and queue_admit a submission counts as arriving. */
static void begin_arrival(struct queue *q, const struct queue_demand *demand)
{
    q->arriving.messages += demand->messages;
    q->arriving.bytes += demand->bytes;
    q->arriving.timed += demand->timed;
}

static void end_arrival(struct queue *q, const struct queue_demand *demand)
{
    q->arriving.messages -= demand->messages;
    q->arriving.bytes -= demand->bytes;
    q->arriving.timed -= demand->timed;
}

/* Gives the verdict on a submission; if ACCEPTED, counts it as arriving. */
static enum queue_verdict prepare(struct queue *q, struct queue_submission *s, int64_t now_ms)
{
    size_t claimed = claim_refs(q, s, now_ms);
    enum queue_verdict verdict = claimed < s->count         ? QUEUE_REF_CONFLICT
                                 : s->demand.messages == 0  ? QUEUE_ACCEPTED
                                 : make_room(q, &s->demand) ? charge(q, s)
                                                            : QUEUE_FULL;
    if (verdict != QUEUE_ACCEPTED) {
        unclaim_refs(q, s, claimed);
        return verdict;
    }
    begin_arrival(q, &s->demand);
    return QUEUE_ACCEPTED;
}

static void admit(struct queue *q, struct queue_submission *s, int64_t now_ms)
{
    for (size_t i = 0; i < s->count; i++) {
        if (s->receipts[i].is_duplicate) {
            queue_doom(q, s->messages[i]);
        } else {
            queue_enlist(q, s->messages[i], s->clock_offset_ms, now_ms);
        }
    }
}

void queue_prepare(struct queue *q, struct queue_submission *submissions, size_t count,
                   int64_t now_ms)
{
    size_t messages = 0;
    for (size_t i = 0; i < count; i++) {
        messages += submissions[i].count;
        for (size_t j = 0; j < submissions[i].count; j++) {
            queue_refs_hash(&q->refs, submissions[i].messages[j]);
        }
    }
    queue_enter(q);
    queue_forget_outdated(q, QUEUE_FORGET_STEPS + 2 * messages, now_ms);
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
        end_arrival(q, &s->demand);
        if (is_stored) {
            admit(q, s, now_ms);
        } else {
            if (s->demand.messages > 0) {
                queue_account_return(&q->accounts, s->messages[0]->owner, &s->demand);
            }
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

void queue_recall(struct queue *q, struct message **messages, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        queue_refs_hash(&q->refs, messages[i]);
    }
    queue_enter(q);
    for (size_t i = 0; i < count; i++) {
        struct message *m = messages[i];
        if (queue_find(q, &m->id) != NULL || queue_refs_holder(&q->refs, m) != NULL) {
            queue_doom(q, m);
        } else {
            queue_recollect(q, m);
        }
    }
    queue_leave(q);
}

void queue_set_room(struct queue *q, size_t bytes, const char *trouble)
{
    queue_enter(q);
    q->room = bytes;
    snprintf(q->trouble, sizeof(q->trouble), "%s", trouble);
    queue_leave(q);
}

void queue_disk_freed(struct queue *q, int32_t owner, size_t bytes)
{
    queue_enter(q);
    queue_account_free_disk(&q->accounts, owner, bytes);
    queue_leave(q);
}

bool queue_is_in_trouble(struct queue *q, char trouble[QUEUE_REASON_SIZE])
{
    queue_enter(q);
    memcpy(trouble, q->trouble, sizeof(q->trouble));
    queue_leave(q);
    return trouble[0] != '\0';
}

bool queue_restore(struct queue *q, struct message **messages, size_t count, int64_t now_ms)
{
    for (size_t i = 0; i < count; i++) {
        queue_refs_hash(&q->refs, messages[i]);
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
