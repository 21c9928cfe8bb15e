/*
 * credential: what an Authorization header says (RFC 9110, 11.6.2): Bearer and a token (RFC 6750), or Basic
 * and a user's name with his password or token (RFC 7617).
 *
 * Leaves to users/login whether it is right. Thread: any. Pure.
 */
#ifndef GATEWAY_SUBMIT_CREDENTIAL_H
#define GATEWAY_SUBMIT_CREDENTIAL_H

#include "proto/session/user.h"

#include <stdbool.h>

/* Wipe it once it was used. */
struct credential {
    bool has_name;
    char name[USER_NAME_MAX +
              1]; /* one that is too long belongs to nobody: it is "", as is its secret */
    char secret[USER_SECRET_MAX + 1];
};

/* Reads the value of a header, NULL if there is none. Returns false if it is no credential of these kinds. */
bool credential_read(const char *header, struct credential *credential);

#endif
