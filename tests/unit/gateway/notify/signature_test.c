/* signature: against the example of the convention, and Python's hmac. */
#include "gateway/notify/signature.h"

#include <criterion/criterion.h>
#include <string.h>

#define LONG "kkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkk"

Test(signature, known_ones)
{
    static const struct {
        const char *secret, *id;
        int64_t timestamp_s;
        const char *body;
        size_t len;
        const char *signature;
    } rows[] = {
        {"whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330,
         "{\"test\": 2432232314}", 20, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="},
        {"0123456789abcdef", "1-2", -1, "", 0, "v1,PhqqcgcPknNDJkYHh3AQr9aGmMJj/GXzpMzsTSueHew="},
        {LONG LONG LONG LONG, "1-2", 1, "\0\xff", 2,
         "v1,nt/VeJAFlXHLDN3dFXgBRolsyF5QhLOUqJAs3/T0zD4="},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char signature[SIGNATURE_SIZE];
        struct signature_key *key = signature_key_new(rows[i].secret);
        cr_assert_not_null(key, "%zu", i);
        signature_make(key, rows[i].id, rows[i].timestamp_s, rows[i].body, rows[i].len, signature);
        cr_expect_str_eq(signature, rows[i].signature, "%zu: %s", i, signature);
        signature_key_free(key);
    }
}

Test(signature, no_base64_no_key)
{
    cr_expect_null(signature_key_new("whsec_"));
    cr_expect_null(signature_key_new("whsec_!"));
    signature_key_free(NULL);
}
