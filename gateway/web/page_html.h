/* page_html: page.html, embedded in the program. Thread: any. */
#ifndef GATEWAY_WEB_PAGE_HTML_H
#define GATEWAY_WEB_PAGE_HTML_H

/* Its bytes and a NUL, with "{{nonce}}" and "{{token}}" to be replaced as it is served. */
extern const char page_html[];

#endif
