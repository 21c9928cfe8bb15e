/* ask: see ask.h. */
#include "gateway/store/ask.h"

#include "gateway/store/db.h"
#include "gateway/store/refs.h"
#include "gateway/store/rows.h"

#include <stdlib.h>
#include <string.h>

struct store_question *store_question_copy(const struct store_question *question)
{
    struct store_question *copy = malloc(sizeof *copy);
    if (copy != NULL) {
        *copy = *question;
        copy->has_failed = false;
        copy->messages = NULL;
        copy->count = 0;
    }
    return copy;
}

void store_question_free(struct store_question *question)
{
    for (size_t i = 0; i < question->count; i++) {
        message_free(question->messages[i]);
    }
    free(question->messages);
    free(question);
}

void store_questions_clear(struct store_questions *questions)
{
    struct store_question *question;
    while ((question = STAILQ_FIRST(questions)) != NULL) {
        STAILQ_REMOVE_HEAD(questions, entry);
        store_question_free(question);
    }
}

bool store_questions_sync(const struct store_questions *questions)
{
    const struct store_question *q = STAILQ_FIRST(questions);
    while (q != NULL && !q->syncs) {
        q = STAILQ_NEXT(q, entry);
    }
    return q != NULL;
}

static void read_state(struct store_question *question, struct store_db *db)
{
    struct store_rows_reader reader;
    store_rows_begin_state(&reader, db, question->state, question->after, (int64_t)question->max);
    struct message *m;
    while (question->count < question->max && (m = store_rows_next(&reader)) != NULL) {
        question->messages[question->count++] = m;
    }
    question->has_failed = reader.fault != NULL;
    store_rows_end(&reader);
}

static void read_owner(struct store_question *question, struct store_db *db)
{
    struct store_rows_reader reader;
    struct message *m;
    sqlite3_bind_int64(db->statements[STORE_READ_OWNER], 3, (int64_t)question->skip);
    store_rows_begin(&reader, db, STORE_READ_OWNER, question->owner, (int64_t)question->max);
    while (question->count < question->max && (m = store_rows_next(&reader)) != NULL) {
        question->messages[question->count++] = m;
    }
    question->has_failed = reader.fault != NULL;
    store_rows_end(&reader);
}

static void read_message(struct store_question *question, struct store_db *db)
{
    struct message *m = store_rows_find(db, &question->id, &question->has_failed);
    if (m != NULL) {
        question->messages[question->count++] = m;
    }
}

/* Hashes that are the same by chance lead to other messages, too. */
static void read_ref(struct store_question *question, struct store_db *db,
                     const struct store_refs *refs)
{
    int64_t *rows;
    size_t count;
    question->has_failed =
        !refs->is_complete ||
        !store_refs_list(refs, db, question->owner, question->ref, STORE_REF_MAX, &rows, &count);
    if (question->has_failed) {
        return;
    }
    for (size_t i = 0; i < count && question->count < STORE_PORTION; i++) {
        struct message *m = rows[i] <= question->after || question->has_failed
                                ? NULL
                                : store_rows_read(db, rows[i], &question->has_failed);
        if (m != NULL && m->owner == question->owner &&
            strcmp(message_ref(m), question->ref) == 0) {
            question->messages[question->count++] = m;
        } else {
            message_free(m);
        }
    }
    free(rows);
}

/* How many messages the answer has at most. */
static size_t answer_size(const struct store_question *question)
{
    switch (question->kind) {
    case STORE_ASK_ID:
        return 1;
    case STORE_ASK_REF:
        return STORE_PORTION;
    case STORE_ASK_STATE:
    case STORE_ASK_OWNER:
        return question->max;
    case STORE_ASK_NOTHING:
        break;
    }
    return 0;
}

void store_question_answer(struct store_question *question, struct store_db *db,
                           const struct store_refs *refs, bool is_saved)
{
    question->has_failed = !is_saved || db->handle == NULL;
    if (question->has_failed || question->kind == STORE_ASK_NOTHING) {
        return;
    }
    question->messages = calloc(answer_size(question), sizeof(struct message *));
    if (question->messages == NULL) {
        question->has_failed = true;
    } else if (question->kind == STORE_ASK_ID) {
        read_message(question, db);
    } else if (question->kind == STORE_ASK_REF) {
        read_ref(question, db, refs);
    } else if (question->kind == STORE_ASK_OWNER) {
        read_owner(question, db);
    } else {
        read_state(question, db);
    }
}
