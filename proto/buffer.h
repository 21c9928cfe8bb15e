/*
 * buffer: a growable run of bytes.
 *
 * A buffer remembers a failed allocation, so that the writer appends freely and checks once, at the
 * end, whether the result is whole.
 * Thread: any, one at a time. Pure: no I/O.
 */
#ifndef PROTO_BUFFER_H
#define PROTO_BUFFER_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>

struct buffer {
    char *data;      /* NULL while the buffer is new; not NUL-terminated */
    size_t len;      /* bytes in use */
    size_t size;     /* bytes allocated */
    bool has_failed; /* an allocation failed, and bytes are missing */
};

#define BUFFER_EMPTY      \
    {                     \
        NULL, 0, 0, false \
    }

/* Frees the bytes and makes the buffer a new one. NULL is fine. */
void buffer_free(struct buffer *b);

/* Appends `len` bytes. On allocation failure nothing is appended and `has_failed` is set. */
void buffer_append(struct buffer *b, const void *bytes, size_t len);

/* Appends a NUL-terminated string without its NUL. */
void buffer_puts(struct buffer *b, const char *s);

/* Appends one byte. */
void buffer_putc(struct buffer *b, char c);

/* Appends formatted text. */
void buffer_printf(struct buffer *b, const char *format, ...) __attribute__((format(printf, 2, 3)));

void buffer_vprintf(struct buffer *b, const char *format, va_list args);

/*
 * Makes room for `len` more bytes and returns where they go; on allocation failure NULL, and sets
 * `has_failed`. The caller writes there, then adds to b->len what it wrote.
 */
char *buffer_reserve(struct buffer *b, size_t len);

/* The bytes; "" instead of NULL. */
static inline const char *buffer_bytes(const struct buffer *b)
{
    return b->data == NULL ? "" : b->data;
}

/* Drops the first `len` bytes (at most all of them). */
void buffer_consume(struct buffer *b, size_t len);

/* Drops the bytes and the failure; keeps the memory. */
void buffer_clear(struct buffer *b);

#endif
