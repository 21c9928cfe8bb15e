/* Tests of ping: which answers show that a failure is over. */
#include "gateway/forward/ping.h"

#include <criterion/criterion.h>
#include <string.h>

static const struct destination_options options = {.retry_min_ms = 100, .retry_max_ms = 1000};

static struct destination failing(enum destination_state state)
{
    struct destination d = {.state = state, .epoch = 7, .failures = 3, .until_ms = 50};
    d.is_token_refused = state == DESTINATION_STOPPED;
    strcpy(d.reason, "it fails");
    return d;
}

Test(ping, answers)
{
    static const struct {
        enum api_transport transport;
        int status;
        const char *body;
        bool after_backoff, after_stop; /* does it show that such a failure is over? */
    } rows[] = {
        {API_ANSWERED, 200, "{\"entities\":[]}", true, true},
        {API_ANSWERED, 200, "[{\"id\":\"a\"}]", true, true},
        {API_ANSWERED, 200, "<html>please log in</html>", false, false},
        {API_ANSWERED, 200, "", false, false},
        {API_ANSWERED, 404, "{\"message\":\"no such call\"}", true, false},
        {API_ANSWERED, 405, "{\"message\":\"no such call\"}", true, false},
        {API_ANSWERED, 404, "<html>not here</html>", false, false},
        {API_ANSWERED, 401, "{\"message\":\"who are you\"}", false, false},
        {API_ANSWERED, 403, "{\"message\":\"no\"}", false, false},
        {API_ANSWERED, 429, "", false, false},
        {API_ANSWERED, 503, "{\"entities\":[]}", false, false},
        {API_NO_ANSWER, 0, "", false, false},
        {API_NOT_SENT, 0, "", false, false},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        const struct api_answer answer = {.transport = rows[i].transport,
                                          .status = rows[i].status,
                                          .body = (char *)rows[i].body,
                                          .body_len = strlen(rows[i].body)};
        for (int stops = 0; stops <= 1; stops++) {
            struct destination d = failing(stops ? DESTINATION_STOPPED : DESTINATION_BACKOFF);
            struct ping ping = {.is_pending = true, .epoch = d.epoch};
            bool is_over = stops ? rows[i].after_stop : rows[i].after_backoff;
            ping_read(&ping, &answer, &d, &options, 1000, 0.5);
            cr_expect_not(ping.is_pending);
            cr_expect_eq(d.state == DESTINATION_FINE, is_over, "row %zu, %d", i, stops);
            cr_expect_eq(d.is_token_refused, stops && !is_over, "row %zu", i);
            cr_expect_eq(ping.due_ms, is_over ? 0 : 1050, "row %zu", i);
            cr_expect_eq(d.until_ms, is_over ? 0 : 50, "row %zu: a message is tried at once", i);
        }
    }
}

Test(ping, an_answer_from_before_the_last_change_shows_nothing)
{
    const struct api_answer answer = {
        .transport = API_ANSWERED, .status = 200, .body = (char *)"[]", .body_len = 2};
    struct destination d = failing(DESTINATION_BACKOFF);
    struct ping ping = {.is_pending = true, .epoch = d.epoch - 1};
    ping_read(&ping, &answer, &d, &options, 1000, 0.5);
    cr_expect_eq(d.state, DESTINATION_BACKOFF);
}

Test(ping, another_call_can_show_it)
{
    struct destination d = failing(DESTINATION_BACKOFF);
    struct ping ping = {.is_pending = true, .epoch = d.epoch};
    ping_prove(&ping, d.epoch - 1);
    cr_expect_eq(ping_ask(&ping, NULL, NULL, NULL, &d, 1000), INT64_MAX);
    cr_expect_eq(d.state, DESTINATION_BACKOFF);
    ping_prove(&ping, d.epoch);
    cr_expect_eq(ping_ask(&ping, NULL, NULL, NULL, &d, 1000), 1000);
    cr_expect_eq(d.state, DESTINATION_FINE);
}
