/*
 * judge: what is wrong with settings that conf alone cannot tell: values that the parts define, files
 * and directories of this machine.
 *
 * Each is a conf_judge: it adds errors and warnings, with their lines, to those of conf. Thread: the main
 * thread.
 */
#ifndef GATEWAY_JUDGE_H
#define GATEWAY_JUDGE_H

#include "conf/load.h"

/* Judges senders, numbers and the country. */
void judge_values(const struct conf *conf, struct conf_loader *loader);

/* The same, for settings that a running relay compares with its own: and whether others could have written
 * the settings file or what it names, for a relay would do as they like. */
void judge_again(const struct conf *conf, struct conf_loader *loader);

/* The same, for a start: and whether the certificate can be used. */
void judge_start(const struct conf *conf, struct conf_loader *loader);

/* The same, for `smsrelay check`: and whether this user could keep the queue where queue.path says, and
 * listen at listen.unix; it warns of what may not be meant. */
void judge_all(const struct conf *conf, struct conf_loader *loader);

/* What to say of a path that cannot be used, with `variable` a directory that systemd's unit makes: whether
 * the unit has set it, or would if the setting did not. "" where there is no such directory. */
const char *judge_unit_hint(const char *variable, const char *path);

#endif
