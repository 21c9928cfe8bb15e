/*
 * starttls: the STARTTLS command (RFC 3207), for both dialects.
 *
 * Owns when it may be given, and what is forgotten with it. Leaves TLS to the connection.
 * Thread: the session's. Pure.
 */
#ifndef PROTO_SESSION_STARTTLS_H
#define PROTO_SESSION_STARTTLS_H

#include "proto/session/state.h"

command_run command_starttls;

/* Is there a certificate, and no TLS yet? */
bool starttls_is_offered(const struct session *s);

/* Has come behind STARTTLS what cannot be TLS, since the client has yet to read the reply? */
bool starttls_is_injected(const struct session *s);

/* From here on all is encrypted: forgets what the client has said before (RFC 3207, 4.2), with which
 * somebody on the way may have begun. */
void starttls_begin(struct session *s);

#endif
