/*
 * optout: the numbers that nothing may be sent to, since who has them said so.
 *
 * Owns the list: numbers given in a file, and those that were heard of (an inbound STOP, or the
 * operator), which the store keeps. Tells the queue, which rejects what still waits for such a
 * number, and sessions, which refuse it when it is named. Thread: the loop's, where nothing else is
 * said.
 */
#ifndef GATEWAY_SERVE_OPTOUT_H
#define GATEWAY_SERVE_OPTOUT_H

#include "gateway/base/stats.h"
#include "gateway/store/store.h"
#include "proto/buffer.h"
#include "proto/number.h"

#include <stdbool.h>
#include <stddef.h>

struct optout;
struct queue;

/* Everything is borrowed, for as long as the list is there. */
struct optout_options {
    const char *file;         /* of given numbers, one a line; "" = none */
    const char *country_code; /* for its numbers, as number_parse */
    const char *const *never; /* numbers that are never on the list */
    size_t never_count;
    const char *const *stop_words, *const *start_words;
    size_t stop_count, start_count;
    struct queue *queue;
    struct store *store; /* NULL = what is heard of lasts as long as the process */
    struct stats *stats;
};

/*
 * Makes the list of what the file and the store hold. Returns NULL, with what is wrong with the
 * file appended to `errors` ("<file>:<line>: ..."; no number is shown), or without memory.
 */
struct optout *optout_new(const struct optout_options *options, struct buffer *errors);
/* NULL is fine. */
void optout_free(struct optout *o);

/* Reads the file anew. Returns false, the list as it was, when something is wrong with it. */
bool optout_reload(struct optout *o, struct buffer *errors);

/* Is this number (E.164) on the list? For struct session_rules. */
bool optout_has(const void *optout, const char *number);

enum optout_outcome {
    OPTOUT_DONE,
    OPTOUT_NO_CHANGE,
    OPTOUT_NEVER, /* not put on: policy.never_optout names it */
    OPTOUT_GIVEN, /* not taken off: the file names it */
    OPTOUT_NO_MEMORY
};
/* Puts a number on the list, or takes it off; the store is told, and syncs when asked to. */
enum optout_outcome optout_set(struct optout *o, const char *number, bool is_listed);

/* What a phone has answered. */
struct optout_answer {
    const char *number; /* that had been written to, E.164 */
    const char *text;
    bool is_stop;  /* the API says that it wants no more, whatever the text is */
    bool is_new;   /* not one that was heard before */
    int64_t at_ms; /* Unix time: when, as far as the API tells; 0 = it does not */
};

/*
 * A stop word alone puts the number on the list, a start word alone takes it off. Answers come more
 * than once and out of order: one that is older than what was said last changes nothing, but for a
 * new stop, which always counts. Returns true when the list has changed.
 */
bool optout_heard(struct optout *o, const struct optout_answer *answer);

/* Calls `show` for up to `max` numbers. Returns how many there are in all. */
size_t optout_each(const struct optout *o, size_t max,
                   void (*show)(const char *number, bool is_given, void *arg), void *arg);

#endif
