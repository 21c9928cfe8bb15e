/*
 * settings: struct conf -> what each part wants to know.
 *
 * With main and daemon the only one that sees struct conf, so that no other part depends on how
 * settings are spelled or where they come from. Everything made here borrows from the conf.
 */
#ifndef GATEWAY_SETTINGS_H
#define GATEWAY_SETTINGS_H

#include "conf/conf.h"
#include "gateway/forward/forwarder.h"
#include "gateway/notify/notify.h"
#include "gateway/sandbox/sandbox.h"
#include "gateway/serve/optout.h"
#include "gateway/serve/reports.h"
#include "gateway/serve/server.h"
#include "gateway/store/store.h"
#include "gateway/web/http.h"
#include "proto/session/session.h"

#include <stdio.h>

struct queue_options;

/*
 * What conf cannot know: are sms.default_from and sms.senders senders? Writes a line to `out` for
 * each that is none. Returns whether all are.
 */
bool settings_check(const struct conf *conf, FILE *out);

/* Fills the rules of sessions; `aliases` may be NULL. Free `rules->senders` afterwards. */
bool settings_session(const struct conf *conf, const char *hostname,
                      const struct alias_table *aliases, struct session_rules *rules);

/*
 * The store of the queue, where there is one: false = messages are kept in memory only. The
 * callbacks are the caller's to set.
 */
bool settings_store(const struct conf *conf, struct store_options *options);

/* The callbacks are the caller's to set. */
void settings_queue(const struct conf *conf, struct queue_options *options);

/* `url` and `token` are those of the API or of the sandbox. */
void settings_forwarder(const struct conf *conf, const char *url, const char *token,
                        struct forwarder_options *options);

/* When to ask the API's history for reports. */
void settings_poll(const struct conf *conf, struct poll_options *options);

/* Does the API's token come from a file? It is then worth reading again. */
bool settings_has_token_file(const struct conf *conf);

/* The token of the API or of the sandbox, malloc'ed. Returns NULL after logging why. Any thread. */
char *settings_read_token(const struct conf *conf);

/* Fills the options with malloc'ed addresses; "localhost" becomes 127.0.0.1 and ::1. */
bool settings_server(const struct conf *conf, struct server_options *options);

/* Returns false without http.address. The caller sets where the sandbox listens. */
bool settings_http(const struct conf *conf, struct http_options *options);

/* The same of the listener for delivery reports. */
bool settings_reports(const struct conf *conf, struct reports_options *options);

/* False = nobody is told of changes beside the clients. */
bool settings_notify(const struct conf *conf, struct notify_options *options);

/* Without sandbox.address, it is any free port of 127.0.0.1. */
void settings_sandbox(const struct conf *conf, struct sandbox_options *options);

/* Lends the options what the settings say. */
void settings_optout(const struct conf *conf, struct optout_options *options);

/* Tells whether the API is the simulator in this process. */
bool settings_is_sandbox(const struct conf *conf);

#endif
