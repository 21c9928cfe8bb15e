/* file: see file.h. */
#include "gateway/base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { CHUNK = 64 * 1024, FILE_MAX = 16 << 20 };

/* Reads all of an open file. Returns NULL, or what is wrong. */
static const char *read_all(int fd, struct buffer *text)
{
    struct stat file;
    if (fstat(fd, &file) == 0 && !S_ISREG(file.st_mode)) {
        return "is not a regular file";
    }
    while (text->len <= FILE_MAX) {
        char *room = buffer_reserve(text, CHUNK);
        if (room == NULL) {
            return "does not fit in memory";
        }
        ssize_t len = read(fd, room, CHUNK);
        if (len == 0) {
            return NULL;
        }
        if (len < 0 && errno != EINTR) {
            return strerror(errno);
        }
        text->len += len > 0 ? (size_t)len : 0;
    }
    return "is larger than 16 MiB";
}

const char *file_read(const char *path, struct buffer *text)
{
    /* O_NONBLOCK: refuse a FIFO instead of waiting for its writer. */
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    const char *fault = fd < 0 ? strerror(errno) : read_all(fd, text);
    if (fd >= 0) {
        close(fd);
    }
    return fault;
}
