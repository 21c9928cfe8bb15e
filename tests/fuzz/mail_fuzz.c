/*
 * Any content: a subject of one line and a text, both UTF-8 without control characters, or a reason;
 * and the same again the next time. The first byte chooses the rules.
 */
#include "proto/mail/mail.h"
#include "proto/text.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

static void require(bool is_true)
{
    if (!is_true) {
        abort();
    }
}

static void check_text(const struct buffer *text, const char *allowed)
{
    require(text->len == 0 || text_is_utf8(text->data, text->len));
    for (size_t i = 0; i < text->len; i++) {
        unsigned char c = (unsigned char)text->data[i];
        require((c >= ' ' && c != 0x7F) || (c != '\0' && strchr(allowed, c) != NULL));
    }
}

static void check_ref(const struct mail *mail)
{
    char ref[REF_MAX + 1];
    mail_ref(mail, "Relay", mail->text.data, mail->text.len, ref);
    require((ref[0] == '\0') == (mail->message_id.len == 0));
    require(ref[0] == '\0' || strncmp(ref, MESSAGE_MAIL_REF, strlen(MESSAGE_MAIL_REF)) == 0);
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    (void)argc;
    (void)argv;
    mail_init();
    return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    if (size == 0) {
        return 0;
    }
    const struct mail_rules rules = {
        .charset = (bytes[0] & 1) != 0 ? "windows-1252" : NULL,
        .keeps_signature = (bytes[0] & 2) != 0,
        .takes_automatic = (bytes[0] & 4) != 0,
    };
    const char *content = (const char *)bytes + 1;
    struct mail mail = {0}, again = {0};
    enum mail_result result = mail_read(content, size - 1, &rules, &mail);
    require(result != MAIL_BAD_CHARSET || rules.charset == NULL);
    check_text(&mail.subject, "\t");
    check_text(&mail.text, "\t\n");
    check_ref(&mail);
    require(mail_read(content, size - 1, &rules, &again) == result);
    require(again.text.len == mail.text.len && again.subject.len == mail.subject.len);
    mail_free(&mail);
    mail_free(&again);
    return 0;
}
