/*
 * file_watch: notices that a file has changed.
 *
 * Watches the file's folder with inotify, since a file is usually replaced by renaming another over
 * it. Leaves reading the file to the caller. Thread: the event base's.
 */
#ifndef GATEWAY_BASE_FILE_WATCH_H
#define GATEWAY_BASE_FILE_WATCH_H

struct event_base;
struct file_watch;

/*
 * Calls `changed` whenever a file in the folder of `path` was written or renamed, maybe another than
 * `path`. Returns NULL when the folder cannot be watched.
 */
struct file_watch *file_watch_new(struct event_base *base, const char *path,
                                  void (*changed)(void *arg), void *arg);
/* NULL is fine. */
void file_watch_free(struct file_watch *watch);

#endif
