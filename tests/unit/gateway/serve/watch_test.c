/*
 * Tests of watch: held replies and watchers by the thousand, a portion at a time. Uses an event base
 * without a network.
 */
#include "gateway/base/stats.h"
#include "gateway/queue/admission.h"
#include "gateway/queue/control.h"
#include "gateway/queue/queue.h"
#include "gateway/serve/watch.h"

#include <criterion/criterion.h>
#include <event2/thread.h>
#include <string.h>

enum {
    FAR = 1000000000,
    MANY = 2000,
    WATCHED = 5000,
    ACK_TIMEOUT_MS = 20,
    TURNS_MAX = 100000,
    A_TURN_MAX = 300 /* lines and replies that one turn of the loop may give */
};

static struct event_base *base;
static struct queue *q;
static struct watch *w;
static struct stats stats;

/* A client: how many lines and replies it was given. */
struct client {
    struct watcher watcher;
    size_t told, acknowledged;
    enum message_state state; /* of the last reply */
};

static size_t given; /* lines and replies of all clients since it was last set to 0 */

static void tell(void *client, const struct buffer *line)
{
    (void)line;
    ((struct client *)client)->told++;
    given++;
}

static void acknowledge(void *client, uint32_t slot, const struct session_receipt *receipts,
                        size_t count)
{
    struct client *c = client;
    (void)slot;
    cr_assert_eq(count, 1);
    c->acknowledged++;
    c->state = receipts[0].state;
    given++;
}

static void dispatched(void *arg)
{
    (void)arg;
}

static void notify(void *arg)
{
    (void)arg;
    watch_wake(w);
}

static void setup(void)
{
    evthread_use_pthreads();
    base = event_base_new();
    const struct queue_options queue_options = {.max_messages = 10 * WATCHED,
                                                .max_bytes = FAR,
                                                .retention_ms = FAR,
                                                .notify_events = notify};
    q = queue_new(&queue_options);
    const struct watch_options options = {.ack_timeout_ms = ACK_TIMEOUT_MS,
                                          .stats = &stats,
                                          .tell = tell,
                                          .acknowledge = acknowledge,
                                          .dispatched = dispatched};
    w = watch_new(base, q, &options);
    cr_assert(q != NULL && w != NULL);
    given = 0;
}

static void teardown(void)
{
    watch_free(w);
    queue_free(q);
    event_base_free(base);
}

TestSuite(watch, .init = setup, .fini = teardown);

static struct ulid add(uint16_t number)
{
    unsigned char random[ULID_RANDOM_BYTES] = {(unsigned char)(number >> 8), (unsigned char)number};
    struct message *m = message_new(&(struct message_content){.id = ulid_make(7, random),
                                                              .to = "+34600000000",
                                                              .from = "Acme",
                                                              .ref = "",
                                                              .text = "hello",
                                                              .text_len = 5,
                                                              .size = {TEXT_GSM7, 5, 1},
                                                              .expires_ms = FAR});
    struct queue_receipt receipt;
    struct queue_submission s = {&m, 1, &receipt, QUEUE_FULL, 0, {0}};
    queue_add(q, &s, 1, 7);
    cr_assert_eq(s.verdict, QUEUE_ACCEPTED);
    return receipt.id;
}

static void await(struct client *client, const struct ulid *id)
{
    const struct session_receipt receipt = {
        .id = *id, .state = MESSAGE_QUEUED, .is_duplicate = true};
    client->watcher.client = client;
    cr_assert(watch_await(w, &client->watcher, 0, &receipt, 1));
}

static void watch(struct client *client, const struct ulid *id)
{
    client->watcher.client = client;
    cr_assert(watch_message(w, &client->watcher, id));
}

/* Runs the loop until so much was given, and fails if one turn gives more than its portion. */
static void run_until_given(size_t wanted)
{
    size_t before = given;
    for (size_t turn = 0; given < wanted; turn++) {
        cr_assert_lt(turn, TURNS_MAX, "only %zu of %zu were given", given, wanted);
        event_base_loop(base, EVLOOP_ONCE);
        cr_assert_leq(given - before, A_TURN_MAX);
        before = given;
    }
    event_base_loop(base, EVLOOP_NONBLOCK);
    cr_assert_eq(given, wanted);
}

static void forget(struct client *client)
{
    while (!watch_forget(w, &client->watcher)) {
    }
}

Test(watch, replies_that_one_event_completes_are_given_over_several_turns)
{
    static struct client clients[2];
    struct ulid id = add(0);
    for (size_t i = 0; i < MANY; i++) {
        await(&clients[i % 2], &id);
    }
    queue_cancel(q, &id, 0, true, 8);
    run_until_given(MANY);
    cr_assert_eq(clients[0].acknowledged, MANY / 2);
    cr_assert_eq(clients[1].acknowledged, MANY / 2);
    cr_assert_eq(clients[1].state, MESSAGE_CANCELED);
}

Test(watch, replies_whose_time_is_up_together_are_given_over_several_turns)
{
    static struct client client;
    struct ulid id = add(0);
    for (size_t i = 0; i < MANY; i++) {
        await(&client, &id);
    }
    run_until_given(MANY);
    cr_assert_eq(client.state, MESSAGE_QUEUED);
}

Test(watch, a_client_that_leaves_between_the_turns_gets_no_more_and_others_get_all)
{
    static struct client stays, leaves;
    struct ulid id = add(0);
    for (size_t i = 0; i < MANY; i++) {
        await(i % 2 == 0 ? &stays : &leaves, &id);
    }
    queue_cancel(q, &id, 0, true, 8);
    while (given == 0) {
        event_base_loop(base, EVLOOP_ONCE);
    }
    size_t left = leaves.acknowledged;
    cr_assert_lt(left, MANY / 2);
    forget(&leaves);
    run_until_given(MANY / 2 + left);
    cr_assert_eq(stays.acknowledged, MANY / 2);
    cr_assert_eq(leaves.acknowledged, left);
}

Test(watch, events_by_the_thousand_are_told_over_several_turns)
{
    static struct client one, all;
    struct ulid ids[MANY];
    for (uint16_t i = 0; i < MANY; i++) {
        ids[i] = add(i);
        watch(&one, &ids[i]);
    }
    all.watcher.client = &all;
    watch_all(w, &all.watcher);
    for (size_t i = 0; i < MANY; i++) {
        queue_cancel(q, &ids[i], 0, true, 8);
    }
    run_until_given(2 * MANY);
    cr_assert_eq(one.told, MANY);
    cr_assert_eq(all.told, MANY);
    forget(&one);
    forget(&all);
}

Test(watch, unwatch_forgets_a_portion_at_a_time_and_tells_nothing_meanwhile)
{
    static struct client leaves, stays;
    struct ulid ids[WATCHED];
    for (uint16_t i = 0; i < WATCHED; i++) {
        ids[i] = add(i);
        watch(&leaves, &ids[i]);
        watch(&stays, &ids[i]);
        watch(&stays, &ids[i]);
    }
    cr_assert_not(watch_end(w, &leaves.watcher), "so many at once");
    cr_assert_eq(stats_get(&stats, STAT_WATCHERS), 1);
    for (size_t i = 0; i < WATCHED; i++) {
        queue_cancel(q, &ids[i], 0, true, 8);
    }
    run_until_given(WATCHED);
    cr_assert_eq(leaves.told, 0);
    cr_assert_eq(stays.told, WATCHED, "each once, although it was watched twice");
    while (!watch_end(w, &leaves.watcher)) {
    }
    watch(&leaves, &ids[0]);
    cr_assert_eq(stats_get(&stats, STAT_WATCHERS), 2);
    forget(&leaves);
    forget(&stays);
    cr_assert_eq(stats_get(&stats, STAT_WATCHERS), 0);
}
