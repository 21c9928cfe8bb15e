/*
 * settings: how the simulated API behaves.
 *
 * Owns the struct, its table and its defaults; SANDBOX.md tells what each setting means.
 * Thread: the sandbox's.
 */
#ifndef GATEWAY_SANDBOX_SETTINGS_H
#define GATEWAY_SANDBOX_SETTINGS_H

#include "gateway/sandbox/item.h"

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

/* In the order of their names in settings.c; the first is the default. */
enum sandbox_reset_style { SANDBOX_RESET_UNIX, SANDBOX_RESET_SECONDS };
enum sandbox_single_style { SANDBOX_SINGLE_NESTED, SANDBOX_SINGLE_FLAT };
enum sandbox_order { SANDBOX_ORDER_SAME, SANDBOX_ORDER_REVERSED };
enum sandbox_lists { SANDBOX_LISTS_ARRAY, SANDBOX_LISTS_OBJECT };
enum sandbox_duplicate { SANDBOX_DUPLICATE_NEW, SANDBOX_DUPLICATE_SAME, SANDBOX_DUPLICATE_ERROR };

struct sandbox_settings {
    int64_t limit, window_ms, latency_ms, max_body;
    int64_t retry_after; /* seconds, -1 = none */
    int64_t date_offset_s;
    int64_t reject_all_bulk_status; /* 0 = 201, as usual */
    int64_t history_delay_ms;
    int64_t report_delay_ms, report_late_ms, report_retry_ms;
    int64_t keep;
    bool shared_window, rate_headers, history, history_client_id, history_time, history_paging,
        outcomes;
    int reset_style, single_style, entities_order, lists_as, duplicate_client_id;
    struct sandbox_item_style style;
    char *token;   /* NULL = any */
    char *webhook; /* NULL = none */
};

/* Sets the defaults. */
void sandbox_settings_init(struct sandbox_settings *settings);

/*
 * Merges the members of an object. Returns NULL; or a new {"message":.., "unknown":[..]}, having
 * changed nothing.
 */
json_t *sandbox_settings_merge(struct sandbox_settings *settings, json_t *changes);

/* All settings but the token, as a new object. */
json_t *sandbox_settings_show(const struct sandbox_settings *settings);

/* Frees what the settings own. */
void sandbox_settings_free(struct sandbox_settings *settings);

#endif
