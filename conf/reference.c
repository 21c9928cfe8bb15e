/* reference: the annotated file of settings. See the header. Thread: any. */
#include "conf/reference.h"

#include "conf/keys.h"

#include <string.h>

enum { WIDTH = 100 }; /* columns, "# " included */

static const char introduction[] =
    "# Settings of smsrelay. Each is commented out and shows its default: to change one, remove\n"
    "# its # and edit the value. `smsrelay check -c FILE` lists everything that is wrong with a\n"
    "# file. `smsrelay settings` prints this one.\n"
    "#\n"
    "# How a file is read\n"
    "#   - `key = value` belongs to the [section] above it. A section may be opened again.\n"
    "#   - A comment stands on a line of its own and begins with # or ; A space followed by # or\n"
    "#     ; in a value is an error, so that nothing is cut off silently.\n"
    "#   - Unknown and repeated settings are errors. A line holds at most 199 bytes.\n"
    "#   - Times: 500ms, 30s, 5m, 24h, 7d; a plain number is seconds. Sizes: 64k, 25m, 1g\n"
    "#     (powers of 1024); a plain number is bytes.\n"
    "#   - Lists: words separated by commas or spaces, \"in quotes\" where a word has a space.\n"
    "#     A long list goes on in lines that begin with a space; nothing else may be indented\n"
    "#     below a setting.\n"
    "#   - `-o section.key=value` on the command line beats the environment, which beats the\n"
    "#     file. A setting's variable is SMSRELAY_<SECTION>_<KEY>, such as SMSRELAY_API_URL;\n"
    "#     INSTASENT_TOKEN is api.token and beats SMSRELAY_API_TOKEN. An empty variable counts\n"
    "#     as unset; a line end behind the value is dropped.\n";

/* Prints `text` as comment lines, broken between words. */
static void print_comment(const char *text, FILE *out)
{
    size_t column = 0;
    while (*text != '\0') {
        size_t len = strcspn(text, " ");
        if (column > 0 && column + 1 + len > WIDTH) {
            fputc('\n', out);
            column = 0;
        }
        const char *before = column == 0 ? "# " : " ";
        fprintf(out, "%s%.*s", before, (int)len, text);
        column += strlen(before) + len;
        text += len + (text[len] == ' ');
    }
    fputc('\n', out);
}

static void print_key(const struct conf_key *key, FILE *out)
{
    char bounds[CONF_BOUNDS_SIZE];
    print_comment(key->help, out);
    if (key->max > 0) {
        conf_key_bounds(key, bounds);
        fprintf(out, "# Range: %s.\n", bounds);
    }
    fprintf(out, "#%s =%s%s\n", key->name, *key->initial != '\0' ? " " : "", key->initial);
}

static void print_part(const char *title, bool is_common, FILE *out)
{
    const char *section = "";
    fprintf(out, "\n\n# --- %s ---\n", title);
    for (size_t i = 0; i < conf_key_count; i++) {
        const struct conf_key *key = &conf_keys[i];
        if (key->is_common != is_common) {
            continue;
        }
        fputc('\n', out);
        if (strcmp(section, key->section) != 0) {
            fprintf(out, "[%s]\n", key->section);
        }
        section = key->section;
        print_key(key, out);
    }
}

void conf_reference_print(FILE *out)
{
    fputs(introduction, out);
    print_part("The settings that people set first", true, out);
    print_part("Leave these alone unless you know why", false, out);
}
