/* mend: see mend.h. */
#include "proto/mail/mend.h"

#include "proto/mail/head.h"
#include "proto/mail/span.h"
#include "proto/mail/value.h"

#include <string.h>

/* --- boundaries ------------------------------------------------------------------------------- */

/* Can a line be a boundary? A ruled line and a signature separator cannot. */
static bool may_be_boundary(struct span line, struct span *boundary)
{
    enum { LONGEST = 200 };
    line = span_trim(line);
    if (line.len < 3 || line.len > LONGEST || !span_starts_with(line, "--") ||
        span_has(line, ' ')) {
        return false;
    }
    *boundary = (struct span){line.s + 2, line.len - 2};
    for (size_t i = 0; i < boundary->len; i++) {
        if (boundary->s[i] != '-') {
            return true;
        }
    }
    return false;
}

/* What proves that a line which may be a boundary is one. */
enum proof { PROOF_MIME, PROOF_EMPTY_LINE, PROOF_NONE };

/*
 * Finds the first line that may be a boundary and is followed by a field of MIME or, with less proof,
 * an empty line or anything. `before` is the text in front of it.
 */
static bool guess_boundary(struct span text, enum proof proof, struct span *boundary,
                           struct span *before)
{
    struct span rest = text, line;
    while (span_next_line(&rest, &line)) {
        struct span behind = rest, next = {NULL, 0};
        bool has_next = span_next_line(&behind, &next);
        bool is_proved = proof == PROOF_NONE || head_is_mime_field(next) ||
                         (proof == PROOF_EMPTY_LINE && has_next && next.len == 0);
        if (is_proved && may_be_boundary(line, boundary)) {
            *before = span_trim((struct span){text.s, (size_t)(line.s - text.s)});
            return true;
        }
    }
    return false;
}

/* --- headers ---------------------------------------------------------------------------------- */

/* The lines from the first that is not empty to the next empty one. */
static struct span first_block(struct span text)
{
    struct span line, block = {text.s, 0};
    while (span_next_line(&text, &line)) {
        if (span_trim(line).len > 0) {
            block.len = (size_t)(line.s + line.len - block.s);
        } else if (block.len > 0) {
            break;
        } else {
            block.s = text.s;
        }
    }
    return block;
}

/*
 * Does a text begin with headers, because an empty line split them? Headers that the part has
 * already are those of a quoted mail.
 */
static bool begins_with_headers(const struct tree *tree, int index, struct span text)
{
    struct head head;
    struct span block = first_block(text), line = block;
    if (block.len == 0 || !head_is_field(line) ||
        head_read(block, true, HEAD_OF_PART, &head) < block.len) {
        return false;
    }
    bool is_new = index > 0 || (head.seen & tree->head.seen) == 0;
    bool is_mails_own = index == 0 && tree->start_len > 0;
    return is_new && (head.is_sure || (is_mails_own && (head.known > 1 || head.subject.len > 0)));
}

/* --- reading again ---------------------------------------------------------------------------- */

/* Appends the headers that were read as such, without the empty line. */
static void append_headers(const struct tree *tree, int index, struct buffer *source)
{
    const struct node *node = &tree->nodes[index];
    if (index == 0) {
        struct span start = {tree->start.data, tree->start_len};
        buffer_append(source, start.s,
                      span_trim(start).len + (size_t)(span_trim(start).s - start.s));
    } else {
        buffer_puts(source, "Content-Type: ");
        buffer_append(source, node->type.data, node->type.len);
    }
    buffer_putc(source, '\n');
}

/* Moves the text out of a node. */
static struct buffer take_text(struct tree *tree, int index)
{
    struct part *part = &tree->nodes[index].part;
    struct buffer text = part->text;
    part->text = (struct buffer)BUFFER_EMPTY;
    return text;
}

/* Reads a part whose headers go on after an empty line. */
static void read_with_headers(struct tree *tree, int index)
{
    struct buffer text = take_text(tree, index);
    struct buffer source = BUFFER_EMPTY;
    struct span none = {NULL, 0};
    struct span block = first_block((struct span){text.data, text.len});
    append_headers(tree, index, &source);
    buffer_append(&source, block.s, text.len - (size_t)(block.s - text.data));
    tree->awaits_start = index == 0;
    tree->has_failed = tree->has_failed || source.has_failed;
    tree_read_within(tree, index, (struct span){source.data, source.len}, none,
                     index == 0 ? HEAD_OF_MAIL : HEAD_OF_PART);
    buffer_free(&source);
    buffer_free(&text);
}

/* Reads the parts within a text, and the text before them (empty = none). */
static void read_parts(struct tree *tree, int index, struct span boundary, struct span before)
{
    struct buffer text = take_text(tree, index);
    struct buffer source = BUFFER_EMPTY;
    if (before.len > 0 && memmem(before.s, before.len, "MIME", 4) == NULL) {
        struct span none = {NULL, 0};
        buffer_puts(&source, "\n");
        buffer_append(&source, before.s, before.len);
        tree_read_within(tree, index, (struct span){source.data, source.len}, none, HEAD_OF_PART);
    }
    tree->has_failed = tree->has_failed || source.has_failed;
    tree_read_within(tree, index, (struct span){text.data, text.len}, boundary, HEAD_OF_PART);
    buffer_free(&source);
    buffer_free(&text);
}

/* Reads a message that was encoded as a whole. */
static void read_message(struct tree *tree, int index)
{
    struct buffer text = take_text(tree, index);
    struct span none = {NULL, 0};
    tree_read_within(tree, index, (struct span){text.data, text.len}, none, HEAD_OF_MAIL);
    buffer_free(&text);
}

/* Reads a node again if it is not what it seemed. Returns whether it did. */
static bool mend_node(struct tree *tree, int index)
{
    struct node *node = &tree->nodes[index];
    struct span text = {node->part.text.data, node->part.text.len}, boundary, before;
    struct span none = {NULL, 0};
    bool has_no_parts = value_holds_parts(node->media) && !node->has_begun;
    bool is_text =
        (node->media == MEDIA_PLAIN || node->media == MEDIA_HTML) && !node->is_attachment;
    bool is_source =
        text.len > 0 && (has_no_parts || memmem(text.s, text.len, "ontent-", 7) != NULL);
    if (text.len > 0 && node->media == MEDIA_MESSAGE) {
        read_message(tree, index);
        return true;
    }
    if (text.len > 0 && is_text && begins_with_headers(tree, index, text)) {
        read_with_headers(tree, index);
        return true;
    }
    if (is_source && is_text && guess_boundary(text, PROOF_MIME, &boundary, &before)) {
        read_parts(tree, index, boundary, before);
        return true;
    }
    if (is_source && has_no_parts) {
        bool is_proved = guess_boundary(text, PROOF_EMPTY_LINE, &boundary, &before);
        if (is_proved || guess_boundary(text, PROOF_NONE, &boundary, &before)) {
            read_parts(tree, index, boundary, is_proved ? none : before);
            return true;
        }
    }
    node->media = has_no_parts ? MEDIA_PLAIN : node->media;
    return false;
}

void mend_tree(struct tree *tree)
{
    enum { READINGS_MAX = 8 };
    unsigned readings = 0;
    for (int i = 0; i < tree->count && readings < READINGS_MAX; i++) {
        readings += mend_node(tree, i) ? 1 : 0;
    }
}
