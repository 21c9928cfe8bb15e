/* doors: see the header. */
#include "conf/doors.h"

/* The first address that is not on loopback; NULL = there is none. */
static const char *find_open(const struct conf_list *addresses)
{
    char host[CONF_HOST_SIZE];
    uint16_t port;
    for (size_t i = 0; i < addresses->count; i++) {
        if (conf_address_split(addresses->items[i], host, &port) && !conf_host_is_loopback(host)) {
            return addresses->items[i];
        }
    }
    return NULL;
}

static void check_clients(struct conf_loader *l)
{
    const struct conf_key *networks = conf_key_find("listen", "networks");
    const char *open = find_open(&l->conf->listen.address);
    const struct conf_key *address =
        conf_key_find("listen", open != NULL ? "address" : "tls_address");
    open = open != NULL ? open : find_open(&l->conf->listen.tls_address);
    if (conf_origin_of(l, address)->is_refused || conf_origin_of(l, networks)->is_refused) {
        return;
    }
    if (open != NULL && l->conf->listen.networks.count == 0) {
        conf_complain(l, conf_origin_of(l, address), address,
                      "other machines can connect to %s, but none of them may send. Name those "
                      "that you trust to send without a login, in plain text:\n"
                      "    [listen]\n"
                      "    %s = %s\n"
                      "    networks = 192.168.7.0/24",
                      open, address->name, open);
    } else if (open == NULL && l->conf->listen.networks.count > 0) {
        conf_warn(l, networks,
                  "lets nobody in: listen.address is on loopback, where no other machine can "
                  "connect");
    }
}

void conf_check_doors(struct conf_loader *l)
{
    check_clients(l);
}
