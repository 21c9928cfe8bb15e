/* line: see line.h. */
#include "proto/session/line.h"

#include <string.h>

/* A line of content that is longer than this is given in pieces. */
enum { LINE_PIECE_MIN = 4096 };

void line_reader_free(struct line_reader *r)
{
    buffer_free(&r->in);
    r->used = 0;
    r->scanned = 0;
}

/* Moves what is left to the front; frees an empty buffer, since most connections are idle. */
static void reclaim(struct line_reader *r)
{
    if (r->used == r->in.len) {
        buffer_free(&r->in);
    } else {
        buffer_consume(&r->in, r->used);
    }
    r->used = 0;
    r->scanned = 0;
}

bool line_feed(struct line_reader *r, const char *bytes, size_t len)
{
    if (r->used > 0) {
        size_t scanned = r->scanned > r->used ? r->scanned - r->used : 0;
        reclaim(r);
        r->scanned = scanned;
    }
    buffer_append(&r->in, bytes, len);
    bool is_fed = !r->in.has_failed;
    r->in.has_failed = false;
    return is_fed;
}

void line_unread(struct line_reader *r)
{
    r->used = r->last;
}

void line_wipe(struct line_reader *r)
{
    explicit_bzero(r->in.data + r->last, r->used - r->last);
}

size_t line_pending(const struct line_reader *r)
{
    return r->in.len - r->used;
}

const char *line_peek(const struct line_reader *r)
{
    return buffer_bytes(&r->in) + r->used;
}

void line_skip(struct line_reader *r, size_t len)
{
    r->used += len;
}

/*
 * Finds the end of the line at `used`. Returns true with the line's length and that of its ending;
 * false if there is none yet. The first line decides what ends a line.
 */
static bool find_end(struct line_reader *r, size_t *len, size_t *ending_len)
{
    const char *start = r->in.data + r->used;
    size_t from = r->scanned > r->used ? r->scanned : r->used;
    while (from < r->in.len) {
        const char *lf = memchr(r->in.data + from, '\n', r->in.len - from);
        if (lf == NULL) {
            break;
        }
        bool has_cr = lf > start && lf[-1] == '\r';
        if (r->ending == LINE_ENDING_UNKNOWN) {
            r->ending = has_cr ? LINE_ENDING_CRLF : LINE_ENDING_LF;
        }
        if (has_cr || r->ending == LINE_ENDING_LF) {
            *ending_len = has_cr ? 2 : 1;
            *len = (size_t)(lf - start) + 1 - *ending_len;
            return true;
        }
        from = (size_t)(lf - r->in.data) + 1;
    }
    r->scanned = r->in.len;
    return false;
}

bool line_awaits_lf(const struct line_reader *r)
{
    return r->ending == LINE_ENDING_UNKNOWN && line_pending(r) > 0 &&
           r->in.data[r->in.len - 1] == '\r';
}

/*
 * Does the client end its first line, of at most `max_len` bytes, with a CR alone? Only the byte
 * behind it can tell, in any split of the input. Several CRs count as one.
 */
static bool ends_in_cr(const struct line_reader *r, size_t max_len)
{
    size_t pending = line_pending(r);
    if (r->ending != LINE_ENDING_UNKNOWN || pending == 0) {
        return false;
    }
    const char *end = r->in.data + r->used + (pending < max_len + 2 ? pending : max_len + 2);
    const char *from = r->in.data + (r->scanned > r->used ? r->scanned - 1 : r->used);
    const char *p = memchr(from, '\r', (size_t)(end - from));
    if (p == NULL || memchr(from, '\n', (size_t)(p - from)) != NULL) {
        return false;
    }
    while (p < end && *p == '\r') {
        p++;
    }
    return p < end && *p != '\n';
}

/* Uses up `len` bytes and the ending behind them. */
static enum line_result take(struct line_reader *r, size_t len, size_t ending_len,
                             enum line_result result, struct line *line)
{
    line->bytes = r->in.data + r->used;
    line->len = len;
    line->is_start = !r->is_mid_line;
    r->last = r->used;
    r->is_mid_line = result == LINE_PIECE;
    r->used += len + ending_len;
    return result;
}

/*
 * Discards the rest of an over-long line. Returns true at its end; until then keeps a CR that may
 * begin the ending.
 */
static bool discard(struct line_reader *r)
{
    size_t len = 0;
    size_t ending_len = 0;
    if (line_pending(r) > 0 && find_end(r, &len, &ending_len)) {
        r->used += len + ending_len;
        return true;
    }
    bool ends_in_cr = line_pending(r) > 0 && r->in.data[r->in.len - 1] == '\r';
    r->used = r->in.len - (ends_in_cr ? 1 : 0);
    reclaim(r);
    return false;
}

enum line_result line_next(struct line_reader *r, size_t max_len, struct line *line)
{
    size_t len = 0;
    size_t ending_len = 0;
    if (r->is_discarding && !discard(r)) {
        return LINE_NONE;
    }
    r->is_discarding = false;
    if (ends_in_cr(r, max_len)) {
        return LINE_CR;
    }
    if (line_pending(r) > 0 && find_end(r, &len, &ending_len)) {
        bool is_too_long = len > max_len;
        take(r, len, ending_len, LINE_WHOLE, line);
        line->len = is_too_long ? max_len : len;
        return is_too_long ? LINE_TOO_LONG : LINE_WHOLE;
    }
    /* One more byte may be pending: the CR of a CRLF. */
    if (line_pending(r) > max_len + 1) {
        r->is_discarding = true;
        return take(r, max_len, 0, LINE_TOO_LONG, line);
    }
    if (line_pending(r) == 0) {
        reclaim(r);
    }
    return LINE_NONE;
}

enum line_result line_next_piece(struct line_reader *r, struct line *line)
{
    size_t len = 0;
    size_t ending_len = 0;
    if (r->is_discarding && !discard(r)) {
        return LINE_NONE;
    }
    r->is_discarding = false;
    if (line_pending(r) > 0 && find_end(r, &len, &ending_len)) {
        return take(r, len, ending_len, LINE_WHOLE, line);
    }
    if (line_pending(r) > LINE_PIECE_MIN) {
        return take(r, line_pending(r) - 1, 0, LINE_PIECE, line);
    }
    if (line_pending(r) == 0) {
        reclaim(r);
    }
    return LINE_NONE;
}
