/* batch: see batch.h. */
#include "gateway/policy/batch.h"

#include "gateway/base/int64.h"

/* The view, and what follows from it. */
struct outlook {
    const struct batch_view *view;
    const struct pace *pace;
    int64_t now_ms;
    size_t total, high; /* ready */
    bool is_full;       /* a full batch is ready; half of a split one counts as full */
    bool may_bulk;
};

static struct outlook look(const struct batch_view *view, const struct pace *pace, int64_t now_ms)
{
    struct outlook o = {.view = view, .pace = pace, .now_ms = now_ms};

    for (size_t i = 0; i < MESSAGE_PRIORITIES; i++) {
        o.total += view->ready[i];
    }
    o.high = view->ready[PRIORITY_HIGH];
    o.may_bulk = view->bulk_max > 1;
    o.is_full = o.total >= view->bulk_max || view->is_group_next;
    return o;
}

/* The endpoint for `count` messages. */
static enum api_endpoint home(const struct outlook *o, size_t count)
{
    return o->may_bulk && count > 1 ? API_BULK : API_SINGLE;
}

static bool has_room(const struct outlook *o, enum api_endpoint endpoint)
{
    return pace_room(o->pace, endpoint, o->high > 0 ? PACE_URGENT : PACE_FULL, o->now_ms) > 0;
}

static int64_t next_ms(const struct outlook *o, enum api_endpoint endpoint, bool is_partial)
{
    enum pace_kind kind = o->high > 0 ? PACE_URGENT : is_partial ? PACE_PARTIAL : PACE_FULL;

    return pace_next_ms(o->pace, endpoint, kind, o->now_ms);
}

static struct batch_plan go(enum api_endpoint endpoint, size_t count, bool is_partial)
{
    return (struct batch_plan){
        .count = count, .endpoint = endpoint, .is_partial = is_partial, .wait_until_ms = INT64_MAX};
}

static struct batch_plan wait_until(int64_t until_ms, size_t wake_ready, bool wake_on_high)
{
    return (struct batch_plan){
        .wait_until_ms = until_ms, .wake_ready = wake_ready, .wake_on_high = wake_on_high};
}

static struct batch_plan plan_probe(const struct outlook *o)
{
    if (o->view->in_flight > 0) {
        return wait_until(INT64_MAX, 0, false);
    }
    if (has_room(o, API_SINGLE)) {
        return go(API_SINGLE, 1, true);
    }
    return wait_until(next_ms(o, API_SINGLE, false), 0, false);
}

static struct batch_plan plan_full(const struct outlook *o)
{
    enum api_endpoint endpoint = home(o, o->total);

    if (has_room(o, endpoint)) {
        return go(endpoint, endpoint == API_BULK ? o->view->bulk_max : 1, false);
    }
    return wait_until(next_ms(o, endpoint, false), 0, o->may_bulk);
}

/*
 * Messages of high priority, and no full batch that can go. If their endpoint has room, others go
 * with them; in the other endpoint's window they go alone, one by one. Half of a split batch is not
 * taken apart for that.
 */
static struct batch_plan plan_high(const struct outlook *o)
{
    enum api_endpoint own = home(o, o->total);
    enum api_endpoint other = own == API_SINGLE ? API_BULK : API_SINGLE;
    bool may_use_other = o->may_bulk && (!o->view->is_group_next || own == API_SINGLE);

    if (has_room(o, own)) {
        return go(own, o->total, true);
    }
    if (!may_use_other) {
        return wait_until(next_ms(o, own, false), 0, false);
    }
    if (has_room(o, other)) {
        return go(other, 1, true);
    }
    return wait_until(int64_min(next_ms(o, own, false), next_ms(o, other, false)), 0, false);
}

/* When a partial batch of `count` may go. */
static int64_t partial_ms(const struct outlook *o, size_t count)
{
    return o->view->in_flight > 0 ? INT64_MAX : next_ms(o, home(o, count), true);
}

/* How many ready messages would let something go before `until_ms`; 0 = no number would. */
static size_t helpful_count(const struct outlook *o, int64_t until_ms)
{
    /* A lone message that waits for /sms could go by /sms/bulk if there were two. */
    if (o->total == 1 && partial_ms(o, 2) < until_ms) {
        return 2;
    }
    return next_ms(o, API_BULK, false) < until_ms ? o->view->bulk_max : 0;
}

static struct batch_plan plan_partial(const struct outlook *o)
{
    int64_t until_ms = partial_ms(o, o->total);

    if (until_ms <= o->now_ms) {
        return go(home(o, o->total), o->total, true);
    }
    return wait_until(until_ms, helpful_count(o, until_ms), true);
}

/* Nothing is ready: what would have to arrive for something to go? */
static struct batch_plan plan_empty(const struct outlook *o)
{
    bool is_quiet = o->view->in_flight == 0;

    if (o->view->is_probe) {
        return wait_until(INT64_MAX, is_quiet ? 1 : 0, false);
    }
    return wait_until(INT64_MAX, is_quiet ? 1 : o->view->bulk_max, true);
}

struct batch_plan batch_next(const struct batch_view *view, const struct pace *pace, int64_t now_ms)
{
    struct outlook o = look(view, pace, now_ms);

    if (view->in_flight >= view->connections) {
        return wait_until(INT64_MAX, 0, false);
    }
    if (o.total == 0) {
        return plan_empty(&o);
    }
    if (view->is_probe) {
        return plan_probe(&o);
    }

    if (o.is_full && has_room(&o, home(&o, o.total))) {
        return plan_full(&o);
    }
    if (o.high > 0) {
        return plan_high(&o);
    }
    return o.is_full ? plan_full(&o) : plan_partial(&o);
}

enum api_endpoint batch_endpoint(const struct batch_plan *plan, size_t taken,
                                 const struct pace *pace, int64_t now_ms)
{
    if (taken == 1 && pace_room(pace, API_SINGLE, PACE_URGENT, now_ms) > 0) {
        return API_SINGLE;
    }
    return plan->endpoint;
}
