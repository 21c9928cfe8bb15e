/* keyword: see keyword.h. */
#include "proto/keyword.h"

#include <stdint.h>
#include <string.h>
#include <unicase.h>
#include <unictype.h>
#include <uninorm.h>
#include <unistr.h>

enum {
    LETTERS_MAX = 64,
    DECOMPOSED_MAX = 32, /* Unicode's longest has 18 */
    REPLACEMENT = 0xFFFD
};

/* A text in lower case without accents, each run of other characters as one space. */
struct plain {
    ucs4_t letters[LETTERS_MAX];
    size_t len;
    bool is_too_long;
    bool has_gap; /* at the end */
};

static void add(struct plain *plain, ucs4_t c)
{
    if (plain->len == LETTERS_MAX) {
        plain->is_too_long = true;
    } else {
        plain->letters[plain->len++] = c;
    }
}

/* Adds one character of a full decomposition. */
static void add_part(struct plain *plain, ucs4_t c)
{
    /* Accents; and characters that nobody sees, such as those that join emoji. */
    bool is_invisible =
        uc_is_general_category_withtable(c, UC_CATEGORY_MASK_M | UC_CATEGORY_MASK_Cf);
    bool is_letter = c == REPLACEMENT ||
                     uc_is_general_category_withtable(c, UC_CATEGORY_MASK_L | UC_CATEGORY_MASK_N);
    if (is_letter && plain->has_gap && plain->len > 0) {
        add(plain, ' ');
    }
    if (is_letter) {
        add(plain, uc_tolower(c));
    }
    plain->has_gap = is_letter ? false : plain->has_gap || !is_invisible;
}

static struct plain make_plain(const char *text)
{
    struct plain plain = {.len = 0};
    size_t len = strlen(text);
    while (len > 0 && !plain.is_too_long) {
        ucs4_t c, parts[DECOMPOSED_MAX];
        size_t count = DECOMPOSED_MAX;
        size_t taken = (size_t)u8_mbtouc(&c, (const uint8_t *)text, len);
        if (u32_normalize(UNINORM_NFKD, &c, 1, parts, &count) == parts) {
            for (size_t i = 0; i < count; i++) {
                add_part(&plain, parts[i]);
            }
        }
        text += taken;
        len -= taken;
    }
    return plain;
}

/* Drops what was damaged at both ends: it need not have been a letter. */
static void trim_damage(const ucs4_t **letters, size_t *len)
{
    while (*len > 0 && ((*letters)[0] == REPLACEMENT || (*letters)[0] == ' ')) {
        (*letters)++;
        (*len)--;
    }
    while (*len > 0 && ((*letters)[*len - 1] == REPLACEMENT || (*letters)[*len - 1] == ' ')) {
        (*len)--;
    }
}

static bool is_alike(const ucs4_t *letters, size_t len, const struct plain *word)
{
    size_t damaged = 0;
    for (size_t i = 0; i < len && len == word->len; i++) {
        bool is_damaged = letters[i] == REPLACEMENT;
        damaged += is_damaged;
        if (letters[i] != word->letters[i] && (!is_damaged || damaged > 1)) {
            return false;
        }
    }
    return len == word->len && damaged < len;
}

bool keyword_is_one_of(const char *text, const char *const *words, size_t count)
{
    struct plain plain = make_plain(text);
    const ucs4_t *whole = plain.letters;
    size_t whole_len = plain.len;
    trim_damage(&whole, &whole_len);
    for (size_t i = 0; i < count && !plain.is_too_long; i++) {
        struct plain word = make_plain(words[i]);
        bool is_sign = word.len == 0; /* an emoji, perhaps */
        if (is_sign
                ? strcmp(text, words[i]) == 0
                : is_alike(plain.letters, plain.len, &word) || is_alike(whole, whole_len, &word)) {
            return true;
        }
    }
    return false;
}
