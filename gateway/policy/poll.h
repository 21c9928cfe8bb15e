/*
 * poll: which relayed messages the API is asked about, and when: for where no webhook tells.
 *
 * Owns the messages whose final status is not known, when each is asked about again, and by which
 * calls. Leaves to others: asking (api, history), reading (api_json), what a status means for a
 * message (reports). Pure: time and random numbers are parameters. Thread: the forwarding thread.
 *
 *   poll_add                  a message was relayed
 *   poll_due_ms               ... `interval` later it is time:
 *   poll_next, poll_asked     a call
 *   poll_read                 what it has shown, or, when there was nothing to read,
 *   poll_refused
 *   poll_end                  its final status is stored, whoever told it: it is forgotten
 *
 * A message is asked about `interval` after it was relayed, then whenever that has passed again, or
 * half its age, if that is longer: 22 times in three days at 30 s. All that is due is asked about
 * together, in one poll, at most one an interval. Its calls go from the newest of them to the oldest:
 * a page of GET /sms where two or more of them should be on it, by their number and by where those
 * already seen were; pages between are left out. One that is alone on its page, or was not found, is
 * asked for by its API id. So there are never more calls than messages, but for three pages that
 * showed none. A page tells of all messages on it, due or not.
 *
 * What a poll has found is told once, a final status until poll_end: it may not have been stored.
 *
 * All `now_ms` are monotonic; `random` is in [0, 1).
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
    int64_t give_up_ms;  /* a message that is older is not asked about any more */
    size_t max_messages; /* the oldest of more are given up */
    unsigned per_page;
    int64_t retry_min_ms, retry_max_ms; /* between calls that fail for now */
};

/* Returns NULL without memory. Options are copied. */
struct poll *poll_new(const struct poll_options *options);
/* NULL is fine. */
void poll_free(struct poll *p);

/*
 * The API has this message, since `relayed_ms` (which may be before the clock began). `api_id` is
 * copied, "" = not known. To be called in the order in which they were relayed. Without memory it is
 * not asked about.
 */
void poll_add(struct poll *p, const struct ulid *id, const char *api_id, int64_t relayed_ms,
              int64_t now_ms);
/* It is not to be asked about any more. One that is not known is fine. */
void poll_end(struct poll *p, const struct ulid *id);
/* How many messages are asked about. About 130 bytes each. */
size_t poll_count(const struct poll *p);

/* When a call is to be made; INT64_MAX = none is, or one is under way. */
int64_t poll_due_ms(const struct poll *p);

/* A call: GET /sms with this page, or, where `page` is 0, GET /sms/{api_id}. */
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
    POLL_FAILED, /* for now: again with backoff */
    POLL_REFUSED /* it is of no use: again in an hour, or after poll_resume */
};

/* What a call has shown of messages of ours. */
struct poll_news {
    struct poll_news *next; /* the owner's */
    size_t count;
    struct api_report reports[]; /* with clientIds, without a time */
};
void poll_news_free(struct poll_news *news);

/*
 * Takes the page that was asked for; of a single message, a page with that one entry. REFUSED when it
 * shows messages of ours, and nothing has a status. `*news` is what it tells, the caller's; NULL =
 * nothing new, or no memory: then it is asked for again.
 */
enum poll_outcome poll_read(struct poll *p, const struct api_history *page, int64_t now_ms,
                            struct poll_news **news);
/*
 * There is nothing to read. No connection, 429, 5xx or a redirect: FAILED; once that has come three
 * times in a row, a message, or a page but the first, for which no answer or a 500, 502 or 504 comes is
 * asked for no more in this poll. 2xx with another body: FAILED, the third time REFUSED. 401, 403, and
 * another 4xx on the first page: REFUSED; on a later one there is no such page, on a message it cannot
 * be seen: three times, then it is given up.
 */
enum poll_outcome poll_refused(struct poll *p, const struct api_answer *answer, int64_t now_ms,
                               double random);
/* What made it REFUSED may be over. */
void poll_resume(struct poll *p);

#endif
