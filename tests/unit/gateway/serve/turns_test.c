/* turns: who is served next, and how time is shared among those that always want more. */
#include "gateway/serve/turns.h"

#include <criterion/criterion.h>

enum { MANY = 100, SLICE_US = 200 };

static void serve_first(struct turn_line *line, uint64_t cost)
{
    struct turn *turn = turn_line_first(line);
    turn_line_take(line, turn);
    turn_line_charge(line, turn, cost);
}

Test(turns, nobody_waits)
{
    struct turn_line line = {0};
    struct turn turn = {0};
    cr_assert_null(turn_line_first(&line));
    turn_line_take(&line, &turn);
    turn_line_free(&line);
}

Test(turns, those_that_come_together_are_served_as_they_came)
{
    struct turn_line line = {0};
    struct turn turns[MANY] = {0};
    cr_assert(turn_line_reserve(&line, MANY));
    for (size_t i = 0; i < MANY; i++) {
        turn_line_add(&line, &turns[i]);
        turn_line_add(&line, &turns[0]); /* keeps its place */
    }
    for (size_t i = 0; i < MANY; i++) {
        cr_assert_eq(turn_line_first(&line), &turns[i]);
        serve_first(&line, MANY - i);
    }
    cr_assert_null(turn_line_first(&line));
    turn_line_free(&line);
}

Test(turns, one_that_asks_little_is_served_before_all_that_ask_much)
{
    struct turn_line line = {.now = 10000};
    struct turn greedy[MANY];
    struct turn modest = {0};
    cr_assert(turn_line_reserve(&line, MANY + 1));
    for (size_t i = 0; i < MANY; i++) {
        turn_line_enter(&line, &greedy[i]);
        turn_line_add(&line, &greedy[i]);
    }
    for (int round = 0; round < 5 * MANY; round++) {
        struct turn *turn = turn_line_first(&line);
        serve_first(&line, SLICE_US + (uint64_t)round * 37 % 53);
        turn_line_add(&line, turn);
        if (round % 7 == 0) {
            turn_line_add(&line, &modest);
            cr_assert_eq(turn_line_first(&line), &modest, "round %d", round);
            serve_first(&line, 2);
        }
    }
    turn_line_free(&line);
}

Test(turns, time_is_shared_alike_however_long_the_slices_are)
{
    struct turn_line line = {0};
    struct turn turns[3] = {0};
    static const uint64_t slices[] = {10, 100, 250};
    uint64_t served[3] = {0};
    cr_assert(turn_line_reserve(&line, 3));
    for (size_t i = 0; i < 3; i++) {
        turn_line_add(&line, &turns[i]);
    }
    for (int round = 0; round < 10000; round++) {
        size_t i = (size_t)(turn_line_first(&line) - turns);
        serve_first(&line, slices[i]);
        served[i] += slices[i];
        turn_line_add(&line, &turns[i]);
    }
    for (size_t i = 1; i < 3; i++) {
        cr_expect_leq(served[i], served[0] + 500);
        cr_expect_geq(served[i] + 500, served[0]);
    }
    turn_line_free(&line);
}

Test(turns, idling_saves_a_little_up)
{
    struct turn_line line = {0};
    struct turn busy = {0};
    struct turn idle = {0};
    cr_assert(turn_line_reserve(&line, 2));
    turn_line_add(&line, &idle);
    serve_first(&line, 1);
    for (int i = 0; i < 1000; i++) {
        turn_line_add(&line, &busy);
        serve_first(&line, SLICE_US);
    }
    turn_line_add(&line, &busy);
    turn_line_add(&line, &idle);
    cr_assert_eq(turn_line_first(&line), &idle);
    serve_first(&line, 6 * SLICE_US);
    turn_line_add(&line, &idle);
    cr_assert_eq(turn_line_first(&line), &busy);
    turn_line_free(&line);
}

Test(turns, one_may_leave_from_any_place)
{
    struct turn_line line = {0};
    struct turn turns[MANY] = {0};
    cr_assert(turn_line_reserve(&line, MANY));
    for (size_t i = 0; i < MANY; i++) {
        turns[i].used = i * 37 % MANY;
        turn_line_add(&line, &turns[i]);
    }
    for (size_t i = 0; i < MANY; i += 2) {
        turn_line_take(&line, &turns[i]);
        cr_assert_eq(turns[i].place, 0);
    }
    uint64_t last = 0;
    for (size_t left = MANY / 2; left > 0; left--) {
        struct turn *turn = turn_line_first(&line);
        cr_assert_geq(turn->used, last);
        cr_assert_eq((turn - turns) % 2, 1);
        last = turn->used;
        turn_line_take(&line, turn);
    }
    cr_assert_null(turn_line_first(&line));
    turn_line_free(&line);
}
