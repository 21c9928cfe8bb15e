/* endings: see endings.h. */
#include "gateway/queue/endings.h"

#include "gateway/base/log.h"

#include <stdlib.h>
#include <string.h>

enum { FIRST_SIZE = 4 };

struct queue_ending {
    struct ulid id;
    int32_t owner;
    enum stats_end end;
    char to[NUMBER_SIZE];
};

/* What is logged of each end; no event = nothing. */
static const struct {
    const char *event, *reason;
} rows[STATS_ENDS] = {
    [END_REJECTED_API] = {"message_rejected", "refused by the API; STATUS has its words"},
    [END_REJECTED_OPTED_OUT] = {"message_rejected", "the recipient has opted out"},
    [END_EXPIRED_TTL] = {"message_expired", "its TTL ended before it was sent"},
    [END_EXPIRED_MAX_AGE] = {"message_expired", "queue.max_age ended before it was sent"},
    [END_UNRESOLVED_HISTORY] = {"message_unresolved",
                                "it may have been sent, and the API's history does not tell"},
    [END_UNRESOLVED_EXPIRED] = {"message_unresolved",
                                "it may have been sent, and its time ended before that was known"},
};

/* Makes room for one more, up to what the log takes. */
static bool reserve_one(struct queue_endings *endings)
{
    if (endings->count < endings->size) {
        return true;
    }
    size_t size = endings->size == 0 ? FIRST_SIZE : 2 * endings->size;
    struct queue_ending *list =
        endings->count >= LOG_EVENT_LINES ? NULL : realloc(endings->list, size * sizeof *list);
    if (list == NULL) {
        return false;
    }
    endings->list = list;
    endings->size = size;
    return true;
}

void queue_endings_note(struct queue_endings *endings, const struct message *m, enum stats_end end)
{
    if (rows[end].event == NULL || !log_is_on(LOG_INFO)) {
        return;
    }
    if (!reserve_one(endings)) {
        endings->left_out[end]++;
        return;
    }
    struct queue_ending *ending = &endings->list[endings->count++];
    ending->id = m->id;
    ending->owner = m->owner;
    ending->end = end;
    memcpy(ending->to, message_to(m), m->to_len + 1U);
}

void queue_endings_log(struct queue_endings *endings)
{
    for (size_t i = 0; i < endings->count; i++) {
        const struct queue_ending *ending = &endings->list[i];
        LOG(LOG_INFO, rows[ending->end].event, LOG_ID("id", &ending->id), LOG_OWNER(ending->owner),
            LOG_NUMBER("to", ending->to), LOG_STR("reason", rows[ending->end].reason));
    }
    for (int end = 0; end < STATS_ENDS; end++) {
        if (endings->left_out[end] > 0) {
            LOG(LOG_INFO, rows[end].event, LOG_STR("reason", rows[end].reason),
                LOG_INT("more", endings->left_out[end]));
        }
    }
    free(endings->list);
    *endings = (struct queue_endings){.list = NULL};
}
