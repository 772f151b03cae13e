/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef _IRQLU_SNAPSHOT_H
#define _IRQLU_SNAPSHOT_H

#include "irqlu.h"

struct json_object *snapshot_read(const char *path, const char *command);
enum irqlu_status snapshot_write(const char *path, struct json_object *snapshot);
struct json_object *snapshot_parse(const char *text, const char *command);
struct json_object *snapshot_index(struct json_object *rows);
struct json_object *snapshot_find(struct json_object *index, struct json_object *like);
struct json_object *snapshot_differences(struct json_object *before, struct json_object *after,
					 size_t *nr_unknown);

#endif /* _IRQLU_SNAPSHOT_H */
