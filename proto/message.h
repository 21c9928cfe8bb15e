/*
 * message: one SMS to one recipient; the one value that crosses layers.
 *
 * A message is one allocation: the header below, the links of its REF if it has one, its row in the
 * store if it is durable, and its strings. What intake set (id, addresses, text, options) never changes and may be read by any
 * thread that the queue has shown the message to. Everything under "changes" belongs to the
 * queue's mutex.
 */
#ifndef PROTO_MESSAGE_H
#define PROTO_MESSAGE_H

#include "proto/buffer.h"
#include "proto/number.h"
#include "proto/report.h"
#include "proto/text.h"
#include "proto/ulid.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { REF_MAX = 64 };

/* How the REFs begin that are made of mails; no client may choose such a one, and they are good for
 * an hour only. */
#define MESSAGE_MAIL_REF "mail:"
enum { MESSAGE_MAIL_REF_MS = 60 * 60 * 1000 };

/* What is true in each state: proto/PROTOCOL.md, "States". Stores hold these numbers (and those of
 * enum message_priority): they never change, new ones go to the end. */
enum message_state {
    MESSAGE_QUEUED,     /* waits for its turn */
    MESSAGE_SCHEDULED,  /* waits for its AT time */
    MESSAGE_SENDING,    /* is in a request that has not been answered */
    MESSAGE_DEFERRED,   /* waits for a retry, or until it is known whether the API has it */
    MESSAGE_UNRESOLVED, /* whether the API has it could not be found out; waits for the operator */
    MESSAGE_RELAYED,    /* the API has it */
    MESSAGE_REJECTED,   /* final: the API refused it */
    MESSAGE_EXPIRED,    /* final: its time ran out before it was sent */
    MESSAGE_CANCELED    /* final: a client took it back */
};
enum { MESSAGE_STATES = MESSAGE_CANCELED + 1 };

enum message_priority { PRIORITY_HIGH, PRIORITY_NORMAL, PRIORITY_LOW };
enum { MESSAGE_PRIORITIES = PRIORITY_LOW + 1 };

/* `heap_index` of a message that waits for no time. */
#define MESSAGE_NOT_IN_HEAP UINT32_MAX

/* Who submitted it: a uid at the Unix socket, or everybody on loopback together. */
enum { OWNER_LOCAL = -1 };

struct message {
    /* The queue's own: list, hash chain and heap position. Nobody else looks at these. */
    struct message *next, *prev, *same_bucket;
    uint32_t heap_index;

    /* Changes too; here for its alignment. */
    uint32_t group; /* 0, or the half of a split batch that it must be sent with */

    /* Immutable after intake. */
    struct ulid id;     /* also says when it was submitted */
    int64_t expires_ms; /* Unix time from which on it is not sent any more; always set. (The queue
                         * lifts it where the operator retries a message that was overdue.) */
    int32_t owner;      /* OWNER_LOCAL or a uid */
    uint16_t text_len;  /* bytes of UTF-8 */
    uint8_t to_len, from_len, ref_len;
    uint8_t parts;
    uint8_t priority : 2; /* enum message_priority */
    uint8_t encoding : 1; /* enum text_encoding */
    bool allow_unicode : 1;
    bool has_ttl : 1;    /* expires_ms comes from TTL=, not from queue.max_age */
    bool has_at : 1;     /* it was not to be sent before a time of its own */
    bool is_durable : 1; /* has a struct message_row */

    /* Changes: under the queue's mutex. The zero-width field keeps the two halves in bytes of
     * their own, since one half is read without the mutex. */
    uint8_t : 0;
    uint8_t state : 4;      /* enum message_state */
    bool is_watched : 1;    /* somebody waits for its changes */
    bool is_ambiguous : 1;  /* waits until it is known whether the API has it */
    bool may_be_sent : 1;   /* ... and was in a request that ended without a trustworthy answer */
    bool has_report : 1;    /* a struct report follows the strings of `answer` */
    uint8_t saving : 2;     /* enum message_saving */
    uint8_t ambiguous_ends; /* how many of its requests ended so, up to 255 */
    uint16_t attempts;
    int64_t due_ms; /* Unix time before which it is not sent: AT, or the next attempt; 0 = now */
    int64_t updated_ms; /* Unix time of the last change of state */
    char *answer;       /* "<API id>\0<reason>\0" or NULL; owned, freed with the message */

    /* struct message_ref, if ref_len != 0 */
    /* struct message_row, if is_durable */
    /* char strings[]: to, from, ref, text, each ended by a NUL. */
};

/* The places of a message that has a REF in the queue's index of REFs (queue_refs). */
struct message_ref {
    struct message *same_key_bucket, *same_ref_bucket;
    uint64_t key_hash, ref_hash;   /* of owner, REF and recipient; of owner and REF */
    struct message *newer, *older; /* with the same owner and REF: a ring */
};

/* Does the store know what the queue knows? Of durable messages only. */
enum message_saving {
    MESSAGE_SAVED,
    MESSAGE_UNSAVED,       /* waits for its turn in the queue's list of unsaved ones */
    MESSAGE_SAVING,        /* being written */
    MESSAGE_SAVING_UNSAVED /* being written, and has changed since: in the list again */
};

/* A durable message's place in the store. */
struct message_row {
    int64_t row;                  /* rising; immutable */
    struct message *next_unsaved; /* the queue's */
};

/* What a message is made of; borrowed for the call of message_new only. */
struct message_content {
    struct ulid id;
    const char *to, *from, *ref, *text; /* not NULL; ref may be "" */
    size_t text_len;                    /* at most UINT16_MAX; the others are NUL-terminated */
    struct text_size size;
    enum message_priority priority;
    bool allow_unicode, has_ttl;
    int64_t due_ms, expires_ms; /* Unix ms, as above */
    int32_t owner;
    int64_t row; /* in the store; 0 = it is kept in memory only */
};

/* Returns a new message in state QUEUED (SCHEDULED when due_ms is set), or NULL without memory. */
struct message *message_new(const struct message_content *content);

/* Frees a message and what it owns. NULL is fine. */
void message_free(struct message *m);

/* Bytes that a message occupies, for `queue.max_bytes`. */
size_t message_bytes(const struct message *m);

/* The links of a message that has a REF (ref_len != 0). The queue's own. */
struct message_ref *message_ref_links(struct message *m);

/* The row of a durable message. `next_unsaved` is the queue's own. */
struct message_row *message_row_links(struct message *m);

const char *message_to(const struct message *m);
const char *message_from(const struct message *m);
const char *message_ref(const struct message *m); /* "" when it has none */
const char *message_text(const struct message *m);

/* Was its REF made of a mail? */
bool message_has_mail_ref(const struct message *m);

/* The API's id for it and why it is in its state; "" where there is none. */
const char *message_api_id(const struct message *m);
const char *message_reason(const struct message *m);

/* Makes an `answer` of both strings (NULL = ""); malloc'ed, NULL without memory. */
char *message_answer_new(const char *api_id, const char *reason);
/* Copies an `answer`; malloc'ed; NULL for NULL and without memory. */
char *message_answer_copy(const char *answer);
/* The halves of an `answer`; "" of NULL. */
const char *message_answer_api_id(const char *answer);
const char *message_answer_reason(const char *answer);

/* The delivery report that counts; REPORT_NONE when there is none. */
struct report message_report(const struct message *m);
/* Gives a message a report, and with it an API id and a reason ("" = none), which are copied. Returns
 * false, with nothing changed, without memory. */
bool message_set_report(struct message *m, const char *api_id, const char *reason,
                        const struct report *report);

/*
 * "queued", "high": as the protocol spells them. Parse takes either case and returns false, the
 * result untouched, for an unknown word.
 */
const char *message_state_name(enum message_state state);
const char *message_priority_name(enum message_priority priority);
bool message_state_parse(const char *word, enum message_state *state);

/* Rejected, expired or canceled: nothing will happen to it any more and its REF is free again. */
bool message_state_is_failure(enum message_state state);
/* Relayed or one of the failures. */
bool message_state_is_finished(enum message_state state);
/* Finished or unresolved: it lasts until somebody does something about it. */
bool message_state_is_settled(enum message_state state);

/*
 * A copy of what STATUS tells about a message, taken under the queue's mutex and used without it.
 * Holds no pointer into the message.
 */
struct message_status {
    struct ulid id;
    enum message_state state;
    unsigned attempts, parts;
    int64_t due_ms, updated_ms;
    char to[NUMBER_SIZE];
    char from[SENDER_SIZE];
    char ref[REF_MAX + 1];
    char *answer; /* a copy; owned; NULL when there is none */
    struct report report;
};

/* Fills `status`; without memory for the answer it is left out. */
void message_status_copy(const struct message *m, struct message_status *status);
void message_status_free(struct message_status *status);

#endif
