/*
 * random.h - random numbers that follow from a seed, for simulators: splitmix64
 *
 * Source: Steele, Lea and Flood, Fast splittable pseudorandom number generators (2014).
 */
#ifndef FYKE_RANDOM_H
#define FYKE_RANDOM_H

#include <stdint.h>

#define RANDOM_STEP UINT64_C(0x9e3779b97f4a7c15) /* 2^64 by the golden ratio */

/* 64 bits, on each of which every bit of x bears. */
static inline uint64_t random_mix(uint64_t x)
{
	x = (x ^ x >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	x = (x ^ x >> 27) * UINT64_C(0x94d049bb133111eb);
	return x ^ x >> 31;
}

/* The next 64 bits of a row; seed is where it stands. */
static inline uint64_t random_next(uint64_t *seed)
{
	return random_mix(*seed += RANDOM_STEP);
}

/* 64 bits as a number from 0 to below 1. */
static inline double random_unit(uint64_t bits)
{
	return (double)(bits >> 11) * 0x1p-53;
}

/* The next of a row as a number from 0 to below 1. */
static inline double random_fraction(uint64_t *seed)
{
	return random_unit(random_next(seed));
}

#endif
