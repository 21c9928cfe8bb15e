/*
 * queue: states, turns, groups, REFs, times, bounds, wake-ups and watching, as intake and the
 * forwarder see them. Times are small numbers of milliseconds; ids take a mixed counter for random.
 */
#include "gateway/base/log.h"
#include "gateway/queue/admission.h"
#include "gateway/queue/ask.h"
#include "gateway/queue/control.h"
#include "gateway/queue/dispatch.h"
#include "gateway/queue/events.h"
#include "gateway/queue/jumps.h"
#include "gateway/queue/queue.h"
#include "gateway/queue/suspects.h"

#include <criterion/criterion.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define COUNT(table) (sizeof(table) / sizeof((table)[0]))

enum { FAR = 1000000 }; /* when messages expire unless a test says otherwise */

/* --- helpers -------------------------------------------------------------------------------- */

static struct queue *q;
static unsigned wakes, notifies;

static void count_call(void *arg)
{
    ++*(unsigned *)arg;
}

static struct queue *new_queue(size_t max_messages, size_t max_bytes, int64_t retention_ms)
{
    struct queue_options options = {
        .max_messages = max_messages,
        .max_bytes = max_bytes,
        .retention_ms = retention_ms,
        .wake_forwarder = count_call,
        .wake_arg = &wakes,
        .notify_events = count_call,
        .notify_arg = &notifies,
    };
    wakes = notifies = 0;
    struct queue *queue = queue_new(&options);
    cr_assert_not_null(queue);
    return queue;
}

static void setup(void)
{
    log_open(LOG_ERROR, LOG_LOGFMT, LOG_MASK);
    q = new_queue(100000, 100000000, FAR);
}

static void teardown(void)
{
    queue_free(q);
}

/* What a test may choose of a message; all zeros make a plain one of high priority. */
struct spec {
    enum message_priority priority;
    int64_t due_ms, expires_ms; /* expires_ms != 0: it has a TTL */
    const char *ref, *to, *text, *from;
    int32_t owner;
    bool allow_unicode;
};

/* Each message is a millisecond younger than the one before. */
static struct message *make(const struct spec *spec)
{
    static uint64_t count;
    uint64_t mixed = ++count * 0x9E3779B97F4A7C15;
    unsigned char random[ULID_RANDOM_BYTES] = {0};
    memcpy(random + 2, &mixed, sizeof(mixed));
    const char *text = spec->text != NULL ? spec->text : "hello";
    struct message *m = message_new(&(struct message_content){
        .id = ulid_make((int64_t)count, random),
        .to = spec->to != NULL ? spec->to : "+34600000000",
        .from = spec->from != NULL ? spec->from : "Acme",
        .ref = spec->ref != NULL ? spec->ref : "",
        .text = text,
        .text_len = strlen(text),
        .size = {TEXT_GSM7, 5, 1},
        .priority = spec->priority,
        .allow_unicode = spec->allow_unicode,
        .has_ttl = spec->expires_ms != 0,
        .due_ms = spec->due_ms,
        .expires_ms = spec->expires_ms != 0 ? spec->expires_ms : FAR,
        .owner = spec->owner,
    });
    cr_assert_not_null(m);
    return m;
}

/* Adds messages as one submission; frees them unless it is accepted. */
static enum queue_verdict submit(struct message **messages, size_t count,
                                 struct queue_receipt *receipts, int64_t now_ms)
{
    struct queue_submission s = {messages, count, receipts, QUEUE_FULL, 0, {0}};
    queue_add(q, &s, 1, now_ms);
    for (size_t i = 0; i < count && s.verdict != QUEUE_ACCEPTED; i++) {
        cr_expect_null(receipts[i].answer);
        message_free(messages[i]);
    }
    return s.verdict;
}

/* Adds one message that must be accepted, and returns its id. */
static struct ulid add(const struct spec *spec, int64_t now_ms)
{
    struct message *m = make(spec);
    struct queue_receipt receipt;
    cr_assert_eq(submit(&m, 1, &receipt, now_ms), QUEUE_ACCEPTED);
    cr_assert_not(receipt.is_duplicate);
    return receipt.id;
}

static struct ulid add_plain(void)
{
    return add(&(struct spec){.priority = PRIORITY_NORMAL}, 0);
}

static bool is_same(const struct ulid *a, const struct ulid *b)
{
    return memcmp(a, b, sizeof(*a)) == 0;
}

static struct queue_depth advance(int64_t now_ms)
{
    struct queue_depth depth;
    queue_advance(q, now_ms, &depth);
    return depth;
}

/* Takes one message; it must have this id unless that is NULL. */
static struct message *take_one(const struct ulid *id, int64_t now_ms)
{
    struct message *m = NULL;
    cr_assert_eq(queue_take(q, 1, now_ms, &m), 1);
    cr_assert(id == NULL || is_same(&m->id, id));
    return m;
}

static void settle_one(struct message *m, enum queue_fate fate, int64_t now_ms)
{
    struct queue_settlement s = {.message = m, .fate = fate, .group = m->group};
    queue_settle(q, &s, 1, now_ms);
}

static void resolve_one(const struct ulid *id, enum queue_fate fate, int64_t now_ms)
{
    struct queue_resolution r = {.id = *id, .fate = fate, .is_absent = true};
    queue_resolve(q, &r, 1, now_ms);
}

static bool is_known(const struct ulid *id)
{
    struct message_status status;
    bool is_there = queue_status(q, id, 0, true, &status);
    if (is_there) {
        message_status_free(&status);
    }
    return is_there;
}

static enum message_state state_of(const struct ulid *id)
{
    struct message_status status;
    cr_assert(queue_status(q, id, 0, true, &status), "unknown message");
    message_status_free(&status);
    return status.state;
}

static void expect_state(const struct ulid *id, enum message_state state, const char *what)
{
    enum message_state is = state_of(id);
    cr_expect_eq(is, state, "%s: %s, not %s", what, message_state_name(is),
                 message_state_name(state));
}

static void expect_reason(const struct ulid *id, const char *reason)
{
    struct message_status status;
    cr_assert(queue_status(q, id, 0, true, &status));
    cr_expect_str_eq(message_answer_reason(status.answer), reason);
    message_status_free(&status);
}

/* --- every state, and what can be done to a message in it ----------------------------------- */

enum { DUE = 1000, TTL = 5000 };

enum start {
    QUEUED,
    SCHEDULED,
    SENDING,
    DEFERRED, /* for a time */
    SUSPECT,
    AMBIGUOUS,
    UNRESOLVED,
    RELAYED,
    REJECTED,
    EXPIRED,
    CANCELED,
    STARTS
};

/* Brings a new message with a TTL to a state by time 10, in a queue that is otherwise empty. */
static struct ulid bring(enum start start)
{
    struct spec spec = {.expires_ms = start == EXPIRED ? 10 : TTL};
    spec.due_ms = start == SCHEDULED ? DUE : 0;
    struct ulid id = add(&spec, 0);
    if (start == EXPIRED) {
        advance(10);
    } else if (start == CANCELED) {
        cr_assert_eq(queue_cancel(q, &id, 0, true, 10), QUEUE_DONE);
    }
    if (start == QUEUED || start == SCHEDULED || start == EXPIRED || start == CANCELED) {
        return id;
    }
    struct queue_settlement s = {.message = take_one(&id, 10)};
    switch (start) {
    case DEFERRED:
        s.fate = FATE_RETURNED;
        s.due_ms = DUE;
        break;
    case SUSPECT:
        s.fate = FATE_SUSPECT;
        s.due_ms = DUE;
        break;
    case AMBIGUOUS:
        s.fate = FATE_AMBIGUOUS;
        break;
    case UNRESOLVED:
        s.fate = FATE_UNRESOLVED;
        break;
    case RELAYED:
        s.fate = FATE_RELAYED;
        break;
    case REJECTED:
        s.fate = FATE_REJECTED;
        break;
    case QUEUED:
    case SCHEDULED:
    case SENDING:
    case EXPIRED:
    case CANCELED:
    case STARTS:
        return id;
    }
    queue_settle(q, &s, 1, 10);
    return id;
}

enum op {
    CANCEL,
    RETRY,
    FLUSH,
    FOUND,    /* queue_resolve: relayed */
    ABSENT,   /* queue_resolve: returned */
    UNKNOWN,  /* queue_resolve: unresolved */
    TIME_DUE, /* queue_advance at the time of AT or of the retry */
    TIME_TTL, /* queue_advance at the end of the TTL */
    TAKE,
    OPS
};

static void do_op(enum op op, const struct ulid *id)
{
    struct message *m;
    switch (op) {
    case CANCEL:
        queue_cancel(q, id, 0, true, 20);
        break;
    case RETRY:
        queue_retry(q, id, 20);
        break;
    case FLUSH:
        queue_flush(q, 20);
        break;
    case FOUND:
        resolve_one(id, FATE_RELAYED, 20);
        break;
    case ABSENT:
        resolve_one(id, FATE_RETURNED, 20);
        break;
    case UNKNOWN:
        resolve_one(id, FATE_UNRESOLVED, 20);
        break;
    case TIME_DUE:
        advance(DUE - 1);
        advance(DUE);
        break;
    case TIME_TTL:
        advance(TTL - 1);
        advance(TTL);
        break;
    case TAKE:
        queue_take(q, 1, 20, &m);
        break;
    case OPS:
        break;
    }
}

#define SAME (-1)

Test(queue, what_can_be_done_in_each_state)
{
    static const int want[STARTS][OPS] = {
        [QUEUED] = {MESSAGE_CANCELED, SAME, SAME, SAME, SAME, SAME, SAME, MESSAGE_EXPIRED,
                    MESSAGE_SENDING},
        [SCHEDULED] = {MESSAGE_CANCELED, SAME, SAME, SAME, SAME, SAME, MESSAGE_QUEUED,
                       MESSAGE_EXPIRED, SAME},
        [SENDING] = {SAME, SAME, SAME, SAME, SAME, SAME, SAME, SAME, SAME},
        [DEFERRED] = {MESSAGE_CANCELED, SAME, MESSAGE_QUEUED, SAME, SAME, SAME, MESSAGE_QUEUED,
                      MESSAGE_EXPIRED, SAME},
        [SUSPECT] = {MESSAGE_CANCELED, SAME, MESSAGE_QUEUED, SAME, SAME, SAME, MESSAGE_QUEUED,
                     MESSAGE_EXPIRED, SAME},
        [AMBIGUOUS] = {MESSAGE_CANCELED, SAME, SAME, MESSAGE_RELAYED, MESSAGE_QUEUED,
                       MESSAGE_UNRESOLVED, SAME, SAME, SAME},
        [UNRESOLVED] = {MESSAGE_CANCELED, MESSAGE_QUEUED, SAME, SAME, SAME, SAME, SAME, SAME, SAME},
        [RELAYED] = {SAME, SAME, SAME, SAME, SAME, SAME, SAME, SAME, SAME},
        [REJECTED] = {SAME, SAME, SAME, SAME, SAME, SAME, SAME, SAME, SAME},
        [EXPIRED] = {SAME, SAME, SAME, SAME, SAME, SAME, SAME, SAME, SAME},
        [CANCELED] = {SAME, SAME, SAME, SAME, SAME, SAME, SAME, SAME, SAME},
    };
    static const enum message_state states[STARTS] = {
        [QUEUED] = MESSAGE_QUEUED,         [SCHEDULED] = MESSAGE_SCHEDULED,
        [SENDING] = MESSAGE_SENDING,       [DEFERRED] = MESSAGE_DEFERRED,
        [SUSPECT] = MESSAGE_DEFERRED,      [AMBIGUOUS] = MESSAGE_DEFERRED,
        [UNRESOLVED] = MESSAGE_UNRESOLVED, [RELAYED] = MESSAGE_RELAYED,
        [REJECTED] = MESSAGE_REJECTED,     [EXPIRED] = MESSAGE_EXPIRED,
        [CANCELED] = MESSAGE_CANCELED,
    };
    for (int start = 0; start < STARTS; start++) {
        for (int op = 0; op < OPS; op++) {
            char what[80];
            snprintf(what, sizeof(what), "start %d, operation %d", start, op);
            setup();
            struct ulid id = bring((enum start)start);
            expect_state(&id, states[start], what);
            do_op((enum op)op, &id);
            int state = want[start][op] == SAME ? (int)states[start] : want[start][op];
            expect_state(&id, (enum message_state)state, what);
            struct queue_totals totals;
            queue_totals(q, &totals);
            for (int s = 0; s < MESSAGE_STATES; s++) {
                cr_expect_eq(totals.by_state[s], s == state, "%s: state %d", what, s);
            }
            teardown();
        }
    }
}

Test(queue, outcomes_of_cancel_and_retry, .init = setup, .fini = teardown)
{
    static const struct {
        enum start start;
        enum queue_outcome cancel, retry;
    } cases[] = {
        {QUEUED, QUEUE_DONE, QUEUE_WRONG_STATE},
        {SENDING, QUEUE_WRONG_STATE, QUEUE_WRONG_STATE},
        {UNRESOLVED, QUEUE_DONE, QUEUE_DONE},
        {RELAYED, QUEUE_WRONG_STATE, QUEUE_WRONG_STATE},
        {CANCELED, QUEUE_WRONG_STATE, QUEUE_WRONG_STATE},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct ulid id = bring(cases[i].start);
        cr_expect_eq(queue_cancel(q, &id, 1, false, 20), QUEUE_UNKNOWN, "someone else's");
        cr_expect_eq(queue_retry(q, &id, 20), cases[i].retry, "case %zu", i);
        cr_expect_eq(queue_cancel(q, &id, 0, false, 20), cases[i].cancel, "case %zu", i);
    }
    struct ulid unknown = {{1}};
    cr_expect_eq(queue_cancel(q, &unknown, 0, true, 20), QUEUE_UNKNOWN);
    cr_expect_eq(queue_retry(q, &unknown, 20), QUEUE_UNKNOWN);
}

Test(queue, reasons_of_our_own, .init = setup, .fini = teardown)
{
    static const struct {
        enum start start;
        enum op op;
        const char *reason;
    } cases[] = {
        {QUEUED, CANCEL, "canceled before it was sent"},
        {AMBIGUOUS, CANCEL, "canceled, but it may have been sent"},
        {UNRESOLVED, CANCEL, "canceled, but it may have been sent"},
        {QUEUED, TIME_TTL, "expired before it was sent"},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct ulid id = bring(cases[i].start);
        do_op(cases[i].op, &id);
        expect_reason(&id, cases[i].reason);
    }
}

Test(queue, fates_charge_attempts_and_carry_answers)
{
    static const struct {
        enum queue_fate fate;
        enum message_state state;
        unsigned attempts;
    } cases[] = {
        {FATE_RELAYED, MESSAGE_RELAYED, 1},    {FATE_REJECTED, MESSAGE_REJECTED, 1},
        {FATE_RETURNED, MESSAGE_QUEUED, 0},    {FATE_SUSPECT, MESSAGE_DEFERRED, 0},
        {FATE_AMBIGUOUS, MESSAGE_DEFERRED, 1}, {FATE_UNRESOLVED, MESSAGE_UNRESOLVED, 1},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        setup();
        struct ulid id = add_plain();
        struct queue_settlement s = {
            .message = take_one(&id, 7),
            .fate = cases[i].fate,
            .answer = message_answer_new("api", "why"),
        };
        expect_state(&id, MESSAGE_SENDING, "taken");
        queue_settle(q, &s, 1, 9);
        cr_expect_null(s.answer, "it is the queue's now");
        struct message_status status;
        cr_assert(queue_status(q, &id, 0, true, &status));
        cr_expect_eq(status.state, cases[i].state, "case %zu", i);
        cr_expect_eq(status.attempts, cases[i].attempts, "case %zu", i);
        cr_expect_eq(status.updated_ms, 9);
        cr_expect_str_eq(message_answer_api_id(status.answer), "api");
        cr_expect_str_eq(message_answer_reason(status.answer), "why");
        message_status_free(&status);
        teardown();
    }
}

/* --- turns ---------------------------------------------------------------------------------- */

/* Adds one message for each letter: h, n or l. The text is the letter and a number. */
static void add_letters(const char *letters)
{
    static unsigned number;
    for (; *letters != '\0'; letters++) {
        char text[16];
        snprintf(text, sizeof(text), "%c%u", *letters, number++);
        enum message_priority priority = *letters == 'h'   ? PRIORITY_HIGH
                                         : *letters == 'n' ? PRIORITY_NORMAL
                                                           : PRIORITY_LOW;
        add(&(struct spec){.priority = priority, .text = text}, 0);
    }
}

/* Takes `max` and returns their letters; they stay SENDING. */
static const char *take_letters(size_t max, struct message **taken)
{
    static char letters[256];
    size_t count = queue_take(q, max, 0, taken);
    for (size_t i = 0; i < count; i++) {
        letters[i] = message_text(taken[i])[0];
    }
    letters[count] = '\0';
    return letters;
}

Test(queue, turns)
{
    static const struct {
        const char *added;
        size_t max;
        const char *taken;
    } cases[] = {
        {"", 10, ""},
        {"nlh", 10, "hnl"},
        {"lllnnnhhh", 4, "hhhn"},
        {"lllnnn", 10, "nnnlll"},
        {"lll", 2, "ll"},
        {"llnnnnnnnnnnnnnnnnnnnn", 22, "nnnnnnnnnlnnnnnnnnnlnn"},
        {"llnnnnnnnnnnnhnnnnnnnnn", 23, "hnnnnnnnnnlnnnnnnnnnlnn"},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct message *taken[32];
        setup();
        add_letters(cases[i].added);
        cr_expect_str_eq(take_letters(cases[i].max, taken), cases[i].taken, "case %zu", i);
        teardown();
    }
}

Test(queue, nine_to_one_across_takes, .init = setup, .fini = teardown)
{
    struct message *m;
    char taken[41] = "";
    add_letters("llllnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnn");
    for (size_t i = 0; i < 40; i++) {
        taken[i] = take_letters(1, &m)[0];
    }
    cr_expect_str_eq(taken, "nnnnnnnnnlnnnnnnnnnlnnnnnnnnnlnnnnnnnnnl");
}

Test(queue, first_in_first_out_and_back_to_the_head, .init = setup, .fini = teardown)
{
    struct ulid ids[10];
    struct message *taken[10];
    struct queue_settlement settlements[5];
    for (size_t i = 0; i < 10; i++) {
        enum message_priority priority = i % 2 == 0 ? PRIORITY_HIGH : PRIORITY_NORMAL;
        ids[i] = add(&(struct spec){.priority = priority}, 0);
    }
    static const size_t order[] = {0, 2, 4, 6, 8, 1, 3, 5, 7, 9};
    for (int round = 0; round < 3; round++) {
        cr_assert_eq(queue_take(q, 7, 0, taken), 7);
        for (size_t i = 0; i < 7; i++) {
            cr_expect(is_same(&taken[i]->id, &ids[order[i]]), "round %d, place %zu", round, i);
        }
        for (size_t i = 0; i < 5; i++) {
            settlements[i] =
                (struct queue_settlement){.message = taken[i + 2], .fate = FATE_RETURNED};
        }
        /* The first two are returned last: they still come before all others. */
        queue_settle(q, settlements, 5, 0);
        settlements[0].message = taken[0];
        settlements[1].message = taken[1];
        queue_settle(q, settlements, 2, 0);
    }
}

/* --- suspects ------------------------------------------------------------------------------- */

/* Takes one for a probe, which must be this one; it stands aside until `due_ms`. */
static void set_aside(enum queue_probe which, const struct ulid *id, int64_t due_ms,
                      bool is_unwelcome)
{
    struct message *m = NULL;
    cr_assert_eq(queue_take_probe(q, which, 0, &m), 1);
    cr_assert(is_same(&m->id, id));
    struct queue_settlement s = {.message = m,
                                 .fate = FATE_SUSPECT,
                                 .due_ms = due_ms,
                                 .is_unwelcome = is_unwelcome,
                                 .answer = message_answer_new(NULL, "no")};
    queue_settle(q, &s, 1, 0);
}

/* Once, and again while it is known which ones were refused. */
Test(queue, suspects_are_recalled_to_where_they_were, .init = setup, .fini = teardown)
{
    struct ulid ids[10];
    for (size_t i = 0; i < COUNT(ids); i++) {
        ids[i] = add_plain();
    }
    set_aside(PROBE_NEXT, &ids[0], 100, true);
    set_aside(PROBE_LAST, &ids[9], 100, true);
    set_aside(PROBE_NEXT, &ids[1], 100, true);
    set_aside(PROBE_LAST, &ids[8], 100, true);
    cr_expect_eq(advance(0).suspects, 4);
    expect_reason(&ids[9], "no");
    queue_suspects_recall(q, 1);
    cr_expect_eq(advance(0).suspects, 0);
    set_aside(PROBE_NEXT, &ids[2], 100, true);
    set_aside(PROBE_LAST, &ids[7], 100, true);
    set_aside(PROBE_FIRST, &ids[0], 200, true);
    set_aside(PROBE_NEXT, &ids[3], 200, true);
    advance(100); /* two come back by themselves, the others are recalled */
    queue_suspects_recall(q, 1);
    struct message *taken[COUNT(ids)];
    cr_assert_eq(queue_take(q, COUNT(ids), 1, taken), COUNT(ids));
    for (size_t i = 0; i < COUNT(ids); i++) {
        cr_expect(is_same(&taken[i]->id, &ids[i]), "message %zu", i);
        cr_expect_eq(taken[i]->attempts, 1, "this one");
    }
}

Test(queue, a_probe_is_one_that_was_not_refused, .init = setup, .fini = teardown)
{
    struct ulid high = add(&(struct spec){.priority = PRIORITY_HIGH}, 0);
    struct ulid normal = add(&(struct spec){.priority = PRIORITY_NORMAL}, 0);
    struct ulid low = add(&(struct spec){.priority = PRIORITY_LOW}, 0);
    struct message *m;

    set_aside(PROBE_NEXT, &high, 100, true);
    queue_suspects_recall(q, 0);
    set_aside(PROBE_NEXT, &normal, 100, true);
    queue_suspects_recall(q, 0);
    set_aside(PROBE_LAST, &low, 100, true);
    queue_suspects_recall(q, 0);
    set_aside(PROBE_LAST, &high, 100, true); /* all were refused: whose turn it is */
    queue_suspects_recall(q, 0);
    set_aside(PROBE_FIRST, &high, 100, true);
    queue_suspects_recall(q, 0);
    struct ulid fresh = add(&(struct spec){.priority = PRIORITY_NORMAL}, 0);
    set_aside(PROBE_NEXT, &fresh, 100, true);
    cr_assert_eq(queue_take(q, 1, 0, &m), 1);
    cr_expect(is_same(&m->id, &high), "not a probe");
    queue_hold(q, true);
    cr_expect_eq(queue_take_probe(q, PROBE_NEXT, 0, &m), 0, "held");
}

Test(queue, a_suspect_comes_back_by_itself, .init = setup, .fini = teardown)
{
    struct ulid id = add_plain();
    for (unsigned refusals = 1; refusals <= 2 * MESSAGE_REFUSALS_MAX; refusals++) {
        set_aside(PROBE_NEXT, &id, 100, true);
        advance(99);
        expect_state(&id, MESSAGE_DEFERRED, "not yet");
        advance(100);
        expect_state(&id, MESSAGE_QUEUED, "now");
    }
    cr_expect_eq(take_one(&id, 100)->refusals, MESSAGE_REFUSALS_MAX);
}

Test(queue, convicted_three_times)
{
    for (int is_unwelcome = 0; is_unwelcome <= 1; is_unwelcome++) {
        setup();
        struct ulid id = add_plain();
        cr_expect_not(queue_suspects_convict(q, 5, 50, 0), "there is none");
        for (unsigned proofs = 1; proofs <= QUEUE_PROOFS_MAX; proofs++) {
            set_aside(PROBE_NEXT, &id, 100, is_unwelcome);
            cr_assert(queue_suspects_convict(q, 5, 50, 0));
            cr_expect_not(queue_suspects_convict(q, 5, 50, 0), "one, once");
            bool is_over = is_unwelcome && proofs == QUEUE_PROOFS_MAX;
            struct message_status status;
            cr_assert(queue_status(q, &id, 0, true, &status));
            cr_expect_eq(status.attempts, proofs, "each is charged");
            cr_expect_eq(status.state, is_over ? MESSAGE_REJECTED : MESSAGE_DEFERRED);
            cr_expect_str_eq(message_answer_reason(status.answer), "no");
            message_status_free(&status);
            advance(49);
            cr_expect_eq(state_of(&id), is_over ? MESSAGE_REJECTED : MESSAGE_DEFERRED);
            cr_expect_eq(advance(50).is_group_next, !is_over, "alone, and no later than that");
        }
        teardown();
    }
}

Test(queue, a_canceled_suspect_is_told_once)
{
    for (unsigned is_refused = 0; is_refused <= 1; is_refused++) {
        setup();
        struct ulid id = add_plain();
        struct ulid other = add_plain();
        if (is_refused) {
            set_aside(PROBE_NEXT, &id, 100, true);
            queue_suspects_recall(q, 0);
        }
        advance(0);
        cr_assert_not(queue_sleep(q, 0, false));
        cr_assert_eq(queue_cancel(q, &id, 0, true, 0), QUEUE_DONE);
        cr_expect_eq(wakes, is_refused);
        cr_expect_eq(advance(0).is_refused_gone, is_refused);
        cr_expect_not(advance(0).is_refused_gone);
        expect_state(&other, MESSAGE_QUEUED, "the other one");
        teardown();
    }
}

Test(queue, taken_at_most_once, .init = setup, .fini = teardown)
{
    struct message *taken[10], *more;
    add_letters("nnn");
    cr_expect_eq(queue_take(q, 10, 0, taken), 3);
    cr_expect_eq(queue_take(q, 1, 0, &more), 0);
    cr_expect_eq(queue_take(q, 0, 0, &more), 0);
}

Test(queue, groups_go_by_themselves, .init = setup, .fini = teardown)
{
    struct message *taken[10];
    struct queue_settlement settlements[6];
    add_letters("hhnnnlnn");
    cr_assert_str_eq(take_letters(6, taken), "hhnnnn");
    for (size_t i = 0; i < 6; i++) {
        settlements[i] = (struct queue_settlement){
            .message = taken[i], .fate = FATE_RETURNED, .group = i < 3 ? 1 : 2};
    }
    queue_settle(q, settlements, 6, 0);

    static const struct {
        size_t max;
        const char *letters;
        bool is_group;
    } want[] = {{10, "hhn", true}, {2, "nn", true}, {10, "n", true}, {10, "nl", false}};
    for (size_t i = 0; i < COUNT(want); i++) {
        cr_expect_eq(advance(0).is_group_next, want[i].is_group, "take %zu", i);
        cr_expect_str_eq(take_letters(want[i].max, taken), want[i].letters, "take %zu", i);
    }
    cr_expect_not(advance(0).is_group_next);
}

Test(queue, high_passes_a_group_and_does_not_mix_with_it, .init = setup, .fini = teardown)
{
    struct message *taken[10];
    add_letters("nnl");
    cr_assert_str_eq(take_letters(2, taken), "nn");
    for (size_t i = 0; i < 2; i++) {
        queue_settle(
            q,
            &(struct queue_settlement){.message = taken[1 - i], .fate = FATE_RETURNED, .group = 7},
            1, 0);
    }
    add_letters("h");
    cr_expect_not(advance(0).is_group_next);
    cr_expect_str_eq(take_letters(10, taken), "hl");
    cr_expect(advance(0).is_group_next);
    cr_expect_str_eq(take_letters(10, taken), "nn");
}

/* --- ambiguous messages --------------------------------------------------------------------- */

Test(queue, ambiguous_are_listed_up_to_a_time, .init = setup, .fini = teardown)
{
    struct ulid ids[3];
    size_t count, left_out;
    cr_expect_null(queue_ambiguous(q, INT64_MAX, &count, &left_out));
    cr_expect_eq(count, 0);
    for (int i = 0; i < 3; i++) {
        ids[i] = add_plain();
    }
    static const int order[] = {2, 0, 1};
    struct message *taken[3];
    cr_assert_eq(queue_take(q, 3, 0, taken), 3);
    for (int i = 0; i < 3; i++) {
        settle_one(taken[order[i]], FATE_AMBIGUOUS, 10 * (i + 1));
    }
    struct queue_doubtful *found = queue_ambiguous(q, INT64_MAX, &count, &left_out);
    cr_assert_eq(count, 3);
    cr_expect_eq(left_out, 0);
    for (int i = 0; i < 3; i++) {
        cr_expect(is_same(&found[i].id, &ids[order[i]]), "as they became ambiguous");
        cr_expect(found[i].doubts == 1 && found[i].looks == 0 && found[i].ambiguous_ends == 1);
    }
    free(found);
    found = queue_ambiguous(q, 20, &count, &left_out);
    cr_assert_eq(count, 2);
    cr_expect_eq(left_out, 1);
    cr_expect(is_same(&found[0].id, &ids[2]) && is_same(&found[1].id, &ids[0]));
    free(found);
}

Test(queue, what_is_looked_for_again_stays_ambiguous, .init = setup, .fini = teardown)
{
    struct ulid id = add_plain();
    size_t count, left_out;
    settle_one(take_one(&id, 0), FATE_AMBIGUOUS, 10);
    struct queue_resolution r = {.id = id, .fate = FATE_AMBIGUOUS, .doubts = 1, .looks = 1};
    queue_resolve(q, &r, 1, 20);
    expect_state(&id, MESSAGE_DEFERRED, "not found, and not sent again");
    cr_expect_null(queue_ambiguous(q, 19, &count, &left_out), "as if its request had ended now");
    cr_expect_eq(left_out, 1);
    struct queue_doubtful *found = queue_ambiguous(q, 20, &count, &left_out);
    cr_assert_eq(count, 1);
    cr_expect_eq(found->looks, 1);
    free(found);
    r.fate = FATE_RETURNED;
    queue_resolve(q, &r, 1, 30);
    settle_one(take_one(&id, 0), FATE_AMBIGUOUS, 40);
    found = queue_ambiguous(q, 40, &count, &left_out);
    cr_assert_eq(count, 1);
    cr_expect(found->doubts == 2 && found->looks == 0, "one more, not looked for yet");
    free(found);
}

/* What is known of a message says how it ends when its time is over, and when it is canceled. */
Test(queue, what_may_have_been_sent_is_never_called_unsent)
{
    static const struct {
        const char *what;
        struct queue_resolution r;
        enum message_state overdue;
        const char *reason;
        bool is_maybe;
    } cases[] = {
        {"proven absent",
         {.is_absent = true},
         MESSAGE_EXPIRED,
         "expired before it was sent",
         false},
        {"absent",
         {.is_absent = true, .doubts = 1},
         MESSAGE_EXPIRED,
         "expired, and the API's history does not show it",
         false},
        {"not known",
         {.doubts = 1},
         MESSAGE_UNRESOLVED,
         "expired while it was unknown whether the API has it",
         true},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        for (int is_late = 0; is_late <= 1; is_late++) {
            setup();
            struct ulid id = add(&(struct spec){.ref = "r", .expires_ms = 100}, 0);
            struct queue_resolution r = cases[i].r;
            r.id = id;
            r.fate = FATE_RETURNED;
            settle_one(take_one(&id, 0), FATE_AMBIGUOUS, 0);
            advance(100);
            expect_state(&id, MESSAGE_DEFERRED, "for the history to tell");
            queue_resolve(q, &r, 1, is_late ? 100 : 50);
            if (!is_late) {
                expect_state(&id, MESSAGE_QUEUED, cases[i].what);
                advance(100);
                struct message *out;
                cr_expect_eq(queue_take(q, 1, 100, &out), 0);
            }
            expect_state(&id, cases[i].overdue, cases[i].what);
            struct message_status status;
            cr_assert(queue_status(q, &id, 0, true, &status));
            cr_expect_str_eq(message_answer_reason(status.answer), cases[i].reason);
            message_status_free(&status);
            teardown();
        }
        setup();
        struct ulid id = add(&(struct spec){.ref = "r"}, 0);
        struct queue_resolution r = cases[i].r;
        r.id = id;
        r.fate = FATE_RETURNED;
        settle_one(take_one(&id, 0), FATE_AMBIGUOUS, 0);
        queue_resolve(q, &r, 1, 50);
        cr_expect_eq(queue_cancel(q, &id, 0, true, 60), QUEUE_DONE);
        struct message *m = make(&(struct spec){.ref = "r"});
        struct queue_receipt receipt;
        cr_expect_eq(submit(&m, 1, &receipt, 70), QUEUE_ACCEPTED);
        cr_expect_eq(receipt.is_duplicate, cases[i].is_maybe, "%s: its REF", cases[i].what);
        free(receipt.answer);
        teardown();
    }
}

/* With a history that cannot be asked for an hour after its time. */
Test(queue, an_ambiguous_one_is_given_up_in_the_end, .init = setup, .fini = teardown)
{
    enum { HOUR_MS = 60 * 60 * 1000 };
    struct ulid id = add(&(struct spec){.expires_ms = 100}, 0);
    settle_one(take_one(&id, 0), FATE_AMBIGUOUS, 0);
    cr_expect_eq(advance(100 + HOUR_MS - 1).next_due_ms, 100 + HOUR_MS);
    expect_state(&id, MESSAGE_DEFERRED, "not yet");
    advance(100 + HOUR_MS);
    expect_state(&id, MESSAGE_UNRESOLVED, "now");
}

Test(queue, resolved_go_back_in_order_with_their_group, .init = setup, .fini = teardown)
{
    struct ulid ids[4];
    struct message *taken[4];
    struct queue_resolution r[5];
    for (size_t i = 0; i < 4; i++) {
        ids[i] = add_plain();
    }
    cr_assert_eq(queue_take(q, 3, 0, taken), 3);
    for (size_t i = 0; i < 3; i++) {
        queue_settle(
            q, &(struct queue_settlement){.message = taken[i], .fate = FATE_AMBIGUOUS, .group = 5},
            1, 0);
    }
    for (size_t i = 0; i < 3; i++) {
        r[i] = (struct queue_resolution){.id = ids[i], .fate = FATE_RETURNED};
    }
    r[3] = (struct queue_resolution){
        .id = ids[3], .fate = FATE_RELAYED, .answer = message_answer_new("x", "")};
    r[4] = (struct queue_resolution){.id = {{1}}, .fate = FATE_RETURNED};
    queue_resolve(q, r, 5, 0);
    expect_state(&ids[3], MESSAGE_QUEUED, "not ambiguous: skipped");
    cr_assert_eq(queue_take(q, 4, 0, taken), 3);
    for (size_t i = 0; i < 3; i++) {
        cr_expect(is_same(&taken[i]->id, &ids[i]), "place %zu", i);
        cr_expect_eq(taken[i]->group, 5);
        cr_expect_eq(taken[i]->attempts, 2, "the attempt that ended ambiguous was one");
    }
}

Test(queue, three_ambiguous_ends_send_it_to_the_tail, .init = setup, .fini = teardown)
{
    struct ulid troubled = add_plain(), other = add_plain();
    for (int end = 1; end <= 3; end++) {
        struct message *m = take_one(&troubled, 0);
        cr_expect_eq(m->ambiguous_ends, end - 1);
        settle_one(m, FATE_AMBIGUOUS, 0);
        resolve_one(&troubled, FATE_RETURNED, 0);
    }
    take_one(&other, 0);
    take_one(&troubled, 0);
}

/* --- REFs ----------------------------------------------------------------------------------- */

/* A message in some state, then a second one with the same REF that differs in one thing. */
Test(queue, the_same_ref_again)
{
    static const struct {
        const char *what;
        enum start first;
        struct spec second;
        enum queue_verdict verdict;
        bool is_duplicate;
    } cases[] = {
        {"the same", QUEUED, {.ref = "r"}, QUEUE_ACCEPTED, true},
        {"while it is sent", SENDING, {.ref = "r"}, QUEUE_ACCEPTED, true},
        {"while it is deferred", DEFERRED, {.ref = "r"}, QUEUE_ACCEPTED, true},
        {"while it is ambiguous", AMBIGUOUS, {.ref = "r"}, QUEUE_ACCEPTED, true},
        {"while it is unresolved", UNRESOLVED, {.ref = "r"}, QUEUE_ACCEPTED, true},
        {"after it was relayed", RELAYED, {.ref = "r"}, QUEUE_ACCEPTED, true},
        {"after it was rejected", REJECTED, {.ref = "r"}, QUEUE_ACCEPTED, false},
        {"after it was canceled", CANCELED, {.ref = "r"}, QUEUE_ACCEPTED, false},
        {"free, so for anything", CANCELED, {.ref = "r", .text = "x"}, QUEUE_ACCEPTED, false},
        {"other text", QUEUED, {.ref = "r", .text = "hellO"}, QUEUE_REF_CONFLICT, false},
        {"longer text", QUEUED, {.ref = "r", .text = "hello!"}, QUEUE_REF_CONFLICT, false},
        {"other sender", QUEUED, {.ref = "r", .from = "Acne"}, QUEUE_REF_CONFLICT, false},
        {"other alphabet", QUEUED, {.ref = "r", .allow_unicode = true}, QUEUE_REF_CONFLICT, false},
        {"after it was relayed", RELAYED, {.ref = "r", .text = "x"}, QUEUE_REF_CONFLICT, false},
        {"other time", QUEUED, {.ref = "r", .due_ms = 50, .priority = 2}, QUEUE_ACCEPTED, true},
        {"other owner", QUEUED, {.ref = "r", .owner = 7, .text = "x"}, QUEUE_ACCEPTED, false},
        {"other number", QUEUED, {.ref = "r", .to = "+346", .text = "x"}, QUEUE_ACCEPTED, false},
        {"other REF", QUEUED, {.ref = "R", .text = "x"}, QUEUE_ACCEPTED, false},
        {"no REF", QUEUED, {.text = "x"}, QUEUE_ACCEPTED, false},
    };
    static const enum queue_fate fates[STARTS] = {
        [AMBIGUOUS] = FATE_AMBIGUOUS, [UNRESOLVED] = FATE_UNRESOLVED, [RELAYED] = FATE_RELAYED,
        [REJECTED] = FATE_REJECTED,   [DEFERRED] = FATE_RETURNED,
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        setup();
        struct ulid first = add(&(struct spec){.ref = "r"}, 0);
        if (cases[i].first == CANCELED) {
            queue_cancel(q, &first, 0, true, 5);
        } else if (cases[i].first != QUEUED) {
            struct message *m = take_one(&first, 5);
            struct queue_settlement s = {.message = m,
                                         .fate = fates[cases[i].first],
                                         .due_ms = 500,
                                         .answer = message_answer_new("api", "")};
            if (cases[i].first != SENDING) {
                queue_settle(q, &s, 1, 5);
            }
            free(s.answer);
        }
        enum message_state state = state_of(&first);
        struct message *m = make(&cases[i].second);
        struct ulid second = m->id;
        struct queue_receipt receipt;
        cr_expect_eq(submit(&m, 1, &receipt, 10), cases[i].verdict, "%s", cases[i].what);
        if (cases[i].verdict == QUEUE_ACCEPTED) {
            cr_expect_eq(receipt.is_duplicate, cases[i].is_duplicate, "%s", cases[i].what);
            cr_expect(is_same(&receipt.id, cases[i].is_duplicate ? &first : &second));
            cr_expect(!receipt.is_duplicate || receipt.state == state);
            cr_expect_str_eq(message_answer_api_id(receipt.answer),
                             receipt.is_duplicate && cases[i].first > SENDING ? "api" : "");
            free(receipt.answer);
        }
        cr_expect_eq(is_known(&second),
                     cases[i].verdict == QUEUE_ACCEPTED && !cases[i].is_duplicate);
        teardown();
    }
}

Test(queue, a_ref_is_free_after_retention)
{
    q = new_queue(100, 100000, 50);
    for (int i = 0; i < 200; i++) { /* more than one call forgets */
        struct ulid id = add(&(struct spec){0}, 0);
        queue_cancel(q, &id, 0, true, 1);
    }
    struct ulid first = add(&(struct spec){.ref = "r"}, 0);
    settle_one(take_one(&first, 1), FATE_RELAYED, 10);
    struct message *m = make(&(struct spec){.ref = "r", .text = "other"});
    struct queue_receipt receipt;
    cr_expect_eq(submit(&m, 1, &receipt, 59), QUEUE_REF_CONFLICT);
    m = make(&(struct spec){.ref = "r", .text = "other"});
    cr_expect_eq(submit(&m, 1, &receipt, 60), QUEUE_ACCEPTED);
    cr_expect_not(receipt.is_duplicate);
    queue_free(q);
}

/* An hour whatever the retention, even while the first message still waits. */
Test(queue, a_mail_is_known_for_an_hour, .init = setup, .fini = teardown)
{
    static const struct spec mail = {.ref = "mail:0123", .expires_ms = INT64_MAX};
    struct message *m = make(&mail);
    struct queue_receipt receipt;
    struct ulid first = m->id;
    int64_t over_ms = ulid_time_ms(&first) + MESSAGE_MAIL_REF_MS;
    cr_assert_eq(submit(&m, 1, &receipt, 0), QUEUE_ACCEPTED);
    struct message *again = make(&mail);
    cr_expect_eq(submit(&again, 1, &receipt, over_ms - 1), QUEUE_ACCEPTED);
    cr_expect(receipt.is_duplicate && is_same(&receipt.id, &first));
    struct ulid second = add(&mail, over_ms);
    cr_expect(is_known(&first) && is_known(&second));
    size_t count = 0;
    free(queue_find_ref(q, mail.ref, 0, &count));
    cr_expect_eq(count, 2);
    settle_one(take_one(&first, over_ms), FATE_REJECTED, over_ms);
    expect_state(&second, MESSAGE_QUEUED, "the other one");
}

Test(queue, duplicates_within_a_call, .init = setup, .fini = teardown)
{
    struct message *one[] = {make(&(struct spec){.ref = "r"}), make(&(struct spec){.ref = "r"}),
                             make(&(struct spec){.ref = "r", .to = "+1"})};
    struct message *two[] = {make(&(struct spec){.ref = "r", .text = "other"})};
    struct message *three[] = {make(&(struct spec){.ref = "r"})};
    struct queue_receipt receipts[5];
    struct queue_submission s[] = {{one, 3, receipts, QUEUE_FULL, 0, {0}},
                                   {two, 1, receipts + 3, QUEUE_FULL, 0, {0}},
                                   {three, 1, receipts + 4, QUEUE_FULL, 0, {0}}};
    struct ulid first = one[0]->id;
    queue_add(q, s, 3, 0);
    cr_expect_eq(s[0].verdict, QUEUE_ACCEPTED);
    cr_expect_eq(s[1].verdict, QUEUE_REF_CONFLICT);
    cr_expect_eq(s[2].verdict, QUEUE_ACCEPTED);
    cr_expect(!receipts[0].is_duplicate && receipts[1].is_duplicate && !receipts[2].is_duplicate);
    cr_expect(receipts[4].is_duplicate);
    cr_expect(is_same(&receipts[1].id, &first) && is_same(&receipts[4].id, &first));
    cr_expect_eq(advance(0).ready[PRIORITY_HIGH], 2);
    message_free(two[0]);
}

Test(queue, a_conflict_leaves_nothing_behind, .init = setup, .fini = teardown)
{
    add(&(struct spec){.ref = "taken"}, 0);
    struct message *messages[] = {make(&(struct spec){.ref = "new"}), make(&(struct spec){0}),
                                  make(&(struct spec){.ref = "taken"}),
                                  make(&(struct spec){.ref = "taken", .text = "other"})};
    struct queue_receipt receipts[4];
    size_t count;
    cr_expect_eq(submit(messages, 4, receipts, 0), QUEUE_REF_CONFLICT);
    cr_expect_eq(advance(0).ready[PRIORITY_HIGH], 1);
    cr_expect_null(queue_find_ref(q, "new", 0, &count));
    struct message *m = make(&(struct spec){.ref = "new", .text = "other"});
    cr_expect_eq(submit(&m, 1, receipts, 0), QUEUE_ACCEPTED);
    cr_expect_not(receipts[0].is_duplicate);
}

Test(queue, found_by_ref_in_order_of_submission)
{
    enum { SAME_REF = 500 };
    static struct ulid ids[SAME_REF];
    q = new_queue(100000, 100000000, 100);
    size_t count;
    for (size_t i = 0; i < SAME_REF; i++) {
        char to[NUMBER_SIZE];
        snprintf(to, sizeof(to), "+346%08zu", i);
        ids[i] = add(&(struct spec){.ref = "r", .to = to}, 0);
        add(&(struct spec){.ref = "r", .to = to, .owner = 9}, 0);
    }
    for (size_t i = 0; i < 2 * SAME_REF; i++) { /* a third of them end early */
        if ((i < SAME_REF) == (i % SAME_REF % 3 == 0)) {
            cr_assert_eq(queue_cancel(q, &ids[i % SAME_REF], 0, true, i < SAME_REF ? 5 : 10),
                         QUEUE_DONE);
        }
    }
    struct ulid *found = queue_find_ref(q, "r", 0, &count);
    cr_assert_eq(count, SAME_REF);
    cr_expect_arr_eq(found, ids, sizeof(ids));
    free(found);

    for (int i = 0; i < 40; i++) {
        advance(105); /* forgets a third of them, out of order */
    }
    found = queue_find_ref(q, "r", 0, &count);
    cr_assert_eq(count, SAME_REF - (SAME_REF + 2) / 3);
    for (size_t i = 0, next = 0; i < SAME_REF; i++) {
        cr_expect(i % 3 == 0 || is_same(&found[next++], &ids[i]), "message %zu", i);
    }
    free(found);
    for (int i = 0; i < 40; i++) {
        advance(110);
    }
    cr_expect_null(queue_find_ref(q, "r", 0, &count));
    cr_expect_eq(count, 0);
    cr_expect_null(queue_find_ref(q, "", 0, &count));
    queue_free(q);
}

/* --- times ---------------------------------------------------------------------------------- */

Test(queue, scheduled_come_in_order_of_their_times, .init = setup, .fini = teardown)
{
    struct ulid late = add(&(struct spec){.due_ms = 30}, 0);
    struct ulid early = add(&(struct spec){.due_ms = 20}, 0);
    struct ulid same = add(&(struct spec){.due_ms = 20}, 0);
    struct message *m;
    struct queue_depth depth = advance(19);
    cr_expect_eq(depth.next_due_ms, 20);
    cr_expect_eq(depth.ready[PRIORITY_HIGH], 0);
    cr_expect_eq(queue_take(q, 1, 19, &m), 0);
    depth = advance(20);
    cr_expect_eq(depth.ready[PRIORITY_HIGH], 2);
    cr_expect_eq(depth.next_due_ms, 30);
    take_one(&early, 20);
    take_one(&same, 20);
    cr_expect_eq(advance(100).ready[PRIORITY_HIGH], 1);
    take_one(&late, 100);
    cr_expect_eq(advance(100).next_due_ms, INT64_MAX);
}

Test(queue, many_due_at_once_come_in_steps, .init = setup, .fini = teardown)
{
    for (int i = 0; i < 2500; i++) {
        add(&(struct spec){.due_ms = 20}, 0);
    }
    static const size_t ready[] = {1000, 2000, 2500};
    for (size_t i = 0; i < COUNT(ready); i++) {
        struct queue_depth depth = advance(25);
        cr_expect_eq(depth.ready[PRIORITY_HIGH], ready[i]);
        cr_expect_eq(depth.next_due_ms <= 25, i < 2, "more to do: begin again at once");
    }
}

Test(queue, a_ttl_ends_it_wherever_it_stands_in_the_lane, .init = setup, .fini = teardown)
{
    struct ulid first = add(&(struct spec){0}, 0);
    struct ulid brief = add(&(struct spec){.expires_ms = 40}, 0);
    struct ulid last = add(&(struct spec){.expires_ms = 80}, 0);
    cr_expect_eq(advance(39).next_due_ms, 40);
    expect_state(&brief, MESSAGE_QUEUED, "not yet");
    cr_expect_eq(advance(40).next_due_ms, 80);
    expect_state(&brief, MESSAGE_EXPIRED, "now");
    cr_expect_eq(advance(40).ready[PRIORITY_HIGH], 2);
    take_one(&first, 40);
    take_one(&last, 40);
}

/* --- the wall clock is set -------------------------------------------------------------------- */

enum { DAY_MS = 24 * 3600 * 1000 };

Test(queue, a_clock_that_is_set_moves_at, .init = setup, .fini = teardown)
{
    struct ulid id = add(&(struct spec){.due_ms = 1000, .expires_ms = 1300}, 0);
    cr_expect_eq(advance(0).next_due_ms, 1000);
    cr_assert_not(queue_sleep(q, 1, true));
    queue_clock_set(q, 900, 50);
    cr_expect_eq(wakes, 1, "the forwarder is asleep until 1000, but it is due at 100");
    cr_expect_eq(advance(50).next_due_ms, 100);
    cr_assert_not(queue_sleep(q, 1, true));
    queue_clock_set(q, -200, 60);
    cr_expect_eq(wakes, 1, "later than it thinks: it will find out");
    cr_expect_eq(advance(100).next_due_ms, 1200);
    cr_expect_eq(advance(1200).ready[PRIORITY_HIGH], 1);
    cr_expect_eq(advance(1499).ready[PRIORITY_HIGH], 1);
    advance(1500);
    expect_state(&id, MESSAGE_EXPIRED, "300 ms after it fell due");
}

Test(queue, a_clock_that_is_set_ends_nothing, .init = setup, .fini = teardown)
{
    struct ulid ttl = add(&(struct spec){.expires_ms = 500}, 0);
    struct ulid plain = add_plain();
    struct ulid at = add(&(struct spec){.due_ms = 1000, .expires_ms = 1500}, 0);
    queue_clock_set(q, DAY_MS, 100);
    cr_expect_eq(advance(100).ready[PRIORITY_HIGH], 2, "what was to wait until then is due");
    expect_state(&plain, MESSAGE_QUEUED, "not expired");
    cr_expect_eq(advance(499).ready[PRIORITY_HIGH], 2);
    cr_expect_eq(advance(599).ready[PRIORITY_HIGH], 1);
    expect_state(&ttl, MESSAGE_EXPIRED, "by its own time");
    advance(600);
    expect_state(&at, MESSAGE_EXPIRED, "its time began when the clock was set");
    queue_clock_set(q, -DAY_MS, 600);
    take_one(&plain, 600);
}

Test(queue, what_is_shown_is_unix_time, .init = setup, .fini = teardown)
{
    struct message_status status;
    struct ulid id = add_plain();
    struct ulid at = add(&(struct spec){.due_ms = DAY_MS + 900, .expires_ms = FAR}, 0);
    queue_clock_set(q, DAY_MS, 10);
    struct queue_settlement s = {.message = take_one(&id, 20), .fate = FATE_RETURNED, .due_ms = 70};
    queue_settle(q, &s, 1, 30);
    cr_assert(queue_status(q, &id, 0, true, &status));
    cr_expect_eq(status.updated_ms, DAY_MS + 30);
    cr_expect_eq(status.due_ms, DAY_MS + 70);
    message_status_free(&status);
    cr_assert(queue_status(q, &at, 0, true, &status));
    cr_expect_eq(status.due_ms, DAY_MS + 900);
    message_status_free(&status);
}

Test(queue, a_submission_brings_unix_times, .init = setup, .fini = teardown)
{
    struct message *m = make(&(struct spec){.expires_ms = DAY_MS + 100});
    struct queue_receipt receipt;
    struct queue_submission s = {&m, 1, &receipt, QUEUE_FULL, DAY_MS, {0}};
    queue_clock_set(q, -DAY_MS, 0); /* since it came */
    queue_add(q, &s, 1, 0);
    cr_assert_eq(s.verdict, QUEUE_ACCEPTED);
    cr_expect_eq(advance(99).next_due_ms, 100);
    advance(100);
    expect_state(&receipt.id, MESSAGE_EXPIRED, "its time is over");
}

/* --- expiry ----------------------------------------------------------------------------------- */

Test(queue, the_age_ends_it_at_the_head, .init = setup, .fini = teardown)
{
    struct ulid ids[3];
    for (size_t i = 0; i < 3; i++) {
        ids[i] = add_plain();
    }
    cr_expect_eq(advance(0).next_due_ms, FAR);
    cr_expect_eq(advance(FAR - 1).ready[PRIORITY_NORMAL], 3);
    cr_expect_eq(advance(FAR).ready[PRIORITY_NORMAL], 0);
    for (size_t i = 0; i < 3; i++) {
        expect_state(&ids[i], MESSAGE_EXPIRED, "all of them");
    }
    cr_expect_eq(advance(FAR).next_due_ms, INT64_MAX);
}

Test(queue, nothing_is_sent_after_its_time, .init = setup, .fini = teardown)
{
    struct message *m;
    struct ulid sending = add(&(struct spec){.expires_ms = 40}, 0);
    m = take_one(&sending, 39);
    advance(50);
    expect_state(&sending, MESSAGE_SENDING, "under way: left alone");
    settle_one(m, FATE_RETURNED, 50);
    struct ulid fresh = add(&(struct spec){0}, 50);
    take_one(&fresh, 50);
    expect_state(&sending, MESSAGE_EXPIRED, "with no queue_advance in between");
    cr_expect_eq(queue_take(q, 1, 50, &m), 0);
}

Test(queue, the_operator_can_retry_what_is_overdue, .init = setup, .fini = teardown)
{
    struct ulid id = add(&(struct spec){.expires_ms = 40}, 0);
    settle_one(take_one(&id, 0), FATE_AMBIGUOUS, 0);
    resolve_one(&id, FATE_UNRESOLVED, 40);
    struct ulid other = add(&(struct spec){0}, 50);
    cr_expect_eq(queue_retry(q, &id, 50), QUEUE_DONE);
    advance(60);
    take_one(&id, 60);
    take_one(&other, 60);
}

Test(queue, a_return_is_not_put_off_beyond_its_time, .init = setup, .fini = teardown)
{
    struct ulid id = add(&(struct spec){.expires_ms = 40}, 0);
    struct queue_settlement s = {.message = take_one(&id, 0), .fate = FATE_RETURNED, .due_ms = 70};
    queue_settle(q, &s, 1, 10);
    cr_expect_eq(advance(39).next_due_ms, 40);
    advance(40);
    expect_state(&id, MESSAGE_EXPIRED, "known unsent");
}

Test(queue, a_return_can_be_put_off, .init = setup, .fini = teardown)
{
    struct ulid id = add_plain(), other = add_plain();
    struct queue_settlement s = {.message = take_one(&id, 0), .fate = FATE_RETURNED, .due_ms = 70};
    queue_settle(q, &s, 1, 10);
    expect_state(&id, MESSAGE_DEFERRED, "put off");
    struct message_status status;
    cr_assert(queue_status(q, &id, 0, true, &status));
    cr_expect_eq(status.due_ms, 70);
    message_status_free(&status);
    cr_expect_eq(advance(69).next_due_ms, 70);
    cr_expect_eq(advance(70).ready[PRIORITY_NORMAL], 2);
    take_one(&other, 70);
    take_one(&id, 70);
}

/* --- bounds --------------------------------------------------------------------------------- */

Test(queue, full_of_messages)
{
    q = new_queue(3, 100000, FAR);
    struct queue_receipt receipts[3];
    struct ulid first = add_plain();
    struct message *three[] = {make(&(struct spec){0}), make(&(struct spec){0}),
                               make(&(struct spec){0})};
    cr_expect_eq(submit(three, 3, receipts, 0), QUEUE_FULL, "all or nothing");
    cr_expect_eq(advance(0).ready[PRIORITY_HIGH], 0);
    add(&(struct spec){.due_ms = 50}, 0);
    add(&(struct spec){.ref = "r"}, 0);
    struct message *m = make(&(struct spec){0});
    cr_expect_eq(submit(&m, 1, receipts, 0), QUEUE_FULL);
    m = make(&(struct spec){.ref = "r"});
    cr_expect_eq(submit(&m, 1, receipts, 0), QUEUE_ACCEPTED, "a duplicate needs no room");

    struct message *sent;
    cr_assert_eq(queue_take(q, 1, 0, &sent), 1);
    settle_one(sent, FATE_UNRESOLVED, 0);
    m = make(&(struct spec){0});
    cr_expect_eq(submit(&m, 1, receipts, 0), QUEUE_FULL, "unresolved is unfinished");
    settle_one(take_one(&first, 0), FATE_RELAYED, 0);
    add_plain();
    queue_free(q);
}

Test(queue, no_more_than_the_store_has_room_for)
{
    char trouble[QUEUE_REASON_SIZE];
    struct queue_receipt receipts[2];
    q = new_queue(100, 100000, FAR);
    cr_expect_not(queue_is_in_trouble(q, trouble));
    struct ulid known = add(&(struct spec){.ref = "r"}, 0);
    struct message *two[] = {make(&(struct spec){0}), make(&(struct spec){0})};
    size_t bytes = message_bytes(two[0]);
    queue_set_room(q, 2 * bytes - 1, "");
    cr_expect_eq(submit(two, 2, receipts, 0), QUEUE_FULL);
    add_plain();
    queue_set_room(q, 0, "no room");
    cr_expect(queue_is_in_trouble(q, trouble));
    cr_expect_str_eq(trouble, "no room");
    struct message *m = make(&(struct spec){0});
    cr_expect_eq(submit(&m, 1, receipts, 0), QUEUE_FULL);
    m = make(&(struct spec){.ref = "r"});
    cr_expect_eq(submit(&m, 1, receipts, 0), QUEUE_ACCEPTED, "a duplicate needs no room");
    cr_expect(is_known(&known));
    queue_set_room(q, SIZE_MAX, "");
    add_plain();
    queue_free(q);
}

Test(queue, finished_messages_have_a_bound_of_their_own)
{
    struct message *sample = make(&(struct spec){0});
    size_t bytes = message_bytes(sample);
    message_free(sample);
    q = queue_new(&(struct queue_options){.max_messages = 100,
                                          .max_bytes = 100000,
                                          .max_finished_bytes = 3 * bytes,
                                          .retention_ms = FAR});
    struct ulid ids[5];
    for (int i = 0; i < 5; i++) {
        ids[i] = add(&(struct spec){0}, 0);
    }
    for (int i = 0; i < 5; i++) {
        settle_one(take_one(&ids[i], 0), FATE_RELAYED, 10 + i);
        for (int j = 0; j < 5; j++) {
            cr_expect_eq(is_known(&ids[j]), j + 3 > i, "%d has finished: %d", i, j);
        }
    }
    queue_free(q);
}

Test(queue, finished_messages_make_room_for_new_ones)
{
    struct message *sample = make(&(struct spec){0});
    size_t bytes = message_bytes(sample);
    message_free(sample);
    q = new_queue(100, 5 * bytes, FAR);
    struct ulid ids[5];
    for (int i = 0; i < 5; i++) {
        ids[i] = add(&(struct spec){0}, 0);
    }
    struct queue_receipt receipts[4];
    struct message *m = make(&(struct spec){0});
    cr_expect_eq(submit(&m, 1, receipts, 0), QUEUE_FULL, "none of them is finished");
    struct message *taken[3];
    cr_assert_eq(queue_take(q, 3, 0, taken), 3);
    static const int order[] = {1, 0, 2};
    for (int i = 0; i < 3; i++) {
        settle_one(taken[order[i]], FATE_RELAYED, 10 + i);
    }
    struct message *four[] = {make(&(struct spec){0}), make(&(struct spec){0}),
                              make(&(struct spec){0}), make(&(struct spec){0})};
    cr_expect_eq(submit(four, 4, receipts, 20), QUEUE_FULL);
    for (int i = 0; i < 3; i++) {
        cr_expect(is_known(&ids[i]), "a refused submission costs nobody anything");
    }
    add(&(struct spec){0}, 20);
    cr_expect(!is_known(&ids[1]) && is_known(&ids[0]) && is_known(&ids[2]),
              "the first to finish goes");
    add(&(struct spec){0}, 20);
    cr_expect(!is_known(&ids[0]) && is_known(&ids[2]));
    struct queue_totals totals;
    queue_totals(q, &totals);
    cr_expect_eq(totals.bytes, 5 * bytes);
    queue_free(q);
}

Test(queue, bytes_return_to_zero)
{
    for (int start = 0; start < STARTS; start++) {
        setup();
        struct ulid id = bring((enum start)start);
        queue_cancel(q, &id, 0, true, 20);
        if (state_of(&id) == MESSAGE_SENDING) {
            teardown();
            continue;
        }
        for (int64_t now_ms = 20; now_ms < 3 * FAR; now_ms += FAR) {
            advance(now_ms);
        }
        struct queue_totals totals;
        queue_totals(q, &totals);
        cr_expect_eq(totals.bytes, 0, "start %d", start);
        cr_expect_not(is_known(&id));
        teardown();
    }
}

Test(queue, retention)
{
    q = new_queue(100, 100000, 50);
    struct ulid ids[4];
    for (int i = 0; i < 4; i++) {
        ids[i] = add(&(struct spec){0}, 0);
    }
    settle_one(take_one(&ids[0], 0), FATE_RELAYED, 10);
    queue_cancel(q, &ids[1], 0, true, 20);
    settle_one(take_one(&ids[2], 0), FATE_REJECTED, 30);
    static const struct {
        int64_t now_ms;
        bool is_known[4];
    } cases[] = {
        {59, {true, true, true, true}},     {60, {false, true, true, true}},
        {79, {false, false, true, true}},   {80, {false, false, false, true}},
        {500, {false, false, false, true}},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        advance(cases[i].now_ms);
        for (int m = 0; m < 4; m++) {
            cr_expect_eq(is_known(&ids[m]), cases[i].is_known[m], "message %d at %d", m,
                         (int)cases[i].now_ms);
        }
    }
    queue_free(q);
}

Test(queue, without_retention_all_is_gone_at_once)
{
    q = new_queue(100, 100000, 0);
    queue_watch_all(q, true);
    for (int round = 0; round < 100; round++) {
        struct ulid id = add(&(struct spec){.ref = "r"}, 0);
        struct queue_settlement s = {.message = take_one(&id, 0),
                                     .fate = FATE_RELAYED,
                                     .answer = message_answer_new("api", "")};
        queue_settle(q, &s, 1, 0);
        cr_expect_not(is_known(&id));
        size_t count;
        struct queue_event *events = queue_events_take(q, &count);
        cr_assert_eq(count, 3);
        cr_expect_eq(events[2].state, MESSAGE_RELAYED, "still told");
        cr_expect_str_eq(message_answer_api_id(events[2].answer), "api");
        queue_events_free(events, count);
    }
    struct queue_totals totals;
    queue_totals(q, &totals);
    cr_expect_eq(totals.bytes, 0);
    queue_free(q);
}

/* Header, 128-byte text, number and sender; the index; and malloc's own overhead. */
Test(queue, memory_for_each_message)
{
    enum { MESSAGES = 100000 };
    char text[129];
    memset(text, 't', 128);
    text[128] = '\0';
    struct mallinfo2 before = mallinfo2();
    q = new_queue(MESSAGES, SIZE_MAX, 0);
    for (int i = 0; i < MESSAGES; i++) {
        add(&(struct spec){.text = text, .from = "Sender", .priority = PRIORITY_NORMAL}, 0);
    }
    struct mallinfo2 after = mallinfo2();
    size_t used = after.uordblks + after.hblkhd - before.uordblks - before.hblkhd;
    cr_expect_leq(used / MESSAGES, 280, "%zu bytes", used / MESSAGES);
    queue_free(q);
}

/* --- in two steps, with the store in between -------------------------------------------------- */

/* A submission of one message; the test makes the pair of calls. */
struct pending {
    struct message *message;
    struct queue_receipt receipt;
};

static struct queue_submission pend(struct pending *p, const struct spec *spec)
{
    *p = (struct pending){.message = make(spec)};
    return (struct queue_submission){&p->message, 1, &p->receipt, QUEUE_FULL, 0, {0}};
}

static size_t count_unfinished(void)
{
    struct queue_totals totals;
    size_t count = 0;
    queue_totals(q, &totals);
    for (int state = 0; state < MESSAGE_RELAYED; state++) {
        count += totals.by_state[state];
    }
    return count;
}

Test(queue, what_is_prepared_is_not_there_yet, .init = setup, .fini = teardown)
{
    struct pending p[2];
    struct queue_submission s[2] = {pend(&p[0], &(struct spec){.ref = "r"}),
                                    pend(&p[1], &(struct spec){.due_ms = 50})};
    advance(0);
    cr_assert_not(queue_sleep(q, 1, true));
    wakes = 0;
    queue_prepare(q, s, 2, 0);
    cr_expect(s[0].verdict == QUEUE_ACCEPTED && s[1].verdict == QUEUE_ACCEPTED);
    cr_expect_eq(p[0].receipt.state, MESSAGE_QUEUED);
    cr_expect_eq(p[1].receipt.state, MESSAGE_SCHEDULED);
    cr_expect_not(is_known(&p[0].receipt.id));
    cr_expect_eq(count_unfinished(), 0);
    struct message *m;
    cr_expect_eq(queue_take(q, 1, 0, &m), 0, "it is not on disk");
    cr_expect_eq(wakes, 0);
    advance(0);
    cr_assert_not(queue_sleep(q, 1, true));
    queue_admit(q, s, 2, true, 7);
    cr_expect_eq(wakes, 1);
    expect_state(&p[0].receipt.id, MESSAGE_QUEUED, "admitted");
    expect_state(&p[1].receipt.id, MESSAGE_SCHEDULED, "admitted");
    take_one(&p[0].receipt.id, 8);
    cr_expect_eq(advance(8).next_due_ms, 50);
    advance(50);
    take_one(&p[1].receipt.id, 50);
}

Test(queue, what_was_not_stored_leaves_nothing, .init = setup, .fini = teardown)
{
    add(&(struct spec){.ref = "old"}, 0);
    struct pending p[4];
    struct queue_submission s[4] = {
        pend(&p[0], &(struct spec){.ref = "r"}), pend(&p[1], &(struct spec){.ref = "old"}),
        pend(&p[2], &(struct spec){.ref = "r", .text = "other"}), pend(&p[3], &(struct spec){0})};
    struct queue_totals before, after;
    queue_totals(q, &before);
    queue_prepare(q, s, 4, 0);
    cr_expect(p[1].receipt.is_duplicate);
    cr_expect_eq(s[2].verdict, QUEUE_REF_CONFLICT);
    queue_admit(q, s, 4, false, 0);
    static const enum queue_verdict want[] = {QUEUE_NOT_STORED, QUEUE_NOT_STORED,
                                              QUEUE_REF_CONFLICT, QUEUE_NOT_STORED};
    static const struct queue_receipt nothing;
    for (size_t i = 0; i < COUNT(want); i++) {
        cr_expect_eq(s[i].verdict, want[i], "submission %zu", i);
        cr_expect_eq(memcmp(&p[i].receipt, &nothing, sizeof nothing), 0, "submission %zu", i);
        message_free(p[i].message); /* still the caller's; with ASan, a second owner shows */
    }
    queue_totals(q, &after);
    cr_expect_eq(memcmp(&before, &after, sizeof before), 0);
    size_t count;
    cr_expect_null(queue_find_ref(q, "r", 0, &count));
    add(&(struct spec){.ref = "r", .text = "other"}, 0); /* the REF is free: no conflict */
    struct ulid *ids = queue_find_ref(q, "old", 0, &count);
    cr_expect_eq(count, 1, "the first one is still found");
    free(ids);
}

Test(queue, a_ref_within_one_batch, .init = setup, .fini = teardown)
{
    struct pending p[3];
    struct queue_submission s[3] = {pend(&p[0], &(struct spec){.ref = "r"}),
                                    pend(&p[1], &(struct spec){.ref = "r"}),
                                    pend(&p[2], &(struct spec){.ref = "r", .text = "other"})};
    queue_prepare(q, s, 3, 0);
    cr_expect_eq(s[0].verdict, QUEUE_ACCEPTED);
    cr_expect_eq(s[1].verdict, QUEUE_ACCEPTED);
    cr_expect(p[1].receipt.is_duplicate && is_same(&p[1].receipt.id, &p[0].receipt.id));
    cr_expect_eq(s[2].verdict, QUEUE_REF_CONFLICT);
    queue_admit(q, s, 3, true, 0);
    message_free(p[2].message);
    cr_expect_eq(count_unfinished(), 1);
    struct message *again = make(&(struct spec){.ref = "r"});
    struct queue_receipt receipt;
    cr_expect_eq(submit(&again, 1, &receipt, 0), QUEUE_ACCEPTED);
    cr_expect(receipt.is_duplicate);
}

Test(queue, its_first_one_ends_while_a_duplicate_is_stored, .init = setup, .fini = teardown)
{
    struct ulid first = add(&(struct spec){.ref = "r"}, 0);
    struct pending p;
    struct queue_submission s = pend(&p, &(struct spec){.ref = "r"});
    queue_prepare(q, &s, 1, 0);
    cr_assert_eq(queue_cancel(q, &first, 0, true, 0), QUEUE_DONE);
    queue_admit(q, &s, 1, true, 0);
    cr_expect(p.receipt.is_duplicate && is_same(&p.receipt.id, &first));
    cr_expect_eq(count_unfinished(), 0, "the receipt says what was true when it came");
    add(&(struct spec){.ref = "r"}, 0);
}

Test(queue, what_arrives_counts_against_the_bounds)
{
    struct message *sample = make(&(struct spec){0});
    size_t bytes = message_bytes(sample);
    message_free(sample);
    const struct {
        const char *what;
        size_t max_messages, max_bytes;
    } cases[] = {{"messages", 3, SIZE_MAX / 2}, {"bytes", 100, 3 * bytes + 1}};
    for (size_t i = 0; i < COUNT(cases); i++) {
        for (int is_stored = 0; is_stored <= 1; is_stored++) {
            struct pending p[4];
            struct queue_submission s[4];
            q = new_queue(cases[i].max_messages, cases[i].max_bytes, FAR);
            add_plain();
            for (size_t j = 0; j < COUNT(p); j++) {
                s[j] = pend(&p[j], &(struct spec){0});
            }
            queue_prepare(q, s, 2, 0);
            cr_expect_eq(s[1].verdict, QUEUE_ACCEPTED, "%s", cases[i].what);
            queue_prepare(q, &s[2], 1, 0);
            cr_expect_eq(s[2].verdict, QUEUE_FULL, "%s: that is arriving", cases[i].what);
            queue_admit(q, s, 3, is_stored != 0, 0);
            queue_prepare(q, &s[3], 1, 0);
            cr_expect_eq(s[3].verdict, is_stored ? QUEUE_FULL : QUEUE_ACCEPTED, "%s, stored %d",
                         cases[i].what, is_stored);
            queue_admit(q, &s[3], 1, true, 0);
            cr_expect_eq(count_unfinished(), is_stored ? 3 : 2);
            for (size_t j = 0; j < COUNT(p); j++) {
                if (s[j].verdict != QUEUE_ACCEPTED) {
                    message_free(p[j].message);
                }
            }
            queue_free(q);
        }
    }
}

/* More than the heap has room for at first; also between the two calls. */
Test(queue, many_scheduled_at_once, .init = setup, .fini = teardown)
{
    enum { MESSAGES = 300 };
    static struct pending p[MESSAGES];
    static struct queue_submission s[MESSAGES];
    for (size_t i = 0; i < MESSAGES; i++) {
        s[i] = pend(&p[i], &(struct spec){.due_ms = 1000 - (int64_t)i});
    }
    queue_prepare(q, s, MESSAGES, 0);
    for (int i = 0; i < 100; i++) { /* others take room in the heap meanwhile */
        struct queue_settlement deferred = {
            .message = (add_plain(), take_one(NULL, 0)), .fate = FATE_RETURNED, .due_ms = 2000};
        queue_settle(q, &deferred, 1, 0);
    }
    queue_admit(q, s, MESSAGES, true, 0);
    cr_expect_eq(advance(700).next_due_ms, 701);
    for (size_t i = 0; i < MESSAGES; i++) {
        advance(701 + (int64_t)i);
        take_one(&p[MESSAGES - 1 - i].receipt.id, 701 + (int64_t)i);
    }
}

/* --- after a restart -------------------------------------------------------------------------- */

enum { NOW = 500 };

/* A message as the store gives it back. */
static struct message *stored(const struct spec *spec, enum message_state state)
{
    struct message *m = make(spec);
    m->state = state & 0xF;
    m->updated_ms = 400;
    m->attempts = state == MESSAGE_QUEUED || state == MESSAGE_SCHEDULED ? 0 : 1;
    return m;
}

static struct ulid restore(struct message *m)
{
    struct ulid id = m->id;
    cr_assert(queue_restore(q, &m, 1, NOW));
    return id;
}

static size_t count_ambiguous(void)
{
    struct queue_totals totals;
    queue_totals(q, &totals);
    return totals.ambiguous;
}

/* What a message was, and what it becomes: at once, with how many doubts, if the history does not
 * have it, and if it expires before that is known. */
Test(queue, restored_as_what)
{
    static const struct {
        enum message_state was;
        unsigned doubts, doubts_then;
        int64_t due_ms;
        enum message_state is, absent, overdue;
    } cases[] = {
        {MESSAGE_QUEUED, 0, 0, 0, MESSAGE_DEFERRED, MESSAGE_QUEUED, MESSAGE_DEFERRED},
        {MESSAGE_QUEUED, 1, 1, 0, MESSAGE_DEFERRED, MESSAGE_QUEUED, MESSAGE_DEFERRED},
        {MESSAGE_SENDING, 0, 1, 0, MESSAGE_DEFERRED, MESSAGE_QUEUED, MESSAGE_DEFERRED},
        {MESSAGE_SENDING, 2, 3, 0, MESSAGE_DEFERRED, MESSAGE_QUEUED, MESSAGE_DEFERRED},
        {MESSAGE_SENDING, 7, 7, 0, MESSAGE_DEFERRED, MESSAGE_QUEUED, MESSAGE_DEFERRED},
        {MESSAGE_DEFERRED, 0, 0, 900, MESSAGE_DEFERRED, MESSAGE_QUEUED, MESSAGE_DEFERRED},
        {MESSAGE_DEFERRED, 1, 1, 0, MESSAGE_DEFERRED, MESSAGE_QUEUED, MESSAGE_DEFERRED},
        {MESSAGE_SCHEDULED, 0, 0, NOW, MESSAGE_DEFERRED, MESSAGE_QUEUED, MESSAGE_DEFERRED},
        {MESSAGE_SCHEDULED, 0, 0, NOW + 1, MESSAGE_SCHEDULED, MESSAGE_SCHEDULED, MESSAGE_EXPIRED},
        {MESSAGE_UNRESOLVED, 2, 2, 0, MESSAGE_UNRESOLVED, MESSAGE_UNRESOLVED, MESSAGE_UNRESOLVED},
        {MESSAGE_UNRESOLVED, 0, 0, 0, MESSAGE_UNRESOLVED, MESSAGE_UNRESOLVED, MESSAGE_UNRESOLVED},
        {MESSAGE_RELAYED, 0, 0, 0, MESSAGE_RELAYED, MESSAGE_RELAYED, MESSAGE_RELAYED},
        {MESSAGE_CANCELED, 0, 0, 0, MESSAGE_CANCELED, MESSAGE_CANCELED, MESSAGE_CANCELED},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        for (int what = 0; what < 3; what++) {
            char words[40];
            snprintf(words, sizeof words, "case %zu, %d", i, what);
            setup();
            /* The REF keeps the finished ones; `due_ms` is what the store noted. */
            struct message *m = stored(&(struct spec){.ref = "r"}, cases[i].was);
            m->doubts = cases[i].doubts & MESSAGE_DOUBTS_MAX;
            m->due_ms = cases[i].due_ms;
            struct ulid id = restore(m);
            expect_state(&id, cases[i].is, words);
            cr_expect_eq(count_ambiguous(), cases[i].is == MESSAGE_DEFERRED, "%s", words);
            cr_expect_eq(m->doubts, cases[i].doubts_then, "%s", words);
            struct message *out;
            cr_expect_eq(queue_take(q, 1, NOW, &out), 0, "%s: not before it is known", words);
            if (what == 1) {
                resolve_one(&id, FATE_RETURNED, NOW);
                expect_state(&id, cases[i].absent, words);
            } else if (what == 2 && cases[i].was != MESSAGE_SCHEDULED) {
                advance(FAR - 1);
                expect_state(&id, cases[i].is, words);
                advance(FAR);
                expect_state(&id, cases[i].overdue, words);
                if (cases[i].overdue == MESSAGE_DEFERRED) { /* the scan is asked first */
                    resolve_one(&id, FATE_RETURNED, FAR);
                    expect_state(&id, MESSAGE_EXPIRED, words);
                }
            }
            teardown();
        }
    }
}

/* What was refused before the restart, and may be taken: until the history was asked about it. */
Test(queue, restored_as_unlooked, .init = setup, .fini = teardown)
{
    struct message *m = stored(&(struct spec){0}, MESSAGE_QUEUED);
    m->is_unlooked = true;
    struct ulid id = restore(m);
    size_t count;
    size_t left_out;
    struct queue_doubtful *doubtful = queue_ambiguous(q, INT64_MAX, &count, &left_out);
    cr_assert_eq(count, 1);
    cr_expect(doubtful[0].is_unlooked && doubtful[0].doubts == 0);
    free(doubtful);
    resolve_one(&id, FATE_RETURNED, NOW);
    settle_one(take_one(&id, NOW), FATE_AMBIGUOUS, NOW);
    doubtful = queue_ambiguous(q, INT64_MAX, &count, &left_out);
    cr_assert_eq(count, 1);
    cr_expect_not(doubtful[0].is_unlooked);
    free(doubtful);
}

/* However long it was down: the history is asked before anything is given up. */
Test(queue, restored_long_after_its_time, .init = setup, .fini = teardown)
{
    enum { HOUR_MS = 60 * 60 * 1000 };
    struct message *m = stored(&(struct spec){.expires_ms = 450}, MESSAGE_SENDING);
    struct ulid id = m->id;
    cr_assert(queue_restore(q, &m, 1, DAY_MS));
    advance(DAY_MS + HOUR_MS - 1);
    expect_state(&id, MESSAGE_DEFERRED, "within the hour");
    advance(DAY_MS + HOUR_MS);
    expect_state(&id, MESSAGE_UNRESOLVED, "after it");
}

/* Its client was told that it may have been sent: that stays true. */
Test(queue, restored_canceled_keeps_its_ref, .init = setup, .fini = teardown)
{
    struct message *m = stored(&(struct spec){.ref = "r"}, MESSAGE_CANCELED);
    m->may_be_sent = true;
    struct ulid id = restore(m);
    struct message *again = make(&(struct spec){.ref = "r"});
    struct queue_receipt receipt;
    cr_assert_eq(submit(&again, 1, &receipt, NOW), QUEUE_ACCEPTED);
    cr_expect(receipt.is_duplicate && is_same(&receipt.id, &id));
    free(receipt.answer);
}

Test(queue, restored_schedule, .init = setup, .fini = teardown)
{
    struct ulid late = restore(stored(&(struct spec){.due_ms = 900}, MESSAGE_SCHEDULED));
    struct ulid early = restore(stored(&(struct spec){.due_ms = 700}, MESSAGE_SCHEDULED));
    cr_expect_eq(advance(NOW).next_due_ms, 700);
    advance(700);
    take_one(&early, 700);
    cr_expect_eq(advance(700).next_due_ms, 900);
    advance(900);
    take_one(&late, 900);
}

Test(queue, restored_order_outlives_the_scan, .init = setup, .fini = teardown)
{
    enum { MESSAGES = 9 };
    struct message *messages[MESSAGES];
    struct ulid ids[MESSAGES];
    static const enum message_priority lanes[] = {PRIORITY_LOW, PRIORITY_HIGH, PRIORITY_NORMAL};
    static const enum message_state states[] = {MESSAGE_SENDING, MESSAGE_DEFERRED, MESSAGE_QUEUED};
    for (size_t i = 0; i < MESSAGES; i++) {
        messages[i] = stored(&(struct spec){.priority = lanes[i % 3]}, states[i / 3]);
        ids[i] = messages[i]->id;
    }
    cr_assert(queue_restore(q, messages, 4, NOW) && queue_restore(q, messages + 4, 5, NOW));
    add_plain(); /* came after the start and before the scan: behind those that are older */

    size_t count;
    size_t left_out;
    struct queue_doubtful *found = queue_ambiguous(q, NOW, &count, &left_out);
    cr_assert_eq(count, MESSAGES);
    for (size_t i = 0; i < MESSAGES; i++) {
        cr_expect(is_same(&found[i].id, &ids[i]), "in the order of the store");
    }
    free(found);
    struct queue_resolution r[MESSAGES];
    for (size_t i = 0; i < MESSAGES; i++) {
        r[i] = (struct queue_resolution){.id = ids[i], .fate = FATE_RETURNED};
    }
    queue_resolve(q, r, MESSAGES, NOW);
    static const size_t turns[] = {1, 4, 7, 2, 5, 8};
    for (size_t i = 0; i < COUNT(turns); i++) {
        take_one(&ids[turns[i]], NOW);
    }
    struct message *m = take_one(NULL, NOW);
    cr_expect_eq(m->priority, PRIORITY_NORMAL, "the new one, before the low ones");
    static const size_t low[] = {0, 3, 6};
    for (size_t i = 0; i < COUNT(low); i++) {
        take_one(&ids[low[i]], NOW);
    }
}

Test(queue, found_in_the_history_after_a_restart, .init = setup, .fini = teardown)
{
    struct ulid sent = restore(stored(&(struct spec){0}, MESSAGE_SENDING));
    struct queue_resolution r = {
        .id = sent, .fate = FATE_RELAYED, .answer = message_answer_new("api", "")};
    queue_resolve(q, &r, 1, NOW);
    expect_state(&sent, MESSAGE_RELAYED, "found");
    struct ulid new = add_plain();
    take_one(&new, NOW); /* new messages do not wait for the scan */
}

/* Restored messages hold their REFs as if nothing had happened. */
Test(queue, restored_refs)
{
    static const struct {
        enum message_state was;
        const char *text;
        enum queue_verdict verdict;
        bool is_duplicate;
    } cases[] = {
        {MESSAGE_QUEUED, "hello", QUEUE_ACCEPTED, true},
        {MESSAGE_QUEUED, "other", QUEUE_REF_CONFLICT, false},
        {MESSAGE_UNRESOLVED, "hello", QUEUE_ACCEPTED, true},
        {MESSAGE_RELAYED, "hello", QUEUE_ACCEPTED, true},
        {MESSAGE_RELAYED, "other", QUEUE_REF_CONFLICT, false},
        {MESSAGE_REJECTED, "other", QUEUE_ACCEPTED, false},
        {MESSAGE_EXPIRED, "hello", QUEUE_ACCEPTED, false},
        {MESSAGE_CANCELED, "hello", QUEUE_ACCEPTED, false},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        setup();
        struct message *was = stored(&(struct spec){.ref = "r"}, cases[i].was);
        was->answer = message_answer_new("api", "");
        struct ulid first = restore(was);
        struct message *m = make(&(struct spec){.ref = "r", .text = cases[i].text});
        struct queue_receipt receipt = {0};
        cr_expect_eq(submit(&m, 1, &receipt, NOW), cases[i].verdict, "case %zu", i);
        cr_expect_eq(receipt.is_duplicate, cases[i].is_duplicate, "case %zu", i);
        if (receipt.is_duplicate) {
            cr_expect(is_same(&receipt.id, &first));
            cr_expect_str_eq(message_answer_api_id(receipt.answer), "api");
            free(receipt.answer);
        }
        size_t count;
        struct ulid *ids = queue_find_ref(q, "r", 0, &count);
        cr_expect_eq(count, cases[i].is_duplicate || cases[i].verdict == QUEUE_REF_CONFLICT ? 1 : 2,
                     "case %zu", i);
        free(ids);
        teardown();
    }
}

/* Both were in the store: the REF was free again when the second one came. */
Test(queue, restored_ref_of_a_failure_and_of_its_successor, .init = setup, .fini = teardown)
{
    struct ulid failed = restore(stored(&(struct spec){.ref = "r"}, MESSAGE_REJECTED));
    struct ulid second = restore(stored(&(struct spec){.ref = "r"}, MESSAGE_QUEUED));
    struct message *m = make(&(struct spec){.ref = "r"});
    struct queue_receipt receipt;
    cr_assert_eq(submit(&m, 1, &receipt, NOW), QUEUE_ACCEPTED);
    cr_expect(receipt.is_duplicate && is_same(&receipt.id, &second));
    size_t count;
    struct ulid *ids = queue_find_ref(q, "r", 0, &count);
    cr_assert_eq(count, 2);
    cr_expect(is_same(&ids[0], &failed) && is_same(&ids[1], &second));
    free(ids);
}

Test(queue, restores_more_than_it_would_take)
{
    struct message *sample = make(&(struct spec){.ref = "0"});
    size_t bytes = message_bytes(sample);
    message_free(sample);
    q = new_queue(2, 3 * bytes, FAR);
    struct message *messages[6];
    struct ulid ids[6];
    for (size_t i = 0; i < 6; i++) {
        const char ref[] = {(char)('0' + i), '\0'};
        messages[i] = stored(&(struct spec){.ref = ref}, i < 3 ? MESSAGE_RELAYED : MESSAGE_QUEUED);
        messages[i]->updated_ms += (int64_t)i;
        ids[i] = messages[i]->id;
    }
    cr_assert(queue_restore(q, messages, 5, NOW));
    cr_expect_eq(count_unfinished(), 2);
    cr_expect(!is_known(&ids[0]) && !is_known(&ids[1]) && is_known(&ids[2]), "oldest first");
    cr_assert(queue_restore(q, messages + 5, 1, NOW));
    cr_expect_eq(count_unfinished(), 3, "max_messages, 250, does not apply");
    struct queue_receipt receipt;
    struct message *m = make(&(struct spec){0});
    cr_expect_eq(submit(&m, 1, &receipt, NOW), QUEUE_FULL);
    queue_free(q);
}

Test(queue, restored_and_finished_are_kept_for_what_is_left_of_the_retention)
{
    q = new_queue(100, 100000, 150);
    struct ulid id = restore(stored(&(struct spec){.ref = "r"}, MESSAGE_RELAYED));
    advance(549);
    cr_expect(is_known(&id), "it ended at 400");
    advance(550);
    cr_expect_not(is_known(&id));
    struct queue_totals totals;
    queue_totals(q, &totals);
    cr_expect_eq(totals.bytes, 0);
    queue_free(q);
}

/* --- wake-ups ------------------------------------------------------------------------------- */

enum event {
    ADD_NORMAL,
    ADD_HIGH,
    ADD_TWO,
    ADD_AT,
    ADD_TTL,
    RETURN_ONE, /* the message being sent when the forwarder went to sleep */
    RELAY_ONE,
    RESOLVE_ONE,
    RETRY_ONE,
    FLUSH_ONE,
    CANCEL_ONE
};

static void cause(enum event event, const struct ulid *id, struct message *sent)
{
    struct queue_receipt receipts[2];
    switch (event) {
    case ADD_NORMAL:
        add_plain();
        break;
    case ADD_HIGH:
        add(&(struct spec){0}, 0);
        break;
    case ADD_TWO:
        submit((struct message *[]){make(&(struct spec){.priority = PRIORITY_LOW}),
                                    make(&(struct spec){.priority = PRIORITY_NORMAL})},
               2, receipts, 0);
        break;
    case ADD_AT:
        add(&(struct spec){.due_ms = 50}, 0);
        break;
    case ADD_TTL:
        add(&(struct spec){.expires_ms = 60, .priority = PRIORITY_NORMAL}, 0);
        break;
    case RETURN_ONE:
        settle_one(sent, FATE_RETURNED, 0);
        break;
    case RELAY_ONE:
        settle_one(sent, FATE_RELAYED, 0);
        break;
    case RESOLVE_ONE:
        resolve_one(id, FATE_RETURNED, 0);
        break;
    case RETRY_ONE:
        queue_retry(q, id, 0);
        break;
    case FLUSH_ONE:
        queue_flush(q, 0);
        break;
    case CANCEL_ONE:
        queue_cancel(q, id, 0, true, 0);
        break;
    }
}

Test(queue, wakes_the_forwarder_once)
{
    static const struct {
        const char *what;
        size_t ready;
        bool on_high;
        enum start before; /* one message in this state */
        enum event event;
        unsigned wakes;
    } cases[] = {
        {"the one that it waits for", 1, false, RELAYED, ADD_NORMAL, 1},
        {"fewer than it waits for", 2, false, RELAYED, ADD_NORMAL, 0},
        {"as many as it waits for", 2, false, RELAYED, ADD_TWO, 1},
        {"more than it waits for", 1, false, RELAYED, ADD_TWO, 1},
        {"those that were there count", 3, false, QUEUED, ADD_TWO, 1},
        {"it waits for none", 0, false, RELAYED, ADD_HIGH, 1}, /* its expiry, see below */
        {"high, and it waits for high", 100, true, RELAYED, ADD_HIGH, 1},
        {"normal, and it waits for high", 100, true, RELAYED, ADD_NORMAL, 0},
        {"high, and it does not", 100, false, RELAYED, ADD_HIGH, 0},
        {"an earlier AT", 100, false, SCHEDULED, ADD_AT, 1},
        {"a first AT", 100, false, RELAYED, ADD_AT, 1},
        {"a TTL to watch over", 100, false, RELAYED, ADD_TTL, 1},
        {"a return", 1, false, SENDING, RETURN_ONE, 1},
        {"a success", 1, false, SENDING, RELAY_ONE, 0},
        {"a resolution", 1, false, AMBIGUOUS, RESOLVE_ONE, 1},
        {"a retry", 1, false, UNRESOLVED, RETRY_ONE, 1},
        {"a flush", 1, false, DEFERRED, FLUSH_ONE, 1},
        {"a cancellation", 1, false, SCHEDULED, CANCEL_ONE, 0},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        setup();
        struct ulid id = bring(cases[i].before == SENDING ? RELAYED : cases[i].before);
        struct message *sent = NULL;
        if (cases[i].before == SENDING) {
            id = add_plain();
            sent = take_one(&id, 0);
        }
        advance(0);
        cr_assert_not(queue_sleep(q, cases[i].ready, cases[i].on_high), "%s", cases[i].what);
        wakes = 0;
        cause(cases[i].event, &id, sent);
        cr_expect_eq(wakes, cases[i].wakes, "%s: %u", cases[i].what, wakes);
        if (cases[i].wakes > 0) {
            cause(ADD_HIGH, NULL, NULL);
            cause(ADD_TWO, NULL, NULL);
            cr_expect_eq(wakes, 1, "%s: once only", cases[i].what);
        }
        teardown();
    }
}

Test(queue, does_not_let_it_sleep_over_what_is_there, .init = setup, .fini = teardown)
{
    advance(0);
    add_plain();
    cr_expect(queue_sleep(q, 1, false));
    cr_expect_not(queue_sleep(q, 2, true));
    add(&(struct spec){0}, 0);
    cr_expect_eq(wakes, 1);
    cr_expect(queue_sleep(q, 5, true), "a high one");
    add(&(struct spec){.due_ms = 50}, 0);
    cr_expect(queue_sleep(q, 50, false), "an AT that came after queue_advance");
    advance(0);
    cr_expect_not(queue_sleep(q, 50, false));
    cr_expect_eq(wakes, 1, "queue_sleep itself wakes nobody");
    advance(0);
    for (int i = 0; i < 60; i++) {
        add_plain();
    }
    cr_expect_eq(wakes, 1, "queue_advance ends a sleep");
}

Test(queue, held_messages_expire_in_time, .init = setup, .fini = teardown)
{
    advance(0);
    cr_assert_not(queue_sleep(q, 0, false));
    add_plain();
    cr_expect_eq(wakes, 1, "so that it learns when to look");
    cr_expect_eq(advance(0).next_due_ms, FAR);
    cr_assert_not(queue_sleep(q, 0, false));
    add_plain();
    cr_expect_eq(wakes, 1, "it knows");
}

/* --- asking --------------------------------------------------------------------------------- */

Test(queue, status_is_for_the_owner, .init = setup, .fini = teardown)
{
    struct ulid id = add(&(struct spec){.owner = 7, .ref = "r"}, 0), unknown = {{0}};
    struct message_status status;
    cr_expect_not(queue_status(q, &id, 8, false, &status));
    cr_expect_not(queue_status(q, &id, OWNER_LOCAL, false, &status));
    cr_expect_not(queue_status(q, &unknown, 7, true, &status));
    cr_assert(queue_status(q, &id, 8, true, &status));
    message_status_free(&status);
    cr_assert(queue_status(q, &id, 7, false, &status));
    cr_expect(is_same(&status.id, &id));
    cr_expect_str_eq(status.ref, "r");
    message_status_free(&status);
    size_t count;
    cr_expect_null(queue_find_ref(q, "r", 8, &count));
}

Test(queue, lists_oldest_first, .init = setup, .fini = teardown)
{
    struct ulid low = add(&(struct spec){.priority = PRIORITY_LOW}, 0);
    struct ulid at = add(&(struct spec){.due_ms = 50}, 0);
    struct ulid high = add(&(struct spec){0}, 0);
    struct ulid gone = add(&(struct spec){.priority = PRIORITY_NORMAL}, 0);
    struct ulid lost = add(&(struct spec){.priority = PRIORITY_NORMAL}, 0);
    queue_cancel(q, &gone, 0, true, 0);
    take_one(&high, 0);
    settle_one(take_one(&lost, 0), FATE_AMBIGUOUS, 0);
    const struct {
        int state;
        size_t max, count;
        struct ulid want[4];
    } cases[] = {
        {-1, 100, 4, {low, at, high, lost}},
        {-1, 2, 2, {low, at}},
        {-1, 0, 0, {low}},
        {MESSAGE_QUEUED, 100, 1, {low}},
        {MESSAGE_SCHEDULED, 100, 1, {at}},
        {MESSAGE_SENDING, 100, 1, {high}},
        {MESSAGE_DEFERRED, 100, 1, {lost}},
        {MESSAGE_CANCELED, 100, 1, {gone}},
        {MESSAGE_RELAYED, 100, 0, {low}},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        size_t count;
        struct ulid *ids = queue_list(q, cases[i].state, cases[i].max, &count);
        cr_assert_eq(count, cases[i].count, "case %zu: %zu", i, count);
        cr_expect_eq(ids == NULL, count == 0);
        cr_expect(count == 0 || memcmp(ids, cases[i].want, count * sizeof(*ids)) == 0, "case %zu",
                  i);
        free(ids);
    }
}

/* A message keeps the wall clock's time of its submission. How old it is must not change when that is
 * set: here 2000 s ahead at 100 s, and 500 s back at 200 s. */
Test(queue, no_jump_of_the_clock_makes_a_message_older)
{
    enum { S = 1000, FIRST = 50000, SECOND = 52000, THIRD = 51500 };
    static const struct {
        int64_t unix_s, updated_s, want_s;
    } cases[] = {
        {FIRST + 10, 10, 10},     {FIRST + 99, 99, 99},     {SECOND + 100, 100, 100},
        {SECOND + 199, 199, 199}, {THIRD + 201, 900, 201},  {FIRST - 7000, 1, -7000},
        {SECOND + 201, 201, 201}, {SECOND + 199, 190, 190},
    };
    struct queue_jumps jumps = {.count = 0};
    cr_expect_eq(queue_jumps_steady_ms(&jumps, (FIRST + 10) * S, FIRST * S, 20 * S), 10 * S);
    queue_jumps_add(&jumps, 100 * S, FIRST * S);
    queue_jumps_add(&jumps, 200 * S, SECOND * S);
    for (size_t i = 0; i < COUNT(cases); i++) {
        int64_t is_ms =
            queue_jumps_steady_ms(&jumps, cases[i].unix_s * S, THIRD * S, cases[i].updated_s * S);
        cr_expect_eq(is_ms, cases[i].want_s * S, "case %zu: %lld", i, (long long)is_ms);
    }
    for (int i = 0; i < 3 * QUEUE_JUMPS_MAX; i++) {
        queue_jumps_add(&jumps, (300 + i) * S, THIRD * S);
    }
    cr_expect_eq(jumps.count, QUEUE_JUMPS_MAX);
}

Test(queue, tells_each_lane_and_since_when_it_waits, .init = setup, .fini = teardown)
{
    struct queue_totals totals;
    queue_totals(q, &totals);
    cr_expect_eq(totals.waits_since_ms, 0);
    for (int lane = 0; lane < MESSAGE_PRIORITIES; lane++) {
        cr_expect_eq(totals.by_lane[lane], 0);
        cr_expect_eq(totals.oldest_by_lane_ms[lane], 0);
    }

    /* One with an AT does not wait yet; it does from its AT on. */
    add(&(struct spec){.priority = PRIORITY_LOW, .due_ms = NOW + 500}, 0);
    queue_totals(q, &totals);
    cr_expect_eq(totals.waits_since_ms, 0);
    struct queue_depth depth;
    queue_advance(q, NOW + 600, &depth);
    struct ulid first = add(&(struct spec){.priority = PRIORITY_HIGH}, NOW);
    add(&(struct spec){.priority = PRIORITY_HIGH}, NOW);
    queue_totals(q, &totals);
    cr_expect_eq(totals.by_lane[PRIORITY_HIGH], 2);
    cr_expect_eq(totals.by_lane[PRIORITY_NORMAL], 0);
    cr_expect_eq(totals.by_lane[PRIORITY_LOW], 1);
    cr_expect_eq(totals.oldest_by_lane_ms[PRIORITY_HIGH], ulid_time_ms(&first));
    cr_expect_eq(totals.oldest_by_lane_ms[PRIORITY_NORMAL], 0);
    cr_expect_eq(totals.oldest_by_lane_ms[PRIORITY_LOW], NOW + 600);
    cr_expect_eq(totals.waits_since_ms, ulid_time_ms(&first));

    /* What is being sent still waits; what is left to the operator does not. */
    struct message *m = take_one(&first, NOW);
    queue_totals(q, &totals);
    cr_expect_eq(totals.by_lane[PRIORITY_HIGH], 1);
    cr_expect_eq(totals.waits_since_ms, ulid_time_ms(&first));
    settle_one(m, FATE_UNRESOLVED, NOW);
    settle_one(take_one(NULL, NOW), FATE_RELAYED, NOW);
    queue_totals(q, &totals);
    cr_expect_eq(totals.waits_since_ms, NOW + 600);
}

/* --- watching ------------------------------------------------------------------------------- */

Test(queue, events_of_a_watched_message, .init = setup, .fini = teardown)
{
    struct ulid other = add_plain(), id = add(&(struct spec){.owner = 7}, 0), unknown = {{0}};
    size_t count;
    cr_expect_null(queue_events_take(q, &count));
    cr_expect_not(queue_watch(q, &unknown, true));
    cr_expect(queue_watch(q, &id, true));
    settle_one(take_one(&id, 0), FATE_RETURNED, 0);
    cr_expect_eq(notifies, 1, "once, until they are taken");
    queue_cancel(q, &other, 0, true, 0);
    struct queue_settlement s = {
        .message = take_one(&id, 0), .fate = FATE_REJECTED, .answer = message_answer_new("", "no")};
    queue_settle(q, &s, 1, 0);
    cr_expect_eq(notifies, 1);

    struct queue_event *events = queue_events_take(q, &count);
    static const enum message_state want[] = {MESSAGE_SENDING, MESSAGE_QUEUED, MESSAGE_SENDING,
                                              MESSAGE_REJECTED};
    cr_assert_eq(count, COUNT(want));
    for (size_t i = 0; i < count; i++) {
        cr_expect_eq(events[i].state, want[i], "event %zu", i);
        cr_expect(is_same(&events[i].id, &id));
        cr_expect_eq(events[i].owner, 7);
        cr_expect(i == 0 || events[i].number > events[i - 1].number);
    }
    cr_expect_eq(events[2].number, events[1].number + 2,
                 "the other message's event has a number too");
    cr_expect_str_eq(message_answer_reason(events[3].answer), "no");
    queue_events_free(events, count);
    cr_expect_null(queue_events_take(q, &count));
}

Test(queue, watching_ends_and_begins_again, .init = setup, .fini = teardown)
{
    struct ulid id = add_plain();
    size_t count;
    queue_watch(q, &id, true);
    queue_watch(q, &id, false);
    struct message *m = take_one(&id, 0);
    cr_expect_eq(notifies, 0);
    queue_watch_all(q, true);
    settle_one(m, FATE_RETURNED, 0);
    add_plain();
    cr_expect_eq(notifies, 1);
    struct queue_event *events = queue_events_take(q, &count);
    cr_expect_eq(count, 2, "the first is that it was queued");
    queue_events_free(events, count);
    take_one(NULL, 0);
    cr_expect_eq(notifies, 2);
    queue_watch_all(q, false);
    take_one(NULL, 0);
    events = queue_events_take(q, &count);
    cr_expect_eq(count, 1);
    queue_events_free(events, count);
}
