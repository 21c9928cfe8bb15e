/* destination: see destination.h. */
#include "gateway/policy/destination.h"

#include "gateway/base/backoff.h"
#include "gateway/base/int64.h"

#include <stdio.h>
#include <string.h>

const char *destination_state_name(enum destination_state state)
{
    static const char *const names[] = {"fine", "waiting", "backoff", "stopped"};
    return names[state];
}

/* Drops the last character of a cut text if it may have lost bytes. */
static void trim_utf8(char *text)
{
    size_t len = strlen(text);
    size_t lead = len;

    while (lead > 0 && ((unsigned char)text[lead - 1] & 0xC0) == 0x80) {
        lead--;
    }
    if (lead > 0 && ((unsigned char)text[lead - 1] & 0x80) != 0) {
        text[lead - 1] = '\0';
    }
}

static void explain(struct destination *d, const char *why, const struct destination_event *event)
{
    bool has_words = event->words != NULL && event->words[0] != '\0';
    char status[sizeof(" (HTTP -2147483648)")] = "";

    if (event->status != 0) {
        snprintf(status, sizeof(status), " (HTTP %d)", event->status);
    }
    int len = snprintf(d->reason, sizeof(d->reason), "%s%s%s%s", why, status, has_words ? ": " : "",
                       has_words ? event->words : "");
    if (len >= (int)sizeof(d->reason)) {
        trim_utf8(d->reason);
    }
}

/* The one place where the state changes. */
static void enter(struct destination *d, enum destination_state state, int64_t until_ms)
{
    d->state = state;
    d->until_ms = until_ms;
    d->epoch++;
    if (state == DESTINATION_FINE) {
        d->failures = 0;
        d->reason[0] = '\0';
    }
}

static const enum destination_state state_after[] = {
    [RETRY_FINE] = DESTINATION_FINE,
    [RETRY_WAIT] = DESTINATION_WAITING,
    [RETRY_BACKOFF] = DESTINATION_BACKOFF,
    [RETRY_STOP] = DESTINATION_STOPPED,
};

/*
 * A success or a refusal that names a field ends a row of nameless refusals. A refused batch says
 * nothing about it.
 */
static void count_nameless(struct destination *d, const struct retry_verdict *verdict)
{
    if (verdict->is_nameless) {
        d->nameless++;
    } else if (verdict->effect == RETRY_FINE && verdict->outcome != RETRY_SPLIT) {
        d->nameless = 0;
    }
}

/* When the next request may go, after this verdict. */
static int64_t wait_end_ms(const struct destination *d, const struct retry_verdict *verdict,
                           const struct destination_event *event,
                           const struct destination_options *options, int64_t now_ms, double random)
{
    int64_t wait_ms = 0;

    switch (verdict->effect) {
    case RETRY_FINE:
        return 0;
    case RETRY_WAIT:
        return event->held_until_ms;
    case RETRY_BACKOFF:
        wait_ms = backoff_ms(d->failures, options->retry_min_ms, options->retry_max_ms, random);
        break;
    case RETRY_STOP:
        wait_ms = DESTINATION_PROBE_MS;
        break;
    }
    return now_ms + int64_max(wait_ms, verdict->retry_after_ms);
}

void destination_apply(struct destination *d, const struct retry_verdict *verdict,
                       const struct destination_event *event,
                       const struct destination_options *options, int64_t now_ms, double random)
{
    enum destination_state next = state_after[verdict->effect];
    bool is_stale = event->epoch != d->epoch;

    count_nameless(d, verdict);
    if (next == DESTINATION_FINE && d->state == DESTINATION_FINE) {
        d->failures = 0;
        return;
    }
    if (is_stale && (d->state == DESTINATION_FINE || next <= d->state)) {
        return;
    }

    if (!is_stale && (verdict->effect == RETRY_BACKOFF || verdict->effect == RETRY_WAIT)) {
        d->failures++;
    }
    int64_t until_ms = wait_end_ms(d, verdict, event, options, now_ms, random);
    d->is_token_refused = verdict->is_token_refused;
    if (next != DESTINATION_FINE) {
        explain(d, verdict->why, event);
    }
    enter(d, next, until_ms);
}

int64_t destination_backoff_ms(const struct destination *d,
                               const struct destination_options *options, double random)
{
    return backoff_ms(d->failures + 1, options->retry_min_ms, options->retry_max_ms, random);
}

static bool waits_for_probe(const struct destination *d)
{
    return d->state == DESTINATION_BACKOFF || d->state == DESTINATION_STOPPED;
}

enum destination_permission destination_may_send(const struct destination *d, int64_t now_ms)
{
    if (!waits_for_probe(d)) {
        return DESTINATION_YES;
    }
    return d->has_probe_in_flight || now_ms < d->until_ms ? DESTINATION_NO : DESTINATION_PROBE;
}

int64_t destination_next_ms(const struct destination *d, int64_t now_ms)
{
    if (!waits_for_probe(d) || d->has_probe_in_flight || d->until_ms <= now_ms) {
        return INT64_MAX;
    }
    return d->until_ms;
}

void destination_probe_began(struct destination *d)
{
    d->has_probe_in_flight = true;
}

void destination_probe_ended(struct destination *d)
{
    d->has_probe_in_flight = false;
}

/* The next probe is due now. */
static void hurry(struct destination *d, int64_t now_ms)
{
    if (waits_for_probe(d) && d->until_ms > now_ms) {
        d->until_ms = now_ms;
    }
}

void destination_flush(struct destination *d, int64_t now_ms)
{
    hurry(d, now_ms);
}

void destination_token_changed(struct destination *d, int64_t now_ms)
{
    if (!d->is_token_refused) {
        return;
    }
    /* Answers that still refuse the old token do not put the probe off. */
    d->epoch++;
    hurry(d, now_ms);
}

const char *destination_reason(const struct destination *d, int64_t now_ms, int64_t *until_ms)
{
    *until_ms = INT64_MAX;
    if (d->state == DESTINATION_FINE) {
        return NULL;
    }
    if (d->state == DESTINATION_WAITING && now_ms >= d->until_ms) {
        return NULL;
    }
    if (d->until_ms > now_ms) {
        *until_ms = d->until_ms;
    }
    return d->reason;
}
