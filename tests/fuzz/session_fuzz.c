/*
 * Any input, in any chunks, with verdicts in any order: the session answers in whole reply lines,
 * of at most 512 bytes, in the order of the commands, and holds no more than it may.
 *
 * The first four bytes choose the settings, the size of the chunks and the order of the verdicts.
 */
#include "proto/mail/mail.h"
#include "tests/support/fake_gateway.h"

#include <stdint.h>

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

static struct alias_table *aliases;

/* What a reply line may hold (RFC 5321, 4.5.3.1.5). */
enum { LINE_LIMIT = 512 };

/* Room for what is said behind one slow verdict: replies, and the lines of one submission. */
enum { HELD_LIMIT = 1024 * 1024 };

static void require(bool is_true)
{
    if (!is_true) {
        abort();
    }
}

static struct session_rules choose_rules(uint8_t a, uint8_t b)
{
    static const char *const SENDERS[] = {"Acme", "12345", NULL};
    static const char *const CHARSETS[] = {NULL, "windows-1252", "iso-8859-15", "shift_jis"};
    struct session_rules rules = fake_rules();
    rules.max_line = (a & 1) != 0 ? 64 : 65536;
    rules.senders = (a & 4) != 0 ? SENDERS : NULL;
    rules.default_from = (a & 8) != 0 ? "" : "Acme";
    rules.default_country = (a & 16) != 0 ? "34" : "";
    rules.aliases = (b & 0x40) != 0 ? aliases : NULL;
    rules.takes_any_login = (b & 0x20) != 0;
    rules.offers_tls = (a & 2) != 0;
    rules.has_users = (a & 32) != 0 && !rules.takes_any_login;
    rules.charset = CHARSETS[a >> 6];
    rules.unicode = (enum text_unicode)(b % 3);
    rules.transliterate = (enum text_transliterate)(b / 3 % 3);
    rules.mail_subject = (enum session_subject)(b / 9 % 3);
    rules.mail_too_long = (b & 0x80) != 0 ? TOO_LONG_REFUSE : TOO_LONG_TRUNCATE;
    rules.mail_max_size = 100000;
    return rules;
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/*
 * The ids of messages that were taken count up in the replies: none came before its turn. Those of
 * a refused one are missing, so a step may be larger than one.
 */
static void check_turn(const char *line, size_t len, uint64_t *last)
{
    static const char *const TAKEN[] = {"queued id=", "relayed id="};
    enum { CODES_LEN = 10 }; /* "250-2.0.0 " */
    for (size_t i = 0; i < sizeof TAKEN / sizeof TAKEN[0]; i++) {
        size_t start = CODES_LEN + strlen(TAKEN[i]);
        struct ulid id;
        if (len < start + ULID_LENGTH ||
            memcmp(line + CODES_LEN, TAKEN[i], strlen(TAKEN[i])) != 0) {
            continue;
        }
        require(ulid_parse(line + start, ULID_LENGTH, &id));
        uint64_t n = (uint64_t)id.bytes[12] << 24 | (uint64_t)id.bytes[13] << 16 |
                     (uint64_t)id.bytes[14] << 8 | id.bytes[15];
        require(n > *last);
        *last = n;
    }
}

/* Checks that `out` is whole reply lines: code, separator, no line end or NUL within. */
static void check_lines(const struct buffer *out, uint64_t *last)
{
    size_t start = 0;
    for (size_t i = 0; i < out->len; i++) {
        require(out->data[i] != '\0');
        if (out->data[i] != '\n') {
            continue;
        }
        const char *line = out->data + start;
        require(i > start && out->data[i - 1] == '\r' && i - start > 4);
        require(memchr(line, '\r', i - 1 - start) == NULL);
        require(i + 1 - start <= LINE_LIMIT);
        require(line[0] >= '1' && line[0] <= '5' && is_digit(line[1]) && is_digit(line[2]));
        require(line[3] == ' ' || line[3] == '-');
        check_turn(line, i - start, last);
        start = i + 1;
    }
    require(start == out->len);
}

static void check_submission(struct fake_gateway *g)
{
    require(text_is_utf8(g->submitted.data, g->submitted.len));
    require(memchr(g->submitted.data, '\0', g->submitted.len) == NULL);
    buffer_clear(&g->submitted);
}

/* Runs until the session wants input; some verdicts stay due. */
static void run(struct fake_gateway *g, uint64_t *last)
{
    bool goes_on = true;
    while (goes_on) {
        goes_on = fake_step(g);
        require(session_open_slots(g->session) <= SESSION_MAX_OPEN + 1);
        require(session_held(g->session) <= HELD_LIMIT);
        if (g->submitted.len > 0) {
            check_submission(g);
        }
        bool must_decide = g->waits || (goes_on && fake_chance(g) % 3 == 0);
        require(!g->waits || g->pending_count > 0);
        if (must_decide && g->pending_count > 0) {
            fake_decide_any(g);
            goes_on = true;
        }
        if (fake_chance(g) % 16 == 0) {
            static const char EVENT[] = "120 2.0.0 event=1\r\n";
            session_notify(g->session, EVENT, sizeof EVENT - 1);
        }
        fake_collect(g);
        check_lines(&g->out, last);
        buffer_clear(&g->out);
    }
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    (void)argc;
    (void)argv;
    static const char ALIASES[] = "oncall: +34600000000, +34600000001\n"
                                  "many: +34600000001, +34600000002, +34600000003, +34600000004\n";
    struct buffer errors = BUFFER_EMPTY;
    aliases = alias_table_read("aliases", ALIASES, sizeof ALIASES - 1, NULL, &errors);
    require(aliases != NULL);
    mail_init();
    return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    static struct fake_gateway g;
    if (size < 4) {
        return 0;
    }
    struct session_rules rules = choose_rules(bytes[0], bytes[1]);
    uint64_t last = 0;
    fake_open(&g, &rules, (bytes[0] & 32) != 0, 1 + bytes[2] * 0x01010101U);
    size_t chunk_max = bytes[3];
    size_t used = 4;
    run(&g, &last);
    while (used < size && !g.is_closed) {
        size_t chunk = chunk_max == 0 ? size : 1 + fake_chance(&g) % chunk_max;
        chunk = chunk < size - used ? chunk : size - used;
        require(session_feed(g.session, (const char *)bytes + used, chunk));
        used += chunk;
        run(&g, &last);
    }
    if ((bytes[2] & 1) != 0) {
        session_close(g.session, REPLY_TIMED_OUT);
    }
    session_end(g.session);
    while (!g.is_closed) {
        if (g.pending_count > 0) {
            fake_decide_any(&g);
        }
        run(&g, &last);
    }
    require(session_open_slots(g.session) == 0 && session_held(g.session) == 0);
    fake_free(&g);
    return 0;
}
