/* user_file: see user_file.h. */
#include "gateway/user_file.h"

#include "conf/secret.h"
#include "conf/trust.h"
#include "gateway/base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Returns NULL, or what is wrong: a string valid until the next call. */
static const char *judge_privacy(const char *path)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (fd < 0) {
        return strerror(errno);
    }
    enum conf_secret_fault fault = conf_secret_privacy(fd);
    close(fd);
    return conf_secret_is_usable(fault) ? NULL : conf_secret_fault_name(fault);
}

static struct user_table *read_text(const struct conf *conf, const char *text, size_t len,
                                    struct buffer *errors)
{
    const struct conf_list *senders = &conf->sms.senders;
    const char **allowed = calloc(senders->count + 1, sizeof *allowed);
    if (allowed == NULL) {
        buffer_printf(errors, "%s: out of memory\n", conf->auth.users);
        return NULL;
    }
    for (size_t i = 0; i < senders->count; i++) {
        allowed[i] = senders->items[i];
    }
    struct user_table *table = user_table_read(conf->auth.users, text, len, allowed, errors);
    free((void *)allowed);
    return table;
}

struct user_table *user_file_read(const struct conf *conf, struct buffer *errors)
{
    char words[CONF_TRUST_SIZE];
    struct user_table *table = NULL;
    struct buffer text = BUFFER_EMPTY;
    const char *path = conf->auth.users;
    const char *fault = conf_trust(path, words) ? judge_privacy(path) : words;
    fault = fault == NULL ? file_read(path, &text) : fault;
    if (fault != NULL) {
        buffer_printf(errors, "%s: auth.users: %s\n", path, fault);
    } else {
        table = read_text(conf, buffer_bytes(&text), text.len, errors);
    }
    if (text.data != NULL) {
        explicit_bzero(text.data, text.len);
    }
    buffer_free(&text);
    return table;
}
