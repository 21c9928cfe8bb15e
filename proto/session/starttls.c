/* starttls: see starttls.h. */
#include "proto/session/starttls.h"

#include "proto/session/draft.h"

bool starttls_is_offered(const struct session *s)
{
    return s->rules->offers_tls && !s->peer.is_encrypted;
}

enum session_step command_starttls(struct session *s, const struct call *call,
                                   struct session_event *event)
{
    (void)call;
    (void)event;
    if (s->peer.is_encrypted) {
        return session_say(s, REPLY_BAD_SEQUENCE, "already encrypted");
    }
    if (s->user != NULL) { /* whose client this is must not change */
        return session_say(s, REPLY_BAD_SEQUENCE, "already logged in: STARTTLS comes before AUTH");
    }
    if (!s->rules->offers_tls) {
        return session_say(s, REPLY_NOT_IMPLEMENTED, "no certificate is set (tls.certificate)");
    }
    return SESSION_STARTTLS;
}

bool starttls_is_injected(const struct session *s)
{
    return line_pending(&s->reader) > 0;
}

void starttls_begin(struct session *s)
{
    draft_reset(&s->open);
    line_reader_free(&s->reader);
    s->reader = (struct line_reader){0};
    buffer_free(&s->name);
    s->has_begun = false;
    s->is_ended = false;
    s->is_authenticated = false;
    s->errors = 0;
    s->peer.is_encrypted = true;
}
