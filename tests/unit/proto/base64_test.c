/* base64: what a login sends. What mails make of it is in mail/. */
#include "proto/base64.h"

#include <criterion/criterion.h>
#include <string.h>

/* RFC 4648, 10. */
static const char *const PAIRS[][2] = {
    {"", ""},
    {"f", "Zg=="},
    {"fo", "Zm8="},
    {"foo", "Zm9v"},
    {"foob", "Zm9vYg=="},
    {"fooba", "Zm9vYmE="},
    {"foobar", "Zm9vYmFy"},
    {"\xFF\xFE\xFD", "//79"},
};

Test(base64, there_and_back)
{
    for (size_t i = 0; i < sizeof PAIRS / sizeof PAIRS[0]; i++) {
        struct buffer text = BUFFER_EMPTY, bytes = BUFFER_EMPTY;
        struct base64 carry = {0};
        base64_encode(&text, PAIRS[i][0], strlen(PAIRS[i][0]));
        cr_expect(text.len == strlen(PAIRS[i][1]) &&
                      memcmp(buffer_bytes(&text), PAIRS[i][1], text.len) == 0,
                  "%.*s", (int)text.len, buffer_bytes(&text));
        cr_expect(base64_is_valid(buffer_bytes(&text), text.len));
        base64_decode(&carry, buffer_bytes(&text), text.len, &bytes);
        cr_expect(bytes.len == strlen(PAIRS[i][0]) &&
                  memcmp(buffer_bytes(&bytes), PAIRS[i][0], bytes.len) == 0);
        buffer_free(&text);
        buffer_free(&bytes);
    }
}

Test(base64, what_is_not)
{
    static const char *const BAD[] = {
        "Z", "Zg", "Zg=", "Z===", "====", "Zg==Zg==", "Zm 9", "Zm9\n"};
    for (size_t i = 0; i < sizeof BAD / sizeof BAD[0]; i++) {
        cr_expect_not(base64_is_valid(BAD[i], strlen(BAD[i])), "%s", BAD[i]);
    }
}
