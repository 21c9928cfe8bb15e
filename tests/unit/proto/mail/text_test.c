/* text: uuencoded files within a text. */
#include "proto/mail/text.h"

#include <criterion/criterion.h>
#include <string.h>

#define COUNT(table) (sizeof(table) / sizeof((table)[0]))
#define FULL_LINE    "M0V%T0V%T0V%T0V%T0V%T0V%T0V%T0V%T0V%T0V%T0V%T0V%T0V%T0V%T0V%T\n"

Test(text, uuencoded_files)
{
    static const struct {
        const char *text, *kept, *names;
    } cases[] = {
        {"", "", ""},
        {"a\nbegin 644 x.jpg\n" FULL_LINE "#0V%T\n`\nend\nb\n", "a\nb\n", "x.jpg\n"},
        {"begin 644 x\n#0V%T\n\nend\nbegin 755 y z\n#0V%T\n \nend\n", "", "x\ny z\n"},
        {"a\nbegin 644 x\n#0V%T\nno end\n", "a\nno end\n", "x\n"},
        {"begin 644 words\nof a text\n", "begin 644 words\nof a text\n", ""},
        {"begin it\n#0V%T\n", "begin it\n#0V%T\n", ""},
        {"begin 644 x", "begin 644 x", ""},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct buffer text = BUFFER_EMPTY, names = BUFFER_EMPTY;
        buffer_puts(&text, cases[i].text);
        mail_text_drop_files(&text, false, &names);
        buffer_putc(&text, '\0');
        buffer_putc(&names, '\0');
        cr_expect_str_eq(text.data, cases[i].kept, "%zu: %s", i, text.data);
        cr_expect_str_eq(names.data, cases[i].names, "%zu: %s", i, names.data);
        buffer_free(&text);
        buffer_free(&names);
    }
}

/* The same, wherever the text is cut in two. */
Test(text, uuencoded_files_in_pieces)
{
    static const char all[] = "a\nbegin 644 x.jpg\n" FULL_LINE FULL_LINE "#0V%T\n`\nend\nb\n";
    for (size_t cut = 0; cut < sizeof all; cut++) {
        struct buffer text = BUFFER_EMPTY;
        buffer_append(&text, all, cut);
        mail_text_drop_files(&text, true, NULL);
        buffer_puts(&text, all + cut);
        mail_text_drop_files(&text, false, NULL);
        buffer_putc(&text, '\0');
        cr_expect_str_eq(text.data, "a\nb\n", "%zu: %s", cut, text.data);
        buffer_free(&text);
    }
}
