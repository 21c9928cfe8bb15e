/*
 * accounts: what each owner's messages take of what all owners share. Private to queue/.
 *
 * Counts the messages of an owner that are unfinished, and their bytes; and what its durable ones take
 * in the store's file, where finished ones stay for their retention. However many messages one owner
 * submits, others find room for theirs. Owns the counts and the limits on them. Leaves
 * what all owners together may take to admission.
 * Thread: any, under the queue's mutex.
 */
#ifndef GATEWAY_QUEUE_ACCOUNTS_H
#define GATEWAY_QUEUE_ACCOUNTS_H

#include "gateway/queue/options.h"
#include "gateway/queue/types.h"
#include "proto/message.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>

struct queue_account {
    LIST_ENTRY(queue_account) entry; /* in its bucket */
    int32_t owner;
    size_t messages, bytes; /* unfinished */
    size_t disk;            /* bytes in the store's file, nearly */
};

enum { QUEUE_ACCOUNT_BUCKETS = 256 };

/* Starts all zero. */
struct queue_accounts {
    LIST_HEAD(queue_account_bucket, queue_account) buckets[QUEUE_ACCOUNT_BUCKETS];
};

/* The limits that follow from the options, which do not change. */
struct queue_limits {
    size_t messages, bytes;         /* of all owners together */
    size_t own_messages, own_bytes; /* of one owner */
    size_t own_disk;
};

struct queue_limits queue_limits_of(const struct queue_options *options);

void queue_accounts_free(struct queue_accounts *accounts);

/* The account of an owner; NULL if it has nothing. */
const struct queue_account *queue_account_find(const struct queue_accounts *accounts,
                                               int32_t owner);

/* Bytes that a message will take in the store's file, nearly. */
size_t queue_account_disk(const struct message *m);

/* Charges an owner for what is to be admitted. Returns its account, or NULL on allocation failure. */
const struct queue_account *queue_account_charge(struct queue_accounts *accounts, int32_t owner,
                                                 const struct queue_demand *demand);

/* Charges an unfinished message of an earlier run, which stands in the file already. On allocation
 * failure it is not charged. */
void queue_account_restore(struct queue_accounts *accounts, const struct message *m);

/* Takes back a charge: it is not admitted after all. */
void queue_account_return(struct queue_accounts *accounts, int32_t owner,
                          const struct queue_demand *demand);

/* A message has finished. If it was `dropped` unsent, the file keeps no text of it. */
void queue_account_finish(struct queue_accounts *accounts, const struct message *m,
                          bool is_dropped);

/* A message whose retention is 0 has left the file with its end. */
void queue_account_forget_row(struct queue_accounts *accounts, const struct message *m);

/* The file has so many bytes of an owner's messages less. */
void queue_account_free_disk(struct queue_accounts *accounts, int32_t owner, size_t bytes);

/* Has an owner more than one owner may have? */
bool queue_account_is_over(const struct queue_account *account, const struct queue_limits *limits);

#endif
