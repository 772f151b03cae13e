// SPDX-License-Identifier: GPL-2.0-only
/*
 * irqlu save, irqlu diff: what a live update must not change in devices that are bound to
 * vfio-pci. A snapshot has an object for each vector: device, vector, irq, message and
 * table entry.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <linux/kernel.h>

#include "device.h"
#include "file.h"
#include "output.h"
#include "snapshot.h"
#include "vector.h"

static const char * const members[] = { "vector", "irq", "address", "data", "irte" };

static const struct output_table table = {
	.rows = "differences",
	.members = "bdf,vector,what,before,after",
	.columns = "bdf,vector,what,before,after",
};

/* Members that must not change. Those from debugfs are unknown together, see vector.c. */
static const char * const of_sysfs[] = { "irq" };
static const char * const of_debugfs[] = { "address", "data", "irte" };

static void add_kept(struct json_object *row, struct json_object *vector, const char *name)
{
	struct json_object *value = json_object_object_get(vector, name);

	json_object_object_add(row, name, json_object_get(value));
}

static struct json_object *snapshot_take(void)
{
	struct json_object *snapshot = output_new("save");

	json_object_object_add(snapshot, "vectors",
			       vectors_read_all(members, ARRAY_SIZE(members)));

	return snapshot;
}

static bool is_row(struct json_object *row)
{
	return json_object_is_type(json_object_object_get(row, "bdf"), json_type_string) &&
	       json_object_is_type(json_object_object_get(row, "vector"), json_type_int);
}

static bool is_of(struct json_object *snapshot, const char *command)
{
	struct json_object *of = json_object_object_get(snapshot, "command");

	return json_object_is_type(of, json_type_string) &&
	       !strcmp(json_object_get_string(of), command);
}

/* The file that a command has saved, or NULL if it is not a snapshot of this version. */
struct json_object *snapshot_parse(const char *text, const char *command)
{
	struct json_object *snapshot = json_tokener_parse(text), *rows;
	size_t nr, i;

	if (!json_object_is_type(snapshot, json_type_object))
		goto refuse;
	rows = json_object_object_get(snapshot, "vectors");
	if (json_object_get_int(json_object_object_get(snapshot, "version")) !=
	    IRQLU_JSON_VERSION || !is_of(snapshot, command) ||
	    !json_object_is_type(rows, json_type_array))
		goto refuse;

	nr = json_object_array_length(rows);
	for (i = 0; i < nr; i++) {
		if (!json_object_is_type(json_object_array_get_idx(rows, i), json_type_object) ||
		    !is_row(json_object_array_get_idx(rows, i)))
			goto refuse;
	}

	return snapshot;

refuse:
	json_object_put(snapshot);
	return NULL;
}

/* Device and vector, which may be null. To be freed. */
static char *key_of(struct json_object *row)
{
	char *key;

	if (asprintf(&key, "%s/%s", json_object_get_string(json_object_object_get(row, "bdf")),
		     json_object_to_json_string(json_object_object_get(row, "vector"))) < 0)
		abort();

	return key;
}

/* Finds rows by device and vector. To be put. */
struct json_object *snapshot_index(struct json_object *rows)
{
	struct json_object *index = json_object_new_object(), *row;
	size_t nr = json_object_array_length(rows), i;
	char *key;

	for (i = 0; i < nr; i++) {
		row = json_object_array_get_idx(rows, i);
		key = key_of(row);
		json_object_object_add(index, key, json_object_get(row));
		free(key);
	}

	return index;
}

/* The row of the same vector of the same device, or NULL. */
struct json_object *snapshot_find(struct json_object *index, struct json_object *like)
{
	char *key = key_of(like);
	struct json_object *row = json_object_object_get(index, key);

	free(key);

	return row;
}

static void add_difference(struct json_object *differences, struct json_object *row,
			   const char *what, struct json_object *before,
			   struct json_object *after)
{
	struct json_object *difference = json_object_new_object();

	add_kept(difference, row, "bdf");
	add_kept(difference, row, "vector");
	json_object_object_add(difference, "what", json_object_new_string(what));
	json_object_object_add(difference, "before", json_object_get(before));
	json_object_object_add(difference, "after", json_object_get(after));
	json_object_array_add(differences, difference);
}

static void compare(struct json_object *differences, struct json_object *was,
		    struct json_object *is, const char * const names[], size_t nr)
{
	struct json_object *before, *after;
	size_t i;

	for (i = 0; i < nr; i++) {
		before = json_object_object_get(was, names[i]);
		after = json_object_object_get(is, names[i]);
		if (!json_object_equal(before, after))
			add_difference(differences, was, names[i], before, after);
	}
}

static bool is_known(struct json_object *row)
{
	return json_object_object_get(row, "address");
}

/* Returns whether all values are known. */
static bool compare_rows(struct json_object *differences, struct json_object *was,
			 struct json_object *is)
{
	compare(differences, was, is, of_sysfs, ARRAY_SIZE(of_sysfs));
	if (!is_known(was) || !is_known(is))
		return false;
	compare(differences, was, is, of_debugfs, ARRAY_SIZE(of_debugfs));

	return true;
}

/* @nr_unknown: number of vectors whose message and table entry were not compared */
struct json_object *snapshot_differences(struct json_object *before,
					 struct json_object *after, size_t *nr_unknown)
{
	struct json_object *was = json_object_object_get(before, "vectors");
	struct json_object *is = json_object_object_get(after, "vectors");
	struct json_object *differences = json_object_new_array(), *row, *other;
	struct json_object *was_index = snapshot_index(was), *is_index = snapshot_index(is);
	size_t i;

	*nr_unknown = 0;
	for (i = 0; i < json_object_array_length(was); i++) {
		row = json_object_array_get_idx(was, i);
		other = snapshot_find(is_index, row);
		if (!other)
			add_difference(differences, row, "gone", NULL, NULL);
		else if (!compare_rows(differences, row, other))
			(*nr_unknown)++;
	}
	for (i = 0; i < json_object_array_length(is); i++) {
		row = json_object_array_get_idx(is, i);
		if (!snapshot_find(was_index, row))
			add_difference(differences, row, "new", NULL, NULL);
	}
	json_object_put(was_index);
	json_object_put(is_index);

	return differences;
}

static size_t count_unknown(struct json_object *snapshot)
{
	struct json_object *rows = json_object_object_get(snapshot, "vectors");
	size_t nr = 0, i;

	for (i = 0; i < json_object_array_length(rows); i++)
		nr += !is_known(json_object_array_get_idx(rows, i));

	return nr;
}

static enum irqlu_status fail_unknown(size_t nr)
{
	return irqlu_fail(IRQLU_UNKNOWN,
			  "%zu vectors: message and table entry unknown: needs debugfs and CONFIG_GENERIC_IRQ_DEBUGFS",
			  nr);
}

/* Drops the reference. */
enum irqlu_status snapshot_write(const char *path, struct json_object *snapshot)
{
	int err = json_object_to_file_ext(path, snapshot, JSON_C_TO_STRING_PRETTY |
					  JSON_C_TO_STRING_NOSLASHESCAPE);

	json_object_put(snapshot);

	return err ? irqlu_fail(IRQLU_REFUSED, "%s: %m", path) : IRQLU_FINE;
}

/* NULL, with a message, if it cannot be read, or is something else. */
struct json_object *snapshot_read(const char *path, const char *command)
{
	struct json_object *snapshot;
	size_t size;
	char *text = file_read(path, &size);

	if (!text) {
		irqlu_fail(IRQLU_UNKNOWN, "%s: %m", path);
		return NULL;
	}
	snapshot = snapshot_parse(text, command);
	free(text);
	if (!snapshot)
		irqlu_fail(IRQLU_UNKNOWN, "%s: not written by irqlu %s", path, command);

	return snapshot;
}

enum irqlu_status irqlu_save(const struct irqlu_options *options, char *args[])
{
	struct json_object *snapshot;
	enum irqlu_status status;
	size_t nr_unknown;

	if (!devices_known())
		return IRQLU_UNKNOWN;

	snapshot = snapshot_take();
	nr_unknown = count_unknown(snapshot);
	status = snapshot_write(args[0], snapshot);
	if (status == IRQLU_FINE && nr_unknown)
		status = fail_unknown(nr_unknown);

	return status;
}

enum irqlu_status irqlu_diff(const struct irqlu_options *options, char *args[])
{
	struct json_object *before, *after, *differences, *output;
	enum irqlu_status status = IRQLU_FINE, printed;
	size_t nr_unknown, nr;

	if (!devices_known())
		return IRQLU_UNKNOWN;
	before = snapshot_read(args[0], "save");
	if (!before)
		return IRQLU_UNKNOWN;

	after = snapshot_take();
	differences = snapshot_differences(before, after, &nr_unknown);
	nr = json_object_array_length(json_object_object_get(before, "vectors"));
	json_object_put(before);
	json_object_put(after);

	if (nr_unknown)
		status = fail_unknown(nr_unknown);
	if (json_object_array_length(differences))
		status = IRQLU_REFUSED;
	output = output_new("diff");
	json_object_object_add(output, "differences", differences);
	json_object_object_add(output, "unknown", json_object_new_int64(nr_unknown));
	printed = output_print(options, &table, output);
	if (printed == IRQLU_FINE && status == IRQLU_FINE && !options->json)
		irqlu_fail(IRQLU_FINE, "%zu vectors: nothing has changed", nr);

	return printed ? printed : status;
}
