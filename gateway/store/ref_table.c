/* ref_table: see ref_table.h. */
#include "gateway/store/ref_table.h"

#include <stdlib.h>

enum { FIRST_BITS = 8, BITS_MAX = 31 };

void store_ref_table_clear(struct store_ref_table *table)
{
    free(table->entries);
    free(table->buckets);
    *table = (struct store_ref_table){0};
}

static size_t bucket_of(const struct store_ref_table *table, uint64_t hash)
{
    return (size_t)(hash >> (64 - table->bits));
}

static void link_entry(struct store_ref_table *table, size_t index)
{
    uint32_t *bucket = &table->buckets[bucket_of(table, table->entries[index].hash)];
    table->entries[index].next = *bucket;
    *bucket = (uint32_t)index + 1;
}

/* Doubles the table, and links the entries again: older ones first. */
static bool grow(struct store_ref_table *table)
{
    unsigned bits = table->size == 0 ? FIRST_BITS : table->bits + 1;
    size_t size = (size_t)1 << bits;
    struct store_ref_entry *entries =
        bits > BITS_MAX ? NULL : realloc(table->entries, size * sizeof *entries);
    if (entries == NULL) {
        return false;
    }
    table->entries = entries;
    uint32_t *buckets = calloc(size, sizeof *buckets);
    if (buckets == NULL) {
        return false; /* the array is larger than need be: no harm */
    }
    free(table->buckets);
    table->buckets = buckets;
    table->bits = bits;
    table->size = size;
    for (size_t i = 0; i < table->count; i++) {
        link_entry(table, i);
    }
    return true;
}

bool store_ref_table_add(struct store_ref_table *table, uint64_t hash, int64_t row, bool is_key)
{
    if (table->count == table->size && !grow(table)) {
        return false;
    }
    table->entries[table->count] =
        (struct store_ref_entry){.hash = hash, .row = row, .is_key = is_key};
    link_entry(table, table->count++);
    return true;
}

/* The first entry from `index` (as buckets hold it) on that has this hash. */
static const struct store_ref_entry *find(const struct store_ref_table *table, uint32_t index,
                                          uint64_t hash)
{
    while (index != 0 && table->entries[index - 1].hash != hash) {
        index = table->entries[index - 1].next;
    }
    return index == 0 ? NULL : &table->entries[index - 1];
}

const struct store_ref_entry *store_ref_table_first(const struct store_ref_table *table,
                                                    uint64_t hash)
{
    return table->count == 0 ? NULL : find(table, table->buckets[bucket_of(table, hash)], hash);
}

const struct store_ref_entry *store_ref_table_next(const struct store_ref_table *table,
                                                   const struct store_ref_entry *entry)
{
    return find(table, entry->next, entry->hash);
}

void store_ref_table_each(const struct store_ref_table *table, unsigned bits, size_t page,
                          void (*show)(void *arg, const struct store_ref_entry *entry), void *arg)
{
    size_t first = page << (table->bits - bits);
    size_t end = (page + 1) << (table->bits - bits);
    for (size_t bucket = first; bucket < end; bucket++) {
        uint32_t index = table->buckets[bucket];
        while (index != 0) {
            show(arg, &table->entries[index - 1]);
            index = table->entries[index - 1].next;
        }
    }
}
