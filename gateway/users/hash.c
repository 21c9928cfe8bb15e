/* hash: see hash.h. */
#include "gateway/users/hash.h"

#include <crypt.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#define TOKEN_HASH "$token-sha256$"
#define TOKEN_PREFIX \
    "sr_" /* so that no token looks like an option, and leaked ones can be searched for */
#define YESCRYPT "$y$"

enum {
    TOKEN_BYTES = 32,
    YESCRYPT_DIGITS = 43 /* behind the last dollar: 256 bits */
};

_Static_assert((int)HASH_SECRET_SIZE == CRYPT_MAX_PASSPHRASE_SIZE, "libcrypt takes every secret");

bool hash_random(void *bytes, size_t len)
{
    return getrandom(bytes, len, 0) == (ssize_t)len;
}

bool hash_is_same(const unsigned char a[HASH_DIGEST_BYTES],
                  const unsigned char b[HASH_DIGEST_BYTES])
{
    return CRYPTO_memcmp(a, b, HASH_DIGEST_BYTES) == 0;
}

void hash_keyed(const unsigned char key[HASH_DIGEST_BYTES], const char *name, const char *secret,
                unsigned char digest[HASH_DIGEST_BYTES])
{
    char text[2 * HASH_SECRET_SIZE];
    size_t name_size = strnlen(name, HASH_SECRET_SIZE - 1) + 1;
    size_t secret_len = strnlen(secret, HASH_SECRET_SIZE - 1);
    memcpy(text, name, name_size - 1);
    text[name_size - 1] = '\0'; /* so that no two pairs make one text */
    memcpy(text + name_size, secret, secret_len);
    HMAC(EVP_sha256(), key, HASH_DIGEST_BYTES, (const unsigned char *)text, name_size + secret_len,
         digest, NULL);
    explicit_bzero(text, sizeof text);
}

/* --- reading ---------------------------------------------------------------------------------- */

static bool begins_with(const char *text, size_t len, const char *prefix)
{
    size_t prefix_len = strlen(prefix);
    return len >= prefix_len && memcmp(text, prefix, prefix_len) == 0;
}

static const char *read_token(const char *digits, size_t len)
{
    bool is_good = len == (size_t)2 * HASH_DIGEST_BYTES;
    for (size_t i = 0; is_good && i < len; i++) {
        is_good = (digits[i] >= '0' && digits[i] <= '9') || (digits[i] >= 'a' && digits[i] <= 'f');
    }
    return is_good ? NULL : "is not whole: behind " TOKEN_HASH " stand 64 hexadecimal digits";
}

/* "$y$parameters$salt$hash" */
static const char *read_yescrypt(const char *text, size_t len)
{
    char copy[HASH_SIZE];
    const char *last = memrchr(text, '$', len);
    if (len >= sizeof copy || text + len - last - 1 != YESCRYPT_DIGITS) {
        return "is not whole: it was cut off, or something was added";
    }
    memcpy(copy, text, len);
    copy[len] = '\0';
    return crypt_checksalt(copy) == CRYPT_SALT_INVALID ? "is not one of yescrypt" : NULL;
}

const char *hash_read(const char *text, size_t len, enum hash_kind *kind)
{
    if (begins_with(text, len, TOKEN_HASH)) {
        *kind = HASH_TOKEN;
        return read_token(text + strlen(TOKEN_HASH), len - strlen(TOKEN_HASH));
    }
    *kind = HASH_PASSWORD;
    if (begins_with(text, len, YESCRYPT)) {
        return read_yescrypt(text, len);
    }
    return begins_with(text, len, "$") ? "is of another kind than yescrypt ($y$): passwords with "
                                         "weaker ones are not taken"
                                       : "is none, but perhaps the password itself";
}

/* --- making ----------------------------------------------------------------------------------- */

void hash_token(const char *token, char text[HASH_SIZE])
{
    static const char DIGITS[] = "0123456789abcdef";
    unsigned char digest[HASH_DIGEST_BYTES];
    char *out = stpcpy(text, TOKEN_HASH);
    EVP_Digest(token, strlen(token), digest, NULL, EVP_sha256(), NULL);
    for (size_t i = 0; i < sizeof digest; i++) {
        *out++ = DIGITS[digest[i] >> 4];
        *out++ = DIGITS[digest[i] & 15];
    }
    *out = '\0';
}

/* Base64 for URLs (RFC 4648, 5), without padding. */
static void write_base64(const unsigned char *bytes, size_t len, char *out)
{
    static const char DIGITS[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    unsigned bits = 0, held = 0;
    for (size_t i = 0; i < len; i++) {
        held = (held << 8 | bytes[i]) & 0xFFFF;
        for (bits += 8; bits >= 6; bits -= 6) {
            *out++ = DIGITS[held >> (bits - 6) & 63];
        }
    }
    if (bits > 0) {
        *out++ = DIGITS[held << (6 - bits) & 63];
    }
    *out = '\0';
}

bool hash_new_token(char token[HASH_TOKEN_SIZE], char text[HASH_SIZE])
{
    unsigned char bytes[TOKEN_BYTES];
    if (!hash_random(bytes, sizeof bytes)) {
        return false;
    }
    memcpy(token, TOKEN_PREFIX, sizeof TOKEN_PREFIX);
    write_base64(bytes, sizeof bytes, token + strlen(TOKEN_PREFIX));
    hash_token(token, text);
    explicit_bzero(bytes, sizeof bytes);
    return true;
}

/* crypt_rn, whose scratch is wiped. Returns false on failure. */
static bool encrypt(const char *password, const char *setting, char text[HASH_SIZE])
{
    struct crypt_data *scratch = malloc(sizeof *scratch);
    if (scratch == NULL) {
        return false;
    }
    memset(scratch, 0, sizeof *scratch);
    const char *made = crypt_rn(password, setting, scratch, sizeof *scratch);
    if (made != NULL) {
        snprintf(text, HASH_SIZE, "%s", made);
    }
    explicit_bzero(scratch, sizeof *scratch);
    free(scratch);
    return made != NULL;
}

bool hash_password(const char *password, char text[HASH_SIZE])
{
    char setting[CRYPT_GENSALT_OUTPUT_SIZE];
    return crypt_gensalt_rn(YESCRYPT, 0, NULL, 0, setting, sizeof setting) != NULL &&
           encrypt(password, setting, text);
}

/* --- comparing -------------------------------------------------------------------------------- */

enum hash_verdict hash_compare(const char *text, const char *secret)
{
    char made[HASH_SIZE] = "";
    size_t len = strlen(text);
    if (begins_with(text, len, TOKEN_HASH)) {
        hash_token(secret, made);
    } else if (!encrypt(secret, text, made)) {
        return HASH_FAILED;
    }
    bool matches = secret[0] != '\0' && strlen(made) == len && CRYPTO_memcmp(made, text, len) == 0;
    explicit_bzero(made, sizeof made);
    return matches ? HASH_MATCHES : HASH_DIFFERS;
}
