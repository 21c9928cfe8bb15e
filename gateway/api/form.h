/*
 * form: bodies of application/x-www-form-urlencoded, as JSON.
 *
 * Leaves to report what the members mean. Thread: any. Pure.
 */
#ifndef GATEWAY_API_FORM_H
#define GATEWAY_API_FORM_H

#include <jansson.h>
#include <stddef.h>

/*
 * Reads "id=a&status=sent" as {"id":"a","status":"sent"}. Names with brackets, as PHP writes lists
 * ("0[id]=a&0[status]=sent", "data[0][id]=a"), become the objects of the member `entities`. What is
 * no UTF-8 becomes U+FFFD. Returns the caller's reference; NULL if there is no "=", or on allocation
 * failure.
 */
json_t *api_form_load(const char *body, size_t len);

#endif
