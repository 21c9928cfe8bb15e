/* stdin: see stdin.h. */
#include "gateway/cli/stdin.h"

#include <errno.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

ssize_t stdin_read(char *bytes, size_t size, bool *is_over)
{
    ssize_t n;
    do {
        n = *is_over ? 0 : read(STDIN_FILENO, bytes, size);
    } while (n < 0 && errno == EINTR);
    /* A terminal hands out whole lines: one without its end was ended by Ctrl-D (termios(3)). */
    *is_over =
        n == 0 || (n > 0 && (size_t)n < size && bytes[n - 1] != '\n' && isatty(STDIN_FILENO));
    return n;
}

bool stdin_holds_data(void)
{
    enum { PATIENCE_MS = 100 }; /* for `echo text | smsrelay ...`, whose writer may be slower */
    struct stat file;
    struct pollfd end = {.fd = STDIN_FILENO, .events = POLLIN};
    int waiting = 0;
    if (fstat(STDIN_FILENO, &file) != 0) {
        return false;
    }
    if (S_ISREG(file.st_mode)) {
        return file.st_size > lseek(STDIN_FILENO, 0, SEEK_CUR);
    }
    if (!S_ISFIFO(file.st_mode) && !S_ISSOCK(file.st_mode)) {
        return false;
    }
    return poll(&end, 1, PATIENCE_MS) > 0 && ioctl(STDIN_FILENO, FIONREAD, &waiting) == 0 &&
           waiting > 0;
}
