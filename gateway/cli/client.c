/* client: the commands that ask a relay. See the header. Thread: the only one; blocking. */
#include "gateway/cli/client.h"

#include "gateway/cli/answer.h"
#include "gateway/cli/complain.h"
#include "gateway/cli/offline.h"
#include "gateway/cli/send.h"
#include "gateway/cli/sendmail.h"
#include "gateway/cli/watch.h"

#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

/* --- asking a relay --------------------------------------------------------------------------- */

static int print_answer(const struct link *link, const struct invocation *invocation)
{
    struct buffer words = BUFFER_EMPTY;
    link_words(link, &words);
    bool is_json = invocation_option(invocation, 'J') != NULL;
    bool is_good = answer_print(&words, invocation->command->shape, is_json, stdout);
    buffer_free(&words);
    return is_good ? EX_OK : complain(EX_OSERR, "out of memory");
}

/* One line, one reply: the command's name is the verb. */
static int exchange(struct link *link, const struct invocation *invocation)
{
    buffer_puts(&link->out, invocation->command->name);
    for (int i = 0; i < invocation->count; i++) {
        buffer_printf(&link->out, " %s", invocation->arguments[i]);
    }
    link_end_line(link);
    return link_exchange(link);
}

/* Asks, and prints the answer or the trouble. `*is_absent` = there is no relay. */
static int ask(const struct invocation *invocation, bool *is_absent)
{
    struct link link;
    int code =
        link_open(&link, invocation_option(invocation, 's'), invocation->settings->find_listeners,
                  invocation_limit_ms(invocation, LINK_LIMIT_MS));
    *is_absent = code == EX_UNAVAILABLE && link_is_absent(&link);
    code = code == EX_OK ? exchange(&link, invocation) : code;
    if (code == EX_OK) {
        code = print_answer(&link, invocation);
    } else {
        link_complain(&link, "");
    }
    link_close(&link);
    return code;
}

static int run_verb(const struct invocation *invocation)
{
    bool is_absent;
    return ask(invocation, &is_absent);
}

/* --- queue: a relay, or its store --------------------------------------------------------------- */

static int read_store(const struct invocation *invocation, struct offline_query *query)
{
    char **overrides = invocation_values(invocation, 'o');
    query->is_json = invocation_option(invocation, 'J') != NULL;
    char *path =
        overrides == NULL
            ? NULL
            : invocation->settings->find_store(invocation_option(invocation, 'c'), overrides);
    int code = EX_CONFIG;
    if (path != NULL && path[0] == '\0') {
        code = complain(EX_NOINPUT, "no store to read: queue.path is not set");
    } else if (path != NULL) {
        code = offline_print(query, path);
    }
    free(path);
    free(overrides);
    return code;
}

/* Asks the relay or, if there is none or a store is named, reads the store. */
static int ask_or_read(const struct invocation *invocation, struct offline_query *query)
{
    bool names_relay = invocation_option(invocation, 's') != NULL;
    bool names_store =
        invocation_option(invocation, 'c') != NULL || invocation_option(invocation, 'o') != NULL;
    bool is_absent;
    if (names_store && !names_relay) {
        return read_store(invocation, query);
    }
    int code = ask(invocation, &is_absent);
    if (!is_absent || (names_relay && !names_store)) {
        return code;
    }
    int store_code = read_store(invocation, query);
    bool was_guessed = !names_store && (store_code == EX_NOINPUT || store_code == EX_CONFIG);
    return was_guessed ? code : store_code;
}

static int run_queue(const struct invocation *invocation)
{
    struct offline_query query = {.kind = OFFLINE_TOTALS};
    return ask_or_read(invocation, &query);
}

static int run_queue_list(const struct invocation *invocation)
{
    struct offline_query query;
    if (!offline_query_list(&query, invocation->count, invocation->arguments)) {
        return command_misused(invocation->command, "neither a state nor a number up to 10000: %s",
                               invocation->arguments[invocation->count - 1]);
    }
    return ask_or_read(invocation, &query);
}

static int run_queue_export(const struct invocation *invocation)
{
    struct offline_query query = {.kind = OFFLINE_EXPORT,
                                  .exports_sent = invocation_option(invocation, 'X') != NULL};
    return read_store(invocation, &query);
}

/* --- the table -------------------------------------------------------------------------------- */

#define NEEDS_CONTROL                                                                           \
    "Needs control rights: the relay's Unix socket, as root, the relay's user or a member of\n" \
    "listen.control_group.\n"

#define MESSAGE_KEYS                                                                             \
    "--json: {\"messages\":[{...}]}, with the keys of a line: id, state, to, from, submitted,\n" \
    "updated, ref, next, api, dlr, code, reason (strings), attempts, parts (numbers), optout\n"  \
    "(true).\n"

static const char send_help[] =
    "Without TEXT, or with -, the text is read from stdin and may have several lines. Prefer\n"
    "that: anybody on this machine can read the arguments of a process.\n"
    "\n"
    "Options stand before TO. `--` before the text says that all behind it is text: without it,\n"
    "a second number, an option behind TO, and a stdin that holds a text, too, are wrong usage.\n"
    "If one of several numbers is refused, nobody gets the message.\n"
    "\n"
    "With --ack relayed it waits for the API, up to 30 s (listen.ack_timeout; --timeout is 60s\n"
    "then). Exit code 75 with an id on stdout means that the message is queued, and will be\n"
    "relayed: to send it again without sending it twice, use the same --ref.\n"
    "\n"
    "--json: "
    "{\"messages\":[{\"result\":\"queued\",\"id\":...,\"to\":...,\"parts\":1,\"encoding\":...}]},\n"
    "with duplicate (true), state, api and reason where they are known.\n";

static const char status_help[] =
    "What became of a message; of each recipient's, if a REF had several.\n"
    "\n"
    "state= queued, scheduled, sending, deferred, unresolved, relayed (the API has it),\n"
    "       rejected, expired or canceled; reason= says why\n"
    "dlr=   what the API reports of the delivery: sent, accepted, buffered, delivered, error,\n"
    "       failed, expired, canceled, rejected, unknown, stop (the phone has opted out)\n"
    "code=  narrows error and failed; the API's documentation has no list of the codes\n"
    "optout=yes: there was a STOP from this number, or it is on the opt-out list otherwise:\n"
    "       nothing is sent to it; `smsrelay optout remove NUMBER` takes it off\n"
    "\n" MESSAGE_KEYS;

static const char queue_help[] =
    "How many messages are in each state, the age of the oldest in seconds, and whether the\n"
    "relay is relaying. If no relay answers, it reads the store of one that was stopped or\n"
    "killed, as that relay's user or root: every message in its last saved state. It changes\n"
    "nothing. The store is queue.path, found as `smsrelay serve` finds it (-o, environment,\n"
    "file), or else /var/lib/smsrelay/queue.db. With -c or -o it reads the store and asks no\n"
    "relay; with -s too, it asks the relay first. With -s alone, it reads no store.\n"
    "\n"
    "--json: "
    "{\"queued\":0,\"sending\":0,\"deferred\":0,\"scheduled\":0,\"unresolved\":0,\"oldest\":0,\n"
    "\"relaying\":true}, with reason, until, accepting (false) and why where they are known.\n";

static const char queue_list_help[] =
    "The messages that are not finished, or those in STATE; at most N (100, up to 10000), in\n"
    "order of arrival. A last line says how many more there are: more=N (more=yes for finished\n"
    "ones in a store). Without a relay it reads the store, as `smsrelay queue` "
    "does.\n" NEEDS_CONTROL "\n" MESSAGE_KEYS "Beside messages there is more, if there are more.\n";

static const char queue_export_help[] =
    "What a stopped relay has not relayed. It never asks a relay: stop it first. It writes every\n"
    "unfinished message as a line of JSON, as the verb JSON takes it; ttl is the time that is\n"
    "left. Messages whose time is over are left out and counted on stderr, and so are those\n"
    "that may have been sent already (they were being sent, or the answer was lost). The store\n"
    "is found as `smsrelay queue` finds it.\n"
    "\n"
    "The example hands them to another relay. The store still holds them: move it away before a\n"
    "relay starts on it again, or both relays send them.\n";

static const char watch_help[] =
    "Follows a message, or all of them, until Ctrl-C: a line for each change, delivery report\n"
    "and answer from a phone. since= shows first what happened after that event. If the\n"
    "connection is lost, it connects again and catches up; it gives up (75) when there is no\n"
    "relay for as long as --timeout. Following all messages needs control rights.\n"
    "\n"
    "--json: an object a line: {\"event\":5,\"id\":...,\"state\":...}, with api, dlr, code and "
    "reason\n"
    "where they are known; of an answer {\"event\":5,\"inbound\":true,\"id\":...,\"to\":...,\n"
    "\"text\":...}. The first line is {\"result\":\"watching\",\"last\":4}, with the last event so "
    "far.\n";

static const char sendmail_help[] =
    "So does a link of that name. It takes the flags of sendmail: -t (recipients in the header),\n"
    "-i, -f SENDER, -bs (SMTP on stdin and stdout), and ignores others.\n"
    "\n"
    "It does not spool: with the relay down the mail is refused (75), and whoever sends it must\n"
    "try again. The relay is at $SMSRELAY_SOCKET, or where `smsrelay send` finds it.\n";

const struct command client_commands[] = {
    {.name = "send",
     .arguments = "TO[,TO...] [- | [--] TEXT...]",
     .max = -1,
     .options = "frtLPAUKJsW",
     .has_text = true,
     .run = client_send,
     .summary = "send a message",
     .help = send_help,
     .example = "echo 'Backup done' | smsrelay send +34600000000\n"
                "smsrelay send --from Acme --ttl 10m +34600000000,+34600000001 < text\n"},
    {.name = "status",
     .arguments = "ID|REF",
     .min = 1,
     .max = -1,
     .options = "JsW",
     .run = run_verb,
     .summary = "what became of a message",
     .help = status_help,
     .example = "smsrelay status order-17\n"},
    {.name = "queue",
     .options = "coJsW",
     .run = run_queue,
     .shape = ANSWER_OBJECT,
     .summary = "what is waiting, and whether the relay is relaying",
     .help = queue_help,
     .example = "smsrelay queue\n"},
    {.name = "queue list",
     .arguments = "[STATE] [N]",
     .max = 2,
     .options = "coJsW",
     .run = run_queue_list,
     .summary = "the messages themselves",
     .help = queue_list_help,
     .example = "smsrelay queue list deferred 20\n"},
    {.name = "queue export",
     .options = "coX",
     .run = run_queue_export,
     .summary = "the messages of a stopped relay, as JSON",
     .help = queue_export_help,
     .example = "smsrelay queue export > messages\n"
                "(sed 's/^/JSON /' messages; echo QUIT) | nc localhost 2525\n"},
    {.name = "stats",
     .options = "JsW",
     .run = run_verb,
     .shape = ANSWER_COUNTERS,
     .summary = "the relay's counters",
     .help = "--json: an object of numbers, and version.\n",
     .example = "smsrelay stats\n"},
    {.name = "watch",
     .arguments = "[ID|REF] [since=EVENT]",
     .max = 2,
     .options = "JsW",
     .run = client_watch,
     .summary = "follow a message, or all of them",
     .help = watch_help,
     .example = "smsrelay watch since=0\n"},
    {.name = "cancel",
     .arguments = "ID|REF",
     .min = 1,
     .max = -1,
     .options = "sW",
     .run = run_verb,
     .summary = "take back a message that has not been sent",
     .help = "One that is being sent or is finished stays as it is: exit code 65.\n",
     .example = "smsrelay cancel order-17\n"},
    {.name = "retry",
     .arguments = "ID",
     .min = 1,
     .max = 1,
     .options = "sW",
     .run = run_verb,
     .summary = "send an unresolved message again",
     .help = NEEDS_CONTROL,
     .example = "smsrelay retry 01KPQRJF50J0TJYQ3K5Z8B1XGN\n"},
    {.name = "flush",
     .options = "sW",
     .run = run_verb,
     .summary = "try everything that is waiting, now",
     .help = NEEDS_CONTROL,
     .example = "smsrelay flush\n"},
    {.name = "hold",
     .options = "sW",
     .run = run_verb,
     .summary = "stop relaying",
     .help = "Messages are accepted meanwhile.\n" NEEDS_CONTROL,
     .example = "smsrelay hold\n"},
    {.name = "release",
     .options = "sW",
     .run = run_verb,
     .summary = "resume relaying",
     .help = NEEDS_CONTROL,
     .example = "smsrelay release\n"},
    {.name = "optout add",
     .arguments = "NUMBER",
     .min = 1,
     .max = -1,
     .options = "sW",
     .run = run_verb,
     .summary = "send nothing to a number any more",
     .help = NEEDS_CONTROL,
     .example = "smsrelay optout add +34600000000\n"},
    {.name = "optout remove",
     .arguments = "NUMBER",
     .min = 1,
     .max = -1,
     .options = "sW",
     .run = run_verb,
     .summary = "take a number off that list",
     .help = "Not one of policy.optout_file (given=yes).\n" NEEDS_CONTROL,
     .example = "smsrelay optout remove +34600000000\n"},
    {.name = "optout list",
     .options = "sW",
     .run = run_verb,
     .summary = "the numbers that nothing is sent to",
     .help = "given=yes: from policy.optout_file.\n" NEEDS_CONTROL,
     .example = "smsrelay optout list\n"},
    {.name = "sendmail",
     .arguments = "[-t] [-i] [-f SENDER] [TO...]",
     .has_own_flags = true,
     .run = client_sendmail,
     .summary = "submit the mail on stdin, as /usr/sbin/sendmail",
     .help = sendmail_help,
     .example = "printf 'To: +34600000000\\n\\nDisk full\\n' | smsrelay sendmail -t\n"},
    {.name = NULL},
};
