/* edit: see edit.h. */
#include "gateway/users/edit.h"

#include "gateway/base/file.h"
#include "gateway/users/table.h"
#include "proto/word.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

/* --- lines ------------------------------------------------------------------------------------ */

/* A user's line in the text, and its hash, both from start to end. */
struct place {
    size_t start, end; /* with the line end, if there is one */
    size_t hash_start, hash_end;
};

/* Reads the line from `start` on. Returns false if it is not this user's. */
static bool read_place(const struct buffer *text, const char *name, struct place *place)
{
    char found[USER_NAME_MAX + 1];
    const char *s = text->data + place->start, *end = text->data + place->end;
    end -= end > s && end[-1] == '\n' ? 1 : 0;
    const char *colon = memchr(s, ':', (size_t)(end - s));
    const char *name_end = colon;
    if (colon == NULL) {
        return false;
    }
    word_trim(&s, &name_end);
    if (!user_name_read(s, (size_t)(name_end - s), found) || strcmp(found, name) != 0) {
        return false;
    }
    const char *next = memchr(colon + 1, ':', (size_t)(end - colon) - 1);
    place->hash_start = (size_t)(colon + 1 - text->data);
    place->hash_end = (size_t)((next == NULL ? end : next) - text->data);
    return true;
}

static bool find(const struct buffer *text, const char *name, struct place *place)
{
    for (size_t start = 0; start < text->len; start = place->end) {
        const char *newline = memchr(text->data + start, '\n', text->len - start);
        place->start = start;
        place->end = newline == NULL ? text->len : (size_t)(newline + 1 - text->data);
        if (read_place(text, name, place)) {
            return true;
        }
    }
    return false;
}

/* Puts a string in the place of the bytes from `start` to `end`. */
static void replace(struct buffer *text, size_t start, size_t end, const char *with)
{
    struct buffer changed = BUFFER_EMPTY;
    buffer_append(&changed, text->data, start);
    buffer_puts(&changed, with);
    buffer_append(&changed, text->data + end, text->len - end);
    explicit_bzero(text->data, text->len);
    buffer_free(text);
    *text = changed;
}

bool user_edit_has(const struct user_edit *edit, const char *name)
{
    struct place place;
    return find(&edit->text, name, &place);
}

void user_edit_add(struct user_edit *edit, const char *name, const char *hash, const char *keys)
{
    struct buffer *text = &edit->text;
    if (text->len > 0 && text->data[text->len - 1] != '\n') {
        buffer_putc(text, '\n');
    }
    buffer_printf(text, "%s:%s%s%s\n", name, hash, keys[0] == '\0' ? "" : ":", keys);
}

void user_edit_replace(struct user_edit *edit, const char *name, const char *hash)
{
    struct place place;
    if (find(&edit->text, name, &place)) {
        replace(&edit->text, place.hash_start, place.hash_end, hash);
    }
}

void user_edit_remove(struct user_edit *edit, const char *name)
{
    struct place place;
    if (find(&edit->text, name, &place)) {
        replace(&edit->text, place.start, place.end, "");
    }
}

/* --- the file --------------------------------------------------------------------------------- */

/* Is the open file still the one of that name? Another writer may have replaced it. */
static bool is_current(int fd, const char *path)
{
    struct stat opened, named;
    return fstat(fd, &opened) == 0 && stat(path, &named) == 0 && opened.st_dev == named.st_dev &&
           opened.st_ino == named.st_ino;
}

/* Opens the file and waits until nobody else writes it. Returns false with errno. */
static bool lock(struct user_edit *edit)
{
    do {
        if (edit->fd >= 0) {
            close(edit->fd);
        }
        edit->fd = open(edit->path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOCTTY | O_NONBLOCK, 0600);
        if (edit->fd < 0 || flock(edit->fd, LOCK_EX) != 0) {
            return false;
        }
    } while (!is_current(edit->fd, edit->path));
    return true;
}

const char *user_edit_open(struct user_edit *edit, const char *path)
{
    char target[PATH_MAX];
    *edit = (struct user_edit){.fd = -1};
    /* A link stays, and what it points to is replaced. */
    const char *real = realpath(path, target) != NULL ? target : path;
    if (snprintf(edit->path, sizeof edit->path, "%s", real) >= (int)sizeof edit->path) {
        return strerror(ENAMETOOLONG);
    }
    edit->is_new = access(edit->path, F_OK) != 0;
    return lock(edit) ? file_read(edit->path, &edit->text) : strerror(errno);
}

static bool write_all(int fd, const struct buffer *text)
{
    for (size_t done = 0; done < text->len;) {
        ssize_t n = write(fd, text->data + done, text->len - done);
        if (n < 0 && errno != EINTR) {
            return false;
        }
        done += n > 0 ? (size_t)n : 0;
    }
    return true;
}

/* Gives a new file the owner, the group and the mode of the old one. */
static bool copy_owner(int from, int to)
{
    struct stat status;
    return fstat(from, &status) == 0 && fchown(to, status.st_uid, status.st_gid) == 0 &&
           fchmod(to, status.st_mode & 07777) == 0;
}

/* The new name is on the disk, too. */
static void sync_directory(const char *path)
{
    char directory[PATH_MAX];
    const char *slash = strrchr(path, '/');
    snprintf(directory, sizeof directory, "%.*s", slash == NULL ? 1 : (int)(slash - path) + 1,
             slash == NULL ? "." : path);
    int fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd >= 0) {
        fsync(fd);
        close(fd);
    }
}

const char *user_edit_save(struct user_edit *edit)
{
    char temporary[PATH_MAX + sizeof ".XXXXXX"];
    if (edit->text.has_failed) {
        return "out of memory";
    }
    snprintf(temporary, sizeof temporary, "%s.XXXXXX", edit->path);
    int fd = mkostemp(temporary, O_CLOEXEC);
    if (fd < 0) {
        return strerror(errno);
    }
    bool is_saved = copy_owner(edit->fd, fd) && write_all(fd, &edit->text) && fsync(fd) == 0 &&
                    rename(temporary, edit->path) == 0;
    int reason = errno;
    close(fd);
    if (!is_saved) {
        unlink(temporary);
        return strerror(reason);
    }
    edit->is_new = false;
    sync_directory(edit->path);
    return NULL;
}

void user_edit_close(struct user_edit *edit)
{
    if (edit->fd >= 0 && edit->is_new) {
        unlink(edit->path);
    }
    if (edit->fd >= 0) {
        close(edit->fd);
    }
    if (edit->text.data != NULL) {
        explicit_bzero(edit->text.data, edit->text.len);
    }
    buffer_free(&edit->text);
}
