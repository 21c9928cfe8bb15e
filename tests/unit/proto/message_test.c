/* message: its strings, its answer, its status, and the words for states. */
#include "proto/message.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#define COUNT(table) (sizeof(table) / sizeof((table)[0]))

static const struct message_content plain = {
    .to = "+34600000000",
    .from = "Acme",
    .ref = "",
    .text = "hi",
    .text_len = 2,
    .size = {TEXT_GSM7, 2, 1},
    .priority = PRIORITY_NORMAL,
    .expires_ms = 5000,
    .owner = OWNER_LOCAL,
};

Test(message, keeps_what_it_was_made_of)
{
    char long_ref[REF_MAX + 1], *long_text = malloc(UINT16_MAX + 1);
    memset(long_ref, 'r', REF_MAX);
    long_ref[REF_MAX] = '\0';
    memset(long_text, 't', UINT16_MAX);
    long_text[UINT16_MAX] = '\0';
    const struct {
        const char *to, *from, *ref, *text;
        size_t text_len;
    } cases[] = {
        {"+34600000000", "Acme", "", "hi", 2},
        {"+34600000000", "Acme", "order-7", "hi", 2},
        {"+123456789012345", "+12345678901234", long_ref, long_text, UINT16_MAX},
        {"+34600000000", "A", "r", "", 0},
        {"+34600000000", "A", "", "a\0b", 3},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct message_content content = plain;
        content.to = cases[i].to;
        content.from = cases[i].from;
        content.ref = cases[i].ref;
        content.text = cases[i].text;
        content.text_len = cases[i].text_len;
        struct message *m = message_new(&content);
        cr_assert_not_null(m);
        cr_expect_str_eq(message_to(m), cases[i].to);
        cr_expect_str_eq(message_from(m), cases[i].from);
        cr_expect_str_eq(message_ref(m), cases[i].ref);
        cr_expect_eq(m->text_len, cases[i].text_len);
        cr_expect_arr_eq(message_text(m), cases[i].text, cases[i].text_len + 1);
        message_free(m);
    }
    free(long_text);
}

Test(message, keeps_its_options)
{
    static const unsigned char random[ULID_RANDOM_BYTES] = "0123456789";
    struct message_content content = plain;
    content.id = ulid_make(1000, random);
    content.priority = PRIORITY_LOW;
    content.size = (struct text_size){TEXT_UCS2, 80, 2};
    content.allow_unicode = content.has_ttl = true;
    content.due_ms = 3000;
    content.owner = 1234;
    struct message *m = message_new(&content);
    cr_expect_eq(m->state, MESSAGE_SCHEDULED);
    cr_expect_eq(m->due_ms, 3000);
    cr_expect_eq(m->expires_ms, 5000);
    cr_expect_eq(m->updated_ms, 1000);
    cr_expect_eq(m->priority, PRIORITY_LOW);
    cr_expect_eq(m->encoding, TEXT_UCS2);
    cr_expect_eq(m->parts, 2);
    cr_expect_eq(m->owner, 1234);
    cr_expect(m->allow_unicode && m->has_ttl && !m->is_ambiguous && !m->is_watched);
    message_free(m);

    m = message_new(&plain);
    cr_expect_eq(m->state, MESSAGE_QUEUED);
    cr_expect(!m->allow_unicode && !m->has_ttl);
    message_free(m);
    message_free(NULL);
}

/* The links of its REF, its row and its strings follow one another, and must not overlap. */
Test(message, keeps_its_row)
{
    static const int64_t rows[] = {0, 1, 1771234567890LL << 15 | 7, INT64_MAX};
    static const char *const refs[] = {"", "order-7"};
    for (size_t i = 0; i < COUNT(rows); i++) {
        for (size_t j = 0; j < COUNT(refs); j++) {
            struct message_content content = plain;
            content.row = rows[i];
            content.ref = refs[j];
            struct message *m = message_new(&content);
            cr_expect_eq(m->is_durable, rows[i] != 0);
            cr_expect_eq(m->saving, MESSAGE_SAVED);
            size_t bytes = message_bytes(m);
            if (refs[j][0] != '\0') {
                memset(message_ref_links(m), '#', sizeof(struct message_ref));
            }
            if (m->is_durable) {
                cr_expect_eq(message_row_links(m)->row, rows[i], "row %zu, ref %zu", i, j);
                cr_expect_null(message_row_links(m)->next_unsaved);
                memset(message_row_links(m), '#', sizeof(struct message_row));
                bytes -= sizeof(struct message_row);
            }
            cr_expect_str_eq(message_to(m), plain.to);
            cr_expect_str_eq(message_from(m), plain.from);
            cr_expect_str_eq(message_ref(m), refs[j]);
            cr_expect_str_eq(message_text(m), plain.text);
            message_free(m);
            content.row = 0;
            m = message_new(&content);
            cr_expect_eq(message_bytes(m), bytes, "a row is paid for: row %zu, ref %zu", i, j);
            message_free(m);
        }
    }
}

Test(message, answer_of_two_strings)
{
    static const struct {
        const char *api_id, *reason, *want_api_id, *want_reason;
    } cases[] = {
        {"abc", "why", "abc", "why"}, {"abc", NULL, "abc", ""}, {NULL, "why", "", "why"},
        {NULL, NULL, "", ""},         {"", "", "", ""},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        char *answer = message_answer_new(cases[i].api_id, cases[i].reason);
        char *copy = message_answer_copy(answer);
        cr_expect_neq(answer, copy);
        cr_expect_str_eq(message_answer_api_id(copy), cases[i].want_api_id);
        cr_expect_str_eq(message_answer_reason(copy), cases[i].want_reason);
        free(copy);

        struct message *m = message_new(&plain);
        size_t bytes = message_bytes(m);
        m->answer = answer;
        cr_expect_str_eq(message_api_id(m), cases[i].want_api_id);
        cr_expect_str_eq(message_reason(m), cases[i].want_reason);
        cr_expect_eq(message_bytes(m),
                     bytes + strlen(cases[i].want_api_id) + strlen(cases[i].want_reason) + 2);
        message_free(m);
    }
    cr_expect_null(message_answer_copy(NULL));
    struct message *m = message_new(&plain);
    cr_expect_str_eq(message_api_id(m), "");
    cr_expect_str_eq(message_reason(m), "");
    message_free(m);
}

/* There may be a million: the size of a message, and of its header, is part of the contract. */
Test(message, bytes)
{
    struct message_content content = plain;
    struct message *m = message_new(&content);
    cr_expect_eq(message_bytes(m), 96 + 13 + 5 + 1 + 3);
    message_free(m);
    content.ref = "x";
    m = message_new(&content);
    cr_expect_eq(message_bytes(m), 96 + sizeof(struct message_ref) + 13 + 5 + 2 + 3);
    message_free(m);
}

Test(message, status_holds_nothing_of_the_message)
{
    struct message_content content = plain;
    content.ref = "order-7";
    struct message *m = message_new(&content);
    m->answer = message_answer_new("abc", "why");
    m->attempts = 3;
    m->state = MESSAGE_REJECTED;
    m->due_ms = 7;
    m->updated_ms = 9;
    struct message_status status;
    message_status_copy(m, &status);
    memset((void *)(uintptr_t)message_to(m), '#', 5);
    message_free(m);
    cr_expect_str_eq(status.to, "+34600000000");
    cr_expect_str_eq(status.from, "Acme");
    cr_expect_str_eq(status.ref, "order-7");
    cr_expect_str_eq(message_answer_api_id(status.answer), "abc");
    cr_expect_str_eq(message_answer_reason(status.answer), "why");
    cr_expect_eq(status.state, MESSAGE_REJECTED);
    cr_expect_eq(status.attempts, 3);
    cr_expect_eq(status.parts, 1);
    cr_expect_eq(status.due_ms, 7);
    cr_expect_eq(status.updated_ms, 9);
    message_status_free(&status);
    message_status_free(&status);
}

Test(message, words)
{
    static const struct {
        enum message_state state;
        const char *name;
        bool is_finished, is_failure;
    } states[MESSAGE_STATES] = {
        {MESSAGE_QUEUED, "queued", false, false},
        {MESSAGE_SCHEDULED, "scheduled", false, false},
        {MESSAGE_SENDING, "sending", false, false},
        {MESSAGE_DEFERRED, "deferred", false, false},
        {MESSAGE_UNRESOLVED, "unresolved", false, false},
        {MESSAGE_RELAYED, "relayed", true, false},
        {MESSAGE_REJECTED, "rejected", true, true},
        {MESSAGE_EXPIRED, "expired", true, true},
        {MESSAGE_CANCELED, "canceled", true, true},
    };
    for (size_t i = 0; i < COUNT(states); i++) {
        enum message_state state;
        cr_expect_str_eq(message_state_name(states[i].state), states[i].name);
        cr_expect(message_state_parse(states[i].name, &state) && state == states[i].state);
        cr_expect_eq(message_state_is_finished(states[i].state), states[i].is_finished);
        cr_expect_eq(message_state_is_failure(states[i].state), states[i].is_failure);
    }
    enum message_state in_capitals;
    cr_expect(message_state_parse("RELAYED", &in_capitals) && in_capitals == MESSAGE_RELAYED);
    static const char *const priorities[MESSAGE_PRIORITIES] = {"high", "normal", "low"};
    for (size_t i = 0; i < COUNT(priorities); i++) {
        cr_expect_str_eq(message_priority_name((enum message_priority)i), priorities[i]);
    }
    static const char *const unknown[] = {"", "hig", "highest", "queued "};
    for (size_t i = 0; i < COUNT(unknown); i++) {
        enum message_state state = MESSAGE_EXPIRED;
        cr_expect_not(message_state_parse(unknown[i], &state), "%s", unknown[i]);
        cr_expect_eq(state, MESSAGE_EXPIRED, "touched");
    }
}
