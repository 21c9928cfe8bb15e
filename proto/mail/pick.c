/* pick: see pick.h. */
#include "proto/mail/pick.h"

#include "proto/mail/html.h"
#include "proto/mail/input.h"
#include "proto/mail/text.h"
#include "proto/mail/words.h"
#include "proto/text.h"

#include <string.h>

/* What counts as text. Each pass runs only if those before it found none. */
enum pass { PASS_TEXTS, PASS_FORWARDED, PASS_ANYTHING, PASSES };

struct picker {
    struct tree *tree;
    const struct mail_rules *rules;
    struct mail_repairs *repairs;
    struct buffer files; /* names of uuencoded files, each ended by LF */
    enum pass pass;
    unsigned steps; /* left for reading HTML */
    bool is_bad_charset, has_failed;
};

static bool is_leaf(const struct node *node)
{
    return !value_holds_parts(node->media) && node->media != MEDIA_MESSAGE;
}

static struct span text_of(const struct node *node)
{
    return (struct span){node->part.text.data, node->part.text.len};
}

static bool is_text(const struct node *node)
{
    return (node->media == MEDIA_PLAIN || node->media == MEDIA_HTML) && !node->is_attachment;
}

/* --- reading one text ------------------------------------------------------------------------- */

/* Reads a parameter of a part's type as a string. Returns false if there is none. */
static bool read_parameter(const struct node *node, const char *name, struct buffer *value)
{
    struct span type = {node->type.data, node->type.len};
    bool has = value_parameter(type, name, value, NULL) && value->len > 0;
    buffer_putc(value, '\0');
    return has && !value->has_failed;
}

static bool parameter_is(const struct node *node, const char *name, const char *word)
{
    struct buffer value = BUFFER_EMPTY;
    bool is = read_parameter(node, name, &value) && strcasecmp(value.data, word) == 0;
    buffer_free(&value);
    return is;
}

/* Is it markup, whatever its type says? */
static bool looks_like_html(const struct buffer *text)
{
    struct span start = span_trim((struct span){text->data, text->len});
    return span_starts_with(start, "<!doctype html") || span_starts_with(start, "<html") ||
           span_starts_with(start, "<?xml");
}

/* Converts a part to UTF-8 with LFs. Returns false if it is in no charset that may be tried. */
static bool read_bytes(struct picker *p, const struct node *node, struct buffer *utf8)
{
    struct buffer label = BUFFER_EMPTY;
    struct span text = text_of(node);
    char declared[HTML_CHARSET_MAX + 1];
    bool has_label = read_parameter(node, "charset", &label);
    bool has_meta =
        !has_label && node->media == MEDIA_HTML && html_charset(text.s, text.len, declared);
    bool is_good = mail_text_to_utf8(text.s, text.len,
                                     has_label  ? label.data
                                     : has_meta ? declared
                                                : NULL,
                                     p->rules->charset, utf8, p->repairs);
    buffer_free(&label);
    text_end_lines(utf8);
    return is_good;
}

static void read_html(struct picker *p, const struct buffer *html, struct buffer *text)
{
    p->repairs->unreadable += html_to_text(html->data, html->len, &p->steps, text) ? 0 : 1;
    mail_text_trim(text);
}

static void read_plain(struct picker *p, const struct node *node, struct buffer *text)
{
    mail_text_drop_files(text, false, &p->files);
    if (parameter_is(node, "format", "flowed")) {
        mail_text_unflow(text, parameter_is(node, "delsp", "yes"));
    }
    if (!p->rules->keeps_signature) {
        mail_text_drop_signature(text);
    }
    mail_text_trim(text);
}

/* Appends the text of one part. */
static void read_leaf(struct picker *p, const struct node *node, struct buffer *text)
{
    struct buffer utf8 = BUFFER_EMPTY;
    if (node->part.text.len == 0) {
        return;
    }
    p->repairs->unreadable += node->part.is_mislabelled ? 1 : 0;
    p->repairs->is_cut = p->repairs->is_cut || node->part.is_cut;
    if (!read_bytes(p, node, &utf8)) {
        p->is_bad_charset = true;
    } else if (node->media == MEDIA_HTML || looks_like_html(&utf8)) {
        read_html(p, &utf8, text);
    } else {
        read_plain(p, node, &utf8);
        buffer_append(text, utf8.data, utf8.len);
    }
    p->has_failed = p->has_failed || utf8.has_failed || text->has_failed;
    buffer_free(&utf8);
}

static bool read_name(const struct node *node, struct buffer *name, struct buffer *charset);

static bool is_named(const struct node *node)
{
    struct buffer name = BUFFER_EMPTY;
    bool is = read_name(node, &name, NULL);
    buffer_free(&name);
    return is;
}

/* --- comparing texts -------------------------------------------------------------------------- */

static bool is_word_character(char c)
{
    char lower = (char)(c | 0x20);
    return (lower >= 'a' && lower <= 'z') || (c >= '0' && c <= '9') || (unsigned char)c >= 0x80;
}

/* Appends a text without its ASCII blanks and punctuation. */
static void append_essence(const struct buffer *text, struct buffer *essence)
{
    char *to = buffer_reserve(essence, text->len + 1);
    for (size_t i = 0; to != NULL && i < text->len; i++) {
        if (is_word_character(text->data[i])) {
            to[essence->len++] = text->data[i];
        }
    }
}

/* Does `text` contain `other`, blanks and punctuation aside? */
static bool says_all_of(const struct buffer *text, const struct buffer *other)
{
    struct buffer a = BUFFER_EMPTY, b = BUFFER_EMPTY;
    append_essence(text, &a);
    append_essence(other, &b);
    bool says = b.len == 0 || (a.len >= b.len && memmem(a.data, a.len, b.data, b.len) != NULL);
    buffer_free(&a);
    buffer_free(&b);
    return says;
}

/* Might a text only say that the reader needs HTML? It is short then, and mentions HTML. */
static bool speaks_of_html(const struct buffer *text)
{
    enum { LONGEST = 400 };
    for (size_t i = 0; text->len <= LONGEST && i + 4 <= text->len; i++) {
        const char *s = text->data + i;
        char before = i > 0 ? s[-1] : ' ', after = i + 4 < text->len ? s[4] : ' ';
        bool is_name = is_word_character(before) || strchr("./_-", before) != NULL;
        if (strncasecmp(s, "html", 4) == 0 && !is_name && !is_word_character(after)) {
            return true;
        }
    }
    return false;
}

/* --- choosing --------------------------------------------------------------------------------- */

/* Does a part contain a text of this kind? The depth is bounded by TREE_LEVELS_MAX. */
static bool has_media(const struct picker *p, int index,
                      enum media media) /* NOLINT(misc-no-recursion) */
{
    const struct node *node = &p->tree->nodes[index];
    if (node->media == media && is_text(node) && node->part.text.len > 0) {
        return true;
    }
    for (int i = node->first; i != TREE_NONE; i = p->tree->nodes[i].next) {
        if (has_media(p, i, media)) {
            return true;
        }
    }
    return false;
}

static void read_node(struct picker *p, int index, struct buffer *text);

/* Appends the first text among the children of a node that contain this kind. */
static void read_first(struct picker *p, int index, enum media media,
                       struct buffer *text) /* NOLINT(misc-no-recursion) */
{
    const struct node *nodes = p->tree->nodes;
    for (int i = nodes[index].first; i != TREE_NONE && text->len == 0; i = nodes[i].next) {
        if (has_media(p, i, media)) {
            read_node(p, i, text);
        }
    }
}

/* Appends the plain alternative, unless it only says that the reader needs HTML. */
static void read_alternative(struct picker *p, int index,
                             struct buffer *text) /* NOLINT(misc-no-recursion) */
{
    struct buffer plain = BUFFER_EMPTY, html = BUFFER_EMPTY;
    read_first(p, index, MEDIA_PLAIN, &plain);
    if (plain.len == 0 || speaks_of_html(&plain)) {
        read_first(p, index, MEDIA_HTML, &html);
    }
    bool is_html = html.len > 0 && (plain.len == 0 || !says_all_of(&html, &plain));
    const struct buffer *chosen = is_html ? &html : &plain;
    buffer_append(text, chosen->data, chosen->len);
    buffer_free(&plain);
    buffer_free(&html);
}

/* Are they two versions of one text? Long texts are not compared. */
static bool are_versions(const struct buffer *text, const struct buffer *more)
{
    enum { LONGEST = 4096 };
    return text->len < LONGEST && more->len < LONGEST &&
           (says_all_of(text, more) || says_all_of(more, text));
}

/* Appends all texts within a node, except files and other versions of what is there. */
static void read_all(struct picker *p, int index,
                     struct buffer *text) /* NOLINT(misc-no-recursion) */
{
    bool has_html = false, has_plain = false;
    for (int i = p->tree->nodes[index].first; i != TREE_NONE; i = p->tree->nodes[i].next) {
        struct buffer more = BUFFER_EMPTY;
        bool is_html = has_media(p, i, MEDIA_HTML), is_plain = has_media(p, i, MEDIA_PLAIN);
        if (text->len == 0 || !is_named(&p->tree->nodes[i])) {
            read_node(p, i, &more);
        }
        bool is_other_form = (is_html && has_plain) || (is_plain && has_html);
        if (more.len > 0 && !(is_other_form && are_versions(text, &more))) {
            buffer_puts(text, text->len > 0 ? "\n" : "");
            buffer_append(text, more.data, more.len);
            has_html = has_html || is_html;
            has_plain = has_plain || is_plain;
        }
        buffer_free(&more);
    }
}

/* Appends the text of a part, and of those within it. */
static void read_node(struct picker *p, int index,
                      struct buffer *text) /* NOLINT(misc-no-recursion) */
{
    struct node *node = &p->tree->nodes[index];
    bool is_wanted = is_text(node) || p->pass == PASS_ANYTHING;
    if (is_leaf(node) && is_wanted) {
        size_t before = text->len;
        read_leaf(p, node, text);
        node->is_read = text->len > before;
    } else if (node->media == MEDIA_ALTERNATIVE && p->pass != PASS_ANYTHING) {
        read_alternative(p, index, text);
    } else if (node->media == MEDIA_RELATED) {
        for (int i = node->first; i != TREE_NONE && text->len == 0; i = p->tree->nodes[i].next) {
            read_node(p, i, text);
        }
    } else if (node->media != MEDIA_MESSAGE || p->pass != PASS_TEXTS) {
        read_all(p, index, text);
    }
}

/* Is there exactly one body that may be text? */
static bool has_one_body(const struct tree *tree)
{
    unsigned count = 0;
    for (int i = 0; i < tree->count; i++) {
        count += is_leaf(&tree->nodes[i]) && span_trim(text_of(&tree->nodes[i])).len > 0 ? 1 : 0;
    }
    return count == 1;
}

/* --- names of files --------------------------------------------------------------------------- */

/* Appends the name of a part, as it is written. Returns false if there is none. */
static bool read_name(const struct node *node, struct buffer *name, struct buffer *charset)
{
    struct span type = {node->type.data, node->type.len};
    struct span disposition = {node->disposition.data, node->disposition.len};
    return value_parameter(disposition, "filename", name, charset) ||
           value_parameter(type, "name", name, charset);
}

/* Adds a name to the list. */
static void add_name(struct picker *p, struct span name, const char *charset, struct buffer *list)
{
    enum { LIST_MAX = 256 };
    struct buffer readable = BUFFER_EMPTY;
    struct mail_repairs not_counted = {0};
    bool is_good =
        words_decode(name.s, name.len, charset, p->rules->charset, &readable, &not_counted);
    if (is_good && readable.len > 0 && list->len + readable.len < LIST_MAX) {
        buffer_puts(list, list->len > 0 ? ", " : "");
        buffer_append(list, readable.data, readable.len);
    }
    buffer_free(&readable);
}

/* Adds the name of a part to the list, or its type. */
static void add_part(struct picker *p, const struct node *node, struct buffer *list)
{
    struct buffer name = BUFFER_EMPTY, charset = BUFFER_EMPTY;
    bool has_name = read_name(node, &name, &charset);
    if (!has_name && node->type.len > 0) {
        struct span word = value_word((struct span){node->type.data, node->type.len});
        buffer_append(&name, word.s, word.len);
    }
    buffer_putc(&charset, '\0');
    if ((has_name || !is_text(node)) && name.len > 0 && !charset.has_failed) {
        add_name(p, (struct span){name.data, name.len}, charset.data, list);
    }
    buffer_free(&name);
    buffer_free(&charset);
}

static void list_files(struct picker *p, struct buffer *list)
{
    struct span files = {p->files.data, p->files.len}, name;
    while (span_next_line(&files, &name)) {
        add_name(p, name, NULL, list);
    }
    for (int i = 0; i < p->tree->count; i++) {
        if (is_leaf(&p->tree->nodes[i]) && !p->tree->nodes[i].is_read) {
            add_part(p, &p->tree->nodes[i], list);
        }
    }
}

/* --- public ----------------------------------------------------------------------------------- */

enum mail_result pick_text(struct tree *tree, const struct mail_rules *rules, struct buffer *text,
                           struct buffer *ignored, struct mail_repairs *repairs)
{
    struct picker p = {.tree = tree, .rules = rules, .repairs = repairs, .steps = HTML_MAX_STEPS};
    for (p.pass = PASS_TEXTS; p.pass < PASSES && text->len == 0; p.pass++) {
        if (p.pass != PASS_ANYTHING || has_one_body(tree)) {
            read_node(&p, 0, text);
        }
    }
    list_files(&p, ignored);
    bool has_failed = p.has_failed || text->has_failed || p.files.has_failed;
    buffer_free(&p.files);
    return has_failed                           ? MAIL_NO_MEMORY
           : p.is_bad_charset && text->len == 0 ? MAIL_BAD_CHARSET
                                                : MAIL_OK;
}

void pick_label(const struct tree *tree, struct buffer *label)
{
    for (int i = 0; i < tree->count; i++) {
        const struct node *node = &tree->nodes[i];
        if (is_text(node) && node->part.text.len > 0) {
            read_parameter(node, "charset", label);
            return;
        }
    }
    buffer_putc(label, '\0');
}
