/*
 * settings: from struct conf to the options of each part.
 *
 * Only main, daemon and parts see struct conf as well: nothing else depends on how settings are
 * spelled or where they come from. Everything made here borrows from the conf. The caller sets the
 * callbacks.
 */
#ifndef GATEWAY_SETTINGS_H
#define GATEWAY_SETTINGS_H

#include "conf/load.h"
#include "gateway/forward/forwarder.h"
#include "gateway/notify/notify.h"
#include "gateway/sandbox/sandbox.h"
#include "gateway/serve/optout.h"
#include "gateway/serve/reports.h"
#include "gateway/serve/server.h"
#include "gateway/store/store.h"
#include "gateway/submit/submit.h"
#include "gateway/web/http.h"
#include "proto/session/session.h"

struct queue_options;

/* `aliases` may be NULL. The caller frees `rules->senders`. Returns false on allocation failure. */
bool settings_session(const struct conf *conf, const char *hostname,
                      const struct alias_table *aliases, struct session_rules *rules);

/* Returns false if there is no store: messages are in memory only. */
bool settings_store(const struct conf *conf, struct store_options *options);

void settings_queue(const struct conf *conf, struct queue_options *options);

/* `url` and `token` are those of the API or of the sandbox. */
void settings_forwarder(const struct conf *conf, const char *url, const char *token,
                        struct forwarder_options *options);

/* When to ask the API's history for reports. */
void settings_poll(const struct conf *conf, struct poll_options *options);

/* Does the API's token come from a file, which may change? */
bool settings_has_token_file(const struct conf *conf);

/* The token of the API or of the sandbox, malloc'ed. Returns NULL after logging why. Any thread. */
char *settings_read_token(const struct conf *conf);

/* How many descriptors clients must leave for everything else. */
size_t settings_descriptors(const struct conf *conf);

/* Of a list such as listen.networks. The caller frees the networks' list. Returns false on allocation
 * failure. */
bool settings_networks(const struct conf_list *texts, struct networks *networks);

/* "localhost" becomes 127.0.0.1 and ::1. The caller frees the addresses, and sets whom to trust. Returns
 * false on allocation failure. */
bool settings_server(const struct conf *conf, struct server_options *options);

/* Returns false without http.address. The caller sets where the sandbox listens, and who may ask. */
bool settings_http(const struct conf *conf, struct http_options *options);

/* Returns false without submit.address. The caller sets from where. */
bool settings_submit(const struct conf *conf, struct submit_options *options);

/* Returns false without reports.address. The caller sets who may post. */
bool settings_reports(const struct conf *conf, struct reports_options *options);

/* Returns false if there is neither a webhook nor a program. */
bool settings_notify(const struct conf *conf, struct notify_options *options);

/* Without sandbox.address, it listens on any free port of 127.0.0.1. */
void settings_sandbox(const struct conf *conf, struct sandbox_options *options);

void settings_optout(const struct conf *conf, struct optout_options *options);

/* Is the API the simulator in this process? */
bool settings_is_sandbox(const struct conf *conf);

#endif
