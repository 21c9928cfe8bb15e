/* What an administrator sees of conf: values, sources, errors, the documented defaults. */
#include "conf/keys.h"
#include "conf/load.h"
#include "conf/network.h"
#include "conf/reference.h"
#include "conf/secret.h"
#include "conf/value.h"
#include "proto/text.h"

#include <criterion/criterion.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define COUNT(a) (sizeof(a) / sizeof *(a))

#define SHAPE "must be a network such as 192.168.7.0/24 or fd00::/8, or one address"

/* Most tests are not about the token that every relay needs. */
#define SANDBOX "[api]\nurl = sandbox\n"

static struct conf *read_text(const char *text, char *const *overrides, char *const *environment,
                              struct conf_errors *errors)
{
    FILE *file = fmemopen((void *)(uintptr_t)text, strlen(text), "r");
    cr_assert_not_null(file);
    *errors = (struct conf_errors)CONF_NO_ERRORS;
    struct conf *conf = conf_read(file, "t.conf", overrides, environment, NULL, errors);
    fclose(file);
    cr_assert((conf == NULL) == (errors->count > 0), "settings or errors, never both: %s", text);
    return conf;
}

/* Reads a text that must be valid. */
static struct conf *read_good(const char *text, char *const *overrides, char *const *environment)
{
    struct conf_errors errors;
    struct conf *conf = read_text(text, overrides, environment, &errors);
    cr_assert_not_null(conf, "%s: %s", text, errors.text);
    return conf;
}

/* Asserts that a text is refused with exactly these lines. */
static void assert_refused(const char *text, char *const *overrides, char *const *environment,
                           const char *expected)
{
    struct conf_errors errors;
    struct conf *conf = read_text(text, overrides, environment, &errors);
    cr_expect_null(conf, "accepted: %s", text);
    cr_expect_str_eq(errors.text != NULL ? errors.text : "", expected, "for: %s\ngot: %s", text,
                     errors.text);
    conf_errors_free(&errors);
    conf_free(conf);
}

Test(conf, defaults)
{
    struct conf *conf = read_good(SANDBOX, NULL, NULL);
    cr_expect_eq(conf->listen.address.count, 1);
    cr_expect_str_eq(conf->listen.address.items[0], "127.0.0.1:2525");
    cr_expect_str_eq(conf->listen.unix_path, "");
    cr_expect_eq(conf->listen.max_line, 65536);
    cr_expect_eq(conf->listen.idle_timeout_ms, 0);
    cr_expect_eq(conf->api.timeout_ms, 30000);
    cr_expect_eq(conf->relay.bulk_max, 100);
    cr_expect_str_eq(conf->queue.path, "");
    cr_expect_eq(conf->queue.durability, CONF_DURABILITY_ALWAYS);
    cr_expect_eq(conf->queue.max_messages, 1000000);
    cr_expect_eq(conf->queue.max_bytes, INT64_C(1) << 30);
    cr_expect_eq(conf->queue.retention_ms, INT64_C(7) * 24 * 3600 * 1000);
    cr_expect_eq(conf->sms.senders.count, 0);
    cr_expect_str_eq(conf->sms.charset, "windows-1252");
    cr_expect_str_eq(conf->sandbox.token, "sandbox");
    cr_expect_eq(conf->log.level, CONF_LOG_INFO);
    conf_free(conf);
}

/* Every default is a value that an administrator could have written. */
Test(conf, defaults_are_allowed)
{
    struct conf conf = {0};
    char why[CONF_WHY_SIZE];
    for (size_t i = 0; i < conf_key_count; i++) {
        cr_expect(conf_key_set(&conf_keys[i], &conf, conf_keys[i].initial, why), "%s.%s %s",
                  conf_keys[i].section, conf_keys[i].name, why);
    }
    for (size_t i = 0; i < conf_key_count; i++) {
        conf_key_clear(&conf_keys[i], &conf);
    }
}

Test(conf, file)
{
    struct conf *conf = read_good("\xEF\xBB\xBF# comment\r\n"
                                  "  ; another\r\n"
                                  "\r\n"
                                  "  [api]\r\n"
                                  "url=https://api.example/v1//\r\n"
                                  "token = a;b#c=d  \r\n"
                                  "[listen]\n"
                                  "address = 127.0.0.1:0, [::1]:2525\n"
                                  "    localhost:25\n"
                                  "# between\n"
                                  "\t127.9.9.9:1 127.9.9.9:2\n"
                                  "unix = /run/with space.sock\n"
                                  "control: ALL\n"
                                  "idle_timeout = 1500ms\n"
                                  "[sms]\n"
                                  "senders = \"Acme Shop\", Acme\n"
                                  "default_from = Acme Shop\n"
                                  "[relay]\n"
                                  "  retry_min = 60s\n"
                                  "settle_delay = 2",
                                  NULL, NULL);
    cr_expect_str_eq(conf->api.url, "https://api.example/v1");
    cr_expect_str_eq(conf->api.token, "a;b#c=d");
    const char *addresses[] = {"127.0.0.1:0", "[::1]:2525", "localhost:25", "127.9.9.9:1",
                               "127.9.9.9:2"};
    cr_assert_eq(conf->listen.address.count, COUNT(addresses));
    for (size_t i = 0; i < COUNT(addresses); i++) {
        cr_expect_str_eq(conf->listen.address.items[i], addresses[i]);
    }
    cr_expect_str_eq(conf->listen.unix_path, "/run/with space.sock");
    cr_expect_eq(conf->listen.control, CONF_CONTROL_ALL);
    cr_expect_eq(conf->listen.idle_timeout_ms, 1500);
    cr_assert_eq(conf->sms.senders.count, 2);
    cr_expect_str_eq(conf->sms.senders.items[0], "Acme Shop");
    cr_expect_eq(conf->relay.retry_min_ms, 60000);
    cr_expect_eq(conf->relay.settle_delay_ms, 2000);
    conf_free(conf);
}

static const struct {
    const char *text, *errors;
} refused_files[] = {
    /* Names. */
    {SANDBOX "ulr = x\n",
     "t.conf:3: there is no setting \"ulr\" in [api]; did you mean api.url?\n"},
    {SANDBOX "[relay]\nmax_age = 1h\n",
     "t.conf:4: there is no setting \"max_age\" in [relay]; did you mean queue.max_age?\n"},
    {SANDBOX "[smtp]\nmax_part = 1\n",
     "t.conf:4: there is no setting \"max_part\" in [smtp]; did you mean smtp.max_parts?\n"},
    {SANDBOX "colour = red\n", "t.conf:3: there is no setting \"colour\" in [api]\n"},
    {SANDBOX "not/a/name = red\n", "t.conf:3: there is no setting in [api]\n"},
    {SANDBOX "[lisen]\nport = 25\naddress = x\n",
     "t.conf:3: there is no section \"lisen\"; did you mean listen?\n"},
    {SANDBOX "[zzz]\n", "t.conf:3: there is no section \"zzz\"\n"},
    {"timeout = 1\n" SANDBOX, "t.conf:1: stands before the first [section]\n"},
    {SANDBOX "timeout = 1s\n\ntimeout = 1s\n", "t.conf:5: api.timeout: is already set in line 3\n"},
    {SANDBOX "[log]\n[api]\nurl = sandbox\n", "t.conf:5: api.url: is already set in line 2\n"},
    /* Settings that earlier versions had. */
    {SANDBOX "[relay]\non_ambiguous = hold\n",
     "t.conf:4: relay.on_ambiguous no longer exists: write ambiguous_resends = 1 instead of retry, "
     "or 0 instead of hold\n"},
    {SANDBOX "[relay]\nlinger = 0\n",
     "t.conf:4: relay.linger no longer exists: a message never waits for others to share its "
     "request; delete this setting\n"},
    {SANDBOX "[listen]\nmax_errors = 5\n",
     "t.conf:4: listen.max_errors no longer exists: a connection ends after 20 syntax errors in a "
     "row; delete this setting\n"},
    /* Lines. */
    {SANDBOX "[log\nlevel = debug\n", "t.conf:3: must be [section], alone on its line\n"},
    {SANDBOX "[log] x\n", "t.conf:3: must be [section], alone on its line\n"},
    {SANDBOX "timeout\ntimeout 5\n", "t.conf:3: must be key = value, [section] or a comment\n"
                                     "t.conf:4: must be key = value, [section] or a comment\n"},
    {SANDBOX "ca_file = /x ;y\nca_file = /x\t# y\n",
     "t.conf:3: a comment must be on a line of its own; a value cannot contain a space followed "
     "by ; or #\n"
     "t.conf:4: a comment must be on a line of its own; a value cannot contain a space followed "
     "by ; or #\n"},
    {SANDBOX "ca_file = a\001b\n", "t.conf:3: contains a control character\n"},
    {SANDBOX "timeout = 1s\n  connect_timeout = 1s\n",
     "t.conf:4: api.timeout: an indented line continues the value before it, which must be a list; "
     "a "
     "setting is not indented\n"},
    {SANDBOX "[listen]\naddress = 127.0.0.1:1\nunix = a ;b\n 127.0.0.1:x\n",
     "t.conf:5: a comment must be on a line of its own; a value cannot contain a space followed "
     "by ; or #\n"},
    {SANDBOX "[listen]\naddress = 127.0.0.1:1\n 127.0.0.1:x\n",
     "t.conf:5: listen.address: \"127.0.0.1:x\" must be ADDRESS:PORT or [IPv6]:PORT\n"},
    /* Values: all that is wrong, at once. */
    {SANDBOX "[relay]\nbulk_max = 101\nconnections = 0\nsettle_delay = 1y\nretry_min = -1\n"
             "ambiguous_resends = 6\n",
     "t.conf:4: relay.bulk_max: must be a number from 1 to 100, not \"101\"\n"
     "t.conf:5: relay.connections: must be a number from 1 to 64, not \"0\"\n"
     "t.conf:6: relay.settle_delay: must be a time from 0 to 1h (ms, s, m, h, d; plain = seconds), "
     "not "
     "\"1y\"\n"
     "t.conf:7: relay.retry_min: must be a time from 1ms to 1h (ms, s, m, h, d; plain = seconds), "
     "not \"-1\"\n"
     "t.conf:8: relay.ambiguous_resends: must be a number from 0 to 5, not \"6\"\n"},
    {SANDBOX "[reports]\npoll = 999ms\n",
     "t.conf:4: reports.poll: must be a time from 1s to 1d, or no (ms, s, m, h, d; plain = "
     "seconds), not \"999ms\"\n"},
    {SANDBOX "[reports]\npoll = 0\n",
     "t.conf:4: reports.poll: must be a time from 1s to 1d, or no (ms, s, m, h, d; plain = "
     "seconds), not \"0\"\n"},
    {SANDBOX "[queue]\ndurability = sometimes\n",
     "t.conf:4: queue.durability: must be one of always|none, not \"sometimes\"\n"},
    {SANDBOX "[queue]\ndurability = shutdown\n",
     "t.conf:4: queue.durability: shutdown is no longer supported; use always, which also keeps "
     "the "
     "queue at a stop, or none\n"},
    {SANDBOX "[queue]\ndurability =\n",
     "t.conf:4: queue.durability: must be one of always|none, not \"\"\n"},
    {SANDBOX "[queue]\n\npath = :memory:\n",
     "t.conf:5: queue.path: must be the path of a file (put ./ before a name that begins with : or "
     "file:)\n"},
    {SANDBOX "[listen]\nmax_line = 2m\nmax_recipients =\n",
     "t.conf:4: listen.max_line: must be a size from 1k to 1m (k, m, g; plain = bytes), not "
     "\"2m\"\n"
     "t.conf:5: listen.max_recipients: must be a number from 1 to 10000, not \"\"\n"},
    {SANDBOX "[listen]\naddress = 127.0.0.1:25, 0.0.0.0:25\n",
     "t.conf:4: listen.address: other machines can connect to 0.0.0.0:25, but none of them may "
     "send. Either name those that you trust, without a login and in plain text:\n"
     "    [listen]\n    address = 0.0.0.0:25\n    networks = 192.168.7.0/24\n"
     "or let those in who log in, over TLS:\n"
     "    [auth]\n    users = /etc/smsrelay/users\n"
     "    [tls]\n    certificate = /etc/smsrelay/certificate.pem\n"
     "    key = /etc/smsrelay/key.pem\n"},
    {SANDBOX "[auth]\nrequire = all\n",
     "t.conf:4: auth.require: needs auth.users: otherwise nobody could log in\n"},
    {SANDBOX "[listen]\naddress = eth0:25\n",
     "t.conf:4: listen.address: \"eth0:25\" must begin with an address of this machine, such as "
     "192.168.7.2, or 0.0.0.0 for all of IPv4, [::] for all\n"},
    {SANDBOX "[listen]\naddress = 192.168.7.2:25\nnetworks = 192.168.7.2/24\n",
     "t.conf:5: listen.networks: \"192.168.7.2/24\" is not the address of a network: write "
     "192.168.7.0/24 for it, or 192.168.7.2 for the one address\n"},
    {SANDBOX "[http]\naddress = 192.168.7.2:25\n",
     "t.conf:4: http.address: other machines can connect to 192.168.7.2:25, but none of them may "
     "ask. Name those that you trust, without a login and in plain text:\n"
     "    [http]\n    address = 192.168.7.2:25\n    networks = 192.168.7.0/24\n"},
    {SANDBOX "[listen]\naddress =\n", "t.conf:4: listen.address: must not be empty unless "
                                      "listen.unix or listen.tls_address is set\n"},
    {SANDBOX "[sms]\ndefault_from = Acme Shop and more\n",
     "t.conf:4: sms.default_from: must be 1 to 15 printable ASCII characters\n"},
    {SANDBOX "[sms]\nsenders = \"Acme\n",
     "t.conf:4: sms.senders: must be words separated by commas or spaces, or \"in quotes\"\n"},
    {SANDBOX "[sms]\ndefault_country = +34\ncharset = klingon\n",
     "t.conf:4: sms.default_country: must be a calling code, digits only: 34\n"
     "t.conf:5: sms.charset: must be a character set that iconv knows (see iconv -l), or the word "
     "none\n"},
    {SANDBOX "[sandbox]\nwebhook = http://example.com/\naddress = 1.2.3.4:5\n",
     "t.conf:4: sandbox.webhook: must be an http or https URL on loopback\n"
     "t.conf:5: sandbox.address: must be on loopback (127.0.0.0/8, ::1, localhost): there is no "
     "login\n"},
    /* Between settings. */
    {SANDBOX "[relay]\nretry_min = 61s\n",
     "t.conf:4: relay.retry_min: relay.retry_min must not exceed relay.retry_max\n"},
    {SANDBOX "[relay]\nretry_max = 500ms\n",
     "t.conf:4: relay.retry_max: relay.retry_min must not exceed relay.retry_max\n"},
    {SANDBOX "[sms]\nsenders = Acme, Shop\ndefault_from = Other\n",
     "t.conf:5: sms.default_from: must be one of sms.senders\n"},
    {"[api]\n",
     "api.token: is missing: set api.token_file, api.token or INSTASENT_TOKEN in the environment "
     "(or, to try the relay without one, api.url = sandbox)\n"},
    {SANDBOX "ca_file = /nonexistent/ca.pem\ntoken_file = /nonexistent/token\n",
     "t.conf:3: api.ca_file: \"/nonexistent/ca.pem\" cannot be read: No such file or directory\n"
     "t.conf:4: api.token_file: \"/nonexistent/token\" does not exist\n"},
    {SANDBOX "[reports]\naddress = 127.0.0.1:0\nwebhook = https://example.com\n",
     "reports.webhook_secret: must be set if reports.webhook is: otherwise anybody could forge "
     "notices\n"},
    {"[api]\ntoken = abc\ntoken_file = /nonexistent\n",
     "t.conf:3: api.token_file: cannot be set together with a token (t.conf:2: api.token): keep "
     "one of "
     "them\n"
     "t.conf:3: api.token_file: \"/nonexistent\" does not exist\n"},
};

Test(conf, refused_files)
{
    for (size_t i = 0; i < COUNT(refused_files); i++) {
        assert_refused(refused_files[i].text, NULL, NULL, refused_files[i].errors);
    }
}

/* inih cuts lines at its buffer: the rest must not become a setting of its own. */
Test(conf, long_lines)
{
    char text[4096];
    for (size_t len = 150; len < 1000; len++) {
        int n = snprintf(text, sizeof text, SANDBOX "ca_file = ");
        memset(text + n, '/', len);
        strcpy(text + n + len, "timeout = 1s\n");
        struct conf_errors errors;
        struct conf *conf = read_text(text, NULL, NULL, &errors);
        cr_expect_null(conf);
        if (n + (int)len > 260) {
            cr_expect_eq(strncmp(errors.text, "t.conf:3: is too long", 21), 0, "%s", errors.text);
        }
        cr_expect_eq(errors.count, 1);
        conf_errors_free(&errors);
    }
}

Test(conf, the_longest_line)
{
    char text[512] = SANDBOX "[sms]\nsenders =";
    size_t start = strlen(text) - strlen("senders =");
    while (strlen(text) - start < 199) {
        strcat(text, " a");
    }
    conf_free(read_good(text, NULL, NULL));
    strcat(text, ",");
    struct conf_errors errors;
    cr_expect_null(read_text(text, NULL, NULL, &errors), "200 bytes");
    conf_errors_free(&errors);
}

Test(conf, long_list_in_several_lines)
{
    char text[32768] = SANDBOX "[sms]\nsenders =\n";
    size_t len = strlen(text);
    for (int i = 0; i < 1000; i++) {
        len += (size_t)sprintf(text + len, "  sender%d,\n", i);
    }
    struct conf *conf = read_good(text, NULL, NULL);
    cr_assert_eq(conf->sms.senders.count, 1000);
    cr_expect_str_eq(conf->sms.senders.items[999], "sender999");
    conf_free(conf);
}

Test(conf, many_errors_are_counted)
{
    char *text = malloc(20000);
    for (int i = 0; i < 5000; i++) {
        memcpy(text + 4 * i, "[x]\n", 4);
    }
    text[19999] = '\0';
    struct conf_errors errors;
    cr_expect_null(read_text(text, NULL, NULL, &errors));
    cr_expect_eq(errors.count, 5001, "%zu", errors.count); /* and the missing token */

    char *printed;
    size_t size;
    FILE *out = open_memstream(&printed, &size);
    conf_errors_print(&errors, out);
    fclose(out);
    cr_expect_not_null(strstr(printed, "\nand 4001 more errors\n"));
    free(printed);
    conf_errors_free(&errors);
    free(text);
}

Test(conf, the_stronger_source_wins)
{
    static const char text[] = "[api]\nurl = https://file/\n[log]\nlevel = warn\n[listen]\nunix = "
                               "/file\n[relay]\nbulk_max=2\n";
    char *environment[] = {"HOME=/",
                           "SMSRELAY_LOG_LEVEL=error",
                           "SMSRELAY_API_TOKEN=weak",
                           "INSTASENT_TOKEN=strong",
                           "SMSRELAY_LISTEN_UNIX=/environment",
                           "RUNTIME_DIRECTORY=/run/a:/run/b",
                           "SMSRELAY_SOCKET=/s",
                           "SMSRELAY_SERVICE_HOST=x",
                           NULL};
    char *overrides[] = {"log.format=json", "log.level=info", "log.level=debug",
                         "api.url=http://[::1]:8/v1", NULL};
    struct conf *conf = read_good(text, overrides, environment);
    cr_expect_eq(conf->relay.bulk_max, 2);
    cr_expect_eq(conf->log.level, CONF_LOG_DEBUG);
    cr_expect_eq(conf->log.format, CONF_LOG_JSON);
    cr_expect_str_eq(conf->api.url, "http://[::1]:8/v1");
    cr_expect_str_eq(conf->api.token, "strong");
    cr_expect_str_eq(conf->listen.unix_path, "/environment");
    conf_free(conf);
}

Test(conf, an_empty_variable_is_unset)
{
    char *environment[] = {"INSTASENT_TOKEN=",      "SMSRELAY_API_TOKEN=weak",
                           "SMSRELAY_API_URL=",     "SMSRELAY_LOG_LEVEL=",
                           "SMSRELAY_API_ULR=",     "SMSRELAY_QUEUE_PATH=\n",
                           "SMSRELAY_LISTEN_UNIX=", NULL};
    struct conf *conf = read_good("[api]\nurl = https://file/\n[queue]\npath = /f\n"
                                  "[listen]\nunix = /s\n",
                                  NULL, environment);
    cr_expect_str_eq(conf->api.token, "weak");
    cr_expect_str_eq(conf->api.url, "https://file");
    cr_expect_eq(conf->log.level, CONF_LOG_INFO);
    cr_expect_str_eq(conf->queue.path, "/f");
    cr_expect_str_eq(conf->listen.unix_path, "/s");
    conf_free(conf);
}

/* Secrets are often kept in files, and get into the environment with their line end. */
Test(conf, a_line_end_behind_a_variable_is_not_its_value)
{
    static const struct {
        char *variable;
        const char *token; /* NULL = refused */
    } rows[] = {
        {"INSTASENT_TOKEN=abc\n", "abc"},         {"INSTASENT_TOKEN=abc\r\n", "abc"},
        {"INSTASENT_TOKEN=abc\n\n", "abc"},       {"SMSRELAY_API_TOKEN=abc\n", "abc"},
        {"INSTASENT_TOKEN=a\nbc\n", NULL},        {"INSTASENT_TOKEN=abc \n", NULL},
        {"INSTASENT_TOKEN=\nabc", NULL},          {"INSTASENT_TOKEN=\n", NULL},
        {"INSTASENT_TOKEN=\"abc\"x", "\"abc\"x"}, {"INSTASENT_TOKEN=\"", "\""},
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        char *environment[] = {rows[i].variable, NULL};
        struct conf_errors errors;
        struct conf *conf = read_text("#\n", NULL, environment, &errors);
        cr_expect_eq(conf != NULL, rows[i].token != NULL, "row %zu", i);
        cr_expect(conf == NULL || strcmp(conf->api.token, rows[i].token) == 0, "row %zu", i);
        conf_errors_free(&errors);
        conf_free(conf);
    }
}

/* `docker run --env-file` and others keep the quotes that a shell would remove. */
Test(conf, a_token_in_quotes)
{
    static char *const rows[] = {"INSTASENT_TOKEN=\"S3cret\"", "INSTASENT_TOKEN='S3cret'\n",
                                 "INSTASENT_TOKEN=\"\""};
    for (size_t i = 0; i < COUNT(rows); i++) {
        char *environment[] = {rows[i], NULL};
        assert_refused("#\n", NULL, environment,
                       "environment INSTASENT_TOKEN: must stand without quotes: they would be part "
                       "of the token\n");
    }
    assert_refused("[api]\ntoken = 'S3cret'\n", NULL, NULL,
                   "t.conf:2: api.token: must stand without quotes: they would be part of the "
                   "token\n");
}

/* For Services named smsrelay, smsrelay-api, smsrelay-http-internal and smsrelay-queue. */
Test(conf, variables_that_kubernetes_makes_of_services)
{
    char *environment[] = {"SMSRELAY_SERVICE_HOST=10.96.0.7",
                           "SMSRELAY_SERVICE_PORT=2525",
                           "SMSRELAY_SERVICE_PORT_SMTP=2525",
                           "SMSRELAY_PORT=tcp://10.96.0.7:2525",
                           "SMSRELAY_PORT_2525_TCP=tcp://10.96.0.7:2525",
                           "SMSRELAY_PORT_2525_TCP_PROTO=tcp",
                           "SMSRELAY_API_SERVICE_HOST=10.96.0.8",
                           "SMSRELAY_API_SERVICE_PORT=443",
                           "SMSRELAY_API_SERVICE_PORT_HTTPS_ALT=443",
                           "SMSRELAY_API_PORT=tcp://10.96.0.8:443",
                           "SMSRELAY_API_PORT_443_TCP=tcp://10.96.0.8:443",
                           "SMSRELAY_API_PORT_443_TCP_PROTO=tcp",
                           "SMSRELAY_API_PORT_443_TCP_PORT=443",
                           "SMSRELAY_API_PORT_443_TCP_ADDR=10.96.0.8",
                           "SMSRELAY_HTTP_INTERNAL_SERVICE_HOST=fd00::1",
                           "SMSRELAY_HTTP_INTERNAL_PORT=tcp://[fd00::1]:80",
                           "SMSRELAY_QUEUE_PORT=udp://10.96.0.9:53",
                           "SMSRELAY_QUEUE_PORT_53_UDP=udp://10.96.0.9:53",
                           "SMSRELAY_QUEUE_PORT_9_SCTP_ADDR=10.96.0.9",
                           NULL};
    conf_free(read_good(SANDBOX, NULL, environment));
    char *others[] = {"SMSRELAY_LISTEN_PORT=2525",
                      "SMSRELAY_API_SERVICE_HOSTS=x",
                      "SMSRELAY_API_SERVICE=x",
                      "SMSRELAY_API_PORT_TCP=x",
                      "SMSRELAY_API_PORT_443_TCP_URL=x",
                      "SMSRELAY_HTTP_SERVICE_PORTS=80",
                      NULL};
    assert_refused(
        SANDBOX, NULL, others,
        "environment SMSRELAY_LISTEN_PORT: there is no setting \"PORT\" in [listen]; did you mean "
        "reports.poll?\n"
        "environment SMSRELAY_API_SERVICE_HOSTS: there is no setting \"SERVICE_HOSTS\" in [api]\n"
        "environment SMSRELAY_API_SERVICE: there is no setting \"SERVICE\" in [api]\n"
        "environment SMSRELAY_API_PORT_TCP: there is no setting \"PORT_TCP\" in [api]\n"
        "environment SMSRELAY_API_PORT_443_TCP_URL: there is no setting \"PORT_443_TCP_URL\" in "
        "[api]\n"
        "environment SMSRELAY_HTTP_SERVICE_PORTS: there is no setting \"SERVICE_PORTS\" in "
        "[http]\n");
}

/* A misspelled section would otherwise lose its setting without a word. */
Test(conf, a_variable_of_a_misspelled_section)
{
    char *environment[] = {"SMSRELAY_QUEU_PATH=/q", "SMSRELAY_SOCKET=/s",  "SMSRELAY_VERSION=1",
                           "SMSRELAY_IMAGE_TAG=x",  "SMSRELAY_APP_NAME=x", NULL};
    assert_refused(SANDBOX, NULL, environment,
                   "environment SMSRELAY_QUEU_PATH: there is no section \"queu\"; did you mean "
                   "queue?\n");
}

Test(conf, runtime_directory)
{
    char *environment[] = {"RUNTIME_DIRECTORY=/run/a:/run/b", "INSTASENT_TOKEN=", NULL};
    char *none[] = {"listen.unix=", NULL};
    char *unset[] = {"RUNTIME_DIRECTORY=", NULL};

    struct conf *conf = read_good(SANDBOX, NULL, environment);
    cr_expect_str_eq(conf->listen.unix_path, "/run/a/smsrelay.sock");
    conf_free(conf);
    conf = read_good(SANDBOX, none, environment);
    cr_expect_str_eq(conf->listen.unix_path, "");
    conf_free(conf);
    conf = read_good(SANDBOX, NULL, unset);
    cr_expect_str_eq(conf->listen.unix_path, "");
    conf_free(conf);
}

Test(conf, state_directory)
{
    static const struct {
        const char *text;
        char *variable, *override;
        const char *path;
    } rows[] = {
        {SANDBOX, "STATE_DIRECTORY=/var/lib/a", NULL, "/var/lib/a/queue.db"},
        {SANDBOX, "STATE_DIRECTORY=/var/lib/a:/var/lib/b", NULL, "/var/lib/a/queue.db"},
        {SANDBOX, "STATE_DIRECTORY=", NULL, ""},
        {SANDBOX, "RUNTIME_DIRECTORY=/run/a", NULL, ""},
        {SANDBOX "[queue]\npath = /f\n", "STATE_DIRECTORY=/var/lib/a", NULL, "/f"},
        {SANDBOX "[queue]\npath =\n", "STATE_DIRECTORY=/var/lib/a", NULL, ""},
        {SANDBOX, "STATE_DIRECTORY=/var/lib/a", "queue.path=relative", "relative"},
        {SANDBOX, "STATE_DIRECTORY=/var/lib/a", "queue.path=", ""},
        {SANDBOX, "STATE_DIRECTORY=/var/lib/a", "queue.durability=none", "/var/lib/a/queue.db"},
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        char *environment[] = {rows[i].variable, NULL}, *overrides[] = {rows[i].override, NULL};
        struct conf *conf = read_good(rows[i].text, overrides, environment);
        cr_expect_str_eq(conf->queue.path, rows[i].path, "row %zu: %s", i, conf->queue.path);
        conf_free(conf);
    }
}

/* A truncated path would be another file. */
Test(conf, a_long_state_directory_is_kept_whole)
{
    char variable[1024] = "STATE_DIRECTORY=", expected[1024];
    size_t len = strlen(variable);
    memset(variable + len, '/', 900);
    snprintf(expected, sizeof expected, "%s/queue.db", variable + len);
    char *environment[] = {variable, NULL};
    struct conf *conf = read_good(SANDBOX, NULL, environment);
    cr_expect_str_eq(conf->queue.path, expected);
    conf_free(conf);
}

Test(conf, directories_that_cannot_be_used)
{
    char runtime[256] = "RUNTIME_DIRECTORY=";
    memset(runtime + strlen(runtime), 'a', 100);
    char *environment[] = {runtime, NULL};
    char *odd[] = {"STATE_DIRECTORY=/a\001b", NULL};
    assert_refused(SANDBOX, NULL, environment,
                   "environment RUNTIME_DIRECTORY: the socket's path must be at most 107 bytes "
                   "long\n");
    assert_refused(SANDBOX, NULL, odd,
                   "environment STATE_DIRECTORY: the store's path must not contain control "
                   "characters\n");
}

/* What SQLite would not open as a file must not pass for a durable queue. */
Test(conf, paths_of_the_store)
{
    static const struct {
        const char *path;
        bool is_allowed;
    } rows[] = {
        {"/var/lib/smsrelay/queue.db", true},
        {"queue.db", true},
        {"./:memory:", true},
        {"./file:x", true},
        {"filed", true},
        {"/with space/q", true},
        {":memory:", false},
        {":", false},
        {"file:q?mode=memory", false},
        {"FILE:q", false},
        {"/var/lib/smsrelay/", false},
        {"/", false},
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        char override[256];
        snprintf(override, sizeof override, "queue.path=%s", rows[i].path);
        char *overrides[] = {override, NULL};
        struct conf_errors errors;
        struct conf *conf = read_text(SANDBOX, overrides, NULL, &errors);
        cr_expect_eq(conf != NULL, rows[i].is_allowed, "%s: %s", rows[i].path, errors.text);
        cr_expect(conf == NULL || strcmp(conf->queue.path, rows[i].path) == 0);
        conf_errors_free(&errors);
        conf_free(conf);
    }
}

Test(conf, errors_name_their_source)
{
    char *environment[] = {"SMSRELAY_API_URL=http://example.com", "SMSRELAY_API_ULR=x",
                           "SMSRELAY_QUEUE_MAX_AGE=never", NULL};
    char *overrides[] = {"api.url=ftp://x",    "api.ulr=x",          "lisen.address=x",
                         "nonsense",           "log.level=loud",     "=",
                         "relay.retry_min=2h", "sms.charset=\033[m", NULL};
    assert_refused(
        SANDBOX, overrides, environment,
        "environment SMSRELAY_API_URL: must begin with https:// (http:// is for loopback only), or "
        "others could read the token on its way\n"
        "environment SMSRELAY_API_ULR: there is no setting \"ULR\" in [api]; did you mean "
        "api.url?\n"
        "environment SMSRELAY_QUEUE_MAX_AGE: must be a time from 1ms to 365d (ms, s, m, h, d; "
        "plain "
        "= seconds), not \"never\"\n"
        "-o api.url: must be https://HOST[:PORT][/PATH], without user, query or fragment, or the "
        "word sandbox\n"
        "-o: there is no setting \"ulr\" in [api]; did you mean api.url?\n"
        "-o: there is no section \"lisen\"; did you mean listen?\n"
        "-o: must be followed by section.key=value\n"
        "-o log.level: must be one of error|warn|info|debug, not \"loud\"\n"
        "-o: must be followed by section.key=value\n"
        "-o relay.retry_min: must be a time from 1ms to 1h (ms, s, m, h, d; plain = seconds), not "
        "\"2h\"\n"
        "-o sms.charset: must not contain control characters\n");
}

/* A token is not shown, wherever it is put and however wrong. */
Test(conf, errors_hide_secrets)
{
    static const char secret[] = "S3cret";
    char *overrides[][2] = {{"api.token=S3cret \n", NULL},
                            {"sandbox.token=S3cret x", NULL},
                            {"S3cret", NULL},
                            {"api.url=https://u:S3cret@h/", NULL},
                            {"api.url=S3cret", NULL},
                            {"S3cret+/==", NULL}};
    char *environment[] = {"INSTASENT_TOKEN=S3cret x", NULL};
    const char *texts[] = {"[api]\ntoken = S3cret x\n",
                           "[api]\ntoken S3cret\n",
                           "[api]\ntoken = S3cret\ntoken = S3cret\n",
                           "[api]\ntoken = S3cret ;x\n",
                           "[api]\ntoken = x\n S3cret\n",
                           "[api]\nS3cret+/==\n"};
    struct conf_errors errors;
    for (size_t i = 0; i < COUNT(overrides); i++) {
        cr_expect_null(read_text("#\n", overrides[i], NULL, &errors));
        cr_expect_null(strstr(errors.text, secret), "%s", errors.text);
        conf_errors_free(&errors);
    }
    for (size_t i = 0; i < COUNT(texts); i++) {
        cr_expect_null(read_text(texts[i], NULL, NULL, &errors));
        cr_expect_null(strstr(errors.text, secret), "%s", errors.text);
        conf_errors_free(&errors);
    }
    cr_expect_null(read_text("#\n", NULL, environment, &errors));
    cr_expect_null(strstr(errors.text, secret), "%s", errors.text);
    conf_errors_free(&errors);
}

Test(conf, a_removed_setting_says_what_to_do_from_any_source)
{
    char *environment[] = {"SMSRELAY_RELAY_LINGER=1s", NULL},
         *overrides[] = {"relay.linger=1s", NULL};
    static const char advice[] = "relay.linger no longer exists: a message never waits for others "
                                 "to share its request; delete this setting\n";
    char expected[512];
    snprintf(expected, sizeof expected, "environment SMSRELAY_RELAY_LINGER: %s-o: %s", advice,
             advice);
    assert_refused(SANDBOX, overrides, environment, expected);
}

Test(conf, every_setting_has_a_variable_and_an_override)
{
    for (size_t i = 0; i < conf_key_count; i++) {
        const struct conf_key *key = &conf_keys[i];
        char name[CONF_VARIABLE_SIZE], variable[256], override[256];
        conf_key_variable(key, name);
        bool is_string = key->type == CONF_STRING || key->type == CONF_SECRET;
        /* Values that no type allows. */
        snprintf(variable, sizeof variable, "%s=%s", name, is_string ? "\001" : "\"");
        snprintf(override, sizeof override, "%s.%s=%s", key->section, key->name,
                 is_string ? "\001" : "\"");
        char *environment[] = {variable, NULL}, *overrides[] = {override, NULL};
        struct conf_errors errors;
        char expected[256];

        cr_expect_null(read_text(SANDBOX, NULL, environment, &errors), "%s", variable);
        snprintf(expected, sizeof expected, "environment %s: must", name);
        cr_expect_eq(strncmp(errors.text, expected, strlen(expected)), 0, "%s", errors.text);
        conf_errors_free(&errors);

        cr_expect_null(read_text(SANDBOX, overrides, NULL, &errors), "%s", override);
        snprintf(expected, sizeof expected, "-o %s.%s: must", key->section, key->name);
        cr_expect_eq(strncmp(errors.text, expected, strlen(expected)), 0, "%s", errors.text);
        conf_errors_free(&errors);
    }
}

/* A time that can be a word instead. */
Test(conf, poll)
{
    static const struct {
        const char *text;
        int64_t ms;
    } rows[] = {{"", 0},
                {"[reports]\npoll = no\n", 0},
                {"[reports]\npoll = NO\n", 0},
                {"[reports]\npoll = 1s\n", 1000},
                {"[reports]\npoll = 1d\n", 86400000}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char text[256];
        struct conf_errors errors = CONF_NO_ERRORS;
        snprintf(text, sizeof text, SANDBOX "%s", rows[i].text);
        struct conf *conf = read_text(text, NULL, NULL, &errors);
        cr_assert_not_null(conf, "%s", errors.text);
        cr_expect_eq(conf->reports.poll_ms, rows[i].ms, "%s", rows[i].text);
        conf_free(conf);
    }
}

/* The words of a choice and its enum are two lists: they must not drift apart. */
Test(conf, choices_follow_their_enums)
{
    static const struct {
        const char *section, *name, *value;
        int expected;
    } rows[] = {
        {"listen", "control", "unix", CONF_CONTROL_UNIX},
        {"listen", "control", "all", CONF_CONTROL_ALL},
        {"queue", "durability", "always", CONF_DURABILITY_ALWAYS},
        {"queue", "durability", "none", CONF_DURABILITY_NONE},
        {"sms", "unicode", "auto", CONF_UNICODE_AUTO},
        {"sms", "unicode", "yes", CONF_UNICODE_YES},
        {"sms", "unicode", "no", CONF_UNICODE_NO},
        {"sms", "unicode", "auto", TEXT_UNICODE_AUTO},
        {"sms", "unicode", "yes", TEXT_UNICODE_YES},
        {"sms", "unicode", "no", TEXT_UNICODE_NO},
        {"sms", "transliterate", "punctuation", CONF_TRANSLITERATE_PUNCTUATION},
        {"sms", "transliterate", "no", CONF_TRANSLITERATE_NO},
        {"sms", "transliterate", "all", CONF_TRANSLITERATE_ALL},
        {"sms", "transliterate", "punctuation", TEXT_TRANSLITERATE_PUNCTUATION},
        {"sms", "transliterate", "no", TEXT_TRANSLITERATE_NO},
        {"sms", "transliterate", "all", TEXT_TRANSLITERATE_ALL},
        {"smtp", "subject", "prefix", CONF_SUBJECT_PREFIX},
        {"smtp", "subject", "ignore", CONF_SUBJECT_IGNORE},
        {"smtp", "subject", "only", CONF_SUBJECT_ONLY},
        {"smtp", "too_long", "truncate", CONF_TOO_LONG_TRUNCATE},
        {"smtp", "too_long", "refuse", CONF_TOO_LONG_REFUSE},
        {"log", "level", "error", CONF_LOG_ERROR},
        {"log", "level", "warn", CONF_LOG_WARN},
        {"log", "level", "info", CONF_LOG_INFO},
        {"log", "level", "debug", CONF_LOG_DEBUG},
        {"log", "format", "logfmt", CONF_LOG_LOGFMT},
        {"log", "format", "json", CONF_LOG_JSON},
        {"log", "privacy", "mask", CONF_LOG_MASK},
        {"log", "privacy", "full", CONF_LOG_FULL},
    };
    struct conf conf;
    char why[CONF_WHY_SIZE];
    for (size_t i = 0; i < COUNT(rows); i++) {
        const struct conf_key *key = conf_key_find(rows[i].section, rows[i].name);
        cr_assert(conf_key_set(key, &conf, rows[i].value, why), "%s %s", rows[i].value, why);
        cr_expect_eq(*(int *)((char *)&conf + key->offset), rows[i].expected, "%s.%s=%s",
                     rows[i].section, rows[i].name, rows[i].value);
    }
}

Test(conf, amounts)
{
    static const struct {
        const char *text;
        int64_t ms, bytes; /* -1 = refused */
    } rows[] = {
        {"0", 0, 0},
        {"5", 5000, 5},
        {"5ms", 5, -1},
        {"5S", 5000, -1},
        {"5m", 300000, 5 << 20},
        {"2h", 7200000, -1},
        {"1d", 86400000, -1},
        {"1k", -1, 1024},
        {"3G", -1, INT64_C(3) << 30},
        {"007", 7000, 7},
        {"9223372036854775807", -1, INT64_MAX},
        {"9223372036854775807ms", INT64_MAX, -1},
        {"9223372036854775808", -1, -1},
        {"99999999999999999999999999", -1, -1},
        {"", -1, -1},
        {"m", -1, -1},
        {"-1", -1, -1},
        {"+1", -1, -1},
        {" 1", -1, -1},
        {"1 s", -1, -1},
        {"1.5s", -1, -1},
        {"0x10", -1, -1},
        {"1ss", -1, -1},
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        int64_t ms = -1, bytes = -1;
        cr_expect_eq(conf_time_parse(rows[i].text, &ms), rows[i].ms >= 0, "%s", rows[i].text);
        cr_expect(rows[i].ms < 0 || ms == rows[i].ms, "%s: %" PRId64, rows[i].text, ms);
        cr_expect_eq(conf_size_parse(rows[i].text, &bytes), rows[i].bytes >= 0, "%s", rows[i].text);
        cr_expect(rows[i].bytes < 0 || bytes == rows[i].bytes, "%s: %" PRId64, rows[i].text, bytes);
    }
}

Test(conf, amounts_are_printed_as_they_are_read)
{
    static const int64_t amounts[] = {0,     1,        999,     1000, 1500,     60000,
                                      61000, 86400000, 1 << 20, 1025, INT64_MAX};
    for (size_t i = 0; i < COUNT(amounts); i++) {
        char text[CONF_AMOUNT_SIZE];
        int64_t again = -1;
        conf_time_print(amounts[i], text);
        cr_expect(conf_time_parse(text, &again) && again == amounts[i], "%s", text);
        conf_size_print(amounts[i], text);
        cr_expect(conf_size_parse(text, &again) && again == amounts[i], "%s", text);
    }
}

Test(conf, lists)
{
    static const struct {
        const char *text, *joined; /* NULL = refused */
    } rows[] = {
        {"", ""},
        {" , ,\t", ""},
        {"a", "a|"},
        {"a,b c\td", "a|b|c|d|"},
        {"\"a b\",c", "a b|c|"},
        {"a \"b,c\"", "a|b,c|"},
        {"a\"b", "a\"b|"},
        {"\"a", NULL},
        {"\"", NULL},
        {"\"\"", NULL},
        {"\"a\"b", NULL},
        {"x, \"a b", NULL},
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct conf_list list = {NULL, 0};
        char joined[64] = "";
        bool is_good = conf_list_append(&list, rows[i].text);
        cr_expect_eq(is_good, rows[i].joined != NULL, "%s", rows[i].text);
        for (size_t j = 0; j < list.count; j++) {
            strcat(strcat(joined, list.items[j]), "|");
        }
        cr_expect_str_eq(joined, is_good ? rows[i].joined : "", "%s", rows[i].text);
        conf_list_clear(&list);
    }
}

Test(conf, addresses)
{
    static const struct {
        const char *text, *host; /* NULL = refused */
        int port;
        bool is_loopback;
    } rows[] = {
        {"127.0.0.1:2525", "127.0.0.1", 2525, true},
        {"127.255.0.1:0", "127.255.0.1", 0, true},
        {"[::1]:65535", "::1", 65535, true},
        {"LocalHost:1", "LocalHost", 1, true},
        {"[::]:1", "::", 1, false},
        {"[::ffff:127.0.0.1]:1", "::ffff:127.0.0.1", 1, false},
        {"128.0.0.1:1", "128.0.0.1", 1, false},
        {"127.1:1", "127.1", 1, false},
        {"127.0.0.1.example:1", "127.0.0.1.example", 1, false},
        {"localhost.:1", "localhost.", 1, false},
        {"::1:25", NULL, 0, false},
        {"[localhost]:1", NULL, 0, false},
        {"127.0.0.1", NULL, 0, false},
        {"127.0.0.1:", NULL, 0, false},
        {"127.0.0.1:65536", NULL, 0, false},
        {"127.0.0.1:+1", NULL, 0, false},
        {":25", NULL, 0, false},
        {"[]:25", NULL, 0, false},
        {"[:25", NULL, 0, false},
        {"[::1]25", NULL, 0, false},
        {"", NULL, 0, false},
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        char host[CONF_HOST_SIZE] = "";
        uint16_t port = 0;
        bool is_good = conf_address_split(rows[i].text, host, &port);
        cr_assert_eq(is_good, rows[i].host != NULL, "%s", rows[i].text);
        if (!is_good) {
            continue;
        }
        cr_expect_str_eq(host, rows[i].host);
        cr_expect_eq(port, rows[i].port, "%s", rows[i].text);
        cr_expect_eq(conf_host_is_loopback(host), rows[i].is_loopback, "%s", rows[i].text);
    }
}

Test(conf, networks)
{
    static const struct {
        const char *text;
        const char *why; /* NULL = good */
        unsigned bits;
    } rows[] = {
        {"192.168.7.0/24", NULL, 120},
        {"192.168.7.5", NULL, 128},
        {"192.168.7.5/32", NULL, 128},
        {"10.0.0.0/8", NULL, 104},
        {"fd00::/8", NULL, 8},
        {"fc00::/7", NULL, 7},
        {"2001:DB8::/32", NULL, 32},
        {"::1", NULL, 128},
        {"192.168.7.1/24",
         "is not the address of a network: write 192.168.7.0/24 for it, or "
         "192.168.7.1 for the one address",
         0},
        {"192.168.7.128/24",
         "is not the address of a network: write 192.168.7.0/24 for it, or "
         "192.168.7.128 for the one address",
         0},
        {"fd00::1/8",
         "is not the address of a network: write fd00::/8 for it, or fd00::1 for the "
         "one address",
         0},
        {"2001:db8:0:1::/47",
         "is not the address of a network: write 2001:db8::/47 for it, or "
         "2001:db8:0:1:: for the one address",
         0},
        {"192.168.7.0/33", "must end in /32 or less", 0},
        {"fd00::/129", SHAPE, 0},
        {"0.0.0.0/0", "is wider than any network of one owner (/8): name yours", 0},
        {"::/0", "is wider than any network of one owner (/7): name yours", 0},
        {"128.0.0.0/1", "is wider than any network of one owner (/8): name yours", 0},
        {"::ffff:192.168.7.0/120", "is a network of IPv4: write 192.168.7.0/24", 0},
        {"::ffff:192.168.7.5", "is a network of IPv4: write 192.168.7.5/32", 0},
        {"::ffff:192.168.7.5/24", "is a network of IPv4: write 192.168.7.5/32", 0},
        {"192.168.7.0/024", SHAPE, 0},
        {"192.168.7.0/+24", SHAPE, 0},
        {"192.168.7.0/ 24", SHAPE, 0},
        {"192.168.7.0/", SHAPE, 0},
        {"192.168.7.0/24/24", SHAPE, 0},
        {"192.168.7.0/255.255.255.0", SHAPE, 0},
        {"192.168.007.0/24", SHAPE, 0},
        {"192.168.7/24", SHAPE, 0},
        {"0xC0A80700/24", SHAPE, 0},
        {"fe80::1%lo/64", SHAPE, 0},
        {"[fd00::]/8", SHAPE, 0},
        {"eth0", SHAPE, 0},
        {"printer.lan", SHAPE, 0},
        {"/24", SHAPE, 0},
        {"1111:2222:3333:4444:5555:6666:7777:8888:9999:aaaa:bbbb/8", SHAPE, 0},
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        char why[CONF_NETWORK_WHY_SIZE] = "";
        struct conf_network network;
        bool is_good = conf_network_parse(rows[i].text, &network, why);
        cr_expect_eq(is_good, rows[i].why == NULL, "%s: %s", rows[i].text, why);
        if (is_good) {
            cr_expect_eq(network.bits, rows[i].bits, "%s", rows[i].text);
        } else if (rows[i].why != NULL) {
            cr_expect_str_eq(why, rows[i].why, "%s", rows[i].text);
        }
    }
}

/* What a token may be sent to: https anywhere, http to this machine only. */
Test(conf, api_urls)
{
    static const struct {
        const char *url;
        bool is_allowed;
    } rows[] = {
        {"sandbox", true},
        {"https://api.example", true},
        {"HTTPS://api.example:8443/a/b", true},
        {"https://[2001:db8::1]/", true},
        {"http://127.0.0.1:80/v1", true},
        {"http://[::1]", true},
        {"http://localhost/x", true},
        {"", false},
        {"http://example.com", false},
        {"http://127.0.0.1.example.com", false},
        {"http://localhost@example.com/", false},
        {"http://localhost\\@example.com/", false},
        {"http://localhost:80@example.com/", false},
        {"https://user:pass@api.example/", false},
        {"https://user@api.example/", false},
        {"https://api.example\\x/", false},
        {"https://api.example/?token=x", false},
        {"https://api.example/#x", false},
        {"https://api.example:0/", false},
        {"https://api.example:/", false},
        {"https://api.example:99999/", false},
        {"https:///path", false},
        {"https://a b/", false},
        {"https://::1/", false},
        {"file:///etc/passwd", false},
        {"api.example", false},
        {"Sandbox ", false},
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        char override[256];
        snprintf(override, sizeof override, "api.url=%s", rows[i].url);
        char *overrides[] = {override, "api.token=x", NULL};
        struct conf_errors errors;
        struct conf *conf = read_text("#\n", overrides, NULL, &errors);
        cr_expect_eq(conf != NULL, rows[i].is_allowed, "%s: %s", rows[i].url, errors.text);
        conf_errors_free(&errors);
        conf_free(conf);
    }
}

/* --- files ------------------------------------------------------------------------------------ */

static char directory[] = "/tmp/conf_test.XXXXXX";
static char path[64];

static void make_directory(void)
{
    cr_assert_not_null(mkdtemp(directory));
    snprintf(path, sizeof path, "%s/file", directory);
}

static void remove_directory(void)
{
    unlink(path);
    rmdir(directory);
}

static void write_file(const char *bytes, size_t len, mode_t mode)
{
    unlink(path);
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL, 0600);
    cr_assert_geq(fd, 0);
    cr_assert_eq(write(fd, bytes, len), (ssize_t)len);
    cr_assert_eq(fchmod(fd, mode), 0);
    close(fd);
}

TestSuite(files, .init = make_directory, .fini = remove_directory);

Test(files, a_named_file_must_exist)
{
    struct conf_errors errors = CONF_NO_ERRORS;
    cr_expect_null(conf_load("/nonexistent/x.conf", NULL, NULL, NULL, &errors));
    cr_expect_str_eq(errors.text,
                     "/nonexistent/x.conf: cannot be opened: No such file or directory\n");
    conf_errors_free(&errors);
    cr_expect_null(conf_load(directory, NULL, NULL, NULL, &errors));
    cr_expect_not_null(strstr(errors.text, ": Is a directory\n"), "%s", errors.text);
    conf_errors_free(&errors);
}

Test(files, a_file_without_end)
{
    struct conf_errors errors = CONF_NO_ERRORS;
    cr_expect_null(conf_load("/dev/zero", NULL, NULL, NULL, &errors));
    cr_expect_not_null(strstr(errors.text, "/dev/zero:1: the file is larger than 1 MiB\n"), "%s",
                       errors.text);
    conf_errors_free(&errors);
}

Test(files, a_token_needs_a_private_file)
{
    static const char text[] = "[api]\ntoken = S3cret\n";
    struct conf_errors errors = CONF_NO_ERRORS;
    struct conf *conf;

    write_file(text, strlen(text), 0640);
    conf = conf_load(path, NULL, NULL, NULL, &errors);
    cr_assert_not_null(conf, "%s", errors.text);
    cr_expect_str_eq(conf->api.token, "S3cret");
    conf_free(conf);

    write_file(text, strlen(text), 0644);
    cr_expect_null(conf_load(path, NULL, NULL, NULL, &errors));
    cr_expect_not_null(strstr(errors.text, ":2: api.token: is in a file that is open to others"),
                       "%s", errors.text);
    conf_errors_free(&errors);

    write_file("[api]\n", 6, 0644);
    char *environment[] = {"INSTASENT_TOKEN=x", NULL};
    conf = conf_load(path, NULL, environment, NULL, &errors);
    cr_expect_not_null(conf, "%s", errors.text);
    conf_free(conf);
}

Test(files, token_files)
{
    char big[CONF_SECRET_MAX + 1];
    memset(big, 'x', sizeof big);
    static const struct {
        const char *bytes;
        size_t len;
        mode_t mode;
        enum conf_secret_fault fault;
        const char *token;
    } rows[] = {
        {"abc", 3, 0600, CONF_SECRET_GOOD, "abc"},
        {"abc\n", 4, 0640, CONF_SECRET_GOOD, "abc"},
        {"abc\r\n", 5, 0400, CONF_SECRET_GOOD, "abc"},
        {"abc\n\n", 5, 0600, CONF_SECRET_ODD, NULL},
        {"'abc'\n", 6, 0600, CONF_SECRET_QUOTED, NULL},
        {"'abc\n", 5, 0600, CONF_SECRET_GOOD, "'abc"},
        {"a b\n", 4, 0600, CONF_SECRET_ODD, NULL},
        {"a\0b", 3, 0600, CONF_SECRET_ODD, NULL},
        {"\xc3\xa1", 2, 0600, CONF_SECRET_ODD, NULL},
        {"", 0, 0600, CONF_SECRET_EMPTY, NULL},
        {"\n", 1, 0600, CONF_SECRET_EMPTY, NULL},
        {"abc", 3, 0644, CONF_SECRET_EXPOSED, NULL},
        {"abc", 3, 0604, CONF_SECRET_EXPOSED, NULL},
        {"abc", 3, 0660, CONF_SECRET_EXPOSED, NULL},
        {"abc", 3, 0602, CONF_SECRET_EXPOSED, NULL},
    };
    struct conf_secret *secret;
    for (size_t i = 0; i < COUNT(rows); i++) {
        write_file(rows[i].bytes, rows[i].len, rows[i].mode);
        cr_expect_eq(conf_secret_read(path, &secret), rows[i].fault, "row %zu", i);
        cr_assert_eq(secret != NULL, rows[i].token != NULL);
        if (secret != NULL) {
            cr_expect_str_eq(conf_secret_text(secret), rows[i].token);
        }
        conf_secret_free(secret);
    }

    write_file(big, CONF_SECRET_MAX, 0600);
    cr_assert_eq(conf_secret_read(path, &secret), CONF_SECRET_GOOD);
    cr_expect_eq(strlen(conf_secret_text(secret)), CONF_SECRET_MAX);
    conf_secret_free(secret);
    write_file(big, sizeof big, 0600);
    cr_expect_eq(conf_secret_read(path, &secret), CONF_SECRET_TOO_LONG);
}

Test(files, token_files_that_are_none)
{
    struct conf_secret *secret;
    cr_expect_eq(conf_secret_read("/nonexistent", &secret), CONF_SECRET_MISSING);
    cr_expect_eq(conf_secret_read(directory, &secret), CONF_SECRET_IRREGULAR);
    cr_expect_eq(conf_secret_read("/dev/null", &secret), CONF_SECRET_IRREGULAR);
    cr_assert_eq(mkfifo(path, 0600), 0);
    cr_expect_eq(conf_secret_read(path, &secret), CONF_SECRET_IRREGULAR, "and it does not wait");
    cr_expect_null(secret);

    write_file("abc", 3, 0600);
    if (geteuid() == 0 && chown(path, 65534, 65534) == 0) {
        cr_expect_eq(conf_secret_read(path, &secret), CONF_SECRET_FOREIGN);
    } else if (geteuid() != 0 && chmod(path, 0) == 0) {
        cr_expect_eq(conf_secret_read(path, &secret), CONF_SECRET_DENIED);
    }
}

Test(conf, every_fault_has_its_own_sentence)
{
    for (int i = 0; i <= CONF_SECRET_NO_MEMORY; i++) {
        for (int j = 0; j < i; j++) {
            cr_expect_str_neq(conf_secret_fault_name((enum conf_secret_fault)i),
                              conf_secret_fault_name((enum conf_secret_fault)j));
        }
    }
}

/* Reading again finds a rotated token. */
Test(files, a_token_file_can_be_read_again)
{
    struct conf_secret *secret;
    write_file("old\n", 4, 0600);
    char override[128];
    snprintf(override, sizeof override, "api.token_file=%s", path);
    char *overrides[] = {override, NULL};
    struct conf *conf = read_good("#\n", overrides, NULL);
    write_file("new\n", 4, 0600);
    cr_assert_eq(conf_secret_read(conf->api.token_file, &secret), CONF_SECRET_GOOD);
    cr_expect_str_eq(conf_secret_text(secret), "new");
    conf_secret_free(secret);
    conf_free(conf);
}

/* --- what is documented ----------------------------------------------------------------------- */

/* Asserts that an annotated file shows every setting once, in its section, with its default. */
static void assert_documents_all(FILE *file)
{
    char line[256], section[64] = "";
    size_t seen[128] = {0}, comments = 0;
    cr_assert_lt(conf_key_count, COUNT(seen));
    while (fgets(line, sizeof line, file) != NULL) {
        char name[64], value[128] = "";
        if (line[0] == '#' && line[1] == ' ') {
            comments++;
        } else if (sscanf(line, "[%63[a-z]]", section) != 1 &&
                   sscanf(line, "#%63[a-z_] = %127[^\n]", name, value) >= 1) {
            const struct conf_key *key = conf_key_find(section, name);
            cr_assert_not_null(key, "[%s] %s", section, name);
            cr_expect_str_eq(value, key->initial, "[%s] %s", section, name);
            cr_expect_gt(comments, 0);
            seen[key - conf_keys]++;
        } else {
            cr_expect(line[0] == '[' || line[strspn(line, "#\n")] == '\0', "odd line: %s", line);
        }
    }
    for (size_t i = 0; i < conf_key_count; i++) {
        cr_expect_eq(seen[i], 1, "%s.%s stands there %zu times", conf_keys[i].section,
                     conf_keys[i].name, seen[i]);
    }
}

Test(conf, the_reference_lists_every_setting)
{
    FILE *file = tmpfile();
    conf_reference_print(file);
    rewind(file);
    assert_documents_all(file);
    fclose(file);
}

/* To update it: build/smsrelay settings > conf/smsrelay.conf */
Test(conf, smsrelay_conf_is_the_reference)
{
    FILE *shipped = fopen("conf/smsrelay.conf", "r"), *printed = tmpfile();
    char expected[256], line[256];
    conf_reference_print(printed);
    rewind(printed);
    cr_assert_not_null(shipped, "run from the root of the project");
    while (fgets(expected, sizeof expected, printed) != NULL) {
        cr_assert_not_null(fgets(line, sizeof line, shipped), "ends before: %s", expected);
        cr_assert_str_eq(line, expected);
        cr_expect_leq(strlen(line), 101, "a line of over 100 columns: %s", line);
    }
    cr_expect_null(fgets(line, sizeof line, shipped), "goes on with: %s", line);
    fclose(shipped);
    fclose(printed);
}

/* They are valid as shipped, and with every # removed. */
Test(conf, shipped_files_are_good)
{
    struct conf_errors errors = CONF_NO_ERRORS;
    char *environment[] = {"INSTASENT_TOKEN=x", NULL};
    struct conf *conf = conf_load("conf/smsrelay.conf", NULL, environment, NULL, &errors);
    cr_expect_not_null(conf, "%s", errors.text);
    conf_free(conf);
    conf = conf_load("conf/sandbox.conf", NULL, NULL, NULL, &errors);
    cr_assert_not_null(conf, "%s", errors.text);
    cr_expect_str_eq(conf->api.url, "sandbox");
    cr_expect_str_eq(conf->queue.path, "", "a trial leaves nothing behind");
    conf_free(conf);

    FILE *shipped = fopen("conf/smsrelay.conf", "r"), *all = tmpfile();
    char line[256];
    while (fgets(line, sizeof line, shipped) != NULL) {
        fputs(line + (line[0] == '#' && line[1] != ' '), all);
    }
    rewind(all);
    conf = conf_read(all, "all", NULL, environment, NULL, &errors);
    cr_expect_not_null(conf, "%s", errors.text);
    conf_free(conf);
    fclose(shipped);
    fclose(all);
}

/* What a client looks at, of a file that it may not even read. */
Test(conf, a_glance_sees_what_is_right)
{
    char name[] = "/tmp/smsrelay-glance-XXXXXX";
    char *environment[] = {"RUNTIME_DIRECTORY=/run/x", NULL};
    int fd = mkstemp(name);
    cr_assert_geq(fd, 0);
    dprintf(fd, "nonsense\n[poison]\nof = x\n[listen]\nunix = /s\nmax_line = no\n[api]\n"
                "token_file = /nonexistent\n");
    close(fd);
    struct conf *conf = conf_glance(name, environment);
    cr_assert_not_null(conf);
    cr_expect_str_eq(conf->listen.unix_path, "/s");
    cr_expect_str_eq(conf->listen.address.items[0], "127.0.0.1:2525");
    conf_free(conf);
    unlink(name);
    conf = conf_glance(name, environment);
    cr_assert_not_null(conf);
    cr_expect_str_eq(conf->listen.unix_path, "/run/x/smsrelay.sock");
    conf_free(conf);
}
