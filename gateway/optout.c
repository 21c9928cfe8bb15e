/* optout: see optout.h. */
#include "gateway/optout.h"

#include "gateway/clock.h"
#include "gateway/file.h"
#include "gateway/log.h"
#include "proto/recipients.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum { FAULTS_MAX = 20 };

struct optout {
    struct optout_options options;
    struct recipients given, heard;
    struct recipients never;
};

/* --- the file --------------------------------------------------------------------------------- */

/* Adds the number of a line, if it has one. Returns false when it is none. */
static bool read_line(const struct optout *o, const char *line, size_t len,
                      struct recipients *numbers, bool *has_memory)
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
    unsigned faults = 0;
    for (unsigned line = 1; text < end && faults < FAULTS_MAX; line++) {
        const char *line_end = memchr(text, '\n', (size_t)(end - text));
        line_end = line_end == NULL ? end : line_end;
        if (!read_line(o, text, (size_t)(line_end - text), numbers, &has_memory)) {
            buffer_printf(errors, "%s:%u: not a telephone number\n", o->options.file, line);
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

/* --- the list --------------------------------------------------------------------------------- */

bool optout_has(const void *optout, const char *number)
{
    const struct optout *o = optout;
    return (recipients_has(&o->given, number) || recipients_has(&o->heard, number)) &&
           !recipients_has(&o->never, number);
}

/* The queue has a list of its own, since it looks under its own mutex. */
static bool tell_queue(const struct optout *o)
{
    struct recipients all = {0};
    const struct recipients *const lists[] = {&o->given, &o->heard};
    bool has_memory = recipients_reserve(&all, o->given.count + o->heard.count);
    for (size_t list = 0; has_memory && list < 2; list++) {
        for (size_t i = 0; i < lists[list]->count; i++) {
            const char *number = lists[list]->numbers[i];
            has_memory = recipients_has(&o->never, number) || recipients_add(&all, number);
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

static void hear_stored(void *arg, const char *number)
{
    struct optout *o = arg;
    (void)recipients_add(&o->heard, number);
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
        store_each_optout(options->store, hear_stored, o);
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
        recipients_free(&o->heard);
        recipients_free(&o->never);
        free(o);
    }
}

enum optout_outcome optout_set(struct optout *o, const char *number, bool is_listed)
{
    if (is_listed && recipients_has(&o->never, number)) {
        return OPTOUT_NEVER;
    }
    if (!is_listed && recipients_has(&o->given, number)) {
        return OPTOUT_GIVEN;
    }
    if (optout_has(o, number) == is_listed) {
        return OPTOUT_NO_CHANGE;
    }
    if (is_listed ? !recipients_add(&o->heard, number) : !recipients_remove(&o->heard, number)) {
        return OPTOUT_NO_MEMORY;
    }
    if (!queue_refuse(o->options.queue, number, is_listed) ||
        (o->options.store != NULL &&
         !store_note_optout(o->options.store, number, is_listed, clock_unix_ms()))) {
        return OPTOUT_NO_MEMORY;
    }
    stats_add(o->options.stats, STAT_OPTOUTS, is_listed ? 1 : -1);
    LOG(LOG_INFO, is_listed ? "opted_out" : "opted_in", LOG_NUMBER("number", number));
    return OPTOUT_DONE;
}

/* --- what phones say -------------------------------------------------------------------------- */

/* Is a text nothing but one of these words, in any case, with whatever marks around it? */
static bool is_one_of(const char *text, const char *const *words, size_t count)
{
    static const char marks[] = " \t\r\n.,!?\"'";
    text += strspn(text, marks);
    size_t len = strlen(text);
    while (len > 0 && strchr(marks, text[len - 1]) != NULL) {
        len--;
    }
    for (size_t i = 0; i < count; i++) {
        if (strlen(words[i]) == len && strncasecmp(words[i], text, len) == 0) {
            return len > 0;
        }
    }
    return false;
}

bool optout_heard(struct optout *o, const char *number, const char *text)
{
    bool is_stop = is_one_of(text, o->options.stop_words, o->options.stop_count);
    bool is_start = is_one_of(text, o->options.start_words, o->options.start_count);
    return (is_stop || is_start) && optout_set(o, number, is_stop) == OPTOUT_DONE;
}

size_t optout_each(const struct optout *o, size_t max,
                   void (*show)(const char *number, bool is_given, void *arg), void *arg)
{
    for (size_t i = 0; i < o->heard.count && max > 0; i++, max--) {
        show(o->heard.numbers[i], false, arg);
    }
    for (size_t i = 0; i < o->given.count && max > 0; i++, max--) {
        show(o->given.numbers[i], true, arg);
    }
    return o->heard.count + o->given.count;
}
