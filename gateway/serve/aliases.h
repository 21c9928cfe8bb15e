/*
 * aliases: reads the aliases file from disk.
 *
 * Leaves its content to proto/alias, and when to read it again to daemon. Thread: the loop's; reading
 * a regular file of bounded size takes no noticeable time.
 */
#ifndef GATEWAY_SERVE_ALIASES_H
#define GATEWAY_SERVE_ALIASES_H

#include "proto/alias.h"
#include "proto/buffer.h"

/*
 * Reads a file. Returns a table for alias_table_free(); or NULL, and appends what is wrong to
 * `errors`: lines that start with the path and, where known, the line number.
 */
struct alias_table *aliases_read(const char *path, const char *country_code, struct buffer *errors);

#endif
