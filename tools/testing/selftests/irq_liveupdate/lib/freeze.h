/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Live updates that are cancelled because the freeze of a device fails. They need
 * a loaded kexec kernel: if the freeze succeeded, the machine would jump into it.
 */
#ifndef _IRQ_LIVEUPDATE_FREEZE_H
#define _IRQ_LIVEUPDATE_FREEZE_H

#include <stdbool.h>

#include "vfio_dev.h"

bool freeze_fails(int error, const char *bdf, const char *reason);
bool freeze_fails_by_message(struct vfio_dev *dev);

#endif /* _IRQ_LIVEUPDATE_FREEZE_H */
