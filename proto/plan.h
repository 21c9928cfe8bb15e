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
    bool is_loose; /* no trunk prefix where the plan has one, and no fixed length either: digits of
                      which only a wish to call within the country makes this number */
};

/* The plan whose calling code begins `digits`, and the length of that code; NULL = no such code. */
const struct plan *plan_find(const char *digits, size_t len, size_t *code_len);

/* Is it a country's? Other codes are those of satellites, freephone and the like. */
bool plan_is_national(const struct plan *plan);

/*
 * Reads a national number: takes it as it stands, or without a trunk prefix ("0", "8" in Russia,
 * "06" in Hungary) that it has in front. A zero that is part of the number (Italy, Ivory Coast)
 * stays. Fills `national` when it returns PLAN_FITS, and only then.
 */
enum plan_fit plan_read(const struct plan *plan, enum plan_side side, const char *digits,
                        size_t len, struct national *national);

/*
 * How many digits in front are dialled in that country, but for "00", before an international
 * number ("011" in North America); 0 = none.
 */
size_t plan_exit_prefix(const struct plan *plan, const char *digits, size_t len);

#endif
