/* outbox: each consumer gets every notice once, in order; acknowledged ones go; the bound holds. */
#include "gateway/notify/outbox.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct stats stats;
static struct outbox *o;
static uint64_t base;
static int wakes[OUTBOX_CONSUMERS], progress_calls;

static void on_wake(void *arg)
{
    ++*(int *)arg;
}

static void setup_with(size_t max, bool has_program)
{
    memset(&stats, 0, sizeof stats);
    memset(wakes, 0, sizeof wakes);
    progress_calls = 0;
    o = outbox_new(max, &stats);
    cr_assert_not_null(o);
    outbox_join(o, OUTBOX_WEBHOOK, on_wake, &wakes[OUTBOX_WEBHOOK]);
    if (has_program) {
        outbox_join(o, OUTBOX_PROGRAM, on_wake, &wakes[OUTBOX_PROGRAM]);
    }
    outbox_set_keeper(o, on_wake, &progress_calls);
    base = outbox_next_number(o);
}

static void setup(void)
{
    setup_with(100, true);
}

static void teardown(void)
{
    outbox_free(o);
}

static void append_sized(int count, size_t len)
{
    char *json = calloc(1, len + 1);
    struct notices notices = STAILQ_HEAD_INITIALIZER(notices);
    memset(json, 'x', len);
    for (int i = 0; i < count; i++) {
        struct notice *notice = notice_copy(outbox_next_number(o), json, len);
        STAILQ_INSERT_TAIL(&notices, notice, entry);
    }
    outbox_append(o, &notices);
    cr_expect(STAILQ_EMPTY(&notices));
    free(json);
}

static void append(int count)
{
    append_sized(count, 2);
}

/* What a consumer got: the numbers, from the first one on. */
struct seen {
    size_t count, room;
    uint64_t first, last;
    bool is_in_order;
};

static bool see(void *arg, const struct notice *notice)
{
    struct seen *seen = arg;
    if (seen->count == seen->room) {
        return false;
    }
    seen->first = seen->count == 0 ? notice->number : seen->first;
    seen->is_in_order = seen->is_in_order && (seen->count == 0 || notice->number == seen->last + 1);
    seen->last = notice->number;
    seen->count++;
    return true;
}

static struct seen take(enum outbox_consumer consumer, size_t max)
{
    struct seen seen = {.room = SIZE_MAX, .is_in_order = true};
    cr_expect_eq(outbox_take(o, consumer, max, see, &seen), seen.count);
    cr_expect(seen.is_in_order);
    return seen;
}

static void tell(enum outbox_consumer consumer, struct seen seen)
{
    outbox_acknowledge(o, consumer, seen.last, seen.count);
}

Test(outbox, each_consumer_is_given_all_at_its_own_pace, .init = setup, .fini = teardown)
{
    append(5);
    struct seen first = take(OUTBOX_WEBHOOK, 3), second = take(OUTBOX_WEBHOOK, 3);
    cr_expect_eq(first.count, 3);
    cr_expect_eq(first.first, base + 1);
    cr_expect_eq(second.count, 2);
    cr_expect_eq(second.first, base + 4);
    cr_expect_eq(take(OUTBOX_WEBHOOK, 3).count, 0);
    tell(OUTBOX_WEBHOOK, first);
    tell(OUTBOX_WEBHOOK, second);
    cr_expect_eq(outbox_count(o), 5, "the program has none yet");
    struct seen all = take(OUTBOX_PROGRAM, SIZE_MAX);
    cr_expect_eq(all.count, 5);
    cr_expect_eq(outbox_count(o), 5, "taken is not told");
    tell(OUTBOX_PROGRAM, all);
    cr_expect_eq(outbox_count(o), 0);
    cr_expect_eq(stats_get(&stats, STAT_CHANGES_TOLD_WEBHOOK), 5);
    cr_expect_eq(stats_get(&stats, STAT_CHANGES_TOLD_EXEC), 5);
    cr_expect_eq(stats_get(&stats, STAT_CHANGES_WAITING), 0);
}

Test(outbox, what_is_refused_stays, .init = setup, .fini = teardown)
{
    struct seen seen = {.room = 2, .is_in_order = true};
    append(3);
    cr_expect_eq(outbox_take(o, OUTBOX_WEBHOOK, 10, see, &seen), 2);
    cr_expect_eq(take(OUTBOX_WEBHOOK, 10).first, base + 3);
}

/* Woken once when it got nothing, and not while it has something to do. */
Test(outbox, wakes, .init = setup, .fini = teardown)
{
    append(1);
    cr_expect_eq(wakes[OUTBOX_WEBHOOK], 0, "it has not asked");
    take(OUTBOX_WEBHOOK, 10);
    append(1);
    cr_expect_eq(wakes[OUTBOX_WEBHOOK], 0, "it does not wait");
    take(OUTBOX_WEBHOOK, 10);
    take(OUTBOX_WEBHOOK, 10);
    append(1);
    append(1);
    cr_expect_eq(wakes[OUTBOX_WEBHOOK], 1);
    cr_expect_eq(wakes[OUTBOX_PROGRAM], 0);
}

Test(outbox, the_oldest_are_dropped, .init = setup, .fini = teardown)
{
    struct outbox_progress progress;
    append(100);
    struct seen under_way = take(OUTBOX_WEBHOOK, 10);
    append(25);
    cr_expect_eq(outbox_count(o), 100);
    cr_expect_eq(stats_get(&stats, STAT_CHANGES_DROPPED), 15 + 25, "of both, but for the taken");
    outbox_progress(o, &progress);
    cr_expect_eq(progress.gone, base + 25);
    cr_expect_eq(take(OUTBOX_WEBHOOK, 200).first, base + 26);
    cr_expect_eq(take(OUTBOX_PROGRAM, 200).first, base + 26);
    tell(OUTBOX_WEBHOOK, under_way);
    cr_expect_eq(outbox_count(o), 100, "what is told late does not move others");
    cr_expect_gt(progress_calls, 0);
}

Test(outbox, more_at_once_than_it_holds, .init = setup, .fini = teardown)
{
    append(350);
    struct seen seen = take(OUTBOX_WEBHOOK, 1000);
    cr_expect_eq(seen.count, 100);
    cr_expect_eq(seen.last, base + 350);
}

Test(outbox, bytes_are_bounded_too, .init = setup, .fini = teardown)
{
    append_sized(20, 10 * 1024);
    cr_expect_eq(outbox_count(o), 10);
}

Test(outbox, goes_on_where_an_earlier_run_was)
{
    struct outbox_progress progress;
    setup_with(100, true);
    uint64_t later = base + 1000000000;
    outbox_resume(o, &(struct outbox_progress){.acknowledged = {[OUTBOX_WEBHOOK] = later + 1}});
    cr_expect_eq(outbox_next_number(o), later + 2, "also when the clock was set back");
    struct notices stored = STAILQ_HEAD_INITIALIZER(stored);
    for (uint64_t i = 0; i < 5; i++) {
        struct notice *notice = notice_copy(later + i, "{}", 2);
        STAILQ_INSERT_TAIL(&stored, notice, entry);
    }
    outbox_append(o, &stored);
    cr_expect_eq(outbox_next_number(o), later + 5);
    cr_expect_eq(take(OUTBOX_WEBHOOK, 10).first, later + 2);
    struct seen all = take(OUTBOX_PROGRAM, 10);
    cr_expect_eq(all.first, later);
    tell(OUTBOX_PROGRAM, all);
    outbox_progress(o, &progress);
    cr_expect_eq(progress.gone, later + 1, "the webhook does not have the rest");
    teardown();
}

/* What an earlier run left for a program is not kept once that program is gone. */
Test(outbox, nobody_is_waited_for_who_is_not_there)
{
    struct outbox_progress progress;
    setup_with(100, false);
    struct notices stored = STAILQ_HEAD_INITIALIZER(stored);
    for (uint64_t i = 1; i <= 5; i++) {
        struct notice *notice = notice_copy(base + i, "{}", 2);
        STAILQ_INSERT_TAIL(&stored, notice, entry);
    }
    outbox_resume(o, &(struct outbox_progress){.acknowledged = {[OUTBOX_WEBHOOK] = base + 3}});
    outbox_append(o, &stored);
    cr_expect_eq(outbox_count(o), 2);
    cr_expect_eq(progress_calls, 1, "so that they leave the file, too");
    outbox_progress(o, &progress);
    cr_expect_eq(progress.gone, base + 3);
    cr_expect_eq(progress.steps, 3);
    cr_expect_eq(take(OUTBOX_WEBHOOK, 10).first, base + 4);
    teardown();
}

Test(outbox, one_consumer_alone)
{
    setup_with(100, false);
    append(3);
    tell(OUTBOX_WEBHOOK, take(OUTBOX_WEBHOOK, 10));
    cr_expect_eq(outbox_count(o), 0);
    teardown();
}
