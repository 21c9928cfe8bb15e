/* value: what MIME's fields say, however they are written. */
#include "proto/mail/value.h"

#include <criterion/criterion.h>
#include <string.h>

#define COUNT(table) (sizeof(table) / sizeof((table)[0]))
#define SPAN(s)      ((struct span){s, strlen(s)})

Test(value, media)
{
    static const struct {
        const char *type;
        enum media media;
    } cases[] = {
        {"", MEDIA_PLAIN},
        {"text/plain", MEDIA_PLAIN},
        {"TEXT/PLAIN; charset=x", MEDIA_PLAIN},
        {"text", MEDIA_PLAIN},
        {"nonsense", MEDIA_PLAIN},
        {"; charset=utf-8", MEDIA_PLAIN},
        {"plain/text", MEDIA_PLAIN},
        {"text/x-log", MEDIA_PLAIN},
        {"\"text/plain\"", MEDIA_PLAIN},
        {"(comment) text/plain", MEDIA_PLAIN},
        {"text/html", MEDIA_HTML},
        {"text\\html", MEDIA_HTML},
        {"html", MEDIA_HTML},
        {"'text/html'", MEDIA_HTML},
        {"text/html charset=utf-8", MEDIA_HTML},
        {"application/xhtml+xml", MEDIA_HTML},
        {"text/xhtml", MEDIA_HTML},
        {"application/octet-stream", MEDIA_UNKNOWN},
        {"application/json", MEDIA_UNKNOWN},
        {"image/png", MEDIA_OTHER},
        {"text/calendar", MEDIA_OTHER},
        {"multipart/mixed; boundary=x", MEDIA_MIXED},
        {"multipart/anything", MEDIA_MIXED},
        {"mixed; boundary=x", MEDIA_MIXED},
        {"Multipart/Alternative", MEDIA_ALTERNATIVE},
        {"multipart/related", MEDIA_RELATED},
        {"message/rfc822", MEDIA_MESSAGE},
        {"message/delivery-status", MEDIA_OTHER},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        cr_expect_eq(value_media(SPAN(cases[i].type)), cases[i].media, "%s", cases[i].type);
    }
}

Test(value, transfer)
{
    static const struct {
        const char *encoding;
        enum transfer transfer;
    } cases[] = {
        {"", TRANSFER_NONE},
        {"7bit", TRANSFER_NONE},
        {"nonsense", TRANSFER_NONE},
        {"base64", TRANSFER_BASE64},
        {"\"base64\"", TRANSFER_BASE64},
        {"BASE64;", TRANSFER_BASE64},
        {"(as ever) base64 (x)", TRANSFER_BASE64},
        {"base-64", TRANSFER_BASE64},
        {"quoted-printable;", TRANSFER_QUOTED},
        {"Quoted-Printable, 8bit", TRANSFER_QUOTED},
        {"quoted_printable", TRANSFER_QUOTED},
        {"x-uuencode", TRANSFER_UUENCODED},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        cr_expect_eq(value_transfer(SPAN(cases[i].encoding)), cases[i].transfer, "%s",
                     cases[i].encoding);
    }
}

Test(value, parameters)
{
    static const struct {
        const char *value, *name;
        const char *parameter; /* NULL = there is none */
        const char *charset;
    } cases[] = {
        {"a/b; boundary=x", "boundary", "x", ""},
        {"a/b; boundary=\"x y\"; charset=z", "boundary", "x y", ""},
        {"a/b; boundary=\"x\\\"y\"", "boundary", "x\"y", ""},
        {"a/b; BOUNDARY = x", "boundary", "x", ""},
        {"a/b boundary=x", "boundary", "x", ""},
        {"a/b\n\tboundary=\"x\"", "boundary", "x", ""},
        {"a/b; boundary='x'", "boundary", "x", ""},
        {"a/b; boundary=\"x", "boundary", "x", ""},
        {"a/b; boundary=\"x\n charset=y", "boundary", "x", ""},
        {"a/b; boundary=x;", "boundary", "x", ""},
        {"a/b; boundary=", "boundary", "", ""},
        {"a/b; boundary", "boundary", NULL, ""},
        {"a/b; name=\"boundary=x\"; boundary=y", "boundary", "y", ""},
        {"a/b; x-boundary=x", "boundary", NULL, ""},
        {"boundary=x", "boundary", "x", ""},
        {"", "boundary", NULL, ""},
        /* RFC 2231 */
        {"a; filename*=utf-8'en'%C3%A9.jpg", "filename", "\xc3\xa9.jpg", "utf-8"},
        {"a; filename=x; filename*=utf-8''y", "filename", "y", "utf-8"},
        {"a; filename*0=\"x \"; filename*1=y", "filename", "x y", ""},
        {"a; filename*0*=utf-8''%C3; filename*1*=%A9; filename*2=\"%41\"", "filename",
         "\xc3\xa9%41", "utf-8"},
        {"a; charset*=us-ascii'en'utf-8", "charset", "utf-8", "us-ascii"},
        {"a; filename*=100%", "filename", "100%", ""},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct buffer out = BUFFER_EMPTY, charset = BUFFER_EMPTY;
        bool has = value_parameter(SPAN(cases[i].value), cases[i].name, &out, &charset);
        buffer_putc(&out, '\0');
        buffer_putc(&charset, '\0');
        cr_expect_eq(has, cases[i].parameter != NULL, "%s", cases[i].value);
        if (has && cases[i].parameter != NULL) {
            cr_expect_str_eq(out.data, cases[i].parameter, "%s: %s", cases[i].value, out.data);
            cr_expect_str_eq(charset.data, cases[i].charset, "%s", cases[i].value);
        }
        buffer_free(&out);
        buffer_free(&charset);
    }
}

Test(value, years)
{
    static const struct {
        const char *date;
        int year;
    } cases[] = {
        {"Tue, 24 Nov 2026 03:00:00 +0000", 2026},
        {"Thu, 01 Jan 1970 00:00:00 +0000", 1970},
        {"Mon Nov 30 06:00:00 2026", 2026},
        {"2026-11-30T06:00:00Z", 2026},
        {"24 Nov 26 03:00 +0000", 0},
        {"1796000000", 0},
        {"today", 0},
        {"", 0},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        cr_expect_eq(value_year(SPAN(cases[i].date)), cases[i].year, "%s", cases[i].date);
    }
}
