// SPDX-License-Identifier: GPL-2.0-only
/*
 * irqlu list, irqlu show
 */
#include "bdf.h"
#include "device.h"
#include "output.h"
#include "vector.h"

static const struct output_table devices_table = {
	.rows = "devices",
	.members = DEVICE_MEMBERS,
	.columns = "bdf,driver,vectors,allowed,preservable,outcome,reason",
};

static const struct output_table vectors_table = {
	.rows = "vectors",
	.members = VECTOR_MEMBERS,
	.columns = "vector,irq,address,data,irte,cpus,state,count,handler",
};

enum irqlu_status irqlu_list(const struct irqlu_options *options, char *args[])
{
	struct json_object *output;

	if (!devices_known())
		return IRQLU_UNKNOWN;

	output = output_new("list");
	json_object_object_add(output, "devices", devices_read(NULL));

	return output_print(options, &devices_table, output);
}

enum irqlu_status irqlu_show(const struct irqlu_options *options, char *args[])
{
	struct json_object *output, *device, *vectors;
	enum irqlu_status status;
	char bdf[BDF_LEN];
	size_t nr;

	if (!bdf_parse(args[0], bdf))
		return irqlu_fail(IRQLU_USAGE, "%s: not the address of a PCI device", args[0]);
	device = device_read(bdf);
	if (!device)
		return device_unknown(bdf);

	output = output_new("show");
	json_object_object_add(output, "device", device);
	vectors = vectors_read(bdf);
	nr = json_object_array_length(vectors);
	json_object_object_add(output, "vectors", vectors);
	status = output_print(options, &vectors_table, output);
	if (status == IRQLU_FINE && !nr && !options->json)
		irqlu_fail(IRQLU_FINE, "%s: no vector is in use", bdf);

	return status;
}
