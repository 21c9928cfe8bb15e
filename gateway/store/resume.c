/* resume: see resume.h. */
#include "gateway/store/resume.h"

#include "gateway/store/rows.h"

#include <string.h>

#define ANCHOR        "anchor"
#define RELAYED_SINCE "relayed_since"
#define HELD          "held"

bool store_resume_is_same(const struct store_resume *a, const struct store_resume *b)
{
    return strcmp(a->anchor, b->anchor) == 0 && a->relayed_since == b->relayed_since &&
           a->is_held == b->is_held;
}

bool store_resume_load(struct store_db *db, struct store_resume *resume)
{
    char held[sizeof "yes"];
    bool is_good = store_rows_value(db, ANCHOR, resume->anchor, sizeof resume->anchor) &&
                   store_rows_number(db, RELAYED_SINCE, &resume->relayed_since) &&
                   store_rows_value(db, HELD, held, sizeof held);
    resume->is_held = is_good && strcmp(held, "yes") == 0;
    return is_good;
}

bool store_resume_save(struct store_db *db, const struct store_resume *resume)
{
    return store_rows_set_value(db, ANCHOR, resume->anchor) &&
           store_rows_set_number(db, RELAYED_SINCE, resume->relayed_since) &&
           store_rows_set_value(db, HELD, resume->is_held ? "yes" : "no");
}
