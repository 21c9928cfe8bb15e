/* Tests of the sandbox: windows, faults, items, outcomes, the store. */
#include "gateway/sandbox/faults.h"
#include "gateway/sandbox/item.h"
#include "gateway/sandbox/outcomes.h"
#include "gateway/sandbox/store.h"
#include "gateway/sandbox/window.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

Test(sandbox_window, counts_to_the_limit_and_opens_again)
{
    struct sandbox_window window = {0, 0};

    cr_assert(sandbox_window_take(&window, 10500, 2, 2000));
    cr_assert_eq(sandbox_window_remaining(&window, 10500, 2), 1);
    cr_assert(sandbox_window_take(&window, 12499, 2, 2000));
    cr_assert_not(sandbox_window_take(&window, 12499, 2, 2000), "the third in one window");
    cr_assert_eq(sandbox_window_reset_s(&window, 12499, 2000), 12, "12.5 s, cut off");
    cr_assert_eq(sandbox_window_remaining(&window, 12500, 2), 2, "it has ended");
    cr_assert(sandbox_window_take(&window, 12500, 2, 2000));
    cr_assert_eq(sandbox_window_reset_s(&window, 12500, 2000), 14);
}

Test(sandbox_window, reset_of_a_window_that_is_not_open_is_that_of_one_opened_now)
{
    struct sandbox_window window = {0, 0};

    cr_assert_eq(sandbox_window_reset_s(&window, 10000, 60000), 70);
    cr_assert_eq(sandbox_window_remaining(&window, 10000, 0), 0);
}

static void add_faults(struct sandbox_faults *faults, const char *text)
{
    json_t *value = json_loads(text, 0, NULL);
    json_t *indexes = json_array();

    cr_assert_not_null(value, "%s", text);
    cr_assert_null(sandbox_faults_add(faults, value, indexes), "%s", text);
    json_decref(indexes);
    json_decref(value);
}

Test(sandbox_faults, messages_are_taken_where_the_usual_answer_goes_out)
{
    static const struct {
        const char *fault;
        bool accepts;
    } table[] = {
        {"{}", true},
        {"{\"hang_ms\":5}", true},
        {"{\"no_rate_headers\":true}", true},
        {"{\"rate\":{\"limit\":1}}", true},
        {"{\"headers\":{\"A\":\"b\"}}", true},
        {"{\"status\":500}", false},
        {"{\"body\":\"x\"}", false},
        {"{\"drop\":true}", false},
        {"{\"truncate\":0}", false},
        {"{\"hang_ms\":-1}", false},
        {"{\"close_idle\":true}", false},
        {"{\"status\":500,\"accept\":true}", true},
        {"{\"accept\":false}", false},
    };

    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        struct sandbox_faults faults = {0};
        const struct sandbox_fault *fault;

        add_faults(&faults, table[i].fault);
        fault = sandbox_faults_match(&faults, SANDBOX_CALL_SINGLE, NULL, 0);
        cr_assert_not_null(fault, "%s", table[i].fault);
        cr_assert_eq(fault->accept, table[i].accepts, "%s", table[i].fault);
        cr_assert_null(sandbox_faults_match(&faults, SANDBOX_CALL_SINGLE, NULL, 0), "%s is used up",
                       table[i].fault);
        sandbox_faults_clear(&faults);
    }
}

/* The index of the fault that strikes, -1 for none. */
static int64_t strike(struct sandbox_faults *faults, enum sandbox_call call, const char *body)
{
    const struct sandbox_fault *fault = sandbox_faults_match(faults, call, body, strlen(body));

    return fault == NULL ? -1 : fault->index;
}

Test(sandbox_faults, first_match_strikes_and_is_used_up)
{
    struct sandbox_faults faults = {0};

    add_faults(&faults, "[{\"on\":\"bulk\",\"skip\":1,\"count\":2}, {\"on\":\"history\"},"
                        " {\"containing\":\"poison\",\"count\":-1}, {\"on\":\"any\"}]");
    cr_assert_eq(strike(&faults, SANDBOX_CALL_BULK, "poison"), 2, "the first skips one");
    cr_assert_eq(strike(&faults, SANDBOX_CALL_BULK, "poison"), 0);
    cr_assert_eq(strike(&faults, SANDBOX_CALL_ONE, ""), 3);
    cr_assert_eq(strike(&faults, SANDBOX_CALL_SINGLE, "poiso"), -1);
    cr_assert_eq(strike(&faults, SANDBOX_CALL_SINGLE, "a poison"), 2);
    cr_assert_eq(strike(&faults, SANDBOX_CALL_BULK, ""), 0);
    cr_assert_eq(strike(&faults, SANDBOX_CALL_BULK, ""), -1);
    cr_assert_eq(strike(&faults, SANDBOX_CALL_HISTORY, ""), 1);
    cr_assert_eq(strike(&faults, SANDBOX_CALL_HISTORY, ""), -1);
    sandbox_faults_clear(&faults);
    cr_assert_eq(strike(&faults, SANDBOX_CALL_SINGLE, "a poison"), -1);
}

Test(sandbox_item, names_each_wrong_field)
{
    static const struct {
        const char *item, *reason;
    } table[] = {
        {"{\"from\":\"A\",\"to\":\"+34600000000\",\"text\":\"x\"}", NULL},
        {"{\"from\":\"A\",\"to\":\"34600000000\",\"text\":\"x\"}",
         "to: is not a number in E.164 form"},
        {"{\"from\":\"A\",\"to\":\"+34600000000\"}", "text: is missing"},
        {"{\"from\":\"A\",\"to\":\"+34600000000\",\"text\":\"\",\"clientId\":7}",
         "clientId: is not a string; text: is empty"},
        {"{\"from\":\"A\",\"to\":\"+34600000000\",\"text\":\"x\",\"allowUnicode\":1}",
         "allowUnicode: is not a boolean"},
        {"{\"from\":\"A\",\"to\":\"+34600000000\",\"text\":\"x\",\"clientId\":null}", NULL},
    };

    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        json_t *object = json_loads(table[i].item, 0, NULL);
        struct sandbox_item item;
        json_t *errors = sandbox_item_read(object, &item);
        char *reason = errors == NULL ? NULL : sandbox_item_reason(errors);

        if (table[i].reason == NULL) {
            cr_assert_null(errors, "%s: %s", table[i].item, reason);
        } else {
            cr_assert_str_eq(reason, table[i].reason);
        }
        free(reason);
        json_decref(errors);
        json_decref(object);
    }
}

Test(sandbox_outcomes, chosen_by_the_last_four_digits)
{
    cr_assert_not_null(sandbox_outcome_of("+34600009001")->refusal);
    cr_assert_str_eq(sandbox_outcome_of("+34600009005")->settled, "expired");
    cr_assert_str_eq(sandbox_outcome_of("+34690050000")->settled, "delivered");
    cr_assert_str_eq(sandbox_outcome_of("+34600000001")->settled, "delivered");
    cr_assert_str_eq(sandbox_outcome_of("+1")->settled, "delivered");
    cr_assert_str_eq(sandbox_outcome_of(NULL)->settled, "delivered");
}

static struct sandbox_message *accept_numbered(struct sandbox_store *store, int n, int64_t at_ms)
{
    char client_id[16];
    struct sandbox_item item = {client_id, "A", "+34600000000", "x", SANDBOX_UNICODE_ABSENT};

    snprintf(client_id, sizeof client_id, "c%d", n);
    return sandbox_store_accept(store, &item, sandbox_outcome_of(NULL), at_ms);
}

/* Ends the current request: the store then forgets what is above `keep`. */
static void end_request(struct sandbox_store *store)
{
    struct sandbox_request request = {.n = store->next_request,
                                      .call = SANDBOX_CALL_BULK,
                                      .method = "POST",
                                      .status = 201,
                                      .target = "/sms/bulk"};

    sandbox_store_add_request(store, &request);
}

Test(sandbox_store, finds_what_it_keeps_and_forgets_the_oldest)
{
    enum { KEEP = 1000, GIVEN = 5000 };
    struct sandbox_store store;
    char ids[GIVEN][SANDBOX_ID_SIZE];

    sandbox_store_init(&store, KEEP, 7);
    for (int n = 0; n < GIVEN; n++) {
        sandbox_store_id(&store, accept_numbered(&store, n, n)->number, ids[n]);
        end_request(&store);
    }
    for (int n = 0; n < GIVEN; n++) {
        const struct sandbox_message *message = sandbox_store_by_id(&store, ids[n]);
        char client_id[16];

        snprintf(client_id, sizeof client_id, "c%d", n);
        cr_assert_eq(message, sandbox_store_by_client_id(&store, client_id));
        cr_assert_eq(message != NULL, n >= GIVEN - KEEP, "message %d", n);
        if (message != NULL) {
            cr_assert_str_eq(message->item.client_id, client_id);
        }
    }
    cr_assert_eq(store.messages.count, KEEP);
    cr_assert_eq(store.requests.count, KEEP);
    cr_assert_eq(store.counts.messages, GIVEN);
    cr_assert_eq(store.counts.status[201], GIVEN);
    sandbox_store_clear(&store);
    cr_assert_null(sandbox_store_by_id(&store, ids[GIVEN - 1]));
    cr_assert_eq(accept_numbered(&store, 1, 0)->number, GIVEN + 1, "ids are never used twice");
    sandbox_store_free(&store);
}

Test(sandbox_store, first_message_of_a_client_id_is_the_one_found)
{
    struct sandbox_store store;
    const struct sandbox_message *first, *other;

    sandbox_store_init(&store, 10, 7);
    first = accept_numbered(&store, 1, 0);
    other = accept_numbered(&store, 1, 0);
    cr_assert_neq(first, other);
    cr_assert_eq(sandbox_store_by_client_id(&store, "c1"), first);
    cr_assert_eq(store.counts.distinct_client_ids, 1);
    sandbox_store_free(&store);
}

Test(sandbox_store, ids_that_lead_nowhere)
{
    static const char *const table[] = {"",
                                        "x",
                                        "000000070000000000000002",
                                        "000000080000000000000001",
                                        "00000007000000000000001",
                                        "000000070000000000000000",
                                        "00000007-000000000000001"};
    struct sandbox_store store;
    char id[SANDBOX_ID_SIZE];

    sandbox_store_init(&store, 10, 7);
    accept_numbered(&store, 1, 0);
    cr_assert_not_null(sandbox_store_by_id(&store, "000000070000000000000001"));
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        cr_assert_null(sandbox_store_by_id(&store, table[i]), "%s", table[i]);
    }
    sandbox_store_id(&store, sandbox_store_unkept_number(&store), id);
    cr_assert_null(sandbox_store_by_id(&store, id));
    sandbox_store_free(&store);
}

Test(sandbox_store, how_many_were_accepted_until)
{
    static const struct {
        int64_t at_ms;
        size_t count;
    } table[] = {{0, 0}, {9, 0}, {10, 1}, {15, 1}, {20, 3}, {29, 3}, {30, 4}, {99, 4}};
    struct sandbox_store store;

    sandbox_store_init(&store, 10, 7);
    cr_assert_eq(sandbox_store_accepted_until(&store, 5), 0);
    accept_numbered(&store, 1, 10);
    accept_numbered(&store, 2, 20);
    accept_numbered(&store, 3, 20);
    accept_numbered(&store, 4, 30);
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        cr_assert_eq(sandbox_store_accepted_until(&store, table[i].at_ms), table[i].count,
                     "until %d", (int)table[i].at_ms);
    }
    sandbox_store_free(&store);
}
