/*
 * sendmail: what programs expect of /usr/sbin/sendmail, for mails that become SMS.
 *
 * Owns the flags, the envelope and the exit code. Finds the relay as the other subcommands do
 * (gateway/cli/client.h), but for -s, which is none of its flags: programs pass it what their users
 * typed. Thread: the program's only one; blocking.
 */
#ifndef GATEWAY_CLI_SENDMAIL_H
#define GATEWAY_CLI_SENDMAIL_H

/*
 * Submits the mail on stdin to the recipients after the flags, numbers or aliases, and with -t to
 * those in its To, Cc and Bcc. Flags: -t; -i, -oi; -f and -r ADDRESS (the sender); -bs (SMTP on
 * stdin and stdout), -bm, -bi, -bp; -oeq (silent); any others of sendmail 8 and Postfix are taken,
 * with their values, and change nothing. Trouble is told on stderr.
 *
 * A recipient that the relay refuses for good is named, the others get the mail; if it refuses one
 * for now, nobody does, so that trying again doubles nothing.
 * Returns an exit code of sysexits.h: EX_OK; EX_NOUSER where recipients were refused as no number
 * or alias; EX_TEMPFAIL for a 4xx, or where no relay answers (any more); EX_DATAERR where content
 * or header are refused; EX_USAGE; EX_CONFIG for a bad $SMSRELAY_SOCKET; EX_IOERR for stdin or
 * stdout; EX_OSERR without memory; else EX_UNAVAILABLE.
 */
int client_sendmail(int argc, char **argv);

#endif
