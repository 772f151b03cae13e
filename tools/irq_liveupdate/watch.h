/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef _IRQLU_WATCH_H
#define _IRQLU_WATCH_H

#include <json-c/json.h>

struct json_object *event_parse(char *line);

#endif /* _IRQLU_WATCH_H */
