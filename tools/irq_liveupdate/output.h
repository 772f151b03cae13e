/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef _IRQLU_OUTPUT_H
#define _IRQLU_OUTPUT_H

#include "irqlu.h"

struct json_object *output_new(const char *command);
enum irqlu_status output_json(struct json_object *output);
enum irqlu_status output_print(const struct irqlu_options *options, const char *columns,
			       struct json_object *output, const char *rows);

#endif /* _IRQLU_OUTPUT_H */
