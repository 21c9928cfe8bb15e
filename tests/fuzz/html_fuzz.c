/* Any page in UTF-8: a clean text, and the same the next time. */
#include "proto/mail/html.h"
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

static bool has(const struct buffer *text, const char *s)
{
    return memmem(text->data, text->len, s, strlen(s)) != NULL;
}

static void check_text(const struct buffer *text)
{
    if (text->len == 0) {
        return;
    }
    require(text_is_utf8(text->data, text->len));
    for (size_t i = 0; i < text->len; i++) {
        unsigned char c = (unsigned char)text->data[i];
        require(c == '\n' || (c >= ' ' && c != 0x7F));
    }
    require(!has(text, "\n\n\n") && !has(text, " \n"));
    require(strchr(" \n", text->data[0]) == NULL &&
            strchr(" \n", text->data[text->len - 1]) == NULL);
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    (void)argc;
    (void)argv;
    html_init();
    return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    const char *html = (const char *)bytes;
    if (!text_is_utf8(html, size)) {
        return 0;
    }
    struct buffer text = BUFFER_EMPTY, again = BUFFER_EMPTY;
    unsigned steps = HTML_MAX_STEPS, steps_again = HTML_MAX_STEPS;
    bool is_read = html_to_text(html, size, &steps, &text);
    check_text(&text);
    require(html_to_text(html, size, &steps_again, &again) == is_read && again.len == text.len);
    buffer_free(&text);
    buffer_free(&again);
    return 0;
}
