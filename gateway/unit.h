/*
 * unit: the settings as the systemd unit's relay sees them, for `smsrelay check --unit`.
 *
 * Knows what conf/smsrelay.service sets: credentials, directories, and a file of variables. Thread: the
 * main thread.
 */
#ifndef GATEWAY_UNIT_H
#define GATEWAY_UNIT_H

#include "conf/load.h"

#include <stdbool.h>

/* Of conf/smsrelay.service. */
#define UNIT_STATE_DIRECTORY "/var/lib/smsrelay"

/*
 * Makes the environment of this process that of the unit: nothing of the caller's shell reaches a service.
 * Returns false after saying what is wrong.
 */
bool unit_enter(void);

/* A conf_judge: judge_all, and whether the unit's user can read the files that the settings name. */
void unit_judge(const struct conf *conf, struct conf_loader *loader);

#endif
