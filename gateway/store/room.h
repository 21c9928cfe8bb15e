/*
 * room: how much of its volume the store may still use, and for what.
 *
 * What becomes of messages must find room even when new ones find none: new messages leave some of the
 * volume free (queue.reserve), and the file no longer than it may be (queue.max_disk). Before it comes to that, the store forgets finished messages early.
 * Owns the measuring; leaves refusing to the queue, and forgetting to purge.
 * For store.c only. Thread: the store's.
 */
#ifndef GATEWAY_STORE_ROOM_H
#define GATEWAY_STORE_ROOM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct store_db;

enum { STORE_ROOM_WORDS_SIZE = 200 };

struct store_room {
    int64_t max_disk; /* queue.max_disk; 0 = no such limit */
    int64_t reserve;  /* queue.reserve; what is kept is never more than a twentieth of the volume */

    /* As measured. */
    size_t bytes;  /* of messages that may be added: as message_bytes counts them */
    int log_pages; /* how long the write-ahead log may get */
    bool is_tight; /* finished messages should go before their time */
    char words[STORE_ROOM_WORDS_SIZE]; /* why new messages are refused; "" = they are not */
};

/* Measures. `file` is a descriptor of the database, `unfinished` how many messages have yet to end. */
void store_room_measure(struct store_room *room, struct store_db *db, int file, size_t unfinished);

#endif
