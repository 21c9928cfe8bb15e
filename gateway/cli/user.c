/* user: see the header. Thread: the only one. */
#include "gateway/cli/user.h"

#include "gateway/base/file.h"
#include "gateway/cli/complain.h"
#include "gateway/cli/password.h"
#include "gateway/users/edit.h"
#include "gateway/users/table.h"
#include "proto/reply.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

/* --- the file --------------------------------------------------------------------------------- */

/* The file of -f, or else auth.users of the settings; malloc'ed. Returns NULL after complaining. */
static char *find_file(const struct invocation *invocation)
{
    const char *given = invocation_option(invocation, 'F');
    if (given != NULL) {
        return strdup(given);
    }
    char **overrides = invocation_values(invocation, 'o');
    if (overrides == NULL) {
        complain(EX_OSERR, "out of memory");
        return NULL;
    }
    char *path = invocation->settings->find_users(invocation_option(invocation, 'c'), overrides);
    free((void *)overrides);
    if (path != NULL && path[0] == '\0') {
        complain(EX_CONFIG, "auth.users is not set: name the file with -f FILE");
        free(path);
        return NULL;
    }
    return path;
}

static int complain_of_file(const char *path, const char *fault)
{
    int code = errno == EACCES || errno == EPERM ? EX_NOPERM : EX_IOERR;
    return complain(errno == ENOENT ? EX_NOINPUT : code, "%s: %s", path, fault);
}

/* The table that a text makes. Returns NULL after complaining. */
static struct user_table *read_table(const char *path, const struct buffer *text)
{
    struct buffer errors = BUFFER_EMPTY;
    struct user_table *table = user_table_read(path, buffer_bytes(text), text->len, NULL, &errors);
    if (errors.len > 0) {
        fwrite(errors.data, 1, errors.len, stderr);
    }
    buffer_free(&errors);
    return table;
}

/* Saves a text that can be read. Returns an exit code. */
static int save(struct user_edit *edit)
{
    struct user_table *table = read_table(edit->path, &edit->text);
    user_table_free(table);
    if (table == NULL) {
        return complain(EX_DATAERR, "%s stays as it was", edit->path);
    }
    const char *fault = user_edit_save(edit);
    return fault == NULL ? EX_OK : complain_of_file(edit->path, fault);
}

/* --- changing --------------------------------------------------------------------------------- */

/* What is to be done with the file. */
struct change {
    const struct invocation *invocation;
    char name[USER_NAME_MAX + 1];
    struct buffer keys; /* for a new user */
    bool is_token;
    char token[HASH_TOKEN_SIZE];
    char hash[HASH_SIZE];
};

/* Makes the hash, of a password that is asked for or of a new token. Returns an exit code. */
static int make_hash(struct change *change)
{
    char password[HASH_SECRET_SIZE];
    if (change->is_token) {
        return hash_new_token(change->token, change->hash)
                   ? EX_OK
                   : complain(EX_OSERR, "no randomness for a token");
    }
    const char *fault = password_read(password, sizeof password);
    if (fault != NULL) {
        return complain(EX_DATAERR, "%s", fault);
    }
    bool is_made = hash_password(password, change->hash);
    explicit_bzero(password, sizeof password);
    return is_made ? EX_OK : complain(EX_OSERR, "no memory to hash a password");
}

/* Is the user there or not, as the command needs it? Returns an exit code. */
static int judge_presence(struct change *change, struct user_edit *edit)
{
    bool is_there = user_edit_has(edit, change->name);
    bool replaces = invocation_option(change->invocation, 'R') != NULL;
    if (is_there && !replaces) {
        return complain(EX_DATAERR, "%s is in %s already: --replace gives him another %s",
                        change->name, edit->path, change->is_token ? "token" : "password");
    }
    if (!is_there && replaces) {
        return complain(EX_DATAERR, "%s is not in %s", change->name, edit->path);
    }
    return EX_OK;
}

static int put_user(struct change *change, struct user_edit *edit)
{
    int code = judge_presence(change, edit);
    if (code != EX_OK) {
        return code;
    }
    if (user_edit_has(edit, change->name)) {
        user_edit_replace(edit, change->name, change->hash);
    } else {
        user_edit_add(edit, change->name, change->hash, buffer_bytes(&change->keys));
    }
    code = save(edit);
    if (code == EX_OK && change->is_token) {
        puts(change->token);
    }
    return code;
}

static int remove_user(struct change *change, struct user_edit *edit)
{
    if (!user_edit_has(edit, change->name)) {
        return complain(EX_DATAERR, "%s is not in %s", change->name, edit->path);
    }
    user_edit_remove(edit, change->name);
    return save(edit);
}

/* The arguments behind the name: KEY=VALUE, as the file has them. */
static void write_keys(struct change *change)
{
    const struct invocation *invocation = change->invocation;
    for (int i = 1; i < invocation->count; i++) {
        const char *value = strchr(invocation->arguments[i], '=');
        size_t key_len = value == NULL ? 0 : (size_t)(value + 1 - invocation->arguments[i]);
        buffer_puts(&change->keys, i > 1 ? " " : "");
        buffer_append(&change->keys, invocation->arguments[i], key_len);
        if (value == NULL) {
            buffer_puts(&change->keys, invocation->arguments[i]);
        } else {
            reply_quote(&change->keys, value + 1, strlen(value + 1));
        }
    }
    buffer_append(&change->keys, "", 1);
}

/* Opens the file, has it changed, and closes it. Returns an exit code. */
static int with_file(struct change *change, int (*act)(struct change *, struct user_edit *))
{
    struct user_edit edit;
    char *path = find_file(change->invocation);
    if (path == NULL) {
        return EX_CONFIG;
    }
    const char *fault = user_edit_open(&edit, path);
    int code = fault != NULL ? complain_of_file(path, fault) : act(change, &edit);
    user_edit_close(&edit);
    free(path);
    return code;
}

/* Reads the arguments. Returns an exit code. */
static int begin_change(const struct invocation *invocation, struct change *change)
{
    const char *word = invocation->arguments[0];
    *change = (struct change){.invocation = invocation};
    if (!user_name_read(word, strlen(word), change->name)) {
        return complain(EX_DATAERR, "a name is %s", user_name_rule);
    }
    if (invocation->count > 1 && invocation_option(invocation, 'R') != NULL) {
        return command_misused(invocation->command, "--replace keeps the rest of the line: %s",
                               invocation->arguments[1]);
    }
    write_keys(change);
    return EX_OK;
}

/* The file is not locked while the password is typed. */
static int run_put(const struct invocation *invocation, bool is_token)
{
    struct change change;
    int code = begin_change(invocation, &change);
    change.is_token = is_token;
    code = code == EX_OK ? with_file(&change, judge_presence) : code;
    code = code == EX_OK ? make_hash(&change) : code;
    code = code == EX_OK ? with_file(&change, put_user) : code;
    buffer_free(&change.keys);
    explicit_bzero(&change, sizeof change);
    return code;
}

static int run_add(const struct invocation *invocation)
{
    return run_put(invocation, false);
}

static int run_token(const struct invocation *invocation)
{
    return run_put(invocation, true);
}

static int run_remove(const struct invocation *invocation)
{
    struct change change;
    int code = begin_change(invocation, &change);
    code = code == EX_OK ? with_file(&change, remove_user) : code;
    buffer_free(&change.keys);
    return code;
}

/* --- showing ---------------------------------------------------------------------------------- */

static void print_user(const struct user *user)
{
    unsigned rights = user->session.rights;
    printf("%s %s rights=%s%s%s", user->name, user->kind == HASH_TOKEN ? "token" : "password",
           (rights & USER_SUBMITS) != 0 ? "submit" : "",
           (rights & USER_ASKS) != 0 ? (rights & USER_SUBMITS) != 0 ? ",ask" : "ask" : "",
           (rights & USER_CONTROLS) != 0
               ? (rights & ~(unsigned)USER_CONTROLS) != 0 ? ",control" : "control"
               : "");
    const char *const *sender = user->session.senders;
    for (size_t i = 0; sender != NULL && sender[i] != NULL; i++) {
        printf("%s%s", i == 0 ? " senders=" : ",", sender[i]);
    }
    putchar('\n');
}

static int run_list(const struct invocation *invocation)
{
    struct buffer text = BUFFER_EMPTY;
    char *path = find_file(invocation);
    if (path == NULL) {
        return EX_CONFIG;
    }
    const char *fault = file_read(path, &text);
    struct user_table *table = fault == NULL ? read_table(path, &text) : NULL;
    int code = fault != NULL ? complain_of_file(path, fault) : table != NULL ? EX_OK : EX_DATAERR;
    for (size_t i = 0; table != NULL && i < user_table_count(table); i++) {
        print_user(user_table_at(table, i));
    }
    if (text.data != NULL) {
        explicit_bzero(text.data, text.len);
    }
    buffer_free(&text);
    user_table_free(table);
    free(path);
    return code;
}

/* --- the table -------------------------------------------------------------------------------- */

#define WHICH_FILE                                                                                 \
    "The file is that of -f, or else auth.users of the settings. It is replaced as a whole, and\n" \
    "keeps its owner and its mode; a new one is private (0600). A running relay reads it again "   \
    "on\n"                                                                                         \
    "SIGHUP (systemctl reload smsrelay).\n"

static const char add_help[] =
    "Asks for the password twice, or reads it as one line of stdin if that is no terminal. The\n"
    "keys are senders=SENDER,... and rights=submit,ask,control (submit,ask unless it is given).\n"
    "\n" WHICH_FILE;

static const char token_help[] =
    "Makes a token of 32 random bytes, and prints it on a line of its own. That is the only time\n"
    "that it is shown: the file keeps its digest. A client logs in with it as with a password.\n"
    "\n" WHICH_FILE;

const struct command user_commands[] = {
    {.name = "user add",
     .arguments = "NAME [KEY=VALUE...]",
     .min = 1,
     .max = -1,
     .options = "FRco",
     .run = run_add,
     .summary = "let a user log in with a password",
     .help = add_help,
     .example = "sudo smsrelay user add printer senders=Acme rights=submit\n"},
    {.name = "user token",
     .arguments = "NAME [KEY=VALUE...]",
     .min = 1,
     .max = -1,
     .options = "FRco",
     .run = run_token,
     .summary = "let a user log in with a new token",
     .help = token_help,
     .example = "sudo smsrelay user token backup > token\n"},
    {.name = "user list",
     .options = "Fco",
     .run = run_list,
     .summary = "who may log in",
     .help = "A line for each user: name, password or token, rights and senders.\n",
     .example = "sudo smsrelay user list\n"},
    {.name = "user remove",
     .arguments = "NAME",
     .min = 1,
     .max = 1,
     .options = "Fco",
     .run = run_remove,
     .summary = "let a user log in no more",
     .help = "His messages are still sent.\n\n" WHICH_FILE,
     .example = "sudo smsrelay user remove printer\n"},
    {.name = NULL},
};
