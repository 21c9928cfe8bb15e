/* siphash: see siphash.h. */
#include "gateway/base/siphash.h"

struct sip {
    uint64_t v[4];
};

static uint64_t rotate(uint64_t x, unsigned bits)
{
    return x << bits | x >> (64 - bits);
}

static void sip_rounds(struct sip *s, int rounds)
{
    uint64_t *v = s->v;
    while (rounds-- > 0) {
        v[0] += v[1];
        v[2] += v[3];
        v[1] = rotate(v[1], 13) ^ v[0];
        v[3] = rotate(v[3], 16) ^ v[2];
        v[0] = rotate(v[0], 32) + v[3];
        v[2] += v[1];
        v[1] = rotate(v[1], 17) ^ v[2];
        v[3] = rotate(v[3], 21) ^ v[0];
        v[2] = rotate(v[2], 32);
    }
}

/* Up to eight bytes, least significant first. */
static uint64_t read_little_endian(const unsigned char *bytes, size_t count)
{
    uint64_t value = 0;
    for (size_t i = count; i > 0; i--) {
        value = value << 8 | bytes[i - 1];
    }
    return value;
}

uint64_t siphash(const uint64_t key[2], const void *data, size_t len)
{
    const unsigned char *bytes = data;
    struct sip s = {{key[0] ^ 0x736f6d6570736575, key[1] ^ 0x646f72616e646f6d,
                     key[0] ^ 0x6c7967656e657261, key[1] ^ 0x7465646279746573}};
    for (size_t i = 0; i <= len; i += 8) {
        uint64_t word = i + 8 <= len ? read_little_endian(bytes + i, 8)
                                     : read_little_endian(bytes + i, len - i) | (uint64_t)len << 56;
        s.v[3] ^= word;
        sip_rounds(&s, 2);
        s.v[0] ^= word;
    }
    s.v[2] ^= 0xFF;
    sip_rounds(&s, 4);
    return s.v[0] ^ s.v[1] ^ s.v[2] ^ s.v[3];
}
