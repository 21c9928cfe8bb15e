/* stats: the table behind the numbers. See the header. Thread: any. */
#include "gateway/stats.h"

#define STATS_ROW_(NAME, name, kind, help) {name, kind, help},
static const struct stats_row rows[STATS_COUNT] = {STATS_TABLE(STATS_ROW_)};
#undef STATS_ROW_

const struct stats_row *stats_row(enum stats_name which)
{
    return &rows[which];
}

const char *stats_kind_name(enum stats_kind kind)
{
    switch (kind) {
    case STATS_COUNTER:
        return "counter";
    case STATS_GAUGE:
        return "gauge";
    }
    return "unknown";
}

void stats_each(const struct stats *stats, void (*show)(const char *name, int64_t value, void *arg),
                void *arg)
{
    for (int which = 0; which < STATS_COUNT; which++) {
        enum stats_name name = (enum stats_name)which;
        show(rows[name].name, stats_get(stats, name), arg);
    }
}
