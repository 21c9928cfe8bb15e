/*
 * proxy: which proxy libcurl takes from the environment, so that errors can name it.
 *
 * libcurl 7.88 does not tell. The rules are those of its manual (curl(1), "Environment"); only ranges
 * of addresses in no_proxy are not looked at. Thread: any, while nobody changes the environment.
 */
#ifndef GATEWAY_API_PROXY_H
#define GATEWAY_API_PROXY_H

/* The proxy for requests to this URL, without user and password; malloc'ed; NULL = none, or
 * allocation failure. */
char *proxy_of(const char *url);

#endif
