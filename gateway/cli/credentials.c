/* credentials: see the header. Thread: the only one. */
#include "gateway/cli/credentials.h"

#include "gateway/base/file.h"
#include "gateway/base/network.h"
#include "gateway/users/hash.h"
#include "proto/base64.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>

static const char *variable(const char *name)
{
    const char *value = getenv(name);
    return value == NULL ? "" : value;
}

bool credentials_are_set(void)
{
    return variable("SMSRELAY_USER")[0] != '\0';
}

/* Reads the first line of a private file. Returns NULL, or what is wrong. */
static const char *read_secret(const char *path, struct buffer *secret)
{
    struct stat status;
    if (stat(path, &status) != 0) {
        return strerror(errno);
    }
    if ((status.st_mode & S_IRWXO) != 0) {
        return "is open to others (chmod 600)";
    }
    const char *fault = file_read(path, secret);
    const char *end = secret->len == 0 ? NULL : memchr(secret->data, '\n', secret->len);
    secret->len = end == NULL ? secret->len : (size_t)(end - secret->data);
    secret->len -= secret->len > 0 && secret->data[secret->len - 1] == '\r' ? 1 : 0;
    if (fault == NULL && (secret->len == 0 || secret->len >= HASH_SECRET_SIZE)) {
        fault = "holds no password";
    }
    return fault;
}

/* RFC 4616, 2 */
static void write_plain(struct buffer *out, const char *user, const struct buffer *secret)
{
    struct buffer text = BUFFER_EMPTY;
    buffer_reserve(&text, strlen(user) + secret->len + 2); /* in one piece, to be wiped */
    buffer_append(&text, "", 1);
    buffer_append(&text, user, strlen(user) + 1);
    buffer_append(&text, secret->data, secret->len);
    buffer_reserve(out, 2 * text.len + 64);
    buffer_puts(out, "AUTH PLAIN ");
    base64_encode(out, buffer_bytes(&text), text.len);
    out->has_failed = out->has_failed || text.has_failed;
    if (text.data != NULL) {
        explicit_bzero(text.data, text.size);
    }
    buffer_free(&text);
}

const char *credentials_write(struct buffer *out)
{
    static char words[512];
    struct buffer secret = BUFFER_EMPTY;
    const char *path = variable("SMSRELAY_PASSWORD_FILE");
    const char *fault =
        path[0] == '\0' ? "is not set, but SMSRELAY_USER is" : read_secret(path, &secret);
    if (fault == NULL) {
        write_plain(out, variable("SMSRELAY_USER"), &secret);
    } else {
        snprintf(words, sizeof words, "SMSRELAY_PASSWORD_FILE%s%.300s%s %s",
                 path[0] == '\0' ? "" : "=", path, path[0] == '\0' ? "" : ":", fault);
    }
    if (secret.data != NULL) {
        explicit_bzero(secret.data, secret.size);
    }
    buffer_free(&secret);
    return fault == NULL ? NULL : words;
}

bool credentials_are_safe(int fd)
{
    struct sockaddr_storage there = {0};
    socklen_t len = sizeof there;
    struct network_address address;
    if (getpeername(fd, (struct sockaddr *)&there, &len) != 0) {
        return false;
    }
    return there.ss_family == AF_UNIX ||
           (network_address((const struct sockaddr *)&there, &address) &&
            network_is_loopback(&address));
}
