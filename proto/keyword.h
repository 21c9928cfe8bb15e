/*
 * keyword: is a text nothing but a certain word, as a person would say?
 *
 * Leaves to others which words there are and what follows. Thread: any. Pure.
 */
#ifndef PROTO_KEYWORD_H
#define PROTO_KEYWORD_H

#include <stdbool.h>
#include <stddef.h>

/*
 * Is a text (UTF-8, NUL-terminated) just one of these words? Case, accents and width do not count,
 * nor does anything around it that is neither letter nor digit: "[Stop!]" is STOP, "arrêt" is ARRET.
 * One U+FFFD may stand for any letter, for it was one before somebody took it for the wrong charset.
 * Allocates nothing.
 */
bool keyword_is_one_of(const char *text, const char *const *words, size_t count);

#endif
