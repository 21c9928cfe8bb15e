/*
 * conf: struct conf, the settings of a relay.
 *
 * conf/table.c says what each setting is called and what it may be, conf/load.h where its value
 * comes from. What it means is for the parts that get it.
 * Thread: made by the main thread at start-up; afterwards read-only, so that any may read it.
 */
#ifndef CONF_CONF_H
#define CONF_CONF_H

#include "conf/value.h"

#include <stdint.h>

/* Choices, in the order of their words in conf/table.c. */
enum conf_control { CONF_CONTROL_UNIX, CONF_CONTROL_ALL };
enum conf_durability { CONF_DURABILITY_ALWAYS, CONF_DURABILITY_NONE };
enum conf_unicode { CONF_UNICODE_AUTO, CONF_UNICODE_YES, CONF_UNICODE_NO };
enum conf_transliterate {
    CONF_TRANSLITERATE_PUNCTUATION,
    CONF_TRANSLITERATE_NO,
    CONF_TRANSLITERATE_ALL
};
enum conf_signature { CONF_SIGNATURE_DROP, CONF_SIGNATURE_KEEP };
enum conf_auto_submitted { CONF_AUTO_SUBMITTED_REFUSE, CONF_AUTO_SUBMITTED_SEND };
enum conf_require { CONF_REQUIRE_STRANGERS, CONF_REQUIRE_ALL };
enum conf_auth { CONF_AUTH_NONE, CONF_AUTH_ANY };
enum conf_subject { CONF_SUBJECT_PREFIX, CONF_SUBJECT_IGNORE, CONF_SUBJECT_ONLY };
enum conf_options { CONF_OPTIONS_LOCAL, CONF_OPTIONS_YES, CONF_OPTIONS_NO };
enum conf_too_long { CONF_TOO_LONG_TRUNCATE, CONF_TOO_LONG_REFUSE };
enum conf_log_level { CONF_LOG_ERROR, CONF_LOG_WARN, CONF_LOG_INFO, CONF_LOG_DEBUG };
enum conf_log_format { CONF_LOG_LOGFMT, CONF_LOG_JSON };
enum conf_log_privacy { CONF_LOG_MASK, CONF_LOG_FULL };
enum conf_yes_no { CONF_NO, CONF_YES };
enum conf_page_privacy { CONF_PAGE_MASK, CONF_PAGE_FULL };

/* Strings are never NULL: "" is "not set". Sizes are bytes. */
struct conf {
    struct {
        struct conf_list address;     /* for conf_address_split() */
        struct conf_list networks;    /* for conf_network_parse() */
        struct conf_list tls_address; /* as address, for TLS at once */
        char *unix_path;
        int control; /* enum conf_control */
        char *control_group;
        int max_connections;
        int64_t max_line;
        int max_recipients;
        int64_t min_idle_ms;     /* before a client makes room for another */
        int64_t idle_timeout_ms; /* 0 = never */
        int64_t ack_timeout_ms;
    } listen;
    struct {
        char *certificate; /* path of a file; "" = no TLS */
        char *key;         /* for conf_secret_privacy() */
    } tls;
    struct {
        char *url; /* without a final slash; "sandbox" = the simulator in this process */
        char *token;
        char *token_file; /* for conf_secret_read() */
        char *ca_file;
        int64_t timeout_ms;
        int64_t connect_timeout_ms;
    } api;
    struct {
        int bulk_max;
        int connections;
        int peers;
        int64_t retry_min_ms;
        int64_t retry_max_ms;
        int64_t settle_delay_ms;
        int history_pages;
        int ambiguous_resends;
    } relay;
    struct {
        char *path;     /* of the store; "" = in memory only, regardless of durability */
        int durability; /* enum conf_durability */
        int max_messages;
        int64_t max_bytes;
        int64_t max_disk;
        int64_t reserve; /* bytes of the volume that new messages leave free */
        int64_t max_age_ms;
        int64_t retention_ms; /* 0 = forget finished messages at once */
        int64_t drain_timeout_ms;
    } queue;
    struct {
        int others; /* percent */
        int awaits;
        int unanswered;
        int peer_connections; /* 0 = any number, as of those below */
        int peer_connects;    /* a minute, as those below */
        int peer_commands;
        int peer_logins;
        int64_t login_time_ms;
    } limits;
    struct {
        char *users; /* path of a file; "" = there are no users */
        int require; /* enum conf_require */
    } auth;
    struct {
        char *default_from;
        struct conf_list senders;
        char *default_country;
        char *aliases; /* path of a file */
        char *charset; /* an iconv name, or "none" */
        int unicode;   /* enum conf_unicode */
        int max_parts;
        int transliterate; /* enum conf_transliterate */
    } sms;
    struct {
        int subject;        /* enum conf_subject */
        int signature;      /* enum conf_signature */
        int auto_submitted; /* enum conf_auto_submitted */
        int auth;           /* enum conf_auth */
        int options;        /* enum conf_options */
        int max_parts;
        int too_long; /* enum conf_too_long */
        int64_t max_size;
    } smtp;
    struct {
        char *address; /* "" = no such listener */
        int tls;       /* enum conf_yes_no */
        struct conf_list networks;
        char *secret;
        int64_t poll_ms; /* 0 = no */
        char *webhook;   /* "" = there is none, as with exec */
        char *webhook_secret;
        char *webhook_ca_file;
        char *exec; /* a path and arguments, separated by spaces */
        int backlog;
    } reports;
    struct {
        char *optout_file;
        struct conf_list never_optout;
        struct conf_list stop_words, start_words;
    } policy;
    struct {
        char *address; /* "" = no such listener */
        int tls;       /* enum conf_yes_no */
        struct conf_list networks;
        struct conf_list hosts;
        int page_privacy; /* enum conf_page_privacy */
        int64_t max_wait_ms;
    } http;
    struct {
        char *address; /* "" = no such listener */
        struct conf_list networks;
    } submit;
    struct {
        char *address; /* "" = any free port */
        char *token;
        int64_t latency_ms;
        int limit;
        int64_t window_ms;
        char *webhook;
    } sandbox;
    struct {
        int level;   /* enum conf_log_level */
        int format;  /* enum conf_log_format */
        int privacy; /* enum conf_log_privacy */
    } log;
};

#endif
