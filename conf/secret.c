/* secret: see the header. Thread: any. */
#include "conf/secret.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

struct conf_secret {
    size_t size; /* of the whole allocation, to wipe it */
    char text[];
};

static enum conf_secret_fault fault_of_open(int error)
{
    switch (error) {
    case ENOENT:
    case ENOTDIR:
        return CONF_SECRET_MISSING;
    case EACCES:
    case EPERM:
        return CONF_SECRET_DENIED;
    case ENXIO: /* a FIFO or socket */
        return CONF_SECRET_IRREGULAR;
    default:
        return CONF_SECRET_UNREADABLE;
    }
}

/* Is the file on a read-only mount, other than that of the root file system? */
static bool is_on_own_mount(int fd)
{
    struct statvfs mount;
    struct statx file, root;
    return fstatvfs(fd, &mount) == 0 && (mount.f_flag & ST_RDONLY) != 0 &&
           statx(fd, "", AT_EMPTY_PATH, STATX_MNT_ID, &file) == 0 &&
           statx(AT_FDCWD, "/", 0, STATX_MNT_ID, &root) == 0 &&
           (file.stx_mask & root.stx_mask & STATX_MNT_ID) != 0 &&
           file.stx_mnt_id != root.stx_mnt_id;
}

enum conf_secret_fault conf_secret_privacy(int fd)
{
    struct stat file;
    if (fstat(fd, &file) != 0) {
        return CONF_SECRET_UNREADABLE;
    }
    if (file.st_uid != 0 && file.st_uid != geteuid()) {
        return CONF_SECRET_FOREIGN;
    }
    if ((file.st_mode & (S_IWGRP | S_IXGRP | S_IRWXO)) == 0) {
        return CONF_SECRET_GOOD;
    }
    bool is_roots = file.st_uid == 0 && (file.st_mode & (S_IWGRP | S_IWOTH)) == 0;
    return is_roots && is_on_own_mount(fd) ? CONF_SECRET_MOUNTED : CONF_SECRET_EXPOSED;
}

bool conf_secret_is_usable(enum conf_secret_fault fault)
{
    return fault == CONF_SECRET_GOOD || fault == CONF_SECRET_MOUNTED;
}

bool conf_secret_is_token(const char *s, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        if (s[i] <= ' ' || s[i] >= 0x7f) {
            return false;
        }
    }
    return len > 0;
}

bool conf_secret_is_quoted(const char *s, size_t len)
{
    return len >= 2 && strchr("\"'", s[0]) != NULL && s[0] == s[len - 1];
}

/* Reads up to `size` bytes; returns how many, or -1. */
static ssize_t read_all(int fd, char *bytes, size_t size)
{
    size_t len = 0;
    while (len < size) {
        ssize_t n = read(fd, bytes + len, size - len);
        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n < 0) {
            return -1;
        }
        if (n == 0) {
            break;
        }
        len += (size_t)n;
    }
    return (ssize_t)len;
}

/* Makes a secret of `len` bytes. */
static enum conf_secret_fault secret_copy(const char *bytes, size_t len,
                                          struct conf_secret **secret)
{
    struct conf_secret *new = malloc(sizeof *new + len + 1);
    if (new == NULL) {
        return CONF_SECRET_NO_MEMORY;
    }
    new->size = sizeof *new + len + 1;
    memcpy(new->text, bytes, len);
    new->text[len] = '\0';
    *secret = new;
    return CONF_SECRET_GOOD;
}

static enum conf_secret_fault key_new(const char *bytes, size_t len, struct conf_secret **secret)
{
    if (len > CONF_SECRET_KEY_MAX) {
        return CONF_SECRET_TOO_LARGE;
    }
    return len == 0 ? CONF_SECRET_EMPTY : secret_copy(bytes, len, secret);
}

static enum conf_secret_fault token_new(const char *bytes, size_t len, struct conf_secret **secret)
{
    if (len > CONF_SECRET_MAX) {
        return CONF_SECRET_TOO_LONG;
    }
    if (len > 0 && bytes[len - 1] == '\n') {
        len--;
    }
    if (len > 0 && bytes[len - 1] == '\r') {
        len--;
    }
    if (len == 0) {
        return CONF_SECRET_EMPTY;
    }
    if (!conf_secret_is_token(bytes, len)) {
        return CONF_SECRET_ODD;
    }
    if (conf_secret_is_quoted(bytes, len)) {
        return CONF_SECRET_QUOTED;
    }
    return secret_copy(bytes, len, secret);
}

typedef enum conf_secret_fault secret_new(const char *bytes, size_t len,
                                          struct conf_secret **secret);

/* Checks the open file, not its name: nobody can swap it between the check and the read. */
static enum conf_secret_fault secret_of_file(int fd, secret_new *make, struct conf_secret **secret)
{
    struct stat file;
    if (fstat(fd, &file) != 0) {
        return CONF_SECRET_UNREADABLE;
    }
    if (!S_ISREG(file.st_mode)) {
        return CONF_SECRET_IRREGULAR;
    }
    enum conf_secret_fault privacy = conf_secret_privacy(fd);
    if (!conf_secret_is_usable(privacy)) {
        return privacy;
    }

    char bytes[CONF_SECRET_KEY_MAX + 1]; /* one more, to notice a longer file */
    ssize_t len = read_all(fd, bytes, sizeof bytes);
    enum conf_secret_fault fault =
        len < 0 ? CONF_SECRET_UNREADABLE : make(bytes, (size_t)len, secret);
    explicit_bzero(bytes, sizeof bytes);
    return fault == CONF_SECRET_GOOD ? privacy : fault;
}

static enum conf_secret_fault read_secret(const char *path, secret_new *make,
                                          struct conf_secret **secret)
{
    *secret = NULL;
    /* O_NONBLOCK: a FIFO is refused, not waited for. */
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (fd < 0) {
        return fault_of_open(errno);
    }
    enum conf_secret_fault fault = secret_of_file(fd, make, secret);
    close(fd);
    return fault;
}

enum conf_secret_fault conf_secret_read(const char *path, struct conf_secret **secret)
{
    return read_secret(path, token_new, secret);
}

enum conf_secret_fault conf_secret_read_key(const char *path, struct conf_secret **secret)
{
    return read_secret(path, key_new, secret);
}

const char *conf_secret_text(const struct conf_secret *secret)
{
    return secret->text;
}

void conf_secret_free(struct conf_secret *secret)
{
    if (secret == NULL) {
        return;
    }
    explicit_bzero(secret, secret->size);
    free(secret);
}

const char *conf_secret_fault_name(enum conf_secret_fault fault)
{
    switch (fault) {
    case CONF_SECRET_GOOD:
        return "is fine";
    case CONF_SECRET_MOUNTED:
        return "is open to others; it is used because it is on a read-only mount of its own, as "
               "the secrets of a container are";
    case CONF_SECRET_MISSING:
        return "does not exist";
    case CONF_SECRET_DENIED:
        return "cannot be opened by this user";
    case CONF_SECRET_UNREADABLE:
        return "cannot be read";
    case CONF_SECRET_IRREGULAR:
        return "is not a regular file";
    case CONF_SECRET_FOREIGN:
        return "belongs neither to root nor to the relay's user";
    case CONF_SECRET_EXPOSED:
        return "is open to others: its mode must be 0640 or less (chmod 600)";
    case CONF_SECRET_TOO_LONG:
        return "is longer than 4096 bytes";
    case CONF_SECRET_TOO_LARGE:
        return "is larger than 64 kB";
    case CONF_SECRET_EMPTY:
        return "is empty";
    case CONF_SECRET_ODD:
        return "does not hold just a token (printable ASCII without spaces, on one line)";
    case CONF_SECRET_QUOTED:
        return "holds a token in quotes: write it without them";
    case CONF_SECRET_NO_MEMORY:
        return "cannot be read: out of memory";
    }
    return "is unknown";
}
