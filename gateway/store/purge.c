/* purge: see purge.h. */
#include "gateway/store/purge.h"

#include "gateway/store/row.h"

enum {
    REST_MS = 10000,     /* between passes */
    VACUUM_PAGES = 64,   /* a step gives back */
    FREE_PAGES_MAX = 256 /* kept for new messages: 1 MB */
};

static bool is_past(const struct store_rows_progress *progress, int64_t cutoff_ms)
{
    return progress->state < MESSAGE_STATES &&
           message_state_is_finished((enum message_state)progress->state) &&
           progress->updated_ms <= cutoff_ms;
}

/* Deletes one message. */
static bool delete_row(struct store_db *db, int64_t row, struct store_purged *purged)
{
    struct store_rows_freed freed;
    if (!store_rows_delete_one(db, row, &freed)) {
        return false;
    }
    if (purged->runs > 0 && purged->freed[purged->runs - 1].owner == freed.owner) {
        purged->freed[purged->runs - 1].bytes += freed.bytes;
    } else {
        purged->freed[purged->runs++] = freed;
    }
    purged->count++;
    return true;
}

/* Deletes those of the messages seen that are past. */
static bool delete_past(struct store_db *db, const struct store_rows_progress *seen, int count,
                        int64_t cutoff_ms, struct store_purged *purged)
{
    bool is_good = true;
    for (int i = 0; is_good && i < count; i++) {
        if (is_past(&seen[i], cutoff_ms)) {
            is_good = (purged->count > 0 || store_db_begin(db, false)) &&
                      delete_row(db, seen[i].row, purged);
        }
    }
    return is_good && (purged->count == 0 || store_db_commit(db));
}

/* Gives some pages back after a pass, then rests. */
static bool shrink(struct store_purge *purge, struct store_db *db, int64_t now_ms)
{
    int free_pages = store_db_free_pages(db);
    /* The last step gave nothing back: the file was created without auto_vacuum. */
    bool is_stuck = purge->free_pages == free_pages;
    purge->free_pages = free_pages;
    purge->is_shrinking = free_pages > FREE_PAGES_MAX && !is_stuck;
    purge->due_ms = purge->is_shrinking ? now_ms : now_ms + REST_MS;
    return free_pages >= 0 && (!purge->is_shrinking || store_db_vacuum(db, VACUUM_PAGES));
}

bool store_purge_step(struct store_purge *purge, struct store_db *db, int64_t cutoff_ms,
                      bool shrinks, int64_t now_ms, struct store_purged *purged)
{
    struct store_rows_progress seen[STORE_PURGE_ROWS_MAX];
    purged->count = purged->runs = 0;
    if (purge->is_shrinking && shrinks) {
        return shrink(purge, db, now_ms);
    }
    int count = store_rows_read_progress(db, purge->next_row, seen, STORE_PURGE_ROWS_MAX);
    if (count < 0 || !delete_past(db, seen, count, cutoff_ms, purged)) {
        return false;
    }
    bool is_end = count < STORE_PURGE_ROWS_MAX || seen[count - 1].row >= store_row_first(cutoff_ms);
    purge->next_row = is_end ? 0 : seen[count - 1].row + 1;
    purge->is_shrinking = is_end;
    purge->free_pages = -1;
    purge->due_ms = is_end && !shrinks ? now_ms + REST_MS : now_ms;
    return true;
}
