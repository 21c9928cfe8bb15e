/*
 * reports: see reports.h. Thread: the event base's.
 *
 * A report is waiting (its timer runs) or ready, in the list of that name, or in flight in a lane. A
 * lane is a persistent connection to the webhook.
 */
#include "gateway/sandbox/reports.h"

#include "gateway/sandbox/body.h"
#include "gateway/sandbox/settings.h"
#include "gateway/sandbox/store.h"

#include <event2/buffer.h>
#include <event2/event.h>
#include <event2/http.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <time.h>

enum { LANES = 8, MAX_WAITING = 100000, MAX_ATTEMPTS = 10, TIMEOUT_SECONDS = 5 };

struct report {
    TAILQ_ENTRY(report) entry;
    struct sandbox_reports *reports;
    struct event *timer;
    char id[SANDBOX_ID_SIZE];
    char *client_id, *status, *text;
    int code;
    int attempts;
    const struct sandbox_outcome *outcome;        /* whose reports follow it, or NULL */
    int step;                                     /* its place among them */
    int64_t delay_ms;                             /* before each */
    char event_at[sizeof "2026-04-21T10:15:00Z"]; /* "" until the event happens */
};

TAILQ_HEAD(report_list, report);

struct lane {
    struct sandbox_reports *reports;
    struct evhttp_connection *connection;
    struct report *report; /* in flight, or NULL */
};

struct sandbox_reports {
    struct event_base *base;
    const struct sandbox_settings *settings;
    struct report_list waiting, ready;
    struct lane lanes[LANES];
    char *webhook; /* that the lanes are connected to */
    struct sandbox_report_counts counts;
};

static void report_free(struct report *report)
{
    report->reports->counts.waiting--;
    event_free(report->timer);
    free(report->client_id);
    free(report->status);
    free(report->text);
    free(report);
}

static char *copy_of(const char *s)
{
    return s == NULL ? NULL : strdup(s);
}

/* --- lanes ------------------------------------------------------------------------------------ */

static void dispatch(struct sandbox_reports *reports);

static json_t *report_json(const struct report *report)
{
    return json_pack("{s:s, s:s*, s:s, s:i, s:s, s:s*}", "id", report->id, "clientId",
                     report->client_id, "status", report->status, "code", report->code, "eventAt",
                     report->event_at, "message", report->text);
}

static void wait_for(struct report *report, int64_t ms)
{
    struct timeval delay = {ms / 1000, ms % 1000 * 1000};

    TAILQ_INSERT_TAIL(&report->reports->waiting, report, entry);
    evtimer_add(report->timer, &delay);
}

/*
 * Turns a settled report into the next one of its message, or frees it. Sent one after the other,
 * they arrive in the order of the table although there are several lanes.
 */
static void follow_up(struct report *report)
{
    const struct sandbox_outcome *outcome = report->outcome;
    char *status = NULL;

    report->step++;
    if (outcome != NULL && report->step < SANDBOX_MAX_REPORTS &&
        outcome->reports[report->step].status != NULL) {
        status = strdup(outcome->reports[report->step].status);
    }
    if (status == NULL) {
        report_free(report);
        return;
    }
    free(report->status);
    report->status = status;
    report->code = outcome->reports[report->step].code;
    report->attempts = 0;
    *report->event_at = '\0';
    wait_for(report, report->delay_ms);
}

static void settle(struct report *report, bool is_delivered)
{
    struct sandbox_reports *reports = report->reports;

    if (is_delivered) {
        reports->counts.delivered++;
        follow_up(report);
    } else if (report->attempts == MAX_ATTEMPTS) {
        reports->counts.failed++;
        follow_up(report);
    } else {
        reports->counts.retried++;
        wait_for(report, reports->settings->report_retry_ms << (report->attempts - 1));
    }
}

static void on_answer(struct evhttp_request *request, void *arg)
{
    struct lane *lane = arg;
    struct report *report = lane->report;
    int status = request == NULL ? 0 : evhttp_request_get_response_code(request);

    lane->report = NULL;
    settle(report, status >= 200 && status <= 299);
    dispatch(lane->reports);
}

static bool lane_connect(struct lane *lane, const struct evhttp_uri *uri)
{
    const char *host = evhttp_uri_get_host(uri);
    bool is_bracketed = *host == '[';
    char *name = strndup(host + is_bracketed, strlen(host) - 2 * (size_t)is_bracketed);

    if (name == NULL) {
        return false;
    }
    if (lane->connection == NULL) {
        lane->connection = evhttp_connection_base_new(lane->reports->base, NULL, name,
                                                      (uint16_t)evhttp_uri_get_port(uri));
    }
    free(name);
    if (lane->connection == NULL) {
        return false;
    }
    evhttp_connection_set_timeout(lane->connection, TIMEOUT_SECONDS);
    return true;
}

/* Returns false if the report could not be sent. */
static bool lane_post(struct lane *lane, const struct evhttp_uri *uri)
{
    const char *path = evhttp_uri_get_path(uri);
    const char *query = evhttp_uri_get_query(uri);
    struct evhttp_request *request;
    struct evkeyvalq *headers;
    char target[1024];

    if (!lane_connect(lane, uri) || (request = evhttp_request_new(on_answer, lane)) == NULL) {
        return false;
    }
    snprintf(target, sizeof target, "%s%s%s", path == NULL || *path == '\0' ? "/" : path,
             query == NULL ? "" : "?", query == NULL ? "" : query);
    headers = evhttp_request_get_output_headers(request);
    evhttp_add_header(headers, "Host", evhttp_uri_get_host(uri));
    evhttp_add_header(headers, "Content-Type", "application/json");
    sandbox_body_add(evhttp_request_get_output_buffer(request), report_json(lane->report));
    return evhttp_make_request(lane->connection, request, EVHTTP_REQ_POST, target) == 0;
}

static void lane_send(struct lane *lane, struct report *report)
{
    struct evhttp_uri *uri = evhttp_uri_parse(lane->reports->webhook);

    report->attempts++;
    lane->report = report;
    if (uri == NULL || !lane_post(lane, uri)) {
        lane->report = NULL;
        settle(report, false);
    }
    if (uri != NULL) {
        evhttp_uri_free(uri);
    }
}

/* Closes the connections; reports in flight are ready again. */
static void disconnect(struct sandbox_reports *reports)
{
    for (struct lane *lane = reports->lanes; lane < reports->lanes + LANES; lane++) {
        if (lane->connection != NULL) {
            evhttp_connection_free(lane->connection);
        }
        lane->connection = NULL;
        if (lane->report != NULL) {
            TAILQ_INSERT_HEAD(&reports->ready, lane->report, entry);
        }
        lane->report = NULL;
    }
}

static struct report *take_ready(struct sandbox_reports *reports)
{
    struct report *report = TAILQ_FIRST(&reports->ready);

    if (report != NULL) {
        TAILQ_REMOVE(&reports->ready, report, entry);
    }
    return report;
}

/* The webhook is gone: its reports have failed. */
static void give_up(struct sandbox_reports *reports)
{
    struct report *report;

    while ((report = take_ready(reports)) != NULL) {
        reports->counts.failed++;
        report_free(report);
    }
}

static void dispatch(struct sandbox_reports *reports)
{
    struct report *report;

    if (reports->webhook == NULL) {
        give_up(reports);
    }
    for (struct lane *lane = reports->lanes; lane < reports->lanes + LANES; lane++) {
        if (lane->report == NULL && (report = take_ready(reports)) != NULL) {
            lane_send(lane, report);
        }
    }
}

/* Reconnects the lanes if the setting has changed. */
static void follow_webhook(struct sandbox_reports *reports)
{
    const char *webhook = reports->settings->webhook;

    if (reports->webhook != NULL && webhook != NULL && strcmp(reports->webhook, webhook) == 0) {
        return;
    }
    disconnect(reports);
    free(reports->webhook);
    reports->webhook = copy_of(webhook);
}

/* --- reports ---------------------------------------------------------------------------------- */

static void on_timer(evutil_socket_t fd, short what, void *arg)
{
    struct report *report = arg;
    struct sandbox_reports *reports = report->reports;
    time_t now = time(NULL) + reports->settings->date_offset_s;
    struct tm utc;

    (void)fd;
    (void)what;
    if (*report->event_at == '\0') {
        strftime(report->event_at, sizeof report->event_at, "%FT%TZ", gmtime_r(&now, &utc));
    }
    TAILQ_REMOVE(&reports->waiting, report, entry);
    TAILQ_INSERT_TAIL(&reports->ready, report, entry);
    follow_webhook(reports);
    dispatch(reports);
}

static struct report *report_new(struct sandbox_reports *reports,
                                 const struct sandbox_message *message, const char *id,
                                 const char *status)
{
    struct report *report;

    if (reports->counts.waiting >= MAX_WAITING || (report = calloc(1, sizeof *report)) == NULL) {
        reports->counts.dropped++;
        return NULL;
    }
    report->timer = evtimer_new(reports->base, on_timer, report);
    report->status = strdup(status);
    if (report->timer == NULL || report->status == NULL) {
        abort();
    }
    report->reports = reports;
    report->client_id = copy_of(message->item.client_id);
    strcpy(report->id, id);
    reports->counts.waiting++;
    return report;
}

/* How long after the message, and after one another, its reports come. */
static int64_t delay_of(const struct sandbox_reports *reports,
                        const struct sandbox_outcome *outcome)
{
    return outcome->is_late ? reports->settings->report_late_ms
                            : reports->settings->report_delay_ms;
}

const char *sandbox_reports_status(const struct sandbox_reports *reports,
                                   const struct sandbox_message *message, int64_t now_ms)
{
    if (message->status != NULL) {
        return message->status;
    }
    return now_ms - message->at_ms < delay_of(reports, message->outcome)
               ? "accepted"
               : message->outcome->settled;
}

void sandbox_reports_schedule(struct sandbox_reports *reports,
                              const struct sandbox_message *message, const char *id)
{
    const struct sandbox_outcome *outcome = message->outcome;
    struct report *report;

    if (reports->settings->webhook == NULL || outcome->reports[0].status == NULL) {
        return;
    }
    report = report_new(reports, message, id, outcome->reports[0].status);
    if (report == NULL) {
        return;
    }
    report->code = outcome->reports[0].code;
    report->outcome = outcome;
    report->delay_ms = delay_of(reports, outcome);
    wait_for(report, report->delay_ms);
}

void sandbox_reports_send(struct sandbox_reports *reports, const struct sandbox_message *message,
                          const char *id, const char *status, int code, const char *text)
{
    struct report *report = report_new(reports, message, id, status);

    if (report == NULL) {
        return;
    }
    report->code = code;
    report->text = copy_of(text);
    wait_for(report, 0);
}

const struct sandbox_report_counts *sandbox_reports_counts(const struct sandbox_reports *reports)
{
    return &reports->counts;
}

struct sandbox_reports *sandbox_reports_new(struct event_base *base,
                                            const struct sandbox_settings *settings)
{
    struct sandbox_reports *reports = calloc(1, sizeof *reports);

    if (reports == NULL) {
        return NULL;
    }
    reports->base = base;
    reports->settings = settings;
    TAILQ_INIT(&reports->waiting);
    TAILQ_INIT(&reports->ready);
    for (int i = 0; i < LANES; i++) {
        reports->lanes[i].reports = reports;
    }
    return reports;
}

void sandbox_reports_clear(struct sandbox_reports *reports)
{
    struct report *report;

    disconnect(reports);
    while ((report = take_ready(reports)) != NULL) {
        report_free(report);
    }
    while ((report = TAILQ_FIRST(&reports->waiting)) != NULL) {
        TAILQ_REMOVE(&reports->waiting, report, entry);
        report_free(report);
    }
    reports->counts = (struct sandbox_report_counts){0};
}

void sandbox_reports_free(struct sandbox_reports *reports)
{
    if (reports == NULL) {
        return;
    }
    sandbox_reports_clear(reports);
    free(reports->webhook);
    free(reports);
}
