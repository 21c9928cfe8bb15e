/*
 * verbs: the function of each verb, for the table of requests. Each writes the reply, or begins it.
 *
 * Thread: the loop's.
 */
#ifndef GATEWAY_SERVE_VERBS_H
#define GATEWAY_SERVE_VERBS_H

struct call;

typedef void verb(struct call *call);

/* verbs_ask */
verb answer_status, answer_queue, answer_queue_list, answer_stats;
/* verbs_watch; answer_unwatch is called again as long as `goes_on` is set */
verb answer_watch, answer_unwatch;
/* verbs_change; answer_hold is RELEASE, too, and answer_optout is OPTOUT ADD and REMOVE */
verb answer_cancel, answer_retry, answer_flush, answer_hold, answer_optout, answer_optout_list;

#endif
