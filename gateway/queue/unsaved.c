/* unsaved: see unsaved.h. */
#include "gateway/queue/unsaved.h"

static void append(struct queue_unsaved *unsaved, struct message *m)
{
    message_row_links(m)->next_unsaved = NULL;
    *(unsaved->first == NULL ? &unsaved->first : &message_row_links(unsaved->last)->next_unsaved) =
        m;
    unsaved->last = m;
    unsaved->count++;
}

static void prepend(struct queue_unsaved *unsaved, struct message *m)
{
    message_row_links(m)->next_unsaved = unsaved->first;
    unsaved->last = unsaved->first == NULL ? m : unsaved->last;
    unsaved->first = m;
    unsaved->count++;
}

void queue_unsaved_add(struct queue_unsaved *unsaved, struct message *m)
{
    bool is_listed = m->saving == MESSAGE_UNSAVED || m->saving == MESSAGE_SAVING_UNSAVED;
    if (!m->is_durable || is_listed) {
        return;
    }
    m->saving = m->saving == MESSAGE_SAVED ? MESSAGE_UNSAVED : MESSAGE_SAVING_UNSAVED;
    append(unsaved, m);
    unsaved->added++;
}

struct message *queue_unsaved_take(struct queue_unsaved *unsaved)
{
    struct message *m = unsaved->first;
    unsaved->first = message_row_links(m)->next_unsaved;
    unsaved->count--;
    m->saving = MESSAGE_SAVING;
    return m;
}

bool queue_unsaved_end(struct message *m)
{
    m->saving = m->saving == MESSAGE_SAVING_UNSAVED ? MESSAGE_UNSAVED : MESSAGE_SAVED;
    return m->saving == MESSAGE_SAVED;
}

void queue_unsaved_return(struct queue_unsaved *unsaved, struct message *m)
{
    if (m->saving == MESSAGE_SAVING) {
        prepend(unsaved, m);
    }
    m->saving = MESSAGE_UNSAVED;
}

void queue_unsaved_advance(struct queue_unsaved *unsaved, uint64_t count)
{
    if (count < unsaved->redo) {
        unsaved->redo -= count;
        return;
    }
    unsaved->saved = (unsaved->redo > 0 ? unsaved->redone : unsaved->saved) + count - unsaved->redo;
    unsaved->redo = 0;
}

void queue_unsaved_redo(struct queue_unsaved *unsaved)
{
    unsaved->redo = unsaved->count;
    unsaved->redone = unsaved->added;
}
