/* The tests' own disk: does it fail when told to, and lose what a real one may lose? */
#include "tests/support/faulty_vfs.h"

#include <criterion/criterion.h>
#include <fcntl.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { PATH_BYTES = 256, FILE_BYTES = 64 * 1024 };

static char folder[PATH_BYTES], file_path[PATH_BYTES], left_folder[PATH_BYTES],
    left_path[PATH_BYTES];

static const struct faulty_loss all_of_it = {.seed = 0};

static void setup(void)
{
    strcpy(folder, "/tmp/faulty_vfs.XXXXXX");
    cr_assert_not_null(mkdtemp(folder));
    snprintf(left_folder, sizeof left_folder, "%.100s/left", folder);
    snprintf(file_path, sizeof file_path, "%.100s/file", folder);
    snprintf(left_path, sizeof left_path, "%.100s/file", left_folder);
    cr_assert_eq(mkdir(left_folder, 0700), 0);
    cr_assert(faulty_vfs_install());
}

static void teardown(void)
{
    static const char *const names[] = {"",           "-wal",           "-journal",
                                        "/left/file", "/left/file-wal", "/left/file-journal"};
    faulty_vfs_remove();
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        char path[2 * PATH_BYTES];
        snprintf(path, sizeof path, "%s%s", names[i][0] == '/' ? folder : file_path, names[i]);
        unlink(path);
    }
    rmdir(left_folder);
    rmdir(folder);
}

TestSuite(faulty_vfs, .init = setup, .fini = teardown);

/* --- a file without a database ------------------------------------------------------------------ */

static sqlite3_file *open_at(const char *path)
{
    sqlite3_vfs *vfs = sqlite3_vfs_find(NULL);
    sqlite3_file *file = calloc(1, (size_t)vfs->szOsFile);
    int flags = SQLITE_OPEN_MAIN_DB | SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE;
    cr_assert_eq(vfs->xOpen(vfs, path, file, flags, NULL), SQLITE_OK);
    return file;
}

static sqlite3_file *open_file(void)
{
    return open_at(file_path);
}

static void close_file(sqlite3_file *file)
{
    file->pMethods->xClose(file);
    free(file);
}

static int put(sqlite3_file *file, const char *bytes, sqlite3_int64 offset)
{
    return file->pMethods->xWrite(file, bytes, (int)strlen(bytes), offset);
}

static int fill(sqlite3_file *file, char c, int len, sqlite3_int64 offset)
{
    static char bytes[FILE_BYTES];
    memset(bytes, c, (size_t)len);
    return file->pMethods->xWrite(file, bytes, len, offset);
}

static int synchronise(sqlite3_file *file)
{
    return file->pMethods->xSync(file, SQLITE_SYNC_NORMAL);
}

static int truncate_to(sqlite3_file *file, sqlite3_int64 len)
{
    return file->pMethods->xTruncate(file, len);
}

/* The bytes of a file as a string; NULL if there is none. Until the next call. */
static char *content_of(const char *path, size_t *len)
{
    static char bytes[FILE_BYTES + 1];
    int fd = open(path, O_RDONLY);
    if (fd < 0) {
        return NULL;
    }
    ssize_t n = read(fd, bytes, FILE_BYTES);
    close(fd);
    bytes[n > 0 ? n : 0] = '\0';
    if (len != NULL) {
        *len = n > 0 ? (size_t)n : 0;
    }
    return bytes;
}

static char *left_after(const struct faulty_loss *loss, size_t *len)
{
    cr_assert(faulty_vfs_lose_power(left_folder, loss));
    return content_of(left_path, len);
}

Test(faulty_vfs, fails_the_nth_operation_as_ordered)
{
    static const struct {
        enum faulty_operation operation;
        int error, wanted;
    } rows[] = {
        {FAULTY_WRITE, SQLITE_FULL, SQLITE_FULL},
        {FAULTY_WRITE, SQLITE_IOERR, SQLITE_IOERR_WRITE},
        {FAULTY_SYNC, SQLITE_IOERR, SQLITE_IOERR_FSYNC},
        {FAULTY_TRUNCATE, SQLITE_IOERR, SQLITE_IOERR_TRUNCATE},
        {FAULTY_WRITE, SQLITE_READONLY, SQLITE_READONLY},
    };
    sqlite3_file *file = open_file();
    for (size_t i = 0; i < 2 * sizeof rows / sizeof *rows; i++) {
        enum faulty_operation operation = rows[i / 2].operation;
        const char *name = faulty_operation_name(operation);
        struct faulty_order order = {
            .operation = operation, .nth = 2, .is_sticky = i % 2 == 1, .error = rows[i / 2].error};
        faulty_vfs_order(&order);
        for (int nth = 1; nth <= 3; nth++) {
            bool strikes = nth == 2 || (nth == 3 && order.is_sticky);
            int got[FAULTY_OPERATIONS] = {[FAULTY_WRITE] = put(file, "x", 0),
                                          [FAULTY_SYNC] = synchronise(file),
                                          [FAULTY_TRUNCATE] = truncate_to(file, 1)};
            for (size_t j = FAULTY_WRITE; j < FAULTY_ANY; j++) {
                int wanted = strikes && j == operation ? rows[i / 2].wanted : SQLITE_OK;
                cr_expect_eq(got[j], wanted, "%s %zu: %d", name, i, got[j]);
            }
        }
        cr_expect_eq(faulty_vfs_count(operation), 3);
        cr_expect_eq(faulty_vfs_count(FAULTY_ANY), 9);
        cr_expect_eq(faulty_vfs_struck(), order.is_sticky ? 2 : 1);
    }
    close_file(file);
}

Test(faulty_vfs, any_operation_means_any)
{
    sqlite3_file *file = open_file();
    faulty_vfs_order(&(struct faulty_order){
        .operation = FAULTY_ANY, .nth = 2, .is_sticky = true, .error = SQLITE_IOERR});
    cr_expect_eq(put(file, "x", 0), SQLITE_OK);
    cr_expect_eq(synchronise(file), SQLITE_IOERR_FSYNC);
    cr_expect_eq(truncate_to(file, 0), SQLITE_IOERR_TRUNCATE);
    cr_expect_eq(put(file, "x", 0), SQLITE_IOERR_WRITE);
    faulty_vfs_order(NULL);
    cr_expect_eq(put(file, "x", 0), SQLITE_OK);
    close_file(file);
}

Test(faulty_vfs, a_torn_write_reaches_the_file_up_to_the_byte)
{
    static const int torn[] = {0, 1, 511, 512, 700, 1000};
    sqlite3_file *file = open_file();
    for (size_t i = 0; i < sizeof torn / sizeof *torn; i++) {
        size_t len;
        faulty_vfs_order(NULL);
        cr_assert_eq(truncate_to(file, 0), SQLITE_OK);
        faulty_vfs_order(&(struct faulty_order){
            .operation = FAULTY_WRITE, .nth = 1, .error = SQLITE_FULL, .torn_bytes = torn[i]});
        cr_expect_eq(fill(file, 'a', 900, 0), SQLITE_FULL);
        content_of(file_path, &len);
        cr_expect_eq(len, torn[i] < 900 ? (size_t)torn[i] : 900);
    }
    close_file(file);
}

static char *seen_in_call;

static void look(void *arg)
{
    seen_in_call = left_after(arg, NULL);
}

Test(faulty_vfs, calls_before_the_operation)
{
    sqlite3_file *file = open_file();
    put(file, "one", 0);
    faulty_vfs_order(&(struct faulty_order){
        .operation = FAULTY_SYNC, .nth = 2, .call = look, .arg = (void *)&all_of_it});
    synchronise(file);
    put(file, "two", 0);
    cr_expect_eq(synchronise(file), SQLITE_OK);
    cr_expect_str_eq(seen_in_call, "one");
    cr_expect_str_eq(left_after(&all_of_it, NULL), "two");
    close_file(file);
}

/* --- what survives ------------------------------------------------------------------------------ */

Test(faulty_vfs, what_was_not_synced_is_lost)
{
    sqlite3_file *file = open_file();
    cr_expect_null(left_after(&all_of_it, NULL), "a file that was never synced");
    put(file, "first", 0);
    cr_expect_null(left_after(&all_of_it, NULL));
    synchronise(file);
    put(file, "second one", 0);
    cr_expect_str_eq(left_after(&all_of_it, NULL), "first");
    cr_expect_str_eq(content_of(file_path, NULL), "second one");
    truncate_to(file, 2);
    cr_expect_str_eq(left_after(&all_of_it, NULL), "first");
    synchronise(file);
    cr_expect_str_eq(left_after(&all_of_it, NULL), "se");
    close_file(file);
}

Test(faulty_vfs, what_was_cut_off_does_not_come_back)
{
    sqlite3_file *file = open_file();
    fill(file, 'a', 8192, 0);
    synchronise(file);
    truncate_to(file, 3);
    put(file, "x", 8000);
    synchronise(file);
    close_file(file);
    const char *left = left_after(&all_of_it, NULL);
    cr_expect_eq(strlen(left), 3, "%zu bytes", strlen(left));
    cr_expect_eq(left[8000], 'x');
}

Test(faulty_vfs, a_new_size_lasts_or_not)
{
    static const sqlite3_int64 sizes[] = {100, 16384};
    sqlite3_file *file = open_file();
    for (size_t i = 0; i < 2; i++) {
        size_t count[2] = {0};
        fill(file, 'a', 8192, 0);
        truncate_to(file, 8192);
        synchronise(file);
        truncate_to(file, sizes[i]);
        for (uint64_t seed = 1; seed <= 20; seed++) {
            size_t len;
            struct faulty_loss loss = {.seed = seed, .block_bytes = 4096};
            left_after(&loss, &len);
            cr_expect(len == 8192 || len == (size_t)sizes[i]);
            count[len == 8192]++;
        }
        cr_expect(count[0] > 0 && count[1] > 0);
    }
    close_file(file);
}

Test(faulty_vfs, files_of_the_folder_of_losses_are_not_in_the_way)
{
    sqlite3_file *other = open_at(left_path), *file = open_file();
    put(file, "ours", 0);
    put(other, "theirs", 0);
    synchronise(file);
    synchronise(other);
    cr_expect_str_eq(left_after(&all_of_it, NULL), "ours");
    close_file(other);
    close_file(file);
}

Test(faulty_vfs, a_file_that_was_there_counts_as_synced)
{
    int fd = open(file_path, O_WRONLY | O_CREAT, 0600);
    cr_assert_eq(write(fd, "before", 6), 6);
    close(fd);
    sqlite3_file *file = open_file();
    put(file, "after", 0);
    close_file(file);
    cr_expect_str_eq(left_after(&all_of_it, NULL), "before");
}

Test(faulty_vfs, a_failed_sync_forgets_what_it_was_to_write)
{
    size_t len;
    sqlite3_file *file = open_file();
    fill(file, 'a', 8192, 0);
    synchronise(file);
    fill(file, 'b', 8192, 0);
    faulty_vfs_order(
        &(struct faulty_order){.operation = FAULTY_SYNC, .nth = 1, .error = SQLITE_IOERR});
    cr_expect_eq(synchronise(file), SQLITE_IOERR_FSYNC);
    cr_expect_eq(synchronise(file), SQLITE_OK);
    cr_expect_eq(content_of(file_path, &len)[0], 'b', "it is in the page cache");
    cr_expect_eq(left_after(&all_of_it, &len)[0], 'a');
    put(file, "c", 4096);
    synchronise(file);
    char *left = left_after(&all_of_it, &len);
    cr_expect_eq(left[4095], 'a', "still lost");
    cr_expect_eq(memcmp(left + 4096, "cb", 2), 0, "a page goes as a whole");
    close_file(file);
}

Test(faulty_vfs, another_process_takes_the_platter_up)
{
    char model[2 * PATH_BYTES];
    snprintf(model, sizeof model, "%s/model", folder);
    sqlite3_file *file = open_file();
    fill(file, 'a', 12288, 0);
    synchronise(file);
    fill(file, 'b', 4096, 0);
    faulty_vfs_order(
        &(struct faulty_order){.operation = FAULTY_SYNC, .nth = 1, .error = SQLITE_IOERR});
    synchronise(file);
    fill(file, 'c', 4096, 4096);
    cr_assert(faulty_vfs_save(model));
    close_file(file);
    faulty_vfs_remove();

    cr_assert(faulty_vfs_install());
    cr_expect_not(faulty_vfs_resume(left_path), "there is no such file");
    cr_assert(faulty_vfs_resume(model));
    file = open_file();
    cr_expect_eq(strspn(left_after(&all_of_it, NULL), "a"), 12288);
    synchronise(file);
    close_file(file);
    const char *left = left_after(&all_of_it, NULL);
    cr_expect_eq(strspn(left, "a"), 4096, "what a failed sync forgot stays forgotten");
    cr_expect_eq(strspn(left + 4096, "c"), 4096, "what was on its way is synced by anyone");
    unlink(model);
}

Test(faulty_vfs, by_chance_each_block_is_the_old_or_the_new_one)
{
    static const size_t blocks[] = {512, 4096};
    sqlite3_file *file = open_file();
    fill(file, 'a', 16384, 0);
    synchronise(file);
    fill(file, 'b', 32768, 0);
    for (uint64_t i = 0; i < 64; i++) {
        struct faulty_loss loss = {.seed = 1 + i / 2, .block_bytes = blocks[i % 2]};
        size_t len, count[256] = {0};
        const char *left = left_after(&loss, &len);
        cr_expect(len >= 16384 && len <= 32768 && len % loss.block_bytes == 0);
        for (size_t at = 0; at < len; at++) {
            bool begins = at % loss.block_bytes == 0;
            count[(unsigned char)left[at]] += begins;
            cr_assert(begins || left[at] == left[at - 1], "a block of two kinds");
            cr_assert(left[at] == 'b' || left[at] == (at < 16384 ? 'a' : '\0'));
        }
        cr_expect(count['b'] > 0, "all was lost");
        cr_expect(count['a'] + count[0] > 0, "nothing was lost");
    }
    close_file(file);
}

Test(faulty_vfs, the_last_write_is_torn_at_any_byte)
{
    bool is_odd = false;
    sqlite3_file *file = open_file();
    fill(file, 'a', 4096, 0);
    synchronise(file);
    fill(file, 'b', 4096, 4096);
    for (uint64_t seed = 1; seed <= 20; seed++) {
        size_t len;
        struct faulty_loss loss = {.seed = seed, .block_bytes = 4096, .is_torn = true};
        char *left = left_after(&loss, &len);
        cr_expect(len >= 4096 && len < 8192);
        cr_expect_eq(strspn(left, "a"), 4096);
        cr_expect_eq(strspn(left + 4096, "b"), len - 4096);
        is_odd = is_odd || len % 512 != 0;
    }
    cr_expect(is_odd);
    synchronise(file);
    fill(file, 'c', 8192, 0);
    for (uint64_t seed = 1; seed <= 20; seed++) {
        struct faulty_loss loss = {.seed = seed, .block_bytes = 4096, .is_torn = true};
        const char *left = left_after(&loss, NULL);
        size_t cut = strspn(left, "c");
        cr_expect(cut < 8192);
        cr_expect_eq(strspn(left + cut, "ab"), 8192 - cut, "what follows the cut is the old one");
    }
    close_file(file);
}

Test(faulty_vfs, a_name_that_was_not_synced_is_there_or_not)
{
    sqlite3_vfs *vfs = sqlite3_vfs_find(NULL);
    size_t there[2] = {0};
    sqlite3_file *file = open_file();
    for (uint64_t seed = 1; seed <= 20; seed++) {
        struct faulty_loss loss = {.seed = seed, .block_bytes = 512};
        there[left_after(&loss, NULL) != NULL]++;
    }
    cr_expect(there[0] > 0 && there[1] > 0, "of a new file");
    put(file, "kept", 0);
    synchronise(file);
    close_file(file);
    cr_assert_eq(vfs->xDelete(vfs, file_path, 0), SQLITE_OK);
    cr_expect_str_eq(left_after(&all_of_it, NULL), "kept", "the removal was not synced");
    file = open_file();
    cr_expect_str_eq(left_after(&all_of_it, NULL), "kept", "nor was the new file");
    synchronise(file);
    cr_expect_str_eq(left_after(&all_of_it, NULL), "");
    close_file(file);
    cr_assert_eq(vfs->xDelete(vfs, file_path, 1), SQLITE_OK);
    cr_expect_null(left_after(&all_of_it, NULL), "the removal was synced");
}

/* --- a database --------------------------------------------------------------------------------- */

static sqlite3 *open_database(const char *path, const char *settings)
{
    sqlite3 *db;
    cr_assert_eq(sqlite3_open(path, &db), SQLITE_OK);
    cr_assert_eq(sqlite3_exec(db, settings, NULL, NULL, NULL), SQLITE_OK);
    return db;
}

static int first_column(void *arg, int columns, char **values, char **names)
{
    (void)columns;
    (void)names;
    snprintf(arg, 32, "%s", values[0]);
    return 0;
}

/* How many rows there are, in a sound database; -1 without the table. */
static int count_rows(const char *path)
{
    char value[32] = "-1";
    sqlite3 *db = open_database(path, "");
    cr_assert_eq(sqlite3_exec(db, "PRAGMA integrity_check", first_column, value, NULL), SQLITE_OK);
    cr_expect_str_eq(value, "ok");
    strcpy(value, "-1");
    sqlite3_exec(db, "SELECT count(*) FROM t", first_column, value, NULL);
    sqlite3_close(db);
    return atoi(value);
}

static const char durable[] = "PRAGMA locking_mode=EXCLUSIVE; PRAGMA journal_mode=WAL;"
                              "PRAGMA synchronous=FULL; PRAGMA wal_autocheckpoint=4;"
                              "CREATE TABLE IF NOT EXISTS t(x);";

Test(faulty_vfs, what_sqlite_commits_survives_however_the_power_goes)
{
    sqlite3 *db = open_database(file_path, durable);
    for (int i = 1; i <= 20; i++) {
        cr_assert_eq(sqlite3_exec(db, "INSERT INTO t VALUES(hex(zeroblob(1000)))", 0, 0, 0), 0);
        sqlite3_exec(db, "BEGIN; INSERT INTO t VALUES(1)", NULL, NULL, NULL);
        for (uint64_t seed = 0; seed < 4; seed++) {
            struct faulty_loss loss = {.seed = seed, .block_bytes = 512, .is_torn = seed % 2};
            cr_assert(faulty_vfs_lose_power(left_folder, &loss));
            cr_expect_eq(count_rows(left_path), i);
        }
        sqlite3_exec(db, "ROLLBACK", NULL, NULL, NULL);
    }
    sqlite3_close(db);
}

Test(faulty_vfs, what_sqlite_does_not_sync_is_lost_with_the_power)
{
    sqlite3 *db = open_database(file_path, durable);
    sqlite3_exec(db, "PRAGMA synchronous=NORMAL; INSERT INTO t VALUES(1)", NULL, NULL, NULL);
    cr_assert(faulty_vfs_lose_power(left_folder, &all_of_it));
    cr_expect_eq(count_rows(left_path), 0);
    sqlite3_close(db);
    cr_expect_eq(count_rows(file_path), 1);
}

Test(faulty_vfs, a_disk_that_became_read_only_opens_for_reading)
{
    sqlite3 *db = open_database(file_path, "CREATE TABLE t(x); INSERT INTO t VALUES(1)");
    sqlite3_close(db);
    faulty_vfs_order(
        &(struct faulty_order){.operation = FAULTY_OPEN, .nth = 1, .error = SQLITE_READONLY});
    db = open_database(file_path, "SELECT * FROM t");
    cr_expect_eq(sqlite3_exec(db, "INSERT INTO t VALUES(2)", NULL, NULL, NULL), SQLITE_READONLY);
    sqlite3_close(db);
}
