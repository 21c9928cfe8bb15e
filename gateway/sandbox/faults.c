/* faults: see faults.h. */
#include "gateway/sandbox/faults.h"

#include "gateway/sandbox/members.h"

#include <stdlib.h>
#include <string.h>

/* In the order of enum sandbox_call; "any" is the fourth. */
static const char *const calls[] = {"single", "bulk", "history", "any", NULL};

enum { ANY_CALL = 3 };

#define AT(field) offsetof(struct sandbox_fault, field)

static const struct sandbox_member table[] = {
    {"on", SANDBOX_CHOICE, AT(on), 0, 0, calls},
    {"containing", SANDBOX_TEXT, AT(containing), 0, 0, NULL},
    {"skip", SANDBOX_INTEGER, AT(skip), 0, INT32_MAX, NULL},
    {"count", SANDBOX_INTEGER, AT(count), -1, INT32_MAX, NULL},
    {"status", SANDBOX_INTEGER, AT(status), 200, 599, NULL},
    {"body", SANDBOX_ANY, AT(body), 0, 0, NULL},
    {"content_type", SANDBOX_TEXT, AT(content_type), 0, 0, NULL},
    {"headers", SANDBOX_OBJECT, AT(headers), 0, 0, NULL},
    {"accept", SANDBOX_FLAG, AT(accept), 0, 0, NULL},
    {"drop", SANDBOX_FLAG, AT(drop), 0, 0, NULL},
    {"reset", SANDBOX_FLAG, AT(reset), 0, 0, NULL},
    {"hang_ms", SANDBOX_INTEGER, AT(hang_ms), -1, 24 * 60 * 60 * 1000, NULL},
    {"truncate", SANDBOX_INTEGER, AT(truncate), 0, INT32_MAX, NULL},
    {"no_rate_headers", SANDBOX_FLAG, AT(no_rate_headers), 0, 0, NULL},
    {"rate", SANDBOX_OBJECT, AT(rate), 0, 0, NULL},
    {"close_idle", SANDBOX_FLAG, AT(close_idle), 0, 0, NULL},
    {"stale_ms", SANDBOX_INTEGER, AT(stale_ms), 0, 24 * 60 * 60 * 1000, NULL},
    {NULL, SANDBOX_FLAG, 0, 0, 0, NULL},
};

#undef AT

static void fault_free(struct sandbox_fault *fault)
{
    if (fault == NULL) {
        return;
    }
    sandbox_members_free(table, fault);
    json_decref(fault->source);
    free(fault);
}

/* If so, the messages were accepted, unless the fault says otherwise. */
static bool is_answered_as_usual(const struct sandbox_fault *fault)
{
    return fault->status == 0 && fault->body == NULL && !fault->drop && fault->truncate < 0 &&
           fault->hang_ms >= 0;
}

static struct sandbox_fault *fault_new(json_t *source)
{
    struct sandbox_fault *fault = calloc(1, sizeof *fault);

    if (fault == NULL) {
        return NULL;
    }
    fault->on = ANY_CALL;
    fault->count = 1;
    fault->truncate = -1;
    if (!sandbox_members_read(table, source, fault)) {
        fault_free(fault);
        return NULL;
    }
    if (json_object_get(source, "accept") == NULL) {
        fault->accept = is_answered_as_usual(fault) && !fault->close_idle;
    }
    fault->source = json_incref(source);
    return fault;
}

static json_t *append(struct sandbox_faults *faults, json_t *source, json_t *indexes)
{
    struct sandbox_fault *fault = fault_new(source);
    struct sandbox_fault **end = &faults->first;

    if (fault == NULL) {
        return json_pack("{s:s, s:[]}", "message", "out of memory", "unknown");
    }
    while (*end != NULL) {
        end = &(*end)->next;
    }
    *end = fault;
    fault->index = faults->added++;
    json_array_append_new(indexes, json_integer(fault->index));
    return NULL;
}

json_t *sandbox_faults_add(struct sandbox_faults *faults, const json_t *value, json_t *indexes)
{
    json_t *list =
        json_is_array(value) ? json_copy((json_t *)value) : json_pack("[O]", (json_t *)value);
    json_t *problem = NULL;

    for (size_t i = 0; problem == NULL && i < json_array_size(list); i++) {
        problem = sandbox_members_check(table, json_array_get(list, i));
    }
    for (size_t i = 0; problem == NULL && i < json_array_size(list); i++) {
        problem = append(faults, json_array_get(list, i), indexes);
    }
    json_decref(list);
    return problem;
}

static bool is_meant(const struct sandbox_fault *fault, enum sandbox_call call, const void *body,
                     size_t len)
{
    if (fault->on != ANY_CALL && fault->on != (int)call) {
        return false;
    }
    return fault->containing == NULL ||
           (len > 0 && memmem(body, len, fault->containing, strlen(fault->containing)) != NULL);
}

static bool is_used_up(const struct sandbox_fault *fault)
{
    return fault->count >= 0 && fault->used >= fault->count;
}

const struct sandbox_fault *sandbox_faults_match(struct sandbox_faults *faults,
                                                 enum sandbox_call call, const void *body,
                                                 size_t len)
{
    struct sandbox_fault **link = &faults->first;
    struct sandbox_fault *fault;

    fault_free(faults->spent);
    faults->spent = NULL;
    while ((fault = *link) != NULL) {
        if (!is_used_up(fault) && is_meant(fault, call, body, len) && fault->skip-- <= 0) {
            break;
        }
        link = &fault->next;
    }
    if (fault == NULL) {
        return NULL;
    }
    fault->used++;
    if (is_used_up(fault)) {
        *link = fault->next;
        faults->spent = fault;
    }
    return fault;
}

json_t *sandbox_faults_show(const struct sandbox_faults *faults)
{
    json_t *list = json_array();

    for (const struct sandbox_fault *fault = faults->first; fault != NULL; fault = fault->next) {
        json_array_append_new(list,
                              json_pack("{s:I, s:I, s:O}", "index", (json_int_t)fault->index,
                                        "used", (json_int_t)fault->used, "fault", fault->source));
    }
    return json_pack("{s:o}", "faults", list);
}

void sandbox_faults_clear(struct sandbox_faults *faults)
{
    struct sandbox_fault *fault;

    while ((fault = faults->first) != NULL) {
        faults->first = fault->next;
        fault_free(fault);
    }
    fault_free(faults->spent);
    *faults = (struct sandbox_faults){0};
}
