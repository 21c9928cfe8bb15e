/*
 * post: the POSTs that have no answer yet.
 *
 * Owns each POST from the moment its messages were taken from the queue until its answer is there.
 * With a durable queue the store must first have saved that these messages are being sent;
 * otherwise a crash would leave them as `queued`, and where the history cannot tell, they would be
 * sent twice. Leaves to others: what is sent (batch), connections (api), and what an answer means
 * (settle). Thread: the forwarding thread.
 */
#ifndef GATEWAY_FORWARD_POST_H
#define GATEWAY_FORWARD_POST_H

#include "gateway/api/api.h"
#include "gateway/base/stats.h"
#include "gateway/forward/anchor.h"
#include "gateway/policy/destination.h"
#include "gateway/store/store.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>

struct queue;

/* The tag of its answer. */
struct post {
    TAILQ_ENTRY(post) entry;
    uint64_t mark;   /* queue_records_mark: saved when the store has its messages as `sending` */
    uint32_t number; /* from 1, in the order in which they began */
    size_t count;
    enum api_endpoint endpoint;
    bool is_probe;
    bool is_anchored;     /* its anchor is younger than every doubt that there was when it began */
    uint32_t epoch;       /* of the destination when it began */
    int64_t began_ms;     /* monotonic */
    int64_t sent_ms;      /* Unix time; 0 = it waits for the store */
    struct anchor anchor; /* when it began */
    struct message *messages[];
};

/* What posts work with; everything outlives them. */
struct posts_means {
    struct api *api;
    struct queue *queue;
    struct stats *stats;
    struct destination *destination; /* is told of probes */
    struct store *store;             /* NULL = the queue is not durable: nothing is waited for */
    size_t bulk_max;
};

struct posts {
    struct posts_means with;
    TAILQ_HEAD(post_list, post) list; /* in the order in which they were taken, and are sent */
    size_t in_flight;                 /* how many there are */
    uint64_t sent;                    /* messages, in all, each as often as it was sent */
    uint32_t begun;                   /* POSTs, in all */
};

void posts_init(struct posts *posts, const struct posts_means *means);
/* Frees those without an answer: their messages stay SENDING, for the API may have them. */
void posts_clear(struct posts *posts);

/*
 * Takes over a POST, all of whose fields are set but `entry`, `mark`, `number` and `sent_ms`, and sends it:
 * at once, or when the store has caught up.
 */
void posts_begin(struct posts *posts, struct post *post);
/* Sends those that the store has caught up with. */
void posts_send_saved(struct posts *posts);
/* Gives the messages of those not sent back to the queue: a stop does not wait for the store. */
void posts_drop_unsent(struct posts *posts);
/* An answer is there: hands the POST back, to be freed by the caller. */
void posts_land(struct posts *posts, struct post *post);

/* When the store counts as stuck (monotonic); INT64_MAX = nothing waits for it. */
int64_t posts_late_ms(const struct posts *posts);
/* How many messages were in requests that have ended, each as often as it was. */
uint64_t posts_landed(const struct posts *posts);
/* The oldest of their anchors and `newest`. */
const struct anchor *posts_oldest_anchor(const struct posts *posts, const struct anchor *newest);

#endif
