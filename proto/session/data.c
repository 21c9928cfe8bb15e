/* data: see data.h. */
#include "proto/session/data.h"

#include "proto/session/draft.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum session_step command_data(struct session *s, const struct call *call,
                               struct session_event *event)
{
    (void)call;
    (void)event;
    /* Always 354, even where there is nothing to submit to: the text of a client that pipelines
     * must never be taken for commands. */
    content_open(&s->content, s->open.dialect == DIALECT_SMTP && !s->open.is_refused);
    return session_reply(s, REPLY_GO_ON);
}

/* --- SMS: the content is the text ------------------------------------------------------------- */

static enum session_step submit_text(struct session *s, struct session_event *event)
{
    const char *text = buffer_bytes(&s->content.kept);
    size_t len = s->content.kept.len;
    enum reply refusal;
    while (len > 0 && (text[len - 1] == '\n' || text[len - 1] == '\r')) {
        len--;
    }
    if (s->content.received > CONTENT_KEPT_MAX) {
        return session_say(s, REPLY_TOO_LONG, "the content is longer than %d bytes",
                           CONTENT_KEPT_MAX);
    }
    if (!session_to_utf8(s, &text, &len, &refusal)) {
        return session_reply(s, refusal);
    }
    return draft_submit(s, &s->open, text, len, event);
}

/* --- SMTP: the content is a mail -------------------------------------------------------------- */

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

/* Are its X-SMS- headers the client's own words? A mail server adds a Received field (RFC 5321, 4.4), and
 * what it relays may come from anybody. */
static bool obeys_options(const struct session *s, const struct mail *mail)
{
    enum session_mail_options rule = s->rules->mail_options;
    return rule == MAIL_OPTIONS_YES || (rule == MAIL_OPTIONS_LOCAL && !mail->is_relayed);
}

/* Moves the REF that a header gives to the space of mails. */
static void set_apart(struct options *options)
{
    char chosen[CHOSEN_REF_MAX + 1];
    memcpy(chosen, options->ref, sizeof chosen);
    snprintf(options->ref, sizeof options->ref, MESSAGE_MAIL_CHOSEN_REF "%s", chosen);
}

/* Sets the options that the headers name. A mail without a REF gets one made of itself, so that it
 * is recognised when it comes again. */
static bool take_options(struct session *s, struct mail *mail)
{
    struct options *options = &s->open.options;
    if (!obeys_options(s, mail)) {
        mail->ignored_options = mail->option_count;
        mail->option_count = 0;
    }
    for (size_t i = 0; i < mail->option_count; i++) {
        const struct mail_option *option = &mail->options[i];
        if (!options_set(options, option->name, strlen(option->name), option->field.value,
                         option->field.len, s->now_ms, &s->local)) {
            return false;
        }
    }
    if (options->ref[0] != '\0') {
        set_apart(options);
    } else {
        mail_ref(mail, draft_sender(s, &s->open), mail->text.data, mail->text.len, options->ref);
    }
    return true;
}

static enum session_step refuse_mail(struct session *s, enum mail_result result)
{
    switch (result) {
    case MAIL_NO_TEXT:
        return session_say(s, REPLY_NOT_UNDERSTOOD, "no text, only attachments");
    case MAIL_BAD_CHARSET:
        return session_say(s, REPLY_NOT_UNDERSTOOD, "the content is not valid in its charset");
    case MAIL_TOO_COMPLEX:
        return session_say(s, REPLY_NOT_UNDERSTOOD, "too many headers, parts or levels");
    case MAIL_AUTOMATIC:
        return session_say(s, REPLY_NOT_ALLOWED, "bounces and automatic replies are not relayed");
    case MAIL_LOOP:
        return session_say(s, REPLY_NOT_UNDERSTOOD, "too many hops: mail loop");
    case MAIL_OK:
    case MAIL_NO_MEMORY:
        break;
    }
    return session_reply(s, REPLY_CANNOT_STORE);
}

static enum session_step submit_mail(struct session *s, struct session_event *event)
{
    if (s->content.received > s->rules->mail_max_size) {
        return session_say(s, REPLY_TOO_LONG, "the content is longer than %zu bytes",
                           s->rules->mail_max_size);
    }
    const struct mail_rules rules = {
        .charset = s->rules->charset,
        .keeps_signature = s->rules->mail_keeps_signature,
        .takes_automatic = s->rules->mail_takes_automatic,
    };
    struct mail *mail = s->mail = calloc(1, sizeof *mail);
    struct mail_reader *reader = content_mail(&s->content);
    enum mail_result result =
        mail == NULL || reader == NULL ? MAIL_NO_MEMORY : mail_reader_end(reader, &rules, mail);
    if (result != MAIL_OK) {
        return refuse_mail(s, result);
    }
    join_subject(mail, s->rules->mail_subject);
    if (mail->text.has_failed) {
        return refuse_mail(s, MAIL_NO_MEMORY);
    }
    if (!take_options(s, mail)) {
        return SESSION_WANTS_INPUT;
    }
    return draft_submit(s, &s->open, buffer_bytes(&mail->text), mail->text.len, event);
}

enum session_step data_submit(struct session *s, struct session_event *event)
{
    if (!draft_take_open(s)) {
        return SESSION_WANTS_INPUT;
    }
    if (s->content.kept.has_failed) {
        return session_reply(s, REPLY_CANNOT_STORE);
    }
    return s->open.dialect == DIALECT_SMTP ? submit_mail(s, event) : submit_text(s, event);
}
