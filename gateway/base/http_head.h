/*
 * http_head: looks at the bytes of a request's head, up to the empty line, for what evhttp forgives.
 *
 * evhttp takes a bare LF for the end of a line, cuts a line at NUL, and reads "HTTP/1.10" as 1.1 is
 * read. Whoever is in front may see something else there, and one request for two (RFC 9112, 11.2).
 * Leaves headers and their values to http_listen. Thread: any. Pure.
 */
#ifndef GATEWAY_BASE_HTTP_HEAD_H
#define GATEWAY_BASE_HTTP_HEAD_H

#include <stdbool.h>
#include <stddef.h>

enum { HTTP_HEAD_VERSION = sizeof " HTTP/1.1\r" - 1 };

/* All zeros: nothing has come yet. */
struct http_head {
    bool has_begun, is_over;
    bool is_malformed;               /* a bare LF or CR, another control character, a folded line */
    bool is_other_version;           /* the first line does not end in HTTP/1.0 or HTTP/1.1 */
    char last;                       /* the last byte; 0 = none */
    size_t line, column;             /* of the next byte, from 0 */
    char version[HTTP_HEAD_VERSION]; /* the last bytes of the first line */
};

/* Takes the next bytes, in any split; does nothing once it is over. */
void http_head_read(struct http_head *head, const char *bytes, size_t len);

#endif
