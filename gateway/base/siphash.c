/* siphash: see siphash.h. */
#include "gateway/base/siphash.h"

#include <endian.h>
#include <string.h>

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

static void take_word(struct sip *s, uint64_t word)
{
    s->v[3] ^= word;
    sip_rounds(s, 2);
    s->v[0] ^= word;
}

/* Up to eight bytes, least significant first. */
static uint64_t read_word(const unsigned char *bytes, size_t count)
{
    uint64_t word = 0;
    memcpy(&word, bytes, count);
    return le64toh(word);
}

uint64_t siphash(const uint64_t key[2], const void *data, size_t len)
{
    const unsigned char *bytes = data;
    struct sip s = {{key[0] ^ 0x736f6d6570736575, key[1] ^ 0x646f72616e646f6d,
                     key[0] ^ 0x6c7967656e657261, key[1] ^ 0x7465646279746573}};
    size_t at = 0;
    for (; at + 8 <= len; at += 8) {
        take_word(&s, read_word(bytes + at, 8));
    }
    take_word(&s, read_word(bytes + at, len - at) | (uint64_t)len << 56);
    s.v[2] ^= 0xFF;
    sip_rounds(&s, 4);
    return s.v[0] ^ s.v[1] ^ s.v[2] ^ s.v[3];
}
