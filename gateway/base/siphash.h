/*
 * siphash: a hash with a secret key, for tables whose keys are chosen by clients.
 *
 * SipHash-2-4 (Aumasson and Bernstein, 2012): finding collisions takes the key. Thread: any. Pure.
 */
#ifndef GATEWAY_BASE_SIPHASH_H
#define GATEWAY_BASE_SIPHASH_H

#include <stddef.h>
#include <stdint.h>

/* The hash of `len` bytes. */
uint64_t siphash(const uint64_t key[2], const void *data, size_t len);

#endif
