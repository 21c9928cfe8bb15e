/* receipt: see receipt.h. */
#include "proto/session/receipt.h"

#include "proto/reply.h"

/* Written without printf, for every message accepted passes here. */
static void write_line(struct buffer *out, enum reply reply, const struct session_receipt *r,
                       bool more)
{
    reply_begin(out, reply, more);
    buffer_puts(out, r->tells_state ? message_state_name(r->state) : "queued");
    buffer_puts(out, " id=");
    reply_id(out, &r->id);
    buffer_puts(out, " to=");
    buffer_puts(out, r->to);
    buffer_puts(out, " parts=");
    if (r->parts < 10) {
        buffer_putc(out, (char)('0' + r->parts));
    } else {
        buffer_printf(out, "%u", r->parts);
    }
    buffer_puts(out, r->encoding == TEXT_GSM7 ? " encoding=gsm7" : " encoding=ucs2");
    if (r->is_duplicate) {
        buffer_puts(out, " duplicate=yes");
    }
    if (r->tells_state || r->is_duplicate) {
        reply_value(out, "state", message_state_name(r->state));
        reply_value_if_any(out, "api", message_answer_api_id(r->answer));
        reply_value_if_any(out, "reason", message_answer_reason(r->answer));
    }
    buffer_append(out, "\r\n", 2);
}

void receipt_reply(struct buffer *out, const struct session_receipt *receipts, size_t count)
{
    size_t rejected = 0;
    for (size_t i = 0; i < count; i++) {
        rejected += receipts[i].tells_state && receipts[i].state == MESSAGE_REJECTED ? 1 : 0;
    }
    for (size_t i = 0; i < count; i++) {
        write_line(out, rejected == count ? REPLY_REJECTED : REPLY_OK, &receipts[i], i + 1 < count);
    }
}

void receipt_reply_mail(struct buffer *out, const struct session_receipt *receipts, size_t count,
                        bool is_cut)
{
    enum { IDS_MAX = 16 };
    size_t duplicates = 0;
    reply_begin(out, REPLY_OK, false);
    buffer_puts(out, "queued id=");
    for (size_t i = 0; i < count && i < IDS_MAX; i++) {
        buffer_puts(out, i == 0 ? "" : ",");
        reply_id(out, &receipts[i].id);
    }
    for (size_t i = 0; i < count; i++) {
        duplicates += receipts[i].is_duplicate ? 1 : 0;
    }
    buffer_printf(out, " recipients=%zu parts=%u", count, receipts[0].parts);
    if (duplicates > 0) {
        buffer_puts(out, duplicates == count ? " duplicate=yes" : " duplicate=some");
    }
    buffer_puts(out, is_cut ? " cut=yes\r\n" : "\r\n");
}
