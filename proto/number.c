/*
 * number: see number.h. Owns how people write telephone numbers, and what a sender may look like.
 * Pure; any thread.
 */
#include "proto/number.h"

#include "proto/plan.h"

#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <unistr.h>

/* The most digits that can still come to a number, with all that is dialled before it. */
enum { DIALLED_MAX = 24 };

enum fault {
    FAULT_NONE,
    FAULT_NO_DIGITS,
    FAULT_CHARACTER, /* one that has no place in a number */
    FAULT_EXTENSION,
    FAULT_FRACTION, /* "34600000000.0" */
    FAULT_ROUNDED,  /* "3.46E+10" */
    FAULT_TOO_SHORT,
    FAULT_TOO_LONG,
    FAULT_NO_COUNTRY,
    FAULT_NO_MATCH
};

/* The digits as they were written, before any prefix is understood. */
struct dialled {
    char digits[DIALLED_MAX];
    size_t len;
    size_t zero; /* index of the first "(0)"; 0 = none, for at 0 it could follow no calling code */
    size_t dots;
    size_t last_dot; /* digits before it */
    bool has_plus;
    bool has_separator; /* other than dots */
    enum fault fault;
    const char *bad; /* what FAULT_CHARACTER is about, */
    size_t bad_len;  /* and its bytes */
};

/* --- characters ------------------------------------------------------------------------------- */

enum mark { MARK_NONE, MARK_DIGIT, MARK_PLUS, MARK_DOT, MARK_SEPARATOR };

/* Beyond ASCII. A range of digits begins with its zero. Bytes that are not UTF-8 are looked up as
 * they are, for the dashes, the no-break space and the soft hyphen of Windows-1252. */
static const struct {
    uint32_t first, last;
    enum mark mark;
} MARKS[] = {
    {0x0096, 0x0097, MARK_SEPARATOR}, /* en dash and em dash, in Windows-1252 */
    {0x00A0, 0x00A0, MARK_SEPARATOR}, /* no-break space */
    {0x00AD, 0x00AD, MARK_SEPARATOR}, /* soft hyphen */
    {0x00B7, 0x00B7, MARK_SEPARATOR}, /* middle dot */
    {0x061C, 0x061C, MARK_SEPARATOR}, /* Arabic letter mark */
    {0x0660, 0x0669, MARK_DIGIT},     /* Arabic */
    {0x06F0, 0x06F9, MARK_DIGIT},     /* Persian, Urdu */
    {0x0966, 0x096F, MARK_DIGIT},     /* Devanagari */
    {0x09E6, 0x09EF, MARK_DIGIT},     /* Bengali */
    {0x180E, 0x180E, MARK_SEPARATOR}, /* Mongolian vowel separator */
    {0x2000, 0x2015, MARK_SEPARATOR}, /* spaces, zero width ones, direction marks, dashes */
    {0x202A, 0x202F, MARK_SEPARATOR}, /* direction marks, narrow no-break space */
    {0x205F, 0x2064, MARK_SEPARATOR}, /* mathematical space, word joiner, invisible operators */
    {0x2066, 0x2069, MARK_SEPARATOR}, /* direction marks */
    {0x2212, 0x2212, MARK_SEPARATOR}, /* minus */
    {0x3000, 0x3000, MARK_SEPARATOR}, /* ideographic space */
    {0xFE58, 0xFE58, MARK_SEPARATOR}, /* small em dash */
    {0xFE62, 0xFE62, MARK_PLUS},      /* small */
    {0xFE63, 0xFE63, MARK_SEPARATOR}, /* small hyphen */
    {0xFEFF, 0xFEFF, MARK_SEPARATOR}, /* byte order mark */
    {0xFF08, 0xFF09, MARK_SEPARATOR}, /* full-width brackets */
    {0xFF0B, 0xFF0B, MARK_PLUS},      /* full-width */
    {0xFF0D, 0xFF0D, MARK_SEPARATOR}, /* full-width hyphen */
    {0xFF0E, 0xFF0E, MARK_DOT},       /* full-width */
    {0xFF0F, 0xFF0F, MARK_SEPARATOR}, /* full-width slash */
    {0xFF10, 0xFF19, MARK_DIGIT},     /* full-width */
};

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool is_letter(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static enum mark mark_of_ascii(char c)
{
    return is_digit(c)                                  ? MARK_DIGIT
           : c == '+'                                   ? MARK_PLUS
           : c == '.'                                   ? MARK_DOT
           : c != '\0' && strchr(" -/()[]~", c) != NULL ? MARK_SEPARATOR
                                                        : MARK_NONE;
}

/* Tells what the character at `s` is, which digit if it is one, and how many bytes it has. */
static enum mark read_mark(const char *s, size_t len, char *digit, size_t *used)
{
    *used = 1;
    *digit = *s;
    if ((unsigned char)*s < 0x80) {
        return mark_of_ascii(*s);
    }
    ucs4_t c;
    int bytes = u8_mbtoucr(&c, (const uint8_t *)s, len);
    if (bytes < 0) {
        c = (unsigned char)*s;
    } else {
        *used = (size_t)bytes;
    }
    for (size_t i = 0; i < sizeof MARKS / sizeof MARKS[0]; i++) {
        if (c >= MARKS[i].first && c <= MARKS[i].last) {
            *digit = (char)('0' + (int)(c - MARKS[i].first));
            return MARKS[i].mark;
        }
    }
    return MARK_NONE;
}

/* --- what is written -------------------------------------------------------------------------- */

static bool begins_with(const char *s, size_t len, const char *word)
{
    return len >= strlen(word) && strncasecmp(s, word, strlen(word)) == 0;
}

/* Names the fault at `s`, behind digits. */
static enum fault name_fault(const char *s, size_t len)
{
    if (begins_with(s, len, "ext") || begins_with(s, len, ";ext")) {
        return FAULT_EXTENSION;
    }
    if (len > 1 && memchr("xX#", *s, 3) != NULL && is_digit(s[1])) {
        return FAULT_EXTENSION;
    }
    if (len > 1 && memchr("eE", *s, 2) != NULL && (is_digit(s[1]) || s[1] == '+' || s[1] == '-')) {
        return FAULT_ROUNDED;
    }
    return FAULT_CHARACTER;
}

static bool is_zero_in_brackets(const char *s, size_t len, size_t i)
{
    return s[i] == '0' && i > 0 && i + 1 < len && s[i - 1] == '(' && s[i + 1] == ')';
}

/* "00" is dialled before an international number nearly everywhere. */
static bool has_zeros(const struct dialled *d)
{
    return d->len >= 2 && d->digits[0] == '0' && d->digits[1] == '0';
}

static bool dialled_take(struct dialled *d, enum mark mark, char digit)
{
    switch (mark) {
    case MARK_NONE:
        return false;
    case MARK_DIGIT:
        if (d->len == DIALLED_MAX) {
            d->fault = FAULT_TOO_LONG;
            return false;
        }
        d->digits[d->len++] = digit;
        return true;
    case MARK_PLUS:
        if (d->has_plus || d->len > 0) {
            return false;
        }
        d->has_plus = true;
        return true;
    case MARK_DOT:
        d->dots++;
        d->last_dot = d->len;
        return true;
    case MARK_SEPARATOR:
        d->has_separator = true;
        return true;
    }
    return false;
}

/*
 * Has a spreadsheet taken the number for an amount? Behind its only dot there are too few digits for
 * a group of a telephone number, or nothing but zeros.
 */
static bool is_fraction(const struct dialled *d)
{
    enum { WHOLE = 7, GROUP = 3 };
    size_t behind = d->len - d->last_dot;
    if (d->dots != 1 || d->last_dot < WHOLE || behind == 0) {
        return false;
    }
    bool has_zeros_only = true;
    for (size_t i = d->last_dot; i < d->len; i++) {
        has_zeros_only = has_zeros_only && d->digits[i] == '0';
    }
    return behind < GROUP || (has_zeros_only && !d->has_separator);
}

/* Returns false if it cannot be a number; `fault` tells why. */
static bool dialled_read(struct dialled *d, const char *s, size_t len)
{
    *d = (struct dialled){0};
    bool has_scheme =
        len >= 4 && s[3] == ':' && (begins_with(s, len, "tel:") || begins_with(s, len, "sms:"));
    size_t used = has_scheme ? 4 : 0;
    for (size_t i = used; i < len; i += used) {
        char digit;
        enum mark mark = read_mark(s + i, len - i, &digit, &used);
        if (d->zero == 0 && is_zero_in_brackets(s, len, i)) {
            d->zero = d->len;
        }
        if (!dialled_take(d, mark, digit)) {
            d->bad = s + i;
            d->bad_len = used;
            d->fault = d->fault != FAULT_NONE ? d->fault
                       : d->len > 0           ? name_fault(s + i, len - i)
                                              : FAULT_CHARACTER;
            return false;
        }
    }
    d->fault = d->len == 0 ? FAULT_NO_DIGITS : is_fraction(d) ? FAULT_FRACTION : FAULT_NONE;
    return d->fault == FAULT_NONE;
}

/* --- what is meant ---------------------------------------------------------------------------- */

/* The numbers that the digits may mean, and the first reading of them that failed. */
struct meaning {
    char e164[2][NUMBER_SIZE]; /* two are enough to refuse */
    size_t count;
    enum fault fault;
    char code[4]; /* of the country that the fault is about; the digits that are no country's */
};

static void mean(struct meaning *m, const char *code, size_t code_len, const struct national *n)
{
    char e164[NUMBER_SIZE] = "+";
    memcpy(e164 + 1, code, code_len);
    strcpy(e164 + 1 + code_len, n->digits);
    if (m->count < 2 && (m->count == 0 || strcmp(m->e164[0], e164) != 0)) {
        strcpy(m->e164[m->count++], e164);
    }
}

static void miss(struct meaning *m, enum fault fault, const char *code, size_t code_len)
{
    if (m->fault == FAULT_NONE) {
        m->fault = fault;
        snprintf(m->code, sizeof m->code, "%.*s", (int)code_len, code);
    }
}

static enum fault fault_of(enum plan_fit fit)
{
    switch (fit) {
    case PLAN_FITS:
        return FAULT_NONE;
    case PLAN_TOO_SHORT:
        return FAULT_TOO_SHORT;
    case PLAN_TOO_LONG:
        return FAULT_TOO_LONG;
    case PLAN_NO_MATCH:
        return FAULT_NO_MATCH;
    }
    return FAULT_NO_MATCH;
}

/*
 * Reads the digits from `from` on as an international number. The zero of "+44 (0)20" is a trunk
 * prefix or, in Italy, part of the number; in a country that knows neither it is left out.
 */
static void read_international(struct meaning *m, const struct dialled *d, size_t from)
{
    const char *code = d->digits + from;
    size_t len = d->len - from;
    size_t code_len;
    struct national n;
    const struct plan *plan = plan_find(code, len, &code_len);
    if (plan == NULL) {
        miss(m, FAULT_NO_COUNTRY, code, len < 3 ? len : 3);
        return;
    }
    const char *rest = code + code_len;
    len -= code_len;
    enum plan_fit fit = plan_read(plan, PLAN_ABROAD, rest, len, &n);
    if (fit == PLAN_FITS) {
        mean(m, code, code_len, &n);
    }
    if (d->zero > 0 && d->zero == from + code_len &&
        plan_read(plan, PLAN_ABROAD, rest + 1, len - 1, &n) == PLAN_FITS) {
        mean(m, code, code_len, &n);
    } else if (fit != PLAN_FITS) {
        miss(m, fault_of(fit), code, code_len);
    }
}

/*
 * Reads the digits as they are dialled in the country of `code`: within it and, behind its exit
 * prefix, abroad. If they may be an international number without its "+", that is a meaning too.
 */
static void read_dialled(struct meaning *m, const struct dialled *d, const char *code)
{
    size_t code_len;
    struct national n;
    const struct plan *plan = plan_find(code, strlen(code), &code_len);
    if (plan == NULL || code[code_len] != '\0') {
        miss(m, FAULT_NO_COUNTRY, code, strlen(code));
        return;
    }
    size_t exit = plan_exit_prefix(plan, d->digits, d->len);
    if (exit > 0) {
        read_international(m, d, exit);
    }
    if (has_zeros(d)) {
        return;
    }
    enum plan_fit fit = plan_read(plan, PLAN_WITHIN, d->digits, d->len, &n);
    if (fit == PLAN_FITS) {
        mean(m, code, code_len, &n);
    } else {
        miss(m, fault_of(fit), code, code_len);
    }
    bool has_code = d->len > code_len && memcmp(d->digits, code, code_len) == 0;
    if (has_code || (fit == PLAN_FITS && n.is_loose)) {
        read_international(m, d, 0);
    }
}

static void understand(struct meaning *m, const struct dialled *d, const char *code)
{
    *m = (struct meaning){0};
    bool is_national = code != NULL && code[0] != '\0' && !d->has_plus;
    if (d->has_plus || (!is_national && !has_zeros(d))) {
        read_international(m, d, 0);
        return;
    }
    if (has_zeros(d)) {
        read_international(m, d, 2);
    }
    if (is_national) {
        read_dialled(m, d, code);
    }
}

bool number_parse(const char *s, size_t len, const char *country_code, char e164[NUMBER_SIZE])
{
    struct dialled d;
    struct meaning m;
    e164[0] = '\0';
    if (!dialled_read(&d, s, len)) {
        return false;
    }
    understand(&m, &d, country_code);
    if (m.count != 1) {
        return false;
    }
    strcpy(e164, m.e164[0]);
    return true;
}

bool number_country_is_known(const char *code)
{
    size_t code_len;
    const struct plan *plan = plan_find(code, strlen(code), &code_len);
    return plan != NULL && code[code_len] == '\0' && plan_is_national(plan);
}

/* --- why it is none --------------------------------------------------------------------------- */

static bool has_digit(const char *s, size_t len)
{
    bool has = false;
    for (size_t i = 0; i < len; i++) {
        has = has || is_digit(s[i]);
    }
    return has;
}

static void explain_character(const struct dialled *d, char fault[NUMBER_FAULT_SIZE])
{
    int len = snprintf(fault, NUMBER_FAULT_SIZE, "\"");
    for (size_t i = 0; i < d->bad_len; i++) {
        unsigned char c = (unsigned char)d->bad[i];
        bool is_plain = c >= ' ' && c < 0x7F && c != '"' && c != '\\';
        len += snprintf(fault + len, (size_t)(NUMBER_FAULT_SIZE - len), is_plain ? "%c" : "\\x%02X",
                        c);
    }
    snprintf(fault + len, (size_t)(NUMBER_FAULT_SIZE - len), "\" is not part of a number");
}

/* Tells only how the numbers begin: a fault may be logged, a number may not. */
static void explain_ambiguity(const struct dialled *d, const struct meaning *m,
                              char fault[NUMBER_FAULT_SIZE])
{
    size_t len[2] = {0};
    for (size_t i = 0; i < 2; i++) {
        plan_find(m->e164[i] + 1, strlen(m->e164[i] + 1), &len[i]);
    }
    if (d->has_plus) {
        strcpy(fault, "ambiguous: is the zero in brackets part of it?");
    } else {
        snprintf(fault, NUMBER_FAULT_SIZE, "ambiguous, %.*s... or %.*s...: begin it with a +",
                 (int)len[0] + 3, m->e164[0], (int)len[1] + 3, m->e164[1]);
    }
}

/* `is_bare`: nothing tells the country, so the digits were read as an international number. */
static void explain_meaning(const struct dialled *d, const struct meaning *m, bool is_bare,
                            char fault[NUMBER_FAULT_SIZE])
{
    static const char *const words[] = {
        [FAULT_TOO_SHORT] = "too short for +%s",
        [FAULT_TOO_LONG] = "too long for +%s",
        [FAULT_NO_COUNTRY] = "no country has the calling code +%s",
        [FAULT_NO_MATCH] = "not in the numbering plan of +%s",
    };
    if (m->count == 2) {
        explain_ambiguity(d, m, fault);
    } else if (m->fault < sizeof words / sizeof words[0] && words[m->fault] != NULL) {
        snprintf(fault, NUMBER_FAULT_SIZE, words[m->fault], m->code);
        if (is_bare) {
            strcat(fault, "; national numbers need sms.default_country");
        }
    }
}

void number_explain(const char *s, size_t len, const char *country_code,
                    char fault[NUMBER_FAULT_SIZE])
{
    static const char *const words[] = {
        [FAULT_NO_DIGITS] = "no digits",         [FAULT_EXTENSION] = "an extension gets no SMS",
        [FAULT_FRACTION] = "a decimal fraction", [FAULT_ROUNDED] = "rounded by a spreadsheet",
        [FAULT_TOO_LONG] = "too long",
    };
    struct dialled d;
    struct meaning m;
    fault[0] = '\0';
    if (!dialled_read(&d, s, len)) {
        if (d.fault != FAULT_CHARACTER) {
            strcpy(fault, len > 0 ? words[d.fault] : "");
        } else if (has_digit(s, len)) {
            explain_character(&d, fault);
        }
        return;
    }
    understand(&m, &d, country_code);
    bool names_country = d.has_plus || (country_code != NULL && country_code[0] != '\0');
    if (d.len < (names_country ? 3 : NUMBER_MIN_DIGITS) && m.count == 0) {
        strcpy(fault, "too short");
    } else {
        explain_meaning(&d, &m, !names_country && !has_zeros(&d), fault);
    }
}

/* --- senders ---------------------------------------------------------------------------------- */

static bool is_numeric_sender(const char *s, size_t len)
{
    if (len > 0 && s[0] == '+') {
        s++;
        len--;
    }
    if (len < SENDER_MIN_DIGITS || len > NUMBER_MAX_DIGITS) {
        return false;
    }
    for (size_t i = 0; i < len; i++) {
        if (!is_digit(s[i])) {
            return false;
        }
    }
    return true;
}

static bool is_alphanumeric_sender(const char *s, size_t len)
{
    bool has_letter = false;
    for (size_t i = 0; i < len; i++) {
        if (is_letter(s[i])) {
            has_letter = true;
        } else if (!is_digit(s[i]) && (s[i] == '\0' || strchr(" .-_&", s[i]) == NULL)) {
            return false;
        }
    }
    return has_letter && len <= SENDER_MAX_LETTERS;
}

bool sender_is_valid(const char *s, size_t len)
{
    return is_numeric_sender(s, len) || is_alphanumeric_sender(s, len);
}
