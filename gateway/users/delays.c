/* delays: see delays.h. */
#include "gateway/users/delays.h"

#include "gateway/base/siphash.h"
#include "proto/session/user.h"

#include <stdlib.h>
#include <string.h>

enum {
    BUCKETS = 512,
    WAYS = 8, /* entries of a bucket: of more, the one that matters least is forgotten */
    FREE_FAILURES = 2,
    DELAY_MIN_MS = 1000,
    DELAY_MAX_MS = 60 * 1000,
    FORGOTTEN_MS = 10 * 60 * 1000,   /* after the last failure */
    TRUSTED_MS = 24 * 60 * 60 * 1000 /* after the last success */
};

/* What has happened with a source, a name, or both. */
struct entry {
    uint64_t key; /* 0 = unused */
    int64_t failed_ms, succeeded_ms;
    bool has_succeeded;
    bool has_secret; /* `secret` was the last wrong one */
    unsigned failures;
    unsigned char secret[HASH_DIGEST_BYTES];
};

struct delays {
    uint64_t key[2];
    struct entry entries[BUCKETS][WAYS];
};

struct delays *delays_new(const uint64_t key[2])
{
    struct delays *delays = calloc(1, sizeof *delays);
    if (delays != NULL) {
        delays->key[0] = key[0];
        delays->key[1] = key[1];
    }
    return delays;
}

void delays_free(struct delays *delays)
{
    free(delays);
}

/* --- keys ------------------------------------------------------------------------------------- */

enum { SOURCE_MAX = 32 };

static uint64_t key_of(const struct delays *delays, char kind, const void *source, size_t len,
                       const char *name)
{
    char text[1 + SOURCE_MAX + USER_NAME_MAX] = {kind};
    size_t name_len = strnlen(name, USER_NAME_MAX);
    len = len < SOURCE_MAX ? len : SOURCE_MAX;
    memcpy(text + 1, source, len);
    memcpy(text + 1 + SOURCE_MAX, name, name_len);
    uint64_t key = siphash(delays->key, text, 1 + SOURCE_MAX + name_len);
    return key == 0 ? 1 : key;
}

struct delays_pair delays_pair(const struct delays *delays, const void *source, size_t len,
                               const char *name)
{
    return (struct delays_pair){.source = key_of(delays, 's', source, len, ""),
                                .name = key_of(delays, 'n', "", 0, name),
                                .both = key_of(delays, 'b', source, len, name)};
}

/* --- entries ---------------------------------------------------------------------------------- */

static const struct entry *find(const struct delays *delays, uint64_t key)
{
    const struct entry *bucket = delays->entries[key % BUCKETS];
    for (size_t i = 0; i < WAYS; i++) {
        if (bucket[i].key == key) {
            return &bucket[i];
        }
    }
    return NULL;
}

static unsigned failures_of(const struct entry *entry, int64_t now_ms)
{
    return entry == NULL || now_ms - entry->failed_ms >= FORGOTTEN_MS ? 0 : entry->failures;
}

static bool is_trusted(const struct entry *entry, int64_t now_ms)
{
    return entry != NULL && entry->has_succeeded && now_ms - entry->succeeded_ms < TRUSTED_MS;
}

/* Does `a` matter less than `b`? Those that nobody has logged in with come first, then old ones. */
static bool is_lesser(const struct entry *a, const struct entry *b, int64_t now_ms)
{
    if (a->key == 0 || b->key == 0) {
        return a->key == 0;
    }
    bool is_a_trusted = is_trusted(a, now_ms), is_b_trusted = is_trusted(b, now_ms);
    if (is_a_trusted != is_b_trusted) {
        return is_b_trusted;
    }
    return is_a_trusted ? a->succeeded_ms < b->succeeded_ms : a->failed_ms < b->failed_ms;
}

/* The entry with this key, which takes the place of another one if it is new. */
static struct entry *enter(struct delays *delays, uint64_t key, int64_t now_ms)
{
    struct entry *bucket = delays->entries[key % BUCKETS];
    struct entry *least = bucket;
    for (size_t i = 0; i < WAYS; i++) {
        if (bucket[i].key == key) {
            return &bucket[i];
        }
        least = is_lesser(&bucket[i], least, now_ms) ? &bucket[i] : least;
    }
    *least = (struct entry){.key = key};
    return least;
}

/* --- what they say ---------------------------------------------------------------------------- */

static int64_t wait_of(const struct entry *entry, int64_t now_ms)
{
    unsigned failures = failures_of(entry, now_ms);
    int64_t delay_ms = DELAY_MIN_MS;
    if (failures <= FREE_FAILURES) {
        return 0;
    }
    for (unsigned i = FREE_FAILURES + 1; i < failures && delay_ms < DELAY_MAX_MS; i++) {
        delay_ms *= 2;
    }
    delay_ms = delay_ms < DELAY_MAX_MS ? delay_ms : DELAY_MAX_MS;
    int64_t left_ms = entry->failed_ms + delay_ms - now_ms;
    return left_ms > 0 ? left_ms : 0;
}

static int64_t later(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

bool delays_has_failed(const struct delays *delays, const struct delays_pair *pair, int64_t now_ms)
{
    return failures_of(find(delays, pair->source), now_ms) > 0;
}

int64_t delays_wait_ms(const struct delays *delays, const struct delays_pair *pair, int64_t now_ms)
{
    const struct entry *both = find(delays, pair->both);
    int64_t wait_ms = wait_of(both, now_ms);
    if (is_trusted(both, now_ms) || !delays_has_failed(delays, pair, now_ms)) {
        return wait_ms;
    }
    wait_ms = later(wait_ms, wait_of(find(delays, pair->source), now_ms));
    return later(wait_ms, wait_of(find(delays, pair->name), now_ms));
}

bool delays_is_repeated(const struct delays *delays, const struct delays_pair *pair,
                        const unsigned char digest[HASH_DIGEST_BYTES])
{
    const struct entry *both = find(delays, pair->both);
    return both != NULL && both->has_secret && hash_is_same(both->secret, digest);
}

static struct entry *count_failure(struct delays *delays, uint64_t key, int64_t now_ms)
{
    struct entry *entry = enter(delays, key, now_ms);
    entry->failures = failures_of(entry, now_ms) + 1;
    entry->failed_ms = now_ms;
    return entry;
}

void delays_fail(struct delays *delays, const struct delays_pair *pair,
                 const unsigned char digest[HASH_DIGEST_BYTES], int64_t now_ms)
{
    count_failure(delays, pair->source, now_ms);
    count_failure(delays, pair->name, now_ms);
    struct entry *both = count_failure(delays, pair->both, now_ms);
    both->has_secret = true;
    memcpy(both->secret, digest, HASH_DIGEST_BYTES);
}

/* What others behind the source, or with the name, have done still counts. */
void delays_succeed(struct delays *delays, const struct delays_pair *pair, int64_t now_ms)
{
    struct entry *both = enter(delays, pair->both, now_ms);
    both->failures = 0;
    both->has_succeeded = true;
    both->succeeded_ms = now_ms;
}

void delays_forget_secrets(struct delays *delays)
{
    for (size_t i = 0; i < BUCKETS; i++) {
        for (size_t j = 0; j < WAYS; j++) {
            delays->entries[i][j].has_secret = false;
        }
    }
}
