/* Tests of stats: what a reader of STATS or of the metrics sees. */
#include "gateway/stats.h"

#include <criterion/criterion.h>
#include <ctype.h>
#include <pthread.h>
#include <string.h>

static bool is_metric_name(const char *name)
{
    size_t len = strspn(name, "abcdefghijklmnopqrstuvwxyz_");
    return len > 0 && name[len] == '\0';
}

static bool ends_in_total(const char *name)
{
    size_t len = strlen(name);
    return len > 6 && strcmp(name + len - 6, "_total") == 0;
}

Test(stats, names_follow_the_conventions_of_metrics)
{
    for (int i = 0; i < STATS_COUNT; i++) {
        const struct stats_row *row = stats_row((enum stats_name)i);
        cr_expect(is_metric_name(row->name), "%s", row->name);
        cr_expect_eq(ends_in_total(row->name), row->kind == STATS_COUNTER, "%s", row->name);
        cr_expect(islower((unsigned char)row->help[0]), "%s", row->name);
        cr_expect_null(strchr(row->help, '\n'), "%s", row->name);
        for (int j = 0; j < i; j++) {
            cr_expect_str_neq(row->name, stats_row((enum stats_name)j)->name);
        }
    }
    cr_expect_str_eq(stats_kind_name(STATS_COUNTER), "counter");
    cr_expect_str_eq(stats_kind_name(STATS_GAUGE), "gauge");
}

struct seen {
    int count;
    int64_t relayed, connections, sum;
};

static void see(const char *name, int64_t value, void *arg)
{
    struct seen *seen = arg;
    seen->count++;
    seen->sum += value;
    if (strcmp(name, "messages_relayed_total") == 0) {
        seen->relayed = value;
    }
    if (strcmp(name, "connections") == 0) {
        seen->connections = value;
    }
}

Test(stats, each_number_is_shown_once_with_its_name)
{
    static struct stats stats;
    struct seen seen = {0};
    stats_each(&stats, see, &seen);
    cr_expect_eq(seen.count, STATS_COUNT);
    cr_expect_eq(seen.sum, 0);

    stats_add(&stats, STAT_MESSAGES_RELAYED, 100);
    stats_add(&stats, STAT_MESSAGES_RELAYED, 1);
    stats_set(&stats, STAT_CONNECTIONS, 7);
    stats_add(&stats, STAT_CONNECTIONS, -2);
    seen = (struct seen){0};
    stats_each(&stats, see, &seen);
    cr_expect_eq(seen.relayed, 101);
    cr_expect_eq(seen.connections, 5);
    cr_expect_eq(seen.sum, 106);
}

static void *add_often(void *arg)
{
    for (int i = 0; i < 10000; i++) {
        stats_add(arg, STAT_COMMANDS, 1);
    }
    return NULL;
}

Test(stats, threads_lose_no_count)
{
    static struct stats stats;
    pthread_t threads[4];
    for (int i = 0; i < 4; i++) {
        pthread_create(&threads[i], NULL, add_often, &stats);
    }
    for (int i = 0; i < 4; i++) {
        pthread_join(threads[i], NULL);
    }
    cr_expect_eq(stats_get(&stats, STAT_COMMANDS), 40000);
}
