/*
 * Any answer of the API: read or refused, never half-read, and what people get to see of it is
 * short, clean text; what the quick reader takes, json reads alike. The first byte chooses the reader
 * ('0' to '5'), the rest is the body. '6' makes it the text of a message, whose request must be as
 * jansson writes it.
 */
#include "gateway/api/body.h"
#include "gateway/api/json.h"
#include "gateway/api/report.h"

#include "proto/text.h"
#include "tests/support/api_answer.h"
#include "tests/support/api_body.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

enum { MESSAGES = 3, REASON_MAX = 200 };

static struct message *messages[MESSAGES];

static void require(bool is_true)
{
    if (!is_true) {
        abort();
    }
}

/* Three messages, the last two alike; their clientIds are in the dictionary. */
static void make_messages(void)
{
    static const struct {
        const char *id, *to;
    } rows[MESSAGES] = {
        {"01ARZ3NDEKTSV4RRFFQ69G5FA0", "+34600000000"},
        {"01ARZ3NDEKTSV4RRFFQ69G5FA1", "+34600000001"},
        {"01ARZ3NDEKTSV4RRFFQ69G5FA2", "+34600000001"},
    };
    for (size_t i = 0; i < MESSAGES; i++) {
        struct message_content content = {
            .to = rows[i].to, .from = "Acme", .ref = "", .text = "hello", .text_len = 5};
        require(ulid_parse(rows[i].id, ULID_LENGTH, &content.id));
        messages[i] = message_new(&content);
        require(messages[i] != NULL);
    }
}

static void check_reason(const char *reason)
{
    size_t len = strlen(reason);
    require(len <= REASON_MAX && text_is_utf8(reason, len));
    for (size_t i = 0; i < len; i++) {
        require((unsigned char)reason[i] >= ' ' && reason[i] != 0x7f);
    }
}

static void check_item(struct api_item *item)
{
    const char *id = item->answer != NULL ? item->answer : "";
    const char *reason = item->answer != NULL ? id + strlen(id) + 1 : "";
    require((item->outcome == API_ITEM_ACCEPTED) == (*id != '\0'));
    require(item->outcome != API_ITEM_UNKNOWN || item->answer == NULL);
    check_reason(reason);
    free(item->answer);
}

static void read_single(const char *body, size_t len)
{
    struct api_item item;
    require(answer_plain_fault(body, len, NULL, 0, NULL) == NULL);
    bool is_read = api_json_read_single(body, len, &item);
    require(is_read == (item.outcome == API_ITEM_ACCEPTED));
    check_item(&item);
}

static void read_bulk(const char *body, size_t len)
{
    struct api_item items[MESSAGES];
    require(answer_plain_fault(body, len, messages, MESSAGES, NULL) == NULL);
    bool is_read = api_json_read_bulk(body, len, messages, MESSAGES, items);
    for (size_t i = 0; i < MESSAGES; i++) {
        require(is_read || items[i].outcome == API_ITEM_UNKNOWN);
        check_item(&items[i]);
    }
}

static void read_refusal(const char *body, size_t len)
{
    struct api_refusal refusal;
    api_json_read_refusal(body, len, &refusal);
    require(refusal.is_json || !(refusal.names_field || refusal.is_already_used || refusal.reason));
    require(refusal.names_field || !refusal.is_already_used);
    if (refusal.reason != NULL) {
        check_reason(refusal.reason);
        free(refusal.reason);
    }
}

static void check_entry(const struct api_history_entry *entry)
{
    const struct ulid id = {{0}};
    struct api_report report;
    const char *status = entry->report.status;
    require(entry->id != NULL);
    require(entry->client_id == NULL || *entry->client_id != '\0');
    require(text_is_utf8(status, strlen(status)) && entry->report.event_ms == 0);
    require(api_report_from_entry(&report, &id, entry));
    require((report.text != NULL) == (strcmp(status, "stop") == 0));
    api_report_free(&report);
}

static void check_page(bool is_read, struct api_history *page)
{
    if (!is_read) {
        require(page->entries == NULL && page->count == 0);
        return;
    }
    for (size_t i = 0; i < page->count; i++) {
        check_entry(&page->entries[i]);
    }
    api_history_free(page);
}

static void read_history(const char *body, size_t len)
{
    struct api_history page;
    check_page(api_json_read_history(body, len, &page), &page);
}

static void read_message(const char *body, size_t len)
{
    struct api_history page;
    check_page(api_json_read_message(body, len, &page), &page);
}

static void check_report(const struct api_report *report)
{
    const struct report *r = &report->report;
    require(report->api_id != NULL && strlen(r->status) <= REPORT_STATUS_MAX);
    require(r->status[0] != '\0' || report->text != NULL);
    require(r->code[0] != '\0' && strlen(r->code) <= REPORT_CODE_MAX);
    require(text_is_utf8(r->status, strlen(r->status)) && text_is_utf8(r->code, strlen(r->code)));
    require(report->text == NULL || text_is_utf8(report->text, strlen(report->text)));
    require(report->has_client_id || report->is_foreign || report->api_id[0] != '\0');
}

static void read_reports(const char *body, size_t len)
{
    struct api_reports reports;
    bool is_read = api_reports_read(body, len, 1, &reports);
    require(is_read == (reports.count > 0));
    for (size_t i = 0; i < reports.count; i++) {
        check_report(&reports.list[i]);
    }
    if (is_read) {
        api_reports_free(&reports);
    }
}

static void write_request(const char *text, size_t text_len)
{
    struct message_content content = {
        .to = "+34600000000", .from = "Acme", .ref = "", .text = text, .text_len = text_len};
    struct message *message = text_len <= UINT16_MAX ? message_new(&content) : NULL;
    if (message == NULL) {
        return;
    }
    size_t len;
    char *ours = api_body_single(message, &len), *theirs = jansson_single(message);
    require((ours == NULL) == (theirs == NULL));
    require(ours == NULL || (strcmp(ours, theirs) == 0 && len == strlen(theirs)));
    free(ours);
    free(theirs);
    message_free(message);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    enum { READERS = 7 };
    static void (*const readers[READERS])(const char *body, size_t len) = {
        read_single,  read_bulk,    read_refusal, read_history,
        read_reports, read_message, write_request};
    if (size == 0) {
        return 0;
    }
    if (messages[0] == NULL) {
        make_messages();
    }
    readers[(bytes[0] - (unsigned)'0') % READERS]((const char *)bytes + 1, size - 1);
    return 0;
}
