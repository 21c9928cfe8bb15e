/*
 * parts: what a relay is made of, and how each part is made from the settings.
 *
 * Owns what the parts call each other for. Leaves to daemon the order in which they are made,
 * started, stopped and freed. Thread: the loop's, unless a callback says otherwise.
 */
#ifndef GATEWAY_PARTS_H
#define GATEWAY_PARTS_H

#include "conf/conf.h"
#include "conf/errors.h"
#include "gateway/base/clock_watch.h"
#include "gateway/base/file_watch.h"
#include "gateway/base/stats.h"
#include "gateway/forward/forwarder.h"
#include "gateway/notify/notify.h"
#include "gateway/sandbox/thread.h"
#include "gateway/serve/relay.h"
#include "gateway/serve/reports.h"
#include "gateway/serve/server.h"
#include "gateway/submit/submit.h"
#include "gateway/users/login.h"
#include "gateway/users/owners.h"
#include "gateway/web/http.h"
#include "proto/session/session.h"

#include <event2/event.h>
#include <stdbool.h>

/* A running relay. A part that the settings do not ask for is NULL. */
struct daemon {
    const struct conf *conf;
    struct conf *(*load)(void *arg, struct conf_errors *errors); /* loads it again */
    void *load_arg;
    char hostname[256];
    struct session_rules rules;
    struct session_tally tally;  /* rules.tally */
    struct alias_table *aliases; /* rules.aliases; replaced as a whole, between two events */
    struct user_owners *owners;  /* of users */
    struct stats stats;
    struct event_base *base;
    struct certificate *certificate;
    struct notify *notify;
    struct relay relay;
    struct reports *reports;
    struct sandbox_thread *sandbox; /* NULL = the API is a real one */
    char sandbox_url[SANDBOX_URL_SIZE];
    struct file_watch *token_watch;
    struct clock_watch *clock_watch;
    struct http *http;
    struct submit *submit;
    struct server *server;
    struct networks trusted, askers, reporters, submitters; /* of server, http, reports, submit */
    struct event *on_term, *on_int, *on_hup, *on_drain, *on_ended, *on_second, *on_told, *on_store,
        *on_login;
    unsigned stops;           /* how often it was told to stop */
    bool has_restored;        /* what an earlier run left is in the queue */
    bool is_forwarding;       /* the forwarder's thread was started */
    bool has_forwarder_ended; /* the loop goes on until the store has answered */
    char error[512];          /* why a part could not be made */
};

/* Reads auth.users, which is set, and tells users' owners. Returns NULL, and appends a line or more to
 * `errors`, if that fails. */
struct user_table *parts_read_users(struct daemon *d, struct buffer *errors);

/*
 * Each makes or starts a part, if the settings ask for it. Returns false if that fails; unless memory
 * is short, `error` then says why.
 */
bool parts_read_certificate(struct daemon *d);
bool parts_make_notify(struct daemon *d);
bool parts_open_store(struct daemon *d);
bool parts_make_rules(struct daemon *d);
bool parts_read_networks(struct daemon *d);
bool parts_make_queue(struct daemon *d);
bool parts_make_watch(struct daemon *d);
bool parts_make_intake(struct daemon *d);
bool parts_restore_queue(struct daemon *d); /* what an earlier run has left */
bool parts_make_users(struct daemon *d);    /* once it is known which ones an earlier run had */
bool parts_make_optout(struct daemon *d);
bool parts_start_reports(struct daemon *d); /* posted or polled */
bool parts_start_sandbox(struct daemon *d); /* posts its reports to that listener */
bool parts_make_forwarder(struct daemon *d);
bool parts_start_store(struct daemon *d);
bool parts_start_notify(struct daemon *d);
bool parts_start_login(struct daemon *d);
bool parts_start_forwarder(struct daemon *d);
bool parts_start_http(struct daemon *d);
bool parts_start_submit(struct daemon *d);
bool parts_start_server(struct daemon *d);

#endif
