/* refs: see refs.h. */
#include "gateway/store/refs.h"

#include "gateway/base/siphash.h"
#include "gateway/store/rows.h"
#include "proto/buffer.h"

#include <endian.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

enum {
    RUN_MESSAGES = 1 << 18, /* with a REF: a run is written when there are so many ... */
    RUN_ROWS_MAX = 1 << 20, /* ... or so many messages in all, which a start may have to read */
    PAGE_ENTRIES = 128,     /* on average: 2 KB */
    PAGE_BITS_MAX = 20,     /* of a key in `ref_page`; the rest is the number of the run */
    ROWS_A_STEP = 1024,     /* read: 0.5 ms */
    PAGES_A_STEP = 128,     /* written: 256 KB */
    ENTRY_BYTES = 16,       /* hash and row, least significant byte first */
    RETRY_MS = 1000,        /* after an allocation has failed */
    DROP_REST_MS = 60000,   /* between looks for runs that can go */
    KEY_MAX = sizeof(int32_t) + UINT8_MAX + 1 + UINT8_MAX
};

#define SECRET_NAME_0 "ref_secret_0"
#define SECRET_NAME_1 "ref_secret_1"

/* --- hashes ----------------------------------------------------------------------------------- */

/* What is hashed of an owner's REF: returns how many bytes of `key`. */
static size_t put_ref(unsigned char *key, int32_t owner, const char *ref)
{
    size_t len = strnlen(ref, UINT8_MAX);
    memcpy(key, &owner, sizeof owner);
    memcpy(key + sizeof owner, ref, len);
    key[sizeof owner + len] = '\0';
    return sizeof owner + len + 1;
}

/* Of an owner's REF. */
static uint64_t hash_ref(const struct store_refs *refs, int32_t owner, const char *ref)
{
    unsigned char key[KEY_MAX];
    return siphash(refs->secret, key, put_ref(key, owner, ref));
}

/* Of that and a recipient. */
static uint64_t hash_key(const struct store_refs *refs, int32_t owner, const char *ref,
                         const char *to)
{
    unsigned char key[KEY_MAX];
    size_t len = put_ref(key, owner, ref);
    size_t to_len = strnlen(to, UINT8_MAX);
    memcpy(key + len, to, to_len);
    return siphash(refs->secret, key, len + to_len);
}

static bool draw_secret(struct store_refs *refs)
{
    return getrandom(refs->secret, sizeof refs->secret, 0) == sizeof refs->secret;
}

/* --- what is in memory ------------------------------------------------------------------------ */

static bool add(struct store_refs *refs, int64_t row, int32_t owner, const char *ref,
                const char *to)
{
    if (ref[0] != '\0') {
        if (!store_ref_table_add(&refs->recent, hash_ref(refs, owner, ref), row, false) ||
            !store_ref_table_add(&refs->recent, hash_key(refs, owner, ref, to), row, true)) {
            return false;
        }
    }
    refs->indexed_row = row;
    refs->rows++;
    return true;
}

void store_refs_add(struct store_refs *refs, struct message *const *messages, size_t count)
{
    for (size_t i = 0; refs->is_complete && i < count; i++) {
        struct message *m = messages[i];
        /* On allocation failure it is read again, by a later step. */
        refs->is_complete =
            add(refs, message_row_links(m)->row, m->owner, message_ref(m), message_to(m));
    }
}

/* Reads messages that are not indexed yet. */
static bool read_rows(struct store_refs *refs, struct store_db *db, bool *is_out_of_memory)
{
    sqlite3_stmt *read = db->statements[STORE_READ_REFS];
    bool has_failed = false;
    bool has_memory = true;
    int count = 0;
    sqlite3_bind_int64(read, 1, refs->indexed_row);
    sqlite3_bind_int64(read, 2, ROWS_A_STEP);
    for (; store_db_next_row(db, STORE_READ_REFS, &has_failed); count++) {
        const char *ref = (const char *)sqlite3_column_text(read, 2);
        const char *to = (const char *)sqlite3_column_text(read, 3);
        has_memory =
            has_memory && add(refs, sqlite3_column_int64(read, 0), sqlite3_column_int(read, 1),
                              ref == NULL ? "" : ref, to == NULL ? "" : to);
    }
    refs->is_complete = !has_failed && has_memory && count < ROWS_A_STEP;
    *is_out_of_memory = !has_memory;
    return !has_failed;
}

/* --- writing a run ---------------------------------------------------------------------------- */

static bool is_full(const struct store_refs *refs)
{
    size_t messages = refs->run_rows == 0 ? RUN_MESSAGES : refs->run_rows;
    size_t rows = refs->run_rows == 0 ? RUN_ROWS_MAX : refs->run_rows;
    return refs->recent.count >= 2 * messages || refs->rows >= rows;
}

static bool is_writing(const struct store_refs *refs)
{
    return refs->next.number != 0;
}

/* Makes room for one more run. Returns false on allocation failure. */
static bool reserve_run(struct store_refs *refs)
{
    size_t size = (refs->run_count + 1) * sizeof(struct store_ref_run);
    struct store_ref_run *runs = realloc(refs->runs, size);
    if (runs == NULL) {
        return false;
    }
    refs->runs = runs;
    return true;
}

/* Few enough that each holds some PAGE_ENTRIES. */
static unsigned page_bits(const struct store_ref_table *table)
{
    unsigned bits = 0;
    while (bits < table->bits && bits < PAGE_BITS_MAX && table->count >> bits > PAGE_ENTRIES) {
        bits++;
    }
    return bits;
}

/* Begins a run with everything in `recent`. Returns false on allocation failure. */
static bool freeze(struct store_refs *refs)
{
    struct store_ref_filter filter;
    if (!reserve_run(refs) || !store_ref_filter_init(&filter, refs->recent.count / 2)) {
        return false;
    }
    const struct store_ref_run *last =
        refs->run_count == 0 ? NULL : &refs->runs[refs->run_count - 1];
    refs->next = (struct store_ref_run){
        .number = last == NULL ? 1 : last->number + 1,
        .first_row = last == NULL ? 0 : last->last_row + 1,
        .last_row = refs->indexed_row,
        .page_bits = page_bits(&refs->recent),
        .filter = filter,
    };
    refs->next_page = 0;
    refs->frozen = refs->recent;
    refs->recent = (struct store_ref_table){0};
    refs->rows = 0;
    return true;
}

static int64_t page_key(const struct store_ref_run *run, size_t page)
{
    return run->number << PAGE_BITS_MAX | (int64_t)page;
}

/* A page on its way to the file. */
struct page {
    struct store_ref_filter *filter;
    struct buffer bytes;
};

static void append(void *arg, const struct store_ref_entry *entry)
{
    struct page *page = arg;
    const uint64_t words[] = {htole64(entry->hash), htole64((uint64_t)entry->row)};
    buffer_append(&page->bytes, words, sizeof words);
    if (entry->is_key) {
        store_ref_filter_add(page->filter, entry->hash);
    }
}

static bool write_page(struct store_refs *refs, struct store_db *db, struct page *page,
                       size_t number)
{
    sqlite3_stmt *write = db->statements[STORE_INSERT_REF_PAGE];
    page->bytes.len = 0;
    store_ref_table_each(&refs->frozen, refs->next.page_bits, number, append, page);
    if (page->bytes.len == 0 || page->bytes.has_failed) {
        return true;
    }
    sqlite3_bind_int64(write, 1, page_key(&refs->next, number));
    sqlite3_bind_blob64(write, 2, page->bytes.data, page->bytes.len, SQLITE_STATIC);
    return store_db_run(db, STORE_INSERT_REF_PAGE);
}

/* The run is whole: from now on a start reads it. */
static bool write_run(struct store_refs *refs, struct store_db *db)
{
    const struct store_ref_run *run = &refs->next;
    sqlite3_stmt *write = db->statements[STORE_INSERT_REF_RUN];
    sqlite3_bind_int64(write, 1, run->number);
    sqlite3_bind_int64(write, 2, run->first_row);
    sqlite3_bind_int64(write, 3, run->last_row);
    sqlite3_bind_int(write, 4, (int)run->page_bits);
    sqlite3_bind_blob64(write, 5, run->filter.bits, run->filter.size, SQLITE_STATIC);
    return store_rows_set_number(db, SECRET_NAME_0, refs->secret[0]) &&
           store_rows_set_number(db, SECRET_NAME_1, refs->secret[1]) &&
           store_db_run(db, STORE_INSERT_REF_RUN);
}

/* Writes some pages, and with the last ones the run itself. What a failure leaves behind is written
 * over. */
static bool write_pages(struct store_refs *refs, struct store_db *db, bool *is_out_of_memory)
{
    struct page page = {.filter = &refs->next.filter, .bytes = BUFFER_EMPTY};
    size_t pages = refs->frozen.count == 0 ? 0 : (size_t)1 << refs->next.page_bits;
    size_t number = refs->next_page;
    bool is_good = store_db_begin(db, false);
    while (is_good && !page.bytes.has_failed && number < pages &&
           number < refs->next_page + PAGES_A_STEP) {
        is_good = write_page(refs, db, &page, number++);
    }
    *is_out_of_memory = page.bytes.has_failed;
    buffer_free(&page.bytes);
    if (is_good && *is_out_of_memory) {
        store_db_roll_back(db);
        return true;
    }
    bool is_end = number >= pages;
    if (!is_good || (is_end && !write_run(refs, db)) || !store_db_commit(db)) {
        return false;
    }
    refs->next_page = number;
    if (is_end) {
        refs->runs[refs->run_count++] = refs->next;
        refs->next = (struct store_ref_run){0};
        store_ref_table_clear(&refs->frozen);
    }
    return true;
}

/* --- dropping runs ---------------------------------------------------------------------------- */

/* Are there messages in the rows of a run? 1 = yes, 0 = no, -1 on failure. */
static int has_messages(struct store_db *db, const struct store_ref_run *run)
{
    bool has_failed = false;
    int found = 0;
    sqlite3_bind_int64(db->statements[STORE_HAS_ROWS], 1, run->first_row);
    sqlite3_bind_int64(db->statements[STORE_HAS_ROWS], 2, run->last_row);
    while (store_db_next_row(db, STORE_HAS_ROWS, &has_failed)) {
        found = 1;
    }
    return has_failed ? -1 : found;
}

static bool drop(struct store_refs *refs, struct store_db *db, size_t index)
{
    struct store_ref_run *run = &refs->runs[index];
    sqlite3_bind_int64(db->statements[STORE_DELETE_REF_PAGES], 1, page_key(run, 0));
    sqlite3_bind_int64(db->statements[STORE_DELETE_REF_PAGES], 2,
                       page_key(run, ((size_t)1 << PAGE_BITS_MAX) - 1));
    sqlite3_bind_int64(db->statements[STORE_DELETE_REF_RUN], 1, run->number);
    if (!store_db_begin(db, false) || !store_db_run(db, STORE_DELETE_REF_PAGES) ||
        !store_db_run(db, STORE_DELETE_REF_RUN) || !store_db_commit(db)) {
        return false;
    }
    store_ref_filter_free(&run->filter);
    refs->run_count--;
    memmove(run, run + 1, (refs->run_count - index) * sizeof *run);
    return true;
}

/* Drops one run whose messages are all gone; the last one stays, since the next number follows it. */
static bool drop_one(struct store_refs *refs, struct store_db *db, int64_t now_ms)
{
    for (size_t i = 0; i + 1 < refs->run_count; i++) {
        int found = has_messages(db, &refs->runs[i]);
        if (found <= 0) {
            return found == 0 && drop(refs, db, i);
        }
    }
    refs->drop_ms = now_ms + DROP_REST_MS;
    return true;
}

/* --- steps ------------------------------------------------------------------------------------ */

int64_t store_refs_due_ms(const struct store_refs *refs)
{
    bool has_work = !refs->is_complete || is_writing(refs) || is_full(refs);
    return has_work ? refs->retry_ms : refs->drop_ms;
}

bool store_refs_step(struct store_refs *refs, struct store_db *db, int64_t now_ms)
{
    bool is_out_of_memory = false;
    bool is_good = true;
    if (is_writing(refs)) {
        is_good = write_pages(refs, db, &is_out_of_memory);
    } else if (is_full(refs)) {
        is_out_of_memory = !freeze(refs);
    } else if (!refs->is_complete) {
        is_good = read_rows(refs, db, &is_out_of_memory);
    } else {
        is_good = drop_one(refs, db, now_ms);
    }
    refs->retry_ms = is_out_of_memory ? now_ms + RETRY_MS : 0;
    return is_good;
}

/* --- looking up ------------------------------------------------------------------------------- */

/* The page of a run where a hash would be; `*len` bytes, 0 if there is none. Valid until the
 * statement is reset. Returns false on failure. */
static bool read_page(struct store_db *db, const struct store_ref_run *run, uint64_t hash,
                      const unsigned char **bytes, size_t *len)
{
    sqlite3_stmt *read = db->statements[STORE_READ_REF_PAGE];
    size_t page = run->page_bits == 0 ? 0 : (size_t)(hash >> (64 - run->page_bits));
    bool has_failed = false;
    *len = 0;
    sqlite3_bind_int64(read, 1, page_key(run, page));
    if (store_db_next_row(db, STORE_READ_REF_PAGE, &has_failed)) {
        *bytes = sqlite3_column_blob(read, 0);
        *len = *bytes == NULL ? 0 : (size_t)sqlite3_column_bytes(read, 0);
    }
    return !has_failed;
}

/* The row of the entry at `bytes` if it has the hash, otherwise 0. */
static int64_t row_at(const unsigned char *bytes, uint64_t hash)
{
    uint64_t words[2];
    memcpy(words, bytes, sizeof words);
    return le64toh(words[0]) == hash ? (int64_t)le64toh(words[1]) : 0;
}

/* The highest row of a run with this hash; 0 = none, -1 on failure. */
static int64_t newest_of_run(struct store_db *db, const struct store_ref_run *run, uint64_t hash)
{
    const unsigned char *bytes = NULL;
    size_t len;
    int64_t newest = 0;
    bool is_good = read_page(db, run, hash, &bytes, &len);
    for (size_t at = 0; at + ENTRY_BYTES <= len; at += ENTRY_BYTES) {
        int64_t row = row_at(bytes + at, hash);
        newest = row > newest ? row : newest;
    }
    sqlite3_reset(db->statements[STORE_READ_REF_PAGE]);
    return is_good ? newest : -1;
}

int64_t store_refs_newest(const struct store_refs *refs, struct store_db *db,
                          const struct message *m)
{
    uint64_t key = hash_key(refs, m->owner, message_ref(m), message_to(m));
    const struct store_ref_entry *entry = store_ref_table_first(&refs->recent, key);
    entry = entry == NULL ? store_ref_table_first(&refs->frozen, key) : entry;
    int64_t row = entry == NULL ? 0 : entry->row;
    for (size_t i = refs->run_count; row == 0 && i > 0; i--) {
        const struct store_ref_run *run = &refs->runs[i - 1];
        row = store_ref_filter_may_have(&run->filter, key) ? newest_of_run(db, run, key) : 0;
    }
    return row;
}

static void add_row(struct buffer *rows, int64_t row)
{
    buffer_append(rows, &row, sizeof row);
}

static void list_table(const struct store_ref_table *table, uint64_t hash, size_t max,
                       struct buffer *rows)
{
    const struct store_ref_entry *entry = store_ref_table_first(table, hash);
    for (; entry != NULL && rows->len < max * sizeof(int64_t);
         entry = store_ref_table_next(table, entry)) {
        add_row(rows, entry->row);
    }
}

static void list_run(struct store_db *db, const struct store_ref_run *run, uint64_t hash,
                     struct buffer *rows)
{
    const unsigned char *bytes = NULL;
    size_t len;
    rows->has_failed = !read_page(db, run, hash, &bytes, &len) || rows->has_failed;
    for (size_t at = 0; at + ENTRY_BYTES <= len; at += ENTRY_BYTES) {
        int64_t row = row_at(bytes + at, hash);
        if (row > 0) {
            add_row(rows, row);
        }
    }
    sqlite3_reset(db->statements[STORE_READ_REF_PAGE]);
}

static int compare(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return x < y ? -1 : x > y;
}

/* From the newest to the oldest, until there are enough; a run's rows come in no order. */
bool store_refs_list(const struct store_refs *refs, struct store_db *db, int32_t owner,
                     const char *ref, size_t max, int64_t **rows, size_t *count)
{
    struct buffer found = BUFFER_EMPTY;
    uint64_t wanted = hash_ref(refs, owner, ref);
    *rows = NULL;
    *count = 0;
    list_table(&refs->recent, wanted, max, &found);
    list_table(&refs->frozen, wanted, max, &found);
    for (size_t i = refs->run_count; i > 0 && found.len < max * sizeof **rows; i--) {
        list_run(db, &refs->runs[i - 1], wanted, &found);
    }
    if (found.has_failed || found.len == 0) {
        buffer_free(&found);
        return !found.has_failed;
    }
    *rows = (int64_t *)(void *)found.data;
    *count = found.len / sizeof **rows;
    qsort(*rows, *count, sizeof **rows, compare);
    size_t extra = *count > max ? *count - max : 0;
    *count -= extra;
    memmove(*rows, *rows + extra, *count * sizeof **rows);
    return true;
}

/* --- life ------------------------------------------------------------------------------------- */

static bool load_run(struct store_refs *refs, sqlite3_stmt *row)
{
    if (!reserve_run(refs)) {
        return false;
    }
    struct store_ref_run *run = &refs->runs[refs->run_count];
    *run = (struct store_ref_run){.number = sqlite3_column_int64(row, 0),
                                  .first_row = sqlite3_column_int64(row, 1),
                                  .last_row = sqlite3_column_int64(row, 2),
                                  .page_bits = (unsigned)sqlite3_column_int(row, 3)};
    if (run->page_bits > PAGE_BITS_MAX ||
        !store_ref_filter_load(&run->filter, sqlite3_column_blob(row, 4),
                               (size_t)sqlite3_column_bytes(row, 4))) {
        return false;
    }
    refs->indexed_row = run->last_row;
    refs->run_count++;
    return true;
}

bool store_refs_load(struct store_refs *refs, struct store_db *db)
{
    sqlite3_stmt *row = db->statements[STORE_READ_REF_RUNS];
    bool has_failed = false;
    bool is_good = store_rows_number(db, SECRET_NAME_0, &refs->secret[0]) &&
                   store_rows_number(db, SECRET_NAME_1, &refs->secret[1]);
    while (is_good && store_db_next_row(db, STORE_READ_REF_RUNS, &has_failed)) {
        is_good = load_run(refs, row);
    }
    sqlite3_reset(row);
    return is_good && !has_failed && (refs->run_count > 0 || draw_secret(refs));
}

void store_refs_free(struct store_refs *refs)
{
    for (size_t i = 0; i < refs->run_count; i++) {
        store_ref_filter_free(&refs->runs[i].filter);
    }
    free(refs->runs);
    store_ref_filter_free(&refs->next.filter);
    store_ref_table_clear(&refs->recent);
    store_ref_table_clear(&refs->frozen);
    *refs = (struct store_refs){0};
}
