/* SPDX-License-Identifier: GPL-2.0 */

/*
 * libFuzzer, under names that the Makefile gives it, and how every reader of its inputs
 * reports one that should not have been accepted.
 */

#ifndef _FUZZ_H
#define _FUZZ_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

/* Called by libFuzzer */
int fuzz_one_input(const uint8_t *data, size_t size);
size_t fuzz_custom_mutator(uint8_t *data, size_t size, size_t max_size, unsigned int seed);

/* For mutators: one random change */
size_t fuzz_mutate(uint8_t *data, size_t size, size_t max_size);

static inline void promised(bool holds, const char *what)
{
	if (holds)
		return;
	fprintf(stderr, "accepted, but the ABI does not hold: %s\n", what);
	abort();
}

#endif /* _FUZZ_H */
