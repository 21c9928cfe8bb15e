/*
 * Any file, environment and command line: settings within their bounds, or errors, never both.
 *
 * The input is the file; behind each byte 0x1E stands a further string, in turn a `-o` and a
 * variable of the environment.
 */
#include "conf/keys.h"
#include "conf/load.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

enum { SEPARATOR = 0x1e, STRINGS_MAX = 8 };

static void require(bool is_true)
{
    if (!is_true) {
        abort();
    }
}

static void check_bounds(struct conf *conf)
{
    for (size_t i = 0; i < conf_key_count; i++) {
        const struct conf_key *key = &conf_keys[i];
        const void *field = (char *)conf + key->offset;
        switch (key->type) {
        case CONF_STRING:
        case CONF_SECRET:
            require(*(char *const *)field != NULL);
            break;
        case CONF_LIST:
            for (size_t j = 0; j < ((const struct conf_list *)field)->count; j++) {
                require(*((const struct conf_list *)field)->items[j] != '\0');
            }
            break;
        case CONF_NUMBER:
            require(*(const int *)field >= key->min && *(const int *)field <= key->max);
            break;
        case CONF_TIME:
        case CONF_SIZE:
            require((key->words != NULL && *(const int64_t *)field == 0) ||
                    (*(const int64_t *)field >= key->min && *(const int64_t *)field <= key->max));
            break;
        case CONF_CHOICE:
            require(*(const int *)field >= 0 && *(const int *)field < (int)strlen(key->words));
            break;
        }
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    char *overrides[STRINGS_MAX + 1] = {NULL}, *environment[STRINGS_MAX + 1] = {NULL};
    char *text = malloc(size + 1);
    require(text != NULL);
    memcpy(text, bytes, size);
    text[size] = '\0';

    char *rest = text;
    const char *file_text = strsep(&rest, (char[]){SEPARATOR, '\0'});
    for (size_t i = 0; rest != NULL && i < STRINGS_MAX; i++) {
        char **strings = i % 2 == 0 ? overrides : environment;
        strings[i / 2] = strsep(&rest, (char[]){SEPARATOR, '\0'});
    }

    /* The C library opens no empty memory; a line end is as good as nothing. */
    FILE *file = *file_text != '\0' ? fmemopen((void *)(uintptr_t)file_text, strlen(file_text), "r")
                                    : fmemopen((char[]){'\n'}, 1, "r");
    require(file != NULL);
    struct conf_errors errors = CONF_NO_ERRORS;
    struct conf *conf = conf_read(file, "fuzz.conf", overrides, environment, NULL, &errors);
    require((conf != NULL) == (errors.count == 0));
    require((errors.text != NULL) == (errors.count > 0));
    if (conf != NULL) {
        check_bounds(conf);
    }

    conf_free(conf);
    conf_errors_free(&errors);
    fclose(file);
    free(text);
    return 0;
}
