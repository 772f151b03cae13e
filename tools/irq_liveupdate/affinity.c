// SPDX-License-Identifier: GPL-2.0-only
/*
 * irqlu affinity: masks are not handed over. Save them before, restore them after, by
 * device and vector.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <linux/kernel.h>

#include "affinity.h"
#include "file.h"
#include "output.h"
#include "snapshot.h"
#include "vector.h"

static const char * const members[] = { "vector", "irq", "affinity" };

/* The mask that was saved for a vector, or NULL. */
const char *affinity_of(struct json_object *masks, const char *bdf, int vector)
{
	size_t nr = json_object_array_length(masks), i;
	struct json_object *row;

	for (i = 0; i < nr; i++) {
		row = json_object_array_get_idx(masks, i);
		if (!strcmp(json_object_get_string(json_object_object_get(row, "bdf")), bdf) &&
		    json_object_get_int(json_object_object_get(row, "vector")) == vector)
			return json_object_get_string(json_object_object_get(row, "affinity"));
	}

	return NULL;
}

static enum irqlu_status restore_vector(struct json_object *row, struct json_object *masks)
{
	const char *bdf = json_object_get_string(json_object_object_get(row, "bdf"));
	int vector = json_object_get_int(json_object_object_get(row, "vector"));
	int irq = json_object_get_int(json_object_object_get(row, "irq"));
	const char *mask = affinity_of(masks, bdf, vector);
	char path[64];

	if (!mask)
		return IRQLU_FINE;
	snprintf(path, sizeof(path), "/proc/irq/%d/smp_affinity_list", irq);
	if (!file_write(path, mask))
		return irqlu_fail(IRQLU_REFUSED, "%s: vector %d: affinity %s not restored: %m",
				  bdf, vector, mask);

	return IRQLU_FINE;
}

/* All of them, also when one fails. */
static enum irqlu_status restore_vectors(struct json_object *masks)
{
	struct json_object *rows = vectors_read_all(members, ARRAY_SIZE(members));
	size_t nr = json_object_array_length(rows), i;
	enum irqlu_status status = IRQLU_FINE;

	for (i = 0; i < nr; i++) {
		if (restore_vector(json_object_array_get_idx(rows, i), masks))
			status = IRQLU_REFUSED;
	}
	json_object_put(rows);

	return status;
}

static enum irqlu_status save(const char *path)
{
	struct json_object *output = output_new("affinity");

	json_object_object_add(output, "vectors",
			       vectors_read_all(members, ARRAY_SIZE(members)));

	return snapshot_write(path, output);
}

static enum irqlu_status restore(const char *path)
{
	struct json_object *saved = snapshot_read(path, "affinity");
	enum irqlu_status status;

	if (!saved)
		return IRQLU_UNKNOWN;

	status = restore_vectors(json_object_object_get(saved, "vectors"));
	json_object_put(saved);

	return status;
}

enum irqlu_status irqlu_affinity(const struct irqlu_options *options, char *args[])
{
	if (!strcmp(args[0], "save"))
		return save(args[1]);
	if (!strcmp(args[0], "restore"))
		return restore(args[1]);

	return irqlu_fail(IRQLU_USAGE, "affinity %s: save or restore", args[0]);
}
