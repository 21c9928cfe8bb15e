/* identity: see identity.h. */
#include "gateway/serve/identity.h"

#include "gateway/base/log.h"
#include "proto/message.h"

#include <errno.h>
#include <grp.h>
#include <linux/inet_diag.h>
#include <linux/netlink.h>
#include <linux/sock_diag.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { PEER_GROUPS_MAX = 256 };

/* --- the other end of a TCP connection -------------------------------------------------------- */

/* Both ends of a connection, as sock_diag names them: by addresses without mapped ones. */
struct ends {
    uint8_t family;
    struct inet_diag_sockid id;
};

struct question {
    struct nlmsghdr header;
    struct inet_diag_req_v2 request;
};

struct answer {
    struct nlmsghdr header;
    struct inet_diag_msg socket; /* if header.nlmsg_type says so */
    char attributes[512];
};

/* Copies an address and its port. Returns its family; AF_INET for an IPv4-mapped one of IPv6. */
static uint8_t copy_address(const struct sockaddr_storage *from, __be32 host[4], __be16 *port)
{
    struct sockaddr_in v4;
    struct sockaddr_in6 v6;
    if (from->ss_family == AF_INET) {
        memcpy(&v4, from, sizeof v4);
        *port = v4.sin_port;
        memcpy(host, &v4.sin_addr, sizeof v4.sin_addr);
        return AF_INET;
    }
    memcpy(&v6, from, sizeof v6);
    *port = v6.sin6_port;
    if (IN6_IS_ADDR_V4MAPPED(&v6.sin6_addr)) {
        memcpy(host, v6.sin6_addr.s6_addr + 12, sizeof(struct in_addr));
        return AF_INET;
    }
    memcpy(host, &v6.sin6_addr, sizeof v6.sin6_addr);
    return AF_INET6;
}

/* The ends as the client's socket sees them: its own is the source. */
static bool find_ends(int fd, const struct sockaddr *peer, struct ends *ends)
{
    struct sockaddr_storage here = {0};
    struct sockaddr_storage there = {0};
    socklen_t len = sizeof here;
    bool is_v6 = peer->sa_family == AF_INET6;
    *ends = (struct ends){.id.idiag_cookie = {INET_DIAG_NOCOOKIE, INET_DIAG_NOCOOKIE}};
    if ((!is_v6 && peer->sa_family != AF_INET) ||
        getsockname(fd, (struct sockaddr *)&here, &len) != 0) {
        return false;
    }
    memcpy(&there, peer, is_v6 ? sizeof(struct sockaddr_in6) : sizeof(struct sockaddr_in));
    ends->family = copy_address(&there, ends->id.idiag_src, &ends->id.idiag_sport);
    return copy_address(&here, ends->id.idiag_dst, &ends->id.idiag_dport) == ends->family;
}

static bool are_same_ends(const struct inet_diag_sockid *a, const struct inet_diag_sockid *b)
{
    return a->idiag_sport == b->idiag_sport && a->idiag_dport == b->idiag_dport;
}

/* Sends a question. The kernel has queued its answer when this returns. */
static bool ask(struct identity_rules *rules, const struct ends *ends)
{
    struct question question = {
        .header = {.nlmsg_len = sizeof question,
                   .nlmsg_type = SOCK_DIAG_BY_FAMILY,
                   .nlmsg_flags = NLM_F_REQUEST,
                   .nlmsg_seq = ++rules->asked},
        .request = {.sdiag_family = ends->family,
                    .sdiag_protocol = IPPROTO_TCP,
                    .idiag_states = UINT32_MAX,
                    .id = ends->id},
    };
    return send(rules->diag_fd, &question, sizeof question, 0) == (ssize_t)sizeof question;
}

/* Reads the answer to the last question; those of earlier ones that failed are skipped. */
static bool read_answer(const struct identity_rules *rules, struct answer *answer)
{
    ssize_t len;
    do {
        len = recv(rules->diag_fd, answer, sizeof *answer, 0);
    } while (len >= (ssize_t)sizeof answer->header && answer->header.nlmsg_seq != rules->asked);
    return len >= (ssize_t)(sizeof answer->header + sizeof answer->socket) &&
           answer->header.nlmsg_type == SOCK_DIAG_BY_FAMILY;
}

/*
 * The user who opened the client's socket. Not told: it is not in this network namespace, the kernel
 * does not answer, or the client has closed it, and the kernel then has 0 in place of the user, and no
 * inode.
 */
static bool find_tcp_user(struct identity_rules *rules, int fd, const struct sockaddr *peer,
                          uid_t *uid)
{
    struct ends ends;
    struct answer answer;
    if (rules->diag_fd < 0 || !find_ends(fd, peer, &ends) || !ask(rules, &ends) ||
        !read_answer(rules, &answer) || answer.socket.idiag_inode == 0 ||
        !are_same_ends(&answer.socket.id, &ends.id)) {
        return false;
    }
    *uid = answer.socket.idiag_uid;
    return true;
}

/* --- rights ----------------------------------------------------------------------------------- */

static bool is_in_group(int fd, gid_t primary, gid_t wanted)
{
    gid_t groups[PEER_GROUPS_MAX];
    socklen_t len = sizeof groups;
    if (primary == wanted) {
        return true;
    }
    if (getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, groups, &len) != 0) {
        return false;
    }
    for (size_t i = 0; i < len / sizeof groups[0]; i++) {
        if (groups[i] == wanted) {
            return true;
        }
    }
    return false;
}

static int32_t key_of(uid_t uid)
{
    int32_t key = (int32_t)uid;
    return key >= OWNER_RESERVED && key < 0 ? OWNER_LOCAL : key;
}

static enum peer_class class_of(const struct identity_rules *rules, int fd,
                                const struct sockaddr *peer)
{
    struct network_address there;
    if (network_is_local(fd, peer, &there)) {
        return PEER_LOCAL;
    }
    return networks_contain(&rules->trusted, &there) ? PEER_TRUSTED : PEER_STRANGER;
}

/* A client at the Unix socket. */
static void identify_user(const struct identity_rules *rules, int fd, struct identity *identity)
{
    struct ucred user;
    socklen_t len = sizeof user;
    if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &user, &len) == 0) {
        identity->owner = key_of(user.uid);
        identity->peer.is_known = true;
        identity->peer.has_control =
            identity->peer.has_control || user.uid == 0 || user.uid == geteuid() ||
            (rules->has_control_group && is_in_group(fd, user.gid, rules->control_group));
    }
}

struct identity identity_of(struct identity_rules *rules, int fd, const struct sockaddr *peer)
{
    static const int32_t OWNERS[] = {[PEER_LOCAL] = OWNER_LOCAL,
                                     [PEER_TRUSTED] = OWNER_NETWORK,
                                     [PEER_STRANGER] = OWNER_STRANGER};
    enum peer_class class = class_of(rules, fd, peer);
    bool is_local = class == PEER_LOCAL;
    uid_t uid;
    struct identity identity = {
        .owner = OWNERS[class],
        .peer = {.class = class, .has_control = is_local && rules->gives_control_to_all},
    };
    if (peer->sa_family == AF_UNIX) {
        identify_user(rules, fd, &identity);
    } else if (is_local && find_tcp_user(rules, fd, peer, &uid)) {
        identity.owner = key_of(uid);
    }
    return identity;
}

/* --- life ------------------------------------------------------------------------------------- */

bool identity_open(struct identity_rules *rules, const char *control_group, char *error,
                   size_t error_size)
{
    if (control_group[0] != '\0') {
        /* At start only, when no other thread looks up groups. */
        /* cppcheck-suppress getgrnamCalled */
        const struct group *group = getgrnam(control_group);
        if (group == NULL) {
            snprintf(error, error_size, "listen.control_group: there is no group %s",
                     control_group);
            return false;
        }
        rules->has_control_group = true;
        rules->control_group = group->gr_gid;
    }
    rules->diag_fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_SOCK_DIAG);
    if (rules->diag_fd < 0) {
        LOG(LOG_WARN, "users_unknown", LOG_ERRNO(errno));
    }
    return true;
}

void identity_close(struct identity_rules *rules)
{
    if (rules->diag_fd >= 0) {
        close(rules->diag_fd);
    }
    rules->diag_fd = -1;
}
