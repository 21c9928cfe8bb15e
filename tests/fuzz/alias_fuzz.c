/*
 * Any aliases file: a table whose names are found and whose numbers are numbers, or faults, never
 * both. The input's first byte says whether there is a country's code.
 */
#include "proto/alias.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

static void require(bool is_true)
{
    if (!is_true) {
        abort();
    }
}

/* Looks up what stands in front of the colons. */
static void look_up(const struct alias_table *table, const char *text, size_t len)
{
    const char *start = text;
    for (const char *p = text; p < text + len; p++) {
        struct alias alias;
        char e164[NUMBER_SIZE];
        if (*p == ':' && alias_find(table, start, (size_t)(p - start), &alias)) {
            require(alias.count > 0 && alias.count <= ALIAS_MEMBERS_MAX);
            for (size_t i = 0; i < alias.count; i++) {
                require(number_parse(alias.members[i], strlen(alias.members[i]), NULL, e164));
            }
        }
        start = *p == '\n' || *p == ' ' || *p == '\t' || *p == '\r' ? p + 1 : start;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    if (size == 0) {
        return 0;
    }
    struct buffer errors = BUFFER_EMPTY;
    const char *text = (const char *)bytes + 1;
    const char *country_code = (bytes[0] & 1) != 0 ? "34" : "";
    struct alias_table *table = alias_table_read("f", text, size - 1, country_code, &errors);
    require((table == NULL) == (errors.len > 0));
    require(memchr(errors.data == NULL ? "" : errors.data, '\0', errors.len) == NULL);
    if (table != NULL) {
        require(alias_table_numbers(table) >= alias_table_count(table));
        look_up(table, text, size - 1);
    }
    alias_table_free(table);
    buffer_free(&errors);
    return 0;
}
