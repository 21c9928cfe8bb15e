/*
 * aliases: the aliases file, read from disk.
 *
 * Leaves what stands in it to proto/alias, and when it is read anew to daemon. Thread: the loop's; it
 * reads a regular file of bounded size, which is over before anybody notices.
 */
#ifndef GATEWAY_SERVE_ALIASES_H
#define GATEWAY_SERVE_ALIASES_H

#include "proto/alias.h"
#include "proto/buffer.h"

/*
 * Reads a file. Returns a table for alias_table_free(), or NULL with what is wrong appended to
 * `errors`, a line each that begins with the path and, where it has one, the line.
 */
struct alias_table *aliases_read(const char *path, const char *country_code, struct buffer *errors);

#endif
