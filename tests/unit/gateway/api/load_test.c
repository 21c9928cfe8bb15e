/* load: bodies that are nearly JSON. */
#include "gateway/api/load.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#define COUNT(array) (sizeof(array) / sizeof(array)[0])
#define BAD          "\xef\xbf\xbd" /* U+FFFD */

static void expect(const char *body, size_t len, const char *wanted)
{
    json_t *root = api_load(body, len);
    char *got = json_dumps(root, JSON_COMPACT);
    cr_expect_str_eq(got != NULL ? got : "nothing", wanted != NULL ? wanted : "nothing", "%s",
                     body);
    free(got);
    json_decref(root);
}

struct row {
    const char *body, *wanted; /* NULL = cannot be read */
};

static void expect_rows(const struct row *rows, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        expect(rows[i].body, strlen(rows[i].body), rows[i].wanted);
    }
}

#define NOTICE                                                                            \
    "<br />\n<b>Notice</b>:  Undefined index: a[0] in <b>/srv/{closure}.php</b> on line " \
    "<b>7</b><br />\n"

Test(api_load, what_stands_around)
{
    static const struct row rows[] = {
        {"{\"a\":1}", "{\"a\":1}"},
        {" [] \r\n", "[]"},
        {"\xef\xbb\xbf{\"a\":1}", "{\"a\":1}"},
        {"\xef\xbb\xbf\xef\xbb\xbf \n[]", "[]"},
        {"\xef\xbb\xbf{ }", "{}"},
        {NOTICE "{\"a\":1}", "{\"a\":1}"},
        {NOTICE NOTICE "[{\"a\":1}]", "[{\"a\":1}]"},
        {"{\"a\":1}\n" NOTICE, "{\"a\":1}"},
        {"PHP Warning:  foreach() on $a[] in {main} on line 3\n[ {\"a\":\"]\"} ]\n",
         "[{\"a\":\"]\"}]"},
        {"Array\n{\"a\":1}", "{\"a\":1}"},
        {"{\"a\":1}<!-- 0.2 s -->", "{\"a\":1}"},
        {"", NULL},
        {"{", NULL},
        {"[{", NULL},
        {"\xef\xbb\xbf", NULL},
        {"\"a\"", NULL},
        {"Not now", NULL},
        {"$a[0] {closure} [\"a\"]", NULL},
        {"<HTML><p>{\"a\":1}</p>", NULL},
        {"<!DOCTYPE html>{\"a\":1}", NULL},
        /* Part of something larger. */
        {"{\"a\":1}{\"a\":2}", NULL},
        {"{\"a\":1}\n[{\"a\":2}]", NULL},
        {"{\"a\":1},", NULL},
        {"{\"a\":1}]", NULL},
        {"\"x\":{\"a\":1}}", NULL},
        {"{\"x\":{},\"a\":{\"a\":1}", NULL},
        {"{\"x\":[],\"a\":[{\"a\":1}", NULL},
        {"[{\"a\":1}}", NULL},
    };
    expect_rows(rows, COUNT(rows));
    expect("{\"a\":1}\0\0", 9, "{\"a\":1}");
    expect("\0{\"a\":1}", 8, "{\"a\":1}");
}

Test(api_load, damaged_texts)
{
    static const struct row rows[] = {
        {"[\"M\xfcller\"]", "[\"M" BAD "ller\"]"},
        {"[\"\xe2\x82\xac\xe2\x82\"]", "[\"\xe2\x82\xac" BAD "\"]"},
        {"{\"\xff\":\"\xc3\"}", "{\"" BAD "\":\"" BAD "\"}"},
        {"[\"\\ud83d\"]", "[\"" BAD "\"]"},
        {"[\"\\uDE00!\"]", "[\"" BAD "!\"]"},
        {"[\"\\ud83d\\ud83d\\ude00\"]", "[\"" BAD "\xf0\x9f\x98\x80\"]"},
        {"[\"\\ud83dx\\ude00\\u00e9\\ud83d\"]", "[\"" BAD "x" BAD "\xc3\xa9" BAD "\"]"},
        {"[\"a\\u0000b\"]", "[\"a" BAD "b\"]"},
        {"[\"a\nb\tc\x7f\x01\"]", "[\"a\\nb\\tc\x7f\\u0001\"]"},
        {"[\"it\\'s \\d\\\\ \\\" \\/ \\u12\"]", "[\"it's d\\\\ \\\" / u12\"]"},
        {"[\"\\\xff\"]", "[\"" BAD "\"]"},
        {"[\"\\ud83", NULL},
        {"[\"\\", NULL},
        {"[\"\xff", NULL},
    };
    expect_rows(rows, COUNT(rows));
    expect("[\"a\0b\"]", 7, "[\"a" BAD "b\"]");
}

Test(api_load, numbers)
{
    static const struct row rows[] = {
        {"[NaN,-Infinity,Infinity,1]", "[null,null,null,1]"},
        {"{\"a\":18446744073709551616,\"b\":7}", "{\"a\":\"18446744073709551616\",\"b\":7}"},
        {"[1e999,-1E999]", "[\"1e999\",\"-1E999\"]"},
        {"[007,0,0.5,NaN]", "[\"007\",0,0.5,null]"},
        {"[NaNa]", NULL},
        {"[-]", NULL},
        {"[1,]", NULL},
    };
    expect_rows(rows, COUNT(rows));
}

Test(api_load, names_that_repeat)
{
    expect("{\"a\":1,\"a\":2}", 13, "{\"a\":2}");
}

/* Whatever is sent, it is read in a moment. */
Test(api_load, bounds)
{
    static const char *const units[] = {"[", "{\"a\":", "[{\"", "\\", "{\"\xff", "[   ", "<", "9"};
    enum { SIZE = 4 << 20 };
    char *body = malloc(SIZE);
    for (size_t i = 0; i < COUNT(units); i++) {
        size_t len = strlen(units[i]);
        for (size_t at = 0; at + len <= SIZE; at += len) {
            memcpy(body + at, units[i], len);
        }
        json_t *root = api_load(body, SIZE - SIZE % len);
        cr_expect_null(root, "%s", units[i]);
    }
    free(body);
}
