// SPDX-License-Identifier: GPL-2.0-only
/*
 * irqlu list, irqlu show
 */
#include "bdf.h"
#include "device.h"
#include "output.h"
#include "vector.h"

enum irqlu_status irqlu_list(const struct irqlu_options *options, char *args[])
{
	struct json_object *output;

	if (!devices_known())
		return IRQLU_UNKNOWN;

	output = output_new("list");
	json_object_object_add(output, "devices", devices_read(NULL));

	return output_print(options, "bdf,driver,vectors,allowed,preservable,outcome,reason",
			    output, "devices");
}

enum irqlu_status irqlu_show(const struct irqlu_options *options, char *args[])
{
	struct json_object *output, *device;
	char bdf[BDF_LEN];

	if (!bdf_parse(args[0], bdf))
		return irqlu_fail(IRQLU_USAGE, "%s: not the address of a PCI device", args[0]);
	device = device_read(bdf);
	if (!device)
		return device_unknown(bdf);

	output = output_new("show");
	json_object_object_add(output, "device", device);
	json_object_object_add(output, "vectors", vectors_read(bdf));

	return output_print(options, "vector,irq,address,data,irte,cpus,state,count,handler",
			    output, "vectors");
}
