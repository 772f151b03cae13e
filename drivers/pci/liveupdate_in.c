// SPDX-License-Identifier: GPL-2.0

/**
 * DOC: PCI Live Update, taking over
 *
 * The kernel that takes over, in the order of events:
 *
 * 1. The list of devices is read in a postcore_initcall; PCI host bridges are
 *    scanned at subsys_initcall or later. LUO has its own incoming data at
 *    early_initcall, and finds an incoming object by its name alone, without any
 *    file handler and long before /dev/liveupdate is opened. The reference that
 *    LUO returns is dropped at once; the references of the files keep the object
 *    until the last of them is finished. Whatever the previous kernel wrote is
 *    checked before it is used.
 *
 * 2. Buses keep their numbers while there is a list, whatever ``pci=`` asks for:
 *    pci_liveupdate_inherit_buses(). A running device keeps the settings that its
 *    requests depend on: pci_liveupdate_recorded(). What is found beside it gets along
 *    with those: pci_liveupdate_mps().
 *
 * 3. pci_liveupdate_setup_device() compares each enumerated device with the
 *    list, before its MSI and MSI-X capabilities are initialized. A device is
 *    taken over when it is at the same segment, bus, device and function, has
 *    the same vendor id, device id and header type, and every bridge above it is
 *    the recorded one with the recorded bus numbers. It is then *incoming*: it
 *    is not put to sleep, nor is the system, nobody resets its bus or slot, and
 *    only a driver that takes over running devices binds to it, see
 *    pci_liveupdate_may_bind().
 *
 *    A physical function which had virtual functions keeps them running: its driver
 *    enables as many, and finds them as they are, see pci_iov_running(). Only those
 *    can be incoming. All of them are stopped if it has no such driver.
 *
 *    After a kexec, only endpoints on the list are bus masters. So an endpoint
 *    that is a bus master, and that is not on the list at this address or does not
 *    match, has been handed over and is somewhere else now: it is stopped.
 *
 * 4. pci_liveupdate_retrieve() from the retrieve() callback of a LUO file handler.
 *    ARI, ACS, addresses of the device and windows of the bridges are final by
 *    then, and are compared too. Function numbers above 7 are only enumerated
 *    with ARI on, so enumeration without ARI does not find such a device.
 *
 * 5. pci_liveupdate_finish() from the finish() callback. From then on the device
 *    is an ordinary one, and drivers that were kept from binding to it are probed.
 *
 * A device is *stopped* when nobody can claim it any more: bus mastering, MSI
 * and MSI-X are turned off, its interrupts are revoked, the reason is logged, and
 * it is an ordinary device from then on. That happens
 *
 * - when the last file is finished and it was not retrieved;
 * - when it is removed, before anybody has claimed it;
 * - when LUO cannot read its sessions back, because a file handler is missing or
 *   the memory is. LUO then returns no file at all;
 * - at late_initcall, when no file handler has attached itself to the list;
 * - at enumeration, when the list cannot be read: it is refused, or LUO is off
 *   (liveupdate=off, kho=off), or it has a name that is not known. Each
 *   endpoint that is a bus master is stopped then, up to late_initcall. The
 *   memory of the list is lost until the next reboot.
 *
 * Stopping takes no lock of the device: a device that was not retrieved cannot
 * be opened, so its driver does nothing with it.
 *
 * In a kernel without CONFIG_IRQ_LIVEUPDATE the devices are bus masters with MSI
 * and MSI-X disabled, until a driver resets or disables them.
 *
 * Bridges stay on: a bridge does not sleep while a device below it is awake,
 * portdrv sets bus mastering when it binds, and so does the first
 * pci_enable_device() below the bridge.
 */

#define pr_fmt(fmt) "PCI: live update: " fmt

#include <kunit/visibility.h>
#include <linux/cleanup.h>
#include <linux/device.h>
#include <linux/export.h>
#include <linux/init.h>
#include <linux/io.h>
#include <linux/iommu_liveupdate.h>
#include <linux/irq_liveupdate.h>
#include <linux/kexec_handover.h>
#include <linux/kho/abi/pci.h>
#include <linux/liveupdate.h>
#include <linux/mutex.h>
#include <linux/notifier.h>
#include <linux/pci.h>
#include <linux/pci_liveupdate.h>
#include <linux/pm_runtime.h>
#include <linux/slab.h>
#include <linux/suspend.h>
#include <linux/workqueue.h>
#include <linux/xarray.h>

#include "liveupdate.h"
#include "pci.h"

/* A private copy of the incoming list, and its unmatched entries by address. */
static struct pci_lu_ser *pci_lu_in;
VISIBLE_IF_KUNIT struct xarray pci_lu_in_devices = XARRAY_INIT(pci_lu_in_devices, 0);

/* At boot: what was handed over is not known, and nobody can claim it. */
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

/* Returns why the list is refused, or NULL. Nothing is trusted before. */
static const char *pci_lu_refuse(u64 pa)
{
	struct pci_lu_ser *ser;

	if (!kho_is_preserved(pa, sizeof(*ser)))
		return "bad address";

	ser = phys_to_virt(pa);
	if (ser->nr_devices > PCI_LU_MAX_DEVICES)
		return "too many devices";
	if (!kho_is_preserved(pa, struct_size(ser, devices, ser->nr_devices)))
		return "bad address";

	return NULL;
}

/* All that can be told without the device, which has to have the same */
static const char *pci_lu_refuse_sriov(const struct pci_lu_dev_ser *dev)
{
	const struct pci_lu_sriov_ser *sriov = &dev->sriov;
	u32 last;

	if (!(dev->flags & PCI_LU_DEV_SRIOV))
		return memchr_inv(sriov, 0, sizeof(*sriov)) ?
		       "virtual functions without SR-IOV" : NULL;

	if (dev->flags & (PCI_LU_DEV_BRIDGE | PCI_LU_DEV_VIRTFN))
		return "SR-IOV of a device which has none";
	if (!sriov->num_vfs || sriov->num_vfs > sriov->total_vfs ||
	    sriov->initial_vfs > sriov->total_vfs)
		return "bad number of virtual functions";
	if (sriov->reserved)
		return "reserved field of SR-IOV not zero";
	if (!(sriov->ctrl & PCI_SRIOV_CTRL_VFE))
		return "virtual functions not enabled";

	last = dev->devid + sriov->offset + sriov->stride * (sriov->num_vfs - 1u);
	if (!sriov->offset || (sriov->num_vfs > 1 && !sriov->stride) || last > U16_MAX)
		return "bad requester ids of virtual functions";

	return NULL;
}

static const char *pci_lu_refuse_device(const struct pci_lu_dev_ser *dev)
{
	bool bridge = dev->flags & PCI_LU_DEV_BRIDGE;

	if (dev->flags & ~PCI_LU_DEV_FLAGS)
		return "unknown flags";
	if (dev->hdr_type != (bridge ? PCI_HEADER_TYPE_BRIDGE : PCI_HEADER_TYPE_NORMAL))
		return "bad header type";
	if (dev->secondary > dev->subordinate)
		return "bad bus numbers";
	if (!bridge && (dev->flags & PCI_LU_DEV_ARI || dev->subordinate || dev->acs_ctrl))
		return "device described as a bridge";
	if (bridge && dev->flags & PCI_LU_DEV_VIRTFN)
		return "bridge described as a device";

	return pci_lu_refuse_sriov(dev);
}

VISIBLE_IF_KUNIT const char *pci_lu_load(u64 pa)
{
	struct pci_lu_ser *ser;
	const char *reason;

	reason = pci_lu_refuse(pa);
	if (reason)
		return reason;

	ser = phys_to_virt(pa);
	pci_lu_in = kvmemdup(ser, struct_size(ser, devices, ser->nr_devices), GFP_KERNEL);
	if (!pci_lu_in)
		return "no memory";

	for (u32 i = 0; i < pci_lu_in->nr_devices; i++) {
		struct pci_lu_dev_ser *dev = &pci_lu_in->devices[i];
		int err;

		reason = pci_lu_refuse_device(dev);
		if (reason)
			return reason;

		err = xa_insert(&pci_lu_in_devices, pci_lu_address(dev->segment, dev->devid), dev,
				GFP_KERNEL);
		if (err)
			return err == -EBUSY ? "duplicate device" : "no memory";
	}

	kho_restore_free(ser);
	return NULL;
}

VISIBLE_IF_KUNIT void pci_lu_unload(void)
{
	xa_destroy(&pci_lu_in_devices);
	kvfree(pci_lu_in);
	pci_lu_in = NULL;
}

/*
 * LUO warns when it finishes an object that could not be retrieved. So a list
 * which is refused is retrieved as an empty one.
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
 * pci_liveupdate_inherit_buses() - Do buses keep the numbers which they have?
 *
 * The numbers are part of the requester ids of devices which are running.
 *
 * Context: Process context, sleeps.
 * Return: True while a device may be found that the previous kernel has handed
 *         over.
 */
bool pci_liveupdate_inherit_buses(void)
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
		return "virtual or physical function, was the other";
	/* One that was enabled later has the same address */
	if (pdev->is_virtfn && !pci_iov_running(pci_physfn(pdev)))
		return "its physical function has not kept it running";
	if (was->flags & PCI_LU_DEV_SRIOV && !IS_ENABLED(CONFIG_PCI_IOV))
		return "this kernel knows no virtual functions";

	return pci_lu_other_vfs(&is, was);
}

static const struct pci_lu_dev_ser *pci_lu_find(struct pci_dev *pdev)
{
	return xa_load(&pci_lu_in_devices, pci_lu_address_of(pdev));
}

/* What is plugged in there later did not live through the kexec. */
static void pci_lu_forget(struct pci_dev *pdev)
{
	xa_erase(&pci_lu_in_devices, pci_lu_address_of(pdev));
}

/**
 * pci_liveupdate_recorded() - Does a device belong to what was handed over?
 * @pdev: The device, perhaps not added yet
 *
 * Such a device has requests outstanding, or forwards those of another one. What
 * they depend on must not be configured again.
 *
 * Context: Process context, sleeps.
 * Return: True if @pdev is incoming, or a bridge above a recorded device, or is
 *         going to be compared with its record.
 */
bool pci_liveupdate_recorded(struct pci_dev *pdev)
{
	if (pci_liveupdate_incoming(pdev))
		return true;

	guard(mutex)(&pci_lu_lock);

	return pci_lu_find(pdev);
}

/**
 * pci_liveupdate_mps() - Choose the Max_Payload_Size of a device which is configured
 * @pdev: The device
 * @mps: What it would get otherwise, in bytes
 *
 * A Root Port above a running device keeps its own. What else is found below it has to
 * accept what the port above it sends, and to send no more than that port accepts.
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

/* The device, and all that decides where in the topology it is. */
static bool pci_lu_match(struct pci_dev *pdev, const struct pci_lu_dev_ser *dev)
{
	struct pci_dev *bridge = pdev;
	const char *reason;

	do {
		reason = dev ? pci_lu_mismatch(bridge, dev) : "not recorded";
		if (reason) {
			irq_liveupdate_refuse(&pdev->dev, IRQ_LIVEUPDATE_TAKE_OVER, "%s: %s",
					      pci_name(bridge), reason);
			return false;
		}

		bridge = pci_lu_above(bridge);
		if (bridge)
			dev = pci_lu_find(bridge);
	} while (bridge);

	return true;
}

static bool pci_lu_is_master(struct pci_dev *pdev)
{
	u16 command;

	pci_read_config_word(pdev, PCI_COMMAND, &command);
	return command & PCI_COMMAND_MASTER;
}

/*
 * After a kexec, no other endpoint is a bus master before it has got a driver,
 * unless it cannot be turned off, as in host bridges and other parts of a chipset.
 */
static void pci_lu_stop_stray(struct pci_dev *pdev)
{
	if (pdev->hdr_type != PCI_HEADER_TYPE_NORMAL ||
	    pdev->class >> 16 == PCI_BASE_CLASS_BRIDGE || !pci_lu_is_master(pdev))
		return;

	pci_clear_master(pdev);
	if (!pci_lu_is_master(pdev))
		irq_liveupdate_refuse(&pdev->dev, IRQ_LIVEUPDATE_STOP, "%s",
				      pci_lu_in_lost ? "nobody can claim it" :
				      "not recorded at this address");
}

/* Virtual functions of a device which is not incoming: pci_iov_init() is not there to do it */
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

/**
 * pci_liveupdate_setup_device() - Recognize an incoming device
 * @pdev: The device which is being enumerated
 *
 * A device which matches what the previous kernel has recorded is incoming from
 * here on, until pci_liveupdate_finish().
 *
 * Context: From enumeration, with the bridges above @pdev enumerated, and
 *          before the MSI and MSI-X capabilities of @pdev are initialized: those
 *          are to be disabled unless @pdev is incoming. Sleeps.
 */
void pci_liveupdate_setup_device(struct pci_dev *pdev)
{
	const struct pci_lu_dev_ser *dev;

	guard(mutex)(&pci_lu_lock);

	dev = pci_lu_find(pdev);
	/* Without the list, it may be the one of which something is known. */
	if (!dev && !pci_lu_in_lost)
		irq_liveupdate_forget(pci_domain_nr(pdev->bus), pci_dev_id(pdev));
	if (!pci_lu_in && !pci_lu_in_lost)
		return;

	if (dev && dev->flags & PCI_LU_DEV_BRIDGE)
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

	set_bit(PCI_DEV_LIVEUPDATE_INCOMING, &pdev->priv_flags);
	pci_info(pdev, "live update: taken over from the previous kernel\n");

	/* D3 and the reset on the way back to D0 would lose its state. */
	pm_runtime_get_noresume(&pdev->dev);

	/* As pci_msi_init() and pci_msix_init() will find them. */
	pdev->msi_cap = pci_find_capability(pdev, PCI_CAP_ID_MSI);
	pdev->msix_cap = pci_find_capability(pdev, PCI_CAP_ID_MSIX);
	pci_msi_liveupdate_match(pdev);
}

/* ---- Incoming devices ---- */

/**
 * pci_liveupdate_incoming() - Has a device been taken over?
 * @pdev: The device
 *
 * Context: Any.
 * Return: True if @pdev comes from the previous kernel with its state, and is
 *         not finished yet. Always false for a bridge.
 */
bool pci_liveupdate_incoming(struct pci_dev *pdev)
{
	return test_bit(PCI_DEV_LIVEUPDATE_INCOMING, &pdev->priv_flags);
}
EXPORT_SYMBOL_GPL(pci_liveupdate_incoming);

/**
 * pci_liveupdate_vfs_running() - Has a device virtual functions which are incoming?
 * @pdev: The device
 *
 * A reset of a physical function ends its virtual functions, whose users may not have
 * come back yet.
 *
 * Context: Process context, sleeps.
 * Return: True if so.
 */
bool pci_liveupdate_vfs_running(struct pci_dev *pdev)
{
	struct pci_dev *virtfn = NULL;

	if (!pdev->is_physfn)
		return false;
	if (pci_iov_running(pdev))
		return true;

	for_each_pci_dev(virtfn) {
		if (virtfn->is_virtfn && pci_physfn(virtfn) == pdev &&
		    pci_liveupdate_incoming(virtfn)) {
			pci_dev_put(virtfn);
			return true;
		}
	}

	return false;
}
EXPORT_SYMBOL_GPL(pci_liveupdate_vfs_running);

/**
 * pci_liveupdate_stop_vfs() - Stop virtual functions that no driver has found yet
 * @pdev: The physical function, or any other device
 *
 * For whoever is about to let them reach memory which is not theirs. There is no
 * struct pci_dev of them that could be stopped. Does nothing if there are none.
 *
 * Context: Process context, sleeps.
 */
void pci_liveupdate_stop_vfs(struct pci_dev *pdev)
{
	guard(mutex)(&pci_lu_lock);

	pci_iov_stop(pdev);
}

static int pci_lu_note_incoming(struct pci_dev *pdev, void *running)
{
	*(bool *)running = pci_liveupdate_incoming(pdev) || pci_liveupdate_vfs_running(pdev);
	return *(bool *)running;
}

/**
 * pci_liveupdate_bus_running() - Is there an incoming device on or below a bus?
 * @bus: The bus
 *
 * A reset of such a bus loses the state of a device whose user may not have come
 * back yet. The reset is refused, and not the question whether one is possible:
 * VFIO decides by its answer which devices belong together.
 *
 * Context: Process context, sleeps.
 * Return: True if so.
 */
bool pci_liveupdate_bus_running(struct pci_bus *bus)
{
	bool running = false;

	pci_walk_bus(bus, pci_lu_note_incoming, &running);
	return running;
}

/*
 * A running device that sleeps loses its state. One that does not has its configuration
 * space written when the system resumes.
 */
VISIBLE_IF_KUNIT int pci_lu_sleep(struct notifier_block *nb, unsigned long action, void *unused)
{
	struct pci_dev *pdev = NULL;

	if (action != PM_SUSPEND_PREPARE && action != PM_HIBERNATION_PREPARE &&
	    action != PM_RESTORE_PREPARE)
		return NOTIFY_DONE;

	for_each_pci_dev(pdev) {
		if (pci_liveupdate_incoming(pdev)) {
			pci_err(pdev, "live update: no system sleep before it is finished\n");
			pci_dev_put(pdev);
			return notifier_from_errno(-EBUSY);
		}
	}
	return NOTIFY_DONE;
}

static struct notifier_block pci_lu_sleep_nb = {
	.notifier_call	= pci_lu_sleep,
};

/*
 * Drivers which were kept from binding to a device until it was finished. Not if it
 * has found another one, even one from which somebody is unbinding it: that takes as
 * long as the user of the device likes, and is not to be undone afterwards.
 */
static void pci_lu_probe(struct work_struct *work)
{
	struct pci_dev *pdev = NULL;

	for_each_pci_dev(pdev) {
		if (test_and_clear_bit(PCI_DEV_LIVEUPDATE_PROBE, &pdev->priv_flags) &&
		    !READ_ONCE(pdev->dev.driver))
			device_initial_probe(&pdev->dev);
	}
}

VISIBLE_IF_KUNIT DECLARE_WORK(pci_lu_probe_work, pci_lu_probe);

/**
 * pci_liveupdate_may_bind() - May a driver bind to a device?
 * @pdev: The device
 * @drv:  A driver which wants to
 *
 * The probe() of an ordinary driver resets the device, or clears its bus
 * mastering when it finds that it does not want it. So an incoming device binds
 * only to a driver which says that it takes over running devices. The others
 * are probed when the device is finished.
 *
 * Context: Any.
 * Return: False if @drv must not bind to @pdev.
 */
bool pci_liveupdate_may_bind(struct pci_dev *pdev, const struct pci_driver *drv)
{
	if (!pci_liveupdate_incoming(pdev) || drv->takes_over)
		return true;

	set_bit(PCI_DEV_LIVEUPDATE_PROBE, &pdev->priv_flags);
	/* It may have been finished meanwhile, by somebody who did not see the bit. */
	if (!pci_liveupdate_incoming(pdev))
		schedule_work(&pci_lu_probe_work);
	return false;
}

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

/* Returns what has been configured in another way, on the device or above it, or NULL. */
static const char *pci_lu_changed(struct pci_dev *pdev, struct pci_dev **where)
{
	const char *reason = NULL;

	for (; pdev && !reason; pdev = pci_lu_above(pdev)) {
		const struct pci_lu_dev_ser *was = pci_lu_find(pdev);
		struct pci_lu_dev_ser is;

		pci_lu_describe(pdev, &is);
		reason = was ? pci_lu_moved(&is, was) : "not recorded";
		*where = pdev;
	}

	return reason;
}

/**
 * pci_liveupdate_retrieve() - Give an incoming device back to its user
 * @pdev: The device
 *
 * Context: From the retrieve() callback of a LUO file handler. Process context,
 *          sleeps.
 * Return: 0 on success, -ENODEV if @pdev is not incoming, or if it or the way to
 *         it is configured in another way than in the previous kernel. That is
 *         logged with its reason.
 */
int pci_liveupdate_retrieve(struct pci_dev *pdev)
{
	struct pci_dev *where;
	const char *reason;

	guard(mutex)(&pci_lu_lock);

	if (!pci_liveupdate_incoming(pdev)) {
		irq_liveupdate_refuse(&pdev->dev, IRQ_LIVEUPDATE_RETRIEVE,
				      "not taken over from the previous kernel");
		return -ENODEV;
	}

	reason = pci_lu_changed(pdev, &where);
	if (reason) {
		irq_liveupdate_refuse(&pdev->dev, IRQ_LIVEUPDATE_RETRIEVE, "%s: %s",
				      pci_name(where), reason);
		return -ENODEV;
	}

	set_bit(PCI_DEV_LIVEUPDATE_RETRIEVED, &pdev->priv_flags);
	return 0;
}
EXPORT_SYMBOL_GPL(pci_liveupdate_retrieve);

/**
 * pci_liveupdate_retrieved() - Has an incoming device got its user back?
 * @pdev: The device
 *
 * Context: Any.
 * Return: True between pci_liveupdate_retrieve() and pci_liveupdate_finish().
 */
bool pci_liveupdate_retrieved(struct pci_dev *pdev)
{
	return test_bit(PCI_DEV_LIVEUPDATE_RETRIEVED, &pdev->priv_flags);
}
EXPORT_SYMBOL_GPL(pci_liveupdate_retrieved);

/*
 * Without the list no device becomes incoming any more. One which still is, because
 * its owner has not bound it yet, depends on what its IOMMU has left from before.
 */
static void pci_lu_finish_iommus(void)
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

static void pci_lu_finish(struct pci_dev *pdev)
{
	if (!pci_liveupdate_incoming(pdev))
		return;

	pci_iov_stop(pdev);
	/* Its virtual functions are compared with it when they are retrieved. */
	if (!pci_liveupdate_vfs_running(pdev))
		pci_lu_forget(pdev);
	clear_bit(PCI_DEV_LIVEUPDATE_RETRIEVED, &pdev->priv_flags);
	clear_bit(PCI_DEV_LIVEUPDATE_INCOMING, &pdev->priv_flags);
	iommu_liveupdate_release(&pdev->dev);
	/* Paired with the second look of pci_liveupdate_may_bind() */
	smp_mb__after_atomic();
	if (test_bit(PCI_DEV_LIVEUPDATE_PROBE, &pdev->priv_flags))
		schedule_work(&pci_lu_probe_work);
	pm_runtime_put(&pdev->dev);
	pci_lu_finish_iommus();
}

/**
 * pci_liveupdate_finish() - An incoming device becomes one as any other
 * @pdev: The device, whether it is incoming or not
 *
 * Context: From the finish() callback of a LUO file handler. Process context,
 *          sleeps.
 */
void pci_liveupdate_finish(struct pci_dev *pdev)
{
	guard(mutex)(&pci_lu_lock);

	if (pci_liveupdate_incoming(pdev))
		set_bit(PCI_DEV_LIVEUPDATE_ADOPTED, &pdev->priv_flags);
	pci_lu_finish(pdev);
}
EXPORT_SYMBOL_GPL(pci_liveupdate_finish);

/*
 * Incoming until the end: bus mastering must not go away from a driver which
 * could not have bound before.
 */
static void pci_lu_stop(struct pci_dev *pdev, const char *reason)
{
	irq_liveupdate_refuse(&pdev->dev, IRQ_LIVEUPDATE_STOP, "%s", reason);
	pci_clear_master(pdev);
	pci_msi_liveupdate_finish(pdev);
	pci_lu_finish(pdev);
}

/**
 * pci_liveupdate_stop() - Nobody can claim an incoming device any more
 * @pdev:   The device, whether it is incoming or not
 * @reason: Why, for the log
 *
 * Bus mastering, MSI and MSI-X are turned off, its interrupts are revoked, and it
 * becomes a device as any other. What is found at its address later, if it is
 * removed, is a new device.
 *
 * Context: Process context, sleeps. Nobody else sets up interrupts of @pdev: nobody
 *          has it open, or its driver has gone.
 */
void pci_liveupdate_stop(struct pci_dev *pdev, const char *reason)
{
	guard(mutex)(&pci_lu_lock);

	if (pci_liveupdate_incoming(pdev))
		pci_lu_stop(pdev, reason);
}
EXPORT_SYMBOL_GPL(pci_liveupdate_stop);

/**
 * pci_liveupdate_use_intx() - The driver of a device is going to use INTx
 * @pdev: The device
 *
 * A device must not use INTx while it has MSI or MSI-X enabled (PCIe r6.0 sec
 * 6.1.4), as one that was handed over still has before its driver has set
 * interrupts up. Nor does it send INTx then. That does not end with the live update
 * of the device: until it is closed, its messages wait for its driver.
 *
 * Context: Process context. From the driver which is bound to @pdev, not while
 *          it enables or disables MSI or MSI-X.
 */
void pci_liveupdate_use_intx(struct pci_dev *pdev)
{
	if (pci_msi_liveupdate_disable(pdev))
		pci_err(pdev, "live update: MSI and MSI-X disabled: the driver uses INTx\n");
}
EXPORT_SYMBOL_GPL(pci_liveupdate_use_intx);

static void pci_lu_stop_unclaimed(struct pci_dev *pdev, const char *reason)
{
	guard(mutex)(&pci_lu_lock);

	if (pci_liveupdate_incoming(pdev) && !pci_liveupdate_retrieved(pdev))
		pci_lu_stop(pdev, reason);
}

/* Nobody can claim a device any more. */
static void pci_lu_give_up(const char *reason)
{
	struct pci_dev *pdev = NULL;

	scoped_guard(mutex, &pci_lu_lock)
		pci_lu_unload();

	for_each_pci_dev(pdev)
		pci_lu_stop_unclaimed(pdev, reason);
	pci_msi_liveupdate_finish_rest();
	pci_msi_liveupdate_stopped();

	guard(mutex)(&pci_lu_lock);
	pci_lu_finish_iommus();
}

/* The last file is finished. */
void pci_flb_finish(struct liveupdate_flb_op_args *args)
{
	pci_lu_give_up("nobody has claimed it");
}

/* LUO gives no file back. */
void pci_flb_abandon(struct liveupdate_flb_op_args *args)
{
	pci_lu_give_up("the sessions of the previous kernel cannot be read");
}

static struct liveupdate_flb pci_liveupdate_flb = {
	.ops		= &pci_liveupdate_flb_ops,
	.compatible	= PCI_LU_FLB_COMPATIBLE,
};

/**
 * pci_liveupdate_register_flb() - Attach the list of devices to a file handler
 * @fh: The registered handler of the files of PCI devices
 * @refuses: Returns whether the handler refuses a device, and writes the reason.
 *	     Changes nothing. May sleep.
 *
 * Context: Before late_initcall. Process context, sleeps.
 * Return: 0 on success, or what liveupdate_register_flb() says.
 */
int pci_liveupdate_register_flb(struct liveupdate_file_handler *fh,
				bool (*refuses)(struct pci_dev *pdev, char *reason,
						size_t size))
{
	int err;

	err = liveupdate_register_flb(fh, &pci_liveupdate_flb);
	if (!err)
		pci_lu_handler_refuses = refuses;

	return err;
}

static int __init pci_liveupdate_init(void)
{
	void *obj;

	if (!liveupdate_flb_get_incoming(&pci_liveupdate_flb, &obj))
		liveupdate_flb_put_incoming(&pci_liveupdate_flb);
	else if (!liveupdate_enabled() || irq_liveupdate_handed_over())
		pci_lu_in_lost = is_kho_boot();

	/* Without the list, no device can be found for what was handed over. */
	if (pci_lu_in)
		return register_pm_notifier(&pci_lu_sleep_nb);

	pci_msi_liveupdate_finish_rest();
	return 0;
}
postcore_initcall(pci_liveupdate_init);

/* All devices which were there at boot have been enumerated. */
static int __init pci_liveupdate_enumerated(void)
{
	if (!pci_lu_handler_refuses)
		pci_lu_give_up("there is no handler of its file");
	else if (!pci_lu_in)
		pci_msi_liveupdate_stopped();

	guard(mutex)(&pci_lu_lock);

	/* What is found from here on did not live through the kexec, or had a driver. */
	pci_lu_in_lost = false;
	return 0;
}
late_initcall(pci_liveupdate_enumerated);
