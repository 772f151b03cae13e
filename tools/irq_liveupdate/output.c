// SPDX-License-Identifier: GPL-2.0-only
/*
 * The output of a command is one JSON object with an array of rows, which are objects.
 * A table shows some of their members as columns.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "output.h"

struct column {
	const char	*name;
	int		width;
};

/* The beginning of each output */
struct json_object *output_new(const char *command)
{
	struct json_object *output = json_object_new_object();

	json_object_object_add(output, "version", json_object_new_int(IRQLU_JSON_VERSION));
	json_object_object_add(output, "command", json_object_new_string(command));

	return output;
}

static const char *cell(struct json_object *row, const char *name)
{
	struct json_object *value = json_object_object_get(row, name);

	if (!value)
		return "-";
	if (json_object_is_type(value, json_type_boolean))
		return json_object_get_boolean(value) ? "yes" : "no";

	return json_object_get_string(value);
}

static void widen(struct column *column, const char *text)
{
	int len = strlen(text);

	if (len > column->width)
		column->width = len;
}

static bool is_in(const char *list, const char *name)
{
	size_t len = strlen(name);
	const char *end;

	for (; *list; list = *end ? end + 1 : end) {
		end = strchrnul(list, ',');
		if (len == (size_t)(end - list) && !strncmp(list, name, len))
			return true;
	}

	return false;
}

/* Modifies the text. NULL, with a message, if a row has no such member. */
static struct column *split_columns(char *names, const char *members, unsigned int *nr)
{
	struct column *columns = calloc(strlen(names) + 1, sizeof(*columns));
	char *name;

	*nr = 0;
	while ((name = strsep(&names, ","))) {
		if (!is_in(members, name)) {
			irqlu_fail(IRQLU_USAGE, "no column %s: there are %s", name, members);
			free(columns);
			return NULL;
		}
		columns[(*nr)++].name = name;
	}

	return columns;
}

/* The last column may have any width. */
static void print_cell(const struct column *column, const char *text, bool last)
{
	printf("%-*s%s", last ? 0 : column->width, text, last ? "\n" : "  ");
}

/* Prints nothing if there is no row. */
static void print_table(const struct irqlu_options *options, struct column *columns,
			unsigned int nr, struct json_object *rows)
{
	size_t nr_rows = json_object_array_length(rows), row;
	bool headings = nr_rows && !options->noheadings;
	unsigned int i;

	for (i = 0; i < nr; i++) {
		if (headings)
			widen(&columns[i], columns[i].name);
		for (row = 0; row < nr_rows; row++)
			widen(&columns[i], cell(json_object_array_get_idx(rows, row),
						columns[i].name));
	}

	for (i = 0; i < nr && headings; i++)
		print_cell(&columns[i], columns[i].name, i + 1 == nr);
	for (row = 0; row < nr_rows; row++) {
		for (i = 0; i < nr; i++)
			print_cell(&columns[i], cell(json_object_array_get_idx(rows, row),
						     columns[i].name), i + 1 == nr);
	}
}

/* Prints the output, and drops its reference. */
enum irqlu_status output_json(struct json_object *output)
{
	puts(json_object_to_json_string_ext(output, JSON_C_TO_STRING_PRETTY |
					    JSON_C_TO_STRING_NOSLASHESCAPE));
	json_object_put(output);

	return IRQLU_FINE;
}

/*
 * Prints the output as JSON, or as a table with the chosen columns, and drops its reference.
 */
enum irqlu_status output_print(const struct irqlu_options *options,
			       const struct output_table *table, struct json_object *output)
{
	char *names = strdup(options->columns ?: table->columns);
	struct column *columns;
	unsigned int nr;

	columns = split_columns(names, table->members, &nr);
	if (columns && options->json)
		output_json(json_object_get(output));
	else if (columns)
		print_table(options, columns, nr, json_object_object_get(output, table->rows));
	json_object_put(output);
	free(columns);
	free(names);

	return columns ? IRQLU_FINE : IRQLU_USAGE;
}
