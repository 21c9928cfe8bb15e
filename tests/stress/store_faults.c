/*
 * store_faults: a relay's queue and store on a disk that fails at each of its operations.
 *
 * Each trial is a relay without a network (intake, queue, store) in a process of its own, on the disk
 * of tests/support/faulty_vfs. It takes submissions, forwards some of them, and is killed after its
 * n-th operation on the disk has failed, or loses power there. Shared memory records what each client
 * was told. Then the store is opened again without faults: as the dead process left it, and as a power
 * loss would have left it. What was accepted must be there once, word for word; what was refused must
 * not; of what nobody was told either is fine.
 *
 * The write-ahead log goes into the database every few pages here, not every few thousand, so that
 * faults strike there, too.
 *
 *     store_faults [<kind> [<n>]]     only these trials; a single one with the relay's log
 */
#include "gateway/base/clock.h"
#include "gateway/queue/ask.h"
#include "gateway/queue/dispatch.h"
#include "gateway/queue/queue.h"
#include "gateway/queue/records.h"
#include "gateway/serve/intake.h"
#include "gateway/store/store.h"
#include "tests/support/faulty_vfs.h"

#include <errno.h>
#include <event2/event.h>
#include <event2/thread.h>
#include <fcntl.h>
#include <ftw.h>
#include <limits.h>
#include <pthread.h>
#include <sqlite3.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#if defined(__SANITIZE_THREAD__)
#define IS_SLOW 1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define IS_SLOW 1
#endif
#endif
#ifndef IS_SLOW
#define IS_SLOW 0
#endif

enum {
    STRIDE = IS_SLOW ? 7 : 1,     /* under ThreadSanitizer every seventh operation is enough */
    PARALLEL = IS_SLOW ? 8 : 150, /* trials: each mostly waits for the second between tries */
    TRIAL_SECONDS = 60,
    ROUNDS = 3,            /* of submissions before the disk is mended */
    ROUNDS_AFTER = 2,      /* and after */
    BATCH = 2,             /* submissions written together */
    SUBMISSIONS_MAX = 400, /* of a trial */
    SHORT_LOG = 6,         /* pages of the write-ahead log */
    LONG_LOG = 10000,
    WAIT_MS = 15000, /* for a verdict, or for the store to use the disk again */
    NAP_MS = 50,     /* between submissions while it does not */
    COMPLAINT_BYTES = 300,
    PATH_BYTES = 256
};

/* What goes wrong. */
struct kind {
    const char *name;
    struct faulty_order order; /* without its nth */
    bool heals;                /* the disk recovers once something was refused */
    bool has_past;             /* it strikes a relay that follows a killed one */
    bool restarts;             /* then one on a good disk follows, before the power loss */
    bool has_long_log;         /* no checkpoints */
    uint64_t cut_after;        /* operations between the fault and the power loss; 0 = at the end */

    /* How many refused messages may be in the file: a batch written before the disk died, which
     * nobody could undo then. */
    unsigned may_return;
};

static void cut_power(void *unused);
static void cut_power_soon(void *operations);

#define POWER(...)            {.operation = FAULTY_ANY, .call = cut_power}, __VA_ARGS__
#define ONCE(what, code, ...) {.operation = FAULTY_##what, .error = SQLITE_##code}, __VA_ARGS__
#define STICKY(what, code, ...) \
    {.operation = FAULTY_##what, .error = SQLITE_##code, .is_sticky = true}, __VA_ARGS__
#define TORN(bytes, ...) \
    {.operation = FAULTY_WRITE, .error = SQLITE_IOERR, .torn_bytes = (bytes)}, __VA_ARGS__

static const struct kind kinds[] = {
    {"power", POWER(.heals = true)},
    {"power-again", POWER(.heals = true, .has_past = true)},
    {"write-sticky", STICKY(WRITE, FULL, .heals = true)},
    {"write-torn", TORN(1000, .heals = true)},
    {"sync-once", ONCE(SYNC, IOERR, .heals = true)},
    {"sync-sticky", STICKY(SYNC, IOERR, .heals = true)},
    {"sync-sticky-again", STICKY(SYNC, IOERR, .heals = true, .has_past = true)},
    {"sync-once-long-log", ONCE(SYNC, IOERR, .heals = true, .has_long_log = true)},
    {"sync-sticky-long-log", STICKY(SYNC, IOERR, .heals = true, .has_long_log = true)},
    {"sync-for-good", STICKY(SYNC, IOERR, .heals = false)},
    {"sync-then-restart", STICKY(SYNC, IOERR, .restarts = true, .has_long_log = true)},
    {"sync-then-power-2", ONCE(SYNC, IOERR, .cut_after = 2)},
    {"sync-then-power-3", ONCE(SYNC, IOERR, .cut_after = 3)},
    {"sync-then-power-4", ONCE(SYNC, IOERR, .cut_after = 4)},
    {"sync-then-power-5", ONCE(SYNC, IOERR, .cut_after = 5)},
    {"sync-then-power-12", ONCE(SYNC, IOERR, .cut_after = 12)},
    {"sync-then-power-25", ONCE(SYNC, IOERR, .cut_after = 25)},
    {"open-once", ONCE(OPEN, CANTOPEN, .heals = true)},
    {"open-sticky", STICKY(OPEN, CANTOPEN, .heals = true)},
    {"open-read-only", STICKY(OPEN, READONLY, .heals = true)},
    {"truncate-once", ONCE(TRUNCATE, IOERR, .heals = true)},
    {"truncate-sticky", STICKY(TRUNCATE, IOERR, .heals = true)},
    {"gone-for-a-while", STICKY(ANY, IOERR, .heals = true)},
    {"gone-for-good", STICKY(ANY, IOERR, .may_return = BATCH)},
};
enum { KINDS = sizeof kinds / sizeof kinds[0] };

static const struct kind good = {"good", {.operation = FAULTY_ANY}, .heals = true};
static const struct kind past = {"past", {.operation = FAULTY_ANY}, .heals = false};

static const struct faulty_loss losses[] = {
    {.seed = 0},
    {.seed = 1, .block_bytes = 512},
    {.seed = 2, .block_bytes = 4096},
    {.seed = 3, .block_bytes = 512, .is_torn = true},
};
enum { LOSSES = sizeof losses / sizeof losses[0] };

enum verdict { UNTOLD, ACCEPTED, REFUSED };

/* What a trial knows outside of the relay's process: shared memory. */
struct ledger {
    enum verdict verdicts[SUBMISSIONS_MAX];
    unsigned submitted, accepted, refused;
    bool is_over; /* the relay ended where it should */
    atomic_bool has_struck;
    uint64_t operations[FAULTY_OPERATIONS]; /* on the disk, without a fault */
    char complaint[COMPLAINT_BYTES];        /* "" = all is well */
};

static struct ledger *ledger;    /* of this process's trial */
static char folder[PATH_BYTES];  /* of this process's trial */
static char folders[PATH_BYTES]; /* of all trials */
static int log_pages;            /* of this process's trial */
static bool is_single;

static void complain(const char *format, ...) __attribute__((format(printf, 1, 2)));
static void complain(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    if (ledger->complaint[0] == '\0') {
        vsnprintf(ledger->complaint, sizeof ledger->complaint, format, args);
    }
    va_end(args);
}

/* --- the relay ---------------------------------------------------------------------------------- */

struct relay {
    struct event_base *base;
    struct event *deliver_event, *saved_event, *timeout;
    struct stats stats;
    struct queue *queue;
    struct store *store;
    struct intake *intake;
    bool is_timed_out;
};

/* Where a relay leaves its successor what has not reached the platter. */
static void model_path(char path[PATH_BYTES])
{
    snprintf(path, PATH_BYTES, "%.200s/model", folder);
}

static void left_folder(char path[PATH_BYTES], size_t loss)
{
    snprintf(path, PATH_BYTES, "%.200s/left%zu", folder, loss);
}

/* Ends the relay; keeps the mutex, since the other thread may get here too. */
static void cut_power(void *unused)
{
    static pthread_mutex_t once = PTHREAD_MUTEX_INITIALIZER;
    (void)unused;
    char path[PATH_BYTES];
    pthread_mutex_lock(&once);
    model_path(path);
    if (!faulty_vfs_save(path)) {
        complain("cannot write to %s: %s", path, strerror(errno));
    }
    for (size_t i = 0; i < LOSSES; i++) {
        left_folder(path, i);
        if (!faulty_vfs_lose_power(path, &losses[i])) {
            complain("cannot write to %s: %s", path, strerror(errno));
        }
    }
    ledger->has_struck = ledger->has_struck || faulty_vfs_struck() > 0;
    for (size_t i = 0; i < FAULTY_OPERATIONS; i++) {
        ledger->operations[i] = faulty_vfs_count((enum faulty_operation)i);
    }
    ledger->is_over = true;
    _exit(0);
}

static void cut_power_soon(void *operations)
{
    ledger->has_struck = true;
    faulty_vfs_order(&(struct faulty_order){
        .operation = FAULTY_ANY, .nth = *(const uint64_t *)operations, .call = cut_power});
}

static void on_deliver(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    struct relay *relay = arg;
    store_deliver(relay->store);
}

static void on_saved(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    (void)arg;
}

static void on_timeout(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    ((struct relay *)arg)->is_timed_out = true;
}

static void notify(void *arg)
{
    event_active(((struct relay *)arg)->deliver_event, EV_TIMEOUT, 0);
}

static void saved(void *arg)
{
    event_active(((struct relay *)arg)->saved_event, EV_TIMEOUT, 0);
}

static void wake_store(void *arg)
{
    store_wake(((struct relay *)arg)->store);
}

static void settled(void *arg)
{
    (void)arg;
}

static size_t verdicts_due;

static void settle(const struct intake_verdict *verdict)
{
    size_t i = (size_t)(uintptr_t)verdict->client;
    if (!verdict->is_accepted && verdict->refusal != REPLY_CANNOT_STORE) {
        complain("submission %zu is refused with reply %d", i, (int)verdict->refusal);
    }
    ledger->verdicts[i] = verdict->is_accepted ? ACCEPTED : REFUSED;
    ledger->accepted += verdict->is_accepted;
    ledger->refused += !verdict->is_accepted;
    verdicts_due--;
}

/* The REF and text that a message must have in the end. Every fourth exceeds a page. */
static size_t compose(unsigned i, char ref[REF_MAX + 1], char text[])
{
    snprintf(ref, REF_MAX + 1, "ref-%u", i);
    size_t len = (size_t)sprintf(text, "Text of %s. ", ref);
    size_t wanted = i % 4 == 0 ? 5000 + i : 100 + i;
    memset(text + len, 'a' + (int)(i % 26), wanted - len);
    text[wanted] = '\0';
    return wanted;
}
enum { TEXT_BYTES = 5000 + SUBMISSIONS_MAX + 1 };

static void submit(struct relay *relay, size_t count)
{
    static const char to[1][NUMBER_SIZE] = {"+34600000001"};
    for (; count > 0 && ledger->submitted < SUBMISSIONS_MAX; count--) {
        unsigned i = ledger->submitted++;
        char text[TEXT_BYTES];
        struct options options;
        options_init(&options, TEXT_UNICODE_AUTO);
        size_t len = compose(i, options.ref, text);
        struct submission submission = {.from = "Acme",
                                        .to = to,
                                        .count = 1,
                                        .text = text,
                                        .text_len = len,
                                        .size = {TEXT_GSM7, (unsigned)len, 1},
                                        .options = &options};
        verdicts_due++;
        const struct intake_client client = {(void *)(uintptr_t)i, OWNER_LOCAL, settle};
        if (!intake_submit(relay->intake, &client, 0, &submission, clock_unix_ms())) {
            complain("out of memory");
        }
    }
}

static void set_timeout(struct relay *relay, int64_t ms)
{
    struct timeval t = {ms / 1000, ms % 1000 * 1000};
    relay->is_timed_out = false;
    event_add(relay->timeout, &t);
}

static void await_verdicts(struct relay *relay)
{
    set_timeout(relay, WAIT_MS);
    while (verdicts_due > 0 && !relay->is_timed_out) {
        event_base_loop(relay->base, EVLOOP_ONCE);
    }
    if (verdicts_due > 0) {
        complain("%zu submissions without a verdict", verdicts_due);
        cut_power(NULL);
    }
}

static void await_saved(struct relay *relay)
{
    uint64_t mark = queue_records_mark(relay->queue);
    set_timeout(relay, WAIT_MS);
    while (!store_has_saved(relay->store, mark) && !relay->is_timed_out) {
        event_base_loop(relay->base, EVLOOP_ONCE);
    }
    if (relay->is_timed_out) {
        complain("nobody tells that changes are saved, or cannot be");
        cut_power(NULL);
    }
}

/* Forwards a few messages: marks them, then settles each. */
static void forward(struct relay *relay)
{
    struct queue_depth depth;
    struct message *taken[2];
    struct queue_settlement settlements[2] = {{.fate = FATE_RELAYED}, {.fate = FATE_RETURNED}};
    queue_advance(relay->queue, clock_steady_ms(), &depth);
    size_t count = queue_take(relay->queue, 2, clock_steady_ms(), taken);
    await_saved(relay);
    for (size_t i = 0; i < count; i++) {
        settlements[i].message = taken[i];
    }
    settlements[0].answer = message_answer_new("api-id", "");
    queue_settle(relay->queue, settlements, count, clock_steady_ms());
    if (count == 0) {
        free(settlements[0].answer);
    }
    await_saved(relay);
}

/* A batch, and another that gathers while it is written. */
static void go_round(struct relay *relay)
{
    submit(relay, BATCH);
    event_base_loop(relay->base, EVLOOP_NONBLOCK);
    submit(relay, 1);
    await_verdicts(relay);
    forward(relay);
}

/* Mends the disk if it is broken. */
static void heal_disk(void)
{
    if (faulty_vfs_struck() > 0) {
        ledger->has_struck = true;
        faulty_vfs_order(NULL);
    }
}

/* Submits until something is accepted, on a good disk. */
static void await_recovery(struct relay *relay)
{
    int64_t until_ms = clock_monotonic_ms() + WAIT_MS;
    unsigned accepted = ledger->accepted;
    heal_disk();
    while (ledger->accepted == accepted && clock_monotonic_ms() < until_ms) {
        submit(relay, 1);
        await_verdicts(relay);
        heal_disk();
        set_timeout(relay, ledger->accepted == accepted ? NAP_MS : 0);
        while (!relay->is_timed_out) {
            event_base_loop(relay->base, EVLOOP_ONCE);
        }
    }
    if (ledger->accepted == accepted) {
        complain("the disk is well, and nothing is accepted");
    }
}

static struct event *event_of(struct relay *relay, event_callback_fn callback)
{
    return event_new(relay->base, -1, 0, callback, relay);
}

/* Returns false when the store does not open: the relay would not start. */
static bool start(struct relay *relay)
{
    static char path[PATH_BYTES]; /* the store only borrows it */
    char error[512];
    size_t count;
    snprintf(path, sizeof path, "%.200s/queue.db", folder);
    relay->base = event_base_new();
    relay->deliver_event = event_of(relay, on_deliver);
    relay->saved_event = event_of(relay, on_saved);
    relay->timeout = event_of(relay, on_timeout);
    relay->store = store_open(&(struct store_options){.path = path,
                                                      .retention_ms = 3600000,
                                                      .log_pages = log_pages,
                                                      .stats = &relay->stats,
                                                      .notify = notify,
                                                      .notify_arg = relay,
                                                      .saved = saved,
                                                      .saved_arg = relay},
                              error, sizeof error);
    relay->queue = queue_new(&(struct queue_options){.max_messages = SUBMISSIONS_MAX,
                                                     .max_bytes = SIZE_MAX / 2,
                                                     .retention_ms = 3600000,
                                                     .clock_offset_ms = clock_offset_ms(),
                                                     .stats = &relay->stats,
                                                     .wake_store = wake_store,
                                                     .store_arg = relay});
    if (relay->store == NULL ||
        !store_restore(relay->store, relay->queue, &count, error, sizeof error) ||
        store_start(relay->store) != 0) {
        return false;
    }
    relay->intake = intake_new(relay->base, relay->queue, &relay->stats,
                               &(struct intake_options){.max_age_ms = 3600000,
                                                        .max_bytes = SIZE_MAX / 2,
                                                        .store = relay->store,
                                                        .settled = settled,
                                                        .arg = relay});
    return true;
}

/* The relay's life, in a process of its own. */
static void live(const struct kind *kind, uint64_t nth)
{
    static struct relay relay;
    char model[PATH_BYTES];
    struct faulty_order order = kind->order;
    order.nth = nth;
    if (kind->cut_after > 0) {
        order.call = cut_power_soon;
        order.arg = (void *)(uintptr_t)&kind->cut_after;
    }
    alarm(TRIAL_SECONDS);
    model_path(model);
    faulty_vfs_install();
    faulty_vfs_resume(model);
    faulty_vfs_order(&order);
    if (!start(&relay)) {
        cut_power(NULL);
    }
    for (int i = 0; i < ROUNDS; i++) {
        go_round(&relay);
    }
    unsigned refused_before = UINT_MAX; /* a round without a refusal ends this */
    while (kind->heals && ledger->refused != refused_before) {
        refused_before = ledger->refused;
        await_recovery(&relay);
        for (int i = 0; i < ROUNDS_AFTER; i++) {
            go_round(&relay);
        }
        heal_disk();
    }
    cut_power(NULL);
}

/* --- checking ----------------------------------------------------------------------------------- */

/* What the queue got back from the store, and the finished messages, which stay in the file. */
static void check_messages(struct queue *queue, const bool *is_finished, const char *where,
                           unsigned may_return)
{
    unsigned returned = 0;
    for (unsigned i = 0; i < ledger->submitted; i++) {
        char ref[REF_MAX + 1], text[TEXT_BYTES];
        size_t count;
        compose(i, ref, text);
        free(queue_find_ref(queue, ref, OWNER_LOCAL, &count));
        count += is_finished[i] ? 1 : 0;
        if (ledger->verdicts[i] == ACCEPTED && count == 0) {
            complain("%s: %s was accepted and is lost", where, ref);
        } else if (ledger->verdicts[i] == REFUSED && count > 0 && ++returned > may_return) {
            complain("%s: %s was refused and is there", where, ref);
        } else if (count > 1) {
            complain("%s: %s is there %zu times", where, ref, count);
        }
    }
}

struct rows {
    const char *where;
    bool is_finished[SUBMISSIONS_MAX];
};

static int check_row(void *arg, int columns, char **values, char **names)
{
    struct rows *rows = arg;
    (void)columns;
    (void)names;
    unsigned i;
    char ref[REF_MAX + 1], text[TEXT_BYTES];
    if (sscanf(values[0], "ref-%u", &i) != 1 || i >= ledger->submitted) {
        complain("%s: a message that nobody submitted", rows->where);
        return 0;
    }
    compose(i, ref, text);
    if (strcmp(text, values[1]) != 0) {
        complain("%s: %s has another text", rows->where, ref);
    }
    rows->is_finished[i] = values[2] != NULL && atoi(values[2]) >= MESSAGE_RELAYED;
    return 0;
}

/* The texts, which the queue does not show, and which messages have finished. */
static void check_rows(const char *path, struct rows *rows)
{
    sqlite3 *db;
    if (sqlite3_open(path, &db) != SQLITE_OK ||
        sqlite3_exec(db, "SELECT ref, text, state FROM message LEFT JOIN progress USING (row)",
                     check_row, rows, NULL) != SQLITE_OK) {
        complain("%s: %s", rows->where, sqlite3_errmsg(db));
    }
    sqlite3_close(db);
}

static void quiet(void *arg)
{
    (void)arg;
}

/* Opens what is left in a folder, as the next relay would. */
static void check(const char *left, char *where, unsigned may_return)
{
    static struct stats stats;
    char path[PATH_BYTES], error[512];
    size_t count;
    snprintf(path, sizeof path, "%.240s/queue.db", left);
    struct store *store = store_open(&(struct store_options){.path = path,
                                                             .retention_ms = 3600000,
                                                             .stats = &stats,
                                                             .notify = quiet,
                                                             .saved = quiet},
                                     error, sizeof error);
    struct queue *queue = queue_new(&(struct queue_options){.max_messages = 1,
                                                            .max_bytes = SIZE_MAX / 2,
                                                            .retention_ms = 3600000,
                                                            .clock_offset_ms = clock_offset_ms(),
                                                            .wake_store = quiet});
    if (store == NULL || !store_restore(store, queue, &count, error, sizeof error)) {
        complain("%s: does not open: %s", where, error);
    } else {
        if (!store_stop(store)) {
            complain("%s: does not stop in good order", where);
        }
        struct rows rows = {.where = where};
        check_rows(path, &rows);
        check_messages(queue, rows.is_finished, where, may_return);
    }
    store_free(store);
    queue_free(queue);
}

static void check_all(unsigned may_return)
{
    check(folder, "as it was left", may_return);
    for (size_t i = 0; i < LOSSES; i++) {
        char path[PATH_BYTES], where[COMPLAINT_BYTES / 4];
        left_folder(path, i);
        snprintf(where, sizeof where, "after loss %zu", i);
        check(path, where, may_return);
    }
}

/* --- trials ------------------------------------------------------------------------------------- */

struct trial {
    const struct kind *kind;
    uint64_t nth;
    pid_t pid; /* 0 = the place is free */
    struct ledger *ledger;
};

static struct trial trials[PARALLEL];
static unsigned made, failed, struck, accepted, refused;

static int remove_entry(const char *path, const struct stat *s, int type, struct FTW *ftw)
{
    (void)s;
    (void)type;
    (void)ftw;
    return remove(path);
}

static void remove_tree(const char *path)
{
    nftw(path, remove_entry, 8, FTW_DEPTH | FTW_PHYS);
}

/* Runs a relay to its end in a process of its own. */
static void run(const struct kind *kind, uint64_t nth)
{
    int status;
    ledger->is_over = false;
    pid_t pid = fork();
    if (pid == 0) {
        live(kind, nth);
    }
    waitpid(pid, &status, 0);
    if (!ledger->is_over) {
        complain("the relay died: status %d", status);
    }
}

/* Runs a trial and checks what it left; in a process of its own. */
static void try(const struct trial *trial)
{
    ledger = trial->ledger;
    log_pages = trial->kind->has_long_log ? LONG_LOG : SHORT_LOG;
    alarm(TRIAL_SECONDS + 10);
    snprintf(folder, sizeof folder, "%.100s/%s-%u", folders, trial->kind->name,
             (unsigned)trial->nth);
    mkdir(folder, 0700);
    for (size_t i = 0; i < LOSSES; i++) {
        char path[PATH_BYTES];
        left_folder(path, i);
        mkdir(path, 0700);
    }
    if (!is_single) {
        dup2(open("/dev/null", O_WRONLY), STDERR_FILENO);
    }
    if (trial->kind->has_past) {
        run(&past, 0);
    }
    run(trial->kind, trial->nth);
    if (trial->kind->restarts) {
        run(&good, 0);
    }
    if (ledger->is_over) {
        check_all(trial->kind->may_return);
    }
    remove_tree(folder);
    exit(0);
}

static void conclude(struct trial *trial)
{
    struct ledger *l = trial->ledger;
    made++;
    struck += l->has_struck;
    accepted += l->accepted;
    refused += l->refused;
    if (l->complaint[0] != '\0') {
        failed++;
        printf("%s %u: %s\n", trial->kind->name, (unsigned)trial->nth, l->complaint);
    }
    trial->pid = 0;
}

/* Waits for a trial to end; false when none is left. */
static bool reap(void)
{
    int status;
    pid_t pid = wait(&status);
    for (size_t i = 0; pid > 0 && i < PARALLEL; i++) {
        if (trials[i].pid == pid) {
            ledger = trials[i].ledger;
            if (status != 0) {
                complain("the trial died: status %d", status);
            }
            conclude(&trials[i]);
        }
    }
    return pid > 0;
}

/* Starts a trial as soon as there is room for it. */
static struct trial *begin(const struct kind *kind, uint64_t nth)
{
    size_t i = 0;
    while (trials[i].pid != 0) {
        i++;
        if (i == PARALLEL) {
            reap();
            i = 0;
        }
    }
    struct trial *trial = &trials[i];
    memset(trial->ledger, 0, sizeof *trial->ledger);
    trial->kind = kind;
    trial->nth = nth;
    trial->pid = fork();
    if (trial->pid == 0) {
        try(trial);
    }
    return trial;
}

/* Each fault at each of the operations that a relay makes on a good disk, and one beyond. */
static void begin_all(const char *kind, const uint64_t operations[FAULTY_OPERATIONS])
{
    for (size_t i = 0; i < KINDS; i++) {
        uint64_t count = operations[kinds[i].order.operation];
        for (uint64_t nth = 1; nth <= count + 1; nth += STRIDE) {
            if (kind == NULL || strcmp(kind, kinds[i].name) == 0) {
                begin(&kinds[i], nth);
            }
        }
    }
}

/* Counts the operations of each kind on a good disk. */
static void count_operations(uint64_t operations[FAULTY_OPERATIONS])
{
    struct trial *trial = begin(&good, 0);
    while (reap()) {
    }
    memcpy(operations, trial->ledger->operations, sizeof trial->ledger->operations);
}

int main(int argc, char **argv)
{
    uint64_t operations[FAULTY_OPERATIONS];
    int shared = MAP_SHARED | MAP_ANONYMOUS;
    size_t size = PARALLEL * sizeof(struct ledger);
    /* cppcheck-suppress invalidFunctionArg */ /* -1 is no file: fine */
    struct ledger *ledgers = mmap(NULL, size, PROT_READ | PROT_WRITE, shared, -1, 0);
    /* In memory if possible: the model decides what lasts, not the host's disk. */
    snprintf(folders, sizeof folders, "%s/store_faults.XXXXXX",
             access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
    if (ledgers == MAP_FAILED || mkdtemp(folders) == NULL) {
        perror("store_faults");
        return 1;
    }
    for (size_t i = 0; i < PARALLEL; i++) {
        trials[i].ledger = &ledgers[i];
    }
    evthread_use_pthreads();
    setvbuf(stdout, NULL, _IOLBF, 0);
    is_single = argc > 2;
    if (is_single) {
        for (size_t i = 0; i < KINDS; i++) {
            if (strcmp(argv[1], kinds[i].name) == 0) {
                begin(&kinds[i], strtoull(argv[2], NULL, 10));
            }
        }
    } else {
        count_operations(operations);
        begin_all(argc > 1 ? argv[1] : NULL, operations);
    }
    while (reap()) {
    }
    remove_tree(folders);
    munmap(ledgers, size);
    printf("%u trials, %u faults, %u submissions accepted, %u refused: %s\n", made, struck,
           accepted, refused, failed == 0 ? "ok" : "failed");
    return failed == 0 ? 0 : 1;
}
