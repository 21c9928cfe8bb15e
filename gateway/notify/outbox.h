/*
 * outbox: the notices that wait for their consumers: the webhook and the program.
 *
 * Owns the notices in memory, their numbers, how far each consumer is, and the bound: when it is full,
 * the oldest notices are dropped, counted and logged. A notice leaves it once every consumer has
 * acknowledged it. All that wait are in memory, a kilobyte each on average. Reading them from the
 * store instead would save that memory, and cost a read in the store's thread for every batch, and a
 * second way for queues that have no store.
 * Leaves to others: what a notice says (notice), how it is delivered (webhook, program), and the disk
 * (store/notices): what is appended here is committed there before.
 *
 * Threads: one thread appends (the store's, or the loop's where nothing is durable); each consumer
 * has its own. One mutex, held for memory operations only.
 */
#ifndef GATEWAY_NOTIFY_OUTBOX_H
#define GATEWAY_NOTIFY_OUTBOX_H

#include "gateway/base/stats.h"
#include "gateway/notify/notice.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct outbox;

enum outbox_consumer { OUTBOX_WEBHOOK, OUTBOX_PROGRAM };
enum { OUTBOX_CONSUMERS = OUTBOX_PROGRAM + 1 };

/* As the settings spell them: "webhook", "exec". */
const char *outbox_consumer_name(enum outbox_consumer consumer);

/* `max_notices` is the bound. Returns NULL on allocation failure. */
struct outbox *outbox_new(size_t max_notices, struct stats *stats);
/* Frees the notices that are left, too. NULL is fine. */
void outbox_free(struct outbox *o);

/* Adds a consumer, before anything is appended. `wake` is called by the appending thread when
 * outbox_take has given nothing and would give something now; it must not block. */
void outbox_join(struct outbox *o, enum outbox_consumer consumer, void (*wake)(void *arg),
                 void *arg);

/* --- appending ---------------------------------------------------------------------------------- */

/* A number that no notice had before. */
uint64_t outbox_next_number(struct outbox *o);
/* Takes notices in the order of their numbers; the list is empty then. */
void outbox_append(struct outbox *o, struct notices *notices);

/* --- consuming ---------------------------------------------------------------------------------- */

/*
 * Shows `take` up to `max` notices that this consumer has not taken yet, in order, under the mutex.
 * `take` copies a notice, or returns false to leave it and all after it. Returns how many were taken.
 * If that is none, the consumer is woken when there are some.
 */
size_t outbox_take(struct outbox *o, enum outbox_consumer consumer, size_t max,
                   bool (*take)(void *arg, const struct notice *notice), void *arg);
/* The consumer has delivered what it took up to `number`, which is `count` notices. */
void outbox_acknowledge(struct outbox *o, enum outbox_consumer consumer, uint64_t number,
                        size_t count);

/* --- saving ------------------------------------------------------------------------------------- */

struct outbox_progress {
    uint64_t acknowledged[OUTBOX_CONSUMERS]; /* each has delivered everything up to this number */
    uint64_t gone;                           /* the list holds nothing up to this number */
    uint64_t steps;                          /* rises with each notice acknowledged or dropped */
};
void outbox_progress(struct outbox *o, struct outbox_progress *progress);
/* Restores the progress of an earlier run; new numbers will be above all of it. Before anything is
 * appended. */
void outbox_resume(struct outbox *o, const struct outbox_progress *progress);
/* `progressed` is called, by any thread, when there is progress; it must not block. Before any
 * consumer runs. */
void outbox_set_keeper(struct outbox *o, void (*progressed)(void *arg), void *arg);
/* How many notices wait. */
size_t outbox_count(struct outbox *o);

#endif
