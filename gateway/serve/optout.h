/*
 * optout: opt-outs: numbers that must not be sent to.
 *
 * Owns the list: numbers from a file, and numbers that an inbound STOP or the operator has added,
 * which the store keeps. Tells the queue, which rejects what still waits for such a number; sessions
 * ask, and refuse it as a recipient. Thread: the loop's.
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

/* Everything must outlive the list. */
struct optout_options {
    const char *file;         /* of numbers, one per line; "" = none */
    const char *country_code; /* for its numbers, as in number_parse */
    const char *const *never; /* numbers that are never on the list */
    size_t never_count;
    const char *const *stop_words, *const *start_words;
    size_t stop_count, start_count;
    struct queue *queue;
    struct store *store; /* NULL = what is added lasts as long as the process */
    struct stats *stats;
};

/*
 * Makes the list from the file and the store. Returns NULL if the file is invalid or on allocation
 * failure, and appends the reasons to `errors` ("<file>:<line>: ...", without numbers).
 */
struct optout *optout_new(const struct optout_options *options, struct buffer *errors);
/* NULL is fine. */
void optout_free(struct optout *o);

/* Could optout_new read the file? It needs only the file and the country code. Appends to `errors`
 * what is wrong. */
bool optout_check_file(const struct optout_options *options, struct buffer *errors);

/* Reads the file again. Returns false, leaving the list unchanged, if the file is invalid. */
bool optout_reload(struct optout *o, struct buffer *errors);

/* Is this number (E.164) on the list? For struct session_rules. */
bool optout_has(const void *optout, const char *number);

enum optout_outcome {
    OPTOUT_DONE,
    OPTOUT_NO_CHANGE,
    OPTOUT_NEVER, /* not added: policy.never_optout names it */
    OPTOUT_GIVEN, /* not removed: the file names it */
    OPTOUT_NO_MEMORY
};
/* Adds a number to the list or removes it, in the store too, which syncs only when asked to. */
enum optout_outcome optout_set(struct optout *o, const char *number, bool is_listed);

/* An inbound message. */
struct optout_answer {
    const char *number; /* of the phone, E.164 */
    const char *text;
    bool is_stop;  /* the API reports an opt-out, whatever the text */
    bool is_new;   /* not a repeat */
    int64_t at_ms; /* Unix time, as the API reports it; 0 = unknown */
};

/*
 * Adds the number if the text is just a stop word, removes it if it is just a start word. Answers may
 * repeat and arrive out of order: one older than the latest decision has no effect, except that a new
 * stop always counts. Returns true if the list has changed.
 */
bool optout_apply_answer(struct optout *o, const struct optout_answer *answer);

/* Calls `show` for up to `max` numbers. Returns the number of all. */
size_t optout_each(const struct optout *o, size_t max,
                   void (*show)(const char *number, bool is_given, void *arg), void *arg);

#endif
