/*
 * number: who a message goes to and whom it is from.
 *
 * Owns the rules of proto/PROTOCOL.md "Numbers" and "Senders": what people write around the digits
 * of a telephone number, and which number they mean. What a country's numbers look like is plan's.
 * Knows nothing of lists of allowed senders or of recipients' aliases. Thread: any. Pure.
 */
#ifndef PROTO_NUMBER_H
#define PROTO_NUMBER_H

#include <stdbool.h>
#include <stddef.h>

enum {
    NUMBER_MIN_DIGITS = 7,                   /* +683 7012, on Niue */
    NUMBER_MAX_DIGITS = 15,                  /* ITU-T E.164, 6.2.1 */
    NUMBER_SIZE = 1 + NUMBER_MAX_DIGITS + 1, /* "+", digits, NUL */
    NUMBER_FAULT_SIZE = 100,
    SENDER_MAX_LETTERS = 11, /* an alphanumeric originating address, 3GPP TS 23.040, 9.1.2.5 */
    SENDER_MIN_DIGITS = 3,
    SENDER_SIZE = 1 + 15 + 1 /* the longer form and its NUL */
};

/*
 * Reads a telephone number as people write it and gives its E.164 form ("+34600000000").
 *
 * Spaces, dots, dashes, slashes and brackets go, also those of Unicode and characters that cannot be
 * seen; digits of other scripts count as digits, and so does a "tel:" in front as nothing. "+" or
 * "00" in front means international, and so does what `country_code`'s country dials for it ("011").
 * Without them, with `country_code` set (a calling code, digits only, "34"; NULL or "" = none), the
 * number is national; it is taken as international only where it begins with `country_code` and
 * would be too long without. With no `country_code`, its digits are international.
 *
 * A number must be as long as its country's are (proto/plan.h) and mean one number only.
 * Returns true and fills `e164`; else false, and `e164` is "".
 */
bool number_parse(const char *s, size_t len, const char *country_code, char e164[NUMBER_SIZE]);

/* Tells whether a country has this calling code, so that it can be a `country_code`. */
bool number_country_is_known(const char *code);

/*
 * Says in printable ASCII why number_parse refuses the same arguments: "too short for +34". Tells
 * no more of a number than how it begins, so it may be logged. "" for a word without digits.
 */
void number_explain(const char *s, size_t len, const char *country_code,
                    char fault[NUMBER_FAULT_SIZE]);

/*
 * Tells whether `s` can be a sender: 1 to 11 of letters, digits, space and `.-_&` with at least
 * one letter, or 3 to 15 digits (a "+" before the digits is allowed).
 */
bool sender_is_valid(const char *s, size_t len);

#endif
