/* place: see place.h. */
#include "gateway/store/place.h"

#include "gateway/store/db.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define RESCUED "-rescued"

static bool is_same(const struct stat *status, const struct store_inode *as)
{
    return status->st_dev == as->device && status->st_ino == as->inode;
}

/* Looks for the log at the path. Returns false if there is none. */
static bool find_log(const struct store_place *place, char name[PATH_MAX], struct stat *status)
{
    return snprintf(name, PATH_MAX, "%s-wal", place->path) < PATH_MAX && stat(name, status) == 0;
}

void store_place_note(struct store_place *place)
{
    char name[PATH_MAX];
    struct stat file = {0};
    struct stat log = {0};
    fstat(place->lock_fd, &file);
    find_log(place, name, &log);
    place->file = (struct store_inode){file.st_dev, file.st_ino};
    place->log = (struct store_inode){log.st_dev, log.st_ino};
}

enum store_fault store_place_check(const struct store_place *place, struct store_db *db)
{
    char name[PATH_MAX];
    struct stat file, log;
    if (stat(place->path, &file) != 0 || !is_same(&file, &place->file)) {
        return STORE_FILE_GONE;
    }
    if (!find_log(place, name, &log) || !is_same(&log, &place->log)) {
        return STORE_LOG_GONE;
    }
    return store_place_is_cut_off(place, db) ? STORE_CUT_OFF : STORE_SOUND;
}

bool store_place_is_cut_off(const struct store_place *place, struct store_db *db)
{
    struct stat file;
    return (fstat(place->lock_fd, &file) == 0 && file.st_size == 0) || store_db_is_log_cut_off(db);
}

const char *store_fault_words(enum store_fault fault)
{
    static const char *const words[] = {
        [STORE_SOUND] = "",
        [STORE_FILE_GONE] = "its file was removed or replaced",
        [STORE_LOG_GONE] = "its log (-wal) was removed or replaced",
        [STORE_CUT_OFF] = "its file or its log (-wal) was cut off",
    };
    return words[fault];
}

/* Removes the log that was open, if it is still at the path. Returns whether another one is there. */
static bool remove_log(const struct store_place *place, char name[PATH_MAX])
{
    struct stat status;
    if (!find_log(place, name, &status)) {
        return false;
    }
    return !is_same(&status, &place->log) || unlink(name) != 0;
}

void store_place_clear_log(const struct store_place *place)
{
    char name[PATH_MAX], aside[PATH_MAX + sizeof "-replaced"];
    if (remove_log(place, name)) {
        snprintf(aside, sizeof aside, "%s-replaced", name);
        rename(name, aside);
    }
}

/* --- the copy --------------------------------------------------------------------------------- */

static void complain(char *error)
{
    snprintf(error, STORE_ERROR_SIZE, "%s, and cannot be put back: %s",
             store_fault_words(STORE_FILE_GONE), strerror(errno));
}

/* Names last when their folder is synced. */
static void sync_folder(const char *path)
{
    char copy[PATH_MAX];
    snprintf(copy, sizeof copy, "%s", path);
    int fd = open(dirname(copy), O_RDONLY | O_CLOEXEC);
    if (fd >= 0) {
        fsync(fd);
        close(fd);
    }
}

/* Makes a synced copy, which only this process may use. Returns the lock, -1 on failure. */
static int make_copy(struct store_db *db, const char *name, char *error)
{
    if (unlink(name) != 0 && errno != ENOENT) {
        complain(error);
        return -1;
    }
    int fd = store_db_lock(name, true, error);
    if (fd < 0 || !store_db_copy(db, name, error)) {
        /* There is a sentence. */
    } else if (fsync(fd) == 0) {
        return fd;
    } else {
        complain(error);
    }
    if (fd >= 0) {
        close(fd);
        unlink(name);
    }
    return -1;
}

/* Gives the copy the path, if it is free. No database there may get a log that is not its own. */
static bool put_back(const struct store_place *place, const char *copy)
{
    char log[PATH_MAX];
    if (access(place->path, F_OK) == 0) {
        remove_log(place, log);
        return false;
    }
    store_place_clear_log(place);
    return link(copy, place->path) == 0 && unlink(copy) == 0;
}

int store_place_rescue(struct store_place *place, struct store_db *db, char *error)
{
    char copy[PATH_MAX];
    int old_lock_fd = place->lock_fd;
    if (snprintf(copy, sizeof copy, "%s" RESCUED, place->path) >= (int)sizeof copy) {
        errno = ENAMETOOLONG;
        complain(error);
        return -1;
    }
    int fd = make_copy(db, copy, error);
    if (fd < 0) {
        return -1;
    }
    if (!put_back(place, copy)) {
        memcpy(place->path, copy, sizeof copy);
    }
    sync_folder(place->path);
    place->lock_fd = fd;
    return old_lock_fd;
}
