/* rules: what a string must be. See the header. Thread: any. */
#include "conf/rules.h"

#include "conf/network.h"
#include "conf/secret.h"
#include "conf/value.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <iconv.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/un.h>

const char *conf_rule_address(const char *value)
{
    char host[CONF_HOST_SIZE];
    uint16_t port;
    struct in_addr v4;
    struct in6_addr v6;
    if (!conf_address_split(value, host, &port)) {
        return "must be ADDRESS:PORT or [IPv6]:PORT";
    }
    bool is_numeric = inet_pton(AF_INET, host, &v4) == 1 ||
                      (*value == '[' && inet_pton(AF_INET6, host, &v6) == 1);
    return is_numeric || conf_host_is_loopback(host)
               ? NULL
               : "must begin with an address of this machine, such as 192.168.7.2, or 0.0.0.0 for "
                 "all of IPv4, [::] for all";
}

const char *conf_rule_loopback(const char *value)
{
    char host[CONF_HOST_SIZE];
    uint16_t port;
    if (!conf_address_split(value, host, &port)) {
        return "must be HOST:PORT or [IPv6]:PORT";
    }
    return conf_host_is_loopback(host) ? NULL
                                       : "must be on loopback (127.0.0.0/8, ::1, localhost): there "
                                         "is no login";
}

const char *conf_rule_network(const char *value)
{
    static _Thread_local char why[CONF_NETWORK_WHY_SIZE];
    struct conf_network network;
    return conf_network_parse(value, &network, why) ? NULL : why;
}

const char *conf_rule_host(const char *value)
{
    struct in6_addr v6;
    struct conf_url url;
    char text[CONF_HOST_SIZE + 16];
    size_t brackets = *value == '[' ? strlen("[]") : 0;
    snprintf(text, sizeof text, "http://%s", value);
    bool is_host = conf_url_split(text, &url) && strlen(url.host) + brackets == strlen(value);
    return is_host || strcmp(value, "*") == 0 || inet_pton(AF_INET6, value, &v6) == 1
               ? NULL
               : "must be a host name or an address, without a port, or the word *";
}

const char *conf_rule_socket(const char *value)
{
    size_t size = sizeof((struct sockaddr_un *)NULL)->sun_path;
    return strlen(value) < size ? NULL : "must be at most 107 bytes long";
}

/* SQLite opens the store; it does not read ":memory:" and "file:..." as names of files. */
const char *conf_rule_store(const char *value)
{
    bool is_special = *value == ':' || strncasecmp(value, "file:", strlen("file:")) == 0;
    bool is_directory = value[strlen(value) - 1] == '/';
    return is_special || is_directory
               ? "must be the path of a file (put ./ before a name that begins with : or file:)"
               : NULL;
}

const char *conf_rule_api(const char *value)
{
    struct conf_url url;
    if (strcmp(value, "sandbox") == 0) {
        return NULL;
    }
    if (!conf_url_split(value, &url) || strpbrk(value, "?#") != NULL) {
        return "must be https://HOST[:PORT][/PATH], without user, query or fragment, or the word "
               "sandbox";
    }
    if (!url.is_https && !conf_host_is_loopback(url.host)) {
        return "must begin with https:// (http:// is for loopback only), or others could "
               "read the token on its way";
    }
    return NULL;
}

const char *conf_rule_loopback_url(const char *value)
{
    struct conf_url url;
    return conf_url_split(value, &url) && conf_host_is_loopback(url.host)
               ? NULL
               : "must be an http or https URL on loopback";
}

/* Notices hold numbers and texts: nobody may read them on their way. */
const char *conf_rule_webhook(const char *value)
{
    struct conf_url url;
    bool is_url = conf_url_split(value, &url) && strchr(value, '#') == NULL;
    return is_url && (url.is_https || conf_host_is_loopback(url.host))
               ? NULL
               : "must be https://HOST[:PORT][/PATH], without user or fragment (http:// is for "
                 "loopback only)";
}

/* `whsec_` and base64, or any other 16 characters or more. */
const char *conf_rule_signing_key(const char *value)
{
    static const char prefix[] = "whsec_";
    static const char base64[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
                                 "0123456789+/"; /* RFC 4648, 4 */
    if (strncmp(value, prefix, strlen(prefix)) != 0) {
        return strlen(value) >= 16 ? NULL : "must be 16 or more characters";
    }
    value += strlen(prefix);
    size_t len = strlen(value);
    size_t digits = strspn(value, base64);
    bool is_whole =
        len % 4 == 0 && len - digits <= 2 && strspn(value + digits, "=") == len - digits;
    return is_whole && digits >= 22 ? NULL : "must be 16 or more bytes in base64 after whsec_";
}

const char *conf_rule_program(const char *value)
{
    return *value == '/' ? NULL
                         : "must be the path of a program, beginning with /, and its arguments";
}

const char *conf_rule_token(const char *value)
{
    if (strlen(value) > CONF_SECRET_MAX) {
        return "must be at most 4096 bytes long";
    }
    if (conf_secret_is_quoted(value, strlen(value))) {
        return "must stand without quotes: they would be part of the token";
    }
    return conf_secret_is_token(value, strlen(value)) ? NULL
                                                      : "must be printable ASCII without spaces";
}

const char *conf_rule_path_secret(const char *value)
{
    static const char unreserved[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
                                     "0123456789-._~"; /* RFC 3986 2.3 */
    return strlen(value) >= 16 && value[strspn(value, unreserved)] == '\0'
               ? NULL
               : "must be 16 or more letters, digits or -._~";
}

const char *conf_rule_sender(const char *value)
{
    size_t len = strlen(value);
    for (size_t i = 0; i < len; i++) {
        if (!isprint((unsigned char)value[i])) {
            len = 0;
        }
    }
    return len >= 1 && len <= 15 ? NULL : "must be 1 to 15 printable ASCII characters";
}

const char *conf_rule_country(const char *value)
{
    size_t digits = strspn(value, "0123456789");
    return digits >= 1 && digits <= 4 && value[digits] == '\0' && value[0] != '0'
               ? NULL
               : "must be a calling code, digits only: 34";
}

const char *conf_rule_charset(const char *value)
{
    static const char sentence[] = "must be a character set that iconv knows (see iconv -l), or "
                                   "the word none";
    if (strcmp(value, "none") == 0) {
        return NULL;
    }
    /* No "//": iconv takes options after it, and one of them drops what it cannot convert. */
    for (const char *c = value; *c != '\0'; c++) {
        if (!isalnum((unsigned char)*c) && strchr("-_.:+", *c) == NULL) {
            return sentence;
        }
    }
    iconv_t converter = iconv_open("UTF-8", value);
    if (converter == (iconv_t)-1) {
        return sentence;
    }
    iconv_close(converter);
    return NULL;
}
