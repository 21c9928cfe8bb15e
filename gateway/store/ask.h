/*
 * ask: questions to the store, and the answers that the file gives.
 *
 * Leaves to store when a question is answered. Thread: a question has one owner at a time; answers
 * are read in the thread of the store_db.
 */
#ifndef GATEWAY_STORE_ASK_H
#define GATEWAY_STORE_ASK_H

#include "proto/message.h"
#include "proto/ulid.h"

#include <stdbool.h>
#include <stddef.h>
#include <sys/queue.h>

struct store_db;
struct store_refs;

enum {
    STORE_PORTION = 100,   /* messages of an answer that comes in portions */
    STORE_REF_MAX = 10000, /* the newest messages with a REF */
    STORE_OWNER_LOOK = 20000
};

enum store_question_kind {
    STORE_ASK_ID,    /* the message with `id` */
    STORE_ASK_REF,   /* the first STORE_PORTION messages after row `after` of all with the REF */
    STORE_ASK_STATE, /* the first `max` messages after it in `state`, which is a finished one */
    STORE_ASK_OWNER, /* `max` messages of `owner`, newest first, without the newest `skip`; of the newest
                       * STORE_OWNER_LOOK of all */
    STORE_ASK_NOTHING /* no message: only to learn that everything before it is saved */
};

/* Answered once everything that happened before it is saved. */
struct store_question {
    enum store_question_kind kind;
    struct ulid id;
    char ref[REF_MAX + 1];
    int32_t owner; /* of the REF, or of the messages */
    int64_t after; /* 0 = from the first */
    enum message_state state;
    size_t max, skip;
    bool syncs; /* saved is not enough: it must be synced, too */
    void (*answered)(void *arg, const struct store_question *question);
    void *arg;

    /* The answer. The messages are the store's, and freed after `answered`. */
    bool has_failed; /* the disk fails; there are no messages */
    struct message **messages;
    size_t count;

    STAILQ_ENTRY(store_question) entry; /* the store's own */
};
STAILQ_HEAD(store_questions, store_question);

/* --- for store.c only --------------------------------------------------------------------------- */

/* A copy without an answer. Returns NULL on allocation failure. */
struct store_question *store_question_copy(const struct store_question *question);
void store_question_free(struct store_question *question);
/* Frees all of a list. */
void store_questions_clear(struct store_questions *questions);
/* Must one of them wait for a sync? */
bool store_questions_sync(const struct store_questions *questions);
/* Reads the answer; `is_saved` = everything before the question is in the file. */
void store_question_answer(struct store_question *question, struct store_db *db,
                           const struct store_refs *refs, bool is_saved);

#endif
