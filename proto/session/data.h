/*
 * data: the DATA command of both dialects, and what becomes of its content.
 * Thread: the session's. Pure.
 */
#ifndef PROTO_SESSION_DATA_H
#define PROTO_SESSION_DATA_H

#include "proto/session/state.h"

command_run command_data;

/* Submits the content of DATA when it has ended. */
enum session_step data_submit(struct session *s, struct session_event *event);

#endif
