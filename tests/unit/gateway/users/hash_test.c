/* hash: passwords and tokens, made and compared. */
#include "gateway/users/hash.h"

#include <criterion/criterion.h>
#include <crypt.h>
#include <string.h>

/* Quick, unlike what hash_password makes. */
static void quick_hash(const char *password, char text[HASH_SIZE])
{
    struct crypt_data data = {0};
    const char *made = crypt_rn(password, "$y$j75$TeStSaLt", &data, sizeof data);
    cr_assert_not_null(made);
    strcpy(text, made);
}

Test(hash, password)
{
    char text[HASH_SIZE], again[HASH_SIZE];
    enum hash_kind kind = HASH_TOKEN;
    cr_assert(hash_password("s3cret", text));
    cr_assert(hash_password("s3cret", again));
    cr_assert_str_neq(text, again, "the salt is random");
    cr_assert_eq(strncmp(text, "$y$", 3), 0);
    cr_assert_null(hash_read(text, strlen(text), &kind));
    cr_assert_eq(kind, HASH_PASSWORD);
    cr_assert_eq(hash_compare(text, "s3cret"), HASH_MATCHES);
    quick_hash("s3cret", text);
    cr_assert_eq(hash_compare(text, "s3cret"), HASH_MATCHES);
    cr_assert_eq(hash_compare(text, "s3cre"), HASH_DIFFERS);
    cr_assert_eq(hash_compare(text, "s3crets"), HASH_DIFFERS);
    cr_assert_eq(hash_compare(text, ""), HASH_DIFFERS);
    quick_hash("", text);
    cr_assert_eq(hash_compare(text, ""), HASH_DIFFERS, "an empty password is none");
}

Test(hash, token)
{
    char token[HASH_TOKEN_SIZE], other[HASH_TOKEN_SIZE], text[HASH_SIZE], others[HASH_SIZE];
    enum hash_kind kind = HASH_PASSWORD;
    cr_assert(hash_new_token(token, text));
    cr_assert(hash_new_token(other, others));
    cr_assert_str_neq(token, other);
    cr_assert_eq(strlen(token), strlen("sr_") + 43);
    cr_assert_eq(strspn(token, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"),
                 strlen(token));
    cr_assert_null(hash_read(text, strlen(text), &kind));
    cr_assert_eq(kind, HASH_TOKEN);
    cr_assert_eq(hash_compare(text, token), HASH_MATCHES);
    cr_assert_eq(hash_compare(text, other), HASH_DIFFERS);
    cr_assert_eq(hash_compare(others, token), HASH_DIFFERS);
    cr_assert_eq(hash_compare(text, ""), HASH_DIFFERS);
    /* echo -n x | sha256sum */
    static const char OF_X[] =
        "$token-sha256$2d711642b726b04401627ca9fbac32f5c8530fb1903cc4db02258717921a4881";
    cr_assert_eq(hash_compare(OF_X, "x"), HASH_MATCHES);
}

Test(hash, keyed)
{
    static const unsigned char key[HASH_DIGEST_BYTES] = {1};
    static const unsigned char other_key[HASH_DIGEST_BYTES] = {2};
    unsigned char a[HASH_DIGEST_BYTES], b[HASH_DIGEST_BYTES];
    hash_keyed(key, "me", "secret", a);
    hash_keyed(key, "me", "secret", b);
    cr_assert(hash_is_same(a, b));
    hash_keyed(other_key, "me", "secret", b);
    cr_assert_not(hash_is_same(a, b));
    hash_keyed(key, "mes", "ecret", b);
    cr_assert_not(hash_is_same(a, b));
}
