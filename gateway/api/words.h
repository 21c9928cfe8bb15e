/*
 * words: what an error of the API says, in whatever shape it says it.
 *
 * Reads error messages (an object of lists, a list of {field, message}, a string, or any of these
 * inside another) and what follows from them: is a field of the message at fault, was the clientId
 * used before? Leaves to match which message an error is about. Thread: any. Pure.
 */
#ifndef GATEWAY_API_WORDS_H
#define GATEWAY_API_WORDS_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

enum { API_REASON_MAX = 200 };

struct api_words {
    char reason[API_REASON_MAX + 1]; /* "to: is not a number; text: is empty": valid UTF-8 without
                                        control characters, cut; "" = it says nothing */
    size_t len;
    bool is_cut;
    unsigned complaints;  /* how many were read, at most a hundred */
    bool names_field;     /* speaks of a field of the message */
    bool is_already_used; /* says that the clientId was used before */
};

/* The field, or the path to it, that an error names in a member of its own: "to", "[3].to". NULL = none. */
const char *api_words_field(const json_t *error);

/*
 * Reads what `error`, an entry of `errors` or the body of a refusal, says. `echo` is the part of it
 * that repeats the message (`error` itself, or NULL = none); its strings are no words. `key` is what
 * it stands under in its list (NULL = nothing): the path of a field, perhaps.
 */
void api_words_read(const json_t *error, const json_t *echo, const char *key,
                    struct api_words *words);

/* Does a member of this name hold words, as "errors" and "message" do? */
bool api_words_is_holder(const char *name);

#endif
