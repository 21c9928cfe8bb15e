/* store: see store.h. */
#include "gateway/sandbox/store.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { FIRST_SIZE = 256 };

/* Numbers of messages that are not kept start here, above all others. */
static const uint64_t first_unkept = UINT64_C(1) << 63;

/* --- rings ---------------------------------------------------------------------------------- */

void *sandbox_ring_at(const struct sandbox_ring *ring, size_t i)
{
    return ring->slots[(ring->first + i) % ring->size];
}

static bool ring_grow(struct sandbox_ring *ring)
{
    size_t size = ring->size == 0 ? FIRST_SIZE : ring->size * 2;
    void **slots = calloc(size, sizeof *slots);

    if (slots == NULL) {
        return false;
    }
    for (size_t i = 0; i < ring->count; i++) {
        slots[i] = sandbox_ring_at(ring, i);
    }
    free(ring->slots);
    *ring = (struct sandbox_ring){slots, size, 0, ring->count};
    return true;
}

static bool ring_push(struct sandbox_ring *ring, void *entry)
{
    if (ring->count == ring->size && !ring_grow(ring)) {
        return false;
    }
    ring->slots[(ring->first + ring->count++) % ring->size] = entry;
    return true;
}

static void *ring_shift(struct sandbox_ring *ring)
{
    void *entry = sandbox_ring_at(ring, 0);

    ring->first = (ring->first + 1) % ring->size;
    ring->count--;
    return entry;
}

/* --- messages by clientId --------------------------------------------------------------------- */

/* FNV-1a: the ids are the relay's own, nobody attacks a simulator with collisions. */
static size_t hash(const char *s)
{
    uint64_t h = UINT64_C(14695981039346656037);

    for (; *s != '\0'; s++) {
        h = (h ^ (unsigned char)*s) * UINT64_C(1099511628211);
    }
    return (size_t)(h ^ h >> 32);
}

static struct sandbox_message **bucket_of(const struct sandbox_store *store, const char *client_id)
{
    return &store->buckets[hash(client_id) % store->buckets_size];
}

static bool buckets_grow(struct sandbox_store *store)
{
    size_t old_size = store->buckets_size;
    struct sandbox_message **old = store->buckets;
    size_t size = old_size == 0 ? FIRST_SIZE : old_size * 2;
    struct sandbox_message **buckets = calloc(size, sizeof(struct sandbox_message *));

    if (buckets == NULL) {
        return false;
    }
    store->buckets = buckets;
    store->buckets_size = size;
    for (size_t i = 0; i < old_size; i++) {
        struct sandbox_message *message, *next;

        for (message = old[i]; message != NULL; message = next) {
            struct sandbox_message **bucket = bucket_of(store, message->item.client_id);

            next = message->next;
            message->next = *bucket;
            *bucket = message;
        }
    }
    free(old);
    return true;
}

struct sandbox_message *sandbox_store_by_client_id(const struct sandbox_store *store,
                                                   const char *client_id)
{
    struct sandbox_message *message;

    if (store->buckets_size == 0) {
        return NULL;
    }
    message = *bucket_of(store, client_id);
    while (message != NULL && strcmp(message->item.client_id, client_id) != 0) {
        message = message->next;
    }
    return message;
}

static bool index_message(struct sandbox_store *store, struct sandbox_message *message)
{
    struct sandbox_message **bucket;

    if (store->buckets_used >= store->buckets_size && !buckets_grow(store)) {
        return false;
    }
    bucket = bucket_of(store, message->item.client_id);
    message->next = *bucket;
    *bucket = message;
    store->buckets_used++;
    return true;
}

/* A message that repeated a clientId is in no bucket. */
static void unindex_message(struct sandbox_store *store, const struct sandbox_message *message)
{
    struct sandbox_message **link;

    if (message->item.client_id == NULL || store->buckets_size == 0) {
        return;
    }
    link = bucket_of(store, message->item.client_id);
    while (*link != NULL && *link != message) {
        link = &(*link)->next;
    }
    if (*link == NULL) {
        return;
    }
    *link = message->next;
    store->buckets_used--;
}

/* --- the store -------------------------------------------------------------------------------- */

void sandbox_store_init(struct sandbox_store *store, size_t keep, uint32_t epoch)
{
    *store = (struct sandbox_store){
        .keep = keep,
        .epoch = epoch,
        .next_request = 1,
        .next_number = 1,
        .next_unkept = first_unkept,
    };
}

static void forget_message(struct sandbox_store *store, struct sandbox_message *message)
{
    unindex_message(store, message);
    free(message->status);
    free(message);
}

static void trim(struct sandbox_store *store, size_t keep)
{
    while (store->requests.count > keep) {
        free(ring_shift(&store->requests));
    }
    while (store->messages.count > keep) {
        forget_message(store, ring_shift(&store->messages));
    }
    while (store->rejected.count > keep) {
        free(ring_shift(&store->rejected));
    }
}

void sandbox_store_set_keep(struct sandbox_store *store, size_t keep)
{
    store->keep = keep;
    trim(store, keep);
}

void sandbox_store_clear(struct sandbox_store *store)
{
    trim(store, 0);
    store->counts = (struct sandbox_counts){0};
    store->next_request = 1;
    store->generation++;
}

void sandbox_store_free(struct sandbox_store *store)
{
    trim(store, 0);
    free(store->requests.slots);
    free(store->messages.slots);
    free(store->rejected.slots);
    free(store->buckets);
}

static struct sandbox_request *request_new(const struct sandbox_request *request)
{
    size_t size = strlen(request->target) + 1;
    struct sandbox_request *copy = malloc(sizeof *copy + size);

    if (copy == NULL) {
        return NULL;
    }
    *copy = *request;
    copy->target = memcpy(copy + 1, request->target, size);
    return copy;
}

void sandbox_store_add_request(struct sandbox_store *store, const struct sandbox_request *request)
{
    struct sandbox_counts *counts = &store->counts;
    struct sandbox_request *copy = request_new(request);

    store->next_request++;
    counts->requests[request->call]++;
    counts->status[request->status]++;
    counts->over_limit += request->is_over_limit;
    counts->full_bulks += request->call == SANDBOX_CALL_BULK && request->count == SANDBOX_BULK_MAX;
    if (copy != NULL && !ring_push(&store->requests, copy)) {
        free(copy);
    }
    trim(store, store->keep);
}

static size_t size_of(const char *s)
{
    return s == NULL ? 0 : strlen(s) + 1;
}

static const char *put(char **to, const char *s)
{
    size_t size = size_of(s);
    char *start = *to;

    if (s == NULL) {
        return NULL;
    }
    memcpy(start, s, size);
    *to += size;
    return start;
}

static struct sandbox_message *message_new(const struct sandbox_store *store,
                                           const struct sandbox_item *item, const char *reason,
                                           int64_t at_ms)
{
    struct sandbox_message *message =
        malloc(sizeof *message + size_of(item->client_id) + size_of(item->from) +
               size_of(item->to) + size_of(item->text) + size_of(reason));
    char *end;

    if (message == NULL) {
        return NULL;
    }
    *message = (struct sandbox_message){.request = store->next_request, .at_ms = at_ms};
    end = message->strings;
    message->item.client_id = put(&end, item->client_id);
    message->item.from = put(&end, item->from);
    message->item.to = put(&end, item->to);
    message->item.text = put(&end, item->text);
    message->item.unicode = item->unicode;
    message->reason = put(&end, reason);
    return message;
}

struct sandbox_message *sandbox_store_accept(struct sandbox_store *store,
                                             const struct sandbox_item *item,
                                             const struct sandbox_outcome *outcome, int64_t at_ms)
{
    struct sandbox_message *message = message_new(store, item, NULL, at_ms);
    bool is_first =
        item->client_id != NULL && sandbox_store_by_client_id(store, item->client_id) == NULL;

    if (message == NULL) {
        return NULL;
    }
    message->outcome = outcome;
    if (is_first && !index_message(store, message)) {
        free(message);
        return NULL;
    }
    if (!ring_push(&store->messages, message)) {
        forget_message(store, message);
        return NULL;
    }
    message->number = store->next_number++;
    store->counts.messages++;
    store->counts.distinct_client_ids += is_first;
    return message;
}

void sandbox_store_refuse(struct sandbox_store *store, const struct sandbox_item *item,
                          const char *reason, int64_t at_ms)
{
    struct sandbox_message *message = message_new(store, item, reason, at_ms);

    store->counts.rejected++;
    if (message != NULL && !ring_push(&store->rejected, message)) {
        free(message);
    }
}

void sandbox_store_set_status(struct sandbox_message *message, const char *status)
{
    free(message->status);
    message->status = strdup(status);
}

void sandbox_store_id(const struct sandbox_store *store, uint64_t number, char id[SANDBOX_ID_SIZE])
{
    snprintf(id, SANDBOX_ID_SIZE, "%08" PRIx32 "%016" PRIx64, store->epoch, number);
}

uint64_t sandbox_store_unkept_number(struct sandbox_store *store)
{
    return store->next_unkept++;
}

/* Numbers of kept messages are consecutive, so a number gives the place in the ring. */
struct sandbox_message *sandbox_store_by_id(const struct sandbox_store *store, const char *id)
{
    uint32_t epoch;
    uint64_t number, oldest;
    int end = 0;

    if (strlen(id) != SANDBOX_ID_SIZE - 1 || store->messages.count == 0 ||
        sscanf(id, "%8" SCNx32 "%16" SCNx64 "%n", &epoch, &number, &end) != 2 ||
        end != SANDBOX_ID_SIZE - 1 || epoch != store->epoch) {
        return NULL;
    }
    oldest = store->next_number - store->messages.count;
    if (number < oldest || number >= store->next_number) {
        return NULL;
    }
    return sandbox_ring_at(&store->messages, (size_t)(number - oldest));
}

size_t sandbox_store_accepted_until(const struct sandbox_store *store, int64_t at_ms)
{
    size_t low = 0, high = store->messages.count;

    while (low < high) {
        size_t middle = low + (high - low) / 2;
        const struct sandbox_message *message = sandbox_ring_at(&store->messages, middle);

        if (message->at_ms <= at_ms) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}
