/*
 * late: replies that wait for the store. For the files of requests.
 *
 * The store has finished messages that memory has forgotten, and says when a change is on disk. Those of a
 * REF or a list come in portions. Thread: the loop's.
 */
#ifndef GATEWAY_SERVE_LATE_H
#define GATEWAY_SERVE_LATE_H

#include "gateway/serve/call.h"
#include "gateway/serve/statuses.h"
#include "gateway/store/ask.h"
#include "gateway/store/store.h"

/* `question.arg` points here. */
struct late {
    const struct relay *relay;
    struct requests_client *client;
    uint32_t slot;
    bool cancels;   /* it is CANCEL */
    bool has_since; /* of WATCH, as in struct request */
    uint64_t since;
    struct buffer reply; /* so far */
    /* Of a REF or a list, whose messages come in portions. */
    struct queue_relaying relaying;
    struct statuses statuses;   /* writes to `reply` */
    struct store_question next; /* of a reply that the client reads first */
    size_t left;                /* how many QUEUE LIST may still show */
    size_t watched;
    uint64_t last; /* event before they were */
};

/* Takes the store's answer; `late` is a struct late. */
typedef void late_answered(void *late, const struct store_question *question);

/* Has the reply wait for the store. `reply` (NULL = none) is its beginning, which is moved. On allocation
 * failure the reply says so, and waits for nothing. */
void late_ask(struct call *call, struct store_question *question, late_answered *answered,
              struct buffer *reply);
/* The same of the message, or of those with the REF, that the request names. */
void late_ask_id(struct call *call, late_answered *answered);
void late_ask_ref(struct call *call, late_answered *answered);

/* Answers QUEUE LIST of a finished state. */
void late_list(struct call *call);

/* The message is not in memory. May the store have it, as finished? */
bool late_may_have_id(const struct call *call);
/* Is the answer to be had from the store, since the request names a REF? */
bool late_has_ref(const struct call *call);

/* The reply is complete, but waits until the change is on disk. */
void late_sync(struct call *call);

/* Hands the reply to the client and frees it. */
void late_finish(struct late *late);
/* The same, but the reply is that the store cannot be read. */
void late_finish_unread(struct late *late);

/* Does the message that was asked for exist, for this client? */
bool late_is_known(const struct late *late, const struct store_question *question);
/* Asks for the next portion of a REF. Returns false if there is none. */
bool late_asks_for_more(const struct late *late, const struct store_question *question);

/* What may be done with an answer: tell the one message, those of a REF with what memory knows of them, or
 * that the change is on disk or could not be written. */
late_answered late_say_message, late_say_ref, late_say_synced;
/* There is no message to tell of. */
void late_say_none(struct late *late);

/* The client has read a part of the reply: asks for the next portion; if that cannot be, or with
 * `is_last`, the reply ends. */
void late_go_on(struct call *call, struct late *late, bool is_last);
void late_free(struct late *late);

#endif
