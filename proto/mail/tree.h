/*
 * tree: a mail as it arrives -> its parts (RFC 2046).
 *
 * Owns lines, boundaries, and the tree that they make: in one pass, in bounded memory, however large
 * the mail is. Leaves headers to head, bodies to part, what is written wrongly to mend, and the choice
 * among the parts to pick.
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
    int parent, first, last, next; /* nodes by their index; TREE_NONE = there is none */
    int depth;
    enum media media;
    bool is_attachment;
    bool has_begun; /* its boundary has been met */
    bool is_read;   /* pick's: it is in the text */
    struct buffer type, disposition, boundary;
    struct part part; /* of one that holds others: its source, until that has begun */
};

/* What the next line is. */
enum tree_state { TREE_IN_HEAD, TREE_IN_BODY };

/* All zero but for tree_init's. */
struct tree {
    struct head head;    /* the mail's own */
    struct buffer start; /* what `head` borrows from, */
    size_t start_len;    /* and how much of that the headers are */
    struct node *nodes;  /* the first is the mail itself */
    int count, size;
    size_t headers, parts;
    bool is_too_complex; /* more headers, parts or levels than any real mail has */
    bool has_failed;     /* an allocation did */

    /* Of reading: */
    enum tree_state state;
    enum head_place place;
    struct buffer block;         /* IN_HEAD: the lines so far */
    bool is_before;              /* IN_HEAD: none of them is a header yet */
    int parent;                  /* IN_HEAD: of the part that it is the head of */
    int node;                    /* IN_BODY: whose body it is */
    int levels[TREE_LEVELS_MAX]; /* parts whose boundaries may come */
    size_t depth;
    struct buffer line;     /* the start of one that has not arrived whole */
    bool is_mid_line;       /* what comes goes on with a line that was too long to wait for */
    size_t crs;             /* CRs that may belong to a line end */
    size_t room, side_room; /* for texts, and for what is text only where there is no other */
    bool awaits_start;      /* the next head is the mail's own */
};

void tree_init(struct tree *tree);

/* Takes in what has arrived. */
void tree_feed(struct tree *tree, const char *s, size_t len);

/* The mail has ended: there is at least one node. */
void tree_end(struct tree *tree);

/*
 * Reads `source`, whose lines end in LF, as what is within a node: parts between `boundary`, or, where
 * that is empty, one that begins with headers. The caller has taken what the node held.
 */
void tree_read_within(struct tree *tree, int index, struct span source, struct span boundary,
                      enum head_place place);

void tree_free(struct tree *tree);

#endif
