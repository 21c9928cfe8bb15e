/* stream: see stream.h. */
#include "gateway/serve/stream.h"

#include "proto/buffer.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>

enum { READ_FIRST = 4096, READ_GROWTH = 4 };

/* There only while the client is slower than its replies. */
struct stream_unsent {
    struct event writable;
    struct buffer bytes;
};

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

static bool is_for_now(int error)
{
    return error == EAGAIN || error == EWOULDBLOCK || error == EINTR;
}

enum stream_result stream_read(struct stream *s, char *bytes, size_t size, size_t *len)
{
    *len = 0;
    if (!s->has_input) {
        return s->is_ended ? STREAM_END : STREAM_NOTHING;
    }
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

bool stream_has_input(const struct stream *s)
{
    return s->has_input;
}

bool stream_is_ended(const struct stream *s)
{
    return s->is_ended;
}

/* --- output ----------------------------------------------------------------------------------- */

static void drop_unsent(struct stream *s)
{
    if (s->unsent != NULL) {
        event_del(&s->unsent->writable);
        buffer_free(&s->unsent->bytes);
        free(s->unsent);
        s->unsent = NULL;
    }
}

/* Sends what the socket takes, and returns how much that was. */
static size_t send_some(struct stream *s, const char *bytes, size_t len)
{
    ssize_t sent = send(event_get_fd(&s->readable), bytes, len, MSG_DONTWAIT | MSG_NOSIGNAL);
    if (sent < 0 && !is_for_now(errno)) {
        s->is_broken = true;
    }
    return sent > 0 ? (size_t)sent : 0;
}

static void on_writable(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    struct stream *s = arg;
    struct buffer *bytes = &s->unsent->bytes;
    buffer_consume(bytes, send_some(s, bytes->data, bytes->len));
    if (bytes->len == 0 || s->is_broken) {
        drop_unsent(s);
    }
    s->callbacks->sent(s->client);
}

static bool begin_unsent(struct stream *s)
{
    struct event_base *base = event_get_base(&s->readable);
    struct stream_unsent *unsent = calloc(1, sizeof *unsent);
    if (unsent == NULL) {
        return false;
    }
    event_assign(&unsent->writable, base, event_get_fd(&s->readable), EV_WRITE | EV_PERSIST,
                 on_writable, s);
    s->unsent = unsent;
    return event_add(&unsent->writable, NULL) == 0;
}

bool stream_write(struct stream *s, const char *bytes, size_t len)
{
    size_t sent = s->unsent == NULL && !s->is_broken ? send_some(s, bytes, len) : 0;
    if (s->is_broken || sent == len) {
        return true;
    }
    if (s->unsent == NULL && !begin_unsent(s)) {
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
    shutdown(event_get_fd(&s->readable), SHUT_WR);
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
    drop_unsent(s);
    event_del(&s->readable);
    evutil_closesocket(event_get_fd(&s->readable));
}
