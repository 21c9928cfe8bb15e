/*
 * form: a message whose parts come by name, from a door that is no session: a request over HTTP.
 *
 * Owns nothing of the rules: what may be sent, to whom and by whom is checked by the same code as SEND
 * (session/draft, session/option). Each function that refuses says why in form_refusal; the parts that
 * follow may be checked all the same, so that a client learns of all that is wrong at once.
 * Thread: that of the sessions. Pure.
 */
#ifndef PROTO_SESSION_FORM_H
#define PROTO_SESSION_FORM_H

#include "proto/session/event.h"
#include "proto/session/rules.h"
#include "proto/session/user.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct form;

/* Returns NULL on allocation failure. `rules` must outlive it. */
struct form *form_new(const struct session_rules *rules);
/* NULL is fine. */
void form_free(struct form *form);

/* Begins a message of `user` (NULL = nobody who has logged in), and forgets the one before. `now_ms` is Unix
 * time. */
void form_begin(struct form *form, const struct session_user *user, int64_t now_ms);

/* Sets an option, as OPT=value of SEND does. */
bool form_set(struct form *form, const char *option, const char *value, size_t len);

/* May the sender be used, or, if none was given, is there a default one? */
bool form_check_sender(struct form *form);

/* Adds a recipient: a number, or an alias. */
bool form_add_recipient(struct form *form, const char *word, size_t len);

/*
 * Ends the message with its text, UTF-8 or bytes of sms.charset. True: it may be sent, and `submission` is
 * borrowed until the next form_begin.
 */
bool form_submit(struct form *form, const char *text, size_t len, struct submission *submission);

/*
 * Why the last function that returned false did. `sentence` gets what the client is told, borrowed until
 * the next call; `refusal` what the log may show, its `command` excepted.
 */
enum reply form_refusal(struct form *form, const char **sentence, struct session_refusal *refusal);

#endif
