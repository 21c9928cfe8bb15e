/* foreign: see foreign.h. */
#include "gateway/base/foreign.h"

#include <ctype.h>
#include <stdbool.h>
#include <string.h>

enum { SECRET_MIN = 4, SURE_MIN = 8, NUMBER_LIKE = 6 };

static const char mask[] = "***";

/* How many bytes at `at` are the character `c`: as it is, behind a backslash, or as %HH. 0 = none. */
static size_t character_at(const char *at, size_t left, char c)
{
    static const char digits[] = "0123456789ABCDEF";
    unsigned char byte = (unsigned char)c;
    if (left >= 1 && at[0] == c) {
        return 1;
    }
    if (left >= 2 && at[0] == '\\' && at[1] == c) {
        return 2;
    }
    bool is_code = left >= 3 && at[0] == '%' &&
                   toupper((unsigned char)at[1]) == digits[byte >> 4] &&
                   toupper((unsigned char)at[2]) == digits[byte & 0xf];
    return is_code ? 3 : 0;
}

/* How many bytes at `at` are the secret; 0 = it is not there. */
static size_t secret_at(const char *at, size_t left, const char *secret)
{
    size_t taken = 0;
    for (; *secret != '\0'; secret++) {
        size_t len = character_at(at + taken, left - taken, *secret);
        if (len == 0) {
            return 0;
        }
        taken += len;
    }
    return taken;
}

static bool is_word_of_its_own(const char *bytes, size_t len, size_t at, size_t taken)
{
    bool begins = at == 0 || !isalnum((unsigned char)bytes[at - 1]);
    return begins && (at + taken == len || !isalnum((unsigned char)bytes[at + taken]));
}

size_t foreign_hide_secret(char *bytes, size_t len, const char *secret)
{
    size_t secret_len = strlen(secret), kept = 0;
    for (size_t at = 0; secret_len >= SECRET_MIN && at < len;) {
        size_t taken = secret_at(bytes + at, len - at, secret);
        if (taken > 0 && (secret_len >= SURE_MIN || is_word_of_its_own(bytes, len, at, taken))) {
            memcpy(bytes + kept, mask, sizeof mask - 1);
            kept += sizeof mask - 1;
            at += taken;
        } else {
            bytes[kept++] = bytes[at++];
        }
    }
    return secret_len >= SECRET_MIN ? kept : len;
}

void foreign_hide_numbers(char *words)
{
    for (char *s = words; *s != '\0'; s++) {
        size_t digits = strspn(s, "0123456789");
        if (digits >= NUMBER_LIKE) {
            memset(s, '*', digits);
        }
        s += digits > 0 ? digits - 1 : 0;
    }
}
