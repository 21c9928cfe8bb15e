/* recent: see recent.h. */
#include "gateway/queue/recent.h"

#include <stdlib.h>
#include <string.h>

enum {
    OUTCOMES_MAX = 1024, /* different ones kept apart; the API documents eleven statuses */
    TEXTS = 256,         /* inbound messages whose texts are kept */
    NO_REPORT = UINT16_MAX,
    INBOUND = UINT16_MAX - 1
};

/* What a report says but for its time. */
struct outcome {
    char status[REPORT_STATUS_MAX + 1];
    char code[REPORT_CODE_MAX + 1];
};

struct entry {
    int64_t at_ms; /* steady */
    struct ulid id;
    int32_t owner;
    uint16_t outcome; /* an index of `outcomes`, or NO_REPORT or INBOUND */
    uint8_t state;
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
    struct outcome outcomes[OUTCOMES_MAX];
    unsigned outcome_count;
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

static bool is_of(const struct outcome *outcome, const struct report *report)
{
    return strcmp(outcome->code, report->code) == 0 && strcmp(outcome->status, report->status) == 0;
}

/* Outcomes are few. Once the table is full, an unknown one is told as its last; those that the API
 * documents have all been seen long before. */
static uint16_t outcome_index(struct queue_recent *recent, const struct report *report)
{
    unsigned i = 0;
    while (i < recent->outcome_count && !is_of(&recent->outcomes[i], report)) {
        i++;
    }
    if (i == recent->outcome_count && i < OUTCOMES_MAX) {
        memcpy(recent->outcomes[i].status, report->status, sizeof report->status);
        memcpy(recent->outcomes[i].code, report->code, sizeof report->code);
        recent->outcome_count++;
    }
    return (uint16_t)(i < OUTCOMES_MAX ? i : OUTCOMES_MAX - 1);
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
    entry->at_ms = m->updated_ms;
    entry->id = m->id;
    entry->owner = m->owner;
    entry->state = m->state;
    entry->outcome = NO_REPORT;
    memcpy(entry->to, message_to(m), m->to_len + 1U);
}

void queue_recent_add(struct queue_recent *recent, uint64_t number, const struct queue_event *event)
{
    struct entry *entry = take_place(recent, number);
    *entry = (struct entry){
        .at_ms = event->at_ms,
        .id = event->id,
        .owner = event->owner,
        .state = (uint8_t)event->state,
        .outcome = NO_REPORT,
    };
    memcpy(entry->to, event->to, sizeof entry->to);
    if (event->text != NULL) {
        entry->outcome = INBOUND;
        add_text(recent, number, event);
    } else if (event->report.status[0] != '\0') {
        entry->outcome = outcome_index(recent, &event->report);
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
        .at_ms = entry->at_ms,
    };
    memcpy(event->to, entry->to, sizeof event->to);
    if (entry->outcome == INBOUND) {
        event->text = copy_text(recent, number);
    } else if (entry->outcome != NO_REPORT) {
        const struct outcome *outcome = &recent->outcomes[entry->outcome];
        memcpy(event->report.status, outcome->status, sizeof event->report.status);
        memcpy(event->report.code, outcome->code, sizeof event->report.code);
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

size_t queue_recent_find(const struct queue_recent *recent, queue_event_filter *is_wanted,
                         const void *arg, struct queue_event *events, size_t max)
{
    size_t count = 0;
    for (uint64_t number = recent->last; number != 0 && number >= recent->first && count < max;
         number--) {
        const struct entry *entry = &recent->entries[number & (recent->size - 1)];
        if (is_wanted(arg, &entry->id, entry->to)) {
            read_entry(recent, number, &events[count++]);
        }
    }
    return count;
}

size_t queue_recent_owners(const struct queue_recent *recent, int32_t *owners, size_t max)
{
    size_t count = 0;
    for (uint64_t number = recent->last; number != 0 && number >= recent->first && count < max;
         number--) {
        int32_t owner = recent->entries[number & (recent->size - 1)].owner;
        size_t i = 0;
        while (i < count && owners[i] != owner) {
            i++;
        }
        owners[count] = owner;
        count += i == count;
    }
    return count;
}
