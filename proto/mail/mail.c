/* mail: see mail.h. */
#include "proto/mail/mail.h"

#include "proto/mail/html.h"
#include "proto/mail/input.h"
#include "proto/mail/text.h"
#include "proto/mail/words.h"

#include <gmime/gmime.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

/*
 * Bounds of what GMime is given: the cost of headers, parts and levels grows with their product.
 * A newsletter with all its pictures has 50 parts in 4 levels.
 */
enum { HEADERS_MAX = 2000, PARTS_MAX = 500, LEVELS_MAX = 32, HOPS_MAX = 100, IGNORED_MAX = 256 };

struct span {
    const char *s;
    size_t len;
};

/* The fields that this module reads, in one pass over the headers. */
struct headers {
    struct span subject, content_type, encoding, disposition, auto_submitted, message_id, date;
    size_t count;
    unsigned hops;     /* Received fields */
    struct mail *mail; /* where what is for others than this module is noted */
};

static const char *const KNOWN_FIELDS[] = {
    "Subject",      "From",        "To",       "Date",         "Message-ID",
    "MIME-Version", "Cc",          "Bcc",      "Received",     "Reply-To",
    "Sender",       "Return-Path", "X-Mailer", "Content-Type", "Content-Transfer-Encoding",
};

static bool span_is(struct span span, const char *word)
{
    return strlen(word) == span.len && (span.len == 0 || strncasecmp(span.s, word, span.len) == 0);
}

static bool span_starts_with(struct span span, const char *word)
{
    return span.len >= strlen(word) && strncasecmp(span.s, word, strlen(word)) == 0;
}

static bool is_white(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

static struct span trim(struct span span)
{
    while (span.len > 0 && is_white(span.s[0])) {
        span.s++;
        span.len--;
    }
    while (span.len > 0 && is_white(span.s[span.len - 1])) {
        span.len--;
    }
    return span;
}

/* --- the headers ------------------------------------------------------------------------------ */

/* The length of a field's name (RFC 5322, 3.6.8), 0 when the line is no field. */
static size_t field_name_len(const char *line, size_t len)
{
    size_t i = 0;
    while (i < len && line[i] > ' ' && line[i] < 0x7F && line[i] != ':') {
        i++;
    }
    return i > 0 && i < len && line[i] == ':' ? i : 0;
}

static bool is_known(struct span name)
{
    for (size_t i = 0; i < sizeof KNOWN_FIELDS / sizeof KNOWN_FIELDS[0]; i++) {
        if (span_is(name, KNOWN_FIELDS[i])) {
            return true;
        }
    }
    return false;
}

/* Others than these are somebody else's. */
static void keep_option(struct mail *mail, struct span name, struct span value)
{
    static const char *const NAMES[] = {"X-SMS-Ref", "X-SMS-TTL", "X-SMS-Priority", "X-SMS-At"};
    for (size_t i = 0; i < sizeof NAMES / sizeof NAMES[0]; i++) {
        if (span_is(name, NAMES[i]) && mail->option_count < MAIL_OPTIONS_MAX) {
            mail->options[mail->option_count++] = (struct mail_option){
                NAMES[i] + strlen("X-SMS-"),
                {value.s, value.len},
            };
        }
    }
}

static void keep(struct headers *headers, struct span name, struct span value)
{
    const struct {
        const char *name;
        struct span *value;
    } wanted[] = {{"Subject", &headers->subject},
                  {"Content-Type", &headers->content_type},
                  {"Content-Transfer-Encoding", &headers->encoding},
                  {"Content-Disposition", &headers->disposition},
                  {"Auto-Submitted", &headers->auto_submitted},
                  {"Message-ID", &headers->message_id},
                  {"Date", &headers->date}};
    for (size_t i = 0; i < sizeof wanted / sizeof wanted[0]; i++) {
        if (wanted[i].value->s == NULL && span_is(name, wanted[i].name)) {
            *wanted[i].value = trim(value);
        }
    }
    headers->count++;
    headers->hops += span_is(name, "Received") ? 1 : 0;
    if (span_starts_with(name, "X-SMS-")) {
        keep_option(headers->mail, name, trim(value));
    }
}

/* The end of the line at `s`, its LF not counted. */
static const char *line_end(const char *s, const char *end)
{
    const char *lf = memchr(s, '\n', (size_t)(end - s));
    return lf == NULL ? end : lf;
}

/* Reads the headers. Returns where the body begins, or NULL when there are no headers. */
static const char *read_headers(const char *s, const char *end, struct headers *headers)
{
    bool has_known = false;
    while (s < end && *s != '\n') {
        const char *stop = line_end(s, end);
        /* A folded field goes on in lines that begin with white space (RFC 5322, 2.2.3). */
        while (stop + 1 < end && (stop[1] == ' ' || stop[1] == '\t')) {
            stop = line_end(stop + 1, end);
        }
        struct span name = {s, field_name_len(s, (size_t)(stop - s))};
        if (name.len == 0) {
            return NULL;
        }
        has_known = has_known || is_known(name);
        keep(headers, name, (struct span){s + name.len + 1, (size_t)(stop - s) - name.len - 1});
        s = stop < end ? stop + 1 : end;
    }
    if (!has_known) {
        return NULL;
    }
    return s < end ? s + 1 : end;
}

/* --- bounds ----------------------------------------------------------------------------------- */

/* The boundary parameters met so far: what they begin with, where a line can begin with it. */
struct boundaries {
    struct span values[LEVELS_MAX];
    size_t count;
};

/* Takes in the boundary that a line of a header names. Returns false when there are too many. */
static bool take_boundary(struct boundaries *boundaries, struct span line)
{
    static const char WORD[] = "boundary";
    for (size_t i = 0; i + sizeof WORD < line.len; i++) {
        if ((line.s[i] | 0x20) != 'b' || strncasecmp(line.s + i, WORD, sizeof WORD - 1) != 0) {
            continue;
        }
        const char *end = line.s + line.len;
        const char *value = memchr(line.s + i, '=', line.len - i);
        if (value == NULL) {
            return true;
        }
        value++;
        while (value < end && (is_white(*value) || *value == '"')) {
            value++;
        }
        const char *stop = value;
        while (stop < end && !is_white(*stop) && *stop != '"' && *stop != ';') {
            stop++;
        }
        if (boundaries->count == LEVELS_MAX) {
            return false;
        }
        boundaries->values[boundaries->count++] = (struct span){value, (size_t)(stop - value)};
        return true;
    }
    return true;
}

static bool is_boundary(const struct boundaries *boundaries, struct span line)
{
    if (line.len < 2 || line.s[0] != '-' || line.s[1] != '-') {
        return false;
    }
    for (size_t i = 0; i < boundaries->count; i++) {
        struct span value = boundaries->values[i];
        if (line.len - 2 >= value.len && memcmp(line.s + 2, value.s, value.len) == 0) {
            return true;
        }
    }
    return false;
}

/*
 * Counts headers, parts and levels. It is generous in what it takes for one of them, so that GMime
 * cannot find more.
 */
static bool is_within_bounds(const char *s, const char *end)
{
    struct boundaries boundaries = {.count = 0};
    size_t headers = 0, parts = 0, nested = 0;
    bool is_in_headers = true, nests = false;
    while (s < end) {
        const char *stop = line_end(s, end);
        struct span line = {s, (size_t)(stop - s)};
        s = stop < end ? stop + 1 : end;
        if (is_boundary(&boundaries, line)) {
            is_in_headers = true;
            nests = false;
            parts++;
        } else if (is_in_headers && trim(line).len == 0) {
            is_in_headers = nests; /* a message within begins with headers of its own */
            nested += nests ? 1 : 0;
            nests = false;
        } else if (is_in_headers) {
            headers++;
            for (size_t i = 0; i < line.len; i++) {
                headers += line.s[i] == ';' ? 1 : 0; /* a parameter costs as much */
            }
            nests = nests || memmem(line.s, line.len, "essage/", 7) != NULL ||
                    memmem(line.s, line.len, "ESSAGE/", 7) != NULL;
            if (!take_boundary(&boundaries, line)) {
                return false;
            }
        }
        if (headers > HEADERS_MAX || parts > PARTS_MAX || nested > LEVELS_MAX) {
            return false;
        }
    }
    return true;
}

/* --- parts ------------------------------------------------------------------------------------ */

/* The first part of its kind with something in it. */
struct candidate {
    bool is_found;
    GMimeContentType *type; /* a reference, NULL = it names none */
    struct span text;       /* decoded, in its own charset */
    struct buffer decoded;  /* where `text` is, if it had to be decoded */
};

/* What is looked for, and what was found. */
struct choice {
    struct candidate plain, html;
    struct buffer *ignored;
    bool has_multipart;
};

/* Undoes a part's transfer encoding. */
static void decode(GMimePart *part, struct buffer *out)
{
    GMimeDataWrapper *content = g_mime_part_get_content(part);
    if (content == NULL) {
        return;
    }
    GMimeStream *stream = g_mime_stream_mem_new();
    g_mime_data_wrapper_write_to_stream(content, stream);
    GByteArray *bytes = g_mime_stream_mem_get_byte_array(GMIME_STREAM_MEM(stream));
    buffer_append(out, bytes->data, bytes->len);
    g_object_unref(stream);
}

/* Notes what an attachment calls itself. */
static void ignore(struct choice *choice, GMimePart *part)
{
    const char *name = g_mime_part_get_filename(part);
    char *type = NULL;
    if (name == NULL) {
        GMimeContentType *is = g_mime_object_get_content_type(GMIME_OBJECT(part));
        name = type = g_mime_content_type_get_mime_type(is);
    }
    if (name != NULL && choice->ignored->len + strlen(name) < IGNORED_MAX) {
        buffer_puts(choice->ignored, choice->ignored->len > 0 ? ", " : "");
        buffer_puts(choice->ignored, name);
    }
    g_free(type);
}

static void look_at_text(struct candidate *candidate, GMimeContentType *type, GMimePart *part)
{
    if (candidate->is_found) {
        return;
    }
    buffer_clear(&candidate->decoded);
    decode(part, &candidate->decoded);
    candidate->text = (struct span){candidate->decoded.data, candidate->decoded.len};
    candidate->is_found = trim(candidate->text).len > 0;
    candidate->type = candidate->is_found && type != NULL ? g_object_ref(type) : NULL;
}

static void look_at_part(struct choice *choice, GMimePart *part)
{
    GMimeContentType *type = g_mime_object_get_content_type(GMIME_OBJECT(part));
    if (g_mime_part_is_attachment(part)) {
        ignore(choice, part);
    } else if (type == NULL || g_mime_content_type_is_type(type, "text", "plain")) {
        look_at_text(&choice->plain, type, part);
    } else if (g_mime_content_type_is_type(type, "text", "html")) {
        look_at_text(&choice->html, type, part);
    } else {
        ignore(choice, part);
    }
}

/* Walks the tree, depth first. Its depth is bounded by LEVELS_MAX. */
static void look_at(struct choice *choice, GMimeObject *object) /* NOLINT(misc-no-recursion) */
{
    if (GMIME_IS_MULTIPART(object)) {
        GMimeMultipart *multipart = GMIME_MULTIPART(object);
        int count = g_mime_multipart_get_count(multipart);
        choice->has_multipart = true;
        for (int i = 0; i < count; i++) {
            look_at(choice, g_mime_multipart_get_part(multipart, i));
        }
    } else if (GMIME_IS_MESSAGE_PART(object)) {
        GMimeMessage *message = g_mime_message_part_get_message(GMIME_MESSAGE_PART(object));
        GMimeObject *inner = message != NULL ? g_mime_message_get_mime_part(message) : NULL;
        if (inner != NULL) {
            look_at(choice, inner);
        }
    } else if (GMIME_IS_PART(object)) {
        look_at_part(choice, GMIME_PART(object));
    }
}

/* A field for GMime: as it came, folded lines and all. */
static void add_field(GByteArray *bytes, const char *name, struct span value)
{
    if (value.s != NULL) {
        g_byte_array_append(bytes, (const guint8 *)name, (guint)strlen(name));
        g_byte_array_append(bytes, (const guint8 *)": ", 2);
        g_byte_array_append(bytes, (const guint8 *)value.s, (guint)value.len);
        g_byte_array_append(bytes, (const guint8 *)"\n", 1);
    }
}

/* Lets GMime parse the body, with those of the headers that say what it is. */
static GMimeObject *parse(const struct headers *headers, const char *body, const char *end)
{
    GByteArray *bytes = g_byte_array_sized_new((guint)(end - body) + 512);
    add_field(bytes, "Content-Type", headers->content_type);
    add_field(bytes, "Content-Transfer-Encoding", headers->encoding);
    add_field(bytes, "Content-Disposition", headers->disposition);
    if (bytes->len == 0) {
        g_byte_array_append(bytes, (const guint8 *)"Content-Type: text/plain\n", 25);
    }
    g_byte_array_append(bytes, (const guint8 *)"\n", 1);
    g_byte_array_append(bytes, (const guint8 *)body, (guint)(end - body));
    GMimeStream *stream = g_mime_stream_mem_new_with_byte_array(bytes);
    GMimeParser *parser = g_mime_parser_new_with_stream(stream);
    GMimeObject *object = g_mime_parser_construct_part(parser, NULL);
    g_object_unref(parser);
    g_object_unref(stream);
    return object;
}

/* Is the body text as it stands? Then no parser is needed, and most alerts are that. */
static bool is_bare(const struct headers *headers)
{
    enum { TYPE_MAX = 256 };
    static const char *const ENCODINGS[] = {"", "7bit", "8bit", "binary"};
    struct span type = headers->content_type;
    bool is_unencoded = false;
    for (size_t i = 0; i < sizeof ENCODINGS / sizeof ENCODINGS[0]; i++) {
        is_unencoded = is_unencoded || span_is(headers->encoding, ENCODINGS[i]);
    }
    /* What is no type at all is text/plain (RFC 2045, 5.2). */
    bool is_plain = type.len == 0 || memchr(type.s, '/', type.len) == NULL ||
                    span_is(type, "text/plain") ||
                    (type.len <= TYPE_MAX && span_starts_with(type, "text/plain;"));
    return is_unencoded && is_plain && headers->disposition.len == 0;
}

static void take_bare(struct candidate *plain, const struct headers *headers, struct span body)
{
    if (headers->content_type.len > strlen("text/plain")) {
        char *value = g_strndup(headers->content_type.s, headers->content_type.len);
        plain->type = g_mime_content_type_parse(NULL, value);
        g_free(value);
    }
    plain->text = body;
    plain->is_found = true;
}

/* --- text ------------------------------------------------------------------------------------- */

static const char *charset_of(GMimeContentType *type)
{
    const char *charset = type != NULL ? g_mime_content_type_get_parameter(type, "charset") : NULL;
    return charset != NULL && charset[0] != '\0' ? charset : NULL;
}

static bool parameter_is(GMimeContentType *type, const char *name, const char *value)
{
    const char *is = type != NULL ? g_mime_content_type_get_parameter(type, name) : NULL;
    return is != NULL && strcasecmp(is, value) == 0;
}

static enum mail_result take_plain(const struct candidate *plain, const struct mail_rules *rules,
                                   struct mail *mail)
{
    struct buffer *text = &mail->text;
    if (!mail_text_to_utf8(plain->text.s, plain->text.len, charset_of(plain->type), rules->charset,
                           text, &mail->repairs)) {
        return MAIL_BAD_CHARSET;
    }
    if (parameter_is(plain->type, "format", "flowed")) {
        mail_text_unflow(text, parameter_is(plain->type, "delsp", "yes"));
    }
    if (!rules->keeps_signature) {
        mail_text_drop_signature(text);
    }
    return MAIL_OK;
}

static enum mail_result take_html(const struct candidate *html, const struct mail_rules *rules,
                                  struct mail *mail)
{
    struct buffer *text = &mail->text;
    char declared[HTML_CHARSET_MAX + 1];
    const char *charset = charset_of(html->type);
    if (charset == NULL && html_charset(html->text.s, html->text.len, declared)) {
        charset = declared;
    }
    struct buffer utf8 = BUFFER_EMPTY;
    enum mail_result result = MAIL_OK;
    if (!mail_text_to_utf8(html->text.s, html->text.len, charset, rules->charset, &utf8,
                           &mail->repairs)) {
        result = MAIL_BAD_CHARSET;
    } else if (utf8.has_failed) {
        result = MAIL_NO_MEMORY;
    } else if (!html_to_text(utf8.data, utf8.len, text)) {
        result = text->has_failed ? MAIL_NO_MEMORY : MAIL_TOO_COMPLEX;
    }
    buffer_free(&utf8);
    return result;
}

/* Undoes folding (RFC 5322, 2.2.3) and encoded words. */
static enum mail_result take_subject(struct span value, const char *guess,
                                     const struct mail_rules *rules, struct mail *mail)
{
    enum { SUBJECT_MAX = 8192 };
    struct buffer line = BUFFER_EMPTY;
    size_t len = value.len < SUBJECT_MAX ? value.len : SUBJECT_MAX;
    for (size_t i = 0; i < len; i++) {
        if (value.s[i] != '\n' && value.s[i] != '\0') {
            buffer_putc(&line, value.s[i]);
        }
    }
    if (line.len == 0) {
        return line.has_failed ? MAIL_NO_MEMORY : MAIL_OK;
    }
    struct buffer *subject = &mail->subject;
    bool is_good =
        words_decode(line.data, line.len, guess, rules->charset, subject, &mail->repairs);
    for (size_t i = 0; i < subject->len; i++) {
        subject->data[i] = is_white(subject->data[i]) ? ' ' : subject->data[i];
    }
    mail_text_trim(subject);
    bool has_failed = subject->has_failed || line.has_failed;
    buffer_free(&line);
    return has_failed ? MAIL_NO_MEMORY : is_good ? MAIL_OK : MAIL_BAD_CHARSET;
}

/* Plain text, unless nothing can be seen of it: then HTML. */
static enum mail_result take_text(const struct choice *choice, struct span body,
                                  const struct mail_rules *rules, struct mail *mail)
{
    struct buffer *text = &mail->text;
    enum mail_result result = MAIL_OK;
    if (choice->plain.is_found) {
        result = take_plain(&choice->plain, rules, mail);
        mail_text_trim(text);
    }
    if (choice->html.is_found && result == MAIL_OK && text->len == 0) {
        result = take_html(&choice->html, rules, mail);
        mail_text_trim(text);
    }
    /* Its boundary is nowhere: what it holds is text as it stands. */
    if (choice->has_multipart && !choice->plain.is_found && !choice->html.is_found &&
        choice->ignored->len == 0) {
        result = mail_text_to_utf8(body.s, body.len, NULL, rules->charset, text, &mail->repairs)
                     ? MAIL_OK
                     : MAIL_BAD_CHARSET;
        mail_text_trim(text);
    }
    return result;
}

/* Finds the text and takes it over, and the subject. */
static enum mail_result read_body(const struct headers *headers, struct span body,
                                  const struct mail_rules *rules, struct mail *mail)
{
    struct choice choice = {.ignored = &mail->ignored};
    GMimeObject *object = NULL;
    if (is_bare(headers)) {
        take_bare(&choice.plain, headers, body);
    } else {
        object = parse(headers, body.s, body.s + body.len);
        if (object != NULL) {
            look_at(&choice, object);
        }
    }
    const struct candidate *text = choice.plain.is_found ? &choice.plain : &choice.html;
    enum mail_result result = take_subject(headers->subject, charset_of(text->type), rules, mail);
    if (result == MAIL_OK) {
        result = take_text(&choice, body, rules, mail);
    }
    if (choice.plain.decoded.has_failed || choice.html.decoded.has_failed ||
        mail->text.has_failed) {
        result = MAIL_NO_MEMORY;
    }
    struct candidate *const candidates[] = {&choice.plain, &choice.html};
    for (size_t i = 0; i < sizeof candidates / sizeof candidates[0]; i++) {
        buffer_free(&candidates[i]->decoded);
        g_clear_object(&candidates[i]->type);
    }
    g_clear_object(&object);
    return result;
}

/* --- public ----------------------------------------------------------------------------------- */

void mail_init(void)
{
    g_mime_init();
    html_init();
}

static void digest(GChecksum *sum, const char *s, size_t len)
{
    g_checksum_update(sum, (const guchar *)s, (gssize)len);
    g_checksum_update(sum, (const guchar *)"", 1);
}

void mail_ref(const struct mail *mail, const char *from, const char *text, size_t len,
              char ref[REF_MAX + 1])
{
    enum { DIGITS = 32 };
    if (mail->message_id.len == 0) {
        ref[0] = '\0';
        return;
    }
    GChecksum *sum = g_checksum_new(G_CHECKSUM_SHA256);
    digest(sum, mail->message_id.value, mail->message_id.len);
    digest(sum, mail->date.len > 0 ? mail->date.value : "", mail->date.len);
    digest(sum, from, strlen(from));
    digest(sum, len > 0 ? text : "", len);
    snprintf(ref, REF_MAX + 1, MESSAGE_MAIL_REF "%.*s", DIGITS, g_checksum_get_string(sum));
    g_checksum_free(sum);
}

void mail_free(struct mail *mail)
{
    struct buffer *const buffers[] = {&mail->subject, &mail->text, &mail->ignored};
    for (size_t i = 0; i < sizeof buffers / sizeof buffers[0]; i++) {
        if (buffers[i]->data != NULL) {
            buffer_free(buffers[i]);
        }
    }
    mail->option_count = 0;
    mail->repairs = (struct mail_repairs){0};
    mail->message_id = mail->date = (struct mail_field){NULL, 0};
}

/* What must not become a message, and what must not be parsed. */
static enum mail_result refuse(const struct headers *headers, const char *content, const char *end,
                               const struct mail_rules *rules)
{
    if (headers->hops > HOPS_MAX) {
        return MAIL_LOOP;
    }
    if (!rules->takes_automatic && (span_starts_with(headers->auto_submitted, "auto-replied") ||
                                    span_starts_with(headers->content_type, "multipart/report"))) {
        return MAIL_AUTOMATIC;
    }
    bool is_bounded = headers->count <= HEADERS_MAX;
    return is_bounded && (is_bare(headers) || is_within_bounds(content, end)) ? MAIL_OK
                                                                              : MAIL_TOO_COMPLEX;
}

enum mail_result mail_read(const char *content, size_t len, const struct mail_rules *rules,
                           struct mail *mail)
{
    const char *end = content + len;
    struct headers headers = {.mail = mail};
    const char *body = read_headers(content, end, &headers);
    if (body == NULL) {
        body = content;
        headers = (struct headers){0};
        mail->option_count = 0;
    }
    mail->message_id = (struct mail_field){headers.message_id.s, headers.message_id.len};
    mail->date = (struct mail_field){headers.date.s, headers.date.len};
    enum mail_result result = refuse(&headers, content, end, rules);
    if (result != MAIL_OK) {
        return result;
    }
    result = read_body(&headers, (struct span){body, (size_t)(end - body)}, rules, mail);
    if (result == MAIL_OK && mail->text.len == 0 && mail->ignored.len > 0 &&
        mail->subject.len == 0) {
        result = MAIL_NO_TEXT;
    }
    return result;
}
