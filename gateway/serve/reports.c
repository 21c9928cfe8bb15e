/*
 * reports: see reports.h.
 *
 * Each report of a call is an arrival. It waits (in `waiting`) until no batch is being stored, and is
 * stored with the next batch (in `storing`). One that names only an API id, and an unknown one, may
 * be ahead of the answer to the request that sent its message: it waits longer (in `unknown`). All
 * lists are in order of arrival. The call is answered when all of its reports are stored, or when one
 * could not be: then the API makes it again, and those that were stored say nothing new.
 */
#include "gateway/serve/reports.h"

#include "gateway/api/report.h"
#include "gateway/base/clock.h"
#include "gateway/base/foreign.h"
#include "gateway/base/http_listen.h"
#include "gateway/base/int64.h"
#include "gateway/base/log.h"
#include "gateway/base/stats.h"
#include "gateway/forward/forwarder.h"
#include "gateway/queue/reports.h"
#include "gateway/serve/optout.h"
#include "gateway/serve/relay.h"
#include "gateway/store/store.h"

#include <event2/buffer.h>
#include <event2/event.h>
#include <event2/http.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

enum {
    IDLE_SECONDS = 60,
    REQUEST_MS = 10000,
    CONNECTIONS_MAX = 256,
    MAX_BODY = 65536,
    BATCH_MAX = 1000,
    WAITING_MAX = 10000, /* more get 503 */
    ANSWER_MS = 4000,    /* the API gives up after 5 s */
    MATCH_MS = 3000,     /* how long an unknown API id may take to become known */
    LOOK_MS = 250        /* how often to look again */
};

#define PATH_START "/dlr/"
#define ALLOW      "GET, HEAD, OPTIONS, POST"

struct http_call {
    struct evhttp_request *request; /* NULL = it has been answered */
    size_t open;                    /* its reports that are not stored */
};

struct arrival {
    STAILQ_ENTRY(arrival) entry;
    struct http_call *call; /* NULL = polling has found it */
    struct api_report content;
    int64_t came_ms; /* monotonic */
};

STAILQ_HEAD(arrivals, arrival);

struct reports {
    const struct relay *relay;
    char *url;                      /* "http://<host>:<port>/dlr/<secret>"; NULL = not listening */
    const char *path;               /* in it */
    struct http_listener *listener; /* NULL = not listening */
    struct networks networks;       /* from where they may be posted, besides this machine ... */
    bool takes_all;                 /* ... or from everywhere */
    struct event *start, *look, *found;
    _Atomic(struct poll_news *) news; /* pushed by the forwarding thread, taken all at once */
    struct arrivals waiting, storing, unknown;
    struct arrivals optout_pending; /* stored, but the opt-outs in them are not yet */
    size_t open;                    /* arrivals in all of these */
    struct queue_report batch[BATCH_MAX];
    size_t batch_count; /* 0 = none is being stored */
};

/* --- answers ---------------------------------------------------------------------------------- */

/* Not the path, which may be nearly the secret, nor the body, which may be what a phone has sent. */
static void log_refusal(struct evhttp_request *request, int status, const char *words)
{
    struct evhttp_connection *connection = evhttp_request_get_connection(request);
    char *peer = NULL;
    ev_uint16_t port = 0;
    if (connection != NULL) {
        evhttp_connection_get_peer(connection, &peer, &port);
    }
    LOG(LOG_INFO, "report_refused", log_key(LOG_STR("peer", peer), SIZE_MAX),
        log_key(LOG_STR("reason", words), SIZE_MAX), LOG_INT("status", status),
        LOG_INT("bytes", evbuffer_get_length(evhttp_request_get_input_buffer(request))));
}

static void answer_request(struct evhttp_request *request, int status, const char *words)
{
    if (status != HTTP_OK) {
        log_refusal(request, status, words);
    }
    if (status == HTTP_SERVUNAVAIL) {
        evhttp_add_header(evhttp_request_get_output_headers(request), "Retry-After", "1");
    }
    http_answer_line(request, status, words);
}

/* Tells the API to make the call again. */
static void refuse(struct arrival *a, const char *words)
{
    if (a->call != NULL && a->call->request != NULL) {
        answer_request(a->call->request, HTTP_SERVUNAVAIL, words);
        a->call->request = NULL;
    }
}

static void arrival_free(struct reports *reports, struct arrival *a)
{
    reports->open--;
    api_report_free(&a->content);
    free(a);
}

/* The arrival is stored, or its call was refused. */
static void arrival_end(struct reports *reports, struct arrival *a)
{
    struct http_call *call = a->call;
    if (call != NULL && --call->open == 0) {
        if (call->request != NULL) {
            answer_request(call->request, HTTP_OK, "thank you");
        }
        free(call);
    }
    arrival_free(reports, a);
}

/* --- batches ---------------------------------------------------------------------------------- */

static void count_outcome(struct reports *reports, const struct queue_report *r)
{
    static const enum stats_name names[] = {
        [REPORT_UNMATCHED] = STAT_REPORTS_UNMATCHED,
        [REPORT_OLD] = STAT_REPORTS_OLD,
        [REPORT_NEW] = STAT_REPORTS_NEW,
    };
    struct stats *stats = reports->relay->stats;
    stats_count_report(stats, names[r->outcome], r->text != NULL ? NULL : r->report.status);
    bool is_delivered = r->text == NULL && strcmp(r->report.status, "delivered") == 0;
    bool is_timed = r->report.event_ms != 0 && r->relayed_ms > 0; /* polling reports no time */
    if (r->outcome == REPORT_NEW && is_delivered && is_timed) {
        int64_t took_ms = r->report.event_ms - r->relayed_ms;
        took_ms = int64_max(took_ms, 0); /* eventAt has no fractions of a second */
        stats_observe(stats, HISTOGRAM_DELIVERY, &took_ms, 1);
    }
    if (r->outcome == REPORT_UNMATCHED) {
        struct report report = r->report;
        foreign_hide_numbers(report.status);
        LOG(LOG_DEBUG, "report_unmatched", LOG_STR("status", report.status),
            LOG_STR("api", r->api_id));
    }
}

/* May its message still become known? Not if it is known, or has a clientId that is not ours. */
static bool may_be_early(const struct arrival *a, const struct queue_report *r)
{
    return !r->has_id && !a->content.is_foreign && clock_monotonic_ms() - a->came_ms < MATCH_MS;
}

/* Applies an opt-out or opt-in in an inbound message. Returns true if the list has changed. */
static bool apply_optout(struct reports *reports, const struct queue_report *r)
{
    struct optout_answer answer = {
        .number = r->to,
        .text = r->text,
        .is_stop = report_status_is_stop(r->report.status),
        .is_new = r->outcome == REPORT_NEW,
        .at_ms = r->report.event_ms,
    };
    return r->text != NULL && r->outcome != REPORT_UNMATCHED &&
           optout_apply_answer(reports->relay->optout, &answer);
}

static void on_optout_stored(void *arg, const struct store_question *question)
{
    struct reports *reports = arg;
    struct arrival *a = STAILQ_FIRST(&reports->optout_pending);
    STAILQ_REMOVE_HEAD(&reports->optout_pending, entry);
    if (question->has_failed) {
        refuse(a, "cannot be stored now");
    }
    arrival_end(reports, a);
}

/* The opt-out, too, must be on disk before the API gets its answer. */
static void answer_when_optout_stored(struct reports *reports, struct arrival *a)
{
    struct store_question question = {
        .kind = STORE_ASK_NOTHING, .syncs = true, .answered = on_optout_stored, .arg = reports};
    STAILQ_INSERT_TAIL(&reports->optout_pending, a, entry);
    if (!store_ask(reports->relay->store, &question)) {
        STAILQ_REMOVE(&reports->optout_pending, a, arrival, entry);
        refuse(a, "out of memory");
        arrival_end(reports, a);
    }
}

static void end_arrival(struct reports *reports, struct arrival *a, const struct queue_report *r,
                        bool is_stored)
{
    if (!is_stored) {
        refuse(a, "cannot be stored now");
    } else {
        count_outcome(reports, r);
        if (apply_optout(reports, r) && reports->relay->store != NULL) {
            answer_when_optout_stored(reports, a);
            return;
        }
    }
    arrival_end(reports, a);
}

/* Tells the forwarder about final statuses, whether posted or polled. */
static void tell_forwarder(struct reports *reports, size_t count)
{
    struct ulid ended[BATCH_MAX];
    size_t ended_count = 0;
    for (size_t i = 0; i < count; i++) {
        const struct queue_report *r = &reports->batch[i];
        if (r->has_id && report_status_is_last(r->report.status)) {
            ended[ended_count++] = r->id;
        }
    }
    forwarder_reported(reports->relay->forwarder, ended, ended_count);
}

static void on_stored(void *arg, bool is_stored)
{
    struct reports *reports = arg;
    size_t count = reports->batch_count;
    reports->batch_count = 0;
    if (is_stored) {
        queue_reports_apply(reports->relay->queue, reports->batch, count, clock_steady_ms());
        tell_forwarder(reports, count);
    }
    for (size_t i = 0; i < count; i++) {
        struct arrival *a = STAILQ_FIRST(&reports->storing);
        STAILQ_REMOVE_HEAD(&reports->storing, entry);
        end_arrival(reports, a, &reports->batch[i], is_stored);
    }
    if (!STAILQ_EMPTY(&reports->waiting)) {
        event_active(reports->start, EV_TIMEOUT, 0);
    }
}

static void describe(const struct arrival *a, struct queue_report *r)
{
    *r = (struct queue_report){
        .has_id = a->content.has_client_id,
        .id = a->content.client_id,
        .report = a->content.report,
        .text = a->content.text,
    };
    if (strlen(a->content.api_id) < sizeof r->api_id) { /* a longer one is invalid */
        memcpy(r->api_id, a->content.api_id, strlen(a->content.api_id) + 1);
    }
}

/* Moves what waits into the batch, except what may be early. */
static void gather(struct reports *reports)
{
    struct arrival *a;
    while (reports->batch_count < BATCH_MAX && (a = STAILQ_FIRST(&reports->waiting)) != NULL) {
        struct queue_report *r = &reports->batch[reports->batch_count];
        STAILQ_REMOVE_HEAD(&reports->waiting, entry);
        describe(a, r);
        if (!r->has_id) {
            queue_reports_match(reports->relay->queue, r, 1);
        }
        if (may_be_early(a, r)) {
            STAILQ_INSERT_TAIL(&reports->unknown, a, entry);
        } else {
            STAILQ_INSERT_TAIL(&reports->storing, a, entry);
            reports->batch_count++;
        }
    }
}

static void on_start(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    struct reports *reports = arg;
    if (reports->batch_count > 0) {
        return;
    }
    gather(reports);
    if (reports->batch_count == 0) {
        return;
    }
    queue_reports_match(reports->relay->queue, reports->batch, reports->batch_count);
    if (reports->relay->store != NULL) {
        store_report(reports->relay->store, reports->batch, reports->batch_count, on_stored,
                     reports);
    } else {
        on_stored(reports, true);
    }
}

/* Answers those that have waited too long for the disk: the API makes these calls again. */
static void give_up(const struct arrivals *list, int64_t now_ms)
{
    struct arrival *a = STAILQ_FIRST(list);
    while (a != NULL && now_ms - a->came_ms >= ANSWER_MS) {
        refuse(a, "could not be stored in time");
        a = STAILQ_NEXT(a, entry);
    }
}

static void on_look(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    static const struct timeval LOOK = {.tv_usec = LOOK_MS * 1000};
    struct reports *reports = arg;
    int64_t now_ms = clock_monotonic_ms();
    give_up(&reports->storing, now_ms);
    give_up(&reports->optout_pending, now_ms);
    give_up(&reports->waiting, now_ms);
    STAILQ_CONCAT(&reports->unknown, &reports->waiting); /* the oldest come first */
    STAILQ_CONCAT(&reports->waiting, &reports->unknown);
    if (!STAILQ_EMPTY(&reports->waiting)) {
        event_active(reports->start, EV_TIMEOUT, 0);
    }
    if (reports->open > 0) {
        event_add(reports->look, &LOOK);
    }
}

/*
 * Lets a report wait for its batch, and takes ownership of it. `call` is NULL if there is none to
 * answer. Returns false on allocation failure.
 */
static bool arrive(struct reports *reports, struct api_report *content, struct http_call *call)
{
    static const struct timeval LOOK = {.tv_usec = LOOK_MS * 1000};
    struct arrival *a = malloc(sizeof *a);
    if (a == NULL) {
        return false;
    }
    *a = (struct arrival){.call = call, .content = *content, .came_ms = clock_monotonic_ms()};
    *content = (struct api_report){.has_client_id = false};
    STAILQ_INSERT_TAIL(&reports->waiting, a, entry);
    reports->open++;
    if (call != NULL) {
        call->open++;
    }
    event_active(reports->start, EV_TIMEOUT, 0);
    if (!event_pending(reports->look, EV_TIMEOUT, NULL)) {
        event_add(reports->look, &LOOK);
    }
    return true;
}

/* --- what polling has found --------------------------------------------------------------------- */

static void take_news(struct reports *reports, struct poll_news *news)
{
    size_t taken = 0;
    while (taken < news->count && reports->open < WAITING_MAX &&
           arrive(reports, &news->reports[taken], NULL)) {
        taken++;
    }
    news->count -= taken;
    memmove(news->reports, news->reports + taken, news->count * sizeof news->reports[0]);
    poll_news_free(news); /* polling finds again the final statuses that did not fit */
}

static void on_found(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    struct reports *reports = arg;
    struct poll_news *news = atomic_exchange_explicit(&reports->news, NULL, memory_order_acquire);
    while (news != NULL) {
        struct poll_news *next = news->next;
        take_news(reports, news);
        news = next;
    }
}

void reports_found(void *arg, struct poll_news *news)
{
    struct reports *reports = arg;
    news->next = atomic_load_explicit(&reports->news, memory_order_relaxed);
    while (!atomic_compare_exchange_weak_explicit(&reports->news, &news->next, news,
                                                  memory_order_release, memory_order_relaxed)) {
    }
    event_active(reports->found, EV_TIMEOUT, 0);
}

/* --- requests --------------------------------------------------------------------------------- */

static bool is_for_us(const struct reports *reports, struct evhttp_request *request)
{
    const char *path = evhttp_uri_get_path(evhttp_request_get_evhttp_uri(request));
    return http_is_secret(path, reports->path);
}

/* Takes the reports of a call. On allocation failure the API makes the call again. */
static void take_call(struct reports *reports, struct evhttp_request *request,
                      struct api_reports *content)
{
    struct http_call *call = calloc(1, sizeof *call);
    size_t taken = 0;
    while (call != NULL && taken < content->count && arrive(reports, &content->list[taken], call)) {
        taken++;
    }
    bool is_taken = taken == content->count;
    if (!is_taken) {
        answer_request(request, HTTP_SERVUNAVAIL, "out of memory");
    }
    if (taken > 0) {
        call->request = is_taken ? request : NULL;
    } else {
        free(call);
    }
}

static void refuse_all(struct reports *reports, struct evhttp_request *request, int status,
                       const char *words)
{
    stats_add(reports->relay->stats, STAT_REPORTS_REFUSED, 1);
    answer_request(request, status, words);
}

static void on_post(struct reports *reports, struct evhttp_request *request)
{
    struct evbuffer *input = evhttp_request_get_input_buffer(request);
    size_t len = evbuffer_get_length(input);
    char *body = (char *)evbuffer_pullup(input, -1);
    struct api_reports content;
    len = foreign_hide_secrets(body, len); /* a report may repeat the URL that it is posted to */
    if (!api_reports_read(len == 0 ? "" : body, len, clock_unix_ms(), &content)) {
        refuse_all(reports, request, HTTP_BADREQUEST, "not a delivery report");
        return;
    }
    if (content.refused >
        0) { /* to refuse all would lose the others: it would come again as it is */
        stats_add(reports->relay->stats, STAT_REPORTS_REFUSED, (int64_t)content.refused);
        LOG(LOG_WARN, "report_unreadable", LOG_INT("entries", content.refused),
            LOG_INT("taken", content.count));
    }
    if (reports->open + content.count > WAITING_MAX) {
        answer_request(request, HTTP_SERVUNAVAIL, "too many at once");
    } else {
        take_call(reports, request, &content);
    }
    api_reports_free(&content);
}

/* Forms of providers, and people, look whether the URL is right before they save it. */
static void on_look_at(struct evhttp_request *request)
{
    evhttp_add_header(evhttp_request_get_output_headers(request), "Allow", ALLOW);
    answer_request(request, HTTP_OK,
                   "smsrelay takes delivery reports and inbound messages here, by POST");
}

static bool is_from_inside(const struct reports *reports, struct evhttp_request *request)
{
    struct network_address peer;
    return reports->takes_all || http_is_local(request, &peer) ||
           networks_contain(&reports->networks, &peer);
}

static void on_request(struct evhttp_request *request, void *arg)
{
    struct reports *reports = arg;
    if (!is_from_inside(reports, request)) {
        refuse_all(reports, request, 403, "not from this address (reports.networks)");
    } else if (!is_for_us(reports, request)) {
        refuse_all(reports, request, HTTP_NOTFOUND, "not found");
    } else if (evhttp_request_get_command(request) == EVHTTP_REQ_POST) {
        on_post(reports, request);
    } else {
        on_look_at(request);
    }
}

/* --- life ------------------------------------------------------------------------------------- */

/* Sets the URL. Returns false on allocation failure. */
static bool set_url(struct reports *reports, const char *base, const char *secret)
{
    size_t size = strlen(base) + sizeof PATH_START + strlen(secret);
    reports->url = malloc(size);
    if (reports->url != NULL) {
        snprintf(reports->url, size, "%s" PATH_START "%s", base, secret);
        reports->path = reports->url + strlen(base);
    }
    return reports->url != NULL;
}

struct reports *reports_new(const struct relay *relay)
{
    struct reports *reports = calloc(1, sizeof *reports);
    if (reports == NULL) {
        return NULL;
    }
    reports->relay = relay;
    STAILQ_INIT(&reports->waiting);
    STAILQ_INIT(&reports->storing);
    STAILQ_INIT(&reports->unknown);
    STAILQ_INIT(&reports->optout_pending);
    reports->start = event_new(relay->base, -1, 0, on_start, reports);
    reports->look = evtimer_new(relay->base, on_look, reports);
    reports->found = event_new(relay->base, -1, 0, on_found, reports);
    if (reports->start == NULL || reports->look == NULL || reports->found == NULL) {
        reports_free(reports);
        return NULL;
    }
    return reports;
}

bool reports_listen(struct reports *reports, const struct reports_options *options, char *error,
                    size_t error_size)
{
    const struct http_listener_options listener = {
        .address = options->address,
        .limit = {.max = CONNECTIONS_MAX, .request_ms = REQUEST_MS, .stats = reports->relay->stats},
        .max_body = MAX_BODY,
        .idle_seconds = IDLE_SECONDS,
        .methods = EVHTTP_REQ_POST | EVHTTP_REQ_GET | EVHTTP_REQ_HEAD | EVHTTP_REQ_OPTIONS,
    };
    char url[HTTP_URL_SIZE];
    reports->networks = options->networks;
    reports->takes_all = options->takes_all;
    reports->listener =
        http_listener_new(reports->relay->base, &listener, on_request, reports, error, error_size);
    if (reports->listener == NULL) {
        return false;
    }
    http_listener_url(reports->listener, url);
    if (!set_url(reports, url, options->secret) ||
        !foreign_know(FOREIGN_REPORTS, options->secret)) {
        snprintf(error, error_size, "out of memory");
        return false;
    }
    http_listener_log(reports->listener, "reports_listening");
    return true;
}

const char *reports_url(const struct reports *reports)
{
    return reports->url;
}

void reports_stop(struct reports *reports)
{
    if (reports != NULL && reports->listener != NULL) {
        http_listener_stop(reports->listener);
    }
}

/* One of its reports will not be stored. */
static void call_drop(struct http_call *call)
{
    if (call == NULL) {
        return;
    }
    /* evhttp frees only requests that still have a connection. */
    if (call->request != NULL && evhttp_request_get_connection(call->request) == NULL) {
        evhttp_request_free(call->request);
    }
    call->request = NULL;
    if (--call->open == 0) {
        free(call);
    }
}

static void drop_all(struct reports *reports, struct arrivals *list)
{
    struct arrival *a;
    while ((a = STAILQ_FIRST(list)) != NULL) {
        STAILQ_REMOVE_HEAD(list, entry);
        call_drop(a->call);
        arrival_free(reports, a);
    }
}

void reports_free(struct reports *reports)
{
    if (reports == NULL) {
        return;
    }
    drop_all(reports, &reports->waiting);
    drop_all(reports, &reports->storing);
    drop_all(reports, &reports->unknown);
    drop_all(reports, &reports->optout_pending);
    http_listener_free(reports->listener);
    struct event *const events[] = {reports->start, reports->look, reports->found};
    for (size_t i = 0; i < sizeof events / sizeof events[0]; i++) {
        if (events[i] != NULL) {
            event_free(events[i]);
        }
    }
    struct poll_news *news = atomic_exchange(&reports->news, NULL);
    while (news != NULL) {
        struct poll_news *next = news->next;
        poll_news_free(news);
        news = next;
    }
    if (reports->url != NULL) {
        explicit_bzero(reports->url, strlen(reports->url));
    }
    free(reports->url);
    free(reports);
}
