/* Tests of proxy: what the environment says, for which URL. */
#include "gateway/api/proxy.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#define HTTPS "https://api.example.com/v1"
#define HTTP  "http://api.example.com/v1"

Test(proxy, from_the_environment)
{
    static const struct {
        const char *set[4]; /* name, value, name, value */
        const char *url;
        const char *proxy; /* NULL = none */
    } rows[] = {
        {{NULL}, HTTPS, NULL},
        {{"https_proxy", "http://p:3128"}, HTTPS, "http://p:3128/"},
        {{"https_proxy", "http://p:3128"}, HTTP, NULL},
        {{"HTTPS_PROXY", "http://p:3128"}, HTTPS, "http://p:3128/"},
        {{"http_proxy", "http://p:3128"}, HTTP, "http://p:3128/"},
        {{"HTTP_PROXY", "http://p:3128"}, HTTP, NULL},
        {{"http_proxy", "http://p:3128"}, HTTPS, NULL},
        {{"ALL_PROXY", "socks5h://p"}, HTTPS, "socks5h://p/"},
        {{"all_proxy", "p:8080"}, HTTP, "http://p:8080/"},
        {{"https_proxy", "", "ALL_PROXY", "http://p"}, HTTPS, NULL},
        {{"https_proxy", "http://me:secret@p:3128"}, HTTPS, "http://p:3128/"},
        {{"https_proxy", "http://p", "no_proxy", "*"}, HTTPS, NULL},
        {{"https_proxy", "http://p", "no_proxy", "other, api.example.com"}, HTTPS, NULL},
        {{"https_proxy", "http://p", "NO_PROXY", ".EXAMPLE.com"}, HTTPS, NULL},
        {{"https_proxy", "http://p", "no_proxy", "example.com"}, HTTPS, NULL},
        {{"https_proxy", "http://p", "no_proxy", "ample.com,com.example,,."}, HTTPS, "http://p/"},
        {{"https_proxy", "http://p", "no_proxy", "www.api.example.com"}, HTTPS, "http://p/"},
    };
    static const char *const names[] = {"http_proxy",  "https_proxy", "all_proxy", "no_proxy",
                                        "HTTPS_PROXY", "ALL_PROXY",   "NO_PROXY",  "HTTP_PROXY"};

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        for (size_t n = 0; n < sizeof(names) / sizeof(names[0]); n++) {
            unsetenv(names[n]);
        }
        for (size_t n = 0; n < 4 && rows[i].set[n] != NULL; n += 2) {
            setenv(rows[i].set[n], rows[i].set[n + 1], 1);
        }
        char *proxy = proxy_of(rows[i].url);
        if (rows[i].proxy == NULL) {
            cr_expect_null(proxy, "row %zu: %s", i, proxy);
        } else {
            cr_assert_not_null(proxy, "row %zu", i);
            cr_expect_str_eq(proxy, rows[i].proxy, "row %zu", i);
        }
        free(proxy);
    }
}
