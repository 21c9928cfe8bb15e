/*
 * sms_post: POST /sms and /sms/bulk as the Transactional API has them, into the relay's queue.
 *
 * Owns the members of an item, which of them is at fault, and the answers. Leaves to session/form what may
 * be sent, and to intake what is accepted. Thread: the loop's.
 */
#ifndef GATEWAY_SUBMIT_SMS_POST_H
#define GATEWAY_SUBMIT_SMS_POST_H

struct call;

enum { SMS_BULK_MAX = 100 };

/* Take the body of a call, and answer it once every item has its verdict. */
void sms_post_single(struct call *call);
void sms_post_bulk(struct call *call);

#endif
