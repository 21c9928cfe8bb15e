/*
 * api_answer: answers to a bulk, in every shape and with every fault, whose truth is known.
 *
 * A plan says what became of each message, how the answer says so, and what happened to its bytes.
 * Ids and words name their message, so a reader that takes an entry for another message's is found
 * out. Leaves out what nobody could tell, such as ids in reverse order without another name.
 */
#ifndef TESTS_SUPPORT_API_ANSWER_H
#define TESTS_SUPPORT_API_ANSWER_H

#include "gateway/api/json.h"
#include "proto/buffer.h"

#include <stdbool.h>

enum { ANSWER_MESSAGES = 5 };

/* What became of a message. */
enum answer_truth { TRUTH_ACCEPTED, TRUTH_REFUSED, TRUTH_UNMENTIONED, TRUTHS };

/* How a list is written. */
enum answer_list {
    LIST_ARRAY,
    LIST_PHP,        /* keyed by index if it has gaps */
    LIST_INDEXES,    /* keyed by index */
    LIST_PLACES,     /* an object whose keys are the places in it: JSON_FORCE_OBJECT */
    LIST_CLIENT_IDS, /* keyed by clientId */
    LIST_PATHS,      /* keyed by "[3].to"; entities are an array */
    LISTS
};

/* How an entry names its message. */
enum answer_name {
    NAME_NONE,
    NAME_CLIENT_ID,
    NAME_INDEX,
    NAME_NUMBER,
    NAME_NESTED, /* its clientId under another member */
    NAME_PATH,   /* errors: a member propertyPath; entities have no name */
    NAMES
};

enum answer_wrap { WRAP_NONE, WRAP_ALL, WRAP_LISTS, WRAP_ENTRIES, WRAPS };

/* What stands before and behind the JSON. */
enum answer_around {
    AROUND_NONE,
    AROUND_MARK,
    AROUND_NOTICE,
    AROUND_WARNINGS,
    AROUND_SPACE,
    AROUNDS
};

/* What is wrong with a member of each entry that nobody needs. */
enum answer_damage {
    DAMAGE_NONE,
    DAMAGE_LATIN1,
    DAMAGE_CUT_CHARACTER,
    DAMAGE_SURROGATE,
    DAMAGE_NUL,
    DAMAGE_CONTROL,
    DAMAGE_ESCAPE,
    DAMAGE_NAN,
    DAMAGE_NUMBER,
    DAMAGES
};

/* What stands in place of the first entry of a list. */
enum answer_odd { ODD_NONE, ODD_NULL, ODD_STRING, ODD_OBJECT, ODD_LIST, ODDS };

struct answer_plan {
    enum answer_truth truth[ANSWER_MESSAGES];
    enum answer_list entities_as, errors_as;
    enum answer_name name;
    enum answer_wrap wrap;
    enum answer_around around;
    enum answer_damage damage;
    enum answer_odd odd_entity, odd_error;
    bool is_reversed;
};

/* The messages that all answers are about; made once, never freed. */
struct message *const *answer_messages(void);

/* Appends the body. */
void answer_write(const struct answer_plan *plan, struct buffer *body);

/* Can a reader match every entry that is not odd, whatever else the plan says? */
bool answer_is_certain(const struct answer_plan *plan);

/*
 * What is wrong with a reading of message `i`; NULL = nothing. API_ITEM_UNKNOWN is wrong only if the
 * plan is certain.
 */
const char *answer_fault(const struct answer_plan *plan, size_t i, const struct api_item *item);

/*
 * What is wrong with the quick reader's reading of a body; NULL = nothing, and also when it leaves the
 * body to json: what it takes, json must read alike. `count` = 0 asks it as the answer to a single
 * message. `is_taken` (or NULL) tells whether it took it.
 */
const char *answer_plain_fault(const char *body, size_t len, struct message *const *messages,
                               size_t count, bool *is_taken);

#endif
