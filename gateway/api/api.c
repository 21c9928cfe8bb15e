/*
 * api: see api.h.
 *
 * HTTP/1.1, one request at a time on each of a few kept connections. HTTP/2 would put all requests
 * on one connection. For a handful of big bodies that gains nothing, one lost packet or GOAWAY
 * would hit all of them, and it would be harder to know what was sent when a stream is refused.
 *
 * A POST must reach the API at most once. libcurl (7.88) sends it again by itself when a kept
 * connection dies before the first byte of the answer. The pre-request callback comes before each
 * send, so it counts them and forbids the second. The same count tells whether anything was sent,
 * which curl's error codes do not: a timeout can come before or after.
 *
 * A server may close a kept connection at any time. That does no harm if it is noticed before
 * anything is sent, but libcurl (7.88) does not notice it under TLS, where the goodbye is bytes to
 * read, nor when an unasked-for answer (408) waits there. So the pre-request callback looks: if
 * there is something to read, the connection is stale, and the request goes over a fresh one.
 */
#include "gateway/api/api.h"

#include "gateway/api/proxy.h"
#include "gateway/base/clock.h"
#include "gateway/base/foreign.h"
#include "gateway/base/int64.h"
#include "proto/buffer.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <curl/curl.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum {
    MAX_BODY_BYTES = 4 << 20,
    PATH_SIZE = 64,
    SOCKETS_PER_CONNECTION = 2, /* connecting tries IPv4 and IPv6 at once */
    LONGEST_POLL_MS = 3600 * 1000,
    FAILED_POLL_MS = 100
};

/* The lines that every request has besides Authorization; a GET has those from GET_LINES on. */
static const char *const fixed_lines[] = {
    "Content-Type: application/json",
    "Expect:", /* none: curl would ask before a large body, and wait for an answer */
    "Accept: application/json",
};
enum { GET_LINES = 2, FIXED_LINES = sizeof(fixed_lines) / sizeof(fixed_lines[0]) };

/* Header lines, with the token. A transfer keeps those that it began with. */
struct headers {
    struct curl_slist *post;
    struct curl_slist *get; /* a tail of `post` */
    unsigned users;
};

struct transfer {
    struct api_answer answer; /* first: the answer that is handed out is the transfer itself */
    struct transfer *next;    /* under way, or ended */
    struct api *api;
    CURL *easy;
    struct headers *headers;
    char *sent; /* the body; curl reads it in place */
    size_t sent_len;
    struct buffer received;
    char *location, *content_type;
    bool is_header_whole;
    unsigned sends; /* how often curl has begun to send it */
    int64_t began_us;
    char error[CURL_ERROR_SIZE];
};

struct api {
    CURLM *multi;
    char *url;
    char *ca_file;
    char *proxy; /* NULL = none */
    bool is_loopback;
    int64_t timeout_ms, connect_timeout_ms;
    struct headers *headers;
    CURL **idle; /* handles not in use; room for `max_idle` */
    size_t idle_count, max_idle;
    int *sockets; /* open ones; -1 = a free slot */
    size_t max_sockets;
    struct transfer *under_way;
    struct transfer *ended, **last_ended; /* a FIFO */
    atomic_bool is_woken;
};

#define AUTHORIZATION "Authorization: Bearer "

/* --- token --------------------------------------------------------------------------------- */

static void headers_release(struct headers *headers)
{
    if (headers == NULL || --headers->users > 0) {
        return;
    }
    for (struct curl_slist *line = headers->post; line != NULL; line = line->next) {
        explicit_bzero(line->data, strlen(line->data));
    }
    curl_slist_free_all(headers->post);
    free(headers);
}

static bool headers_append(struct headers *headers, const char *line)
{
    struct curl_slist *list = curl_slist_append(headers->post, line);
    if (list != NULL) {
        headers->post = list;
    }
    return list != NULL;
}

static bool headers_authorize(struct headers *headers, const char *token)
{
    char *line = NULL;
    /* A line end would begin another header. */
    if (token[strcspn(token, "\r\n")] != '\0' || asprintf(&line, AUTHORIZATION "%s", token) < 0) {
        return false;
    }
    bool is_done = headers_append(headers, line);
    explicit_bzero(line, strlen(line));
    free(line);
    return is_done;
}

static struct headers *headers_new(const char *token)
{
    struct headers *headers = calloc(1, sizeof(*headers));
    if (headers == NULL) {
        return NULL;
    }
    headers->users = 1;
    token = token != NULL ? token : "";
    bool is_whole = foreign_know(FOREIGN_TOKEN, token);
    for (size_t i = 0; i < FIXED_LINES; i++) {
        is_whole = is_whole && headers_append(headers, fixed_lines[i]);
    }
    if (!is_whole || !headers_authorize(headers, token)) {
        headers_release(headers);
        return NULL;
    }
    headers->get = headers->post;
    for (size_t i = 0; i < GET_LINES; i++) {
        headers->get = headers->get->next;
    }
    return headers;
}

/* The last line. */
static const char *authorization_of(const struct headers *headers)
{
    const struct curl_slist *line = headers->post;
    while (line->next != NULL) {
        line = line->next;
    }
    return line->data;
}

bool api_set_token(struct api *api, const char *token)
{
    struct headers *headers = headers_new(token);
    if (headers == NULL) {
        return false;
    }
    bool is_other = strcmp(authorization_of(headers), authorization_of(api->headers)) != 0;
    headers_release(api->headers);
    api->headers = headers;
    return is_other;
}

/* --- sockets -------------------------------------------------------------------------------- */

/* Curl tells a callback only the port of its socket, so we keep a list. */
static curl_socket_t api_open_socket(void *arg, curlsocktype purpose, struct curl_sockaddr *address)
{
    struct api *api = arg;
    (void)purpose;
    int fd = socket(address->family, address->socktype | SOCK_CLOEXEC, address->protocol);
    for (size_t i = 0; i < api->max_sockets; i++) {
        if (api->sockets[i] < 0) {
            api->sockets[i] = fd;
            break;
        }
    }
    return fd >= 0 ? fd : CURL_SOCKET_BAD;
}

static int api_close_socket(void *arg, curl_socket_t fd)
{
    struct api *api = arg;
    for (size_t i = 0; i < api->max_sockets; i++) {
        if (api->sockets[i] == fd) {
            api->sockets[i] = -1;
        }
    }
    return close(fd);
}

static int socket_local_port(int fd)
{
    union {
        struct sockaddr any;
        struct sockaddr_in v4;
        struct sockaddr_in6 v6;
    } address = {.any.sa_family = AF_UNSPEC};
    socklen_t size = sizeof(address);
    if (fd < 0 || getsockname(fd, &address.any, &size) != 0) {
        return -1;
    }
    return ntohs(address.any.sa_family == AF_INET6 ? address.v6.sin6_port : address.v4.sin_port);
}

static bool api_has_bytes_at(const struct api *api, int local_port)
{
    for (size_t i = 0; i < api->max_sockets; i++) {
        if (socket_local_port(api->sockets[i]) == local_port) {
            struct pollfd readable = {.fd = api->sockets[i], .events = POLLIN};
            return poll(&readable, 1, 0) > 0;
        }
    }
    return false;
}

/* --- what curl calls ------------------------------------------------------------------------ */

static bool transfer_is_on_stale_connection(const struct transfer *transfer, int local_port)
{
    long made = 0;
    curl_easy_getinfo(transfer->easy, CURLINFO_NUM_CONNECTS, &made);
    /* On a new one, bytes to read may belong to the beginning of TLS. */
    return made == 0 && api_has_bytes_at(transfer->api, local_port);
}

static int transfer_may_be_sent(void *arg, char *peer, char *local, int peer_port, int local_port)
{
    struct transfer *transfer = arg;
    (void)peer, (void)local, (void)peer_port;
    if (transfer->sends == 0 && transfer_is_on_stale_connection(transfer, local_port)) {
        return CURL_PREREQFUNC_ABORT;
    }
    transfer->sends++;
    /* Reading the history twice does no harm. */
    bool may_be = transfer->sends == 1 || transfer->sent == NULL;
    return may_be ? CURL_PREREQFUNC_OK : CURL_PREREQFUNC_ABORT;
}

/*
 * Called for each line of the header, including status lines of interim answers and the empty line
 * at the end. A connection that closes in the middle of the header is a good answer without a body
 * to curl, but no answer to us.
 */
static size_t transfer_note_header(char *line, size_t size, size_t count, void *arg)
{
    struct transfer *transfer = arg;
    size_t len = size * count;
    if (len >= 5 && memcmp(line, "HTTP/", 5) == 0) {
        transfer->is_header_whole = false;
    } else if (len > 0 && (line[0] == '\r' || line[0] == '\n')) {
        transfer->is_header_whole = true;
    }
    return len;
}

/* Any result but `len` ends the transfer. */
static size_t transfer_receive(char *bytes, size_t size, size_t count, void *arg)
{
    struct transfer *transfer = arg;
    size_t len = size * count;
    size_t room = MAX_BODY_BYTES - transfer->received.len;
    size_t taken = len < room ? len : room;
    char *to = buffer_reserve(&transfer->received, taken + 1); /* room for the NUL, too */
    if (to == NULL) {
        return 0;
    }
    memcpy(to, bytes, taken);
    transfer->received.len += taken;
    transfer->answer.is_body_cut = taken < len;
    return taken;
}

/* --- handles -------------------------------------------------------------------------------- */

static const struct {
    CURLoption option;
    long value;
} fixed_options[] = {
    {CURLOPT_NOSIGNAL, 1},
    {CURLOPT_HTTP_VERSION, CURL_HTTP_VERSION_1_1},
    {CURLOPT_HTTP09_ALLOWED, 0},
    {CURLOPT_FOLLOWLOCATION, 0}, /* messages go to the configured URL and nowhere else */
    {CURLOPT_SSLVERSION, CURL_SSLVERSION_TLSv1_2},
    {CURLOPT_SSL_VERIFYPEER, 1},
    {CURLOPT_SSL_VERIFYHOST, 2},
    {CURLOPT_TCP_NODELAY, 1},
    {CURLOPT_TCP_KEEPALIVE, 1},
    {CURLOPT_TCP_KEEPIDLE, 20},
    {CURLOPT_TCP_KEEPINTVL, 20},
    /* Load balancers close a connection that was idle for 60 s; what is sent at that moment may or
     * may not arrive. So we close first. */
    {CURLOPT_MAXAGE_CONN, 50},
    /* So that changes in the name service are noticed. */
    {CURLOPT_MAXLIFETIME_CONN, 600},
    /* Otherwise a timeout during a name look-up would wait for the look-up's thread to end, and all
     * transfers with it. */
    {CURLOPT_QUICK_EXIT, 1},
};

static bool easy_configure(CURL *easy, struct api *api)
{
    bool is_set = true;
    for (size_t i = 0; i < sizeof(fixed_options) / sizeof(fixed_options[0]); i++) {
        is_set = is_set && curl_easy_setopt(easy, fixed_options[i].option,
                                            fixed_options[i].value) == CURLE_OK;
    }
    return is_set &&
           curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, (long)api->timeout_ms) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS, (long)api->connect_timeout_ms) ==
               CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https") == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_USERAGENT, "smsrelay/" SMSRELAY_VERSION) == CURLE_OK &&
           /* Whatever curl can decompress. The bound on the body counts what comes out. */
           curl_easy_setopt(easy, CURLOPT_ACCEPT_ENCODING, "") == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_OPENSOCKETFUNCTION, api_open_socket) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_OPENSOCKETDATA, api) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_CLOSESOCKETFUNCTION, api_close_socket) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_CLOSESOCKETDATA, api) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_PREREQFUNCTION, transfer_may_be_sent) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, transfer_note_header) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, transfer_receive) == CURLE_OK &&
           /* A proxy cannot reach an API on our loopback. */
           (!api->is_loopback || curl_easy_setopt(easy, CURLOPT_NOPROXY, "*") == CURLE_OK) &&
           (api->ca_file == NULL ||
            curl_easy_setopt(easy, CURLOPT_CAINFO, api->ca_file) == CURLE_OK);
}

static CURL *api_take_easy(struct api *api)
{
    if (api->idle_count > 0) {
        return api->idle[--api->idle_count];
    }
    CURL *easy = curl_easy_init();
    if (easy != NULL && !easy_configure(easy, api)) {
        curl_easy_cleanup(easy);
        easy = NULL;
    }
    return easy;
}

static void api_put_easy(struct api *api, CURL *easy)
{
    if (api->idle_count == api->max_idle) {
        curl_easy_cleanup(easy);
        return;
    }
    curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, NULL);
    api->idle[api->idle_count++] = easy;
}

/* --- life of a transfer --------------------------------------------------------------------- */

static void transfer_free(struct transfer *transfer)
{
    headers_release(transfer->headers);
    free(transfer->sent);
    buffer_free(&transfer->received);
    free(transfer->location);
    free(transfer->content_type);
    free(transfer);
}

/* Takes `body` over (NULL for a GET), also when it fails. */
static struct transfer *transfer_new(struct api *api, enum api_endpoint endpoint, char *body,
                                     void *tag)
{
    struct transfer *transfer = calloc(1, sizeof(*transfer));
    if (transfer == NULL) {
        free(body);
        return NULL;
    }
    transfer->api = api;
    transfer->sent = body;
    transfer->began_us = clock_monotonic_us();
    transfer->answer.endpoint = endpoint;
    transfer->answer.tag = tag;
    /* What an answer needs is allocated before anything is sent, so that no answer is lost. */
    transfer->easy = buffer_reserve(&transfer->received, 1) != NULL ? api_take_easy(api) : NULL;
    if (transfer->easy == NULL) {
        transfer_free(transfer);
        return NULL;
    }
    transfer->headers = api->headers;
    transfer->headers->users++;
    return transfer;
}

static bool transfer_prepare(struct transfer *transfer, const char *base, const char *path)
{
    CURL *easy = transfer->easy;
    char *url = NULL;
    if (asprintf(&url, "%s%s", base, path) < 0) {
        return false;
    }
    bool is_set = curl_easy_setopt(easy, CURLOPT_URL, url) == CURLE_OK &&
                  curl_easy_setopt(easy, CURLOPT_FRESH_CONNECT, 0L) == CURLE_OK &&
                  curl_easy_setopt(easy, CURLOPT_PRIVATE, transfer) == CURLE_OK &&
                  curl_easy_setopt(easy, CURLOPT_PREREQDATA, transfer) == CURLE_OK &&
                  curl_easy_setopt(easy, CURLOPT_HEADERDATA, transfer) == CURLE_OK &&
                  curl_easy_setopt(easy, CURLOPT_WRITEDATA, transfer) == CURLE_OK &&
                  curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, transfer->error) == CURLE_OK;
    free(url);
    return is_set;
}

static bool transfer_choose_method(struct transfer *transfer, size_t len)
{
    CURL *easy = transfer->easy;
    if (transfer->sent == NULL) {
        return curl_easy_setopt(easy, CURLOPT_HTTPGET, 1L) == CURLE_OK &&
               curl_easy_setopt(easy, CURLOPT_HTTPHEADER, transfer->headers->get) == CURLE_OK;
    }
    return curl_easy_setopt(easy, CURLOPT_POST, 1L) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_POSTFIELDS, transfer->sent) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)len) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_HTTPHEADER, transfer->headers->post) == CURLE_OK;
}

static bool api_start(struct api *api, struct transfer *transfer, const char *path, size_t len)
{
    if (transfer == NULL) {
        return false;
    }
    if (!transfer_prepare(transfer, api->url, path) || !transfer_choose_method(transfer, len) ||
        curl_multi_add_handle(api->multi, transfer->easy) != CURLM_OK) {
        api_put_easy(api, transfer->easy);
        transfer_free(transfer);
        return false;
    }
    transfer->sent_len = len;
    transfer->next = api->under_way;
    api->under_way = transfer;
    return true;
}

bool api_post(struct api *api, enum api_endpoint endpoint, char *body, size_t len, void *tag)
{
    const char *path = endpoint == API_BULK ? "/sms/bulk" : "/sms";
    return api_start(api, transfer_new(api, endpoint, body, tag), path, len);
}

bool api_get_history(struct api *api, unsigned page, unsigned per_page, void *tag)
{
    char path[PATH_SIZE];
    snprintf(path, sizeof(path), "/sms?page=%u&per_page=%u", page, per_page);
    return api_start(api, transfer_new(api, API_HISTORY, NULL, tag), path, 0);
}

bool api_get_message(struct api *api, const char *id, void *tag)
{
    char *escaped = curl_easy_escape(NULL, id, 0);
    char *path = NULL;
    if (escaped == NULL || asprintf(&path, "/sms/%s", escaped) < 0) {
        path = NULL;
    }
    curl_free(escaped);
    bool is_started =
        path != NULL && api_start(api, transfer_new(api, API_MESSAGE, NULL, tag), path, 0);
    free(path);
    return is_started;
}

/* --- answers -------------------------------------------------------------------------------- */

static const char *header_value(CURL *easy, const char *name)
{
    struct curl_header *header = NULL;
    CURLHcode code = curl_easy_header(easy, name, 0, CURLH_HEADER, -1, &header);
    /* libcurl (7.88) leaves a "\r" in a header without a value. */
    return code == CURLHE_OK ? header->value + strspn(header->value, "\r") : "";
}

/* Eleven digits hold any sensible time in seconds, and cannot overflow. */
static bool parse_count(const char *digits, int64_t *value)
{
    size_t len = strspn(digits, "0123456789");
    if (len == 0 || len > 11 || digits[len] != '\0') {
        return false;
    }
    *value = strtoll(digits, NULL, 10);
    return true;
}

/* RFC 9110, 10.2.3: seconds or a date. Returns -1 if it is neither. */
static int64_t parse_retry_after(const char *value, int64_t answered_s)
{
    int64_t seconds;
    if (parse_count(value, &seconds)) {
        return seconds;
    }
    /* HTTP dates begin with a weekday; curl_getdate also reads "-5" and "1.5" as dates. */
    time_t date = isalpha((unsigned char)value[0]) ? curl_getdate(value, NULL) : -1;
    if (date < 0) {
        return -1;
    }
    int64_t now_s = answered_s > 0 ? answered_s : time(NULL);
    return date > now_s ? date - now_s : 0;
}

static void rate_read(struct api_rate *rate, CURL *easy)
{
    rate->is_present = parse_count(header_value(easy, "X-RateLimit-Limit"), &rate->limit) &&
                       parse_count(header_value(easy, "X-RateLimit-Remaining"), &rate->remaining) &&
                       parse_count(header_value(easy, "X-RateLimit-Reset"), &rate->reset);
    time_t date = curl_getdate(header_value(easy, "Date"), NULL);
    rate->date_s = date > 0 ? date : 0;
    rate->retry_after_s = parse_retry_after(header_value(easy, "Retry-After"), rate->date_s);
}

/* Whoever runs the API, or is in front of it, has a name of its own for it. */
static void request_id_read(char request_id[API_REQUEST_ID_SIZE], CURL *easy)
{
    static const char *const names[] = {"X-Request-Id",     "Request-Id", "X-Correlation-Id",
                                        "X-Amzn-RequestId", "X-Trace-Id", "CF-Ray"};
    const char *value = "";
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]) && value[0] == '\0'; i++) {
        value = header_value(easy, names[i]);
    }
    char *copy = strdup(value);
    foreign_hide_secrets_of(copy); /* before it is cut: a part of a secret would not be known */
    snprintf(request_id, API_REQUEST_ID_SIZE, "%s", copy == NULL ? "" : copy);
    free(copy);
}

/*
 * If the body was cut or cannot be decompressed, a refusal still counts as answered: its status says
 * enough, and since such a body is no JSON, nothing is concluded about a message. So does a success
 * that cannot be decompressed, with no body: it cannot be read, as others cannot.
 */
static enum api_transport transfer_transport(const struct transfer *transfer, CURLcode code,
                                             long status)
{
    if (transfer->sends == 0) {
        return API_NOT_SENT;
    }
    bool is_whole = code == CURLE_OK && transfer->is_header_whole && status >= 200;
    bool is_undecoded = code == CURLE_BAD_CONTENT_ENCODING && status >= 200;
    bool is_refusal = (transfer->answer.is_body_cut || is_undecoded) && status >= 300;
    bool is_answer = is_whole || (transfer->is_header_whole && (is_undecoded || is_refusal));
    return is_answer ? API_ANSWERED : API_NO_ANSWER;
}

static const char *transfer_error(const struct transfer *transfer, CURLcode code)
{
    if (code == CURLE_BAD_CONTENT_ENCODING) {
        return "the body of the answer cannot be decompressed";
    }
    if (transfer->answer.transport == API_ANSWERED) {
        return "";
    }
    if (transfer->answer.is_body_cut) {
        return "the body of the answer is too long";
    }
    if (code == CURLE_ABORTED_BY_CALLBACK) {
        return "the kept connection was closed before the answer";
    }
    if (code == CURLE_OK) {
        return "the answer ended inside its header";
    }
    return transfer->error[0] != '\0' ? transfer->error : curl_easy_strerror(code);
}

/* Did curl write all of the body? A server that answers early may have seen only a part. */
static bool transfer_is_sent_whole(const struct transfer *transfer)
{
    curl_off_t written = 0;
    curl_easy_getinfo(transfer->easy, CURLINFO_SIZE_UPLOAD_T, &written);
    return written >= (curl_off_t)transfer->sent_len;
}

/* A copy of what the answer says, of the letters of which a URL may consist; NULL = nothing. */
static char *transfer_copy(const struct transfer *transfer, CURLINFO info)
{
    char *words = NULL;
    curl_easy_getinfo(transfer->easy, info, &words);
    char *copy = words == NULL ? NULL : strdup(words);
    for (char *c = copy; c != NULL && *c != '\0'; c++) {
        *c = isgraph((unsigned char)*c) ? *c : info == CURLINFO_REDIRECT_URL ? '?' : ' ';
    }
    return copy;
}

/* Whoever has answered may repeat what it was sent. */
static void transfer_clean(struct transfer *transfer)
{
    struct buffer *received = &transfer->received;
    received->len = received->len == 0 ? 0 : foreign_hide_secrets(received->data, received->len);
    foreign_hide_secrets_of(transfer->error);
    foreign_hide_secrets_of(transfer->location);
    foreign_hide_secrets_of(transfer->content_type);
}

static void transfer_conclude(struct transfer *transfer, CURLcode code)
{
    struct api_answer *answer = &transfer->answer;
    long status = 0;
    curl_easy_getinfo(transfer->easy, CURLINFO_RESPONSE_CODE, &status);
    answer->transport = transfer_transport(transfer, code, status);
    answer->status = answer->transport == API_ANSWERED ? (int)status : 0;
    answer->error = transfer_error(transfer, code);
    answer->is_sent_whole = transfer_is_sent_whole(transfer);
    transfer->location = transfer_copy(transfer, CURLINFO_REDIRECT_URL);
    transfer->content_type = transfer_copy(transfer, CURLINFO_CONTENT_TYPE);
    request_id_read(answer->request_id, transfer->easy);
    transfer_clean(transfer);
    answer->location = transfer->location == NULL ? "" : transfer->location;
    answer->content_type = transfer->content_type == NULL ? "" : transfer->content_type;
    if (code == CURLE_BAD_CONTENT_ENCODING) {
        transfer->received.len = 0;
    }
    answer->body_len = transfer->received.len;
    buffer_putc(&transfer->received, '\0');
    answer->body = transfer->received.data;
    rate_read(&answer->rate, transfer->easy);
    answer->latency_us = clock_monotonic_us() - transfer->began_us;
}

static void api_end(struct api *api, struct transfer *transfer, CURLcode code)
{
    struct transfer **link = &api->under_way;
    while (*link != transfer) {
        link = &(*link)->next;
    }
    *link = transfer->next;
    transfer->next = NULL;
    *api->last_ended = transfer;
    api->last_ended = &transfer->next;

    transfer_conclude(transfer, code);
    curl_multi_remove_handle(api->multi, transfer->easy);
    api_put_easy(api, transfer->easy);
    transfer->easy = NULL;
    headers_release(transfer->headers); /* wipes an old token now, not when the answer is freed */
    transfer->headers = NULL;
}

/*
 * Restarts a transfer that met a stale connection, where nothing was sent. This happens once at
 * most, for the connection is now a fresh one.
 */
static bool api_restart(struct api *api, struct transfer *transfer, CURLcode code)
{
    if (code != CURLE_ABORTED_BY_CALLBACK || transfer->sends > 0) {
        return false;
    }
    curl_multi_remove_handle(api->multi, transfer->easy);
    return curl_easy_setopt(transfer->easy, CURLOPT_FRESH_CONNECT, 1L) == CURLE_OK &&
           curl_multi_add_handle(api->multi, transfer->easy) == CURLM_OK;
}

static void api_gather_ended(struct api *api)
{
    CURLMsg *message;
    int left;
    while ((message = curl_multi_info_read(api->multi, &left)) != NULL) {
        if (message->msg == CURLMSG_DONE) {
            CURLcode code = message->data.result; /* the message dies with the handle */
            struct transfer *transfer = NULL;
            curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, &transfer);
            if (!api_restart(api, transfer, code)) {
                api_end(api, transfer, code);
            }
        }
    }
}

/* Milliseconds until `end_us`, rounded up: to wake earlier would be to spin. */
static int poll_timeout_ms(int64_t end_us)
{
    int64_t left_ms = (end_us - clock_monotonic_us() + 999) / 1000;
    return (int)int64_min(left_ms, LONGEST_POLL_MS);
}

void api_wait(struct api *api, int64_t timeout_ms)
{
    bool is_endless = timeout_ms < 0 || timeout_ms > INT64_MAX / 2000;
    int64_t end_us = is_endless ? INT64_MAX / 2 : clock_monotonic_us() + timeout_ms * 1000;
    for (;;) {
        int running;
        curl_multi_perform(api->multi, &running);
        api_gather_ended(api);
        /* curl_multi_poll does not tell a wake-up from one of curl's timers; the flag does. */
        if (atomic_exchange(&api->is_woken, false) || api->ended != NULL) {
            return;
        }
        int poll_ms = poll_timeout_ms(end_us);
        if (poll_ms <= 0) {
            return;
        }
        if (curl_multi_poll(api->multi, NULL, 0, poll_ms, NULL) != CURLM_OK) {
            poll(NULL, 0, FAILED_POLL_MS); /* no memory: better to pause than to spin */
        }
    }
}

const char *api_proxy(const struct api *api)
{
    return api->proxy == NULL ? "" : api->proxy;
}

void api_wakeup(struct api *api)
{
    atomic_store(&api->is_woken, true);
    curl_multi_wakeup(api->multi);
}

struct api_answer *api_next_answer(struct api *api)
{
    struct transfer *transfer = api->ended;
    if (transfer == NULL) {
        return NULL;
    }
    api->ended = transfer->next;
    if (api->ended == NULL) {
        api->last_ended = &api->ended;
    }
    return &transfer->answer;
}

void api_answer_free(struct api_answer *answer)
{
    if (answer != NULL) {
        transfer_free((struct transfer *)answer);
    }
}

/* --- life of the api ------------------------------------------------------------------------ */

static bool host_is_loopback(const char *host)
{
    struct in_addr v4;
    struct in6_addr v6;
    if (inet_pton(AF_INET, host, &v4) == 1) {
        return ntohl(v4.s_addr) >> 24 == IN_LOOPBACKNET;
    }
    /* "[::1]": an IPv6 address in brackets, in any spelling. */
    char inner[INET6_ADDRSTRLEN] = "";
    if (sscanf(host, "[%45[0-9a-fA-F:.]]", inner) == 1 && inet_pton(AF_INET6, inner, &v6) == 1) {
        return IN6_IS_ADDR_LOOPBACK(&v6);
    }
    return strcasecmp(host, "localhost") == 0;
}

static bool url_is_loopback(const char *url)
{
    CURLU *parsed = curl_url();
    char *host = NULL;
    bool is_loopback = false;
    if (parsed != NULL && curl_url_set(parsed, CURLUPART_URL, url, 0) == CURLUE_OK &&
        curl_url_get(parsed, CURLUPART_HOST, &host, 0) == CURLUE_OK) {
        is_loopback = host_is_loopback(host);
    }
    curl_free(host);
    curl_url_cleanup(parsed);
    return is_loopback;
}

static bool api_configure_multi(CURLM *multi, long connections)
{
    return multi != NULL &&
           curl_multi_setopt(multi, CURLMOPT_PIPELINING, CURLPIPE_NOTHING) == CURLM_OK &&
           curl_multi_setopt(multi, CURLMOPT_MAX_HOST_CONNECTIONS, connections) == CURLM_OK &&
           curl_multi_setopt(multi, CURLMOPT_MAXCONNECTS, connections) == CURLM_OK;
}

static bool api_make_places(struct api *api, size_t connections)
{
    api->max_idle = connections;
    api->idle = calloc(api->max_idle, sizeof(api->idle[0]));
    api->max_sockets = connections * SOCKETS_PER_CONNECTION;
    api->sockets = malloc(api->max_sockets * sizeof(api->sockets[0]));
    for (size_t i = 0; api->sockets != NULL && i < api->max_sockets; i++) {
        api->sockets[i] = -1;
    }
    return api->idle != NULL && api->sockets != NULL;
}

/* Makes a handle, so that a wrong option shows at start-up, not with the first message. */
static bool api_make_first_easy(struct api *api)
{
    CURL *easy = api_take_easy(api);
    if (easy != NULL) {
        api_put_easy(api, easy);
    }
    return easy != NULL;
}

struct api *api_new(const struct api_options *options)
{
    struct api *api = calloc(1, sizeof(*api));
    if (api == NULL) {
        return NULL;
    }
    size_t connections = (size_t)options->connections + 1; /* one for history */
    api->last_ended = &api->ended;
    atomic_init(&api->is_woken, false);
    api->timeout_ms = options->timeout_ms;
    api->connect_timeout_ms = options->connect_timeout_ms;
    api->is_loopback = url_is_loopback(options->url);
    api->proxy = api->is_loopback ? NULL : proxy_of(options->url);
    api->url = strdup(options->url);
    api->ca_file = options->ca_file != NULL ? strdup(options->ca_file) : NULL;
    api->headers = headers_new(options->token);
    api->multi = curl_multi_init();

    bool is_whole = api->url != NULL && (api->ca_file != NULL || options->ca_file == NULL) &&
                    api->headers != NULL && api_make_places(api, connections) &&
                    api_configure_multi(api->multi, (long)connections) && api_make_first_easy(api);
    if (!is_whole) {
        api_free(api);
        return NULL;
    }
    return api;
}

static void transfers_free(struct transfer *transfer)
{
    while (transfer != NULL) {
        struct transfer *next = transfer->next;
        transfer_free(transfer);
        transfer = next;
    }
}

void api_free(struct api *api)
{
    if (api == NULL) {
        return;
    }
    for (struct transfer *transfer = api->under_way; transfer != NULL; transfer = transfer->next) {
        curl_multi_remove_handle(api->multi, transfer->easy);
        curl_easy_cleanup(transfer->easy);
    }
    transfers_free(api->under_way);
    transfers_free(api->ended);
    for (size_t i = 0; i < api->idle_count; i++) {
        curl_easy_cleanup(api->idle[i]);
    }
    curl_multi_cleanup(api->multi);
    headers_release(api->headers);
    free(api->sockets);
    free(api->idle);
    free(api->ca_file);
    free(api->proxy);
    free(api->url);
    free(api);
}
