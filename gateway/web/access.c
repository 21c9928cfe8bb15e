/* access: see access.h. */
#include "gateway/web/access.h"

#include "gateway/base/http_listen.h"

#include <event2/keyvalq_struct.h>
#include <string.h>
#include <strings.h>

/* --- Host --------------------------------------------------------------------------------------- */

bool access_takes_any_host(const struct access *access)
{
    return http_hosts_list(&access->hosts, HTTP_HOST_ANY, strlen(HTTP_HOST_ANY));
}

bool access_names_us(const struct access *access, struct evhttp_request *request)
{
    return http_hosts_match(&access->hosts, request, access_is_local(request));
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
        return http_hosts_name(&access->hosts, origin, http_host_len(origin));
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
