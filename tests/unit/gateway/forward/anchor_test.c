/* Tests of anchor: which message marks where a scan may end, and how deep it lies. */
#include "gateway/forward/anchor.h"

#include <criterion/criterion.h>
#include <string.h>

Test(anchor, is_the_message_relayed_last)
{
    struct anchors anchors = {0};

    cr_expect_null(anchor_id(&anchors.newest), "nothing was relayed: read to the end");
    anchors_note_relayed(&anchors, "a1", 1);
    anchors_note_relayed(&anchors, "b2", 1);
    struct anchor before_c = anchors.newest;
    cr_expect_str_eq(anchor_id(&before_c), "b2");
    cr_expect_eq(anchors_above(&anchors, &before_c), 0);
    anchors_note_relayed(&anchors, "d4", 1);
    anchors_note_relayed(&anchors, "e5", 1);
    cr_expect_str_eq(anchor_id(&anchors.newest), "e5");
    cr_expect_eq(anchors_above(&anchors, &before_c), 2, "d4 and e5 stand above b2");
}

Test(anchor, needs_an_id_that_it_can_hold)
{
    struct anchors anchors = {0};
    char longest[STORE_ANCHOR_SIZE], longer[STORE_ANCHOR_SIZE + 1];

    memset(longest, 'x', sizeof longest);
    longest[sizeof longest - 1] = '\0';
    memset(longer, 'x', sizeof longer);
    longer[sizeof longer - 1] = '\0';
    anchors_note_relayed(&anchors, longest, 1);
    anchors_note_relayed(&anchors, "", 1);
    anchors_note_relayed(&anchors, longer, 1);
    cr_expect_str_eq(anchor_id(&anchors.newest), longest);
    cr_expect_eq(anchors_above(&anchors, &anchors.newest), 2, "they stand above it all the same");
}

Test(anchor, of_doubt_is_the_oldest)
{
    struct anchors anchors = {0};

    anchors_note_relayed(&anchors, "a1", 1);
    struct anchor first = anchors.newest;
    anchors_note_relayed(&anchors, "b2", 1);
    struct anchor second = anchors.newest;

    anchors_note_doubt(&anchors, &second, true);
    cr_expect_str_eq(anchors.doubt.api_id, "b2");
    anchors_note_doubt(&anchors, &first, false);
    cr_expect_str_eq(anchors.doubt.api_id, "a1", "it began first, though it was answered last");
    anchors_note_doubt(&anchors, &second, false);
    cr_expect_str_eq(anchors.doubt.api_id, "a1");
    anchors_note_doubt(&anchors, &second, true);
    cr_expect_str_eq(anchors.doubt.api_id, "b2", "the old doubt has been resolved");
    cr_expect_eq(anchor_older(&first, &second), &first);
    cr_expect_eq(anchor_older(&second, &first), &first);
}
