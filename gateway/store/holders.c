/* holders: see holders.h. */
#include "gateway/store/holders.h"

#include "gateway/base/clock.h"
#include "gateway/store/rows.h"

#include <stdlib.h>
#include <string.h>

/* Does a stored message hold the REF of `m` for its recipient? One that is not finished is in memory,
 * where more is known of it. */
static bool holds(const struct message *stored, const struct message *m, int64_t since_ms)
{
    bool is_aged = message_has_mail_ref(stored) &&
                   ulid_time_ms(&stored->id) <= clock_unix_ms() - MESSAGE_MAIL_REF_MS;
    return message_state_is_finished((enum message_state)stored->state) &&
           !message_frees_ref(stored) && stored->updated_ms > since_ms && !is_aged &&
           stored->owner == m->owner && strcmp(message_ref(stored), message_ref(m)) == 0 &&
           strcmp(message_to(stored), message_to(m)) == 0;
}

/* `*holder` = the message that holds the REF of `m`, or NULL. Only the newest with its REF and recipient
 * can: it was accepted because the others did not any more. Returns false on failure. */
static bool find(const struct store_refs *refs, struct store_db *db, const struct message *m,
                 int64_t since_ms, struct message **holder)
{
    bool has_failed = false;
    int64_t row = m->ref_len == 0 ? 0 : store_refs_newest(refs, db, m);
    *holder = row <= 0 ? NULL : store_rows_read(db, row, &has_failed);
    if (*holder != NULL && !holds(*holder, m, since_ms)) {
        message_free(*holder);
        *holder = NULL;
    }
    return row >= 0 && !has_failed;
}

static bool append(struct message ***holders, size_t *count, struct message *holder)
{
    struct message **grown = realloc(*holders, (*count + 1) * sizeof(struct message *));
    if (grown == NULL) {
        message_free(holder);
        return false;
    }
    *holders = grown;
    grown[(*count)++] = holder;
    return true;
}

bool store_holders_find(const struct store_refs *refs, struct store_db *db,
                        struct message *const *messages, size_t count, int64_t since_ms,
                        struct message ***holders, size_t *holder_count)
{
    bool is_good = true;
    *holders = NULL;
    *holder_count = 0;
    for (size_t i = 0; is_good && i < count; i++) {
        struct message *holder;
        is_good = find(refs, db, messages[i], since_ms, &holder) &&
                  (holder == NULL || append(holders, holder_count, holder));
    }
    while (!is_good && *holder_count > 0) {
        message_free((*holders)[--*holder_count]);
    }
    if (*holder_count == 0) {
        free(*holders);
        *holders = NULL;
    }
    return is_good;
}
