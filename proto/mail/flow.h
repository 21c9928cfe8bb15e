/*
 * flow: writes the lines of a page: white space collapsed, a line end where a browser begins a new
 * box, nothing invisible.
 *
 * Line ends, spaces and marks of list items wait until something visible follows. So a text neither
 * begins nor ends with them, and an empty item leaves nothing.
 * Knows no elements. Thread: any, one at a time. Pure.
 */
#ifndef PROTO_MAIL_FLOW_H
#define PROTO_MAIL_FLOW_H

#include "proto/buffer.h"

#include <stdbool.h>
#include <stddef.h>

struct html_flow {
    struct buffer *out;
    size_t start;    /* where the text begins in `out` */
    size_t lines;    /* ended so far, including those before the first text */
    unsigned breaks; /* waiting line ends; 2 = an empty line */
    unsigned spaces; /* waiting; more than one only in preformatted text */
    unsigned joiner; /* a waiting character without width; 0 = none */
    char mark[16];   /* the waiting mark of a list item; "" = none */
    bool is_preformatted;
    bool is_cell_empty; /* within a cell that shows nothing yet: blocks begin no line */
    size_t shown_at;    /* where the first visible output of flow_text() begins */
    bool has_shown;     /* flow_text() has shown something */
};

/* Is there any text so far? */
bool flow_has_text(const struct html_flow *flow);

/*
 * Adds text (UTF-8). Returns true if any of it is visible; `shown_at` is where that begins in
 * `out`, after the line ends, spaces and marks that had been waiting.
 */
bool flow_text(struct html_flow *flow, const char *utf8, size_t len);

/* Adds visible bytes unchanged, such as a URL. */
void flow_word(struct html_flow *flow, const char *bytes, size_t len);

/* Makes what follows begin a new line. */
void flow_block(struct html_flow *flow);

/* Ends a line; a second call in a row makes an empty line. */
void flow_break(struct html_flow *flow);

/* Separates what follows by one space, on the same line. */
void flow_space(struct html_flow *flow);

#endif
