/* reports: see reports.h. What is static here runs under the mutex. */
#include "gateway/queue/reports.h"

#include "gateway/queue/core.h"

#include <stdlib.h>
#include <string.h>

/* May it have been in a request? After a crash only the API knows, so it counts as sent. */
static bool was_attempted(const struct message *m)
{
    return m->attempts > 0 || m->is_ambiguous || m->state == MESSAGE_RELAYED;
}

void queue_report_fill_in(struct queue_report *r, const struct message *m)
{
    r->state = (enum message_state)m->state;
    r->owner = m->owner;
    r->relayed_ms = r->state == MESSAGE_RELAYED ? m->updated_ms : 0;
    memcpy(r->to, message_to(m), m->to_len + 1U);
    memcpy(r->from, message_from(m), m->from_len + 1U);
    memcpy(r->ref, message_ref(m), m->ref_len + 1U);
}

static void weigh(const struct queue *q, struct queue_report *r, const struct message *m)
{
    r->is_held = true;
    queue_report_fill_in(r, m);
    r->relayed_ms += r->relayed_ms == 0 ? 0 : q->clock_offset_ms;
    if (was_attempted(m) && r->text != NULL) {
        r->outcome = REPORT_NEW;
    } else if (was_attempted(m)) {
        struct report known = message_report(m);
        r->outcome = report_supersedes(&r->report, &known) ? REPORT_NEW : REPORT_OLD;
    }
}

void queue_remember_api_id(void *arg, const char *api_id, const struct ulid *id)
{
    struct queue *q = arg;
    queue_enter(q);
    if (q->api_ids != NULL) {
        queue_api_ids_add(q->api_ids, api_id, id);
    }
    queue_leave(q);
}

void queue_reports_match(struct queue *q, struct queue_report *reports, size_t count)
{
    queue_enter(q);
    for (size_t i = 0; i < count; i++) {
        struct queue_report *r = &reports[i];
        r->outcome = REPORT_UNMATCHED;
        if (!r->has_id && q->api_ids != NULL && r->api_id[0] != '\0') {
            r->has_id = queue_api_ids_find(q->api_ids, r->api_id, &r->id);
        }
        const struct message *m = r->has_id ? queue_find(q, &r->id) : NULL;
        if (m != NULL) {
            weigh(q, r, m);
        }
    }
    queue_leave(q);
}

/* Notes a report with its message. On allocation failure watchers, and the store if there is one,
 * still get it. */
static void keep(struct queue *q, struct message *m, const struct queue_report *r)
{
    bool is_finished = message_state_is_finished((enum message_state)m->state);
    bool is_released = is_finished && m->saving == MESSAGE_SAVED;
    const char *api_id = message_api_id(m)[0] == '\0' ? r->api_id : message_api_id(m);
    size_t before = message_bytes(m);
    message_set_report(m, api_id, is_finished ? message_reason(m) : "", &r->report);
    q->bytes += message_bytes(m) - before;
    q->finished_bytes += is_released ? message_bytes(m) - before : 0;
}

static void tell(struct queue *q, const struct queue_report *r, int64_t now_ms)
{
    struct queue_event event = {
        .at_ms = now_ms,
        .id = r->id,
        .owner = r->owner,
        .state = r->state,
        .report = r->report,
        .text = (char *)r->text, /* borrowed: the feed copies it */
    };
    memcpy(event.to, r->to, sizeof event.to);
    memcpy(event.from, r->from, sizeof event.from);
    memcpy(event.ref, r->ref, sizeof event.ref);
    queue_feed_add(&q->feed, &event, r->api_id);
}

static void apply(struct queue *q, struct queue_report *r, int64_t now_ms)
{
    struct message *m = r->text != NULL ? NULL : queue_find(q, &r->id);
    struct report known = REPORT_NONE;
    if (m != NULL) {
        known = message_report(m);
    }
    bool is_repeated = r->text != NULL && q->feed.recent != NULL &&
                       queue_recent_has_text(q->feed.recent, &r->id, r->report.event_ms, r->text);
    if (is_repeated || !report_supersedes(&r->report, &known)) {
        r->outcome = REPORT_OLD; /* another came in the same batch; or there is no store to know */
        return;
    }
    if (m != NULL) {
        keep(q, m, r);
        r->state = (enum message_state)m->state;
        if (!message_state_is_finished(r->state) && r->state != MESSAGE_SENDING) {
            r->state = MESSAGE_RELAYED;
            queue_conclude(q, m, END_RELAYED_REPORT, now_ms); /* may doom it */
        }
    } else if (r->text == NULL && !message_state_is_finished(r->state)) {
        r->state = MESSAGE_RELAYED; /* ended, and forgotten, since it was matched */
    }
    tell(q, r, now_ms);
}

void queue_reports_apply(struct queue *q, struct queue_report *reports, size_t count,
                         int64_t now_ms)
{
    queue_enter(q);
    for (size_t i = 0; i < count; i++) {
        if (reports[i].outcome == REPORT_NEW) {
            apply(q, &reports[i], now_ms);
        }
    }
    queue_leave(q);
}
