/*
 * trust: may the relay do what a file says?
 *
 * Whoever can write the settings, the aliases, the list of opt-outs or the store can have it send
 * anything to anybody, and run programs. So each must belong to root or to the relay's user, and nobody
 * else may write it or put another file in its place. Thread: the main thread.
 */
#ifndef CONF_TRUST_H
#define CONF_TRUST_H

#include <stdbool.h>
#include <sys/types.h>

enum { CONF_TRUST_SIZE = 512 }; /* bytes of a sentence */

/*
 * Judges the regular file `path`, and the directory in which it is or will be, that of the file behind a
 * symbolic link too. Write permission of a group is accepted in a volume that Kubernetes has prepared for
 * a group of this process (fsGroup), and whatever a read-only mount says. Returns true if others could
 * not have written the file, also if it does not exist or is no regular file, else false with what is
 * wrong in `fault`: "belongs to ...".
 */
bool conf_trust(const char *path, char fault[CONF_TRUST_SIZE]);

/* For who judges in another's place: the user whose files are trusted, instead of this process's. */
void conf_trust_user(uid_t user);

#endif
