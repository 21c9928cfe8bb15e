/* send: submits a message. See the header. Thread: the only one; blocking. */
#include "gateway/cli/send.h"

#include "gateway/cli/answer.h"
#include "gateway/cli/complain.h"
#include "gateway/cli/stdin.h"
#include "proto/message.h"
#include "proto/reply.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

enum {
    STDIN_MAX = 1 << 20,      /* bytes; far more than the parts that any relay sends */
    LINE_TEXT_MAX = 16384,    /* bytes of text in a SEND: a line is limited, DATA is not */
    ACK_LIMIT_MS = 60 * 1000, /* the relay itself waits 30 s for the API (listen.ack_timeout) */
    NUMBER_LIKE_MIN = 7       /* digits */
};

/* What is to be sent. */
struct letter {
    const char *from;      /* NULL = the relay's */
    bool waits;            /* --ack relayed */
    struct buffer options; /* " ref=x ttl=5m" */
    struct buffer to;      /* TO[,TO...] */
    struct buffer text;
};

/* --- recipients ------------------------------------------------------------------------------- */

/* People write numbers with spaces; in SEND, a space ends the numbers. */
static void add_recipients(struct letter *letter, const char *to)
{
    if (letter->to.len > 0) {
        buffer_putc(&letter->to, ',');
    }
    for (; *to != '\0'; to++) {
        if (*to != ' ') {
            buffer_putc(&letter->to, *to);
        }
    }
}

/* Takes --to, or else the first argument. Returns how many arguments they are, -1 = out of memory. */
static int take_recipients(struct letter *letter, const struct invocation *invocation)
{
    char **named = invocation_values(invocation, 't');
    int taken = named == NULL ? -1 : named[0] == NULL && invocation->count > 0 ? 1 : 0;
    for (size_t i = 0; named != NULL && named[i] != NULL; i++) {
        add_recipients(letter, named[i]);
    }
    if (taken == 1) {
        add_recipients(letter, invocation->arguments[0]);
    }
    free(named);
    return letter->to.has_failed ? -1 : taken;
}

static bool has_control_character(const struct buffer *b)
{
    for (size_t i = 0; i < b->len; i++) {
        if ((unsigned char)b->data[i] < ' ' || b->data[i] == 0x7F) {
            return true;
        }
    }
    return false;
}

/* Is there a number between all commas? */
static bool are_recipients_good(const struct buffer *to)
{
    bool is_bare = true; /* nothing since the start or the last comma */
    for (size_t i = 0; i < to->len; i++) {
        if (to->data[i] == ',' && is_bare) {
            return false;
        }
        is_bare = to->data[i] == ',';
    }
    return !is_bare && !(to->len == 1 && to->data[0] == '-');
}

/* --- the text --------------------------------------------------------------------------------- */

/* Does a word look like a number: "+34 600 000 000", "0034600000000"? A code or a date may look like
 * one without a country, so that counts only as the whole text, or behind a number that has none. */
static bool is_like_number(const char *word, bool may_be_national)
{
    size_t digits = 0;
    bool is_international = word[0] == '+' || strncmp(word, "00", 2) == 0;
    for (const char *c = word; *c != '\0'; c++) {
        if (*c >= '0' && *c <= '9') {
            digits++;
        } else if (strchr(" -./(),", *c) == NULL && (*c != '+' || c != word)) {
            return false;
        }
    }
    return digits >= NUMBER_LIKE_MIN && (is_international || may_be_national);
}

/* Is it certain that `words` are the text, all of it, and nothing else? Returns an exit code. */
static int check_text(const struct letter *letter, const struct command *command, int count,
                      char **words)
{
    bool is_national = letter->to.len > 0 && letter->to.data[0] != '+';
    if (is_like_number(words[0], count == 1 || is_national)) {
        return command_misused(command,
                               "%s looks like a second number: put a comma between numbers, or -- "
                               "before a text that begins like one",
                               words[0]);
    }
    for (int i = 0; i < count; i++) {
        if (command_has_option(command, words[i])) {
            return command_misused(command,
                                   "%s stands behind the number: put options before it, or -- "
                                   "before a text that has such a word",
                                   words[i]);
        }
    }
    if (stdin_holds_data()) {
        return command_misused(command, "there is a text, and another one on stdin: drop one of "
                                        "them, or put -- before the text to ignore stdin");
    }
    return EX_OK;
}

static int read_stdin(struct buffer *text)
{
    char chunk[8192]; /* a terminal's lines are shorter */
    bool is_over = false;
    ssize_t n;
    if (isatty(STDIN_FILENO)) {
        fputs("Type the text, then Ctrl-D.\n", stderr);
    }
    while ((n = stdin_read(chunk, sizeof chunk, &is_over)) > 0) {
        buffer_append(text, chunk, (size_t)n);
        if (text->len > STDIN_MAX) {
            return complain(EX_DATAERR, "stdin is too long for a message");
        }
    }
    return n < 0 ? complain(EX_IOERR, "stdin: %s", strerror(errno)) : EX_OK;
}

/* Reads the text from the arguments, or from stdin if there is none or just "-"; "--" before them is
 * the end of the options. Drops the line ends at its end. */
static int read_text(struct letter *letter, const struct invocation *invocation, int taken)
{
    struct buffer *text = &letter->text;
    char **words = invocation->arguments + taken;
    int count = invocation->count - taken;
    bool is_literal = invocation->is_literal;
    int code = EX_OK;
    if (count > 0 && taken > 0 && strcmp(words[0], "--") == 0) {
        is_literal = true;
        count--;
        words++;
    }
    if (count == 1 && strcmp(words[0], "-") == 0) {
        count = 0;
    }
    if (count > 0 && !is_literal) {
        code = check_text(letter, invocation->command, count, words);
    }
    for (int i = 0; i < count; i++) {
        buffer_puts(text, i > 0 ? " " : "");
        buffer_puts(text, words[i]);
    }
    if (count == 0) {
        code = read_stdin(text);
    }
    while (text->len > 0 && strchr("\r\n", text->data[text->len - 1]) != NULL) {
        text->len--;
    }
    return text->has_failed ? complain(EX_OSERR, "out of memory") : code;
}

/* --- submitting ------------------------------------------------------------------------------- */

static bool fits_one_line(const struct buffer *text)
{
    return text->len <= LINE_TEXT_MAX &&
           (text->len == 0 || (memchr(text->data, '\n', text->len) == NULL &&
                               memchr(text->data, '\r', text->len) == NULL));
}

/* SEND [FROM=..] [OPT=value ...] TO[,TO...] TEXT */
static int send_line(struct link *link, const struct letter *letter)
{
    buffer_puts(&link->out, "SEND");
    if (letter->from != NULL) {
        reply_value(&link->out, "FROM", letter->from);
    }
    buffer_append(&link->out, letter->options.data, letter->options.len);
    buffer_printf(&link->out, " %.*s ", (int)letter->to.len, letter->to.data);
    buffer_append(&link->out, letter->text.data, letter->text.len);
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
static int send_lines(struct link *link, const struct letter *letter)
{
    int code = EX_OK;
    if (letter->from != NULL || letter->options.len > 0) {
        buffer_puts(&link->out, "FROM");
        if (letter->from != NULL) {
            buffer_putc(&link->out, ' ');
            reply_quote(&link->out, letter->from, strlen(letter->from));
        }
        buffer_append(&link->out, letter->options.data, letter->options.len);
        link_end_line(link);
        code = link_exchange(link);
    }
    const char *to = letter->to.data, *end = to + letter->to.len;
    while (code == EX_OK && to < end) {
        const char *comma = memchr(to, ',', (size_t)(end - to));
        const char *stop = comma == NULL ? end : comma;
        buffer_printf(&link->out, "TO %.*s", (int)(stop - to), to);
        link_end_line(link);
        code = link_exchange(link);
        to = comma == NULL ? end : comma + 1;
    }
    if (code == EX_OK) {
        buffer_puts(&link->out, "DATA");
        link_end_line(link);
        code = link_exchange(link);
    }
    if (code == EX_OK) {
        add_content(link, &letter->text);
        code = link_exchange(link);
    }
    return code;
}

/* --- the reply -------------------------------------------------------------------------------- */

/* How the line of a recipient with ACK=relayed ends the command. */
static int line_exit_code(const char *line, const char *end)
{
    static const char key[] = " state=";
    enum message_state state;
    char word[16] = "";
    const char *value = memmem(line, (size_t)(end - line), key, sizeof key - 1);
    for (size_t i = 0; value != NULL && i < sizeof word - 1; i++) {
        const char *c = value + sizeof key - 1 + i;
        word[i] = c < end && *c != ' ' ? *c : '\0';
        if (word[i] == '\0') {
            break;
        }
    }
    if (!message_state_parse(word, &state) || state == MESSAGE_RELAYED) {
        return EX_OK;
    }
    return message_state_is_finished(state) ? EX_DATAERR : EX_TEMPFAIL;
}

/* With ACK=relayed, 250 may also mean that it is not relayed yet, or that some were rejected. */
static int judge_acknowledgement(const struct link *link)
{
    int worst = EX_OK;
    const char *line = link->answer.data, *end = line + link->answer.len;
    while (line < end) {
        const char *stop = memchr(line, '\n', (size_t)(end - line));
        int code = line_exit_code(line, stop);
        worst = worst == EX_DATAERR ? worst : code != EX_OK ? code : worst;
        line = stop + 1;
    }
    if (worst == EX_TEMPFAIL) {
        complain(worst, "it is queued, but not relayed yet; `smsrelay status ID` tells");
    } else if (worst == EX_DATAERR) {
        complain(worst, "not all recipients get it");
    }
    return worst;
}

static int submit(struct link *link, const struct letter *letter)
{
    int code = fits_one_line(&letter->text) ? send_line(link, letter) : send_lines(link, letter);
    if (code == EX_UNAVAILABLE || link_is_late(link)) {
        buffer_puts(&link->trouble,
                    "\nit may have been queued: send it again only with the same --ref");
    }
    return code;
}

/* --- all of it -------------------------------------------------------------------------------- */

static void add_options(struct letter *letter, const struct invocation *invocation)
{
    static const struct {
        char letter;
        const char *key;
    } keys[] = {{'r', "REF"}, {'L', "TTL"},     {'P', "PRIORITY"},
                {'A', "AT"},  {'U', "UNICODE"}, {'K', "ACK"}};
    for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++) {
        const char *value = invocation_option(invocation, keys[i].letter);
        if (value != NULL) {
            reply_value(&letter->options, keys[i].key, value);
        }
    }
    const char *ack = invocation_option(invocation, 'K');
    letter->waits = ack != NULL && strcasecmp(ack, "relayed") == 0;
    letter->from = invocation_option(invocation, 'f');
}

/* Reads what is to be sent. Returns an exit code. */
static int compose(struct letter *letter, const struct invocation *invocation)
{
    add_options(letter, invocation);
    int taken = take_recipients(letter, invocation);
    if (taken < 0) {
        return complain(EX_OSERR, "out of memory");
    }
    if (has_control_character(&letter->to)) {
        return command_misused(invocation->command, "control character in a number");
    }
    if (!are_recipients_good(&letter->to)) {
        return command_misused(invocation->command, "a number is missing: TO, or TO,TO");
    }
    return read_text(letter, invocation, taken);
}

static int deliver(const struct letter *letter, const struct invocation *invocation)
{
    struct link link;
    struct buffer words = BUFFER_EMPTY;
    int64_t limit_ms =
        invocation_limit_ms(invocation, letter->waits ? ACK_LIMIT_MS : LINK_LIMIT_MS);
    int code = link_open(&link, invocation_option(invocation, 's'),
                         invocation->settings->find_listeners, limit_ms);
    if (code == EX_OK) {
        code = submit(&link, letter);
    }
    if (code != EX_OK) {
        link_complain(&link, "");
    } else {
        link_words(&link, &words);
        bool is_json = invocation_option(invocation, 'J') != NULL;
        code = answer_print(&words, ANSWER_MESSAGES, is_json, stdout)
                   ? (letter->waits ? judge_acknowledgement(&link) : EX_OK)
                   : complain(EX_OSERR, "out of memory");
    }
    buffer_free(&words);
    link_close(&link);
    return code;
}

int client_send(const struct invocation *invocation)
{
    struct letter letter = {.from = NULL};
    int code = compose(&letter, invocation);
    if (code == EX_OK) {
        code = deliver(&letter, invocation);
    }
    buffer_free(&letter.options);
    buffer_free(&letter.to);
    buffer_free(&letter.text);
    return code;
}
