/*
 * suspects: messages that the API refused one by one, and that stand aside until it is known whose
 * fault that is.
 *
 * They wait as `deferred`. Each has a time at which it is sent again whatever happens, so that an
 * only message is not forgotten. Before that, either others pass, and the suspects are convicted;
 * or others are refused, too, and the suspects are recalled: it was not their fault.
 * Thread: the forwarding thread.
 */
#ifndef GATEWAY_QUEUE_SUSPECTS_H
#define GATEWAY_QUEUE_SUSPECTS_H

#include <stdbool.h>
#include <stdint.h>

struct queue;

enum { QUEUE_PROOFS_MAX = 3 }; /* convictions that reject a message */

/*
 * Convicts the suspect that has stood aside longest; it is charged the attempt. Unless that rejects
 * it, it is sent again alone, in `group`, at its time or at `latest_ms`, whichever is
 * earlier. Returns false if there is none.
 */
bool queue_suspects_convict(struct queue *q, uint32_t group, int64_t latest_ms, int64_t now_ms);

/* Sends the suspects back to where they were taken from, in order, as if they had not been sent. */
void queue_suspects_recall(struct queue *q, int64_t now_ms);

#endif
