/* form: see form.h. */
#include "proto/session/form.h"

#include "proto/session/draft.h"
#include "proto/session/refusal.h"

#include <stdlib.h>
#include <string.h>

/* A session that reads no lines: its draft, its rules and the place for its replies are what is used. */
struct form {
    struct session session;
};

struct form *form_new(const struct session_rules *rules)
{
    struct form *form = calloc(1, sizeof *form);
    if (form != NULL) {
        form->session.rules = rules;
    }
    return form;
}

static void forget_texts(struct session *s)
{
    buffer_free(&s->line);
    buffer_free(&s->text);
}

void form_free(struct form *form)
{
    if (form == NULL) {
        return;
    }
    draft_free(&form->session.single);
    forget_texts(&form->session);
    buffer_free(&form->session.local);
    buffer_free(&form->session.refused);
    free(form);
}

/* Forgets the last refusal. */
static struct session *check(struct form *form)
{
    struct session *s = &form->session;
    buffer_clear(&s->local);
    s->hidden_len = 0;
    return s;
}

void form_begin(struct form *form, const struct session_user *user, int64_t now_ms)
{
    struct session *s = check(form);
    forget_texts(s);
    s->user = user;
    s->now_ms = now_ms;
    s->about = NULL;
    draft_open(s, &s->single, DIALECT_SMS);
}

bool form_set(struct form *form, const char *option, const char *value, size_t len)
{
    struct session *s = check(form);
    return options_set(&s->single.options, option, strlen(option), value, len, s->now_ms,
                       &s->local);
}

bool form_check_sender(struct form *form)
{
    struct session *s = check(form);
    return draft_check_sender(s, &s->single);
}

bool form_add_recipient(struct form *form, const char *word, size_t len)
{
    struct session *s = check(form);
    return draft_add_recipient(s, &s->single, word, len);
}

bool form_submit(struct form *form, const char *text, size_t len, struct submission *submission)
{
    struct session *s = check(form);
    struct session_event event;
    enum reply refusal;
    if (!session_to_utf8(s, &text, &len, &refusal)) {
        session_reply(s, refusal);
        return false;
    }
    if (draft_submit(s, &s->single, text, len, &event) != SESSION_SUBMISSION) {
        return false;
    }
    *submission = event.submission;
    return true;
}

/* Ends the words of the reply where its line does, so that they are a string. */
static const char *words_of(struct session *s, enum reply reply)
{
    enum { CODE_LEN = sizeof "550 " - 1, END_LEN = sizeof "\r\n" - 1 };
    s->local.data[s->local.len - END_LEN] = '\0';
    return s->local.data + CODE_LEN + strlen(reply_enhanced(reply));
}

enum reply form_refusal(struct form *form, const char **sentence, struct session_refusal *refusal)
{
    struct session *s = &form->session;
    enum reply reply = REPLY_CANNOT_STORE;
    *sentence = reply_text(reply);
    *refusal = (struct session_refusal){.command = "", .reply = reply, .words = *sentence};
    if (!s->local.has_failed && reply_read(s->local.data, s->local.len, &reply)) {
        refusal_describe(s, reply, refusal);
        *sentence = words_of(s, reply);
    }
    return reply;
}
