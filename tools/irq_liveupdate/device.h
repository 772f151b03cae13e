/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef _IRQLU_DEVICE_H
#define _IRQLU_DEVICE_H

#include "irqlu.h"

#define DEVICES		"/sys/bus/pci/devices"

/* The members of a device */
#define DEVICE_MEMBERS	"bdf,driver,vectors,allowed,preservable,reason,remedy,outcome,outcome_reason"

struct json_object *device_read(const char *bdf);
enum irqlu_status device_unknown(const char *bdf);
struct json_object *devices_read(const char *driver);
bool devices_known(void);

#endif /* _IRQLU_DEVICE_H */
