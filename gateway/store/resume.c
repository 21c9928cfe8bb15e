/* resume: see resume.h. */
#include "gateway/store/resume.h"

#include "gateway/store/rows.h"

#include <string.h>

#define ANCHOR        "anchor"
#define RELAYED_SINCE "relayed_since"
#define DEEP          "anchor_is_deep"
#define HELD          "held"

bool store_resume_is_same(const struct store_resume *a, const struct store_resume *b)
{
    return strcmp(a->anchor, b->anchor) == 0 && a->relayed_since == b->relayed_since &&
           a->is_deep == b->is_deep && a->is_held == b->is_held;
}

static bool load_flag(struct store_db *db, const char *name, bool *is_set)
{
    char value[sizeof "yes"];
    bool is_good = store_rows_value(db, name, value, sizeof value);
    *is_set = is_good && strcmp(value, "yes") == 0;
    return is_good;
}

static bool save_flag(struct store_db *db, const char *name, bool is_set)
{
    return store_rows_set_value(db, name, is_set ? "yes" : "no");
}

bool store_resume_load(struct store_db *db, struct store_resume *resume)
{
    return store_rows_value(db, ANCHOR, resume->anchor, sizeof resume->anchor) &&
           store_rows_number(db, RELAYED_SINCE, &resume->relayed_since) &&
           load_flag(db, DEEP, &resume->is_deep) && load_flag(db, HELD, &resume->is_held);
}

bool store_resume_save(struct store_db *db, const struct store_resume *resume)
{
    return store_rows_set_value(db, ANCHOR, resume->anchor) &&
           store_rows_set_number(db, RELAYED_SINCE, resume->relayed_since) &&
           save_flag(db, DEEP, resume->is_deep) && save_flag(db, HELD, resume->is_held);
}
