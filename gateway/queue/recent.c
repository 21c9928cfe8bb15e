/* recent: see recent.h. */
#include "gateway/queue/recent.h"

#include <stdlib.h>
#include <string.h>

enum {
    STATUSES_MAX = 64, /* different ones kept apart; the API documents eleven */
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

/* Of an inbound message. */
struct text {
    uint64_t number;
    struct ulid id;
    int64_t at_ms; /* its eventAt */
    char *text;
};

struct queue_recent {
    size_t size;
    uint64_t first, last; /* numbers of the events kept; 0 = none yet */
    char statuses[STATUSES_MAX][REPORT_STATUS_MAX + 1];
    unsigned status_count;
    struct text texts[TEXTS];
    unsigned next_text;
    struct entry entries[];
};

struct queue_recent *queue_recent_new(size_t size)
{
    struct queue_recent *recent = calloc(1, sizeof *recent + size * sizeof recent->entries[0]);
    if (recent != NULL) {
        recent->size = size;
    }
    return recent;
}

void queue_recent_free(struct queue_recent *recent)
{
    for (int i = 0; recent != NULL && i < TEXTS; i++) {
        free(recent->texts[i].text);
    }
    free(recent);
}

/* Statuses are few. Once the table is full, an unknown one is told as its last; those that the API
 * documents have all been seen long before. */
static uint8_t status_index(struct queue_recent *recent, const char *status)
{
    unsigned i = 0;
    while (i < recent->status_count && strcmp(recent->statuses[i], status) != 0) {
        i++;
    }
    if (i == recent->status_count && i < STATUSES_MAX) {
        memcpy(recent->statuses[i], status, strlen(status) + 1);
        recent->status_count++;
    }
    return (uint8_t)(i < STATUSES_MAX ? i : STATUSES_MAX - 1);
}

static void add_text(struct queue_recent *recent, uint64_t number, const struct queue_event *event)
{
    struct text *text = &recent->texts[recent->next_text++ % TEXTS];
    free(text->text);
    *text = (struct text){.number = number,
                          .id = event->id,
                          .at_ms = event->report.event_ms,
                          .text = strdup(event->text)};
}

bool queue_recent_has_text(const struct queue_recent *recent, const struct ulid *id, int64_t at_ms,
                           const char *text)
{
    for (int i = 0; i < TEXTS; i++) {
        const struct text *kept = &recent->texts[i];
        if (kept->text != NULL && kept->at_ms == at_ms &&
            memcmp(&kept->id, id, sizeof kept->id) == 0 && strcmp(kept->text, text) == 0) {
            return true;
        }
    }
    return false;
}

/* The place of the next event, until now the oldest one's. */
static struct entry *take_place(struct queue_recent *recent, uint64_t number)
{
    recent->last = number;
    recent->first = recent->first == 0 ? number : recent->first;
    recent->first =
        number - recent->first >= recent->size ? number - recent->size + 1 : recent->first;
    return &recent->entries[number & (recent->size - 1)];
}

void queue_recent_note(struct queue_recent *recent, uint64_t number, const struct message *m)
{
    struct entry *entry = take_place(recent, number);
    entry->id = m->id;
    entry->owner = m->owner;
    entry->code = 0;
    entry->state = m->state;
    entry->status = NO_STATUS;
    memcpy(entry->to, message_to(m), m->to_len + 1U);
}

void queue_recent_add(struct queue_recent *recent, uint64_t number, const struct queue_event *event)
{
    struct entry *entry = take_place(recent, number);
    *entry = (struct entry){
        .id = event->id,
        .owner = event->owner,
        .code = event->report.code,
        .state = (uint8_t)event->state,
        .status = NO_STATUS,
    };
    memcpy(entry->to, event->to, sizeof entry->to);
    if (event->text != NULL) {
        entry->status = INBOUND;
        add_text(recent, number, event);
    } else if (event->report.status[0] != '\0') {
        entry->status = status_index(recent, event->report.status);
    }
}

/* An inbound message whose text is no longer kept gets an empty one. */
static char *copy_text(const struct queue_recent *recent, uint64_t number)
{
    for (int i = 0; i < TEXTS; i++) {
        if (recent->texts[i].number == number && recent->texts[i].text != NULL) {
            return strdup(recent->texts[i].text);
        }
    }
    return strdup("");
}

static void read_entry(const struct queue_recent *recent, uint64_t number,
                       struct queue_event *event)
{
    const struct entry *entry = &recent->entries[number & (recent->size - 1)];
    *event = (struct queue_event){
        .number = number,
        .id = entry->id,
        .owner = entry->owner,
        .state = (enum message_state)entry->state,
        .report = {.code = entry->code},
    };
    memcpy(event->to, entry->to, sizeof event->to);
    if (entry->status == INBOUND) {
        event->text = copy_text(recent, number);
    } else if (entry->status != NO_STATUS) {
        memcpy(event->report.status, recent->statuses[entry->status], sizeof event->report.status);
    }
}

size_t queue_recent_read(const struct queue_recent *recent, uint64_t since,
                         struct queue_event *events, size_t max, bool *is_gone)
{
    uint64_t number = since + 1 < recent->first ? recent->first : since + 1;
    size_t count = 0;
    *is_gone = recent->first != 0 && number != since + 1;
    for (; recent->first != 0 && number <= recent->last && count < max; number++) {
        read_entry(recent, number, &events[count++]);
    }
    return count;
}
