/* destination: see destination.h. */
#include "gateway/policy/destination.h"

#include "gateway/base/backoff.h"
#include "gateway/base/int64.h"

#include <stdio.h>
#include <string.h>

static const char undecided[] =
    "the API refused a message; another one will show whether it refuses all";

const char *destination_state_name(enum destination_state state)
{
    static const char *const names[] = {"fine", "waiting", "probing", "backoff", "stopped"};
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

/* " (HTTP 503, proxy http://host:3128/)", as far as there is something to say. */
static void tell_where(char *text, size_t size, const struct destination_event *event)
{
    bool has_proxy = event->proxy != NULL && event->proxy[0] != '\0';

    text[0] = '\0';
    if (event->status != 0 && has_proxy) {
        snprintf(text, size, " (HTTP %d, proxy %s)", event->status, event->proxy);
    } else if (event->status != 0) {
        snprintf(text, size, " (HTTP %d)", event->status);
    } else if (has_proxy) {
        snprintf(text, size, " (proxy %s)", event->proxy);
    }
}

static void explain(struct destination *d, const char *why, const struct destination_event *event)
{
    bool has_words = event->words != NULL && event->words[0] != '\0';
    char where[DESTINATION_REASON_SIZE];

    tell_where(where, sizeof(where), event);
    int len = snprintf(d->reason, sizeof(d->reason), "%s%s%s%s", why, where, has_words ? ": " : "",
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

/* --- whose fault ------------------------------------------------------------------------------ */

/* Notes a message that was refused alone, once however often that happens. */
static void note_refused(struct destination *d, const struct destination_refusal *refusal)
{
    for (unsigned i = 0; i < d->refused_count; i++) {
        if (memcmp(&d->refused[i].id, &refusal->id, sizeof refusal->id) == 0) {
            d->refused[i] = *refusal;
            return;
        }
    }
    if (d->refused_count < DESTINATION_REFUSED_MAX) {
        d->refused[d->refused_count++] = *refusal;
    }
}

/* Were enough messages refused alike? If the API varies what it says, many are enough. */
static bool is_to_blame(const struct destination *d, int status)
{
    unsigned alike = 0;

    for (unsigned i = 0; i < d->refused_count; i++) {
        alike += d->refused[i].status == status;
    }
    return alike >= DESTINATION_ALIKE_MAX || d->refused_count == DESTINATION_REFUSED_MAX;
}

/* A message has passed: what of those that were refused before? */
static enum destination_finding note_passed(struct destination *d)
{
    enum destination_finding finding = d->is_blamed ? FINDING_INNOCENT : FINDING_GUILTY;

    finding = d->has_suspects ? finding : FINDING_NONE;
    d->refused_count = 0;
    d->has_suspects = d->is_blamed = d->is_exhausted = false;
    return finding;
}

/* A refusal whose effect needs proof: is that here? */
static enum destination_finding note_refusal(struct destination *d,
                                             const struct retry_verdict *verdict,
                                             const struct destination_event *event, bool is_stale)
{
    bool was_blamed = d->is_blamed;

    if (event->message != NULL) {
        note_refused(d, &(struct destination_refusal){*event->message, event->status,
                                                      verdict->outcome == RETRY_AMBIGUOUS});
    }
    d->is_blamed = is_to_blame(d, event->status);
    return d->is_blamed && (!was_blamed || is_stale) ? FINDING_INNOCENT : FINDING_NONE;
}

/* --- states ----------------------------------------------------------------------------------- */

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

static enum destination_state state_after(const struct destination *d,
                                          const struct retry_verdict *verdict)
{
    static const enum destination_state states[] = {
        [RETRY_FINE] = DESTINATION_FINE,
        [RETRY_WAIT] = DESTINATION_WAITING,
        [RETRY_BACKOFF] = DESTINATION_BACKOFF,
        [RETRY_STOP] = DESTINATION_STOPPED,
    };

    if (verdict->needs_proof && !d->is_blamed) {
        return verdict->retry_after_ms > 0 ? DESTINATION_BACKOFF : DESTINATION_PROBING;
    }
    return states[verdict->effect];
}

/* How long a stop lasts until the next probe. What may be taken all the same is not sent soon. */
static int64_t stop_ms(const struct destination *d, const struct retry_verdict *verdict)
{
    if (!verdict->needs_proof || verdict->outcome == RETRY_AMBIGUOUS) {
        return DESTINATION_PROBE_MS;
    }
    return backoff_ms(d->failures, DESTINATION_PROBE_MIN_MS, DESTINATION_PROBE_MS, 1);
}

/* When the next request may go, in the state that comes after this verdict. */
static int64_t wait_end_ms(const struct destination *d, enum destination_state next,
                           const struct retry_verdict *verdict,
                           const struct destination_event *event,
                           const struct destination_options *options, int64_t now_ms, double random)
{
    int64_t wait_ms = 0;

    switch (next) {
    case DESTINATION_FINE:
    case DESTINATION_PROBING:
        return 0;
    case DESTINATION_WAITING:
        return event->held_until_ms;
    case DESTINATION_BACKOFF:
        wait_ms = backoff_ms(d->failures, options->retry_min_ms, options->retry_max_ms, random);
        break;
    case DESTINATION_STOPPED:
        wait_ms = stop_ms(d, verdict);
        break;
    }
    return now_ms + int64_max(wait_ms, verdict->retry_after_ms);
}

/* Does an answer of an older epoch change nothing? One that casts a doubt always counts. */
static bool is_outdated(const struct destination *d, enum destination_state next)
{
    return (d->state == DESTINATION_FINE && next != DESTINATION_PROBING) || next <= d->state;
}

static void change_state(struct destination *d, enum destination_state next, bool is_stale,
                         const struct retry_verdict *verdict, const struct destination_event *event,
                         const struct destination_options *options, int64_t now_ms, double random)
{
    bool is_failure = next != DESTINATION_FINE && next != DESTINATION_PROBING;

    if (is_failure && (!is_stale || d->failures == 0)) {
        d->failures++;
    }
    int64_t until_ms = wait_end_ms(d, next, verdict, event, options, now_ms, random);
    d->quiet_until_ms = next >= DESTINATION_PROBING ? now_ms + verdict->retry_after_ms : 0;
    d->is_token_refused = verdict->is_token_refused && next == DESTINATION_STOPPED;
    if (next != DESTINATION_FINE) {
        explain(d, next == DESTINATION_PROBING ? undecided : verdict->why, event);
    }
    enter(d, next, until_ms);
}

enum destination_finding destination_apply(struct destination *d,
                                           const struct retry_verdict *verdict,
                                           const struct destination_event *event,
                                           const struct destination_options *options,
                                           int64_t now_ms, double random)
{
    bool is_stale = event->epoch != d->epoch;
    enum destination_finding finding = FINDING_NONE;

    count_nameless(d, verdict);
    d->has_suspects = d->has_suspects || verdict->outcome == RETRY_SUSPECT;
    d->has_passed = (d->has_passed && !verdict->is_first_refusal) || event->has_passed;
    if (event->has_passed && !is_stale) {
        finding = note_passed(d);
    } else if (verdict->needs_proof) {
        finding = note_refusal(d, verdict, event, is_stale);
    }
    enum destination_state next = state_after(d, verdict);
    if (next == DESTINATION_FINE && d->state == DESTINATION_FINE) {
        d->failures = 0;
    } else if (!is_stale || !is_outdated(d, next)) {
        change_state(d, next, is_stale, verdict, event, options, now_ms, random);
    }
    return finding;
}

int64_t destination_aside_ms(unsigned refusals, const struct retry_verdict *verdict,
                             const struct destination_options *options, double random)
{
    int64_t wait_ms =
        backoff_ms(refusals, options->retry_min_ms, options->retry_max_ms, 0.5 + random / 2);
    return int64_max(wait_ms, verdict->retry_after_ms);
}

int64_t destination_backoff_ms(const struct destination *d,
                               const struct destination_options *options, double random)
{
    return backoff_ms(d->failures + 1, options->retry_min_ms, options->retry_max_ms, random);
}

bool destination_has_failed(const struct destination *d)
{
    return d->state == DESTINATION_BACKOFF || d->state == DESTINATION_STOPPED;
}

static bool waits_for_probe(const struct destination *d)
{
    return d->state >= DESTINATION_PROBING;
}

enum destination_permission destination_may_send(const struct destination *d, int64_t now_ms)
{
    if (!waits_for_probe(d)) {
        return DESTINATION_YES;
    }
    return d->has_probe_in_flight || now_ms < d->until_ms ? DESTINATION_NO : DESTINATION_PROBE;
}

enum queue_probe destination_probe(const struct destination *d)
{
    bool is_probing = d->state == DESTINATION_PROBING;
    unsigned count = is_probing ? d->refused_count : d->failures + 1;

    if (d->is_flushed || !(is_probing || d->is_blamed)) {
        return PROBE_FIRST;
    }
    return count % 2 == 0 ? PROBE_NEXT : PROBE_LAST;
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
    d->is_flushed = false;
}

void destination_recovered(struct destination *d, uint32_t epoch)
{
    if (epoch == d->epoch && destination_has_failed(d)) {
        d->is_token_refused = d->is_blamed = d->is_exhausted = false;
        d->refused_count = 0;
        enter(d, DESTINATION_FINE, 0);
    }
}

void destination_hurry(struct destination *d, int64_t now_ms)
{
    if (waits_for_probe(d) && d->until_ms > now_ms) {
        d->until_ms = now_ms;
    }
}

void destination_note_waiting(struct destination *d, size_t waiting, int64_t now_ms)
{
    unsigned refused = 0;

    for (unsigned i = 0; i < d->refused_count; i++) {
        refused += d->refused[i].is_away ? 0 : 1;
    }
    bool has_more = waiting > refused;

    if (d->is_exhausted && has_more && waits_for_probe(d)) {
        destination_hurry(d, now_ms);
    }
    d->is_exhausted = d->is_blamed && !has_more;
}

void destination_flush(struct destination *d, int64_t now_ms)
{
    d->failures = d->failures > 0 ? 1 : 0;
    d->is_flushed = waits_for_probe(d);
    d->quiet_until_ms = 0;
    destination_hurry(d, now_ms);
}

void destination_token_changed(struct destination *d, int64_t now_ms)
{
    if (!d->is_token_refused) {
        return;
    }
    /* Answers that still refuse the old token do not put the probe off. */
    d->epoch++;
    destination_hurry(d, now_ms);
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
