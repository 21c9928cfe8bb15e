/* draft: see draft.h. */
#include "proto/session/draft.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* --- life ------------------------------------------------------------------------------------- */

void draft_reset(struct draft *draft)
{
    draft->dialect = DIALECT_NONE;
    draft->is_refused = false;
    recipients_clear(&draft->recipients);
    free(draft->has_alias);
    draft->has_alias = NULL;
}

void draft_free(struct draft *draft)
{
    draft_reset(draft);
    recipients_free(&draft->recipients);
}

void draft_open(struct session *s, struct draft *draft, enum dialect dialect)
{
    draft_reset(draft);
    draft->dialect = dialect;
    options_init(&draft->options, s->rules->unicode);
}

void draft_spoil(struct session *s, enum dialect dialect)
{
    struct draft *draft = &s->open;
    if (dialect == DIALECT_SMTP && draft->dialect == DIALECT_SMTP) {
        return;
    }
    if (draft->dialect == DIALECT_NONE) {
        draft_open(s, draft, dialect);
    }
    draft->is_refused = true;
}

bool draft_take_open(struct session *s)
{
    bool is_mail = s->open.dialect == DIALECT_SMTP;
    s->has_submitted = true;
    if (s->open.is_refused) {
        session_say(s, REPLY_BAD_SEQUENCE, "this message was refused before its text arrived");
        return false;
    }
    if (s->open.recipients.count == 0) {
        session_say(s, REPLY_BAD_SEQUENCE, "no recipient: %s comes first", is_mail ? "RCPT" : "TO");
        return false;
    }
    s->about = s->open.recipients.numbers[0];
    s->about_len = strlen(s->about);
    return true;
}

/* --- the sender ------------------------------------------------------------------------------- */

static bool has_own_senders(const struct session *s)
{
    return s->user != NULL && s->user->senders != NULL && s->user->senders[0] != NULL;
}

const char *const *draft_senders(const struct session *s)
{
    return has_own_senders(s) ? s->user->senders : s->rules->senders;
}

const char *draft_sender(const struct session *s, const struct draft *draft)
{
    if (draft->options.from[0] != '\0') {
        return draft->options.from;
    }
    return has_own_senders(s) ? s->user->senders[0] : s->rules->default_from;
}

static bool is_listed(const char *const *senders, const char *from)
{
    for (; *senders != NULL; senders++) {
        if (strcasecmp(*senders, from) == 0) {
            return true;
        }
    }
    return false;
}

bool draft_check_sender(struct session *s, const struct draft *draft)
{
    const char *from = draft_sender(s, draft);
    const char *const *senders = draft_senders(s);
    if (from == NULL || from[0] == '\0') {
        session_say(s, REPLY_BAD_SENDER, "no sender: give one, or set sms.default_from");
        return false;
    }
    if (senders != NULL && senders[0] != NULL && !is_listed(senders, from)) {
        if (has_own_senders(s)) {
            session_say(s, REPLY_NOT_ALLOWED, "this user may not use this sender");
        } else {
            session_say(s, REPLY_BAD_SENDER, "this sender is not in sms.senders");
        }
        return false;
    }
    return true;
}

/* --- recipients ------------------------------------------------------------------------------- */

enum session_step draft_refuse_number(struct session *s, const char *word, size_t len)
{
    return session_refuse_number(s,
                                 s->rules->aliases == NULL
                                     ? "not a telephone number"
                                     : "neither a telephone number nor an alias",
                                 word, len);
}

/* Adds all of them or, after saying why, none. */
static bool add_numbers(struct session *s, struct recipients *recipients, const struct alias *alias)
{
    size_t added = 0;
    for (size_t i = 0; i < alias->count; i++) {
        added += recipients_has(recipients, alias->members[i]) ? 0 : 1;
    }
    if (recipients->count + added > s->rules->max_recipients && added > 0) {
        session_say(s, REPLY_TOO_MANY, "more than %zu recipients", s->rules->max_recipients);
        return false;
    }
    if (!recipients_reserve(recipients, added)) {
        session_reply(s, REPLY_CANNOT_STORE);
        return false;
    }
    for (size_t i = 0; i < alias->count; i++) {
        recipients_add(recipients, alias->members[i]);
    }
    return true;
}

static bool has_opted_out(const struct session_rules *rules, const struct alias *alias)
{
    for (size_t i = 0; rules->has_opted_out != NULL && i < alias->count; i++) {
        if (rules->has_opted_out(rules->opted_out_arg, alias->members[i])) {
            return true;
        }
    }
    return false;
}

/* Refuses a number, or an alias with one (`number` is NULL). */
static void refuse_opted_out(struct session *s, const char *word, size_t len, const char *number)
{
    reply_begin(&s->local, REPLY_NOT_ALLOWED, false);
    size_t at = s->local.len;
    if (number != NULL) {
        buffer_printf(&s->local, "%s ", number);
        session_hide(s, at);
    } else {
        buffer_printf(&s->local, "a number of %.*s ", (int)len, word);
    }
    buffer_puts(&s->local, "has opted out\r\n");
}

/*
 * Was the alias added by this command? A line has room for one of 1000 numbers 20,000 times. Between
 * commands the table may be replaced, so a message that several of them make is not asked.
 */
static bool is_repeated(const struct session *s, const struct draft *draft,
                        const struct alias *alias)
{
    return draft == &s->single && draft->has_alias != NULL && draft->has_alias[alias->position];
}

/* Returns false on allocation failure. */
static bool note_alias(const struct session *s, struct draft *draft, const struct alias *alias)
{
    if (draft->has_alias == NULL) {
        draft->has_alias = calloc(alias_table_count(s->rules->aliases), sizeof(bool));
    }
    if (draft->has_alias != NULL) {
        draft->has_alias[alias->position] = true;
    }
    return draft->has_alias != NULL;
}

bool draft_add_recipient(struct session *s, struct draft *draft, const char *word, size_t len)
{
    char e164[1][NUMBER_SIZE];
    struct alias alias = {.members = (const char(*)[NUMBER_SIZE])e164, .count = 1};
    bool is_number = number_parse(word, len, s->rules->default_country, e164[0]);
    if (!is_number && !alias_find(s->rules->aliases, word, len, &alias)) {
        draft_refuse_number(s, word, len);
        return false;
    }
    s->about = word;
    s->about_len = len;
    if (!is_number && is_repeated(s, draft, &alias)) {
        return true;
    }
    if (has_opted_out(s->rules, &alias)) {
        refuse_opted_out(s, word, len, is_number ? e164[0] : NULL);
        return false;
    }
    if (!is_number && draft == &s->single && !note_alias(s, draft, &alias)) {
        session_reply(s, REPLY_CANNOT_STORE);
        return false;
    }
    return add_numbers(s, &draft->recipients, &alias);
}

/* --- the text --------------------------------------------------------------------------------- */

/* Control characters that no phone shows; line ends, TAB and form feed are text. */
static bool has_unprintable(const char *text, size_t len)
{
    unsigned char found = 0; /* all in bytes: the compiler looks at sixteen at a time */
    for (size_t i = 0; i < len; i++) {
        unsigned char c = (unsigned char)text[i];
        unsigned char from_tab = (unsigned char)(c - '\t');
        unsigned char is_layout = (from_tab <= '\r' - '\t') & (c != '\v');
        found |= (unsigned char)((c < ' ') & !is_layout) | (unsigned char)(c == 0x7F);
    }
    return found != 0;
}

/* A text on its way from the client's bytes to what is sent. */
struct fitting {
    const char *text;
    size_t len;
    struct text_size size;
};

static void measure(struct fitting *f, const char *text, size_t len)
{
    *f = (struct fitting){text, len, text_measure(text, len)};
}

/* Puts `text` in the place of what was fitted; takes it over. */
static void replace(struct session *s, struct fitting *f, struct buffer text)
{
    buffer_free(&s->text);
    s->text = text;
    measure(f, buffer_bytes(&s->text), s->text.len);
}

/* CRLF and CR are LF wherever a text comes from. */
static void end_lines(struct session *s, struct fitting *f)
{
    struct buffer lines = BUFFER_EMPTY;
    if (f->len == 0 || memchr(f->text, '\r', f->len) == NULL) {
        return;
    }
    buffer_append(&lines, f->text, f->len);
    if (lines.has_failed) {
        buffer_free(&lines);
        return;
    }
    text_end_lines(&lines);
    replace(s, f, lines);
}

/* Makes a text GSM-7 where the rules allow to replace what is not. */
static void transliterate(struct session *s, enum text_unicode unicode, struct fitting *f)
{
    struct buffer fitted = BUFFER_EMPTY;
    if (f->size.encoding == TEXT_UCS2 && unicode != TEXT_UNICODE_YES &&
        text_transliterate(f->text, f->len, s->rules->transliterate, &fitted) &&
        !fitted.has_failed) {
        replace(s, f, fitted);
    } else {
        buffer_free(&fitted);
    }
}

/* Cuts an over-long mail where the rules say so, and returns whether it did. */
static bool truncate_mail(struct session *s, struct fitting *f)
{
    unsigned max_parts = s->rules->mail_max_parts;
    if (f->size.parts <= max_parts || s->rules->mail_too_long != TOO_LONG_TRUNCATE) {
        return false;
    }
    struct buffer cut = BUFFER_EMPTY;
    text_truncate(f->text, f->len, max_parts, &cut);
    replace(s, f, cut);
    return true;
}

enum session_step draft_submit(struct session *s, struct draft *draft, const char *text, size_t len,
                               struct session_event *event)
{
    const struct options *options = &draft->options;
    bool is_mail = draft->dialect == DIALECT_SMTP;
    unsigned max_parts = is_mail ? s->rules->mail_max_parts : s->rules->max_parts;
    struct fitting f;
    if (!draft_check_sender(s, draft)) {
        return SESSION_WANTS_INPUT;
    }
    if (has_unprintable(text, len)) {
        return session_say(s, REPLY_CONTROL_CHARS, "control character in the text");
    }
    measure(&f, text, len);
    end_lines(s, &f);
    transliterate(s, options->unicode, &f);
    if (f.len == 0) {
        return session_say(s, is_mail ? REPLY_NOT_UNDERSTOOD : REPLY_BAD_ARGUMENT, "no text");
    }
    bool is_cut = is_mail && truncate_mail(s, &f);
    if (f.size.encoding == TEXT_UCS2 && options->unicode == TEXT_UNICODE_NO) {
        return session_say(s, REPLY_BAD_CHARSET, "the text has characters outside GSM-7");
    }
    if (f.size.parts > max_parts || f.len > UINT16_MAX) {
        return session_say(s, REPLY_TOO_LONG, "the text needs %u parts, at most %u are allowed",
                           f.size.parts, max_parts);
    }
    if (s->text.has_failed) {
        return session_reply(s, REPLY_CANNOT_STORE);
    }
    event->submission = (struct submission){
        .from = draft_sender(s, draft),
        .to = (const char(*)[NUMBER_SIZE])draft->recipients.numbers,
        .count = draft->recipients.count,
        .text = f.text,
        .text_len = f.len,
        .size = f.size,
        .allow_unicode = f.size.encoding == TEXT_UCS2 || options->unicode == TEXT_UNICODE_YES,
        .is_cut = is_cut || (s->mail != NULL && s->mail->repairs.is_cut),
        .options = options,
        .ignored = s->mail == NULL ? NULL : s->mail->ignored.data,
        .ignored_len = s->mail == NULL ? 0 : s->mail->ignored.len,
        .ignored_options = s->mail == NULL ? 0 : s->mail->ignored_options,
        .repairs = s->mail == NULL ? NULL : &s->mail->repairs,
    };
    return SESSION_SUBMISSION;
}
