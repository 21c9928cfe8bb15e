/* value: how values are spelled. See the header. Thread: any. */
#include "conf/value.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* Ascending, ended by factor 0. The unit without a suffix is that of a plain number. */
struct unit {
    const char *suffix;
    int64_t factor;
};

static const struct unit time_units[] = {
    {"ms", 1}, {"s", 1000}, {"", 1000}, {"m", 60000}, {"h", 3600000}, {"d", 86400000}, {NULL, 0},
};

static const struct unit size_units[] = {
    {"", 1}, {"k", 1 << 10}, {"m", 1 << 20}, {"g", 1 << 30}, {NULL, 0},
};

static const struct unit no_units[] = {{"", 1}, {NULL, 0}};

static bool amount_parse(const char *s, const struct unit *units, int64_t *amount)
{
    size_t digits = strspn(s, "0123456789");
    if (digits == 0) {
        return false;
    }

    int64_t number = 0;
    for (size_t i = 0; i < digits; i++) {
        if (__builtin_mul_overflow(number, 10, &number) ||
            __builtin_add_overflow(number, s[i] - '0', &number)) {
            return false;
        }
    }
    for (const struct unit *u = units; u->factor != 0; u++) {
        if (strcasecmp(s + digits, u->suffix) == 0) {
            return !__builtin_mul_overflow(number, u->factor, amount);
        }
    }
    return false;
}

static void amount_print(int64_t amount, const struct unit *units, char out[CONF_AMOUNT_SIZE])
{
    const struct unit *best = &units[0];
    for (const struct unit *u = units; u->factor != 0; u++) {
        if (amount % u->factor == 0 && u->factor > best->factor) {
            best = u;
        }
    }
    if (amount == 0) {
        snprintf(out, CONF_AMOUNT_SIZE, "0");
    } else {
        snprintf(out, CONF_AMOUNT_SIZE, "%" PRId64 "%s", amount / best->factor, best->suffix);
    }
}

bool conf_number_parse(const char *s, int64_t *number)
{
    return amount_parse(s, no_units, number);
}

bool conf_time_parse(const char *s, int64_t *ms)
{
    return amount_parse(s, time_units, ms);
}

bool conf_size_parse(const char *s, int64_t *bytes)
{
    return amount_parse(s, size_units, bytes);
}

void conf_time_print(int64_t ms, char out[CONF_AMOUNT_SIZE])
{
    amount_print(ms, time_units, out);
}

void conf_size_print(int64_t bytes, char out[CONF_AMOUNT_SIZE])
{
    amount_print(bytes, size_units, out);
}

/* Finds the next item in `*rest`. Returns false for an unclosed quote. */
static bool item_next(const char **rest, const char **item, size_t *len)
{
    static const char separators[] = ", \t";
    const char *s = *rest + strspn(*rest, separators);
    if (*s != '"') {
        *item = s;
        *len = strcspn(s, separators);
        *rest = s + *len;
        return true;
    }
    *item = s + 1;
    *len = strcspn(*item, "\"");
    const char *quote = *item + *len;
    *rest = quote + 1;
    /* Text right after the closing quote is a mistake, as in `"Acme"Shop`. */
    return *quote == '"' && *len > 0 && (quote[1] == '\0' || strchr(separators, quote[1]) != NULL);
}

static bool item_append(struct conf_list *list, const char *item, size_t len)
{
    char **items = realloc(list->items, (list->count + 1) * sizeof *items);
    if (items == NULL) {
        return false;
    }
    list->items = items;
    char *copy = strndup(item, len);
    if (copy == NULL) {
        return false;
    }
    list->items[list->count++] = copy;
    return true;
}

bool conf_list_append(struct conf_list *list, const char *s)
{
    size_t count = list->count;
    const char *item;
    size_t len;

    errno = 0;
    for (;;) {
        if (!item_next(&s, &item, &len)) {
            break;
        }
        if (len == 0) {
            return true;
        }
        if (!item_append(list, item, len)) {
            break;
        }
    }
    while (list->count > count) {
        free(list->items[--list->count]);
    }
    return false;
}

void conf_list_clear(struct conf_list *list)
{
    for (size_t i = 0; i < list->count; i++) {
        free(list->items[i]);
    }
    free(list->items);
    *list = (struct conf_list){NULL, 0};
}

bool conf_address_split(const char *address, char host[CONF_HOST_SIZE], uint16_t *port)
{
    const char *colon = strrchr(address, ':');
    if (colon == NULL) {
        return false;
    }

    const char *start = address;
    const char *end = colon;
    bool is_bracketed = *address == '[';
    if (is_bracketed) {
        start++;
        end--;
        if (end <= start || *end != ']') {
            return false;
        }
    }
    size_t len = (size_t)(end - start);
    if (len == 0 || len >= CONF_HOST_SIZE || (memchr(start, ':', len) != NULL) != is_bracketed) {
        return false;
    }

    int64_t number;
    if (!conf_number_parse(colon + 1, &number) || number > UINT16_MAX) {
        return false;
    }
    memcpy(host, start, len);
    host[len] = '\0';
    *port = (uint16_t)number;
    return true;
}

bool conf_host_is_loopback(const char *host)
{
    struct in_addr v4;
    struct in6_addr v6;

    if (inet_pton(AF_INET, host, &v4) == 1) {
        return ntohl(v4.s_addr) >> 24 == IN_LOOPBACKNET;
    }
    if (inet_pton(AF_INET6, host, &v6) == 1) {
        return IN6_IS_ADDR_LOOPBACK(&v6);
    }
    return strcasecmp(host, "localhost") == 0;
}

static bool host_is_plain(const char *host)
{
    for (; *host != '\0'; host++) {
        if (!isalnum((unsigned char)*host) && strchr(".-_:", *host) == NULL) {
            return false;
        }
    }
    return true;
}

bool conf_url_split(const char *s, struct conf_url *url)
{
    static const char http[] = "http://", https[] = "https://";
    url->is_https = strncasecmp(s, https, strlen(https)) == 0;
    if (!url->is_https && strncasecmp(s, http, strlen(http)) != 0) {
        return false;
    }
    for (const char *c = s; *c != '\0'; c++) {
        if ((unsigned char)*c <= ' ' || *c == 0x7f) {
            return false;
        }
    }

    /* An authority without a port gets one: conf_address_split wants it. */
    const char *authority = s + strlen(url->is_https ? https : http);
    int len = (int)strcspn(authority, "/?#");
    char address[CONF_HOST_SIZE + 16];
    const char *bracket = memchr(authority, ']', (size_t)len);
    const char *tail = bracket != NULL ? bracket : authority;
    bool has_port = memchr(tail, ':', (size_t)(authority + len - tail)) != NULL;
    int size = snprintf(address, sizeof address, "%.*s%s", len, authority, has_port ? "" : ":0");
    uint16_t port;
    return size < (int)sizeof address && conf_address_split(address, url->host, &port) &&
           (port != 0) == has_port && host_is_plain(url->host);
}
