/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Attributes of a device in sysfs.
 */
#ifndef _IRQ_LIVEUPDATE_SYSFS_H
#define _IRQ_LIVEUPDATE_SYSFS_H

#include <stdbool.h>

/* Prints the value if it differs. */
bool sysfs_is(const char *bdf, const char *attribute, const char *expected);

#endif /* _IRQ_LIVEUPDATE_SYSFS_H */
