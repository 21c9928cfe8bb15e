/*
 * ulid: see ulid.h. Pure; any thread.
 */
#include "proto/ulid.h"

#include <limits.h>
#include <string.h>

static const char alphabet[] = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";

enum { DIGIT_BITS = 5, TIME_BYTES = ULID_BYTES - ULID_RANDOM_BYTES };

/* An id as a number, in two halves: 26 digits of 5 bits do not divide into bytes. */
struct halves {
    uint64_t high, low;
};

static uint64_t read_big_endian(const unsigned char *bytes, size_t count)
{
    uint64_t value = 0;
    for (size_t i = 0; i < count; i++) {
        value = value << 8 | bytes[i];
    }
    return value;
}

static void write_big_endian(unsigned char *bytes, size_t count, uint64_t value)
{
    for (size_t i = count; i > 0; i--) {
        bytes[i - 1] = (unsigned char)(value & 0xFF);
        value >>= 8;
    }
}

struct ulid ulid_make(int64_t unix_ms, const unsigned char random[ULID_RANDOM_BYTES])
{
    struct ulid id;
    write_big_endian(id.bytes, TIME_BYTES, (uint64_t)unix_ms);
    memcpy(id.bytes + TIME_BYTES, random, ULID_RANDOM_BYTES);
    return id;
}

int64_t ulid_time_ms(const struct ulid *id)
{
    return (int64_t)read_big_endian(id->bytes, TIME_BYTES);
}

static void write_digits(char *text, size_t count, uint64_t value)
{
    for (size_t i = count; i > 0; i--) {
        text[i - 1] = alphabet[value & 31];
        value >>= DIGIT_BITS;
    }
}

void ulid_format(const struct ulid *id, char text[ULID_SIZE])
{
    struct halves n = {read_big_endian(id->bytes, 8), read_big_endian(id->bytes + 8, 8)};
    /* The last twelve digits are in the lower half, the one before them is in both. */
    write_digits(text, 13, n.high >> 1);
    text[13] = alphabet[(n.high << 4 | n.low >> 60) & 31];
    write_digits(text + 14, 12, n.low);
    text[ULID_LENGTH] = '\0';
}

/* The value of each digit, plus one. A table, since every clientId of an answer passes here. */
#define DIGIT(upper, lower, value) [upper] = (value) + 1, [lower] = (value) + 1
static const unsigned char values[UCHAR_MAX + 1] = {
    ['0'] = 0 + 1,       ['1'] = 1 + 1,       ['2'] = 2 + 1,       ['3'] = 3 + 1,
    ['4'] = 4 + 1,       ['5'] = 5 + 1,       ['6'] = 6 + 1,       ['7'] = 7 + 1,
    ['8'] = 8 + 1,       ['9'] = 9 + 1,       DIGIT('A', 'a', 10), DIGIT('B', 'b', 11),
    DIGIT('C', 'c', 12), DIGIT('D', 'd', 13), DIGIT('E', 'e', 14), DIGIT('F', 'f', 15),
    DIGIT('G', 'g', 16), DIGIT('H', 'h', 17), DIGIT('J', 'j', 18), DIGIT('K', 'k', 19),
    DIGIT('M', 'm', 20), DIGIT('N', 'n', 21), DIGIT('P', 'p', 22), DIGIT('Q', 'q', 23),
    DIGIT('R', 'r', 24), DIGIT('S', 's', 25), DIGIT('T', 't', 26), DIGIT('V', 'v', 27),
    DIGIT('W', 'w', 28), DIGIT('X', 'x', 29), DIGIT('Y', 'y', 30), DIGIT('Z', 'z', 31),
    DIGIT('I', 'i', 1),  DIGIT('L', 'l', 1),  DIGIT('O', 'o', 0),
};
#undef DIGIT

/* The value of a digit, or -1. */
static int digit_value(char c)
{
    return (int)values[(unsigned char)c] - 1;
}

bool ulid_parse(const char *text, size_t len, struct ulid *id)
{
    /* 26 digits hold 130 bits, an id has 128: so the first digit is at most 7. */
    if (len != ULID_LENGTH || digit_value(text[0]) > 7) {
        return false;
    }
    struct halves n = {0, 0};
    for (size_t i = 0; i < len; i++) {
        int value = digit_value(text[i]);
        if (value < 0) {
            return false;
        }
        n.high = n.high << DIGIT_BITS | n.low >> (64 - DIGIT_BITS);
        n.low = n.low << DIGIT_BITS | (uint64_t)value;
    }
    write_big_endian(id->bytes, 8, n.high);
    write_big_endian(id->bytes + 8, 8, n.low);
    return true;
}
