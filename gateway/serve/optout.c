/* optout: see optout.h. */
#include "gateway/serve/optout.h"

#include "gateway/base/clock.h"
#include "gateway/base/file.h"
#include "gateway/base/int64.h"
#include "gateway/base/log.h"
#include "gateway/queue/control.h"
#include "proto/keyword.h"
#include "proto/recipients.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

enum { FAULTS_MAX = 20, FIRST_SIZE = 16 };

/* The latest decision about a number: a phone's, or the operator's. */
struct decision {
    bool is_listed;
    int64_t at_ms; /* Unix time */
};

struct optout {
    struct optout_options options;
    struct recipients given, never;
    struct recipients decided;  /* numbers with a decision, */
    struct decision *decisions; /* and what it is */
    size_t size;                /* of `decisions` */
    size_t listed;              /* numbers that decisions put on the list */
};

/* --- the file --------------------------------------------------------------------------------- */

/* Adds the number of a line, if it has one. Returns false, and says why, if it is invalid. */
static bool read_line(const struct optout *o, const char *line, size_t len,
                      struct recipients *numbers, bool *has_memory, char fault[NUMBER_FAULT_SIZE])
{
    char e164[NUMBER_SIZE];
    while (len > 0 && isspace((unsigned char)*line)) {
        line++;
        len--;
    }
    while (len > 0 && isspace((unsigned char)line[len - 1])) {
        len--;
    }
    if (len == 0 || *line == '#') {
        return true;
    }
    if (!number_parse(line, len, o->options.country_code, e164)) {
        number_explain(line, len, o->options.country_code, fault);
        return false;
    }
    *has_memory = *has_memory && recipients_add(numbers, e164);
    return true;
}

static bool read_numbers(const struct optout *o, const char *text, size_t len,
                         struct recipients *numbers, struct buffer *errors)
{
    const char *end = text + len;
    bool has_memory = true;
    char fault[NUMBER_FAULT_SIZE];
    unsigned faults = 0;
    for (unsigned line = 1; text < end && faults < FAULTS_MAX; line++) {
        const char *line_end = memchr(text, '\n', (size_t)(end - text));
        line_end = line_end == NULL ? end : line_end;
        if (!read_line(o, text, (size_t)(line_end - text), numbers, &has_memory, fault)) {
            buffer_printf(errors, "%s:%u: not a telephone number%s%s\n", o->options.file, line,
                          fault[0] != '\0' ? ": " : "", fault);
            faults++;
        }
        text = line_end + 1;
    }
    if (!has_memory) {
        buffer_printf(errors, "%s: policy.optout_file: out of memory\n", o->options.file);
    }
    return has_memory && faults == 0;
}

static bool read_file(const struct optout *o, struct recipients *numbers, struct buffer *errors)
{
    struct buffer text = BUFFER_EMPTY;
    const char *fault = file_read(o->options.file, &text);
    bool is_good = fault == NULL;
    if (!is_good) {
        buffer_printf(errors, "%s: policy.optout_file: %s\n", o->options.file, fault);
    } else {
        is_good = read_numbers(o, text.data == NULL ? "" : text.data, text.len, numbers, errors);
    }
    buffer_free(&text);
    return is_good;
}

bool optout_check_file(const struct optout_options *options, struct buffer *errors)
{
    const struct optout o = {.options = *options};
    struct recipients numbers = {0};
    bool is_good = read_file(&o, &numbers, errors);
    recipients_free(&numbers);
    return is_good;
}

/* --- the list --------------------------------------------------------------------------------- */

/* The latest decision about a number, or NULL. */
static struct decision *find_decision(const struct optout *o, const char *number)
{
    size_t position = recipients_find(&o->decided, number);
    return position == SIZE_MAX ? NULL : &o->decisions[position];
}

static bool is_opted_out(const struct optout *o, const char *number)
{
    const struct decision *decision = find_decision(o, number);
    return decision != NULL && decision->is_listed;
}

bool optout_has(const void *optout, const char *number)
{
    const struct optout *o = optout;
    return (recipients_has(&o->given, number) || is_opted_out(o, number)) &&
           !recipients_has(&o->never, number);
}

/* Returns false on allocation failure. */
static bool note_decision(struct optout *o, const char *number, bool is_listed, int64_t at_ms)
{
    if (o->decided.count == o->size) {
        size_t size = o->size == 0 ? FIRST_SIZE : 2 * o->size;
        struct decision *decisions = realloc(o->decisions, size * sizeof *decisions);
        if (decisions == NULL) {
            return false;
        }
        o->decisions = decisions;
        o->size = size;
    }
    bool was_listed = is_opted_out(o, number);
    if (!recipients_add(&o->decided, number)) {
        return false;
    }
    *find_decision(o, number) = (struct decision){is_listed, at_ms};
    o->listed = o->listed + (is_listed ? 1 : 0) - (was_listed ? 1 : 0);
    return true;
}

/* The queue has a copy of its own, which it reads under its mutex. */
static bool tell_queue(const struct optout *o)
{
    struct recipients all = {0};
    const struct recipients *const lists[] = {&o->given, &o->decided};
    bool has_memory = recipients_reserve(&all, o->given.count + o->listed);
    for (size_t list = 0; has_memory && list < 2; list++) {
        for (size_t i = 0; has_memory && i < lists[list]->count; i++) {
            const char *number = lists[list]->numbers[i];
            has_memory = !optout_has(o, number) || recipients_add(&all, number);
        }
    }
    if (has_memory) {
        stats_set(o->options.stats, STAT_OPTOUTS, (int64_t)all.count);
        queue_refuse_all(o->options.queue, &all);
    }
    recipients_free(&all);
    return has_memory;
}

bool optout_reload(struct optout *o, struct buffer *errors)
{
    struct recipients fresh = {0};
    if (o->options.file[0] != '\0' && !read_file(o, &fresh, errors)) {
        recipients_free(&fresh);
        return false;
    }
    recipients_free(&o->given);
    o->given = fresh;
    return tell_queue(o);
}

static void add_stored(void *arg, const char *number, int64_t since_ms)
{
    struct optout *o = arg;
    (void)note_decision(o, number, true, since_ms);
}

static bool read_never(struct optout *o)
{
    bool has_memory = true;
    char e164[NUMBER_SIZE];
    for (size_t i = 0; has_memory && i < o->options.never_count; i++) {
        const char *number = o->options.never[i];
        has_memory = !number_parse(number, strlen(number), o->options.country_code, e164) ||
                     recipients_add(&o->never, e164);
    }
    return has_memory;
}

struct optout *optout_new(const struct optout_options *options, struct buffer *errors)
{
    struct optout *o = calloc(1, sizeof *o);
    if (o == NULL) {
        buffer_puts(errors, "out of memory\n");
        return NULL;
    }
    o->options = *options;
    if (options->store != NULL) {
        store_each_optout(options->store, add_stored, o);
    }
    if (!read_never(o) || !optout_reload(o, errors)) {
        optout_free(o);
        return NULL;
    }
    return o;
}

void optout_free(struct optout *o)
{
    if (o != NULL) {
        recipients_free(&o->given);
        recipients_free(&o->decided);
        recipients_free(&o->never);
        free(o->decisions);
        free(o);
    }
}

/* Carries out a decision. */
static enum optout_outcome decide(struct optout *o, const char *number, bool is_listed,
                                  int64_t at_ms)
{
    bool was_listed = optout_has(o, number);
    if (!note_decision(o, number, is_listed, at_ms) ||
        !queue_refuse(o->options.queue, number, is_listed) ||
        (o->options.store != NULL &&
         !store_note_optout(o->options.store, number, is_listed, at_ms))) {
        return OPTOUT_NO_MEMORY;
    }
    stats_add(o->options.stats, STAT_OPTOUTS, (is_listed ? 1 : 0) - (was_listed ? 1 : 0));
    LOG(LOG_INFO, is_listed ? "opted_out" : "opted_in", LOG_NUMBER("number", number));
    return OPTOUT_DONE;
}

/* Is there anything to decide? OPTOUT_DONE = yes. */
static enum optout_outcome look_before(const struct optout *o, const char *number, bool is_listed)
{
    if (is_listed && recipients_has(&o->never, number)) {
        return OPTOUT_NEVER;
    }
    if (!is_listed && recipients_has(&o->given, number)) {
        return OPTOUT_GIVEN;
    }
    /* A number in the file may be added, too: the file may change. */
    return is_opted_out(o, number) == is_listed ? OPTOUT_NO_CHANGE : OPTOUT_DONE;
}

/* The time of a decision that has to count now, whatever the clocks say. */
static int64_t decision_time(const struct optout *o, const char *number, int64_t at_ms)
{
    const struct decision *last = find_decision(o, number);
    return last == NULL ? at_ms : int64_max(last->at_ms, at_ms);
}

enum optout_outcome optout_set(struct optout *o, const char *number, bool is_listed)
{
    enum optout_outcome outcome = look_before(o, number, is_listed);
    return outcome == OPTOUT_DONE
               ? decide(o, number, is_listed, decision_time(o, number, clock_unix_ms()))
               : outcome;
}

/* --- inbound messages ------------------------------------------------------------------------- */

bool optout_apply_answer(struct optout *o, const struct optout_answer *answer)
{
    const char *number = answer->number;
    const struct optout_options *options = &o->options;
    bool is_stop = answer->is_stop ||
                   keyword_is_one_of(answer->text, options->stop_words, options->stop_count);
    bool is_start =
        !is_stop && keyword_is_one_of(answer->text, options->start_words, options->start_count);
    const struct decision *last = find_decision(o, number);
    int64_t now_ms = clock_unix_ms();
    int64_t at_ms = answer->at_ms > 0 ? int64_min(answer->at_ms, now_ms) : now_ms;
    if (is_stop && answer->is_new) {
        at_ms = decision_time(o, number, at_ms);
    }
    bool is_late = last != NULL && at_ms < last->at_ms;
    return (is_stop || is_start) && !is_late && look_before(o, number, is_stop) == OPTOUT_DONE &&
           decide(o, number, is_stop, at_ms) == OPTOUT_DONE;
}

size_t optout_each(const struct optout *o, size_t max,
                   void (*show)(const char *number, bool is_given, void *arg), void *arg)
{
    for (size_t i = 0; i < o->decided.count && max > 0; i++) {
        if (o->decisions[i].is_listed) {
            show(o->decided.numbers[i], false, arg);
            max--;
        }
    }
    for (size_t i = 0; i < o->given.count && max > 0; i++, max--) {
        show(o->given.numbers[i], true, arg);
    }
    return o->listed + o->given.count;
}
