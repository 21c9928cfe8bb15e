/* login: see login.h. */
#include "gateway/users/login.h"

#include "gateway/base/clock.h"
#include "gateway/base/log.h"
#include "gateway/base/stats.h"
#include "gateway/base/thread.h"
#include "gateway/users/delays.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <time.h>

enum { REMEMBERED_MS = 10 * 60 * 1000 }; /* after it was used last */

/* Of no password that anybody knows. It stands in for those who have none, if nobody has. */
static const char nobodys_hash[] =
    "$y$j9T$6Yd0n4Jg1VAb0cQKmTz4w0$k6mFCqSPq7PzqSg8CElRRqQMPwa4N2VVmiHC0gSJeZ7";

/* An attempt on its way to the thread, and back. */
struct item {
    STAILQ_ENTRY(item) entry;
    void (*answered)(void *client, uint32_t slot, enum login_verdict verdict,
                     const struct user *user);
    void *client;
    uint32_t slot;
    struct delays_pair pair;
    bool is_hopeless; /* it is wrong whatever the comparison says */
    enum hash_verdict result;
    unsigned char digest[HASH_DIGEST_BYTES];
    char hash[HASH_SIZE];
    char name[USER_NAME_MAX + 1];
    char secret[USER_SECRET_MAX + 1];
};
STAILQ_HEAD(items, item);

/* The password of a user, as it was right. */
struct remembered {
    int64_t until_ms; /* monotonic */
    unsigned char digest[HASH_DIGEST_BYTES];
};

struct login {
    struct login_options options;
    struct user_table *users;
    struct remembered *remembered; /* by the user's place in the table */
    struct delays *delays;
    unsigned char key[HASH_DIGEST_BYTES];
    size_t pending;
    uint64_t sources[LOGIN_QUEUE_MAX]; /* of what is pending */
    bool has_thread;
    pthread_t thread;

    pthread_mutex_t mutex;
    pthread_cond_t woken;
    /* Under the mutex. */
    bool is_stopping;
    struct items asked, done;
};

/* --- life ------------------------------------------------------------------------------------- */

/* One more than there are, since an allocation of nothing may be NULL. */
static struct remembered *remember_nobody(const struct user_table *users)
{
    return calloc(user_table_count(users) + 1, sizeof(struct remembered));
}

static void free_remembered(struct login *login)
{
    if (login->remembered != NULL) {
        explicit_bzero(login->remembered,
                       user_table_count(login->users) * sizeof *login->remembered);
        free(login->remembered);
    }
}

static void init_condition(pthread_cond_t *condition)
{
    pthread_condattr_t monotonic;
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(condition, &monotonic);
    pthread_condattr_destroy(&monotonic);
}

struct login *login_new(struct user_table *users, const struct login_options *options)
{
    uint64_t key[2];
    struct login *login = calloc(1, sizeof *login);
    if (login == NULL) {
        user_table_free(users);
        return NULL;
    }
    login->options = *options;
    login->users = users;
    STAILQ_INIT(&login->asked);
    STAILQ_INIT(&login->done);
    pthread_mutex_init(&login->mutex, NULL);
    init_condition(&login->woken);
    login->remembered = remember_nobody(users);
    login->delays = hash_random(key, sizeof key) ? delays_new(key) : NULL;
    if (login->remembered == NULL || login->delays == NULL ||
        !hash_random(login->key, sizeof login->key)) {
        login_free(login);
        return NULL;
    }
    return login;
}

static void free_item(struct item *item)
{
    explicit_bzero(item, sizeof *item);
    free(item);
}

void login_free(struct login *login)
{
    if (login == NULL) {
        return;
    }
    login_stop(login);
    free_remembered(login);
    delays_free(login->delays);
    user_table_free(login->users);
    explicit_bzero(login->key, sizeof login->key);
    pthread_cond_destroy(&login->woken);
    pthread_mutex_destroy(&login->mutex);
    free(login);
}

/* --- the thread ------------------------------------------------------------------------------- */

/* The next attempt; NULL at the end. */
static struct item *await_item(struct login *login)
{
    struct item *item = NULL;
    pthread_mutex_lock(&login->mutex);
    while (STAILQ_EMPTY(&login->asked) && !login->is_stopping) {
        pthread_cond_wait(&login->woken, &login->mutex);
    }
    if (!login->is_stopping) {
        item = STAILQ_FIRST(&login->asked);
        STAILQ_REMOVE_HEAD(&login->asked, entry);
    }
    pthread_mutex_unlock(&login->mutex);
    return item;
}

/* Rests for so long, unless it is to stop. */
static void rest(struct login *login, int64_t us)
{
    struct timespec until;
    int64_t until_us = clock_monotonic_us() + us;
    until.tv_sec = until_us / 1000000;
    until.tv_nsec = until_us % 1000000 * 1000;
    pthread_mutex_lock(&login->mutex);
    while (!login->is_stopping &&
           pthread_cond_timedwait(&login->woken, &login->mutex, &until) != ETIMEDOUT) {
    }
    pthread_mutex_unlock(&login->mutex);
}

/* After one that is wrong it rests for as long as that has taken: those who guess have half of a processor. */
static void *run(void *arg)
{
    struct login *login = arg;
    struct item *item;
    while ((item = await_item(login)) != NULL) {
        int64_t began_us = clock_monotonic_us();
        item->result = hash_compare(item->hash, item->secret);
        explicit_bzero(item->secret, sizeof item->secret);
        bool is_wrong = item->is_hopeless || item->result == HASH_DIFFERS;
        pthread_mutex_lock(&login->mutex);
        STAILQ_INSERT_TAIL(&login->done, item, entry); /* and it is the loop's */
        pthread_mutex_unlock(&login->mutex);
        login->options.notify(login->options.arg);
        if (is_wrong) {
            rest(login, clock_monotonic_us() - began_us);
        }
    }
    return NULL;
}

int login_start(struct login *login)
{
    int error = thread_start(&login->thread, run, login);
    login->has_thread = error == 0;
    return error;
}

/* --- what is remembered ------------------------------------------------------------------------- */

static struct remembered *remembered_of(const struct login *login, const struct user *user)
{
    return &login->remembered[user - user_table_at(login->users, 0)];
}

static bool is_remembered(const struct login *login, const struct user *user,
                          const unsigned char digest[HASH_DIGEST_BYTES], int64_t now_ms)
{
    const struct remembered *known = remembered_of(login, user);
    return hash_is_same(known->digest, digest) && now_ms < known->until_ms;
}

static void remember(struct login *login, const struct user *user,
                     const unsigned char digest[HASH_DIGEST_BYTES], int64_t now_ms)
{
    struct remembered *known = remembered_of(login, user);
    memcpy(known->digest, digest, HASH_DIGEST_BYTES);
    known->until_ms = now_ms + REMEMBERED_MS;
}

/* --- trying ----------------------------------------------------------------------------------- */

/* A hash to compare with where there is none, or a token's, so that it takes as long. */
static const char *stand_in(const struct login *login)
{
    for (size_t i = 0; i < user_table_count(login->users); i++) {
        const struct user *user = user_table_at(login->users, i);
        if (user->kind == HASH_PASSWORD) {
            return user->hash;
        }
    }
    return nobodys_hash;
}

/* Is there room for one more of the source? One that has failed lately gets its verdicts one by one. */
static bool has_room(const struct login *login, const struct delays_pair *pair, int64_t now_ms)
{
    size_t max = delays_has_failed(login->delays, pair, now_ms) ? 1 : LOGIN_SOURCE_MAX;
    size_t own = 0;
    for (size_t i = 0; i < login->pending; i++) {
        own += login->sources[i] == pair->source ? 1 : 0;
    }
    return login->pending < LOGIN_QUEUE_MAX && own < max;
}

static void copy(char *to, size_t size, const char *from)
{
    size_t len = strnlen(from, size - 1);
    memcpy(to, from, len);
    to[len] = '\0';
}

/* Has the thread compare. Returns false on allocation failure. */
static bool ask(struct login *login, const struct login_attempt *attempt, const struct user *user,
                const struct delays_pair *pair, const unsigned char digest[HASH_DIGEST_BYTES])
{
    bool is_hopeless = user == NULL || user->kind == HASH_TOKEN;
    struct item *item = calloc(1, sizeof *item);
    if (item == NULL) {
        return false;
    }
    item->answered = attempt->answered;
    item->client = attempt->client;
    item->slot = attempt->slot;
    item->pair = *pair;
    item->is_hopeless = is_hopeless;
    memcpy(item->digest, digest, sizeof item->digest);
    copy(item->hash, sizeof item->hash, is_hopeless ? stand_in(login) : user->hash);
    copy(item->name, sizeof item->name, attempt->name);
    copy(item->secret, sizeof item->secret, attempt->secret);
    login->sources[login->pending++] = pair->source;
    pthread_mutex_lock(&login->mutex);
    STAILQ_INSERT_TAIL(&login->asked, item, entry);
    pthread_cond_signal(&login->woken);
    pthread_mutex_unlock(&login->mutex);
    return true;
}

/* Is it right without a hash of its password? */
static bool is_known(const struct login *login, const struct user *user, const char *secret,
                     const unsigned char digest[HASH_DIGEST_BYTES], int64_t now_ms)
{
    if (user == NULL) {
        return false;
    }
    return user->kind == HASH_TOKEN ? hash_compare(user->hash, secret) == HASH_MATCHES
                                    : is_remembered(login, user, digest, now_ms);
}

static void count(const struct login *login, enum login_verdict verdict)
{
    static const enum stats_name NAMES[] = {[LOGIN_RIGHT] = STAT_LOGINS,
                                            [LOGIN_WRONG] = STAT_LOGINS_WRONG,
                                            [LOGIN_TOO_SOON] = STAT_LOGINS_TOO_SOON,
                                            [LOGIN_BUSY] = STAT_LOGINS_BUSY};
    if (verdict != LOGIN_PENDING) {
        stats_add(login->options.stats, NAMES[verdict], 1);
    }
}

static struct login_result judge(struct login *login, const struct login_attempt *attempt)
{
    unsigned char digest[HASH_DIGEST_BYTES];
    char name[USER_NAME_MAX + 1];
    int64_t now_ms = clock_monotonic_ms();
    if (!user_name_read(attempt->name, strlen(attempt->name), name)) {
        name[0] = '\0';
    }
    const struct user *user = user_table_find(login->users, name);
    const struct delays_pair pair =
        delays_pair(login->delays, attempt->source, attempt->source_len, name);
    int64_t wait_ms = delays_wait_ms(login->delays, &pair, now_ms);
    if (wait_ms > 0) {
        return (struct login_result){LOGIN_TOO_SOON, user, wait_ms};
    }
    hash_keyed(login->key, name, attempt->secret, digest);
    if (is_known(login, user, attempt->secret, digest, now_ms)) {
        delays_succeed(login->delays, &pair, now_ms);
        remember(login, user, digest, now_ms);
        return (struct login_result){LOGIN_RIGHT, user, 0};
    }
    if (delays_is_repeated(login->delays, &pair, digest)) {
        return (struct login_result){LOGIN_WRONG, user, 0};
    }
    bool is_asked = has_room(login, &pair, now_ms) && ask(login, attempt, user, &pair, digest);
    return (struct login_result){is_asked ? LOGIN_PENDING : LOGIN_BUSY, user, 0};
}

/* A token alone: what is wrong costs no hash, for there is no name that could be found out by the time. */
static struct login_result judge_token(struct login *login, const struct login_attempt *attempt)
{
    unsigned char digest[HASH_DIGEST_BYTES];
    int64_t now_ms = clock_monotonic_ms();
    const struct user *user = user_table_find_token(login->users, attempt->secret);
    const struct delays_pair pair = delays_pair(login->delays, attempt->source, attempt->source_len,
                                                user == NULL ? "" : user->name);
    int64_t wait_ms = delays_wait_ms(login->delays, &pair, now_ms);
    if (wait_ms > 0) {
        return (struct login_result){LOGIN_TOO_SOON, user, wait_ms};
    }
    if (user != NULL) {
        delays_succeed(login->delays, &pair, now_ms);
        return (struct login_result){LOGIN_RIGHT, user, 0};
    }
    hash_keyed(login->key, "", attempt->secret, digest);
    if (!delays_is_repeated(login->delays, &pair, digest)) {
        delays_fail(login->delays, &pair, digest, now_ms);
    }
    return (struct login_result){LOGIN_WRONG, NULL, 0};
}

struct login_result login_try(struct login *login, const struct login_attempt *attempt)
{
    struct login_result result =
        attempt->name == NULL ? judge_token(login, attempt) : judge(login, attempt);
    count(login, result.verdict);
    return result;
}

/* --- answering -------------------------------------------------------------------------------- */

/* One less is pending of the source. */
static void leave(struct login *login, uint64_t source)
{
    size_t i = 0;
    while (login->sources[i] != source) {
        i++;
    }
    login->sources[i] = login->sources[--login->pending];
}

/* What the comparison means now: the user may have another password by now, or be gone. */
static enum login_verdict weigh(struct login *login, const struct item *item,
                                const struct user *user)
{
    if (item->result == HASH_FAILED) {
        LOG(LOG_ERROR, "login_failed", LOG_STR("reason", "no memory to hash a password"));
        return LOGIN_BUSY;
    }
    if (item->is_hopeless || item->result == HASH_DIFFERS) {
        delays_fail(login->delays, &item->pair, item->digest, clock_monotonic_ms());
        return LOGIN_WRONG;
    }
    return user != NULL && strcmp(user->hash, item->hash) == 0 ? LOGIN_RIGHT : LOGIN_BUSY;
}

static void answer(struct login *login, const struct item *item, bool is_compared)
{
    int64_t now_ms = clock_monotonic_ms();
    const struct user *user = user_table_find(login->users, item->name);
    enum login_verdict verdict = is_compared ? weigh(login, item, user) : LOGIN_BUSY;
    if (verdict == LOGIN_RIGHT) {
        delays_succeed(login->delays, &item->pair, now_ms);
        remember(login, user, item->digest, now_ms);
    }
    leave(login, item->pair.source);
    count(login, verdict);
    item->answered(item->client, item->slot, verdict, user);
}

static void answer_all(struct login *login, struct items *items, bool is_compared)
{
    struct item *item;
    while ((item = STAILQ_FIRST(items)) != NULL) {
        STAILQ_REMOVE_HEAD(items, entry);
        answer(login, item, is_compared);
        free_item(item);
    }
}

void login_deliver(struct login *login)
{
    struct items done;
    STAILQ_INIT(&done);
    pthread_mutex_lock(&login->mutex);
    STAILQ_CONCAT(&done, &login->done);
    pthread_mutex_unlock(&login->mutex);
    answer_all(login, &done, true);
}

void login_stop(struct login *login)
{
    pthread_mutex_lock(&login->mutex);
    login->is_stopping = true;
    pthread_cond_signal(&login->woken);
    pthread_mutex_unlock(&login->mutex);
    if (login->has_thread) {
        pthread_join(login->thread, NULL);
        login->has_thread = false;
    }
    login_deliver(login);
    answer_all(login, &login->asked, false);
}

bool login_is_idle(const struct login *login)
{
    return login->pending == 0;
}

/* --- users ------------------------------------------------------------------------------------ */

struct user_table *login_users(const struct login *login)
{
    return login->users;
}

struct user_table *login_set_users(struct login *login, struct user_table *users)
{
    struct user_table *former = login->users;
    struct remembered *remembered = remember_nobody(users);
    if (remembered == NULL) {
        return NULL;
    }
    free_remembered(login);
    login->users = users;
    login->remembered = remembered;
    delays_forget_secrets(login->delays);
    return former;
}
