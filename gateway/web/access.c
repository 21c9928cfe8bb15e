/* access: see access.h. */
#include "gateway/web/access.h"

#include "gateway/base/http_listen.h"

#include <event2/keyvalq_struct.h>
#include <string.h>
#include <strings.h>

/* --- Host --------------------------------------------------------------------------------------- */

#define ANY_HOST "*"

/* Drops the brackets around an IPv6 address of `*len` bytes. */
static const char *drop_brackets(const char *host, size_t *len)
{
    if (*len < 2 || host[0] != '[' || host[*len - 1] != ']') {
        return host;
    }
    *len -= 2;
    return host + 1;
}

/* Is it in http.hosts? `host` is `len` bytes. */
static bool is_listed(const struct access *access, const char *host, size_t len)
{
    host = drop_brackets(host, &len);
    for (size_t i = 0; i < access->host_count; i++) {
        size_t name_len = strlen(access->hosts[i]);
        const char *name = drop_brackets(access->hosts[i], &name_len);
        if (name_len == len && strncasecmp(host, name, len) == 0) {
            return true;
        }
    }
    return false;
}

static bool is_named(const struct access *access, const char *host, size_t len)
{
    bool is_any = len == strlen(ANY_HOST) && memcmp(host, ANY_HOST, len) == 0;
    return !is_any && is_listed(access, host, len);
}

bool access_takes_any_host(const struct access *access)
{
    return is_listed(access, ANY_HOST, strlen(ANY_HOST));
}

/* Another machine cannot mean us by a name of loopback. */
static bool is_ours(const struct access *access, const char *host, size_t len, bool is_local)
{
    return is_named(access, host, len) || (is_local && http_is_loopback(host, len));
}

/* For libevent, what follows "//" in the path is a host, too, and evhttp_request_get_host then ignores
 * Host; but a web page can choose the path, not Host. */
bool access_names_us(const struct access *access, struct evhttp_request *request)
{
    const char *host = evhttp_find_header(evhttp_request_get_input_headers(request), "Host");
    const char *target = evhttp_uri_get_host(evhttp_request_get_evhttp_uri(request));
    bool is_local = access_is_local(request);
    return host != NULL && is_ours(access, host, http_host_len(host), is_local) &&
           (target == NULL || is_ours(access, target, strlen(target), is_local));
}

/* --- Origin ------------------------------------------------------------------------------------- */

/* RFC 6454. The origin is http:// and the host in Host; behind a proxy, https:// and one of http.hosts. */
bool access_is_own_origin(const struct access *access, struct evhttp_request *request)
{
    struct evkeyvalq *headers = evhttp_request_get_input_headers(request);
    const char *origin = evhttp_find_header(headers, "Origin");
    const char *host = evhttp_find_header(headers, "Host");
    if (origin == NULL || host == NULL) {
        return false;
    }
    if (strncmp(origin, "https://", strlen("https://")) == 0) {
        origin += strlen("https://");
        return is_named(access, origin, http_host_len(origin));
    }
    return strncmp(origin, "http://", strlen("http://")) == 0 &&
           strcasecmp(origin + strlen("http://"), host) == 0;
}

/* Browsers tell (Fetch Metadata, W3C). */
bool access_is_from_other_page(struct evhttp_request *request)
{
    const char *site =
        evhttp_find_header(evhttp_request_get_input_headers(request), "Sec-Fetch-Site");
    return site != NULL && strcmp(site, "same-origin") != 0 && strcmp(site, "none") != 0;
}

/* --- addresses ---------------------------------------------------------------------------------- */

bool access_is_local(struct evhttp_request *request)
{
    struct network_address peer;
    return http_is_local(request, &peer);
}

bool access_is_inside(const struct access *access, struct evhttp_request *request)
{
    struct network_address peer;
    return http_is_local(request, &peer) || networks_contain(&access->networks, &peer);
}
