// SPDX-License-Identifier: GPL-2.0-only
/*
 * The interrupts of a device. Values that only debugfs has are null if it is not mounted,
 * or if lockdown denies access to it.
 */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "debugfs.h"
#include "device.h"
#include "file.h"
#include "vector.h"

static void add_text(struct json_object *vector, const char *name, char *text)
{
	json_object_object_add(vector, name, text && *text ? json_object_new_string(text) : NULL);
	free(text);
}

static void add_number(struct json_object *vector, const char *name, char *text)
{
	json_object_object_add(vector, name,
			       text && *text ? json_object_new_int(atoi(text)) : NULL);
	free(text);
}

/* The sum over all CPUs, "3,0,12" */
static void add_count(struct json_object *vector, char *text)
{
	uint64_t count = 0;
	char *at = text;

	while (at && *at) {
		count += strtoull(at, &at, 10);
		at += strspn(at, ",");
		if (*at < '0' || *at > '9')
			break;
	}
	json_object_object_add(vector, "count", text ? json_object_new_int64(count) : NULL);
	free(text);
}

static const char *state_of(const struct irq_debug *debug)
{
	if (!debug->started)
		return "stopped";

	return debug->masked ? "masked" : "started";
}

static void add_debug(struct json_object *vector, char *text)
{
	struct irq_debug debug;
	bool known = text && irq_debug_parse(text, &debug);
	char address[20], data[12];

	if (known) {
		snprintf(address, sizeof(address), "%#llx",
			 (unsigned long long)debug.address);
		snprintf(data, sizeof(data), "%#x", debug.data);
	}
	json_object_object_add(vector, "address", known ? json_object_new_string(address) : NULL);
	json_object_object_add(vector, "data", known ? json_object_new_string(data) : NULL);
	json_object_object_add(vector, "irte",
			       known && debug.irte >= 0 ? json_object_new_int(debug.irte) : NULL);
	json_object_object_add(vector, "state",
			       known ? json_object_new_string(state_of(&debug)) : NULL);
	free(text);
}

static struct json_object *vector_read(const char *irq)
{
	struct json_object *vector = json_object_new_object();

	add_number(vector, "vector", file_text("/sys/kernel/irq/%s/hwirq", irq));
	json_object_object_add(vector, "irq", json_object_new_int(atoi(irq)));
	add_debug(vector, file_text("/sys/kernel/debug/irq/irqs/%s", irq));
	add_text(vector, "cpus", file_text("/proc/irq/%s/effective_affinity_list", irq));
	add_text(vector, "affinity", file_text("/proc/irq/%s/smp_affinity_list", irq));
	add_text(vector, "handler", file_text("/sys/kernel/irq/%s/actions", irq));
	add_count(vector, file_text("/sys/kernel/irq/%s/per_cpu_count", irq));

	return vector;
}

static int is_number(const struct dirent *entry)
{
	return strspn(entry->d_name, "0123456789") == strlen(entry->d_name);
}

/* In the order of their irq numbers. */
struct json_object *vectors_read(const char *bdf)
{
	struct json_object *vectors = json_object_new_array();
	struct dirent **entries;
	char path[64];
	int nr, i;

	snprintf(path, sizeof(path), DEVICES "/%s/msi_irqs", bdf);
	nr = scandir(path, &entries, is_number, versionsort);
	for (i = 0; i < nr; i++) {
		json_object_array_add(vectors, vector_read(entries[i]->d_name));
		free(entries[i]);
	}
	if (nr >= 0)
		free(entries);

	return vectors;
}

static struct json_object *select_members(struct json_object *vector, const char *bdf,
					  const char * const members[], size_t nr_members)
{
	struct json_object *row = json_object_new_object(), *value;
	size_t i;

	json_object_object_add(row, "bdf", json_object_new_string(bdf));
	for (i = 0; i < nr_members; i++) {
		value = json_object_object_get(vector, members[i]);
		json_object_object_add(row, members[i], json_object_get(value));
	}

	return row;
}

static void add_vectors(struct json_object *rows, const char *bdf,
			const char * const members[], size_t nr_members)
{
	struct json_object *vectors = vectors_read(bdf), *vector;
	size_t nr = json_object_array_length(vectors), i;

	for (i = 0; i < nr; i++) {
		vector = json_object_array_get_idx(vectors, i);
		json_object_array_add(rows, select_members(vector, bdf, members, nr_members));
	}
	json_object_put(vectors);
}

/* Of each vector of each device that is bound to vfio-pci: its device, and these members. */
struct json_object *vectors_read_all(const char * const members[], size_t nr_members)
{
	struct json_object *devices = devices_read("vfio-pci"), *device;
	struct json_object *rows = json_object_new_array();
	size_t nr = json_object_array_length(devices), i;

	for (i = 0; i < nr; i++) {
		device = json_object_array_get_idx(devices, i);
		add_vectors(rows, json_object_get_string(json_object_object_get(device, "bdf")),
			    members, nr_members);
	}
	json_object_put(devices);

	return rows;
}
