/* html: what of a page arrives on a phone. */
#include "proto/mail/html.h"

#include "proto/mail/input.h"
#include "proto/text.h"

#include <criterion/criterion.h>
#include <string.h>

#define COUNT(table) (sizeof(table) / sizeof((table)[0]))

static bool read_html(const char *html, size_t len, struct buffer *out)
{
    unsigned steps = HTML_MAX_STEPS;
    return html_to_text(html, len, &steps, out);
}

struct html_case {
    const char *html, *text;
};

static void check(const struct html_case *cases, size_t count)
{
    html_init();
    for (size_t i = 0; i < count; i++) {
        const struct html_case *c = &cases[i];
        struct buffer out = BUFFER_EMPTY;
        cr_expect(read_html(c->html, strlen(c->html), &out), "%s", c->html);
        buffer_putc(&out, '\0');
        cr_expect_str_eq(out.data, c->text, "%s: [%s] instead of [%s]", c->html, out.data, c->text);
        buffer_free(&out);
    }
}

Test(html, lines)
{
    static const struct html_case cases[] = {
        {"", ""},
        {" \n ", ""},
        {"Hello", "Hello"},
        {"  Hello \r\n\t world\n ", "Hello world"},
        {"a<br>b", "a\nb"},
        {"a <br/> b", "a\nb"},
        {"a<BR>b", "a\nb"},
        {"a<br><br>b", "a\n\nb"},
        {"a<br><br><br><br>b", "a\n\nb"},
        {"<br>a<br>", "a"},
        {"<p>a</p><p>b</p>", "a\nb"},
        {"<p>a\n<p>b", "a\nb"},
        {"<P>a</P>\n\n<P>b</P>", "a\nb"},
        {"<p>a<br></p><p>b</p>", "a\nb"},
        {"<div>a</div><div><br></div><div>b</div>", "a\n\nb"},
        {"<p>a</p><p>&nbsp;</p><p>b</p>", "a\nb"},
        {"a<div>b</div>c", "a\nb\nc"},
        {"<h1>Alarm</h1>Disk full<hr>Host web1", "Alarm\nDisk full\nHost web1"},
        {"<blockquote>a</blockquote><center>b</center><address>c</address>d", "a\nb\nc\nd"},
        {"<dl><dt>Host</dt><dd>web1</dd></dl>", "Host\nweb1"},
        {"a <b>b</b> <i>c</i>d", "a b cd"},
        {"a<b> b</b>", "a b"},
        {"a <b> b", "a b"},
        {"<section><header>a</header><article>b</article><footer>c</footer></section>", "a\nb\nc"},
    };
    check(cases, COUNT(cases));
}

Test(html, preformatted_text_keeps_its_lines)
{
    static const struct html_case cases[] = {
        {"<pre>a\n  b\nc</pre>d", "a\n  b\nc\nd"},
        {"x<pre>\na\n</pre>y", "x\na\ny"},
        {"<pre>a  b \n\n\n\nc\td</pre>", "a  b\n\nc d"},
        {"<pre><b>a</b>\n<i> b</i></pre> c  d", "a\n b\nc d"},
    };
    check(cases, COUNT(cases));
}

Test(html, lists)
{
    static const struct html_case cases[] = {
        {"Down:<ul><li>web1</li><li>web2</li></ul>Bye", "Down:\n- web1\n- web2\nBye"},
        {"<ol><li>a<li>b</ol>", "1. a\n2. b"},
        {"<ol start=9><li>a<li>b</ol>", "9. a\n10. b"},
        {"<ol><li>a<ul><li>b</ul><li>c</ol>", "1. a\n- b\n2. c"},
        {"<ul><li><p>a</p><p>b</p></li></ul>", "- a\nb"},
        {"<ul><li><ul><li>a</ul></ul>", "- a"},
        {"<ul><li></li><li>a</li><li> </li></ul>b", "- a\nb"},
        {"<li>a", "- a"},
    };
    check(cases, COUNT(cases));
}

Test(html, rows_of_a_table_are_lines)
{
    static const struct html_case cases[] = {
        {"<table><tr><td>Host</td><td>web1</td></tr><tr><td>State</td><td>DOWN</td></tr></table>",
         "Host web1\nState DOWN"},
        {"<table>\n<tr>\n<th>Host\n<td>web1\n<tr><td>State<td>DOWN\n</table>",
         "Host web1\nState DOWN"},
        {"<table><tr><td><p>Host</p></td><td><p>web1</p></td></tr></table>", "Host web1"},
        {"<table><tr><td><p>a</p><p>b</p></td><td>c</td></tr></table>", "a\nb\nc"},
        {"<table><tr><td></td><td>a</td><td></td><td>b</td></tr></table>", "a b"},
        {"<table><tr><td>a</td><td></td></tr><tr><td></td><td>b</td></tr></table>", "a\nb"},
        {"<table><tr><td><table><tr><td>a</td></tr><tr><td>b</td></tr></table></td></tr></table>c",
         "a\nb\nc"},
        {"x<table><tbody><tr><td>a", "x\na"},
    };
    check(cases, COUNT(cases));
}

#define X30 "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
#define X90 X30 X30 "xxxxxxxxxxxxxxxxxxxxxxxxxxx"

Test(html, links)
{
    static const struct html_case cases[] = {
        {"See <a href=\"https://x.de/a\">the graph</a>.", "See the graph https://x.de/a."},
        {"<a href='https://x.de/a'>https://x.de/a</a> b", "https://x.de/a b"},
        {"<a href=http://x.de/>x.de</a>", "http://x.de/"},
        {"<a href=\"https://x.de\"> http://X.de/ </a>", "https://x.de"},
        {"<a href=\"https://x.de/?a=1&amp;b=2&c=3\">go</a>", "go https://x.de/?a=1&b=2&c=3"},
        {"<a href=\" https://x.de/a\n b \">go</a>", "go https://x.de/a%20b"},
        {"<a href=\"HTTPS://x.de\">go</a>", "go HTTPS://x.de"},
        {"<a href=\"mailto:a@x.de\">a@x.de</a>", "a@x.de"},
        {"<a href=\"tel:+34600\">call</a> <a href=\"#top\">top</a>", "call top"},
        {"<a href=\"javascript:x()\">go</a> <a name=x>here</a>", "go here"},
        {"<a href=\"https://\">go</a> <a href>x</a>", "go x"},
        {"a<a href=\"https://x.de\"></a>b", "ahttps://x.deb"},
        {"<a href=\"https://x.de\"><img src=y alt=\"Our shop\"></a>", "Our shop"},
        {"<a href=\"https://x.de\"><img src=y></a>a", "a"},
        {"<a href=\"https://x.de\"><svg><text>x</text></svg></a>a", "a"},
        {"<a href=\"https://x.de\"><img src=y> go</a>", "go https://x.de"},
        {"<a href=\"https://x.de\"><b><img alt=\"Our\"> shop</b></a>", "Our shop https://x.de"},
        {"<a href=\"https://www.x.de/%C3%BC/%41\">x.de/\xC3\xBC/a</a>",
         "https://www.x.de/%C3%BC/%41"},
        {"<a href=\"https://x.de/" X90 "\">go</a>", "go https://x.de/" X90},
        {"<a href=\"https://x.de/" X90 "yy\">go</a> on", "go on"},
        {"<a href=\"https://x.de/" X90 "yy\">x.de/" X90 "yy</a>", "x.de/" X90 "yy"},
        {"a<a href=\"https://x.de/" X90 "yy\"></a>b", "ab"},
        {"<a href=\"https://x.de\"><div>go</div></a>on", "go https://x.de\non"},
        {"<ul><li><a href=\"https://x.de\">x.de</a></ul>", "- https://x.de"},
        {"a<p><a href=\"https://x.de\">go", "a\ngo https://x.de"},
    };
    check(cases, COUNT(cases));
}

Test(html, pictures_are_their_text)
{
    static const struct html_case cases[] = {
        {"a <img alt=\"red  light\"> b", "a red light b"},
        {"a <img src=x> <img alt=''> b", "a b"},
    };
    check(cases, COUNT(cases));
}

Test(html, what_is_not_seen_is_dropped)
{
    static const struct html_case cases[] = {
        {"<html><head><title>T</title><style>p {}</style></head><body>a</body></html>", "a"},
        {"<title>T</title>a<style>b{}</style><script>if (a < b) x('</p>');</script>c", "ac"},
        {"a<!-- b --><!---->c<!-- <p>d", "ac"},
        {"<svg><title>t</title><text>x</text></svg>a<template><p>b</p></template>", "a"},
        {"<noscript>a</noscript>", "a"},
        {"<div style=\"color:red; Display : NONE\">preheader<br><a href=http://x>y</a></div>a",
         "a"},
        {"<div style=\"display:block\">a</div>", "a"},
        {"<p hidden>a<p>b<img alt=c hidden>", "b"},
        {"<span style='display:none'>a<span>b</span>c</span>d", "d"},
        {"a<!--[if mso]><p>b</p><![endif]-->c", "ac"},
        {"a<![if !mso]>b<![endif]>c", "abc"},
        {"a<!--[if !mso]><!-->b<!--<![endif]-->c", "abc"},
        {"a<![CDATA[b]]>c<?php d ?>e", "ace"},
        {"<?xml version=\"1.0\" encoding=\"latin1\"?><!DOCTYPE html><html>\xC3\xA9</html>",
         "\xC3\xA9"},
    };
    check(cases, COUNT(cases));
}

Test(html, characters)
{
    static const struct html_case cases[] = {
        {"&lt;b&gt; &amp;amp; &quot;x&quot; &apos;", "<b> &amp; \"x\" '"},
        {"a&nbsp;&nbsp; b&nbsp;", "a b"},
        {"&euro;5 &#8364;5 &#x20AC;5", "\xE2\x82\xAC"
                                       "5 \xE2\x82\xAC"
                                       "5 \xE2\x82\xAC"
                                       "5"},
        {"it&#146;s &#150; x&#133;", "it\xE2\x80\x99s \xE2\x80\x93 x\xE2\x80\xA6"},
        {"a&zwnj;b&shy;c&#8203;d&#65279;e", "abcde"},
        {"x &#847;&zwnj;&nbsp;&#847;&zwnj;&nbsp;y", "x y"},
        {"\xD9\x85\xDB\x8C\xE2\x80\x8C\xD8\xAE", "\xD9\x85\xDB\x8C\xE2\x80\x8C\xD8\xAE"},
        {"&#128104;&zwj;&#128187;", "\xF0\x9F\x91\xA8\xE2\x80\x8D\xF0\x9F\x92\xBB"},
        {"\xF0\x9F\x91\xA8&zwj; x", "\xF0\x9F\x91\xA8 x"},
        {"A&B &unknown; &; &#; &#0; &#xD800;x", "A&B &unknown; &; x"},
        {"a\x01"
         "b\x7F"
         "c\x1B[0m\xC2\x81",
         "abc[0m"},
        {"<meta charset=iso-8859-1>\xC3\xB1", "\xC3\xB1"},
        {"<meta http-equiv=content-type content='text/html; charset=utf-16'>\xC3\xB1", "\xC3\xB1"},
        {"a\xE3\x80\x80\xE2\x80\x82"
         "b",
         "a b"},
    };
    check(cases, COUNT(cases));
}

Test(html, broken)
{
    static const struct html_case cases[] = {
        {"load < 5 and > 3", "load < 5 and > 3"},
        {"<3 you", "<3 you"},
        {"5<6", "5<6"},
        {"<b><i>a</b>b</i>c", "abc"},
        {"</div></p>a</x>", "a"},
        {"a<p class=\"x>b", "a"},
        {"a<b", "a"},
        {"a<b class='x' / = \"y\" id>b</b>", "ab"},
        {"a&amp", "a&amp"},
        {"<a href=http://x.de>y<b", "y http://x.de"},
        {"a<", "a<"},
        {"<o:p>a</o:p><blink>b</blink>", "ab"},
        {"<div><table><tr><td>a", "a"},
    };
    check(cases, COUNT(cases));
}

Test(html, appends)
{
    struct buffer out = BUFFER_EMPTY;
    buffer_puts(&out, "Subject ");
    html_init();
    cr_assert(read_html("<p>a\0b</p>", 10, &out));
    cr_assert_eq(out.len, 10);
    cr_assert_eq(memcmp(out.data, "Subject ab", 10), 0);
    buffer_free(&out);
}

/* Wherever it is cut, what was seen before is still seen. */
Test(html, cut_anywhere)
{
    static const char html[] = "<html><head><title>T</title></head><body style=\"x\"><p "
                               "class='a'>Disk&nbsp;full &euro; <b>on"
                               "</b> <a href=\"https://x.de/\">web1</a><!-- c "
                               "--><table><tr><td>a<td>b</table></body></html>";
    html_init();
    for (size_t len = 0; len < sizeof html; len++) {
        struct buffer out = BUFFER_EMPTY;
        cr_assert(read_html(html, len, &out), "%zu", len);
        cr_assert(out.len == 0 || text_is_utf8(out.data, out.len), "%zu", len);
        if (len > 80) {
            cr_assert_eq(memcmp(out.data, "Disk full", 9), 0, "%zu", len);
        }
        buffer_free(&out);
    }
}

/* Cleaning a page in two pieces leaves the same text, wherever it is cut. */
Test(html, cleaned_in_pieces)
{
    static const char html[] =
        "a<!-- b -- > --><!--><STYLE type=x>c {} </style >d<script>'<!--' e</script>f"
        "<img src=\"data:image/png;base64,AAAA BBBB\" alt=g><p style='background:url(data:h)'>i"
        "<![if !mso]>j<![endif]><a href=http://x.de/data:k>l</a><!-- m --!>n";
    struct buffer whole = BUFFER_EMPTY;
    html_init();
    read_html(html, sizeof html - 1, &whole);
    for (size_t cut = 0; cut < sizeof html; cut++) {
        struct buffer input = BUFFER_EMPTY, text = BUFFER_EMPTY;
        html_clean(html, cut, true, &input);
        buffer_puts(&input, html + cut);
        read_html(input.data, input.len, &text);
        cr_expect_eq(text.len, whole.len, "%zu: %.*s", cut, (int)text.len, text.data);
        cr_expect_eq(memcmp(text.data, whole.data, whole.len), 0, "%zu", cut);
        buffer_free(&input);
        buffer_free(&text);
    }
    cr_expect_eq(memcmp(whole.data, "adf", 3), 0, "%.*s", (int)whole.len, whole.data);
    buffer_free(&whole);
}

static bool read_repeated(const char *head, const char *unit, size_t times, const char *tail,
                          struct buffer *out)
{
    struct buffer html = BUFFER_EMPTY;
    buffer_puts(&html, head);
    for (size_t i = 0; i < times; i++) {
        buffer_puts(&html, unit);
    }
    buffer_puts(&html, tail);
    html_init();
    bool is_read = read_html(html.data, html.len, out);
    buffer_free(&html);
    return is_read;
}

Test(html, nested_too_deep_is_left_out)
{
    struct buffer out = BUFFER_EMPTY;
    cr_assert(read_repeated("a", "<b>", 100, "b", &out));
    cr_assert(!read_repeated("c", "<b>", HTML_MAX_DEPTH, "d", &out));
    cr_assert(!read_repeated("e", "<div>", 50000, "f", &out));
    cr_assert_eq(out.len, 4);
    cr_assert_eq(memcmp(out.data, "abce", 4), 0);
    buffer_free(&out);
}

/* What is hidden before the end of what hides it is left alone, and what follows is shown. */
Test(html, comments_as_in_browsers)
{
    static const struct html_case cases[] = {
        {"<!--><p>a</p>", "a"},
        {"<!---><p>a</p>", "a"},
        {"<!-- a --!>b", "b"},
        {"<!-- a -- >b-->c", "c"},
        {"a<!--", "a"},
        {"a<style>b", "a"},
        {"a<STYLE type=x>b</Style >c", "ac"},
        {"a<script>'<!--'</script>b", "ab"},
        {"a<stylesheet>b</stylesheet>", "ab"},
        {"a<img src='data:image/png;base64,AAAA'>b", "ab"},
        {"<p style=\"background:url(data:image/png;base64,AAAA)\">a", "a"},
        {"the data: a, b", "the data: a, b"},
    };
    check(cases, COUNT(cases));
}

/* What costs too much ends the text, and what is costly only in size does not. */
Test(html, bounded)
{
    static const struct {
        const char *head, *unit;
        size_t times;
        const char *tail;
        bool is_whole;
    } cases[] = {
        {"a<p ", "b ", 40, ">z", true},
        {"a<p ", "b ", 60000, ">z", false},
        {"a<!-- <p b=\" --><p ", "b ", 60000, ">z", false},
        {"a<p title=\"", "b ", 60000, "\">z", true},
        {"a", "&nbsp;", 5000, "z", true},
        {"a<img title=\"", "&yuml;", 40000, "\">z", false},
        {"a", "<br>", 4000, "z", true},
        {"a", "<br>", 50000, "z", false},
        {"a", "</b>", 50000, "z", false},
        {"a", " ", 200000, "z", true},
        {"a<!--", "<b>", 50000, "-->z", true},
        {"a<img src=\"data:", "AAAA", 50000, "\">z", true},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct buffer out = BUFFER_EMPTY;
        read_repeated(cases[i].head, cases[i].unit, cases[i].times, cases[i].tail, &out);
        cr_assert_eq(out.data[0], 'a');
        cr_assert_eq(out.data[out.len - 1] == 'z', cases[i].is_whole, "%s%s...", cases[i].head,
                     cases[i].unit);
        buffer_free(&out);
    }
}
