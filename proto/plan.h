/*
 * plan: the numbering plans of the world, one for each calling code.
 *
 * Owns the facts: calling codes, the digits dialled before a national or an international number,
 * and how many digits a number has (ITU-T E.164, its list of assigned codes, and what
 * administrations report in the ITU's Operational Bulletin). What people write around the digits is
 * number's. Thread: any. Pure; allocates nothing.
 */
#ifndef PROTO_PLAN_H
#define PROTO_PLAN_H

#include <stdbool.h>
#include <stddef.h>

/* Digits behind a calling code: ITU-T E.164, 6.2.1, less one for the code. */
enum { NATIONAL_MAX_DIGITS = 14 };

struct plan;

/* How digits compare with a plan. */
enum plan_fit {
    PLAN_FITS,
    PLAN_TOO_SHORT,
    PLAN_TOO_LONG,
    PLAN_NO_MATCH /* no number in it begins with these digits */
};

/* Where digits come from: the prefixes that go with them differ. */
enum plan_side {
    PLAN_WITHIN, /* dialled within the country */
    PLAN_ABROAD  /* written behind the calling code */
};

/* A national (significant) number: what follows the calling code. */
struct national {
    char digits[NATIONAL_MAX_DIGITS + 1];
    /* Written without the trunk prefix that the plan has, and of a length that is not fixed: only if
     * it is known to be dialled within the country is it this number. */
    bool is_loose;
};

/* The plan whose calling code begins `digits`, and the length of that code; NULL = no such code. */
const struct plan *plan_find(const char *digits, size_t len, size_t *code_len);

/* Tells whether it is a country's, not that of satellites, freephone or the like. */
bool plan_is_national(const struct plan *plan);

/*
 * Reads a national number: takes it as it stands, or without a trunk prefix ("0", "8" in Russia,
 * "06" in Hungary) that it has in front. A zero that is part of the number (Italy, Ivory Coast)
 * stays. Fills `national` when it returns PLAN_FITS, and only then.
 */
enum plan_fit plan_read(const struct plan *plan, enum plan_side side, const char *digits,
                        size_t len, struct national *national);

/*
 * How many of the first digits are what the country dials before an international number, other
 * than "00" ("011" in North America); 0 = none.
 */
size_t plan_exit_prefix(const struct plan *plan, const char *digits, size_t len);

#endif
