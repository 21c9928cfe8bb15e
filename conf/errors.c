/* errors: see the header. */
#include "conf/errors.h"

#include <stdlib.h>
#include <string.h>

enum { ERRORS_SHOWN = 1000 };

static void append(struct conf_errors *errors, const char *where, const char *kind,
                   const char *what)
{
    size_t size = strlen(where) + strlen(": ") + strlen(kind) + strlen(what) + strlen("\n") + 1;
    char *text = realloc(errors->text, errors->len + size);
    if (text == NULL) {
        return;
    }
    errors->text = text;
    errors->len += (size_t)snprintf(text + errors->len, size, "%s: %s%s\n", where, kind, what);
}

void conf_errors_add(struct conf_errors *errors, const char *where, const char *what)
{
    if (errors->count++ < ERRORS_SHOWN) {
        append(errors, where, "", what);
    }
}

void conf_errors_warn(struct conf_errors *errors, const char *where, const char *what)
{
    append(errors, where, "warning: ", what);
}

void conf_errors_print(const struct conf_errors *errors, FILE *out)
{
    if (errors->text != NULL) {
        fputs(errors->text, out);
    } else if (errors->count > 0) {
        fputs("out of memory: cannot say what is wrong\n", out);
    }
    if (errors->count > ERRORS_SHOWN) {
        fprintf(out, "and %zu more errors\n", errors->count - ERRORS_SHOWN);
    }
}

void conf_errors_free(struct conf_errors *errors)
{
    free(errors->text);
    *errors = (struct conf_errors)CONF_NO_ERRORS;
}
