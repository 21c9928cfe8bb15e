/*
 * sms: the commands that submit a message, as people and small programs write them; and
 * the last checks that every submission passes, whichever dialect it came in.
 */
#include "proto/mail/mail.h"
#include "proto/session/command.h"
#include "proto/session/state.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

static bool is_space(char c)
{
    return c == ' ' || c == '\t';
}

static const char *skip_spaces(const char *s, const char *end)
{
    while (s < end && is_space(*s)) {
        s++;
    }
    return s;
}

/* --- what every submission passes ------------------------------------------------------------- */

static bool is_listed(const char *const *senders, const char *from)
{
    for (; *senders != NULL; senders++) {
        if (strcasecmp(*senders, from) == 0) {
            return true;
        }
    }
    return false;
}

bool session_check_sender(struct session *s, const char *from)
{
    const struct session_rules *rules = s->rules;
    bool has_list = rules->senders != NULL && rules->senders[0] != NULL;
    if (from == NULL || from[0] == '\0') {
        session_say(s, REPLY_BAD_SENDER, "no sender: name one, or set sms.default_from");
        return false;
    }
    if (has_list && !is_listed(rules->senders, from)) {
        session_say(s, REPLY_BAD_SENDER, "this sender is not among sms.senders");
        return false;
    }
    return true;
}

enum session_step session_refuse_number(struct session *s, const char *word, size_t len)
{
    reply_begin(&s->local, REPLY_BAD_NUMBER, false);
    buffer_puts(&s->local, s->rules->aliases == NULL ? "not a telephone number: "
                                                     : "neither a telephone number nor an alias: ");
    reply_quote_start(&s->local, word, len);
    buffer_append(&s->local, "\r\n", 2);
    return SESSION_WANTS_INPUT;
}

/* Adds all of them or, after saying why, none. */
static bool add_numbers(struct session *s, struct recipients *recipients,
                        const char (*numbers)[NUMBER_SIZE], size_t count)
{
    size_t added = 0;
    for (size_t i = 0; i < count; i++) {
        added += recipients_has(recipients, numbers[i]) ? 0 : 1;
    }
    if (recipients->count + added > s->rules->max_recipients && added > 0) {
        session_say(s, REPLY_TOO_MANY, "more than %zu recipients", s->rules->max_recipients);
        return false;
    }
    if (!recipients_reserve(recipients, added)) {
        session_say(s, REPLY_CANNOT_STORE, "%s", reply_text(REPLY_CANNOT_STORE));
        return false;
    }
    for (size_t i = 0; i < count; i++) {
        recipients_add(recipients, numbers[i]);
    }
    return true;
}

/* The first of them that nothing may be sent to, or NULL. */
static const char *find_opted_out(const struct session *s, const struct alias *alias)
{
    const struct session_rules *rules = s->rules;
    for (size_t i = 0; rules->has_opted_out != NULL && i < alias->count; i++) {
        if (rules->has_opted_out(rules->opted_out_arg, alias->members[i])) {
            return alias->members[i];
        }
    }
    return NULL;
}

bool draft_add_recipient(struct session *s, struct draft *draft, const char *word, size_t len)
{
    char e164[1][NUMBER_SIZE];
    struct alias alias = {(const char(*)[NUMBER_SIZE])e164, 1};
    if (!number_parse(word, len, s->rules->default_country, e164[0]) &&
        !alias_find(s->rules->aliases, word, len, &alias)) {
        session_refuse_number(s, word, len);
        return false;
    }
    const char *opted_out = find_opted_out(s, &alias);
    if (opted_out != NULL) {
        bool is_alias = alias.members != (const char(*)[NUMBER_SIZE])e164;
        session_say(s, REPLY_NOT_ALLOWED,
                    is_alias ? "a number of %.*s has opted out" : "%.*s has opted out", (int)len,
                    word);
        return false;
    }
    return add_numbers(s, &draft->recipients, alias.members, alias.count);
}

/* Control characters that no phone shows; line ends, TAB and form feed are text. */
static bool has_unprintable(const char *text, size_t len)
{
    unsigned found = 0;
    for (size_t i = 0; i < len; i++) {
        unsigned char c = (unsigned char)text[i];
        bool is_layout = c >= '\t' && c <= '\r' && c != '\v';
        found |= (unsigned)(c < ' ' && !is_layout) | (unsigned)(c == 0x7F);
    }
    return found != 0;
}

/* Measures a text; where it needs UCS-2 and may be put otherwise, puts it so. */
static struct text_size fit_text(struct session *s, enum text_unicode unicode, const char **text,
                                 size_t *len)
{
    struct text_size size = text_measure(*text, *len);
    struct buffer fitted = BUFFER_EMPTY;
    if (size.encoding == TEXT_UCS2 && unicode != TEXT_UNICODE_YES &&
        text_transliterate(*text, *len, s->rules->transliterate, &fitted) && !fitted.has_failed) {
        buffer_free(&s->text);
        s->text = fitted;
        *text = fitted.data == NULL ? "" : fitted.data;
        *len = fitted.len;
        return text_measure(*text, *len);
    }
    buffer_free(&fitted);
    return size;
}

/* Cuts a mail's text to what may be sent of it. */
static struct text_size truncate_text(struct session *s, const char **text, size_t *len)
{
    struct buffer cut = BUFFER_EMPTY;
    text_truncate(*text, *len, s->rules->mail_max_parts, &cut);
    buffer_free(&s->text);
    s->text = cut;
    *text = cut.data == NULL ? "" : cut.data;
    *len = cut.len;
    return text_measure(*text, *len);
}

enum session_step draft_submit(struct session *s, struct draft *draft, const char *text, size_t len,
                               struct session_event *event)
{
    const struct options *options = &draft->options;
    bool is_mail = draft->dialect == DIALECT_SMTP;
    unsigned max_parts = is_mail ? s->rules->mail_max_parts : s->rules->max_parts;
    const char *from = options->from[0] != '\0' ? options->from : s->rules->default_from;
    if (!session_check_sender(s, from)) {
        return SESSION_WANTS_INPUT;
    }
    if (has_unprintable(text, len)) {
        return session_say(s, REPLY_CONTROL_CHARS, "control character in the text");
    }
    struct text_size size = fit_text(s, options->unicode, &text, &len);
    if (len == 0) {
        enum reply reply = is_mail ? REPLY_NOT_UNDERSTOOD : REPLY_BAD_ARGUMENT;
        return session_say(s, reply, "no text");
    }
    if (size.parts > max_parts && is_mail && s->rules->mail_too_long == TOO_LONG_TRUNCATE) {
        size = truncate_text(s, &text, &len);
    }
    if (size.encoding == TEXT_UCS2 && options->unicode == TEXT_UNICODE_NO) {
        return session_say(s, REPLY_BAD_CHARSET, "the text has characters outside GSM-7");
    }
    if (size.parts > max_parts || len > UINT16_MAX) {
        return session_say(s, REPLY_TOO_LONG, "the text needs %u parts, at most %u are allowed",
                           size.parts, max_parts);
    }
    if (s->text.has_failed) {
        return session_say(s, REPLY_CANNOT_STORE, "%s", reply_text(REPLY_CANNOT_STORE));
    }
    event->submission = (struct submission){
        .from = from,
        .to = (const char(*)[NUMBER_SIZE])draft->recipients.numbers,
        .count = draft->recipients.count,
        .text = text,
        .text_len = len,
        .size = size,
        .allow_unicode = size.encoding == TEXT_UCS2 || options->unicode == TEXT_UNICODE_YES,
        .options = options,
        .ignored = s->mail == NULL ? NULL : s->mail->ignored.data,
        .ignored_len = s->mail == NULL ? 0 : s->mail->ignored.len,
    };
    return SESSION_SUBMISSION;
}

/* --- SEND ------------------------------------------------------------------------------------- */

/* Reads `OPT=value ...` in front; false when one was refused. */
static bool read_options(struct session *s, struct options *options, const char **p,
                         const char *end)
{
    char value[OPTION_VALUE_MAX];
    size_t value_len;
    const char *name;
    size_t name_len;
    while (option_next(p, end, &name, &name_len, value, &value_len)) {
        if (!options_set(options, name, name_len, value, value_len, s->now_ms, &s->local)) {
            return false;
        }
    }
    return true;
}

/* Reads `<to>[,<to>...]` up to the next space. */
static bool read_recipients(struct session *s, struct draft *draft, const char **p, const char *end)
{
    const char *number = *p;
    const char *q = number;
    for (;; q++) {
        bool is_last = q == end || is_space(*q);
        if (!is_last && *q != ',') {
            continue;
        }
        if (!draft_add_recipient(s, draft, number, (size_t)(q - number))) {
            return false;
        }
        number = q + 1;
        if (is_last) {
            *p = q;
            return true;
        }
    }
}

enum session_step command_send(struct session *s, const struct call *call,
                               struct session_event *event)
{
    const char *arg = call->arg;
    size_t len = call->len;
    const char *end = arg + len;
    const char *p = skip_spaces(arg, end);
    struct draft *draft = &s->single;
    draft_open(s, draft, DIALECT_SMS);
    if (!read_options(s, &draft->options, &p, end) || !read_recipients(s, draft, &p, end)) {
        return SESSION_WANTS_INPUT;
    }
    /* One space parts the numbers from the text; more of them are the text's own. */
    p += p < end ? 1 : 0;
    return draft_submit(s, draft, p, (size_t)(end - p), event);
}

/* --- FROM, TO, TEXT --------------------------------------------------------------------------- */

/* The end of a sender: where ` KEY=` begins behind it, its trailing spaces left out. */
static const char *sender_end(const char *p, const char *end)
{
    char value[OPTION_VALUE_MAX];
    size_t value_len;
    const char *name;
    size_t name_len;
    const char *stop = p;
    while (p < end) {
        while (p < end && !is_space(*p)) {
            p++;
        }
        stop = p;
        p = skip_spaces(p, end);
        const char *option = p;
        if (option_next(&option, end, &name, &name_len, value, &value_len)) {
            return stop;
        }
    }
    return stop;
}

/* Reads FROM's sender, bare or in quotes, as option FROM is read; none where options begin. */
static bool read_sender(struct session *s, struct options *options, const char **p, const char *end)
{
    char unquoted[OPTION_VALUE_MAX];
    const char *sender = skip_spaces(*p, end);
    const char *behind = sender;
    const char *name;
    size_t len;
    if (option_next(&behind, end, &name, &len, unquoted, &len)) {
        *p = sender;
        return true;
    }
    if (sender < end && *sender == '"') {
        len = option_read_value(&behind, end, unquoted);
        sender = unquoted;
    } else {
        behind = sender_end(sender, end);
        len = (size_t)(behind - sender);
    }
    *p = skip_spaces(behind, end);
    return options_set(options, "FROM", strlen("FROM"), sender, len, s->now_ms, &s->local);
}

enum session_step command_from(struct session *s, const struct call *call,
                               struct session_event *event)
{
    (void)event;
    const char *arg = call->arg;
    size_t len = call->len;
    const char *end = arg + len;
    struct draft *draft = &s->open;
    if (draft->dialect == DIALECT_SMTP && !draft->is_refused) {
        draft_spoil(s, DIALECT_SMS);
        return session_say(s, REPLY_BAD_SEQUENCE, "a MAIL transaction is open, RSET forgets it");
    }
    draft_open(s, draft, DIALECT_SMS);
    draft->is_refused = true;
    if (!read_sender(s, &draft->options, &arg, end) ||
        !read_options(s, &draft->options, &arg, end)) {
        return SESSION_WANTS_INPUT;
    }
    const char *from = draft->options.from;
    if (!session_check_sender(s, from[0] != '\0' ? from : s->rules->default_from)) {
        return SESSION_WANTS_INPUT;
    }
    if (arg != end) {
        return session_say(s, REPLY_BAD_ARGUMENT, "syntax: %s", call->row->syntax);
    }
    draft->is_refused = false;
    return session_say(s, REPLY_SENDER_OK, "from ok, now TO <number>");
}

/* Proves that a recipient or a text can be taken now; opens a message where FROM was left out. */
static bool has_open_sms(struct session *s)
{
    struct draft *draft = &s->open;
    if (draft->dialect == DIALECT_SMTP) {
        draft_spoil(s, DIALECT_SMS);
        session_say(s, REPLY_BAD_SEQUENCE, "a MAIL transaction is open, RSET forgets it");
        return false;
    }
    if (draft->is_refused) {
        session_say(s, REPLY_BAD_SEQUENCE, "this message was refused, FROM or RSET begins anew");
        return false;
    }
    if (draft->dialect == DIALECT_NONE) {
        draft_open(s, draft, DIALECT_SMS);
    }
    return true;
}

enum session_step command_to(struct session *s, const struct call *call,
                             struct session_event *event)
{
    (void)event;
    const char *arg = call->arg;
    size_t len = call->len;
    const char *end = arg + len;
    const char *number = skip_spaces(arg, end);
    while (end > number && is_space(end[-1])) {
        end--;
    }
    if (!has_open_sms(s)) {
        return SESSION_WANTS_INPUT;
    }
    if (s->open.options.from[0] == '\0' && !session_check_sender(s, s->rules->default_from)) {
        return SESSION_WANTS_INPUT;
    }
    if (!draft_add_recipient(s, &s->open, number, (size_t)(end - number))) {
        return SESSION_WANTS_INPUT;
    }
    return session_say(s, REPLY_RECIPIENT_OK, "to ok, now TEXT <text>, DATA or another TO");
}

/*
 * Proves that there is an open message to submit; it ends with this command whatever the answer.
 */
static bool take_open(struct session *s)
{
    bool is_mail = s->open.dialect == DIALECT_SMTP;
    s->has_submitted = true;
    if (s->open.is_refused) {
        session_say(s, REPLY_BAD_SEQUENCE, "this message was refused before its text came");
        return false;
    }
    if (s->open.dialect == DIALECT_NONE || s->open.recipients.count == 0) {
        session_say(s, REPLY_BAD_SEQUENCE, "no recipient: %s comes first", is_mail ? "RCPT" : "TO");
        return false;
    }
    return true;
}

enum session_step command_text(struct session *s, const struct call *call,
                               struct session_event *event)
{
    const char *arg = call->arg;
    size_t len = call->len;
    if (s->open.dialect == DIALECT_SMTP) {
        s->has_submitted = true;
        return session_say(s, REPLY_BAD_SEQUENCE, "a MAIL transaction was open, it is forgotten");
    }
    return take_open(s) ? draft_submit(s, &s->open, arg, len, event) : SESSION_WANTS_INPUT;
}

enum session_step command_rset(struct session *s, const struct call *call,
                               struct session_event *event)
{
    (void)call;
    (void)event;
    draft_reset(&s->open);
    return session_say(s, REPLY_OK, "forgotten");
}

/* --- DATA ------------------------------------------------------------------------------------- */

enum session_step command_data(struct session *s, const struct call *call,
                               struct session_event *event)
{
    (void)call;
    (void)event;
    /* Always 354, even where there is nothing to submit to: the text of a client that pipelines
     * must never be taken for commands. */
    content_open(&s->content);
    return session_say(s, REPLY_GO_ON, "%s", reply_text(REPLY_GO_ON));
}

/* A content in the SMS dialect is text as it stands. */
static enum session_step submit_text(struct session *s, struct session_event *event)
{
    const char *text = s->content.kept.data == NULL ? "" : s->content.kept.data;
    size_t len = s->content.kept.len;
    while (len > 0 && text[len - 1] == '\n') {
        len--;
    }
    if (s->content.received > CONTENT_KEPT_MAX) {
        return session_say(s, REPLY_TOO_LONG, "the content is longer than any text may be");
    }
    if (!text_is_utf8(text, len)) {
        if (s->rules->charset == NULL || !text_to_utf8(text, len, s->rules->charset, &s->line)) {
            enum reply reply = s->line.has_failed ? REPLY_CANNOT_STORE : REPLY_BAD_CHARSET;
            return session_say(s, reply, "%s", reply_text(reply));
        }
        text = s->line.data;
        len = s->line.len;
    }
    return draft_submit(s, &s->open, text, len, event);
}

/* Puts a mail's subject in front of its text, or in its place, as smtp.subject says. */
static void join_subject(struct mail *mail, enum session_subject rule)
{
    struct buffer *subject = &mail->subject;
    if (rule == SUBJECT_IGNORE || subject->len == 0) {
        return;
    }
    if (rule == SUBJECT_PREFIX && mail->text.len > 0) {
        buffer_putc(subject, '\n');
        buffer_append(subject, mail->text.data, mail->text.len);
    }
    buffer_free(&mail->text);
    mail->text = *subject;
    *subject = (struct buffer)BUFFER_EMPTY;
}

/* What headers ask for; and without a REF of its own, a mail that comes again is known by itself. */
static bool take_mail_options(struct session *s)
{
    struct options *options = &s->open.options;
    const struct mail *mail = s->mail;
    for (size_t i = 0; i < mail->option_count; i++) {
        const struct mail_option *option = &mail->options[i];
        if (!options_set(options, option->name, strlen(option->name), option->field.value,
                         option->field.len, s->now_ms, &s->local)) {
            return false;
        }
    }
    if (options->ref[0] == '\0') {
        const char *from = options->from[0] != '\0' ? options->from : s->rules->default_from;
        mail_ref(mail, from, mail->text.data, mail->text.len, options->ref);
    }
    return true;
}

/* The length of a content whose end was not kept, without a character that was cut in two. */
static size_t whole_len(const char *s, size_t len)
{
    enum { UTF8_TAIL_MAX = 3 };
    for (int i = 0; i < UTF8_TAIL_MAX && len > 0 && ((unsigned char)s[len - 1] & 0xC0) == 0x80;
         i++) {
        len--;
    }
    return len > 0 && (unsigned char)s[len - 1] >= 0xC0 ? len - 1 : len;
}

static enum session_step refuse_mail(struct session *s, enum mail_result result)
{
    switch (result) {
    case MAIL_OK:
        break;
    case MAIL_NO_TEXT:
        return session_say(s, REPLY_NOT_UNDERSTOOD, "no text in it, only attachments");
    case MAIL_BAD_CHARSET:
        return session_say(s, REPLY_NOT_UNDERSTOOD, "the content is not in its charset");
    case MAIL_TOO_COMPLEX:
        return session_say(s, REPLY_NOT_UNDERSTOOD, "too many headers, parts or levels");
    case MAIL_AUTOMATIC:
        return session_say(s, REPLY_NOT_ALLOWED, "bounces and automatic replies are not sent");
    case MAIL_LOOP:
        return session_say(s, REPLY_NOT_UNDERSTOOD, "too many hops: a loop");
    case MAIL_NO_MEMORY:
        break;
    }
    return session_say(s, REPLY_CANNOT_STORE, "%s", reply_text(REPLY_CANNOT_STORE));
}

static enum session_step submit_mail(struct session *s, struct session_event *event)
{
    if (s->content.received > s->rules->mail_max_size) {
        return session_say(s, REPLY_TOO_LONG, "the content is longer than %zu bytes",
                           s->rules->mail_max_size);
    }
    const char *content = s->content.kept.data == NULL ? "" : s->content.kept.data;
    size_t len = s->content.kept.len;
    len = s->content.received > len ? whole_len(content, len) : len;
    const struct mail_rules rules = {
        .charset = s->rules->charset,
        .keeps_signature = s->rules->mail_keeps_signature,
        .takes_automatic = s->rules->mail_takes_automatic,
    };
    struct mail *mail = s->mail = calloc(1, sizeof *mail);
    enum mail_result result = mail == NULL ? MAIL_NO_MEMORY : mail_read(content, len, &rules, mail);
    if (result != MAIL_OK) {
        return refuse_mail(s, result);
    }
    join_subject(mail, s->rules->mail_subject);
    if (mail->text.has_failed) {
        return refuse_mail(s, MAIL_NO_MEMORY);
    }
    if (!take_mail_options(s)) {
        return SESSION_WANTS_INPUT;
    }
    const char *text = mail->text.data == NULL ? "" : mail->text.data;
    return draft_submit(s, &s->open, text, mail->text.len, event);
}

enum session_step submit_content(struct session *s, struct session_event *event)
{
    if (!take_open(s)) {
        return SESSION_WANTS_INPUT;
    }
    if (s->content.kept.has_failed) {
        return session_say(s, REPLY_CANNOT_STORE, "%s", reply_text(REPLY_CANNOT_STORE));
    }
    return s->open.dialect == DIALECT_SMTP ? submit_mail(s, event) : submit_text(s, event);
}

/* --- JSON ------------------------------------------------------------------------------------- */

enum session_step json_next(struct session *s, struct session_event *event)
{
    struct json_item item;
    struct draft *draft = &s->single;
    if (s->json_next == json_batch_count(s->json)) {
        json_batch_free(s->json);
        s->json = NULL;
        return SESSION_WANTS_INPUT;
    }
    draft_open(s, draft, DIALECT_SMS);
    if (!json_batch_read(s->json, s->json_next++, s->now_ms, &item, &draft->options, &s->local) ||
        !draft_add_recipient(s, draft, item.to, item.to_len)) {
        return SESSION_WANTS_INPUT;
    }
    return draft_submit(s, draft, item.text, item.text_len, event);
}

enum session_step command_json(struct session *s, const struct call *call,
                               struct session_event *event)
{
    const char *arg = call->arg;
    size_t len = call->len;
    s->json = json_batch_new(arg, len, &s->local);
    s->json_next = 0;
    return s->json == NULL ? SESSION_WANTS_INPUT : json_next(s, event);
}
