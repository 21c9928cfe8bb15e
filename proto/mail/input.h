/*
 * input: prepares an HTML text for libxml2.
 *
 * Owns the bounds on what would cost more than linear time, and the removal of what no reader sees.
 * Thread: any. Pure.
 */
#ifndef PROTO_MAIL_INPUT_H
#define PROTO_MAIL_INPUT_H

#include "proto/buffer.h"

#include <stdbool.h>
#include <stddef.h>

enum { HTML_CHARSET_MAX = 63 };

/*
 * Reads the charset that `html` names in a <meta> (HTML Standard, 13.2.3.2). Returns false if there
 * is none in its first 2048 bytes.
 */
bool html_charset(const char *html, size_t len, char name[HTML_CHARSET_MAX + 1]);

/*
 * Appends `html` without what no reader sees, and what libxml2 reads otherwise than browsers:
 * comments (HTML Standard, 13.2.5.43: `<!-->` is a whole one), the marked sections of Outlook
 * (13.2.5.42), scripts, style sheets, the content of `data:` URIs, and NULs. If one of these is not
 * closed, the rest is dropped; if more input `follows`, its beginning is kept, so that more input
 * can be appended to the result, and the whole be cleaned again.
 */
void html_clean(const char *html, size_t len, bool follows, struct buffer *out);

/*
 * The length of the longest prefix of `html` in which no element has more than `max_attributes`,
 * wherever a parser may see one begin, and which has at most `max_entities` references by name.
 */
size_t html_limit(const char *html, size_t len, unsigned max_attributes, unsigned max_entities);

#endif
