/* head: see head.h. */
#include "proto/mail/head.h"

/* --- fields ----------------------------------------------------------------------------------- */

enum kind {
    KIND_UNKNOWN, /* may be a line of an alert: "Host: web1" */
    KIND_MINOR,   /* looks like a header, and proves nothing */
    KIND_KNOWN,   /* suggests a mail, though a text may have such a line */
    KIND_SURE     /* proves a mail: no text has such a line */
};

static const struct {
    const char *name;
    enum kind kind;
} FIELDS[] = {
    {"Subject", KIND_KNOWN},
    {"From", KIND_KNOWN},
    {"To", KIND_KNOWN},
    {"Date", KIND_KNOWN},
    {"Cc", KIND_KNOWN},
    {"Bcc", KIND_KNOWN},
    {"Sender", KIND_KNOWN},
    {"Reply-To", KIND_SURE},
    {"Message-ID", KIND_SURE},
    {"MIME-Version", KIND_SURE},
    {"Received", KIND_SURE},
    {"Return-Path", KIND_SURE},
    {"X-Mailer", KIND_SURE},
    {"Content-Type", KIND_SURE},
    {"Content-Transfer-Encoding", KIND_SURE},
    {"Content-Disposition", KIND_SURE},
    {"References", KIND_MINOR},
    {"Importance", KIND_MINOR},
    {"Precedence", KIND_MINOR},
    {"Organization", KIND_MINOR},
    {"Sensitivity", KIND_MINOR},
};

enum { FIELD_COUNT = sizeof FIELDS / sizeof FIELDS[0] };

/* The row of a field; FIELD_COUNT if it has none. */
static size_t find_field(struct span name)
{
    size_t i = 0;
    while (i < FIELD_COUNT && !span_is(name, FIELDS[i].name)) {
        i++;
    }
    return i;
}

static enum kind kind_of(struct span name, size_t row)
{
    bool has_dash = span_has(name, '-');
    return row < FIELD_COUNT ? FIELDS[row].kind : has_dash ? KIND_MINOR : KIND_UNKNOWN;
}

static bool is_letter(char c)
{
    return (c | 0x20) >= 'a' && (c | 0x20) <= 'z';
}

/*
 * Splits a line of the shape `name: value`. Names are narrower than RFC 5322's, so that a URL or a
 * time is none. Blanks before the colon are obsolete, and accepted (4.5).
 */
static bool split_field(struct span line, struct span *name, struct span *value)
{
    size_t i = 0;
    while (i < line.len && (is_letter(line.s[i]) || (line.s[i] >= '0' && line.s[i] <= '9') ||
                            line.s[i] == '-' || line.s[i] == '_' || line.s[i] == '.')) {
        i++;
    }
    *name = (struct span){line.s, i};
    while (i < line.len && (line.s[i] == ' ' || line.s[i] == '\t')) {
        i++;
    }
    if (name->len == 0 || !is_letter(line.s[0]) || i == line.len || line.s[i] != ':') {
        return false;
    }
    *value = (struct span){line.s + i + 1, line.len - i - 1};
    return !span_starts_with(*value, "//");
}

bool head_is_field(struct span line)
{
    struct span name, value;
    return split_field(line, &name, &value);
}

bool head_is_mime_field(struct span line)
{
    struct span name, value;
    return split_field(line, &name, &value) &&
           (span_is(name, "MIME-Version") || span_starts_with(name, "Content-"));
}

bool head_is_before(struct span line)
{
    return line.len == 0 || (line.len >= 5 && memcmp(line.s, "From ", 5) == 0) ||
           (line.len >= 6 && memcmp(line.s, ">From ", 6) == 0);
}

/* --- what is kept ----------------------------------------------------------------------------- */

/* Other X-SMS- headers belong to other programs. */
static void keep_option(struct head *head, struct span name, struct span value)
{
    static const char *const NAMES[] = {"X-SMS-Ref", "X-SMS-TTL", "X-SMS-Priority", "X-SMS-At"};
    for (size_t i = 0; i < sizeof NAMES / sizeof NAMES[0]; i++) {
        if (span_is(name, NAMES[i]) && head->option_count < MAIL_OPTIONS_MAX) {
            head->options[head->option_count++] = (struct mail_option){
                NAMES[i] + strlen("X-SMS-"),
                {value.s, value.len},
            };
        }
    }
}

/* Of a repeated field, the first value that is not empty counts. */
static void keep(struct head *head, struct span name, struct span value)
{
    const struct {
        const char *name;
        struct span *value;
    } wanted[] = {{"Subject", &head->subject},
                  {"Content-Type", &head->type},
                  {"Content-Transfer-Encoding", &head->encoding},
                  {"Content-Disposition", &head->disposition},
                  {"Auto-Submitted", &head->auto_submitted},
                  {"Message-ID", &head->message_id},
                  {"Date", &head->date}};
    for (size_t i = 0; i < sizeof wanted / sizeof wanted[0]; i++) {
        if (wanted[i].value->len == 0 && span_is(name, wanted[i].name)) {
            *wanted[i].value = value;
        }
    }
    head->hops += span_is(name, "Received") ? 1 : 0;
    if (span_starts_with(name, "X-SMS-")) {
        keep_option(head, name, value);
    }
}

/* --- where headers end ------------------------------------------------------------------------ */

/* The state of reading a block. */
struct reading {
    struct head *head;
    bool is_ended; /* by an empty line */
    unsigned minor, unknown;
    bool is_open; /* a folded line would continue this field: */
    struct span name, value;
    size_t last_line;          /* the length of its last line */
    const char *goes_on_until; /* a known field is here, so the headers go on until then */
    const char *tail;          /* the first of the unknown fields at the end; NULL = none */
};

static void end_field(struct reading *r)
{
    if (r->is_open) {
        keep(r->head, r->name, span_trim(r->value));
    }
    r->is_open = false;
}

static void begin_field(struct reading *r, struct span line, struct span name, struct span value)
{
    size_t row = find_field(name);
    enum kind kind = kind_of(name, row);
    end_field(r);
    r->is_open = true;
    r->name = name;
    r->value = value;
    r->last_line = line.len;
    r->head->count++;
    r->head->seen |= row < FIELD_COUNT ? (uint32_t)1 << row : 0;
    r->head->known += kind >= KIND_KNOWN ? 1 : 0;
    r->minor += kind == KIND_MINOR ? 1 : 0;
    r->unknown += kind == KIND_UNKNOWN ? 1 : 0;
    r->head->is_sure = r->head->is_sure || kind == KIND_SURE;
    r->tail = kind != KIND_UNKNOWN ? NULL : r->tail != NULL ? r->tail : line.s;
}

/* A line that begins with white space continues the field before it (RFC 5322, 2.2.3). */
static void continue_field(struct reading *r, struct span line)
{
    if (r->is_open) {
        r->value.len = (size_t)(line.s + line.len - r->value.s);
        r->last_line = line.len;
    }
}

/* Is a line that is no field a continuation that lost its leading blank? */
static bool has_lost_blank(const struct reading *r, struct span line)
{
    enum { WRAPPED_MIN = 60 }; /* bytes: shorter lines are not wrapped */
    if (!r->is_open) {
        return false;
    }
    struct span value = span_trim(r->value);
    char last = value.len > 0 ? value.s[value.len - 1] : '\0';
    const char *equals = memchr(line.s, '=', line.len);
    const char *blank = memchr(line.s, ' ', line.len);
    bool is_parameter = equals != NULL && (blank == NULL || equals < blank);
    return last == ';' || last == ',' || span_starts_with(line, "=?") ||
           (is_parameter && span_starts_with(r->name, "Content-")) ||
           (r->last_line >= WRAPPED_MIN && span_is(r->name, "Subject"));
}

/* Does a known field follow? A field that has occurred before proves nothing. */
static bool goes_on(struct reading *r, struct span rest)
{
    struct span line, name, value;
    if (r->goes_on_until != NULL && rest.s <= r->goes_on_until) {
        return true;
    }
    while (span_next_line(&rest, &line) && line.len > 0) {
        size_t row = split_field(line, &name, &value) ? find_field(name) : FIELD_COUNT;
        bool is_new = row < FIELD_COUNT && (r->head->seen >> row & 1) == 0;
        if (is_new && FIELDS[row].kind >= (r->is_ended ? KIND_KNOWN : KIND_SURE)) {
            r->goes_on_until = line.s;
            return true;
        }
    }
    return false;
}

/* Takes a line that is no field. Returns false if the text begins with it. */
static bool take_other(struct reading *r, struct span line, struct span rest)
{
    if (span_starts_with(line, "--") || !goes_on(r, rest)) {
        return false;
    }
    if (has_lost_blank(r, line)) {
        continue_field(r, line);
    } else {
        end_field(r);
    }
    return true;
}

/* Is a line a field of MIME with a valid value? No text has such a line. */
static bool is_true_mime_field(struct span line)
{
    struct span name, value;
    if (!split_field(line, &name, &value)) {
        return false;
    }
    value = span_trim(value);
    const char *semicolon = value.len > 0 ? memchr(value.s, ';', value.len) : NULL;
    struct span word = {value.s, semicolon == NULL ? value.len : (size_t)(semicolon - value.s)};
    bool is_word = word.len > 0 && !span_has(word, ' ');
    return (span_is(name, "MIME-Version") && span_starts_with(value, "1.0")) ||
           (span_is(name, "Content-Type") && is_word && span_has(word, '/')) ||
           (span_is(name, "Content-Transfer-Encoding") && is_word);
}

/* Does such a field occur before the first empty line? */
static bool has_true_mime_field(struct span block)
{
    struct span line;
    bool has_begun = false;
    while (span_next_line(&block, &line) && !(has_begun && line.len == 0)) {
        has_begun = has_begun || line.len > 0;
        if (is_true_mime_field(line)) {
            return true;
        }
    }
    return false;
}

/* Where the headers of a mail begin; NULL if there are none after the lines to skip. */
static const char *find_start(struct span block, bool has_mime)
{
    struct span line;
    if (span_starts_with(block, "\xef\xbb\xbf")) {
        block = (struct span){block.s + 3, block.len - 3};
    }
    while (span_next_line(&block, &line)) {
        if (head_is_field(line)) {
            return line.s;
        }
        bool is_part = span_starts_with(line, "--");
        if (!head_is_before(line) && (!has_mime || is_part)) {
            return NULL;
        }
    }
    return NULL;
}

/* Reads the lines of `rest`. Returns where the text begins, or NULL if these are not headers. */
static const char *read_lines(struct reading *r, struct span rest, unsigned known_needed)
{
    struct span line, name, value;
    while (span_next_line(&rest, &line)) {
        bool is_folded = line.len > 0 && (line.s[0] == ' ' || line.s[0] == '\t');
        if (line.len == 0) {
            return rest.s;
        }
        if (is_folded && r->head->count > 0) {
            continue_field(r, line);
        } else if (split_field(line, &name, &value)) {
            begin_field(r, line, name, value);
        } else if (r->head->known < known_needed) {
            return NULL;
        } else if (!take_other(r, line, rest)) {
            return line.s;
        }
    }
    return r->tail != NULL ? r->tail : rest.s;
}

/* Are these headers, or is it a text that looks like them? */
static bool are_headers(const struct reading *r, enum head_place place)
{
    bool is_date_alone = r->head->known == 1 && r->head->date.len > 0 && r->unknown > 0;
    bool is_all_text = r->head->may_be_text && !r->is_ended && r->head->subject.len == 0;
    return place == HEAD_OF_MAIL ? r->head->known > 0 && !is_date_alone && !is_all_text
                                 : r->head->known + r->minor > 0 || r->unknown == 0;
}

size_t head_read(struct span block, bool is_ended, enum head_place place, struct head *head)
{
    struct reading r = {.head = head, .is_ended = is_ended};
    bool is_mail = place == HEAD_OF_MAIL;
    bool has_mime = has_true_mime_field(block);
    const char *start = is_mail ? find_start(block, has_mime) : block.s;
    *head = (struct head){.count = 0};
    if (start == NULL || block.len == 0) {
        return 0;
    }
    struct span rest = {start, (size_t)(block.s + block.len - start)};
    const char *text = read_lines(&r, rest, has_mime ? 0 : is_mail ? 2 : 1);
    end_field(&r);
    head->may_be_text = r.unknown > 0 && r.unknown >= head->known && !head->is_sure;
    if (text == NULL || !are_headers(&r, place)) {
        *head = (struct head){.count = 0};
        return 0;
    }
    return (size_t)(text - block.s);
}
