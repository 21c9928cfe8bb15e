/* page: see page.h. */
#include "gateway/web/page.h"

#include "gateway/base/http_listen.h"
#include "gateway/serve/relay.h"
#include "gateway/web/page_answer.h"
#include "gateway/web/page_events.h"
#include "gateway/web/page_html.h"
#include "gateway/web/page_inbox.h"
#include "gateway/web/page_messages.h"
#include "proto/ulid.h"

#include <event2/buffer.h>
#include <event2/keyvalq_struct.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

enum { FIND_MAX = 255 };
enum { RANDOM_BYTES = 16, RANDOM_SIZE = 2 * RANDOM_BYTES + 1 };

struct page {
    char token[RANDOM_SIZE];
    struct queue *queue;
    bool shows_all;
    struct page_events *events;
    struct page_inbox *inbox; /* NULL = the API is not simulated */
};

/* Random hexadecimal digits that nobody can guess. */
static bool make_random(char text[RANDOM_SIZE])
{
    unsigned char bytes[RANDOM_BYTES];
    if (getrandom(bytes, sizeof bytes, 0) != (ssize_t)sizeof bytes) {
        return false;
    }
    for (size_t i = 0; i < sizeof bytes; i++) {
        snprintf(text + 2 * i, 3, "%02x", bytes[i]);
    }
    return true;
}

/* --- the page --------------------------------------------------------------------------------- */

/* Appends the page with values for "{{nonce}}" and "{{token}}". */
static void fill_in(struct evbuffer *out, const char *nonce, const char *token)
{
    const char *at = page_html, *mark;
    while ((mark = strstr(at, "{{")) != NULL) {
        bool is_nonce = strncmp(mark, "{{nonce}}", strlen("{{nonce}}")) == 0;
        const char *value = is_nonce ? nonce : token;
        evbuffer_add(out, at, (size_t)(mark - at));
        evbuffer_add(out, value, strlen(value));
        at = mark + strlen("{{nonce}}");
    }
    evbuffer_add(out, at, strlen(at));
}

/*
 * The page may run its own scripts and connect to its own origin, nothing else. A nonce, new in each
 * answer, marks its scripts and styles (CSP level 3, 6.7).
 */
static void add_policy(struct evhttp_request *request, const char *nonce)
{
    struct evkeyvalq *headers = evhttp_request_get_output_headers(request);
    char policy[512];
    snprintf(policy, sizeof policy,
             "default-src 'none'; script-src 'nonce-%s'; style-src 'nonce-%s'; connect-src 'self'; "
             "img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
             nonce, nonce);
    evhttp_add_header(headers, "Content-Security-Policy", policy);
    evhttp_add_header(headers, "Referrer-Policy", "no-referrer");
    evhttp_add_header(headers, "X-Frame-Options", "DENY");
    evhttp_add_header(headers, "Cross-Origin-Opener-Policy", "same-origin");
}

void page_show(struct page *page, struct evhttp_request *request)
{
    char nonce[RANDOM_SIZE];
    struct evbuffer *body = evbuffer_new();
    if (body == NULL || !make_random(nonce)) {
        http_answer_line(request, HTTP_SERVUNAVAIL, "out of memory");
    } else {
        fill_in(body, nonce, page->token);
        add_policy(request, nonce);
        http_answer(request, HTTP_OK, "text/html; charset=utf-8", body);
    }
    if (body != NULL) {
        evbuffer_free(body);
    }
}

/* --- its requests ----------------------------------------------------------------------------- */

void page_tell_events(struct page *page, struct evhttp_request *request)
{
    if (evhttp_request_get_command(request) == EVHTTP_REQ_HEAD) {
        http_answer(request, HTTP_OK, "text/event-stream; charset=utf-8", NULL);
    } else {
        page_events_open(page->events, request);
    }
}

static const char *skip_blanks(const char *words)
{
    return words + strspn(words, " \t");
}

/* Reads the parameter `name` of the query into `value`; "" if it is missing or too long. */
static void read_query(struct evhttp_request *request, const char *name, char *value, size_t size)
{
    const char *query = evhttp_uri_get_query(evhttp_request_get_evhttp_uri(request));
    struct evkeyvalq parameters;
    const char *given = NULL;
    bool is_read = query != NULL && evhttp_parse_query_str(query, &parameters) == 0;
    if (is_read) {
        given = evhttp_find_header(&parameters, name);
    }
    snprintf(value, size, "%s", given != NULL && strlen(given) < size ? skip_blanks(given) : "");
    for (size_t len = strlen(value); len > 0 && skip_blanks(value + len - 1)[0] == '\0'; len--) {
        value[len - 1] = '\0';
    }
    if (is_read) {
        evhttp_clear_headers(&parameters);
    }
}

void page_tell_messages(struct page *page, struct evhttp_request *request)
{
    char words[FIND_MAX + 1];
    read_query(request, "find", words, sizeof words);
    if (words[0] == '\0') {
        http_answer_line(request, HTTP_BADREQUEST, "find= takes a number, an id or a REF");
    } else {
        page_answer_json(request, HTTP_OK, page_messages_find(page->queue, words, page->shows_all));
    }
}

void page_tell_message(struct page *page, struct evhttp_request *request)
{
    char words[FIND_MAX + 1];
    struct ulid id;
    json_t *message = NULL;
    read_query(request, "id", words, sizeof words);
    if (ulid_parse(words, strlen(words), &id)) {
        message = page_message(page->queue, &id, page->shows_all);
    }
    if (message == NULL) {
        http_answer_line(request, HTTP_NOTFOUND, "no such message");
    } else {
        page_answer_json(request, HTTP_OK, message);
    }
}

static bool has_inbox(struct page *page, struct evhttp_request *request)
{
    if (page->inbox == NULL) {
        http_answer_line(request, HTTP_NOTFOUND, "there is an inbox only with api.url = sandbox");
    }
    return page->inbox != NULL;
}

void page_tell_inbox(struct page *page, struct evhttp_request *request)
{
    if (has_inbox(page, request)) {
        page_inbox_show(page->inbox, request);
    }
}

void page_take_report(struct page *page, struct evhttp_request *request)
{
    struct evkeyvalq *headers = evhttp_request_get_input_headers(request);
    if (!has_inbox(page, request)) {
        return;
    }
    if (http_is_secret(evhttp_find_header(headers, "X-Page-Token"), page->token)) {
        page_inbox_report(page->inbox, request);
    } else {
        http_answer_line(request, 403, "not from this page");
    }
}

/* --- life ------------------------------------------------------------------------------------- */

struct page *page_new(const struct relay *relay, const struct page_options *options, char *error,
                      size_t error_size)
{
    struct page *page = calloc(1, sizeof *page);
    bool is_sandbox = options->sandbox.port != 0;
    snprintf(error, error_size, "out of memory");
    if (page == NULL) {
        return NULL;
    }
    page->queue = relay->queue;
    page->shows_all = options->shows_all;
    page->events = page_events_new(relay, options->shows_all, is_sandbox);
    if (is_sandbox) {
        page->inbox = page_inbox_new(relay->base, &options->sandbox, options->shows_all);
    }
    if (page->events == NULL || (is_sandbox && page->inbox == NULL)) {
        page_free(page);
        return NULL;
    }
    if (!make_random(page->token)) {
        snprintf(error, error_size, "the system has no random bytes");
        page_free(page);
        return NULL;
    }
    return page;
}

void page_free(struct page *page)
{
    if (page == NULL) {
        return;
    }
    page_events_free(page->events);
    page_inbox_free(page->inbox);
    free(page);
}
