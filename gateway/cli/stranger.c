/* stranger: see stranger.h. */
#include "gateway/cli/stranger.h"

#include "proto/reply.h"

#include <string.h>
#include <strings.h>

static const struct {
    const char *start;
    const char *name;
} KNOWN[] = {
    {"HTTP/", "HTTP"},   {"<!DOCTYPE", "HTTP"}, {"<HTML", "HTTP"}, {"\x15\x03", "TLS"},
    {"\x16\x03", "TLS"}, {"SSH-", "SSH"},       {"+OK", "POP3"},   {"* OK", "IMAP"},
};

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* Appends the first line, as far as it is there. */
static void quote_line(const char *bytes, size_t len, struct buffer *words)
{
    const char *end = memchr(bytes, '\n', len);
    len = end == NULL ? len : (size_t)(end - bytes);
    while (len > 0 && bytes[len - 1] == '\r') {
        len--;
    }
    reply_quote_number(words, bytes, len);
}

bool stranger_may_be_reply(const char *bytes, size_t len, struct buffer *words)
{
    bool may_be = true;
    for (size_t i = 0; i < len && i < 3; i++) {
        may_be = may_be && is_digit(bytes[i]);
    }
    if (may_be && (len < 1 || (bytes[0] >= '1' && bytes[0] <= '5')) &&
        (len < 4 || bytes[3] == ' ' || bytes[3] == '-')) {
        return true;
    }
    for (size_t i = 0; i < sizeof KNOWN / sizeof KNOWN[0]; i++) {
        size_t start_len = strlen(KNOWN[i].start);
        if (len >= start_len && strncasecmp(bytes, KNOWN[i].start, start_len) == 0) {
            buffer_printf(words, "this is %s", KNOWN[i].name);
            return false;
        }
    }
    buffer_puts(words, "it says ");
    quote_line(bytes, len, words);
    return false;
}

bool stranger_is_greeting(const char *reply, size_t len, struct buffer *words)
{
    static const char ours[] = " ESMTP smsrelay";
    if (memmem(reply, len, ours, sizeof ours - 1) != NULL) {
        return true;
    }
    bool is_smtp = memmem(reply, len, "SMTP", 4) != NULL;
    buffer_puts(words, is_smtp ? "this is another mail server: " : "it says ");
    quote_line(reply, len, words);
    return false;
}
