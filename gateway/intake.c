/* intake: see intake.h. */
#include "gateway/intake.h"

#include "gateway/clock.h"

#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

enum { RANDOM_POOL_BYTES = 256 * ULID_RANDOM_BYTES, GATHER_MIN = 64, GATHER_KEPT = 1024 };

/* One submission that waits for the commit; its messages are `count` from `first` on. */
struct gathered {
    void *client;
    uint32_t slot;
    enum option_ack ack;
    size_t first;
    size_t count;
};

struct intake {
    struct queue *queue;
    struct stats *stats;
    struct intake_options options;
    struct event *commit_event;

    struct gathered *gathered;
    size_t gathered_count, gathered_size;
    /* Three arrays that grow together: a message, what its client will be told, the queue's
     * word. */
    struct message **messages;
    struct session_receipt *receipts;
    struct queue_receipt *words;
    size_t message_count, message_size;

    unsigned char pool[RANDOM_POOL_BYTES];
    size_t pool_used;
};

/* --- ids -------------------------------------------------------------------------------------- */

/* Ten random bytes; one system call serves 256 messages. */
static const unsigned char *next_random(struct intake *intake)
{
    if (intake->pool_used == RANDOM_POOL_BYTES) {
        size_t len = 0;
        while (len < RANDOM_POOL_BYTES) {
            ssize_t got = getrandom(intake->pool + len, RANDOM_POOL_BYTES - len, 0);
            if (got < 0) {
                /* Only EINTR is possible with sound arguments. */
                continue;
            }
            len += (size_t)got;
        }
        intake->pool_used = 0;
    }
    const unsigned char *random = intake->pool + intake->pool_used;
    intake->pool_used += ULID_RANDOM_BYTES;
    return random;
}

/* --- gathering -------------------------------------------------------------------------------- */

static bool grow(void **array, size_t element, size_t size)
{
    void *grown = realloc(*array, element * size);
    if (grown == NULL) {
        return false;
    }
    *array = grown;
    return true;
}

/* Makes room for one more submission of `count` messages. */
static bool reserve(struct intake *in, size_t count)
{
    if (in->gathered_count == in->gathered_size) {
        size_t size = in->gathered_size == 0 ? GATHER_MIN : 2 * in->gathered_size;
        if (!grow((void **)&in->gathered, sizeof *in->gathered, size)) {
            return false;
        }
        in->gathered_size = size;
    }
    size_t size = in->message_size == 0 ? GATHER_MIN : in->message_size;
    while (size - in->message_count < count) {
        size *= 2;
    }
    if (size == in->message_size) {
        return true;
    }
    if (!grow((void **)&in->messages, sizeof *in->messages, size) ||
        !grow((void **)&in->receipts, sizeof *in->receipts, size) ||
        !grow((void **)&in->words, sizeof *in->words, size)) {
        return false;
    }
    in->message_size = size;
    return true;
}

/* A flood's arrays are not kept for the quiet time after it, nor made anew within it. */
static void forget_gathered(struct intake *in)
{
    bool is_quiet = in->message_count < in->message_size / 8;
    in->gathered_count = 0;
    in->message_count = 0;
    if (in->message_size > GATHER_KEPT && is_quiet) {
        free(in->gathered);
        free(in->messages);
        free(in->receipts);
        free(in->words);
        in->gathered = NULL;
        in->messages = NULL;
        in->receipts = NULL;
        in->words = NULL;
        in->gathered_size = 0;
        in->message_size = 0;
    }
}

/* Makes the message for one recipient and notes what its client will be told. */
static bool gather_message(struct intake *in, int32_t owner, const struct submission *submission,
                           const char *to, int64_t now_ms)
{
    const struct options *options = submission->options;
    int64_t begins_ms = options->at_ms > 0 ? options->at_ms : now_ms;
    int64_t life_ms = options->ttl_ms > 0 ? options->ttl_ms : in->options.max_age_ms;
    struct message_content content = {
        .id = ulid_make(now_ms, next_random(in)),
        .to = to,
        .from = submission->from,
        .ref = options->ref,
        .text = submission->text,
        .text_len = submission->text_len,
        .size = submission->size,
        .priority = options->priority,
        .allow_unicode = submission->allow_unicode,
        .has_ttl = options->ttl_ms > 0,
        .due_ms = options->at_ms,
        .expires_ms = begins_ms + life_ms,
        .owner = owner,
    };
    struct message *message = message_new(&content);
    if (message == NULL) {
        return false;
    }
    message->is_watched = options->ack == ACK_RELAYED;
    struct session_receipt *receipt = &in->receipts[in->message_count];
    memset(receipt, 0, sizeof *receipt);
    receipt->id = content.id;
    memcpy(receipt->to, to, NUMBER_SIZE);
    receipt->parts = submission->size.parts;
    receipt->encoding = submission->size.encoding;
    receipt->state = (enum message_state)message->state;
    in->messages[in->message_count++] = message;
    return true;
}

bool intake_submit(struct intake *in, void *client, uint32_t slot, int32_t owner,
                   const struct submission *submission, int64_t now_ms)
{
    size_t first = in->message_count;
    if (!reserve(in, submission->count)) {
        return false;
    }
    for (size_t i = 0; i < submission->count; i++) {
        if (!gather_message(in, owner, submission, submission->to[i], now_ms)) {
            while (in->message_count > first) {
                message_free(in->messages[--in->message_count]);
            }
            return false;
        }
    }
    in->gathered[in->gathered_count++] = (struct gathered){
        .client = client,
        .slot = slot,
        .ack = submission->options->ack,
        .first = first,
        .count = submission->count,
    };
    if (in->gathered_count == 1) {
        /* Runs when every connection that has input now has been read. */
        event_active(in->commit_event, EV_TIMEOUT, 0);
    }
    return true;
}

/* --- committing ------------------------------------------------------------------------------- */

static enum reply refusal_of(enum queue_verdict verdict)
{
    switch (verdict) {
    case QUEUE_FULL:
        return REPLY_QUEUE_FULL;
    case QUEUE_REF_CONFLICT:
        return REPLY_REF_CONFLICT;
    case QUEUE_ACCEPTED:
        break;
    }
    return REPLY_OK;
}

/* Counts what became of a submission and completes its receipts with the queue's words. */
static void account(struct intake *in, const struct gathered *g, enum queue_verdict verdict)
{
    if (verdict != QUEUE_ACCEPTED) {
        stats_add(in->stats, STAT_SUBMISSIONS_REFUSED, 1);
        stats_add(in->stats, STAT_SUBMISSIONS_FULL, verdict == QUEUE_FULL ? 1 : 0);
        return;
    }
    size_t duplicates = 0;
    for (size_t i = g->first; i < g->first + g->count; i++) {
        struct session_receipt *receipt = &in->receipts[i];
        receipt->tells_state = g->ack == ACK_RELAYED;
        if (in->words[i].is_duplicate) {
            receipt->is_duplicate = true;
            receipt->id = in->words[i].id;
            receipt->state = in->words[i].state;
            receipt->answer = in->words[i].answer;
            duplicates++;
        }
    }
    stats_add(in->stats, STAT_SUBMISSIONS_ACCEPTED, 1);
    stats_add(in->stats, STAT_MESSAGES_ACCEPTED, (int64_t)(g->count - duplicates));
    stats_add(in->stats, STAT_MESSAGES_DUPLICATE, (int64_t)duplicates);
    stats_add(in->stats, STAT_PARTS_ACCEPTED,
              (int64_t)((g->count - duplicates) * in->receipts[g->first].parts));
}

static void settle(struct intake *in, const struct gathered *g, enum queue_verdict verdict)
{
    account(in, g, verdict);
    struct intake_verdict told = {
        .client = g->client,
        .slot = g->slot,
        .is_accepted = verdict == QUEUE_ACCEPTED,
        .refusal = refusal_of(verdict),
        .ack = g->ack,
        .receipts = &in->receipts[g->first],
        .count = g->count,
    };
    in->options.settle(in->options.arg, &told);
    for (size_t i = g->first; i < g->first + g->count; i++) {
        if (verdict == QUEUE_ACCEPTED) {
            free(in->words[i].answer);
        } else {
            message_free(in->messages[i]);
        }
    }
}

static void commit(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    struct intake *in = arg;
    size_t count = in->gathered_count;
    struct queue_submission *submissions = calloc(count, sizeof *submissions);
    for (size_t i = 0; submissions != NULL && i < count; i++) {
        submissions[i].messages = &in->messages[in->gathered[i].first];
        submissions[i].receipts = &in->words[in->gathered[i].first];
        submissions[i].count = in->gathered[i].count;
    }
    if (submissions != NULL) {
        queue_add(in->queue, submissions, count, clock_unix_ms());
    }
    for (size_t i = 0; i < count; i++) {
        settle(in, &in->gathered[i], submissions == NULL ? QUEUE_FULL : submissions[i].verdict);
    }
    free(submissions);
    forget_gathered(in);
    in->options.settled(in->options.arg);
}

/* --- life ------------------------------------------------------------------------------------- */

struct intake *intake_new(struct event_base *base, struct queue *queue, struct stats *stats,
                          const struct intake_options *options)
{
    struct intake *in = calloc(1, sizeof *in);
    if (in == NULL) {
        return NULL;
    }
    in->queue = queue;
    in->stats = stats;
    in->options = *options;
    in->pool_used = RANDOM_POOL_BYTES;
    in->commit_event = event_new(base, -1, 0, commit, in);
    if (in->commit_event == NULL) {
        free(in);
        return NULL;
    }
    return in;
}

void intake_free(struct intake *in)
{
    if (in == NULL) {
        return;
    }
    for (size_t i = 0; i < in->message_count; i++) {
        message_free(in->messages[i]);
    }
    event_free(in->commit_event);
    free(in->gathered);
    free(in->messages);
    free(in->receipts);
    free(in->words);
    free(in);
}
