/*
 * auth: the AUTH command (RFC 4954) with the mechanisms PLAIN (RFC 4616) and LOGIN.
 *
 * For clients that insist on logging in, where the rules offer it: every name and password is
 * accepted. There is nothing to compare them with, so they are checked for being base64 and no
 * more; they are never decoded, and wiped from the input before the next line is read.
 * Thread: the session's. Pure.
 */
#ifndef PROTO_SESSION_AUTH_H
#define PROTO_SESSION_AUTH_H

#include "proto/session/state.h"

command_run command_auth;

/* May this client log in? */
bool auth_is_offered(const struct session *s);

/* Reads and answers the next line of an exchange; false when it has not arrived. */
bool auth_next(struct session *s, enum session_step *step);

#endif
