/* process: see process.h. */
#include "gateway/base/process.h"

#include <fcntl.h>
#include <signal.h>
#include <stddef.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

void process_open_standard_files(void)
{
    int fd = open("/dev/null", O_RDWR);
    while (fd >= 0 && fd <= STDERR_FILENO) {
        fd = open("/dev/null", O_RDWR);
    }
    if (fd >= 0) {
        close(fd);
    }
}

/* Texts, numbers and the token must not end up in a core file. */
static void forbid_core_dumps(void)
{
    const struct rlimit none = {0, 0};
    setrlimit(RLIMIT_CORE, &none);
    prctl(PR_SET_DUMPABLE, 0);
}

/* What it writes is for this user alone. $SSLKEYLOGFILE would have the TLS library write the keys of
 * connections to the API, and with them the token, into a file. */
static void keep_to_itself(void)
{
    umask(077);
    unsetenv("SSLKEYLOGFILE");
}

/* For as many clients as listen.max_connections allows, whatever the shell's soft limit is. */
static void raise_descriptor_limit(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
        limit.rlim_cur = limit.rlim_max;
        setrlimit(RLIMIT_NOFILE, &limit);
    }
}

void process_prepare(void)
{
    forbid_core_dumps();
    keep_to_itself();
    raise_descriptor_limit();
    signal(SIGPIPE, SIG_IGN);
    signal(SIGCHLD,
           SIG_DFL); /* ignored, as it may be inherited, the ends of programs go unnoticed */
    signal(SIGXFSZ, SIG_IGN); /* to the store, a limit on file sizes is a full disk */
}
