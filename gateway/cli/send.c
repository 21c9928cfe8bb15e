/* send: submits a message. See the header. Thread: the only one; blocking. */
#include "gateway/cli/send.h"

#include "proto/reply.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

enum {
    STDIN_MAX = 1 << 20,  /* bytes; far more than the parts that any relay sends */
    LINE_TEXT_MAX = 16384 /* bytes of text in a SEND: a line is limited, DATA is not */
};

static int read_stdin(struct buffer *text)
{
    char chunk[4096];
    size_t n;
    while ((n = fread(chunk, 1, sizeof chunk, stdin)) > 0 && text->len <= STDIN_MAX) {
        buffer_append(text, chunk, n);
    }
    if (ferror(stdin)) {
        return link_complain(EX_IOERR, "stdin", strerror(errno));
    }
    if (text->len > STDIN_MAX) {
        return link_complain(EX_DATAERR, "stdin", "too long for a message");
    }
    return EX_OK;
}

/* Reads the text from the arguments, or from stdin if there is none or just "-"; "--" before them is
 * the end of the options. Drops the line ends at its end. */
static int read_text(struct buffer *text, int argc, char **argv)
{
    int code = EX_OK;
    if (argc > 0 && strcmp(argv[0], "--") == 0) {
        argc--;
        argv++;
    }
    if (argc == 1 && strcmp(argv[0], "-") == 0) {
        argc = 0;
    }
    for (int i = 0; i < argc; i++) {
        buffer_puts(text, i > 0 ? " " : "");
        buffer_puts(text, argv[i]);
    }
    if (argc == 0 && isatty(STDIN_FILENO)) {
        fprintf(stderr, "Type the text, then Ctrl-D at the start of a line.\n");
    }
    if (argc == 0) {
        code = read_stdin(text);
    }
    while (text->len > 0 && strchr("\r\n", text->data[text->len - 1]) != NULL) {
        text->len--;
    }
    return text->has_failed ? link_complain(EX_OSERR, "out of memory", "") : code;
}

static bool fits_one_line(const struct buffer *text)
{
    return text->len <= LINE_TEXT_MAX &&
           (text->len == 0 || (memchr(text->data, '\n', text->len) == NULL &&
                               memchr(text->data, '\r', text->len) == NULL));
}

/* SEND [FROM=..] [OPT=value ...] TO[,TO...] TEXT */
static int send_line(struct link *link, const struct send_options *options, const char *to,
                     const struct buffer *text)
{
    buffer_puts(&link->out, "SEND");
    if (options->from != NULL) {
        reply_value(&link->out, "FROM", options->from);
    }
    buffer_append(&link->out, options->options.data, options->options.len);
    buffer_printf(&link->out, " %s ", to);
    buffer_append(&link->out, text->data, text->len);
    link_end_line(link);
    return link_exchange(link);
}

/* Appends a text as DATA wants it: lines, with a dot at the start of one doubled (RFC 5321, 4.5.2). */
static void add_content(struct link *link, const struct buffer *text)
{
    const char *line = text->data, *end = line + text->len;
    while (line < end) {
        const char *stop = memchr(line, '\n', (size_t)(end - line));
        const char *next = stop != NULL ? stop + 1 : end;
        stop = stop != NULL ? stop : end;
        if (stop > line && stop[-1] == '\r') {
            stop--;
        }
        buffer_puts(&link->out, *line == '.' ? "." : "");
        buffer_append(&link->out, line, (size_t)(stop - line));
        link_end_line(link);
        line = next;
    }
    buffer_puts(&link->out, ".");
    link_end_line(link);
}

/* FROM, a TO for each recipient, DATA. The first refusal ends it: all get the text, or none. */
static int send_lines(struct link *link, const struct send_options *options, const char *to,
                      const struct buffer *text)
{
    int code = EX_OK;
    if (options->from != NULL || options->options.len > 0) {
        buffer_puts(&link->out, "FROM");
        if (options->from != NULL) {
            buffer_putc(&link->out, ' ');
            reply_quote(&link->out, options->from, strlen(options->from));
        }
        buffer_append(&link->out, options->options.data, options->options.len);
        link_end_line(link);
        code = link_exchange(link);
    }
    while (code == EX_OK && *to != '\0') {
        size_t len = strcspn(to, ",");
        buffer_printf(&link->out, "TO %.*s", (int)len, to);
        link_end_line(link);
        code = link_exchange(link);
        to += len + (to[len] == ',');
    }
    if (code == EX_OK) {
        buffer_puts(&link->out, "DATA");
        link_end_line(link);
        code = link_exchange(link);
    }
    if (code == EX_OK) {
        add_content(link, text);
        code = link_exchange(link);
    }
    return code;
}

/* People write numbers with spaces; in SEND, a space ends the numbers. */
static void drop_spaces(char *s)
{
    char *to = s;
    for (; *s != '\0'; s++) {
        if (*s != ' ') {
            *to++ = *s;
        }
    }
    *to = '\0';
}

int send_message(struct link *link, const struct send_options *options, int count, char **arguments)
{
    struct buffer text = BUFFER_EMPTY;
    char *to = arguments[0];
    drop_spaces(to);
    if (*to == '\0' || strcmp(to, "-") == 0) {
        return link_complain(EX_USAGE, "TO is missing", "");
    }
    int code = read_text(&text, count - 1, arguments + 1);
    if (code == EX_OK) {
        code = fits_one_line(&text) ? send_line(link, options, to, &text)
                                    : send_lines(link, options, to, &text);
    }
    if (code == EX_OK) {
        code = link_print_answer(link);
    }
    buffer_free(&text);
    return code;
}
