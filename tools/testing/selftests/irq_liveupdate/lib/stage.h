/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * For a test in two stages, one in each kernel, whose device works in between.
 */
#ifndef _IRQ_LIVEUPDATE_STAGE_H
#define _IRQ_LIVEUPDATE_STAGE_H

#include <stdbool.h>

void check(int ret, const char *what);
bool stay(void);
bool next_kernel_loaded(void);

#endif /* _IRQ_LIVEUPDATE_STAGE_H */
