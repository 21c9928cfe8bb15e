/*
 * delays: how long those must wait who have logged in wrongly.
 *
 * Failures are counted by the client's source, by the name, and by both. From the third one on, the next
 * attempt must wait: a second, then twice as long each time, up to a minute. Who holds up whom:
 * - A source that has failed waits for its own delay, and for that of the name that it tries, whoever has
 *   failed with it. So neither one address nor many can guess quickly.
 * - A source that has not failed waits for nothing: nobody can lock a user out.
 * - Where a user has logged in before from this source, only failures with his name from there count: others
 *   behind the same address do not hold him up.
 * - The same wrong secret again tells nobody anything and counts once: a device that has an old password
 *   does no harm.
 * Its tables are of fixed size. Pure: the time is passed in. Thread: one at a time.
 */
#ifndef GATEWAY_USERS_DELAYS_H
#define GATEWAY_USERS_DELAYS_H

#include "gateway/users/hash.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct delays;

/* `key` is secret. Returns NULL on allocation failure. */
struct delays *delays_new(const uint64_t key[2]);
void delays_free(struct delays *delays);

/* Who tries to be whom. */
struct delays_pair {
    uint64_t source, name, both;
};

/* `source` are bytes that tell clients apart. */
struct delays_pair delays_pair(const struct delays *delays, const void *source, size_t len,
                               const char *name);

/* How many ms the next attempt has to wait; 0 = none. */
int64_t delays_wait_ms(const struct delays *delays, const struct delays_pair *pair, int64_t now_ms);

/* Has the source failed lately? */
bool delays_has_failed(const struct delays *delays, const struct delays_pair *pair, int64_t now_ms);

/* Was this secret (hash_keyed) the last one that was wrong? */
bool delays_is_repeated(const struct delays *delays, const struct delays_pair *pair,
                        const unsigned char digest[HASH_DIGEST_BYTES]);

/* The attempt was wrong, or right. */
void delays_fail(struct delays *delays, const struct delays_pair *pair,
                 const unsigned char digest[HASH_DIGEST_BYTES], int64_t now_ms);
void delays_succeed(struct delays *delays, const struct delays_pair *pair, int64_t now_ms);

/* Secrets that were wrong may be right now. */
void delays_forget_secrets(struct delays *delays);

#endif
