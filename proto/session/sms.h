/*
 * sms: the commands that submit a message, as people and small programs write them.
 * Thread: the session's. Pure.
 */
#ifndef PROTO_SESSION_SMS_H
#define PROTO_SESSION_SMS_H

#include "proto/session/state.h"

command_run command_send, command_from, command_to, command_text, command_json, command_rset;

/* Submits the next message of a JSON array, or forgets the array at its end. */
enum session_step sms_next_of_json(struct session *s, struct session_event *event);

#endif
