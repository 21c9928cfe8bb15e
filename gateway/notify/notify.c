/* notify: see notify.h. */
#include "gateway/notify/notify.h"

#include "gateway/base/clock.h"
#include "gateway/base/log.h"
#include "gateway/notify/program.h"
#include "gateway/notify/webhook.h"
#include "gateway/queue/types.h"

#include <stdio.h>
#include <stdlib.h>

enum { STOP_MS = 2000 }; /* to deliver what is left at an orderly stop */

struct notify {
    struct notify_options options; /* its strings are NULL */
    struct outbox *outbox;
    struct webhook *webhook;
    struct program *program;
    struct event *webhook_over;
    unsigned running;
    bool is_stopping;
};

static void note_end(struct notify *n)
{
    n->running--;
    if (n->running == 0) {
        n->options.ended(n->options.arg);
    }
}

static void on_webhook_over(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    note_end(arg);
}

/* In the webhook's thread. */
static void webhook_ended(void *arg)
{
    struct notify *n = arg;
    event_active(n->webhook_over, EV_TIMEOUT, 0);
}

static void program_ended(void *arg)
{
    note_end(arg);
}

static bool make_parts(struct notify *n, struct event_base *base,
                       const struct notify_options *options, char *error, size_t error_size)
{
    const struct webhook_options webhook = {.url = options->webhook,
                                            .ca_file = options->webhook_ca_file,
                                            .secret = options->webhook_secret,
                                            .stats = options->stats,
                                            .ended = webhook_ended,
                                            .arg = n};
    const struct program_options program = {
        .command = options->exec, .stats = options->stats, .ended = program_ended, .arg = n};
    snprintf(error, error_size, "out of memory");
    n->outbox = outbox_new(options->backlog, options->stats);
    n->webhook_over = event_new(base, -1, 0, on_webhook_over, n);
    if (n->outbox == NULL || n->webhook_over == NULL) {
        return false;
    }
    if (options->webhook != NULL) {
        n->webhook = webhook_new(n->outbox, &webhook);
        if (n->webhook == NULL) {
            snprintf(error, error_size, "cannot set up reports.webhook (check its URL and secret)");
            return false;
        }
    }
    if (options->exec != NULL) {
        n->program = program_new(base, n->outbox, &program);
    }
    return n->program != NULL || options->exec == NULL;
}

struct notify *notify_new(struct event_base *base, const struct notify_options *options,
                          char *error, size_t error_size)
{
    struct notify *n = calloc(1, sizeof *n);
    if (n == NULL) {
        snprintf(error, error_size, "out of memory");
        return NULL;
    }
    n->options = *options;
    n->options.webhook = n->options.webhook_secret = n->options.webhook_ca_file = NULL;
    n->options.exec = NULL;
    if (!make_parts(n, base, options, error, error_size)) {
        notify_free(n);
        return NULL;
    }
    return n;
}

struct outbox *notify_outbox(struct notify *n)
{
    return n->outbox;
}

int notify_start(struct notify *n)
{
    int failure = 0;
    if (n->webhook != NULL) {
        failure = webhook_start(n->webhook);
        n->running += failure == 0 ? 1 : 0;
    }
    if (failure == 0 && n->program != NULL) {
        program_start(n->program);
        n->running++;
    }
    return failure;
}

void notify_resume(struct notify *n)
{
    if (n != NULL && n->webhook != NULL) {
        webhook_resume(n->webhook);
    }
}

void notify_tell(void *notify, const struct queue_event *event)
{
    struct notify *n = notify;
    struct notices notices = STAILQ_HEAD_INITIALIZER(notices);
    bool is_state = event->text == NULL && event->report.status[0] == '\0';
    if (is_state && !message_state_is_settled(event->state)) {
        return;
    }
    struct notice *notice = notice_of_event(outbox_next_number(n->outbox), event, clock_unix_ms());
    if (notice == NULL) {
        stats_add(n->options.stats, STAT_CHANGES_DROPPED, 1);
        LOG(LOG_ERROR, "changes_dropped", LOG_STR("reason", "out of memory"),
            LOG_INT("changes", 1));
        return;
    }
    STAILQ_INSERT_TAIL(&notices, notice, entry);
    outbox_append(n->outbox, &notices);
}

void notify_stop(struct notify *n)
{
    if (n->is_stopping) {
        return;
    }
    n->is_stopping = true;
    if (n->webhook != NULL) {
        webhook_stop(n->webhook, STOP_MS);
    }
    if (n->program != NULL) {
        program_stop(n->program, STOP_MS);
    }
}

bool notify_has_ended(const struct notify *n)
{
    return n->is_stopping && n->running == 0;
}

void notify_end(struct notify *n)
{
    if (n->webhook != NULL) {
        webhook_end(n->webhook);
    }
    if (n->program != NULL) {
        program_end(n->program);
    }
}

void notify_log_left(struct notify *n, const char *path)
{
    size_t left = outbox_count(n->outbox);
    if (left > 0 && path != NULL) {
        LOG(LOG_INFO, "changes_kept", LOG_STR("path", path), LOG_INT("changes", left));
    } else if (left > 0) {
        LOG(LOG_ERROR, "changes_lost", LOG_STR("reason", "the queue is in memory only"),
            LOG_INT("changes", left));
    }
}

void notify_free(struct notify *n)
{
    if (n != NULL) {
        webhook_free(n->webhook);
        program_free(n->program);
        if (n->webhook_over != NULL) {
            event_free(n->webhook_over);
        }
        outbox_free(n->outbox);
        free(n);
    }
}
