/*
 * mend: a mail whose structure is written wrongly -> the tree that was meant.
 *
 * Owns the guesses: at a boundary that does not occur, and at headers and parts in what was taken for
 * text. Leaves the reading to tree.
 * Thread: any. Pure.
 */
#ifndef PROTO_MAIL_MEND_H
#define PROTO_MAIL_MEND_H

#include "proto/mail/tree.h"

/* Looks at every part of a mail that has ended, and reads again what is not what it seemed. */
void mend_tree(struct tree *tree);

#endif
