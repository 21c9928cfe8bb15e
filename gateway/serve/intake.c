/* intake: see intake.h. */
#include "gateway/serve/intake.h"

#include "gateway/base/clock.h"
#include "gateway/queue/admission.h"
#include "gateway/store/row.h"

#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

enum {
    RANDOM_POOL_BYTES = 256 * ULID_RANDOM_BYTES,
    GATHER_MIN = 64,
    GATHER_KEPT = 1024,
    TRIES_MAX = 3,
    HOLD_MAX = 1000,    /* messages that wait for the rest of what a client has sent */
    BATCH_MAX = 8192,   /* messages that the store writes at a time, but for a submission of more */
    PORTION_MAX = 2048, /* messages that get their verdicts at a time, in the same sense */
    GATHER_MAX = 8 * BATCH_MAX
};

/* One submission; its messages are the `count` from `first` on. */
struct gathered {
    struct intake_client client;
    uint32_t slot;
    enum option_ack ack;
    int64_t clock_offset_ms; /* Unix ms minus steady ms when it came */
    size_t first;
    size_t count;
};

/* Submissions that get their verdicts together. */
struct gathering {
    struct gathered *submissions;
    size_t submission_count, submission_size;
    /* Three arrays that grow together: a message, its receipt for the client, and the queue's. */
    struct message **messages;
    struct session_receipt *receipts;
    struct queue_receipt *queue_receipts;
    size_t message_count, message_size;
    size_t bytes;       /* of the messages */
    const void *client; /* who has submitted all of it; NULL = several */
};

struct intake {
    struct queue *queue;
    struct stats *stats;
    struct intake_options options;
    struct event *commit_event;

    struct gathering open;
    const void *held; /* the client of all that is open, if it waits for the rest; or NULL */
    /* The batch: `batch_count` submissions of those under way, from `batch_first` on; what the queue
     * decides about, and the messages that the store writes. 0 and NULL = there is none. */
    struct gathering under_way;
    size_t batch_first, batch_count, batch_messages;
    size_t batch_settled; /* so many of its submissions have their verdict */
    bool is_decided;      /* the others can get theirs: it was written, or could not be */
    bool is_stored;       /* it was written, or there is no store */
    struct queue_submission *submissions;
    struct message **inserted;
    unsigned tries; /* of the batch: how often the store knew REFs that the queue did not */

    int64_t now_ms, clock_offset_ms; /* Unix ms of the last submission, and minus steady ms then */
    int64_t last_row;
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
                /* With valid arguments, only EINTR is possible. */
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

/*
 * The next row. The time in an id is that of its row, so that ids rise even when the clock is set
 * back; if a millisecond runs out of rows, they run ahead of the clock.
 */
static int64_t next_row(struct intake *in, int64_t now_ms)
{
    int64_t first = store_row_first(now_ms);
    in->last_row = first > in->last_row ? first : in->last_row + 1;
    return in->last_row;
}

/* Ids rise as rows do, within a millisecond too: the row's counter comes first in what is random. */
static struct ulid make_id(struct intake *in, int64_t row)
{
    struct ulid id = ulid_make(store_row_ms(row), next_random(in));
    unsigned char *random = id.bytes + ULID_BYTES - ULID_RANDOM_BYTES;
    unsigned counter = (unsigned)(row - store_row_first(store_row_ms(row)));
    random[0] = (unsigned char)(counter >> 7);
    random[1] = (unsigned char)(counter << 1 | (random[1] & 1));
    return id;
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

/* Makes room for one more submission, of `count` messages. */
static bool reserve(struct gathering *g, size_t count)
{
    if (g->submission_count == g->submission_size) {
        size_t size = g->submission_size == 0 ? GATHER_MIN : 2 * g->submission_size;
        if (!grow((void **)&g->submissions, sizeof *g->submissions, size)) {
            return false;
        }
        g->submission_size = size;
    }
    size_t size = g->message_size == 0 ? GATHER_MIN : g->message_size;
    while (size - g->message_count < count) {
        size *= 2;
    }
    if (size == g->message_size) {
        return true;
    }
    if (!grow((void **)&g->messages, sizeof *g->messages, size) ||
        !grow((void **)&g->receipts, sizeof *g->receipts, size) ||
        !grow((void **)&g->queue_receipts, sizeof *g->queue_receipts, size)) {
        return false;
    }
    g->message_size = size;
    return true;
}

static void free_arrays(struct gathering *g)
{
    free(g->submissions);
    free(g->messages);
    free(g->receipts);
    free(g->queue_receipts);
    *g = (struct gathering){0};
}

/* Empties it. The arrays of a flood are freed when it is over, not while it lasts. */
static void clear(struct gathering *g)
{
    bool is_quiet = g->message_count < g->message_size / 8;
    g->submission_count = 0;
    g->message_count = 0;
    g->bytes = 0;
    g->client = NULL;
    if (g->message_size > GATHER_KEPT && is_quiet) {
        free_arrays(g);
    }
}

/* Makes the message for one recipient, and its receipt. */
static bool gather_message(struct intake *in, int32_t owner, const struct submission *submission,
                           const char *to, int64_t now_ms)
{
    struct gathering *g = &in->open;
    const struct options *options = submission->options;
    int64_t begins_ms = options->at_ms > 0 ? options->at_ms : now_ms;
    int64_t life_ms = options->ttl_ms > 0 ? options->ttl_ms : in->options.max_age_ms;
    int64_t row = next_row(in, now_ms);
    struct message_content content = {
        .id = make_id(in, row),
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
        .row = in->options.store == NULL ? 0 : row,
    };
    struct message *message = message_new(&content);
    if (message == NULL) {
        return false;
    }
    message->is_watched = options->ack == ACK_RELAYED;
    struct session_receipt *receipt = &g->receipts[g->message_count];
    memset(receipt, 0, sizeof *receipt);
    receipt->id = content.id;
    memcpy(receipt->to, to, NUMBER_SIZE);
    receipt->parts = submission->size.parts;
    receipt->encoding = submission->size.encoding;
    receipt->state = (enum message_state)message->state;
    g->messages[g->message_count++] = message;
    g->bytes += message_bytes(message);
    return true;
}

/* Unix ms minus steady ms. Those that come within a ms look at the clock once. */
static int64_t offset_at(struct intake *in, int64_t now_ms)
{
    if (now_ms != in->now_ms) {
        in->now_ms = now_ms;
        in->clock_offset_ms = now_ms - clock_steady_ms();
    }
    return in->clock_offset_ms;
}

/* What has gathered waits no longer. */
static void release(struct intake *in)
{
    in->held = NULL;
    event_active(in->commit_event, EV_TIMEOUT, 0);
}

bool intake_submit(struct intake *in, const struct intake_client *client, uint32_t slot,
                   const struct submission *submission, int64_t now_ms)
{
    struct gathering *g = &in->open;
    size_t first = g->message_count;
    if (!reserve(g, submission->count)) {
        return false;
    }
    /* Beyond the bound, no message is made: the submission is refused in its turn. */
    bool is_within = g->bytes < in->options.max_bytes;
    for (size_t i = 0; is_within && i < submission->count; i++) {
        if (!gather_message(in, client->owner, submission, submission->to[i], now_ms)) {
            while (g->message_count > first) {
                message_free(g->messages[--g->message_count]);
            }
            return false;
        }
    }
    g->submissions[g->submission_count++] = (struct gathered){
        .client = *client,
        .slot = slot,
        .ack = submission->options->ack,
        .clock_offset_ms = offset_at(in, now_ms),
        .first = first,
        .count = is_within ? submission->count : 0,
    };
    bool is_alone = g->submission_count == 1 || g->client == client->client;
    g->client = is_alone ? client->client : NULL;
    if (in->held != NULL && g->client == NULL) {
        release(in);
    } else if (g->submission_count == 1) {
        /* Runs after every connection that has input now has been read. */
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
    case QUEUE_OWNER_FULL:
        return REPLY_OWNER_FULL;
    case QUEUE_REF_CONFLICT:
        return REPLY_REF_CONFLICT;
    case QUEUE_NOT_STORED:
        return REPLY_CANNOT_STORE;
    case QUEUE_ACCEPTED:
        break;
    }
    return REPLY_OK;
}

/* Counts a submission, and completes its receipts from those of the queue. */
static void account(struct intake *in, const struct gathered *of, enum queue_verdict verdict)
{
    struct gathering *g = &in->under_way;
    if (verdict != QUEUE_ACCEPTED) {
        stats_add(in->stats, STAT_SUBMISSIONS_REFUSED, 1);
        bool is_owner_full = verdict == QUEUE_OWNER_FULL;
        stats_add(in->stats, STAT_SUBMISSIONS_FULL, verdict == QUEUE_FULL || is_owner_full);
        stats_add(in->stats, STAT_SUBMISSIONS_OWNER_FULL, is_owner_full);
        stats_add(in->stats, STAT_SUBMISSIONS_NOT_STORED, verdict == QUEUE_NOT_STORED ? 1 : 0);
        return;
    }
    size_t duplicates = 0;
    for (size_t i = of->first; i < of->first + of->count; i++) {
        struct session_receipt *receipt = &g->receipts[i];
        receipt->tells_state = of->ack == ACK_RELAYED;
        if (g->queue_receipts[i].is_duplicate) {
            receipt->is_duplicate = true;
            receipt->id = g->queue_receipts[i].id;
            receipt->state = g->queue_receipts[i].state;
            receipt->answer = g->queue_receipts[i].answer;
            duplicates++;
        }
    }
    stats_add(in->stats, STAT_SUBMISSIONS_ACCEPTED, 1);
    stats_add(in->stats, STAT_MESSAGES_ACCEPTED, (int64_t)(of->count - duplicates));
    stats_add(in->stats, STAT_MESSAGES_DUPLICATE, (int64_t)duplicates);
    stats_add(in->stats, STAT_PARTS_ACCEPTED,
              (int64_t)((of->count - duplicates) * g->receipts[of->first].parts));
}

static void settle(struct intake *in, const struct gathered *of, enum queue_verdict verdict)
{
    struct gathering *g = &in->under_way;
    account(in, of, verdict);
    struct intake_verdict given = {
        .client = of->client.client,
        .slot = of->slot,
        .is_accepted = verdict == QUEUE_ACCEPTED,
        .refusal = refusal_of(verdict),
        .ack = of->ack,
        .receipts = &g->receipts[of->first],
        .count = of->count,
    };
    of->client.settle(&given);
    for (size_t i = of->first; i < of->first + of->count; i++) {
        if (verdict == QUEUE_ACCEPTED) {
            free(g->queue_receipts[i].answer);
        } else {
            message_free(g->messages[i]);
        }
    }
}

/* A submission of the batch. */
static const struct gathered *in_batch(const struct intake *in, size_t i)
{
    return &in->under_way.submissions[in->batch_first + i];
}

/* All of the batch have their verdicts. */
static void end_batch(struct intake *in)
{
    free(in->submissions);
    free(in->inserted);
    in->submissions = NULL;
    in->inserted = NULL;
    in->batch_first += in->batch_count;
    in->batch_count = in->batch_settled = 0;
    in->is_decided = false;
    if (in->batch_first == in->under_way.submission_count) {
        in->batch_first = 0;
        clear(&in->under_way);
    }
}

/* The next submissions of the batch up to some `max` messages, but at least one; returns their end. */
static size_t portion_end(const struct intake *in, size_t at, size_t end, size_t max)
{
    size_t messages = 0;
    while (at < end && messages < max) {
        messages += in->under_way.submissions[at++].count;
    }
    return at;
}

/* Gives a portion of the batch its verdicts, once the queue has taken the messages. */
static void settle_portion(struct intake *in)
{
    size_t first = in->batch_settled;
    size_t end =
        portion_end(in, in->batch_first + first, in->batch_first + in->batch_count, PORTION_MAX) -
        in->batch_first;
    if (in->submissions != NULL) {
        queue_admit(in->queue, in->submissions + first, end - first, in->is_stored,
                    clock_steady_ms());
    }
    in->batch_settled = end;
    for (size_t i = first; i < end; i++) {
        const struct gathered *of = in_batch(in, i);
        bool is_decided = in->submissions != NULL && of->count > 0;
        settle(in, of, is_decided ? in->submissions[i].verdict : QUEUE_FULL);
    }
    if (end == in->batch_count) {
        end_batch(in);
    }
    in->options.settled(in->options.arg);
}

/* Collects what has to be stored: accepted messages that are no duplicates. Returns how many. */
static size_t collect_accepted(struct intake *in)
{
    const struct gathering *g = &in->under_way;
    size_t count = 0;
    for (size_t i = 0; i < in->batch_count; i++) {
        const struct gathered *of = in_batch(in, i);
        for (size_t j = of->first; j < of->first + of->count; j++) {
            if (in->submissions[i].verdict == QUEUE_ACCEPTED &&
                !g->queue_receipts[j].is_duplicate) {
                in->inserted[count++] = g->messages[j];
            }
        }
    }
    return count;
}

/* Is there another portion or batch to come now, with nothing to wait for? */
static bool has_more(const struct intake *in)
{
    bool has_open = in->open.submission_count > 0 && in->held == NULL;
    bool has_gathered = in->under_way.submission_count > 0 || has_open;
    return in->batch_count > 0 ? in->is_decided : has_gathered;
}

/* Others are served before that. */
static void go_on_later(struct intake *in)
{
    static const struct timeval NEXT_TURN = {0};
    if (has_more(in)) {
        event_add(in->commit_event, &NEXT_TURN);
    }
}

static void begin_storing(struct intake *in);

/* The batch gets its verdicts, beginning now. */
static void decide(struct intake *in, bool is_stored)
{
    in->is_decided = true;
    in->is_stored = is_stored;
    settle_portion(in);
    go_on_later(in);
}

/*
 * The store knows messages that were submitted before, and finished so long ago that the queue has
 * forgotten them. The queue learns of them, and decides again.
 */
static void decide_again(struct intake *in, struct message **holders, size_t count)
{
    queue_admit(in->queue, in->submissions, in->batch_count, false, clock_steady_ms());
    queue_recall(in->queue, holders, count);
    free(in->inserted);
    begin_storing(in);
}

static void on_inserted(void *arg, const struct store_insertion *insertion)
{
    struct intake *in = arg;
    struct message **holders = insertion->holders;
    size_t count = insertion->holder_count;
    if (count > 0 && in->tries++ < TRIES_MAX) {
        decide_again(in, holders, count);
    } else {
        queue_recall(in->queue, holders, count);
        decide(in, insertion->is_stored);
    }
    free(holders);
}

/* Asks the queue, then has the store write what the queue would accept. */
static void begin_storing(struct intake *in)
{
    in->inserted = malloc((in->batch_messages + 1) * sizeof(struct message *));
    queue_prepare(in->queue, in->submissions, in->batch_count, clock_steady_ms());
    size_t count = in->inserted == NULL ? 0 : collect_accepted(in);
    if (count == 0) {
        /* Only duplicates and refusals; or an allocation has failed, and nothing is stored. */
        decide(in, in->inserted != NULL);
    } else {
        store_insert(in->options.store, in->inserted, count, on_inserted, in);
    }
}

/* Chooses the submissions of the next batch: what has gathered, or a part of it. */
static void choose_batch(struct intake *in)
{
    struct gathering *g = &in->under_way;
    if (g->submission_count == 0) {
        struct gathering idle = *g;
        *g = in->open;
        in->open = idle;
    }
    size_t end = portion_end(in, in->batch_first, g->submission_count,
                             in->options.store == NULL ? PORTION_MAX : BATCH_MAX);
    in->batch_count = end - in->batch_first;
    in->batch_messages = 0;
    for (size_t i = in->batch_first; i < end; i++) {
        in->batch_messages += g->submissions[i].count;
    }
}

/* Gives what has gathered its verdicts: at once, or once the store has written it. */
static void begin_batch(struct intake *in)
{
    struct gathering *g = &in->under_way;
    choose_batch(in);
    in->tries = 0;
    in->submissions = calloc(in->batch_count, sizeof *in->submissions);
    for (size_t i = 0; in->submissions != NULL && i < in->batch_count; i++) {
        const struct gathered *of = in_batch(in, i);
        in->submissions[i].messages = &g->messages[of->first];
        in->submissions[i].receipts = &g->queue_receipts[of->first];
        in->submissions[i].count = of->count;
        in->submissions[i].clock_offset_ms = of->clock_offset_ms;
    }
    if (in->submissions == NULL) {
        decide(in, false);
    } else if (in->options.store != NULL) {
        begin_storing(in);
    } else {
        queue_prepare(in->queue, in->submissions, in->batch_count, clock_steady_ms());
        decide(in, true);
    }
}

static void commit(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    struct intake *in = arg;
    if (in->is_decided) {
        settle_portion(in);
        go_on_later(in);
    } else if (in->batch_count == 0 && has_more(in)) {
        begin_batch(in);
    }
}

void intake_hold(struct intake *in, const void *client, bool is_unfinished)
{
    const struct gathering *g = &in->open;
    if (is_unfinished && g->client == client && g->message_count < HOLD_MAX) {
        in->held = client;
    } else if (in->held == client) {
        release(in);
    }
}

bool intake_is_full(const struct intake *in)
{
    return in->open.message_count >= GATHER_MAX;
}

bool intake_has_open(const struct intake *in)
{
    return in->open.submission_count > 0 || in->under_way.submission_count > 0;
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
    in->last_row = options->store == NULL ? 0 : store_last_row(options->store);
    in->commit_event = event_new(base, -1, 0, commit, in);
    if (in->commit_event == NULL) {
        free(in);
        return NULL;
    }
    return in;
}

/* Frees a gathering, and its messages from the one at `first` on. */
static void drop(struct gathering *g, size_t first)
{
    for (size_t i = first; i < g->message_count; i++) {
        message_free(g->messages[i]);
    }
    free_arrays(g);
}

void intake_free(struct intake *in)
{
    if (in == NULL) {
        return;
    }
    drop(&in->open, 0);
    size_t next = in->batch_first + in->batch_settled;
    drop(&in->under_way, next == 0 ? 0 : in->under_way.submissions[next].first);
    event_free(in->commit_event);
    free(in->submissions);
    free(in->inserted);
    free(in);
}
