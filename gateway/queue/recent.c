/* past: see past.h. */
#include "gateway/queue/recent.h"

#include <stdlib.h>
#include <string.h>

enum {
    STATUSES_MAX = 64, /* different ones that are kept apart; the API documents eleven */
    TEXTS = 256,       /* inbound messages whose texts are kept */
    NO_STATUS = UINT8_MAX,
    INBOUND = UINT8_MAX - 1
};

struct entry {
    struct ulid id;
    int32_t owner, code;
    uint8_t state;
    uint8_t status; /* an index of `statuses`, or NO_STATUS or INBOUND */
    char to[NUMBER_SIZE];
};

/* An inbound message. */
struct text {
    uint64_t event;
    struct ulid id;
    int64_t at_ms; /* its eventAt */
    char *text;
};

struct queue_recent {
    size_t size;
    uint64_t first, last; /* numbers of the changes kept; 0 = none yet */
    char statuses[STATUSES_MAX][REPORT_STATUS_MAX + 1];
    unsigned status_count;
    struct text texts[TEXTS];
    unsigned next_text;
    struct entry entries[];
};

struct queue_recent *queue_recent_new(size_t size)
{
    struct queue_recent *past = calloc(1, sizeof *past + size * sizeof past->entries[0]);
    if (past != NULL) {
        past->size = size;
    }
    return past;
}

void queue_recent_free(struct queue_recent *past)
{
    for (int i = 0; past != NULL && i < TEXTS; i++) {
        free(past->texts[i].text);
    }
    free(past);
}

/* Statuses are few. One more than there is room for is told as the last one that had room: none that
 * the API documents, which all come long before. */
static uint8_t status_index(struct queue_recent *past, const char *status)
{
    unsigned i = 0;
    while (i < past->status_count && strcmp(past->statuses[i], status) != 0) {
        i++;
    }
    if (i == past->status_count && i < STATUSES_MAX) {
        memcpy(past->statuses[i], status, strlen(status) + 1);
        past->status_count++;
    }
    return (uint8_t)(i < STATUSES_MAX ? i : STATUSES_MAX - 1);
}

static void add_text(struct queue_recent *past, const struct queue_event *change)
{
    struct text *text = &past->texts[past->next_text++ % TEXTS];
    free(text->text);
    *text = (struct text){.event = change->event,
                          .id = change->id,
                          .at_ms = change->report.event_ms,
                          .text = strdup(change->text)};
}

bool queue_recent_has_text(const struct queue_recent *past, const struct queue_report *report)
{
    for (int i = 0; i < TEXTS; i++) {
        const struct text *text = &past->texts[i];
        if (text->text != NULL && text->at_ms == report->report.event_ms &&
            memcmp(&text->id, &report->id, sizeof text->id) == 0 &&
            strcmp(text->text, report->text) == 0) {
            return true;
        }
    }
    return false;
}

/* The place of the next change, the oldest one's. */
static struct entry *take_place(struct queue_recent *past, uint64_t event)
{
    past->last = event;
    past->first = past->first == 0 ? past->last : past->first;
    past->first =
        past->last - past->first >= past->size ? past->last - past->size + 1 : past->first;
    return &past->entries[event & (past->size - 1)];
}

void queue_recent_note(struct queue_recent *past, uint64_t event, const struct message *m)
{
    struct entry *entry = take_place(past, event);
    entry->id = m->id;
    entry->owner = m->owner;
    entry->code = 0;
    entry->state = m->state;
    entry->status = NO_STATUS;
    memcpy(entry->to, message_to(m), m->to_len + 1U);
}

void queue_recent_add(struct queue_recent *past, const struct queue_event *change)
{
    struct entry *entry = take_place(past, change->event);
    *entry = (struct entry){
        .id = change->id,
        .owner = change->owner,
        .code = change->report.code,
        .state = (uint8_t)change->state,
        .status = NO_STATUS,
    };
    memcpy(entry->to, change->to, sizeof entry->to);
    if (change->text != NULL) {
        entry->status = INBOUND;
        add_text(past, change);
    } else if (change->report.status[0] != '\0') {
        entry->status = status_index(past, change->report.status);
    }
}

/* An inbound message whose text is not kept any more has none. */
static void read_text(const struct queue_recent *past, struct queue_event *change)
{
    const char *words = "";
    for (int i = 0; i < TEXTS; i++) {
        if (past->texts[i].event == change->event && past->texts[i].text != NULL) {
            words = past->texts[i].text;
        }
    }
    change->text = strdup(words);
}

static void read_entry(const struct queue_recent *past, uint64_t event, struct queue_event *change)
{
    const struct entry *entry = &past->entries[event & (past->size - 1)];
    *change = (struct queue_event){
        .event = event,
        .id = entry->id,
        .owner = entry->owner,
        .state = (enum message_state)entry->state,
        .report = {.code = entry->code},
    };
    memcpy(change->to, entry->to, sizeof change->to);
    if (entry->status == INBOUND) {
        read_text(past, change);
    } else if (entry->status != NO_STATUS) {
        memcpy(change->report.status, past->statuses[entry->status], sizeof change->report.status);
    }
}

size_t queue_recent_read(const struct queue_recent *past, uint64_t since,
                         struct queue_event *changes, size_t max, bool *is_gone)
{
    uint64_t event = since + 1 < past->first ? past->first : since + 1;
    size_t count = 0;
    *is_gone = past->first != 0 && event != since + 1;
    for (; past->first != 0 && event <= past->last && count < max; event++) {
        read_entry(past, event, &changes[count++]);
    }
    return count;
}
