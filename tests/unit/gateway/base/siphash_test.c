/* siphash: the vectors of its authors. */
#include "gateway/base/siphash.h"

#include <criterion/criterion.h>

Test(siphash, of_the_first_bytes)
{
    static const struct {
        size_t len;
        uint64_t hash;
    } vectors[] = {
        {0, 0x726fdb47dd0e0e31}, {1, 0x74f839c593dc67fd},  {2, 0x0d6c8009d9a94f5a},
        {8, 0x93f5f5799a932462}, {15, 0xa129ca6149be45e5},
    };
    const uint64_t key[2] = {0x0706050403020100, 0x0f0e0d0c0b0a0908};
    unsigned char bytes[16];
    for (size_t i = 0; i < sizeof bytes; i++) {
        bytes[i] = (unsigned char)i;
    }
    for (size_t i = 0; i < sizeof vectors / sizeof vectors[0]; i++) {
        cr_expect_eq(siphash(key, bytes, vectors[i].len), vectors[i].hash, "%zu", vectors[i].len);
    }
}
