/*
 * session: see session.h. Reads lines, turns strangers away, and keeps replies in order; the
 * commands are in sms, smtp, data, auth and ask.
 */
#include "proto/session/session.h"

#include "proto/session/auth.h"
#include "proto/session/command.h"
#include "proto/session/data.h"
#include "proto/session/draft.h"
#include "proto/session/refusal.h"
#include "proto/session/sms.h"
#include "proto/session/starttls.h"
#include "proto/word.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* Bytes of replies held behind a slow verdict: above them no command is read. */
enum { HELD_MAX = 64 * 1024 };

/* The first byte of a TLS connection (RFC 8446, 5.1). */
enum { TLS_HANDSHAKE = 22 };

/* --- life ------------------------------------------------------------------------------------- */

struct session *session_new(const struct session_rules *rules, const struct session_peer *peer)
{
    struct session *s = calloc(1, sizeof *s);
    if (s == NULL) {
        return NULL;
    }
    s->rules = rules;
    s->peer = *peer;
    reply_line(&s->out, REPLY_GREETING, false, "%s ESMTP smsrelay %s", rules->hostname,
               rules->version);
    return s;
}

static void forget_mail(struct session *s)
{
    if (s->mail != NULL) {
        mail_free(s->mail);
        free(s->mail);
        s->mail = NULL;
    }
}

void session_free(struct session *s)
{
    if (s == NULL) {
        return;
    }
    slots_free(&s->slots);
    line_reader_free(&s->reader);
    draft_free(&s->open);
    draft_free(&s->single);
    json_batch_free(s->json);
    struct buffer *const buffers[] = {&s->out,     &s->local, &s->name,
                                      &s->refused, &s->line,  &s->text};
    forget_mail(s);
    auth_forget(s);
    content_free(&s->content);
    for (size_t i = 0; i < sizeof buffers / sizeof buffers[0]; i++) {
        buffer_free(buffers[i]);
    }
    free(s);
}

bool session_feed(struct session *s, const char *bytes, size_t len)
{
    return s->is_closing || line_feed(&s->reader, bytes, len);
}

void session_end(struct session *s)
{
    s->is_ended = true;
}

struct buffer *session_output(struct session *s)
{
    return &s->out;
}

size_t session_open_slots(const struct session *s)
{
    return s->slots.count;
}

bool session_awaits_lf(const struct session *s)
{
    return line_awaits_lf(&s->reader);
}

bool session_awaits_login(const struct session *s)
{
    return session_must_log_in(s);
}

bool session_is_within(const struct session *s)
{
    return s->content.is_open || s->auth != AUTH_AWAITS_NOTHING || s->reader.is_discarding ||
           line_pending(&s->reader) > 0;
}

size_t session_held(const struct session *s)
{
    return s->slots.held;
}

const char *session_verb(size_t i)
{
    return COMMANDS[i].word;
}

/* --- replies to the current command ----------------------------------------------------------- */

static bool read_refusal(const char *reply, size_t len, enum reply *which)
{
    return len > 0 && (reply[0] == '4' || reply[0] == '5') && reply_read(reply, len, which);
}

/* Is the client in the middle of something, which this reply ends? */
static bool is_unfinished(const struct session *s)
{
    return s->open.dialect != DIALECT_NONE || session_is_within(s);
}

static void tally_refusal(const struct session *s, enum reply which)
{
    if (s->rules->tally != NULL) {
        s->rules->tally->refusals[which]++;
    }
}

/* Sends the command's reply. Returns true, with an event, if the log is to show it: not if it is a
 * farewell to a client that has nothing under way. */
static bool say_local(struct session *s, struct session_event *event)
{
    enum reply which;
    bool is_refusal = read_refusal(s->local.data, s->local.len, &which);
    bool is_shown = is_refusal && ((which != REPLY_SHUTTING_DOWN && which != REPLY_TIMED_OUT) ||
                                   is_unfinished(s));
    /* Syntax errors in a row: 334 and 354 are half an answer and do not break the row. */
    if (session_must_log_in(s)) {
        s->errors += is_refusal;
    } else if (s->local.data[0] != '3') {
        s->errors = is_refusal && reply_is_syntax_error(which) ? s->errors + 1 : 0;
    }
    slots_say(&s->slots, s->local.data, s->local.len, &s->out);
    if (is_refusal) {
        tally_refusal(s, which);
    }
    if (is_shown) {
        refusal_describe(s, which, &event->refusal);
    }
    s->hidden_len = 0;
    buffer_clear(&s->local);
    return is_shown;
}

/* Too many errors in a row end a session, but not before each element of an array has its reply. */
static bool is_hopeless(const struct session *s)
{
    unsigned max = !s->has_begun            ? SESSION_MAX_GREETINGS
                   : session_must_log_in(s) ? SESSION_MAX_REFUSALS
                                            : SESSION_MAX_ERRORS;
    return s->json == NULL && (s->errors >= max || s->failed_logins >= SESSION_MAX_LOGINS);
}

/* Refuses a client whose lines end in CR alone: nothing that it sends can be told apart. */
static enum session_step refuse_cr(struct session *s)
{
    s->is_closing = true;
    return session_say(s, REPLY_MALFORMED, "lines end in CRLF or LF, not in CR alone");
}

void session_close(struct session *s, enum reply reply)
{
    if (s->is_closing) {
        return;
    }
    if (reply == REPLY_TIMED_OUT && session_awaits_lf(s)) {
        refuse_cr(s);
    } else if (reply == REPLY_TIMED_OUT && content_is_at_bare_dot(&s->content, &s->reader)) {
        session_say(s, reply,
                    "content not ended: the dot came with a bare LF, but this client's "
                    "lines end in CRLF");
    } else {
        session_reply(s, reply);
    }
    s->is_closing = true;
}

/* --- lines ------------------------------------------------------------------------------------ */

static void end_stranger(struct session *s)
{
    s->is_closing = true;
    if (s->rules->tally != NULL) {
        s->rules->tally->strangers++;
    }
}

static enum session_step refuse_stranger(struct session *s)
{
    end_stranger(s);
    return session_reply(s, REPLY_GUARD);
}

/* Refuses one that begins with a TLS hello; only the log will be able to read why. */
static enum session_step refuse_hello(struct session *s)
{
    end_stranger(s);
    return session_say(s, REPLY_GUARD, "this port does not begin with TLS%s; closing",
                       s->rules->offers_tls ? ", but with STARTTLS (or use listen.tls_address)"
                                            : "");
}

static enum session_step refuse_hopeless(struct session *s)
{
    s->is_closing = true;
    if (s->failed_logins >= SESSION_MAX_LOGINS) {
        return session_say(s, REPLY_GUARD, "%u failed logins; closing", s->failed_logins);
    }
    return session_say(s, REPLY_GUARD, "%u %s; closing", s->errors,
                       session_must_log_in(s) ? "refused commands without a login"
                                              : "syntax errors in a row, try HELP");
}

/* Control characters, NUL among them, but TAB. */
static bool has_control_chars(const char *bytes, size_t len)
{
    unsigned char found = 0; /* all in bytes: the compiler looks at sixteen at a time */
    for (size_t i = 0; i < len; i++) {
        unsigned char c = (unsigned char)bytes[i];
        found |= (unsigned char)((c < ' ') & (c != '\t')) | (unsigned char)(c == 0x7F);
    }
    return found != 0;
}

/* A version of HTTP or of a protocol that is written like it: "HTTP/1.1", "rtsp/1.0". */
static bool is_http_version(const char *word, const char *end)
{
    static const char *const NAMES[] = {"HTTP/", "ICAP/", "RTSP/", "SIP/"};
    for (size_t i = 0; i < sizeof NAMES / sizeof NAMES[0]; i++) {
        size_t len = strlen(NAMES[i]);
        if ((size_t)(end - word) > len && strncasecmp(word, NAMES[i], len) == 0) {
            const char *p = word + len;
            while (p < end && ((*p >= '0' && *p <= '9') || *p == '.')) {
                p++;
            }
            return p == end;
        }
    }
    return false;
}

/* Is its last word such a version, with another word before it? Lenient servers ignore what is behind
 * it: spaces, another CR, NUL. */
static bool ends_in_http_version(const char *bytes, size_t len)
{
    const char *end = bytes + len;
    while (end > bytes && (unsigned char)end[-1] <= ' ') {
        end--;
    }
    const char *word = end;
    while (word > bytes && (unsigned char)word[-1] > ' ') {
        word--;
    }
    return word > bytes && is_http_version(word, end);
}

/* Is it what a person types to find out what this is: "hello", "help?" A request that a web page can
 * make is never so: its first line has a slash, a digit or another sign. */
static bool is_by_person(const char *bytes, size_t len)
{
    size_t i = 0;
    if (len > SESSION_MAX_GREETING) {
        return false;
    }
    while (i < len && (word_letters(bytes + i, bytes + len) > 0 || word_is_space(bytes[i]) ||
                       bytes[i] == '?')) {
        i++;
    }
    return i == len;
}

/* Finds the row of a line and the argument that follows the word. NULL: no such command. */
static const struct command *read_word(const struct line *line, const char **arg, size_t *arg_len)
{
    size_t len = word_letters(line->bytes, line->bytes + line->len);
    const struct command *row = command_find(line->bytes, len);
    if (row == NULL) {
        return NULL;
    }
    bool has_colon =
        len < line->len && line->bytes[len] == ':' && (row->flags & COMMAND_COLON) != 0;
    len += has_colon ? 1 : 0;
    /* A control character separates too: it is refused later, with a reply of its own. */
    bool is_separated = len == line->len || (unsigned char)line->bytes[len] <= ' ';
    if (!is_separated && !has_colon) {
        return NULL;
    }
    len += len < line->len && is_separated ? 1 : 0;
    *arg = line->bytes + len;
    *arg_len = line->len - len;
    return row;
}

static size_t max_line(const struct session *s)
{
    bool is_short = session_must_log_in(s) && s->rules->max_line > SESSION_SHORT_LINE;
    return is_short ? SESSION_SHORT_LINE : s->rules->max_line;
}

static bool is_blank(const char *bytes, size_t len)
{
    return word_skip_spaces(bytes, bytes + len) == bytes + len;
}

/* Gives a line that was refused before its command ran the effect of one refused by its command. */
static void spoil_message(struct session *s, const struct command *row)
{
    bool is_of_sms = (row->flags & COMMAND_OF_SMS) != 0;
    enum dialect other = is_of_sms ? DIALECT_SMTP : DIALECT_SMS;
    bool is_part = (row->flags & (COMMAND_OF_SMS | COMMAND_OF_SMTP)) != 0;
    if ((row->flags & COMMAND_ENDS) != 0) {
        draft_reset(&s->open);
    } else if ((row->flags & COMMAND_OPENS) != 0 || (is_part && s->open.dialect == other)) {
        draft_spoil(s, is_of_sms ? DIALECT_SMS : DIALECT_SMTP);
    }
}

/* Refuses a line that names `row`. DATA still opens a content, which will be refused: it may be on
 * its way, and must not be taken for commands. */
static enum session_step refuse_line(struct session *s, const struct command *row, enum reply reply,
                                     const char *words)
{
    if ((row->flags & COMMAND_CONTENT) != 0) {
        if (s->open.dialect == DIALECT_NONE) {
            draft_open(s, &s->open, DIALECT_SMS);
        }
        s->open.is_refused = true;
        content_open(&s->content, false);
        return session_say(s, REPLY_GO_ON, "start input, but it will be refused: %s", words);
    }
    spoil_message(s, row);
    return session_say(s, reply, "%s", words);
}

/* Why the client may not use this verb; NULL = it may. */
static const char *missing_right(const struct session *s, const struct command *row)
{
    if ((row->flags & COMMAND_CONTROL) != 0 && !session_may(s, USER_CONTROLS)) {
        return s->user != NULL ? "needs the right control"
                               : "needs control rights: the Unix socket, or listen.control=all";
    }
    if ((row->flags & COMMAND_ASKS) != 0 && !session_may(s, USER_ASKS) &&
        !session_may(s, USER_CONTROLS)) {
        return "needs the right ask";
    }
    return (row->flags & COMMAND_SUBMITS) != 0 && !session_may(s, USER_SUBMITS)
               ? "needs the right submit"
               : NULL;
}

/* Proves that the command is allowed, then carries it out. */
static enum session_step run_command(struct session *s, const struct call *call,
                                     struct session_event *event)
{
    const struct command *row = call->row;
    bool has_argument = word_skip_spaces(call->arg, call->end) < call->end;
    if (row->argument == ARGUMENT_NONE && has_argument) {
        spoil_message(s, row);
        return session_say(s, REPLY_BAD_ARGUMENT, "%s takes no argument", row->word);
    }
    if (row->argument == ARGUMENT_NEEDED && !has_argument) {
        spoil_message(s, row);
        return session_say_syntax(s, call);
    }
    const char *missing = missing_right(s, row);
    if (missing != NULL) {
        char words[128];
        snprintf(words, sizeof words, "%s %s", row->word, missing);
        return refuse_line(s, row, REPLY_NOT_ALLOWED, words);
    }
    return row->run(s, call, event);
}

/* May this be the first command? What a person types does not count as one, but is no stranger's. */
static bool begins(struct session *s, const struct command *row, const struct line *line)
{
    bool is_person = row == NULL && is_by_person(line->bytes, line->len);
    bool is_command = row != NULL && !ends_in_http_version(line->bytes, line->len);
    s->has_begun = is_command;
    return is_person || is_command;
}

/* Carries one command line out. */
static enum session_step take_line(struct session *s, struct line line, struct session_event *event)
{
    const char *arg = NULL;
    size_t arg_len = 0;
    enum reply refusal;
    if (is_blank(line.bytes, line.len)) {
        return SESSION_WANTS_INPUT;
    }
    const struct command *row = read_word(&line, &arg, &arg_len);
    s->command = row;
    bool is_host = line.len >= 5 && strncasecmp(line.bytes, "Host:", 5) == 0;
    if (is_host || (!s->has_begun && !begins(s, row, &line))) {
        return refuse_stranger(s);
    }
    if (row == NULL) {
        return session_reply(s, REPLY_MALFORMED);
    }
    if ((row->flags & COMMAND_WAITS) != 0 && s->slots.count > 0) {
        line_unread(&s->reader);
        return SESSION_WAITS;
    }
    if (s->rules->tally != NULL) {
        s->rules->tally->commands[row - COMMANDS]++;
    }
    if (!session_allows(s, row)) {
        return session_say(s, REPLY_LOGIN_NEEDED, "%s", auth_demand(s));
    }
    if (has_control_chars(line.bytes, line.len)) {
        return refuse_line(s, row, REPLY_CONTROL_CHARS, reply_text(REPLY_CONTROL_CHARS));
    }
    if (!session_to_utf8(s, &arg, &arg_len, &refusal)) {
        return refuse_line(s, row, refusal, reply_text(refusal));
    }
    const struct call call = {row, arg, arg + arg_len};
    return run_command(s, &call, event);
}

/* Skips what a terminal or an editor sends before the first line: a byte order mark, telnet
 * options. */
static void skip_preamble(struct session *s)
{
    for (;;) {
        const unsigned char *p = (const unsigned char *)line_peek(&s->reader);
        size_t len = line_pending(&s->reader);
        if (len >= 3 && p[0] == 0xEF && p[1] == 0xBB && p[2] == 0xBF) {
            line_skip(&s->reader, 3);
        } else if (len >= 3 && p[0] == 0xFF && p[1] >= 0xFB && p[1] <= 0xFE) {
            line_skip(&s->reader, 3);
        } else if (len >= 2 && p[0] == 0xFF && p[1] >= 0xF0 && p[1] < 0xFB) {
            line_skip(&s->reader, 2);
        } else {
            return;
        }
    }
}

/*
 * Can the pending bytes no longer become a command? Asked before the line is whole: a TLS hello has
 * no line end, and an HTTP request's first line may be long.
 */
static bool is_stranger(const struct session *s)
{
    const struct line start = {line_peek(&s->reader), line_pending(&s->reader), true};
    const char *arg;
    size_t arg_len;
    bool is_undecided = start.len == 0 || (start.bytes[0] != '\0' &&
                                           strchr("\r\n \t\xEF\xFF", start.bytes[0]) != NULL);
    if (is_undecided || read_word(&start, &arg, &arg_len) != NULL) {
        return false;
    }
    size_t len = 0;
    while (len < start.len && start.bytes[len] != '\r' && start.bytes[len] != '\n') {
        len++;
    }
    return !is_by_person(start.bytes, len);
}

/*
 * Refuses an over-long line, of which `start` is known and the rest is discarded. The first line of
 * a session may end in an HTTP version that nobody saw, so it is a stranger's whatever its verb:
 * DATA would take the headers for content and the request's body for commands.
 */
static enum session_step take_too_long(struct session *s, const struct line *start)
{
    if (!s->has_begun) {
        return refuse_stranger(s);
    }
    const char *arg;
    size_t arg_len;
    const struct command *row = read_word(start, &arg, &arg_len);
    s->command = row;
    char words[64];
    snprintf(words, sizeof words, "line longer than %zu bytes", max_line(s));
    return row == NULL || !session_allows(s, row) ? session_say(s, REPLY_MALFORMED, "%s", words)
                                                  : refuse_line(s, row, REPLY_MALFORMED, words);
}

/* Reads and carries out the next line, if there is one; false when there is none. */
static bool next_command(struct session *s, enum session_step *step, struct session_event *event)
{
    struct line line;
    if (!s->has_begun) {
        skip_preamble(s);
        if (is_stranger(s)) {
            bool is_hello = line_peek(&s->reader)[0] == TLS_HANDSHAKE;
            *step = is_hello ? refuse_hello(s) : refuse_stranger(s);
            return true;
        }
    }
    switch (line_next(&s->reader, max_line(s), &line)) {
    case LINE_NONE:
    case LINE_PIECE:
        return false;
    case LINE_TOO_LONG:
        *step = take_too_long(s, &line);
        return true;
    case LINE_CR:
        *step = refuse_cr(s);
        return true;
    case LINE_WHOLE:
        *step = take_line(s, line, event);
        return true;
    }
    return false;
}

/* --- stepping --------------------------------------------------------------------------------- */

/* Frees what the last event lent to the connection. */
static void forget_lent(struct session *s)
{
    if (s->has_submitted) {
        draft_reset(&s->open);
        s->has_submitted = false;
    }
    draft_reset(&s->single);
    s->about = NULL;
    struct buffer *const lent[] = {&s->line, &s->text, &s->refused};
    for (size_t i = 0; i < sizeof lent / sizeof lent[0]; i++) {
        if (lent[i]->data != NULL) {
            buffer_free(lent[i]);
        }
    }
    forget_mail(s);
    if (s->auth == AUTH_AWAITS_NOTHING || s->auth == AUTH_AWAITS_VERDICT) {
        auth_forget(s);
    }
    if (!s->content.is_open) {
        content_free(&s->content);
    }
}

/* The client has ended its side: says what was not carried out. */
static void take_end(struct session *s)
{
    const struct line rest = {line_peek(&s->reader), line_pending(&s->reader), true};
    const char *arg;
    size_t arg_len;
    if (s->content.is_open) {
        session_say(s, REPLY_MALFORMED, "content not ended by a dot: nothing queued");
    } else if (session_awaits_lf(s)) {
        refuse_cr(s);
    } else if (!s->reader.is_discarding && !is_blank(rest.bytes, rest.len)) {
        s->command = read_word(&rest, &arg, &arg_len);
        session_say(s, REPLY_MALFORMED, "last line has no line ending: ignored");
    }
    s->is_closing = true;
}

/* Opens the slot of an event; refuses the event on allocation failure. */
static bool open_slot(struct session *s, enum session_step step, struct session_event *event)
{
    if (!slots_open(&s->slots, &event->slot)) {
        session_reply(s, REPLY_CANNOT_STORE);
        return false;
    }
    struct slot *slot = slots_at(&s->slots, event->slot);
    slot->is_mail =
        step == SESSION_SUBMISSION && s->has_submitted && s->open.dialect == DIALECT_SMTP;
    slot->is_cut = slot->is_mail && event->submission.is_cut;
    slot->command = s->command->word;
    s->errors = 0;
    return true;
}

/* What keeps the session from reading on; SESSION_WANTS_INPUT = nothing. */
static enum session_step held_up_by(const struct session *s)
{
    if (s->is_closing) {
        return s->slots.count > 0 ? SESSION_WAITS : SESSION_CLOSES;
    }
    if (s->slots.count >= SESSION_MAX_OPEN || s->slots.held >= HELD_MAX ||
        s->auth == AUTH_AWAITS_VERDICT) {
        return SESSION_WAITS;
    }
    return SESSION_WANTS_INPUT;
}

/* Carries out what comes next. Returns false if there is not enough input for that. */
static bool read_on(struct session *s, enum session_step *step, struct session_event *event)
{
    if (is_hopeless(s)) {
        *step = s->has_begun ? refuse_hopeless(s) : refuse_stranger(s);
        return true;
    }
    if (s->json != NULL) {
        *step = sms_next_of_json(s, event);
        return true;
    }
    if (s->content.is_open) {
        bool has_ended = content_read(&s->content, &s->reader);
        *step = has_ended ? data_submit(s, event) : *step;
        return has_ended;
    }
    return s->auth != AUTH_AWAITS_NOTHING ? auth_next(s, step, event)
                                          : next_command(s, step, event);
}

enum session_step session_step(struct session *s, int64_t now_ms, struct session_event *event)
{
    s->now_ms = now_ms;
    for (;;) {
        if (s->local.len > 0 && say_local(s, event)) {
            return SESSION_REFUSED;
        }
        forget_lent(s);
        enum session_step step = held_up_by(s);
        if (step != SESSION_WANTS_INPUT) {
            return step;
        }
        bool has_read = read_on(s, &step, event);
        bool is_event = step == SESSION_SUBMISSION || step == SESSION_REQUEST ||
                        step == SESSION_STARTTLS || step == SESSION_LOGIN;
        if (step == SESSION_WAITS || (is_event && open_slot(s, step, event))) {
            return step;
        }
        if (has_read) {
            /* HELP is 5 bytes, its reply 1500; an alias of 1000 numbers may be one letter. */
            bool is_shown = s->local.len > 0 && say_local(s, event);
            return is_shown ? SESSION_REFUSED : SESSION_PAUSES;
        }
        if (!s->is_ended) {
            return SESSION_WANTS_INPUT;
        }
        take_end(s);
    }
}

/* --- verdicts --------------------------------------------------------------------------------- */

/* Where to append the reply of a slot; end_reply completes it. */
static struct buffer *begin_reply(struct session *s, uint32_t slot)
{
    struct buffer *out = slots_buffer(&s->slots, slot, &s->out);
    s->reply_at = out->len;
    return out;
}

static void end_reply(struct session *s, uint32_t slot)
{
    const struct buffer *out = slots_buffer(&s->slots, slot, &s->out);
    enum reply which;
    if (out->len > s->reply_at &&
        read_refusal(out->data + s->reply_at, out->len - s->reply_at, &which)) {
        tally_refusal(s, which);
    }
    slots_close(&s->slots, slot, &s->out);
}

const char *session_name(const struct session *s)
{
    return buffer_bytes(&s->name);
}

const char *session_command(const struct session *s, uint32_t slot)
{
    return slots_at(&s->slots, slot)->command;
}

void session_accept(struct session *s, uint32_t slot, const struct session_receipt *receipts,
                    size_t count)
{
    const struct slot *of = slots_at(&s->slots, slot);
    if (of->is_mail) {
        receipt_reply_mail(begin_reply(s, slot), receipts, count, of->is_cut);
    } else {
        receipt_reply(begin_reply(s, slot), receipts, count);
    }
    end_reply(s, slot);
}

void session_refuse(struct session *s, uint32_t slot, enum reply reply, const char *words)
{
    reply_line(begin_reply(s, slot), reply, false, "%s", words == NULL ? reply_text(reply) : words);
    end_reply(s, slot);
}

bool session_start_tls(struct session *s, uint32_t slot)
{
    bool is_injected = starttls_is_injected(s);
    if (is_injected) {
        session_refuse(s, slot, REPLY_GUARD, "plain text behind STARTTLS; closing");
        s->is_closing = true;
        if (s->rules->tally != NULL) {
            s->rules->tally->injections++;
        }
    } else {
        reply_line(begin_reply(s, slot), REPLY_START_TLS, false, "%s", reply_text(REPLY_START_TLS));
        end_reply(s, slot);
        starttls_begin(s);
    }
    return !is_injected;
}

void session_log_in(struct session *s, uint32_t slot, const struct session_user *user)
{
    s->auth = AUTH_AWAITS_NOTHING;
    s->is_authenticated = true;
    s->user = user;
    s->failed_logins = 0;
    reply_line(begin_reply(s, slot), REPLY_AUTHENTICATED, false, "%s",
               reply_text(REPLY_AUTHENTICATED));
    end_reply(s, slot);
}

void session_refuse_login(struct session *s, uint32_t slot, enum reply reply, const char *words)
{
    s->auth = AUTH_AWAITS_NOTHING;
    s->failed_logins++;
    session_refuse(s, slot, reply, words);
}

void session_set_user(struct session *s, const struct session_user *user)
{
    s->user = user;
}

struct buffer *session_answer_begin(struct session *s, uint32_t slot)
{
    return begin_reply(s, slot);
}

void session_answer_end(struct session *s, uint32_t slot)
{
    end_reply(s, slot);
}

void session_notify(struct session *s, const char *line, size_t len)
{
    /* Nothing follows a farewell. */
    if (!s->is_closing) {
        slots_say(&s->slots, line, len, &s->out);
    }
}
