/*
 * page_html: page.html, as it is in the program. Thread: any.
 */
#ifndef GATEWAY_WEB_PAGE_HTML_H
#define GATEWAY_WEB_PAGE_HTML_H

/* Its bytes and a NUL. "{{nonce}}" and "{{token}}" stand where those go when it is served. */
extern const char page_html[];

#endif
