// SPDX-License-Identifier: GPL-2.0

/**
 * DOC: PCI Live Update, taking over
 *
 * The kernel that takes over, in the order of events:
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
 *    is a list, regardless of ``pci=``: pci_liveupdate_inherit_layout(). A
 *    running device keeps the settings on which its requests depend:
 *    pci_liveupdate_recorded(). Other devices get compatible settings:
 *    pci_liveupdate_mps().
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
 *    device.
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
#include "liveupdate_ser.h"
#include "pci.h"

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

/*
 * LUO warns when it finishes an object that could not be retrieved. So a
 * refused list is retrieved as an empty one.
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

/* A device that is plugged in there later was not handed over. */
static void pci_lu_forget(struct pci_dev *pdev)
{
	xa_erase(&pci_lu_in_devices, pci_lu_address_of(pdev));
}

/* Is a device incoming, or one whose virtual functions are? */
static bool pci_lu_protected(struct pci_dev *pdev)
{
	return pci_liveupdate_incoming(pdev) || pci_liveupdate_vfs_incoming(pdev);
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

static bool pci_lu_is_master(struct pci_dev *pdev)
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
	if (pdev->hdr_type != PCI_HEADER_TYPE_NORMAL ||
	    pdev->class >> 16 == PCI_BASE_CLASS_BRIDGE || !pci_lu_is_master(pdev))
		return;

	pci_clear_master(pdev);
	if (!pci_lu_is_master(pdev))
		irq_liveupdate_report_refusal(&pdev->dev, IRQ_LIVEUPDATE_STOP, "%s",
					      pci_lu_in_lost ? "nobody can claim it" :
					      "not recorded at this address");
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

	if (dev->flags & PCI_LU_DEV_KEEPS_VFS) {
		pci_lu_keep_vfs(pdev);
		return;
	}

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

/* ---- Incoming devices ---- */

/**
 * pci_liveupdate_incoming() - Test whether a device was taken over
 * @pdev: The device
 *
 * Context: Any.
 * Return: True if @pdev was taken over with its state, and is not finished yet.
 *         Always false for a bridge.
 */
bool pci_liveupdate_incoming(struct pci_dev *pdev)
{
	return test_bit(PCI_DEV_LIVEUPDATE_INCOMING, &pdev->priv_flags);
}
EXPORT_SYMBOL_GPL(pci_liveupdate_incoming);

/**
 * pci_liveupdate_vfs_incoming() - Have only the virtual functions of a device been taken
 * over?
 * @pdev: The device
 *
 * Context: Any.
 * Return: True if @pdev is the physical function of a device that was handed over, was not
 *         handed over itself, and has to keep its virtual functions.
 */
bool pci_liveupdate_vfs_incoming(struct pci_dev *pdev)
{
	return test_bit(PCI_DEV_LIVEUPDATE_VFS_INCOMING, &pdev->priv_flags);
}

/**
 * pci_liveupdate_vfs_running() - Test whether a device has incoming virtual functions
 * @pdev: The device
 *
 * A reset of a physical function disables its virtual functions, whose users may
 * not have retrieved them yet.
 *
 * Context: Process context, sleeps.
 * Return: True if so.
 */
bool pci_liveupdate_vfs_running(struct pci_dev *pdev)
{
	return pci_iov_running(pdev) || pci_iov_any_incoming(pdev);
}
EXPORT_SYMBOL_GPL(pci_liveupdate_vfs_running);

/**
 * pci_liveupdate_keeps_running() - Test whether a device is frozen or has incoming VFs
 * @pdev: The device
 *
 * Such a device must not be reset, not even by its user.
 *
 * Context: Process context, sleeps.
 * Return: True if so.
 */
bool pci_liveupdate_keeps_running(struct pci_dev *pdev)
{
	return pci_liveupdate_frozen(pdev) || pci_liveupdate_vfs_running(pdev);
}

/**
 * pci_liveupdate_running() - Test whether a device keeps its state through a live update
 * @pdev: The device
 *
 * Nobody but its owner may reset such a device, and even the owner may not if
 * pci_liveupdate_keeps_running().
 *
 * Context: Process context, sleeps.
 * Return: True if @pdev is frozen or incoming, or has incoming virtual functions.
 */
bool pci_liveupdate_running(struct pci_dev *pdev)
{
	return pci_liveupdate_incoming(pdev) || pci_liveupdate_keeps_running(pdev);
}

static int pci_lu_note_running(struct pci_dev *pdev, void *running)
{
	*(bool *)running = pci_liveupdate_running(pdev);
	return *(bool *)running;
}

/**
 * pci_liveupdate_bus_running() - Test for a frozen or incoming device on or below a bus
 * @bus: The bus
 *
 * A reset of such a bus loses the state of a device whose user is paused, or may
 * not have retrieved it yet. Only the reset itself is refused, not probing whether a
 * reset is possible, because VFIO uses the answer to determine which devices belong
 * together.
 *
 * Context: Process context, sleeps.
 * Return: True if so.
 */
bool pci_liveupdate_bus_running(struct pci_bus *bus)
{
	bool running = false;

	pci_walk_bus(bus, pci_lu_note_running, &running);
	return running;
}

/*
 * A running device loses its state if it sleeps. If it does not sleep, its
 * configuration space is written when the system resumes.
 */
VISIBLE_IF_KUNIT int pci_lu_sleep(struct notifier_block *nb, unsigned long action, void *unused)
{
	struct pci_dev *pdev = NULL;

	if (action != PM_SUSPEND_PREPARE && action != PM_HIBERNATION_PREPARE &&
	    action != PM_RESTORE_PREPARE)
		return NOTIFY_DONE;

	for_each_pci_dev(pdev) {
		if (pci_lu_protected(pdev)) {
			pci_err(pdev, "live update: system sleep refused: not finished\n");
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
 * Probe the drivers that had to wait for FINISH. Skip a device that has a driver,
 * even one that is being unbound: unbinding lasts until the user closes the device,
 * and the administrator does not want a new driver after it.
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
 * pci_liveupdate_may_bind() - Test whether a driver may bind to a device
 * @pdev: The device
 * @drv:  A driver that wants to bind
 *
 * The probe() of an ordinary driver resets the device, or clears its bus
 * mastering if it does not support the device. So an incoming device binds only
 * to a driver that declares that it takes over running devices. A device of which
 * only virtual functions were handed over binds only to a driver that declares that
 * it keeps them: vfio-pci is not one, because its user decides about them and resets
 * the device first. Other drivers are probed when the device is finished.
 *
 * Context: Any.
 * Return: False if @drv must not bind to @pdev.
 */
bool pci_liveupdate_may_bind(struct pci_dev *pdev, const struct pci_driver *drv)
{
	if (!pci_lu_protected(pdev))
		return true;
	if (pci_liveupdate_incoming(pdev) ? drv->takes_over : !!drv->sriov_keeps)
		return true;

	set_bit(PCI_DEV_LIVEUPDATE_PROBE, &pdev->priv_flags);
	/* Paired with pci_lu_unprotect() */
	smp_mb__after_atomic();
	/* The device may have been finished in the meantime by a task that did not see the bit. */
	if (!pci_lu_protected(pdev))
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

/* Returns which setting of the device or a bridge above it has changed, or NULL. */
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
 * pci_liveupdate_retrieve() - Return an incoming device to its user
 * @pdev: The device
 *
 * Context: From the retrieve() callback of a LUO file handler. Process context,
 *          sleeps.
 * Return: 0 on success, -EBUSY if it was retrieved already, -ENODEV if @pdev is not
 *         incoming, if it had a fatal error, or if its configuration, or that of a
 *         bridge above it, differs from the record. The reason is logged.
 */
int pci_liveupdate_retrieve(struct pci_dev *pdev)
{
	struct pci_dev *where;
	const char *reason;

	guard(mutex)(&pci_lu_lock);

	if (!pci_liveupdate_incoming(pdev)) {
		irq_liveupdate_report_refusal(&pdev->dev, IRQ_LIVEUPDATE_RETRIEVE,
					      "not taken over from the previous kernel");
		return -ENODEV;
	}

	/*
	 * The previous kernel may have handed over two files for this device. Refuse this
	 * file, not the device.
	 */
	if (pci_liveupdate_retrieved(pdev)) {
		pci_err(pdev,
			"live update: not retrieved: already retrieved through another file\n");
		return -EBUSY;
	}

	/* Its user would not learn about the error. */
	if (pci_channel_offline(pdev)) {
		irq_liveupdate_report_refusal(&pdev->dev, IRQ_LIVEUPDATE_RETRIEVE,
					      "a fatal error without recovery");
		return -ENODEV;
	}

	reason = pci_lu_changed(pdev, &where);
	if (reason) {
		irq_liveupdate_report_refusal(&pdev->dev, IRQ_LIVEUPDATE_RETRIEVE, "%s: %s",
					      pci_name(where), reason);
		return -ENODEV;
	}

	set_bit(PCI_DEV_LIVEUPDATE_RETRIEVED, &pdev->priv_flags);
	return 0;
}
EXPORT_SYMBOL_GPL(pci_liveupdate_retrieve);

/**
 * pci_liveupdate_unretrieve() - Undo pci_liveupdate_retrieve()
 * @pdev: The device, which was retrieved and has not been returned to its user
 *
 * Context: As pci_liveupdate_retrieve().
 */
void pci_liveupdate_unretrieve(struct pci_dev *pdev)
{
	guard(mutex)(&pci_lu_lock);

	clear_bit(PCI_DEV_LIVEUPDATE_RETRIEVED, &pdev->priv_flags);
}
EXPORT_SYMBOL_GPL(pci_liveupdate_unretrieve);

/**
 * pci_liveupdate_retrieved() - Test whether an incoming device was retrieved
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
 * Without the list no device becomes incoming any more. A device that still is
 * incoming, because its owner has not bound it yet, depends on the IOMMU state
 * of the previous kernel.
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

/* The device is not incoming any more, nor are its virtual functions. */
static void pci_lu_unprotect(struct pci_dev *pdev)
{
	/* Paired with the second check in pci_liveupdate_may_bind() */
	smp_mb__after_atomic();
	if (test_bit(PCI_DEV_LIVEUPDATE_PROBE, &pdev->priv_flags))
		schedule_work(&pci_lu_probe_work);
	pm_runtime_put(&pdev->dev);
}

/* A device has kept its virtual functions until the last of them was finished. */
static void pci_lu_finish_vfs(struct pci_dev *pdev)
{
	lockdep_assert_held(&pci_lu_lock);

	if (pci_liveupdate_incoming(pdev) || pci_liveupdate_vfs_running(pdev))
		return;

	pci_lu_forget(pdev);
	if (!pci_liveupdate_vfs_incoming(pdev))
		return;

	clear_bit(PCI_DEV_LIVEUPDATE_VFS_INCOMING, &pdev->priv_flags);
	pci_lu_unprotect(pdev);
}

/* pci_iov_settle() has to follow, without pci_lu_lock. */
static void pci_lu_finish(struct pci_dev *pdev)
{
	lockdep_assert_held(&pci_lu_lock);

	if (!pci_lu_protected(pdev))
		return;

	pci_iov_halt(pdev);
	pci_lu_finish_vfs(pdev);
	if (!pci_liveupdate_incoming(pdev))
		return;

	/* Its virtual functions are compared with it when they are retrieved. */
	if (!pci_liveupdate_vfs_running(pdev))
		pci_lu_forget(pdev);
	clear_bit(PCI_DEV_LIVEUPDATE_RETRIEVED, &pdev->priv_flags);
	clear_bit(PCI_DEV_LIVEUPDATE_INCOMING, &pdev->priv_flags);
	pci_iov_count_incoming(pdev, -1);
	iommu_liveupdate_release(&pdev->dev);
	pci_lu_unprotect(pdev);
	if (pdev->is_virtfn)
		pci_lu_finish_vfs(pci_physfn(pdev));
	pci_lu_finish_iommus();
}

/**
 * pci_liveupdate_finish() - Make an incoming device an ordinary one
 * @pdev: The device, whether it is incoming or not
 *
 * Context: From the finish() callback of a LUO file handler. Process context,
 *          sleeps.
 */
void pci_liveupdate_finish(struct pci_dev *pdev)
{
	scoped_guard(mutex, &pci_lu_lock) {
		if (pci_liveupdate_incoming(pdev))
			set_bit(PCI_DEV_LIVEUPDATE_ADOPTED, &pdev->priv_flags);
		pci_lu_finish(pdev);
	}
	pci_iov_settle(pdev);
}
EXPORT_SYMBOL_GPL(pci_liveupdate_finish);

/* Those that were not added. The others are stopped one by one. */
static void pci_lu_stop_vfs(struct pci_dev *pdev, const char *reason)
{
	if (!pci_iov_any_incoming(pdev))
		irq_liveupdate_report_refusal(&pdev->dev, IRQ_LIVEUPDATE_STOP, "%s", reason);
	pci_lu_forget(pdev);
	pci_lu_finish(pdev);
}

/*
 * The device stays incoming until the end. Otherwise a driver could bind before
 * bus mastering is disabled, and lose it.
 */
static void pci_lu_stop(struct pci_dev *pdev, const char *reason)
{
	if (!pci_liveupdate_incoming(pdev)) {
		pci_lu_stop_vfs(pdev, reason);
		return;
	}

	irq_liveupdate_report_refusal(&pdev->dev, IRQ_LIVEUPDATE_STOP, "%s", reason);
	pci_clear_master(pdev);
	pci_msi_liveupdate_finish(pdev);
	pci_lu_finish(pdev);
}

/**
 * pci_liveupdate_stop() - Stop an incoming device that can no longer be claimed
 * @pdev:   The device, whether it is incoming or not
 * @reason: Why, for the log
 *
 * If only virtual functions of the device were handed over, those that were not added yet
 * are stopped. Otherwise bus mastering, MSI and MSI-X are disabled, and its interrupts
 * are revoked. It becomes an ordinary device.
 *
 * Context: Process context, sleeps. Interrupts of @pdev are not set up at the
 *          same time, because it is not open, or has no driver any more.
 */
void pci_liveupdate_stop(struct pci_dev *pdev, const char *reason)
{
	scoped_guard(mutex, &pci_lu_lock) {
		if (pci_lu_protected(pdev))
			pci_lu_stop(pdev, reason);
	}
	pci_iov_settle(pdev);
}
EXPORT_SYMBOL_GPL(pci_liveupdate_stop);

/**
 * pci_liveupdate_remove() - Forget a device or bridge that is being removed
 * @pdev: The device, whether it is incoming or not
 *
 * If it is incoming, it is stopped. Whatever is found at its address later is new, and has
 * to be configured.
 *
 * Context: Process context, sleeps. All devices below @pdev have been removed.
 */
void pci_liveupdate_remove(struct pci_dev *pdev)
{
	pci_liveupdate_stop(pdev, "removed before its live update was finished");

	guard(mutex)(&pci_lu_lock);
	pci_lu_forget(pdev);
}

/**
 * pci_liveupdate_stop_vfs() - Stop virtual functions that were not added yet
 * @pdev:   The physical function, or any other device
 * @reason: Why, for the log
 *
 * To be called before they could access memory that is not mapped for them. They
 * have no struct pci_dev yet that could be stopped. Does nothing if there are none.
 *
 * Context: Process context, sleeps.
 */
void pci_liveupdate_stop_vfs(struct pci_dev *pdev, const char *reason)
{
	scoped_guard(mutex, &pci_lu_lock) {
		if (pci_liveupdate_vfs_incoming(pdev))
			pci_lu_stop_vfs(pdev, reason);
		else
			pci_iov_halt(pdev);
	}
	pci_iov_settle(pdev);
}

/**
 * pci_liveupdate_add_vfs() - Add the virtual functions that a device has kept
 * @pdev: The device, to which a driver was just bound
 *
 * Does nothing if there are none. If they cannot be added, they are disabled. The
 * device is stopped as well, unless it was retrieved: the driver makes the device
 * available to users in probe(), so a user may already be setting up interrupts.
 *
 * Context: From the probe of a driver, sleeps. With the device locked.
 *          pci_rescan_remove_lock is held if the device is being added, and not if it
 *          is bound through sysfs. It cannot be taken here, nor by drivers that enable
 *          virtual functions in probe().
 */
void pci_liveupdate_add_vfs(struct pci_dev *pdev)
{
	static const char reason[] = "its virtual functions cannot be enabled";
	const struct pci_driver *drv = pdev->driver;
	int nr = pci_iov_running(pdev);

	if (!nr)
		return;

	if (!drv->sriov_configure || drv->sriov_configure(pdev, nr) < 0 || pci_iov_running(pdev)) {
		pci_liveupdate_stop_unclaimed(pdev, reason);
		if (pci_liveupdate_retrieved(pdev))
			pci_err(pdev,
				"live update: virtual functions disabled: the driver cannot enable them\n");
		pci_liveupdate_stop_vfs(pdev, reason);
	}

	/* Possibly none of them was handed over. */
	guard(mutex)(&pci_lu_lock);
	pci_lu_finish_vfs(pdev);
}

/**
 * pci_liveupdate_use_intx() - Disable MSI and MSI-X left by the previous kernel
 * @pdev: The device
 *
 * A device must not use INTx, and does not send it, while it has MSI or MSI-X
 * enabled (PCIe r6.0 sec 6.1.4). This is the case for a device that was handed
 * over until its driver has set up interrupts. It does not end with the live
 * update of the device: until the device is closed, its messages stay reserved
 * for its driver.
 *
 * Context: Process context. From the driver that is bound to @pdev, not while
 *          it enables or disables MSI or MSI-X.
 */
void pci_liveupdate_use_intx(struct pci_dev *pdev)
{
	if (pci_msi_liveupdate_disable(pdev))
		pci_err(pdev, "live update: MSI and MSI-X disabled: the driver uses INTx\n");
}
EXPORT_SYMBOL_GPL(pci_liveupdate_use_intx);

/**
 * pci_liveupdate_stop_unclaimed() - Stop a device unless it was retrieved
 * @pdev:   The device, whether it is incoming or not
 * @reason: Why, for the log
 *
 * As pci_liveupdate_stop(), unless the device was retrieved.
 *
 * Context: Process context, sleeps.
 */
void pci_liveupdate_stop_unclaimed(struct pci_dev *pdev, const char *reason)
{
	scoped_guard(mutex, &pci_lu_lock) {
		if (pci_lu_protected(pdev) && !pci_liveupdate_retrieved(pdev))
			pci_lu_stop(pdev, reason);
	}
	pci_iov_settle(pdev);
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

	struct pci_dev *pdev __free(pci_dev_put) =
		pci_get_domain_bus_and_slot(segment, PCI_BUS_NUM(devid), devid & 0xff);
	if (pdev)
		pci_liveupdate_stop_unclaimed(pdev, pci_lu_unretrieved);
}

/* Returns why a device that is being added cannot be claimed any more, or NULL. */
static const char *pci_lu_too_late(struct pci_dev *pdev)
{
	lockdep_assert_held(&pci_lu_lock);

	if (!pci_lu_in)
		return pci_lu_unclaimed;
	if (xa_get_mark(&pci_lu_in_devices, pci_lu_address_of(pdev), PCI_LU_FINISHED))
		return pci_lu_unretrieved;

	return NULL;
}

/*
 * A device that was recognized before its file or the last file was finished, but that was
 * not yet registered with the driver core, was not stopped then. Nor was a virtual function
 * that is added later than that.
 */
VISIBLE_IF_KUNIT int pci_lu_added(struct notifier_block *nb, unsigned long action, void *data)
{
	struct pci_dev *pdev = to_pci_dev(data);
	const char *reason;

	if (action != BUS_NOTIFY_ADD_DEVICE)
		return NOTIFY_DONE;

	scoped_guard(mutex, &pci_lu_lock) {
		reason = pci_lu_too_late(pdev);
		if (reason && pci_lu_protected(pdev))
			pci_lu_stop(pdev, reason);
	}
	pci_iov_settle(pdev);
	return NOTIFY_DONE;
}

static struct notifier_block pci_lu_added_nb = {
	.notifier_call	= pci_lu_added,
};

/* No device can be claimed any more. */
static void pci_lu_give_up(const char *reason)
{
	struct pci_dev *pdev = NULL;

	scoped_guard(mutex, &pci_lu_lock)
		pci_lu_unload();

	for_each_pci_dev(pdev)
		pci_liveupdate_stop_unclaimed(pdev, reason);
	pci_msi_liveupdate_revoke_absent();
	irq_liveupdate_finish_units();

	guard(mutex)(&pci_lu_lock);
	pci_lu_finish_iommus();
}

/* The last file is finished. */
void pci_flb_finish(struct liveupdate_flb_op_args *args)
{
	pci_lu_give_up(pci_lu_unclaimed);
}

/* LUO does not return any file. */
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
	int err;

	if (!liveupdate_flb_get_incoming(&pci_liveupdate_flb, &obj))
		liveupdate_flb_put_incoming(&pci_liveupdate_flb);
	else if (!liveupdate_enabled() || irq_liveupdate_handed_over())
		pci_lu_in_lost = is_kho_boot();

	/* Without the list, no record can be matched with a device. */
	if (!pci_lu_in) {
		pci_msi_liveupdate_revoke_absent();
		return 0;
	}

	err = bus_register_notifier(&pci_bus_type, &pci_lu_added_nb);
	return err ?: register_pm_notifier(&pci_lu_sleep_nb);
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

		pdev = pci_get_domain_bus_and_slot(dev->segment, PCI_BUS_NUM(dev->devid),
						   dev->devid & 0xff);
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
