/* proxy: see proxy.h. */
#include "gateway/api/proxy.h"

#include <curl/curl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

static const char *first_set(const char *const *names)
{
    const char *value = NULL;
    for (; value == NULL && *names != NULL; names++) {
        value = getenv(*names);
    }
    return value == NULL ? "" : value;
}

/* HTTP_PROXY in capitals is not one: a web server sets it from a header, for CGI. */
static const char *configured(const char *scheme)
{
    static const char *const of_http[] = {"http_proxy", "all_proxy", "ALL_PROXY", NULL};
    static const char *const of_https[] = {"https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY",
                                           NULL};
    return first_set(strcmp(scheme, "https") == 0 ? of_https : of_http);
}

/* Is the host the domain, or in it? A dot in front of the domain is left out. */
static bool is_in_domain(const char *host, const char *domain, size_t len)
{
    if (len > 0 && domain[0] == '.') {
        domain++;
        len--;
    }
    size_t host_len = strlen(host);
    if (len == 0 || host_len < len) {
        return false;
    }
    const char *tail = host + host_len - len;
    return strncasecmp(tail, domain, len) == 0 && (tail == host || tail[-1] == '.');
}

static bool is_exempt(const char *host)
{
    static const char *const names[] = {"no_proxy", "NO_PROXY", NULL};
    const char *at = first_set(names);
    while (*at != '\0') {
        size_t len = strcspn(at, ", ");
        if ((len == 1 && *at == '*') || is_in_domain(host, at, len)) {
            return true;
        }
        at += len;
        at += strspn(at, ", ");
    }
    return false;
}

static char *without_password(const char *proxy)
{
    CURLU *url = curl_url();
    char *text = NULL;
    char *copy = NULL;
    if (url != NULL &&
        curl_url_set(url, CURLUPART_URL, proxy, CURLU_GUESS_SCHEME | CURLU_NON_SUPPORT_SCHEME) ==
            CURLUE_OK &&
        curl_url_set(url, CURLUPART_USER, NULL, 0) == CURLUE_OK &&
        curl_url_set(url, CURLUPART_PASSWORD, NULL, 0) == CURLUE_OK &&
        curl_url_get(url, CURLUPART_URL, &text, 0) == CURLUE_OK) {
        copy = strdup(text);
    }
    curl_free(text);
    curl_url_cleanup(url);
    return copy;
}

char *proxy_of(const char *url)
{
    CURLU *parsed = curl_url();
    char *scheme = NULL;
    char *host = NULL;
    char *proxy = NULL;
    if (parsed != NULL && curl_url_set(parsed, CURLUPART_URL, url, 0) == CURLUE_OK &&
        curl_url_get(parsed, CURLUPART_SCHEME, &scheme, 0) == CURLUE_OK &&
        curl_url_get(parsed, CURLUPART_HOST, &host, 0) == CURLUE_OK) {
        const char *value = configured(scheme);
        proxy = value[0] == '\0' || is_exempt(host) ? NULL : without_password(value);
    }
    curl_free(scheme);
    curl_free(host);
    curl_url_cleanup(parsed);
    return proxy;
}
