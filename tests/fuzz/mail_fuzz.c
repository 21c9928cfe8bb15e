/*
 * Any content: a subject of one line and a text, both UTF-8 without control characters, or a reason;
 * and the same in whatever pieces it arrives. The first byte chooses the rules and the pieces.
 */
#include "proto/mail/mail.h"
#include "proto/text.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

/* Of more than is decoded at once, a text depends on the pieces where it is nonsense. */
enum { PIECE_MIN = 64 * 1024 };

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
    require(ref[0] == '\0' || mail->message_id.len > 0);
    require(ref[0] == '\0' || strncmp(ref, MESSAGE_MAIL_REF, strlen(MESSAGE_MAIL_REF)) == 0);
}

/* Small pieces, but not too many of them. */
static enum mail_result read_in_pieces(const char *content, size_t len, size_t piece,
                                       const struct mail_rules *rules, struct mail *mail)
{
    struct mail_reader *reader = mail_reader_new();
    require(reader != NULL);
    piece = len / 1000 > piece ? len / 1000 : piece;
    for (size_t at = 0; at < len; at += piece) {
        mail_reader_feed(reader, content + at, len - at < piece ? len - at : piece);
    }
    enum mail_result result = mail_reader_end(reader, rules, mail);
    mail_reader_free(reader);
    return result;
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
    require(read_in_pieces(content, size - 1, 1 + (bytes[0] >> 3), &rules, &again) == result);
    require(again.subject.len == mail.subject.len);
    require(again.text.len == mail.text.len || size > PIECE_MIN);
    mail_free(&mail);
    mail_free(&again);
    return 0;
}
