/*
 * refusal: what a log may show of a reply that refuses.
 *
 * Owns leaving out what the client wrote: numbers, texts. Thread: the session's. Pure.
 */
#ifndef PROTO_SESSION_REFUSAL_H
#define PROTO_SESSION_REFUSAL_H

#include "proto/session/state.h"

/* Describes the reply in s->local, which is `reply`, 4xx or 5xx. */
void refusal_describe(struct session *s, enum reply reply, struct session_refusal *refusal);

#endif
