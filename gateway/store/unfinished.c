/* unfinished: see unfinished.h. */
#include "gateway/store/unfinished.h"

#include "gateway/base/int64.h"
#include "gateway/store/row.h"
#include "proto/message.h"

enum {
    AHEAD_MS = 60000, /* of rows that a new span covers */
    ROWS_MAX = 256,   /* a step looks at: 0.2 ms */
    GAP_MAX = 16,     /* finished messages between two unfinished ones of the same span */
    REST_MS = 10000,  /* between passes; and at least ... */
    REST_SHARE = 20   /* ... so many times as long as the last one took */
};

struct span {
    int64_t first, last;
};

static bool insert(struct store_db *db, const struct span *span)
{
    sqlite3_bind_int64(db->statements[STORE_INSERT_SPAN], 1, span->first);
    sqlite3_bind_int64(db->statements[STORE_INSERT_SPAN], 2, span->last);
    return store_db_run(db, STORE_INSERT_SPAN);
}

/* A statement whose only value is a row. */
static bool run_for_row(struct store_db *db, enum store_statement which, int64_t row)
{
    sqlite3_bind_int64(db->statements[which], 1, row);
    return store_db_run(db, which);
}

/* Nothing has been written beyond `first`, but a span of an earlier run may promise it. */
bool store_unfinished_cover(struct store_unfinished *u, struct store_db *db, int64_t first,
                            int64_t last)
{
    u->promised = u->covered;
    if (last <= u->covered) {
        return true;
    }
    const struct span span = {first,
                              int64_max(last, store_row_last(store_row_ms(first) + AHEAD_MS))};
    u->promised = span.last;
    return run_for_row(db, STORE_DELETE_SPANS, first) && run_for_row(db, STORE_CUT_SPANS, first) &&
           insert(db, &span);
}

void store_unfinished_commit(struct store_unfinished *u)
{
    u->covered = u->promised;
}

/* What a step has seen of one span. */
struct slice {
    struct span span;
    int seen;                   /* messages */
    int64_t last_row;           /* of them */
    struct span runs[ROWS_MAX]; /* the unfinished among them */
    int run_count;
    int gap; /* finished ones since the last run */
};

static void note(struct slice *slice, int64_t row, bool is_finished)
{
    slice->seen++;
    slice->last_row = row;
    if (is_finished) {
        slice->gap++;
    } else if (slice->run_count > 0 && slice->gap <= GAP_MAX) {
        slice->runs[slice->run_count - 1].last = row;
        slice->gap = 0;
    } else {
        slice->runs[slice->run_count++] = (struct span){row, row};
        slice->gap = 0;
    }
}

/* Finds the first span from `row` on. Returns 1, 0 if there is none, -1 on failure. */
static int find_span(struct store_db *db, int64_t row, struct span *span)
{
    sqlite3_stmt *read = db->statements[STORE_NEXT_SPAN];
    bool has_failed = false;
    int found = 0;
    sqlite3_bind_int64(read, 1, row);
    while (store_db_next_row(db, STORE_NEXT_SPAN, &has_failed)) {
        *span = (struct span){sqlite3_column_int64(read, 0), sqlite3_column_int64(read, 1)};
        found = 1;
    }
    return has_failed ? -1 : found;
}

static bool read_slice(struct store_db *db, struct slice *slice)
{
    sqlite3_stmt *read = db->statements[STORE_READ_SPAN];
    bool has_failed = false;
    sqlite3_bind_int64(read, 1, slice->span.first);
    sqlite3_bind_int64(read, 2, slice->span.last);
    sqlite3_bind_int64(read, 3, ROWS_MAX);
    while (store_db_next_row(db, STORE_READ_SPAN, &has_failed)) {
        int state = sqlite3_column_int(read, 1);
        bool is_known =
            sqlite3_column_type(read, 1) == SQLITE_INTEGER && state >= 0 && state < MESSAGE_STATES;
        note(slice, sqlite3_column_int64(read, 0),
             is_known && message_state_is_finished((enum message_state)state));
    }
    return !has_failed;
}

/* Replaces the span by the runs in it, and by what was not looked at. */
static bool replace(struct store_db *db, const struct slice *slice, int64_t rest)
{
    const struct span left = {rest, slice->span.last};
    bool is_good =
        store_db_begin(db, false) && run_for_row(db, STORE_DELETE_SPAN, slice->span.first);
    for (int i = 0; is_good && i < slice->run_count; i++) {
        is_good = insert(db, &slice->runs[i]);
    }
    return is_good && (left.first > left.last || insert(db, &left)) && store_db_commit(db);
}

static bool is_as_it_was(const struct slice *slice, int64_t rest)
{
    return slice->run_count == 1 && slice->runs[0].first == slice->span.first &&
           slice->runs[0].last == slice->span.last && rest > slice->span.last;
}

bool store_unfinished_step(struct store_unfinished *u, struct store_db *db, int64_t now_ms)
{
    struct slice slice = {.seen = 0};
    u->began_ms = u->next_row == 0 ? now_ms : u->began_ms;
    int found = find_span(db, u->next_row, &slice.span);
    if (found <= 0) {
        u->due_ms = now_ms + int64_max(REST_MS, REST_SHARE * (now_ms - u->began_ms));
        u->next_row = 0;
        return found == 0;
    }
    if (!read_slice(db, &slice)) {
        return false;
    }
    /* The rows of messages to come stay covered. */
    bool is_end = slice.seen < ROWS_MAX;
    int64_t rest = slice.seen > 0 ? slice.last_row + 1 : slice.span.first;
    rest = is_end && slice.span.last != u->covered ? slice.span.last + 1 : rest;
    u->next_row = is_end ? slice.span.last + 1 : rest;
    u->due_ms = now_ms;
    bool is_same = is_as_it_was(&slice, rest) || (slice.seen == 0 && rest == slice.span.first);
    return is_same || replace(db, &slice, rest);
}
