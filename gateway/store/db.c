/* db: see db.h. */
#include "gateway/store/db.h"

#include "gateway/base/clock.h"
#include "gateway/base/int64.h"
#include "gateway/base/log.h"
#include "gateway/store/wal.h"
#include "proto/message.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <time.h>
#include <unistd.h>

/* How long the log's file may stay: one part in LOG_SHARE of the volume, and so many bytes. */
enum { LOG_BYTES_MAX = 64 << 20, LOG_SHARE = 20 };

_Static_assert((int)STORE_WAL_ERROR_SIZE == (int)STORE_ERROR_SIZE, "sentences fit");

/* How long a starting relay waits for readers of its store, and how often it looks. */
enum { READERS_WAIT_MS = 10000, READERS_PAUSE_MS = 20 };

/* The largest database that a start checks from end to end, which takes about half a second: 128 MB. */
enum { CHECKED_PAGES_MAX = 32768 };

/* "SMSR": distinguishes our files from other databases. */
#define APPLICATION_ID "1397576530"

/* The file holds states as numbers, and so do the statements below. */
_Static_assert(MESSAGE_RELAYED == 5 && MESSAGE_REJECTED == 6 && MESSAGE_CANCELED == 8,
               "the statements below name states by number");

/*
 * One step for each version of the schema, from the version before it; never edited once released.
 * What never changes of a message is written once, in `message`. What does change is small, and in
 * `progress`, so that a change of state does not write the text again. Both are keyed by row (see
 * row.h): new rows go to the end.
 */
static const char *const migrations[] = {
    "CREATE TABLE message (row INTEGER PRIMARY KEY, id BLOB NOT NULL, owner INTEGER NOT NULL,"
    " priority INTEGER NOT NULL, encoding INTEGER NOT NULL, parts INTEGER NOT NULL,"
    " allow_unicode INTEGER NOT NULL, has_ttl INTEGER NOT NULL, due_ms INTEGER NOT NULL,"
    " expires_ms INTEGER NOT NULL, recipient TEXT NOT NULL, sender TEXT NOT NULL, ref TEXT,"
    " text TEXT NOT NULL);"
    "CREATE TABLE progress (row INTEGER PRIMARY KEY, state INTEGER NOT NULL,"
    " attempts INTEGER NOT NULL, ambiguous_ends INTEGER NOT NULL, may_be_sent INTEGER NOT NULL,"
    " is_expiry_lifted INTEGER NOT NULL, due_ms INTEGER NOT NULL, updated_ms INTEGER NOT NULL,"
    " api_id TEXT, reason TEXT);"
    "CREATE INDEX progress_failed ON progress (state, row) WHERE state > 5;"
    "CREATE TABLE note (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;"
    "PRAGMA application_id = " APPLICATION_ID,
    /* `report` holds the report that counts for a message, `stray` those that belong to none. */
    "CREATE TABLE report (row INTEGER PRIMARY KEY, status TEXT NOT NULL, code INTEGER NOT NULL,"
    " event_ms INTEGER NOT NULL);"
    "CREATE TABLE stray (number INTEGER PRIMARY KEY, client_id TEXT, api_id TEXT,"
    " status TEXT NOT NULL, code INTEGER NOT NULL, event_ms INTEGER NOT NULL);"
    "CREATE TABLE optout (number TEXT PRIMARY KEY, since_ms INTEGER NOT NULL) WITHOUT ROWID;"
    "CREATE TABLE inbound (row INTEGER NOT NULL, event_ms INTEGER NOT NULL, text TEXT NOT NULL,"
    " PRIMARY KEY (row, event_ms, text)) WITHOUT ROWID;",
    /* Notices that some consumer has not acknowledged: see notices.h. */
    "CREATE TABLE change (number INTEGER PRIMARY KEY, body TEXT NOT NULL);",
    /* Where the unfinished messages are, and those of a REF: see unfinished.h and refs.h. */
    "CREATE TABLE unfinished (first INTEGER PRIMARY KEY, last INTEGER NOT NULL);"
    "INSERT INTO unfinished SELECT 0, row FROM message ORDER BY row DESC LIMIT 1;"
    "CREATE TABLE ref_run (number INTEGER PRIMARY KEY, first_row INTEGER NOT NULL,"
    " last_row INTEGER NOT NULL, page_bits INTEGER NOT NULL, filter BLOB NOT NULL);"
    "CREATE TABLE ref_page (key INTEGER PRIMARY KEY, entries BLOB NOT NULL);",
    ("ALTER TABLE progress ADD COLUMN doubts INTEGER NOT NULL DEFAULT 0;"
     "UPDATE progress SET doubts = 1 WHERE may_be_sent;"),
    /* Which owner a user who logs in is. */
    "CREATE TABLE user (name TEXT PRIMARY KEY, owner INTEGER NOT NULL UNIQUE) WITHOUT ROWID;",
};
enum { VERSION = sizeof migrations / sizeof migrations[0] };

#define MESSAGE_COLUMNS                                                                          \
    "m.row, m.id, m.owner, m.priority, m.encoding, m.parts, m.allow_unicode, m.has_ttl,"         \
    " m.due_ms, m.expires_ms, m.recipient, m.sender, m.ref, m.text, p.row IS NOT NULL, p.state," \
    " p.attempts, p.ambiguous_ends, p.may_be_sent, p.is_expiry_lifted, p.due_ms, p.updated_ms,"  \
    " p.api_id, p.reason, p.doubts, r.status, r.code, r.event_ms "
#define LEFT_JOINS " LEFT JOIN progress p ON p.row = m.row LEFT JOIN report r ON r.row = m.row "

static const char *const texts[STORE_STATEMENTS] = {
    [STORE_BEGIN] = "BEGIN IMMEDIATE",
    [STORE_COMMIT] = "COMMIT",
    [STORE_ROLLBACK] = "ROLLBACK",
    [STORE_INSERT_MESSAGE] =
        "INSERT INTO message VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14)",
    [STORE_SAVE_PROGRESS] =
        "REPLACE INTO progress VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)",
    [STORE_READ_SIZE] =
        "SELECT owner, length(recipient) + length(sender) + ifnull(length(ref), 0) +"
        " length(CAST(text AS BLOB)) FROM message WHERE row = ?1",
    [STORE_DROP_TEXT] = "UPDATE message SET row = -row, text = '' WHERE row = ?1",
    [STORE_BRING_BACK] = "UPDATE message SET row = -row WHERE row = -?1",
    [STORE_DELETE_MESSAGES] = "DELETE FROM message WHERE row BETWEEN ?1 AND ?2",
    [STORE_DELETE_PROGRESS] = "DELETE FROM progress WHERE row BETWEEN ?1 AND ?2",
    [STORE_DELETE_REPORTS] = "DELETE FROM report WHERE row BETWEEN ?1 AND ?2",
    [STORE_DELETE_INBOUND] = "DELETE FROM inbound WHERE row BETWEEN ?1 AND ?2",
    [STORE_INSERT_INBOUND] = "INSERT OR IGNORE INTO inbound VALUES (?1, ?2, ?3)",
    [STORE_SAVE_REPORT] = "REPLACE INTO report VALUES (?1, ?2, ?3, ?4)",
    [STORE_INSERT_STRAY] = "INSERT INTO stray (client_id, api_id, status, code, event_ms)"
                           " VALUES (?1, ?2, ?3, ?4, ?5)",
    [STORE_DELETE_STRAYS] =
        "DELETE FROM stray WHERE number <= (SELECT max(number) FROM stray) - ?1",
    [STORE_SET_VALUE] = "REPLACE INTO note VALUES (?1, ?2)",
    [STORE_GET_VALUE] = "SELECT value FROM note WHERE name = ?1",
    [STORE_ADD_OPTOUT] = "REPLACE INTO optout VALUES (?1, ?2)",
    [STORE_DELETE_OPTOUT] = "DELETE FROM optout WHERE number = ?1",
    [STORE_READ_OPTOUTS] = "SELECT number, since_ms FROM optout ORDER BY since_ms",
    [STORE_ADD_USER] = "REPLACE INTO user VALUES (?1, ?2)",
    [STORE_READ_USERS] = "SELECT name, owner FROM user",
    [STORE_INSERT_NOTICE] = "INSERT INTO change VALUES (?1, ?2)",
    [STORE_DELETE_NOTICES] = "DELETE FROM change WHERE number <= ?1",
    [STORE_COUNT_NOTICE] = "SELECT count(*) FROM change WHERE number = ?1",
    [STORE_READ_NOTICES] = "SELECT number, body FROM change ORDER BY number",
    [STORE_LAST_ROW] = "SELECT max(row) FROM message",
    [STORE_COUNT_RANGE] = "SELECT count(*) FROM message WHERE row BETWEEN ?1 AND ?2",
    [STORE_READ_HELD] = "SELECT " MESSAGE_COLUMNS "FROM unfinished u"
                        " CROSS JOIN message m ON m.row BETWEEN u.first AND u.last" LEFT_JOINS
                        "WHERE p.row IS NULL OR p.state NOT IN (5, 6, 7, 8)"
                        " ORDER BY u.first, m.row",
    [STORE_READ_MESSAGE] = "SELECT " MESSAGE_COLUMNS "FROM message m" LEFT_JOINS
                           "WHERE m.row BETWEEN ?1 AND ?2 AND m.id = ?3",
    [STORE_READ_ROW] = "SELECT " MESSAGE_COLUMNS "FROM message m" LEFT_JOINS "WHERE m.row = ?1",
    [STORE_READ_API_IDS] = "SELECT m.id, p.api_id FROM (SELECT row, state, api_id FROM progress"
                           " ORDER BY row DESC LIMIT ?1) p CROSS JOIN message m ON m.row = p.row"
                           " WHERE p.state = 5 AND p.api_id IS NOT NULL ORDER BY p.row",
    [STORE_READ_RELAYED] =
        "SELECT " MESSAGE_COLUMNS "FROM progress p CROSS JOIN message m ON m.row = p.row"
        " LEFT JOIN report r ON r.row = p.row WHERE p.state = 5 AND p.row > ?2 ORDER BY p.row "
        "LIMIT ?1",
    [STORE_READ_FAILED] =
        "SELECT " MESSAGE_COLUMNS "FROM progress p CROSS JOIN message m ON m.row = p.row"
        " LEFT JOIN report r ON r.row = p.row WHERE p.state = ?3 AND p.state > 5 AND p.row > ?2"
        " ORDER BY p.row LIMIT ?1",
    [STORE_READ_OWNER] = "SELECT " MESSAGE_COLUMNS
                         "FROM (SELECT row, owner FROM message ORDER BY row DESC LIMIT 20000) n"
                         " CROSS JOIN message m ON m.row = n.row" LEFT_JOINS
                         "WHERE n.owner = ?1 ORDER BY n.row DESC LIMIT ?2 OFFSET ?3",
    /* The last statuses of proto/report. A limit on what is looked at, too: most may have one. */
    [STORE_READ_UNREPORTED] =
        "SELECT id, api_id, updated_ms FROM (SELECT m.row, m.id, p.api_id, p.updated_ms"
        " FROM (SELECT * FROM progress ORDER BY row DESC LIMIT ?2 + 100000) p"
        " CROSS JOIN message m ON m.row = p.row LEFT JOIN report r ON r.row = p.row"
        " WHERE p.state = 5 AND p.updated_ms > ?1 AND (r.status IS NULL OR r.status NOT IN"
        " ('error', 'failed', 'rejected', 'canceled', 'expired', 'delivered'))"
        " ORDER BY p.row DESC LIMIT ?2) ORDER BY row",
    [STORE_READ_PROGRESS] =
        "SELECT row, state, updated_ms FROM progress WHERE row >= ?1 ORDER BY row LIMIT ?2",
    [STORE_INSERT_SPAN] = "REPLACE INTO unfinished VALUES (?1, ?2)",
    [STORE_DELETE_SPAN] = "DELETE FROM unfinished WHERE first = ?1",
    [STORE_DELETE_SPANS] = "DELETE FROM unfinished WHERE first >= ?1",
    [STORE_CUT_SPANS] = "UPDATE unfinished SET last = ?1 - 1 WHERE last >= ?1",
    [STORE_NEXT_SPAN] =
        "SELECT first, last FROM unfinished WHERE first >= ?1 ORDER BY first LIMIT 1",
    [STORE_READ_SPAN] = "SELECT m.row, p.state FROM message m LEFT JOIN progress p ON p.row = m.row"
                        " WHERE m.row BETWEEN ?1 AND ?2 ORDER BY m.row LIMIT ?3",
    [STORE_READ_REFS] =
        "SELECT row, owner, ref, recipient FROM message WHERE row > ?1 ORDER BY row LIMIT ?2",
    [STORE_READ_REF_RUNS] =
        "SELECT number, first_row, last_row, page_bits, filter FROM ref_run ORDER BY number",
    [STORE_READ_REF_PAGE] = "SELECT entries FROM ref_page WHERE key = ?1",
    [STORE_INSERT_REF_RUN] = "REPLACE INTO ref_run VALUES (?1, ?2, ?3, ?4, ?5)",
    [STORE_INSERT_REF_PAGE] = "REPLACE INTO ref_page VALUES (?1, ?2)",
    [STORE_DELETE_REF_RUN] = "DELETE FROM ref_run WHERE number = ?1",
    [STORE_DELETE_REF_PAGES] = "DELETE FROM ref_page WHERE key BETWEEN ?1 AND ?2",
    [STORE_HAS_ROWS] = "SELECT 1 FROM message WHERE row BETWEEN ?1 AND ?2 LIMIT 1",
};

static const char no_mark[] = "its file -synced cannot be written";

static bool complain(char *error, const char *path, const char *what, const char *advice)
{
    snprintf(error, STORE_ERROR_SIZE, "queue.path: %s: %s%s%s", path, what,
             advice[0] == '\0' ? "" : "; ", advice);
    return false;
}

/* --- the lock --------------------------------------------------------------------------------- */

/* Waits for readers, who are gone in a moment, but not for another relay. */
static bool lock_for_relay(int fd)
{
    const struct timespec pause = {.tv_nsec = READERS_PAUSE_MS * 1000000L};
    for (int waited_ms = 0; flock(fd, LOCK_EX | LOCK_NB) != 0; waited_ms += READERS_PAUSE_MS) {
        if (errno != EWOULDBLOCK || waited_ms >= READERS_WAIT_MS ||
            flock(fd, LOCK_SH | LOCK_NB) != 0) {
            return false;
        }
        flock(fd, LOCK_UN);
        nanosleep(&pause, NULL);
    }
    return true;
}

static void complain_of_lock(const char *path, bool is_relay, int reason, char *error)
{
    static const struct {
        int reason;
        bool is_relay;
        const char *what; /* NULL = strerror() */
        const char *advice;
    } rows[] = {
        {EWOULDBLOCK, true, "another process uses it", "only one relay at a time can use a store"},
        {EWOULDBLOCK, false, "a relay is running on this store", ""},
        {ENOENT, true, NULL, "its directory must exist"},
        {EACCES, false, NULL, "only the relay's user and root can read a store"},
    };
    const char *what = NULL;
    const char *advice = "";
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        if (rows[i].reason == reason && rows[i].is_relay == is_relay) {
            what = rows[i].what;
            advice = rows[i].advice;
        }
    }
    complain(error, path, what == NULL ? strerror(reason) : what, advice);
}

int store_db_lock(const char *path, bool is_relay, char *error)
{
    int fd = open(path, O_CLOEXEC | (is_relay ? O_RDWR | O_CREAT : O_RDONLY), 0600);
    if (fd >= 0 && (is_relay ? lock_for_relay(fd) : flock(fd, LOCK_SH | LOCK_NB) == 0)) {
        return fd;
    }
    int reason = errno;
    complain_of_lock(path, is_relay, reason, error);
    if (fd >= 0) {
        close(fd);
    }
    errno = reason;
    return -1;
}

/* --- the connection --------------------------------------------------------------------------- */

static bool run_text(sqlite3 *handle, const char *text)
{
    return sqlite3_exec(handle, text, NULL, NULL, NULL) == SQLITE_OK;
}

/* Runs a query for one integer; -1 on failure. */
static int64_t ask_number(sqlite3 *handle, const char *text)
{
    sqlite3_stmt *statement = NULL;
    int64_t value = -1;
    if (sqlite3_prepare_v2(handle, text, -1, &statement, NULL) == SQLITE_OK &&
        sqlite3_step(statement) == SQLITE_ROW) {
        value = sqlite3_column_int64(statement, 0);
    }
    sqlite3_finalize(statement);
    return value;
}

/* What a file says about itself. */
struct identity {
    int version; /* of the schema; 0 = none yet */
    bool is_empty;
};

/* From now on an older smsrelay refuses the store. */
static void log_migrated(sqlite3 *handle, const char *path, int from, int64_t began_ms)
{
    char seconds[32];
    snprintf(seconds, sizeof seconds, "%.3f", (double)(clock_monotonic_ms() - began_ms) / 1000);
    LOG(LOG_INFO, "store_migrated", LOG_STR("path", path), LOG_INT("from", from),
        LOG_INT("to", VERSION), LOG_INT("rows", ask_number(handle, "SELECT count(*) FROM message")),
        LOG_STR("seconds", seconds));
}

static bool migrate(sqlite3 *handle, const char *path, int from)
{
    int64_t began_ms = clock_monotonic_ms();
    char set_version[sizeof "PRAGMA user_version = -2147483648"];
    snprintf(set_version, sizeof set_version, "PRAGMA user_version = %d", VERSION);
    bool is_good = run_text(handle, "BEGIN IMMEDIATE");
    for (int version = from; is_good && version < VERSION; version++) {
        is_good = run_text(handle, migrations[version]);
    }
    if (is_good && run_text(handle, set_version) && run_text(handle, "COMMIT")) {
        if (from > 0) { /* not a new store */
            log_migrated(handle, path, from, began_ms);
        }
        return true;
    }
    /* No ROLLBACK: it would replace the words of the failure, which the caller reports. */
    return false;
}

static bool complain_of_handle(sqlite3 *handle, const char *path, char *error)
{
    int code = sqlite3_errcode(handle);
    bool is_damaged = code == SQLITE_CORRUPT || code == SQLITE_NOTADB;
    return complain(error, path, sqlite3_errmsg(handle),
                    is_damaged
                        ? "it is damaged, or not a store of smsrelay: move it away to start with "
                          "an empty queue, and keep it: smsrelay queue export may still read it"
                        : "");
}

/* Replaces SQLite's automatic checkpoints, which hide their failures. */
static int note_log(void *arg, sqlite3 *handle, const char *name, int pages)
{
    (void)handle;
    (void)name;
    struct store_db *db = arg;
    db->log_pages = pages;
    return SQLITE_OK;
}

static bool prepare(struct store_db *db)
{
    for (int i = 0; i < STORE_STATEMENTS; i++) {
        if (sqlite3_prepare_v3(db->handle, texts[i], -1, SQLITE_PREPARE_PERSISTENT,
                               &db->statements[i], NULL) != SQLITE_OK) {
            return false;
        }
    }
    return true;
}

/* Is it a store, and of a version that we know? Changes nothing. */
static bool recognise(struct store_db *db, const char *path, struct identity *is, char *error)
{
    is->version = (int)ask_number(db->handle, "PRAGMA user_version");
    int64_t application = ask_number(db->handle, "PRAGMA application_id");
    int64_t objects = ask_number(db->handle, "SELECT count(*) FROM sqlite_schema");
    if (is->version < 0 || application < 0 || objects < 0) {
        return complain_of_handle(db->handle, path, error);
    }
    is->is_empty = is->version == 0 && objects == 0;
    if (!is->is_empty && application != atoi(APPLICATION_ID)) {
        return complain(error, path, "it is a database, but not a store of smsrelay", "");
    }
    if (is->version > VERSION) {
        char what[128];
        snprintf(what, sizeof what,
                 "it was written by a newer smsrelay: its schema is %d, and %s knows %d at most",
                 is->version, SMSRELAY_VERSION, VERSION);
        return complain(error, path, what,
                        "use the newer one, or a copy of the store from before the upgrade");
    }
    return true;
}

/* SQLite removes the log when it closes, unless it is told not to. */
static bool keep_log_at_close(sqlite3 *handle, bool keeps)
{
    return sqlite3_db_config(handle, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, keeps ? 1 : 0, NULL) ==
           SQLITE_OK;
}

/* Shrinks the log after a flood. */
static bool limit_log(sqlite3 *handle, const char *path)
{
    char text[sizeof "PRAGMA journal_size_limit = -9223372036854775808"];
    struct statvfs volume;
    int64_t bytes = LOG_BYTES_MAX;
    if (statvfs(path, &volume) == 0) {
        bytes = int64_min(bytes, (int64_t)(volume.f_blocks * volume.f_frsize) / LOG_SHARE);
    }
    snprintf(text, sizeof text, "PRAGMA journal_size_limit = %" PRId64, bytes);
    return run_text(handle, text);
}

/* Prepares the file for writing; does not change one that is up to date. */
static bool set_up(struct store_db *db, const char *path, const struct identity *is, char *error)
{
    static const char *const pragmas[] = {
        "PRAGMA journal_mode = WAL", "PRAGMA synchronous = FULL", "PRAGMA temp_store = MEMORY",
        "SELECT count(*) FROM sqlite_schema", /* from the first access on there is a log */
    };
    if (db->wal == NULL || (is->version < VERSION && !store_wal_begin(db->wal))) {
        return complain(error, path, db->wal == NULL ? "out of memory" : no_mark, "");
    }
    bool is_good = !is->is_empty || run_text(db->handle, "PRAGMA auto_vacuum = INCREMENTAL");
    for (size_t i = 0; is_good && i < sizeof pragmas / sizeof pragmas[0]; i++) {
        is_good = run_text(db->handle, pragmas[i]);
    }
    is_good = is_good && limit_log(db->handle, path) &&
              (is->version == VERSION || migrate(db->handle, path, is->version));
    return (is_good && keep_log_at_close(db->handle, true)) ||
           complain_of_handle(db->handle, path, error);
}

/* Makes sure that nothing will be written. */
static bool set_up_to_read(struct store_db *db, const char *path, const struct identity *is,
                           char *error)
{
    if (is->version < VERSION) {
        return complain(error, path,
                        is->is_empty ? "it is empty" : "it was written by an older smsrelay",
                        is->is_empty ? "" : "start the relay once to bring it up to date");
    }
    return (keep_log_at_close(db->handle, true) &&
            run_text(db->handle, "PRAGMA query_only = ON")) ||
           complain_of_handle(db->handle, path, error);
}

/* Is there a write-ahead log that is not empty? A relay that stops in good order leaves none. */
static bool has_log(const char *path)
{
    char log[PATH_MAX];
    struct stat status;
    return snprintf(log, sizeof log, "%s-wal", path) < (int)sizeof log && stat(log, &status) == 0 &&
           status.st_size > 0;
}

/*
 * Opens a file that nobody writes (the caller's lock ensures that) without changing anything: for
 * reading only, without creating a log, and without SQLite's own locks, which need write permission.
 */
static int open_to_read(const char *path, sqlite3 **handle)
{
    char uri[sizeof "file:?mode=ro&vfs=unix-none" + 3 * PATH_MAX] = "file:";
    size_t len = strlen(uri);
    if (strlen(path) >= PATH_MAX) {
        return SQLITE_CANTOPEN;
    }
    for (const char *p = path; *p != '\0'; p++) {
        len += (size_t)snprintf(uri + len, sizeof uri - len,
                                strchr("%?#/", *p) != NULL ? "%%%02X" : "%c", *p);
    }
    snprintf(uri + len, sizeof uri - len,
             has_log(path) ? "?mode=ro&vfs=unix-none" : "?immutable=1");
    return sqlite3_open_v2(uri, handle,
                           SQLITE_OPEN_READONLY | SQLITE_OPEN_URI | SQLITE_OPEN_NOMUTEX, NULL);
}

/* Finds the last message. It must be as new as `row`: otherwise the log that is missing held more. */
static bool find_last(struct store_db *db, const char *path, int64_t row, char *error)
{
    db->row = ask_number(db->handle, "SELECT coalesce(max(row), 0) FROM message");
    if (db->row < 0) {
        return complain_of_handle(db->handle, path, error);
    }
    if (db->row >= row) {
        return true;
    }
    if (!has_log(path)) {
        keep_log_at_close(db->handle, false); /* or it would leave an empty one */
    }
    return complain(error, path, "its log (-wal) is missing, with messages that were acknowledged",
                    "restore it; or, to do without them, remove the file -synced");
}

/* With exclusive locking from the first access on, SQLite needs no file for shared memory. */
static bool identify(struct store_db *db, const char *path, int64_t row, bool is_read_only,
                     char *error)
{
    struct identity identity = {0};
    if (!run_text(db->handle, "PRAGMA locking_mode = EXCLUSIVE")) {
        return complain_of_handle(db->handle, path, error);
    }
    if (!recognise(db, path, &identity, error)) {
        return false;
    }
    if (is_read_only) {
        return set_up_to_read(db, path, &identity, error);
    }
    if (!identity.is_empty && !find_last(db, path, row, error)) {
        return false;
    }
    db->wal = store_wal_new(path, row != 0);
    return set_up(db, path, &identity, error);
}

/* The log that is open; NULL if there is none. */
static sqlite3_file *open_log(sqlite3 *handle)
{
    sqlite3_file *log = NULL;
    bool is_there =
        sqlite3_file_control(handle, "main", SQLITE_FCNTL_JOURNAL_POINTER, &log) == SQLITE_OK &&
        log != NULL && log->pMethods != NULL;
    return is_there ? log : NULL;
}

/*
 * Writes the content of the log over itself, and syncs it. After a failed sync the system takes pages
 * for written that never reached the disk, and another sync does not write them. The database would
 * then get pages from a log that is not on the disk.
 */
static bool rewrite_log(sqlite3 *handle)
{
    sqlite3_file *log = open_log(handle);
    sqlite3_int64 size = 0;
    char block[4096];
    if (log == NULL) {
        return true;
    }
    if (log->pMethods->xFileSize(log, &size) != SQLITE_OK) {
        return false;
    }
    for (sqlite3_int64 at = 0; at < size; at += (int)sizeof block) {
        int len = size - at < (int)sizeof block ? (int)(size - at) : (int)sizeof block;
        if (log->pMethods->xRead(log, block, len, at) != SQLITE_OK ||
            log->pMethods->xWrite(log, block, len, at) != SQLITE_OK) {
            return false;
        }
    }
    return size == 0 || log->pMethods->xSync(log, SQLITE_SYNC_NORMAL) == SQLITE_OK;
}

/*
 * Nobody asks SQLite how much memory it has: counting took a mutex at each of its allocations. It says
 * no, without harm, to one who has started it before.
 */
static void configure(void)
{
    sqlite3_config(SQLITE_CONFIG_MEMSTATUS, 0);
}

bool store_db_open(struct store_db *db, const char *path, bool is_read_only, char *error)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, configure);
    *db = (struct store_db){.is_syncing = true};
    int64_t row = 0;
    if (!is_read_only && !store_wal_check(path, &row, error)) {
        return false;
    }
    int code = is_read_only ? open_to_read(path, &db->handle)
                            : sqlite3_open_v2(path, &db->handle,
                                              SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, NULL);
    if (code != SQLITE_OK || db->handle == NULL) {
        complain(error, path, db->handle == NULL ? "out of memory" : sqlite3_errmsg(db->handle),
                 "");
    } else if (identify(db, path, row, is_read_only, error)) {
        if (prepare(db)) {
            sqlite3_wal_hook(db->handle, note_log, db);
            return true;
        }
        complain_of_handle(db->handle, path, error);
    }
    store_db_close(db);
    return false;
}

bool store_db_check(struct store_db *db, const char *path, char *error)
{
    sqlite3_stmt *statement = NULL;
    bool is_sound = false;
    if (store_db_pages(db) > CHECKED_PAGES_MAX) {
        return true;
    }
    if (sqlite3_prepare_v2(db->handle, "PRAGMA quick_check(1)", -1, &statement, NULL) ==
            SQLITE_OK &&
        sqlite3_step(statement) == SQLITE_ROW) {
        const char *verdict = (const char *)sqlite3_column_text(statement, 0);
        is_sound = verdict != NULL && strcmp(verdict, "ok") == 0;
        if (!is_sound) {
            complain(error, path, verdict == NULL ? "out of memory" : verdict,
                     "it is damaged: move it away to start with an empty queue, and keep it: "
                     "smsrelay queue export may still read it");
        }
    } else {
        complain_of_handle(db->handle, path, error);
    }
    sqlite3_finalize(statement);
    if (!is_sound && !has_log(path)) {
        keep_log_at_close(db->handle, false); /* or it would leave an empty one */
    }
    return is_sound;
}

void store_db_close(struct store_db *db)
{
    for (int i = 0; i < STORE_STATEMENTS; i++) {
        sqlite3_finalize(db->statements[i]);
    }
    sqlite3_close(db->handle);
    store_wal_free(db->wal, false);
    *db = (struct store_db){0};
}

/* --- running statements ----------------------------------------------------------------------- */

bool store_db_run(struct store_db *db, enum store_statement which)
{
    bool is_good = sqlite3_step(db->statements[which]) == SQLITE_DONE;
    /* reset repeats the failure of the step, so that store_db_error still reports it. */
    return sqlite3_reset(db->statements[which]) == SQLITE_OK && is_good;
}

bool store_db_next_row(struct store_db *db, enum store_statement which, bool *has_failed)
{
    int code = sqlite3_step(db->statements[which]);
    if (code == SQLITE_ROW) {
        return true;
    }
    *has_failed = code != SQLITE_DONE;
    sqlite3_reset(db->statements[which]);
    return false;
}

static bool begin_log(struct store_db *db)
{
    db->failure = store_wal_begin(db->wal) ? NULL : no_mark;
    return db->failure == NULL;
}

bool store_db_begin(struct store_db *db, bool syncs)
{
    if (!begin_log(db)) {
        return false;
    }
    /* Not a prepared statement: a pragma takes effect when it is compiled. */
    if (syncs != db->is_syncing && !run_text(db->handle, syncs ? "PRAGMA synchronous = FULL"
                                                               : "PRAGMA synchronous = NORMAL")) {
        return false;
    }
    db->is_syncing = syncs;
    return store_db_run(db, STORE_BEGIN);
}

bool store_db_commit(struct store_db *db)
{
    if (!store_db_run(db, STORE_COMMIT)) {
        return false;
    }
    sqlite3_file *log = db->is_syncing ? open_log(db->handle) : NULL;
    if (log != NULL) {
        store_wal_note(db->wal, log, db->log_pages, db->row);
    }
    return true;
}

void store_db_roll_back(struct store_db *db)
{
    if (db->handle != NULL && sqlite3_get_autocommit(db->handle) == 0) {
        store_db_run(db, STORE_ROLLBACK);
    }
}

/* There are no other connections, so nothing can be left in the log. */
static bool move_log(sqlite3 *handle, int mode)
{
    return sqlite3_wal_checkpoint_v2(handle, NULL, mode, NULL, NULL) == SQLITE_OK;
}

bool store_db_checkpoint(struct store_db *db, bool empties)
{
    if (!begin_log(db) || (empties && !rewrite_log(db->handle)) ||
        !move_log(db->handle, SQLITE_CHECKPOINT_PASSIVE)) {
        return false;
    }
    if (!store_wal_reset(db->wal)) {
        db->failure = no_mark;
        return false;
    }
    db->log_pages = 0;
    return !empties || move_log(db->handle, SQLITE_CHECKPOINT_TRUNCATE);
}

bool store_db_finish(struct store_db *db)
{
    bool is_good = store_db_checkpoint(db, true) && keep_log_at_close(db->handle, false);
    struct store_wal *wal = db->wal;
    db->wal = NULL;
    store_db_close(db);
    store_wal_free(wal, is_good);
    return is_good;
}

bool store_db_copy(struct store_db *db, const char *to, char *error)
{
    char *text = sqlite3_mprintf("VACUUM INTO %Q", to);
    bool is_good = text != NULL && run_text(db->handle, text);
    if (!is_good) {
        complain(error, to, text == NULL ? "out of memory" : sqlite3_errmsg(db->handle), "");
    }
    sqlite3_free(text);
    return is_good && store_wal_reset(db->wal);
}

bool store_db_is_log_cut_off(struct store_db *db)
{
    sqlite3_int64 size = 0;
    sqlite3_file *log = db->handle == NULL ? NULL : open_log(db->handle);
    return log != NULL && log->pMethods->xFileSize(log, &size) == SQLITE_OK &&
           size < store_wal_bytes(db->log_pages);
}

int store_db_pages(struct store_db *db)
{
    return (int)ask_number(db->handle, "PRAGMA page_count");
}

int store_db_free_pages(struct store_db *db)
{
    return (int)ask_number(db->handle, "PRAGMA freelist_count");
}

bool store_db_vacuum(struct store_db *db, int pages)
{
    char text[sizeof "PRAGMA incremental_vacuum(-2147483648)"];
    snprintf(text, sizeof text, "PRAGMA incremental_vacuum(%d)", pages);
    return store_db_begin(db, false) && run_text(db->handle, text) && store_db_commit(db);
}

const char *store_db_error(const struct store_db *db)
{
    if (db->failure != NULL) {
        return db->failure;
    }
    return db->handle == NULL ? "the database is closed" : sqlite3_errmsg(db->handle);
}
