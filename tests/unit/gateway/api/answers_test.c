/* answers: every shape and every fault of a bulk's answer; tests/support/api_answer.h has them. */
#include "tests/support/api_answer.h"

#include <criterion/criterion.h>
#include <stdlib.h>

/* Reads the answer; returns how many messages it settles. */
static size_t check(const struct answer_plan *plan)
{
    struct buffer body = BUFFER_EMPTY;
    struct api_item items[ANSWER_MESSAGES];
    size_t settled = 0;
    answer_write(plan, &body);
    const char *plain =
        answer_plain_fault(body.data, body.len, answer_messages(), ANSWER_MESSAGES, NULL);
    cr_assert_null(plain, "%s: %.*s", plain, (int)body.len, body.data);
    api_json_read_bulk(body.data, body.len, answer_messages(), ANSWER_MESSAGES, items);
    for (size_t i = 0; i < ANSWER_MESSAGES; i++) {
        const char *fault = answer_fault(plan, i, &items[i]);
        cr_assert_null(fault, "message %zu: %s: %.*s", i, fault, (int)body.len, body.data);
        settled += items[i].outcome != API_ITEM_UNKNOWN;
        free(items[i].answer);
    }
    buffer_free(&body);
    return settled;
}

/* Sets the fates of all messages: a number to base 3. */
static void set_truths(struct answer_plan *plan, unsigned number)
{
    for (size_t i = 0; i < ANSWER_MESSAGES; i++, number /= TRUTHS) {
        plan->truth[i] = (enum answer_truth)(number % TRUTHS);
    }
}

enum { ALL_TRUTHS = 3 * 3 * 3 * 3 * 3 };

/* Each way to write lists and names, for all that can have become of the messages. */
Test(api_answers, shapes)
{
    size_t settled = 0, all = 0;
    for (unsigned shape = 0; shape < LISTS * LISTS * NAMES * 2; shape++) {
        struct answer_plan plan = {
            .entities_as = (enum answer_list)(shape % LISTS),
            .errors_as = (enum answer_list)(shape / LISTS % LISTS),
            .name = (enum answer_name)(shape / LISTS / LISTS % NAMES),
        };
        plan.truth[0] = TRUTH_UNMENTIONED;
        plan.is_reversed = shape / LISTS / LISTS / NAMES == 1 && answer_is_certain(&plan);
        for (unsigned truths = 0; truths < ALL_TRUTHS; truths++) {
            set_truths(&plan, truths);
            settled += check(&plan);
            all += ANSWER_MESSAGES;
        }
    }
    cr_log_info("%zu of %zu settled", settled, all);
}

static const char *const fates[] = {"00000", "00100", "11011", "11111", "02010", "20102"};
enum { FATES = sizeof fates / sizeof fates[0] };

/* What happens to the bytes changes nothing. */
Test(api_answers, faults)
{
    for (unsigned n = 0; n < LISTS * NAMES * AROUNDS * DAMAGES * WRAPS; n++) {
        struct answer_plan plan = {
            .entities_as = (enum answer_list)(n % LISTS),
            .errors_as = (enum answer_list)(n % LISTS),
            .name = (enum answer_name)(n / LISTS % NAMES),
            .around = (enum answer_around)(n / LISTS / NAMES % AROUNDS),
            .damage = (enum answer_damage)(n / LISTS / NAMES / AROUNDS % DAMAGES),
            .wrap = (enum answer_wrap)(n / LISTS / NAMES / AROUNDS / DAMAGES),
        };
        struct answer_plan clean = plan;
        clean.around = AROUND_NONE;
        clean.damage = DAMAGE_NONE;
        for (size_t k = 0; k < FATES; k++) {
            unsigned truths = (unsigned)strtoul(fates[k], NULL, 3);
            set_truths(&plan, truths);
            set_truths(&clean, truths);
            cr_assert_eq(check(&plan), check(&clean));
        }
    }
}

static size_t count_mentioned(const struct answer_plan *plan)
{
    size_t count = 0;
    for (size_t i = 0; i < ANSWER_MESSAGES; i++) {
        count += plan->truth[i] != TRUTH_UNMENTIONED;
    }
    return count;
}

/* One entry that says nothing spoils no other. */
Test(api_answers, odd_entries)
{
    for (unsigned n = 0; n < LISTS * LISTS * NAMES * ODDS * ODDS; n++) {
        struct answer_plan plan = {
            .entities_as = (enum answer_list)(n % LISTS),
            .errors_as = (enum answer_list)(n / LISTS % LISTS),
            .name = (enum answer_name)(n / LISTS / LISTS % NAMES),
        };
        bool is_certain = answer_is_certain(&plan);
        plan.odd_entity = (enum answer_odd)(n / LISTS / LISTS / NAMES % ODDS);
        plan.odd_error = (enum answer_odd)(n / LISTS / LISTS / NAMES / ODDS);
        for (size_t k = 0; k < FATES; k++) {
            set_truths(&plan, (unsigned)strtoul(fates[k], NULL, 3));
            size_t settled = check(&plan);
            cr_assert(!is_certain || settled + 2 >= count_mentioned(&plan));
        }
    }
}
