/*
 * input: what libxml2 gets to see of an HTML text.
 *
 * Owns the bounds on what would cost it more than linear time, and the removal of what it takes
 * for text while browsers do not. Thread: any. Pure.
 */
#ifndef PROTO_MAIL_INPUT_H
#define PROTO_MAIL_INPUT_H

#include "proto/buffer.h"

#include <stdbool.h>
#include <stddef.h>

enum { HTML_CHARSET_MAX = 63 };

/*
 * The charset that `html`, in whatever charset it is, names in a <meta> of its own (HTML Standard,
 * 13.2.3.2), in `name`. Returns false when there is none in its first 2048 bytes.
 */
bool html_charset(const char *html, size_t len, char name[HTML_CHARSET_MAX + 1]);

/*
 * Appends `html` without NULs and without marked sections: `<![if !mso]>`, `<![endif]>`, which
 * Outlook writes, and `<![CDATA[...>` are comments (HTML Standard, 13.2.5.42).
 */
void html_clean(const char *html, size_t len, struct buffer *out);

/*
 * The length of the longest start of `html` in which no element has more than `max_attributes`,
 * wherever a parser may take one to begin, and not more than `max_entities` references by name.
 */
size_t html_limit(const char *html, size_t len, unsigned max_attributes, unsigned max_entities);

#endif
