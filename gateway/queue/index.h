/*
 * index: a hash table of messages that never stops to grow.
 *
 * Linear hashing (Litwin, 1980): every insertion adds at most one bucket and splits just one, so
 * none of them takes long, however many messages there are. Chains run through the messages
 * themselves: what a message costs here is one pointer, a second one just after growing.
 * Owns its buckets, not the messages. Thread: any, under the queue's mutex.
 */
#ifndef GATEWAY_QUEUE_INDEX_H
#define GATEWAY_QUEUE_INDEX_H

#include "proto/message.h"

/* Each segment of buckets but the first doubles the table; more than memory can ever hold. */
enum { QUEUE_INDEX_SEGMENTS = 40 };

struct queue_index {
    struct message **segments[QUEUE_INDEX_SEGMENTS];
    size_t buckets, count;
    size_t link_offset; /* where a message keeps the next one of its chain: struct message * */
    size_t hash_offset; /* where it keeps its hash: eight well-mixed bytes, never changing */
};

/* Offsets are from the start of a message. Returns false without memory. */
bool queue_index_init(struct queue_index *index, size_t link_offset, size_t hash_offset);
void queue_index_free(struct queue_index *index);

/* Cannot fail: without memory the table stays as it is and its chains get longer. */
void queue_index_insert(struct queue_index *index, struct message *m);

/* Takes a message out. One that is not in the table is fine. */
void queue_index_remove(struct queue_index *index, const struct message *m);

/* Puts `with`, which has the same hash, in the place of `m`, which is in the table. */
void queue_index_replace(struct queue_index *index, const struct message *m, struct message *with);

/* The first message with this hash, and the next after one; NULL at the end. */
struct message *queue_index_first(const struct queue_index *index, uint64_t hash);
struct message *queue_index_next(const struct queue_index *index, const struct message *m);

#endif
