/*
 * sendmail: stands in for /usr/sbin/sendmail, for mails that become SMS.
 *
 * Owns the flags, the envelope and the exit code. Finds the relay as the other subcommands do
 * (gateway/cli/link.h), but has no -s: programs pass on what their users typed. Thread: the
 * program's only one; blocking.
 */
#ifndef GATEWAY_CLI_SENDMAIL_H
#define GATEWAY_CLI_SENDMAIL_H

#include "gateway/cli/command.h"

/*
 * Submits the mail on stdin to the recipients after the flags (numbers or aliases), and with -t to
 * those in its To, Cc and Bcc. Flags: -t; -i, -oi; -f and -r ADDRESS (the sender); -bs (SMTP on
 * stdin and stdout), -bm, -bi, -bp; -oeq (silent). The other flags of sendmail 8 and Postfix are
 * accepted, with their values, and ignored. Errors go to stderr.
 *
 * If the relay refuses a recipient permanently, stderr names it and the others get the mail. If it
 * refuses one for now, nobody gets the mail, so that a retry sends nothing twice. It does not spool.
 * Returns an exit code of sysexits.h: EX_OK; EX_NOUSER if recipients were refused because they are
 * no number or alias; EX_TEMPFAIL for a 4xx, or if no relay answers or it stops answering; EX_DATAERR
 * if the content or header is refused; EX_USAGE; EX_CONFIG for a bad $SMSRELAY_SOCKET; EX_IOERR if
 * stdin or stdout fails; EX_OSERR on allocation failure; else EX_UNAVAILABLE.
 */
int client_sendmail(const struct invocation *invocation);

#endif
