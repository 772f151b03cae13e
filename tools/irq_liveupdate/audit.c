// SPDX-License-Identifier: GPL-2.0-only
/*
 * irqlu audit: do incoming devices have the messages that the kernel believes
 * they have?
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "audit.h"
#include "bdf.h"
#include "device.h"
#include "file.h"
#include "output.h"

#define AUDIT	"/sys/kernel/debug/irq_liveupdate/audit"

static const struct output_table table = {
	.rows = "devices",
	.members = "bdf,agrees,vectors",
	.columns = "bdf,agrees,vectors",
};

/* A line as in Documentation/ABI/testing/debugfs-irq-liveupdate. False if it is not one. */
static bool parse_line(const char *line, struct json_object *devices, enum irqlu_status *status)
{
	bool read = !strstr(line, "cannot be read"), agree = strstr(line, " agree");
	struct json_object *device;
	char bdf[BDF_LEN];
	int vectors = 0;

	if (sscanf(line, "%16s", bdf) != 1 || !bdf_parse(bdf, bdf))
		return false;
	if (agree && sscanf(line, "%*s vectors %d agree", &vectors) != 1)
		agree = false;

	device = json_object_new_object();
	json_object_object_add(device, "bdf", json_object_new_string(bdf));
	json_object_object_add(device, "agrees", read ? json_object_new_boolean(agree) : NULL);
	json_object_object_add(device, "vectors", agree ? json_object_new_int(vectors) : NULL);
	json_object_array_add(devices, device);

	if (!agree && *status != IRQLU_REFUSED)
		*status = read ? IRQLU_REFUSED : IRQLU_UNKNOWN;

	return true;
}

/* Modifies the text. */
enum irqlu_status audit_parse(char *text, struct json_object *devices)
{
	enum irqlu_status status = IRQLU_FINE;
	char *line;

	while ((line = strsep(&text, "\n"))) {
		if (*line && !parse_line(line, devices, &status))
			return IRQLU_UNKNOWN;
	}

	return status;
}

enum irqlu_status irqlu_audit(const struct irqlu_options *options, char *args[])
{
	struct json_object *devices, *output;
	enum irqlu_status status, printed;
	size_t size, nr;
	char *text;

	if (!devices_known())
		return IRQLU_UNKNOWN;

	devices = json_object_new_array();
	output = output_new("audit");
	text = file_read(AUDIT, &size);
	if (text)
		status = audit_parse(text, devices);
	else
		status = irqlu_fail(IRQLU_UNKNOWN,
				    AUDIT ": %m: needs debugfs, which lockdown denies");
	free(text);
	json_object_object_add(output, "devices", devices);
	nr = json_object_array_length(devices);
	printed = output_print(options, &table, output);
	if (printed == IRQLU_FINE && status == IRQLU_FINE && !nr && !options->json)
		irqlu_fail(IRQLU_FINE, "no device is incoming");

	return printed ? printed : status;
}
