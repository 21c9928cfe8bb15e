/* settings: see settings.h. */
#include "gateway/sandbox/settings.h"

#include "gateway/sandbox/http.h"
#include "gateway/sandbox/members.h"

#include <event2/http.h>
#include <limits.h>
#include <string.h>

static const char *const reset_styles[] = {"unix", "seconds", NULL};
static const char *const single_styles[] = {"nested", "flat", NULL};
static const char *const orders[] = {"same", "reversed", NULL};
static const char *const lists[] = {"array", "object", NULL};
static const char *const errors_by[] = {"index", "clientId", "fields", "nested", "none", NULL};
static const char *const errors_as[] = {"object", "list", "string", NULL};
static const char *const duplicates[] = {"new", "same", "error", NULL};

enum { DAY_MS = 24 * 60 * 60 * 1000, DAY_S = 24 * 60 * 60, MAX_BODY = 64 << 20 };

#define AT(field) offsetof(struct sandbox_settings, field)

static const struct sandbox_member table[] = {
    {"limit", SANDBOX_INTEGER, AT(limit), 0, INT_MAX, NULL},
    {"window_ms", SANDBOX_INTEGER, AT(window_ms), 1, DAY_MS, NULL},
    {"shared_window", SANDBOX_FLAG, AT(shared_window), 0, 0, NULL},
    {"latency_ms", SANDBOX_INTEGER, AT(latency_ms), 0, DAY_MS, NULL},
    {"token", SANDBOX_SECRET_OR_NULL, AT(token), 0, 0, NULL},
    {"max_body", SANDBOX_INTEGER, AT(max_body), 0, MAX_BODY, NULL},
    {"rate_headers", SANDBOX_FLAG, AT(rate_headers), 0, 0, NULL},
    {"reset_style", SANDBOX_CHOICE, AT(reset_style), 0, 0, reset_styles},
    {"retry_after", SANDBOX_INTEGER_OR_NULL, AT(retry_after), 0, DAY_S, NULL},
    {"date_offset_s", SANDBOX_INTEGER, AT(date_offset_s), -10 * DAY_S, 10 * DAY_S, NULL},
    {"single_style", SANDBOX_CHOICE, AT(single_style), 0, 0, single_styles},
    {"echo", SANDBOX_CHOICES, AT(style.echo), 0, 0, sandbox_item_names},
    {"entities_order", SANDBOX_CHOICE, AT(entities_order), 0, 0, orders},
    {"lists_as", SANDBOX_CHOICE, AT(lists_as), 0, 0, lists},
    {"errors_by", SANDBOX_CHOICE, AT(style.errors_by), 0, 0, errors_by},
    {"errors_as", SANDBOX_CHOICE, AT(style.errors_as), 0, 0, errors_as},
    {"duplicate_client_id", SANDBOX_CHOICE, AT(duplicate_client_id), 0, 0, duplicates},
    {"reject_all_bulk_status", SANDBOX_INTEGER, AT(reject_all_bulk_status), 0, 599, NULL},
    {"history", SANDBOX_FLAG, AT(history), 0, 0, NULL},
    {"history_client_id", SANDBOX_FLAG, AT(history_client_id), 0, 0, NULL},
    {"history_time", SANDBOX_FLAG, AT(history_time), 0, 0, NULL},
    {"history_paging", SANDBOX_FLAG, AT(history_paging), 0, 0, NULL},
    {"history_delay_ms", SANDBOX_INTEGER, AT(history_delay_ms), 0, DAY_MS, NULL},
    {"outcomes", SANDBOX_FLAG, AT(outcomes), 0, 0, NULL},
    {"webhook", SANDBOX_TEXT_OR_NULL, AT(webhook), 0, 0, NULL},
    {"report_delay_ms", SANDBOX_INTEGER, AT(report_delay_ms), 0, DAY_MS, NULL},
    {"report_late_ms", SANDBOX_INTEGER, AT(report_late_ms), 0, DAY_MS, NULL},
    {"report_retry_ms", SANDBOX_INTEGER, AT(report_retry_ms), 1, DAY_MS, NULL},
    {"keep", SANDBOX_INTEGER, AT(keep), 1, 10000000, NULL},
    {NULL, SANDBOX_FLAG, 0, 0, 0, NULL},
};

#undef AT

/* Loopback only: a simulator that posted to any host could be abused. */
static bool is_loopback_url(const char *url)
{
    struct evhttp_uri *uri = evhttp_uri_parse(url);
    const char *scheme = uri == NULL ? NULL : evhttp_uri_get_scheme(uri);
    const char *host = uri == NULL ? NULL : evhttp_uri_get_host(uri);
    bool is_fine = scheme != NULL && strcmp(scheme, "http") == 0 && host != NULL &&
                   sandbox_is_loopback(host) && evhttp_uri_get_port(uri) > 0;

    if (uri != NULL) {
        evhttp_uri_free(uri);
    }
    return is_fine;
}

json_t *sandbox_settings_merge(struct sandbox_settings *settings, json_t *changes)
{
    json_t *problem = sandbox_members_check(table, changes);
    const char *webhook = json_string_value(json_object_get(changes, "webhook"));

    if (problem == NULL && webhook != NULL && !is_loopback_url(webhook)) {
        problem = json_pack("{s:s, s:[]}", "message",
                            "webhook: expected http://, a loopback address and a port", "unknown");
    }
    if (problem == NULL && !sandbox_members_read(table, changes, settings)) {
        problem = json_pack("{s:s, s:[]}", "message", "out of memory", "unknown");
    }
    return problem;
}

void sandbox_settings_init(struct sandbox_settings *settings)
{
    *settings = (struct sandbox_settings){
        .limit = 1200,
        .window_ms = 60 * 1000,
        .max_body = 1 << 20,
        .retry_after = -1,
        .report_delay_ms = 100,
        .report_late_ms = 5000,
        .report_retry_ms = 1000,
        .keep = 1000000,
        .rate_headers = true,
        .history = true,
        .history_client_id = true,
        .history_time = true,
        .history_paging = true,
        .outcomes = true,
        .style.echo = SANDBOX_ITEM_ALL,
    };
}

json_t *sandbox_settings_show(const struct sandbox_settings *settings)
{
    return sandbox_members_show(table, settings);
}

void sandbox_settings_free(struct sandbox_settings *settings)
{
    sandbox_members_free(table, settings);
}
