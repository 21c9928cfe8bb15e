/* ask: see ask.h. */
#include "gateway/store/ask.h"

#include "gateway/store/db.h"
#include "gateway/store/rows.h"

#include <stdlib.h>

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
    int64_t max = (int64_t)question->max;
    if (question->state == MESSAGE_RELAYED) {
        store_rows_begin(&reader, db, STORE_READ_RELAYED, max, 0);
    } else {
        store_rows_begin(&reader, db, STORE_READ_FAILED, question->state, max);
    }
    struct message *m;
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

void store_question_answer(struct store_question *question, struct store_db *db, bool is_saved)
{
    bool is_id = question->kind == STORE_ASK_ID;
    question->has_failed = !is_saved || db->handle == NULL;
    if (question->has_failed || question->kind == STORE_ASK_NOTHING) {
        return;
    }
    question->messages = calloc(is_id ? 1 : question->max, sizeof(struct message *));
    if (question->messages == NULL) {
        question->has_failed = true;
    } else if (is_id) {
        read_message(question, db);
    } else {
        read_state(question, db);
    }
}
