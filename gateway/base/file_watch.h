/*
 * file_watch: notices that the API's token has changed on disk.
 *
 * Watches the folder of the token file with inotify, since a file is replaced by renaming another
 * one over it. Leaves reading it to whoever is told. Thread: the loop's.
 */
#ifndef GATEWAY_BASE_FILE_WATCH_H
#define GATEWAY_BASE_FILE_WATCH_H

#include <event2/event.h>

struct token_watch;

/* Calls `changed` whenever something in the file's folder was written or renamed. Returns NULL
 * when it cannot be watched: SIGHUP and a refusal by the API are then what makes it be read. */
struct token_watch *token_watch_new(struct event_base *base, const char *path,
                                    void (*changed)(void *arg), void *arg);
/* NULL is fine. */
void token_watch_free(struct token_watch *watch);

#endif
