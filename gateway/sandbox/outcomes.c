/* outcomes: see outcomes.h. */
#include "gateway/sandbox/outcomes.h"

#include <string.h>

enum { ENDING_DIGITS = 4 };

/* Four digits that begin with a 9: numbers that people make up for a trial seldom end that way. */
static const struct sandbox_outcome outcomes[] = {
    {"9001", "refused: field error on `to`", "cannot be reached", false, {{NULL, 0}}, NULL},
    {"9002", "accepted, report failed", NULL, false, {{"failed", 21}}, "failed"},
    {"9003", "accepted, report delivered, late", NULL, true, {{"delivered", 0}}, "delivered"},
    {"9004", "accepted, report stop (opt-out)", NULL, false, {{"stop", 0}}, "stop"},
    {"9005", "accepted, report expired", NULL, false, {{"expired", 0}}, "expired"},
    {"9006", "accepted, report error", NULL, false, {{"error", 30}}, "error"},
    {"9007", "accepted, report rejected", NULL, false, {{"rejected", 40}}, "rejected"},
    {"9008",
     "accepted, reports sent, buffered, delivered",
     NULL,
     false,
     {{"sent", 0}, {"buffered", 0}, {"delivered", 0}},
     "delivered"},
    {"9009", "accepted, never a report", NULL, false, {{NULL, 0}}, "accepted"},
    {"9010",
     "accepted, report delivered twice, then sent",
     NULL,
     false,
     {{"delivered", 0}, {"delivered", 0}, {"sent", 0}},
     "delivered"},
    {NULL, "accepted, report delivered", NULL, false, {{"delivered", 0}}, "delivered"},
};

const struct sandbox_outcome *sandbox_outcome_of(const char *to)
{
    const struct sandbox_outcome *outcome = outcomes;
    size_t len = to == NULL ? 0 : strlen(to);
    const char *ending = len < ENDING_DIGITS ? "" : to + len - ENDING_DIGITS;

    while (outcome->ending != NULL && strcmp(outcome->ending, ending) != 0) {
        outcome++;
    }
    return outcome;
}

void sandbox_outcomes_print(FILE *out)
{
    const struct sandbox_outcome *outcome = outcomes;

    fprintf(out, "The last digits of the recipient choose what becomes of a message:\n");
    for (; outcome->ending != NULL; outcome++) {
        fprintf(out, "  ...%s  %s\n", outcome->ending, outcome->meaning);
    }
    fprintf(out, "  others   %s\n", outcome->meaning);
}
