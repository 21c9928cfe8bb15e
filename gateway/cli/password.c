/* password: see the header. Thread: the only one. */
#include "gateway/cli/password.h"

#include "gateway/cli/stdin.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

enum { PASSWORD_MIN = 8 };

/* Reads a line, without its end, byte by byte: what is behind it stays unread. Returns NULL, or what is
 * wrong. */
static const char *read_line(char *line, size_t size)
{
    size_t len = 0;
    bool is_over = false;
    char c = '\0';
    while (len < size && stdin_read(&c, 1, &is_over) == 1 && c != '\n') {
        line[len++] = c;
    }
    if (len == size) {
        return "the password is too long: at most 511 bytes";
    }
    len -= len > 0 && line[len - 1] == '\r' ? 1 : 0;
    line[len] = '\0';
    if (memchr(line, '\0', len) != NULL || strchr(line, '\003') != NULL) {
        return "canceled";
    }
    return NULL;
}

static const char *judge(const char *password)
{
    if (password[0] == '\0') {
        return "no password on stdin";
    }
    return strlen(password) < PASSWORD_MIN ? "the password is too short: at least 8 bytes" : NULL;
}

static const char *ask(const char *question, char *password, size_t size)
{
    fputs(question, stderr);
    fflush(stderr);
    const char *fault = read_line(password, size);
    fputc('\n', stderr);
    return fault;
}

static const char *ask_twice(char *password, size_t size)
{
    char again[1024];
    const char *fault = ask("Password: ", password, size);
    fault = fault == NULL ? judge(password) : fault;
    fault =
        fault == NULL ? ask("Again: ", again, size < sizeof again ? size : sizeof again) : fault;
    if (fault == NULL && strcmp(password, again) != 0) {
        fault = "these are two different passwords";
    }
    explicit_bzero(again, sizeof again);
    return fault;
}

/* Without echo; Ctrl-C is a character meanwhile, so that the terminal is left as it was. */
static const char *ask_silently(char *password, size_t size)
{
    struct termios before;
    if (tcgetattr(STDIN_FILENO, &before) != 0) {
        return "the terminal cannot hide a password";
    }
    struct termios silent = before;
    silent.c_lflag &= ~(tcflag_t)(ECHO | ISIG);
    if (tcsetattr(STDIN_FILENO, TCSAFLUSH, &silent) != 0) {
        return "the terminal cannot hide a password";
    }
    const char *fault = ask_twice(password, size);
    tcsetattr(STDIN_FILENO, TCSAFLUSH, &before);
    return fault;
}

const char *password_read(char *password, size_t size)
{
    const char *fault = NULL;
    if (isatty(STDIN_FILENO)) {
        fault = ask_silently(password, size);
    } else {
        fault = read_line(password, size);
        fault = fault == NULL ? judge(password) : fault;
    }
    if (fault != NULL) {
        explicit_bzero(password, size);
    }
    return fault;
}
