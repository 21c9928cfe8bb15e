/*
 * rows: messages as rows of the store.
 *
 * Owns what stands in which column, and reads it with suspicion: a file can be damaged, or written
 * by somebody else. When rows are written is store's affair. For store*.c only.
 * Thread: that of the store_db.
 */
#ifndef GATEWAY_STORE_ROWS_H
#define GATEWAY_STORE_ROWS_H

#include "gateway/store/db.h"
#include "proto/message.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct queue_record;
struct queue_report;

/* --- writing: all return false on failure, store_db_error says why ------------------------------ */

/* What never changes of a message. */
bool store_rows_insert(struct store_db *db, int64_t row, const struct message *m);
/* What changes. `answers` is what queue_records_take filled. */
bool store_rows_save(struct store_db *db, const struct queue_record *record, const char *answers);
/* All of the messages of the rows `first` to `last`, or of one row with both alike. */
bool store_rows_delete(struct store_db *db, int64_t first, int64_t last);
/* An inbound message that answers the message of a row; REPORT_OLD where the same is there. */
bool store_rows_insert_inbound(struct store_db *db, int64_t row, struct queue_report *report);
/* The report that counts of a message's row; one that is of no message; and all but the last so many
 * of those go. */
bool store_rows_save_report(struct store_db *db, int64_t row, const struct report *report);
bool store_rows_insert_stray(struct store_db *db, const struct queue_report *report);
bool store_rows_delete_strays(struct store_db *db, int64_t but);
/* A number on the list of opt-outs from a time on, or off it. */
bool store_rows_set_optout(struct store_db *db, const char *number, bool is_listed, int64_t at_ms);
/* A change that is to be told; and those up to a number go. */
bool store_rows_insert_notice(struct store_db *db, uint64_t number, const char *json, size_t len);
bool store_rows_delete_notices(struct store_db *db, uint64_t number);
/* A value under a name, in the place of the one before. */
bool store_rows_set_value(struct store_db *db, const char *name, const char *value);
bool store_rows_set_number(struct store_db *db, const char *name, uint64_t number);

/* --- reading ---------------------------------------------------------------------------------- */

/* The value under a name, "" or 0 where there is none. Returns false on failure. */
bool store_rows_value(struct store_db *db, const char *name, char *value, size_t size);
bool store_rows_number(struct store_db *db, const char *name, uint64_t *number);
/* Calls `show` for every number on the list of opt-outs. Returns false on failure. */
bool store_rows_each_optout(struct store_db *db,
                            void (*show)(void *arg, const char *number, int64_t since_ms),
                            void *arg);
/* Calls `show` for every change, in order, until that returns false. Returns false on failure, and
 * when it did. */
bool store_rows_each_notice(struct store_db *db,
                            bool (*show)(void *arg, uint64_t number, const char *json, size_t len),
                            void *arg);
/* 1 = the change of this number is there, 0 = it is not, -1 on failure. */
int store_rows_has_notice(struct store_db *db, uint64_t number);
/* How far a message has come. */
struct store_rows_progress {
    int64_t row;
    unsigned state;     /* of a damaged file: perhaps none that exists */
    int64_t updated_ms; /* Unix: when it last changed */
};
/* Reads the progress of up to `max` messages, in order, from row `first` on. Returns how many, -1 on
 * failure. */
int store_rows_read_progress(struct store_db *db, int64_t first, struct store_rows_progress *read,
                             int max);
/* Is it in the store already, what this record says of its message? */
bool store_rows_has_saved(struct store_db *db, const struct queue_record *record);
/* Calls `show` for the API ids of the last `max` messages that are relayed, oldest first. Returns false
 * on failure. */
bool store_rows_each_api_id(struct store_db *db, int64_t max,
                            void (*show)(void *arg, const char *api_id, const struct ulid *id),
                            void *arg);
/* As store_each_unreported. Returns false on failure. */
bool store_rows_each_unreported(struct store_db *db, int64_t since_ms, size_t max,
                                void (*show)(void *arg, const struct ulid *id, const char *api_id,
                                             int64_t relayed_ms),
                                void *arg);
/* How many messages are in the rows `first` to `last`; -1 on failure. */
int store_rows_count(struct store_db *db, int64_t first, int64_t last);
/* The highest row, 0 when there is none, -1 on failure. */
int64_t store_rows_last(struct store_db *db);

/* The messages that one of the statements STORE_READ_... gives. */
struct store_rows_reader {
    struct store_db *db;
    enum store_statement which;
    bool has_ended;
    const char *fault; /* NULL = all was read; otherwise why not */
    char words[STORE_ERROR_SIZE];
};
/*
 * Begins. At most two numbers are bound, in their order.
 * Then the next message, with the state that it was saved in, the caller's; NULL at the end, or with
 * a `fault`: the statement is reset then. Who stops before calls store_rows_end.
 */
void store_rows_begin(struct store_rows_reader *reader, struct store_db *db,
                      enum store_statement which, int64_t first, int64_t second);
struct message *store_rows_next(struct store_rows_reader *reader);
void store_rows_end(struct store_rows_reader *reader);

/* The message with an id, or NULL: there is none, or `*has_failed`. */
struct message *store_rows_find(struct store_db *db, const struct ulid *id, bool *has_failed);

#endif
