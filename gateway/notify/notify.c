/* consumers: see notify.h. */
#include "gateway/notify/notify.h"

#include "gateway/base/clock.h"
#include "gateway/base/log.h"
#include "gateway/notify/program.h"
#include "gateway/notify/webhook.h"

#include <stdio.h>
#include <stdlib.h>

enum { STOP_MS = 2000 /* for what is left at an orderly stop */ };

struct consumers {
    struct consumers_options options; /* its strings are NULL */
    struct outbox *outbox;
    struct webhook *webhook;
    struct program *program;
    struct event *webhook_over;
    unsigned running;
    bool is_stopping;
};

static void note_end(struct consumers *c)
{
    c->running--;
    if (c->running == 0) {
        c->options.ended(c->options.arg);
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
    struct consumers *c = arg;
    event_active(c->webhook_over, EV_TIMEOUT, 0);
}

static void program_ended(void *arg)
{
    note_end(arg);
}

static bool make_parts(struct consumers *c, struct event_base *base,
                       const struct consumers_options *options, char *error, size_t error_size)
{
    const struct webhook_options webhook = {.url = options->webhook,
                                            .secret = options->webhook_secret,
                                            .stats = options->stats,
                                            .ended = webhook_ended,
                                            .arg = c};
    const struct program_options program = {
        .command = options->exec, .stats = options->stats, .ended = program_ended, .arg = c};
    snprintf(error, error_size, "out of memory");
    c->outbox = outbox_new(options->backlog, options->stats);
    c->webhook_over = event_new(base, -1, 0, on_webhook_over, c);
    if (c->outbox == NULL || c->webhook_over == NULL) {
        return false;
    }
    if (options->webhook != NULL) {
        c->webhook = webhook_new(c->outbox, &webhook);
        snprintf(error, error_size, "cannot set up reports.webhook (its URL, its secret?)");
    }
    if (options->exec != NULL) {
        c->program = program_new(base, c->outbox, &program);
    }
    return (c->webhook != NULL || options->webhook == NULL) &&
           (c->program != NULL || options->exec == NULL);
}

struct consumers *consumers_new(struct event_base *base, const struct consumers_options *options,
                                char *error, size_t error_size)
{
    struct consumers *c = calloc(1, sizeof *c);
    if (c == NULL) {
        snprintf(error, error_size, "out of memory");
        return NULL;
    }
    c->options = *options;
    c->options.webhook = c->options.webhook_secret = c->options.exec = NULL;
    if (!make_parts(c, base, options, error, error_size)) {
        consumers_free(c);
        return NULL;
    }
    return c;
}

struct outbox *consumers_outbox(struct consumers *c)
{
    return c->outbox;
}

int consumers_start(struct consumers *c)
{
    int failure = 0;
    if (c->webhook != NULL) {
        failure = webhook_start(c->webhook);
        c->running += failure == 0 ? 1 : 0;
    }
    if (failure == 0 && c->program != NULL) {
        program_start(c->program);
        c->running++;
    }
    return failure;
}

void consumers_tell(void *consumers, const struct queue_change *event)
{
    struct consumers *c = consumers;
    struct changes changes = STAILQ_HEAD_INITIALIZER(changes);
    bool is_state = event->text == NULL && event->report.status[0] == '\0';
    if (is_state && !message_state_is_settled(event->state)) {
        return;
    }
    struct change *change = change_of_event(outbox_next_number(c->outbox), event, clock_unix_ms());
    if (change == NULL) {
        stats_add(c->options.stats, STAT_CHANGES_DROPPED, 1);
        LOG(LOG_ERROR, "changes_dropped", LOG_STR("reason", "out of memory"),
            LOG_INT("changes", 1));
        return;
    }
    STAILQ_INSERT_TAIL(&changes, change, entry);
    outbox_append(c->outbox, &changes);
}

void consumers_stop(struct consumers *c)
{
    if (c->is_stopping) {
        return;
    }
    c->is_stopping = true;
    if (c->webhook != NULL) {
        webhook_stop(c->webhook, STOP_MS);
    }
    if (c->program != NULL) {
        program_stop(c->program, STOP_MS);
    }
}

bool consumers_have_ended(const struct consumers *c)
{
    return c->is_stopping && c->running == 0;
}

void consumers_end(struct consumers *c)
{
    if (c->webhook != NULL) {
        webhook_end(c->webhook);
    }
    if (c->program != NULL) {
        program_end(c->program);
    }
}

void consumers_log_left(struct consumers *c, const char *path, const char *lost_since)
{
    size_t left = outbox_count(c->outbox);
    if (left > 0 && lost_since == NULL) {
        LOG(LOG_INFO, "changes_kept", LOG_STR("path", path), LOG_INT("changes", left));
    } else if (left > 0) {
        LOG(LOG_ERROR, "changes_lost", LOG_STR("reason", lost_since), LOG_INT("changes", left));
    }
}

void consumers_free(struct consumers *c)
{
    if (c != NULL) {
        webhook_free(c->webhook);
        program_free(c->program);
        if (c->webhook_over != NULL) {
            event_free(c->webhook_over);
        }
        outbox_free(c->outbox);
        free(c);
    }
}
