// SPDX-License-Identifier: GPL-2.0-only
/*
 * irqlu affinity: masks are not handed over. Save them before an update and restore
 * them after it, by device and vector.
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

static const char * const members[] = { "vector", "irq", "affinity" };

/* @saved has the mask, @now the irq number, NULL if the vector is gone. */
static enum irqlu_status restore_vector(struct json_object *saved, struct json_object *now)
{
	const char *mask = json_object_get_string(json_object_object_get(saved, "affinity"));
	const char *bdf = json_object_get_string(json_object_object_get(saved, "bdf"));
	int vector = json_object_get_int(json_object_object_get(saved, "vector"));
	char path[64];

	if (!mask)
		return irqlu_fail(IRQLU_REFUSED, "%s: vector %d: no affinity was saved",
				  bdf, vector);
	if (!now)
		return irqlu_fail(IRQLU_REFUSED,
				  "%s: vector %d: affinity %s not restored: no such vector",
				  bdf, vector, mask);

	snprintf(path, sizeof(path), "/proc/irq/%d/smp_affinity_list",
		 json_object_get_int(json_object_object_get(now, "irq")));
	if (!file_write(path, mask))
		return irqlu_fail(IRQLU_REFUSED, "%s: vector %d: affinity %s not restored: %m",
				  bdf, vector, mask);

	return IRQLU_FINE;
}

/* All of them, even if one fails. */
static enum irqlu_status restore_vectors(struct json_object *saved)
{
	struct json_object *now = vectors_read_all(members, ARRAY_SIZE(members)), *row;
	struct json_object *index = snapshot_index(now);
	size_t nr = json_object_array_length(saved), i;
	enum irqlu_status status = IRQLU_FINE;

	for (i = 0; i < nr; i++) {
		row = json_object_array_get_idx(saved, i);
		if (restore_vector(row, snapshot_find(index, row)))
			status = IRQLU_REFUSED;
	}
	json_object_put(index);
	json_object_put(now);

	return status;
}

static enum irqlu_status save(const char *path)
{
	struct json_object *output;

	if (!devices_known())
		return IRQLU_UNKNOWN;

	output = output_new("affinity");
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
