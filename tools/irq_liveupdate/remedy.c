// SPDX-License-Identifier: GPL-2.0-only
/*
 * Remedies for the reasons for which the kernel refuses a device.
 */
#include <stddef.h>
#include <string.h>
#include <linux/kernel.h>

#include "remedy.h"

#define PRESERVED	"preserved already"

static const struct {
	const char *reason;	/* how it begins */
	const char *remedy;
} remedies[] = {
	{ "forbidden by the administrator", "write 1 to liveupdate/allowed of the device" },
	{ "the driver of its physical function does not keep",
	  "bind the physical function to virtio-pci or pci-pf-stub, or hand it over as well" },
	{ "its physical function has no driver", "bind the physical function to a driver" },
	{ "its physical function is bound to a variant driver",
	  "bind the physical function to vfio-pci" },
	{ "its physical function is not preserved", "hand the physical function over as well" },
	{ "its virtual functions depend on another",
	  "use virtual functions of the lowest numbered physical function" },
	{ "not an endpoint", "only endpoints are handed over" },
	{ "no path to a root bus", "the device cannot be handed over" },
	{ "a bridge above it is not a PCI-to-PCI bridge", "move the device to another slot" },
	{ "its host bridge is a PCI device", "switch off VMD in the firmware" },
	{ PRESERVED, "nothing to do, unless the session is to be given up: close it" },
	{ "a virtual function of it is preserved",
	  "nothing to do, unless it is to be handed over itself: close the sessions of its VFs" },
	{ "the device is disconnected", "plug it in again" },
	{ "a fatal error without recovery", "see the messages of AER, and reset the device" },
	{ "neither MSI nor MSI-X", "the device cannot be handed over" },
	{ "switched off on the command line", "boot without irq_liveupdate=off" },
	{ "the last live update is not finished", "finish the sessions of the last live update" },
	{ "no interrupt remapping",
	  "enable VT-d or AMD-Vi in the firmware, boot without intremap=off" },
	{ "its IOMMU cannot stay enabled", "boot with intel_iommu=on, or without iommu=off" },
	{ "its IOMMU was hot-added", "reset the host with the device plugged in" },
	{ "ATS is enabled", "boot with pci=noats" },
	{ "SNP is enabled", "boot without SEV-SNP" },
	{ "not in the first PCI segment", "move the device to a slot of the first PCI segment" },
	{ "not bound to vfio-pci", "bind the device to vfio-pci" },
	{ "there is no handler of its file", "build the kernel with CONFIG_VFIO_PCI_LIVEUPDATE" },
	{ "not open", "start the virtual machine that owns the device" },
	{ "not a cdev bound to an iommufd",
	  "have the VMM open /dev/vfio/devices/ and use iommufd, not a VFIO group" },
	{ "a device of its set is being opened", "try again" },
	{ "being unbound from its driver", "bind the device to vfio-pci again" },
	{ "INTx in use", "have the guest use MSI or MSI-X" },
	{ "in low power state", "have the guest wake the device up" },
	{ "virtual functions are being enabled or disabled", "try again" },
};

/* The device is not in use, or excluded, or another one has to be preserved first. */
static const char * const holds_up_no_other[] = {
	"forbidden by the administrator",
	"not open",
	"its physical function is not preserved",
	"a virtual function of it is preserved",
};

static bool begins_with(const char *reason, const char *beginning)
{
	return !strncmp(reason, beginning, strlen(beginning));
}

/* NULL if none is known. */
const char *remedy_of(const char *reason)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(remedies); i++) {
		if (begins_with(reason, remedies[i].reason))
			return remedies[i].remedy;
	}

	return NULL;
}

/* Does a reason speak against an update? @named: of the device for which the user asks */
bool reason_counts(const char *reason, bool named)
{
	unsigned int i;

	if (begins_with(reason, PRESERVED))
		return false;

	for (i = 0; i < ARRAY_SIZE(holds_up_no_other) && !named; i++) {
		if (begins_with(reason, holds_up_no_other[i]))
			return false;
	}

	return true;
}
