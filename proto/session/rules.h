/*
 * rules: what the settings say about sessions, and the counters that sessions share.
 * Thread: that of the sessions.
 */
#ifndef PROTO_SESSION_RULES_H
#define PROTO_SESSION_RULES_H

#include "proto/alias.h"
#include "proto/reply.h"
#include "proto/text.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* smtp.subject, smtp.options and smtp.too_long, in the order of the settings' words. */
enum session_subject { SUBJECT_PREFIX, SUBJECT_IGNORE, SUBJECT_ONLY };
enum session_mail_options { MAIL_OPTIONS_LOCAL, MAIL_OPTIONS_YES, MAIL_OPTIONS_NO };
enum session_too_long { TOO_LONG_TRUNCATE, TOO_LONG_REFUSE };

enum { SESSION_VERBS = 29 };

/* What the sessions with these rules have counted so far. */
struct session_tally {
    uint64_t commands[SESSION_VERBS]; /* lines that began with a verb, in the order of HELP */
    uint64_t refusals[REPLIES];       /* replies 4xx and 5xx: see reply_read */
    uint64_t strangers;               /* sessions that the guard closed */
    uint64_t injections;              /* those that sent plain text behind STARTTLS */
};

/* Shared by all sessions; must outlive them. Strings are "" or NULL where not set. */
struct session_rules {
    const char *hostname; /* names us in the greeting */
    const char *version;
    size_t max_line; /* bytes of a command line */
    size_t max_recipients;
    const char *default_from;
    const char *const *senders; /* NULL-terminated; none = all are allowed */
    const char *default_country;
    bool (*has_opted_out)(const void *arg, const char *e164); /* NULL = nobody has */
    const void *opted_out_arg;
    const struct alias_table *aliases; /* NULL = none; may be replaced between two steps */
    const char *charset;               /* of input that is not UTF-8; NULL = refuse it */
    enum text_unicode unicode;
    enum text_transliterate transliterate;
    unsigned max_parts;
    enum session_subject mail_subject;
    unsigned mail_max_parts;
    enum session_too_long mail_too_long;
    enum session_mail_options mail_options; /* whose X-SMS- headers are obeyed */
    size_t mail_max_size;
    bool mail_keeps_signature;   /* what follows "-- " is text */
    bool offers_tls;             /* STARTTLS; there is a certificate */
    bool takes_any_login;        /* AUTH is offered; every name and password is accepted */
    bool requires_login;         /* of all whom the system does not name, also on this machine */
    bool has_users;              /* AUTH is offered, to users; not both of them */
    bool mail_takes_automatic;   /* bounces and automatic replies are sent like other mails */
    struct session_tally *tally; /* NULL = nothing is counted */
};

#endif
