/*
 * number: see number.h. Owns how people write telephone numbers, and what a sender may look like.
 * Pure; any thread.
 */
#include "proto/number.h"

#include <stdio.h>
#include <string.h>

/* The most digits that can still come to a number: E.164's, "00" and a trunk "(0)". */
enum { DIALLED_MAX = NUMBER_MAX_DIGITS + 3, CALLING_CODE_MAX_DIGITS = 3 };

/* The digits as they were written, before any prefix is understood. */
struct dialled {
    char digits[DIALLED_MAX];
    size_t len;
    size_t trunk; /* index of the first "(0)"; 0 = none, for at 0 it could follow no prefix */
    bool has_plus;
};

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool is_letter(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static bool is_separator(char c)
{
    return c != '\0' && strchr(" .-/()[]", c) != NULL;
}

static bool is_trunk_zero(const char *s, size_t len, size_t i)
{
    return i > 0 && i + 1 < len && s[i - 1] == '(' && s[i] == '0' && s[i + 1] == ')';
}

static bool dialled_read(struct dialled *d, const char *s, size_t len)
{
    *d = (struct dialled){0};
    for (size_t i = 0; i < len; i++) {
        if (is_digit(s[i])) {
            if (d->len == DIALLED_MAX) {
                return false;
            }
            if (d->trunk == 0 && is_trunk_zero(s, len, i)) {
                d->trunk = d->len;
            }
            d->digits[d->len++] = s[i];
        } else if (s[i] == '+' && d->len == 0 && !d->has_plus) {
            d->has_plus = true;
        } else if (!is_separator(s[i])) {
            return false;
        }
    }
    return true;
}

static void dialled_drop(struct dialled *d, size_t at, size_t count)
{
    d->len -= count;
    memmove(d->digits + at, d->digits + at + count, d->len - at);
    d->trunk = d->trunk >= at + count ? d->trunk - count : 0;
}

/* Takes a "00" off, which means the same as "+". */
static bool dialled_is_international(struct dialled *d)
{
    if (d->has_plus) {
        return true;
    }
    if (d->len < 2 || d->digits[0] != '0' || d->digits[1] != '0') {
        return false;
    }
    dialled_drop(d, 0, 2);
    return true;
}

bool number_parse(const char *s, size_t len, const char *country_code, char e164[NUMBER_SIZE])
{
    e164[0] = '\0';
    struct dialled d;
    if (!dialled_read(&d, s, len)) {
        return false;
    }
    const char *code = "";
    if (!dialled_is_international(&d) && country_code != NULL && country_code[0] != '\0') {
        code = country_code;
        if (d.len > 0 && d.digits[0] == '0') {
            dialled_drop(&d, 0, 1);
        }
    } else if (d.trunk > 0 && d.trunk <= CALLING_CODE_MAX_DIGITS) {
        /* "+44 (0)20": the zero is dialled within the country only. */
        dialled_drop(&d, d.trunk, 1);
    }
    size_t total = strlen(code) + d.len;
    if (total < NUMBER_MIN_DIGITS || total > NUMBER_MAX_DIGITS) {
        return false;
    }
    snprintf(e164, NUMBER_SIZE, "+%s%.*s", code, (int)d.len, d.digits);
    if (e164[1] == '0') { /* E.164 assigns no calling code that begins with 0 */
        e164[0] = '\0';
        return false;
    }
    return true;
}

static bool is_numeric_sender(const char *s, size_t len)
{
    if (len > 0 && s[0] == '+') {
        s++;
        len--;
    }
    if (len < SENDER_MIN_DIGITS || len > NUMBER_MAX_DIGITS) {
        return false;
    }
    for (size_t i = 0; i < len; i++) {
        if (!is_digit(s[i])) {
            return false;
        }
    }
    return true;
}

static bool is_alphanumeric_sender(const char *s, size_t len)
{
    bool has_letter = false;
    for (size_t i = 0; i < len; i++) {
        if (is_letter(s[i])) {
            has_letter = true;
        } else if (!is_digit(s[i]) && (s[i] == '\0' || strchr(" .-_&", s[i]) == NULL)) {
            return false;
        }
    }
    return has_letter && len <= SENDER_MAX_LETTERS;
}

bool sender_is_valid(const char *s, size_t len)
{
    return is_numeric_sender(s, len) || is_alphanumeric_sender(s, len);
}
