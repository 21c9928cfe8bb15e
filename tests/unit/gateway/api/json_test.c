/* api_json: the API's bodies, written and read in every variant. */
#include "gateway/api/body.h"
#include "gateway/api/json.h"

#include "proto/text.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* Four messages; the last two differ in their clientId only. */
#define C0 "01ARZ3NDEKTSV4RRFFQ69G5FA0"
#define C1 "01ARZ3NDEKTSV4RRFFQ69G5FA1"
#define C2 "01ARZ3NDEKTSV4RRFFQ69G5FA2"
#define C3 "01ARZ3NDEKTSV4RRFFQ69G5FA3"
#define CX "01ARZ3NDEKTSV4RRFFQ69G5FAX" /* nobody's */

enum { MESSAGES = 4 };

static struct message *message_of(const char *id, const char *to, const char *text, bool unicode)
{
    struct message_content content = {
        .to = to, .from = "Acme", .ref = "", .text = text, .text_len = strlen(text)};
    content.allow_unicode = unicode;
    content.expires_ms = 1;
    cr_assert(ulid_parse(id, strlen(id), &content.id));
    struct message *message = message_new(&content);
    cr_assert_not_null(message);
    return message;
}

static void make_messages(struct message *messages[MESSAGES])
{
    messages[0] = message_of(C0, "+34600000000", "hello", false);
    messages[1] = message_of(C1, "+34600000001", "hello", false);
    messages[2] = message_of(C2, "+34600000002", "twice", false);
    messages[3] = message_of(C3, "+34600000002", "twice", false);
}

static void free_messages(struct message *messages[MESSAGES])
{
    for (size_t i = 0; i < MESSAGES; i++) {
        message_free(messages[i]);
    }
}

/* --- single ----------------------------------------------------------------------------------- */

Test(api_json, single)
{
    static const struct {
        const char *body;
        const char *id; /* NULL = not such an answer */
    } cases[] = {
        {"{\"id\":\"a1\"}", "a1"},
        {"{\"id\":17}", "17"},
        {" {\"status\":\"queued\",\"id\":\"a1\",\"clientId\":\"" C0 "\",\"errors\":[]}\n", "a1"},
        {"{\"entity\":{\"id\":\"a1\"}}", "a1"},
        {"{\"id\":null,\"entity\":{\"id\":9007199254740993}}", "9007199254740993"},
        {"", NULL},
        {"null", NULL},
        {"{}", NULL},
        {"[]", NULL},
        {"[{\"id\":\"a1\"}]", NULL},
        {"\"a1\"", NULL},
        {"{\"id\":\"\"}", NULL},
        {"{\"id\":null}", NULL},
        {"{\"id\":0}", NULL},
        {"{\"id\":-1}", NULL},
        {"{\"id\":true}", NULL},
        {"{\"id\":1.5}", NULL},
        {"{\"id\":{\"id\":\"a1\"}}", NULL},
        {"{\"id\":\"a\\u0000b\"}", "a\xef\xbf\xbd\x62"},
        {"{\"id\":\"a\xff\x62\"}", "a\xef\xbf\xbd\x62"},
        {"\xef\xbb\xbf{\"id\":\"a1\"}", "a1"},
        {"{\"id\":\"a1\"}x", "a1"},
        {"{\"data\":{\"id\":\"a1\"}}", "a1"},
        {"{\"data\":{\"entity\":{\"id\":\"a1\"}}}", "a1"},
        {"{\"entity\":{\"data\":{\"id\":\"a1\"}}}", "a1"},
        {"{\"entities\":[{\"id\":\"a1\"}],\"errors\":[]}", "a1"},
        {"{\"entities\":{\"0\":{\"id\":\"a1\"}}}", "a1"},
        {"{\"entity\":\"a1\"}", NULL},
        {"{\"id\":\"a1\"", NULL},
        {"{\"id\":\"a1\"}{\"id\":\"a2\"}", NULL},
        {"<html>{\"id\":\"a1\"}</html>", NULL},
        {"{\"entities\":[{\"id\":\"a1\"},{\"id\":\"a2\"}]}", NULL},
        {"{\"entities\":[{\"id\":\"a1\"}],\"errors\":[{}]}", NULL},
        {"{\"entities\":[],\"errors\":[]}", NULL},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct api_item item;
        bool is_read = api_json_read_single(cases[i].body, strlen(cases[i].body), &item);
        cr_expect_eq(is_read, cases[i].id != NULL, "%s", cases[i].body);
        cr_expect_eq(item.outcome, is_read ? API_ITEM_ACCEPTED : API_ITEM_UNKNOWN);
        cr_expect_str_eq(item.answer != NULL ? item.answer : "",
                         cases[i].id != NULL ? cases[i].id : "", "%s", cases[i].body);
        free(item.answer);
    }
}

/* --- bulk ------------------------------------------------------------------------------------- */

/* "=id" accepted, "!reason" rejected, "*reason" clientId already used, "?" unknown. */
struct bulk_case {
    const char *what, *body;
    const char *items[MESSAGES];
};

static void describe(const struct api_item *item, char *text, size_t size)
{
    static const char marks[] = {'?', '=', '!', '*'};
    const char *id = item->answer != NULL ? item->answer : "";
    const char *reason = item->answer != NULL ? id + strlen(id) + 1 : "";
    snprintf(text, size, "%c%s%s", marks[item->outcome], id, reason);
}

static void check_bulks(const struct bulk_case *cases, size_t count)
{
    struct message *messages[MESSAGES];
    make_messages(messages);
    for (size_t i = 0; i < count; i++) {
        struct api_item items[MESSAGES];
        bool is_read =
            api_json_read_bulk(cases[i].body, strlen(cases[i].body), messages, MESSAGES, items);
        cr_expect(is_read, "%s", cases[i].what);
        for (size_t k = 0; k < MESSAGES; k++) {
            char got[512];
            describe(&items[k], got, sizeof(got));
            cr_expect_str_eq(got, cases[i].items[k], "%s, item %zu: %s, not %s", cases[i].what, k,
                             got, cases[i].items[k]);
            free(items[k].answer);
        }
    }
    free_messages(messages);
}

#define CHECK_BULKS(cases) check_bulks(cases, sizeof(cases) / sizeof(cases[0]))

/* How entries are put together. */
#define ENTITIES(e)       "{\"entities\":[" e "],\"errors\":[]}"
#define ANSWER(e, f)      "{\"entities\":[" e "],\"errors\":[" f "]}"
#define ID(id)            "{\"id\":\"" id "\"}"
#define OF(id, client_id) "{\"id\":\"" id "\",\"clientId\":\"" client_id "\"}"
#define TO(id, to)        "{\"id\":\"" id "\",\"to\":\"" to "\"}"
#define ALL(id, to, text) \
    "{\"id\":\"" id "\",\"from\":\"Acme\",\"to\":\"" to "\",\"text\":\"" text "\"}"
#define BAD "\"errors\":{\"to\":[\"bad\"]}"

Test(api_json, bulk_by_client_id)
{
    static const struct bulk_case cases[] = {
        {"all accepted",
         ENTITIES(OF("a", C0) "," OF("b", C1) "," OF("c", C2) "," OF("d", C3)),
         {"=a", "=b", "=c", "=d"}},
        {"in any order",
         ENTITIES(OF("d", C3) "," OF("b", C1) "," OF("a", C0) "," OF("c", C2)),
         {"=a", "=b", "=c", "=d"}},
        {"other spellings",
         ENTITIES("{\"id\":1,\"client_id\":\"" C0 "\"},"
                  "{\"id\":2,\"clientId\":\"01arz3ndektsv4rrffq69g5fa1\"}"),
         {"=1", "=2", "?", "?"}},
        {"within another object",
         ENTITIES("{\"id\":\"a\",\"sms\":" OF("x", C2) "},"
                                                       "{\"sms\":" OF("b", C0) "}"),
         {"=b", "?", "=a", "?"}},
        {"one refused",
         ANSWER(OF("a", C0) "," OF("c", C2) "," OF("d", C3), "{\"clientId\":\"" C1 "\"," BAD "}"),
         {"=a", "!to: bad", "=c", "=d"}},
        {"all refused, no entities",
         "{\"errors\":[{\"item\":{\"clientId\":\"" C3 "\"}," BAD "}]}",
         {"?", "?", "?", "!to: bad"}},
        {"no errors at all",
         "{\"entities\":[" OF("a", C0) "],\"errors\":null}",
         {"=a", "?", "?", "?"}},
        {"one refused, and words in the clientId's place",
         ANSWER("", "{\"clientId\":\"already used\",\"item\":{\"clientId\":\"" C2 "\"}}"),
         {"?", "?", "*clientId: already used", "?"}},
        {"clientId beats index",
         ANSWER("", "{\"index\":1,\"clientId\":\"" C2 "\"," BAD "}"),
         {"?", "?", "!to: bad", "?"}},
        {"accepted twice",
         ENTITIES(OF("a", C0) "," OF("b", C0) "," OF("c", C2)),
         {"?", "?", "=c", "?"}},
        {"accepted and refused",
         ANSWER(OF("a", C0) "," OF("b", C1), "{\"clientId\":\"" C0 "\"}"),
         {"?", "=b", "?", "?"}},
        {"accepted and refused by index",
         ANSWER(OF("a", C0) "," OF("b", C1), "{\"index\":0}"),
         {"?", "=b", "?", "?"}},
        {"accepted without an id",
         ENTITIES("{\"clientId\":\"" C0 "\"}," OF("b", C1)),
         {"?", "=b", "?", "?"}},
        {"refused twice is refused",
         ANSWER("",
                "{\"clientId\":\"" C0 "\"," BAD "},{\"clientId\":\"" C0 "\",\"errors\":\"worse\"}"),
         {"!to: bad", "?", "?", "?"}},
        {"somebody else's are nobody's",
         ENTITIES(OF("a", CX) "," OF("b", C1) "," OF("c", C2) "," OF("d", C3)),
         {"?", "=b", "=c", "=d"}},
        {"nor those with another kind of clientId",
         ENTITIES(OF("a", "order-1") "," OF("b", C1) "," OF("c", C2) "," OF("d", C3)),
         {"?", "=b", "=c", "=d"}},
    };
    CHECK_BULKS(cases);
}

Test(api_json, bulk_by_index)
{
    static const struct bulk_case cases[] = {
        {"an error's", ANSWER("", "{\"index\":1," BAD "}"), {"?", "!to: bad", "?", "?"}},
        {"written as a string",
         ANSWER("", "{\"index\":\"3\"," BAD "}"),
         {"?", "?", "?", "!to: bad"}},
        {"the rest then goes by order",
         ANSWER(ID("a") "," ID("b") "," ID("c"), "{\"index\":1," BAD "}"),
         {"=a", "!to: bad", "=b", "=c"}},
        {"an entity's",
         ENTITIES("{\"id\":\"a\",\"index\":2},{\"id\":\"b\",\"index\":0}"),
         {"=b", "?", "=a", "?"}},
        {"out of range", ANSWER("", "{\"index\":4," BAD "}"), {"?", "?", "?", "?"}},
        {"negative", ANSWER("", "{\"index\":-1," BAD "}"), {"?", "?", "?", "?"}},
        {"no index", ANSWER("", "{\"index\":\"1st\"," BAD "}"), {"?", "?", "?", "?"}},
        {"one out of range: it does not count from 0",
         ANSWER("", "{\"index\":1," BAD "},{\"index\":4," BAD "}"),
         {"?", "?", "?", "?"}},
        {"one contradicts its own clientId",
         ANSWER("", "{\"index\":1," BAD "},{\"index\":3,\"clientId\":\"" C2 "\"," BAD "}"),
         {"?", "?", "!to: bad", "?"}},
        {"one contradicts its own number, which then decides",
         ANSWER("", "{\"index\":1,\"to\":\"+34600000000\"," BAD "}"),
         {"!to: bad", "?", "?", "?"}},
        {"words are no number",
         ANSWER("", "{\"index\":1,\"to\":[\"bad\"],\"text\":\"long\"}"),
         {"?", "!to: bad", "?", "?"}},
        {"the same twice",
         ENTITIES("{\"id\":\"a\",\"index\":2},{\"id\":\"b\",\"index\":2}"),
         {"?", "?", "?", "?"}},
    };
    CHECK_BULKS(cases);
}

Test(api_json, bulk_by_echoed_fields)
{
    static const struct bulk_case cases[] = {
        {"numbers",
         ENTITIES(TO("b", "+34600000001") "," TO("a", "34600000000")),
         {"=a", "=b", "?", "?"}},
        {"a number that is an integer",
         ENTITIES("{\"id\":\"b\",\"to\":34600000001}"),
         {"?", "=b", "?", "?"}},
        {"refused beside accepted",
         ANSWER(TO("b", "+34600000001"), "{\"to\":\"+34600000000\",\"errors\":\"no\"}"),
         {"!no", "=b", "?", "?"}},
        {"nested under any key",
         ANSWER("", "{\"errors\":\"no\",\"request\":{\"to\":\"+34600000000\",\"text\":\"hello\"}}"),
         {"!no", "?", "?", "?"}},
        {"nested, behind words under the same names",
         ANSWER("", "{\"errors\":{\"text\":\"no\"},\"sms\":{\"text\":\"twice\"}},"
                    "{\"errors\":\"no\",\"sms\":{\"text\":\"twice\"}}"),
         {"?", "?", "!text: no", "!no"}},
        {"nested where words are expected",
         ANSWER("", "{\"errors\":\"no\",\"message\":{\"to\":\"+34600000000\",\"text\":\"hello\"}}"),
         {"!no", "?", "?", "?"}},
        {"two alike in order",
         ENTITIES(ALL("c", "+34600000002", "twice") "," ALL("d", "+34600000002", "twice")),
         {"?", "?", "=c", "=d"}},
        {"one of two alike accepted, one refused",
         ANSWER(ALL("c", "+34600000002", "twice"),
                "{\"to\":\"+34600000002\",\"errors\":\"duplicate\"}"),
         {"?", "?", "=c", "!duplicate"}},
        {"one of two alike is told of: which one?",
         ENTITIES(ALL("c", "+34600000002", "twice") "," ALL("a", "+34600000000", "hello")),
         {"=a", "?", "?", "?"}},
        {"three for two",
         ENTITIES(TO("c", "+34600000002") "," TO("d", "+34600000002") "," TO("e", "+34600000002")),
         {"?", "?", "?", "?"}},
        {"two that share their text only, both accepted",
         ENTITIES("{\"id\":\"a\",\"text\":\"hello\"},{\"id\":\"b\",\"text\":\"hello\"}"),
         {"=a", "=b", "?", "?"}},
        {"two that share their text only, one refused",
         ANSWER("{\"id\":\"a\",\"text\":\"hello\"}", "{\"text\":\"hello\",\"errors\":\"no\"}"),
         {"?", "?", "?", "?"}},
        {"one echoes more than another",
         ENTITIES(TO("a", "+34600000000") ",{\"id\":\"b\",\"text\":\"hello\"}"),
         {"?", "?", "?", "?"}},
        {"one could be any",
         ENTITIES("{\"id\":\"a\",\"text\":\"hello\"},{\"id\":\"b\",\"from\":\"Acme\"}"),
         {"?", "?", "?", "?"}},
        {"a text that is not ours",
         ENTITIES(ALL("a", "+34600000000", "hell")),
         {"?", "?", "?", "?"}},
        {"a text that was damaged on the way",
         ENTITIES(ALL("a", "+34600000000", "hell\xf3") "," ALL("c", "+34600000002", "\xe9") "," ALL(
             "d", "+34600000002", "twice\\ud83d")),
         {"=a", "?", "=c", "=d"}},
        {"clientId for one of two alike",
         ENTITIES(OF("d", C3) "," ALL("c", "+34600000002", "twice")),
         {"?", "?", "=c", "=d"}},
    };
    CHECK_BULKS(cases);
}

Test(api_json, bulk_by_order)
{
    static const struct bulk_case cases[] = {
        {"ids alone",
         ENTITIES(ID("a") "," ID("b") "," ID("c") "," ID("d")),
         {"=a", "=b", "=c", "=d"}},
        {"one too few", ENTITIES(ID("a") "," ID("b") "," ID("c")), {"?", "?", "?", "?"}},
        {"one too many",
         ENTITIES(ID("a") "," ID("b") "," ID("c") "," ID("d") "," ID("e")),
         {"?", "?", "?", "?"}},
        {"all refused",
         ANSWER("", "{" BAD "},\"no\",{\"errors\":\"a\"},{}"),
         {"!to: bad", "!no", "!a", "!"}},
        {"who of four was refused?",
         ANSWER(ID("a") "," ID("b") "," ID("c"), "{" BAD "}"),
         {"?", "?", "?", "?"}},
        {"the only one left",
         ANSWER(OF("a", C0) "," OF("c", C2) "," OF("d", C3), "{" BAD "}"),
         {"=a", "!to: bad", "=c", "=d"}},
        {"the only one left, though its index is beyond",
         ANSWER(OF("a", C0) "," OF("b", C1) "," OF("c", C2), "{\"index\":4," BAD "}"),
         {"=a", "=b", "=c", "!to: bad"}},
        {"texts that the API changed, numbers in place",
         ENTITIES(ALL("a", "+34600000000", "Hello") "," ALL("b", "+34600000001", "Hello") "," ALL(
             "c", "+34600000002", "Twice") "," ALL("d", "+34600000002", "Twice")),
         {"=a", "=b", "=c", "=d"}},
        {"the same, a number out of place",
         ENTITIES(ALL("b", "+34600000001", "Hello") "," ALL("a", "+34600000000", "Hello") "," ALL(
             "c", "+34600000002", "Twice") "," ALL("d", "+34600000002", "Twice")),
         {"?", "?", "?", "?"}},
        {"entries that are no objects", ENTITIES("\"a\",\"b\",null,7"), {"?", "?", "?", "?"}},
        {"nothing", ENTITIES(""), {"?", "?", "?", "?"}},
    };
    CHECK_BULKS(cases);
}

/* Lists as objects: keyed by index, as PHP writes a list with gaps, by clientId, or by path. */
#define KEYED(e, f)    "{\"entities\":{" e "},\"errors\":{" f "}}"
#define AT(key, value) "\"" key "\":" value

Test(api_json, bulk_in_objects)
{
    static const struct bulk_case cases[] = {
        {"keyed by index",
         KEYED(AT("0", ID("a")) "," AT("2", ID("c")) "," AT("3", ID("d")), AT("1", "{" BAD "}")),
         {"=a", "!to: bad", "=c", "=d"}},
        {"the errors only",
         "{\"entities\":[" ID("a") "," ID("b") "],\"errors\":{" AT("1", "{" BAD "}") "," AT(
             "2", "\"no\"") "}}",
         {"=a", "!to: bad", "!no", "=b"}},
        {"the entities only",
         "{\"entities\":{" AT("0", ID("a")) "," AT("3", ID("d")) "},\"errors\":[\"no\",\"never\"]}",
         {"=a", "!no", "!never", "=d"}},
        {"keyed by clientId",
         KEYED(AT(C2, ID("c")) "," AT(C0, ID("a")), AT(C3, "[\"no\"]") "," AT(CX, "\"what?\"")),
         {"=a", "?", "=c", "!no"}},
        {"keyed by path",
         KEYED("", AT("[0].to", "\"bad\"") "," AT("[0].text", "\"empty\"") "," AT(
                       "[1][to]", "[\"bad\"]") "," AT("children[2].data.to",
                                                      "\"bad\"") "," AT("/3/to", "\"bad\"")),
         {"!to: bad", "!to: bad", "!data.to: bad", "!to: bad"}},
        {"listed with paths",
         ANSWER(ID("a") "," ID("b") "," ID("c"),
                "{\"propertyPath\":\"[2].to\",\"message\":\"bad\"}"),
         {"=a", "=b", "!to: bad", "=c"}},
        {"what is keyed tells of itself, too",
         KEYED(AT("5", "{\"id\":\"b\",\"index\":1}") "," AT("6", OF("d", C3)), ""),
         {"?", "=b", "?", "=d"}},
        {"wrapped in data",
         "{\"data\":" KEYED(AT("1", ID("b")), AT("2", "{" BAD "}")) "}",
         {"?", "=b", "!to: bad", "?"}},
        {"each wrapped in data",
         "{\"entities\":{\"data\":[" ID("a") "," ID("b") "," ID(
             "c") "]},"
                  "\"errors\":{\"data\":{\"3\":{" BAD "}}}}",
         {"=a", "=b", "=c", "!to: bad"}},
        {"entries wrapped in data",
         ENTITIES("{\"data\":" ID("a") "},{\"data\":" ID("b") "},{\"data\":" ID(
             "c") "},"
                  "{\"data\":" ID("d") "}"),
         {"=a", "=b", "=c", "=d"}},
        {"an empty one",
         "{\"entities\":{" AT("1", ID("b")) "},\"errors\":{}}",
         {"?", "=b", "?", "?"}},
        {"keys that may be places: which was refused?",
         KEYED(AT("0", ID("a")) "," AT("1", ID("b")) "," AT("2", ID("c")), AT("0", "{" BAD "}")),
         {"?", "?", "?", "?"}},
        {"the second, and the others go by order",
         KEYED(AT("0", ID("a")) "," AT("1", ID("b")) "," AT("2", ID("c")), AT("1", "{" BAD "}")),
         {"=a", "!to: bad", "=b", "=c"}},
        {"the last, so they are indexes",
         KEYED(AT("0", ID("a")) "," AT("1", ID("b")) "," AT("2", ID("c")), AT("3", "{" BAD "}")),
         {"=a", "=b", "=c", "!to: bad"}},
        {"too few to tell", KEYED(AT("0", ID("a")) "," AT("1", ID("b")), ""), {"?", "?", "?", "?"}},
        {"beside an array they are indexes",
         "{\"entities\":[],\"errors\":{" AT("0", "\"no\"") "}}",
         {"!no", "?", "?", "?"}},
        {"counted from 1",
         KEYED(AT("1", ID("a")) "," AT("2", ID("b")) "," AT("3", ID("c")) "," AT("4", ID("d")), ""),
         {"=a", "=b", "=c", "=d"}},
        {"counted from 1, and one refused: which?",
         KEYED(AT("1", ID("a")) "," AT("2", ID("b")) "," AT("4", ID("d")), AT("3", "{" BAD "}")),
         {"?", "?", "?", "?"}},
    };
    CHECK_BULKS(cases);
}

/* One entry that cannot be read leaves the others as they are. */
Test(api_json, bulk_with_an_odd_entry)
{
    static const struct bulk_case cases[] = {
        {"null",
         ENTITIES(OF("a", C0) ",null," OF("c", C2) "," OF("d", C3)),
         {"=a", "?", "=c", "=d"}},
        {"null, by order", ENTITIES(ID("a") ",null," ID("c") "," ID("d")), {"=a", "?", "=c", "=d"}},
        {"a string among objects",
         KEYED(AT("0", ID("a")) "," AT("1", "\"b\"") "," AT("3", ID("d")), ""),
         {"=a", "?", "?", "=d"}},
        {"an odd index",
         ANSWER("", "{\"index\":1," BAD "},{\"index\":\"last\"," BAD "},{\"index\":1.5," BAD "}"),
         {"?", "!to: bad", "?", "?"}},
        {"an odd key",
         KEYED("", AT("1", "{" BAD "}") "," AT("message", "\"there were errors\"")),
         {"?", "!to: bad", "?", "?"}},
        {"an entity without an id",
         KEYED(AT("1", "{}") "," AT("2", ID("c")), ""),
         {"?", "?", "=c", "?"}},
        {"errors that are no list",
         "{\"entities\":[" OF("a", C0) "," OF("c", C2) "],\"errors\":\"one\"}",
         {"=a", "?", "=c", "?"}},
        {"an id of an odd kind",
         ENTITIES("{\"id\":[1],\"clientId\":\"" C0 "\"}," OF("b", C1)),
         {"?", "=b", "?", "?"}},
    };
    CHECK_BULKS(cases);
}

/* The first item is refused with these members, and that is what the relay makes of them. */
Test(api_json, bulk_words)
{
    static const struct {
        const char *what, *members, *item;
    } cases[] = {
        {"object of lists", "\"errors\":{\"to\":[\"bad\",\"worse\"],\"text\":[\"empty\"]}",
         "!to: bad; to: worse; text: empty"},
        {"object of strings", "\"errors\":{\"to\":\"bad\"}", "!to: bad"},
        {"of strings under a name of ours", "\"errors\":{\"text\":\"bad\"}", "!text: bad"},
        {"the same under another key", "\"detail\":{\"text\":\"bad\"}", "!text: bad"},
        {"the message itself where words are expected",
         "\"message\":{\"to\":\"+34600000000\",\"text\":\"hello\"}", "!"},
        {"the message's text alone, nested", "\"sms\":{\"text\":\"hello\"}", "!"},
        {"list of objects",
         "\"errors\":[{\"field\":\"to\",\"message\":\"bad\"},{\"field\":\"text\",\"message\":"
         "\"empty\"}]",
         "!to: bad; text: empty"},
        {"list of strings", "\"errors\":[\"bad\",\"worse\"]", "!bad; worse"},
        {"string", "\"errors\":\"to: bad\"", "!to: bad"},
        {"under another key", "\"message\":\"bad\"", "!bad"},
        {"under a key nobody knows", "\"faults\":{\"to\":[\"bad\"]}", "!to: bad"},
        {"at the top level", "\"to\":[\"bad\"]", "!to: bad"},
        {"field and message at the top level", "\"field\":\"to\",\"message\":\"bad\"", "!to: bad"},
        {"a form's children",
         "\"errors\":{\"children\":{\"from\":[],\"to\":{\"errors\":[\"bad\"]}}}", "!to: bad"},
        {"no words", "\"errors\":{}", "!"},
        {"the message's own text is no reason", "\"to\":\"+34600000000\",\"text\":\"hello\"", "!"},
        {"nor when nested under an odd key",
         "\"details\":{\"to\":\"+34600000000\",\"text\":\"hello\"}", "!"},
        {"control characters", "\"errors\":\"a\\r\\nb\\u007fc\\u0085d\"", "!a  b c d"},
        {"already used", "\"errors\":{\"clientId\":[\"has already been used\"]}",
         "*clientId: has already been used"},
        {"already used, listed",
         "\"errors\":[{\"field\":\"client_id\",\"message\":\"must be unique\"}]",
         "*client_id: must be unique"},
        {"already used, in a sentence", "\"error\":\"This client ID exists.\"",
         "*This client ID exists."},
        {"already used, in the clientId's place", "\"clientId\":\"already taken\"",
         "*clientId: already taken"},
        {"clientId at fault otherwise", "\"errors\":{\"clientId\":[\"is too long\"]}",
         "!clientId: is too long"},
        {"something else was used", "\"errors\":{\"to\":[\"already used\"]}", "!to: already used"},
    };
    struct message *messages[MESSAGES];
    make_messages(messages);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char body[512], got[512];
        struct api_item items[MESSAGES];
        snprintf(body, sizeof(body), ANSWER("", "{\"index\":0,%s}"), cases[i].members);
        cr_expect(api_json_read_bulk(body, strlen(body), messages, MESSAGES, items), "%s", body);
        describe(&items[0], got, sizeof(got));
        cr_expect_str_eq(got, cases[i].item, "%s: %s", cases[i].what, got);
        free(items[0].answer);
        cr_expect_eq(items[1].outcome, API_ITEM_UNKNOWN);
    }
    free_messages(messages);
}

Test(api_json, bulk_of_another_shape)
{
    static const char *const bodies[] = {"",
                                         "{}",
                                         "[]",
                                         "null",
                                         ID("a"),
                                         "[" ID("a") "]",
                                         "{\"entity\":" ID("a") "}",
                                         "{\"entities\":" ID("a") "}",
                                         "{\"entities\":null,\"errors\":null}",
                                         "{\"entities\":\"none\",\"errors\":\"none\"}",
                                         "{\"entities\":[" OF("a", C0) "]",
                                         "{\"message\":\"no\"}",
                                         "<html></html>"};
    struct message *messages[MESSAGES];
    make_messages(messages);
    for (size_t i = 0; i < sizeof(bodies) / sizeof(bodies[0]); i++) {
        struct api_item items[MESSAGES];
        cr_expect_not(api_json_read_bulk(bodies[i], strlen(bodies[i]), messages, MESSAGES, items),
                      "%s", bodies[i]);
        for (size_t k = 0; k < MESSAGES; k++) {
            cr_expect_eq(items[k].outcome, API_ITEM_UNKNOWN);
            cr_expect_null(items[k].answer);
        }
    }
    free_messages(messages);
}

/* --- refusals --------------------------------------------------------------------------------- */

Test(api_json, refusals)
{
    static const struct {
        const char *body;
        bool is_json, names_field, is_already_used;
        const char *reason;
    } cases[] = {
        {"", false, false, false, NULL},
        {"<html>to is bad</html>", false, false, false, NULL},
        {"[\"to is bad\"]", false, false, false, NULL},
        {"\"to is bad\"", false, false, false, NULL},
        {"{\"message\":", false, false, false, NULL},
        {"{}", true, false, false, NULL},
        {"{\"message\":\"\"}", true, false, false, NULL},
        {"{\"message\":null}", true, false, false, NULL},
        {"{\"message\":\"Malformed body\"}", true, false, false, "Malformed body"},
        {"{\"error\":\"Bad Request\",\"status\":400,\"path\":\"/sms\"}", true, false, false,
         "Bad Request"},
        {"{\"error\":{\"code\":7,\"message\":\"nope\"}}", true, false, false, "nope"},
        {"{\"message\":\"Validation failed\",\"errors\":{\"to\":[\"is bad\"]}}", true, true, false,
         "Validation failed; to: is bad"},
        {"{\"errors\":[{\"field\":\"allowUnicode\",\"message\":\"is no boolean\"}]}", true, true,
         false, "allowUnicode: is no boolean"},
        {"{\"errors\":[{\"propertyPath\":\"[0].from\",\"message\":\"is bad\"}]}", true, true, false,
         "from: is bad"},
        {"{\"errors\":[{\"index\":3,\"to\":\"+34600000000\",\"text\":\"x\",\"errors\":\"no\"}]}",
         true, false, false, "no"},
        {"{\"to\":[\"is bad\"]}", true, true, false, "to: is bad"},
        {"{\"errors\":{\"quota\":[\"exceeded\"]}}", true, false, false, "quota: exceeded"},
        {"{\"message\":\"clientId has already been used\"}", true, true, true,
         "clientId has already been used"},
        {"{\"errors\":{\"clientId\":[\"must be unique\"]}}", true, true, true,
         "clientId: must be unique"},
        {"{\"message\":\"Duplicate client-id\"}", true, true, true, "Duplicate client-id"},
        {"{\"message\":\"This token was already used\"}", true, false, false,
         "This token was already used"},
        /* "to" and "from" are also just English. */
        {"{\"message\":\"to is not valid\"}", true, true, false, "to is not valid"},
        {"{\"message\":\"The field 'to' is missing\"}", true, true, false,
         "The field 'to' is missing"},
        {"{\"message\":\"from: too long\"}", true, true, false, "from: too long"},
        {"{\"message\":\"Text is required\"}", true, true, false, "Text is required"},
        {"{\"message\":\"Invalid recipient\"}", true, true, false, "Invalid recipient"},
        {"{\"message\":\"Failed to read a request from you\"}", true, false, false,
         "Failed to read a request from you"},
        {"{\"message\":\"Authorization is required to proceed\"}", true, false, false,
         "Authorization is required to proceed"},
        {"{\"message\":\"text/html is not supported, nor context\"}", true, false, false,
         "text/html is not supported, nor context"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct api_refusal got;
        const char *body = cases[i].body;
        api_json_read_refusal(body, strlen(body), &got);
        cr_expect_eq(got.is_json, cases[i].is_json, "%s", body);
        cr_expect_eq(got.names_field, cases[i].names_field, "%s", body);
        cr_expect_eq(got.is_already_used, cases[i].is_already_used, "%s", body);
        cr_expect_eq(got.reason != NULL, cases[i].reason != NULL, "%s", body);
        if (got.reason != NULL && cases[i].reason != NULL) {
            cr_expect_str_eq(got.reason, cases[i].reason);
        }
        free(got.reason);
    }
}

/* What an operator is told of a 2xx that cannot be read, without a word of it. */
Test(api_json, faults)
{
    static const struct {
        const char *body, *fault;
    } rows[] = {
        {"", "empty"},
        {"<b>+34600000000", "no JSON from byte 1 on"},
        {"{\"id\": \"6b0", "no JSON from byte 11 on"},
        {"{\"ok\": true}", "JSON with neither an id nor entities or errors"},
        {"[]", "JSON with neither an id nor entities or errors"},
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        char fault[API_FAULT_SIZE];
        api_json_fault(rows[i].body, strlen(rows[i].body), fault);
        cr_expect_str_eq(fault, rows[i].fault, "row %zu: %s", i, fault);
    }
}

Test(api_json, long_reasons_end_with_a_character)
{
    static const char *const characters[] = {"x", "\xc3\xa9", "\xe2\x82\xac", "\xf0\x9f\x98\x80"};
    for (size_t i = 0; i < 4; i++) {
        for (size_t shift = 0; shift < 4; shift++) {
            char body[2048] = "{\"message\":\"", *end = body + strlen(body);
            end += sprintf(end, "%.*s", (int)shift, "yyyy");
            for (size_t k = 0; k < 250; k++) {
                end = stpcpy(end, characters[i]);
            }
            stpcpy(end, "\",\"error\":\"z\"}");
            struct api_refusal refusal;
            api_json_read_refusal(body, strlen(body), &refusal);
            size_t len = strlen(refusal.reason), unit = strlen(characters[i]);
            cr_expect(len <= 200 && len > 200 - unit, "%zu bytes", len);
            cr_expect(text_is_utf8(refusal.reason, len), "%s", refusal.reason);
            free(refusal.reason);
        }
    }
}

/* --- history ---------------------------------------------------------------------------------- */

Test(api_json, history)
{
    static const struct {
        const char *body;
        const char *entries; /* "id/clientId id/-", NULL = no page */
    } cases[] = {
        {"{\"entities\":[]}", ""},
        {"[]", ""},
        {"{\"entities\":[" OF("a", C0) "," OF("b", C1) "]}", "a/" C0 " b/" C1 " "},
        {"{\"data\":[{\"id\":7,\"client_id\":\"x\"}],\"page\":1}", "7/x "},
        {"[{\"id\":\"a\",\"clientId\":null},{\"id\":\"b\"},{\"id\":\"c\",\"clientId\":\"\"}]",
         "a/- b/- c/- "},
        {"[{\"clientId\":\"" C0 "\"},{\"id\":null}]", "/" C0 " /- "},
        {"", NULL},
        {"{}", NULL},
        {"null", NULL},
        {"{\"entities\":{\"1\":" OF("a", C0) ",\"3\":" ID("b") "}}", "a/" C0 " b/- "},
        {"{\"data\":{\"entities\":[" ID("b") "]}}", "b/- "},
        {"{\"0\":" ID("b") "}", "b/- "},
        {"<b>Notice</b>: $a[] on line 3<br />\n{\"entities\":[" ID("b") "]}", "b/- "},
        {"\xef\xbb\xbf[]", ""},
        {"{\"entities\":{}}", NULL},
        {"{\"data\":[],\"entities\":[" ID("b"), NULL},
        {"{\"message\":\"no\"}", NULL},
        {"{\"entities\":[" OF("a", C0) ",null]}", NULL},
        {"{\"entities\":[\"a\"]}", NULL},
        {"{\"entities\":[" OF("a", C0) "]", NULL},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct api_history page;
        bool is_read = api_json_read_history(cases[i].body, strlen(cases[i].body), &page);
        cr_expect_eq(is_read, cases[i].entries != NULL, "%s", cases[i].body);
        char got[512] = "", *end = got;
        for (size_t k = 0; k < page.count; k++) {
            const char *client_id = page.entries[k].client_id;
            end += sprintf(end, "%s/%s ", page.entries[k].id, client_id != NULL ? client_id : "-");
        }
        cr_expect_str_eq(got, is_read ? cases[i].entries : "");
        if (is_read) {
            api_history_free(&page);
        }
    }
}

Test(api_json, statuses)
{
    static const struct {
        bool is_message;
        const char *body;
        const char *entries; /* "id/status/code", NULL = cannot be read */
    } cases[] = {
        {false, "[{\"id\":1,\"status\":\"sent\"}]", "1/sent/0 "},
        {false, "[{\"id\":1,\"status\":\"failed\",\"code\":21},{\"id\":2}]", "1/failed/21 2//0 "},
        {false, "[{\"id\":1,\"status\":\"failed\",\"code\":\"-3\"}]", "1/failed/-3 "},
        {false, "[{\"id\":1,\"status\":null},{\"id\":2,\"status\":7,\"code\":1e99}]",
         "1//0 2//1e99 "},
        {false, "[{\"id\":1,\"status\":\"FAILED\",\"code\":21.0},{\"id\":2,\"code\":0.1}]",
         "1/failed/21.0 2//0.1 "},
        {false, "[{\"id\":1,\"status\":\"Handed over\"}]", "1/Handed over/0 "},
        {false, "[{\"id\":1,\"status\":\"0123456789012345678901234567890\u00e9\"}]",
         "1/0123456789012345678901234567890/0 "},
        {false, "[{\"id\":1,\"status\":\"012345678901234567890123456789\u00e9\"}]",
         "1/012345678901234567890123456789/0 "},
        {true, "{\"id\":\"a\",\"status\":\"sent\",\"data\":\"x\"}", "a/sent/0 "},
        {true, "{\"entity\":{\"id\":\"a\",\"status\":\"sent\"}}", "a/sent/0 "},
        {true, "{\"data\":{\"id\":\"a\",\"status\":\"sent\"}}", "a/sent/0 "},
        {true, "{\"entities\":[{\"id\":\"a\",\"status\":\"sent\"}]}", "a/sent/0 "},
        {true, "{}", "//0 "},
        {true, "[]", ""},
        {true, "null", NULL},
        {true, "\"a\"", NULL},
        {true, "", NULL},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct api_history page;
        bool is_read = (cases[i].is_message ? api_json_read_message : api_json_read_history)(
            cases[i].body, strlen(cases[i].body), &page);
        cr_expect_eq(is_read, cases[i].entries != NULL, "%s", cases[i].body);
        char got[512] = "", *end = got;
        for (size_t k = 0; k < page.count; k++) {
            const struct report *report = &page.entries[k].report;
            cr_expect_eq(report->event_ms, 0);
            end += sprintf(end, "%s/%s/%s ", page.entries[k].id, report->status, report->code);
        }
        cr_expect_str_eq(got, is_read ? cases[i].entries : "");
        if (is_read) {
            api_history_free(&page);
        }
    }
}

/* --- a full batch ----------------------------------------------------------------------------- */

static double elapsed_us(const struct timespec *began)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)(now.tv_sec - began->tv_sec) * 1e6 +
           (double)(now.tv_nsec - began->tv_nsec) / 1e3;
}

enum { BATCH = 100, ROUNDS = 20 };

static char *write_answer(struct message *const *messages)
{
    char *body = malloc(BATCH * 512), *end = body + sprintf(body, "{\"entities\":[");
    for (size_t i = 0; i < BATCH; i++) {
        char client_id[ULID_SIZE];
        ulid_format(&messages[i]->id, client_id);
        end += sprintf(end,
                       "%s{\"id\":\"api-%zu\",\"clientId\":\"%s\",\"from\":\"Acme\",\"to\":\"%s\","
                       "\"text\":\"%s\"}",
                       i > 0 ? "," : "", i, client_id, message_to(messages[i]),
                       message_text(messages[i]));
    }
    stpcpy(end, "],\"errors\":[]}");
    return body;
}

Test(api_json, full_batch_is_quick)
{
    struct message *messages[BATCH];
    for (size_t i = 0; i < BATCH; i++) {
        char id[32], to[32], text[129];
        snprintf(id, sizeof(id), "01ARZ3NDEKTSV4RRFFQ69G%04zu", i);
        snprintf(to, sizeof(to), "+346000%05zu", i);
        memset(text, 'x', sizeof(text) - 1);
        text[128] = '\0';
        messages[i] = message_of(id, to, text, false);
    }
    char *answer = write_answer(messages);
    double best_write_us = 1e9, best_read_us = 1e9;
    for (size_t round = 0; round < ROUNDS; round++) {
        struct timespec began;
        struct api_item items[BATCH];
        size_t len;
        clock_gettime(CLOCK_MONOTONIC, &began);
        free(api_body_bulk(messages, BATCH, &len));
        double write_us = elapsed_us(&began);
        clock_gettime(CLOCK_MONOTONIC, &began);
        cr_expect(api_json_read_bulk(answer, strlen(answer), messages, BATCH, items));
        double read_us = elapsed_us(&began);
        for (size_t i = 0; i < BATCH; i++) {
            cr_expect_eq(items[i].outcome, API_ITEM_ACCEPTED);
            free(items[i].answer);
        }
        best_write_us = write_us < best_write_us ? write_us : best_write_us;
        best_read_us = read_us < best_read_us ? read_us : best_read_us;
    }
    cr_log_info("a bulk of 100: written in %.0f us, its answer read in %.0f us", best_write_us,
                best_read_us);
    cr_expect(best_write_us < 5000 && best_read_us < 5000, "grows with the square of something?");
    free(answer);
    for (size_t i = 0; i < BATCH; i++) {
        message_free(messages[i]);
    }
}
