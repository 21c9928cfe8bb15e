#include "gateway/submit/credential.h"

#include <criterion/criterion.h>
#include <string.h>

static const struct {
    const char *header;
    bool is_read;
    const char *name; /* NULL = there is none */
    const char *secret;
} CASES[] = {
    {"Bearer sr_abc", true, NULL, "sr_abc"},
    {"bEARER  sr_abc", true, NULL, "sr_abc"},
    {"Basic c2hvcDpvcGVu", true, "shop", "open"},
    {"Basic c2hvcDphOmI=", true, "shop", "a:b"},
    {"Basic OnNlY3JldA==", true, "", "secret"},
    {"Basic c2hvcDo=", true, "shop", ""},
    {"Basic c2hvcABvOmE=", true, "", "a"}, /* a NUL in the name */
    {"Basic c2hvcA==", false, NULL, NULL}, /* no colon */
    {"Basic c2hvcDpvcGVu=", false, NULL, NULL},
    {"Basic c2hv cDpvcGVu", false, NULL, NULL},
    {"Basic", false, NULL, NULL},
    {"Basic ", false, NULL, NULL},
    {"Bearer", false, NULL, NULL},
    {"Bearer ", false, NULL, NULL},
    {"Bearersr_abc", false, NULL, NULL},
    {"Digest username=\"shop\"", false, NULL, NULL},
    {"", false, NULL, NULL},
    {NULL, false, NULL, NULL},
};

Test(credential, headers)
{
    for (size_t i = 0; i < sizeof CASES / sizeof CASES[0]; i++) {
        struct credential c;
        bool is_read = credential_read(CASES[i].header, &c);
        cr_expect_eq(is_read, CASES[i].is_read, "%s", CASES[i].header);
        if (!is_read || !CASES[i].is_read) {
            continue;
        }
        cr_expect_eq(c.has_name, CASES[i].name != NULL, "%s", CASES[i].header);
        cr_expect_str_eq(c.name, CASES[i].name == NULL ? "" : CASES[i].name);
        cr_expect_str_eq(c.secret, CASES[i].secret);
    }
}

Test(credential, what_is_too_long_belongs_to_nobody)
{
    char header[2000] = "Bearer ";
    struct credential c;
    memset(header + strlen("Bearer "), 'a', USER_SECRET_MAX + 1);
    cr_expect(credential_read(header, &c));
    cr_expect_str_eq(c.secret, "");
    header[strlen("Bearer ") + USER_SECRET_MAX] = '\0';
    cr_expect(credential_read(header, &c));
    cr_expect_eq(strlen(c.secret), (size_t)USER_SECRET_MAX);
}
