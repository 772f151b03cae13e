/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef _IRQLU_AFFINITY_H
#define _IRQLU_AFFINITY_H

#include <json-c/json.h>

const char *affinity_of(struct json_object *masks, const char *bdf, int vector);

#endif /* _IRQLU_AFFINITY_H */
