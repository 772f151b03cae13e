/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What one kernel passes to the next one, in a memfd that goes with the session.
 */
#ifndef _IRQ_LIVEUPDATE_RECORD_H
#define _IRQ_LIVEUPDATE_RECORD_H

#include <stddef.h>

int record_create(size_t size);
void *record_map(int memfd, size_t size);

#endif /* _IRQ_LIVEUPDATE_RECORD_H */
