/* wal: see wal.h. */
#include "gateway/store/wal.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* The log's header, the header of a frame, and where both have what. */
enum {
    HEADER = 32,
    HEADER_PAGE_SIZE = 8,
    HEADER_SALT = 16,
    HEADER_SUMMED = 24, /* bytes that its checksum is of; it follows them */
    FRAME = 24,
    FRAME_SALT = 8,
    FRAME_SUMMED = 8, /* the same of a frame; then comes the page */
    FRAME_SUM = 16,
    SALT = 8,
    PAGE_MAX = 65536
};
#define MAGIC_LITTLE 0x377f0682U /* with checksums of little-endian words; big-endian: 1 more */

/* The file: one line, always as long. */
#define MARK_FORMAT "synced %016" PRIx64 " %010" PRIu32 " %020" PRId64
enum { MARK_LEN = sizeof "synced " + 16 + 1 + 10 + 1 + 20 - 1, MARK_BYTES = MARK_LEN + 18 };

/* What it says. */
struct mark {
    uint64_t salt;   /* of the log */
    uint32_t frames; /* that are synced; 0 = none is needed */
    int64_t row;     /* the last message that they, or the database, have had */
};

struct store_wal {
    char path[PATH_MAX], database[PATH_MAX];
    sqlite3_file *file; /* NULL = not open */
    bool is_over;       /* what the file says is about another log */
    bool has_salt;      /* nothing was reset since this was read: */
    uint64_t salt;
};

static bool name_file(char name[PATH_MAX], const char *path, const char *end)
{
    return snprintf(name, PATH_MAX, "%s%s", path, end) < PATH_MAX;
}

/* A file that is missing is, too. */
static bool is_empty(const char *path)
{
    struct stat status;
    return stat(path, &status) != 0 || status.st_size == 0;
}

/* --- the mark --------------------------------------------------------------------------------- */

/* FNV-1a: against a torn write, not against anybody. */
static uint64_t sum_text(const char *text, size_t len)
{
    uint64_t sum = 14695981039346656037U;
    for (size_t i = 0; i < len; i++) {
        sum = (sum ^ (unsigned char)text[i]) * 1099511628211U;
    }
    return sum;
}

static void print_mark(const struct mark *mark, char text[MARK_BYTES + 1])
{
    snprintf(text, MARK_BYTES + 1, MARK_FORMAT, mark->salt, mark->frames, mark->row);
    snprintf(text + MARK_LEN, MARK_BYTES + 1 - MARK_LEN, " %016" PRIx64 "\n",
             sum_text(text, MARK_LEN));
}

static bool parse_mark(const char *text, struct mark *mark)
{
    char again[MARK_BYTES + 1];
    *mark = (struct mark){0, 0, 0};
    if (sscanf(text, "synced %" SCNx64 " %" SCNu32 " %" SCNd64, &mark->salt, &mark->frames,
               &mark->row) != 3) {
        return false;
    }
    print_mark(mark, again);
    return strcmp(text, again) == 0;
}

/* Returns false if there is none. One that a power loss has torn says nothing. */
static bool read_mark(const char *path, struct mark *mark)
{
    char name[PATH_MAX];
    char text[MARK_BYTES + 1] = "";
    int fd = name_file(name, path, "-synced") ? open(name, O_RDONLY | O_CLOEXEC) : -1;
    if (fd < 0) {
        return false;
    }
    if (read(fd, text, MARK_BYTES) != MARK_BYTES || !parse_mark(text, mark)) {
        *mark = (struct mark){0, 0, 0};
    }
    close(fd);
    return true;
}

struct store_wal *store_wal_new(const char *path, bool is_over)
{
    struct store_wal *w = calloc(1, sizeof *w);
    if (w == NULL || !name_file(w->path, path, "-synced") || !name_file(w->database, path, "")) {
        free(w);
        return NULL;
    }
    w->is_over = is_over;
    return w;
}

static void close_file(struct store_wal *w)
{
    if (w->file != NULL && w->file->pMethods != NULL) {
        w->file->pMethods->xClose(w->file);
    }
    free(w->file);
    w->file = NULL;
}

void store_wal_free(struct store_wal *w, bool removes)
{
    sqlite3_vfs *vfs = sqlite3_vfs_find(NULL);
    if (w == NULL) {
        return;
    }
    close_file(w);
    if (removes) {
        vfs->xDelete(vfs, w->path, 0);
    }
    free(w);
}

/* Through SQLite's VFS: it is part of the store, and the tests' disk has it, too. */
static bool open_file(struct store_wal *w)
{
    sqlite3_vfs *vfs = sqlite3_vfs_find(NULL);
    int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_MAIN_JOURNAL;
    w->file = calloc(1, (size_t)vfs->szOsFile);
    return w->file != NULL && vfs->xOpen(vfs, w->path, w->file, flags, &flags) == SQLITE_OK &&
           (flags & SQLITE_OPEN_READONLY) == 0;
}

static bool write_mark(struct store_wal *w, const struct mark *mark, bool syncs)
{
    char text[MARK_BYTES + 1];
    print_mark(mark, text);
    return w->file->pMethods->xWrite(w->file, text, MARK_BYTES, 0) == SQLITE_OK &&
           (!syncs || w->file->pMethods->xSync(w->file, SQLITE_SYNC_NORMAL) == SQLITE_OK);
}

bool store_wal_begin(struct store_wal *w)
{
    struct mark mark;
    if (w->file != NULL) {
        return true;
    }
    bool is_new = is_empty(w->database);
    bool has_mark = read_mark(w->database, &mark);
    if (open_file(w) && ((has_mark && !w->is_over && !is_new) || store_wal_reset(w))) {
        return true;
    }
    close_file(w);
    return !is_new && !has_mark;
}

void store_wal_note(struct store_wal *w, sqlite3_file *log, int frames, int64_t row)
{
    if (w->file != NULL && !w->has_salt) {
        w->has_salt = log->pMethods->xRead(log, &w->salt, sizeof w->salt, HEADER_SALT) == SQLITE_OK;
    }
    if (w->file != NULL && w->has_salt) {
        /* Without it, the one before still holds. */
        write_mark(w, &(struct mark){w->salt, (uint32_t)frames, row}, false);
    }
}

bool store_wal_reset(struct store_wal *w)
{
    w->has_salt = false;
    return w->file == NULL || write_mark(w, &(struct mark){0, 0, 0}, true);
}

/* --- the log ---------------------------------------------------------------------------------- */

struct log {
    int fd; /* -1 = there is none */
    bool is_little_endian;
    uint32_t page_bytes;
    unsigned char salt[SALT];
    uint32_t sum[2];             /* of everything up to the frame that was read last */
    unsigned char header[FRAME]; /* of that frame */
    unsigned char page[PAGE_MAX];
};

static uint32_t read_big(const unsigned char *bytes)
{
    return (uint32_t)bytes[0] << 24 | (uint32_t)bytes[1] << 16 | (uint32_t)bytes[2] << 8 | bytes[3];
}

static uint32_t read_word(const struct log *log, const unsigned char *bytes)
{
    uint32_t word = read_big(bytes);
    return log->is_little_endian ? __builtin_bswap32(word) : word;
}

static void add_up(const struct log *log, uint32_t sum[2], const unsigned char *bytes, size_t len)
{
    for (size_t i = 0; i < len; i += 8) {
        sum[0] += read_word(log, bytes + i) + sum[1];
        sum[1] += read_word(log, bytes + i + 4) + sum[0];
    }
}

static bool has_sum(const uint32_t sum[2], const unsigned char *bytes)
{
    return sum[0] == read_big(bytes) && sum[1] == read_big(bytes + 4);
}

/* Reads the header. Returns false if it is not sound; what follows from it is then guessed. */
static bool read_header(struct log *log)
{
    unsigned char header[HEADER] = {0};
    bool is_read = pread(log->fd, header, HEADER, 0) == HEADER;
    uint32_t magic = read_big(header);
    log->is_little_endian = (magic & 1) == 0;
    log->page_bytes = read_big(header + HEADER_PAGE_SIZE);
    memcpy(log->salt, header + HEADER_SALT, SALT);
    add_up(log, log->sum, header, HEADER_SUMMED);
    if (is_read && (magic & ~1U) == MAGIC_LITTLE && log->page_bytes >= 512 &&
        log->page_bytes <= PAGE_MAX && has_sum(log->sum, header + HEADER_SUMMED)) {
        return true;
    }
    log->is_little_endian = __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__;
    log->page_bytes = STORE_PAGE_BYTES;
    return false;
}

static off_t frame_at(const struct log *log, uint32_t frame)
{
    return HEADER + (off_t)frame * (FRAME + (off_t)log->page_bytes);
}

/* Reads a frame, counted from 0. Returns false if the log ends before it. */
static bool read_frame(struct log *log, uint32_t frame)
{
    off_t at = frame_at(log, frame);
    return pread(log->fd, log->header, FRAME, at) == FRAME &&
           pread(log->fd, log->page, log->page_bytes, at + FRAME) == (ssize_t)log->page_bytes;
}

/* Is the frame that was read the one that comes after `log->sum`? Adds it. */
static bool is_next(struct log *log)
{
    add_up(log, log->sum, log->header, FRAME_SUMMED);
    add_up(log, log->sum, log->page, log->page_bytes);
    return memcmp(log->header + FRAME_SALT, log->salt, SALT) == 0 &&
           has_sum(log->sum, log->header + FRAME_SUM);
}

/* How many frames are sound, in a row and from the first on; `max` at most. */
static uint32_t count_sound(struct log *log, uint32_t max)
{
    uint32_t count = 0;
    while (count < max && read_frame(log, count) && is_next(log)) {
        count++;
    }
    return count;
}

/*
 * Is there a sound frame beyond one that is not? The checksum of a frame continues that of the frame
 * before, which is in its header. `has_salt`: the frame must have that of the log.
 */
static bool has_sound_frame_beyond(struct log *log, uint32_t broken, bool has_salt)
{
    bool is_found = false;
    for (uint32_t i = broken; !is_found && read_frame(log, i); i++) {
        if (i > broken) {
            is_found = is_next(log) && read_big(log->header) != 0;
        }
        log->sum[0] = read_big(log->header + FRAME_SUM);
        log->sum[1] = read_big(log->header + FRAME_SUM + 4);
        if (!has_salt) {
            memcpy(log->salt, log->header + FRAME_SALT, SALT);
        }
    }
    return is_found;
}

/* --- checking --------------------------------------------------------------------------------- */

/* The log is damaged in the frame after `sound` ones. */
static bool complain(const char *path, const struct log *log, uint32_t sound, char *error)
{
    intmax_t at = sound == 0 ? 0 : frame_at(log, sound);
    snprintf(
        error, STORE_WAL_ERROR_SIZE,
        "queue.path: %.200s: its log (-wal) is damaged at byte %jd of %jd: restore it; or, to do "
        "without what comes after, copy all files of the store, then cut off the log there "
        "(truncate -s %jd) and remove the file -synced; smsrelay queue and smsrelay queue export "
        "show what can still be read",
        path, at, (intmax_t)lseek(log->fd, 0, SEEK_END), at);
    return false;
}

/* A new database, it seems: SQLite would remove the log. */
static bool complain_of_none(const char *path, char *error)
{
    snprintf(error, STORE_WAL_ERROR_SIZE,
             "queue.path: %.200s: it is empty, but its log (-wal) is not: restore it; or, to begin "
             "with an empty queue, move the files -wal and -synced away, too",
             path);
    return false;
}

/* Compares the log with what was noted of it. */
static bool check_noted(const char *path, struct log *log, const struct mark *mark, int64_t *row,
                        char *error)
{
    bool has_header = log->fd >= 0 && read_header(log);
    if (has_header && memcmp(log->salt, &mark->salt, SALT) == 0) {
        uint32_t sound = count_sound(log, mark->frames);
        return sound == mark->frames || complain(path, log, sound, error);
    }
    if (log->fd >= 0 && !has_header && lseek(log->fd, 0, SEEK_END) > 0) {
        return complain(path, log, 0, error);
    }
    *row = mark->row;
    return true;
}

/* Nothing was noted: an older version has written the log, or it was copied without the note. */
static bool check_alone(const char *path, struct log *log, char *error)
{
    bool has_header = read_header(log);
    uint32_t sound = has_header ? count_sound(log, UINT32_MAX) : 0;
    return !has_sound_frame_beyond(log, sound, has_header) || complain(path, log, sound, error);
}

bool store_wal_check(const char *path, int64_t *row, char *error)
{
    char name[PATH_MAX];
    struct mark mark;
    bool is_sound = true;
    bool has_mark = read_mark(path, &mark);
    struct log *log = calloc(1, sizeof *log);
    *row = 0;
    if (log == NULL || !name_file(name, path, "-wal")) {
        snprintf(error, STORE_WAL_ERROR_SIZE, "out of memory");
        free(log);
        return false;
    }
    log->fd = open(name, O_RDONLY | O_CLOEXEC);
    if (is_empty(path)) {
        is_sound = !has_mark || mark.frames == 0 || is_empty(name) || complain_of_none(path, error);
    } else if (has_mark && mark.frames > 0) {
        is_sound = check_noted(path, log, &mark, row, error);
    } else if (!has_mark && log->fd >= 0) {
        is_sound = check_alone(path, log, error);
    }
    if (log->fd >= 0) {
        close(log->fd);
    }
    free(log);
    return is_sound;
}

int64_t store_wal_bytes(int frames)
{
    return frames == 0 ? 0 : HEADER + (int64_t)frames * (FRAME + STORE_PAGE_BYTES);
}
