/*
 * auth: the AUTH command (RFC 4954) with the mechanisms PLAIN (RFC 4616) and LOGIN.
 *
 * Reads names and secrets, for the connection to compare: it gets a SESSION_LOGIN. For clients that insist
 * on logging in where there are no users, the rules may take any login, CRAM-MD5 too: then nothing is
 * decoded. Either way what was sent is wiped from the input before the next line is read.
 * Thread: the session's. Pure.
 */
#ifndef PROTO_SESSION_AUTH_H
#define PROTO_SESSION_AUTH_H

#include "proto/session/state.h"

command_run command_auth;

/* May this client log in now? Users may not where others could read along. */
bool auth_is_offered(const struct session *s);

/* What to tell a client that may do nothing before it has logged in. */
const char *auth_demand(const struct session *s);

/* Appends the line of the reply to EHLO, if it may. */
void auth_announce(struct session *s);

/* Reads the next line of an exchange, and answers it or gives an event; false when it has not arrived. */
bool auth_next(struct session *s, enum session_step *step, struct session_event *event);

/* Wipes what the client has sent to log in. */
void auth_forget(struct session *s);

#endif
