/*
 * service: tells the service manager how the relay is doing, as sd_notify(3) does.
 *
 * Written by hand: the protocol is one datagram, and libsystemd would bring its own libraries into
 * the process. Thread: the main thread.
 */
#ifndef GATEWAY_BASE_SERVICE_H
#define GATEWAY_BASE_SERVICE_H

/*
 * Sends `state`, lines such as "READY=1" (sd_notify(3)), to the socket $NOTIFY_SOCKET: a path, or an
 * abstract name behind "@". Without that variable it does nothing; a failure is logged.
 */
void service_notify(const char *state);

#endif
