/*
 * types: values that several of the queue's headers use, or that policy/ decides about.
 *
 * Plain values without functions; this is all that policy/ knows of the queue.
 */
#ifndef GATEWAY_QUEUE_TYPES_H
#define GATEWAY_QUEUE_TYPES_H

#include "proto/message.h"
#include "proto/report.h"

#include <stdbool.h>
#include <stdint.h>

/* What becomes of a message that was sent, or that was ambiguous. */
enum queue_fate {
    FATE_RELAYED,
    FATE_REJECTED,
    FATE_RETURNED,  /* the API does not have it: it goes back to its lane */
    FATE_SUSPECT,   /* the API refused it: it stands aside, see queue/suspects.h */
    FATE_AMBIGUOUS, /* the API may have it: deferred until queue_resolve */
    FATE_UNRESOLVED
};

/* Which message to probe with, when only one may be sent. */
enum queue_probe {
    PROBE_FIRST, /* the one whose turn it is */
    PROBE_NEXT,  /* the first that was not refused alone before; PROBE_FIRST if there is none */
    PROBE_LAST   /* likewise, from the other end */
};

/* An ambiguous message, as reconciling wants to know it. */
struct queue_doubtful {
    struct ulid id;
    uint8_t doubts, looks, ambiguous_ends; /* as in struct message */
    bool is_anchored, is_unlooked;
};

/* What reconciling found out about one. */
struct queue_resolution {
    struct ulid id;
    enum queue_fate fate; /* RELAYED, RETURNED, UNRESOLVED; AMBIGUOUS = to be looked for again */
    uint8_t doubts : 3, looks : 3; /* from now on; of RETURNED and AMBIGUOUS */
    bool is_absent : 1;            /* of RETURNED: the history does not show it */
    char *answer; /* see message_answer_new; passes to the queue; NULL = unchanged */
};

enum { QUEUE_REASON_SIZE = 256 };

/* Bytes that a message takes in the store's file besides its strings, nearly. */
enum { QUEUE_ROW_BYTES = 160 };

/* What messages that are to be admitted need: in the limits and, if they wait for a time, in the heap. */
struct queue_demand {
    size_t messages, bytes, timed;
    size_t disk; /* bytes in the store's file, nearly */
};

/* Whether the relay as a whole sends. */
struct queue_relaying {
    bool is_held;                   /* by HOLD, until RELEASE */
    bool is_stopped;                /* by the destination, for this reason */
    char reason[QUEUE_REASON_SIZE]; /* if it is not: what is being found out; "" = nothing */
    int64_t until_ms;               /* Unix time of the next attempt; 0 = not known */
};

/* What watchers are told: a message has come to a state, the first being queued or scheduled; or a
 * report or an inbound message has come in for it. */
struct queue_event {
    uint64_t number; /* one more than that of the event before, of whatever message */
    struct ulid id;
    int32_t owner;
    enum message_state state;
    int64_t at_ms;        /* when; Unix time; only of recent events: see queue_events_since */
    char *answer;         /* owned; NULL = none */
    struct report report; /* its status is empty unless a report came in */
    char *text;           /* of an inbound message; owned; NULL = none came in */
    char to[NUMBER_SIZE]; /* the recipient of the message */
    char from[SENDER_SIZE], ref[REF_MAX + 1]; /* "" in a recent event: see queue_events_since */
};

/* Is this event, about this message to this recipient, wanted? Under the mutex: quick. */
typedef bool queue_event_filter(const void *arg, const struct ulid *id, const char *to);

#endif
