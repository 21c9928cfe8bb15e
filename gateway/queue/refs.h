/*
 * refs: who has used which REF, and for whom.
 *
 * Answers two questions: which message holds a REF for a recipient (so that a second submission is
 * recognised), and which messages have an owner's REF (so that STATUS finds them). A message holds
 * its REF from submission until it fails or is forgotten; it is found by it until it is forgotten.
 * Clients choose REFs: the hash is keyed with chance, and nothing here walks messages that have a
 * REF in common. Owns its tables, not the messages.
 * Thread: any, under the queue's mutex, except where it says otherwise.
 */
#ifndef GATEWAY_QUEUE_REFS_H
#define GATEWAY_QUEUE_REFS_H

#include "gateway/queue/index.h"

struct queue_refs {
    uint64_t secret[2];        /* the key of the hash */
    struct queue_index by_key; /* the holder for each owner, REF and recipient */
    struct queue_index
        by_ref; /* the oldest message of each owner and REF; the others by its ring */
};

/* Draws the key. Returns false without memory or without chance. */
bool queue_refs_init(struct queue_refs *refs);
void queue_refs_free(struct queue_refs *refs);

/* To be called once for each message with a REF, before anything else here. Without the mutex. */
void queue_refs_hash(const struct queue_refs *refs, struct message *m);

/* The message that holds the REF of `m` for the recipient of `m`, or NULL. */
struct message *queue_refs_holder(const struct queue_refs *refs, const struct message *m);

/* Enters a message: it holds its REF, which nobody held, and can be found by it. */
void queue_refs_claim(struct queue_refs *refs, struct message *m);

/* The REF is free again for this recipient; the message is still found by it. */
void queue_refs_release(struct queue_refs *refs, const struct message *m);

/* Forgets a message altogether. */
void queue_refs_remove(struct queue_refs *refs, struct message *m);

/* The newest message with an owner's REF, and the next older one; NULL where there is none. */
struct message *queue_refs_newest(const struct queue_refs *refs, int32_t owner, const char *ref);
struct message *queue_refs_older(const struct queue_refs *refs, const struct message *m);

#endif
