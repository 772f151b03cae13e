// SPDX-License-Identifier: GPL-2.0

/**
 * DOC: PCI Live Update, taking over
 *
 * The kernel that takes over, in the order of events. This file reads the list and
 * compares devices with it, liveupdate_device.c has what happens to an incoming
 * device after its enumeration.
 *
 * 1. The list of devices is read in a postcore_initcall; PCI host bridges are
 *    scanned at subsys_initcall or later. LUO has its own incoming data at
 *    early_initcall, and finds an incoming object by its name alone, without
 *    any file handler and long before /dev/liveupdate is opened. The reference
 *    that LUO returns is dropped immediately; the references of the files keep
 *    the object until the last file is finished. All data of the previous
 *    kernel is checked before it is used. An entry that is invalid, or the
 *    second one of its device, is refused, which is logged. A device that has
 *    no other entry, and the devices below such a bridge, are then not on the
 *    list. If an entry is refused, the memory of the list is lost until the
 *    next reboot.
 *
 * 2. Buses keep their numbers, and resources are not reallocated, while there
 *    is a list, regardless of ``pci=``: pci_liveupdate_inherit_layout(). The
 *    exception is ``pci=resource_alignment=``: pci_liveupdate_retrieve() refuses a
 *    device whose addresses it has changed. A running device keeps the settings on
 *    which its requests depend: pci_liveupdate_recorded(). Other devices get
 *    compatible settings: pci_liveupdate_mps().
 *
 * 3. pci_liveupdate_setup_device() compares each enumerated device with the
 *    list, before the device is configured. A device is
 *    taken over if it is at the same segment, bus, device and function, has the
 *    same vendor id, device id and header type, and every bridge above it is
 *    the recorded one with the recorded bus numbers. It is then *incoming*:
 *    neither the device nor the system can be put to sleep, its bus or slot
 *    cannot be reset, and only a driver that takes over running devices binds
 *    to it, see pci_liveupdate_may_bind().
 *
 *    A physical function that had virtual functions keeps them running. After
 *    the probe() of its driver they are added as they are, see
 *    pci_iov_running(), and only these can be incoming. If this fails, they are
 *    stopped. A physical function of which only the virtual functions were
 *    handed over is not incoming itself, but has the same protection as long as
 *    one of its virtual functions is incoming, or is running but not added yet.
 *    Only a driver with pci_driver.sriov_keeps can bind to it.
 *
 *    After a kexec, only endpoints on the list are bus masters. So an endpoint
 *    that is a bus master, but is not on the list at this address or does not
 *    match its entry, was handed over at a different address. It is stopped.
 *
 * 4. pci_liveupdate_retrieve() from the retrieve() callback of a LUO file
 *    handler. ARI, ACS, addresses of the device and windows of the bridges are
 *    final by then, and are compared as well. Function numbers above 7 are only
 *    enumerated with ARI on, so enumeration without ARI does not find such a
 *    device. A device is not returned either if it, or a bridge above it, has
 *    reported a fatal error since the freeze: enumeration has noted that before
 *    pci_aer_init() cleared the status.
 *
 * 5. pci_liveupdate_finish() from the finish() callback. From then on the
 *    device is an ordinary one, and drivers that could not bind to it before
 *    are probed.
 *
 * A device is *stopped* when it can no longer be claimed: bus mastering, MSI
 * and MSI-X are disabled, its interrupts are revoked, the reason is logged, and
 * it is an ordinary device from then on. That happens
 *
 * - when its file, or the last file, is finished and it was not retrieved. A virtual
 *   function that has not been added by then is stopped when it is added;
 * - when it is removed before it was claimed;
 * - as a virtual function, when its physical function gets no driver that adds it
 *   before the last file is finished or the next kexec, or loses a driver that
 *   disables it then;
 * - when LUO cannot restore its sessions, because a file handler or memory is
 *   missing, or when it cannot set itself up during boot. LUO then does not
 *   return any file;
 * - at late_initcall, when no file handler has attached itself to the list;
 * - at enumeration, when the list cannot be read: it is refused, LUO is off
 *   (liveupdate=off, kho=off), or its name is unknown. In this case each
 *   endpoint that is a bus master is stopped, until late_initcall. The memory
 *   of the list is lost until the next reboot.
 *
 * Stopping does not take the lock of the device: a device that was not
 * retrieved cannot be opened, so its driver does not access it.
 *
 * In a kernel without CONFIG_IRQ_LIVEUPDATE the devices are bus masters with MSI
 * and MSI-X disabled, until a driver resets or disables them.
 *
 * Bridges stay enabled: a bridge does not sleep while a device below it is
 * awake, portdrv sets bus mastering when it binds, and so does the first
 * pci_enable_device() below the bridge. Portdrv does not clear it above a device
 * on the list, even if the port has no service.
 */

#define pr_fmt(fmt) "PCI: live update: " fmt

#include <kunit/static_stub.h>
#include <kunit/visibility.h>
#include <linux/cleanup.h>
#include <linux/init.h>
#include <linux/io.h>
#include <linux/iommu_liveupdate.h>
#include <linux/irq_liveupdate.h>
#include <linux/kexec_handover.h>
#include <linux/kho/abi/pci.h>
#include <linux/liveupdate.h>
#include <linux/mutex.h>
#include <linux/pci.h>
#include <linux/pci_liveupdate.h>
#include <linux/pm_runtime.h>
#include <linux/slab.h>
#include <linux/xarray.h>

#include "liveupdate.h"
#include "liveupdate_ser.h"

/* A private copy of the incoming list, and its entries by address. */
static struct pci_lu_ser *pci_lu_in;
VISIBLE_IF_KUNIT struct xarray pci_lu_in_devices = XARRAY_INIT(pci_lu_in_devices, 0);

/* Marks an entry: a file of this device was finished, and not retrieved. */
#define PCI_LU_FINISHED		XA_MARK_1

/* At boot: there is no list of devices, so none can be claimed. */
VISIBLE_IF_KUNIT bool pci_lu_in_lost;

/* ---- Reading the list ---- */

static unsigned long pci_lu_address(u32 segment, u16 devid)
{
	return (unsigned long)segment << 16 | devid;
}

static unsigned long pci_lu_address_of(struct pci_dev *pdev)
{
	return pci_lu_address(pci_domain_nr(pdev->bus), pci_dev_id(pdev));
}

/* The caller has to drop the reference. */
static struct pci_dev *pci_lu_get_dev(u32 segment, u16 devid)
{
	return pci_get_domain_bus_and_slot(segment, PCI_BUS_NUM(devid), devid & 0xff);
}

VISIBLE_IF_KUNIT void pci_lu_report_refused(const struct pci_lu_dev_ser *dev, const char *reason)
{
	KUNIT_STATIC_STUB_REDIRECT(pci_lu_report_refused, dev, reason);

	pr_err_ratelimited("%04x:%02x:%02x.%d: entry refused: %s\n", dev->segment,
			   PCI_BUS_NUM(dev->devid), PCI_SLOT(dev->devid),
			   PCI_FUNC(dev->devid), reason);
}

static const char *pci_lu_load_device(struct pci_lu_dev_ser *dev)
{
	const char *reason = pci_lu_ser_refuse_device(dev);
	int err;

	if (reason)
		return reason;

	err = xa_insert(&pci_lu_in_devices, pci_lu_address(dev->segment, dev->devid), dev,
			GFP_KERNEL);
	if (err)
		return err == -EBUSY ? "duplicate device" : "out of memory";

	return NULL;
}

/* Returns whether all entries are sound. Devices whose entry is refused start cold. */
static bool pci_lu_load_devices(struct pci_lu_dev_ser *devices, u64 nr)
{
	const char *reason;
	bool sound = true;

	for (u64 i = 0; i < nr; i++) {
		reason = pci_lu_load_device(&devices[i]);
		if (!reason)
			continue;
		pci_lu_report_refused(&devices[i], reason);
		sound = false;
	}

	return sound;
}

VISIBLE_IF_KUNIT const char *pci_lu_load(u64 pa)
{
	struct pci_lu_ser *ser;
	const char *reason;
	u64 nr;

	reason = pci_lu_ser_refuse_list(pa, &nr);
	if (reason)
		return reason;

	ser = phys_to_virt(pa);
	pci_lu_in = kvmemdup(ser, struct_size(ser, devices, nr), GFP_KERNEL);
	if (!pci_lu_in)
		return "out of memory";

	/* With a bad entry it may be no list, and the memory in use for something else. */
	if (pci_lu_load_devices(pci_lu_in->devices, nr))
		kho_restore_free(ser);
	return NULL;
}

VISIBLE_IF_KUNIT void pci_lu_unload(void)
{
	xa_destroy(&pci_lu_in_devices);
	kvfree(pci_lu_in);
	pci_lu_in = NULL;
}

/**
 * pci_flb_retrieve() - Read the list of devices
 * @args: The incoming object
 *
 * LUO warns when it finishes an object that could not be retrieved. So a
 * refused list is retrieved as an empty one, and the reason is logged.
 *
 * Context: From LUO, sleeps.
 * Return: 0
 */
int pci_flb_retrieve(struct liveupdate_flb_op_args *args)
{
	const char *reason;

	guard(mutex)(&pci_lu_lock);

	reason = pci_lu_load(args->data);
	if (reason) {
		pr_err("devices of the previous kernel refused: %s\n", reason);
		pci_lu_unload();
		pci_lu_in_lost = true;
	}

	args->obj = &pci_lu_in_devices;
	return 0;
}

/* ---- Enumeration ---- */

/**
 * pci_liveupdate_inherit_layout() - Test whether bus numbers and addresses stay
 *
 * The bus numbers are part of the requester ids of running devices, and their addresses
 * must not change.
 *
 * Context: Process context, sleeps.
 * Return: True as long as a device of the previous kernel may be found.
 */
bool pci_liveupdate_inherit_layout(void)
{
	guard(mutex)(&pci_lu_lock);

	return pci_lu_in;
}

static const char *pci_lu_other_vfs(const struct pci_lu_dev_ser *is,
				    const struct pci_lu_dev_ser *was)
{
	if (is->sriov.num_vfs != was->sriov.num_vfs)
		return "other number of virtual functions";
	if (memcmp(is->sriov.addresses, was->sriov.addresses, sizeof(is->sriov.addresses)))
		return "other addresses of virtual functions";
	if (memcmp(&is->sriov, &was->sriov, sizeof(is->sriov)))
		return "other SR-IOV settings";

	return NULL;
}

static const char *pci_lu_mismatch(struct pci_dev *pdev,
				   const struct pci_lu_dev_ser *was)
{
	struct pci_lu_dev_ser is;

	pci_lu_describe(pdev, &is);

	if (is.vendor != was->vendor || is.device != was->device)
		return "other vendor or device id";
	if (is.hdr_type != was->hdr_type)
		return "other header type";
	if (is.secondary != was->secondary || is.subordinate != was->subordinate)
		return "other bus numbers";
	if ((is.flags ^ was->flags) & PCI_LU_DEV_VIRTFN)
		return "virtual function in only one of the two kernels";
	/* A virtual function that was enabled later has the same address. */
	if (pdev->is_virtfn && !pci_iov_running(pci_physfn(pdev)))
		return "its physical function has not kept it running";
	if (was->flags & PCI_LU_DEV_SRIOV && !IS_ENABLED(CONFIG_PCI_IOV))
		return "this kernel does not support virtual functions";
	/* Later, a device that was reset may have been given the same ones again. */
	if (!(was->flags & PCI_LU_DEV_BRIDGE) &&
	    memcmp(is.addresses, was->addresses, sizeof(is.addresses)))
		return "other addresses";

	return pci_lu_other_vfs(&is, was);
}

static const struct pci_lu_dev_ser *pci_lu_find(struct pci_dev *pdev)
{
	return xa_load(&pci_lu_in_devices, pci_lu_address_of(pdev));
}

/**
 * pci_lu_forget() - Remove a device from the list
 * @pdev: The device, whether it is on the list or not
 *
 * A device that is plugged in there later was not handed over.
 *
 * Context: Process context. With pci_lu_lock held.
 */
void pci_lu_forget(struct pci_dev *pdev)
{
	xa_erase(&pci_lu_in_devices, pci_lu_address_of(pdev));
}

/**
 * pci_liveupdate_recorded() - Test whether a device, or one below it, was handed over
 * @pdev: The device, after pci_liveupdate_setup_device()
 *
 * Such a device has outstanding requests, or forwards those of another device.
 * Settings on which they depend must not be changed.
 *
 * Context: Process context, sleeps.
 * Return: True if @pdev is incoming, or a bridge or the physical function above a
 *         recorded device.
 */
bool pci_liveupdate_recorded(struct pci_dev *pdev)
{
	if (pci_lu_protected(pdev))
		return true;
	if (xa_empty(&pci_lu_in_devices))
		return false;

	guard(mutex)(&pci_lu_lock);

	return pci_lu_find(pdev);
}

/**
 * pci_liveupdate_mps() - Choose the Max_Payload_Size of a device that is being
 * configured
 * @pdev: The device
 * @mps: The size that it would get otherwise, in bytes
 *
 * A Root Port above a running device keeps its size. Other devices below it
 * have to accept the payload that the port above them sends, and must not send
 * more than that port accepts.
 *
 * Context: Process context, sleeps.
 * Return: The size in bytes, that of the port above @pdev if its Root Port is recorded.
 */
int pci_liveupdate_mps(struct pci_dev *pdev, int mps)
{
	struct pci_dev *root = pcie_find_root_port(pdev);

	if (root && pci_liveupdate_recorded(root))
		return pcie_get_mps(pci_upstream_bridge(pdev));

	return mps;
}

/* Compares the device, and everything that determines its position in the topology. */
static bool pci_lu_match(struct pci_dev *pdev, const struct pci_lu_dev_ser *dev)
{
	struct pci_dev *bridge = pdev;
	const char *reason;

	do {
		reason = dev ? pci_lu_mismatch(bridge, dev) : "not recorded";
		if (reason) {
			irq_liveupdate_report_refusal(&pdev->dev, IRQ_LIVEUPDATE_TAKE_OVER,
						      "%s: %s", pci_name(bridge), reason);
			return false;
		}

		bridge = pci_lu_above(bridge);
		if (bridge)
			dev = pci_lu_find(bridge);
	} while (bridge);

	return true;
}

/**
 * pci_liveupdate_is_master() - Test whether a device may access memory
 * @pdev: The device
 *
 * Context: Any.
 * Return: True if Bus Master Enable is set in the device itself.
 */
bool pci_liveupdate_is_master(struct pci_dev *pdev)
{
	u16 command;

	pci_read_config_word(pdev, PCI_COMMAND, &command);
	return command & PCI_COMMAND_MASTER;
}

/*
 * After a kexec, no other endpoint is a bus master before a driver binds to it,
 * unless its bus mastering cannot be disabled, as in host bridges and other
 * parts of a chipset.
 */
static void pci_lu_stop_stray(struct pci_dev *pdev)
{
	if (!pci_lu_is_endpoint(pdev) || !pci_liveupdate_is_master(pdev))
		return;

	pci_clear_master(pdev);
	if (!pci_liveupdate_is_master(pdev))
		irq_liveupdate_report_refusal(&pdev->dev, IRQ_LIVEUPDATE_STOP, "%s",
					      pci_lu_in_lost ? "nobody can claim it" :
					      "not recorded at this address");
}

/* It runs as the previous kernel left it. */
static void pci_lu_keep_device(struct pci_dev *pdev)
{
	set_bit(PCI_DEV_LIVEUPDATE_INCOMING, &pdev->priv_flags);
	pci_iov_count_incoming(pdev, 1);
	pci_info(pdev, "live update: taken over from the previous kernel\n");

	/* D3 and the reset on the way back to D0 would lose its state. */
	pm_runtime_get_noresume(&pdev->dev);

	/* Find the capabilities as pci_msi_init() and pci_msix_init() will. */
	pdev->msi_cap = pci_find_capability(pdev, PCI_CAP_ID_MSI);
	pdev->msix_cap = pci_find_capability(pdev, PCI_CAP_ID_MSIX);
	pci_msi_liveupdate_match(pdev);
}

/* Only its virtual functions were handed over. */
static void pci_lu_keep_vfs(struct pci_dev *pdev)
{
	irq_liveupdate_forget(pci_domain_nr(pdev->bus), pci_dev_id(pdev));
	pci_clear_master(pdev);

	set_bit(PCI_DEV_LIVEUPDATE_VFS_INCOMING, &pdev->priv_flags);
	pci_info(pdev, "live update: its virtual functions continue to run\n");

	/* In D3 the virtual functions would lose their state. */
	pm_runtime_get_noresume(&pdev->dev);
}

/* Disables virtual functions in a kernel without pci_iov_init(), which would do so. */
static void pci_lu_end_vfs(struct pci_dev *pdev)
{
	u16 ctrl;
	int pos;

	if (IS_ENABLED(CONFIG_PCI_IOV))
		return;

	pos = pci_find_ext_capability(pdev, PCI_EXT_CAP_ID_SRIOV);
	if (!pos)
		return;

	pci_read_config_word(pdev, pos + PCI_SRIOV_CTRL, &ctrl);
	if (ctrl & PCI_SRIOV_CTRL_VFE)
		pci_write_config_word(pdev, pos + PCI_SRIOV_CTRL, 0);
}

/* Without a list only virtual functions run, if their physical function has kept them. */
static bool pci_lu_may_run(struct pci_dev *pdev)
{
	return READ_ONCE(pci_lu_in) || READ_ONCE(pci_lu_in_lost) ||
	       pci_iov_running(pci_physfn(pdev));
}

/*
 * Was there a fatal error since the freeze? The previous kernel did not recover a frozen
 * device. If firmware controls AER, the status may be that of an older error. In all ones,
 * as read from a device that is gone, each error is masked.
 */
static bool pci_lu_has_fatal_error(struct pci_dev *pdev)
{
	int aer = pci_find_ext_capability(pdev, PCI_EXT_CAP_ID_ERR);
	u32 status, mask, severity;

	if (!aer || !(pcie_ports_native || pci_find_host_bridge(pdev->bus)->native_aer))
		return false;

	pci_read_config_dword(pdev, aer + PCI_ERR_UNCOR_STATUS, &status);
	pci_read_config_dword(pdev, aer + PCI_ERR_UNCOR_MASK, &mask);
	pci_read_config_dword(pdev, aer + PCI_ERR_UNCOR_SEVER, &severity);
	return status & ~mask & severity;
}

static void pci_lu_recognize(struct pci_dev *pdev)
{
	const struct pci_lu_dev_ser *dev;

	guard(mutex)(&pci_lu_lock);

	dev = pci_lu_find(pdev);
	/* Without the list, it may be a device for which there is a record. */
	if (!dev && !pci_lu_in_lost)
		irq_liveupdate_forget(pci_domain_nr(pdev->bus), pci_dev_id(pdev));
	if (!pci_lu_may_run(pdev))
		return;

	/* pci_aer_init() clears the status. */
	if (dev && pci_lu_has_fatal_error(pdev))
		set_bit(PCI_DEV_LIVEUPDATE_FATAL_ERROR, &pdev->priv_flags);
	if (dev && dev->flags & PCI_LU_DEV_BRIDGE && pdev->hdr_type == PCI_HEADER_TYPE_BRIDGE)
		return;

	if (!dev) {
		pci_lu_stop_stray(pdev);
		pci_lu_end_vfs(pdev);
		return;
	}
	if (!pci_lu_match(pdev, dev)) {
		pci_lu_forget(pdev);
		pci_clear_master(pdev);
		pci_lu_end_vfs(pdev);
		return;
	}

	if (dev->flags & PCI_LU_DEV_KEEPS_VFS)
		pci_lu_keep_vfs(pdev);
	else
		pci_lu_keep_device(pdev);
}

/**
 * pci_liveupdate_setup_device() - Recognize an incoming device
 * @pdev: The device that is being enumerated
 *
 * A device that matches its record is incoming from here on, until
 * pci_liveupdate_finish().
 *
 * Context: From enumeration, with the bridges above @pdev enumerated, and
 *          before @pdev is configured and its MSI and MSI-X capabilities are
 *          initialized, which disables them unless @pdev is incoming. Sleeps.
 */
void pci_liveupdate_setup_device(struct pci_dev *pdev)
{
	/* As in every boot without a handover */
	if (xa_empty(&pci_lu_in_devices) && !pci_lu_may_run(pdev))
		irq_liveupdate_forget(pci_domain_nr(pdev->bus), pci_dev_id(pdev));
	else
		pci_lu_recognize(pdev);
}

/* ---- The list while devices are incoming ---- */

static const char *pci_lu_moved(const struct pci_lu_dev_ser *is,
				const struct pci_lu_dev_ser *was)
{
	if ((is->flags ^ was->flags) & PCI_LU_DEV_ARI)
		return "other ARI setting";
	if (is->acs_ctrl != was->acs_ctrl)
		return "other ACS settings";
	if (memcmp(is->addresses, was->addresses, sizeof(is->addresses)))
		return "other addresses";

	return pci_lu_other_vfs(is, was);
}

/**
 * pci_lu_changed() - Find out why a device cannot continue to run
 * @pdev:  The incoming device
 * @where: The device itself, or one above it, that is the reason
 *
 * Context: Process context. With pci_lu_lock held.
 * Return: What has happened to @where since the device was frozen, or NULL.
 */
const char *pci_lu_changed(struct pci_dev *pdev, struct pci_dev **where)
{
	const char *reason = NULL;

	for (; pdev && !reason; pdev = pci_lu_above(pdev)) {
		const struct pci_lu_dev_ser *was = pci_lu_find(pdev);
		struct pci_lu_dev_ser is;

		pci_lu_describe(pdev, &is);
		if (test_bit(PCI_DEV_LIVEUPDATE_FATAL_ERROR, &pdev->priv_flags))
			reason = "a fatal error without recovery";
		else
			reason = was ? pci_lu_moved(&is, was) : "not recorded";
		*where = pdev;
	}

	return reason;
}

/**
 * pci_lu_finish_iommus() - End the live update of the IOMMUs if no device needs it
 *
 * Without the list no device becomes incoming any more. A device that still is
 * incoming, because its owner has not bound it yet, depends on the IOMMU state
 * of the previous kernel.
 *
 * Context: Process context, sleeps. With pci_lu_lock held.
 */
void pci_lu_finish_iommus(void)
{
	struct pci_dev *pdev = NULL;

	lockdep_assert_held(&pci_lu_lock);

	if (pci_lu_in)
		return;

	for_each_pci_dev(pdev) {
		if (pci_liveupdate_incoming(pdev)) {
			pci_dev_put(pdev);
			return;
		}
	}
	iommu_liveupdate_finish();
}

static const char pci_lu_unretrieved[] = "nobody has retrieved it";
static const char pci_lu_unclaimed[] = "nobody has claimed it";

/**
 * pci_liveupdate_stop_unretrieved() - Stop a device whose file was finished, but not retrieved
 * @segment: The segment of the device
 * @devid:   Its bus, device and function
 *
 * A device that is not found, such as a virtual function that was not added yet, is
 * stopped when it is added. Does nothing if another file of the device was retrieved.
 *
 * Context: From the finish() callback of a LUO file handler. Process context,
 *          sleeps.
 */
void pci_liveupdate_stop_unretrieved(u32 segment, u16 devid)
{
	/* Before the search, so that pci_lu_added() stops a device that it does not find. */
	scoped_guard(mutex, &pci_lu_lock)
		xa_set_mark(&pci_lu_in_devices, pci_lu_address(segment, devid), PCI_LU_FINISHED);

	struct pci_dev *pdev __free(pci_dev_put) = pci_lu_get_dev(segment, devid);
	if (pdev)
		pci_lu_stop_unclaimed(pdev, pci_lu_unretrieved);
}

/**
 * pci_lu_too_late() - Find out why a device cannot be claimed any more
 * @pdev: The device, which is being added
 *
 * Context: Process context. With pci_lu_lock held.
 * Return: The reason, a constant string, or NULL.
 */
const char *pci_lu_too_late(struct pci_dev *pdev)
{
	lockdep_assert_held(&pci_lu_lock);

	if (!pci_lu_in)
		return pci_lu_unclaimed;
	if (xa_get_mark(&pci_lu_in_devices, pci_lu_address_of(pdev), PCI_LU_FINISHED))
		return pci_lu_unretrieved;

	return NULL;
}

/* No device can be claimed any more. */
static void pci_lu_give_up(const char *reason)
{
	struct pci_dev *pdev = NULL;

	scoped_guard(mutex, &pci_lu_lock)
		pci_lu_unload();

	for_each_pci_dev(pdev)
		pci_lu_stop_unclaimed(pdev, reason);
	irq_liveupdate_revoke_absent();
	irq_liveupdate_finish_units();

	guard(mutex)(&pci_lu_lock);
	pci_lu_finish_iommus();
}

/**
 * pci_flb_finish() - Stop the devices that nobody has claimed
 * @args: The incoming object, whose last file is finished
 *
 * Context: From LUO, sleeps.
 */
void pci_flb_finish(struct liveupdate_flb_op_args *args)
{
	pci_lu_give_up(pci_lu_unclaimed);
}

/**
 * pci_flb_abandon() - Stop all incoming devices
 * @args: The incoming object, of which LUO does not return any file
 *
 * Context: From LUO, sleeps.
 */
void pci_flb_abandon(struct liveupdate_flb_op_args *args)
{
	pci_lu_give_up("the sessions of the previous kernel cannot be read");
}

static struct liveupdate_flb pci_liveupdate_flb = {
	.ops		= &pci_lu_flb_ops,
	.compatible	= PCI_LU_FLB_COMPATIBLE,
};

/**
 * pci_liveupdate_register_flb() - Attach the list of devices to a file handler
 * @fh: The registered handler of the files of PCI devices
 * @find_obstacle: Returns whether the handler refuses a device, and writes the reason.
 *		   Changes nothing. May sleep.
 *
 * Context: Before late_initcall. Process context, sleeps.
 * Return: 0 on success, or the error of liveupdate_register_flb().
 */
int pci_liveupdate_register_flb(struct liveupdate_file_handler *fh,
				bool (*find_obstacle)(struct pci_dev *pdev,
						      char *reason, size_t size))
{
	int err;

	err = liveupdate_register_flb(fh, &pci_liveupdate_flb);
	if (!err)
		pci_lu_handler_find_obstacle = find_obstacle;

	return err;
}

static int __init pci_liveupdate_init(void)
{
	void *obj;

	if (!liveupdate_flb_get_incoming(&pci_liveupdate_flb, &obj))
		liveupdate_flb_put_incoming(&pci_liveupdate_flb);
	else if (!liveupdate_enabled() || irq_liveupdate_handed_over())
		pci_lu_in_lost = is_kho_boot();

	/* Without the list, no record can be matched with a device. */
	if (!pci_lu_in) {
		irq_liveupdate_revoke_absent();
		return 0;
	}

	return pci_lu_register_notifiers();
}
postcore_initcall(pci_liveupdate_init);

/*
 * A device that is plugged in later did not run during the kexec, and is configured as a new
 * one. Virtual functions are enumerated when the driver of their physical function is bound.
 */
VISIBLE_IF_KUNIT void pci_lu_forget_absent(void)
{
	const struct pci_lu_dev_ser *dev;
	unsigned long address;
	struct pci_dev *pdev;

	lockdep_assert_held(&pci_lu_lock);

	xa_for_each(&pci_lu_in_devices, address, dev) {
		if (dev->flags & PCI_LU_DEV_VIRTFN)
			continue;

		pdev = pci_lu_get_dev(dev->segment, dev->devid);
		if (!pdev)
			xa_erase(&pci_lu_in_devices, address);
		pci_dev_put(pdev);
	}
}

/* All devices that were present at boot have been enumerated. */
static int __init pci_liveupdate_enumerated(void)
{
	if (!pci_lu_handler_find_obstacle)
		pci_lu_give_up("there is no handler of its file");
	else if (!pci_lu_in)
		irq_liveupdate_finish_units();

	guard(mutex)(&pci_lu_lock);

	/* Without a list of devices, no FINISH would end the live update of the IOMMUs. */
	pci_lu_finish_iommus();
	pci_lu_forget_absent();
	/*
	 * A device that is found from here on was not running during the kexec,
	 * or has had a driver.
	 */
	pci_lu_in_lost = false;
	return 0;
}
late_initcall(pci_liveupdate_enumerated);
