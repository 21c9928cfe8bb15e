/* buffer: see buffer.h. */
#include "proto/buffer.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { BUFFER_MIN_SIZE = 256 };

void buffer_free(struct buffer *b)
{
    if (b == NULL) {
        return;
    }
    free(b->data);
    *b = (struct buffer)BUFFER_EMPTY;
}

char *buffer_reserve(struct buffer *b, size_t len)
{
    if (b->size - b->len >= len && b->data != NULL) {
        return b->data + b->len;
    }
    size_t size = b->size < BUFFER_MIN_SIZE ? BUFFER_MIN_SIZE : b->size;
    while (size - b->len < len) {
        size *= 2;
    }
    char *data = realloc(b->data, size);
    if (data == NULL) {
        b->has_failed = true;
        return NULL;
    }
    b->data = data;
    b->size = size;
    return b->data + b->len;
}

void buffer_append(struct buffer *b, const void *bytes, size_t len)
{
    char *to = len > 0 ? buffer_reserve(b, len) : NULL;
    if (to != NULL) {
        memcpy(to, bytes, len);
        b->len += len;
    }
}

void buffer_puts(struct buffer *b, const char *s)
{
    buffer_append(b, s, strlen(s));
}

void buffer_putc(struct buffer *b, char c)
{
    buffer_append(b, &c, 1);
}

void buffer_vprintf(struct buffer *b, const char *format, va_list args)
{
    va_list again;
    va_copy(again, args);
    char *to = buffer_reserve(b, 128);
    int need = to == NULL ? -1 : vsnprintf(to, b->size - b->len, format, args);
    /* vsnprintf needs room for its NUL too. */
    if (need >= 0 && (size_t)need >= b->size - b->len) {
        to = buffer_reserve(b, (size_t)need + 1);
        need = to == NULL ? -1 : vsnprintf(to, b->size - b->len, format, again);
    }
    if (need > 0) {
        b->len += (size_t)need;
    }
    va_end(again);
}

void buffer_printf(struct buffer *b, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    buffer_vprintf(b, format, args);
    va_end(args);
}

void buffer_consume(struct buffer *b, size_t len)
{
    if (len >= b->len) {
        b->len = 0;
        return;
    }
    memmove(b->data, b->data + len, b->len - len);
    b->len -= len;
}

void buffer_clear(struct buffer *b)
{
    b->len = 0;
    b->has_failed = false;
}
