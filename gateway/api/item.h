/*
 * item: what the answer to a request says of one of its messages.
 */
#ifndef GATEWAY_API_ITEM_H
#define GATEWAY_API_ITEM_H

/* What an answer says about one message of a request. */
enum api_item_outcome {
    API_ITEM_UNKNOWN,     /* not mentioned, or not with certainty */
    API_ITEM_ACCEPTED,    /* the API has it */
    API_ITEM_REJECTED,    /* an error of its own */
    API_ITEM_ALREADY_USED /* rejected because its clientId was used before */
};
struct api_item {
    enum api_item_outcome outcome;
    char *answer; /* message_answer_new(API id, reason); the caller's; NULL = none */
};

#endif
