/*
 * The API never takes a message more often than 1 + ambiguous_resends times, whatever it does.
 *
 * Each byte decides one thing: what the API takes of a request and what it answers, how late its
 * history is and what a call to it gets, how time passes, when the relay is killed. The joints between
 * queue, policy and settle, which are the forwarder's, are made here once more, without thread and
 * clock. Leaves out what no relay could know: a history that shows what was taken later but not what
 * was taken before, and one that hides what was refused and taken.
 */
#include "gateway/base/log.h"
#include "gateway/forward/anchor.h"
#include "gateway/forward/settle.h"
#include "gateway/policy/reconcile.h"
#include "gateway/queue/admission.h"
#include "gateway/queue/ask.h"
#include "gateway/queue/dispatch.h"
#include "gateway/queue/queue.h"
#include "gateway/queue/suspects.h"
#include "proto/buffer.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

enum {
    MESSAGES = 6,
    BATCH = 4,
    PER_PAGE = 4,
    NEAR = 3, /* messages relayed since the first doubt, after which it is out of reach */
    POSTS = 2,
    SETTLE_MS = 100,
    HOUR_MS = 3600 * 1000,
    STEPS = 150
};

/* What the API has taken, in order. */
struct taken {
    size_t message;
    int64_t at_ms;
};

struct world {
    const uint8_t *bytes;
    size_t left;
    int64_t now_ms, lag_ms;
    unsigned resends;
    bool shows_client_ids;

    struct taken taken[STEPS * BATCH];
    size_t taken_count;
    unsigned copies[MESSAGES];

    struct queue *queue;
    struct message *messages[MESSAGES];
    struct stats *stats;
    struct destination destination;
    struct reconcile *reconcile;
    struct anchors anchors;
    struct anchor kept; /* by the store, like this: */
    bool is_kept_deep;
    size_t doubtful;
    bool is_deep;
    struct post *posts[POSTS];
    uint32_t last_group, begun, doubted;
    uint64_t sent, landed, scan_from;
    bool is_look_due;
};

static const struct destination_options destination_options = {10, 60000};

static void require(bool is_true)
{
    if (!is_true) {
        abort();
    }
}

/* The next choice of `count`. */
static unsigned choose(struct world *w, unsigned count)
{
    if (w->left == 0) {
        return 0;
    }
    w->left--;
    return *w->bytes++ % count;
}

static double chance(struct world *w)
{
    return choose(w, 8) / 8.0;
}

/* --- messages --------------------------------------------------------------------------------- */

static struct ulid id_of(size_t i)
{
    struct ulid id = {{0}};
    id.bytes[ULID_BYTES - 1] = (unsigned char)(i + 1);
    return id;
}

static size_t index_of(const struct ulid *id)
{
    return id->bytes[ULID_BYTES - 1] - 1U;
}

static struct message *make_message(size_t i)
{
    struct message_content content = {.id = id_of(i),
                                      .to = "+34600000000",
                                      .from = "Acme",
                                      .ref = "",
                                      .text = "hello",
                                      .text_len = 5,
                                      .priority = PRIORITY_NORMAL,
                                      .expires_ms = INT64_MAX,
                                      .owner = OWNER_LOCAL};
    struct message *m = message_new(&content);
    require(m != NULL);
    return m;
}

static struct queue *make_queue(struct stats *stats)
{
    struct queue *queue = queue_new(&(struct queue_options){
        .max_messages = 1000, .max_bytes = 1 << 20, .retention_ms = INT64_MAX / 2, .stats = stats});
    require(queue != NULL);
    return queue;
}

static void submit(struct world *w)
{
    for (size_t i = 0; i < MESSAGES; i++) {
        struct queue_receipt receipt = {0};
        w->messages[i] = make_message(i);
        struct queue_submission s = {.messages = &w->messages[i], .count = 1, .receipts = &receipt};
        queue_add(w->queue, &s, 1, w->now_ms);
        require(s.verdict == QUEUE_ACCEPTED);
    }
}

/* What the store would give back of a message. */
static struct message *copy_message(const struct message *m, size_t i)
{
    struct message *copy = make_message(i);
    copy->state = m->state;
    copy->attempts = m->attempts;
    copy->doubts = m->doubts;
    copy->ambiguous_ends = m->ambiguous_ends;
    copy->may_be_sent = m->may_be_sent;
    copy->is_unlooked = m->is_unlooked;
    copy->updated_ms = m->updated_ms;
    copy->answer = message_answer_copy(m->answer);
    return copy;
}

/* --- the API ---------------------------------------------------------------------------------- */

static bool is_taken_now(const struct world *w, const struct post *post, size_t i)
{
    size_t message = index_of(&post->messages[i]->id);
    for (size_t k = w->taken_count; k > 0 && w->taken_count - k < BATCH * POSTS; k--) {
        if (w->taken[k - 1].message == message && w->taken[k - 1].at_ms >= post->sent_ms) {
            return true;
        }
    }
    return false;
}

static void take(struct world *w, const struct post *post)
{
    static const unsigned masks[] = {0, 0xff, 0x05, 0x0a, 0x01};
    unsigned mask = masks[choose(w, sizeof masks / sizeof masks[0])];
    for (size_t i = 0; i < post->count; i++) {
        if ((mask >> i & 1) != 0) {
            size_t message = index_of(&post->messages[i]->id);
            w->taken[w->taken_count++] = (struct taken){message, w->now_ms};
            require(++w->copies[message] <= 1 + w->resends);
        }
    }
}

/* The newest that a page shows: what had been taken by `until_ms`. */
static void write_page(const struct world *w, unsigned page, unsigned per_page, int64_t until_ms,
                       struct buffer *body)
{
    size_t end = w->taken_count;
    while (end > 0 && w->taken[end - 1].at_ms > until_ms) {
        end--;
    }
    size_t skipped = (size_t)(page - 1) * per_page;
    end = end > skipped ? end - skipped : 0;
    buffer_puts(body, "{\"entities\":[");
    for (size_t k = end; k > 0 && end - k < per_page; k--) {
        char client_id[ULID_SIZE];
        struct ulid id = id_of(w->taken[k - 1].message);
        ulid_format(&id, client_id);
        buffer_printf(body, "%s{\"id\":\"a%zu\"", k == end ? "" : ",", k);
        if (w->shows_client_ids) {
            buffer_printf(body, ",\"clientId\":\"%s\"", client_id);
        }
        buffer_puts(body, "}");
    }
    buffer_puts(body, "]}");
}

/* The number of the copy of this message that the post has brought, for its API id. */
static size_t copy_of(const struct world *w, const struct post *post, size_t i)
{
    size_t message = index_of(&post->messages[i]->id);
    size_t k = w->taken_count;
    while (w->taken[k - 1].message != message) {
        k--;
    }
    return k;
}

/* A 201 that tells the truth, of all items or of the first one. */
static void write_items(const struct world *w, const struct post *post, bool is_whole,
                        struct buffer *body)
{
    const char *comma = "";
    buffer_puts(body, "{\"entities\":[");
    for (size_t i = 0; i < (is_whole ? post->count : 1); i++) {
        if (is_taken_now(w, post, i)) {
            char client_id[ULID_SIZE];
            ulid_format(&post->messages[i]->id, client_id);
            buffer_printf(body, "%s{\"id\":\"a%zu\",\"clientId\":\"%s\"}", comma,
                          copy_of(w, post, i), client_id);
            comma = ",";
        }
    }
    buffer_puts(body, "],\"errors\":[");
    comma = "";
    for (size_t i = 0; i < (is_whole ? post->count : 1); i++) {
        if (!is_taken_now(w, post, i)) {
            buffer_printf(body, "%s{\"index\":%zu,\"errors\":{\"to\":[\"bad\"]}}", comma, i);
            comma = ",";
        }
    }
    buffer_puts(body, "]}");
}

/* Statuses that come whether it was taken or not: the second half of them only from an API whose
 * history is not late. Then those that never come if it was. */
static const int ambiguous[] = {500, 502, 503, 504, 505, 507, 524, 999,
                                302, 401, 402, 403, 404, 408, 421, 451};
static const int refusing[] = {400, 413, 422, 429};

static int choose_status(struct world *w, bool has_taken)
{
    if (!has_taken && choose(w, 2) == 0) {
        return refusing[choose(w, sizeof refusing / sizeof refusing[0])];
    }
    unsigned count = sizeof ambiguous / sizeof ambiguous[0];
    return ambiguous[choose(w, has_taken && w->lag_ms > 0 ? count / 2 : count)];
}

static bool has_taken_any(const struct world *w, const struct post *post)
{
    bool has_taken = false;
    for (size_t i = 0; i < post->count; i++) {
        has_taken = has_taken || is_taken_now(w, post, i);
    }
    return has_taken;
}

/* How the request ends. Its body goes to `body`. */
static struct api_answer answer(struct world *w, const struct post *post, struct buffer *body)
{
    static const char *const unreadable[] = {"", "<html>", "{}", "[]",
                                             "{\"entities\":[{\"id\":\"a"};
    static const char *const words[] = {"", "<html>", "{\"message\":\"no\"}", "[\"no\"]",
                                        "{\"errors\":{\"to\":[\"bad\"]}}"};
    struct api_answer a = {.endpoint = post->endpoint,
                           .transport = API_ANSWERED,
                           .is_sent_whole = true,
                           .rate = {.retry_after_s = (int64_t)choose(w, 3) - 1},
                           .error = "",
                           .location = "",
                           .content_type = ""};
    switch (choose(w, 6)) {
    case 0:
    case 1:
        a.status = 201;
        write_items(w, post, true, body);
        break;
    case 2:
        a.status = 201;
        write_items(w, post, false, body);
        break;
    case 3:
        a.status = 200;
        buffer_puts(body, unreadable[choose(w, sizeof unreadable / sizeof unreadable[0])]);
        break;
    case 4:
        a.transport = has_taken_any(w, post) || choose(w, 2) == 0 ? API_NO_ANSWER : API_NOT_SENT;
        break;
    default:
        a.status = choose_status(w, has_taken_any(w, post));
        buffer_puts(body, words[choose(w, sizeof words / sizeof words[0])]);
        break;
    }
    buffer_putc(body, '\0');
    a.body = body->data;
    a.body_len = body->len - 1;
    return a;
}

/* --- sending, as the forwarder does ----------------------------------------------------------- */

static bool is_in_doubt(const struct world *w)
{
    return reconcile_is_scanning(w->reconcile) || reconcile_due_ms(w->reconcile) != INT64_MAX;
}

static bool keeps_doubt(const struct world *w)
{
    return is_in_doubt(w) || (w->is_deep && w->doubtful > 0);
}

static void note_doubtful(struct world *w, size_t doubtful)
{
    w->doubtful = doubtful;
    if (!is_in_doubt(w)) {
        bool is_near = anchors_above(&w->anchors, &w->anchors.doubt) <= NEAR;
        w->is_deep = doubtful == 0 || (w->is_deep && is_near);
    }
}

/* What the store is told: how far down a scan after a restart must read. */
static void keep_anchor(struct world *w)
{
    const struct anchor *oldest = &w->anchors.newest;
    for (size_t i = 0; i < POSTS; i++) {
        oldest = w->posts[i] == NULL ? oldest : anchor_older(oldest, &w->posts[i]->anchor);
    }
    if (keeps_doubt(w)) {
        oldest = anchor_older(oldest, &w->anchors.doubt);
    }
    w->kept = *oldest;
    w->is_kept_deep = w->is_deep;
}

static void send(struct world *w, bool is_probe, struct post **slot)
{
    struct post *post = calloc(1, sizeof *post + BATCH * sizeof post->messages[0]);
    require(post != NULL);
    keep_anchor(w);
    post->count = is_probe ? queue_take_probe(w->queue, destination_probe(&w->destination),
                                              w->now_ms, post->messages)
                           : queue_take(w->queue, 1 + choose(w, BATCH), w->now_ms, post->messages);
    if (post->count == 0) {
        free(post);
        return;
    }
    post->endpoint = post->count == 1 ? API_SINGLE : API_BULK;
    post->is_probe = is_probe;
    post->epoch = w->destination.epoch;
    post->began_ms = post->sent_ms = w->now_ms;
    post->anchor = w->anchors.newest;
    post->is_anchored = post->anchor.number > w->doubted;
    post->number = ++w->begun;
    w->sent += post->count;
    if (is_probe) {
        destination_probe_began(&w->destination);
    }
    *slot = post;
    take(w, post);
}

static void add_doubt(struct world *w, const struct post *post)
{
    anchors_note_doubt(&w->anchors, &post->anchor, !keeps_doubt(w));
    reconcile_add(w->reconcile, &(struct reconcile_attempt){.began_ms = post->began_ms,
                                                            .ended_ms = w->now_ms,
                                                            .floor = anchor_id(&w->anchors.doubt),
                                                            .is_deep = w->is_deep,
                                                            .anchor = anchor_id(&post->anchor),
                                                            .anchor_number = post->anchor.number,
                                                            .begun = w->begun});
    w->doubted = w->begun;
}

static bool note_relayed(struct world *w, const struct settling *s)
{
    bool has_relayed = false;
    for (size_t i = 0; i < s->post->count; i++) {
        if (s->settlements[i].fate == FATE_RELAYED) {
            const char *api_id = message_answer_api_id(s->settlements[i].answer);
            anchors_note_relayed(&w->anchors, api_id, s->post->number);
            reconcile_relayed(w->reconcile, s->post->number, api_id);
            has_relayed = true;
        }
    }
    return has_relayed;
}

static void conclude(struct world *w, enum destination_finding finding)
{
    if (finding == FINDING_INNOCENT) {
        queue_suspects_recall(w->queue, w->now_ms);
    }
    while (finding == FINDING_GUILTY &&
           queue_suspects_convict(w->queue, retry_new_group(&w->last_group), w->now_ms + 60000,
                                  w->now_ms)) {
    }
}

static void draw_conclusions(struct world *w, struct settling *s)
{
    const struct post *post = s->post;
    const struct message *only = post->count == 1 ? post->messages[0] : NULL;
    bool was_to_blame =
        only != NULL && (only->proofs > 0 || (only->was_refused && w->destination.has_passed));
    struct destination_event event = {
        .epoch = post->epoch,
        .status = s->answer->status,
        .message = only == NULL || was_to_blame ? NULL : &only->id,
        .held_until_ms = w->now_ms + 50,
        .has_passed = note_relayed(w, s),
    };
    enum destination_finding finding = destination_apply(
        &w->destination, &s->verdict, &event, &destination_options, w->now_ms, chance(w));
    if (s->ambiguous > 0) {
        add_doubt(w, post);
    }
    w->is_look_due = w->is_look_due || s->verdict.may_be_taken;
    if (s->settlements[0].fate == FATE_SUSPECT) {
        s->settlements[0].due_ms =
            w->now_ms + destination_aside_ms(post->messages[0]->refusals + 1U, &s->verdict,
                                             &destination_options, chance(w));
    }
    queue_settle(w->queue, s->settlements, post->count, w->now_ms);
    conclude(w, finding);
}

static void land(struct world *w, struct post **slot)
{
    struct post *post = *slot;
    struct buffer body = BUFFER_EMPTY;
    struct api_answer a = answer(w, post, &body);
    struct queue_settlement settlements[BATCH];
    struct settling s = {.answer = &a,
                         .post = post,
                         .destination = &w->destination,
                         .last_group = &w->last_group,
                         .stats = w->stats,
                         .settlements = settlements};
    if (post->is_probe) {
        destination_probe_ended(&w->destination);
    }
    w->landed += post->count;
    settle_messages(&s);
    draw_conclusions(w, &s);
    free(s.words);
    buffer_free(&body);
    free(post);
    *slot = NULL;
}

/* What was refused is looked for before anything else is sent. */
static void look(struct world *w)
{
    struct queue_resolution shown[STEPS * BATCH];
    for (size_t i = 0; i < w->taken_count; i++) {
        shown[i] =
            (struct queue_resolution){.id = id_of(w->taken[i].message), .fate = FATE_RELAYED};
    }
    queue_settle_shown(w->queue, shown, w->taken_count, w->now_ms);
    for (size_t i = 0; i < w->taken_count; i++) {
        w->destination.takes_refused =
            w->destination.takes_refused || shown[i].fate == FATE_RELAYED;
    }
    for (size_t i = 0; i < MESSAGES; i++) {
        struct ulid id = id_of(i);
        queue_looked(w->queue, &id, 1);
    }
    w->is_look_due = false;
}

/* --- the history, as the forwarder asks it ---------------------------------------------------- */

static void resolve(struct world *w)
{
    size_t count;
    struct queue_resolution *resolutions =
        reconcile_results(w->reconcile, choose(w, 2) == 1, w->now_ms, &count);
    queue_resolve(w->queue, resolutions, count, w->now_ms);
    free(resolutions);
}

static void begin_scan(struct world *w)
{
    size_t count, left_out;
    int64_t cutoff_ms = reconcile_covers_all(w->reconcile, w->now_ms)
                            ? INT64_MAX
                            : reconcile_cutoff_ms(w->reconcile, w->now_ms);
    struct queue_doubtful *doubtful = queue_ambiguous(w->queue, cutoff_ms, &count, &left_out);
    w->scan_from = w->landed;
    if (reconcile_begin(w->reconcile, doubtful, count, left_out, w->now_ms) == RECONCILE_FINISHED) {
        resolve(w);
    }
}

/* A call that brings no page. */
static enum reconcile_progress refuse_page(struct world *w)
{
    static const int statuses[] = {200, 400, 401, 402, 403, 404, 405, 410, 429, 500, 503};
    struct api_answer a = {.transport = choose(w, 3) == 0 ? API_NO_ANSWER : API_ANSWERED,
                           .status = statuses[choose(w, sizeof statuses / sizeof statuses[0])]};
    return reconcile_refused(w->reconcile, choose(w, 8) == 7 ? NULL : &a, w->now_ms, chance(w));
}

static enum reconcile_progress read_page(struct world *w, unsigned number)
{
    struct buffer body = BUFFER_EMPTY;
    struct api_history page;
    write_page(w, number, PER_PAGE, w->now_ms - w->lag_ms, &body);
    require(api_json_read_history(body.data, body.len, &page));
    enum reconcile_progress progress = reconcile_read(w->reconcile, &page, w->sent - w->scan_from);
    api_history_free(&page);
    buffer_free(&body);
    return progress;
}

static void scan(struct world *w)
{
    if (!reconcile_is_scanning(w->reconcile) && reconcile_due_ms(w->reconcile) <= w->now_ms) {
        begin_scan(w);
    }
    unsigned number = reconcile_page_wanted(w->reconcile, w->now_ms);
    if (number > 0) {
        reconcile_page_asked(w->reconcile);
        if ((choose(w, 4) == 3 ? refuse_page(w) : read_page(w, number)) == RECONCILE_FINISHED) {
            resolve(w);
        }
    }
}

/* --- lives ------------------------------------------------------------------------------------ */

static void begin_life(struct world *w)
{
    struct reconcile_options options = {.settle_delay_ms = SETTLE_MS,
                                        .history_pages = 100,
                                        .per_page = PER_PAGE,
                                        .resends = w->resends,
                                        .patience_ms = HOUR_MS,
                                        .retry_min_ms = 10,
                                        .retry_max_ms = 1000};
    w->reconcile = reconcile_new(&options);
    w->queue = make_queue(w->stats);
    require(w->reconcile != NULL);
    w->destination = (struct destination){0};
    w->begun = w->doubted = w->last_group = 0;
    w->sent = w->landed = 0;
    w->is_look_due = false;
}

static void end_life(struct world *w)
{
    for (size_t i = 0; i < POSTS; i++) {
        free(w->posts[i]);
        w->posts[i] = NULL;
    }
    reconcile_free(w->reconcile);
    queue_free(w->queue);
}

/* Kills the relay and starts it again: the store has what it needs. */
static void restart(struct world *w)
{
    struct message *kept[MESSAGES];
    for (size_t i = 0; i < MESSAGES; i++) {
        kept[i] = copy_message(w->messages[i], i);
    }
    end_life(w);
    begin_life(w);
    memcpy(w->messages, kept, sizeof kept);
    require(queue_restore(w->queue, kept, MESSAGES, w->now_ms));
    w->anchors = (struct anchors){.relayed = w->anchors.relayed - w->kept.relayed};
    memcpy(w->anchors.newest.api_id, w->kept.api_id, sizeof w->kept.api_id);
    w->is_deep = w->is_kept_deep;
    anchors_note_doubt(&w->anchors, &w->anchors.newest, true);
    reconcile_add(w->reconcile, &(struct reconcile_attempt){.began_ms = w->now_ms,
                                                            .ended_ms = w->now_ms,
                                                            .floor = anchor_id(&w->anchors.newest),
                                                            .is_deep = w->is_deep});
}

static void step(struct world *w)
{
    static const int64_t delays_ms[] = {0, 1, 20, SETTLE_MS, 1000, 60000, HOUR_MS};
    struct post **slot = &w->posts[choose(w, POSTS)];
    struct queue_depth depth;
    w->now_ms += delays_ms[choose(w, sizeof delays_ms / sizeof delays_ms[0])];
    if (choose(w, 64) == 63) {
        restart(w);
        return;
    }
    scan(w);
    queue_advance(w->queue, w->now_ms, &depth);
    note_doubtful(w, depth.doubted);
    if (*slot != NULL) {
        land(w, slot);
        return;
    }
    enum destination_permission permission = destination_may_send(&w->destination, w->now_ms);
    bool is_alone = w->posts[0] == NULL && w->posts[1] == NULL;
    if (permission != DESTINATION_NO && (permission == DESTINATION_YES || is_alone)) {
        if (w->is_look_due) {
            look(w);
        }
        send(w, permission == DESTINATION_PROBE, slot);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    static struct world w;
    static const int64_t lags_ms[] = {0, 20, SETTLE_MS / 2, 500, 10000, 10 * HOUR_MS};
    log_threshold = LOG_ERROR;
    w = (struct world){.bytes = bytes, .left = size, .now_ms = HOUR_MS, .stats = w.stats};
    if (w.stats == NULL) {
        w.stats = calloc(1, sizeof *w.stats);
        require(w.stats != NULL);
    }
    w.resends = choose(&w, 3);
    w.lag_ms = lags_ms[choose(&w, sizeof lags_ms / sizeof lags_ms[0])];
    w.shows_client_ids = true;
    begin_life(&w);
    submit(&w);
    for (unsigned i = 0; i < STEPS && w.left > 0; i++) {
        step(&w);
    }
    end_life(&w);
    return 0;
}
