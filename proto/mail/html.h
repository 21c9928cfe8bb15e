/*
 * html: an HTML text -> what a person would have written for an SMS.
 *
 * Owns what a reader sees of a page (elements, links, pictures, what is hidden) and the bounds of
 * parsing. Leaves syntax to libxml2, which stays behind this header, white space and line ends to
 * flow, and the size of an input to its caller.
 * Thread: any, after html_init(). Pure.
 */
#ifndef PROTO_MAIL_HTML_H
#define PROTO_MAIL_HTML_H

#include "proto/buffer.h"

#include <stdbool.h>
#include <stddef.h>

/*
 * With these bounds, the worst of 2,800 shapes of 256 KiB takes 7.4 ms of one core (libxml2 2.9.14,
 * -O3): 10,000 misplaced <body> in 126 open elements. Without them, libxml2 compares an end tag
 * with every open element, an attribute with every other one of its element (50,000: seconds) and
 * an entity with every name, and each error costs a microsecond even if nobody reads it.
 */
enum {
    HTML_MAX_DEPTH = 128,     /* elements open at once */
    HTML_MAX_ATTRIBUTES = 50, /* of one element */
    HTML_MAX_ENTITIES = 6000, /* by name, including those in attributes */
    HTML_MAX_STEPS = 10000    /* elements, runs of text, comments, errors of syntax */
};

/* Readies libxml2 for threads. Once, before the first thread starts; mail_init() does it. */
void html_init(void);

/* Longer URLs of links are left out: they count clicks. */
enum { HTML_URL_MAX = 100 };

/*
 * Appends to `out` what a reader would see of `html`, which is UTF-8 whatever it says of itself:
 * valid UTF-8 without control characters but LF, without white space at its ends, with at most one
 * empty line in a row. A link becomes its text and its URL, without the URL if the link is a
 * picture or the URL too long; a list item "- " or its number and its text; a picture its
 * alternative text; a row of a table a line, if its cells are lines. Broken HTML is read as
 * browsers do, as far as libxml2 can.
 *
 * Takes time linear in `len`. `steps` is what may be spent, HTML_MAX_STEPS at first; the function
 * subtracts what it spends. Returns false if it left out the rest: elements nest deeper than
 * HTML_MAX_DEPTH, no steps are left, or an allocation failed (`has_failed` of `out`).
 */
bool html_to_text(const char *html, size_t len, unsigned *steps, struct buffer *out);

#endif
