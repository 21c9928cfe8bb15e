/*
 * chain: a certificate, those that lead from it to a CA, and its key; and what is wrong with them.
 *
 * Reads them from the bytes of their files (PEM, RFC 7468). Leaves the files to the settings, and using
 * them to tls. Thread: any, one at a time.
 */
#ifndef GATEWAY_BASE_CHAIN_H
#define GATEWAY_BASE_CHAIN_H

#include <openssl/types.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { CHAIN_FAULT_SIZE = 320, CHAIN_DAYS_WARNED = 30 };

struct chain;

/* What is wrong, to be read after the name of a file: "does not ...". */
struct chain_fault {
    bool is_of_key; /* the file with the key is meant, not that with the certificates */
    char words[CHAIN_FAULT_SIZE];
};

/*
 * Reads certificates and a key: the relay's own certificate first, then the one that has issued it, and so
 * on. Returns NULL, with the fault, if a server cannot use them: no certificate or key is there, the key
 * needs a passphrase or does not fit, they are out of order, or too weak (less than 112 bits of security,
 * NIST SP 800-57: RSA keys under 2048 bits, SHA-1).
 */
struct chain *chain_read(const char *certificates, size_t certificates_len, const char *key,
                         size_t key_len, struct chain_fault *fault);

/* NULL is fine. Wipes the key. */
void chain_free(struct chain *chain);

/* Are all its certificates valid at this time (Unix, s)? If not, the fault says why. */
bool chain_is_current(const struct chain *chain, int64_t now_s, struct chain_fault *fault);

/*
 * Will clients believe it? Returns false, with the fault, if its last certificate was issued by none that
 * this machine trusts, so that another one may be missing. One that has issued itself is fine: whoever uses
 * it knows.
 */
bool chain_is_complete(const struct chain *chain, struct chain_fault *fault);

/* When the first of its certificates ends (Unix, s). */
int64_t chain_ends_s(const struct chain *chain);

/* Whole days from `now_s` until then, for a warning; negative once it has ended. */
int64_t chain_days_left(const struct chain *chain, int64_t now_s);

/* Who it is for, as the log shows it: the first name, or the subject. Valid as long as the chain. */
const char *chain_name(const struct chain *chain);

/* Has a context of OpenSSL use it. Returns false if it does not want to. */
bool chain_use(const struct chain *chain, SSL_CTX *ctx);

#endif
