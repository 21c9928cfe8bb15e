/* signature: see signature.h. */
#include "gateway/notify/signature.h"

#include <glib.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { DIGEST_BYTES = 32, STAMP_SIZE = sizeof "..-9223372036854775808" };

struct signature_key {
    size_t len;
    unsigned char bytes[];
};

static struct signature_key *key_new(const void *bytes, size_t len)
{
    struct signature_key *key = malloc(sizeof *key + len);
    if (key != NULL) {
        key->len = len;
        memcpy(key->bytes, bytes, len);
    }
    return key;
}

struct signature_key *signature_key_new(const char *secret)
{
    size_t len;
    if (strncmp(secret, SIGNATURE_PREFIX, strlen(SIGNATURE_PREFIX)) != 0) {
        return key_new(secret, strlen(secret));
    }
    guchar *decoded = g_base64_decode(secret + strlen(SIGNATURE_PREFIX), &len);
    struct signature_key *key = len == 0 ? NULL : key_new(decoded, len);
    explicit_bzero(decoded, len);
    g_free(decoded);
    return key;
}

void signature_key_free(struct signature_key *key)
{
    if (key != NULL) {
        explicit_bzero(key->bytes, key->len);
        free(key);
    }
}

void signature_make(const struct signature_key *key, const char *id, int64_t timestamp_s,
                    const char *body, size_t len, char out[SIGNATURE_SIZE])
{
    char stamp[STAMP_SIZE];
    guint8 digest[DIGEST_BYTES];
    gsize digest_len = sizeof digest;
    int stamp_len = snprintf(stamp, sizeof stamp, ".%" PRId64 ".", timestamp_s);
    GHmac *hmac = g_hmac_new(G_CHECKSUM_SHA256, key->bytes, key->len);
    g_hmac_update(hmac, (const guchar *)id, (gssize)strlen(id));
    g_hmac_update(hmac, (const guchar *)stamp, stamp_len);
    g_hmac_update(hmac, (const guchar *)body, (gssize)len);
    g_hmac_get_digest(hmac, digest, &digest_len);
    g_hmac_unref(hmac);
    gchar *base64 = g_base64_encode(digest, digest_len);
    snprintf(out, SIGNATURE_SIZE, "v1,%s", base64);
    g_free(base64);
}
