/* webhook: see webhook.h. */
#include "gateway/notify/webhook.h"

#include "gateway/base/clock.h"
#include "gateway/base/foreign.h"
#include "gateway/base/int64.h"
#include "gateway/base/log.h"
#include "gateway/base/thread.h"
#include "gateway/notify/retry.h"
#include "gateway/notify/signature.h"
#include "proto/buffer.h"

#include <curl/curl.h>
#include <inttypes.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum {
    BATCH_NOTICES = 100,
    BATCH_BYTES = 64 * 1024,  /* some receivers refuse 100 KB; a larger notice goes alone */
    ANSWER_BYTES = 64 * 1024, /* of an answer's body that are read */
    TIMEOUT_MS = 10000,
    LONGEST_POLL_MS = 3600 * 1000,
    FAILED_POLL_MS = 100,
    RETRY_AFTER_MAX_S = 3600, /* the longest wait that a receiver may ask for */
    STATUS_GONE = 410,
    REASON_SIZE = 128,
    LINE_SIZE = 128
};

#define BATCH_START "{\"changes\":[\n"
#define SEPARATOR   ",\n"
#define BATCH_END   "\n]}\n"

/* The notices in flight: the same until they are acknowledged. */
struct batch {
    size_t count; /* 0 = no batch */
    uint64_t first, last;
    struct buffer body;
};

/* How a post ended. */
struct answer {
    bool is_success;
    bool is_gone;           /* 410 (RFC 9110, 15.5.11): there is no receiver any more */
    int64_t retry_after_ms; /* what the receiver asks for (RFC 9110, 10.2.3); 0 = nothing */
    char reason[REASON_SIZE];
};

struct webhook {
    struct outbox *outbox;
    struct webhook_options options; /* its strings are NULL */
    struct signature_key *key;
    CURLM *multi;
    CURL *easy;
    char *host;
    char told[REASON_SIZE]; /* the reason of the last failure */
    pthread_t thread;
    bool has_thread;
    atomic_bool is_woken, is_resumed;
    atomic_int_fast64_t deadline_ms; /* monotonic; INT64_MAX = not stopping */

    /* The thread's own. */
    struct batch batch;
    size_t answered; /* bytes of the answer's body */
    struct retry retry;
    bool is_gone;
};

static bool is_stopping(struct webhook *w)
{
    return atomic_load(&w->deadline_ms) != INT64_MAX;
}

static bool is_late(struct webhook *w)
{
    return clock_monotonic_ms() >= atomic_load(&w->deadline_ms);
}

static void wake(void *arg)
{
    struct webhook *w = arg;
    atomic_store(&w->is_woken, true);
    curl_multi_wakeup(w->multi);
}

/* --- batches ------------------------------------------------------------------------------------ */

/* Always leaves room for the end of the batch. */
static bool add(void *arg, const struct notice *notice)
{
    struct batch *batch = arg;
    bool is_first = batch->count == 0;
    bool is_too_much = !is_first && batch->body.len + notice->len > BATCH_BYTES;
    if (is_too_much ||
        buffer_reserve(&batch->body, notice->len + strlen(SEPARATOR BATCH_END)) == NULL) {
        return false;
    }
    buffer_puts(&batch->body, is_first ? "" : SEPARATOR);
    buffer_append(&batch->body, notice->json, notice->len);
    batch->first = is_first ? notice->number : batch->first;
    batch->last = notice->number;
    batch->count++;
    return true;
}

/* Fills the batch. Returns false if there is no notice, or on allocation failure (body.has_failed). */
static bool gather(struct webhook *w)
{
    struct batch *batch = &w->batch;
    if (batch->count > 0) {
        return true;
    }
    buffer_clear(&batch->body);
    buffer_puts(&batch->body, BATCH_START);
    if (!batch->body.has_failed) {
        outbox_take(w->outbox, OUTBOX_WEBHOOK, BATCH_NOTICES, add, batch);
    }
    if (batch->count == 0) {
        return false;
    }
    buffer_puts(&batch->body, BATCH_END);
    return true;
}

/* --- posts -------------------------------------------------------------------------------------- */

static bool append(struct curl_slist **lines, const char *line)
{
    struct curl_slist *longer = curl_slist_append(*lines, line);
    *lines = longer != NULL ? longer : *lines;
    return longer != NULL;
}

/* Returns NULL on allocation failure. */
static struct curl_slist *header_lines(const struct webhook *w)
{
    struct curl_slist *lines = NULL;
    const struct batch *batch = &w->batch;
    int64_t now_s = clock_unix_ms() / 1000;
    char id[LINE_SIZE], id_line[LINE_SIZE * 2], time_line[LINE_SIZE], signature[SIGNATURE_SIZE],
        signature_line[LINE_SIZE * 2];
    snprintf(id, sizeof id, "%" PRIu64 "-%" PRIu64, batch->first, batch->last);
    signature_make(w->key, id, now_s, batch->body.data, batch->body.len, signature);
    snprintf(id_line, sizeof id_line, "webhook-id: %s", id);
    snprintf(time_line, sizeof time_line, "webhook-timestamp: %" PRId64, now_s);
    snprintf(signature_line, sizeof signature_line, "webhook-signature: %s", signature);
    const char *const all[] = {"Content-Type: application/json", "Expect:", id_line, time_line,
                               signature_line};
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) {
        if (!append(&lines, all[i])) {
            curl_slist_free_all(lines);
            return NULL;
        }
    }
    return lines;
}

/* Runs the transfer until it ends, or until the deadline. */
static CURLcode transfer(struct webhook *w)
{
    for (;;) {
        int running;
        int left;
        curl_multi_perform(w->multi, &running);
        CURLMsg *message = curl_multi_info_read(w->multi, &left);
        if (message != NULL && message->msg == CURLMSG_DONE) {
            return message->data.result;
        }
        if (is_late(w)) {
            return CURLE_ABORTED_BY_CALLBACK;
        }
        int64_t left_ms = atomic_load(&w->deadline_ms) - clock_monotonic_ms();
        int poll_ms = left_ms < TIMEOUT_MS ? (int)left_ms + 1 : TIMEOUT_MS;
        if (curl_multi_poll(w->multi, NULL, 0, poll_ms, NULL) != CURLM_OK) {
            poll(NULL, 0, FAILED_POLL_MS); /* out of memory: pause rather than spin */
        }
    }
}

static void read_answer(struct webhook *w, CURLcode code, struct answer *answer)
{
    long status = 0;
    curl_off_t after_s = 0;
    curl_easy_getinfo(w->easy, CURLINFO_RESPONSE_CODE, &status);
    /* The status precedes the body, which may be long, slow or endless. */
    bool is_answered = code == CURLE_OK || w->answered > 0;
    if (!is_answered) {
        snprintf(answer->reason, REASON_SIZE, "%s", curl_easy_strerror(code));
        return;
    }
    curl_easy_getinfo(w->easy, CURLINFO_RETRY_AFTER, &after_s);
    answer->is_success = status >= 200 && status < 300;
    answer->is_gone = status == STATUS_GONE;
    answer->retry_after_ms = int64_min(after_s, RETRY_AFTER_MAX_S) * 1000;
    snprintf(answer->reason, REASON_SIZE, "HTTP status %ld%s", status,
             answer->is_gone ? ": nothing more is posted until SIGHUP or a restart" : "");
}

/* Sends the batch. */
static void post(struct webhook *w, struct answer *answer)
{
    *answer = (struct answer){.is_success = false};
    CURLcode code = CURLE_OUT_OF_MEMORY;
    struct curl_slist *lines = header_lines(w);
    w->answered = 0;
    if (lines != NULL && curl_easy_setopt(w->easy, CURLOPT_HTTPHEADER, lines) == CURLE_OK &&
        curl_easy_setopt(w->easy, CURLOPT_POSTFIELDS, w->batch.body.data) == CURLE_OK &&
        curl_easy_setopt(w->easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)w->batch.body.len) ==
            CURLE_OK &&
        curl_multi_add_handle(w->multi, w->easy) == CURLM_OK) {
        code = transfer(w);
        curl_multi_remove_handle(w->multi, w->easy);
        read_answer(w, code, answer);
    } else {
        snprintf(answer->reason, REASON_SIZE, "out of memory");
    }
    curl_easy_setopt(w->easy, CURLOPT_HTTPHEADER, NULL);
    curl_slist_free_all(lines);
}

/* --- the thread --------------------------------------------------------------------------------- */

/* Until a time (monotonic), or a resumption; INT64_MAX = until the outbox wakes us, unless the receiver
 * is gone. */
static void sleep_until(struct webhook *w, int64_t until_ms)
{
    while (!is_stopping(w)) {
        int64_t left_ms = until_ms == INT64_MAX ? INT64_MAX : until_ms - clock_monotonic_ms();
        bool is_woken = atomic_exchange(&w->is_woken, false);
        bool is_resumed = atomic_exchange(&w->is_resumed, false);
        if (left_ms <= 0 || is_resumed || (until_ms == INT64_MAX && is_woken && !w->is_gone)) {
            return;
        }
        int poll_ms = left_ms < LONGEST_POLL_MS ? (int)left_ms : LONGEST_POLL_MS;
        if (curl_multi_poll(w->multi, NULL, 0, poll_ms, NULL) != CURLM_OK) {
            poll(NULL, 0, FAILED_POLL_MS);
        }
    }
}

static void set_gone(struct webhook *w, bool is_gone)
{
    w->is_gone = is_gone;
    stats_set(w->options.stats, STAT_WEBHOOK_GONE, is_gone ? 1 : 0);
}

static void note_success(struct webhook *w)
{
    set_gone(w, false);
    if (w->retry.failures > 0) {
        LOG(LOG_WARN, "webhook_recovered", LOG_STR("host", w->host),
            LOG_INT("failures", w->retry.failures));
    }
    w->retry.failures = 0;
    outbox_acknowledge(w->outbox, OUTBOX_WEBHOOK, w->batch.last, w->batch.count);
    w->batch.count = 0;
}

/* Returns when to try again (monotonic); INT64_MAX = not before a resumption. */
static int64_t note_failure(struct webhook *w, const struct answer *answer)
{
    bool is_news = w->retry.failures == 0 || strcmp(answer->reason, w->told) != 0;
    snprintf(w->told, sizeof w->told, "%s", answer->reason);
    int64_t wait_ms = retry_failed(&w->retry);
    wait_ms = answer->retry_after_ms > 0 ? answer->retry_after_ms : wait_ms;
    stats_add(w->options.stats, STAT_WEBHOOK_FAILURES, 1);
    set_gone(w, answer->is_gone);
    if (answer->is_gone) {
        LOG(LOG_ERROR, "webhook_gone", LOG_STR("host", w->host), LOG_STR("reason", answer->reason));
    } else if (is_news) {
        LOG(LOG_ERROR, "webhook_failing", log_key(LOG_STR("host", w->host), SIZE_MAX),
            log_key(LOG_STR("reason", answer->reason), SIZE_MAX), LOG_INT("retry_ms", wait_ms));
    }
    return answer->is_gone ? INT64_MAX : clock_monotonic_ms() + wait_ms;
}

static void *run(void *arg)
{
    struct webhook *w = arg;
    struct answer answer;
    pthread_setname_np(pthread_self(), "webhook");
    while (!is_late(w) && !(w->is_gone && is_stopping(w))) {
        if (!gather(w)) {
            if (is_stopping(w)) {
                break;
            }
            sleep_until(w,
                        w->batch.body.has_failed ? clock_monotonic_ms() + RETRY_MIN_MS : INT64_MAX);
            continue;
        }
        post(w, &answer);
        if (answer.is_success) {
            note_success(w);
        } else if (is_stopping(w)) {
            break; /* what is left stays in the outbox */
        } else {
            sleep_until(w, note_failure(w, &answer));
        }
    }
    w->options.ended(w->options.arg);
    return NULL;
}

int webhook_start(struct webhook *w)
{
    int error = thread_start(&w->thread, run, w);
    w->has_thread = error == 0;
    return error;
}

void webhook_stop(struct webhook *w, int64_t within_ms)
{
    atomic_store(&w->deadline_ms, clock_monotonic_ms() + within_ms);
    wake(w);
}

void webhook_resume(struct webhook *w)
{
    atomic_store(&w->is_resumed, true);
    curl_multi_wakeup(w->multi);
}

/* --- life --------------------------------------------------------------------------------------- */

/* Ignores the answer's body, up to a bound. */
static size_t discard(char *bytes, size_t size, size_t count, void *arg)
{
    (void)bytes;
    struct webhook *w = arg;
    w->answered += size * count;
    return w->answered <= ANSWER_BYTES ? size * count : 0;
}

/* The host of the URL: all that the log may show of it. */
static char *host_of(const char *url)
{
    CURLU *parsed = curl_url();
    char *host = NULL;
    char *copy = NULL;
    if (parsed != NULL && curl_url_set(parsed, CURLUPART_URL, url, 0) == CURLUE_OK &&
        curl_url_get(parsed, CURLUPART_HOST, &host, 0) == CURLUE_OK) {
        copy = strdup(host);
    }
    curl_free(host);
    curl_url_cleanup(parsed);
    return copy;
}

static bool configure(struct webhook *w, const char *url, const char *ca_file)
{
    static const struct {
        CURLoption option;
        long value;
    } fixed[] = {
        {CURLOPT_NOSIGNAL, 1},
        {CURLOPT_POST, 1},
        {CURLOPT_FOLLOWLOCATION, 0}, /* notices go where the settings say, and nowhere else */
        {CURLOPT_SSLVERSION, CURL_SSLVERSION_TLSv1_2},
        {CURLOPT_SSL_VERIFYPEER, 1},
        {CURLOPT_SSL_VERIFYHOST, 2},
        {CURLOPT_TIMEOUT_MS, TIMEOUT_MS},
        {CURLOPT_QUICK_EXIT, 1}, /* see api.c */
    };
    CURL *easy = w->easy;
    bool is_set = true;
    for (size_t i = 0; i < sizeof fixed / sizeof fixed[0]; i++) {
        is_set = is_set && curl_easy_setopt(easy, fixed[i].option, fixed[i].value) == CURLE_OK;
    }
    bool is_https = strncasecmp(url, "https:", strlen("https:")) == 0;
    return is_set && curl_easy_setopt(easy, CURLOPT_URL, url) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https") == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_USERAGENT, "smsrelay/" SMSRELAY_VERSION) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, discard) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_WRITEDATA, w) == CURLE_OK &&
           (ca_file == NULL || curl_easy_setopt(easy, CURLOPT_CAINFO, ca_file) == CURLE_OK) &&
           /* Plain HTTP stays on this machine, where a proxy could not reach it. */
           (is_https || curl_easy_setopt(easy, CURLOPT_NOPROXY, "*") == CURLE_OK);
}

/* Whoever learns them could forge notices, or post where only the relay should. */
static bool hide_secrets(const struct webhook_options *options)
{
    bool is_coded = strncmp(options->secret, SIGNATURE_PREFIX, strlen(SIGNATURE_PREFIX)) == 0;
    const char *key = options->secret + (is_coded ? strlen(SIGNATURE_PREFIX) : 0);
    return foreign_know(FOREIGN_WEBHOOK, key) && foreign_know_url(FOREIGN_WEBHOOK, options->url);
}

struct webhook *webhook_new(struct outbox *outbox, const struct webhook_options *options)
{
    struct webhook *w = calloc(1, sizeof *w);
    if (w == NULL) {
        return NULL;
    }
    rng_seed(&w->retry.rng);
    w->outbox = outbox;
    w->options = *options;
    w->options.url = w->options.ca_file = w->options.secret = NULL;
    atomic_init(&w->is_woken, false);
    atomic_init(&w->is_resumed, false);
    atomic_init(&w->deadline_ms, INT64_MAX);
    w->host = host_of(options->url);
    w->key = signature_key_new(options->secret);
    w->multi = curl_multi_init();
    w->easy = curl_easy_init();
    if (w->host == NULL || w->key == NULL || w->multi == NULL || w->easy == NULL ||
        !hide_secrets(options) || !configure(w, options->url, options->ca_file)) {
        webhook_free(w);
        return NULL;
    }
    outbox_join(outbox, OUTBOX_WEBHOOK, wake, w);
    return w;
}

void webhook_end(struct webhook *w)
{
    if (w->has_thread) {
        webhook_stop(w, 0);
        pthread_join(w->thread, NULL);
        w->has_thread = false;
    }
}

void webhook_free(struct webhook *w)
{
    if (w == NULL) {
        return;
    }
    webhook_end(w);
    curl_easy_cleanup(w->easy);
    curl_multi_cleanup(w->multi);
    signature_key_free(w->key);
    buffer_free(&w->batch.body);
    free(w->host);
    free(w);
}
