/* rng: see rng.h. */
#include "gateway/base/rng.h"

#include <stdlib.h>
#include <sys/random.h>

void rng_seed(struct rng *rng)
{
    /* A request this small is never cut short; if it fails, any seed will do. */
    (void)!getrandom(rng->state, sizeof rng->state, 0);
}

double rng_next(struct rng *rng)
{
    return erand48(rng->state);
}
