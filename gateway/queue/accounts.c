/* accounts: see accounts.h. */
#include "gateway/queue/accounts.h"

#include "gateway/queue/types.h"

#include <stdlib.h>

static struct queue_account_bucket *bucket_of(const struct queue_accounts *accounts, int32_t owner)
{
    struct queue_accounts *all = (struct queue_accounts *)(uintptr_t)accounts;
    return &all->buckets[(uint32_t)owner % QUEUE_ACCOUNT_BUCKETS];
}

static struct queue_account *find(const struct queue_accounts *accounts, int32_t owner)
{
    struct queue_account *account = LIST_FIRST(bucket_of(accounts, owner));
    while (account != NULL && account->owner != owner) {
        account = LIST_NEXT(account, entry);
    }
    return account;
}

const struct queue_account *queue_account_find(const struct queue_accounts *accounts, int32_t owner)
{
    return find(accounts, owner);
}

static struct queue_account *find_or_make(struct queue_accounts *accounts, int32_t owner)
{
    struct queue_account *account = find(accounts, owner);
    if (account == NULL) {
        account = calloc(1, sizeof *account);
        if (account != NULL) {
            account->owner = owner;
            LIST_INSERT_HEAD(bucket_of(accounts, owner), account, entry);
        }
    }
    return account;
}

static void drop_if_empty(struct queue_account *account)
{
    if (account->messages == 0 && account->disk == 0) {
        LIST_REMOVE(account, entry);
        free(account);
    }
}

void queue_accounts_free(struct queue_accounts *accounts)
{
    for (size_t i = 0; i < QUEUE_ACCOUNT_BUCKETS; i++) {
        while (!LIST_EMPTY(&accounts->buckets[i])) {
            struct queue_account *account = LIST_FIRST(&accounts->buckets[i]);
            LIST_REMOVE(account, entry);
            free(account);
        }
    }
}

/* The file may free what an earlier run has written, which is charged to nobody. */
static void lower(size_t *count, size_t by)
{
    *count -= by < *count ? by : *count;
}

static size_t disk_bytes(const struct message *m)
{
    return !m->is_durable
               ? 0
               : QUEUE_ROW_BYTES + (size_t)m->to_len + m->from_len + m->ref_len + m->text_len;
}

static struct queue_account *charge(struct queue_accounts *accounts, const struct message *m)
{
    struct queue_account *account = find_or_make(accounts, m->owner);
    if (account != NULL) {
        account->messages++;
        account->bytes += message_own_bytes(m);
    }
    return account;
}

bool queue_account_charge(struct queue_accounts *accounts, const struct message *m)
{
    struct queue_account *account = charge(accounts, m);
    if (account != NULL) {
        account->disk += disk_bytes(m);
    }
    return account != NULL;
}

void queue_account_restore(struct queue_accounts *accounts, const struct message *m)
{
    (void)charge(accounts, m);
}

static void discharge(struct queue_accounts *accounts, const struct message *m, size_t disk)
{
    struct queue_account *account = find(accounts, m->owner);
    if (account != NULL) {
        lower(&account->messages, 1);
        lower(&account->bytes, message_own_bytes(m));
        lower(&account->disk, disk);
        drop_if_empty(account);
    }
}

void queue_account_return(struct queue_accounts *accounts, const struct message *m)
{
    discharge(accounts, m, disk_bytes(m));
}

void queue_account_finish(struct queue_accounts *accounts, const struct message *m, bool is_dropped)
{
    discharge(accounts, m, m->is_durable && is_dropped ? m->text_len : 0);
}

void queue_account_forget_row(struct queue_accounts *accounts, const struct message *m)
{
    size_t dropped = message_ended_unsent((enum message_state)m->state, m->attempts, m->may_be_sent)
                         ? m->text_len
                         : 0;
    queue_account_free_disk(accounts, m->owner, disk_bytes(m) - dropped);
}

void queue_account_free_disk(struct queue_accounts *accounts, int32_t owner, size_t bytes)
{
    struct queue_account *account = find(accounts, owner);
    if (account != NULL) {
        lower(&account->disk, bytes);
        drop_if_empty(account);
    }
}

size_t queue_others_part(const struct queue_options *options, size_t of)
{
    return of / 100 * options->others_percent + of % 100 * options->others_percent / 100;
}

bool queue_account_is_over(const struct queue_accounts *accounts, int32_t owner,
                           const struct queue_options *options)
{
    const struct queue_account *account = find(accounts, owner);
    size_t max_disk = options->max_disk - queue_others_part(options, options->max_disk);
    return account != NULL &&
           (account->messages > options->max_messages || account->bytes > options->max_bytes ||
            (options->max_disk > 0 && account->disk > max_disk));
}
