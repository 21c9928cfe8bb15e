/* post: see post.h. */
#include "gateway/forward/post.h"

#include "gateway/api/json.h"
#include "gateway/base/clock.h"
#include "gateway/base/log.h"
#include "gateway/queue/dispatch.h"
#include "gateway/queue/records.h"

#include <stdlib.h>

enum { MARK_LATE_MS = 5000 };

void posts_init(struct posts *posts, const struct posts_means *means)
{
    *posts = (struct posts){.with = *means};
    posts->marking_end = &posts->marking;
}

static void free_list(struct post *post)
{
    while (post != NULL) {
        struct post *next = post->next;
        free(post);
        post = next;
    }
}

void posts_clear(struct posts *posts)
{
    free_list(posts->under_way);
    free_list(posts->marking);
}

/* A POST is not in flight any more. */
static void end(struct posts *posts, const struct post *post)
{
    posts->in_flight--;
    stats_add(posts->with.stats, STAT_REQUESTS_IN_FLIGHT, -1);
    if (post->is_probe) {
        destination_probe_ended(posts->with.destination);
    }
}

/* Gives the messages of an unsent POST back to the queue. */
static void give_back(struct posts *posts, struct post *post)
{
    struct queue_settlement settlements[post->count];
    end(posts, post);
    for (size_t i = 0; i < post->count; i++) {
        settlements[i] = (struct queue_settlement){
            .message = post->messages[i], .fate = FATE_RETURNED, .group = post->messages[i]->group};
    }
    queue_settle(posts->with.queue, settlements, post->count, clock_unix_ms());
    free(post);
}

static bool transmit(struct posts *posts, struct post *post)
{
    size_t len;
    char *body = post->endpoint == API_SINGLE ? api_json_single(post->messages[0], &len)
                                              : api_json_bulk(post->messages, post->count, &len);
    return body != NULL && api_post(posts->with.api, post->endpoint, body, len, post);
}

static void count_sent(struct stats *stats, const struct post *post, size_t bulk_max)
{
    int64_t count = (int64_t)post->count;
    if (post->endpoint == API_SINGLE) {
        stats_add(stats, STAT_REQUESTS_SMS, 1);
        return;
    }
    stats_add(stats, STAT_REQUESTS_SMS_BULK, 1);
    stats_observe(stats, HISTOGRAM_BULK, &count, 1);
    stats_add(stats, STAT_BULK_MESSAGES, count);
    stats_add(stats, STAT_BULK_FULL, post->count == bulk_max ? 1 : 0);
}

static void launch(struct posts *posts, struct post *post)
{
    if (!transmit(posts, post)) {
        LOG(LOG_ERROR, "request_failed", LOG_STR("reason", "out of memory"));
        give_back(posts, post);
        return;
    }
    post->next = posts->under_way;
    posts->under_way = post;
    posts->sent += post->count;
    post->sent_ms = clock_unix_ms();
    count_sent(posts->with.stats, post, posts->with.bulk_max);
    LOG(LOG_DEBUG, "request_began", LOG_STR("endpoint", api_endpoint_name(post->endpoint)),
        LOG_INT("messages", post->count), LOG_BOOL("probe", post->is_probe));
}

static struct post *next_marked(struct posts *posts)
{
    struct post *post = posts->marking;
    posts->marking = post->next;
    if (posts->marking == NULL) {
        posts->marking_end = &posts->marking;
    }
    return post;
}

void posts_send_marked(struct posts *posts)
{
    while (posts->marking != NULL && store_has_saved(posts->with.store, posts->marking->mark)) {
        launch(posts, next_marked(posts));
    }
}

void posts_drop_marking(struct posts *posts)
{
    while (posts->marking != NULL) {
        give_back(posts, next_marked(posts));
    }
}

void posts_begin(struct posts *posts, struct post *post)
{
    posts->in_flight++;
    stats_add(posts->with.stats, STAT_REQUESTS_IN_FLIGHT, 1);
    if (post->is_probe) {
        destination_probe_began(posts->with.destination);
        stats_add(posts->with.stats, STAT_PROBES, 1);
    }
    if (posts->with.store == NULL) {
        launch(posts, post);
        return;
    }
    post->mark = queue_records_mark(posts->with.queue);
    post->next = NULL;
    *posts->marking_end = post;
    posts->marking_end = &post->next;
    posts_send_marked(posts);
}

void posts_land(struct posts *posts, const struct post *post)
{
    struct post **link = &posts->under_way;
    while (*link != post) {
        link = &(*link)->next;
    }
    *link = post->next;
    end(posts, post);
}

int64_t posts_late_ms(const struct posts *posts)
{
    return posts->marking == NULL ? INT64_MAX : posts->marking->began_ms + MARK_LATE_MS;
}

uint64_t posts_landed(const struct posts *posts)
{
    uint64_t landed = posts->sent;
    for (const struct post *post = posts->under_way; post != NULL; post = post->next) {
        landed -= post->count;
    }
    return landed;
}

const struct anchor *posts_oldest_anchor(const struct posts *posts, const struct anchor *newest)
{
    const struct post *const lists[] = {posts->under_way, posts->marking};
    const struct anchor *oldest = newest;
    for (size_t i = 0; i < 2; i++) {
        for (const struct post *post = lists[i]; post != NULL; post = post->next) {
            oldest = anchor_older(oldest, &post->anchor);
        }
    }
    return oldest;
}
