/*
 * settle: what an answer makes of the messages of its POST.
 *
 * Reads the answer, has retry judge it, gives each message a fate, and splits what must not be sent
 * together again. Counts and logs what came of it. Leaves to others: the destination, which draws
 * its conclusion from the verdict, and the queue, where the fates are carried out. Thread: the
 * forwarding thread.
 */
#ifndef GATEWAY_FORWARD_SETTLE_H
#define GATEWAY_FORWARD_SETTLE_H

#include "gateway/api/api.h"
#include "gateway/base/stats.h"
#include "gateway/forward/post.h"
#include "gateway/policy/retry.h"

#include <stddef.h>
#include <stdint.h>

struct queue_settlement;

/* One answer, and what becomes of its messages. */
struct settling {
    /* Given. */
    const struct api_answer *answer;
    const struct post *post;
    const struct destination *destination;
    uint32_t *last_group; /* given to a half of a split batch */
    struct stats *stats;
    /* Found out. */
    struct queue_settlement *settlements; /* the caller's array of post->count, for queue_settle */
    struct retry_verdict verdict;
    char *words;      /* of the API's refusal; the caller's; NULL = none */
    size_t ambiguous; /* messages */
};

/* Fills in what is found out. */
void settle_messages(struct settling *s);

#endif
