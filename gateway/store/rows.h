/*
 * rows: messages, and what belongs to them, as rows of the database.
 *
 * Owns which column holds what, and distrusts what it reads: a file can be damaged, or written by
 * another program. Leaves when rows are written to store. For store*.c only.
 * Thread: that of the store_db.
 */
#ifndef GATEWAY_STORE_ROWS_H
#define GATEWAY_STORE_ROWS_H

#include "gateway/notify/notice.h"
#include "gateway/store/db.h"
#include "proto/message.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct queue_record;
struct queue_report;

/* --- writing: all return false on failure; store_db_error says why ------------------------------ */

/* What never changes of a message. */
bool store_rows_insert(struct store_db *db, int64_t row, const struct message *m);
/* What does change. `answers` as filled by queue_records_take. */
bool store_rows_save(struct store_db *db, const struct queue_record *record, const char *answers);
/* Deletes the messages from row `first` to row `last`, and all that belongs to them. */
bool store_rows_delete(struct store_db *db, int64_t first, int64_t last);
/* Deletes the message in `row`, and says what that frees. */
struct store_rows_freed {
    int32_t owner;
    size_t bytes; /* as queue_disk_freed takes them; 0 = there was no such message */
};
bool store_rows_delete_one(struct store_db *db, int64_t row, struct store_rows_freed *freed);
/* Keeps a message without its text. */
bool store_rows_drop_text(struct store_db *db, int64_t row);
/* Inserts an inbound message that answers the message in `row`; its outcome becomes REPORT_OLD if the
 * same one is stored. */
bool store_rows_insert_inbound(struct store_db *db, int64_t row, struct queue_report *report);
/* Saves the report that counts for the message in `row`. */
bool store_rows_save_report(struct store_db *db, int64_t row, const struct report *report);
/* Inserts a report that belongs to no message; deletes all of those but the last `but`. */
bool store_rows_insert_stray(struct store_db *db, const struct queue_report *report);
bool store_rows_delete_strays(struct store_db *db, int64_t but);
/* Puts a number on the list of opt-outs, or removes it. */
bool store_rows_add_user(struct store_db *db, const char *name, int32_t owner);
bool store_rows_set_optout(struct store_db *db, const char *number, bool is_listed, int64_t at_ms);
/* Inserts a notice; deletes those up to `number`. */
bool store_rows_insert_notice(struct store_db *db, const struct notice *notice);
bool store_rows_delete_notices(struct store_db *db, uint64_t number);
/* Sets a named value. */
bool store_rows_set_value(struct store_db *db, const char *name, const char *value);
bool store_rows_set_number(struct store_db *db, const char *name, uint64_t number);

/* --- reading ------------------------------------------------------------------------------------ */

/* Copies a named value; "" or 0 if there is none. Returns false on failure. */
bool store_rows_value(struct store_db *db, const char *name, char *value, size_t size);
bool store_rows_number(struct store_db *db, const char *name, uint64_t *number);
/* Shows every number on the list of opt-outs. Returns false on failure. */
bool store_rows_each_user(struct store_db *db,
                          void (*show)(void *arg, const char *name, int32_t owner), void *arg);
bool store_rows_each_optout(struct store_db *db,
                            void (*show)(void *arg, const char *number, int64_t since_ms),
                            void *arg);
/* Appends every notice to a list, in order. Returns false on failure, allocation failure included. */
bool store_rows_read_notices(struct store_db *db, struct notices *notices);
/* 1 = the notice with this number is stored, 0 = it is not, -1 on failure. */
int store_rows_has_notice(struct store_db *db, uint64_t number);
/* Shows the API ids of the last `max` relayed messages, oldest first. Returns false on failure. */
bool store_rows_each_api_id(struct store_db *db, int64_t max,
                            void (*show)(void *arg, const char *api_id, const struct ulid *id),
                            void *arg);
/* As store_each_unreported. Returns false on failure. */
bool store_rows_each_unreported(struct store_db *db, int64_t since_ms, size_t max,
                                void (*show)(void *arg, const struct ulid *id, const char *api_id,
                                             int64_t relayed_ms),
                                void *arg);
/* How many messages lie between the rows `first` and `last`, both included; -1 on failure. */
int store_rows_count(struct store_db *db, int64_t first, int64_t last);
/* The highest row; 0 if there is none, -1 on failure. */
int64_t store_rows_last(struct store_db *db);

/* How far a message has come. */
struct store_rows_progress {
    int64_t row;
    unsigned state;     /* a damaged file may hold one that does not exist */
    int64_t updated_ms; /* Unix: when it last changed */
};
/* Reads the progress of up to `max` messages, in order, from row `first` on. Returns how many, -1 on
 * failure. */
int store_rows_read_progress(struct store_db *db, int64_t first, struct store_rows_progress *read,
                             int max);
/* Does the file already say of the message what this record says? */
bool store_rows_has_saved(struct store_db *db, const struct queue_record *record);

/* --- reading messages --------------------------------------------------------------------------- */

/* The messages that one of the statements STORE_READ_... gives. */
struct store_rows_reader {
    struct store_db *db;
    enum store_statement which;
    bool has_ended;
    const char *fault; /* why reading stopped early; NULL = it did not */
    char words[STORE_ERROR_SIZE];
};
/*
 * store_rows_begin binds the two numbers of the statement; store_rows_begin_state is for the first `max`
 * messages after row `after` in a finished state. store_rows_next returns the next message, in
 * the state that was saved, which the caller frees; NULL at the end, or with a `fault`. Call
 * store_rows_end when done.
 */
void store_rows_begin(struct store_rows_reader *reader, struct store_db *db,
                      enum store_statement which, int64_t first, int64_t second);
void store_rows_begin_state(struct store_rows_reader *reader, struct store_db *db,
                            enum message_state state, int64_t after, int64_t max);
struct message *store_rows_next(struct store_rows_reader *reader);
void store_rows_end(struct store_rows_reader *reader);

/* The message in a row. NULL = there is none, or `*has_failed`. */
struct message *store_rows_read(struct store_db *db, int64_t row, bool *has_failed);

/* The message with an id. NULL = there is none, or `*has_failed`. */
struct message *store_rows_find(struct store_db *db, const struct ulid *id, bool *has_failed);

#endif
