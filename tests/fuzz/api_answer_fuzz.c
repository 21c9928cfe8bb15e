/*
 * Answers to a bulk whose truth is known (tests/support/api_answer.h): each message gets one outcome,
 * its own or UNKNOWN, never another's. Each byte decides one thing of the answer.
 */
#include "tests/support/api_answer.h"

#include <stdint.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

struct choices {
    const uint8_t *bytes;
    size_t left;
};

/* The next choice of `count`. */
static unsigned choose(struct choices *from, unsigned count)
{
    if (from->left == 0) {
        return 0;
    }
    from->left--;
    return *from->bytes++ % count;
}

static struct answer_plan choose_plan(struct choices *from)
{
    struct answer_plan plan = {.truth = {TRUTH_UNMENTIONED}};
    plan.entities_as = (enum answer_list)choose(from, LISTS);
    plan.errors_as = (enum answer_list)choose(from, LISTS);
    plan.name = (enum answer_name)choose(from, NAMES);
    plan.is_reversed = answer_is_certain(&plan) && choose(from, 2) == 1;
    for (size_t i = 0; i < ANSWER_MESSAGES; i++) {
        plan.truth[i] = (enum answer_truth)choose(from, TRUTHS);
    }
    plan.wrap = (enum answer_wrap)choose(from, WRAPS);
    plan.around = (enum answer_around)choose(from, AROUNDS);
    plan.damage = (enum answer_damage)choose(from, DAMAGES);
    plan.odd_entity = (enum answer_odd)choose(from, ODDS);
    plan.odd_error = (enum answer_odd)choose(from, ODDS);
    return plan;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    struct choices from = {bytes, size};
    struct answer_plan plan = choose_plan(&from);
    struct buffer body = BUFFER_EMPTY;
    struct api_item items[ANSWER_MESSAGES];
    answer_write(&plan, &body);
    if (!body.has_failed) {
        if (answer_plain_fault(body.data, body.len, answer_messages(), ANSWER_MESSAGES, NULL)) {
            abort();
        }
        api_json_read_bulk(body.data, body.len, answer_messages(), ANSWER_MESSAGES, items);
        for (size_t i = 0; i < ANSWER_MESSAGES; i++) {
            if (answer_fault(&plan, i, &items[i]) != NULL) {
                abort();
            }
            free(items[i].answer);
        }
    }
    buffer_free(&body);
    return 0;
}
