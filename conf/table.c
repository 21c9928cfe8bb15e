/* table: THE table of settings. See the header. Thread: any. */
#include "conf/table.h"

#include "conf/conf.h"
#include "conf/rules.h"

enum { KB = 1 << 10, MB = 1 << 20 };
#define GB     ((int64_t)1 << 30)
#define SECOND ((int64_t)1000)
#define MINUTE (60 * SECOND)
#define HOUR   (60 * MINUTE)
#define DAY    (24 * HOUR)

/* The offset of a field; does not compile if the field is not of the type that the row fills. */
#define FIELD(type, member) \
    (offsetof(struct conf, member) + 0 * sizeof(_Generic(((struct conf *)NULL)->member, type : 0)))

/* The last argument of each is the help; COMMON may follow it. */
#define ROW(at, key, kind, ctype, member, value, ...)                                  \
    {                                                                                  \
        .section = #at, .name = #key, .type = kind, .offset = FIELD(ctype, at.member), \
        .initial = value, __VA_ARGS__                                                  \
    }
#define STRING(at, key, value, check, ...) \
    ROW(at, key, CONF_STRING, char *, key, value, .rule = check, .help = __VA_ARGS__)
#define SECRET(at, key, value, check, ...) \
    ROW(at, key, CONF_SECRET, char *, key, value, .rule = check, .help = __VA_ARGS__)
#define LIST(at, key, value, check, ...) \
    ROW(at, key, CONF_LIST, struct conf_list, key, value, .rule = check, .help = __VA_ARGS__)
#define NUMBER(at, key, value, low, high, ...) \
    ROW(at, key, CONF_NUMBER, int, key, value, .min = low, .max = high, .help = __VA_ARGS__)
#define TIME(at, key, value, low, high, ...) \
    ROW(at, key, CONF_TIME, int64_t, key##_ms, value, .min = low, .max = high, .help = __VA_ARGS__)
#define SIZE(at, key, value, low, high, ...) \
    ROW(at, key, CONF_SIZE, int64_t, key, value, .min = low, .max = high, .help = __VA_ARGS__)
#define CHOICE(at, key, value, list, ...) \
    ROW(at, key, CONF_CHOICE, int, key, value, .words = list, .help = __VA_ARGS__)
#define COMMON .is_common = true

/* clang-format off */
const struct conf_key conf_keys[] = {
    STRING(api, token_file, "", NULL,
        "A file that holds the API token and nothing else. It must be private: owned by root or by "
        "the relay's user, mode 0640 or less. A container's secret, which is root's and on a "
        "read-only mount of its own, may be readable for all: the log then has a warning. The relay "
        "reads the file again when it changes and when the API refuses the token, so a new token "
        "needs no restart.",
        COMMON),
    SECRET(api, token, "", conf_rule_token,
        "The token itself, instead of token_file; INSTASENT_TOKEN in the environment also sets it, "
        "and counts before a token_file in this file. "
        "A token is required unless url is sandbox. A settings file that holds one must be as "
        "private as a token_file."),
    STRING(api, url, "https://api.instasent.com/transactional/v1", conf_rule_api,
        "Where messages are relayed to: an https URL (http on loopback only). The word `sandbox` "
        "starts a simulated API inside the relay: see [sandbox]."),
    STRING(api, ca_file, "", NULL,
        "A file of CA certificates (PEM) to trust instead of the system's."),
    TIME(api, timeout, "30s", 1, HOUR,
        "How long a request may take, connecting included. A request that was sent but not "
        "answered in time is looked up in the API's history before it is sent again."),
    TIME(api, connect_timeout, "10s", 1, HOUR,
        "How long connecting may take."),

    STRING(sms, default_from, "", conf_rule_sender,
        "The sender of messages that name none: 1 to 11 letters, digits, spaces or .-_& with a "
        "letter among them, or 3 to 15 digits. Empty: such messages are refused.",
        COMMON),
    LIST(sms, senders, "", conf_rule_sender,
        "The only senders that clients may use. Empty: any. default_from must be one of them.",
        COMMON),
    STRING(sms, default_country, "", conf_rule_country,
        "The calling code, such as 34, of the country whose numbers clients write as they dial them "
        "there. Empty: numbers without + or 00 are taken as international.",
        COMMON),
    STRING(sms, aliases, "", NULL,
        "A file of aliases: names that clients may use in place of numbers. Each line is `oncall: "
        "+34600000001, +34600000002`, or a comment that begins with #. A name has 1 to 64 letters, "
        "digits and ._-, in any case, with a letter among them; it stands for up to 1000 numbers, "
        "not for other names; 100000 numbers in all. The relay reads the file again on SIGHUP "
        "(systemctl reload); if the file is then wrong, the log says where, and the old aliases "
        "remain. The relay's user must be able to read it.",
        COMMON),
    STRING(sms, charset, "windows-1252", conf_rule_charset,
        "The character set of text that is not UTF-8: any that `iconv -l` lists, or `none` to "
        "refuse such text."),
    CHOICE(sms, unicode, "auto", "auto|yes|no",
        "UCS-2, whose parts hold 70 characters instead of 160: `auto` = where the text needs it, "
        "`yes` = always, `no` = never: a text that needs it is refused. Clients can override this."),
    CHOICE(sms, transliterate, "punctuation", "punctuation|no|all",
        "What may be replaced if that turns a text into GSM-7: `punctuation` = typographic quotes, "
        "dashes and the like, `all` = accented letters too, `no` = nothing."),
    NUMBER(sms, max_parts, "10", 1, 100,
        "Maximum parts of one message. A longer text is refused."),

    STRING(queue, path, "", conf_rule_store,
        "The file that keeps the queue. Its directory must exist; while the relay runs, two "
        "more stand beside it, with -wal and -synced after its name. Only one relay may use it. Empty: "
        "$STATE_DIRECTORY/queue.db if that variable is set (systemd sets it for a service with "
        "StateDirectory=), else the queue is in memory only.",
        COMMON),
    CHOICE(queue, durability, "always", "always|none",
        "What a 250 promises: `always` = the message is on the disk, and survives a crash and a "
        "power failure. `none` = it is in memory: a crash loses it, and so does an orderly stop "
        "if it is not sent within drain_timeout. Without a path it is `none` in any case."),
    NUMBER(queue, max_messages, "1000000", 1, 100000000,
        "Maximum number of unfinished messages of one user. Beyond that, clients get 452 and try again later."),
    SIZE(queue, max_bytes, "1g", 64 * KB, 1024 * GB,
        "Maximum memory for all messages. Beyond that, clients get 452 and try again later."),
    SIZE(queue, max_disk, "32g", 4 * MB, 1024 * GB,
        "Maximum size of path. As the file comes near to it, finished messages are forgotten before "
        "their retention ends, oldest first; then clients get 452 and try again later."),
    SIZE(queue, reserve, "64m", 0, 1024 * GB,
        "How much of the volume of path new messages leave free, up to a twentieth of it: the relay "
        "needs it to record what becomes of messages. As the volume fills up, finished messages are "
        "forgotten before their retention ends, oldest first; then clients get 452 and try again "
        "later. 0: none is left free."),
    TIME(queue, max_age, "24h", 1, 365 * DAY,
        "A message that was not sent within this time expires; it counts from AT, if the message "
        "has one. A message with a TTL expires by that instead."),
    TIME(queue, retention, "7d", 0, 365 * DAY,
        "How long finished messages can be asked for, and their REFs stay taken. Without a file "
        "they take 64 MB at most, and the oldest are forgotten first. 0: they are forgotten at "
        "once."),
    TIME(queue, drain_timeout, "30s", 0, HOUR,
        "How long a stopping relay goes on sending what is queued, and waits for answers. The service "
        "manager must wait longer. What is left stays in the file for the next start; without a "
        "file it is lost, and the log says how much."),

    NUMBER(limits, others, "10", 0, 90,
        "What others find when one user has filled the queue, in percent: so much more than "
        "queue.max_messages, queue.max_bytes and listen.max_connections, which one user may fill, "
        "and so much of queue.max_disk, which one user leaves free."),
    NUMBER(limits, awaits, "250000", 1, 100000000,
        "How many messages the clients of one user may wait for, with ACK=relayed and WATCH together. "
        "Each takes about 300 bytes. Beyond that, clients get 452."),
    NUMBER(limits, unanswered, "65536", 1, 100000000,
        "How many commands the clients of one user may have without a reply, besides one for each client. "
        "Beyond that, the relay reads a client's next command once it has replied to an earlier "
        "one. One client alone may have 1024."),
    NUMBER(limits, peer_connections, "100", 0, 1000000,
        "How many clients of one address there may be at a time. This limit and those below are for "
        "other machines, never for this one. Of IPv6, the addresses of a /64 count as one. Who goes "
        "beyond it gets 421 and is disconnected. 0: no limit."),
    NUMBER(limits, peer_connects, "6000", 0, 100000000,
        "How many new clients of one address there may be in a minute. 0: no limit."),
    NUMBER(limits, peer_commands, "600000", 0, 100000000,
        "How many commands all clients of one address may send in a minute. 0: no limit."),
    NUMBER(limits, peer_logins, "600", 0, 100000000,
        "How many logins all clients of one address may try in a minute. 0: no limit."),
    TIME(limits, login_time, "30s", SECOND, HOUR,
        "How long a client may take to log in, if it may do nothing without. Then it is "
        "disconnected."),

    LIST(listen, address, "127.0.0.1:2525", conf_rule_address,
        "Where clients connect: ADDRESS:PORT or [IPv6]:PORT, one or more. Port 0 is any free port, "
        "which the log then names. 0.0.0.0 stands for every address of IPv4, [::] for every "
        "address. Beyond loopback (127.0.0.0/8, ::1, localhost), networks must say which devices "
        "may send. NETWORK.md shows how to let a printer, a NAS or a container in.",
        COMMON),
    LIST(listen, networks, "", conf_rule_network,
        "Whom to trust: networks such as 192.168.7.0/24 or fd00::/8, and single addresses. Whoever "
        "connects from there may send, in plain text and without a login. Behind a proxy, or a "
        "container's gateway, everybody comes from its address. Clients on this machine need no "
        "network.",
        COMMON),
    LIST(listen, tls_address, "", conf_rule_address,
        "Where clients connect that begin with TLS at once (port 465 is meant for it): as address. "
        "It needs tls.certificate. Empty: nowhere; STARTTLS is for address.",
        COMMON),
    /* Not STRING: `unix` is a macro of some compilers, so the field has another name. */
    ROW(listen, unix, CONF_STRING, char *, unix_path, "", .rule = conf_rule_socket, .help =
        "The path of a Unix socket for clients, at most 107 bytes. Empty: "
        "$RUNTIME_DIRECTORY/smsrelay.sock if that variable is set (systemd sets it for a service "
        "with RuntimeDirectory=), else none.",
        COMMON),
    CHOICE(listen, control, "unix", "unix|all",
        "Who may use the operator's commands (QUEUE LIST, WATCH, FLUSH, HOLD, RELEASE, RETRY, "
        "OPTOUT) and see the messages of other clients: `unix` = at the Unix socket, root, the "
        "relay's own user and control_group; `all` = every client on this machine."),
    STRING(listen, control_group, "", NULL,
        "A group whose members have the operator's rights at the Unix socket."),
    NUMBER(listen, max_connections, "1000", 1, 1000000,
        "Maximum number of clients. When one more connects, the one that has been silent for "
        "longest is disconnected, if that is min_idle or more; else the new one is refused."),
    TIME(listen, min_idle, "10s", 0, HOUR,
        "How long a client must have been silent before it is disconnected to make room for "
        "another."),
    SIZE(listen, max_line, "64k", KB, MB,
        "The longest line that a client may send. It limits the text of SEND and TEXT, and JSON."),
    NUMBER(listen, max_recipients, "1000", 1, 10000,
        "Maximum recipients of one submission."),
    TIME(listen, idle_timeout, "0", 0, 30 * DAY,
        "How long a client may be silent before it is disconnected. 0: for ever, but five minutes for "
        "one on another machine."),
    TIME(listen, ack_timeout, "30s", 1, HOUR,
        "How long a submission with ACK=relayed waits for the API's answer. After that, the client "
        "is told the message's current state instead."),

    STRING(tls, certificate, "", NULL,
        "A file with the relay's certificate, then those that lead from it to a CA (PEM; Let's "
        "Encrypt calls it fullchain.pem). With it, clients of listen.address may encrypt their "
        "connections (STARTTLS), and listen.tls_address is possible. The relay reads certificate "
        "and key again on SIGHUP (systemctl reload); if they are then wrong, the log says why, "
        "and it goes on with those that it has. Empty: no TLS.",
        COMMON),
    STRING(tls, key, "", NULL,
        "The file with its private key (PEM, without a passphrase). It must be private: owned by "
        "root or by the relay's user, mode 0640 or less.",
        COMMON),

    STRING(auth, users, "", NULL,
        "A file of up to 10000 users: who may log in (AUTH PLAIN and LOGIN), and what he may do then. "
        "`smsrelay user add NAME` adds one with a password, `smsrelay user token NAME` one with a "
        "token. Each line is `name:hash`, or `name:hash:key=value ...`, or a comment that begins "
        "with #. The keys: `senders=Acme,Shop` are the only senders that this user may use, the "
        "first his default; `rights=submit,ask,control` is what he may do (`submit,ask` unless it "
        "is set): send messages, ask about his own and cancel them, use the operator's commands. "
        "The file must be as private as api.token_file. The relay reads it again on SIGHUP "
        "(systemctl reload); if it is then wrong, the log says where, and the old users remain. "
        "Empty: there are no users.",
        COMMON),
    CHOICE(auth, require, "strangers", "strangers|all",
        "Who must log in before anything else: `strangers` = those on other machines whose address is "
        "not in listen.networks; `all` = everybody, those and this machine's programs too, lest one of "
        "them be led to write to the port (by a gopher:// URL, say); but not at the Unix socket, where "
        "the system says who it is."),

    CHOICE(smtp, subject, "prefix", "prefix|ignore|only",
        "The subject of a mail: `prefix` = put before the text, `only` = sent instead of the text, "
        "`ignore` = left out.",
        COMMON),
    NUMBER(smtp, max_parts, "3", 1, 100,
        "Maximum parts of a message that came as mail; too_long says what happens to longer ones.",
        COMMON),
    CHOICE(smtp, too_long, "truncate", "truncate|refuse",
        "A mail of more than max_parts: `truncate` = cut, with an ellipsis, `refuse` = refused."),
    SIZE(smtp, max_size, "25m", KB, GB,
        "The largest mail, attachments included."),
    CHOICE(smtp, signature, "drop", "drop|keep",
        "A mail's signature, which follows a line of \"-- \": `drop` = left out, `keep` = text like "
        "the rest."),
    CHOICE(smtp, auto_submitted, "refuse", "refuse|send",
        "Bounces (multipart/report) and automatic replies (Auto-Submitted: auto-replied): `refuse` "
        "= they get 550 5.7.1, `send` = they are sent like other mails."),
    CHOICE(smtp, options, "local", "local|yes|no",
        "Whether the headers X-SMS-Ref, -TTL, -Priority and -At of a mail set the options of its "
        "message: `local` = unless a mail server has relayed it (it has a Received header, and "
        "anybody may have written it), `yes`, `no`."),
    /* `any` is not for strangers: see command_auth. */
    CHOICE(smtp, auth, "none", "none|any",
        "Logins (AUTH PLAIN and LOGIN), for programs and devices that insist on one: `none` = not "
        "offered, `any` = every name and password is accepted, but strangers'. It protects nothing: [listen] "
        "decides who may send."),

    STRING(reports, address, "", conf_rule_address,
        "Where the API's delivery reports and inbound messages arrive: ADDRESS:PORT, by itself for a "
        "proxy or tunnel of yours on this machine. Port 0 is any free port. Empty: nowhere. Set the "
        "webhook of your token to https://<your proxy>/dlr/<secret>.",
        COMMON),
    CHOICE(reports, tls, "no", "no|yes",
        "`yes` = address speaks HTTPS alone. Not in this version."),
    LIST(reports, networks, "", conf_rule_network,
        "From where reports may be posted without TLS, besides this machine: the address of such a "
        "proxy, or its network."),
    SECRET(reports, secret, "", conf_rule_path_secret,
        "The last part of that URL: 16 or more letters, digits or -._~; `openssl rand -hex 16` "
        "makes a good one; none is needed if api.url is sandbox. Those who can read it can forge "
        "reports: this file must be private (mode 600) if it is set here, and not as "
        "SMSRELAY_REPORTS_SECRET in the environment.",
        COMMON),
    ROW(reports, poll, CONF_TIME, int64_t, poll_ms, "no", .min = SECOND, .max = DAY, .words = "no",
        .help =
        "For a machine that the API cannot reach: how often to ask the API's history what became "
        "of messages. Older messages are asked about less and less often, for three days. 30s is a "
        "good value; less than 5s is for tests. `no` = never."),
    SECRET(reports, webhook, "", conf_rule_webhook,
        "A URL of yours that is told what becomes of messages, by POST. https, or http on loopback. "
        "Empty: none. WEBHOOK.md shows what is posted and how it is signed. A URL that is a secret "
        "itself can be set as SMSRELAY_REPORTS_WEBHOOK in the environment instead."),
    SECRET(reports, webhook_secret, "", conf_rule_signing_key,
        "The key that signs these requests: 16 or more characters, or `whsec_` and a key in base64. "
        "This file must be private (mode 600) if it is set here, and not as "
        "SMSRELAY_REPORTS_WEBHOOK_SECRET in the environment."),
    STRING(reports, webhook_ca_file, "", NULL,
        "A file of CA certificates (PEM) to trust, for that URL, instead of the system's."),
    STRING(reports, exec, "", conf_rule_program,
        "A program that is told the same: its path and arguments, separated by spaces. It reads a "
        "line of JSON for each notice on its standard input. No shell is involved. The program is "
        "started again when it ends. Empty: none."),
    NUMBER(reports, backlog, "100000", 100, 10000000,
        "Maximum number of notices that wait for the webhook or the program. Beyond that, the oldest "
        "are dropped, counted (changes_dropped_total) and logged. They are kept in memory, at most "
        "a kilobyte each on average, and in the store if there is one."),

    STRING(submit, address, "", conf_rule_address,
        "Where programs submit over HTTP, as they would to the Transactional API itself: "
        "SUBMIT.md shows how. Every request needs the token or password of a user of auth.users. A "
        "request may name the relay by its address, or by a host of http.hosts. ADDRESS:PORT; "
        "0.0.0.0 stands for every address of IPv4, [::] for every address. Port 0 is any free port. "
        "Empty: nowhere.",
        COMMON),
    LIST(submit, networks, "", conf_rule_network,
        "From where programs may submit in plain text, with their token, besides this machine: networks "
        "such as 192.168.7.0/24, and single addresses. Whoever can listen there learns the tokens."),

    STRING(http, address, "", conf_rule_address,
        "Where the relay reports about itself: a page at / to look at, /metrics for Prometheus, "
        "/livez and /readyz for probes. ADDRESS:PORT; 0.0.0.0 stands for every address of IPv4, "
        "[::] for every address. Port 0 is any free port. Empty: nowhere.",
        COMMON),
    CHOICE(http, tls, "no", "no|yes",
        "`yes` = address speaks HTTPS alone. Not in this version."),
    LIST(http, networks, "", conf_rule_network,
        "Who may ask, besides this machine: networks such as 192.168.7.0/24, and single addresses. "
        "Whoever connects from there may see all of it, without a login."),
    LIST(http, hosts, "", conf_rule_host,
        "Host names and addresses under which others ask for the page and the metrics: those of this "
        "machine in its network, of a proxy, of a pod. Requests for any other host are refused, so "
        "that web pages cannot make them; this machine may also ask under those of loopback. /livez "
        "and /readyz answer whatever the host, but /readyz gives its reason only under one that is "
        "listed, or any if `*` is."),
    CHOICE(http, page_privacy, "mask", "mask|full",
        "Phone numbers on the page: `mask` = the first and last digits only, `full` = whole, and "
        "with the API's reasons for refusals. Texts are shown of simulated messages only."),
    TIME(http, max_wait, "15m", 0, 365 * DAY,
        "/readyz says no once a message has been waiting to be sent for this long, the time before "
        "its AT not counted. 0: however long it waits."),

    STRING(policy, optout_file, "", NULL,
        "A file of numbers that have opted out, one a line. Nothing is sent to them, nor to those "
        "that opted out by an answer that is a stop word (which needs reports.address or "
        "reports.poll) or by `smsrelay optout add`. The relay reads the file again on SIGHUP."),
    LIST(policy, never_optout, "", NULL,
        "Numbers that no opt-out silences: on-call phones."),
    LIST(policy, stop_words, "STOP, STOPALL, UNSUBSCRIBE, CANCEL, END, QUIT, BAJA, ARRET", NULL,
        "Answers from a phone that opt its number out, in any case."),
    LIST(policy, start_words, "START, UNSTOP, ALTA", NULL,
        "Answers that opt it in again."),

    NUMBER(relay, bulk_max, "100", 1, 100,
        "Maximum messages in one request."),
    NUMBER(relay, connections, "4", 1, 64,
        "Maximum requests at a time."),
    NUMBER(relay, peers, "1", 1, 1000,
        "How many relays use this account, this one included, each with a queue of its own. They "
        "share its rate limit: each keeps back as many requests as the others may have under way."),
    TIME(relay, retry_min, "1s", 1, HOUR,
        "The first wait after the API failed. Waits double up to retry_max, with jitter."),
    TIME(relay, retry_max, "60s", 1, DAY,
        "The longest wait after the API failed."),
    TIME(relay, settle_delay, "10s", 0, HOUR,
        "After a request without an answer: how long to wait before asking the API's history what "
        "became of its messages."),
    NUMBER(relay, history_pages, "100", 1, 100000,
        "How many pages of the history to search that show none of these messages."),
    NUMBER(relay, ambiguous_resends, "1", 0, 5,
        "How often to send a message again that got no clear answer, and of which the history does "
        "not prove that the API has it or has it not. Each time it may arrive once more. Then it "
        "is `unresolved` until the operator says RETRY or CANCEL."),

    STRING(sandbox, address, "", conf_rule_loopback,
        "The simulated API, of `api.url = sandbox` and of `smsrelay sandbox`: where it listens, "
        "HOST:PORT on loopback. Empty: any free port of 127.0.0.1."),
    SECRET(sandbox, token, "sandbox", conf_rule_token,
        "The token that it accepts. It is no secret."),
    TIME(sandbox, latency, "0", 0, 10 * MINUTE,
        "How long it takes to answer."),
    NUMBER(sandbox, limit, "1200", 1, 1000000,
        "Its rate limit: maximum requests to one endpoint in a window."),
    TIME(sandbox, window, "60s", 1, HOUR,
        "The length of that window."),
    STRING(sandbox, webhook, "", conf_rule_loopback_url,
        "A URL on loopback that it posts delivery reports to. Empty: with `api.url = sandbox`, this "
        "relay's reports.address if there is one; else none are sent."),

    CHOICE(log, level, "info", "error|warn|info|debug",
        "The least important lines to log: error, warn, info or debug.",
        COMMON),
    CHOICE(log, format, "logfmt", "logfmt|json",
        "`logfmt` = key=value pairs, `json` = a JSON object on each line."),
    CHOICE(log, privacy, "mask", "mask|full",
        "Phone numbers in the log: `mask` = the first and last digits only, `full` = whole. Texts "
        "and tokens are never logged."),
};
/* clang-format on */

const size_t conf_key_count = sizeof conf_keys / sizeof conf_keys[0];

const struct conf_removed conf_removed[] = {
    {"relay", "linger", NULL,
     "no longer exists: a message never waits for others to share its request; delete this "
     "setting"},
    {"relay", "on_ambiguous", NULL,
     "no longer exists: write ambiguous_resends = 1 instead of retry, or 0 instead of hold"},
    {"listen", "max_errors", NULL,
     "no longer exists: a connection ends after 20 syntax errors in a row; delete this setting"},
    {"queue", "durability", "shutdown",
     "shutdown is no longer supported; use always, which also keeps the queue at a stop, or none"},
};

const size_t conf_removed_count = sizeof conf_removed / sizeof conf_removed[0];
