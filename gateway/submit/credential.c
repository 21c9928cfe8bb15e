/* credential: see credential.h. */
#include "gateway/submit/credential.h"

#include "proto/base64.h"

#include <string.h>
#include <strings.h>

/* What follows a scheme, in any case, and spaces; NULL = it is another scheme. */
static const char *behind(const char *header, const char *scheme)
{
    size_t len = strlen(scheme);
    if (strncasecmp(header, scheme, len) != 0 || header[len] != ' ') {
        return NULL;
    }
    return header + len + strspn(header + len, " ");
}

/* Copies a name or a secret; one that is too long, or has a NUL, is "". */
static void copy(char *to, size_t size, const char *from, size_t len)
{
    bool fits = len < size && memchr(from, '\0', len) == NULL;
    memcpy(to, from, fits ? len : 0);
    to[fits ? len : 0] = '\0';
}

static bool read_pair(const char *base64, struct credential *credential)
{
    struct base64 carry = {0};
    struct buffer pair = BUFFER_EMPTY;
    size_t len = strlen(base64);
    if (len == 0 || !base64_is_valid(base64, len)) {
        return false;
    }
    base64_decode(&carry, base64, len, &pair);
    const char *colon = pair.has_failed || pair.len == 0 ? NULL : memchr(pair.data, ':', pair.len);
    if (colon != NULL) {
        size_t name_len = (size_t)(colon - pair.data);
        copy(credential->name, sizeof credential->name, pair.data, name_len);
        copy(credential->secret, sizeof credential->secret, colon + 1, pair.len - name_len - 1);
    }
    if (pair.data != NULL) {
        explicit_bzero(pair.data, pair.len);
    }
    buffer_free(&pair);
    return colon != NULL;
}

bool credential_read(const char *header, struct credential *credential)
{
    const char *token = header == NULL ? NULL : behind(header, "Bearer");
    const char *pair = header == NULL ? NULL : behind(header, "Basic");
    *credential = (struct credential){.has_name = token == NULL};
    if (token != NULL) {
        copy(credential->secret, sizeof credential->secret, token, strlen(token));
    }
    return token != NULL ? token[0] != '\0' : pair != NULL && read_pair(pair, credential);
}
