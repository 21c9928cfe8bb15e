/*
 * repairs: what reading a mail had to replace or leave out, counted for the log.
 */
#ifndef PROTO_MAIL_REPAIRS_H
#define PROTO_MAIL_REPAIRS_H

#include <stdbool.h>
#include <stddef.h>

enum { MAIL_LABEL_MAX = 31 };

/* All zero: nothing. */
struct mail_repairs {
    size_t replaced; /* bytes that are not valid in their charset: U+FFFD now */
    char
        charset[MAIL_LABEL_MAX + 1]; /* what the first such text is labelled, as the mail writes it;
                                       * "" = it has no label */
};

#endif
