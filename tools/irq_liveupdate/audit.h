/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef _IRQLU_AUDIT_H
#define _IRQLU_AUDIT_H

#include "irqlu.h"

enum irqlu_status audit_parse(char *text, struct json_object *devices);

#endif /* _IRQLU_AUDIT_H */
