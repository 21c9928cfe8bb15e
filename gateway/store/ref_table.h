/*
 * ref_table: the newest hashes of REFs, which no run of the file has yet, in memory.
 *
 * A hash table whose buckets are in the order of the hashes, so that it is written out page by page
 * without being sorted. Thread: one at a time.
 */
#ifndef GATEWAY_STORE_REF_TABLE_H
#define GATEWAY_STORE_REF_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct store_ref_entry {
    uint64_t hash;
    int64_t row;
    uint32_t next; /* in its bucket: older ones */
    bool is_key;   /* of REF and recipient; otherwise of the REF alone */
};

/* All zero = empty. */
struct store_ref_table {
    struct store_ref_entry *entries;
    uint32_t *buckets; /* 1 + the index of the newest entry; 0 = none */
    size_t count, size;
    unsigned bits; /* of a hash that name its bucket; there are as many buckets as `size` */
};

/* Empties the table and gives back its memory. */
void store_ref_table_clear(struct store_ref_table *table);

/* Adds an entry; rows must rise. Returns false on allocation failure. */
bool store_ref_table_add(struct store_ref_table *table, uint64_t hash, int64_t row, bool is_key);

/* The newest entry with this hash, and the next older one; NULL if there is none. */
const struct store_ref_entry *store_ref_table_first(const struct store_ref_table *table,
                                                    uint64_t hash);
const struct store_ref_entry *store_ref_table_next(const struct store_ref_table *table,
                                                   const struct store_ref_entry *entry);

/* Shows the entries whose hashes begin with the `bits` bits `page`, in no order; `bits` is at most
 * that of the table. */
void store_ref_table_each(const struct store_ref_table *table, unsigned bits, size_t page,
                          void (*show)(void *arg, const struct store_ref_entry *entry), void *arg);

#endif
