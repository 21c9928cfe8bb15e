/* descriptors: see descriptors.h. */
#include "gateway/base/descriptors.h"

#include <fcntl.h>
#include <limits.h>
#include <sys/resource.h>
#include <unistd.h>

enum { CLIENTS_MIN = 4, LOCAL_PART = 8, LOCAL_MAX = 32 };

static int first_reserved = INT_MAX;
static int first_local = INT_MAX;

int descriptors_next(void)
{
    int fd = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 0);
    int next = fd < 0 ? INT_MAX : fd;
    if (fd >= 0) {
        close(fd);
    }
    return next;
}

size_t descriptors_reserve(size_t count, size_t *limit)
{
    struct rlimit files;
    int next = descriptors_next();
    *limit = INT_MAX;
    if (getrlimit(RLIMIT_NOFILE, &files) == 0 && files.rlim_cur < INT_MAX) {
        *limit = files.rlim_cur;
    }
    size_t room = (size_t)next + count < *limit ? *limit - (size_t)next - count : 0;
    room = room > CLIENTS_MIN ? room : CLIENTS_MIN;
    size_t local = room / LOCAL_PART < LOCAL_MAX ? room / LOCAL_PART : LOCAL_MAX;
    first_reserved = next == INT_MAX ? next : next + (int)room;
    first_local = next == INT_MAX ? next : first_reserved - (int)local;
    return room;
}

bool descriptors_are_for_local(int fd)
{
    return fd >= first_local;
}

bool descriptors_are_reserved(int fd, int more)
{
    return fd - more >= first_reserved;
}
