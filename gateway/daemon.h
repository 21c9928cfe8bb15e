/*
 * daemon: a relay, from its start to its end.
 *
 * Owns everything that runs, the order in which it is started, stopped and freed, and signals. Leaves
 * to parts how each part is made, and to main the command line and reading the settings.
 *
 * Threads: the caller's becomes the loop thread. The parts start the others, if the settings ask for
 * them: the forwarder's, the store's, the webhook's and the simulator's.
 */
#ifndef GATEWAY_DAEMON_H
#define GATEWAY_DAEMON_H

#include "conf/conf.h"
#include "conf/errors.h"
#include "proto/alias.h"

/*
 * Runs until a signal stops it. `conf` must outlive it; takes ownership of `aliases` (NULL = none).
 * `load` loads the settings again, to say on SIGHUP which would need a restart; it returns NULL with
 * `errors` set if they are wrong. Once per process. Returns an exit code of sysexits.h; the log says
 * why it is not EX_OK.
 */
int daemon_run(const struct conf *conf, struct alias_table *aliases,
               struct conf *(*load)(void *arg, struct conf_errors *errors), void *arg);

#endif
