/* post: see post.h. */
#include "gateway/forward/post.h"

#include "gateway/api/body.h"
#include "gateway/base/clock.h"
#include "gateway/base/log.h"
#include "gateway/queue/dispatch.h"
#include "gateway/queue/records.h"

#include <stdlib.h>

enum { STORE_LATE_MS = 5000 };

void posts_init(struct posts *posts, const struct posts_means *means)
{
    *posts = (struct posts){.with = *means};
    TAILQ_INIT(&posts->list);
}

void posts_clear(struct posts *posts)
{
    struct post *post;
    while ((post = TAILQ_FIRST(&posts->list)) != NULL) {
        TAILQ_REMOVE(&posts->list, post, entry);
        free(post);
    }
}

void posts_land(struct posts *posts, struct post *post)
{
    TAILQ_REMOVE(&posts->list, post, entry);
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
    posts_land(posts, post);
    for (size_t i = 0; i < post->count; i++) {
        settlements[i] = (struct queue_settlement){
            .message = post->messages[i], .fate = FATE_RETURNED, .group = post->messages[i]->group};
    }
    queue_settle(posts->with.queue, settlements, post->count, clock_steady_ms());
    free(post);
}

static bool transmit(struct posts *posts, struct post *post)
{
    size_t len;
    char *body = post->endpoint == API_SINGLE ? api_body_single(post->messages[0], &len)
                                              : api_body_bulk(post->messages, post->count, &len);
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
    posts->sent += post->count;
    post->sent_ms = clock_unix_ms();
    count_sent(posts->with.stats, post, posts->with.bulk_max);
    LOG(LOG_DEBUG, "request_began", LOG_STR("endpoint", api_endpoint_name(post->endpoint)),
        LOG_INT("messages", post->count), LOG_BOOL("probe", post->is_probe));
}

/* The first that waits for the store, or NULL. */
static struct post *first_unsent(const struct posts *posts)
{
    struct post *post = TAILQ_FIRST(&posts->list);
    while (post != NULL && post->sent_ms != 0) {
        post = TAILQ_NEXT(post, entry);
    }
    return post;
}

void posts_send_saved(struct posts *posts)
{
    struct post *post;
    while ((post = first_unsent(posts)) != NULL &&
           (posts->with.store == NULL || store_has_saved(posts->with.store, post->mark))) {
        launch(posts, post);
    }
}

void posts_drop_unsent(struct posts *posts)
{
    struct post *post;
    while ((post = first_unsent(posts)) != NULL) {
        give_back(posts, post);
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
    post->number = ++posts->begun;
    post->sent_ms = 0;
    post->mark = queue_records_mark(posts->with.queue);
    TAILQ_INSERT_TAIL(&posts->list, post, entry);
    posts_send_saved(posts);
}

int64_t posts_late_ms(const struct posts *posts)
{
    const struct post *post = first_unsent(posts);
    return post == NULL ? INT64_MAX : post->began_ms + STORE_LATE_MS;
}

uint64_t posts_landed(const struct posts *posts)
{
    uint64_t landed = posts->sent;
    for (const struct post *post = TAILQ_FIRST(&posts->list); post != NULL;
         post = TAILQ_NEXT(post, entry)) {
        landed -= post->sent_ms != 0 ? post->count : 0;
    }
    return landed;
}

const struct anchor *posts_oldest_anchor(const struct posts *posts, const struct anchor *newest)
{
    const struct anchor *oldest = newest;
    for (const struct post *post = TAILQ_FIRST(&posts->list); post != NULL;
         post = TAILQ_NEXT(post, entry)) {
        oldest = anchor_older(oldest, &post->anchor);
    }
    return oldest;
}
