/* aliases: see aliases.h. */
#include "gateway/aliases.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { CHUNK = 64 * 1024 };

/* Reads all of an open file. Returns NULL, or what is wrong. */
static const char *read_text(int fd, struct buffer *text)
{
    struct stat file;
    if (fstat(fd, &file) == 0 && !S_ISREG(file.st_mode)) {
        return "is not a regular file";
    }
    while (text->len <= ALIASES_FILE_MAX) {
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

struct alias_table *aliases_read(const char *path, const char *country_code, struct buffer *errors)
{
    struct alias_table *table = NULL;
    struct buffer text = BUFFER_EMPTY;
    /* O_NONBLOCK: a FIFO must be refused, not waited for. */
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    const char *fault = fd < 0 ? strerror(errno) : read_text(fd, &text);
    if (fd >= 0) {
        close(fd);
    }
    if (fault != NULL) {
        buffer_printf(errors, "%s: sms.aliases: %s\n", path, fault);
    } else {
        table = alias_table_read(path, text.data == NULL ? "" : text.data, text.len, country_code,
                                 errors);
    }
    buffer_free(&text);
    return table;
}
