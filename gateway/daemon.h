/*
 * daemon: a relay, from its start to its end.
 *
 * Owns everything that runs, the order in which it is made, started, stopped and freed, what the parts
 * call each other for, and signals. Leaves the command line and reading the settings to main.
 *
 * Threads: the caller's becomes the loop thread. It starts the forwarding thread, the store's where
 * the queue is durable, that of reports.webhook, and, where the API is the simulator in this process,
 * that one's.
 */
#ifndef GATEWAY_DAEMON_H
#define GATEWAY_DAEMON_H

#include "conf/conf.h"
#include "proto/alias.h"

/*
 * Runs until a signal tells it to stop. `conf` must stay; `aliases` (NULL = none) is taken over. Once
 * a process. Returns an exit code of sysexits.h; the log has said why it is not EX_OK.
 */
int daemon_run(const struct conf *conf, struct alias_table *aliases);

#endif
