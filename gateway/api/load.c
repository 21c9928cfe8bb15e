/* load: see load.h. */
#include "gateway/api/load.h"

#include "proto/buffer.h"
#include "proto/text.h"

#include <ctype.h>
#include <errno.h>
#include <setjmp.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* Integers of more digits may not fit jansson's. */
enum { FIRST_BLOCKS = 4096, LONGEST_NUMBER = 18, ESCAPE_LEN = sizeof "\\u0000" - 1 };

#define REPLACEMENT "\\ufffd"

/* Where a reader is in a body. */
struct reader {
    const char *at, *end;
    struct buffer out; /* the JSON, mended */
};

/* --- memory ----------------------------------------------------------------------------------- */

/*
 * jansson (2.14) does not check every allocation: when memory runs out inside a string it drops
 * characters of it, or writes past its end. So it never sees one fail. A failure ends the whole
 * attempt instead, with a jump, and frees what jansson had allocated in it.
 */
static _Thread_local struct {
    bool is_on;
    jmp_buf out;
    void **blocks; /* what has been allocated; NULL = freed again */
    size_t count, size;
    void *first[FIRST_BLOCKS]; /* enough for what answers a full bulk */
} attempt;

static bool reserve_block(void)
{
    if (attempt.count < attempt.size) {
        return true;
    }
    size_t size = 2 * attempt.size;
    bool is_first = attempt.blocks == attempt.first;
    void **blocks = realloc(is_first ? NULL : attempt.blocks, size * sizeof *blocks);
    if (blocks == NULL) {
        return false;
    }
    if (is_first) {
        memcpy(blocks, attempt.first, sizeof attempt.first);
    }
    attempt.blocks = blocks;
    attempt.size = size;
    return true;
}

static void *attempt_malloc(size_t size)
{
    if (!attempt.is_on) {
        return malloc(size);
    }
    void *block = reserve_block() ? malloc(size) : NULL;
    if (block == NULL) {
        longjmp(attempt.out, 1);
    }
    attempt.blocks[attempt.count++] = block;
    return block;
}

static void attempt_free(void *block)
{
    for (size_t i = attempt.is_on ? attempt.count : 0; i > 0; i--) { /* most are young */
        if (attempt.blocks[i - 1] == block) {
            attempt.blocks[i - 1] = NULL;
            attempt.count -= i == attempt.count ? 1 : 0;
            break;
        }
    }
    free(block);
}

/* Before main: blocks of either kind may be freed by any thread. */
__attribute__((constructor)) static void hook_jansson(void)
{
    json_set_alloc_funcs(attempt_malloc, attempt_free);
}

static void begin_attempt(void)
{
    attempt.is_on = true;
    attempt.blocks = attempt.first;
    attempt.count = 0;
    attempt.size = FIRST_BLOCKS;
}

static void end_attempt(void)
{
    attempt.is_on = false;
    if (attempt.blocks != attempt.first) {
        free(attempt.blocks);
    }
}

/* json_loadb. NULL with errno ENOMEM on allocation failure. */
static json_t *load_strictly(const char *body, size_t len)
{
    begin_attempt();
    if (setjmp(attempt.out) != 0) {
        for (size_t i = 0; i < attempt.count; i++) {
            free(attempt.blocks[i]);
        }
        end_attempt();
        errno = ENOMEM;
        return NULL;
    }
    json_t *root = json_loadb(body, len, 0, NULL);
    end_attempt();
    errno = 0;
    return root;
}

/* --- where the JSON is ------------------------------------------------------------------------ */

static const char *skip_space(const char *at, const char *end)
{
    while (at < end && (isspace((unsigned char)*at) || *at == '\0')) {
        at++;
    }
    return at;
}

/*
 * Does JSON begin here? Notices quote code: "{closure}", "$a[0]", "$a[]". So an object has a member,
 * an array an object, and an empty one is the end of the body.
 */
static bool is_beginning(const char *at, const char *end)
{
    if (*at != '{' && *at != '[') {
        return false;
    }
    const char *inner = skip_space(at + 1, end);
    if (inner == end) {
        return false;
    }
    bool is_empty = *inner == (*at == '{' ? '}' : ']');
    return *inner == (*at == '{' ? '"' : '{') || (is_empty && skip_space(inner + 1, end) == end);
}

static const char *find_beginning(const char *at, const char *end)
{
    while (at < end && !is_beginning(at, end)) {
        at++;
    }
    return at;
}

/* Skips byte order marks and white space. */
static const char *skip_nothing(const char *at, const char *end)
{
    for (const char *before = NULL; before != at;) {
        before = at;
        at = skip_space(at, end);
        at += end - at >= 3 && memcmp(at, "\xef\xbb\xbf", 3) == 0 ? 3 : 0;
    }
    return at;
}

/* A page may show JSON, but then it is about something else. */
static bool has_page(const char *at, const char *end)
{
    static const char *const marks[] = {"<html", "<!doctype", "<head",
                                        "<body", "<script",   "<style"};
    for (; at < end; at++) {
        for (size_t i = 0; *at == '<' && i < sizeof marks / sizeof marks[0]; i++) {
            size_t len = strlen(marks[i]);
            if ((size_t)(end - at) >= len && strncasecmp(at, marks[i], len) == 0) {
                return true;
            }
        }
    }
    return false;
}

/* May this follow the JSON? Not if the JSON was part of something larger. */
static bool is_harmless(const char *at, const char *end)
{
    at = skip_space(at, end);
    return at == end || (strchr(",:]}\"", *at) == NULL && find_beginning(at, end) == end);
}

/* --- strings ---------------------------------------------------------------------------------- */

/* The UTF-16 unit of the escape \uXXXX at `at`; -1 if there is none. */
static int read_unit(const char *at, const char *end)
{
    static const char digits[] = "0123456789abcdef";
    int unit = 0;
    if (end - at < ESCAPE_LEN || at[0] != '\\' || at[1] != 'u') {
        return -1;
    }
    for (int i = 2; i < ESCAPE_LEN; i++) {
        const char *digit = memchr(digits, tolower((unsigned char)at[i]), sizeof digits - 1);
        if (digit == NULL) {
            return -1;
        }
        unit = unit * 16 + (int)(digit - digits);
    }
    return unit;
}

static bool is_high(int unit)
{
    return unit >= 0xd800 && unit < 0xdc00;
}

static bool is_low(int unit)
{
    return unit >= 0xdc00 && unit < 0xe000;
}

static void copy(struct reader *r, size_t len)
{
    buffer_append(&r->out, r->at, len);
    r->at += len;
}

static void copy_unit(struct reader *r, int unit)
{
    if (is_high(unit) && is_low(read_unit(r->at + ESCAPE_LEN, r->end))) {
        copy(r, 2 * (size_t)ESCAPE_LEN);
    } else if (unit == 0 || is_high(unit) || is_low(unit)) {
        buffer_puts(&r->out, REPLACEMENT);
        r->at += ESCAPE_LEN;
    } else {
        copy(r, ESCAPE_LEN);
    }
}

static void copy_escape(struct reader *r)
{
    int unit = read_unit(r->at, r->end);
    if (unit >= 0) {
        copy_unit(r, unit);
    } else if (r->end - r->at >= 2 && memchr("\"\\/bfnrt", r->at[1], 8) != NULL) {
        copy(r, 2);
    } else {
        r->at++; /* what follows stands for itself */
    }
}

static void copy_character(struct reader *r)
{
    unsigned char c = (unsigned char)*r->at;
    if (c == '\\') {
        copy_escape(r);
    } else if (c == '\0') {
        buffer_puts(&r->out, REPLACEMENT);
        r->at++;
    } else if (c < ' ') {
        buffer_printf(&r->out, "\\u%04x", c);
        r->at++;
    } else if (c < 0x80) {
        copy(r, 1);
    } else {
        r->at += text_repair_char(r->at, (size_t)(r->end - r->at), &r->out);
    }
}

static void copy_string(struct reader *r)
{
    copy(r, 1);
    while (r->at < r->end && *r->at != '"') {
        copy_character(r);
    }
    if (r->at < r->end) {
        copy(r, 1);
    }
}

/* --- the rest --------------------------------------------------------------------------------- */

/* How long a word of letters, digits, signs and points is. */
static size_t word_len(const struct reader *r)
{
    const char *at = r->at;
    while (at < r->end && (isalnum((unsigned char)*at) || (*at != '\0' && strchr("+-.", *at)))) {
        at++;
    }
    return (size_t)(at - r->at);
}

static bool is_word(const struct reader *r, size_t len, const char *word)
{
    return len == strlen(word) && memcmp(r->at, word, len) == 0;
}

/* Would jansson refuse this number, or lose digits of it? */
static bool is_odd_number(const char *number, size_t len)
{
    bool is_padded = number[0] == '0' && len > 1 && isdigit((unsigned char)number[1]);
    return len > LONGEST_NUMBER || is_padded || memchr(number, 'e', len) ||
           memchr(number, 'E', len);
}

/* A number, true, false, null, or what other languages write in their place. */
static void copy_word(struct reader *r)
{
    size_t len = word_len(r);
    bool is_number = isdigit((unsigned char)r->at[0]) ||
                     (r->at[0] == '-' && len > 1 && isdigit((unsigned char)r->at[1]));
    if (is_word(r, len, "NaN") || is_word(r, len, "Infinity") || is_word(r, len, "-Infinity")) {
        buffer_puts(&r->out, "null");
        r->at += len;
    } else if (is_number && is_odd_number(r->at, len)) {
        buffer_putc(&r->out, '"');
        copy(r, len);
        buffer_putc(&r->out, '"');
    } else {
        copy(r, len);
    }
}

/* Copies one array or object, up to the bracket that closes it. */
static void copy_json(struct reader *r)
{
    size_t depth = 0;
    do {
        if (*r->at == '"') {
            copy_string(r);
        } else if (word_len(r) > 0) {
            copy_word(r);
        } else {
            depth += *r->at == '{' || *r->at == '[';
            depth -= *r->at == '}' || *r->at == ']';
            bool is_plain = *r->at > ' ' && *r->at < 0x7f;
            buffer_putc(&r->out, is_plain ? *r->at : ' ');
            r->at++;
        }
    } while (depth > 0 && r->at < r->end);
}

static json_t *load_as_meant(const char *body, const char *end)
{
    struct reader r = {.at = skip_nothing(body, end), .end = end, .out = BUFFER_EMPTY};
    json_t *root = NULL;
    if (r.at < end && *r.at != '{' && *r.at != '[') {
        r.at = find_beginning(r.at, end);
    }
    if (r.at == end || has_page(body, r.at)) {
        return NULL;
    }
    copy_json(&r);
    if (r.out.has_failed) {
        errno = ENOMEM;
    } else if (is_harmless(r.at, end)) {
        root = load_strictly(r.out.data, r.out.len);
    }
    buffer_free(&r.out);
    return root;
}

json_t *api_load(const char *body, size_t len)
{
    json_t *root = load_strictly(body, len);
    return root != NULL || errno == ENOMEM ? root : load_as_meant(body, body + len);
}
