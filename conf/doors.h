/*
 * doors: what must hold of the addresses that other machines can connect to.
 *
 * Thread: the main thread at start-up.
 */
#ifndef CONF_DOORS_H
#define CONF_DOORS_H

#include "conf/loader.h"

/* Complains about an address that others can connect to while nobody is named who may. */
void conf_check_doors(struct conf_loader *l);

#endif
