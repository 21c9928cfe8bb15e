/*
 * rules: what a string must be to be the value of a setting.
 *
 * Each rule is asked about a string that is not empty and returns NULL, or what it must be, to be
 * read after the setting's name: "must be HOST:PORT". Thread: any. Pure, but for conf_rule_charset,
 * which asks iconv, and conf_rule_network, whose result the next call in the thread overwrites.
 */
#ifndef CONF_RULES_H
#define CONF_RULES_H

const char *conf_rule_address(const char *value);      /* where to listen */
const char *conf_rule_loopback(const char *value);     /* the same, on loopback only */
const char *conf_rule_network(const char *value);      /* whom to trust */
const char *conf_rule_socket(const char *value);       /* the path of a Unix socket */
const char *conf_rule_store(const char *value);        /* the path of the store */
const char *conf_rule_host(const char *value);         /* what a Host header may name */
const char *conf_rule_api(const char *value);          /* the URL of the API */
const char *conf_rule_webhook(const char *value);      /* a URL that gets notices */
const char *conf_rule_loopback_url(const char *value); /* a URL on this machine */
const char *conf_rule_signing_key(const char *value);  /* the key that signs notices */
const char *conf_rule_program(const char *value);      /* a program's path and arguments */
const char *conf_rule_token(const char *value);        /* a token of the API */
const char *conf_rule_path_secret(const char *value);  /* a secret that is part of a URL */
const char *conf_rule_sender(const char *value);       /* a sender, as far as conf can tell */
const char *conf_rule_country(const char *value);      /* a country calling code */
const char *conf_rule_charset(const char *value);      /* a character set, or "none" */

#endif
