/*
 * conn_login: how a client becomes a user.
 *
 * Has a login compared, and gives the client to its user: his owner has its messages, and its share of the
 * relay, from then on. Leaves comparing to users/login. Thread: the loop's.
 */
#ifndef GATEWAY_SERVE_CONN_LOGIN_H
#define GATEWAY_SERVE_CONN_LOGIN_H

struct conn;
struct session_event;
struct user_table;

/* Carries out a SESSION_LOGIN; the verdict may come later. */
void conn_try_login(struct conn *c, const struct session_event *event);

/*
 * The users are these now. A client whose user is still there, with the same password, has his present
 * rights; of one whose user is not, or has lost a right while it watches, the connection ends with 421.
 */
void conn_renew_user(struct conn *c, const struct user_table *users);

#endif
