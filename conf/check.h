/*
 * check: what must hold between settings, and of the files that they name.
 *
 * Thread: the main thread at start-up.
 */
#ifndef CONF_CHECK_H
#define CONF_CHECK_H

#include "conf/loader.h"

/* Complains about what does not hold. All settings have a value. */
void conf_check(struct conf_loader *l);

#endif
