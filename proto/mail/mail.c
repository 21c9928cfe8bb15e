/* mail: see mail.h. */
#include "proto/mail/mail.h"

#include "proto/mail/html.h"
#include "proto/mail/mend.h"
#include "proto/mail/pick.h"
#include "proto/mail/text.h"
#include "proto/mail/tree.h"
#include "proto/mail/value.h"
#include "proto/mail/words.h"

#include <glib.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { HOPS_MAX = 100 };

struct mail_reader {
    struct tree tree;
};

/* --- reading ---------------------------------------------------------------------------------- */

struct mail_reader *mail_reader_new(void)
{
    struct mail_reader *reader = malloc(sizeof *reader);
    if (reader != NULL) {
        tree_init(&reader->tree);
    }
    return reader;
}

void mail_reader_free(struct mail_reader *reader)
{
    if (reader != NULL) {
        tree_free(&reader->tree);
        free(reader);
    }
}

void mail_reader_feed(struct mail_reader *reader, const char *bytes, size_t len)
{
    tree_feed(&reader->tree, bytes, len);
}

/* Refuses what must not become a message. */
static enum mail_result refuse(const struct tree *tree, const struct mail_rules *rules)
{
    const struct head *head = &tree->head;
    if (tree->has_failed) {
        return MAIL_NO_MEMORY;
    }
    if (head->hops > HOPS_MAX) {
        return MAIL_LOOP;
    }
    if (!rules->takes_automatic && (span_starts_with(head->auto_submitted, "auto-replied") ||
                                    span_starts_with(head->type, "multipart/report"))) {
        return MAIL_AUTOMATIC;
    }
    return tree->is_too_complex ? MAIL_TOO_COMPLEX : MAIL_OK;
}

/* Undoes folding (RFC 5322, 2.2.3) and encoded words. */
static enum mail_result take_subject(const struct tree *tree, const struct mail_rules *rules,
                                     struct mail *mail)
{
    enum { SUBJECT_MAX = 8192 };
    struct span value = tree->head.subject;
    struct buffer line = BUFFER_EMPTY, label = BUFFER_EMPTY;
    struct buffer *subject = &mail->subject;
    bool is_good = true;
    for (size_t i = 0; i < value.len && i < SUBJECT_MAX; i++) {
        if (value.s[i] != '\n' && value.s[i] != '\0') {
            buffer_putc(&line, value.s[i]);
        }
    }
    if (line.len > 0) {
        pick_label(tree, &label);
        is_good =
            words_decode(line.data, line.len, label.data, rules->charset, subject, &mail->repairs);
    }
    for (size_t i = 0; i < subject->len; i++) {
        subject->data[i] = span_is_white(subject->data[i]) ? ' ' : subject->data[i];
    }
    mail_text_trim(subject);
    bool has_failed = subject->has_failed || line.has_failed || label.has_failed;
    buffer_free(&line);
    buffer_free(&label);
    return has_failed ? MAIL_NO_MEMORY : is_good ? MAIL_OK : MAIL_BAD_CHARSET;
}

/* Takes headers that leave no text as the text. */
static enum mail_result take_headers_as_text(const struct mail_rules *rules, struct mail *mail)
{
    mail->option_count = 0;
    mail->message_id = mail->date = (struct mail_field){NULL, 0};
    if (!mail_text_to_utf8(mail->start.data, mail->start.len, NULL, rules->charset, &mail->text,
                           &mail->repairs)) {
        return MAIL_BAD_CHARSET;
    }
    mail_text_trim(&mail->text);
    return MAIL_OK;
}

/* Hands over the headers that others read, with the memory they borrow from. */
static void take_fields(struct tree *tree, struct mail *mail)
{
    const struct head *head = &tree->head;
    mail->start = tree->start;
    tree->start = (struct buffer)BUFFER_EMPTY;
    mail->message_id = (struct mail_field){head->message_id.s, head->message_id.len};
    mail->date = (struct mail_field){head->date.s, head->date.len};
    mail->option_count = head->option_count;
    mail->is_relayed = head->hops > 0;
    memcpy(mail->options, head->options, sizeof head->options);
}

enum mail_result mail_reader_end(struct mail_reader *reader, const struct mail_rules *rules,
                                 struct mail *mail)
{
    struct tree *tree = &reader->tree;
    tree_end(tree);
    mend_tree(tree);
    take_fields(tree, mail);
    enum mail_result result = refuse(tree, rules);
    if (result == MAIL_OK) {
        result = take_subject(tree, rules, mail);
    }
    if (result == MAIL_OK) {
        result = pick_text(tree, rules, &mail->text, &mail->ignored, &mail->repairs);
    }
    if (result != MAIL_OK || mail->text.len > 0 || mail->subject.len > 0) {
        return result;
    }
    return tree->head.may_be_text  ? take_headers_as_text(rules, mail)
           : mail->ignored.len > 0 ? MAIL_NO_TEXT
                                   : MAIL_OK;
}

enum mail_result mail_read(const char *content, size_t len, const struct mail_rules *rules,
                           struct mail *mail)
{
    struct mail_reader *reader = mail_reader_new();
    if (reader == NULL) {
        return MAIL_NO_MEMORY;
    }
    mail_reader_feed(reader, content, len);
    enum mail_result result = mail_reader_end(reader, rules, mail);
    mail_reader_free(reader);
    return result;
}

/* --- public ----------------------------------------------------------------------------------- */

void mail_init(void)
{
    html_init();
}

static void digest(GChecksum *sum, const char *s, size_t len)
{
    g_checksum_update(sum, (const guchar *)s, (gssize)len);
    g_checksum_update(sum, (const guchar *)"", 1);
}

void mail_ref(const struct mail *mail, const char *from, const char *text, size_t len,
              char ref[REF_MAX + 1])
{
    enum { DIGITS = 32, FIRST_YEAR = 2000 };
    struct span date = {mail->date.value, mail->date.len};
    if (mail->message_id.len == 0 || value_year(date) < FIRST_YEAR) {
        ref[0] = '\0';
        return;
    }
    GChecksum *sum = g_checksum_new(G_CHECKSUM_SHA256);
    digest(sum, mail->message_id.value, mail->message_id.len);
    digest(sum, mail->date.value, mail->date.len);
    digest(sum, from, strlen(from));
    digest(sum, len > 0 ? text : "", len);
    snprintf(ref, REF_MAX + 1, MESSAGE_MAIL_REF "%.*s", DIGITS, g_checksum_get_string(sum));
    g_checksum_free(sum);
}

void mail_free(struct mail *mail)
{
    struct buffer *const buffers[] = {&mail->subject, &mail->text, &mail->ignored, &mail->start};
    for (size_t i = 0; i < sizeof buffers / sizeof buffers[0]; i++) {
        if (buffers[i]->data != NULL) {
            buffer_free(buffers[i]);
        }
    }
    mail->option_count = mail->ignored_options = 0;
    mail->is_relayed = false;
    mail->repairs = (struct mail_repairs){0};
    mail->message_id = mail->date = (struct mail_field){NULL, 0};
}
