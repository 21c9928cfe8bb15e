/* option: see option.h. */
#include "proto/session/option.h"

#include "proto/word.h"

#include <string.h>
#include <time.h>

enum {
    SECOND_MS = 1000,
    MINUTE_MS = 60 * SECOND_MS,
    HOUR_MS = 60 * MINUTE_MS,
    DAY_MS = 24 * HOUR_MS
};
static const int64_t MAX_AHEAD_MS = (int64_t)OPTION_MAX_AHEAD_DAYS * DAY_MS;

/* --- values ----------------------------------------------------------------------------------- */

bool option_parse_duration(const char *s, size_t len, int64_t *ms)
{
    static const struct {
        char letter;
        int64_t ms;
    } UNITS[] = {{'s', SECOND_MS}, {'m', MINUTE_MS}, {'h', HOUR_MS}, {'d', DAY_MS}};
    int64_t value = 0;
    size_t i = 0;
    for (; i < len && s[i] >= '0' && s[i] <= '9'; i++) {
        value = value * 10 + (s[i] - '0');
        if (value > MAX_AHEAD_MS) {
            return false;
        }
    }
    int64_t unit = i == len ? SECOND_MS : 0;
    for (size_t u = 0; u < sizeof UNITS / sizeof UNITS[0]; u++) {
        if (i + 1 == len && (s[i] | 0x20) == UNITS[u].letter) {
            unit = UNITS[u].ms;
        }
    }
    if (i == 0 || unit == 0 || value == 0 || value > MAX_AHEAD_MS / unit) {
        return false;
    }
    *ms = value * unit;
    return true;
}

/* The number that `len` digits spell; -1 if one of them is no digit. */
static int digits(const char *s, size_t len)
{
    int value = 0;
    for (size_t i = 0; i < len; i++) {
        if (s[i] < '0' || s[i] > '9') {
            return -1;
        }
        value = value * 10 + (s[i] - '0');
    }
    return value;
}

/* Reads the "Z" or "+hh:mm" that ends an RFC 3339 time, as seconds. */
static bool parse_offset(const char *s, size_t len, int *seconds)
{
    if (len == 1 && (*s == 'Z' || *s == 'z')) {
        *seconds = 0;
        return true;
    }
    if (len != 6 || (*s != '+' && *s != '-') || s[3] != ':') {
        return false;
    }
    int hours = digits(s + 1, 2);
    int minutes = digits(s + 4, 2);
    if (hours < 0 || hours > 23 || minutes < 0 || minutes > 59) {
        return false;
    }
    *seconds = (hours * 3600 + minutes * 60) * (*s == '-' ? -1 : 1);
    return true;
}

#define DATE_TIME_SHAPE "0000-00-00T00:00:00"
enum { DATE_TIME_LEN = sizeof DATE_TIME_SHAPE - 1 };

/* The whole milliseconds of a fraction such as ".25"; 0 if there is none. */
static int fraction_ms(const char *s, size_t len)
{
    int ms = 0;
    for (size_t i = 1; i <= 3; i++) {
        ms = ms * 10 + (i < len ? s[i] - '0' : 0);
    }
    return ms;
}

/* The length of "2026-04-21T10:15:00", with a fraction if there is one; 0 for any other shape. */
static size_t date_time_len(const char *s, size_t len)
{
    static const char SHAPE[] = DATE_TIME_SHAPE;
    if (len <= DATE_TIME_LEN) {
        return 0;
    }
    for (size_t i = 0; i < DATE_TIME_LEN; i++) {
        bool fits = SHAPE[i] == '0'   ? s[i] >= '0' && s[i] <= '9'
                    : SHAPE[i] == 'T' ? s[i] == 'T' || s[i] == 't'
                                      : s[i] == SHAPE[i];
        if (!fits) {
            return 0;
        }
    }
    if (s[DATE_TIME_LEN] != '.') {
        return DATE_TIME_LEN;
    }
    size_t stop = DATE_TIME_LEN + 1;
    while (stop < len && s[stop] >= '0' && s[stop] <= '9') {
        stop++;
    }
    return stop > DATE_TIME_LEN + 1 ? stop : 0;
}

bool option_parse_time(const char *s, size_t len, int64_t *unix_ms)
{
    size_t rest = date_time_len(s, len);
    if (rest == 0) {
        return false;
    }
    struct tm tm = {.tm_year = digits(s, 4) - 1900,
                    .tm_mon = digits(s + 5, 2) - 1,
                    .tm_mday = digits(s + 8, 2),
                    .tm_hour = digits(s + 11, 2),
                    .tm_min = digits(s + 14, 2),
                    .tm_sec = digits(s + 17, 2)};
    struct tm given = tm;
    int offset = 0;
    time_t t = timegm(&tm);
    /* timegm turns the 31st of April into the 1st of May: a field that it changed was out of
     * range. */
    bool is_date = tm.tm_mon == given.tm_mon && tm.tm_mday == given.tm_mday && given.tm_hour < 24 &&
                   given.tm_min < 60 && given.tm_sec <= 60;
    if (!is_date || !parse_offset(s + rest, len - rest, &offset)) {
        return false;
    }
    *unix_ms =
        ((int64_t)t - offset) * SECOND_MS + fraction_ms(s + DATE_TIME_LEN, rest - DATE_TIME_LEN);
    return true;
}

bool option_parse_sender(const char *s, size_t len, char sender[SENDER_SIZE])
{
    if (len >= SENDER_SIZE || !sender_is_valid(s, len)) {
        return false;
    }
    memcpy(sender, s, len);
    sender[len] = '\0';
    return true;
}

/* --- the table -------------------------------------------------------------------------------- */

typedef bool option_parser(struct options *options, const char *s, size_t len, int64_t now_ms);

static bool set_from(struct options *options, const char *s, size_t len, int64_t now_ms)
{
    (void)now_ms;
    return option_parse_sender(s, len, options->from);
}

static bool begins_with(const char *s, size_t len, const char *start)
{
    return len >= strlen(start) && memcmp(s, start, strlen(start)) == 0;
}

static bool set_ref(struct options *options, const char *s, size_t len, int64_t now_ms)
{
    (void)now_ms;
    struct ulid id;
    if (len == 0 || len > CHOSEN_REF_MAX || begins_with(s, len, MESSAGE_MAIL_REF) ||
        begins_with(s, len, MESSAGE_MAIL_CHOSEN_REF) || ulid_parse(s, len, &id)) {
        return false;
    }
    for (size_t i = 0; i < len; i++) {
        if (s[i] < ' ' || s[i] > '~') {
            return false;
        }
    }
    memcpy(options->ref, s, len);
    options->ref[len] = '\0';
    return true;
}

static bool set_ttl(struct options *options, const char *s, size_t len, int64_t now_ms)
{
    (void)now_ms;
    return option_parse_duration(s, len, &options->ttl_ms);
}

static bool set_at(struct options *options, const char *s, size_t len, int64_t now_ms)
{
    int64_t ahead_ms = 0;
    int64_t at_ms = 0;
    if (len > 0 && s[0] == '+') {
        if (!option_parse_duration(s + 1, len - 1, &ahead_ms)) {
            return false;
        }
        at_ms = now_ms + ahead_ms;
    } else if (!option_parse_time(s, len, &at_ms)) {
        return false;
    }
    /* A time that has passed means now. */
    options->at_ms = at_ms > now_ms ? at_ms : 0;
    return at_ms - now_ms <= MAX_AHEAD_MS;
}

static bool set_priority(struct options *options, const char *s, size_t len, int64_t now_ms)
{
    (void)now_ms;
    for (int p = 0; p < MESSAGE_PRIORITIES; p++) {
        if (word_is(s, len, message_priority_name((enum message_priority)p))) {
            options->priority = (enum message_priority)p;
            return true;
        }
    }
    return false;
}

static bool set_unicode(struct options *options, const char *s, size_t len, int64_t now_ms)
{
    (void)now_ms;
    static const char *const WORDS[] = {
        [TEXT_UNICODE_AUTO] = "auto", [TEXT_UNICODE_YES] = "yes", [TEXT_UNICODE_NO] = "no"};
    for (int u = TEXT_UNICODE_AUTO; u <= TEXT_UNICODE_NO; u++) {
        if (word_is(s, len, WORDS[u])) {
            options->unicode = (enum text_unicode)u;
            return true;
        }
    }
    return false;
}

static bool set_ack(struct options *options, const char *s, size_t len, int64_t now_ms)
{
    (void)now_ms;
    options->ack = word_is(s, len, "relayed") ? ACK_RELAYED : ACK_QUEUED;
    return options->ack == ACK_RELAYED || word_is(s, len, "queued");
}

static const struct {
    const char *name;
    option_parser *parse;
    enum reply refusal;
    const char *rule;
} TABLE[] = {
    {"REF", set_ref, REPLY_BAD_ARGUMENT,
     "1 to 64 printable ASCII characters, not shaped like an id, not starting with mail: or mail/"},
    {"TTL", set_ttl, REPLY_BAD_ARGUMENT, "seconds, or 90s, 5m, 2h, 1d; at least 1s, at most 30d"},
    {"PRIORITY", set_priority, REPLY_BAD_ARGUMENT, "high, normal or low"},
    {"AT", set_at, REPLY_BAD_ARGUMENT,
     "an RFC 3339 time such as 2026-04-21T10:15:00Z, or +15m; at most 30 days ahead"},
    {"UNICODE", set_unicode, REPLY_BAD_ARGUMENT, "auto, yes or no"},
    {"ACK", set_ack, REPLY_BAD_ARGUMENT, "queued or relayed"},
    {"FROM", set_from, REPLY_BAD_SENDER,
     "1 to 11 letters, digits, spaces or .-_&, at least one a letter; or 3 to 15 digits"},
};

void options_init(struct options *options, enum text_unicode unicode)
{
    memset(options, 0, sizeof *options);
    options->priority = PRIORITY_NORMAL;
    options->unicode = unicode;
}

bool options_set(struct options *options, const char *name, size_t name_len, const char *value,
                 size_t value_len, int64_t now_ms, struct buffer *error)
{
    for (unsigned i = 0; i < sizeof TABLE / sizeof TABLE[0]; i++) {
        if (!word_is(name, name_len, TABLE[i].name)) {
            continue;
        }
        if ((options->given & 1U << i) != 0) {
            reply_line(error, REPLY_BAD_ARGUMENT, false, "%s was given twice", TABLE[i].name);
            return false;
        }
        options->given |= 1U << i;
        if (value_len == SIZE_MAX || !TABLE[i].parse(options, value, value_len, now_ms)) {
            reply_line(error, TABLE[i].refusal, false, "%s: %s", TABLE[i].name, TABLE[i].rule);
            return false;
        }
        return true;
    }
    reply_begin(error, REPLY_BAD_ARGUMENT, false);
    buffer_puts(error, "unknown option ");
    reply_quote_start(error, name, name_len);
    buffer_puts(error, "; use REF TTL PRIORITY AT UNICODE ACK FROM\r\n");
    return false;
}

/* --- KEY=value -------------------------------------------------------------------------------- */

static int hex_digit(char c)
{
    return c >= '0' && c <= '9'                     ? c - '0'
           : (c | 0x20) >= 'a' && (c | 0x20) <= 'f' ? (c | 0x20) - 'a' + 10
                                                    : -1;
}

/* Decodes the escape at `*s` (after the backslash); false if it is unknown. */
static bool unescape(const char **s, const char *end, char *c)
{
    if (*s == end) {
        return false;
    }
    char kind = *(*s)++;
    if (kind == '"' || kind == '\\') {
        *c = kind;
        return true;
    }
    if (kind == 'n') {
        *c = '\n';
        return true;
    }
    if (kind != 'x' || end - *s < 2 || hex_digit((*s)[0]) < 0 || hex_digit((*s)[1]) < 0) {
        return false;
    }
    *c = (char)(hex_digit((*s)[0]) * 16 + hex_digit((*s)[1]));
    *s += 2;
    return true;
}

size_t option_read_value(const char **s, const char *end, char value[OPTION_VALUE_MAX])
{
    size_t len = 0;
    bool is_quoted = *s < end && **s == '"';
    bool is_closed = !is_quoted;
    bool is_sound = true;
    *s += is_quoted ? 1 : 0;
    while (*s < end) {
        char c = *(*s)++;
        if (is_quoted ? c == '"' : word_is_space(c)) {
            is_closed = true;
            *s -= is_quoted ? 0 : 1;
            break;
        }
        if (is_quoted && c == '\\') {
            is_sound = unescape(s, end, &c) && is_sound;
        }
        if (len < OPTION_VALUE_MAX) {
            value[len] = c;
        }
        len++;
    }
    bool is_separated = *s == end || word_is_space(**s);
    return is_sound && is_closed && is_separated && len < OPTION_VALUE_MAX ? len : SIZE_MAX;
}

bool option_next(const char **s, const char *end, const char **name, size_t *name_len,
                 char value[OPTION_VALUE_MAX], size_t *value_len)
{
    const char *p = *s + word_letters(*s, end);
    if (p == *s || p == end || *p != '=') {
        return false;
    }
    *name = *s;
    *name_len = (size_t)(p - *s);
    p++;
    *value_len = option_read_value(&p, end, value);
    *s = word_skip_spaces(p, end);
    return true;
}
