/* tree: see tree.h. */
#include "proto/mail/tree.h"

#include "proto/mail/charset.h"

#include <stdlib.h>
#include <string.h>

enum {
    BLOCK_MAX = 64 * 1024, /* bytes of headers */
    LINE_MAX = 64 * 1024,  /* bytes of a line that is read as a whole */
    TEXT_MAX = 256 * 1024, /* bytes of text: far more than an SMS holds */
    SIDE_MAX = 64 * 1024,
    FIELD_MAX = 4 * 1024 /* bytes of a field that a node keeps */
};

/* --- nodes ------------------------------------------------------------------------------------ */

/* Adds an empty node to the tree; TREE_NONE on allocation failure. */
static int add_node(struct tree *tree, int parent)
{
    if (tree->count == tree->size) {
        int size = tree->size == 0 ? 4 : tree->size * 2;
        struct node *nodes = realloc(tree->nodes, (size_t)size * sizeof *nodes);
        if (nodes == NULL) {
            tree->has_failed = true;
            return TREE_NONE;
        }
        tree->nodes = nodes;
        tree->size = size;
    }
    int index = tree->count++;
    struct node *node = &tree->nodes[index];
    *node = (struct node){.parent = parent, TREE_NONE, TREE_NONE, TREE_NONE, .media = MEDIA_PLAIN};
    if (parent != TREE_NONE) {
        struct node *above = &tree->nodes[parent];
        node->depth = above->depth + 1;
        *(above->last == TREE_NONE ? &above->first : &tree->nodes[above->last].next) = index;
        above->last = index;
    }
    return index;
}

static bool is_wide(const struct node *node)
{
    struct buffer label = BUFFER_EMPTY;
    struct charset charset;
    struct span type = {node->type.data, node->type.len};
    bool has_label = value_parameter(type, "charset", &label, NULL);
    buffer_putc(&label, '\0');
    bool is = has_label && !label.has_failed && charset_find(label.data, &charset) &&
              charset.kind == CHARSET_WIDE;
    buffer_free(&label);
    return is;
}

/* Decides what to keep of a body. */
static void prepare_part(struct tree *tree, struct node *node, enum transfer transfer)
{
    bool is_source = value_holds_parts(node->media);
    bool is_side = node->is_attachment || node->media == MEDIA_UNKNOWN;
    node->part = (struct part){
        .is_kept = node->media != MEDIA_OTHER,
        .is_html = node->media == MEDIA_HTML,
        .is_wide = transfer == TRANSFER_BASE64 && is_wide(node),
        .may_be_binary = node->media == MEDIA_UNKNOWN,
        .transfer = is_source ? TRANSFER_NONE : transfer,
        .room = is_side ? tree->side_room : tree->room,
    };
}

/* Ends the current body. */
static void end_part(struct tree *tree)
{
    struct node *node = &tree->nodes[tree->node];
    part_end(&node->part);
    bool is_side = node->is_attachment || node->media == MEDIA_UNKNOWN;
    size_t *room = is_side ? &tree->side_room : &tree->room;
    *room -= node->part.text.len < *room ? node->part.text.len : *room;
    tree->has_failed = tree->has_failed || node->part.text.has_failed;
}

/* --- heads ------------------------------------------------------------------------------------ */

static void begin_head(struct tree *tree, enum head_place place, int parent)
{
    tree->state = TREE_IN_HEAD;
    tree->place = place;
    tree->is_before = place == HEAD_OF_MAIL;
    tree->parent = parent;
    buffer_clear(&tree->block);
}

static void copy(struct buffer *to, struct span value)
{
    if (value.len > 0) {
        buffer_append(to, value.s, value.len < FIELD_MAX ? value.len : FIELD_MAX);
    }
}

/* Opens a level for the parts of a node, if its type names their boundary. */
static void begin_parts(struct tree *tree, int index)
{
    struct node *node = &tree->nodes[index];
    struct span type = {node->type.data, node->type.len};
    if (value_parameter(type, "boundary", &node->boundary, NULL) && node->boundary.len > 0) {
        tree->levels[tree->depth++] = index;
    }
}

/* A part of a digest is a message unless its type says otherwise (RFC 2046, 5.1.5). */
static bool is_in_digest(const struct tree *tree, const struct node *node)
{
    const struct buffer *type = node->parent == TREE_NONE ? NULL : &tree->nodes[node->parent].type;
    return type != NULL && type->len > 0 &&
           span_starts_with(value_word((struct span){type->data, type->len}), "multipart/digest");
}

/* Adds the node of a part whose headers are complete. */
static void begin_node(struct tree *tree, const struct head *head)
{
    int index = add_node(tree, tree->parent);
    if (index == TREE_NONE) {
        return;
    }
    struct node *node = &tree->nodes[index];
    copy(&node->type, head->type);
    copy(&node->disposition, head->disposition);
    node->media =
        head->type.len == 0 && is_in_digest(tree, node) ? MEDIA_MESSAGE : value_media(head->type);
    node->is_attachment = span_starts_with(head->disposition, "attachment");
    tree->headers += head->count;
    if (tree->headers > TREE_HEADERS_MAX || node->depth >= TREE_LEVELS_MAX) {
        tree->is_too_complex = true;
        return;
    }
    enum transfer transfer = value_transfer(head->encoding);
    prepare_part(tree, node, transfer);
    tree->state = TREE_IN_BODY;
    tree->node = index;
    if (value_holds_parts(node->media)) {
        begin_parts(tree, index);
    } else if (node->media == MEDIA_MESSAGE && transfer == TRANSFER_NONE) {
        begin_head(tree, HEAD_OF_MAIL, index);
    }
}

static void take_lines(struct tree *tree, struct span lines);

/* Ends the current head. Lines of its block that are not headers begin the body. */
static void end_head(struct tree *tree, bool is_ended) /* NOLINT(misc-no-recursion) */
{
    struct buffer block = tree->block;
    struct span lines = {block.data, block.len};
    struct head head;
    bool is_mails_own = tree->awaits_start;
    tree->awaits_start = false;
    tree->block = (struct buffer)BUFFER_EMPTY;
    tree->has_failed = tree->has_failed || block.has_failed;
    tree->is_mid_line = false;
    size_t used = head_read(lines, is_ended, tree->place, &head);
    begin_node(tree, &head);
    if (used > BLOCK_MAX) {
        tree->is_too_complex = true; /* and there are more of them */
    }
    if (used < lines.len) {
        take_lines(tree, (struct span){lines.s + used, lines.len - used});
    }
    if (is_mails_own) {
        buffer_free(&tree->start);
        tree->head = head;
        tree->start = block;
        tree->start_len = used;
    } else {
        buffer_free(&block);
    }
}

/* --- boundaries ------------------------------------------------------------------------------- */

/* Is `line` this boundary? `is_last`: it is the closing one. */
static bool is_boundary(struct span line, const struct buffer *boundary, bool *is_last)
{
    size_t len = boundary->len;
    if (line.len < len || memcmp(line.s, boundary->data, len) != 0) {
        return false;
    }
    *is_last = line.len == len + 2 && memcmp(line.s + len, "--", 2) == 0;
    return line.len == len || *is_last;
}

/* Finds the level whose boundary `line` is, from the innermost outward. */
static bool find_level(const struct tree *tree, struct span line, size_t *level, bool *is_last)
{
    if (line.len < 3 || line.s[0] != '-' || line.s[1] != '-') {
        return false;
    }
    line = (struct span){line.s + 2, span_trim(line).len - 2}; /* blanks may follow it */
    for (*level = tree->depth; (*level)-- > 0;) {
        if (is_boundary(line, &tree->nodes[tree->levels[*level]].boundary, is_last)) {
            return true;
        }
    }
    return false;
}

/*
 * Finds the level whose boundary ends a line of text: its writer forgot the line end. A short boundary
 * may end a line by coincidence. Returns the length of the text before it, or the line's.
 */
static size_t find_level_at_end(const struct tree *tree, struct span line, size_t *level,
                                bool *is_last)
{
    enum { SHORTEST = 8 };
    for (*level = tree->depth; (*level)-- > 0;) {
        const struct buffer *boundary = &tree->nodes[tree->levels[*level]].boundary;
        for (size_t dashes = 0; dashes <= 2 && boundary->len >= SHORTEST; dashes += 2) {
            size_t len = boundary->len + 2 + dashes;
            struct span end = {line.s + line.len - len + 2, len - 2};
            if (line.len > len && memcmp(end.s - 2, "--", 2) == 0 &&
                is_boundary(end, boundary, is_last)) {
                return line.len - len;
            }
        }
    }
    return line.len;
}

/* Ends everything within a level, at its boundary. */
static void take_boundary(struct tree *tree, size_t level, bool is_last)
{
    int index = tree->levels[level];
    if (tree->state == TREE_IN_HEAD && tree->block.len > 0) {
        end_head(tree, false);
    }
    if (tree->state == TREE_IN_BODY && tree->node != index) {
        end_part(tree);
    }
    struct node *node = &tree->nodes[index];
    if (!is_last) { /* else what came before is all there is */
        node->has_begun = true;
        node->part.is_kept = false;
        buffer_free(&node->part.text);
    }
    tree->depth = level + 1;
    tree->is_too_complex = tree->is_too_complex || ++tree->parts > TREE_PARTS_MAX;
    if (is_last) {
        tree->state = TREE_IN_BODY;
        tree->node = index;
    } else {
        begin_head(tree, HEAD_OF_PART, index);
    }
}

/* --- lines ------------------------------------------------------------------------------------ */

static struct span without_mark(struct span line)
{
    bool is_marked = span_starts_with(line, "\xef\xbb\xbf");
    return is_marked ? (struct span){line.s + 3, line.len - 3} : line;
}

/* Adds a line to the current head. */
static void take_head_line(struct tree *tree, struct span line, bool has_lf)
{
    bool is_new = !tree->is_mid_line;
    bool is_last = is_new && line.len == 0 && !tree->is_before;
    tree->is_before = tree->is_before && (!is_new || head_is_before(without_mark(line)));
    buffer_append(&tree->block, line.s, line.len);
    if (has_lf) {
        buffer_putc(&tree->block, '\n');
    }
    if (is_last) {
        end_head(tree, true);
    } else if (tree->block.len > BLOCK_MAX) {
        end_head(tree, false);
    }
}

/* Takes a line, or a piece of one that is too long. */
static void take_line(struct tree *tree, struct span line, bool has_lf)
{
    size_t level;
    bool is_last;
    if (!tree->is_mid_line && find_level(tree, line, &level, &is_last)) {
        take_boundary(tree, level, is_last);
    } else if (tree->state == TREE_IN_HEAD) {
        take_head_line(tree, line, has_lf);
    } else {
        struct part *part = &tree->nodes[tree->node].part;
        size_t len = has_lf ? find_level_at_end(tree, line, &level, &is_last) : line.len;
        part_append(part, line.s, len);
        part_append(part, "\n", has_lf ? 1 : 0);
        if (len < line.len) {
            take_boundary(tree, level, is_last);
        }
    }
    tree->is_mid_line = !has_lf;
}

/* Is everything that follows one body, whatever its lines? */
static bool is_in_last_body(const struct tree *tree)
{
    return tree->state == TREE_IN_BODY && tree->depth == 0;
}

/* Takes lines. A last one without LF is a piece of a line. */
static void take_lines(struct tree *tree, struct span lines) /* NOLINT(misc-no-recursion) */
{
    struct span line;
    const char *end = lines.len > 0 ? lines.s + lines.len : NULL;
    while (lines.len > 0 && !tree->is_too_complex && !tree->has_failed) {
        if (is_in_last_body(tree)) {
            part_append(&tree->nodes[tree->node].part, lines.s, lines.len);
            return;
        }
        span_next_line(&lines, &line);
        take_line(tree, line, line.s + line.len < end);
    }
}

/* Takes input with LF line ends; the start of a line waits for its end. */
static void feed(struct tree *tree, const char *s, size_t len)
{
    struct buffer *waiting = &tree->line;
    const char *first = waiting->len > 0 ? memchr(s, '\n', len) : NULL;
    if (first != NULL) {
        size_t used = (size_t)(first + 1 - s);
        buffer_append(waiting, s, used);
        take_lines(tree, (struct span){waiting->data, waiting->len});
        buffer_clear(waiting);
        s += used;
        len -= used;
    }
    const char *last = waiting->len == 0 && len > 0 ? memrchr(s, '\n', len) : NULL;
    size_t whole = last == NULL ? 0 : (size_t)(last + 1 - s);
    take_lines(tree, (struct span){s, whole});
    buffer_append(waiting, s + whole, len - whole);
    if (waiting->len > LINE_MAX || is_in_last_body(tree)) {
        take_lines(tree, (struct span){waiting->data, waiting->len});
        buffer_clear(waiting);
    }
    tree->has_failed = tree->has_failed || waiting->has_failed;
}

/* Takes input with CRLF, CR CR LF and CR as line ends. CRs at its end wait for more. */
static void feed_with_crs(struct tree *tree, const char *s, size_t len)
{
    struct buffer lines = BUFFER_EMPTY;
    for (size_t i = 0; i < len; i++) {
        if (s[i] == '\r') {
            tree->crs++;
            continue;
        }
        for (; tree->crs > 0 && s[i] != '\n'; tree->crs--) {
            buffer_putc(&lines, '\n');
        }
        tree->crs = 0;
        buffer_putc(&lines, s[i]);
    }
    if (lines.len > 0) {
        feed(tree, lines.data, lines.len);
    }
    tree->has_failed = tree->has_failed || lines.has_failed;
    buffer_free(&lines);
}

void tree_feed(struct tree *tree, const char *s, size_t len)
{
    if (len == 0) {
        return;
    }
    if (tree->crs > 0 || memchr(s, '\r', len) != NULL) {
        feed_with_crs(tree, s, len);
    } else {
        feed(tree, s, len);
    }
}

/* Ends what is open at the end of the input. */
static void end_lines(struct tree *tree)
{
    bool goes_on = true;
    while (goes_on && tree->state == TREE_IN_HEAD && !tree->is_too_complex && !tree->has_failed) {
        goes_on = tree->block.len > 0 || tree->count == 0;
        if (goes_on) {
            end_head(tree, false);
        }
    }
    if (tree->state == TREE_IN_BODY && !tree->has_failed) {
        end_part(tree);
    }
}

/* --- public ----------------------------------------------------------------------------------- */

void tree_init(struct tree *tree)
{
    *tree = (struct tree){.room = TEXT_MAX, .side_room = SIDE_MAX, .awaits_start = true};
    begin_head(tree, HEAD_OF_MAIL, TREE_NONE);
}

void tree_end(struct tree *tree)
{
    for (; tree->crs > 0; tree->crs--) {
        feed(tree, "\n", 1);
    }
    take_lines(tree, (struct span){tree->line.data, tree->line.len});
    end_lines(tree);
}

void tree_read_within(struct tree *tree, int index, struct span source, struct span boundary,
                      enum head_place place)
{
    struct node *node = &tree->nodes[index];
    node->part.is_kept = false;
    node->media = value_holds_parts(node->media) ? node->media : MEDIA_MIXED;
    buffer_clear(&node->boundary);
    copy(&node->boundary, boundary);
    tree->room += source.len;
    tree->is_mid_line = false;
    tree->depth = boundary.len > 0 ? 1 : 0;
    tree->levels[0] = index;
    tree->node = index;
    tree->state = TREE_IN_BODY;
    if (boundary.len == 0) {
        begin_head(tree, place, index);
    }
    take_lines(tree, source);
    end_lines(tree);
}

void tree_free(struct tree *tree)
{
    for (int i = 0; i < tree->count; i++) {
        struct node *node = &tree->nodes[i];
        struct buffer *const buffers[] = {&node->type, &node->disposition, &node->boundary};
        for (size_t k = 0; k < sizeof buffers / sizeof buffers[0]; k++) {
            buffer_free(buffers[k]);
        }
        part_free(&node->part);
    }
    free(tree->nodes);
    buffer_free(&tree->start);
    buffer_free(&tree->block);
    buffer_free(&tree->line);
}
