/*
 * poll: which relayed messages the API is asked about, and when.
 *
 * Where no webhook tells what became of a message, the relay can ask (reports.poll). A message is
 * asked about `interval` after it was relayed, then each time that interval has passed again, or
 * half the message's age if that is longer: at 30 s, 22 times in three days. It is forgotten when
 * its status is final.
 *
 * A call for each message would be far too many, but a page of GET /sms tells about all the
 * messages on it. So everything that is due is asked about together, in one poll, at most once an
 * interval. The poll goes through what is due from the newest to the oldest. Each message's place
 * in the history can be estimated: by how many were relayed after it, corrected by where those on
 * earlier pages really were. If two or more should be on one page, that page is asked for; pages
 * between are skipped. A message that is alone on its page, or was not found where it should be, is
 * asked for by its API id (GET /sms/{id}). So a poll makes no more calls than there are messages,
 * give or take three pages that showed none.
 *
 * What a poll finds is told once; a final status again and again until poll_end, for it may not
 * have been stored.
 *
 * Owns the messages without a final status, when each is due, and the calls of a poll. Leaves to
 * others: asking (api, forward/history), reading (api/json), what a status means (serve/reports).
 *
 *   poll_add                  a message was relayed
 *   poll_due_ms               ... `interval` later it is time:
 *   poll_next, poll_asked     a call
 *   poll_read                 what it has shown, or, when there was nothing to read,
 *   poll_refused
 *   poll_end                  the message's final status is stored, however it came
 *
 * All `now_ms` are monotonic; `random` is in [0, 1). Thread: the forwarding thread. Pure.
 */
#ifndef GATEWAY_POLICY_POLL_H
#define GATEWAY_POLICY_POLL_H

#include "gateway/api/api.h"
#include "gateway/api/json.h"
#include "gateway/api/report.h"
#include "proto/ulid.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct poll;

enum { POLL_API_ID_SIZE = 64 }; /* of an API id, and NUL */

struct poll_options {
    int64_t interval_ms; /* reports.poll */
    int64_t give_up_ms;  /* an older message is not asked about any more */
    size_t max_messages; /* beyond it the oldest are given up */
    unsigned per_page;
    int64_t retry_min_ms, retry_max_ms; /* between calls that fail for now */
};

/* Returns NULL on allocation failure. Options are copied. */
struct poll *poll_new(const struct poll_options *options);
/* NULL is fine. */
void poll_free(struct poll *p);

/*
 * The API has had this message since `relayed_ms`, which may be negative: before the clock began.
 * `api_id` is copied, "" = not known. To be called in the order in which messages were relayed. On
 * allocation failure the message is not asked about.
 */
void poll_add(struct poll *p, const struct ulid *id, const char *api_id, int64_t relayed_ms,
              int64_t now_ms);
/* Do not ask about it any more. One that is not known is fine. */
void poll_end(struct poll *p, const struct ulid *id);
/* How many messages are asked about. About 130 bytes each. */
size_t poll_count(const struct poll *p);

/* When the next call is due; INT64_MAX = none is, or one is under way. */
int64_t poll_due_ms(const struct poll *p);

/* GET /sms for this page or, if `page` is 0, GET /sms/{api_id}. */
struct poll_call {
    unsigned page;
    char api_id[POLL_API_ID_SIZE];
};
/* The call to make now. Returns false when there is none. */
bool poll_next(struct poll *p, int64_t now_ms, struct poll_call *call);
/* It has been made. */
void poll_asked(struct poll *p, const struct poll_call *call);

/* The call under way is for a page. */
bool poll_wants_page(const struct poll *p);

enum poll_outcome {
    POLL_FINE,
    POLL_FAILED, /* for now: try again with backoff */
    POLL_REFUSED /* asking is of no use: try again in an hour, or after poll_resume */
};

/* What a call has shown of our messages. */
struct poll_news {
    struct poll_news *next; /* the owner's */
    size_t count;
    struct api_report reports[]; /* with clientIds, without times */
};
void poll_news_free(struct poll_news *news);

/*
 * Reads the page that was asked for; a single message is a page with one entry. REFUSED if it shows
 * messages of ours but no status at all. `*news` is what is new, for the caller to free; NULL =
 * nothing, or an allocation failed and it will be asked for again.
 */
enum poll_outcome poll_read(struct poll *p, const struct api_history *page, int64_t now_ms,
                            struct poll_news **news);
/*
 * There is nothing to read.
 * - No connection, 429, 5xx or a redirect: FAILED. From the third in a row on, what gets no answer
 *   or a 5xx other than 503 is left out of this poll: a message, or all pages but the first.
 * - 2xx with another body: FAILED, the third time in a row REFUSED.
 * - 401, 403, or any other 4xx on the first page: REFUSED.
 * - Another 4xx on a later page: there is no such page. On a message: it cannot be seen; after
 *   three polls it is given up.
 */
enum poll_outcome poll_refused(struct poll *p, const struct api_answer *answer, int64_t now_ms,
                               double random);
/* The reason for REFUSED may be gone: the token has changed, or the operator asks for it. */
void poll_resume(struct poll *p);

#endif
