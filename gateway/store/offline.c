/* offline: see offline.h. */
#include "gateway/store/offline.h"

#include "gateway/store/db.h"
#include "gateway/store/rows.h"
#include "gateway/store/wal.h"

#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

_Static_assert((int)STORE_OFFLINE_ERROR_SIZE == (int)STORE_ERROR_SIZE, "sentences fit");

struct store_offline {
    int lock_fd;
    struct store_db db;
    struct store_rows_reader reader;
    bool is_reading;               /* `reader` has begun */
    int state;                     /* as store_offline_begin got it */
    size_t left;                   /* how many more may be read */
    char damage[STORE_ERROR_SIZE]; /* of the log, up to which all can be read; "" = it is whole */
};

static enum store_offline_verdict lock_verdict(int reason)
{
    switch (reason) {
    case EWOULDBLOCK:
        return STORE_IS_IN_USE;
    case ENOENT:
    case ENOTDIR:
        return STORE_IS_MISSING;
    case EACCES:
    case EPERM:
        return STORE_IS_DENIED;
    default:
        return STORE_IS_UNUSABLE;
    }
}

enum store_offline_verdict store_offline_open(const char *path, struct store_offline **store,
                                              char error[STORE_OFFLINE_ERROR_SIZE])
{
    *store = NULL;
    int lock_fd = store_db_lock(path, false, error);
    if (lock_fd < 0) {
        return lock_verdict(errno);
    }
    struct store_offline *s = calloc(1, sizeof *s);
    if (s == NULL) {
        snprintf(error, STORE_OFFLINE_ERROR_SIZE, "out of memory");
        close(lock_fd);
        return STORE_IS_UNUSABLE;
    }
    int64_t row;
    s->lock_fd = lock_fd;
    store_wal_check(path, &row, s->damage);
    if (!store_db_open(&s->db, path, true, error)) {
        store_offline_close(s);
        return STORE_IS_UNUSABLE;
    }
    *store = s;
    return STORE_IS_OPEN;
}

void store_offline_close(struct store_offline *s)
{
    if (s != NULL) {
        store_db_close(&s->db);
        close(s->lock_fd);
        free(s);
    }
}

void store_offline_begin(struct store_offline *s, int state, size_t max)
{
    int64_t count = max > INT64_MAX ? INT64_MAX : (int64_t)max;
    if (s->is_reading) {
        store_rows_end(&s->reader);
    }
    if (state == STORE_UNFINISHED || !message_state_is_finished((enum message_state)state)) {
        /* STORE_READ_HELD adds finished ones with a REF that changed after a time: here never. */
        store_rows_begin(&s->reader, &s->db, STORE_READ_HELD, INT64_MAX, 0);
    } else {
        store_rows_begin_state(&s->reader, &s->db, (enum message_state)state, 0, count);
    }
    s->is_reading = true;
    s->state = state;
    s->left = max;
}

struct message *store_offline_next(struct store_offline *s, char error[STORE_OFFLINE_ERROR_SIZE])
{
    struct message *m = NULL;
    error[0] = '\0';
    while (s->left > 0 && (m = store_rows_next(&s->reader)) != NULL && s->state >= 0 &&
           (int)m->state != s->state) {
        message_free(m);
    }
    if (s->left > 0 && m == NULL && s->reader.fault != NULL) {
        snprintf(error, STORE_OFFLINE_ERROR_SIZE, "%s", s->reader.fault);
    } else if (s->left > 0 && m == NULL) {
        memcpy(error, s->damage, STORE_OFFLINE_ERROR_SIZE);
    }
    s->left -= m != NULL ? 1 : 0;
    return m;
}
