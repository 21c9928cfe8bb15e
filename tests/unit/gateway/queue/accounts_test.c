/* accounts: no owner takes what others need. */
#include "gateway/queue/admission.h"
#include "gateway/queue/control.h"
#include "gateway/queue/dispatch.h"
#include "gateway/queue/options.h"
#include "gateway/queue/queue.h"
#include "gateway/queue/records.h"

#include <criterion/criterion.h>
#include <string.h>

enum { ALICE = 1000, BOB = 1001, FAR = 1000000 };

static struct queue *q;
static struct ulid last; /* id of the message added last */

static void ignore(void *arg)
{
    (void)arg;
}

static void open_queue(size_t max_messages, size_t max_disk, int64_t retention_ms)
{
    q = queue_new(&(struct queue_options){.max_messages = max_messages,
                                          .max_bytes = 1 << 20,
                                          .max_disk = max_disk,
                                          .others_percent = 10,
                                          .retention_ms = retention_ms,
                                          .wake_store = ignore});
    cr_assert_not_null(q);
}

static void close_queue(void)
{
    queue_free(q);
}

/* Submits a message with a text of `len` bytes; `row` 0 = it is in memory only. */
static enum queue_verdict submit(int32_t owner, const char *ref, size_t len, int64_t row)
{
    static char text[1000];
    static unsigned char count;
    unsigned char random[ULID_RANDOM_BYTES] = {++count, [9] = (unsigned char)(owner & 0xFF)};
    memset(text, 'x', sizeof text);
    struct queue_receipt receipt;
    struct message *m = message_new(&(struct message_content){
        .id = ulid_make(count, random),
        .to = "+34600000000",
        .from = "Acme",
        .ref = ref,
        .text = text,
        .text_len = len,
        .size = {TEXT_GSM7, (unsigned)len, 1},
        .priority = PRIORITY_NORMAL,
        .expires_ms = FAR,
        .owner = owner,
        .row = row,
    });
    last = m->id;
    struct queue_submission s = {&m, 1, &receipt, QUEUE_FULL, 0, {0}};
    queue_add(q, &s, 1, 0);
    if (s.verdict != QUEUE_ACCEPTED) {
        message_free(m);
    }
    return s.verdict;
}

static void cancel(const struct ulid *id)
{
    cr_assert_eq(queue_cancel(q, id, 0, true, 0), QUEUE_DONE);
}

/* The store has written whatever has changed. */
static void save(void)
{
    struct queue_record records[64];
    struct buffer answers = BUFFER_EMPTY;
    size_t count = queue_records_take(q, records, 64, &answers);
    queue_records_done(q, records, count, true);
    buffer_free(&answers);
}

Test(accounts, others_find_a_tenth_more, .fini = close_queue)
{
    open_queue(20, 0, FAR);
    for (int i = 0; i < 20; i++) {
        cr_assert_eq(submit(ALICE, "", 5, 0), QUEUE_ACCEPTED);
    }
    struct ulid one = last;
    cr_expect_eq(submit(ALICE, "", 5, 0), QUEUE_OWNER_FULL);
    cr_expect_eq(submit(BOB, "", 5, 0), QUEUE_ACCEPTED);
    cr_expect_eq(submit(BOB, "", 5, 0), QUEUE_ACCEPTED);
    cr_expect_eq(submit(BOB, "", 5, 0), QUEUE_FULL, "all together");
    cancel(&one);
    cr_expect_eq(submit(ALICE, "", 5, 0), QUEUE_ACCEPTED, "what is finished does not count");
}

Test(accounts, a_duplicate_is_not_charged, .fini = close_queue)
{
    open_queue(20, 0, FAR);
    cr_assert_eq(submit(ALICE, "r", 5, 0), QUEUE_ACCEPTED);
    for (int i = 0; i < 40; i++) {
        cr_assert_eq(submit(ALICE, "r", 5, 0), QUEUE_ACCEPTED);
    }
    for (int i = 1; i < 20; i++) {
        cr_assert_eq(submit(ALICE, "", 5, 0), QUEUE_ACCEPTED);
    }
    cr_expect_eq(submit(ALICE, "r", 5, 0), QUEUE_ACCEPTED, "it needs no room");
    cr_expect_eq(submit(ALICE, "", 5, 0), QUEUE_OWNER_FULL);
}

/* A row has 160 bytes, "+34600000000", "Acme", its REF and its text. */
Test(accounts, what_is_canceled_stays_on_the_disk_without_its_text, .fini = close_queue)
{
    enum { ROW = 160 + 12 + 4 + 1 };
    open_queue(1000, 10000, FAR);
    for (int i = 0; i < 7; i++) {
        cr_assert_eq(submit(ALICE, "r", 1000, i + 1), QUEUE_ACCEPTED);
        cancel(&last);
        save();
    }
    cr_expect_eq(submit(ALICE, "", 1000, 8), QUEUE_ACCEPTED, "7 * 177 + 1176 = 2415");
    for (int i = 0; i < 5; i++) {
        cr_assert_eq(submit(ALICE, "", 1000, i + 9), QUEUE_ACCEPTED);
    }
    cr_expect_eq(submit(ALICE, "", 1000, 14), QUEUE_OWNER_FULL, "8295 + 1176 = 9471");
    cr_expect_eq(submit(BOB, "", 1000, 14), QUEUE_ACCEPTED);
    queue_disk_freed(q, ALICE, (size_t)4 * ROW);
    cr_expect_eq(submit(ALICE, "", 1000, 15), QUEUE_ACCEPTED, "7587 + 1176 = 8763");
    cr_expect_eq(submit(ALICE, "", 1000, 16), QUEUE_OWNER_FULL);
}

Test(accounts, without_a_retention_the_disk_is_free_at_the_end, .fini = close_queue)
{
    open_queue(1000, 10000, 0);
    for (int i = 0; i < 100; i++) {
        cr_assert_eq(submit(ALICE, i % 2 == 0 ? "r" : "", 1000, i + 1), QUEUE_ACCEPTED, "%d", i);
        cancel(&last);
        save();
    }
}
