// SPDX-License-Identifier: GPL-2.0-only
/*
 * Devices as sysfs has them, see Documentation/ABI/testing/sysfs-bus-pci-liveupdate.
 */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bdf.h"
#include "device.h"
#include "file.h"
#include "remedy.h"

#define NO	"no: "
#define REFUSED	"refused: "

static void add_text(struct json_object *device, const char *name, const char *text)
{
	json_object_object_add(device, name, text ? json_object_new_string(text) : NULL);
}

static void add_driver(struct json_object *device, const char *bdf)
{
	char path[64], target[256], *slash;
	ssize_t len;

	snprintf(path, sizeof(path), DEVICES "/%s/driver", bdf);
	len = readlink(path, target, sizeof(target) - 1);
	target[len < 0 ? 0 : len] = '\0';
	slash = strrchr(target, '/');
	add_text(device, "driver", slash ? slash + 1 : NULL);
}

static int count_entries(const char *bdf, const char *directory)
{
	struct dirent *entry;
	char path[64];
	int nr = 0;
	DIR *dir;

	snprintf(path, sizeof(path), DEVICES "/%s/%s", bdf, directory);
	dir = opendir(path);
	while (dir && (entry = readdir(dir)))
		nr += entry->d_name[0] != '.';
	if (dir)
		closedir(dir);

	return nr;
}

/* If not, with the reason in the kernel's words, and the remedy. */
static void add_preservable(struct json_object *device, const char *text)
{
	const char *reason = strncmp(text, NO, strlen(NO)) ? NULL : text + strlen(NO);

	json_object_object_add(device, "preservable", json_object_new_boolean(!reason));
	add_text(device, "reason", reason);
	add_text(device, "remedy", reason ? remedy_of(reason) : NULL);
}

static void add_outcome(struct json_object *device, const char *text)
{
	bool refused = !strncmp(text, REFUSED, strlen(REFUSED));

	add_text(device, "outcome", refused ? "refused" : text);
	add_text(device, "outcome_reason", refused ? text + strlen(REFUSED) : NULL);
}

/* NULL for a device that can never be handed over. */
struct json_object *device_read(const char *bdf)
{
	char *preservable = file_text(DEVICES "/%s/liveupdate/preservable", bdf);
	char *outcome = file_text(DEVICES "/%s/liveupdate/outcome", bdf);
	char *allowed = file_text(DEVICES "/%s/liveupdate/allowed", bdf);
	struct json_object *device = NULL;

	if (preservable && outcome && allowed) {
		device = json_object_new_object();
		add_text(device, "bdf", bdf);
		add_driver(device, bdf);
		json_object_object_add(device, "vectors",
				       json_object_new_int(count_entries(bdf, "msi_irqs")));
		json_object_object_add(device, "allowed",
				       json_object_new_boolean(*allowed == '1'));
		add_preservable(device, preservable);
		add_outcome(device, outcome);
	}
	free(preservable);
	free(outcome);
	free(allowed);

	return device;
}

static bool has_device(const char *bdf)
{
	char path[64];
	DIR *dir;

	snprintf(path, sizeof(path), DEVICES "/%s", bdf);
	dir = opendir(path);
	if (dir)
		closedir(dir);

	return dir;
}

/* Reports why it cannot be read: each endpoint has liveupdate/, and no bridge has it. */
enum irqlu_status device_unknown(const char *bdf)
{
	if (!has_device(bdf))
		return irqlu_fail(IRQLU_UNKNOWN, "%s: no such device", bdf);
	if (!devices_known())
		return IRQLU_UNKNOWN;

	return irqlu_fail(IRQLU_UNKNOWN, "%s: a bridge, check the devices below it", bdf);
}

static int is_device(const struct dirent *entry)
{
	char bdf[BDF_LEN];

	return bdf_parse(entry->d_name, bdf);
}

static bool has_driver(struct json_object *device, const char *driver)
{
	const char *has = json_object_get_string(json_object_object_get(device, "driver"));

	return has && !strcmp(has, driver);
}

/* All devices, in the order of their addresses, or those with this driver. */
struct json_object *devices_read(const char *driver)
{
	struct json_object *devices = json_object_new_array(), *device;
	struct dirent **entries;
	int nr, i;

	nr = scandir(DEVICES, &entries, is_device, alphasort);
	for (i = 0; i < nr; i++) {
		device = device_read(entries[i]->d_name);
		if (device && (!driver || has_driver(device, driver)))
			json_object_array_add(devices, device);
		else
			json_object_put(device);
		free(entries[i]);
	}
	if (nr >= 0)
		free(entries);

	return devices;
}

/* Whether the kernel supports live update of devices, with a message if it does not. */
bool devices_known(void)
{
	struct json_object *devices = devices_read(NULL);
	bool known = json_object_array_length(devices);

	json_object_put(devices);
	if (!known)
		irqlu_fail(IRQLU_UNKNOWN,
			   "not a kernel with CONFIG_VFIO_PCI_LIVEUPDATE, booted with kho=on liveupdate=on");

	return known;
}
