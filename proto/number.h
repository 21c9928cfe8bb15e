/*
 * number: who a message goes to and whom it is from.
 *
 * Owns the rules of proto/PROTOCOL.md "Numbers" and "Senders"; knows nothing of lists of allowed
 * senders or of recipients' aliases. Thread: any. Pure.
 */
#ifndef PROTO_NUMBER_H
#define PROTO_NUMBER_H

#include <stdbool.h>
#include <stddef.h>

enum {
    NUMBER_MIN_DIGITS = 8,
    NUMBER_MAX_DIGITS = 15,                  /* ITU-T E.164, 6.2.1 */
    NUMBER_SIZE = 1 + NUMBER_MAX_DIGITS + 1, /* "+", digits, NUL */
    SENDER_MAX_LETTERS = 11, /* an alphanumeric originating address, 3GPP TS 23.040, 9.1.2.5 */
    SENDER_MIN_DIGITS = 3,
    SENDER_SIZE = 1 + 15 + 1 /* the longer form and its NUL */
};

/*
 * Reads a telephone number as people write it and gives its E.164 form ("+34600000000").
 * Spaces, dots, dashes, slashes and brackets are dropped; "+" or "00" in front means
 * international; without them, with `country_code` set (a calling code, digits only, "34"; NULL or
 * "" = none), the number is national: one leading "0" goes, the code is put before it. Without a
 * code its digits are taken as international. In an international number a "(0)" behind the
 * calling code goes too ("+44 (0)20 ..."): it is dialled within the country only.
 *
 * Returns true and fills `e164`; false where the result does not have 8 to 15 digits or begins
 * with a "0" (no calling code does), or where something else stands in it (`e164` is then "").
 */
bool number_parse(const char *s, size_t len, const char *country_code, char e164[NUMBER_SIZE]);

/*
 * Tells whether `s` can be a sender: 1 to 11 of letters, digits, space and `.-_&` with at least
 * one letter, or 3 to 15 digits (a "+" before the digits is allowed).
 */
bool sender_is_valid(const char *s, size_t len);

#endif
