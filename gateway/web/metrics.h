/*
 * metrics: the metrics of /metrics, in the text format of Prometheus.
 *
 * Owns their names, labels and units. Counts nothing itself: stats, the queue and the tally of
 * sessions do. Thread: the loop's.
 */
#ifndef GATEWAY_WEB_METRICS_H
#define GATEWAY_WEB_METRICS_H

#include "proto/buffer.h"

#include <stdint.h>

struct relay;

/* The media type: exposition format 0.0.4. */
#define METRICS_TYPE "text/plain; version=0.0.4; charset=utf-8"

/* Appends all metrics; `now_ms` is Unix time. */
void metrics_write(const struct relay *relay, int64_t now_ms, struct buffer *out);

#endif
