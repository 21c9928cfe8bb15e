/*
 * reference: every setting with its default and its help, as an annotated file that sets nothing.
 *
 * conf/smsrelay.conf is what it prints. Thread: any.
 */
#ifndef CONF_REFERENCE_H
#define CONF_REFERENCE_H

#include <stdio.h>

/* Prints the settings that people set first, then the others. */
void conf_reference_print(FILE *out);

#endif
