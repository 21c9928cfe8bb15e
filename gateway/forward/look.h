/*
 * look: has the API taken what it refused?
 *
 * Some refusals come from a proxy that has passed the request on, or from an API that fails after it
 * has queued the messages. The relay sends what was refused again, so it could deliver it often.
 * Therefore, after a refusal that could hide this (retry_verdict.may_be_taken), it reads the newest
 * pages of the history before it sends anything else. A message that stands there was relayed, and
 * from then on such refusals are ambiguous. A look proves nothing if it finds nothing, and one that
 * fails is made once more and then given up: the next refusal brings another. Until the look has
 * ended, the store knows that the messages may be taken: after a crash reconcile looks for them.
 * Leaves to others: what a refusal means (retry), and messages that are ambiguous (reconcile).
 * Thread: the forwarding thread.
 */
#ifndef GATEWAY_FORWARD_LOOK_H
#define GATEWAY_FORWARD_LOOK_H

#include "gateway/forward/history.h"
#include "gateway/forward/post.h"
#include "gateway/policy/destination.h"

#include <stdbool.h>
#include <stdint.h>

/* All zero: nothing was refused yet. */
struct look {
    uint64_t depth;       /* entries of the history that are still to be read; 0 = none is wanted */
    unsigned page;        /* the one to ask for; 0 = the first, once the call under way has ended */
    unsigned tries;       /* of this page that have failed */
    bool is_pending;      /* the call is under way: it has the look as its tag */
    struct ulid *refused; /* the messages that it is for; owned */
    size_t count, room;
};

/*
 * This request was refused, and its messages go back to the queue. If they are in the history, they
 * are among the newest `depth` messages: its own, and those that may have come after it.
 */
void look_want(struct look *look, const struct post *post, uint64_t depth);

/*
 * Makes the call if one is wanted, unless the history's rate window has no room for some time: then
 * it is given up. Returns until when nothing is to be sent (monotonic): INT64_MAX = until an answer
 * of the history is there; in the past = go on.
 */
int64_t look_ask(struct look *look, const struct history_means *with, int64_t now_ms);

/* Is one wanted, or under way? */
bool look_is_due(const struct look *look);

/* Frees what it owns. */
void look_clear(struct look *look);

/* Reads the answer, after pace_ended. Tells the queue what the API has, and the destination what to
 * make of refusals. */
void look_read(struct look *look, const struct api_answer *answer, const struct history_means *with,
               struct history *history, struct destination *destination);

#endif
