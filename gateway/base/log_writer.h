/*
 * log_writer: writes lines to stderr in a thread of its own, so that a slow reader, or one that has
 * stopped reading, holds up nobody who logs.
 *
 * Owns two buffers: loggers append to one while the thread writes the other, then they are swapped.
 * A line that does not fit is dropped and counted, and a line in its place says how many are missing.
 * Leaves the format of lines to log. Thread: any, unless stated otherwise.
 */
#ifndef GATEWAY_BASE_LOG_WRITER_H
#define GATEWAY_BASE_LOG_WRITER_H

#include <limits.h>
#include <stddef.h>
#include <stdint.h>

enum {
    LOG_WRITER_LINE_MAX = PIPE_BUF,    /* bytes; a write of this size to a pipe is atomic */
    LOG_WRITER_BUFFER_SIZE = 256 << 10 /* bytes, of each buffer */
};

/* Writes the line that tells of `dropped` lines. Returns its length. */
typedef size_t log_writer_tell(char line[LOG_WRITER_LINE_MAX], int64_t dropped);

/*
 * Starts the thread, and makes a crash wait for the last lines, up to half a second. Until then, lines
 * are written by their caller. Returns 0 or an errno value. Thread: the main thread.
 */
int log_writer_start(log_writer_tell *tell);

/* Takes a line of at most LOG_WRITER_LINE_MAX bytes that ends in LF. Never waits for the reader. */
void log_writer_put(const char *line, size_t len);

/*
 * Writes what is left, for up to `timeout_ms`, and ends the thread. Lines that come later are written
 * by their caller or, if time was up, dropped. Does nothing unless started. Thread: the main thread.
 */
void log_writer_stop(int64_t timeout_ms);

/* How many lines were dropped or could not be written, since the start. */
int64_t log_writer_dropped(void);

#endif
