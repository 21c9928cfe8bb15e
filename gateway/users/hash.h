/*
 * hash: passwords and tokens, as the users file keeps them.
 *
 * A password is a string of crypt(5) of the kind yescrypt: "$y$...". A token is random enough for a plain
 * digest: "$token-sha256$" and 64 hexadecimal digits. Owns making and comparing both. What holds a secret
 * is wiped. Thread: any; a scratch is used by one at a time.
 */
#ifndef GATEWAY_USERS_HASH_H
#define GATEWAY_USERS_HASH_H

#include <stdbool.h>
#include <stddef.h>

enum {
    HASH_SIZE = 192,        /* of the text, with its NUL; yescrypt makes less */
    HASH_SECRET_SIZE = 512, /* of a secret, with its NUL */
    HASH_TOKEN_SIZE = 48,   /* of a token, with its NUL */
    HASH_DIGEST_BYTES = 32
};

enum hash_kind { HASH_PASSWORD, HASH_TOKEN };

/* Tells what the text of a hash is. Returns NULL, or what is wrong with it, which does not repeat it. */
const char *hash_read(const char *text, size_t len, enum hash_kind *kind);

enum hash_verdict { HASH_MATCHES, HASH_DIFFERS, HASH_FAILED /* memory is short */ };

/* Does the secret belong to the hash, which hash_read has found good? A password takes as long as yescrypt
 * makes it, tens of milliseconds, and some MB meanwhile. An empty secret belongs to none. */
enum hash_verdict hash_compare(const char *text, const char *secret);

/* Makes the hash of a password. Returns false if memory or randomness is short. */
bool hash_password(const char *password, char text[HASH_SIZE]);

/* Makes a token and its hash. Returns false if randomness is short. */
bool hash_new_token(char token[HASH_TOKEN_SIZE], char text[HASH_SIZE]);

/* The hash of a token. */
void hash_token(const char *token, char text[HASH_SIZE]);

/*
 * A digest of a name and a secret under a key (HMAC with SHA-256), by which a secret is recognised that
 * is not kept.
 */
void hash_keyed(const unsigned char key[HASH_DIGEST_BYTES], const char *name, const char *secret,
                unsigned char digest[HASH_DIGEST_BYTES]);

/* Are two digests the same? Takes the same time whatever they are. */
bool hash_is_same(const unsigned char a[HASH_DIGEST_BYTES],
                  const unsigned char b[HASH_DIGEST_BYTES]);

/* Fills `bytes` with what nobody can guess. Returns false if randomness is short. */
bool hash_random(void *bytes, size_t len);

#endif
