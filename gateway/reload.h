/*
 * reload: what a running relay reads again on SIGHUP.
 *
 * Thread: the loop's.
 */
#ifndef GATEWAY_RELOAD_H
#define GATEWAY_RELOAD_H

#include "gateway/parts.h"

/* Reads the files again that settings name. What cannot be read stays as it was, and the log says so. */
void reload(struct daemon *d);

#endif
