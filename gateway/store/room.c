/* room: see room.h. */
#include "gateway/store/room.h"

#include "gateway/store/db.h"
#include "gateway/store/wal.h"

#include <stdio.h>
#include <sys/stat.h>
#include <sys/statvfs.h>

enum {
    SHARE = 20,          /* one part in so many of the volume is kept free, at most */
    OUTCOME_BYTES = 256, /* that the end of one message takes, with its reason */
    LOG_PAGES = 1000,    /* 4 MB: overwriting syncs faster than appending */
    LOG_PAGES_MIN = 16
};

static int64_t kept_free(const struct store_room *room, const struct statvfs *volume)
{
    int64_t share = (int64_t)(volume->f_blocks * volume->f_frsize) / SHARE;
    return room->reserve < share ? room->reserve : share;
}

/*
 * What the store can still write. Pages that are free in the file count, and so does what the file
 * will grow by when the log goes into it. Few volumes are so full that this has to be exact.
 */
static int64_t left(const struct statvfs *volume, struct store_db *db, int file, int64_t plenty)
{
    struct stat status;
    int64_t free_bytes = (int64_t)(volume->f_bavail * volume->f_frsize);
    if (free_bytes - (int64_t)db->log_pages * STORE_PAGE_BYTES >= plenty ||
        fstat(file, &status) != 0) {
        return free_bytes;
    }
    int64_t growth = (int64_t)store_db_pages(db) * STORE_PAGE_BYTES - status.st_size;
    return free_bytes - (growth > 0 ? growth : 0) +
           (int64_t)store_db_free_pages(db) * STORE_PAGE_BYTES;
}

static double megabytes(int64_t bytes)
{
    return (double)bytes / (1 << 20);
}

void store_room_measure(struct store_room *room, struct store_db *db, int file, size_t unfinished)
{
    struct statvfs volume;
    bool was_refusing = room->words[0] != '\0';
    bool was_tight = room->is_tight;
    room->bytes = SIZE_MAX;
    room->log_pages = LOG_PAGES;
    room->is_tight = false;
    room->words[0] = '\0';
    if (room->reserve == 0 || fstatvfs(file, &volume) != 0) {
        return;
    }
    int64_t kept = kept_free(room, &volume);
    int64_t needed = kept + (int64_t)unfinished * OUTCOME_BYTES;
    int64_t spare = left(&volume, db, file, 2 * needed) - needed;
    /* A message is written to the log first, then to the file. */
    room->bytes = spare > 0 ? (size_t)spare / 2 : 0;
    room->is_tight = spare < (was_tight ? 2 * kept : kept);
    if (kept / 4 < LOG_PAGES * STORE_PAGE_BYTES) {
        int pages = (int)(kept / 4 / STORE_PAGE_BYTES);
        room->log_pages = pages < LOG_PAGES_MIN ? LOG_PAGES_MIN : pages;
    }
    if (spare < kept / (was_refusing ? 4 : 16)) {
        room->bytes = 0;
        snprintf(
            room->words, sizeof room->words,
            "the volume of queue.path is full: %.1f MB are left, which what becomes of messages "
            "may take (queue.reserve)",
            megabytes(spare + needed));
    }
}
