/* anchor: see anchor.h. */
#include "gateway/forward/anchor.h"

#include <string.h>

void anchors_note_relayed(struct anchors *anchors, const char *api_id, uint32_t number)
{
    size_t len = strlen(api_id);
    anchors->relayed++;
    if (len > 0 && len < STORE_ANCHOR_SIZE) {
        memcpy(anchors->newest.api_id, api_id, len + 1);
        anchors->newest.relayed = anchors->relayed;
        anchors->newest.number = number;
    }
}

void anchors_note_doubt(struct anchors *anchors, const struct anchor *anchor, bool is_only)
{
    anchors->doubt = is_only ? *anchor : *anchor_older(&anchors->doubt, anchor);
}

uint64_t anchors_above(const struct anchors *anchors, const struct anchor *anchor)
{
    return anchors->relayed - anchor->relayed;
}

const struct anchor *anchor_older(const struct anchor *a, const struct anchor *b)
{
    return b->relayed < a->relayed ? b : a;
}

const char *anchor_id(const struct anchor *anchor)
{
    return anchor->api_id[0] == '\0' ? NULL : anchor->api_id;
}
