/* flow: see flow.h. */
#include "proto/mail/flow.h"

#include <stdint.h>
#include <string.h>
#include <unistr.h>

enum { EMPTY_LINE = 2 };

/* Browsers take numeric references below U+00A0 for windows-1252 (HTML Standard, 13.2.5.80). */
static const uint16_t windows_1252[32] = {
    0x20AC, 0,      0x201A, 0x0192, 0x201E, 0x2026, 0x2020, 0x2021, 0x02C6, 0x2030, 0x0160,
    0x2039, 0x0152, 0,      0x017D, 0,      0,      0x2018, 0x2019, 0x201C, 0x201D, 0x2022,
    0x2013, 0x2014, 0x02DC, 0x2122, 0x0161, 0x203A, 0x0153, 0,      0x017E, 0x0178,
};

enum look { LOOK_SHOWN, LOOK_SPACE, LOOK_JOINER, LOOK_NOTHING };

struct range {
    ucs4_t first, last;
    enum look look;
};

/* Characters that are not shown as they are. Sorted. */
static const struct range ranges[] = {
    {0x007F, 0x007F, LOOK_NOTHING}, /* DEL */
    {0x00A0, 0x00A0, LOOK_SPACE},   /* no-break space */
    {0x00AD, 0x00AD, LOOK_NOTHING}, /* soft hyphen */
    {0x034F, 0x034F, LOOK_NOTHING}, /* combining grapheme joiner: newsletters pad with it */
    {0x180E, 0x180E, LOOK_NOTHING}, /* Mongolian vowel separator, once a space */
    {0x2000, 0x200A, LOOK_SPACE},   /* typographic spaces */
    {0x200B, 0x200B, LOOK_NOTHING}, /* zero width space */
    {0x200C, 0x200F, LOOK_JOINER},  /* (non-)joiner, direction marks */
    {0x2028, 0x2029, LOOK_SPACE},   /* line and paragraph separators */
    {0x202F, 0x202F, LOOK_SPACE},   /* narrow no-break space */
    {0x205F, 0x205F, LOOK_SPACE},   /* mathematical space */
    {0x2060, 0x2064, LOOK_NOTHING}, /* word joiner, invisible operators */
    {0x3000, 0x3000, LOOK_SPACE},   /* ideographic space */
    {0xFEFF, 0xFEFF, LOOK_NOTHING}, /* byte order mark */
};

static enum look look_of(ucs4_t c)
{
    for (size_t i = 0; i < sizeof ranges / sizeof ranges[0] && c >= ranges[i].first; i++) {
        if (c <= ranges[i].last) {
            return ranges[i].look;
        }
    }
    return LOOK_SHOWN;
}

bool flow_has_text(const struct html_flow *flow)
{
    return flow->out->len > flow->start;
}

static void append_times(struct html_flow *flow, char c, unsigned times)
{
    char *to = times > 0 ? buffer_reserve(flow->out, times) : NULL;
    if (to != NULL) {
        memset(to, c, times);
        flow->out->len += times;
    }
}

/* Writes what has been waiting, before something visible. */
static void catch_up(struct html_flow *flow)
{
    if (flow_has_text(flow)) {
        append_times(flow, '\n', flow->breaks);
        append_times(flow, ' ', flow->spaces);
    }
    flow->lines += flow->breaks;
    buffer_puts(flow->out, flow->mark);
    flow->breaks = 0;
    flow->spaces = 0;
    flow->mark[0] = '\0';
    flow->is_cell_empty = false;
    if (!flow->has_shown) {
        flow->has_shown = true;
        flow->shown_at = flow->out->len;
    }
}

/*
 * Joiners and direction marks shape the letters of some scripts and join emoji, so they stay
 * between two characters beyond ASCII. Elsewhere they are padding.
 */
static void settle_joiner(struct html_flow *flow, bool is_beyond_ascii)
{
    const struct buffer *out = flow->out;
    if (flow->joiner != 0 && is_beyond_ascii && flow->breaks + flow->spaces == 0 &&
        flow->mark[0] == '\0' && flow_has_text(flow) &&
        (unsigned char)out->data[out->len - 1] >= 0x80) {
        uint8_t utf8[6];
        buffer_append(flow->out, utf8, (size_t)u8_uctomb(utf8, flow->joiner, sizeof utf8));
    }
    flow->joiner = 0;
}

static void add_space(struct html_flow *flow)
{
    if (flow->is_preformatted) {
        flow->spaces++;
    } else if (flow->breaks == 0) {
        flow->spaces = 1;
    }
}

static void add_character(struct html_flow *flow, ucs4_t c)
{
    if (c >= 0x80 && c < 0xA0) {
        c = windows_1252[c - 0x80];
    }
    enum look look = c == 0 ? LOOK_NOTHING : look_of(c);
    if (look == LOOK_SPACE) {
        add_space(flow);
    } else if (look == LOOK_JOINER) {
        flow->joiner = c;
    } else if (look == LOOK_SHOWN) {
        uint8_t utf8[6];
        settle_joiner(flow, true);
        catch_up(flow);
        buffer_append(flow->out, utf8, (size_t)u8_uctomb(utf8, c, sizeof utf8));
    }
}

/* A blank, a control character or DEL. */
static void add_control(struct html_flow *flow, char c)
{
    if (c == '\n' && flow->is_preformatted) {
        flow_break(flow);
    } else if (c == ' ' || (c >= '\t' && c <= '\r')) {
        add_space(flow);
    }
}

static size_t word_length(const char *s, size_t len)
{
    size_t i = 0;
    while (i < len && s[i] > ' ' && s[i] < 0x7F) {
        i++;
    }
    return i;
}

bool flow_text(struct html_flow *flow, const char *utf8, size_t len)
{
    flow->has_shown = false;
    for (size_t i = 0; i < len;) {
        size_t word = word_length(utf8 + i, len - i);
        if (word > 0) {
            flow_word(flow, utf8 + i, word);
            i += word;
        } else if ((unsigned char)utf8[i] < 0x80) {
            add_control(flow, utf8[i]);
            i++;
        } else {
            ucs4_t c;
            i += (size_t)u8_mbtouc(&c, (const uint8_t *)utf8 + i, len - i);
            add_character(flow, c);
        }
    }
    return flow->has_shown;
}

void flow_word(struct html_flow *flow, const char *bytes, size_t len)
{
    flow->joiner = 0;
    catch_up(flow);
    buffer_append(flow->out, bytes, len);
}

void flow_block(struct html_flow *flow)
{
    if (!flow->is_cell_empty) {
        flow->breaks = flow->breaks > 1 ? flow->breaks : 1;
        flow->spaces = 0;
    }
}

void flow_break(struct html_flow *flow)
{
    flow->breaks = flow->breaks < EMPTY_LINE ? flow->breaks + 1 : EMPTY_LINE;
    flow->spaces = 0;
}

void flow_space(struct html_flow *flow)
{
    flow->breaks = 0;
    flow->spaces = 1;
}
