/* queue_index: every message is found whatever the table's size, and each insertion is cheap. */
#include "gateway/queue/index.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

enum { MESSAGES = 40000 };

static struct message *messages;

static uint64_t hash_of(const struct message *m)
{
    uint64_t hash;
    memcpy(&hash, m->id.bytes + 8, sizeof(hash));
    return hash;
}

/* Message i gets a hash of its own, or (by `same` > 1) one that it shares with others. */
static void make_messages(uint64_t same)
{
    messages = calloc(MESSAGES, sizeof(*messages));
    for (uint64_t i = 0; i < MESSAGES; i++) {
        uint64_t hash = i / same * 0x9E3779B97F4A7C15;
        hash ^= hash >> 29;
        memcpy(messages[i].id.bytes + 8, &hash, sizeof(hash));
    }
}

static bool is_found(const struct queue_index *index, const struct message *m)
{
    struct message *found = queue_index_first(index, hash_of(m));
    while (found != NULL && found != m) {
        found = queue_index_next(index, found);
    }
    return found == m;
}

static struct queue_index new_index(void)
{
    struct queue_index index;
    cr_assert(queue_index_init(&index, offsetof(struct message, same_bucket),
                               offsetof(struct message, id) + 8));
    return index;
}

Test(queue_index, finds_what_is_in_it)
{
    static const uint64_t sames[] = {1, 7, 500};
    for (size_t s = 0; s < sizeof(sames) / sizeof(sames[0]); s++) {
        make_messages(sames[s]);
        struct queue_index index = new_index();
        for (size_t i = 0; i < MESSAGES; i++) {
            cr_assert_not(is_found(&index, &messages[i]));
            queue_index_insert(&index, &messages[i]);
            cr_assert(is_found(&index, &messages[i]));
            cr_assert(is_found(&index, &messages[i / 2]));
        }
        for (size_t i = 0; i < MESSAGES; i += 3) {
            queue_index_remove(&index, &messages[i]);
            queue_index_remove(&index, &messages[i]);
        }
        for (size_t i = 0; i < MESSAGES; i++) {
            cr_assert_eq(is_found(&index, &messages[i]), i % 3 != 0, "message %zu", i);
        }
        cr_expect_eq(index.count, MESSAGES - (MESSAGES + 2) / 3);
        queue_index_free(&index);
        free(messages);
    }
}

Test(queue_index, grows_by_one_bucket_at_a_time)
{
    make_messages(1);
    struct queue_index index = new_index();
    size_t longest = 0;
    for (size_t i = 0; i < MESSAGES; i++) {
        size_t before = index.buckets;
        queue_index_insert(&index, &messages[i]);
        cr_assert_leq(index.buckets, before + 1);
        cr_assert_geq(index.buckets, index.count);
    }
    for (size_t i = 0; i < MESSAGES; i++) {
        size_t steps = 0;
        for (struct message *m = &messages[i]; m != NULL; m = m->same_bucket) {
            steps++;
        }
        longest = steps > longest ? steps : longest;
    }
    cr_expect_leq(longest, 16, "chains stay short: %zu", longest);
    queue_index_free(&index);
    free(messages);
}

Test(queue_index, replaces)
{
    make_messages(4);
    struct queue_index index = new_index();
    for (size_t i = 0; i < MESSAGES; i++) {
        if (i % 4 != 2) {
            queue_index_insert(&index, &messages[i]);
        }
    }
    for (size_t i = 0; i < MESSAGES; i += 4) {
        queue_index_replace(&index, &messages[i], &messages[i + 2]);
    }
    for (size_t i = 0; i < MESSAGES; i++) {
        cr_assert_eq(is_found(&index, &messages[i]), i % 4 != 0, "message %zu", i);
    }
    queue_index_free(&index);
    free(messages);
}
