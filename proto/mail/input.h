/*
 * input: what libxml2 gets to see of an HTML text.
 *
 * Owns the bounds on what would cost it more than linear time, and the removal of what it takes
 * for text while browsers do not, or of what takes room and is not seen. Thread: any. Pure.
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
 * Appends `html` without what no reader sees of it and what libxml2 reads otherwise than browsers:
 * comments (HTML Standard, 13.2.5.43: `<!-->` is a whole one), marked sections, which Outlook writes
 * (13.2.5.42), scripts, style sheets, what `data:` URIs hold, and NULs. Where one of these is not
 * closed the rest is left out; or, where more of it `follows`, reduced so that the rest may be
 * appended to the result.
 */
void html_clean(const char *html, size_t len, bool follows, struct buffer *out);

/*
 * The length of the longest start of `html` in which no element has more than `max_attributes`,
 * wherever a parser may take one to begin, and not more than `max_entities` references by name.
 */
size_t html_limit(const char *html, size_t len, unsigned max_attributes, unsigned max_entities);

#endif
