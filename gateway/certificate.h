/*
 * certificate: the files of tls.certificate and tls.key: reading them, what is wrong with them, and when
 * they end.
 *
 * Leaves what is in them to base/chain. Thread: the main thread.
 */
#ifndef GATEWAY_CERTIFICATE_H
#define GATEWAY_CERTIFICATE_H

#include "conf/load.h"
#include "gateway/base/stats.h"

#include <stdbool.h>
#include <stddef.h>

struct certificate;
struct event_base;
struct tls;

/* Adds an error if a relay could not use them. Nothing if none are set. */
void certificate_judge(const struct conf *conf, struct conf_loader *loader);

/* The same for `smsrelay check`: also if they are not valid now; it warns if they end soon, or if clients
 * may not believe them. */
void certificate_judge_all(const struct conf *conf, struct conf_loader *loader);

/*
 * Reads them for a relay that starts. Logs what is not fatal, and reminds daily of their end. `conf` and
 * `stats` must outlive it. Returns NULL, with a sentence in `error`, if they cannot be used.
 */
struct certificate *certificate_new(struct event_base *base, const struct conf *conf,
                                    struct stats *stats, char *error, size_t error_size);
/* Its connections must be gone. NULL is fine. */
void certificate_free(struct certificate *certificate);

/* What connections get of it. NULL if there is none. */
struct tls *certificate_tls(const struct certificate *certificate);

/* Reads the files again, for new connections. If they are wrong, or not valid now, the old ones stay, and
 * the log says why. NULL is fine. */
void certificate_reload(struct certificate *certificate);

#endif
