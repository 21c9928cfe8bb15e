/*
 * signature: proves to the receiver of a webhook that a request is genuine and recent.
 *
 * The "Standard Webhooks" convention (https://www.standardwebhooks.com): the header fields webhook-id,
 * webhook-timestamp and webhook-signature. The last one is `v1,` and the base64 of the HMAC-SHA256 of
 * "<id>.<timestamp>.<body>". Libraries that verify it exist in most languages.
 * Owns the key. HMAC and base64 are GLib's. Thread: any.
 */
#ifndef GATEWAY_NOTIFY_SIGNATURE_H
#define GATEWAY_NOTIFY_SIGNATURE_H

#include <stddef.h>
#include <stdint.h>

#define SIGNATURE_PREFIX "whsec_"

struct signature_key;

/* "v1,", the base64 of 32 bytes, NUL. */
enum { SIGNATURE_SIZE = 3 + 44 + 1 };

/*
 * A secret is `whsec_` and the key in base64; any other one is the key itself. Returns NULL if there
 * is no base64 behind `whsec_`, and on allocation failure.
 */
struct signature_key *signature_key_new(const char *secret);
/* Wipes it. NULL is fine. */
void signature_key_free(struct signature_key *key);

/* Signs a body that is sent with this id at this Unix time in seconds. */
void signature_make(const struct signature_key *key, const char *id, int64_t timestamp_s,
                    const char *body, size_t len, char out[SIGNATURE_SIZE]);

#endif
