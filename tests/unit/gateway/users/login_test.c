/* login: what is compared, what is remembered, and what becomes of it meanwhile. */
#include "gateway/users/login.h"

#include "gateway/base/stats.h"

#include <criterion/criterion.h>
#include <crypt.h>
#include <semaphore.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { NONE = -1 };

static struct login *login;
static struct stats stats;
static sem_t notified;
static char hash[HASH_SIZE], other_hash[HASH_SIZE]; /* of "secret" and of "other" */
static char token[HASH_TOKEN_SIZE], token_hash[HASH_SIZE];
static int verdicts[2 * LOGIN_QUEUE_MAX]; /* by slot */
static const struct user *users[2 * LOGIN_QUEUE_MAX];

/* Quick, unlike what hash_password makes. */
static void quick_hash(const char *password, char text[HASH_SIZE])
{
    struct crypt_data data = {0};
    snprintf(text, HASH_SIZE, "%s", crypt_rn(password, "$y$j75$TeStSaLt", &data, sizeof data));
}

static struct user_table *make_users(const char *anns_hash)
{
    struct buffer text = BUFFER_EMPTY, errors = BUFFER_EMPTY;
    buffer_printf(&text, "%s%s\nnas:%s\n", anns_hash[0] == '\0' ? "#" : "ann:", anns_hash,
                  token_hash);
    struct user_table *table = user_table_read("f", text.data, text.len, NULL, &errors);
    cr_assert_not_null(table, "%.*s", (int)errors.len, buffer_bytes(&errors));
    buffer_free(&text);
    return table;
}

static void notify(void *arg)
{
    sem_post(arg);
}

static void setup(void)
{
    const struct login_options options = {.stats = &stats, .notify = notify, .arg = &notified};
    sem_init(&notified, 0, 0);
    quick_hash("secret", hash);
    quick_hash("other", other_hash);
    cr_assert(hash_new_token(token, token_hash));
    for (size_t i = 0; i < sizeof verdicts / sizeof verdicts[0]; i++) {
        verdicts[i] = NONE;
    }
    login = login_new(make_users(hash), &options);
    cr_assert_not_null(login);
}

static void setup_with_thread(void)
{
    setup();
    cr_assert_eq(login_start(login), 0);
}

static void teardown(void)
{
    login_free(login);
}

static void answered(void *client, uint32_t slot, enum login_verdict verdict,
                     const struct user *user)
{
    cr_assert_eq(client, &stats);
    verdicts[slot] = (int)verdict;
    users[slot] = user;
}

static enum login_verdict try_from(const char *source, const char *name, const char *secret,
                                   uint32_t slot)
{
    const struct login_attempt attempt = {.source = source,
                                          .source_len = strlen(source),
                                          .name = name,
                                          .secret = secret,
                                          .answered = answered,
                                          .client = &stats,
                                          .slot = slot};
    const struct login_result result = login_try(login, &attempt);
    users[slot] = result.user;
    return result.verdict;
}

/* An attempt, to its end. */
static enum login_verdict try_all(const char *source, const char *name, const char *secret)
{
    enum login_verdict verdict = try_from(source, name, secret, 0);
    if (verdict == LOGIN_PENDING) {
        cr_assert_not(login_is_idle(login));
        while (verdicts[0] == NONE) {
            sem_wait(&notified);
            login_deliver(login);
        }
        verdict = (enum login_verdict)verdicts[0];
        verdicts[0] = NONE;
    }
    cr_assert(login_is_idle(login));
    return verdict;
}

Test(login, a_password_is_hashed_once, .init = setup_with_thread, .fini = teardown)
{
    cr_assert_eq(try_all("a", "Ann", "secret"), LOGIN_RIGHT);
    cr_assert_str_eq(users[0]->name, "ann");
    cr_assert_eq(try_from("b", "ann", "secret", 0), LOGIN_RIGHT, "it is remembered");
    cr_assert_str_eq(users[0]->name, "ann");
    cr_assert_eq(try_from("b", "ann", "Secret", 0), LOGIN_PENDING);
    cr_assert_eq(stats_get(&stats, STAT_LOGINS), 2);
}

Test(login, a_token_is_not_hashed, .init = setup, .fini = teardown)
{
    cr_assert_eq(try_from("a", "nas", token, 0), LOGIN_RIGHT);
    cr_assert_str_eq(users[0]->name, "nas");
}

Test(login, what_is_wrong_is_hashed_whoever_it_is, .init = setup_with_thread, .fini = teardown)
{
    static const char *const CASES[][2] = {
        {"ann", "wrong"}, {"nas", "wrong"}, {"nobody", "wrong"}, {"", ""}, {"ann", ""}};
    for (size_t i = 0; i < sizeof CASES / sizeof CASES[0]; i++) {
        const char *name = CASES[i][0], *secret = CASES[i][1];
        char source[8];
        snprintf(source, sizeof source, "%zu", i);
        cr_assert_eq(try_from(source, name, secret, 1), LOGIN_PENDING, "%s", name);
        while (!login_is_idle(login)) {
            sem_wait(&notified);
            login_deliver(login);
        }
        cr_assert_eq(verdicts[1], (int)LOGIN_WRONG, "%s", name);
        cr_assert_eq(try_from(source, name, secret, 1), LOGIN_WRONG, "the same again: %s", name);
    }
    cr_assert_eq(stats_get(&stats, STAT_LOGINS_WRONG), 10);
    cr_assert_eq(stats_get(&stats, STAT_LOGINS), 0);
}

Test(login, who_guesses_must_wait, .init = setup_with_thread, .fini = teardown)
{
    cr_assert_eq(try_all("a", "ann", "one"), LOGIN_WRONG);
    cr_assert_eq(try_all("a", "ANN", "two"), LOGIN_WRONG);
    cr_assert_eq(try_all("a", "aNn", "three"), LOGIN_WRONG);
    cr_assert_eq(try_from("a", "ann", "secret", 0), LOGIN_TOO_SOON);
    cr_assert_eq(try_from("a", "nas", token, 0), LOGIN_TOO_SOON);
    cr_assert_eq(try_all("b", "ann", "secret"), LOGIN_RIGHT, "nobody else must");
    cr_assert_eq(stats_get(&stats, STAT_LOGINS_TOO_SOON), 2);
}

/* Without a thread, nothing is ever compared. */
Test(login, so_many_wait, .init = setup, .fini = teardown)
{
    uint32_t slot = 0;
    for (char source = 'a'; source < 'a' + LOGIN_QUEUE_MAX / LOGIN_SOURCE_MAX; source++) {
        const char name[] = {source, '\0'};
        for (int i = 0; i < LOGIN_SOURCE_MAX; i++) {
            cr_assert_eq(try_from(name, "ann", "secret", slot++), LOGIN_PENDING);
        }
        cr_assert_eq(try_from(name, "ann", "secret", slot), LOGIN_BUSY, "of one source");
    }
    cr_assert_eq(slot, LOGIN_QUEUE_MAX);
    cr_assert_eq(try_from("z", "ann", "secret", slot), LOGIN_BUSY, "of all");
    cr_assert_eq(try_from("z", "nas", token, slot), LOGIN_RIGHT);
    login_stop(login);
    cr_assert(login_is_idle(login));
    for (uint32_t i = 0; i < slot; i++) {
        cr_assert_eq(verdicts[i], (int)LOGIN_BUSY);
    }
}

Test(login, of_who_has_failed_one_waits, .init = setup_with_thread, .fini = teardown)
{
    cr_assert_eq(try_all("a", "ann", "wrong"), LOGIN_WRONG);
    cr_assert_eq(try_from("a", "ann", "another", 0), LOGIN_PENDING);
    cr_assert_eq(try_from("a", "ann", "a third", 1), LOGIN_BUSY);
}

static void replace_users(const char *anns_hash)
{
    struct user_table *former = login_set_users(login, make_users(anns_hash));
    cr_assert_not_null(former);
    user_table_free(former);
}

Test(login, other_users, .init = setup_with_thread, .fini = teardown)
{
    cr_assert_eq(try_all("a", "ann", "secret"), LOGIN_RIGHT);
    cr_assert_eq(try_all("a", "ann", "other"), LOGIN_WRONG);
    replace_users(other_hash);
    cr_assert_eq(try_all("a", "ann", "other"), LOGIN_RIGHT, "what was wrong may be right now");
    cr_assert_eq(try_all("b", "ann", "secret"), LOGIN_WRONG, "what was right is forgotten");
    replace_users("");
    cr_assert_eq(try_all("c", "ann", "other"), LOGIN_WRONG);
    cr_assert_null(users[0]);
}

/* The comparison was with a hash that is no longer his. */
Test(login, other_users_meanwhile, .init = setup, .fini = teardown)
{
    cr_assert_eq(try_from("a", "ann", "secret", 0), LOGIN_PENDING);
    replace_users(other_hash);
    cr_assert_eq(login_start(login), 0);
    while (!login_is_idle(login)) {
        sem_wait(&notified);
        login_deliver(login);
    }
    cr_assert_eq(verdicts[0], (int)LOGIN_BUSY);
}
