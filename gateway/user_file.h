/*
 * user_file: the users file of the settings, from the disk to a table.
 *
 * Owns who may have written or read the file. Leaves its content to users/table, and when to read it to
 * main, parts and reload. Thread: the main thread; reading a regular file of bounded size takes no
 * noticeable time.
 */
#ifndef GATEWAY_USER_FILE_H
#define GATEWAY_USER_FILE_H

#include "conf/conf.h"
#include "gateway/users/table.h"

/*
 * Reads auth.users, which is set. Returns a table for user_table_free(); or NULL, and appends what is wrong to
 * `errors`: lines that start with the path and, where known, the line number.
 */
struct user_table *user_file_read(const struct conf *conf, struct buffer *errors);

#endif
