/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef _IRQLU_OUTPUT_H
#define _IRQLU_OUTPUT_H

#include "irqlu.h"

/**
 * struct output_table - What a command can print of its output as a table
 * @rows:	Name of the array of its rows in the output
 * @members:	Of a row, each of which can be a column, separated by commas
 * @columns:	Those for which nobody has to ask
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
