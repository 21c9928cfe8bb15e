/*
 * anchor: how far back the history must be read to prove that a message is not in it.
 *
 * The API's history lists messages newest first. When a request ends without an answer, a scan
 * looks for its messages there. It need not read to the end: they can only stand above what the API
 * had before the request began. So every request remembers the message that was relayed last when
 * it began, its anchor. A scan that meets the anchor has seen everything that came later.
 *
 *   B is relayed (its API id is b2). C is sent, with b2 as its anchor, and the answer is lost.
 *   Meanwhile D and E are relayed. The history then shows
 *       e5 d4 c3 b2 a1 ...   C is there: it was relayed, or
 *       e5 d4 b2 a1 ...      b2 came first: the API never had C, and it is sent again.
 *
 * Every message relayed since then pushes the anchor further down, so each anchor also knows how
 * many had been relayed by then. The forwarder stops sending before an anchor is out of reach of a
 * scan, and keeps the oldest one in the store for the scan after a crash.
 *
 * Leaves the scan to reconcile. Thread: the forwarding thread. Pure.
 */
#ifndef GATEWAY_FORWARD_ANCHOR_H
#define GATEWAY_FORWARD_ANCHOR_H

#include "gateway/store/store.h"

#include <stdbool.h>
#include <stdint.h>

struct anchor {
    char api_id[STORE_ANCHOR_SIZE]; /* "" = none: a scan reads to the end of the history */
    uint64_t relayed;               /* messages by then, this one included */
    uint32_t number;                /* of the POST that it was in; 0 = one of an earlier run */
};

/* All zero: nothing has been relayed. */
struct anchors {
    uint64_t relayed;     /* messages by now */
    struct anchor newest; /* for a request that begins now */
    struct anchor doubt;  /* of the first request in doubt; means nothing while there is none */
};

/* A message of POST `number` has been relayed. One whose API id is not known, "", cannot be an
 * anchor. */
void anchors_note_relayed(struct anchors *anchors, const char *api_id, uint32_t number);

/* A request with this anchor is in doubt. `is_only` = no other one is. */
void anchors_note_doubt(struct anchors *anchors, const struct anchor *anchor, bool is_only);

/* How many messages have been relayed since: at most so many stand above it. */
uint64_t anchors_above(const struct anchors *anchors, const struct anchor *anchor);

/* The one that lies deeper in the history. */
const struct anchor *anchor_older(const struct anchor *a, const struct anchor *b);

/* Its API id as reconcile_add wants it: NULL = none. */
const char *anchor_id(const struct anchor *anchor);

#endif
