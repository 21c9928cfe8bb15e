/*
 * page_html: see page_html.h. The assembler includes the file, relative to where make runs: gcc and
 * clang of Debian 12 do not support #embed yet.
 */
#include "gateway/web/page_html.h"

__asm__(".section .rodata\n"
        ".global page_html\n"
        "page_html:\n"
        ".incbin \"gateway/web/page.html\"\n"
        ".byte 0\n"
        ".previous\n");
