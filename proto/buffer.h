/*
 * buffer: a growable run of bytes, for everything in proto that is built piece by piece.
 *
 * A failed allocation is remembered instead of returned by every call: the writer appends freely
 * and asks once, at the end, whether what it built is whole.
 * Thread: any, one at a time. Pure: no I/O.
 */
#ifndef PROTO_BUFFER_H
#define PROTO_BUFFER_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>

struct buffer {
    char *data;      /* NULL while nothing was appended; not NUL-terminated */
    size_t len;      /* bytes in use */
    size_t size;     /* bytes allocated */
    bool has_failed; /* an allocation failed: bytes are missing */
};

#define BUFFER_EMPTY      \
    {                     \
        NULL, 0, 0, false \
    }

/* Frees the bytes; the buffer is empty and usable again. NULL is fine. */
void buffer_free(struct buffer *b);

/* Appends `len` bytes. On allocation failure nothing is appended and `has_failed` is set. */
void buffer_append(struct buffer *b, const void *bytes, size_t len);

/* Appends a NUL-terminated string without its NUL. */
void buffer_puts(struct buffer *b, const char *s);

/* Appends one byte. */
void buffer_putc(struct buffer *b, char c);

/* Appends printf-style text; the format never comes from outside. */
void buffer_printf(struct buffer *b, const char *format, ...) __attribute__((format(printf, 2, 3)));

void buffer_vprintf(struct buffer *b, const char *format, va_list args);

/*
 * Makes room for `len` more bytes and returns where they go, or NULL (and `has_failed`).
 * The caller writes there and then adds what it wrote to `len` itself.
 */
char *buffer_reserve(struct buffer *b, size_t len);

/* The bytes; never NULL, also while nothing was appended. */
static inline const char *buffer_bytes(const struct buffer *b)
{
    return b->data == NULL ? "" : b->data;
}

/* Drops the first `len` bytes (at most all of them). */
void buffer_consume(struct buffer *b, size_t len);

/* Forgets content and failure, keeps the memory. */
void buffer_clear(struct buffer *b);

#endif
