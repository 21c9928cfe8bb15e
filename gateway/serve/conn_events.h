/*
 * conn_events: what a session wants done, and what became of it.
 *
 * Carries a session's submissions and requests to intake and requests, and their verdicts, replies and
 * events back. Sends nothing itself. Thread: the loop's.
 */
#ifndef GATEWAY_SERVE_CONN_EVENTS_H
#define GATEWAY_SERVE_CONN_EVENTS_H

#include <stddef.h>
#include <stdint.h>

struct buffer;
struct conn;
struct requests_client;
struct session_event;
struct session_receipt;

/* Carries out a submission; its verdict comes later, unless it is refused at once. */
void conn_submit(struct conn *c, const struct session_event *event, int64_t now_ms);

/* Carries out a request, or some of it: then `is_answering` is set, and conn_go_on_answering goes on. */
void conn_answer(struct conn *c, const struct session_event *event);
void conn_go_on_answering(struct conn *c);

/* For struct requests_client: all of a reply that had to wait, or the last part; or another part. */
void conn_answer_late(void *client, uint32_t slot, const struct buffer *reply);
void conn_answer_in_part(void *client, uint32_t slot, const struct buffer *reply);

/*
 * For the options of watch; `client` is a conn. After a run of them, as after a run of verdicts, call
 * conn_send_replies to send what they wrote.
 */
void conn_acknowledge(void *client, uint32_t slot, const struct session_receipt *receipts,
                      size_t count);
/* A watcher that does not read is cut off. */
void conn_tell(void *client, const struct buffer *line);

#endif
