/* content: see content.h. */
#include "proto/session/content.h"

#include <string.h>

void content_open(struct content *content, bool is_mail)
{
    *content = (struct content){.is_open = true, .is_mail = is_mail};
}

void content_free(struct content *content)
{
    buffer_free(&content->kept);
    mail_reader_free(content->mail);
    content->mail = NULL;
}

struct mail_reader *content_mail(struct content *content)
{
    if (content->mail == NULL) {
        content->mail = mail_reader_new();
    }
    if (content->mail == NULL || content->kept.has_failed) {
        content->kept.has_failed = true;
        return NULL;
    }
    mail_reader_feed(content->mail, buffer_bytes(&content->kept), content->kept.len);
    buffer_clear(&content->kept);
    return content->mail;
}

/* Feeds the search with content of a CRLF client. */
static void search_dot(struct dot_search *search, const char *bytes, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        bool is_lf = bytes[i] == '\n';
        search->has_found = search->has_found || (is_lf && search->is_at_dot);
        search->is_at_dot = bytes[i] == '.' && !search->is_in_line;
        search->is_in_line = !is_lf;
    }
}

static void keep(struct content *content, const char *bytes, size_t len)
{
    enum { MAIL_PIECE = 64 * 1024 };
    size_t room = content->is_mail ? len : CONTENT_KEPT_MAX - content->kept.len;
    content->received += len;
    buffer_append(&content->kept, bytes, len < room ? len : room);
    if (content->is_mail && content->kept.len >= MAIL_PIECE) {
        content_mail(content);
    }
}

/* Takes one line, or a piece of one. Returns true at its end. */
static bool take_line(struct content *content, enum line_ending ending, enum line_result result,
                      const struct line *line)
{
    const char *bytes = line->bytes;
    size_t len = line->len;
    if (ending == LINE_ENDING_CRLF) {
        search_dot(&content->bare_dot, bytes, len);
        content->bare_dot.is_in_line = content->bare_dot.is_in_line && result != LINE_WHOLE;
    }
    if (line->is_start && len > 0 && bytes[0] == '.') {
        if (len == 1 && result == LINE_WHOLE) {
            return true;
        }
        bytes++;
        len--;
    }
    keep(content, bytes, len);
    if (result == LINE_WHOLE) {
        keep(content, "\n", 1);
    }
    return false;
}

bool content_read(struct content *content, struct line_reader *reader)
{
    struct line line;
    enum line_result result;
    while ((result = line_next_piece(reader, &line)) != LINE_NONE) {
        if (take_line(content, reader->ending, result, &line)) {
            content->is_open = false;
            return true;
        }
    }
    return false;
}

bool content_is_at_bare_dot(struct content *content, const struct line_reader *reader)
{
    if (!content->is_open || reader->ending != LINE_ENDING_CRLF) {
        return false;
    }
    search_dot(&content->bare_dot, line_peek(reader), line_pending(reader));
    return content->bare_dot.has_found;
}
