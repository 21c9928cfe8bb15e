/* service: see service.h. */
#include "gateway/base/service.h"

#include "gateway/base/log.h"

#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

/* Returns the size of the address, 0 with errno if `name` is none. unix(7): the length of an abstract
 * name counts, so its end is not padded. */
static socklen_t parse(const char *name, struct sockaddr_un *address)
{
    size_t len = strlen(name);
    if ((name[0] != '/' && name[0] != '@') || name[1] == '\0') {
        errno = EAFNOSUPPORT;
        return 0;
    }
    if (len > sizeof address->sun_path) {
        errno = ENAMETOOLONG;
        return 0;
    }
    address->sun_family = AF_UNIX;
    memcpy(address->sun_path, name, len);
    if (name[0] == '@') {
        address->sun_path[0] = '\0';
    }
    return (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len);
}

void service_notify(const char *state)
{
    const char *name = getenv("NOTIFY_SOCKET");
    struct sockaddr_un address = {0};
    if (name == NULL || name[0] == '\0') {
        return;
    }
    socklen_t size = parse(name, &address);
    int fd = size == 0 ? -1 : socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    ssize_t sent = -1;
    if (fd >= 0) {
        do {
            sent =
                sendto(fd, state, strlen(state), MSG_NOSIGNAL, (struct sockaddr *)&address, size);
        } while (sent < 0 && errno == EINTR);
    }
    int reason = errno;
    if (fd >= 0) {
        close(fd);
    }
    if (sent < 0) {
        LOG(LOG_WARN, "service_manager_untold", LOG_STR("socket", name), LOG_ERRNO(reason));
    }
}
