/* foreign: see foreign.h. */
#include "gateway/base/foreign.h"

#include <ctype.h>
#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

enum { SECRET_MIN = 6, SURE_MIN = 8, URL_PART_MIN = 16, NUMBER_LIKE = 6, SLASHES_MAX = 8 };

static const char mask[] = "***";

/* Written at the start and when a token changes; read for each answer. */
static struct {
    pthread_rwlock_t lock;
    char *secrets[FOREIGN_OWNERS * FOREIGN_KEPT]; /* a ring for each owner */
    unsigned next[FOREIGN_OWNERS];
    uint32_t used;       /* a bit for each secret that there is */
    uint32_t slots[256]; /* the same, by the byte that it begins with */
    bool starts[256];    /* may a secret begin with this byte, as it is or as a code? */
} known = {.lock = PTHREAD_RWLOCK_INITIALIZER};

_Static_assert((int)FOREIGN_OWNERS *(int)FOREIGN_KEPT <= 32, "a bit for each secret");

/* --- what is known ---------------------------------------------------------------------------- */

static bool is_known(enum foreign_owner owner, const char *secret)
{
    for (size_t i = 0; i < FOREIGN_KEPT; i++) {
        const char *old = known.secrets[owner * FOREIGN_KEPT + i];
        if (old != NULL && strcmp(old, secret) == 0) {
            return true;
        }
    }
    return false;
}

static bool is_code_start(char c)
{
    return c == '\\' || c == '%' || c == '&';
}

static void note_starts(void)
{
    for (size_t c = 0; c < sizeof known.starts; c++) {
        known.starts[c] = known.slots[c] != 0 || is_code_start((char)c);
    }
}

/* Takes the secret in place of the oldest one. Returns that, or the secret if it is known. */
static char *exchange(enum foreign_owner owner, char *secret)
{
    if (is_known(owner, secret)) {
        return secret;
    }
    unsigned slot = owner * FOREIGN_KEPT + known.next[owner]++ % FOREIGN_KEPT;
    char *old = known.secrets[slot];
    if (old != NULL) {
        known.slots[(unsigned char)old[0]] &= ~(UINT32_C(1) << slot);
    }
    known.secrets[slot] = secret;
    known.used |= UINT32_C(1) << slot;
    known.slots[(unsigned char)secret[0]] |= UINT32_C(1) << slot;
    note_starts();
    return old;
}

static bool know(enum foreign_owner owner, const char *secret, size_t len)
{
    char *copy = strndup(secret, len);
    if (copy == NULL) {
        return false;
    }
    pthread_rwlock_wrlock(&known.lock);
    char *old = exchange(owner, copy);
    pthread_rwlock_unlock(&known.lock);
    if (old != NULL) {
        explicit_bzero(old, strlen(old));
    }
    free(old);
    return true;
}

bool foreign_know(enum foreign_owner owner, const char *secret)
{
    size_t len = strlen(secret);
    return len < SECRET_MIN || know(owner, secret, len);
}

bool foreign_know_url(enum foreign_owner owner, const char *url)
{
    const char *host = strstr(url, "://");
    const char *part = host == NULL ? url : host + strlen("://");
    bool is_done = true;
    for (part += strcspn(part, "/?"); *part != '\0' && is_done;) {
        part++;
        size_t len = strcspn(part, "/?&=");
        is_done = len < URL_PART_MIN || know(owner, part, len);
        part += len;
    }
    return is_done;
}

/* --- hiding secrets --------------------------------------------------------------------------- */

/* The value of `count` digits or, if they end with a semicolon, of up to `count`; `*taken` bytes. */
static long code_at(const char *at, size_t left, int base, size_t count, bool has_end,
                    size_t *taken)
{
    char digits[8] = "";
    size_t len = 0;
    while (len < count && len < left && isxdigit((unsigned char)at[len])) {
        digits[len] = at[len];
        len++;
    }
    char *end;
    long value = strtol(digits, &end, base);
    bool is_ended = has_end ? len < left && at[len] == ';' : len == count;
    *taken = len + (has_end ? 1 : 0);
    return is_ended && len > 0 && *end == '\0' ? value : -1;
}

/* How many bytes at `at` are the character `c`, written as a code: %HH, \uHHHH, &#DD; or &#xHH;. 0 = none. */
static size_t encoded_at(const char *at, size_t left, char c)
{
    static const struct {
        const char *start;
        int base;
        size_t count;
        bool has_end;
    } codes[] = {
        {"%", 16, 2, false},  {"\\u", 16, 4, false}, {"&#x", 16, 6, true},
        {"&#X", 16, 6, true}, {"&#", 10, 7, true},
    };
    for (size_t i = 0; i < sizeof codes / sizeof codes[0]; i++) {
        size_t len = strlen(codes[i].start), taken = 0;
        if (left > len && memcmp(at, codes[i].start, len) == 0 &&
            code_at(at + len, left - len, codes[i].base, codes[i].count, codes[i].has_end,
                    &taken) == (unsigned char)c) {
            return len + taken;
        }
    }
    return 0;
}

/* How many bytes at `at` are the character `c`: as it is, behind backslashes, or as a code. 0 = none. */
static size_t character_at(const char *at, size_t left, char c)
{
    if (left == 0 || at[0] == c) {
        return left == 0 ? 0 : 1;
    }
    if (!is_code_start(at[0])) {
        return 0;
    }
    size_t slashes = 0;
    while (slashes < left && slashes < SLASHES_MAX && at[slashes] == '\\') {
        slashes++;
    }
    if (slashes > 0 && slashes < left && at[slashes] == c) {
        return slashes + 1;
    }
    size_t before = slashes > 1 ? slashes - 1 : 0; /* JSON within JSON */
    size_t taken = encoded_at(at + before, left - before, c);
    return taken == 0 ? 0 : before + taken;
}

/* How many bytes at `at` are the secret; 0 = it is not there. */
static size_t secret_at(const char *at, size_t left, const char *secret)
{
    size_t taken = 0;
    for (const char *c = secret; *c != '\0'; c++) {
        size_t len = character_at(at + taken, left - taken, *c);
        if (len == 0) {
            return 0;
        }
        taken += len;
        while (c[1] != '\0' && taken < left && (at[taken] == '\r' || at[taken] == '\n')) {
            taken++;
        }
    }
    return taken;
}

static bool is_word_of_its_own(const char *bytes, size_t len, size_t at, size_t taken)
{
    bool begins = at == 0 || !isalnum((unsigned char)bytes[at - 1]);
    return begins && (at + taken == len || !isalnum((unsigned char)bytes[at + taken]));
}

/* How many bytes at `at` are a known secret, the longest of them; 0 = there is none. */
static size_t longest_at(const char *bytes, size_t len, size_t at)
{
    size_t longest = 0;
    unsigned char first = (unsigned char)bytes[at];
    uint32_t slots = is_code_start(bytes[at]) ? known.used : known.slots[first];
    for (; slots != 0; slots &= slots - 1) {
        const char *secret = known.secrets[__builtin_ctz(slots)];
        size_t taken = secret_at(bytes + at, len - at, secret);
        bool is_better = taken > longest &&
                         (strlen(secret) >= SURE_MIN || is_word_of_its_own(bytes, len, at, taken));
        longest = is_better ? taken : longest;
    }
    return longest;
}

/* Where the first byte from `at` on is at which a secret may begin. */
static size_t next_start(const char *bytes, size_t len, size_t at)
{
    while (at < len && !known.starts[(unsigned char)bytes[at]]) {
        at++;
    }
    return at;
}

size_t foreign_hide_secrets(char *bytes, size_t len)
{
    size_t kept = 0;
    pthread_rwlock_rdlock(&known.lock);
    for (size_t from = 0; from < len;) { /* in one pass: every answer of the API comes by here */
        size_t at = next_start(bytes, len, from);
        size_t taken = at < len ? longest_at(bytes, len, at) : 0;
        at += taken == 0 && at < len ? 1 : 0;
        if (kept < from) {
            memmove(bytes + kept, bytes + from, at - from);
        }
        kept += at - from;
        if (taken > 0) {
            memcpy(bytes + kept, mask, sizeof mask - 1);
            kept += sizeof mask - 1;
        }
        from = at + taken;
    }
    pthread_rwlock_unlock(&known.lock);
    return kept;
}

void foreign_hide_secrets_of(char *words)
{
    if (words != NULL) {
        words[foreign_hide_secrets(words, strlen(words))] = '\0';
    }
}

/* --- hiding numbers --------------------------------------------------------------------------- */

/* How many bytes at `s` may be a number: digits, in groups if it begins with `+`. */
static size_t number_at(const char *s)
{
    size_t len = strspn(s, "0123456789");
    size_t digits = len;
    for (bool has_groups = *s == '+'; has_groups;) {
        size_t gap = len == 0 ? 1 : strspn(s + len, " -./()");
        size_t group = strspn(s + len + gap, "0123456789");
        has_groups = group > 0 && gap <= 2;
        len += has_groups ? gap + group : 0;
        digits += has_groups ? group : 0;
    }
    return digits >= NUMBER_LIKE ? len : 0;
}

void foreign_hide_numbers(char *words)
{
    for (char *s = words; *s != '\0';) {
        size_t len = number_at(s);
        for (size_t i = 0; i < len; i++) {
            s[i] = isdigit((unsigned char)s[i]) ? '*' : s[i];
        }
        size_t digits = strspn(s, "0123456789");
        s += len > 0 ? len : digits > 0 ? digits : 1;
    }
}
