/* server: see server.h. */
#include "gateway/serve/server.h"

#include "gateway/base/clock.h"
#include "gateway/base/descriptors.h"
#include "gateway/base/log.h"
#include "gateway/base/stats.h"
#include "gateway/serve/conn.h"
#include "gateway/serve/conn_login.h"
#include "gateway/serve/conn_tls.h"
#include "gateway/serve/conn_turns.h"
#include "gateway/serve/identity.h"
#include "gateway/serve/journal.h"
#include "gateway/serve/owner.h"
#include "gateway/serve/relay.h"
#include "proto/message.h"
#include "proto/reply.h"

#include <errno.h>
#include <event2/listener.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

/* Descriptors: of clients that take the place of others, which have yet to go. */
enum { OVERLAP = 4 };

enum {
    ACCEPT_MAX = 64,    /* clients that are accepted before others are served */
    STRANGERS_PART = 4, /* strangers may have one in so many of the places, ... */
    STRANGERS_IDLE_MS =
        1000 /* ... and one that has been silent for so long makes room for another */
};

struct server {
    const struct relay *relay;
    struct server_options options;
    struct conn_context context;
    struct owners owners;
    struct evconnlistener **listeners;
    size_t listener_count;
    char *unix_path; /* to be removed at the end, or NULL */
    struct identity_rules identities;
    struct event *resume; /* accepts again: after an error, or in the next turn of the loop */
    int accepted;         /* since the last turn */
    struct conn *idlest, *busiest; /* the list of clients, longest idle first */
    size_t count;
};

/* --- the list of clients ---------------------------------------------------------------------- */

static void append(struct server *s, struct conn *c)
{
    struct conn_links *links = &c->links;
    links->prev = s->busiest;
    links->next = NULL;
    links->active_ms = clock_coarse_ms();
    *(s->busiest == NULL ? &s->idlest : &s->busiest->links.next) = c;
    s->busiest = c;
}

static void unlink_conn(struct server *s, struct conn *c)
{
    struct conn_links *links = &c->links;
    *(links->prev == NULL ? &s->idlest : &links->prev->links.next) = links->next;
    *(links->next == NULL ? &s->busiest : &links->next->links.prev) = links->prev;
}

static void on_active(void *arg, struct conn *c)
{
    struct server *s = arg;
    unlink_conn(s, c);
    append(s, c);
}

/* One that is not local (NULL = it is) has left. */
static void leave(struct server *s, struct peers_address *from)
{
    if (from != NULL) {
        peers_leave(s->context.peers, from);
    }
}

static void on_ended(void *arg, struct conn *c)
{
    struct server *s = arg;
    unlink_conn(s, c);
    leave(s, c->from);
    s->count--;
    stats_add(s->relay->stats, STAT_CONNECTIONS, -1);
}

void server_flush(void *arg)
{
    struct server *s = arg;
    conn_send_replies(&s->context);
}

/* --- accepting -------------------------------------------------------------------------------- */

static const char too_many[] = "listen.max_connections is reached";
static const char too_many_handshakes[] = "too many TLS handshakes are under way";
static const char no_descriptors[] = "descriptors run out (RLIMIT_NOFILE)";
static const char strangers[] = "too many clients that have not logged in";

/*
 * The client that has been idle for longest, and for long enough: of all, or, if `key`'s owner has more
 * than its part of the places, of its own, so that it takes none from others. Strangers never do.
 */
static struct conn *find_idlest(const struct server *s, int32_t key)
{
    bool is_stranger = key == OWNER_STRANGER;
    bool is_own = is_stranger || owner_connections(&s->owners, key) * s->owners.count > s->count;
    int64_t idle_ms = is_stranger ? STRANGERS_IDLE_MS : s->options.min_idle_ms;
    struct conn *c = s->idlest;
    while (c != NULL && is_own && conn_owner(c) != key) {
        c = c->links.next;
    }
    bool is_idle = c != NULL && clock_monotonic_ms() - c->links.active_ms >= idle_ms;
    return is_idle ? c : NULL;
}

/* Asks a client to close, to make room for one of `key`'s; false if there is none to ask. */
static bool ask_idlest(struct server *s, int32_t key, const char *reason)
{
    struct conn *idlest = find_idlest(s, key);
    LOG(LOG_WARN, "connections_full", LOG_STR("reason", reason), LOG_INT("connections", s->count),
        LOG_INT("max", s->options.max_connections));
    if (idlest == NULL) {
        return false;
    }
    stats_add(s->relay->stats, STAT_CONNECTIONS_TIMED_OUT, 1);
    on_active(s, idlest); /* if it closes slowly, the next one is asked, not it again */
    conn_close(idlest, REPLY_SHUTTING_DOWN);
    return true;
}

/* Refuses a client: with REPLY_LIMITED if its address has too much, else with REPLY_SHUTTING_DOWN. One that
 * begins with TLS cannot be told. */
static void turn_away(struct server *s, evutil_socket_t fd, const struct peer *peer,
                      enum reply reply, const char *reason, bool begins_tls)
{
    struct buffer line = BUFFER_EMPTY;
    bool is_limited = reply == REPLY_LIMITED;
    journal_refusal(peer,
                    &(struct session_refusal){.command = "", .reply = reply, .words = reason});
    reply_line(&line, reply, false, "%s: %s", reply_text(reply), reason);
    if (line.data != NULL && !begins_tls) {
        /* The buffer of a new socket has room for a line; if not, the client still sees the end. */
        (void)!send(fd, line.data, line.len, MSG_DONTWAIT | MSG_NOSIGNAL);
    }
    buffer_free(&line);
    evutil_closesocket(fd);
    stats_add(s->relay->stats, is_limited ? STAT_CONNECTIONS_LIMITED : STAT_CONNECTIONS_REFUSED, 1);
}

/* How many clients there may be with one more of `key`'s. */
static size_t max_clients(const struct server *s, int32_t key)
{
    size_t max = s->options.max_connections;
    size_t others = max * s->options.others_percent / 100;
    return owner_connections(&s->owners, key) < others ? max + others : max;
}

/* The same for one more stranger. */
static const char *make_room_for_stranger(struct server *s)
{
    size_t max = s->options.max_connections / STRANGERS_PART + 1;
    size_t count = owner_connections(&s->owners, OWNER_STRANGER);
    bool has_room = count < max || (count < 2 * max && ask_idlest(s, OWNER_STRANGER, strangers));
    return has_room ? NULL : strangers;
}

/*
 * Makes room for a new client of `key`'s, if there is need. Returns why it cannot be taken in; NULL = it
 * can.
 */
static const char *make_room(struct server *s, evutil_socket_t fd, const struct identity *who)
{
    int32_t key = who->owner;
    size_t max = max_clients(s, key);
    bool is_local = who->peer.class == PEER_LOCAL;
    /* Those that were asked to close and do not: asking more of them would make no room. */
    if (s->count >= 2 * max) {
        return too_many;
    }
    if (key == OWNER_STRANGER && make_room_for_stranger(s) != NULL) {
        return strangers;
    }
    if (who->peer.is_encrypted && !conn_has_room_for_tls(&s->context)) {
        return too_many_handshakes;
    }
    if (is_local ? descriptors_are_reserved(fd, 0) : descriptors_are_for_local(fd)) {
        return ask_idlest(s, key, no_descriptors) && !descriptors_are_reserved(fd, OVERLAP)
                   ? NULL
                   : no_descriptors;
    }
    return s->count < max || ask_idlest(s, key, too_many) ? NULL : too_many;
}

static void set_accepting(struct server *s, bool accepts)
{
    for (size_t i = 0; i < s->listener_count; i++) {
        (accepts ? evconnlistener_enable : evconnlistener_disable)(s->listeners[i]);
    }
}

/* By itself, libevent would accept for as long as others connect. */
static void count_accepted(struct server *s)
{
    static const struct timeval NEXT_TURN = {0};
    if (++s->accepted == 1) {
        event_add(s->resume, &NEXT_TURN);
    } else if (s->accepted == ACCEPT_MAX) {
        set_accepting(s, false);
    }
}

/* One that is not local comes. Returns NULL, with the reason, if its address has too much already. */
static struct peers_address *enter(struct server *s, const struct sockaddr *from,
                                   const char **reason)
{
    struct network_address address = {{0}};
    (void)network_address(from, &address);
    return peers_enter(s->context.peers, &address, clock_monotonic_us(), reason);
}

static void take_in(struct server *s, evutil_socket_t fd, const struct sockaddr *address,
                    bool begins_tls)
{
    count_accepted(s);
    struct identity who = identity_of(&s->identities, fd, address);
    who.peer.is_encrypted = begins_tls;
    const struct peer peer = peer_make(address, who.owner);
    if (who.owner == OWNER_LOCAL) {
        journal_unknown_user(&peer);
        stats_add(s->relay->stats, STAT_CONNECTIONS_LOCAL, 1);
    }
    struct peers_address *from = NULL;
    const char *reason = NULL;
    if (who.peer.class != PEER_LOCAL && (from = enter(s, address, &reason)) == NULL) {
        turn_away(s, fd, &peer, REPLY_LIMITED, reason, begins_tls);
        return;
    }
    reason = make_room(s, fd, &who);
    if (reason != NULL) {
        turn_away(s, fd, &peer, REPLY_SHUTTING_DOWN, reason, begins_tls);
        leave(s, from);
        return;
    }
    struct conn *c = conn_new(&s->context, fd, &peer, &who, from);
    if (c == NULL) {
        LOG(LOG_ERROR, "connection_failed", LOG_STR("reason", "out of memory"));
        leave(s, from);
        return;
    }
    append(s, c);
    s->count++;
    stats_add(s->relay->stats, STAT_CONNECTIONS, 1);
    stats_add(s->relay->stats, STAT_CONNECTIONS_TOTAL, 1);
}

static void on_accept(struct evconnlistener *listener, evutil_socket_t fd, struct sockaddr *address,
                      int address_len, void *arg)
{
    (void)listener;
    (void)address_len;
    take_in(arg, fd, address, false);
}

static void on_accept_tls(struct evconnlistener *listener, evutil_socket_t fd,
                          struct sockaddr *address, int address_len, void *arg)
{
    (void)listener;
    (void)address_len;
    take_in(arg, fd, address, true);
}

static void on_resume(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    struct server *s = arg;
    s->accepted = 0;
    set_accepting(s, true);
}

/* Out of descriptors or memory: without a pause, the error would repeat at once. Any other is that of a
 * connection which has failed already (accept(2)). */
static void on_accept_error(struct evconnlistener *listener, void *arg)
{
    (void)listener;
    static const struct timeval PAUSE = {.tv_usec = 100 * 1000L};
    struct server *s = arg;
    int error = EVUTIL_SOCKET_ERROR();
    LOG(LOG_ERROR, "accept_failed", LOG_ERRNO(error));
    if (error != EMFILE && error != ENFILE && error != ENOBUFS && error != ENOMEM) {
        return;
    }
    set_accepting(s, false);
    event_add(s->resume, &PAUSE);
}

/* --- listening -------------------------------------------------------------------------------- */

static void add_listener(struct server *s, struct evconnlistener *listener, const char *address,
                         bool is_tls)
{
    evconnlistener_set_error_cb(listener, on_accept_error);
    s->listeners[s->listener_count++] = listener;
    LOG(LOG_INFO, "listening", LOG_STR("address", address),
        is_tls ? LOG_BOOL("tls", true) : LOG_NONE);
}

static bool add_tcp(struct server *s, struct listen_address address, char *error, size_t error_size)
{
    char text[LISTEN_TEXT_SIZE];
    struct evconnlistener *listener = listen_tcp(
        s->relay->base, &address, address.is_tls ? on_accept_tls : on_accept, s, error, error_size);
    if (listener != NULL) {
        listen_format(&address, text);
        add_listener(s, listener, text, address.is_tls);
    }
    return listener != NULL;
}

static struct evconnlistener *listen_unix(struct server *s, const struct sockaddr_un *address)
{
    return evconnlistener_new_bind(s->relay->base, on_accept, s,
                                   LEV_OPT_CLOSE_ON_FREE | LEV_OPT_CLOSE_ON_EXEC, LISTEN_BACKLOG,
                                   (const struct sockaddr *)address, sizeof *address);
}

/*
 * Removes a socket that nobody listens on: a killed relay has left it. Anything else at that path is a
 * mistake in the settings (connecting to a plain file is refused, too).
 */
static bool remove_stale(const struct sockaddr_un *address)
{
    struct stat status;
    if (lstat(address->sun_path, &status) != 0 || !S_ISSOCK(status.st_mode)) {
        errno = EADDRINUSE;
        return false;
    }
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    bool is_stale = fd >= 0 &&
                    connect(fd, (const struct sockaddr *)address, sizeof *address) != 0 &&
                    errno == ECONNREFUSED;
    if (fd >= 0) {
        close(fd);
    }
    if (!is_stale) {
        errno = EADDRINUSE;
    }
    return is_stale && unlink(address->sun_path) == 0;
}

static bool add_unix(struct server *s, const char *path, char *error, size_t error_size)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    if (strlen(path) >= sizeof address.sun_path) {
        snprintf(error, error_size, "the path of the Unix socket is too long: %s", path);
        return false;
    }
    strcpy(address.sun_path, path);
    struct evconnlistener *listener = listen_unix(s, &address);
    if (listener == NULL && errno == EADDRINUSE && remove_stale(&address)) {
        listener = listen_unix(s, &address);
    }
    if (listener == NULL) {
        snprintf(error, error_size, "cannot listen on %s: %s", path, strerror(errno));
        return false;
    }
    s->unix_path = strdup(path);
    /* As open as the port on loopback: SO_PEERCRED tells who may do what. */
    chmod(path, 0666);
    add_listener(s, listener, path, false);
    return true;
}

static bool listen_all(struct server *s, char *error, size_t error_size)
{
    for (size_t i = 0; i < s->options.address_count; i++) {
        if (!add_tcp(s, s->options.addresses[i], error, error_size)) {
            return false;
        }
    }
    const char *path = s->options.unix_path;
    return path[0] == '\0' || add_unix(s, path, error, error_size);
}

/* --- life ------------------------------------------------------------------------------------- */

struct server *server_new(const struct relay *relay, const struct server_options *options,
                          char *error, size_t error_size)
{
    struct server *s = calloc(1, sizeof *s);
    snprintf(error, error_size, "out of memory");
    if (s == NULL) {
        return NULL;
    }
    s->relay = relay;
    s->options = *options;
    s->identities = (struct identity_rules){.trusted = options->trusted,
                                            .gives_control_to_all = options->gives_control_to_all,
                                            .diag_fd = -1};
    s->owners.max_awaits = options->max_awaits;
    s->owners.max_unanswered = options->max_unanswered;
    s->context = (struct conn_context){.relay = relay,
                                       .owners = &s->owners,
                                       .login_ms = options->login_ms,
                                       .idle_timeout_ms = options->idle_timeout_ms,
                                       .tls = options->tls,
                                       .active = on_active,
                                       .ended = on_ended,
                                       .server = s};
    s->context.peers = peers_new(&options->peers);
    TAILQ_INIT(&s->context.handshakes);
    s->listeners = calloc(options->address_count + 1, sizeof(struct evconnlistener *));
    s->resume = evtimer_new(relay->base, on_resume, s);
    if (s->context.peers == NULL || s->listeners == NULL || s->resume == NULL ||
        !conn_context_open(&s->context) ||
        !identity_open(&s->identities, options->control_group, error, error_size) ||
        !listen_all(s, error, error_size)) {
        server_free(s);
        return NULL;
    }
    return s;
}

static void close_listeners(struct server *s)
{
    for (size_t i = 0; i < s->listener_count; i++) {
        evconnlistener_free(s->listeners[i]);
    }
    s->listener_count = 0;
    if (s->unix_path != NULL) {
        unlink(s->unix_path);
        free(s->unix_path);
        s->unix_path = NULL;
    }
}

const struct owners *server_owners(const struct server *s)
{
    return &s->owners;
}

void server_renew_users(struct server *s, const struct user_table *users)
{
    for (struct conn *c = s->idlest, *next; c != NULL; c = next) {
        next = c->links.next;
        conn_renew_user(c, users);
    }
}

void server_stop(struct server *s)
{
    event_del(s->resume);
    close_listeners(s);
    for (struct conn *c = s->idlest, *next; c != NULL; c = next) {
        next = c->links.next;
        conn_close(c, REPLY_SHUTTING_DOWN);
    }
}

bool server_has_unsent(const struct server *s)
{
    struct conn *c = s->idlest;
    while (c != NULL && !conn_has_unsent(c)) {
        c = c->links.next;
    }
    return c != NULL;
}

void server_free(struct server *s)
{
    if (s == NULL) {
        return;
    }
    close_listeners(s);
    while (s->idlest != NULL) {
        conn_free(s->idlest);
    }
    conn_context_close(&s->context);
    owners_free(&s->owners);
    peers_free(s->context.peers);
    identity_close(&s->identities);
    free(s->listeners);
    if (s->resume != NULL) {
        event_free(s->resume);
    }
    free(s);
}
