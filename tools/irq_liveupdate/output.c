// SPDX-License-Identifier: GPL-2.0-only
/*
 * What a command prints is one JSON object with an array of rows, which are objects. A
 * table has some of their members as columns.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "output.h"

#define MAX_COLUMNS	32

struct column {
	const char	*name;
	int		width;
};

/* With what each output begins. */
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

static unsigned int split_columns(char *names, struct column *columns)
{
	unsigned int nr = 0;
	char *name;

	while (nr < MAX_COLUMNS && (name = strsep(&names, ","))) {
		columns[nr].name = name;
		columns[nr++].width = 0;
	}

	return nr;
}

/* The last column may be as wide as it likes. */
static void print_cell(const struct column *column, const char *text, bool last)
{
	printf("%-*s%s", last ? 0 : column->width, text, last ? "\n" : "  ");
}

static void print_table(const struct irqlu_options *options, struct column *columns,
			unsigned int nr, struct json_object *rows)
{
	size_t nr_rows = json_object_array_length(rows), row;
	unsigned int i;

	for (i = 0; i < nr; i++) {
		if (!options->noheadings)
			widen(&columns[i], columns[i].name);
		for (row = 0; row < nr_rows; row++)
			widen(&columns[i], cell(json_object_array_get_idx(rows, row),
						columns[i].name));
	}

	for (i = 0; i < nr && !options->noheadings; i++)
		print_cell(&columns[i], columns[i].name, i + 1 == nr);
	for (row = 0; row < nr_rows; row++) {
		for (i = 0; i < nr; i++)
			print_cell(&columns[i], cell(json_object_array_get_idx(rows, row),
						     columns[i].name), i + 1 == nr);
	}
}

/* Returns the column which no row has, or NULL. */
static const char *unknown_column(const struct column *columns, unsigned int nr,
				  struct json_object *rows)
{
	struct json_object *row = json_object_array_get_idx(rows, 0);
	unsigned int i;

	for (i = 0; row && i < nr; i++) {
		if (!json_object_object_get_ex(row, columns[i].name, NULL))
			return columns[i].name;
	}

	return NULL;
}

/* Prints the output, and puts it. */
enum irqlu_status output_json(struct json_object *output)
{
	puts(json_object_to_json_string_ext(output, JSON_C_TO_STRING_PRETTY |
					    JSON_C_TO_STRING_NOSLASHESCAPE));
	json_object_put(output);

	return IRQLU_FINE;
}

/*
 * Prints the output, and puts it. @rows is the name of its array of rows, @columns the
 * columns of a table for which nobody has asked otherwise.
 */
enum irqlu_status output_print(const struct irqlu_options *options, const char *columns,
			       struct json_object *output, const char *rows)
{
	struct json_object *array = json_object_object_get(output, rows);
	struct column split[MAX_COLUMNS];
	enum irqlu_status status = IRQLU_FINE;
	const char *unknown;
	unsigned int nr;
	char *names;

	if (options->json)
		return output_json(output);

	names = strdup(options->columns ?: columns);
	nr = split_columns(names, split);
	unknown = unknown_column(split, nr, array);
	if (unknown)
		status = irqlu_fail(IRQLU_USAGE, "no column %s", unknown);
	else
		print_table(options, split, nr, array);
	free(names);
	json_object_put(output);

	return status;
}
