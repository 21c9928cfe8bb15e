/* purge: see purge.h. */
#include "gateway/store/purge.h"

#include "gateway/store/rows.h"

enum {
    ROWS_MAX = 256,      /* looked at in a step: 0.5 ms when all of them go */
    REST_MS = 10000,     /* between two passes */
    VACUUM_PAGES = 64,   /* given back in a step */
    FREE_PAGES_MAX = 256 /* are kept for what comes: 1 MB */
};

void store_purge_init(struct store_purge *purge)
{
    *purge = (struct store_purge){.next_row = 0, .due_ms = 0};
}

int64_t store_purge_due_ms(const struct store_purge *purge)
{
    return purge->due_ms;
}

/* What a step has looked at. */
struct stretch {
    size_t seen, past;
    int64_t rows[ROWS_MAX]; /* those that are past */
    int64_t last_row;
};

static bool look(struct store_db *db, int64_t first_row, int64_t cutoff_ms, struct stretch *stretch)
{
    sqlite3_stmt *row = db->statements[STORE_READ_PROGRESS];
    bool has_failed = false;
    sqlite3_bind_int64(row, 1, first_row);
    sqlite3_bind_int64(row, 2, ROWS_MAX);
    stretch->seen = stretch->past = 0;
    while (store_db_next_row(db, STORE_READ_PROGRESS, &has_failed)) {
        unsigned state = (unsigned)sqlite3_column_int(row, 1);
        bool is_finished =
            state < MESSAGE_STATES && message_state_is_finished((enum message_state)state);
        stretch->last_row = sqlite3_column_int64(row, 0);
        stretch->seen++;
        if (is_finished && sqlite3_column_int64(row, 2) <= cutoff_ms) {
            stretch->rows[stretch->past++] = stretch->last_row;
        }
    }
    return !has_failed;
}

static bool delete_rows(struct store_db *db, const struct stretch *stretch)
{
    if (stretch->past == 0) {
        return true;
    }
    bool is_good = store_db_begin(db, false);
    for (size_t i = 0; is_good && i < stretch->past; i++) {
        is_good = store_rows_delete(db, stretch->rows[i], stretch->rows[i]);
    }
    return is_good && store_db_commit(db);
}

/* Gives pages back after a pass; when that is done, it rests. */
static bool shrink(struct store_purge *purge, struct store_db *db, int64_t now_ms)
{
    int free_pages = store_db_free_pages(db);
    /* A step that gave nothing back: the file was made without auto_vacuum. */
    bool is_stuck = purge->free_pages == free_pages;
    purge->free_pages = free_pages;
    purge->is_shrinking = free_pages > FREE_PAGES_MAX && !is_stuck;
    purge->due_ms = purge->is_shrinking ? now_ms : now_ms + REST_MS;
    return free_pages >= 0 && (!purge->is_shrinking || store_db_vacuum(db, VACUUM_PAGES));
}

bool store_purge_step(struct store_purge *purge, struct store_db *db, int64_t cutoff_ms,
                      int64_t now_ms, size_t *purged)
{
    struct stretch stretch;
    *purged = 0;
    if (purge->is_shrinking) {
        return shrink(purge, db, now_ms);
    }
    if (!look(db, purge->next_row, cutoff_ms, &stretch) || !delete_rows(db, &stretch)) {
        return false;
    }
    *purged = stretch.past;
    bool is_end = stretch.seen < ROWS_MAX || stretch.last_row >= store_row_first(cutoff_ms);
    purge->next_row = is_end ? 0 : stretch.last_row + 1;
    purge->is_shrinking = is_end;
    purge->free_pages = -1;
    purge->due_ms = now_ms;
    return true;
}
