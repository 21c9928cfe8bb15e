/* aliases: see aliases.h. */
#include "gateway/serve/aliases.h"

#include "gateway/base/file.h"

struct alias_table *aliases_read(const char *path, const char *country_code, struct buffer *errors)
{
    struct alias_table *table = NULL;
    struct buffer text = BUFFER_EMPTY;
    const char *fault = file_read(path, &text);
    if (fault != NULL) {
        buffer_printf(errors, "%s: sms.aliases: %s\n", path, fault);
    } else {
        table = alias_table_read(path, text.data == NULL ? "" : text.data, text.len, country_code,
                                 errors);
    }
    buffer_free(&text);
    return table;
}
