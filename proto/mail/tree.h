/*
 * tree: a mail, as it arrives -> the tree of its parts (RFC 2046).
 *
 * Owns lines and boundaries. Reads a mail of any size once, in bounded memory. Leaves headers to
 * head, bodies to part, the repair of broken structure to mend, and the choice of a text to pick.
 * Thread: any, one at a time. Pure.
 */
#ifndef PROTO_MAIL_TREE_H
#define PROTO_MAIL_TREE_H

#include "proto/buffer.h"
#include "proto/mail/head.h"
#include "proto/mail/part.h"
#include "proto/mail/value.h"

#include <stdbool.h>
#include <stddef.h>

/* A newsletter with all its pictures has 50 parts in 4 levels. */
enum { TREE_HEADERS_MAX = 2000, TREE_PARTS_MAX = 500, TREE_LEVELS_MAX = 32 };

enum { TREE_NONE = -1 };

/* A part: one with a body, or one that holds others. */
struct node {
    int parent, first, last, next; /* indexes of nodes; `first` and `last` are children */
    int depth;
    enum media media;
    bool is_attachment;
    bool has_begun; /* its boundary has occurred */
    bool is_read;   /* pick has used its text */
    struct buffer type, disposition, boundary;
    struct part part; /* of one that holds others: its source, until its boundary occurs */
};

enum tree_state { TREE_IN_HEAD, TREE_IN_BODY };

struct tree {
    struct head head;    /* the mail's own */
    struct buffer start; /* the lines that `head` borrows from */
    size_t start_len;    /* bytes of `start` that are headers */
    struct node *nodes;  /* the first one is the mail itself */
    int count, size;
    size_t headers, parts;
    bool is_too_complex; /* more headers, parts or levels than any real mail has */
    bool has_failed;     /* an allocation failed */

    /* The state of the reader: */
    enum tree_state state;
    enum head_place place;
    struct buffer block;         /* IN_HEAD: its lines so far */
    bool is_before;              /* IN_HEAD: no header among them yet */
    int parent;                  /* IN_HEAD: the node that the part belongs to */
    int node;                    /* IN_BODY: the node whose body this is */
    int levels[TREE_LEVELS_MAX]; /* nodes whose boundary may occur, the innermost last */
    size_t depth;                /* of `levels` */
    struct buffer line;          /* the start of a line whose end has not arrived */
    bool is_mid_line;            /* the next bytes continue a line that was too long to wait for */
    size_t crs;                  /* CRs at the end of the input: part of a line end, or line ends */
    size_t room, side_room; /* bytes left for texts, and for bodies that are text in need only */
    bool awaits_start;      /* the next head is that of the mail itself */
};

void tree_init(struct tree *tree);

/* Appends input, in any split. */
void tree_feed(struct tree *tree, const char *s, size_t len);

/* Ends the input. There is at least one node now, unless has_failed. */
void tree_end(struct tree *tree);

/*
 * Reads `source`, with LF line ends, as the content of a node: parts between lines of `boundary`,
 * or, if that is empty, one part that begins with headers. The caller has emptied the node before.
 */
void tree_read_within(struct tree *tree, int index, struct span source, struct span boundary,
                      enum head_place place);

void tree_free(struct tree *tree);

#endif
