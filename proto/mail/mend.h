/*
 * mend: the tree of a mail with broken structure -> the tree that was meant.
 *
 * Owns the guesses: a boundary that never occurs, and headers and parts that were read as text.
 * Leaves reading them to tree. Thread: any. Pure.
 */
#ifndef PROTO_MAIL_MEND_H
#define PROTO_MAIL_MEND_H

#include "proto/mail/tree.h"

/* Reads again the parts that are not what they seemed. Call it after tree_end. */
void mend_tree(struct tree *tree);

#endif
