/* mail: the mail on stdin and its recipients. See the header. Thread: the only one. */
#include "gateway/cli/mail.h"

#include "gateway/cli/addresses.h"
#include "gateway/cli/stdin.h"

#include <errno.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

enum { CHUNK_SIZE = 16384 };

/* --- stdin ---------------------------------------------------------------------------------- */

static void put_within(struct mail_source *source, struct buffer *out, char c)
{
    if (source->is_lone_dot) {
        buffer_putc(out, '.');
    }
    source->is_lone_dot = !source->is_within && c == '.';
    source->is_within = true;
    buffer_putc(out, c);
}

static void end_line(struct mail_source *source, struct buffer *out)
{
    if (source->is_lone_dot) {
        /* Not doubled, it is the line that ends DATA. */
        source->is_over = !source->ignores_dots;
        buffer_puts(out, source->is_over ? "" : ".");
    }
    buffer_puts(out, "\r\n");
    source->is_within = source->is_lone_dot = source->has_cr = false;
}

static void put(struct mail_source *source, struct buffer *out, char c)
{
    if (c == '\n') {
        end_line(source, out);
        return;
    }
    if (source->has_cr) {
        put_within(source, out, '\r');
    }
    source->has_cr = c == '\r';
    if (!source->has_cr) {
        put_within(source, out, c);
    }
}

/* At the end of stdin, which may be within a line. */
static void end_mail(struct mail_source *source, struct buffer *out)
{
    if (source->is_within || source->has_cr) {
        end_line(source, out);
    }
    buffer_puts(out, source->is_over ? "" : ".\r\n");
    source->is_over = true;
}

void mail_source_read(struct mail_source *source, struct buffer *out, size_t max)
{
    char chunk[CHUNK_SIZE];
    while (!source->is_over && source->error == 0 && !out->has_failed && out->len < max) {
        ssize_t n = stdin_read(chunk, sizeof chunk, &source->has_ended);
        source->error = n < 0 ? errno : 0;
        for (ssize_t i = 0; i < n && !source->is_over; i++) {
            put(source, out, chunk[i]);
        }
        if (n >= 0 && source->has_ended) {
            end_mail(source, out);
        }
    }
}

void mail_source_drain(const struct mail_source *source)
{
    char chunk[CHUNK_SIZE];
    ssize_t n = source->is_over || source->error != 0 || isatty(STDIN_FILENO) ? 0 : 1;
    while (n > 0 || (n < 0 && errno == EINTR)) {
        n = read(STDIN_FILENO, chunk, sizeof chunk);
    }
}

/* --- the header ----------------------------------------------------------------------------- */

/* The length of a field's name, 0 = no field begins here (RFC 5322, 2.2, and obsolete blanks). */
static size_t name_length(const char *s, const char *end)
{
    const char *p = s;
    while (p<end && * p> ' ' && *p <= '~' && *p != ':') {
        p++;
    }
    size_t len = (size_t)(p - s);
    while (p < end && (*p == ' ' || *p == '\t')) {
        p++;
    }
    return p < end && *p == ':' ? len : 0;
}

static const char *line_end(const char *s, const char *end)
{
    const char *lf = memchr(s, '\n', (size_t)(end - s));
    return lf == NULL ? end : lf + 1;
}

/* The end of the field that begins at `s`: of its line and those that continue it. */
static const char *field_end(const char *s, const char *end)
{
    do {
        s = line_end(s, end);
    } while (s < end && (*s == ' ' || *s == '\t'));
    return s;
}

static bool is_named(const char *name, const char *field, size_t len)
{
    return strlen(name) == len && strncasecmp(name, field, len) == 0;
}

/* Parses the list of addresses in a field. */
static bool add_addresses(const char *field, const char *stop, struct buffer *recipients)
{
    const char *s = (const char *)memchr(field, ':', (size_t)(stop - field)) + 1;
    struct buffer unfolded = BUFFER_EMPTY;
    buffer_append(&unfolded, s, (size_t)(stop - s));
    for (size_t i = 0; i < unfolded.len; i++) {
        if (memchr("\r\n\t", unfolded.data[i], 3) != NULL) {
            unfolded.data[i] = ' ';
        }
    }
    bool is_good = !unfolded.has_failed && addresses_parse(unfolded.data, unfolded.len, recipients);
    buffer_free(&unfolded);
    return is_good;
}

const char *mail_take_recipients(struct buffer *mail, bool is_over, struct buffer *recipients)
{
    const char *s = mail->data, *end = s + mail->len;
    char *kept = mail->data; /* where the next field to keep goes */
    size_t len;
    if (mail->len >= 5 && memcmp(s, "From ", 5) == 0 && name_length(line_end(s, end), end) > 0) {
        s = line_end(s, end);
    }
    while ((len = name_length(s, end)) > 0) {
        const char *stop = field_end(s, end);
        bool is_bcc = is_named("Bcc", s, len);
        if ((is_bcc || is_named("To", s, len) || is_named("Cc", s, len)) &&
            !add_addresses(s, stop, recipients)) {
            return "the addresses in To, Cc or Bcc cannot be read";
        }
        if (!is_bcc) {
            memmove(kept, s, (size_t)(stop - s));
            kept += stop - s;
        }
        s = stop;
    }
    if (line_end(s, end) == end && !is_over) {
        return "the header is too long";
    }
    memmove(kept, s, (size_t)(end - s));
    mail->len = (size_t)(kept - mail->data) + (size_t)(end - s);
    return NULL;
}
