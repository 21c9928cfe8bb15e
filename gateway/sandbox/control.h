/*
 * control: the control calls below /sandbox, by which tests steer the sandbox and read its record.
 * Thread: the event base's.
 */
#ifndef GATEWAY_SANDBOX_CONTROL_H
#define GATEWAY_SANDBOX_CONTROL_H

struct evhttp_request;
struct sandbox;
struct sandbox_peer;

/* Answers a control call. */
void sandbox_control_serve(struct sandbox *sandbox, struct evhttp_request *request,
                           struct sandbox_peer *peer);

#endif
