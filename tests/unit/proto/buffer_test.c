/* buffer: appending, reserving, consuming. */
#include "proto/buffer.h"

#include <criterion/criterion.h>
#include <stdint.h>
#include <string.h>

Test(buffer, grows_and_keeps_its_bytes)
{
    struct buffer b = BUFFER_EMPTY;
    for (int i = 0; i < 100000; i++) {
        buffer_putc(&b, (char)('a' + i % 26));
    }
    cr_assert_eq(b.len, 100000);
    for (size_t i = 0; i < b.len; i++) {
        cr_assert_eq(b.data[i], (char)('a' + i % 26));
    }
    buffer_free(&b);
    cr_assert_null(b.data);
    buffer_free(NULL);
}

Test(buffer, appends_nothing)
{
    struct buffer b = BUFFER_EMPTY;
    buffer_append(&b, NULL, 0);
    buffer_puts(&b, "");
    buffer_printf(&b, "%s", "");
    cr_assert_eq(b.len, 0);
    cr_assert_not(b.has_failed);
    buffer_free(&b);
}

/* At every length around what buffer_printf guesses first. */
Test(buffer, formats_texts_of_any_length)
{
    char text[600];
    for (size_t len = 0; len < sizeof text - 1; len++) {
        struct buffer b = BUFFER_EMPTY;
        memset(text, 'x', len);
        text[len] = '\0';
        buffer_printf(&b, "<%s|%d>", text, 7);
        cr_assert_eq(b.len, len + 4);
        cr_assert_eq(b.data[0], '<');
        cr_assert_eq(memcmp(b.data + len, len > 0 ? "x|7>" : "<|7>", 4), 0, "%zu", len);
        buffer_free(&b);
    }
}

Test(buffer, consumes_from_the_front)
{
    static const struct {
        size_t len;
        const char *left;
    } rows[] = {{0, "hello"}, {1, "ello"}, {4, "o"}, {5, ""}, {6, ""}, {SIZE_MAX, ""}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct buffer b = BUFFER_EMPTY;
        buffer_puts(&b, "hello");
        buffer_consume(&b, rows[i].len);
        cr_assert_eq(b.len, strlen(rows[i].left));
        cr_assert_eq(memcmp(b.data, rows[i].left, b.len), 0);
        buffer_free(&b);
    }
}

Test(buffer, room_is_there_when_promised)
{
    struct buffer b = BUFFER_EMPTY;
    buffer_puts(&b, "x");
    char *room = buffer_reserve(&b, 5000);
    cr_assert_not_null(room);
    memset(room, 'y', 5000);
    b.len += 5000;
    buffer_putc(&b, 'z');
    cr_assert_eq(b.len, 5002);
    cr_assert_eq(b.data[0], 'x');
    cr_assert_eq(b.data[5001], 'z');
    buffer_free(&b);
}

/* AddressSanitizer ends a program that allocates too much; the C library returns NULL. */
const char *__asan_default_options(void);
const char *__asan_default_options(void)
{
    return "allocator_may_return_null=1";
}

/* AddressSanitizer reports a refused allocation even if the test wants it. */
#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define REPORTS_REFUSALS true
#endif
#endif
#ifndef REPORTS_REFUSALS
#define REPORTS_REFUSALS false
#endif

/* On allocation failure nothing is appended, the content stays, and the failure is remembered. */
Test(buffer, remembers_a_failed_allocation, .disabled = REPORTS_REFUSALS)
{
    struct buffer b = BUFFER_EMPTY;
    buffer_puts(&b, "kept");
    cr_assert_null(buffer_reserve(&b, SIZE_MAX / 4));
    buffer_puts(&b, " and more");
    cr_assert(b.has_failed);
    cr_assert_eq(memcmp(b.data, "kept and more", 13), 0);
    buffer_clear(&b);
    cr_assert_not(b.has_failed);
    cr_assert_eq(b.len, 0);
    buffer_free(&b);
}
