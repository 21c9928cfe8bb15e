/*
 * settings: how the simulated API behaves at present.
 *
 * Owns the struct, its table and its defaults; what each means stands in gateway/sandbox/sandbox.h.
 * Thread: the sandbox's.
 */
#ifndef GATEWAY_SANDBOX_SETTINGS_H
#define GATEWAY_SANDBOX_SETTINGS_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

struct sandbox_options;

/* The order of each is that of its names in sandbox/settings.c; the first is the default. */
enum sandbox_reset_style { SANDBOX_RESET_UNIX, SANDBOX_RESET_SECONDS };
enum sandbox_single_style { SANDBOX_SINGLE_FLAT, SANDBOX_SINGLE_NESTED };
enum sandbox_order { SANDBOX_ORDER_SAME, SANDBOX_ORDER_REVERSED };
enum sandbox_errors_by {
    SANDBOX_BY_INDEX,
    SANDBOX_BY_CLIENT_ID,
    SANDBOX_BY_FIELDS,
    SANDBOX_BY_NESTED,
    SANDBOX_BY_NONE
};
enum sandbox_errors_as { SANDBOX_AS_OBJECT, SANDBOX_AS_LIST, SANDBOX_AS_STRING };
enum sandbox_duplicate { SANDBOX_DUPLICATE_NEW, SANDBOX_DUPLICATE_SAME, SANDBOX_DUPLICATE_ERROR };

struct sandbox_settings {
    int64_t limit, window_ms, latency_ms, max_body;
    int64_t retry_after; /* seconds, -1 = none */
    int64_t date_offset_s;
    int64_t reject_all_bulk_status; /* 0 = 201 as ever */
    int64_t history_delay_ms;
    int64_t report_delay_ms, report_late_ms, report_retry_ms;
    int64_t keep;
    bool rate_headers, history, history_client_id, history_time, history_paging, outcomes;
    int reset_style, single_style, entities_order, errors_by, errors_as, duplicate_client_id;
    unsigned echo; /* a bit for each of sandbox_item_names */
    char *token;   /* NULL = any */
    char *webhook; /* NULL = none */
};

/* The defaults, with what the options say. Returns NULL, or a problem as sandbox_settings_merge. */
json_t *sandbox_settings_init(struct sandbox_settings *settings,
                              const struct sandbox_options *options);

/*
 * Merges the members of an object. Returns NULL, or a new {"message":.., "unknown":[..]}, and then
 * nothing was changed.
 */
json_t *sandbox_settings_merge(struct sandbox_settings *settings, json_t *changes);

/* All settings but the token, as a new object. */
json_t *sandbox_settings_show(const struct sandbox_settings *settings);

/* Frees what the settings own. */
void sandbox_settings_free(struct sandbox_settings *settings);

#endif
