/* run: see run.h. */
#include "gateway/sandbox/run.h"

#include "gateway/base/log.h"

#include <event2/event.h>
#include <signal.h>
#include <sysexits.h>

enum { ERROR_SIZE = 512 };

static void end_loop(evutil_socket_t signal_number, short what, void *arg)
{
    (void)signal_number;
    (void)what;
    event_base_loopexit(arg, NULL);
}

static void serve(struct event_base *base, const struct sandbox *sandbox)
{
    char url[SANDBOX_URL_SIZE];
    struct event *on_term = evsignal_new(base, SIGTERM, end_loop, base);
    struct event *on_int = evsignal_new(base, SIGINT, end_loop, base);
    event_add(on_term, NULL);
    event_add(on_int, NULL);
    sandbox_url(sandbox_address(sandbox), url);
    LOG(LOG_INFO, "sandbox_listening", LOG_STR("url", url));
    event_base_dispatch(base);
    event_free(on_term);
    event_free(on_int);
}

int sandbox_run(const struct sandbox_options *options)
{
    char error[ERROR_SIZE] = "";
    signal(SIGPIPE, SIG_IGN);
    log_start(); /* without it, the log still works */
    struct event_base *base = event_base_new();
    struct sandbox *sandbox = sandbox_new(base, options, error, sizeof error);
    if (sandbox == NULL) {
        LOG(LOG_ERROR, "start_failed", LOG_STR("reason", error));
    } else {
        serve(base, sandbox);
    }
    int code = sandbox == NULL ? EX_UNAVAILABLE : EX_OK;
    sandbox_free(sandbox);
    event_base_free(base);
    log_stop();
    return code;
}
