/* stream: see stream.h. */
#include "gateway/serve/stream.h"

#include "gateway/base/tls_link.h"
#include "proto/buffer.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>

enum { READ_FIRST = 4096, READ_GROWTH = 4 };

/* There only while the client is slower than its replies, or than TLS. */
struct stream_unsent {
    struct event writable;
    struct buffer bytes;
    bool has_input_then; /* TLS reads on once it has been able to write */
};

/* --- output ----------------------------------------------------------------------------------- */

static bool is_for_now(int error)
{
    return error == EAGAIN || error == EWOULDBLOCK || error == EINTR;
}

/* May bytes of the client's be sent, or must the handshake be over first? */
static bool may_send(const struct stream *s)
{
    return s->tls == NULL || tls_link_is_up(s->tls);
}

static void drop_unsent(struct stream *s)
{
    if (s->unsent != NULL) {
        event_del(&s->unsent->writable);
        buffer_free(&s->unsent->bytes);
        free(s->unsent);
        s->unsent = NULL;
    }
}

static size_t send_plain(struct stream *s, const char *bytes, size_t len)
{
    ssize_t sent = send(event_get_fd(&s->readable), bytes, len, MSG_DONTWAIT | MSG_NOSIGNAL);
    if (sent < 0 && !is_for_now(errno)) {
        s->is_broken = true;
    }
    return sent > 0 ? (size_t)sent : 0;
}

/* A record at a time. */
static size_t send_tls(struct stream *s, const char *bytes, size_t len)
{
    enum tls_result result = TLS_DONE;
    size_t sent = 0, more;
    while (sent < len && result == TLS_DONE) {
        result = tls_link_write(s->tls, bytes + sent, len - sent, &more);
        sent += more;
    }
    s->is_broken = s->is_broken || result == TLS_FAILED;
    return sent;
}

/* Sends what the socket takes, and returns how much that was. */
static size_t send_some(struct stream *s, const char *bytes, size_t len)
{
    if (s->tls == NULL) {
        return send_plain(s, bytes, len);
    }
    return may_send(s) ? send_tls(s, bytes, len) : 0;
}

static void on_writable(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    struct stream *s = arg;
    struct buffer *bytes = &s->unsent->bytes;
    bool has_input = s->unsent->has_input_then;
    s->unsent->has_input_then = false;
    if (bytes->len > 0) {
        buffer_consume(bytes, send_some(s, bytes->data, bytes->len));
    }
    if (bytes->len == 0 || s->is_broken) {
        drop_unsent(s);
    } else if (!may_send(s)) {
        event_del(&s->unsent->writable);
    }
    s->has_input = s->has_input || has_input;
    (has_input ? s->callbacks->readable : s->callbacks->sent)(s->client);
}

static bool begin_unsent(struct stream *s)
{
    struct event_base *base = event_get_base(&s->readable);
    struct stream_unsent *unsent = s->unsent == NULL ? calloc(1, sizeof *unsent) : NULL;
    if (unsent != NULL) {
        event_assign(&unsent->writable, base, event_get_fd(&s->readable), EV_WRITE | EV_PERSIST,
                     on_writable, s);
        s->unsent = unsent;
    }
    return s->unsent != NULL;
}

/* Has what is unsent sent as soon as there is room. */
static bool watch_room(struct stream *s)
{
    return s->unsent == NULL || event_add(&s->unsent->writable, NULL) == 0;
}

/* TLS has to write before it can read on. */
static bool read_with_room(struct stream *s)
{
    if (!begin_unsent(s)) {
        return false;
    }
    event_del(&s->readable);
    s->has_input = false;
    s->unsent->has_input_then = true;
    return watch_room(s);
}

bool stream_write(struct stream *s, const char *bytes, size_t len)
{
    size_t sent = s->unsent == NULL && !s->is_broken ? send_some(s, bytes, len) : 0;
    if (s->is_broken || sent == len) {
        return true;
    }
    bool is_new = s->unsent == NULL;
    if (!begin_unsent(s) || (is_new && may_send(s) && !watch_room(s))) {
        return false;
    }
    buffer_append(&s->unsent->bytes, bytes + sent, len - sent);
    return !s->unsent->bytes.has_failed;
}

size_t stream_unsent(const struct stream *s)
{
    return s->unsent == NULL ? 0 : s->unsent->bytes.len;
}

bool stream_is_broken(const struct stream *s)
{
    return s->is_broken;
}

void stream_shut(struct stream *s)
{
    if (s->tls != NULL) {
        tls_link_end(s->tls);
    }
    shutdown(event_get_fd(&s->readable), SHUT_WR);
}

/* --- input ------------------------------------------------------------------------------------ */

static void look_for_input(struct stream *s)
{
    s->has_input = false;
    if (event_pending(&s->readable, EV_READ, NULL) == 0) {
        event_add(&s->readable, NULL);
    }
}

/*
 * One whose input has not been read since the last turn of the loop is watched no longer: the loop would
 * say so again in every turn.
 */
static void on_readable(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    struct stream *s = arg;
    if (s->has_input) {
        event_del(&s->readable);
        return;
    }
    s->has_input = true;
    s->callbacks->readable(s->client);
}

/* The next read should get all that the client sends at a time. */
static void adapt(struct stream *s, size_t len, size_t size)
{
    if (len < READ_FIRST) {
        s->read_max = READ_FIRST;
    } else if (len == s->read_max && len < size) {
        s->read_max *= READ_GROWTH;
    }
}

/* Less than could have been read was all that there is. An end behind it makes the socket readable. */
static enum stream_result note_read(struct stream *s, size_t len, size_t size)
{
    bool is_all = len < s->read_max && len < size;
    adapt(s, len, size);
    if (is_all) {
        look_for_input(s);
    }
    return STREAM_BYTES;
}

static enum stream_result end(struct stream *s)
{
    event_del(&s->readable);
    s->has_input = false;
    s->is_ended = true;
    return STREAM_END;
}

static enum stream_result read_plain(struct stream *s, char *bytes, size_t size, size_t *len)
{
    size_t max = size < s->read_max ? size : s->read_max;
    ssize_t got = recv(event_get_fd(&s->readable), bytes, max, MSG_DONTWAIT);
    if (got > 0) {
        *len = (size_t)got;
        return note_read(s, *len, size);
    }
    if (got < 0 && is_for_now(errno)) {
        look_for_input(s);
        return STREAM_NOTHING;
    }
    s->is_broken = s->is_broken || got < 0;
    return end(s);
}

static enum stream_result fail(struct stream *s)
{
    s->is_broken = true;
    return end(s);
}

/* A record of a few bytes that nothing follows is all that a client of short lines sends at a time. */
static void note_records(struct stream *s, size_t len)
{
    if (len < READ_FIRST && !tls_link_has_pending(s->tls)) {
        look_for_input(s);
    }
}

static enum stream_result read_tls(struct stream *s, char *bytes, size_t size, size_t *len)
{
    bool was_up = tls_link_is_up(s->tls);
    enum tls_result result = tls_link_read(s->tls, bytes, size, len);
    if (!was_up && tls_link_is_up(s->tls) && !watch_room(s)) {
        return fail(s);
    }
    switch (result) {
    case TLS_DONE:
        note_records(s, *len);
        return STREAM_BYTES;
    case TLS_WANTS_INPUT:
        look_for_input(s);
        return STREAM_NOTHING;
    case TLS_WANTS_ROOM:
        return read_with_room(s) ? STREAM_NOTHING : fail(s);
    case TLS_ENDED:
        return end(s);
    case TLS_FAILED:
        break;
    }
    return fail(s);
}

enum stream_result stream_read(struct stream *s, char *bytes, size_t size, size_t *len)
{
    *len = 0;
    if (!s->has_input) {
        return s->is_ended ? STREAM_END : STREAM_NOTHING;
    }
    return s->tls == NULL ? read_plain(s, bytes, size, len) : read_tls(s, bytes, size, len);
}

bool stream_has_input(const struct stream *s)
{
    return s->has_input;
}

bool stream_is_ended(const struct stream *s)
{
    return s->is_ended;
}

/* --- life ------------------------------------------------------------------------------------- */

bool stream_open(struct stream *s, struct event_base *base, evutil_socket_t fd,
                 const struct stream_callbacks *callbacks, void *client)
{
    *s = (struct stream){
        .callbacks = callbacks, .client = client, .read_max = READ_FIRST, .is_open = true};
    event_assign(&s->readable, base, fd, EV_READ | EV_PERSIST, on_readable, s);
    if (event_add(&s->readable, NULL) != 0) {
        stream_close(s);
        return false;
    }
    return true;
}

void stream_start_tls(struct stream *s, struct tls_link *link)
{
    s->tls = link;
}

evutil_socket_t stream_socket(const struct stream *s)
{
    return event_get_fd(&s->readable);
}

const struct tls_link *stream_tls(const struct stream *s)
{
    return s->tls;
}

bool stream_is_open(const struct stream *s)
{
    return s->is_open;
}

void stream_close(struct stream *s)
{
    if (!s->is_open) {
        return;
    }
    s->is_open = false;
    if (s->tls != NULL && !s->is_broken && stream_unsent(s) == 0) {
        tls_link_end(s->tls); /* the client has all there is */
    }
    drop_unsent(s);
    tls_link_free(s->tls);
    s->tls = NULL;
    event_del(&s->readable);
    evutil_closesocket(event_get_fd(&s->readable));
}
