/* complain: see complain.h. */
#include "gateway/cli/complain.h"

#include <stdarg.h>
#include <stdio.h>

static const char *complaining = "";

void complain_as(const char *command)
{
    complaining = command;
}

int complain(int code, const char *format, ...)
{
    va_list args;
    fprintf(stderr, "smsrelay%s%s: ", complaining[0] != '\0' ? " " : "", complaining);
    va_start(args, format);
    vfprintf(stderr, format, args);
    va_end(args);
    fputc('\n', stderr);
    return code;
}
