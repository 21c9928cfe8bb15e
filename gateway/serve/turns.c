/* turns: see turns.h. */
#include "gateway/serve/turns.h"

#include <stdlib.h>

enum {
    FIRST_SIZE = 8,
    SAVED_MAX = 1000 /* that one has left from before it was idle: many may come at once */
};

bool turn_line_reserve(struct turn_line *line, size_t count)
{
    size_t size = line->size == 0 ? FIRST_SIZE : line->size;
    while (size < count) {
        size *= 2;
    }
    if (size == line->size) {
        return true;
    }
    struct turn **heap = realloc(line->heap, size * sizeof(struct turn *));
    if (heap == NULL) {
        return false;
    }
    line->heap = heap;
    line->size = size;
    return true;
}

void turn_line_free(struct turn_line *line)
{
    free(line->heap);
    *line = (struct turn_line){0};
}

static bool is_before(const struct turn *a, const struct turn *b)
{
    return a->used != b->used ? a->used < b->used : a->arrival < b->arrival;
}

static void put(struct turn_line *line, size_t place, struct turn *turn)
{
    line->heap[place - 1] = turn;
    turn->place = place;
}

/* Moves what is at `place` to where it belongs. */
static void sift(struct turn_line *line, size_t place)
{
    struct turn *turn = line->heap[place - 1];
    for (; place > 1 && is_before(turn, line->heap[place / 2 - 1]); place /= 2) {
        put(line, place, line->heap[place / 2 - 1]);
    }
    for (;;) {
        size_t child = 2 * place;
        if (child < line->count && is_before(line->heap[child], line->heap[child - 1])) {
            child++;
        }
        if (child > line->count || !is_before(line->heap[child - 1], turn)) {
            break;
        }
        put(line, place, line->heap[child - 1]);
        place = child;
    }
    put(line, place, turn);
}

void turn_line_enter(const struct turn_line *line, struct turn *turn)
{
    *turn = (struct turn){.used = line->now};
}

void turn_line_add(struct turn_line *line, struct turn *turn)
{
    if (turn->place != 0) {
        return;
    }
    uint64_t least = line->now > SAVED_MAX ? line->now - SAVED_MAX : 0;
    turn->used = turn->used > least ? turn->used : least;
    turn->arrival = line->arrivals++;
    put(line, ++line->count, turn);
    sift(line, line->count);
}

struct turn *turn_line_first(const struct turn_line *line)
{
    return line->count == 0 ? NULL : line->heap[0];
}

void turn_line_take(struct turn_line *line, struct turn *turn)
{
    size_t place = turn->place;
    if (place == 0) {
        return;
    }
    if (place == 1 && turn->used > line->now) {
        line->now = turn->used;
    }
    struct turn *last = line->heap[--line->count];
    turn->place = 0;
    if (last != turn) {
        put(line, place, last);
        sift(line, place);
    }
}

void turn_line_charge(struct turn_line *line, struct turn *turn, uint64_t cost)
{
    turn->used += cost > 0 ? cost : 1;
    if (turn->place != 0) {
        sift(line, turn->place);
    }
}
