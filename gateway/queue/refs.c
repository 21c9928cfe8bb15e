/* refs: see refs.h. */
#include "gateway/queue/refs.h"

#include "gateway/base/siphash.h"

#include <string.h>
#include <sys/random.h>

/* What is hashed: owner, REF with its NUL, recipient, each as long as a message can hold. */
enum { KEY_MAX = sizeof(int32_t) + UINT8_MAX + 1 + UINT8_MAX };

/* The constant offset of a member of message_ref in a message that has one. */
#define REF_OFFSET(member) (sizeof(struct message) + offsetof(struct message_ref, member))

bool queue_refs_init(struct queue_refs *refs)
{
    *refs = (struct queue_refs){0};
    return getrandom(refs->secret, sizeof(refs->secret), 0) == sizeof(refs->secret) &&
           queue_index_init(&refs->by_key, REF_OFFSET(same_key_bucket), REF_OFFSET(key_hash)) &&
           queue_index_init(&refs->by_ref, REF_OFFSET(same_ref_bucket), REF_OFFSET(ref_hash));
}

void queue_refs_free(struct queue_refs *refs)
{
    queue_index_free(&refs->by_key);
    queue_index_free(&refs->by_ref);
}

/* Writes owner and REF, with its NUL, to `key`; returns their length. */
static size_t put_ref(unsigned char key[KEY_MAX], int32_t owner, const char *ref, size_t ref_len)
{
    memcpy(key, &owner, sizeof(owner));
    memcpy(key + sizeof(owner), ref, ref_len + 1);
    return sizeof(owner) + ref_len + 1;
}

void queue_refs_hash(const struct queue_refs *refs, struct message *m)
{
    if (m->ref_len == 0) {
        return;
    }
    unsigned char key[KEY_MAX];
    size_t len = put_ref(key, m->owner, message_ref(m), m->ref_len);
    struct message_ref *links = message_ref_links(m);
    links->ref_hash = siphash(refs->secret, key, len);
    memcpy(key + len, message_to(m), m->to_len);
    links->key_hash = siphash(refs->secret, key, len + m->to_len);
}

/* message_ref_links of a message that is not changed. */
static const struct message_ref *links_of(const struct message *m)
{
    return message_ref_links((struct message *)(uintptr_t)m);
}

static bool has_ref(const struct message *m, int32_t owner, const char *ref)
{
    return m->owner == owner && strcmp(message_ref(m), ref) == 0;
}

struct message *queue_refs_holder(const struct queue_refs *refs, const struct message *m)
{
    if (m->ref_len == 0) {
        return NULL;
    }
    struct message *holder = queue_index_first(&refs->by_key, links_of(m)->key_hash);
    while (holder != NULL && !(has_ref(holder, m->owner, message_ref(m)) &&
                               strcmp(message_to(holder), message_to(m)) == 0)) {
        holder = queue_index_next(&refs->by_key, holder);
    }
    return holder;
}

/* The oldest message of a REF, which is the one that the table holds. */
static struct message *find_oldest(const struct queue_refs *refs, uint64_t hash, int32_t owner,
                                   const char *ref)
{
    struct message *m = queue_index_first(&refs->by_ref, hash);
    while (m != NULL && !has_ref(m, owner, ref)) {
        m = queue_index_next(&refs->by_ref, m);
    }
    return m;
}

void queue_refs_claim(struct queue_refs *refs, struct message *m)
{
    if (m->ref_len == 0) {
        return;
    }
    struct message_ref *links = message_ref_links(m);
    queue_index_insert(&refs->by_key, m);
    struct message *oldest = find_oldest(refs, links->ref_hash, m->owner, message_ref(m));
    if (oldest == NULL) {
        links->newer = links->older = m;
        queue_index_insert(&refs->by_ref, m);
        return;
    }
    links->newer = oldest;
    links->older = message_ref_links(oldest)->older;
    message_ref_links(links->older)->newer = m;
    message_ref_links(oldest)->older = m;
}

void queue_refs_release(struct queue_refs *refs, const struct message *m)
{
    if (m->ref_len != 0) {
        queue_index_remove(&refs->by_key, m);
    }
}

void queue_refs_remove(struct queue_refs *refs, struct message *m)
{
    if (m->ref_len == 0) {
        return;
    }
    struct message_ref *links = message_ref_links(m);
    queue_refs_release(refs, m);
    if (links->newer == m) {
        queue_index_remove(&refs->by_ref, m);
        return;
    }
    if (find_oldest(refs, links->ref_hash, m->owner, message_ref(m)) == m) {
        queue_index_replace(&refs->by_ref, m, links->newer);
    }
    message_ref_links(links->newer)->older = links->older;
    message_ref_links(links->older)->newer = links->newer;
}

struct message *queue_refs_newest(const struct queue_refs *refs, int32_t owner, const char *ref)
{
    unsigned char key[KEY_MAX];
    size_t ref_len = strlen(ref);
    if (ref_len == 0 || ref_len > REF_MAX) {
        return NULL;
    }
    uint64_t hash = siphash(refs->secret, key, put_ref(key, owner, ref, ref_len));
    struct message *oldest = find_oldest(refs, hash, owner, ref);
    return oldest == NULL ? NULL : links_of(oldest)->older;
}

struct message *queue_refs_older(const struct message *m, const struct message *newest)
{
    struct message *older = links_of(m)->older;
    return older == newest ? NULL : older;
}
