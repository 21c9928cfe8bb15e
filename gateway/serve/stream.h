/*
 * stream: the bytes from and to one client.
 *
 * Owns the socket, its events, TLS on it, and what the client has not taken yet. Reads nothing by itself: it
 * says that there is input, and whoever has a use for it reads; so handshakes are made in the turns of
 * those whose they are. A client that is idle or waits for its
 * turn has no buffer here, and its unread input is the kernel's to bound. Leaves time-outs, and how much
 * may be unsent, to the connection. Thread: the loop's.
 */
#ifndef GATEWAY_SERVE_STREAM_H
#define GATEWAY_SERVE_STREAM_H

#include <event2/event.h>
#include <event2/event_struct.h>
#include <event2/util.h>
#include <stdbool.h>
#include <stddef.h>

struct stream_unsent;
struct tls_link;

/* Called by the loop, never from within a function below. Either may call stream_close. */
struct stream_callbacks {
    /* There is input, or its end. Not called again before stream_read has found nothing more. */
    void (*readable)(void *client);
    /* The client has taken some of what was unsent; or it cannot be sent anything any more. */
    void (*sent)(void *client);
};

/* Stays in place while it is open; for stream.c alone. */
struct stream {
    struct event readable; /* pending while the loop looks for input */
    const struct stream_callbacks *callbacks;
    void *client;
    struct stream_unsent *unsent; /* NULL = there is nothing */
    struct tls_link *tls;         /* NULL = plain text */
    unsigned read_max;            /* bytes to read next time */
    bool is_open;
    bool has_input; /* the socket has, or may have, more to read */
    bool is_ended;
    bool is_broken;
};

enum stream_result {
    STREAM_BYTES,
    STREAM_NOTHING, /* now; `readable` is called when there is more */
    STREAM_END      /* nor ever again: the client has ended its side, or the connection failed */
};

/*
 * Takes ownership of a socket, and begins to look for input. `callbacks` must outlive the stream. Returns
 * false if the loop cannot watch the socket, and has closed it.
 */
bool stream_open(struct stream *stream, struct event_base *base, evutil_socket_t fd,
                 const struct stream_callbacks *callbacks, void *client);

/*
 * From here on all is TLS, which the client begins; takes ownership of the link. Nothing may be unsent. What
 * is written before the handshake is over waits for that.
 */
void stream_start_tls(struct stream *stream, struct tls_link *link);

/* The socket, which stays the stream's. */
evutil_socket_t stream_socket(const struct stream *stream);

/* Its TLS; NULL = plain text. */
const struct tls_link *stream_tls(const struct stream *stream);

/* Closes the socket and drops what is unsent. One that is closed, or all zero, is fine. */
void stream_close(struct stream *stream);

bool stream_is_open(const struct stream *stream);

/*
 * Reads up to `size` bytes, without waiting: few at first, more from a client that sends much. Sets
 * `len` to how many, 0 if none.
 */
enum stream_result stream_read(struct stream *stream, char *bytes, size_t size, size_t *len);

/* Has it input that was not read? */
bool stream_has_input(const struct stream *stream);

/* Has stream_read given STREAM_END? */
bool stream_is_ended(const struct stream *stream);

/*
 * Sends bytes: at once as far as the client takes them, and the rest later. Returns false on allocation
 * failure; bytes are missing then. If the client cannot be sent anything, they are dropped.
 */
bool stream_write(struct stream *stream, const char *bytes, size_t len);

/* Bytes that the client has not taken yet. */
size_t stream_unsent(const struct stream *stream);

/* Can the client be sent nothing any more? Its input may go on. */
bool stream_is_broken(const struct stream *stream);

/* Ends our side, so that the client sees the end; it may send on. Only once nothing is unsent. */
void stream_shut(struct stream *stream);

#endif
