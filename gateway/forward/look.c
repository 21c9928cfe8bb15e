/* look: see look.h. */
#include "gateway/forward/look.h"

#include "gateway/api/json.h"
#include "gateway/base/clock.h"
#include "gateway/base/log.h"
#include "gateway/queue/dispatch.h"

#include <stdlib.h>
#include <string.h>

enum { PER_PAGE = 100, PAGES_MAX = 20, TRIES = 2, PATIENCE_MS = 5000 };

/* Notes messages that the look is for. Without memory they stay unlooked until they are sent again. */
static void note(struct look *look, const struct post *post)
{
    if (look->count + post->count > look->room) {
        size_t room = 2 * look->room + post->count;
        struct ulid *grown = realloc(look->refused, room * sizeof *grown);
        if (grown == NULL) {
            return;
        }
        look->refused = grown;
        look->room = room;
    }
    for (size_t i = 0; i < post->count; i++) {
        look->refused[look->count++] = post->messages[i]->id;
    }
}

void look_want(struct look *look, const struct post *post, uint64_t depth)
{
    note(look, post);
    look->depth = depth > look->depth ? depth : look->depth;
    look->page = look->is_pending ? 0 : 1;
    look->tries = 0;
}

bool look_is_due(const struct look *look)
{
    return look->is_pending || look->depth > 0;
}

/* It has shown what there was to see, or is given up. */
static void end(struct look *look, struct queue *queue)
{
    look->depth = 0;
    queue_looked(queue, look->refused, look->count);
    look->count = 0;
}

void look_clear(struct look *look)
{
    free(look->refused);
    *look = (struct look){0};
}

int64_t look_ask(struct look *look, const struct history_means *with, int64_t now_ms)
{
    if (look->is_pending) {
        return INT64_MAX;
    }
    if (look->depth == 0) {
        return 0;
    }
    int64_t next_ms = pace_next_ms(with->pace, API_HISTORY, PACE_FULL, now_ms);
    if (next_ms != INT64_MAX && next_ms > now_ms + PATIENCE_MS) {
        end(look, with->queue);
        return 0;
    }
    if (next_ms > now_ms) {
        return next_ms;
    }
    if (!api_get_history(with->api, look->page, PER_PAGE, look)) {
        end(look, with->queue);
        return 0;
    }
    pace_began(with->pace, API_HISTORY, false, now_ms);
    stats_add(with->stats, STAT_REQUESTS_HISTORY, 1);
    look->is_pending = true;
    return INT64_MAX;
}

/* What an entry says of one of our messages. */
static struct queue_resolution read_entry(const struct api_history_entry *entry)
{
    struct queue_resolution shown = {.fate = FATE_RETURNED};
    if (entry->client_id != NULL &&
        ulid_parse(entry->client_id, strlen(entry->client_id), &shown.id)) {
        shown.fate = FATE_RELAYED;
        shown.answer = message_answer_new(entry->id, NULL);
    }
    return shown;
}

/* Returns how many messages of the page had been refused. */
static size_t settle_page(const struct api_history *page, const struct history_means *with,
                          struct history *history)
{
    struct queue_resolution *shown = calloc(page->count + 1, sizeof *shown);
    size_t found = 0;
    if (shown == NULL) {
        return 0;
    }
    for (size_t i = 0; i < page->count; i++) {
        shown[i] = read_entry(&page->entries[i]);
    }
    queue_settle_shown(with->queue, shown, page->count, clock_steady_ms());
    int64_t now_ms = clock_monotonic_ms();
    for (size_t i = 0; i < page->count; i++) {
        if (shown[i].fate == FATE_RELAYED) {
            history_relayed(history, &shown[i].id, page->entries[i].id, now_ms, now_ms);
            found++;
        }
    }
    free(shown);
    return found;
}

static void read_page(struct look *look, const struct api_history *page,
                      const struct history_means *with, struct history *history,
                      struct destination *destination)
{
    size_t found = settle_page(page, with, history);
    bool is_last = page->count == 0 || page->count >= look->depth || look->page == PAGES_MAX;
    bool begins_anew = look->page++ == 0;
    look->tries = 0;
    if (!begins_anew && is_last) {
        end(look, with->queue);
    } else if (!begins_anew) {
        look->depth -= page->count;
    }
    if (found > 0) {
        destination->takes_refused = true;
        stats_add(with->stats, STAT_RECONCILE_FOUND, (int64_t)found);
        LOG(LOG_WARN, "refused_but_taken", LOG_INT("messages", found),
            log_key(LOG_STR("reason", "the API's history shows messages that it had refused"),
                    SIZE_MAX));
    }
}

void look_read(struct look *look, const struct api_answer *answer, const struct history_means *with,
               struct history *history, struct destination *destination)
{
    struct api_history page;
    look->is_pending = false;
    if (answer->transport == API_ANSWERED && answer->status / 100 == 2 &&
        api_json_read_history(answer->body, answer->body_len, &page)) {
        read_page(look, &page, with, history, destination);
        api_history_free(&page);
    } else if (++look->tries == TRIES) {
        end(look, with->queue);
    }
}
