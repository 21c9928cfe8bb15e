/* doors: see the header. */
#include "conf/doors.h"

#include <stdio.h>
#include <string.h>

static bool is_open(const char *address)
{
    char host[CONF_HOST_SIZE];
    uint16_t port;
    return conf_address_split(address, host, &port) && !conf_host_is_loopback(host);
}

/* The first address that is not on loopback; NULL = there is none. */
static const char *find_open(const struct conf_list *addresses)
{
    for (size_t i = 0; i < addresses->count; i++) {
        if (is_open(addresses->items[i])) {
            return addresses->items[i];
        }
    }
    return NULL;
}

static bool is_refused(struct conf_loader *l, const char *section, const char *name)
{
    return conf_origin_of(l, conf_key_find(section, name))->is_refused;
}

/* A setting with addresses, and who may use them. */
struct door {
    const char *section, *name;
    const char *open;  /* the address that others can connect to; NULL = there is none */
    bool is_used;      /* there is somebody else who may use it */
    const char *verb;  /* what those do who may */
    bool takes_logins; /* over TLS, from anywhere */
    bool needs_login;  /* from the networks, too */
};

static const char login_way[] = "\nor let those in who log in, over TLS:\n"
                                "    [auth]\n"
                                "    users = /etc/smsrelay/users\n"
                                "    [tls]\n"
                                "    certificate = /etc/smsrelay/certificate.pem\n"
                                "    key = /etc/smsrelay/key.pem";

static void check_door(struct conf_loader *l, const struct door *door)
{
    const struct conf_key *address = conf_key_find(door->section, door->name);
    if (door->open != NULL && !door->is_used && !is_refused(l, door->section, door->name) &&
        !is_refused(l, door->section, "networks")) {
        conf_complain(l, conf_origin_of(l, address), address,
                      "other machines can connect to %s, but none of them may %s. %s those that "
                      "you trust, %sin plain text:\n"
                      "    [%s]\n"
                      "    %s = %s\n"
                      "    networks = 192.168.7.0/24%s",
                      door->open, door->verb, door->takes_logins ? "Either name" : "Name",
                      door->needs_login ? "" : "without a login and ", door->section, door->name,
                      door->open, door->takes_logins ? login_way : "");
    }
}

static void warn_of_nobody(struct conf_loader *l, const char *section, bool is_somewhere_open,
                           const struct conf_list *networks)
{
    char what[160];
    if (!is_somewhere_open && networks->count > 0) {
        snprintf(what, sizeof what,
                 "lets nobody in: %s.address is on loopback, where no other machine can connect",
                 section);
        conf_warn(l, conf_key_find(section, "networks"), what);
    }
}

static const char *open_or_null(const char *address)
{
    return is_open(address) ? address : NULL;
}

static bool is_any(const char *address)
{
    return strncmp(address, "0.0.0.0:", strlen("0.0.0.0:")) == 0 ||
           strncmp(address, "[::]:", strlen("[::]:")) == 0;
}

/* The simulated API posts over loopback. */
static void check_simulated(struct conf_loader *l)
{
    const struct conf *conf = l->conf;
    const char *address = conf->reports.address;
    if (strcmp(conf->api.url, "sandbox") == 0 && conf->sandbox.webhook[0] == '\0' &&
        is_open(address) && !is_any(address)) {
        const struct conf_key *key = conf_key_find("reports", "address");
        conf_complain(l, conf_origin_of(l, key), key,
                      "must be on loopback, 0.0.0.0 or [::] while api.url is sandbox, which posts "
                      "from this machine");
    }
}

static void check_submit(struct conf_loader *l)
{
    const struct conf_key *address = conf_key_find("submit", "address");
    const struct conf_key *users = conf_key_find("auth", "users");
    if (l->conf->submit.address[0] != '\0' && l->conf->auth.users[0] == '\0' &&
        !conf_origin_of(l, address)->is_refused && !conf_origin_of(l, users)->is_refused) {
        conf_complain(
            l, conf_origin_of(l, address), address,
            "nobody could submit there without a user. Make one, who gets a token, and name "
            "the file:\n"
            "    smsrelay user -f /etc/smsrelay/users token shop\n"
            "    [auth]\n"
            "    users = /etc/smsrelay/users");
    }
}

static void check_logins(struct conf_loader *l)
{
    const struct conf_key *require = conf_key_find("auth", "require");
    if (l->conf->auth.require == CONF_REQUIRE_ALL && l->conf->auth.users[0] == '\0' &&
        !is_refused(l, "auth", "users")) {
        conf_complain(l, conf_origin_of(l, require), require,
                      "needs auth.users: otherwise nobody could log in");
    }
}

void conf_check_doors(struct conf_loader *l)
{
    const struct conf *conf = l->conf;
    const char *plain = find_open(&conf->listen.address);
    const char *tls = find_open(&conf->listen.tls_address);
    bool has_logins = conf->auth.users[0] != '\0' && conf->tls.certificate[0] != '\0';
    bool is_trusting = conf->auth.require != CONF_REQUIRE_ALL && conf->listen.networks.count > 0;
    const struct door doors[] = {
        {"listen", "address", plain, has_logins || is_trusting, "send", true, false},
        {"listen", "tls_address", tls, has_logins || is_trusting, "send", true, false},
        {"http", "address", open_or_null(conf->http.address), conf->http.networks.count > 0, "ask",
         false, false},
        {"reports", "address", open_or_null(conf->reports.address),
         conf->reports.networks.count > 0, "post", false, false},
        {"submit", "address", open_or_null(conf->submit.address), conf->submit.networks.count > 0,
         "submit", false, true},
    };
    for (size_t i = 0; i < sizeof doors / sizeof doors[0]; i++) {
        check_door(l, &doors[i]);
    }
    check_logins(l);
    check_simulated(l);
    warn_of_nobody(l, "listen", plain != NULL || tls != NULL, &conf->listen.networks);
    warn_of_nobody(l, "http", is_open(conf->http.address), &conf->http.networks);
    warn_of_nobody(l, "reports", is_open(conf->reports.address), &conf->reports.networks);
    warn_of_nobody(l, "submit", is_open(conf->submit.address), &conf->submit.networks);
    check_submit(l);
}
