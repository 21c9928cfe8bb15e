/* faulty_vfs: see faulty_vfs.h. */
#include "tests/support/faulty_vfs.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { PAGE_BYTES = 4096, PATH_BYTES = 4096 };

/* --- the model ---------------------------------------------------------------------------------- */

struct image {
    unsigned char *bytes;
    size_t len, size;
};

enum page_state {
    PAGE_CLEAN, /* the platter has it */
    PAGE_DIRTY, /* the next sync brings it there */
    PAGE_STALE  /* a sync failed with it: only writing it again helps */
};

/* A file by its path, whether it is open, closed or removed. */
struct disk_file {
    struct disk_file *next;
    char *path;
    struct image cache;   /* what every program sees */
    struct image platter; /* as of the last sync */
    unsigned char *pages; /* enum page_state of each page of the longer one */
    size_t page_count;
    size_t last_offset, last_len; /* the last write; last_len 0 = it is synced */
    bool is_named, is_named_on_platter;
};

static struct disk_file *disk_files;
static bool keeps_images;

static void die_without_memory(void)
{
    fputs("faulty_vfs: out of memory\n", stderr);
    abort();
}

/* New bytes are zeros, as in a file. */
static void image_resize(struct image *image, size_t len)
{
    if (len > image->size) {
        size_t size = len + len / 2 + PAGE_BYTES;
        unsigned char *bytes = realloc(image->bytes, size);
        if (bytes == NULL) {
            die_without_memory();
        }
        image->bytes = bytes;
        image->size = size;
    }
    if (len > image->len) {
        memset(image->bytes + image->len, 0, len - image->len);
    }
    image->len = len;
}

/* Copies the range as far as `from` has it; where `to` is shorter it grows. */
static void image_copy(struct image *to, const struct image *from, size_t start, size_t end)
{
    end = end < from->len ? end : from->len;
    if (start >= end) {
        return;
    }
    if (to->len < end) {
        image_resize(to, end);
    }
    memcpy(to->bytes + start, from->bytes + start, end - start);
}

/* Brings the pages that the range touches into a state. */
static void mark_pages(struct disk_file *file, size_t start, size_t end, enum page_state state)
{
    size_t last = (end + PAGE_BYTES - 1) / PAGE_BYTES;
    if (last > file->page_count) {
        unsigned char *pages = realloc(file->pages, last);
        if (pages == NULL) {
            die_without_memory();
        }
        memset(pages + file->page_count, PAGE_CLEAN, last - file->page_count);
        file->pages = pages;
        file->page_count = last;
    }
    for (size_t i = start / PAGE_BYTES; i < last; i++) {
        file->pages[i] = (unsigned char)state;
    }
}

static void disk_file_write(struct disk_file *file, const void *bytes, size_t len, size_t offset)
{
    if (len == 0) {
        return;
    }
    if (file->cache.len < offset + len) {
        image_resize(&file->cache, offset + len);
    }
    memcpy(file->cache.bytes + offset, bytes, len);
    mark_pages(file, offset, offset + len, PAGE_DIRTY);
    file->last_offset = offset;
    file->last_len = len;
}

/* What is cut off is dirty: the platter's old bytes must not come back when the file grows again. */
static void disk_file_truncate(struct disk_file *file, size_t len)
{
    size_t old_len = file->cache.len;
    image_resize(&file->cache, len);
    if (len < old_len) {
        mark_pages(file, len, old_len, PAGE_DIRTY);
    }
}

static void platter_remove(struct disk_file *file)
{
    image_resize(&file->platter, 0);
    file->is_named_on_platter = false;
}

static void disk_file_sync(struct disk_file *file)
{
    image_resize(&file->platter, file->cache.len);
    for (size_t i = 0; i < file->page_count; i++) {
        if (file->pages[i] == PAGE_DIRTY) {
            image_copy(&file->platter, &file->cache, i * PAGE_BYTES, (i + 1) * PAGE_BYTES);
            file->pages[i] = PAGE_CLEAN;
        }
    }
    file->last_len = 0;
    if (!file->is_named_on_platter) {
        file->is_named_on_platter = true;
        for (struct disk_file *other = disk_files; other != NULL; other = other->next) {
            if (!other->is_named) {
                platter_remove(other);
            }
        }
    }
}

static void disk_file_fail_sync(struct disk_file *file)
{
    for (size_t i = 0; i < file->page_count; i++) {
        file->pages[i] = file->pages[i] == PAGE_CLEAN ? PAGE_CLEAN : PAGE_STALE;
    }
}

static struct disk_file *disk_file_find(const char *path)
{
    struct disk_file *file = disk_files;
    while (file != NULL && strcmp(file->path, path) != 0) {
        file = file->next;
    }
    return file;
}

static struct disk_file *disk_file_new(const char *path)
{
    struct disk_file *file = calloc(1, sizeof *file);
    if (file == NULL || (file->path = strdup(path)) == NULL) {
        die_without_memory();
    }
    file->next = disk_files;
    disk_files = file;
    return file;
}

static void forget_disk_files(void)
{
    while (disk_files != NULL) {
        struct disk_file *file = disk_files;
        disk_files = file->next;
        free(file->cache.bytes);
        free(file->platter.bytes);
        free(file->pages);
        free(file->path);
        free(file);
    }
}

/* --- orders ------------------------------------------------------------------------------------- */

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static struct faulty_order order;
static uint64_t counts[FAULTY_OPERATIONS];
static uint64_t struck;

static const struct {
    const char *name;
    int io_error; /* what SQLITE_IOERR becomes */
} operations[FAULTY_OPERATIONS] = {
    [FAULTY_OPEN] = {"open", SQLITE_CANTOPEN},
    [FAULTY_WRITE] = {"write", SQLITE_IOERR_WRITE},
    [FAULTY_SYNC] = {"sync", SQLITE_IOERR_FSYNC},
    [FAULTY_TRUNCATE] = {"truncate", SQLITE_IOERR_TRUNCATE},
    [FAULTY_ANY] = {"any", SQLITE_IOERR},
};

const char *faulty_operation_name(enum faulty_operation operation)
{
    return operations[operation].name;
}

static void replace_order(const struct faulty_order *new_order)
{
    static const struct faulty_order none;
    order = new_order == NULL ? none : *new_order;
    memset(counts, 0, sizeof counts);
    struck = 0;
}

#ifdef FAULTY_VFS_PRELOAD

/* A disk that hangs: until somebody opens the gate for writing. */
static void wait_at_gate(void *arg)
{
    char path[PATH_BYTES];
    (void)arg;
    snprintf(path, sizeof path, "%s.gate", getenv("FAULTY_VFS"));
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd >= 0) {
        close(fd);
    }
}

static bool parse_word(const char *word, struct faulty_order *parsed)
{
    static const struct {
        const char *word;
        int error;
    } errors[] = {{"ioerr", SQLITE_IOERR},
                  {"full", SQLITE_FULL},
                  {"readonly", SQLITE_READONLY},
                  {"cantopen", SQLITE_CANTOPEN}};
    for (size_t i = 0; i < sizeof errors / sizeof *errors; i++) {
        if (strcmp(word, errors[i].word) == 0) {
            parsed->error = errors[i].error;
            return true;
        }
    }
    for (size_t i = 0; i < FAULTY_OPERATIONS; i++) {
        if (strcmp(word, operations[i].name) == 0) {
            parsed->operation = (enum faulty_operation)i;
            parsed->nth = 1;
            return true;
        }
    }
    if (strcmp(word, "hang") == 0) {
        parsed->call = wait_at_gate;
        return true;
    }
    if (strcmp(word, "once") == 0) {
        parsed->is_sticky = false;
        return true;
    }
    return strcmp(word, "ok") == 0 || sscanf(word, "torn=%d", &parsed->torn_bytes) == 1;
}

/* A line that nobody understands must not pass for a disk that works. */
static void obey(char *line)
{
    struct faulty_order parsed = {.is_sticky = true};
    char *rest = line;
    for (char *word = strtok_r(line, " \r\n", &rest); word != NULL;
         word = strtok_r(NULL, " \r\n", &rest)) {
        if (!parse_word(word, &parsed)) {
            fprintf(stderr, "faulty_vfs: what is \"%s\"?\n", word);
            abort();
        }
    }
    replace_order(&parsed);
}

static void read_control(void)
{
    static char obeyed[128];
    char line[sizeof obeyed] = "";
    const char *path = getenv("FAULTY_VFS");
    int fd = path == NULL ? -1 : open(path, O_RDONLY | O_CLOEXEC);
    if (fd >= 0) {
        ssize_t len = read(fd, line, sizeof line - 1);
        line[len > 0 ? len : 0] = '\0';
        close(fd);
    }
    if (strcmp(line, obeyed) != 0) {
        memcpy(obeyed, line, sizeof obeyed);
        obey(line);
    }
}

#else

static void read_control(void)
{
}

#endif

/* Counts an operation and returns how it is to end; `torn_bytes` only if it is to fail. */
static int meet(enum faulty_operation operation, int *torn_bytes)
{
    pthread_mutex_lock(&mutex);
    read_control();
    counts[operation]++;
    counts[FAULTY_ANY]++;
    bool is_its_kind = order.operation == operation || order.operation == FAULTY_ANY;
    uint64_t nth = counts[order.operation];
    bool strikes =
        is_its_kind && order.nth > 0 && (nth == order.nth || (order.is_sticky && nth > order.nth));
    struct faulty_order met = strikes ? order : (struct faulty_order){0};
    struck += strikes;
    pthread_mutex_unlock(&mutex);
    if (met.call != NULL) {
        met.call(met.arg);
    }
    *torn_bytes = met.torn_bytes;
    return met.error == SQLITE_IOERR ? operations[operation].io_error : met.error;
}

void faulty_vfs_order(const struct faulty_order *new_order)
{
    pthread_mutex_lock(&mutex);
    replace_order(new_order);
    pthread_mutex_unlock(&mutex);
}

uint64_t faulty_vfs_count(enum faulty_operation operation)
{
    pthread_mutex_lock(&mutex);
    uint64_t count = counts[operation];
    pthread_mutex_unlock(&mutex);
    return count;
}

uint64_t faulty_vfs_struck(void)
{
    pthread_mutex_lock(&mutex);
    uint64_t count = struck;
    pthread_mutex_unlock(&mutex);
    return count;
}

/* --- files of SQLite ---------------------------------------------------------------------------- */

static sqlite3_vfs *host; /* the VFS below */

struct faulty_file {
    sqlite3_file base;
    bool is_counted;        /* a database, a journal or a WAL */
    struct disk_file *disk; /* NULL = not modelled */
};

/* The host's file follows ours in the memory that SQLite gives. */
static sqlite3_file *below(sqlite3_file *file)
{
    return (sqlite3_file *)((struct faulty_file *)file + 1);
}

static struct disk_file *disk_of(sqlite3_file *file)
{
    return ((struct faulty_file *)file)->disk;
}

static int meet_file(sqlite3_file *file, enum faulty_operation operation, int *torn_bytes)
{
    *torn_bytes = 0;
    return ((struct faulty_file *)file)->is_counted ? meet(operation, torn_bytes) : SQLITE_OK;
}

static int file_write(sqlite3_file *file, const void *bytes, int len, sqlite3_int64 offset)
{
    int torn_bytes, result = SQLITE_OK;
    int error = meet_file(file, FAULTY_WRITE, &torn_bytes);
    if (error != SQLITE_OK) {
        len = torn_bytes < len ? torn_bytes : len;
    }
    pthread_mutex_lock(&mutex);
    if (len > 0) {
        result = below(file)->pMethods->xWrite(below(file), bytes, len, offset);
    }
    if (result == SQLITE_OK && disk_of(file) != NULL) {
        disk_file_write(disk_of(file), bytes, (size_t)len, (size_t)offset);
    }
    pthread_mutex_unlock(&mutex);
    return error != SQLITE_OK ? error : result;
}

static int file_truncate(sqlite3_file *file, sqlite3_int64 len)
{
    int torn_bytes;
    int result = meet_file(file, FAULTY_TRUNCATE, &torn_bytes);
    if (result != SQLITE_OK) {
        return result;
    }
    pthread_mutex_lock(&mutex);
    result = below(file)->pMethods->xTruncate(below(file), len);
    if (result == SQLITE_OK && disk_of(file) != NULL) {
        disk_file_truncate(disk_of(file), (size_t)len);
    }
    pthread_mutex_unlock(&mutex);
    return result;
}

static int file_sync(sqlite3_file *file, int flags)
{
    int torn_bytes;
    int result = meet_file(file, FAULTY_SYNC, &torn_bytes);
    pthread_mutex_lock(&mutex);
    if (result == SQLITE_OK) {
        result = below(file)->pMethods->xSync(below(file), flags);
    }
    if (disk_of(file) != NULL && result == SQLITE_OK) {
        disk_file_sync(disk_of(file));
    } else if (disk_of(file) != NULL) {
        disk_file_fail_sync(disk_of(file));
    }
    pthread_mutex_unlock(&mutex);
    return result;
}

static int file_close(sqlite3_file *file)
{
    return below(file)->pMethods->xClose(below(file));
}

static int file_read(sqlite3_file *file, void *bytes, int len, sqlite3_int64 offset)
{
    return below(file)->pMethods->xRead(below(file), bytes, len, offset);
}

static int file_size(sqlite3_file *file, sqlite3_int64 *size)
{
    return below(file)->pMethods->xFileSize(below(file), size);
}

static int file_lock(sqlite3_file *file, int level)
{
    return below(file)->pMethods->xLock(below(file), level);
}

static int file_unlock(sqlite3_file *file, int level)
{
    return below(file)->pMethods->xUnlock(below(file), level);
}

static int file_check_reserved_lock(sqlite3_file *file, int *is_reserved)
{
    return below(file)->pMethods->xCheckReservedLock(below(file), is_reserved);
}

static int file_control(sqlite3_file *file, int operation, void *arg)
{
    return below(file)->pMethods->xFileControl(below(file), operation, arg);
}

static int file_sector_size(sqlite3_file *file)
{
    return below(file)->pMethods->xSectorSize(below(file));
}

static int file_device_characteristics(sqlite3_file *file)
{
    return below(file)->pMethods->xDeviceCharacteristics(below(file));
}

static int file_shm_map(sqlite3_file *file, int region, int size, int extends, void volatile **map)
{
    return below(file)->pMethods->xShmMap(below(file), region, size, extends, map);
}

static int file_shm_lock(sqlite3_file *file, int offset, int n, int flags)
{
    return below(file)->pMethods->xShmLock(below(file), offset, n, flags);
}

static void file_shm_barrier(sqlite3_file *file)
{
    below(file)->pMethods->xShmBarrier(below(file));
}

static int file_shm_unmap(sqlite3_file *file, int deletes)
{
    return below(file)->pMethods->xShmUnmap(below(file), deletes);
}

/* Version 2: without xFetch nothing is written through a mapping, past the counting. */
static const sqlite3_io_methods methods = {
    .iVersion = 2,
    .xClose = file_close,
    .xRead = file_read,
    .xWrite = file_write,
    .xTruncate = file_truncate,
    .xSync = file_sync,
    .xFileSize = file_size,
    .xLock = file_lock,
    .xUnlock = file_unlock,
    .xCheckReservedLock = file_check_reserved_lock,
    .xFileControl = file_control,
    .xSectorSize = file_sector_size,
    .xDeviceCharacteristics = file_device_characteristics,
    .xShmMap = file_shm_map,
    .xShmLock = file_shm_lock,
    .xShmBarrier = file_shm_barrier,
    .xShmUnmap = file_shm_unmap,
};

/* --- opening and removing ----------------------------------------------------------------------- */

/* A file that was there before counts as synced. Read by SQLite's own descriptor: to close another
 * one would end the process's locks on the file. */
static void load_images(struct disk_file *disk, sqlite3_file *file)
{
    sqlite3_int64 size = 0;
    if (file->pMethods->xFileSize(file, &size) != SQLITE_OK) {
        abort();
    }
    image_resize(&disk->cache, (size_t)size);
    if (size > 0 && file->pMethods->xRead(file, disk->cache.bytes, (int)size, 0) != SQLITE_OK) {
        abort();
    }
    image_copy(&disk->platter, &disk->cache, 0, (size_t)size);
    disk->is_named_on_platter = true;
}

static struct disk_file *disk_file_open(const char *path, sqlite3_file *file, bool was_there)
{
    struct disk_file *disk = disk_file_find(path);
    if (disk == NULL) {
        disk = disk_file_new(path);
        if (was_there) {
            load_images(disk, file);
        }
    } else if (!was_there) {
        disk_file_truncate(disk, 0);
    }
    disk->is_named = true;
    return disk;
}

static int vfs_open(sqlite3_vfs *vfs, const char *path, sqlite3_file *file, int flags, int *out)
{
    (void)vfs;
    struct faulty_file *ours = (struct faulty_file *)file;
    int counted = SQLITE_OPEN_MAIN_DB | SQLITE_OPEN_MAIN_JOURNAL | SQLITE_OPEN_WAL;
    int torn_bytes;
    *ours = (struct faulty_file){.is_counted = path != NULL && (flags & counted) != 0};
    int result = meet_file(file, FAULTY_OPEN, &torn_bytes);
    if (result == SQLITE_READONLY) {
        flags &= ~(SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE);
        flags |= SQLITE_OPEN_READONLY;
    } else if (result != SQLITE_OK) {
        return result;
    }
    pthread_mutex_lock(&mutex);
    bool was_there = path != NULL && access(path, F_OK) == 0;
    result = host->xOpen(host, path, below(file), flags, out);
    if (result == SQLITE_OK) {
        ours->base.pMethods = &methods;
        if (ours->is_counted && keeps_images) {
            ours->disk = disk_file_open(path, below(file), was_there);
        }
    }
    pthread_mutex_unlock(&mutex);
    return result;
}

static int vfs_delete(sqlite3_vfs *vfs, const char *path, int syncs_folder)
{
    (void)vfs;
    pthread_mutex_lock(&mutex);
    int result = host->xDelete(host, path, syncs_folder);
    struct disk_file *disk = disk_file_find(path);
    if (result == SQLITE_OK && disk != NULL) {
        disk->is_named = false;
        if (syncs_folder) {
            platter_remove(disk);
        }
    }
    pthread_mutex_unlock(&mutex);
    return result;
}

/* --- the power goes ----------------------------------------------------------------------------- */

/* splitmix64: a seed for each draw, so that a finding can be had again. */
static uint64_t draw(uint64_t *seed)
{
    uint64_t x = *seed += UINT64_C(0x9e3779b97f4a7c15);
    x = (x ^ (x >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    x = (x ^ (x >> 27)) * UINT64_C(0x94d049bb133111eb);
    return x ^ (x >> 31);
}

static bool toss(uint64_t *seed)
{
    return (draw(seed) & 1) != 0;
}

/* Cuts the last write: what follows the cut is as the platter has it. */
static void tear(const struct disk_file *file, struct image *left, uint64_t *seed)
{
    size_t cut = file->last_offset + draw(seed) % file->last_len;
    size_t end = file->last_offset + file->last_len;
    image_copy(left, &file->cache, file->last_offset, cut);
    if (left->len > cut && left->len <= end) {
        image_resize(left, cut < file->platter.len ? file->platter.len : cut);
    }
    image_copy(left, &file->platter, cut, end);
}

/* What the platter has when what was on its way is lost in part. */
static void lose_in_part(const struct disk_file *file, const struct faulty_loss *loss,
                         uint64_t *seed, struct image *left)
{
    if (toss(seed)) {
        image_resize(left, file->cache.len);
    }
    for (size_t i = 0; i < file->page_count; i++) {
        size_t end = (i + 1) * PAGE_BYTES;
        for (size_t at = i * PAGE_BYTES; file->pages[i] != PAGE_CLEAN && at < end;
             at += loss->block_bytes) {
            if (toss(seed)) {
                image_copy(left, &file->cache, at, at + loss->block_bytes);
            }
        }
    }
    if (loss->is_torn && file->last_len > 0) {
        tear(file, left, seed);
    }
}

static bool write_all(int fd, const struct image *image)
{
    size_t done = 0;
    while (done < image->len) {
        ssize_t n = write(fd, image->bytes + done, image->len - done);
        if (n < 0 && errno != EINTR) {
            return false;
        }
        done += n > 0 ? (size_t)n : 0;
    }
    return true;
}

static bool image_save(const struct image *image, const char *path)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (fd < 0) {
        return false;
    }
    bool is_saved = write_all(fd, image);
    return close(fd) == 0 && is_saved;
}

/* A name that was made or removed and not synced is there or not, by chance. */
static bool survives(const struct disk_file *file, const struct faulty_loss *loss, uint64_t *seed)
{
    if (loss->seed == 0 || file->is_named == file->is_named_on_platter) {
        return file->is_named_on_platter;
    }
    return toss(seed);
}

static bool leave_file(const struct disk_file *file, const char *folder,
                       const struct faulty_loss *loss, uint64_t *seed)
{
    char path[PATH_BYTES];
    const char *name = strrchr(file->path, '/'); /* SQLite makes every path absolute */
    snprintf(path, sizeof path, "%s%s", folder, name);
    if (strcmp(path, file->path) == 0) { /* what a former loss left, opened by a test */
        return true;
    }
    if (!survives(file, loss, seed)) {
        return unlink(path) == 0 || errno == ENOENT;
    }
    struct image left = {0};
    image_copy(&left, &file->platter, 0, file->platter.len);
    if (loss->seed != 0) {
        lose_in_part(file, loss, seed, &left);
    }
    bool is_left = image_save(&left, path);
    free(left.bytes);
    return is_left;
}

bool faulty_vfs_lose_power(const char *folder, const struct faulty_loss *loss)
{
    uint64_t seed = loss->seed;
    bool is_written = true;
    pthread_mutex_lock(&mutex);
    for (struct disk_file *file = disk_files; file != NULL; file = file->next) {
        is_written = leave_file(file, folder, loss, &seed) && is_written;
    }
    pthread_mutex_unlock(&mutex);
    return is_written;
}

/* --- from process to process -------------------------------------------------------------------- */

bool faulty_vfs_save(const char *path)
{
    FILE *out = fopen(path, "w");
    if (out == NULL) {
        return false;
    }
    pthread_mutex_lock(&mutex);
    for (const struct disk_file *file = disk_files; file != NULL; file = file->next) {
        fprintf(out, "%d %d %zu %zu %zu %s\n", file->is_named, file->is_named_on_platter,
                file->cache.len, file->platter.len, file->page_count, file->path);
        fwrite(file->cache.bytes, 1, file->cache.len, out);
        fwrite(file->platter.bytes, 1, file->platter.len, out);
        fwrite(file->pages, 1, file->page_count, out);
    }
    pthread_mutex_unlock(&mutex);
    bool is_written = ferror(out) == 0;
    return fclose(out) == 0 && is_written;
}

static bool read_image(FILE *in, struct image *image, size_t len)
{
    image_resize(image, len);
    return fread(image->bytes, 1, len, in) == len;
}

bool faulty_vfs_resume(const char *path)
{
    FILE *in = fopen(path, "r");
    int is_named, is_named_on_platter;
    size_t cache_len, platter_len, page_count;
    char name[PATH_BYTES];
    bool is_whole = in != NULL;
    pthread_mutex_lock(&mutex);
    while (is_whole &&
           fscanf(in, "%d %d %zu %zu %zu %4095[^\n]%*c", &is_named, &is_named_on_platter,
                  &cache_len, &platter_len, &page_count, name) == 6) {
        struct disk_file *file = disk_file_new(name);
        file->is_named = is_named != 0;
        file->is_named_on_platter = is_named_on_platter != 0;
        mark_pages(file, 0, page_count * PAGE_BYTES, PAGE_CLEAN);
        is_whole = read_image(in, &file->cache, cache_len) &&
                   read_image(in, &file->platter, platter_len) &&
                   fread(file->pages, 1, page_count, in) == page_count;
    }
    pthread_mutex_unlock(&mutex);
    if (in != NULL) {
        fclose(in);
    }
    return is_whole;
}

/* --- in place ----------------------------------------------------------------------------------- */

static sqlite3_vfs faulty;

static bool install(bool with_images)
{
    host = sqlite3_vfs_find(NULL);
    if (host == NULL) {
        return false;
    }
    keeps_images = with_images;
    /* A copy, since the host's functions look into the VFS that they are called with. */
    faulty = *host;
    faulty.pNext = NULL;
    faulty.zName = "faulty";
    faulty.szOsFile = (int)sizeof(struct faulty_file) + host->szOsFile;
    faulty.xOpen = vfs_open;
    faulty.xDelete = vfs_delete;
    return sqlite3_vfs_register(&faulty, 1) == SQLITE_OK;
}

bool faulty_vfs_install(void)
{
    faulty_vfs_order(NULL);
    return sqlite3_initialize() == SQLITE_OK && install(true);
}

void faulty_vfs_remove(void)
{
    sqlite3_vfs_unregister(&faulty);
    sqlite3_vfs_register(host, 1);
    forget_disk_files();
}

#ifdef FAULTY_VFS_PRELOAD

__attribute__((constructor)) static void preload(void)
{
    if (getenv("FAULTY_VFS") != NULL && (sqlite3_initialize() != SQLITE_OK || !install(false))) {
        fputs("faulty_vfs: SQLite refuses\n", stderr);
        abort();
    }
}

#endif
