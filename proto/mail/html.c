/* html: see html.h. */
#include "proto/mail/html.h"

#include "proto/mail/flow.h"
#include "proto/mail/input.h"
#include "proto/mail/span.h"

#include <libxml/HTMLparser.h>
#include <libxml/parserInternals.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum tag {
    TAG_INLINE,
    TAG_BLOCK,
    TAG_BREAK,
    TAG_CELL,
    TAG_DROPPED, /* with everything in it */
    TAG_IMAGE,
    TAG_ITEM,
    TAG_LINK,
    TAG_NUMBERED,
    TAG_PREFORMATTED
};

struct element_name {
    const char *name;
    enum tag tag;
};

/* Sorted. All other elements are inline. */
static const struct element_name element_names[] = {
    {"a", TAG_LINK},         {"address", TAG_BLOCK},    {"article", TAG_BLOCK},
    {"aside", TAG_BLOCK},    {"blockquote", TAG_BLOCK}, {"body", TAG_BLOCK},
    {"br", TAG_BREAK},       {"caption", TAG_BLOCK},    {"center", TAG_BLOCK},
    {"dd", TAG_BLOCK},       {"details", TAG_BLOCK},    {"dir", TAG_BLOCK},
    {"div", TAG_BLOCK},      {"dl", TAG_BLOCK},         {"dt", TAG_BLOCK},
    {"fieldset", TAG_BLOCK}, {"figcaption", TAG_BLOCK}, {"figure", TAG_BLOCK},
    {"footer", TAG_BLOCK},   {"form", TAG_BLOCK},       {"h1", TAG_BLOCK},
    {"h2", TAG_BLOCK},       {"h3", TAG_BLOCK},         {"h4", TAG_BLOCK},
    {"h5", TAG_BLOCK},       {"h6", TAG_BLOCK},         {"head", TAG_DROPPED},
    {"header", TAG_BLOCK},   {"hr", TAG_BLOCK},         {"img", TAG_IMAGE},
    {"legend", TAG_BLOCK},   {"li", TAG_ITEM},          {"main", TAG_BLOCK},
    {"menu", TAG_BLOCK},     {"nav", TAG_BLOCK},        {"ol", TAG_NUMBERED},
    {"option", TAG_BLOCK},   {"p", TAG_BLOCK},          {"pre", TAG_PREFORMATTED},
    {"script", TAG_DROPPED}, {"section", TAG_BLOCK},    {"style", TAG_DROPPED},
    {"summary", TAG_BLOCK},  {"svg", TAG_DROPPED},      {"table", TAG_BLOCK},
    {"tbody", TAG_BLOCK},    {"td", TAG_CELL},          {"template", TAG_DROPPED},
    {"tfoot", TAG_BLOCK},    {"th", TAG_CELL},          {"thead", TAG_BLOCK},
    {"title", TAG_DROPPED},  {"tr", TAG_BLOCK},         {"ul", TAG_BLOCK},
};

enum { NO_LINK = -1, NO_TEXT = -1 };

/* What a link contains. */
enum content { CONTENT_WORDS = 1, CONTENT_PICTURE = 2 };

struct element {
    enum tag tag;
    long item;         /* numbered list: the number of its next item */
    ptrdiff_t text_at; /* link: where its text begins in the output, NO_TEXT so far */
    size_t url_at;     /* link: where its URL begins in `urls` */
    int outer_link;    /* link: the open link around it, or NO_LINK */
    bool is_link;      /* has a URL that a reader can use */
    unsigned content;  /* link: a set of enum content */
    bool has_cells;
    size_t cells_at;   /* row: the length of the output before its first cell */
    size_t cell_lines; /* row: the lines written before its last cell */
};

struct reader {
    htmlParserCtxtPtr parser;
    struct html_flow flow;
    struct element open[HTML_MAX_DEPTH + 1]; /* the first is the page itself */
    int depth;                               /* of the innermost open element */
    int dropped_at;                          /* depth of the outermost dropped element; 0 = none */
    int preformatted;                        /* open elements */
    int link;                                /* depth of the innermost open link, or NO_LINK */
    struct buffer urls;                      /* of the open links, concatenated */
    unsigned *steps;                         /* left to spend */
    bool is_too_deep;
    bool is_after_pre; /* its first line end is not text (HTML Standard, 13.1.2.5) */
};

/* --- attributes ----------------------------------------------------------------------------- */

/* The value of an attribute; "" if it has none, NULL if the element lacks the attribute. */
static const char *find_attribute(const xmlChar **attributes, const char *name)
{
    for (; attributes != NULL && attributes[0] != NULL; attributes += 2) {
        if (strcmp((const char *)attributes[0], name) == 0) {
            return attributes[1] != NULL ? (const char *)attributes[1] : "";
        }
    }
    return NULL;
}

static const char *skip_blanks(const char *s)
{
    return s + strspn(s, " \t\r\n\f");
}

static bool is_hiding_style(const char *style)
{
    for (; *style != '\0'; style++) {
        if (strncasecmp(style, "display", 7) == 0) {
            const char *value = skip_blanks(style + 7);
            if (*value == ':' && strncasecmp(skip_blanks(value + 1), "none", 4) == 0) {
                return true;
            }
        }
    }
    return false;
}

static bool is_hidden(const xmlChar **attributes)
{
    const char *style = find_attribute(attributes, "style");
    return find_attribute(attributes, "hidden") != NULL ||
           (style != NULL && is_hiding_style(style));
}

/* --- links ---------------------------------------------------------------------------------- */

static size_t scheme_length(struct span url)
{
    if (url.len >= 8 && strncasecmp(url.s, "https://", 8) == 0) {
        return 8;
    }
    return url.len >= 7 && strncasecmp(url.s, "http://", 7) == 0 ? 7 : 0;
}

/* An address without what people leave out of it. */
static struct span bare_address(struct span url)
{
    size_t scheme = scheme_length(url);
    url = (struct span){url.s + scheme, url.len - scheme};
    size_t www = span_starts_with(url, "www.") ? strlen("www.") : 0;
    url = (struct span){url.s + www, url.len - www};
    url.len -= url.len > 0 && url.s[url.len - 1] == '/';
    return url;
}

/* Cuts off the first byte of an address, decoded if it is written %XX. */
static char take_byte(struct span *url)
{
    char c = *url->s;
    int high = c == '%' && url->len > 2 ? span_hex_digit(url->s[1]) : -1;
    int low = high >= 0 ? span_hex_digit(url->s[2]) : -1;
    size_t used = low >= 0 ? 3 : 1;
    *url = (struct span){url->s + used, url->len - used};
    c = low >= 0 ? (char)(high << 4 | low) : c;
    return c >= 'A' && c <= 'Z' ? (char)(c | 0x20) : c;
}

static bool is_same_address(struct span a, struct span b)
{
    a = bare_address(a);
    b = bare_address(b);
    while (a.len > 0 && b.len > 0 && take_byte(&a) == take_byte(&b)) {
    }
    return a.len == 0 && b.len == 0;
}

/* Keeps a URL without line ends and tabs, and with its blanks escaped (URL Standard, 4.4). */
static void keep_url(struct buffer *urls, const char *href)
{
    href = skip_blanks(href);
    size_t len = strlen(href);
    while (len > 0 && (unsigned char)href[len - 1] <= ' ') {
        len--;
    }
    for (size_t i = 0; i < len; i++) {
        if (href[i] == ' ') {
            buffer_puts(urls, "%20");
        } else if ((unsigned char)href[i] > ' ' && href[i] != 0x7F) {
            buffer_putc(urls, href[i]);
        }
    }
}

static void open_link(struct reader *r, struct element *e, const xmlChar **attributes)
{
    const char *href = find_attribute(attributes, "href");
    if (href == NULL) {
        return;
    }
    e->url_at = r->urls.len;
    keep_url(&r->urls, href);
    if (r->urls.len == e->url_at) {
        return;
    }
    struct span url = {r->urls.data + e->url_at, r->urls.len - e->url_at};
    if (scheme_length(url) == 0 || url.len == scheme_length(url)) {
        r->urls.len = e->url_at;
        return;
    }
    e->is_link = true;
    e->text_at = NO_TEXT;
    e->outer_link = r->link;
    r->link = r->depth;
}

/* Notes where the text of the open links begins. */
static void note_links(struct reader *r)
{
    for (int i = r->link; i != NO_LINK && r->open[i].text_at == NO_TEXT;) {
        r->open[i].text_at = (ptrdiff_t)r->flow.shown_at;
        i = r->open[i].outer_link;
    }
}

/* Notes what the open links contain. */
static void note_content(struct reader *r, unsigned content)
{
    for (int i = r->link; i != NO_LINK && (r->open[i].content & content) == 0;) {
        r->open[i].content |= content;
        i = r->open[i].outer_link;
    }
}

static void show_text(struct reader *r, const char *utf8, size_t len, unsigned content)
{
    if (flow_text(&r->flow, utf8, len)) {
        note_links(r);
        note_content(r, content);
    }
}

/*
 * Writes the URL after the text of a link, on the same line, whatever ended within the link. Leaves
 * out the URLs of pictures, and long ones.
 */
static void close_link(struct reader *r, const struct element *e)
{
    struct html_flow *flow = &r->flow;
    struct buffer *out = flow->out;
    struct span url = {r->urls.data + e->url_at, r->urls.len - e->url_at};
    unsigned breaks = flow->breaks;
    r->link = e->outer_link;
    r->urls.len = e->url_at;
    if (e->content == CONTENT_PICTURE || url.len > HTML_URL_MAX) {
        return;
    }
    if (e->text_at == NO_TEXT) {
        flow_word(flow, url.s, url.len);
        return;
    }
    struct span text = {out->data + e->text_at, out->len - (size_t)e->text_at};
    if (is_same_address(text, url)) {
        out->len = (size_t)e->text_at;
        buffer_append(out, url.s, url.len);
        return;
    }
    flow_space(flow);
    flow_word(flow, url.s, url.len);
    flow->breaks = breaks;
}

/* --- elements ------------------------------------------------------------------------------- */

static int compare_names(const void *key, const void *row)
{
    return strcmp(key, ((const struct element_name *)row)->name);
}

static enum tag tag_of(const xmlChar *name)
{
    const struct element_name *row =
        bsearch(name, element_names, sizeof element_names / sizeof element_names[0],
                sizeof element_names[0], compare_names);
    return row != NULL ? row->tag : TAG_INLINE;
}

/* Writes cells on one line, up to one that needs several. */
static void open_cell(struct html_flow *flow, struct element *row)
{
    bool has_text = row->has_cells && flow->out->len > row->cells_at;
    if (!row->has_cells) {
        row->has_cells = true;
        row->cells_at = flow->out->len;
    }
    if (!has_text || flow->lines > row->cell_lines) {
        flow_block(flow);
    } else {
        flow_space(flow);
    }
    row->cell_lines = flow->lines + flow->breaks;
    flow->is_cell_empty = true;
}

static void open_item(struct html_flow *flow, struct element *list)
{
    flow_block(flow);
    if (list->tag != TAG_NUMBERED) {
        strcpy(flow->mark, "- ");
    } else {
        snprintf(flow->mark, sizeof flow->mark, "%ld. ", list->item++);
    }
}

static void open_list(struct element *list, const xmlChar **attributes)
{
    const char *start = find_attribute(attributes, "start");
    list->item = start != NULL ? strtol(start, NULL, 10) : 1;
    if (list->item < 0 || list->item > 999999) {
        list->item = 1;
    }
}

static void open_preformatted(struct reader *r)
{
    flow_block(&r->flow);
    r->preformatted++;
    r->flow.is_preformatted = true;
    r->is_after_pre = true;
}

static void show_image(struct reader *r, const xmlChar **attributes)
{
    const char *alt = find_attribute(attributes, "alt");
    note_content(r, CONTENT_PICTURE);
    if (alt != NULL) {
        show_text(r, alt, strlen(alt), CONTENT_PICTURE);
    }
}

static void open_element(struct reader *r, struct element *e, const xmlChar **attributes)
{
    switch (e->tag) {
    case TAG_INLINE:
    case TAG_DROPPED:
        break;
    case TAG_BLOCK:
        flow_block(&r->flow);
        break;
    case TAG_BREAK:
        flow_break(&r->flow);
        break;
    case TAG_CELL:
        open_cell(&r->flow, e - 1);
        break;
    case TAG_IMAGE:
        show_image(r, attributes);
        break;
    case TAG_ITEM:
        open_item(&r->flow, e - 1);
        break;
    case TAG_LINK:
        open_link(r, e, attributes);
        break;
    case TAG_NUMBERED:
        flow_block(&r->flow);
        open_list(e, attributes);
        break;
    case TAG_PREFORMATTED:
        open_preformatted(r);
        break;
    }
}

static void close_element(struct reader *r, const struct element *e)
{
    switch (e->tag) {
    case TAG_INLINE:
    case TAG_DROPPED:
    case TAG_BREAK:
    case TAG_IMAGE:
        break;
    case TAG_BLOCK:
    case TAG_NUMBERED:
        flow_block(&r->flow);
        break;
    case TAG_CELL:
        r->flow.is_cell_empty = false;
        break;
    case TAG_ITEM:
        flow_block(&r->flow);
        r->flow.mark[0] = '\0';
        break;
    case TAG_LINK:
        if (e->is_link) {
            close_link(r, e);
        }
        break;
    case TAG_PREFORMATTED:
        flow_block(&r->flow);
        r->preformatted--;
        r->flow.is_preformatted = r->preformatted > 0;
        break;
    }
}

/* --- events of the parser ------------------------------------------------------------------- */

/* Counts what costs the parser time, and stops it when too much is spent. */
static void spend_step(struct reader *r)
{
    *r->steps -= *r->steps > 0 ? 1 : 0;
    if (*r->steps == 0 || r->flow.out->has_failed || r->urls.has_failed) {
        xmlStopParser(r->parser);
    }
}

static void start_element(void *reader, const xmlChar *name, const xmlChar **attributes)
{
    struct reader *r = reader;
    spend_step(r);
    if (r->depth == HTML_MAX_DEPTH) {
        r->is_too_deep = true;
        xmlStopParser(r->parser);
    }
    if (r->is_too_deep) {
        return;
    }
    r->is_after_pre = false;
    struct element *e = &r->open[++r->depth];
    *e = (struct element){.tag = tag_of(name)};
    if (r->dropped_at > 0) {
        return;
    }
    if (e->tag == TAG_DROPPED || is_hidden(attributes)) {
        r->dropped_at = r->depth;
        note_content(r, CONTENT_PICTURE);
        return;
    }
    open_element(r, e, attributes);
}

static void close_innermost(struct reader *r)
{
    int depth = r->depth--;
    if (r->dropped_at == 0) {
        close_element(r, &r->open[depth]);
    } else if (r->dropped_at == depth) {
        r->dropped_at = 0;
    }
}

/*
 * The parser closes elements in reverse order. It misses only an element whose tag is cut off by
 * the end of the input; no text follows then that could be misplaced.
 */
static void end_element(void *reader, const xmlChar *name)
{
    struct reader *r = reader;
    (void)name;
    if (!r->is_too_deep && r->depth > 0) {
        close_innermost(r);
    }
}

static void add_text(void *reader, const xmlChar *utf8, int len)
{
    struct reader *r = reader;
    spend_step(r);
    if (r->dropped_at > 0 || len <= 0) {
        return;
    }
    size_t skipped = r->is_after_pre && utf8[0] == '\n';
    r->is_after_pre = false;
    show_text(r, (const char *)utf8 + skipped, (size_t)len - skipped, CONTENT_WORDS);
}

static void skip_comment(void *reader, const xmlChar *text)
{
    (void)text;
    spend_step(reader);
}

static void skip_instruction(void *reader, const xmlChar *target, const xmlChar *text)
{
    (void)target;
    skip_comment(reader, text);
}

static void skip_error(void *reader, xmlErrorPtr error)
{
    (void)error;
    spend_step(reader);
}

static const htmlSAXHandler events = {
    .startElement = start_element,
    .endElement = end_element,
    .characters = add_text,
    .ignorableWhitespace = add_text,
    .cdataBlock = add_text,
    .comment = skip_comment,
    .processingInstruction = skip_instruction,
    .serror = skip_error,
    .initialized = XML_SAX2_MAGIC, /* without it libxml2 does not look at serror */
};

/* --- reading -------------------------------------------------------------------------------- */

void html_init(void)
{
    xmlInitParser();
}

static bool parse(struct reader *r, const struct buffer *html)
{
    size_t len = html_limit(html->data, html->len, HTML_MAX_ATTRIBUTES, HTML_MAX_ENTITIES);
    r->parser = htmlCreateMemoryParserCtxt(html->data, (int)len);
    if (r->parser == NULL) {
        return false;
    }
    *r->parser->sax = events;
    r->parser->userData = r;
    htmlCtxtUseOptions(r->parser, HTML_PARSE_RECOVER | HTML_PARSE_NOIMPLIED | HTML_PARSE_NONET |
                                      HTML_PARSE_IGNORE_ENC);
    xmlSwitchEncoding(r->parser, XML_CHAR_ENCODING_UTF8);
    htmlParseDocument(r->parser);
    while (r->depth > 0) {
        close_innermost(r);
    }
    bool has_failed = r->urls.has_failed || r->parser->errNo == XML_ERR_NO_MEMORY;
    htmlFreeParserCtxt(r->parser);
    return !has_failed;
}

bool html_to_text(const char *html, size_t len, unsigned *steps, struct buffer *out)
{
    struct reader r = {
        .steps = steps,
        .flow = {.out = out, .start = out->len},
        .link = NO_LINK,
    };
    struct buffer input = BUFFER_EMPTY;
    /* libxml2 would wrap text outside of any element in a <p>. */
    buffer_puts(&input, "<div>");
    if (len > 0) {
        html_clean(html, len, false, &input);
    }
    if (input.has_failed || !parse(&r, &input)) {
        out->has_failed = true;
    }
    buffer_free(&input);
    buffer_free(&r.urls);
    return !r.is_too_deep && *steps > 0 && !out->has_failed;
}
