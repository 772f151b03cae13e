/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What a test needs, without which it is skipped with the reason; and the two
 * stages of a test across a kexec.
 */
#ifndef _IRQ_LIVEUPDATE_TEST_H
#define _IRQ_LIVEUPDATE_TEST_H

#include <stdbool.h>

void require_liveupdate(void);
const char *require_device(const char *bdf);
bool is_vfio_device(const char *bdf);
bool next_kernel_loaded(void);

void check(int ret, const char *what);
bool stay(void);
void let_die(void (*do_something)(void));

#endif /* _IRQ_LIVEUPDATE_TEST_H */
