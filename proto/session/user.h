/*
 * user: what a session knows of the user who has logged in.
 * Thread: that of the sessions.
 */
#ifndef PROTO_SESSION_USER_H
#define PROTO_SESSION_USER_H

enum {
    /* What a client may send as its name and its secret, in bytes. */
    USER_NAME_MAX = 64,
    USER_SECRET_MAX = 511
};

enum user_right {
    USER_SUBMITS = 1 << 0,
    USER_ASKS = 1 << 1,    /* about messages of his own, and may cancel them */
    USER_CONTROLS = 1 << 2 /* asks about everybody's messages, and the operator's verbs */
};

/* Borrowed by sessions. */
struct session_user {
    unsigned rights; /* enum user_right */
    const char *const
        *senders; /* the only ones he may use, ended by NULL; the first is his default.
                                 * NULL, or none = those of the rules */
};

/* What a client has sent to log in. A name or a secret that is too long, or has a NUL, belongs to nobody:
 * it is "". */
struct session_login {
    char name[USER_NAME_MAX + 1];
    char secret[USER_SECRET_MAX + 1];
};

#endif
