/* thread: starts threads. Thread: any. */
#ifndef GATEWAY_BASE_THREAD_H
#define GATEWAY_BASE_THREAD_H

#include <pthread.h>
#include <signal.h>
#include <stddef.h>

/*
 * Starts a thread with all signals blocked, for the loop handles them; but for a thread's own faults.
 * Returns 0 or an errno value.
 */
static inline int thread_start(pthread_t *thread, void *(*run)(void *arg), void *arg)
{
    static const int FAULTS[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL};
    sigset_t blocked;
    sigset_t before;
    sigfillset(&blocked);
    for (size_t i = 0; i < sizeof FAULTS / sizeof FAULTS[0]; i++) {
        sigdelset(&blocked, FAULTS[i]);
    }
    pthread_sigmask(SIG_SETMASK, &blocked, &before);
    int error = pthread_create(thread, NULL, run, arg);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return error;
}

#endif
