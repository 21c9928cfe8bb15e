/*
 * options: what a queue is created with.
 */
#ifndef GATEWAY_QUEUE_OPTIONS_H
#define GATEWAY_QUEUE_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct stats;

struct queue_options {
    size_t max_messages; /* unfinished ones of one owner */
    size_t max_bytes;    /* of all messages held, finished ones included, unless others need more */
    size_t max_disk;     /* that durable messages may take in the store's file; 0 = no limit */
    /* What others find when one owner has all that one may have: so much more of the first two, and
     * so much of max_disk. */
    unsigned others_percent;
    size_t max_finished_bytes; /* the oldest are forgotten first; 0 = no such limit */
    int64_t retention_ms; /* how long a finished message can be asked for; 0 = forgotten at once */
    uint64_t first_event; /* events are numbered from here + 1, so that numbers rise across runs */
    size_t recent_events; /* how many are kept for queue_events_since: 0, or a power of two */
    bool expects_reports; /* API ids are remembered, for reports that name nothing else */
    bool tells_settled;   /* settling a message is an event even if nobody watches it */
    int64_t clock_offset_ms; /* Unix time minus the time that is passed in; see queue_clock_set */
    struct stats *stats;     /* counts how messages end; borrowed; NULL = not counted */

    /* Callbacks, each NULL if not wanted. The thread that made the change calls them, without the
     * mutex; they must not block. */
    void (*wake_forwarder)(void *arg); /* what queue_sleep asked for has come */
    void *wake_arg;
    void (*notify_events)(void *arg); /* there are events; once until queue_events_take */
    void *notify_arg;
    void (*wake_store)(void *arg); /* there are records; once until all are taken. With NULL no
                                    * message may be durable. */
    void *store_arg;
};

#endif
