/*
 * value: how values are spelled: numbers with units, lists, addresses, URLs.
 *
 * Knows no settings and no bounds. Thread: any. Pure.
 */
#ifndef CONF_VALUE_H
#define CONF_VALUE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct conf_list {
    char **items;
    size_t count;
};

enum {
    CONF_HOST_SIZE = 256,  /* a host name (RFC 1035, 2.3.4: 255) and its NUL */
    CONF_AMOUNT_SIZE = 24, /* any number with its unit and NUL */
};

/* Reads decimal digits. Returns false for anything else, or above INT64_MAX. */
bool conf_number_parse(const char *s, int64_t *number);

/* Reads a time: digits and one of `ms s m h d` in any case, or digits alone for seconds. */
bool conf_time_parse(const char *s, int64_t *ms);

/* Reads a size: digits and one of `k m g` (powers of 1024) in any case, or digits alone for bytes. */
bool conf_size_parse(const char *s, int64_t *bytes);

/* Write an amount as the parsers read it, in the largest unit without a fraction. */
void conf_time_print(int64_t ms, char out[CONF_AMOUNT_SIZE]);
void conf_size_print(int64_t bytes, char out[CONF_AMOUNT_SIZE]);

/*
 * Appends the items of `s`: words separated by commas and spaces, in double quotes where they
 * contain one ("Acme Shop"). Returns false, leaving the list as it was, for an unclosed quote
 * (errno = 0) or on allocation failure (ENOMEM).
 */
bool conf_list_append(struct conf_list *list, const char *s);

/* Frees the items; the list is empty and usable again. */
void conf_list_clear(struct conf_list *list);

/*
 * Splits HOST:PORT or [IPv6]:PORT; `host` gets no brackets. Returns false for anything else, such as
 * an IPv6 address without brackets or a port above 65535. Port 0 is fine.
 */
bool conf_address_split(const char *address, char host[CONF_HOST_SIZE], uint16_t *port);

/* Is the host this machine, by its spelling: 127.0.0.0/8, ::1, localhost? */
bool conf_host_is_loopback(const char *host);

struct conf_url {
    bool is_https; /* else http */
    char host[CONF_HOST_SIZE];
};

/*
 * Splits an http or https URL as far as it decides who can see what is sent there. Returns false
 * for another scheme, a user or password, a malformed host or port, spaces, control characters.
 */
bool conf_url_split(const char *s, struct conf_url *url);

#endif
