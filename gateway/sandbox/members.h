/*
 * members: reads JSON objects into structs, and shows them, by a table.
 *
 * Owns the checking, reading and showing of what control calls take, settings and faults: a table
 * tells which member goes into which field and which values are valid. Does not know what they mean.
 * Thread: any. Pure.
 */
#ifndef GATEWAY_SANDBOX_MEMBERS_H
#define GATEWAY_SANDBOX_MEMBERS_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* With the C type of each field. */
enum sandbox_kind {
    SANDBOX_FLAG,            /* bool: true or false */
    SANDBOX_INTEGER,         /* int64_t, min to max */
    SANDBOX_INTEGER_OR_NULL, /* int64_t, min to max; null is -1 */
    SANDBOX_CHOICE,          /* int: the index of one of the names */
    SANDBOX_CHOICES,         /* unsigned: a bit for each of the names in a list */
    SANDBOX_TEXT,            /* char *, owned */
    SANDBOX_TEXT_OR_NULL,    /* char *, owned; null is NULL */
    SANDBOX_SECRET_OR_NULL,  /* the same, but never shown */
    SANDBOX_OBJECT,          /* json_t *, a reference: an object */
    SANDBOX_ANY              /* json_t *, a reference: any value */
};

struct sandbox_member {
    const char *name; /* NULL ends a table */
    enum sandbox_kind kind;
    size_t offset; /* of the field */
    int64_t min, max;
    const char *const *names; /* of choices, ended by NULL */
};

/*
 * Checks an object against the table without reading it. Returns NULL if it is valid, else a new
 * {"message":.., "unknown":[..]} that tells what is wrong.
 */
json_t *sandbox_members_check(const struct sandbox_member *table, json_t *object);

/*
 * Reads a checked object into the struct at `target`; other fields keep their values. Returns false
 * on allocation failure; some fields may have changed then, and all are valid.
 */
bool sandbox_members_read(const struct sandbox_member *table, const json_t *object, void *target);

/* All members of the struct but secrets, as a new object. NULL on allocation failure. */
json_t *sandbox_members_show(const struct sandbox_member *table, const void *target);

/* Frees what the fields own and sets them to NULL. */
void sandbox_members_free(const struct sandbox_member *table, void *target);

#endif
