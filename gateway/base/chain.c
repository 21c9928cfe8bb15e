/* chain: see chain.h. */
#include "gateway/base/chain.h"

#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { SECURITY_BITS = 112, NAME_SIZE = 128, DAY_S = 24 * 3600, CERTIFICATES_MAX = 16 };

struct chain {
    EVP_PKEY *key;
    X509 *certificates[CERTIFICATES_MAX];
    size_t count;
    char name[NAME_SIZE];
};

/* --- faults ----------------------------------------------------------------------------------- */

static bool blame(struct chain_fault *fault, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
static bool blame(struct chain_fault *fault, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vsnprintf(fault->words, sizeof fault->words, format, args);
    va_end(args);
    return false;
}

static bool blame_key(struct chain_fault *fault, const char *words)
{
    fault->is_of_key = true;
    return blame(fault, "%s", words);
}

/* A name in one line: "CN=relay.example,O=Example", with what is not printable escaped (RFC 2253). */
static void print_name(const X509_NAME *name, char text[NAME_SIZE])
{
    BIO *out = BIO_new(BIO_s_mem());
    text[0] = '\0';
    if (out != NULL && X509_NAME_print_ex(out, name, 0, XN_FLAG_RFC2253) >= 0) {
        int len = BIO_read(out, text, NAME_SIZE - 1);
        text[len > 0 ? len : 0] = '\0';
    }
    BIO_free(out);
}

/* "2026-04-21 10:15:00 UTC" */
static void print_time(int64_t time_s, char text[NAME_SIZE])
{
    time_t at = (time_t)time_s;
    struct tm utc;
    strftime(text, NAME_SIZE, "%Y-%m-%d %H:%M:%S UTC", gmtime_r(&at, &utc));
}

/* --- reading ---------------------------------------------------------------------------------- */

/* Keys with a passphrase cannot be used: nobody is there to type it. */
static int refuse_passphrase(char *passphrase, int size, int is_for_writing, void *is_asked)
{
    (void)passphrase;
    (void)size;
    (void)is_for_writing;
    *(bool *)is_asked = true;
    return -1;
}

/* Memory as a source of PEM; NULL on allocation failure. */
static BIO *open_text(const char *text, size_t len)
{
    return len > INT32_MAX ? NULL : BIO_new_mem_buf(text, (int)len);
}

static bool read_key(struct chain *chain, const char *text, size_t len, struct chain_fault *fault)
{
    bool is_asked = false;
    BIO *in = open_text(text, len);
    chain->key =
        in == NULL ? NULL : PEM_read_bio_PrivateKey(in, NULL, refuse_passphrase, &is_asked);
    BIO_free(in);
    if (is_asked) {
        return blame_key(fault, "needs a passphrase: store the key without one");
    }
    return chain->key != NULL || blame_key(fault, "holds no private key (PEM)");
}

static bool read_certificates(struct chain *chain, const char *text, size_t len,
                              struct chain_fault *fault)
{
    BIO *in = open_text(text, len);
    X509 *next = NULL;
    while (in != NULL && (next = PEM_read_bio_X509(in, NULL, NULL, NULL)) != NULL) {
        if (chain->count == CERTIFICATES_MAX) {
            X509_free(next);
            break;
        }
        chain->certificates[chain->count++] = next;
    }
    bool is_at_end = next == NULL && ERR_GET_REASON(ERR_peek_last_error()) == PEM_R_NO_START_LINE;
    BIO_free(in);
    ERR_clear_error();
    if (next != NULL) {
        return blame(fault, "holds more than %d certificates", CERTIFICATES_MAX);
    }
    if (!is_at_end) {
        return blame(fault, "is damaged: certificate %zu cannot be read", chain->count + 1);
    }
    return chain->count > 0 || blame(fault, "holds no certificate (PEM)");
}

/* --- judging ---------------------------------------------------------------------------------- */

static bool has_issued(X509 *issuer, X509 *certificate)
{
    return X509_check_issued(issuer, certificate) == X509_V_OK;
}

/* Does the key fit the first certificate? If it fits another one, the fault says which. */
static bool check_key(const struct chain *chain, struct chain_fault *fault)
{
    size_t i = 0;
    while (i < chain->count && X509_check_private_key(chain->certificates[i], chain->key) != 1) {
        i++;
    }
    ERR_clear_error();
    if (i == chain->count) {
        return blame_key(fault, "does not fit the certificate");
    }
    return i == 0 || blame(fault,
                           "is out of order: its certificate %zu is the relay's own, to which the "
                           "key belongs, and must come first",
                           i + 1);
}

/* Does each certificate stand before the one that has issued it, if that is there? */
static bool check_order(const struct chain *chain, struct chain_fault *fault)
{
    for (size_t i = 0; i + 1 < chain->count; i++) {
        if (has_issued(chain->certificates[i], chain->certificates[i])) {
            continue;
        }
        size_t issuer = 0;
        while (issuer < chain->count &&
               (issuer == i || !has_issued(chain->certificates[issuer], chain->certificates[i]))) {
            issuer++;
        }
        if (issuer < chain->count && issuer != i + 1) {
            return blame(fault,
                         "is out of order: its certificate %zu has issued certificate %zu, and "
                         "must come after it",
                         issuer + 1, i + 1);
        }
    }
    return true;
}

/* What a CA has issued to itself is trusted for its key, not for its signature. */
static bool is_well_signed(X509 *certificate)
{
    int bits = 0;
    return has_issued(certificate, certificate) ||
           X509_get_signature_info(certificate, NULL, NULL, &bits, NULL) != 1 ||
           bits >= SECURITY_BITS;
}

static bool check_strength(const struct chain *chain, struct chain_fault *fault)
{
    for (size_t i = 0; i < chain->count; i++) {
        const EVP_PKEY *key = X509_get0_pubkey(chain->certificates[i]);
        if (key == NULL || EVP_PKEY_get_security_bits(key) < SECURITY_BITS) {
            return blame(
                fault,
                "is too weak: the key of its certificate %zu, of %d bits; clients want RSA "
                "keys of 2048 bits or more, or EC keys",
                i + 1, key == NULL ? 0 : EVP_PKEY_get_bits(key));
        }
        if (!is_well_signed(chain->certificates[i])) {
            return blame(fault, "is too weak: the signature of its certificate %zu (SHA-1, MD5)",
                         i + 1);
        }
    }
    return true;
}

static void find_name(struct chain *chain)
{
    X509 *own = chain->certificates[0];
    GENERAL_NAMES *names = X509_get_ext_d2i(own, NID_subject_alt_name, NULL, NULL);
    for (int i = 0; i < sk_GENERAL_NAME_num(names) && chain->name[0] == '\0'; i++) {
        const GENERAL_NAME *name = sk_GENERAL_NAME_value(names, i);
        if (name->type == GEN_DNS) {
            snprintf(chain->name, sizeof chain->name, "%.*s", ASN1_STRING_length(name->d.dNSName),
                     (const char *)ASN1_STRING_get0_data(name->d.dNSName));
        }
    }
    GENERAL_NAMES_free(names);
    if (chain->name[0] == '\0') {
        print_name(X509_get_subject_name(own), chain->name);
    }
}

struct chain *chain_read(const char *certificates, size_t certificates_len, const char *key,
                         size_t key_len, struct chain_fault *fault)
{
    struct chain *chain = calloc(1, sizeof *chain);
    *fault = (struct chain_fault){.words = "cannot be read: out of memory"};
    if (chain == NULL || !read_certificates(chain, certificates, certificates_len, fault) ||
        !read_key(chain, key, key_len, fault) || !check_key(chain, fault) ||
        !check_order(chain, fault) || !check_strength(chain, fault)) {
        chain_free(chain);
        chain = NULL;
    } else {
        find_name(chain);
    }
    ERR_clear_error();
    return chain;
}

void chain_free(struct chain *chain)
{
    if (chain == NULL) {
        return;
    }
    EVP_PKEY_free(chain->key);
    for (size_t i = 0; i < chain->count; i++) {
        X509_free(chain->certificates[i]);
    }
    free(chain);
}

/* --- time ------------------------------------------------------------------------------------- */

/* INT64_MIN = it cannot be told. */
static int64_t unix_time(const ASN1_TIME *time)
{
    struct tm utc;
    return ASN1_TIME_to_tm(time, &utc) == 1 ? (int64_t)timegm(&utc) : INT64_MIN;
}

bool chain_is_current(const struct chain *chain, int64_t now_s, struct chain_fault *fault)
{
    char when[NAME_SIZE], whose[64];
    *fault = (struct chain_fault){.is_of_key = false};
    for (size_t i = 0; i < chain->count; i++) {
        int64_t begins_s = unix_time(X509_get0_notBefore(chain->certificates[i]));
        int64_t ends_s = unix_time(X509_get0_notAfter(chain->certificates[i]));
        whose[0] = '\0';
        if (i > 0) {
            snprintf(whose, sizeof whose, " (its certificate %zu)", i + 1);
        }
        if (now_s > ends_s) {
            print_time(ends_s, when);
            return blame(fault, "expired on %s%s", when, whose);
        }
        if (now_s < begins_s) {
            print_time(begins_s, when);
            return blame(fault, "is not valid before %s%s; is the clock right?", when, whose);
        }
    }
    return true;
}

int64_t chain_ends_s(const struct chain *chain)
{
    int64_t first_s = INT64_MAX;
    for (size_t i = 0; i < chain->count; i++) {
        int64_t ends_s = unix_time(X509_get0_notAfter(chain->certificates[i]));
        first_s = ends_s < first_s ? ends_s : first_s;
    }
    return first_s;
}

int64_t chain_days_left(const struct chain *chain, int64_t now_s)
{
    int64_t left_s = chain_ends_s(chain) - now_s;
    return left_s < 0 ? -1 - (-left_s - 1) / DAY_S : left_s / DAY_S;
}

/* --- use -------------------------------------------------------------------------------------- */

/* Is the issuer of a certificate among the CAs of this machine? */
static bool is_issuer_known(X509 *certificate)
{
    X509 *issuer = NULL;
    X509_STORE *store = X509_STORE_new();
    X509_STORE_CTX *search = X509_STORE_CTX_new();
    bool is_known = store != NULL && search != NULL && X509_STORE_set_default_paths(store) == 1 &&
                    X509_STORE_CTX_init(search, store, certificate, NULL) == 1 &&
                    X509_STORE_CTX_get1_issuer(&issuer, search, certificate) == 1;
    X509_free(issuer);
    X509_STORE_CTX_free(search);
    X509_STORE_free(store);
    ERR_clear_error();
    return is_known;
}

bool chain_is_complete(const struct chain *chain, struct chain_fault *fault)
{
    char issuer[NAME_SIZE];
    size_t last = 0;
    while (last + 1 < chain->count &&
           has_issued(chain->certificates[last + 1], chain->certificates[last])) {
        last++;
    }
    X509 *end = chain->certificates[last];
    *fault = (struct chain_fault){.is_of_key = false};
    if (has_issued(end, end) || is_issuer_known(end)) {
        return true;
    }
    print_name(X509_get_issuer_name(end), issuer);
    return blame(
        fault,
        "may lack a certificate: that of %s, the issuer of its certificate %zu, is neither "
        "there nor among the CAs of this machine",
        issuer, last + 1);
}

const char *chain_name(const struct chain *chain)
{
    return chain->name;
}

bool chain_use(const struct chain *chain, SSL_CTX *ctx)
{
    bool is_used = SSL_CTX_use_certificate(ctx, chain->certificates[0]) == 1 &&
                   SSL_CTX_use_PrivateKey(ctx, chain->key) == 1;
    for (size_t i = 1; i < chain->count && is_used; i++) {
        is_used = SSL_CTX_add1_chain_cert(ctx, chain->certificates[i]) == 1;
    }
    return is_used;
}
