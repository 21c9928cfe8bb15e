/*
 * page_html: see page_html.h. The assembler puts the file in, from where make is run; gcc and clang
 * of Debian 12 do not know #embed yet.
 */
#include "gateway/web/page_html.h"

__asm__(".section .rodata\n"
        ".global page_html\n"
        "page_html:\n"
        ".incbin \"gateway/web/page.html\"\n"
        ".byte 0\n"
        ".previous\n");
