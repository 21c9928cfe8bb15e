/* endpoint: see endpoint.h. */
#include "gateway/base/endpoint.h"

const char *api_endpoint_name(enum api_endpoint endpoint)
{
    static const char *const names[API_ENDPOINTS] = {"sms", "sms/bulk", "history", "message"};
    return names[endpoint];
}
