/*
 * reload: what a running relay reads again on SIGHUP.
 *
 * Thread: the loop's.
 */
#ifndef GATEWAY_RELOAD_H
#define GATEWAY_RELOAD_H

#include "gateway/parts.h"

/*
 * Reads the files again that settings name: the token, aliases, opt-outs, the certificate. What cannot be read stays as
 * it was. Settings themselves need a restart: the log says which of them have changed.
 */
void reload(struct daemon *d);

#endif
