/*
 * message: one SMS to one recipient, the one value that crosses layers.
 *
 * A message is one allocation: the header below, the links of its REF if it has one, its row in the
 * store if it is durable, and its strings. What intake set (id, addresses, text, options) never
 * changes; any thread that got the message from the queue may read it. What changes belongs to the
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

/* The most that a message counts. */
enum {
    MESSAGE_ATTEMPTS_MAX = 511,
    MESSAGE_REFUSALS_MAX = 7,
    MESSAGE_DOUBTS_MAX = 7,
    MESSAGE_ENDS_MAX = 7,
    MESSAGE_LOOKS_MAX = 7
};

/*
 * REFs of mails have a space of their own, where no other client's REF can be: those made of a mail,
 * which are valid for an hour, and those that its X-SMS-Ref gives it.
 */
#define MESSAGE_MAIL_REF        "mail:"
#define MESSAGE_MAIL_CHOSEN_REF "mail/"
enum {
    MESSAGE_MAIL_REF_MS = 60 * 60 * 1000,
    CHOSEN_REF_MAX = 64, /* bytes that a client may choose */
    REF_MAX = CHOSEN_REF_MAX + sizeof MESSAGE_MAIL_CHOSEN_REF - 1
};

/* proto/PROTOCOL.md, "States", says what is true in each. Stores hold these numbers, and those of
 * enum message_priority: they never change, and new ones go to the end. */
enum message_state {
    MESSAGE_QUEUED,     /* waits for its turn */
    MESSAGE_SCHEDULED,  /* waits for its AT time */
    MESSAGE_SENDING,    /* in a request that is not answered yet */
    MESSAGE_DEFERRED,   /* waits for a retry, or to learn whether the API has it */
    MESSAGE_UNRESOLVED, /* nobody could find out whether the API has it; waits for the operator */
    MESSAGE_RELAYED,    /* the API has it */
    MESSAGE_REJECTED,   /* final: the API refused it */
    MESSAGE_EXPIRED,    /* final: its time ran out before it was sent */
    MESSAGE_CANCELED    /* final: a client took it back */
};
enum { MESSAGE_STATES = MESSAGE_CANCELED + 1 };

enum message_priority { PRIORITY_HIGH, PRIORITY_NORMAL, PRIORITY_LOW };
enum { MESSAGE_PRIORITIES = PRIORITY_LOW + 1 };

/* `heap_index` of a message that does not wait for a time. */
#define MESSAGE_NOT_IN_HEAP UINT32_MAX

/*
 * Who submitted it: a user of this machine, by its uid (as a signed number); OWNER_LOCAL, all those
 * together of whom that cannot be told; OWNER_NETWORK, all those of other machines that sent without a
 * login; or, from OWNER_RESERVED to OWNER_USER, a user who has logged in. OWNER_STRANGER has no messages: it is
 * all who have yet to log in. Stores hold these numbers. Those from OWNER_RESERVED to OWNER_LOCAL are never a
 * uid.
 */
enum {
    OWNER_LOCAL = -1,
    OWNER_NETWORK = -2,
    OWNER_STRANGER = -3,
    OWNER_USER = -16, /* the first user; the others are below */
    OWNER_RESERVED = -65536
};

/*
 * Times in the queue are steady ms (base/clock.h), so that no message expires because the wall clock is
 * set; but of a SCHEDULED one, `due_ms` and `expires_ms` are Unix ms. Outside the queue all are.
 */
struct message {
    /* The queue's own: list, hash chain and heap position. */
    struct message *next, *prev, *same_bucket;
    uint32_t heap_index;

    /* Changes, under the queue's mutex; here for its alignment. */
    uint32_t group; /* the half of a split batch that it must be sent with; 0 = none */

    /* Immutable after intake. */
    struct ulid id;     /* also says when it was submitted */
    int64_t expires_ms; /* time after which it is not sent; always set. (The queue raises it when
                         * the operator retries an overdue message.) */
    int32_t owner;      /* a uid, or OWNER_... */
    uint16_t text_len;  /* bytes of UTF-8 */
    uint8_t to_len, from_len, ref_len;
    uint8_t parts;
    uint8_t priority : 2; /* enum message_priority */
    uint8_t encoding : 1; /* enum text_encoding */
    bool allow_unicode : 1;
    bool has_ttl : 1;    /* expires_ms comes from TTL=, not from queue.max_age */
    bool has_at : 1;     /* submitted with AT= */
    bool is_durable : 1; /* has a struct message_row */

    /* Changes, under the queue's mutex. The zero-width field keeps it out of the bytes above, which
     * are read without the mutex. */
    uint8_t : 0;
    uint8_t state : 4;     /* enum message_state */
    bool is_watched : 1;   /* a client waits for its changes */
    bool is_ambiguous : 1; /* waits to learn whether the API has it */
    bool may_be_sent : 1;  /* it is not known that the API does not have it */
    bool has_report : 1;   /* a struct report follows the strings of `answer` */
    uint8_t saving : 2;    /* enum message_saving */
    bool is_suspect : 1;   /* stands aside: see queue/suspects.h */
    bool is_unwelcome : 1; /* ... refused in a way that does not change: proofs reject it */
    bool is_from_tail : 1; /* was taken at that end of its lane, and goes back there */
    bool is_from_head : 1; /* was the first of all, also of those that were refused before */
    bool is_anchored : 1;  /* the anchor of the last of its doubts is younger than the others */
    bool was_refused : 1;  /* was in a batch that the API refused as a whole */
    uint8_t doubts : 3; /* requests that the API may have taken it from: see policy/reconcile.h */
    uint8_t ambiguous_ends : 3; /* requests that ended so, up to MESSAGE_ENDS_MAX */
    uint8_t proofs : 2;         /* how often others passed after a refusal: it was to blame */
    uint16_t attempts : 9;      /* up to MESSAGE_ATTEMPTS_MAX */
    uint16_t refusals : 3;      /* of it alone, up to MESSAGE_REFUSALS_MAX */
    uint16_t looks : 3;         /* into the history since the last doubt that did not find it */
    uint16_t is_unlooked : 1;   /* refused, perhaps taken, and the history was not asked since */
    int64_t due_ms;     /* time before which it is not sent: AT, or of the next attempt; 0 = now */
    int64_t updated_ms; /* time of the last change of state */
    char *answer;       /* "<API id>\0<reason>\0" or NULL; owned, freed with the message */

    /* struct message_ref, if ref_len != 0 */
    /* struct message_row, if is_durable */
    /* char strings[]: to, from, ref, text, each ended by a NUL. */
};

/* The links of a message that has a REF in the queue's index of REFs. */
struct message_ref {
    struct message *same_key_bucket, *same_ref_bucket;
    uint64_t key_hash, ref_hash;   /* of owner, REF and recipient; of owner and REF */
    struct message *newer, *older; /* with the same owner and REF: a ring */
};

/* Has the store the message as it is in the queue? For durable messages only. */
enum message_saving {
    MESSAGE_SAVED,
    MESSAGE_UNSAVED,       /* in the queue's list of unsaved ones */
    MESSAGE_SAVING,        /* being written */
    MESSAGE_SAVING_UNSAVED /* being written, but changed since: in the list again */
};

/* A durable message's place in the store. */
struct message_row {
    int64_t row;                  /* rising; immutable */
    struct message *next_unsaved; /* the queue's */
};

/* What message_new makes a message of; borrowed for the call. */
struct message_content {
    struct ulid id;
    const char *to, *from, *ref, *text; /* not NULL; ref may be "" */
    size_t text_len;                    /* at most UINT16_MAX; the others are NUL-terminated */
    struct text_size size;
    enum message_priority priority;
    bool allow_unicode, has_ttl;
    int64_t due_ms, expires_ms; /* as above */
    int32_t owner;
    int64_t row; /* in the store; 0 = in memory only */
};

/* Returns a new message, QUEUED (or SCHEDULED if due_ms is set); NULL on allocation failure. */
struct message *message_new(const struct message_content *content);

/* Frees a message and its answer. NULL is fine. */
void message_free(struct message *m);

/* Bytes that a message occupies, for `queue.max_bytes`. */
size_t message_bytes(const struct message *m);
/* The part of them that never changes: all but the answer. */
size_t message_own_bytes(const struct message *m);

/* The links of a message that has a REF (ref_len != 0). The queue's own. */
struct message_ref *message_ref_links(struct message *m);

/* The row of a durable message. `next_unsaved` is the queue's own. */
struct message_row *message_row_links(struct message *m);

const char *message_to(const struct message *m);
const char *message_from(const struct message *m);
const char *message_ref(const struct message *m); /* "" when it has none */
const char *message_text(const struct message *m);

/* Was its REF made of a mail, so that it is valid for an hour only? */
bool message_has_mail_ref(const struct message *m);

/* The API's id for it, and why it is in its state; "" if there is none. */
const char *message_api_id(const struct message *m);
const char *message_reason(const struct message *m);

/* Makes an `answer` of both strings (NULL = ""); malloc'ed; NULL on allocation failure. */
char *message_answer_new(const char *api_id, const char *reason);
/* Copies an `answer`; malloc'ed; NULL for NULL, and on allocation failure. */
char *message_answer_copy(const char *answer);
/* The halves of an `answer`; "" of NULL. */
const char *message_answer_api_id(const char *answer);
const char *message_answer_reason(const char *answer);

/* Its delivery report; REPORT_NONE if there is none. */
struct report message_report(const struct message *m);
/* Sets a message's report, API id and reason ("" = none), all copied. Returns false, with nothing
 * changed, on allocation failure. */
bool message_set_report(struct message *m, const char *api_id, const char *reason,
                        const struct report *report);

/*
 * "queued", "high": as the protocol spells them. Parse takes any case; for an unknown word it
 * returns false and leaves the result untouched.
 */
const char *message_state_name(enum message_state state);
const char *message_priority_name(enum message_priority priority);
bool message_state_parse(const char *word, enum message_state *state);

/* Rejected, expired or canceled: nothing more happens to it. */
bool message_state_is_failure(enum message_state state);
/* Is its REF free again? So it is when it failed, unless the API may have it. */
bool message_frees_ref(const struct message *m);
/* Relayed or one of the failures. */
bool message_state_is_finished(enum message_state state);
/* Has a message in this state ended without ever being in a request? Then nobody needs its text. */
bool message_ended_unsent(enum message_state state, unsigned attempts, bool may_be_sent);
/* Finished or unresolved: the relay itself does nothing more about it. */
bool message_state_is_settled(enum message_state state);

/*
 * What STATUS says about a message: a copy, taken under the queue's mutex and used without it.
 */
struct message_status {
    struct ulid id;
    enum message_state state;
    unsigned attempts, parts;
    bool may_be_sent;
    int64_t due_ms, updated_ms;
    char to[NUMBER_SIZE];
    char from[SENDER_SIZE];
    char ref[REF_MAX + 1];
    char *answer; /* a copy; owned; NULL when there is none */
    struct report report;
};

/* Fills `status`; on allocation failure without the answer. */
void message_status_copy(const struct message *m, struct message_status *status);
void message_status_free(struct message_status *status);

#endif
