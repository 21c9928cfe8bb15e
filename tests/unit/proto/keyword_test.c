/* keyword: texts that are one word, and texts that are not. */
#include "proto/keyword.h"

#include <criterion/criterion.h>
#include <string.h>

#define COUNT(array) (sizeof(array) / sizeof(array)[0])

static const char *const words[] = {"STOP", "ARRET", "Baja ya", "M\xc3\x9cLL", "\xf0\x9f\x9b\x91",
                                    "0"};

Test(keyword, yes)
{
    static const char *const texts[] = {
        "STOP",
        "stop",
        "Stop!",
        " \t\r\n'stop'.",
        "[STOP]",
        "(\xc2\xabStop\xc2\xbb)",                           /* guillemets */
        "\xc2\xa0STOP\xc2\xa0",                             /* NBSP */
        "STOP\xe2\x80\x8b",                                 /* zero width space */
        "ST\xc2\xadOP",                                     /* soft hyphen */
        "\xe2\x80\x9cStop\xe2\x80\x9d\xe2\x80\xa6",         /* quotes, ellipsis */
        "\xc2\xa1STOP!",                                    /* inverted exclamation mark */
        "STOP \xf0\x9f\x91\x8d\xf0\x9f\x8f\xbd",            /* thumbs up with a skin colour */
        "\xf0\x9f\x9b\x91STOP\xe2\x9d\xa4\xef\xb8\x8f",     /* stop sign, heart */
        "\xef\xbc\xb3\xef\xbc\xb4\xef\xbc\xaf\xef\xbc\xb0", /* full width */
        "ARR\xc3\x8aT",
        "arre\xcc\x82t",
        "Arr\xc3\xaat.",
        "baja  YA",
        "Baja, \xc2\xa1ya!",
        "mull",
        "M\xc3\xbcll",
        "0",
        "\xf0\x9f\x9b\x91",
        /* Damaged on the way. */
        "ARR\xef\xbf\xbdT",
        "ARR\xcaT",
        "STOP \xef\xbf\xbd",
        "\xef\xbf\xbdSTOP\xef\xbf\xbd\xef\xbf\xbd",
    };
    for (size_t i = 0; i < COUNT(texts); i++) {
        cr_expect(keyword_is_one_of(texts[i], words, COUNT(words)), "%s", texts[i]);
    }
}

Test(keyword, no)
{
    static const char *const texts[] = {
        "",
        " ",
        "!",
        "STOPP",
        "STO",
        "don't stop",
        "stop it",
        "STOP 1",
        "S.T.O.P",
        "S T O P",
        "bajaya",
        "baja",
        "00",
        "\xf0\x9f\x9b\x91\xf0\x9f\x9b\x91",
        "\xef\xbf\xbd",
        "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd",
        "ST\xef\xbf\xbd\xef\xbf\xbd",
        "ST\xef\xbf\xbd",
        "\xd1\x81\xd1\x82\xd0\xbe\xd0\xbf", /* Cyrillic */
    };
    for (size_t i = 0; i < COUNT(texts); i++) {
        cr_expect_not(keyword_is_one_of(texts[i], words, COUNT(words)), "%s", texts[i]);
    }
}

Test(keyword, long_texts)
{
    char text[4096] = "";
    memset(text, ' ', sizeof text - 5);
    strcpy(text + sizeof text - 5, "stop");
    cr_expect(keyword_is_one_of(text, words, COUNT(words)));
    memset(text, 's', sizeof text - 5);
    cr_expect_not(keyword_is_one_of(text, words, COUNT(words)));
    cr_expect_not(keyword_is_one_of("stop", NULL, 0));
}
