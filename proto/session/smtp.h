/*
 * smtp: the commands of RFC 5321, liberal in what they accept, since their clients are devices that
 * nobody can change any more. Thread: the session's. Pure.
 */
#ifndef PROTO_SESSION_SMTP_H
#define PROTO_SESSION_SMTP_H

#include "proto/session/state.h"

command_run command_helo, command_ehlo, command_mail, command_rcpt, command_noop, command_vrfy,
    command_quit;

#endif
