/* SPDX-License-Identifier: GPL-2.0 */

/* libFuzzer, under names which the Makefile gives it. */

#ifndef _FUZZ_H
#define _FUZZ_H

#include <stddef.h>
#include <stdint.h>

/* Called by libFuzzer */
int fuzz_one_input(const uint8_t *data, size_t size);
size_t fuzz_custom_mutator(uint8_t *data, size_t size, size_t max_size, unsigned int seed);

/* Offered to a mutator: one random change */
size_t fuzz_mutate(uint8_t *data, size_t size, size_t max_size);

#endif /* _FUZZ_H */
