/*
 * ask: the verbs that ask the relay something or give it an order. One function reads them all.
 * Thread: the session's. Pure.
 */
#ifndef PROTO_SESSION_ASK_H
#define PROTO_SESSION_ASK_H

#include "proto/session/state.h"

command_run command_ask;

#endif
