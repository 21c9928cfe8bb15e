/*
 * thread: a sandbox in a thread of its own, as a relay runs it.
 *
 * Owns the thread, its event base and the sandbox on it.
 */
#ifndef GATEWAY_SANDBOX_THREAD_H
#define GATEWAY_SANDBOX_THREAD_H

#include "gateway/sandbox/sandbox.h"

#include <stddef.h>

struct sandbox_thread;

/*
 * Starts a sandbox on an event base and a thread of its own, in which all signals are blocked.
 * Thread: any. Returns NULL, with a sentence in `error`, as sandbox_new does.
 */
struct sandbox_thread *sandbox_thread_start(const struct sandbox_options *options, char *error,
                                            size_t error_size);

/* Where it listens. Borrowed. Thread: any. */
const struct listen_address *sandbox_thread_address(const struct sandbox_thread *thread);

/* Ends the thread, waits for it, frees everything. NULL is fine. Thread: the one that began it. */
void sandbox_thread_stop(struct sandbox_thread *thread);

#endif
