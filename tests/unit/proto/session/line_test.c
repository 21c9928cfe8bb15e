/* line: the rule of what ends a line, in every split of the input. */
#include "proto/session/line.h"

#include <criterion/criterion.h>
#include <string.h>

#define COUNT(table) (sizeof(table) / sizeof((table)[0]))
#define S(literal)   literal, sizeof(literal) - 1

enum { MAX_LEN = 10 };

struct line_case {
    const char *input;
    size_t len;
    const char
        *lines; /* each with a "|" after it; an over-long one as its start and "~"; "^" for one
                        * that ends in CR alone */
    enum line_ending ending;
};

static void take_lines(struct line_reader *r, struct buffer *got)
{
    struct line line;
    for (;;) {
        switch (line_next(r, MAX_LEN, &line)) {
        case LINE_NONE:
        case LINE_PIECE:
            return;
        case LINE_WHOLE:
            buffer_append(got, line.bytes, line.len);
            buffer_putc(got, '|');
            break;
        case LINE_TOO_LONG:
            cr_assert_eq(line.len, MAX_LEN);
            buffer_append(got, line.bytes, line.len);
            buffer_putc(got, '~');
            break;
        case LINE_CR:
            buffer_putc(got, '^');
            return;
        }
        cr_assert(line.is_start);
    }
}

/* Feeds a first chunk of `first` bytes, then chunks of `chunk`. */
static void check(const struct line_case *c, size_t first, size_t chunk)
{
    struct line_reader r = {0};
    struct buffer got = BUFFER_EMPTY;
    size_t at = 0;
    while (at < c->len && (got.len == 0 || got.data[got.len - 1] != '^')) {
        size_t want = at == 0 ? first : chunk;
        size_t len = want < c->len - at ? want : c->len - at;
        cr_assert(line_feed(&r, c->input + at, len));
        take_lines(&r, &got);
        at += len;
    }
    buffer_append(&got, "", 1);
    cr_assert_str_eq(got.data, c->lines, "\"%s\" in %zu, %zu: %s", c->input, first, chunk,
                     got.data);
    cr_assert_eq(r.ending, c->ending, "\"%s\"", c->input);
    buffer_free(&got);
    line_reader_free(&r);
}

Test(line, ends_and_limits)
{
    static const struct line_case cases[] = {
        {S("a\nb\n"), "a|b|", LINE_ENDING_LF},
        {S("a\r\nb\r\n"), "a|b|", LINE_ENDING_CRLF},
        {S("\n\n"), "||", LINE_ENDING_LF},
        {S("\r\n\r\n"), "||", LINE_ENDING_CRLF},
        {S("a\nb\r\nc\r\r\n"), "a|b|c\r|", LINE_ENDING_LF},
        {S("a\r\nb\nc\r\n"), "a|b\nc|", LINE_ENDING_CRLF},
        {S("a\r\nb\rc\r\r\n\n\r\n"), "a|b\rc\r|\n|", LINE_ENDING_CRLF},
        {S("a\rb\r\n"), "^", LINE_ENDING_UNKNOWN},
        {S("a\rb\n"), "^", LINE_ENDING_UNKNOWN},
        {S("a\r\rb"), "^", LINE_ENDING_UNKNOWN},
        {S("\rb\n"), "^", LINE_ENDING_UNKNOWN},
        {S("a\r\0"), "^", LINE_ENDING_UNKNOWN},
        {S("a\r\r\nb\rc\r\n"), "a\r|b\rc|", LINE_ENDING_CRLF},
        {S("a\nb\rc\n"), "a|b\rc|", LINE_ENDING_LF},
        {S("0123456789\rx\r\n"), "^", LINE_ENDING_UNKNOWN},
        {S("0123456789\r\rx\r\ny\r\n"), "0123456789~y|", LINE_ENDING_CRLF},
        {S("0123456789a\rx\r\ny\r\n"), "0123456789~y|", LINE_ENDING_CRLF},
        {S("a\r\r\r"), "", LINE_ENDING_UNKNOWN},
        {S("no end"), "", LINE_ENDING_UNKNOWN},
        {S("no end\r"), "", LINE_ENDING_UNKNOWN},
        {S("0123456789\nx\n"), "0123456789|x|", LINE_ENDING_LF},
        {S("0123456789\r\nx\r\n"), "0123456789|x|", LINE_ENDING_CRLF},
        {S("0123456789a\nx\n"), "0123456789~x|", LINE_ENDING_LF},
        {S("0123456789a\r\nx\r\n"), "0123456789~x|", LINE_ENDING_CRLF},
        {S("0123456789\r\r\nx\r\n"), "0123456789~x|", LINE_ENDING_CRLF},
        {S("0123456789abcdefghijk\r\nx\r\n"), "0123456789~x|", LINE_ENDING_CRLF},
        {S("a\r\n0123456789abc\ndef\rghi\r\r\nx\r\n"), "a|0123456789~x|", LINE_ENDING_CRLF},
        {S("a\n0123456789abc\r\n0123456789abc\nx\n"), "a|0123456789~0123456789~x|", LINE_ENDING_LF},
        {S("0123456789abc"), "0123456789~", LINE_ENDING_UNKNOWN},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        check(&cases[i], cases[i].len, 1);
        check(&cases[i], 1, 1);
        for (size_t first = 1; first < cases[i].len; first++) {
            check(&cases[i], first, cases[i].len);
            check(&cases[i], first, 3);
        }
    }
}

Test(line, holds_nul)
{
    struct line_reader r = {0};
    struct line line;
    cr_assert(line_feed(&r, "a\0b\n", 4));
    cr_assert_eq(line_next(&r, MAX_LEN, &line), LINE_WHOLE);
    cr_assert_eq(line.len, 3);
    cr_assert_eq(memcmp(line.bytes, "a\0b", 3), 0);
    line_reader_free(&r);
}

Test(line, can_be_put_back)
{
    struct line_reader r = {0};
    struct line line;
    cr_assert(line_feed(&r, "first\r\nsecond\r\n", 15));
    cr_assert_eq(line_next(&r, MAX_LEN, &line), LINE_WHOLE);
    cr_assert_eq(line_next(&r, MAX_LEN, &line), LINE_WHOLE);
    line_unread(&r);
    cr_assert_eq(line_next(&r, MAX_LEN, &line), LINE_WHOLE);
    cr_assert_eq(line.len, 6);
    cr_assert_eq(memcmp(line.bytes, "second", 6), 0);
    cr_assert_eq(line_pending(&r), 0);
    line_reader_free(&r);
}

/* The pieces of long lines, joined, are the lines. */
static void check_pieces(const char *text, size_t len, size_t chunk)
{
    struct line_reader r = {0};
    struct line line;
    struct buffer got = BUFFER_EMPTY;
    bool is_within = false;
    for (size_t at = 0; at < len; at += chunk) {
        size_t fed = chunk < len - at ? chunk : len - at;
        cr_assert(line_feed(&r, text + at, fed));
        enum line_result result;
        while ((result = line_next_piece(&r, &line)) != LINE_NONE) {
            cr_assert_eq(line.is_start, !is_within);
            is_within = result == LINE_PIECE;
            buffer_append(&got, line.bytes, line.len);
            if (result == LINE_WHOLE) {
                buffer_append(&got, "\r\n", 2);
            }
        }
        cr_assert_leq(line_pending(&r), 4096, "more is held than a piece");
    }
    cr_assert_eq(got.len, len);
    cr_assert_eq(memcmp(got.data, text, len), 0);
    buffer_free(&got);
    line_reader_free(&r);
}

Test(line, pieces_of_long_lines)
{
    static const size_t LENGTHS[] = {0, 1, 4093, 4094, 4095, 4096, 4097, 4098, 9000};
    static const size_t CHUNKS[] = {1, 2, 1000, 4095, 4096, 4097, 50000};
    char text[50000] = "latch\r\n";
    for (size_t i = 0; i < COUNT(LENGTHS); i++) {
        size_t len = 7;
        for (int twice = 0; twice < 2; twice++) {
            memset(text + len, '.', LENGTHS[i]);
            len += LENGTHS[i];
            memcpy(text + len, "\r\n", 2);
            len += 2;
        }
        for (size_t j = 0; j < COUNT(CHUNKS); j++) {
            check_pieces(text, len, CHUNKS[j]);
        }
    }
}
