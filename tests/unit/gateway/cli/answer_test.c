#include "gateway/cli/answer.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

/* What is printed of these words. */
static char *printed(const char *words, enum answer_shape shape, bool is_json)
{
    struct buffer lines = BUFFER_EMPTY;
    char *text = NULL;
    size_t len;
    FILE *out = open_memstream(&text, &len);
    buffer_puts(&lines, words);
    cr_assert(answer_print(&lines, shape, is_json, out));
    fclose(out);
    buffer_free(&lines);
    return text;
}

static void expect_json(const char *words, enum answer_shape shape, const char *json)
{
    char *text = printed(words, shape, true);
    cr_expect_str_eq(text, json, "%s: %s", words, text);
    free(text);
}

Test(answer, words_stay_as_they_are)
{
    char *text = printed("queued id=1\nb \"c\n", ANSWER_MESSAGES, false);
    cr_expect_str_eq(text, "queued id=1\nb \"c\n");
    free(text);
}

Test(answer, messages_are_a_list_even_if_there_is_one)
{
    expect_json("queued id=X to=+34600000000 parts=2 duplicate=yes\n", ANSWER_MESSAGES,
                "{\"messages\":[{\"result\":\"queued\",\"id\":\"X\",\"to\":\"+34600000000\","
                "\"parts\":2,\"duplicate\":true}]}\n");
    expect_json("id=X state=queued\nid=Y state=queued\nmore=12\n", ANSWER_MESSAGES,
                "{\"messages\":[{\"id\":\"X\",\"state\":\"queued\"},"
                "{\"id\":\"Y\",\"state\":\"queued\"}],\"more\":12}\n");
    expect_json("id=X\nmore=yes\n", ANSWER_MESSAGES,
                "{\"messages\":[{\"id\":\"X\"}],\"more\":true}\n");
    expect_json("none\n", ANSWER_MESSAGES, "{\"messages\":[]}\n");
    expect_json("", ANSWER_MESSAGES, "{\"messages\":[]}\n");
}

Test(answer, the_type_goes_by_the_key)
{
    expect_json("id=X ref=17 code=7 from=yes reason=no\n", ANSWER_MESSAGES,
                "{\"messages\":[{\"id\":\"X\",\"ref\":\"17\",\"code\":\"7\",\"from\":\"yes\","
                "\"reason\":\"no\"}]}\n");
    expect_json("queued=3 oldest=0 relaying=no reason=\"held by the operator\"\n", ANSWER_OBJECT,
                "{\"queued\":3,\"oldest\":0,\"relaying\":false,"
                "\"reason\":\"held by the operator\"}\n");
    expect_json("a_total=3\nb=-1\nversion=7\n", ANSWER_COUNTERS,
                "{\"a_total\":3,\"b\":-1,\"version\":\"7\"}\n");
    expect_json("attempts=many parts=99999999999999999999999999999999999\n", ANSWER_OBJECT,
                "{\"attempts\":\"many\",\"parts\":\"99999999999999999999999999999999999\"}\n");
}

Test(answer, quotes_and_escapes)
{
    expect_json("text=\"a \\\"b\\\" \\\\ \\n \\x1B \\x\"\n", ANSWER_OBJECT,
                "{\"text\":\"a \\\"b\\\" \\\\ \\n \\u001B x\"}\n");
    expect_json("text=\"a=b state=c\" to=x\n", ANSWER_OBJECT,
                "{\"text\":\"a=b state=c\",\"to\":\"x\"}\n");
    expect_json("a=\"\" b= c=\"open", ANSWER_OBJECT, "{\"a\":\"\",\"b\":\"\",\"c\":\"open\"}\n");
    expect_json("a=\"x\\", ANSWER_OBJECT, "{\"a\":\"x\\\\\"}\n");
    expect_json("text=\xc3\xa1\xff\n", ANSWER_OBJECT, "{\"text\":\"\xc3\xa1\xef\xbf\xbd\"}\n");
}

Test(answer, an_event_is_a_line)
{
    expect_json("watching all last=4\n", ANSWER_EVENTS,
                "{\"result\":\"watching\",\"all\":true,\"last\":4}\n");
    expect_json(
        "event=5 inbound id=X to=+3 text=\"who is this?\"\nevent=6 id=X state=sending\n",
        ANSWER_EVENTS,
        "{\"event\":5,\"inbound\":true,\"id\":\"X\",\"to\":\"+3\",\"text\":\"who is this?\"}\n"
        "{\"event\":6,\"id\":\"X\",\"state\":\"sending\"}\n");
}
