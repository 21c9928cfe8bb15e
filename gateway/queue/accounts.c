/* accounts: see accounts.h. */
#include "gateway/queue/accounts.h"

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

size_t queue_account_disk(const struct message *m)
{
    return !m->is_durable
               ? 0
               : QUEUE_ROW_BYTES + (size_t)m->to_len + m->from_len + m->ref_len + m->text_len;
}

const struct queue_account *queue_account_charge(struct queue_accounts *accounts, int32_t owner,
                                                 const struct queue_demand *demand)
{
    struct queue_account *account = find_or_make(accounts, owner);
    if (account != NULL) {
        account->messages += demand->messages;
        account->bytes += demand->bytes;
        account->disk += demand->disk;
    }
    return account;
}

void queue_account_restore(struct queue_accounts *accounts, const struct message *m)
{
    const struct queue_demand demand = {.messages = 1, .bytes = message_own_bytes(m)};
    (void)queue_account_charge(accounts, m->owner, &demand);
}

void queue_account_return(struct queue_accounts *accounts, int32_t owner,
                          const struct queue_demand *demand)
{
    struct queue_account *account = find(accounts, owner);
    if (account != NULL) {
        lower(&account->messages, demand->messages);
        lower(&account->bytes, demand->bytes);
        lower(&account->disk, demand->disk);
        drop_if_empty(account);
    }
}

void queue_account_finish(struct queue_accounts *accounts, const struct message *m, bool is_dropped)
{
    const struct queue_demand demand = {.messages = 1,
                                        .bytes = message_own_bytes(m),
                                        .disk = m->is_durable && is_dropped ? m->text_len : 0};
    queue_account_return(accounts, m->owner, &demand);
}

void queue_account_forget_row(struct queue_accounts *accounts, const struct message *m)
{
    size_t dropped = message_ended_unsent((enum message_state)m->state, m->attempts, m->may_be_sent)
                         ? m->text_len
                         : 0;
    queue_account_free_disk(accounts, m->owner, queue_account_disk(m) - dropped);
}

void queue_account_free_disk(struct queue_accounts *accounts, int32_t owner, size_t bytes)
{
    struct queue_account *account = find(accounts, owner);
    if (account != NULL) {
        lower(&account->disk, bytes);
        drop_if_empty(account);
    }
}

/* What of a limit is for the others. */
static size_t others_part(const struct queue_options *options, size_t of)
{
    return of / 100 * options->others_percent + of % 100 * options->others_percent / 100;
}

struct queue_limits queue_limits_of(const struct queue_options *options)
{
    size_t max_disk = options->max_disk > 0 ? options->max_disk : SIZE_MAX;
    return (struct queue_limits){
        .messages = options->max_messages + others_part(options, options->max_messages),
        .bytes = options->max_bytes + others_part(options, options->max_bytes),
        .own_messages = options->max_messages,
        .own_bytes = options->max_bytes,
        .own_disk = max_disk - others_part(options, options->max_disk),
    };
}

bool queue_account_is_over(const struct queue_account *account, const struct queue_limits *limits)
{
    return account->messages > limits->own_messages || account->bytes > limits->own_bytes ||
           account->disk > limits->own_disk;
}
