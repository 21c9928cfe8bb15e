/*
 * file: reads a settings file.
 *
 * Owns its syntax: sections, comments, indented lines. What its settings mean is the rows' business.
 * Thread: the main thread at start-up.
 */
#ifndef CONF_FILE_H
#define CONF_FILE_H

#include "conf/loader.h"

#include <stdio.h>

/* Assigns what the file sets, and notes whether it is private enough for a secret. */
void conf_file_read(struct conf_loader *l, FILE *file);

#endif
