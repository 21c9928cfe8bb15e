/*
 * conn_alarm: how long a client may be silent, and how long it may leave its replies unread; of one that
 * is not local also how slow it may be, and when it must have logged in.
 *
 * Sets no timer for each read: an alarm that rings too early looks when the client was active, and is
 * set again. A client for which there is no limit has none. Thread: the loop's.
 */
#ifndef GATEWAY_SERVE_CONN_ALARM_H
#define GATEWAY_SERVE_CONN_ALARM_H

struct conn;

/*
 * Has the alarm ring in time. For whenever a limit has come up: when the client is new, awaits an LF,
 * has something unsent, or closes. Closes the client at once on allocation failure, or if it is time;
 * so does the alarm. Call it last.
 */
void conn_set_alarm(struct conn *c);

#endif
