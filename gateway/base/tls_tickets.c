/* tls_tickets: see tls_tickets.h. */
#include "gateway/base/tls_tickets.h"

#include "gateway/base/clock.h"

#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/params.h>
#include <openssl/rand.h>
#include <openssl/ssl.h>
#include <stdlib.h>
#include <string.h>

enum { NAME_SIZE = 16, IV_SIZE = 16, KEY_SIZE = 32 };

struct ticket_key {
    unsigned char name[NAME_SIZE]; /* stands in its tickets */
    unsigned char cipher[KEY_SIZE];
    unsigned char mac[KEY_SIZE];
    int64_t made_s; /* monotonic */
};

struct tls_tickets {
    struct ticket_key keys[2]; /* the present one, and the one before */
    size_t count;
};

void tls_tickets_turn(struct tls_tickets *tickets, int64_t now_s)
{
    struct ticket_key *key = &tickets->keys[0];
    struct ticket_key new = {.made_s = now_s};
    if (tickets->count > 0 && now_s - key->made_s >= 2 * TLS_TICKETS_NEW_S) {
        tickets->count = 0; /* so old that the one before must not be taken either */
    }
    if (tickets->count > 0 && now_s - key->made_s < TLS_TICKETS_NEW_S) {
        return;
    }
    if (RAND_bytes(new.name, sizeof new.name) == 1 &&
        RAND_priv_bytes(new.cipher, sizeof new.cipher) == 1 &&
        RAND_priv_bytes(new.mac, sizeof new.mac) == 1) {
        tickets->keys[1] = *key;
        *key = new;
        tickets->count = tickets->count == 0 ? 1 : 2;
    }
    OPENSSL_cleanse(&new, sizeof new);
}

static bool set_mac(EVP_MAC_CTX *mac, struct ticket_key *key)
{
    OSSL_PARAM params[] = {
        OSSL_PARAM_construct_octet_string(OSSL_MAC_PARAM_KEY, key->mac, sizeof key->mac),
        OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, (char *)"SHA256", 0),
        OSSL_PARAM_construct_end(),
    };
    return EVP_MAC_CTX_set_params(mac, params) == 1;
}

/* Prepares the making of a ticket. Returns 1, 0 = make none, or -1. */
static int begin_ticket(struct tls_tickets *tickets, unsigned char *name, unsigned char *iv,
                        EVP_CIPHER_CTX *cipher, EVP_MAC_CTX *mac)
{
    struct ticket_key *key = &tickets->keys[0];
    if (tickets->count == 0) {
        return 0;
    }
    memcpy(name, key->name, NAME_SIZE);
    return RAND_bytes(iv, IV_SIZE) == 1 &&
                   EVP_EncryptInit_ex(cipher, EVP_aes_256_cbc(), NULL, key->cipher, iv) == 1 &&
                   set_mac(mac, key)
               ? 1
               : -1;
}

/* Prepares the reading of one. Returns 2 = and give the client a new one, 0 = it is not ours, or -1. */
static int begin_reading(struct tls_tickets *tickets, const unsigned char *name,
                         const unsigned char *iv, EVP_CIPHER_CTX *cipher, EVP_MAC_CTX *mac)
{
    size_t i = 0;
    while (i < tickets->count && memcmp(tickets->keys[i].name, name, NAME_SIZE) != 0) {
        i++;
    }
    if (i == tickets->count) {
        return 0;
    }
    struct ticket_key *key = &tickets->keys[i];
    return EVP_DecryptInit_ex(cipher, EVP_aes_256_cbc(), NULL, key->cipher, iv) == 1 &&
                   set_mac(mac, key)
               ? 2
               : -1;
}

/* What OpenSSL calls for each ticket; SSL_CTX_set_tlsext_ticket_key_evp_cb(3). */
static int on_ticket(SSL *ssl, unsigned char *name, unsigned char *iv, EVP_CIPHER_CTX *cipher,
                     EVP_MAC_CTX *mac, int is_made)
{
    struct tls_tickets *tickets = SSL_CTX_get_app_data(SSL_get_SSL_CTX(ssl));
    tls_tickets_turn(tickets, clock_monotonic_ms() / 1000);
    return is_made ? begin_ticket(tickets, name, iv, cipher, mac)
                   : begin_reading(tickets, name, iv, cipher, mac);
}

struct tls_tickets *tls_tickets_new(void)
{
    return calloc(1, sizeof(struct tls_tickets));
}

void tls_tickets_free(struct tls_tickets *tickets)
{
    if (tickets != NULL) {
        OPENSSL_cleanse(tickets, sizeof *tickets);
        free(tickets);
    }
}

bool tls_tickets_use(struct tls_tickets *tickets, SSL_CTX *ctx)
{
    SSL_CTX_set_app_data(ctx, tickets);
    SSL_CTX_set_timeout(ctx, TLS_TICKETS_NEW_S);
    return SSL_CTX_set_num_tickets(ctx, 1) == 1 &&
           SSL_CTX_set_tlsext_ticket_key_evp_cb(ctx, on_ticket) == 1;
}
