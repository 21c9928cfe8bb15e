/*
 * ulid: see ulid.h. Owns the text form of identifiers; where time and chance come from is the
 * caller's affair. Pure; any thread.
 */
#include "proto/ulid.h"

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

void ulid_format(const struct ulid *id, char text[ULID_SIZE])
{
    struct halves n = {read_big_endian(id->bytes, 8), read_big_endian(id->bytes + 8, 8)};
    text[ULID_LENGTH] = '\0';
    for (size_t i = ULID_LENGTH; i > 0; i--) {
        text[i - 1] = alphabet[n.low & 31];
        n.low = n.low >> DIGIT_BITS | n.high << (64 - DIGIT_BITS);
        n.high >>= DIGIT_BITS;
    }
}

/* The value of a digit, or -1. */
static int digit_value(char c)
{
    if (c >= 'a' && c <= 'z') {
        c = (char)(c - 'a' + 'A');
    }
    if (c == 'I' || c == 'L') {
        return 1;
    }
    if (c == 'O') {
        return 0;
    }
    const char *digit = c == '\0' ? NULL : strchr(alphabet, c);
    return digit == NULL ? -1 : (int)(digit - alphabet);
}

bool ulid_parse(const char *text, size_t len, struct ulid *id)
{
    /* 26 digits hold 130 bits: a first digit above 7 would need the two that an id lacks. */
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
