// SPDX-License-Identifier: GPL-2.0-only
/*
 * Does the next kernel take devices over? Its formats are strings in its image. Its
 * command line is compared with what it must contain.
 */
#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <linux/kernel.h>

#include "../../include/linux/kho/abi/iommu.h"
#include "../../include/linux/kho/abi/irq.h"
#include "../../include/linux/kho/abi/pci.h"
#include "../../include/linux/kho/abi/vfio_pci.h"

#include "command_line.h"
#include "file.h"
#include "image.h"
#include "next_kernel.h"

#define OF_DEVICES	"CONFIG_VFIO_PCI_LIVEUPDATE"

/*
 * The formats of the kernel that this program belongs to, which hands over. If the next
 * kernel does not know one, LUO rejects all sessions, and every device is stopped.
 */
static const struct {
	const char *name;
	const char *option;
} formats[] = {
	{ KHO_FDT_COMPATIBLE, "CONFIG_KEXEC_HANDOVER" },
	{ LUO_ABI_COMPATIBLE, "CONFIG_LIVEUPDATE" },
	{ MEMFD_LUO_FH_COMPATIBLE, "CONFIG_LIVEUPDATE_MEMFD" },
	{ VFIO_PCI_LU_FH_COMPATIBLE, OF_DEVICES },
	{ IRQ_LU_COMPATIBLE, OF_DEVICES },
	{ PCI_LU_FLB_COMPATIBLE, OF_DEVICES },
	{ IOMMU_LU_KHO_NODE, OF_DEVICES },
};

#define NR_FORMATS	ARRAY_SIZE(formats)

/* The Makefile takes these from headers. */
static_assert(sizeof(KHO_FDT_COMPATIBLE) > 1);
static_assert(sizeof(LUO_ABI_COMPATIBLE) > 1);
static_assert(sizeof(MEMFD_LUO_FH_COMPATIBLE) > 1);

static void add_problem(void *problems, const char *text)
{
	json_object_array_add(problems, json_object_new_string(text));
	fprintf(stderr, "irqlu: next kernel: %s\n", text);
}

static void check_formats(const char *kernel, size_t size, struct json_object *problems,
			  struct json_object *known)
{
	char text[128];
	unsigned int i;

	for (i = 0; i < NR_FORMATS; i++) {
		if (image_has_string(kernel, size, formats[i].name)) {
			json_object_array_add(known, json_object_new_string(formats[i].name));
			continue;
		}
		snprintf(text, sizeof(text),
			 "does not read %s: load a kernel with %s, of a version that does",
			 formats[i].name, formats[i].option);
		add_problem(problems, text);
	}
}

static enum irqlu_status check_command_line(const struct irqlu_options *options,
					    struct json_object *problems)
{
	char *running = file_text("/proc/cmdline");

	if (!running)
		return irqlu_fail(IRQLU_UNKNOWN, "/proc/cmdline: %m");

	command_line_check(options->command_line ?: running, running, add_problem, problems);
	free(running);

	return IRQLU_FINE;
}

static enum irqlu_status check_image(const char *path, struct json_object *problems,
				     struct json_object *known)
{
	size_t size;
	char *kernel = image_read(path, &size);

	if (!kernel)
		return irqlu_fail(IRQLU_UNKNOWN, "%s: cannot be unpacked: %s", path,
				  errno ? strerror(errno) : "unknown kernel image format");

	check_formats(kernel, size, problems, known);
	free(kernel);

	return IRQLU_FINE;
}

/* Adds the answer to the output. */
enum irqlu_status next_kernel_check(const struct irqlu_options *options,
				    struct json_object *output)
{
	struct json_object *next = json_object_new_object();
	struct json_object *problems = json_object_new_array();
	struct json_object *known = json_object_new_array();
	enum irqlu_status status, line;

	status = check_image(options->next_kernel, problems, known);
	line = check_command_line(options, problems);
	if (status == IRQLU_FINE)
		status = line;

	if (json_object_array_length(problems))
		status = IRQLU_REFUSED;
	if (status == IRQLU_FINE && !options->json)
		irqlu_fail(IRQLU_FINE, "next kernel: %s: takes devices over",
			   options->next_kernel);
	json_object_object_add(next, "image", json_object_new_string(options->next_kernel));
	json_object_object_add(next, "takes_over", status == IRQLU_UNKNOWN ? NULL :
			       json_object_new_boolean(status == IRQLU_FINE));
	json_object_object_add(next, "formats", known);
	json_object_object_add(next, "problems", problems);
	json_object_object_add(output, "next_kernel", next);

	return status;
}
