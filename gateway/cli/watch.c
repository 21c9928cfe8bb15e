/* watch: see watch.h. */
#include "gateway/cli/watch.h"

#include "gateway/base/clock.h"
#include "gateway/base/int64.h"
#include "gateway/cli/answer.h"
#include "gateway/cli/complain.h"

#include <ctype.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sysexits.h>
#include <time.h>

enum { RETRY_MS = 500 };

struct watching {
    const struct invocation *invocation;
    struct link link;
    int64_t limit_ms;
    bool has_begun;  /* the relay has said "watching" at least once */
    bool has_last;   /* the number of the last event is known: */
    uint64_t last;   /* what came after it has not been seen */
    int64_t lost_ms; /* since when there is no relay, monotonic */
};

/* Finds " key=<number>" in the last reply; only before any foreign text. */
static bool find_number(const struct link *link, const char *key, uint64_t *number)
{
    char digits[24] = "";
    const char *end = link->answer.data + link->answer.len;
    const char *found = memmem(link->answer.data, link->answer.len, key, strlen(key));
    if (found == NULL) {
        return false;
    }
    found += strlen(key);
    size_t len =
        (size_t)(end - found) < sizeof digits - 1 ? (size_t)(end - found) : sizeof digits - 1;
    memcpy(digits, found, len);
    *number = strtoull(digits, NULL, 10);
    return true;
}

/* Reads an argument since=<number>. */
static bool read_since(const char *word, uint64_t *since)
{
    static const char key[] = "since=";
    char *end;
    if (strncasecmp(word, key, sizeof key - 1) != 0 ||
        !isdigit((unsigned char)word[sizeof key - 1])) {
        return false;
    }
    *since = strtoull(word + sizeof key - 1, &end, 10);
    return *end == '\0';
}

static int print_line(const struct watching *w)
{
    struct buffer words = BUFFER_EMPTY;
    link_words(&w->link, &words);
    bool is_json = invocation_option(w->invocation, 'J') != NULL;
    bool is_good = answer_print(&words, ANSWER_EVENTS, is_json, stdout);
    buffer_free(&words);
    if (!is_good) {
        return complain(EX_OSERR, "out of memory");
    }
    /* Left to the end, the error would come when nobody waits for it any more. */
    return fflush(stdout) == 0 ? EX_OK : EX_IOERR;
}

/* Sends WATCH, once more from where we were, and takes the reply. */
static int begin(struct watching *w)
{
    struct link *link = &w->link;
    const struct invocation *invocation = w->invocation;
    uint64_t last;
    buffer_puts(&link->out, "WATCH");
    for (int i = 0; i < invocation->count; i++) {
        uint64_t since;
        if (!w->has_last || !read_since(invocation->arguments[i], &since)) {
            buffer_printf(&link->out, " %s", invocation->arguments[i]);
        }
    }
    if (w->has_last) {
        buffer_printf(&link->out, " since=%" PRIu64, w->last);
    }
    link_end_line(link);
    int code = link_exchange(link);
    if (code != EX_OK) {
        return code;
    }
    if (w->has_begun && memmem(link->answer.data, link->answer.len, "missed=yes", 10) != NULL) {
        complain(0, "some events were missed; `smsrelay status` tells how messages are now");
    }
    if (!w->has_last && find_number(link, " last=", &last)) {
        w->last = last;
        w->has_last = true;
    }
    code = w->has_begun ? EX_OK : print_line(w);
    w->has_begun = true;
    return code;
}

/* Waits for a line. A relay that has nothing to tell is asked whether it is there. */
static int await_line(struct watching *w, bool *is_event)
{
    struct link *link = &w->link;
    link_restart_clock(link);
    int code = link_receive(link);
    if (code == EX_TEMPFAIL && link_is_late(link)) {
        link_restart_clock(link);
        buffer_puts(&link->out, "NOOP");
        link_end_line(link);
        code = link_send(link);
        code = code == EX_OK ? link_receive(link) : code;
    }
    *is_event = code == EX_OK && link->answer.data[0] == '1';
    if (code == EX_OK && !*is_event && link->answer.data[0] != '2') {
        link_refuse(link);
        code = link->answer.data[0] == '4' ? EX_TEMPFAIL : EX_DATAERR;
    }
    return code;
}

static int follow(struct watching *w)
{
    int code = EX_OK;
    while (code == EX_OK) {
        bool is_event;
        code = await_line(w, &is_event);
        if (is_event) {
            w->has_last = find_number(&w->link, " event=", &w->last) || w->has_last;
            code = print_line(w);
        }
    }
    return code;
}

/* One connection, from its beginning to its end. */
static int connect_and_follow(struct watching *w)
{
    int64_t left_ms = w->limit_ms;
    if (w->has_begun) {
        left_ms = int64_max(w->lost_ms + w->limit_ms - clock_monotonic_ms(), 1);
    }
    int code = link_open(&w->link, invocation_option(w->invocation, 's'),
                         w->invocation->settings->find_listeners, left_ms);
    w->link.limit_ms = w->limit_ms;
    code = code == EX_OK ? begin(w) : code;
    if (code == EX_OK) {
        code = follow(w);
        w->lost_ms = clock_monotonic_ms();
        if (code == EX_UNAVAILABLE || code == EX_TEMPFAIL) {
            buffer_puts(&w->link.trouble, "; connecting again");
            link_complain(&w->link, "");
        }
    }
    return code;
}

static bool may_come_back(const struct watching *w, int code)
{
    return w->has_begun && (code == EX_UNAVAILABLE || code == EX_TEMPFAIL) &&
           clock_monotonic_ms() < w->lost_ms + w->limit_ms;
}

int client_watch(const struct invocation *invocation)
{
    static const struct timespec pause = {.tv_nsec = RETRY_MS * 1000000L};
    struct watching w = {.invocation = invocation,
                         .limit_ms = invocation_limit_ms(invocation, LINK_LIMIT_MS)};
    for (int i = 0; i < invocation->count; i++) {
        w.has_last = read_since(invocation->arguments[i], &w.last) || w.has_last;
    }
    int code = connect_and_follow(&w);
    while (may_come_back(&w, code)) {
        link_close(&w.link);
        nanosleep(&pause, NULL);
        code = connect_and_follow(&w);
    }
    if (code != EX_IOERR) { /* of stdout: the program says that when it ends */
        link_complain(&w.link, "");
    }
    link_close(&w.link);
    return w.has_begun && code == EX_UNAVAILABLE ? EX_TEMPFAIL : code;
}
