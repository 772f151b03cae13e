/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef _IRQLU_REPORT_H
#define _IRQLU_REPORT_H

#include <json-c/json.h>

struct json_object *counters_parse(char *text);
struct json_object *steps_of(struct json_object *events);

#endif /* _IRQLU_REPORT_H */
