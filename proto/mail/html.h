/*
 * html: an HTML text -> what a person would have written for an SMS.
 *
 * Owns what of a page is seen (elements, links, pictures, what is hidden) and the bounds under
 * which it is parsed. Leaves the syntax to libxml2, which stays behind this header, white space
 * and line ends to html_flow, and the size of an input to its caller.
 * Thread: any, after html_init(). Pure.
 */
#ifndef PROTO_MAIL_HTML_H
#define PROTO_MAIL_HTML_H

#include "proto/buffer.h"

#include <stdbool.h>
#include <stddef.h>

/*
 * Within these the worst of 2,800 shapes of 256 KiB takes 7.4 ms of one core (libxml2 2.9.14, -O3):
 * 10,000 misplaced <body> in 126 open elements. Without them an end tag is compared with every open
 * element, an attribute with every other one of its element (50,000: seconds), an entity with every
 * name that there is, and an error costs a microsecond whether anybody reads it or not.
 */
enum {
    HTML_MAX_DEPTH = 128,     /* elements open at once */
    HTML_MAX_ATTRIBUTES = 50, /* of one element */
    HTML_MAX_ENTITIES = 6000, /* by name, those in attributes too */
    HTML_MAX_STEPS = 10000    /* elements, runs of text, comments, errors of syntax */
};

/* Makes libxml2 ready for threads. Once, before the first thread begins; mail_init() does. */
void html_init(void);

/* The URL of a link that is longer counts clicks, and is left out. */
enum { HTML_URL_MAX = 100 };

/*
 * Appends to `out` what a reader would see of `html`, which is UTF-8 whatever it says of itself:
 * valid UTF-8 without control characters but LF, without white space at its ends, with at most one
 * empty line in a row. A link is its text and its URL, unless it is a picture's or as long as those
 * that count clicks; an item of a list "- " or its number and its text, a picture its alternative
 * text; a row of a table is a line as far as its cells are.
 * Nothing is an error of syntax: broken HTML is read as browsers would, as far as libxml2 does.
 *
 * The time is linear in `len`. `steps` are those that may be spent, HTML_MAX_STEPS at first, and is
 * lowered by those that were.
 * Returns false where the rest was left out: elements are nested deeper than HTML_MAX_DEPTH, the steps
 * are spent, or memory is short (`has_failed` of `out` tells).
 */
bool html_to_text(const char *html, size_t len, unsigned *steps, struct buffer *out);

#endif
