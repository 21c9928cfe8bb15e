/*
 * outbox: the list between the changes that are to be told and the consumers that are told.
 *
 * Owns the changes in memory, their numbers, how far each consumer is, and the bound: when it is
 * full the oldest changes are dropped, counted and logged. A change leaves it when every consumer
 * has it. All that is told is here, at most so many changes and a kilobyte each on average: reading
 * pages from the store instead would save that memory, and cost the store's thread a read for every
 * batch, and a second way for queues that have no store.
 * Leaves to others: what a change says (notice), how it is told (webhook, program), and the disk
 * (store_notices): what is appended here is committed there before.
 *
 * Threads: changes come from one thread (the store's, or the loop's where nothing is durable), each
 * consumer has its own. One mutex, held for memory operations only.
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

/* Returns NULL without memory. `max_notices` is the bound. */
struct outbox *outbox_new(size_t max_notices, struct stats *stats);
/* Frees what nobody took, too. NULL is fine. */
void outbox_free(struct outbox *o);

/* There is such a consumer. `wake` is called, by whoever appends, when outbox_take gave nothing and
 * would give something now; it must not block. Before anything is appended. */
void outbox_join(struct outbox *o, enum outbox_consumer consumer, void (*wake)(void *arg),
                 void *arg);

/* --- whoever brings changes ----------------------------------------------------------------- */

/* A number that no change had before. */
uint64_t outbox_next_number(struct outbox *o);
/* Takes changes in the order of their numbers; the list is empty then. */
void outbox_append(struct outbox *o, struct notices *notices);

/* --- consumers ------------------------------------------------------------------------------ */

/*
 * Shows `take` up to `max` of the changes that this consumer has not taken yet, in order, under the
 * mutex: `take` copies one, or returns false, and it stays. Returns how many were taken. A consumer
 * that was shown none is woken when there is one.
 */
size_t outbox_take(struct outbox *o, enum outbox_consumer consumer, size_t max,
                   bool (*take)(void *arg, const struct notice *notice), void *arg);
/* This consumer has all that it took up to `number`, `count` changes more than before. */
void outbox_told(struct outbox *o, enum outbox_consumer consumer, uint64_t number, size_t count);

/* --- whoever keeps it on the disk ----------------------------------------------------------- */

struct outbox_progress {
    uint64_t told[OUTBOX_CONSUMERS]; /* each has all up to this number */
    uint64_t gone;                   /* nothing up to this number is in the list any more */
    uint64_t steps;                  /* rises with each change that was told or dropped */
};
void outbox_progress(struct outbox *o, struct outbox_progress *progress);
/* As an earlier run had it; numbers will be above all of it. Before anything is appended. */
void outbox_resume(struct outbox *o, const struct outbox_progress *progress);
/* `progressed` is called, by any thread, when there is progress; it must not block. Before any
 * consumer runs. */
void outbox_set_keeper(struct outbox *o, void (*progressed)(void *arg), void *arg);
/* How many changes are in the list. */
size_t outbox_count(struct outbox *o);

#endif
