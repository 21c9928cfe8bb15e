/* words: see words.h. */
#include "proto/mail/words.h"

#include "proto/base64.h"
#include "proto/mail/charset.h"
#include "proto/mail/span.h"
#include "proto/mail/text.h"
#include "proto/mail/transfer.h"

#include <string.h>
#include <strings.h>

/* An encoded word, =?charset*language?encoding?text?=, in its parts. */
struct word {
    const char *charset;
    size_t charset_len;
    bool is_base64;
    const char *text;
    size_t text_len;
    const char *end; /* behind it */
};

enum { LABEL_MAX = 47 };

struct decoder {
    const char *guess, *fallback;
    struct buffer *out;
    struct mail_repairs *repairs;
    bool is_good;
    /* A run of adjacent words in one charset, decoded and not converted yet: */
    bool is_in_run;
    char charset[LABEL_MAX + 1];
    struct buffer bytes;
    struct base64 carry; /* bits of a byte that the next word completes */
};

static bool is_blank(const char *s, size_t len)
{
    while (len > 0 && (s[len - 1] == ' ' || s[len - 1] == '\t')) {
        len--;
    }
    return len == 0;
}

static bool has_blank(struct span span)
{
    return span_has(span, ' ') || span_has(span, '\t');
}

/* Finds where the text of a word ends: at "?=", or at the end of a value that was cut off. */
static bool find_text_end(struct word *word, const char *end)
{
    size_t rest = (size_t)(end - word->text);
    const char *stop = memmem(word->text, rest, "?=", 2);
    word->text_len = stop != NULL ? (size_t)(stop - word->text) : rest;
    word->end = stop != NULL ? stop + 2 : end;
    return memmem(word->text, word->text_len, "=?", 2) == NULL &&
           (stop != NULL || !has_blank((struct span){word->text, word->text_len}));
}

/* Reads the encoded word that may begin at `s`, with "=?". Returns false if there is none. */
static bool read_word(const char *s, const char *end, struct word *word)
{
    word->charset = s + 2;
    const char *stop = memchr(word->charset, '?', (size_t)(end - word->charset));
    if (stop == NULL || end - stop < 3 || stop[2] != '?' ||
        has_blank((struct span){word->charset, (size_t)(stop - word->charset)})) {
        return false;
    }
    const char *language = memchr(word->charset, '*', (size_t)(stop - word->charset));
    word->charset_len = (size_t)((language != NULL ? language : stop) - word->charset);
    word->is_base64 = (stop[1] | 0x20) == 'b';
    word->text = stop + 3;
    return (word->is_base64 || (stop[1] | 0x20) == 'q') && word->charset_len <= LABEL_MAX &&
           find_text_end(word, end);
}

static void convert(struct decoder *d, const char *s, size_t len, const char *charset)
{
    d->is_good = d->is_good &&
                 (len == 0 || mail_text_to_utf8(s, len, charset, d->fallback, d->out, d->repairs));
}

static void end_run(struct decoder *d)
{
    d->is_in_run = false;
    convert(d, d->bytes.data, d->bytes.len, d->charset);
    buffer_clear(&d->bytes);
    d->carry = (struct base64){0, 0};
}

/* Adds what is not encoded; blanks between two encoded words are not text (6.2). */
static void add_literal(struct decoder *d, const char *s, size_t len, bool is_before_word)
{
    if (d->is_in_run && is_before_word && is_blank(s, len)) {
        return;
    }
    end_run(d);
    convert(d, s, len, d->guess);
}

static void add_word(struct decoder *d, const struct word *word)
{
    bool is_same = strncasecmp(d->charset, word->charset, word->charset_len) == 0 &&
                   d->charset[word->charset_len] == '\0';
    if (!is_same) {
        end_run(d);
        memcpy(d->charset, word->charset, word->charset_len);
        d->charset[word->charset_len] = '\0';
    }
    d->is_in_run = true;
    if (!word->is_base64) {
        q_decode(word->text, word->text_len, &d->bytes);
        d->carry = (struct base64){0, 0};
        return;
    }
    /* Bits left over belong to a byte that this word completes, unless they are padding. */
    if (d->carry.bits == 0 && d->carry.count < 6) {
        d->carry.count = 0;
    }
    base64_decode(&d->carry, word->text, word->text_len, &d->bytes);
}

bool words_decode(const char *value, size_t len, const char *guess, const char *fallback,
                  struct buffer *out, struct mail_repairs *repairs)
{
    struct decoder d = {guess, fallback, out, repairs, .is_good = true};
    const char *end = value + len, *from = value, *at = value;
    while ((at = memmem(at, (size_t)(end - at), "=?", 2)) != NULL) {
        struct word word;
        if (!read_word(at, end, &word)) {
            at += 2;
            continue;
        }
        add_literal(&d, from, (size_t)(at - from), true);
        add_word(&d, &word);
        from = at = word.end;
    }
    add_literal(&d, from, (size_t)(end - from), false);
    out->has_failed = out->has_failed || d.bytes.has_failed;
    buffer_free(&d.bytes);
    return d.is_good;
}
