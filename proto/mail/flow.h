/*
 * flow: the lines of a page as they are written: white space collapsed, line ends where the
 * boxes of a browser would be, nothing that cannot be seen.
 *
 * Line ends, spaces and the marks of list items wait until something visible follows them: so a
 * text never begins or ends with them, and an empty item leaves nothing.
 * Knows nothing of elements. Thread: any, one at a time. Pure.
 */
#ifndef PROTO_MAIL_FLOW_H
#define PROTO_MAIL_FLOW_H

#include "proto/buffer.h"

#include <stdbool.h>
#include <stddef.h>

struct html_flow {
    struct buffer *out;
    size_t start;    /* of `out`: where the text begins */
    size_t lines;    /* ended so far, those before the first text too */
    unsigned breaks; /* line ends that wait: 2 = an empty line */
    unsigned spaces; /* that wait; more than one only in preformatted text */
    unsigned joiner; /* a character without width that waits for its right neighbour; 0 = none */
    char mark[16];   /* of a list item, waits too; "" = none */
    bool is_preformatted;
    bool is_cell_empty; /* a cell has begun that shows nothing yet: blocks in it begin no line */
    size_t shown_at;    /* where what flow_text() showed first begins, after what waited for it */
    bool has_shown;     /* since flow_text() was called */
};

/* Has anything been shown? */
bool flow_has_text(const struct html_flow *flow);

/*
 * Adds text (UTF-8). Returns true where it shows something: `shown_at` is then where that begins
 * in `out`, after the line ends, spaces and marks that waited for it.
 */
bool flow_text(struct html_flow *flow, const char *utf8, size_t len);

/* Adds visible bytes as they are, without a look at them: a URL. */
void flow_word(struct html_flow *flow, const char *bytes, size_t len);

/* What follows begins a line of its own. */
void flow_block(struct html_flow *flow);

/* Ends a line; a second one in a row makes an empty line. */
void flow_break(struct html_flow *flow);

/* What follows is apart from what was before by one space, on the same line. */
void flow_space(struct html_flow *flow);

#endif
