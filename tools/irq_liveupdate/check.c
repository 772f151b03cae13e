// SPDX-License-Identifier: GPL-2.0-only
/*
 * irqlu check: what keeps devices from being handed over, or the next kernel from taking
 * them over.
 */
#include <stdlib.h>

#include "bdf.h"
#include "device.h"
#include "next_kernel.h"
#include "output.h"
#include "remedy.h"

static const struct output_table table = {
	.rows = "devices",
	.members = DEVICE_MEMBERS,
	.columns = "bdf,preservable,reason,remedy",
};

/* @named: there is a single one, for which the user asks */
static enum irqlu_status device_status(struct json_object *devices, bool named)
{
	size_t nr = json_object_array_length(devices), i;
	struct json_object *device;
	const char *reason;

	for (i = 0; i < nr; i++) {
		device = json_object_array_get_idx(devices, i);
		reason = json_object_get_string(json_object_object_get(device, "reason"));
		if (reason && reason_counts(reason, named))
			return IRQLU_REFUSED;
	}

	return IRQLU_FINE;
}

/*
 * The given device, or all that vfio-pci has. NULL, with a message, if the kernel cannot tell.
 */
static struct json_object *devices_to_check(const char *bdf)
{
	struct json_object *devices, *device;

	if (!bdf) {
		if (!devices_known())
			return NULL;
		return devices_read("vfio-pci");
	}

	device = device_read(bdf);
	if (!device) {
		device_unknown(bdf);
		return NULL;
	}
	devices = json_object_new_array();
	json_object_array_add(devices, device);

	return devices;
}

/* A refusal counts more than an unknown state. */
static enum irqlu_status worse(enum irqlu_status a, enum irqlu_status b)
{
	if (a == IRQLU_REFUSED || b == IRQLU_REFUSED)
		return IRQLU_REFUSED;

	return a == IRQLU_FINE ? b : a;
}

enum irqlu_status irqlu_check(const struct irqlu_options *options, char *args[])
{
	enum irqlu_status status, next = IRQLU_FINE, printed;
	struct json_object *output, *devices;
	char bdf[BDF_LEN];
	size_t nr;

	if (args[0] && !bdf_parse(args[0], bdf))
		return irqlu_fail(IRQLU_USAGE, "%s: not the address of a PCI device", args[0]);
	devices = devices_to_check(args[0] ? bdf : NULL);
	if (!devices)
		return IRQLU_UNKNOWN;

	output = output_new("check");
	status = device_status(devices, args[0]);
	nr = json_object_array_length(devices);
	json_object_object_add(output, "devices", devices);
	if (options->next_kernel)
		next = next_kernel_check(options, output);
	printed = output_print(options, &table, output);
	if (printed == IRQLU_FINE && !nr && !options->json)
		irqlu_fail(IRQLU_FINE, "no device is bound to vfio-pci");

	return printed ? printed : worse(status, next);
}
