/* file: reads the small files that settings name. Thread: any. */
#ifndef GATEWAY_BASE_FILE_H
#define GATEWAY_BASE_FILE_H

#include "proto/buffer.h"

/*
 * Appends a regular file of at most 16 MiB to `text`. Returns NULL, or what is wrong: a string valid
 * until the next call.
 */
const char *file_read(const char *path, struct buffer *text);

#endif
