/*
 * sms_get: GET /sms and /sms/{id} as the Transactional API has them, from the relay's queue and store.
 *
 * Owns what an entry says, and paging. A user is told of his own messages alone; of one by its id, of any if
 * he may control. Thread: the loop's.
 */
#ifndef GATEWAY_SUBMIT_SMS_GET_H
#define GATEWAY_SUBMIT_SMS_GET_H

struct call;

/* Answer the call, at once or when the store has answered. */
void sms_get_list(struct call *call);
void sms_get_one(struct call *call);

#endif
