/* http_head: see http_head.h. */
#include "gateway/base/http_head.h"

#include <string.h>

static bool is_known_version(const char version[HTTP_HEAD_VERSION])
{
    return memcmp(version, " HTTP/1.1\r", HTTP_HEAD_VERSION) == 0 ||
           memcmp(version, " HTTP/1.0\r", HTTP_HEAD_VERSION) == 0;
}

static void end_line(struct http_head *head)
{
    bool has_cr = head->last == '\r';
    bool is_empty = head->column == (has_cr ? 1 : 0);
    head->is_malformed = head->is_malformed || !has_cr;
    if (head->line == 0) {
        head->is_other_version = !is_known_version(head->version);
    }
    head->is_over = is_empty;
    head->line++;
    head->column = 0;
}

static void add(struct http_head *head, char c)
{
    bool is_control = ((unsigned char)c < ' ' && c != '\t' && c != '\r') || c == 0x7F;
    bool is_folded = head->line > 0 && head->column == 0 && (c == ' ' || c == '\t');
    head->is_malformed = head->is_malformed || is_control || is_folded || head->last == '\r';
    if (head->line == 0) {
        memmove(head->version, head->version + 1, HTTP_HEAD_VERSION - 1);
        head->version[HTTP_HEAD_VERSION - 1] = c;
    }
    head->column++;
}

void http_head_read(struct http_head *head, const char *bytes, size_t len)
{
    head->has_begun = head->has_begun || len > 0;
    for (size_t i = 0; i < len && !head->is_over; i++) {
        if (bytes[i] == '\n') {
            end_line(head);
        } else {
            add(head, bytes[i]);
        }
        head->last = bytes[i];
    }
}
