/* reply: see reply.h. */
#include "proto/reply.h"

#include "proto/escape.h"
#include "proto/text.h"

#include <inttypes.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

struct row {
    const char code[4];
    const char *enhanced; /* and a space, or "" */
    const char *text;
};

static const struct row ROWS[REPLIES] = {
    [REPLY_EVENT] = {"120", "2.0.0 ", "event"},
    [REPLY_INBOUND] = {"121", "2.0.0 ", "inbound"},
    [REPLY_HELP] = {"214", "2.0.0 ", "help"},
    [REPLY_GREETING] = {"220", "", "ready"},
    [REPLY_START_TLS] = {"220", "2.0.0 ", "start TLS"},
    [REPLY_BYE] = {"221", "2.0.0 ", "bye"},
    [REPLY_AUTHENTICATED] = {"235", "2.7.0 ", "logged in"},
    [REPLY_OK] = {"250", "2.0.0 ", "ok"},
    [REPLY_SENDER_OK] = {"250", "2.1.0 ", "ok"},
    [REPLY_RECIPIENT_OK] = {"250", "2.1.5 ", "ok"},
    [REPLY_HELLO] = {"250", "", "hello"},
    [REPLY_MAY_BE] = {"252", "2.1.5 ", "cannot be verified, but will be tried"},
    [REPLY_CHALLENGE] = {"334", "", "continue"},
    [REPLY_GO_ON] = {"354", "", "start input; end with a dot on a line by itself"},
    [REPLY_SHUTTING_DOWN] = {"421", "4.3.2 ", "service not available, try again later"},
    [REPLY_TIMED_OUT] = {"421", "4.4.2 ", "idle timeout, closing"},
    [REPLY_LOGIN_LATE] = {"421", "4.7.0 ", "no login in time (limits.login_time), closing"},
    [REPLY_TOO_SLOW] = {"421", "4.4.2 ", "too slow, closing"},
    [REPLY_LIMITED] = {"421", "4.7.0 ", "too much from this address, try again later; closing"},
    [REPLY_GUARD] = {"421", "4.7.0 ", "this is a line protocol for SMS, try HELP; closing"},
    [REPLY_LOGGED_OUT] = {"421", "4.7.0 ", "this user may no longer log in so; closing"},
    [REPLY_CANNOT_STORE] = {"451", "4.3.0 ", "cannot store the message now, try again later"},
    [REPLY_QUEUE_FULL] = {"452", "4.3.1 ", "queue full, try again later"},
    [REPLY_AWAITS_FULL] =
        {"452", "4.3.1 ", "this user waits for too many messages (limits.awaits), try again later"},
    [REPLY_OWNER_FULL] = {"452", "4.3.1 ",
                          "queue full for this user (limits.others), try again later"},
    [REPLY_TOO_MANY] = {"452", "4.5.3 ", "too many recipients"},
    [REPLY_NO_TLS_NOW] = {"454", "4.7.0 ", "TLS is not available now, try again later"},
    [REPLY_LOGIN_LATER] = {"454", "4.7.0 ", "cannot log anybody in now, try again later"},
    [REPLY_MALFORMED] = {"500", "5.5.2 ", "unknown command, try HELP"},
    [REPLY_AUTH_TOO_LONG] = {"500", "5.5.6 ", "response too long"},
    [REPLY_CONTROL_CHARS] = {"501", "5.5.2 ", "control character in a command"},
    [REPLY_BAD_BASE64] = {"501", "5.5.2 ", "not base64"},
    [REPLY_BAD_ARGUMENT] = {"501", "5.5.4 ", "bad argument"},
    [REPLY_BAD_CHARSET] = {"501", "5.6.7 ", "not valid UTF-8"},
    [REPLY_AUTH_CANCELED] = {"501", "5.7.0 ", "canceled"},
    [REPLY_NOT_IMPLEMENTED] = {"502", "5.5.1 ", "not implemented"},
    [REPLY_BAD_SEQUENCE] = {"503", "5.5.1 ", "bad sequence of commands"},
    [REPLY_BAD_MECHANISM] = {"504", "5.5.4 ", "unknown mechanism, use PLAIN, LOGIN or CRAM-MD5"},
    [REPLY_LOGIN_NEEDED] = {"530", "5.7.0 ", "log in first"},
    [REPLY_LOGIN_WRONG] = {"535", "5.7.8 ", "no such user and password"},
    [REPLY_LOGIN_IN_CLEAR] = {"538", "5.7.11 ", "others could read the password: STARTTLS first"},
    [REPLY_UNKNOWN_MESSAGE] = {"550", "5.0.0 ", "no such message"},
    [REPLY_BAD_NUMBER] = {"550", "5.1.3 ", "bad number"},
    [REPLY_REF_CONFLICT] = {"550", "5.6.0 ", "REF already used for a different message"},
    [REPLY_NOT_ALLOWED] = {"550", "5.7.1 ", "not allowed for this client"},
    [REPLY_TOO_LONG] = {"552", "5.3.4 ", "too long"},
    [REPLY_BAD_SENDER] = {"553", "5.1.7 ", "bad sender"},
    [REPLY_REJECTED] = {"554", "5.0.0 ", "rejected"},
    [REPLY_NOT_UNDERSTOOD] = {"554", "5.6.0 ", "content not understood"},
    [REPLY_BAD_PARAMETER] = {"555", "5.5.4 ", "unknown parameter"},
};

unsigned reply_code(enum reply reply)
{
    const char *code = ROWS[reply].code;
    return (unsigned)((code[0] - '0') * 100 + (code[1] - '0') * 10 + (code[2] - '0'));
}

bool reply_is_syntax_error(enum reply reply)
{
    unsigned code = reply_code(reply);
    return code == 500 || code == 501 || code == 503;
}

const char *reply_enhanced(enum reply reply)
{
    return ROWS[reply].enhanced;
}

bool reply_read(const char *line, size_t len, enum reply *reply)
{
    enum { CODE_LEN = 3, ENHANCED_AT = CODE_LEN + 1 };
    for (int i = 0; i < REPLIES && len >= ENHANCED_AT; i++) {
        size_t enhanced_len = strlen(ROWS[i].enhanced);
        if (memcmp(line, ROWS[i].code, CODE_LEN) == 0 && len - ENHANCED_AT >= enhanced_len &&
            memcmp(line + ENHANCED_AT, ROWS[i].enhanced, enhanced_len) == 0) {
            *reply = (enum reply)i;
            return true;
        }
    }
    return false;
}

const char *reply_text(enum reply reply)
{
    return ROWS[reply].text;
}

void reply_begin(struct buffer *out, enum reply reply, bool more)
{
    buffer_append(out, ROWS[reply].code, 3);
    buffer_putc(out, more ? '-' : ' ');
    buffer_puts(out, ROWS[reply].enhanced);
}

void reply_line(struct buffer *out, enum reply reply, bool more, const char *format, ...)
{
    reply_begin(out, reply, more);
    va_list args;
    va_start(args, format);
    buffer_vprintf(out, format, args);
    va_end(args);
    buffer_append(out, "\r\n", 2);
}

static bool is_name(const char *value, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        bool is_letter = (value[i] | 0x20) >= 'a' && (value[i] | 0x20) <= 'z';
        if (!is_letter && value[i] != '-' && value[i] != '_') {
            return false;
        }
    }
    return len > 0;
}

/* How many bytes at `s` must be written \xHH: an unsafe character, or a byte above `plain_max`. */
static size_t hidden(const char *s, size_t len, unsigned plain_max)
{
    size_t unsafe = escape_unsafe(s, len);
    return unsafe == 0 && (unsigned char)s[0] > plain_max ? 1 : unsafe;
}

static bool needs_quotes(const char *value, size_t len, unsigned plain_max)
{
    for (size_t i = 0; i < len; i++) {
        char c = value[i];
        if (c == ' ' || c == '"' || c == '\\' || hidden(value + i, len - i, plain_max) > 0) {
            return true;
        }
    }
    return len == 0;
}

static void put_quoted(struct buffer *out, const char *value, size_t len, unsigned plain_max)
{
    char escape[ESCAPE_SIZE];
    buffer_putc(out, '"');
    for (size_t i = 0; i < len;) {
        size_t bytes = hidden(value + i, len - i, plain_max);
        if (bytes > 0) {
            buffer_append(out, escape, escape_write(value + i, bytes, escape));
            i += bytes;
            continue;
        }
        if (value[i] == '"' || value[i] == '\\') {
            buffer_putc(out, '\\');
        }
        buffer_putc(out, value[i++]);
    }
    buffer_putc(out, '"');
}

static void quote(struct buffer *out, const char *value, size_t len, unsigned plain_max)
{
    if (needs_quotes(value, len, plain_max)) {
        put_quoted(out, value, len, plain_max);
    } else {
        buffer_append(out, value, len);
    }
}

/* What a library or the API has cut within a character is no UTF-8, which a reply must be. */
void reply_quote(struct buffer *out, const char *value, size_t len)
{
    quote(out, value, len, text_is_utf8(value, len) ? UCHAR_MAX : SCHAR_MAX);
}

/* How much of a client's mistake is quoted: no part of a character. */
static size_t start_len(const char *value, size_t len)
{
    enum { TOLD_MAX = 64 };
    size_t told = len < TOLD_MAX ? len : TOLD_MAX;
    while (told > 0 && told < len && ((unsigned char)value[told] & 0xC0) == 0x80) {
        told--;
    }
    return told;
}

void reply_quote_start(struct buffer *out, const char *value, size_t len)
{
    len = start_len(value, len);
    if (is_name(value, len)) {
        buffer_append(out, value, len);
    } else {
        put_quoted(out, value, len, UCHAR_MAX);
    }
}

void reply_quote_number(struct buffer *out, const char *number, size_t len)
{
    quote(out, number, start_len(number, len), SCHAR_MAX);
}

void reply_value(struct buffer *out, const char *key, const char *value)
{
    buffer_putc(out, ' ');
    buffer_puts(out, key);
    buffer_putc(out, '=');
    reply_quote(out, value, strlen(value));
}

void reply_value_if_any(struct buffer *out, const char *key, const char *value)
{
    if (value[0] != '\0') {
        reply_value(out, key, value);
    }
}

void reply_id(struct buffer *out, const struct ulid *id)
{
    char text[ULID_SIZE];
    ulid_format(id, text);
    buffer_append(out, text, ULID_LENGTH);
}

void reply_time(struct buffer *out, const char *key, int64_t unix_ms)
{
    time_t seconds = (time_t)(unix_ms / 1000);
    struct tm tm;
    char text[32] = "";
    if (gmtime_r(&seconds, &tm) != NULL) {
        strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", &tm);
    }
    reply_value(out, key, text);
}

void reply_report(struct buffer *out, const struct report *report)
{
    if (report->status[0] != '\0') {
        reply_value(out, "dlr", report->status);
        reply_value(out, "code", report->code);
    }
}

/* States in which a message waits for the relay as a whole. */
static bool waits_for_relay(enum message_state state)
{
    return state == MESSAGE_QUEUED || state == MESSAGE_DEFERRED;
}

void reply_status(struct buffer *out, const struct message_status *status, const char *stopped)
{
    const char *reason = message_answer_reason(status->answer);
    if (reason[0] == '\0' && stopped != NULL && waits_for_relay(status->state)) {
        reason = stopped;
    }
    buffer_puts(out, "id=");
    reply_id(out, &status->id);
    buffer_printf(out, " state=%s to=%s", message_state_name(status->state), status->to);
    reply_value(out, "from", status->from);
    buffer_printf(out, " attempts=%u parts=%u", status->attempts, status->parts);
    reply_time(out, "submitted", ulid_time_ms(&status->id));
    reply_time(out, "updated", status->updated_ms);
    reply_value_if_any(out, "ref", status->ref);
    if (status->due_ms > 0 && !message_state_is_finished(status->state)) {
        reply_time(out, "next", status->due_ms);
    }
    reply_value_if_any(out, "api", message_answer_api_id(status->answer));
    reply_report(out, &status->report);
    if (status->state == MESSAGE_CANCELED && status->may_be_sent) {
        reply_value(out, "sent", "maybe");
    }
    reply_value_if_any(out, "reason", reason);
}

void reply_event(struct buffer *out, uint64_t event, const struct ulid *id,
                 enum message_state state, const char *answer, const struct report *report)
{
    reply_begin(out, REPLY_EVENT, false);
    buffer_printf(out, "event=%" PRIu64 " id=", event);
    reply_id(out, id);
    reply_value(out, "state", message_state_name(state));
    reply_value_if_any(out, "api", message_answer_api_id(answer));
    reply_report(out, report);
    reply_value_if_any(out, "reason", message_answer_reason(answer));
    buffer_append(out, "\r\n", 2);
}

void reply_inbound(struct buffer *out, uint64_t event, const struct ulid *id, const char *to,
                   const char *text)
{
    reply_begin(out, REPLY_INBOUND, false);
    buffer_printf(out, "event=%" PRIu64 " inbound id=", event);
    reply_id(out, id);
    reply_value(out, "to", to);
    reply_value(out, "text", text);
    buffer_append(out, "\r\n", 2);
}
