/*
 * rng: random numbers that spread load, as jitter does. Not for secrets. Thread: each its own.
 */
#ifndef GATEWAY_BASE_RNG_H
#define GATEWAY_BASE_RNG_H

struct rng {
    unsigned short state[3]; /* of erand48 */
};

/* Seeds it from the kernel, so that relays that start together draw different numbers. */
void rng_seed(struct rng *rng);

/* The next number, evenly distributed over [0, 1). */
double rng_next(struct rng *rng);

#endif
