/* ref_filter: see ref_filter.h. */
#include "gateway/store/ref_filter.h"

#include <stdlib.h>
#include <string.h>

enum { BLOCK_BYTES = 32, HASHES_A_BLOCK = 16 };

bool store_ref_filter_init(struct store_ref_filter *filter, size_t hashes)
{
    filter->size = (hashes / HASHES_A_BLOCK + 1) * BLOCK_BYTES;
    filter->bits = calloc(1, filter->size);
    return filter->bits != NULL;
}

bool store_ref_filter_load(struct store_ref_filter *filter, const void *bits, size_t size)
{
    *filter = (struct store_ref_filter){.size = size};
    if (bits == NULL || size == 0 || size % BLOCK_BYTES != 0) {
        return false;
    }
    filter->bits = malloc(size);
    if (filter->bits != NULL) {
        memcpy(filter->bits, bits, size);
    }
    return filter->bits != NULL;
}

void store_ref_filter_free(struct store_ref_filter *filter)
{
    free(filter->bits);
    *filter = (struct store_ref_filter){0};
}

/* The upper half of a hash chooses the block, the lower half a bit in each of its eight words. */
static unsigned char *block_of(const struct store_ref_filter *filter, uint64_t hash)
{
    uint64_t blocks = filter->size / BLOCK_BYTES;
    return filter->bits + (((hash >> 32) * blocks) >> 32) * BLOCK_BYTES;
}

static unsigned bit_of(uint64_t hash, unsigned word)
{
    static const uint32_t odd[] = {0x47b6137b, 0x44974d91, 0x8824ad5b, 0xa2b7289d,
                                   0x705495c7, 0x2df1424b, 0x9efc4947, 0x5c6bfb31};
    return 32 * word + (((uint32_t)hash * odd[word]) >> 27);
}

void store_ref_filter_add(struct store_ref_filter *filter, uint64_t hash)
{
    unsigned char *block = block_of(filter, hash);
    for (unsigned word = 0; word < 8; word++) {
        unsigned bit = bit_of(hash, word);
        block[bit / 8] = (unsigned char)(block[bit / 8] | 1U << bit % 8);
    }
}

bool store_ref_filter_may_have(const struct store_ref_filter *filter, uint64_t hash)
{
    const unsigned char *block = block_of(filter, hash);
    for (unsigned word = 0; word < 8; word++) {
        unsigned bit = bit_of(hash, word);
        if ((block[bit / 8] >> bit % 8 & 1) == 0) {
            return false;
        }
    }
    return true;
}
