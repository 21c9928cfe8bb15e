/*
 * refs: finds messages by their owner's REF.
 *
 * Two tables answer two questions: which message holds a REF for a recipient, so that a second
 * submission is recognised; and which messages have a REF, so that STATUS finds them. A message
 * holds its REF until it fails, and is found by it until it is forgotten. Messages with the same
 * owner and REF form a ring, from the newest to the oldest; the second table holds the oldest.
 *
 * Clients choose REFs, and may give one to many recipients: so the hash has a random key, and no
 * function walks a ring. Messages without a REF are fine everywhere. Owns the tables, not the
 * messages. Thread: any, under the queue's mutex; queue_refs_hash without it.
 */
#ifndef GATEWAY_QUEUE_REFS_H
#define GATEWAY_QUEUE_REFS_H

#include "gateway/queue/index.h"

struct queue_refs {
    uint64_t secret[2];        /* the key of the hash */
    struct queue_index by_key; /* the holder for each owner, REF and recipient */
    struct queue_index by_ref; /* the oldest message of each owner and REF */
};

/* Draws the key. Returns false on allocation failure, or if the system has no randomness. */
bool queue_refs_init(struct queue_refs *refs);
void queue_refs_free(struct queue_refs *refs);

/* Computes the hashes of a message; to be called once, before any other function. */
void queue_refs_hash(const struct queue_refs *refs, struct message *m);

/* The message that holds the REF of `m` for the recipient of `m`, or NULL. */
struct message *queue_refs_holder(const struct queue_refs *refs, const struct message *m);

/* Enters a message: it holds its REF, which no other may hold, and is found by it. */
void queue_refs_claim(struct queue_refs *refs, struct message *m);

/* Frees the REF for this recipient; the message is still found by it. */
void queue_refs_release(struct queue_refs *refs, const struct message *m);

/* Removes a message: it is no longer found. */
void queue_refs_remove(struct queue_refs *refs, struct message *m);

/* The newest message with an owner's REF, and the next older one; NULL if there is none. Of many
 * messages, each is one step. */
struct message *queue_refs_newest(const struct queue_refs *refs, int32_t owner, const char *ref);
struct message *queue_refs_older(const struct message *m, const struct message *newest);

#endif
