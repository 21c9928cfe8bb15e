/*
 * draft: a message that is being put together, and the checks that every submission passes,
 * whichever dialect it came in. Thread: the session's. Pure.
 */
#ifndef PROTO_SESSION_DRAFT_H
#define PROTO_SESSION_DRAFT_H

#include "proto/session/state.h"

/* Forgets a draft; the memory of a small one is kept. */
void draft_reset(struct draft *draft);

void draft_free(struct draft *draft);

/* Starts `draft` again, with the defaults of the rules. */
void draft_open(struct session *s, struct draft *draft, enum dialect dialect);

/*
 * Refuses the open message: its FROM or MAIL (`dialect` says which) was refused, or a command of
 * the other dialect came within it. What follows is then refused too, so that a text never goes to
 * the recipients of another message. A MAIL within a mail changes nothing (RFC 5321, 4.1.4).
 */
void draft_spoil(struct session *s, enum dialect dialect);

/* Checks that the open message can be submitted, else appends the refusal and returns false. Either
 * way the message ends with this command. */
bool draft_take_open(struct session *s);

/* The senders that the client may use, ended by NULL; none, or NULL = all. */
const char *const *draft_senders(const struct session *s);

/* The sender of a draft: its own, or the default, which may be "" or NULL. */
const char *draft_sender(const struct session *s, const struct draft *draft);

/* Checks that sender; appends the refusal and returns false if it may not be used. */
bool draft_check_sender(struct session *s, const struct draft *draft);

/* Adds a recipient, or all numbers of an alias. If it is neither, or not all of them fit, appends
 * the refusal, adds none and returns false. */
bool draft_add_recipient(struct session *s, struct draft *draft, const char *word, size_t len);

/* Refuses a word that is neither a number nor an alias. */
enum session_step draft_refuse_number(struct session *s, const char *word, size_t len);

/*
 * The last checks of a text, and its submission: sender, empty, encoding, length. Appends the
 * refusal, or fills `event` and returns SESSION_SUBMISSION. `text` is valid UTF-8.
 */
enum session_step draft_submit(struct session *s, struct draft *draft, const char *text, size_t len,
                               struct session_event *event);

#endif
