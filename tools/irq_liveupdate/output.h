/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef _IRQLU_OUTPUT_H
#define _IRQLU_OUTPUT_H

#include "irqlu.h"

/**
 * struct output_table - What of its output a command can print as a table
 * @rows:	Name of the array of its rows in the output
 * @members:	Members of a row that can be columns, separated by commas
 * @columns:	Default columns
 */
struct output_table {
	const char	*rows;
	const char	*members;
	const char	*columns;
};

struct json_object *output_new(const char *command);
enum irqlu_status output_json(struct json_object *output);
enum irqlu_status output_print(const struct irqlu_options *options,
			       const struct output_table *table, struct json_object *output);

#endif /* _IRQLU_OUTPUT_H */
