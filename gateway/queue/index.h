/*
 * index: a hash table of messages that grows without a pause.
 *
 * Linear hashing (Litwin, 1980): an insertion adds at most one bucket and splits one, so none takes
 * long, however many messages there are. Chains run through the messages: each costs one pointer in
 * itself, and one or two in the table. Owns the buckets, not the messages.
 * Thread: any, under the queue's mutex.
 */
#ifndef GATEWAY_QUEUE_INDEX_H
#define GATEWAY_QUEUE_INDEX_H

#include "proto/message.h"

/* Each segment of buckets but the first doubles the table; so many outgrow any memory. */
enum { QUEUE_INDEX_SEGMENTS = 40 };

struct queue_index {
    struct message **segments[QUEUE_INDEX_SEGMENTS];
    size_t buckets, count;
    size_t link_offset; /* of the next message of the chain in a message: struct message * */
    size_t hash_offset; /* of its hash: eight well-mixed bytes that never change */
};

/* Creates an empty table. Offsets are from the start of a message. Returns false on allocation
 * failure. */
bool queue_index_init(struct queue_index *index, size_t link_offset, size_t hash_offset);
void queue_index_free(struct queue_index *index);

/* Adds a message. Cannot fail: on allocation failure the chains get longer instead. */
void queue_index_insert(struct queue_index *index, struct message *m);

/* Removes a message. One that is not in the table is fine. */
void queue_index_remove(struct queue_index *index, const struct message *m);

/* Replaces `m`, which must be in the table, by `with`, which must have the same hash. */
void queue_index_replace(struct queue_index *index, const struct message *m, struct message *with);

/* The first message with this hash, and the next after `m`; NULL at the end. */
struct message *queue_index_first(const struct queue_index *index, uint64_t hash);
struct message *queue_index_next(const struct queue_index *index, const struct message *m);

#endif
