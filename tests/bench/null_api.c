/*
 * null_api: the API without anything behind it, so that only the relay is measured.
 *
 *     null_api [--latency-ms N] [--limit REQUESTS] [--report-rate N] [--report-every N]
 *
 * Answers POST .../sms and .../sms/bulk with 201 and entities that repeat the clientId, as fast as
 * memory allows: bodies are searched for "clientId":"...", not parsed. It keeps counts, the set of
 * ids, and when the latest single messages came. Rate headers are sent only with --limit, and never
 * enforced. Without errors, faults and history it is no stand-in for the simulator.
 *
 *     GET /count      {"messages":n,"distinct":n,"single":n,"bulk":n,"full_bulks":n,"bodies":bytes,
 *                      "first_ns":t,"last_ns":t}, the times of the first and the last request
 *     GET /arrivals   [["<clientId>",t],..] of the latest 1024 single messages
 *     GET /reports    {"wanted":n,"posted":n,"taken":n,"refused":n,"first_ns":t,"last_ns":t, and how
 *                      long answers took}: delivery reports, of one in --report-every messages
 *     POST /reports/<port>/<path>   from now on they go to this port of 127.0.0.1
 *
 * Times are CLOCK_MONOTONIC in ns, taken when the request is whole. Listens on a free port of
 * 127.0.0.1, which it prints to stderr as the relay does. SIGTERM ends it and prints the counts.
 * One thread.
 */
#include "tests/bench/ids.h"
#include "tests/bench/reporter.h"

#include <arpa/inet.h>
#include <event2/buffer.h>
#include <event2/event.h>
#include <event2/http.h>
#include <getopt.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

#define ID_KEY "\"clientId\":\""

enum { BULK_MAX = 100, ARRIVALS = 1024, ID_MAX = 40 };

struct arrival {
    char client_id[ID_MAX + 1];
    int64_t at_ns;
};

struct null_api {
    struct event_base *base;
    int latency_ms;
    int limit; /* 0 = no rate headers */
    struct ids ids;
    uint64_t messages, singles, bulks, full_bulks, bytes;
    int64_t first_ns, last_ns;
    struct arrival arrivals[ARRIVALS]; /* a ring of `singles` */
    struct reporter reporter;
};

static int64_t now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

/* --- answering -------------------------------------------------------------------------------- */

/* The next clientId of a body, or NULL; `*at` moves behind it. */
static const char *next_id(const char **at, const char *end, size_t *len)
{
    const char *key = memmem(*at, (size_t)(end - *at), ID_KEY, sizeof ID_KEY - 1);
    if (key == NULL) {
        return NULL;
    }
    const char *id = key + sizeof ID_KEY - 1;
    const char *quote = memchr(id, '"', (size_t)(end - id));
    if (quote == NULL) {
        return NULL;
    }
    *len = (size_t)(quote - id);
    *at = quote;
    return id;
}

static void add_entity(struct null_api *api, struct evbuffer *out, const char *id, size_t len)
{
    char entity[160];
    int size = snprintf(entity, sizeof entity, "{\"id\":\"n%" PRIu64 "\",\"clientId\":\"%.*s\"}",
                        ++api->messages, (int)(len < ID_MAX ? len : ID_MAX), id);
    evbuffer_add(out, entity, (size_t)size);
    ids_add(&api->ids, id, len);
    reporter_note(&api->reporter, id, len);
}

static void note_arrival(struct null_api *api, const char *id, size_t len)
{
    struct arrival *arrival = &api->arrivals[api->singles++ % ARRIVALS];
    len = len < ID_MAX ? len : ID_MAX;
    memcpy(arrival->client_id, id, len);
    arrival->client_id[len] = '\0';
    arrival->at_ns = api->last_ns;
}

static void take_single(struct null_api *api, const char *body, const char *end,
                        struct evbuffer *out)
{
    size_t len = 0;
    const char *id = next_id(&body, end, &len);
    id = id == NULL ? "" : id;
    add_entity(api, out, id, len);
    note_arrival(api, id, len);
}

static void take_bulk(struct null_api *api, const char *body, const char *end, struct evbuffer *out)
{
    size_t count = 0;
    size_t len;
    const char *id;
    evbuffer_add_printf(out, "{\"entities\":[");
    while ((id = next_id(&body, end, &len)) != NULL) {
        evbuffer_add(out, ",", count++ == 0 ? 0 : 1);
        add_entity(api, out, id, len);
    }
    evbuffer_add_printf(out, "],\"errors\":[]}");
    api->bulks++;
    api->full_bulks += count == BULK_MAX;
}

static void add_rate_headers(const struct null_api *api, struct evhttp_request *request)
{
    struct evkeyvalq *headers = evhttp_request_get_output_headers(request);
    time_t now = time(NULL);
    char number[24];
    snprintf(number, sizeof number, "%d", api->limit);
    evhttp_add_header(headers, "X-RateLimit-Limit", number);
    snprintf(number, sizeof number, "%d", api->limit - 1);
    evhttp_add_header(headers, "X-RateLimit-Remaining", number);
    snprintf(number, sizeof number, "%lld", (long long)(now - now % 60 + 60));
    evhttp_add_header(headers, "X-RateLimit-Reset", number);
}

struct answer {
    struct evhttp_request *request;
    struct evbuffer *body;
};

static void send_answer(evutil_socket_t fd, short what, void *arg)
{
    struct answer *answer = arg;
    (void)fd;
    (void)what;
    evhttp_send_reply(answer->request, 201, "Created", answer->body);
    evbuffer_free(answer->body);
    free(answer);
}

static void on_post(struct evhttp_request *request, struct null_api *api, bool is_bulk)
{
    struct evbuffer *input = evhttp_request_get_input_buffer(request);
    size_t len = evbuffer_get_length(input);
    const char *body = (const char *)evbuffer_pullup(input, -1);
    struct answer *answer = malloc(sizeof *answer);
    api->last_ns = now_ns();
    api->first_ns = api->first_ns == 0 ? api->last_ns : api->first_ns;
    api->bytes += len;
    *answer = (struct answer){request, evbuffer_new()};
    body = body == NULL ? "" : body;
    (is_bulk ? take_bulk : take_single)(api, body, body + len, answer->body);
    if (api->limit > 0) {
        add_rate_headers(api, request);
    }
    evhttp_add_header(evhttp_request_get_output_headers(request), "Content-Type",
                      "application/json");
    if (api->latency_ms == 0) {
        send_answer(-1, 0, answer);
        return;
    }
    struct timeval latency = {api->latency_ms / 1000, api->latency_ms % 1000 * 1000};
    event_base_once(api->base, -1, EV_TIMEOUT, send_answer, answer, &latency);
}

/* --- telling ---------------------------------------------------------------------------------- */

static void add_counts(const struct null_api *api, struct evbuffer *out)
{
    evbuffer_add_printf(out,
                        "{\"messages\":%" PRIu64 ",\"distinct\":%zu,\"single\":%" PRIu64
                        ",\"bulk\":%" PRIu64 ",\"full_bulks\":%" PRIu64 ",\"bodies\":%" PRIu64
                        ",\"first_ns\":%" PRId64 ",\"last_ns\":%" PRId64 "}\n",
                        api->messages, api->ids.count, api->singles, api->bulks, api->full_bulks,
                        api->bytes, api->first_ns, api->last_ns);
}

static void add_arrivals(const struct null_api *api, struct evbuffer *out)
{
    uint64_t first = api->singles > ARRIVALS ? api->singles - ARRIVALS : 0;
    evbuffer_add_printf(out, "[");
    for (uint64_t i = first; i < api->singles; i++) {
        const struct arrival *arrival = &api->arrivals[i % ARRIVALS];
        evbuffer_add_printf(out, "%s[\"%s\",%" PRId64 "]", i == first ? "" : ",",
                            arrival->client_id, arrival->at_ns);
    }
    evbuffer_add_printf(out, "]\n");
}

static void tell(struct evhttp_request *request, const struct null_api *api,
                 void (*add)(const struct null_api *, struct evbuffer *))
{
    struct evbuffer *out = evbuffer_new();
    add(api, out);
    evhttp_send_reply(request, 200, "OK", out);
    evbuffer_free(out);
}

static void add_reports(const struct null_api *api, struct evbuffer *out)
{
    reporter_tell(&api->reporter, out);
}

static void start_reports(struct evhttp_request *request, struct null_api *api, const char *where)
{
    char *path;
    unsigned long port = strtoul(where, &path, 10);
    snprintf(api->reporter.path, sizeof api->reporter.path, "%s", path);
    if (api->reporter.tick == NULL) {
        reporter_start(&api->reporter, api->base, (unsigned)port);
    }
    tell(request, api, add_reports);
}

static bool ends_with(const char *s, const char *end)
{
    size_t len = strlen(s);
    size_t end_len = strlen(end);
    return len >= end_len && strcmp(s + len - end_len, end) == 0;
}

static void on_request(struct evhttp_request *request, void *arg)
{
    struct null_api *api = arg;
    const char *path = evhttp_request_get_uri(request);
    static const char REPORTS[] = "/reports/";
    bool is_post = evhttp_request_get_command(request) == EVHTTP_REQ_POST;
    if (is_post && (ends_with(path, "/sms") || ends_with(path, "/sms/bulk"))) {
        on_post(request, api, ends_with(path, "/bulk"));
    } else if (strcmp(path, "/count") == 0) {
        tell(request, api, add_counts);
    } else if (strcmp(path, "/arrivals") == 0) {
        tell(request, api, add_arrivals);
    } else if (strcmp(path, "/reports") == 0) {
        tell(request, api, add_reports);
    } else if (is_post && strncmp(path, REPORTS, sizeof REPORTS - 1) == 0) {
        start_reports(request, api, path + sizeof REPORTS - 1);
    } else {
        evhttp_send_reply(request, 404, "Not Found", NULL);
    }
}

/* --- starting --------------------------------------------------------------------------------- */

static void on_signal(evutil_socket_t number, short what, void *arg)
{
    struct null_api *api = arg;
    struct evbuffer *out = evbuffer_new();
    (void)number;
    (void)what;
    add_counts(api, out);
    fwrite(evbuffer_pullup(out, -1), 1, evbuffer_get_length(out), stdout);
    evbuffer_free(out);
    event_base_loopbreak(api->base);
}

static bool read_arguments(struct null_api *api, int argc, char **argv)
{
    static const struct option OPTIONS[] = {{"latency-ms", required_argument, NULL, 'l'},
                                            {"limit", required_argument, NULL, 'r'},
                                            {"report-rate", required_argument, NULL, 'p'},
                                            {"report-every", required_argument, NULL, 'e'},
                                            {0}};
    int letter;
    while ((letter = getopt_long(argc, argv, "", OPTIONS, NULL)) != -1) {
        if (letter == '?') {
            return false;
        }
        unsigned value = (unsigned)strtoul(optarg, NULL, 10);
        switch (letter) {
        case 'l':
            api->latency_ms = (int)value;
            break;
        case 'r':
            api->limit = (int)value;
            break;
        case 'p':
            api->reporter.rate = value;
            break;
        case 'e':
            api->reporter.every = value;
            break;
        }
    }
    return optind == argc;
}

/* Whole milliseconds, libevent's habit, would make the latency longer than what was asked for. */
static struct event_base *precise_base(void)
{
    struct event_config *config = event_config_new();
    event_config_set_flag(config, EVENT_BASE_FLAG_PRECISE_TIMER);
    struct event_base *base = event_base_new_with_config(config);
    event_config_free(config);
    return base;
}

static unsigned port_of(struct evhttp_bound_socket *bound)
{
    struct sockaddr_in address;
    socklen_t len = sizeof address;
    getsockname(evhttp_bound_socket_get_fd(bound), (struct sockaddr *)&address, &len);
    return ntohs(address.sin_port);
}

int main(int argc, char **argv)
{
    static struct null_api api;
    if (!read_arguments(&api, argc, argv)) {
        fputs("usage: null_api [--latency-ms N] [--limit REQUESTS] [--report-rate N] "
              "[--report-every N]\n",
              stderr);
        return 64;
    }
    api.base = precise_base();
    struct evhttp *http = evhttp_new(api.base);
    struct evhttp_bound_socket *bound = evhttp_bind_socket_with_handle(http, "127.0.0.1", 0);
    if (bound == NULL) {
        perror("null_api: cannot listen");
        return 71;
    }
    evhttp_set_gencb(http, on_request, &api);
    struct event *term = evsignal_new(api.base, SIGTERM, on_signal, &api);
    event_add(term, NULL);
    fprintf(stderr, "listening address=127.0.0.1:%u\n", port_of(bound));
    event_base_dispatch(api.base);
    event_free(term);
    reporter_free(&api.reporter);
    evhttp_free(http);
    event_base_free(api.base);
    free(api.ids.slots);
    return 0;
}
