/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Two threads that go on changing a device's interrupts until the machine is
 * gone: one moves their affinity, the other re-arms them through vfio.
 */
#ifndef _IRQ_LIVEUPDATE_HAMMER_H
#define _IRQ_LIVEUPDATE_HAMMER_H

#include "counters.h"
#include "vfio_dev.h"

int hammer_start(struct vfio_dev *dev, struct counters *counters, unsigned int vectors);
void hammer_stop(void);

#endif /* _IRQ_LIVEUPDATE_HAMMER_H */
