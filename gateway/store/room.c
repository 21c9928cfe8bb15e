/* room: see room.h. */
#include "gateway/store/room.h"

#include "gateway/store/db.h"
#include "gateway/store/wal.h"

#include <stdio.h>
#include <sys/stat.h>
#include <sys/statvfs.h>

enum {
    SHARE = 20,      /* one part in so many of the volume is kept free, at most */
    FILE_MARGIN = 4, /* one part in so many of queue.max_disk: then finished messages go early */
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

/* A message is written to the log first, then to the file. */
static void take_room(struct store_room *room, int64_t spare)
{
    size_t bytes = spare > 0 ? (size_t)spare / 2 : 0;
    room->bytes = bytes < room->bytes ? bytes : room->bytes;
}

/* The log gets no longer than so many bytes, but for a minimum. */
static void bound_log(struct store_room *room, int64_t bytes)
{
    int64_t pages = bytes / STORE_PAGE_BYTES;
    pages = pages < LOG_PAGES_MIN ? LOG_PAGES_MIN : pages;
    room->log_pages = pages < room->log_pages ? (int)pages : room->log_pages;
}

static double megabytes(int64_t bytes)
{
    return (double)bytes / (1 << 20);
}

/* What the volume has room for. */
static void measure_volume(struct store_room *room, struct store_db *db, int file, int64_t outcomes,
                           bool was_tight, bool was_refusing)
{
    struct statvfs volume;
    if (room->reserve == 0 || fstatvfs(file, &volume) != 0) {
        return;
    }
    int64_t kept = kept_free(room, &volume);
    int64_t needed = kept + outcomes;
    int64_t spare = left(&volume, db, file, 2 * needed) - needed;
    take_room(room, spare);
    room->is_tight = room->is_tight || spare < (was_tight ? 2 * kept : kept);
    bound_log(room, kept / 4);
    if (spare < kept / (was_refusing ? 4 : 16)) {
        room->bytes = 0;
        snprintf(
            room->words, sizeof room->words,
            "the volume of queue.path is full: %.1f MB are left, which what becomes of messages "
            "may take (queue.reserve)",
            megabytes(spare + needed));
    }
}

/* What the file may grow by. Its log, which goes into it, counts. */
static void measure_file(struct store_room *room, struct store_db *db, int64_t outcomes,
                         bool was_tight, bool was_refusing)
{
    if (room->max_disk == 0) {
        return;
    }
    int64_t pages = (int64_t)store_db_pages(db) - store_db_free_pages(db) + db->log_pages;
    int64_t spare = room->max_disk - pages * STORE_PAGE_BYTES - outcomes;
    int64_t margin = room->max_disk / FILE_MARGIN;
    bound_log(room, margin / 4);
    take_room(room, spare);
    room->is_tight = room->is_tight || spare < (was_tight ? 2 * margin : margin);
    if (spare < (was_refusing ? margin / 4 : margin / 16)) {
        room->bytes = 0;
        snprintf(room->words, sizeof room->words,
                 "queue.path has come to its maximum size, %.1f MB (queue.max_disk)",
                 megabytes(room->max_disk));
    }
}

void store_room_measure(struct store_room *room, struct store_db *db, int file, size_t unfinished)
{
    bool was_refusing = room->words[0] != '\0';
    bool was_tight = room->is_tight;
    int64_t outcomes = (int64_t)unfinished * OUTCOME_BYTES;
    room->bytes = SIZE_MAX;
    room->log_pages = LOG_PAGES;
    room->is_tight = false;
    room->words[0] = '\0';
    measure_file(room, db, outcomes, was_tight, was_refusing);
    measure_volume(room, db, file, outcomes, was_tight, was_refusing);
}
