/*
 * parts: what a sandbox is made of, for its own files only. Thread: the event base's.
 */
#ifndef GATEWAY_SANDBOX_PARTS_H
#define GATEWAY_SANDBOX_PARTS_H

#include "gateway/sandbox/faults.h"
#include "gateway/sandbox/http.h"
#include "gateway/sandbox/reports.h"
#include "gateway/sandbox/settings.h"
#include "gateway/sandbox/store.h"
#include "gateway/sandbox/window.h"

/* One for each call. */
enum { SANDBOX_WINDOWS = SANDBOX_CALL_ONE + 1 };

struct sandbox {
    struct sandbox_settings settings;
    struct sandbox_faults faults;
    struct sandbox_store store;
    struct sandbox_window windows[SANDBOX_WINDOWS];
    struct sandbox_reports *reports;
    struct sandbox_http *http;
};

#endif
