/*
 * run: a sandbox alone, as `smsrelay sandbox` runs it.
 *
 * Owns the event base, the signals that end it, and what is logged. Thread: the program's only one.
 */
#ifndef GATEWAY_SANDBOX_RUN_H
#define GATEWAY_SANDBOX_RUN_H

#include "gateway/sandbox/sandbox.h"

/* Runs until SIGTERM or SIGINT. Returns an exit code of sysexits.h; the log says why it is not EX_OK. */
int sandbox_run(const struct sandbox_options *options);

#endif
