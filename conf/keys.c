/* keys: the table of settings and what follows from it. See the header. Thread: any. */
#include "conf/keys.h"

#include "conf/secret.h"
#include "conf/value.h"

#include <ctype.h>
#include <errno.h>
#include <iconv.h>
#include <inttypes.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/un.h>

/* --- what strings must be --------------------------------------------------------------------- */

static const char *listen_complaint(const char *value)
{
    char host[CONF_HOST_SIZE];
    uint16_t port;
    if (!conf_address_split(value, host, &port)) {
        return "must be HOST:PORT or [IPv6]:PORT";
    }
    if (!conf_host_is_loopback(host)) {
        return "must be on loopback (127.0.0.0/8, ::1, localhost): authentication and TLS do not "
               "exist yet";
    }
    return NULL;
}

static const char *socket_complaint(const char *value)
{
    size_t size = sizeof((struct sockaddr_un *)NULL)->sun_path;
    return strlen(value) < size ? NULL : "must be at most 107 bytes long";
}

/* SQLite opens the store, and to it ":memory:" and "file:..." are no names of files. */
static const char *store_complaint(const char *value)
{
    bool is_special = *value == ':' || strncasecmp(value, "file:", strlen("file:")) == 0;
    bool is_directory = value[strlen(value) - 1] == '/';
    return is_special || is_directory
               ? "must be the path of a file (put ./ before a name that begins with : or file:)"
               : NULL;
}

static const char *api_complaint(const char *value)
{
    struct conf_url url;
    if (strcmp(value, "sandbox") == 0) {
        return NULL;
    }
    if (!conf_url_split(value, &url) || strpbrk(value, "?#") != NULL) {
        return "must be https://HOST[:PORT][/PATH], without user, query or fragment, or the word "
               "sandbox";
    }
    if (!url.is_https && !conf_host_is_loopback(url.host)) {
        return "must begin with https:// (http:// is for loopback only), or the token could be "
               "read on the way";
    }
    return NULL;
}

static const char *webhook_complaint(const char *value)
{
    struct conf_url url;
    return conf_url_split(value, &url) && conf_host_is_loopback(url.host)
               ? NULL
               : "must be an http or https URL on loopback";
}

/* Changes hold numbers and texts: they are not to be read on the way. */
static const char *told_complaint(const char *value)
{
    struct conf_url url;
    bool is_url = conf_url_split(value, &url) && strchr(value, '#') == NULL;
    return is_url && (url.is_https || conf_host_is_loopback(url.host))
               ? NULL
               : "must be https://HOST[:PORT][/PATH], without user or fragment (http:// is for "
                 "loopback only)";
}

/* `whsec_` and base64, or any other 16 characters or more. */
static const char *told_secret_complaint(const char *value)
{
    static const char prefix[] = "whsec_";
    static const char base64[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
                                 "0123456789+/"; /* RFC 4648, 4 */
    if (strncmp(value, prefix, strlen(prefix)) != 0) {
        return strlen(value) >= 16 ? NULL : "must be 16 or more characters";
    }
    value += strlen(prefix);
    size_t len = strlen(value);
    size_t digits = strspn(value, base64);
    bool is_whole =
        len % 4 == 0 && len - digits <= 2 && strspn(value + digits, "=") == len - digits;
    return is_whole && digits >= 22 ? NULL : "must be 16 or more bytes in base64 behind whsec_";
}

static const char *program_complaint(const char *value)
{
    return *value == '/' ? NULL
                         : "must be the path of a program, beginning with /, and its arguments";
}

static const char *token_complaint(const char *value)
{
    if (strlen(value) > CONF_SECRET_MAX) {
        return "must be at most 4096 bytes long";
    }
    return conf_secret_is_token(value, strlen(value)) ? NULL
                                                      : "must be printable ASCII without spaces";
}

static const char *secret_complaint(const char *value)
{
    static const char unreserved[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
                                     "0123456789-._~"; /* RFC 3986 2.3 */
    return strlen(value) >= 16 && value[strspn(value, unreserved)] == '\0'
               ? NULL
               : "must be 16 or more letters, digits or -._~";
}

static const char *sender_complaint(const char *value)
{
    size_t len = strlen(value);
    for (size_t i = 0; i < len; i++) {
        if (!isprint((unsigned char)value[i])) {
            len = 0;
        }
    }
    return len >= 1 && len <= 15 ? NULL : "must be 1 to 15 printable ASCII characters";
}

static const char *country_complaint(const char *value)
{
    size_t digits = strspn(value, "0123456789");
    return digits >= 1 && digits <= 4 && value[digits] == '\0' && value[0] != '0'
               ? NULL
               : "must be a calling code, digits only: 34";
}

static const char *charset_complaint(const char *value)
{
    static const char sentence[] = "must be a character set that iconv knows (see iconv -l), or "
                                   "the word none";
    if (strcmp(value, "none") == 0) {
        return NULL;
    }
    /* No "//": iconv takes options after it, and one of them drops what it cannot convert. */
    for (const char *c = value; *c != '\0'; c++) {
        if (!isalnum((unsigned char)*c) && strchr("-_.:+", *c) == NULL) {
            return sentence;
        }
    }
    iconv_t converter = iconv_open("UTF-8", value);
    if (converter == (iconv_t)-1) {
        return sentence;
    }
    iconv_close(converter);
    return NULL;
}

/* --- the table -------------------------------------------------------------------------------- */

enum { KB = 1 << 10, MB = 1 << 20 };
#define GB     ((int64_t)1 << 30)
#define SECOND ((int64_t)1000)
#define MINUTE (60 * SECOND)
#define HOUR   (60 * MINUTE)
#define DAY    (24 * HOUR)

/* The offset of a field; does not compile if the field is not of the type that the row fills. */
#define FIELD(type, member) \
    (offsetof(struct conf, member) + 0 * sizeof(_Generic(((struct conf *)NULL)->member, type : 0)))

#define ROW(at, key, kind, ctype, member, value, text, ...)                            \
    {                                                                                  \
        .section = #at, .name = #key, .type = kind, .offset = FIELD(ctype, at.member), \
        .initial = value, .help = text, __VA_ARGS__                                    \
    }
#define STRING(at, key, value, check, text) \
    ROW(at, key, CONF_STRING, char *, key, value, text, .complaint = check)
#define SECRET(at, key, value, check, text) \
    ROW(at, key, CONF_SECRET, char *, key, value, text, .complaint = check)
#define LIST(at, key, value, check, text) \
    ROW(at, key, CONF_LIST, struct conf_list, key, value, text, .complaint = check)
#define NUMBER(at, key, value, low, high, text) \
    ROW(at, key, CONF_NUMBER, int, key, value, text, .min = low, .max = high)
#define TIME(at, key, value, low, high, text) \
    ROW(at, key, CONF_TIME, int64_t, key##_ms, value, text, .min = low, .max = high)
/* A time, or the word `no`, which is 0. */
#define TIME_OR_NO(at, key, value, low, high, text) \
    ROW(at, key, CONF_TIME, int64_t, key##_ms, value, text, .min = low, .max = high, .words = "no")
#define SIZE(at, key, value, low, high, text) \
    ROW(at, key, CONF_SIZE, int64_t, key, value, text, .min = low, .max = high)
#define CHOICE(at, key, value, list, text) \
    ROW(at, key, CONF_CHOICE, int, key, value, text, .words = list)

/* clang-format off */
const struct conf_key conf_keys[] = {
    LIST(listen, address, "127.0.0.1:2525", listen_complaint,
         "where to listen: HOST:PORT, [IPv6]:PORT; port 0 = any free one; loopback only"),
    /* Not STRING: `unix` is a macro of some compilers, so the field has another name. */
    ROW(listen, unix, CONF_STRING, char *, unix_path, "",
        "path of a Unix socket; unset: $RUNTIME_DIRECTORY/smsrelay.sock if there is one, else none",
        .complaint = socket_complaint),
    CHOICE(listen, control, "unix", "unix|all",
         "who may use the operator's commands: the Unix socket only, or every client"),
    STRING(listen, control_group, "", NULL,
         "group whose members may use the operator's commands at the Unix socket"),
    NUMBER(listen, max_connections, "1000", 1, 1000000, "clients at a time"),
    SIZE(listen, max_line, "64k", KB, MB, "the longest line that a client may send"),
    NUMBER(listen, max_recipients, "1000", 1, 10000, "recipients of one submission"),
    TIME(listen, idle_timeout, "0", 0, 30 * DAY, "close a connection that was silent so long; 0 = never"),
    TIME(listen, ack_timeout, "30s", 1, HOUR, "how long ACK=relayed waits for the API's answer"),

    STRING(api, url, "https://api.instasent.com/transactional/v1", api_complaint,
         "the API; or the word sandbox: a simulated API inside the relay"),
    SECRET(api, token, "", token_complaint, "the API token; better kept in a file of its own"),
    STRING(api, token_file, "", NULL,
         "private file (mode 0640 or less) that holds the API token"),
    STRING(api, ca_file, "", NULL, "certificates to trust instead of the system's"),
    TIME(api, timeout, "30s", 1, HOUR, "how long a request may take in all"),
    TIME(api, connect_timeout, "10s", 1, HOUR, "how long connecting may take"),

    NUMBER(relay, bulk_max, "100", 1, 100, "messages in one request"),
    NUMBER(relay, connections, "4", 1, 64, "requests at a time"),
    TIME(relay, retry_min, "1s", 1, HOUR, "the first wait after the API failed; it doubles"),
    TIME(relay, retry_max, "60s", 1, DAY, "the longest wait after the API failed"),
    TIME(relay, settle_delay, "10s", 0, HOUR,
         "how long to wait before asking what became of a request without an answer"),
    NUMBER(relay, history_pages, "100", 1, 100000, "pages of the API's history to search for that"),
    CHOICE(relay, on_ambiguous, "retry", "retry|hold",
         "if the history cannot tell: send again (may arrive twice), or hold for the operator"),

    STRING(queue, path, "", store_complaint,
           "file of the durable queue; unset: $STATE_DIRECTORY/queue.db if there is one, else in memory"),
    CHOICE(queue, durability, "always", "always|none",
           "when messages are on disk: before each 250, or never"),
    NUMBER(queue, max_messages, "1000000", 1, 100000000, "unfinished messages; then clients get 452"),
    SIZE(queue, max_bytes, "1g", 64 * KB, 1024 * GB, "memory for all messages; then clients get 452"),
    TIME(queue, max_age, "24h", 1, 365 * DAY, "a message not sent by then expires"),
    TIME(queue, retention, "7d", 0, 365 * DAY,
         "how long finished messages can be asked for; 0 = forgotten at once"),
    TIME(queue, drain_timeout, "30s", 0, HOUR, "how long a stopping relay goes on sending"),

    STRING(sms, default_from, "", sender_complaint,
         "the sender of messages that name none"),
    LIST(sms, senders, "", sender_complaint, "the only senders allowed; none = any"),
    STRING(sms, default_country, "", country_complaint,
         "calling code for numbers without + or 00; none = they are international"),
    STRING(sms, aliases, "", NULL,
           "file of names that stand for numbers, lines `name: number, number`; read anew at SIGHUP"),
    STRING(sms, charset, "windows-1252", charset_complaint,
         "what text is in that is not UTF-8; none = refuse it"),
    CHOICE(sms, unicode, "auto", "auto|yes|no",
         "UCS-2: where a text needs it, for every text, or never (such a text is refused)"),
    NUMBER(sms, max_parts, "10", 1, 100, "parts of one message; longer texts are refused"),
    CHOICE(sms, transliterate, "punctuation", "punctuation|no|all",
         "what may be replaced where that makes a text GSM-7: quotes and dashes, nothing, accents too"),

    CHOICE(smtp, subject, "prefix", "prefix|ignore|only",
         "a mail's subject: put before the text, left out, or sent instead of it"),
    NUMBER(smtp, max_parts, "3", 1, 100, "parts of a message that came as mail"),
    CHOICE(smtp, too_long, "truncate", "truncate|refuse", "what happens to a mail that is longer"),
    SIZE(smtp, max_size, "25m", KB, GB, "the largest mail"),
    CHOICE(smtp, signature, "drop", "drop|keep", "what stands behind a line of \"-- \" in a mail"),
    CHOICE(smtp, auto_submitted, "refuse", "refuse|send", "bounces and automatic replies"),
    /* `any` is for loopback and the Unix socket, all that there is: listen_complaint() sees to it. */
    CHOICE(smtp, auth, "none", "none|any",
           "logins (AUTH): none, or any = every name and password is taken; loopback only"),

    STRING(reports, address, "", listen_complaint,
           "where the API's delivery reports come in: HOST:PORT on loopback, port 0 = any; none = nowhere"),
    SECRET(reports, secret, "", secret_complaint,
           "the last part of their path, /dlr/<secret>: all that tells the API from others"),
    TIME_OR_NO(reports, poll, "no", 1 * SECOND, DAY,
         "without a webhook: how often the API's history is asked for delivery statuses"),
    SECRET(reports, webhook, "", told_complaint,
           "URL of yours that is told, by POST, what becomes of messages; none = none"),
    SECRET(reports, webhook_secret, "", told_secret_complaint,
           "what these requests are signed with: whsec_ and base64, or any words"),
    STRING(reports, exec, "", program_complaint,
           "program that is told the same on its standard input, and its arguments; none = none"),
    NUMBER(reports, backlog, "100000", 100, 10000000,
           "changes that wait for a webhook or a program that does not take them; then the oldest are dropped"),

    STRING(policy, optout_file, "", NULL,
           "file of numbers that nothing is sent to, one a line; read anew at SIGHUP"),
    LIST(policy, never_optout, "", NULL, "numbers that no opt-out silences, such as on-call phones"),
    LIST(policy, stop_words, "STOP, STOPALL, UNSUBSCRIBE, CANCEL, END, QUIT, BAJA, ARRET", NULL,
         "answers from a phone that put its number on the list"),
    LIST(policy, start_words, "START, UNSTOP, ALTA", NULL, "answers that take it off"),

    STRING(http, address, "", listen_complaint,
           "where the page, /metrics, /livez and /readyz are: HOST:PORT on loopback, port 0 = any; none = nowhere"),
    LIST(http, hosts, "", NULL, "names by which a proxy asks for them, besides loopback"),
    CHOICE(http, page_privacy, "mask", "mask|full",
           "phone numbers on the page: last digits only, or whole, with the API's reasons"),
    TIME(http, max_wait, "15m", 0, 365 * DAY,
         "/readyz says no when a message has waited so long to be sent; 0 = whatever it waits"),

    STRING(sandbox, address, "", listen_complaint,
         "where the simulated API listens: HOST:PORT on loopback; none = any free port"),
    SECRET(sandbox, token, "sandbox", token_complaint, "the token that the simulated API wants"),
    TIME(sandbox, latency, "0", 0, 10 * MINUTE, "how long it takes to answer"),
    NUMBER(sandbox, limit, "1200", 1, 1000000, "requests in a window, for each endpoint"),
    TIME(sandbox, window, "60s", 1, HOUR, "length of the rate window"),
    STRING(sandbox, webhook, "", webhook_complaint,
         "URL on loopback that it sends delivery reports to"),

    CHOICE(log, level, "info", "error|warn|info|debug", "the least important lines that are written"),
    CHOICE(log, format, "logfmt", "logfmt|json", "key=value pairs, or a JSON object a line"),
    CHOICE(log, privacy, "mask", "mask|full", "phone numbers in the log: last digits only, or whole"),
};
/* clang-format on */

const size_t conf_key_count = sizeof conf_keys / sizeof conf_keys[0];

static const struct conf_removed removed[] = {
    {"relay", "linger", NULL,
     "no longer exists: a message never waits for others to share its request; delete this "
     "setting"},
    {"queue", "durability", "shutdown",
     "shutdown is no longer supported; use always, which also keeps the queue at a stop, or none"},
};

const char *conf_type_name(enum conf_type type)
{
    switch (type) {
    case CONF_STRING:
        return "string";
    case CONF_SECRET:
        return "secret";
    case CONF_LIST:
        return "list";
    case CONF_NUMBER:
        return "number";
    case CONF_TIME:
        return "time";
    case CONF_SIZE:
        return "size";
    case CONF_CHOICE:
        return "choice";
    }
    return "unknown";
}

/* --- finding rows ----------------------------------------------------------------------------- */

const struct conf_key *conf_key_find(const char *section, const char *name)
{
    for (size_t i = 0; i < conf_key_count; i++) {
        if (strcmp(conf_keys[i].section, section) == 0 && strcmp(conf_keys[i].name, name) == 0) {
            return &conf_keys[i];
        }
    }
    return NULL;
}

const struct conf_removed *conf_removed_find(const char *section, const char *name,
                                             const char *value)
{
    for (size_t i = 0; i < sizeof removed / sizeof removed[0]; i++) {
        const struct conf_removed *row = &removed[i];
        bool is_value = value == NULL ? row->value == NULL
                                      : row->value != NULL && strcasecmp(value, row->value) == 0;
        if (is_value && strcasecmp(section, row->section) == 0 &&
            strcasecmp(name, row->name) == 0) {
            return row;
        }
    }
    return NULL;
}

bool conf_section_exists(const char *section)
{
    for (size_t i = 0; i < conf_key_count; i++) {
        if (strcmp(conf_keys[i].section, section) == 0) {
            return true;
        }
    }
    return false;
}

enum { NAME_MAX_LEN = 40, FAR = INT_MAX };

static bool is_same(char a, char b)
{
    return tolower((unsigned char)a) == tolower((unsigned char)b);
}

static int min3(int a, int b, int c)
{
    int least = a < b ? a : b;
    return least < c ? least : c;
}

/*
 * How many letters must be inserted, left out, changed or swapped with the next one to make `b` of
 * `a` (the optimal string alignment distance), in either case; FAR for what is longer than names.
 */
static int distance(const char *a, const char *b)
{
    int d[NAME_MAX_LEN + 1][NAME_MAX_LEN + 1]; /* [i][j]: of the first i and j letters */
    size_t a_len = strlen(a), b_len = strlen(b);
    if (a_len > NAME_MAX_LEN || b_len > NAME_MAX_LEN) {
        return FAR;
    }

    for (size_t i = 0; i <= a_len; i++) {
        for (size_t j = 0; j <= b_len; j++) {
            if (i == 0 || j == 0) {
                d[i][j] = (int)(i + j);
                continue;
            }
            int changed = d[i - 1][j - 1] + !is_same(a[i - 1], b[j - 1]);
            d[i][j] = min3(d[i - 1][j] + 1, d[i][j - 1] + 1, changed);
            if (i > 1 && j > 1 && is_same(a[i - 1], b[j - 2]) && is_same(a[i - 2], b[j - 1])) {
                d[i][j] = min3(d[i][j], d[i - 2][j - 2] + 1, FAR);
            }
        }
    }
    return d[a_len][b_len];
}

/* A third of the letters may differ: more would be guessing. */
static bool is_near(int d, const char *name)
{
    return d != FAR && (size_t)d <= (strlen(name) + 2) / 3;
}

const struct conf_key *conf_key_nearest(const char *section, const char *name)
{
    const struct conf_key *nearest = NULL;
    int least = FAR;
    for (size_t i = 0; i < conf_key_count; i++) {
        const struct conf_key *key = &conf_keys[i];
        int d = distance(name, key->name);
        if (!is_near(d, key->name)) {
            continue;
        }
        d += strcmp(section, key->section) != 0; /* of two equally near, the one in the section */
        if (d < least) {
            least = d;
            nearest = key;
        }
    }
    return nearest;
}

const char *conf_section_nearest(const char *section)
{
    const char *nearest = NULL;
    int least = FAR;
    for (size_t i = 0; i < conf_key_count; i++) {
        int d = distance(section, conf_keys[i].section);
        if (d < least && is_near(d, conf_keys[i].section)) {
            least = d;
            nearest = conf_keys[i].section;
        }
    }
    return nearest;
}

void conf_key_variable(const struct conf_key *key, char out[CONF_VARIABLE_SIZE])
{
    snprintf(out, CONF_VARIABLE_SIZE, "SMSRELAY_%s_%s", key->section, key->name);
    for (char *c = out; *c != '\0'; c++) {
        *c = (char)toupper((unsigned char)*c);
    }
}

/* --- setting values --------------------------------------------------------------------------- */

static void *field(const struct conf_key *key, struct conf *conf)
{
    return (char *)conf + key->offset;
}

/* Shows the start of a value that somebody wrote, fit for a terminal. */
static const char *show(const char *value, char out[48])
{
    size_t n = 0;
    for (; *value != '\0' && n < 40; value++) {
        out[n++] = isprint((unsigned char)*value) ? *value : '?';
    }
    strcpy(out + n, *value != '\0' ? "..." : "");
    return out;
}

static bool refuse(char why[CONF_WHY_SIZE], const char *sentence)
{
    snprintf(why, CONF_WHY_SIZE, "%s", sentence);
    return false;
}

static bool set_string(const struct conf_key *key, struct conf *conf, const char *value,
                       char why[CONF_WHY_SIZE])
{
    const char *complaint = NULL;
    if (*value == '\0') {
        complaint = *key->initial != '\0' ? "must not be empty" : NULL;
    } else if (key->complaint != NULL) {
        complaint = key->complaint(value);
    }
    if (complaint != NULL) {
        return refuse(why, complaint);
    }
    char *copy = strdup(value);
    if (copy == NULL) {
        return refuse(why, "does not fit in memory");
    }
    conf_key_clear(key, conf);
    *(char **)field(key, conf) = copy;
    return true;
}

bool conf_key_append(const struct conf_key *key, struct conf *conf, const char *value,
                     char why[CONF_WHY_SIZE])
{
    struct conf_list more = {NULL, 0};
    struct conf_list *list = field(key, conf);
    char shown[48];
    bool is_good = conf_list_append(&more, value);
    if (!is_good) {
        refuse(why, errno == ENOMEM ? "does not fit in memory"
                                    : "must be words between commas or spaces, or \"in quotes\"");
    }
    for (size_t i = 0; is_good && i < more.count; i++) {
        const char *complaint = key->complaint != NULL ? key->complaint(more.items[i]) : NULL;
        if (complaint == NULL) {
            continue;
        }
        snprintf(why, CONF_WHY_SIZE, "\"%s\" %s", show(more.items[i], shown), complaint);
        is_good = false;
    }
    if (is_good && !conf_list_append(list, value)) {
        is_good = refuse(why, "does not fit in memory");
    }
    conf_list_clear(&more);
    return is_good;
}

static bool set_list(const struct conf_key *key, struct conf *conf, const char *value,
                     char why[CONF_WHY_SIZE])
{
    struct conf_list *list = field(key, conf);
    struct conf_list old = *list;
    *list = (struct conf_list){NULL, 0};
    bool is_good = conf_key_append(key, conf, value, why);
    if (is_good) {
        conf_list_clear(&old);
    } else {
        *list = old;
    }
    return is_good;
}

static bool set_choice(const struct conf_key *key, struct conf *conf, const char *value,
                       char why[CONF_WHY_SIZE])
{
    char shown[48];
    size_t len = strlen(value);
    int index = 0;
    for (const char *word = key->words;; index++) {
        size_t word_len = strcspn(word, "|");
        if (len == word_len && strncasecmp(word, value, len) == 0) {
            *(int *)field(key, conf) = index;
            return true;
        }
        if (word[word_len] == '\0') {
            break;
        }
        word += word_len + 1;
    }
    snprintf(why, CONF_WHY_SIZE, "must be one of %s, not \"%s\"", key->words, show(value, shown));
    return false;
}

/* How the three types that have bounds are spelled. */
struct amount_type {
    bool (*parse)(const char *s, int64_t *amount);
    void (*print)(int64_t amount, char out[CONF_AMOUNT_SIZE]);
    const char *units;
};

static void number_print(int64_t number, char out[CONF_AMOUNT_SIZE])
{
    snprintf(out, CONF_AMOUNT_SIZE, "%" PRId64, number);
}

static const struct amount_type amount_types[] = {
    [CONF_NUMBER] = {conf_number_parse, number_print, ""},
    [CONF_TIME] = {conf_time_parse, conf_time_print, " (ms, s, m, h, d; plain = seconds)"},
    [CONF_SIZE] = {conf_size_parse, conf_size_print, " (k, m, g; plain = bytes)"},
};

/* "a time from 1ms to 1h" */
static void bounds_print(const struct conf_key *key, char out[96])
{
    char min[CONF_AMOUNT_SIZE], max[CONF_AMOUNT_SIZE];
    amount_types[key->type].print(key->min, min);
    amount_types[key->type].print(key->max, max);
    snprintf(out, 96, "a %s from %s to %s%s%s", conf_type_name(key->type), min, max,
             key->words == NULL ? "" : ", or ", key->words == NULL ? "" : key->words);
}

static bool set_amount(const struct conf_key *key, struct conf *conf, const char *value,
                       char why[CONF_WHY_SIZE])
{
    const struct amount_type *type = &amount_types[key->type];
    int64_t amount = 0;
    bool is_word = key->words != NULL && strcasecmp(value, key->words) == 0;
    if (is_word || (type->parse(value, &amount) && amount >= key->min && amount <= key->max)) {
        if (key->type == CONF_NUMBER) {
            *(int *)field(key, conf) = (int)amount;
        } else {
            *(int64_t *)field(key, conf) = amount;
        }
        return true;
    }
    char bounds[96], shown[48];
    bounds_print(key, bounds);
    snprintf(why, CONF_WHY_SIZE, "must be %s%s, not \"%s\"", bounds, type->units,
             show(value, shown));
    return false;
}

bool conf_key_set(const struct conf_key *key, struct conf *conf, const char *value,
                  char why[CONF_WHY_SIZE])
{
    for (const char *c = value; *c != '\0'; c++) {
        if (iscntrl((unsigned char)*c) && *c != '\t') {
            return refuse(why, "must not hold control characters");
        }
    }
    switch (key->type) {
    case CONF_STRING:
    case CONF_SECRET:
        return set_string(key, conf, value, why);
    case CONF_LIST:
        return set_list(key, conf, value, why);
    case CONF_NUMBER:
    case CONF_TIME:
    case CONF_SIZE:
        return set_amount(key, conf, value, why);
    case CONF_CHOICE:
        return set_choice(key, conf, value, why);
    }
    return refuse(why, "has no type");
}

void conf_key_clear(const struct conf_key *key, struct conf *conf)
{
    if (key->type == CONF_LIST) {
        conf_list_clear(field(key, conf));
    } else if (key->type == CONF_STRING || key->type == CONF_SECRET) {
        char **string = field(key, conf);
        if (key->type == CONF_SECRET && *string != NULL) {
            explicit_bzero(*string, strlen(*string));
        }
        free(*string);
        *string = NULL;
    }
}

/* --- the reference ---------------------------------------------------------------------------- */

void conf_keys_print(FILE *out)
{
    const char *section = "";
    char allowed[96];
    for (size_t i = 0; i < conf_key_count; i++) {
        const struct conf_key *key = &conf_keys[i];
        if (strcmp(section, key->section) != 0) {
            fprintf(out, "%s[%s]\n", i > 0 ? "\n" : "", key->section);
        }
        section = key->section;
        switch (key->type) {
        case CONF_STRING:
        case CONF_SECRET:
        case CONF_LIST:
            snprintf(allowed, sizeof allowed, "a %s", conf_type_name(key->type));
            break;
        case CONF_NUMBER:
        case CONF_TIME:
        case CONF_SIZE:
            bounds_print(key, allowed);
            break;
        case CONF_CHOICE:
            snprintf(allowed, sizeof allowed, "%s", key->words);
            break;
        }
        fprintf(out, "# %s\n# (%s)\n#%s =%s%s\n", key->help, allowed, key->name,
                *key->initial != '\0' ? " " : "", key->initial);
    }
}
