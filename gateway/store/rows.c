/* rows: see rows.h. */
#include "gateway/store/rows.h"

#include "gateway/queue/records.h"
#include "gateway/queue/reports.h"
#include "gateway/queue/types.h"
#include "gateway/store/row.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { NUMBER_DIGITS = sizeof "18446744073709551615" };

/* --- writing ---------------------------------------------------------------------------------- */

/* Binds without a copy: the text must outlive the run of the statement. */
static void bind_text(sqlite3_stmt *statement, int column, const char *text, size_t len)
{
    sqlite3_bind_text(statement, column, text, (int)len, SQLITE_STATIC);
}

/*
 * The code of a report. The type of its column is INTEGER, which would make 7 of the text "007"; a
 * blob stays as it is. Files of earlier versions have integers there.
 */
static void bind_code(sqlite3_stmt *statement, int column, const char *code)
{
    sqlite3_bind_blob(statement, column, code, (int)strlen(code), SQLITE_STATIC);
}

/* Binds NULL for "". */
static void bind_words(sqlite3_stmt *statement, int column, const char *words)
{
    if (words[0] == '\0') {
        sqlite3_bind_null(statement, column);
    } else {
        bind_text(statement, column, words, strlen(words));
    }
}

bool store_rows_insert(struct store_db *db, int64_t row, const struct message *m)
{
    sqlite3_stmt *insert = db->statements[STORE_INSERT_MESSAGE];
    /* As submitted: what has changed since goes into `progress`. */
    sqlite3_bind_int64(insert, 1, row);
    sqlite3_bind_blob(insert, 2, m->id.bytes, ULID_BYTES, SQLITE_STATIC);
    sqlite3_bind_int(insert, 3, m->owner);
    sqlite3_bind_int(insert, 4, m->priority);
    sqlite3_bind_int(insert, 5, m->encoding);
    sqlite3_bind_int(insert, 6, m->parts);
    sqlite3_bind_int(insert, 7, m->allow_unicode);
    sqlite3_bind_int(insert, 8, m->has_ttl);
    sqlite3_bind_int64(insert, 9, m->due_ms);
    sqlite3_bind_int64(insert, 10, m->expires_ms);
    bind_text(insert, 11, message_to(m), m->to_len);
    bind_text(insert, 12, message_from(m), m->from_len);
    bind_words(insert, 13, message_ref(m));
    bind_text(insert, 14, message_text(m), m->text_len);
    db->row = row;
    return store_db_run(db, STORE_INSERT_MESSAGE);
}

/* The column may_be_sent, in bits. Older versions knew the first alone. */
enum { MAYBE_SENT = 1, MAYBE_UNLOOKED = 2 };

bool store_rows_save(struct store_db *db, const struct queue_record *record, const char *answers)
{
    sqlite3_stmt *save = db->statements[STORE_SAVE_PROGRESS];
    const char *answer = record->answer_at == SIZE_MAX ? NULL : answers + record->answer_at;
    sqlite3_bind_int64(save, 1, record->row);
    sqlite3_bind_int(save, 2, (int)record->state);
    sqlite3_bind_int(save, 3, (int)record->attempts);
    sqlite3_bind_int(save, 4, (int)record->ambiguous_ends);
    sqlite3_bind_int(save, 5,
                     (record->may_be_sent ? MAYBE_SENT : 0) |
                         (record->is_unlooked ? MAYBE_UNLOOKED : 0));
    sqlite3_bind_int(save, 6, record->is_expiry_lifted);
    sqlite3_bind_int64(save, 7, record->due_ms);
    sqlite3_bind_int64(save, 8, record->updated_ms);
    bind_words(save, 9, message_answer_api_id(answer));
    bind_words(save, 10, message_answer_reason(answer));
    sqlite3_bind_int(save, 11, (int)record->doubts);
    return store_db_run(db, STORE_SAVE_PROGRESS);
}

bool store_rows_delete(struct store_db *db, int64_t first, int64_t last)
{
    for (enum store_statement which = STORE_DELETE_MESSAGES; which <= STORE_DELETE_INBOUND;
         which++) {
        sqlite3_bind_int64(db->statements[which], 1, first);
        sqlite3_bind_int64(db->statements[which], 2, last);
    }
    return store_db_run(db, STORE_DELETE_MESSAGES) && store_db_run(db, STORE_DELETE_PROGRESS) &&
           store_db_run(db, STORE_DELETE_REPORTS) && store_db_run(db, STORE_DELETE_INBOUND);
}

bool store_rows_insert_inbound(struct store_db *db, int64_t row, struct queue_report *r)
{
    sqlite3_stmt *insert = db->statements[STORE_INSERT_INBOUND];
    sqlite3_bind_int64(insert, 1, row);
    sqlite3_bind_int64(insert, 2, r->report.event_ms);
    bind_text(insert, 3, r->text, strlen(r->text));
    bool is_good = store_db_run(db, STORE_INSERT_INBOUND);
    r->outcome = sqlite3_changes(db->handle) > 0 ? REPORT_NEW : REPORT_OLD;
    return is_good;
}

bool store_rows_save_report(struct store_db *db, int64_t row, const struct report *report)
{
    sqlite3_stmt *save = db->statements[STORE_SAVE_REPORT];
    sqlite3_bind_int64(save, 1, row);
    bind_text(save, 2, report->status, strlen(report->status));
    bind_code(save, 3, report->code);
    sqlite3_bind_int64(save, 4, report->event_ms);
    return store_db_run(db, STORE_SAVE_REPORT);
}

bool store_rows_insert_stray(struct store_db *db, const struct queue_report *r)
{
    sqlite3_stmt *insert = db->statements[STORE_INSERT_STRAY];
    char id[ULID_SIZE] = "";
    if (r->has_id) {
        ulid_format(&r->id, id);
    }
    bind_words(insert, 1, id);
    bind_words(insert, 2, r->api_id);
    bind_text(insert, 3, r->report.status, strlen(r->report.status));
    bind_code(insert, 4, r->report.code);
    sqlite3_bind_int64(insert, 5, r->report.event_ms);
    return store_db_run(db, STORE_INSERT_STRAY);
}

bool store_rows_delete_one(struct store_db *db, int64_t row, struct store_rows_freed *freed)
{
    sqlite3_stmt *size = db->statements[STORE_READ_SIZE];
    bool has_failed = false;
    *freed = (struct store_rows_freed){.bytes = 0};
    sqlite3_bind_int64(size, 1, row);
    while (store_db_next_row(db, STORE_READ_SIZE, &has_failed)) {
        freed->owner = sqlite3_column_int(size, 0);
        freed->bytes = QUEUE_ROW_BYTES + (size_t)sqlite3_column_int64(size, 1);
    }
    return !has_failed && store_rows_delete(db, row, row);
}

bool store_rows_drop_text(struct store_db *db, int64_t row)
{
    /* SQLite joins pages that have little left in them when a row goes, not when it gets shorter. */
    sqlite3_bind_int64(db->statements[STORE_DROP_TEXT], 1, row);
    sqlite3_bind_int64(db->statements[STORE_BRING_BACK], 1, row);
    return store_db_run(db, STORE_DROP_TEXT) && store_db_run(db, STORE_BRING_BACK);
}

bool store_rows_delete_strays(struct store_db *db, int64_t but)
{
    sqlite3_bind_int64(db->statements[STORE_DELETE_STRAYS], 1, but);
    return store_db_run(db, STORE_DELETE_STRAYS);
}

bool store_rows_add_user(struct store_db *db, const char *name, int32_t owner)
{
    bind_text(db->statements[STORE_ADD_USER], 1, name, strlen(name));
    sqlite3_bind_int64(db->statements[STORE_ADD_USER], 2, owner);
    return store_db_run(db, STORE_ADD_USER);
}

bool store_rows_set_optout(struct store_db *db, const char *number, bool is_listed, int64_t at_ms)
{
    enum store_statement which = is_listed ? STORE_ADD_OPTOUT : STORE_DELETE_OPTOUT;
    bind_text(db->statements[which], 1, number, strlen(number));
    if (is_listed) {
        sqlite3_bind_int64(db->statements[which], 2, at_ms);
    }
    return store_db_run(db, which);
}

bool store_rows_insert_notice(struct store_db *db, const struct notice *notice)
{
    sqlite3_bind_int64(db->statements[STORE_INSERT_NOTICE], 1, (int64_t)notice->number);
    bind_text(db->statements[STORE_INSERT_NOTICE], 2, notice->json, notice->len);
    return store_db_run(db, STORE_INSERT_NOTICE);
}

bool store_rows_delete_notices(struct store_db *db, uint64_t number)
{
    sqlite3_bind_int64(db->statements[STORE_DELETE_NOTICES], 1, (int64_t)number);
    return store_db_run(db, STORE_DELETE_NOTICES);
}

bool store_rows_set_value(struct store_db *db, const char *name, const char *value)
{
    bind_text(db->statements[STORE_SET_VALUE], 1, name, strlen(name));
    bind_text(db->statements[STORE_SET_VALUE], 2, value, strlen(value));
    return store_db_run(db, STORE_SET_VALUE);
}

bool store_rows_set_number(struct store_db *db, const char *name, uint64_t number)
{
    char digits[NUMBER_DIGITS];
    snprintf(digits, sizeof digits, "%" PRIu64, number);
    return store_rows_set_value(db, name, digits);
}

/* --- reading ---------------------------------------------------------------------------------- */

bool store_rows_value(struct store_db *db, const char *name, char *value, size_t size)
{
    bool has_failed = false;
    value[0] = '\0';
    bind_text(db->statements[STORE_GET_VALUE], 1, name, strlen(name));
    while (store_db_next_row(db, STORE_GET_VALUE, &has_failed)) {
        const unsigned char *text = sqlite3_column_text(db->statements[STORE_GET_VALUE], 0);
        snprintf(value, size, "%s", text == NULL ? "" : (const char *)text);
    }
    return !has_failed;
}

bool store_rows_number(struct store_db *db, const char *name, uint64_t *number)
{
    char digits[NUMBER_DIGITS];
    bool is_good = store_rows_value(db, name, digits, sizeof digits);
    *number = is_good ? strtoull(digits, NULL, 10) : 0;
    return is_good;
}

bool store_rows_each_user(struct store_db *db,
                          void (*show)(void *arg, const char *name, int32_t owner), void *arg)
{
    sqlite3_stmt *row = db->statements[STORE_READ_USERS];
    bool has_failed = false;
    while (store_db_next_row(db, STORE_READ_USERS, &has_failed)) {
        const char *name = (const char *)sqlite3_column_text(row, 0);
        if (name != NULL) {
            show(arg, name, sqlite3_column_int(row, 1));
        }
    }
    return !has_failed;
}

bool store_rows_each_optout(struct store_db *db,
                            void (*show)(void *arg, const char *number, int64_t since_ms),
                            void *arg)
{
    sqlite3_stmt *row = db->statements[STORE_READ_OPTOUTS];
    bool has_failed = false;
    while (store_db_next_row(db, STORE_READ_OPTOUTS, &has_failed)) {
        const char *number = (const char *)sqlite3_column_text(row, 0);
        if (number != NULL && strlen(number) < NUMBER_SIZE) {
            show(arg, number, sqlite3_column_int64(row, 1));
        }
    }
    return !has_failed;
}

bool store_rows_each_api_id(struct store_db *db, int64_t max,
                            void (*show)(void *arg, const char *api_id, const struct ulid *id),
                            void *arg)
{
    sqlite3_stmt *row = db->statements[STORE_READ_API_IDS];
    bool has_failed = false;
    sqlite3_bind_int64(row, 1, max);
    while (store_db_next_row(db, STORE_READ_API_IDS, &has_failed)) {
        const char *api_id = (const char *)sqlite3_column_text(row, 1);
        struct ulid id;
        if (api_id != NULL && sqlite3_column_bytes(row, 0) == ULID_BYTES) {
            memcpy(id.bytes, sqlite3_column_blob(row, 0), ULID_BYTES);
            show(arg, api_id, &id);
        }
    }
    return !has_failed;
}

bool store_rows_each_unreported(struct store_db *db, int64_t since_ms, size_t max,
                                void (*show)(void *arg, const struct ulid *id, const char *api_id,
                                             int64_t relayed_ms),
                                void *arg)
{
    sqlite3_stmt *row = db->statements[STORE_READ_UNREPORTED];
    bool has_failed = false;
    sqlite3_bind_int64(row, 1, since_ms);
    sqlite3_bind_int64(row, 2, (int64_t)max);
    while (store_db_next_row(db, STORE_READ_UNREPORTED, &has_failed)) {
        const char *api_id = (const char *)sqlite3_column_text(row, 1);
        struct ulid id;
        if (sqlite3_column_bytes(row, 0) == ULID_BYTES) {
            memcpy(id.bytes, sqlite3_column_blob(row, 0), ULID_BYTES);
            show(arg, &id, api_id == NULL ? "" : api_id, sqlite3_column_int64(row, 2));
        }
    }
    return !has_failed;
}

bool store_rows_read_notices(struct store_db *db, struct notices *notices)
{
    sqlite3_stmt *row = db->statements[STORE_READ_NOTICES];
    bool has_failed = false;
    while (store_db_next_row(db, STORE_READ_NOTICES, &has_failed)) {
        const char *json = (const char *)sqlite3_column_text(row, 1);
        struct notice *notice = json == NULL
                                    ? NULL
                                    : notice_copy((uint64_t)sqlite3_column_int64(row, 0), json,
                                                  (size_t)sqlite3_column_bytes(row, 1));
        if (notice == NULL) {
            sqlite3_reset(row);
            return false;
        }
        STAILQ_INSERT_TAIL(notices, notice, entry);
    }
    return !has_failed;
}

/* The one number of a statement whose values are bound; -1 on failure. */
static int read_count(struct store_db *db, enum store_statement which)
{
    bool has_failed = false;
    int count = 0;
    while (store_db_next_row(db, which, &has_failed)) {
        count = sqlite3_column_int(db->statements[which], 0);
    }
    return has_failed ? -1 : count;
}

int store_rows_has_notice(struct store_db *db, uint64_t number)
{
    sqlite3_bind_int64(db->statements[STORE_COUNT_NOTICE], 1, (int64_t)number);
    return read_count(db, STORE_COUNT_NOTICE);
}

int store_rows_read_progress(struct store_db *db, int64_t first, struct store_rows_progress *read,
                             int max)
{
    sqlite3_stmt *row = db->statements[STORE_READ_PROGRESS];
    bool has_failed = false;
    int count = 0;
    sqlite3_bind_int64(row, 1, first);
    sqlite3_bind_int64(row, 2, max);
    while (store_db_next_row(db, STORE_READ_PROGRESS, &has_failed)) {
        read[count++] = (struct store_rows_progress){.row = sqlite3_column_int64(row, 0),
                                                     .state = (unsigned)sqlite3_column_int(row, 1),
                                                     .updated_ms = sqlite3_column_int64(row, 2)};
    }
    return has_failed ? -1 : count;
}

bool store_rows_has_saved(struct store_db *db, const struct queue_record *record)
{
    struct store_rows_progress saved;
    bool is_same = store_rows_read_progress(db, record->row, &saved, 1) == 1 &&
                   saved.row == record->row && saved.state == record->state &&
                   saved.updated_ms == record->updated_ms;
    /* With no retention a finished message has left the file. */
    return is_same || store_rows_count(db, record->row, record->row) == 0;
}

int store_rows_count(struct store_db *db, int64_t first, int64_t last)
{
    sqlite3_bind_int64(db->statements[STORE_COUNT_RANGE], 1, first);
    sqlite3_bind_int64(db->statements[STORE_COUNT_RANGE], 2, last);
    return read_count(db, STORE_COUNT_RANGE);
}

int64_t store_rows_last(struct store_db *db)
{
    bool has_failed = false;
    int64_t last = 0;
    while (store_db_next_row(db, STORE_LAST_ROW, &has_failed)) {
        last = sqlite3_column_int64(db->statements[STORE_LAST_ROW], 0);
    }
    return has_failed ? -1 : last;
}

/* The columns of a message, in the order of MESSAGE_COLUMNS in store/db.c. */
enum column {
    COLUMN_ROW,
    COLUMN_ID,
    COLUMN_OWNER,
    COLUMN_PRIORITY,
    COLUMN_ENCODING,
    COLUMN_PARTS,
    COLUMN_ALLOW_UNICODE,
    COLUMN_HAS_TTL,
    COLUMN_DUE_MS,
    COLUMN_EXPIRES_MS,
    COLUMN_RECIPIENT,
    COLUMN_SENDER,
    COLUMN_REF,
    COLUMN_TEXT,
    COLUMN_HAS_PROGRESS, /* without it, what follows has no meaning */
    COLUMN_STATE,
    COLUMN_ATTEMPTS,
    COLUMN_AMBIGUOUS_ENDS,
    COLUMN_MAY_BE_SENT,
    COLUMN_IS_EXPIRY_LIFTED,
    COLUMN_PROGRESS_DUE_MS,
    COLUMN_UPDATED_MS,
    COLUMN_API_ID,
    COLUMN_REASON,
    COLUMN_DOUBTS,
    COLUMN_REPORT_STATUS,
    COLUMN_REPORT_CODE,
    COLUMN_REPORT_EVENT_MS
};

/* A number from 0 to `max`; `*is_sound` becomes false for anything else. */
static unsigned read_number(sqlite3_stmt *row, int column, unsigned max, bool *is_sound)
{
    int64_t value = sqlite3_column_int64(row, column);
    *is_sound = *is_sound && sqlite3_column_type(row, column) == SQLITE_INTEGER && value >= 0 &&
                value <= (int64_t)max;
    return (unsigned)value;
}

/* A text of at most `max` bytes without a NUL, or "" for NULL; clears `*is_sound` as above. */
static const char *read_text(sqlite3_stmt *row, int column, size_t max, bool *is_sound)
{
    const char *text = (const char *)sqlite3_column_text(row, column);
    size_t len = (size_t)sqlite3_column_bytes(row, column);
    if (text == NULL) {
        *is_sound = *is_sound && sqlite3_column_type(row, column) == SQLITE_NULL;
        return "";
    }
    *is_sound = *is_sound && len <= max && strlen(text) == len;
    return text;
}

static bool read_content(sqlite3_stmt *row, struct message_content *content)
{
    bool is_sound = sqlite3_column_bytes(row, COLUMN_ID) == ULID_BYTES;
    if (is_sound) {
        memcpy(content->id.bytes, sqlite3_column_blob(row, COLUMN_ID), ULID_BYTES);
    }
    content->owner = sqlite3_column_int(row, COLUMN_OWNER);
    content->priority =
        (enum message_priority)read_number(row, COLUMN_PRIORITY, MESSAGE_PRIORITIES - 1, &is_sound);
    content->size.encoding =
        (enum text_encoding)read_number(row, COLUMN_ENCODING, TEXT_UCS2, &is_sound);
    content->size.parts = read_number(row, COLUMN_PARTS, UINT8_MAX, &is_sound);
    content->allow_unicode = sqlite3_column_int(row, COLUMN_ALLOW_UNICODE) != 0;
    content->has_ttl = sqlite3_column_int(row, COLUMN_HAS_TTL) != 0;
    content->due_ms = sqlite3_column_int64(row, COLUMN_DUE_MS);
    content->expires_ms = sqlite3_column_int64(row, COLUMN_EXPIRES_MS);
    content->to = read_text(row, COLUMN_RECIPIENT, NUMBER_SIZE - 1, &is_sound);
    content->from = read_text(row, COLUMN_SENDER, SENDER_SIZE - 1, &is_sound);
    content->ref = read_text(row, COLUMN_REF, REF_MAX, &is_sound);
    content->text = (const char *)sqlite3_column_text(row, COLUMN_TEXT);
    content->text_len = (size_t)sqlite3_column_bytes(row, COLUMN_TEXT);
    return is_sound && content->text != NULL && content->text_len <= UINT16_MAX;
}

/* What has changed since `m` was submitted. */
static bool read_progress(sqlite3_stmt *row, struct message *m)
{
    bool is_sound = true;
    m->state = read_number(row, COLUMN_STATE, MESSAGE_STATES - 1, &is_sound) & 0xF;
    unsigned attempts = read_number(row, COLUMN_ATTEMPTS, UINT16_MAX, &is_sound);
    m->attempts =
        (attempts < MESSAGE_ATTEMPTS_MAX ? attempts : MESSAGE_ATTEMPTS_MAX) & MESSAGE_ATTEMPTS_MAX;
    unsigned ends = read_number(row, COLUMN_AMBIGUOUS_ENDS, UINT8_MAX, &is_sound);
    m->ambiguous_ends = (ends < MESSAGE_ENDS_MAX ? ends : MESSAGE_ENDS_MAX) & MESSAGE_ENDS_MAX;
    int maybe = sqlite3_column_int(row, COLUMN_MAY_BE_SENT);
    m->may_be_sent = (maybe & MAYBE_SENT) != 0;
    m->is_unlooked = (maybe & MAYBE_UNLOOKED) != 0;
    m->doubts = read_number(row, COLUMN_DOUBTS, MESSAGE_DOUBTS_MAX, &is_sound) & MESSAGE_DOUBTS_MAX;
    m->due_ms = sqlite3_column_int64(row, COLUMN_PROGRESS_DUE_MS);
    m->updated_ms = sqlite3_column_int64(row, COLUMN_UPDATED_MS);
    if (sqlite3_column_int(row, COLUMN_IS_EXPIRY_LIFTED) != 0) {
        m->expires_ms = INT64_MAX;
        m->has_ttl = false;
    }
    const char *api_id = read_text(row, COLUMN_API_ID, SIZE_MAX, &is_sound);
    const char *reason = read_text(row, COLUMN_REASON, SIZE_MAX, &is_sound);
    if (api_id[0] != '\0' || reason[0] != '\0') {
        m->answer = message_answer_new(api_id, reason);
    }
    return is_sound;
}

/* The delivery report that counts, if there is one. */
static bool read_report(sqlite3_stmt *row, struct message *m)
{
    bool is_sound = true;
    const char *status = read_text(row, COLUMN_REPORT_STATUS, REPORT_STATUS_MAX, &is_sound);
    const char *code = read_text(row, COLUMN_REPORT_CODE, REPORT_CODE_MAX, &is_sound);
    if (!is_sound || status[0] == '\0') {
        return is_sound;
    }
    struct report report = {.event_ms = sqlite3_column_int64(row, COLUMN_REPORT_EVENT_MS)};
    memcpy(report.status, status, strlen(status) + 1);
    memcpy(report.code, code, strlen(code) + 1);
    return message_set_report(m, message_api_id(m), message_reason(m), &report);
}

void store_rows_begin(struct store_rows_reader *reader, struct store_db *db,
                      enum store_statement which, int64_t first, int64_t second)
{
    sqlite3_stmt *read = db->statements[which];
    *reader = (struct store_rows_reader){.db = db, .which = which};
    /* SQLite refuses one that the statement does not have: no harm. */
    sqlite3_bind_int64(read, 1, first);
    sqlite3_bind_int64(read, 2, second);
}

void store_rows_begin_state(struct store_rows_reader *reader, struct store_db *db,
                            enum message_state state, int64_t after, int64_t max)
{
    enum store_statement which = state == MESSAGE_RELAYED ? STORE_READ_RELAYED : STORE_READ_FAILED;
    store_rows_begin(reader, db, which, max, after);
    sqlite3_bind_int64(db->statements[which], 3, state);
}

static struct message *fault(struct store_rows_reader *reader, const char *words)
{
    snprintf(reader->words, sizeof reader->words, "%s", words);
    reader->fault = reader->words;
    store_rows_end(reader);
    return NULL;
}

struct message *store_rows_next(struct store_rows_reader *reader)
{
    sqlite3_stmt *row = reader->db->statements[reader->which];
    bool has_failed = false;
    struct message_content content = {0};
    if (reader->has_ended) {
        return NULL; /* another step would start over */
    }
    if (!store_db_next_row(reader->db, reader->which, &has_failed)) {
        reader->has_ended = true;
        return has_failed ? fault(reader, store_db_error(reader->db)) : NULL;
    }
    if (!read_content(row, &content)) {
        return fault(reader, "it holds an invalid message");
    }
    content.row = sqlite3_column_int64(row, COLUMN_ROW);
    struct message *m = message_new(&content);
    if (m == NULL) {
        return fault(reader, "out of memory");
    }
    bool is_sound = sqlite3_column_int(row, COLUMN_HAS_PROGRESS) == 0 || read_progress(row, m);
    if (!read_report(row, m) || !is_sound) {
        message_free(m);
        return fault(reader, "it holds an invalid message");
    }
    return m;
}

void store_rows_end(struct store_rows_reader *reader)
{
    reader->has_ended = true;
    sqlite3_reset(reader->db->statements[reader->which]);
}

struct message *store_rows_read(struct store_db *db, int64_t row, bool *has_failed)
{
    struct store_rows_reader reader;
    store_rows_begin(&reader, db, STORE_READ_ROW, row, 0);
    struct message *m = store_rows_next(&reader);
    *has_failed = reader.fault != NULL;
    store_rows_end(&reader);
    return m;
}

struct message *store_rows_find(struct store_db *db, const struct ulid *id, bool *has_failed)
{
    struct store_rows_reader reader;
    int64_t unix_ms = ulid_time_ms(id);
    sqlite3_bind_blob(db->statements[STORE_READ_MESSAGE], 3, id->bytes, ULID_BYTES, SQLITE_STATIC);
    store_rows_begin(&reader, db, STORE_READ_MESSAGE, store_row_first(unix_ms),
                     store_row_last(unix_ms));
    struct message *m = store_rows_next(&reader);
    *has_failed = reader.fault != NULL;
    store_rows_end(&reader);
    return m;
}
