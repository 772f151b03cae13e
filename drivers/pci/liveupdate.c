// SPDX-License-Identifier: GPL-2.0

/**
 * DOC: PCI Live Update
 *
 * A device that is handed over to the next kernel keeps its bus mastering
 * through the kexec, and so does every bridge between it and its root bus:
 * otherwise the device could not even latch that it wanted to interrupt. This
 * file knows which devices those are, tells the next kernel, and recognizes
 * them there before anything of their state is touched.
 *
 * The list of devices is a LUO file-lifecycle-bound object (FLB). The file
 * handler of a driver which can preserve its devices attaches the object to
 * itself with pci_liveupdate_register_flb(), and then calls, for each device:
 *
 * 1. pci_liveupdate_preserve() from its preserve() callback. The device and the
 *    bridges above it are written to the list. Everything that can fail, fails
 *    here. pci_liveupdate_unpreserve() takes that back.
 *
 * 2. At shutdown pci_device_shutdown() leaves the bus mastering of all devices
 *    and bridges on the list as it is. See pci_liveupdate_outgoing().
 *
 * 3. In the next kernel pci_liveupdate_setup_device() compares each enumerated
 *    device with the list, before its MSI and MSI-X capabilities are
 *    initialized. A device is taken over when it sits at the same segment, bus,
 *    device and function, has the same vendor id, device id and header type,
 *    and every bridge above it is the recorded one with the recorded bus
 *    numbers. It is then *incoming*: it is not put to sleep, no bus or slot on
 *    which it is can be reset, whoever asks and for whichever neighbour, and it
 *    only binds to a driver which leaves bus mastering alone until its user
 *    asks, see pci_liveupdate_may_bind(). A device at a recorded place which is
 *    not the recorded device is reported, stopped and otherwise treated as any
 *    other.
 *
 *    PCI_DEV_FLAGS_NO_BUS_RESET says the same of a bus, but set while the
 *    device is enumerated it would take its own reset methods away for good.
 *
 * 4. pci_liveupdate_retrieve() from the retrieve() callback. Settings of the
 *    path which enumeration and the IOMMU drivers make (ARI, ACS) are final by
 *    then, and are compared too. A function number above 7 is only enumerated
 *    with ARI on, so that enumeration without ARI simply does not find such a
 *    device.
 *
 * 5. pci_liveupdate_finish() from the finish() callback. From then on the
 *    device is as any other. Incoming devices which nobody finished are stopped
 *    when the last file is.
 *
 * The list has to be read before the first device is enumerated. That is no
 * problem for an FLB: LUO has its own incoming data at early_initcall, and
 * finds an incoming object by its name alone, without any file handler and long
 * before /dev/liveupdate is opened. The list is read in a postcore_initcall; PCI
 * host bridges are scanned at subsys_initcall or later. The reference which
 * LUO hands out for that is returned at once, the references of the files keep
 * the object until the last of them is finished.
 *
 * Whatever the previous kernel wrote is checked before it is used. If it is
 * refused, or cannot be read because LUO is off (liveupdate=off, kho=off), then
 * no device is incoming, nobody can ever claim one, and the memory of the list
 * is lost until the next reboot. What was handed over is then given up at once:
 * the interrupts are revoked before the first device is enumerated, and each
 * endpoint that enumeration finds to be a bus master is stopped. A kexec leaves
 * no other endpoint a bus master, so that the list is not needed for that.
 *
 * LUO gives no file back when it does not know the handler of one of them. So if
 * no file handler has attached itself to the list by late_initcall, incoming
 * devices are given up as well.
 *
 * A kernel without CONFIG_PCI_LIVEUPDATE knows nothing of this. The devices are
 * then bus masters with MSI and MSI-X disabled, until their driver has them
 * reset or disabled.
 *
 * What keeps the bridges in the next kernel: a bridge does not sleep while a
 * device below it does not, portdrv sets bus mastering when it binds, and so
 * does the first pci_enable_device() below the bridge.
 */

#define pr_fmt(fmt) "PCI: live update: " fmt

#include <kunit/visibility.h>
#include <linux/bitfield.h>
#include <linux/cleanup.h>
#include <linux/crc32.h>
#include <linux/init.h>
#include <linux/io.h>
#include <linux/irq_liveupdate.h>
#include <linux/kexec_handover.h>
#include <linux/kho/abi/pci.h>
#include <linux/liveupdate.h>
#include <linux/mm.h>
#include <linux/mutex.h>
#include <linux/pci.h>
#include <linux/pci_liveupdate.h>
#include <linux/pm_runtime.h>
#include <linux/slab.h>
#include <linux/string.h>
#include <linux/xarray.h>

#include "pci.h"

/* Protects the outgoing list and the incoming devices. Nests inside of the device lock. */
static DEFINE_MUTEX(pci_lu_lock);

/* The outgoing list, and how many entries fit into its memory. */
static struct pci_lu_ser *pci_lu_out;
static u32 pci_lu_out_max;

/* A private copy of the incoming list, and its unmatched entries by place. */
static struct pci_lu_ser *pci_lu_in;
VISIBLE_IF_KUNIT struct xarray pci_lu_in_devices = XARRAY_INIT(pci_lu_in_devices, 0);

/* Somebody can retrieve the files of PCI devices. */
static bool pci_lu_has_handler;

/* What was handed over is not known, and nobody can claim it. */
static bool pci_lu_in_lost;

static u32 pci_lu_checksum(const struct pci_lu_ser *ser, u32 len)
{
	const size_t after = offsetofend(struct pci_lu_ser, checksum);
	const __u32 zero = 0;
	u32 crc;

	crc = crc32(~0, ser, offsetof(struct pci_lu_ser, checksum));
	crc = crc32(crc, &zero, sizeof(zero));
	return crc32(crc, (const u8 *)ser + after, len - after);
}

static unsigned long pci_lu_place(u32 segment, u16 devid)
{
	return (unsigned long)segment << 16 | devid;
}

/* Describe a device as it is now. */
static void pci_lu_describe(struct pci_dev *pdev, struct pci_lu_dev_ser *dev)
{
	u32 buses;

	*dev = (struct pci_lu_dev_ser) {
		.segment	= pci_domain_nr(pdev->bus),
		.devid		= pci_dev_id(pdev),
		.vendor		= pdev->vendor,
		.device		= pdev->device,
		.hdr_type	= pdev->hdr_type,
		.refcount	= 1,
	};

	if (pdev->hdr_type != PCI_HEADER_TYPE_BRIDGE)
		return;

	dev->flags = PCI_LU_DEV_BRIDGE;
	if (pdev->ari_enabled)
		dev->flags |= PCI_LU_DEV_ARI;

	pci_read_config_dword(pdev, PCI_PRIMARY_BUS, &buses);
	dev->secondary = FIELD_GET(PCI_SECONDARY_BUS_MASK, buses);
	dev->subordinate = FIELD_GET(PCI_SUBORDINATE_BUS_MASK, buses);

	if (pdev->acs_cap)
		pci_read_config_word(pdev, pdev->acs_cap + PCI_ACS_CTRL,
				     &dev->acs_ctrl);
}

/* ---- The old kernel ---- */

static struct pci_lu_dev_ser *pci_lu_find_out(struct pci_dev *pdev)
{
	u32 segment = pci_domain_nr(pdev->bus);
	u16 devid = pci_dev_id(pdev);
	u32 i;

	for (i = 0; i < pci_lu_out->nr_devices; i++) {
		struct pci_lu_dev_ser *dev = &pci_lu_out->devices[i];

		if (dev->segment == segment && dev->devid == devid)
			return dev;
	}

	return NULL;
}

/* The list may go to the next kernel at any time, so it is always complete. */
static void pci_lu_seal(void)
{
	pci_lu_out->len = struct_size(pci_lu_out, devices, pci_lu_out->nr_devices);
	pci_lu_out->checksum = pci_lu_checksum(pci_lu_out, pci_lu_out->len);
}

static void pci_lu_get(struct pci_dev *pdev)
{
	if (test_and_set_bit(PCI_DEV_LIVEUPDATE_OUTGOING, &pdev->priv_flags)) {
		pci_lu_find_out(pdev)->refcount++;
		return;
	}

	pci_lu_describe(pdev, &pci_lu_out->devices[pci_lu_out->nr_devices++]);
}

static void pci_lu_put(struct pci_dev *pdev)
{
	struct pci_lu_dev_ser *dev = pci_lu_find_out(pdev);

	if (--dev->refcount)
		return;

	clear_bit(PCI_DEV_LIVEUPDATE_OUTGOING, &pdev->priv_flags);
	*dev = pci_lu_out->devices[--pci_lu_out->nr_devices];
}

/*
 * The root bus of a host bridge which is itself a PCI device (VMD) vanishes
 * when the driver of that device shuts it down.
 */
static bool pci_lu_root_is_pci_dev(struct pci_bus *bus)
{
	struct device *parent = pci_find_host_bridge(bus)->dev.parent;

	return parent && dev_is_pci(parent);
}

/* Returns the number of entries that the path needs, or why it is refused. */
static int pci_lu_check_path(struct pci_dev *pdev)
{
	struct pci_bus *bus;
	int nr = 1;

	for (bus = pdev->bus; !pci_is_root_bus(bus); bus = bus->parent) {
		if (!bus->self) {
			pci_err(pdev, "live update: not preserved: no path to a root bus\n");
			return -ENXIO;
		}
		if (bus->self->hdr_type != PCI_HEADER_TYPE_BRIDGE) {
			pci_err(pdev, "live update: not preserved: %s above it is not a PCI-to-PCI bridge\n",
				pci_name(bus->self));
			return -ENODEV;
		}
		nr += !pci_liveupdate_outgoing(bus->self);
	}

	if (pci_lu_root_is_pci_dev(bus)) {
		pci_err(pdev, "live update: not preserved: its host bridge is a PCI device\n");
		return -EREMOTE;
	}

	return nr;
}

/**
 * pci_liveupdate_preserve() - Hand a device over to the next kernel
 * @pdev: The device
 *
 * The device and the bridges above it keep their bus mastering through the
 * kexec, and the next kernel is told about them.
 *
 * Context: From the preserve() callback of a LUO file handler with the PCI FLB.
 *          Process context, sleeps. The driver keeps @pdev from being removed
 *          until pci_liveupdate_unpreserve().
 * Return: 0 on success
 *
 *         * -ECHILD if @pdev is a virtual function,
 *         * -EINVAL if it is a bridge,
 *         * -ENOLINK if it is disconnected,
 *         * -ENXIO if no root bus is reachable from its bus,
 *         * -ENODEV if it is behind something which does not keep its state,
 *         * -EREMOTE if its host bridge is a PCI device,
 *         * -EALREADY if it is preserved already,
 *         * -ENOSPC if there are more devices than when the first one was
 *           preserved,
 *         * -ENOENT if the FLB is not there.
 */
int pci_liveupdate_preserve(struct pci_dev *pdev)
{
	struct pci_dev *bridge;
	int nr;

	guard(mutex)(&pci_lu_lock);

	if (!pci_lu_out)
		return -ENOENT;

	if (pdev->is_virtfn) {
		pci_err(pdev, "live update: not preserved: a virtual function\n");
		return -ECHILD;
	}
	if (pdev->hdr_type != PCI_HEADER_TYPE_NORMAL) {
		pci_err(pdev, "live update: not preserved: not an endpoint\n");
		return -EINVAL;
	}
	if (pci_dev_is_disconnected(pdev)) {
		pci_err(pdev, "live update: not preserved: disconnected\n");
		return -ENOLINK;
	}
	if (pci_liveupdate_outgoing(pdev)) {
		pci_err(pdev, "live update: not preserved: preserved already\n");
		return -EALREADY;
	}

	nr = pci_lu_check_path(pdev);
	if (nr < 0)
		return nr;
	if (nr > pci_lu_out_max - pci_lu_out->nr_devices) {
		pci_err(pdev, "live update: not preserved: the list of devices is full\n");
		return -ENOSPC;
	}

	pci_lu_get(pdev);
	for (bridge = pci_upstream_bridge(pdev); bridge;
	     bridge = pci_upstream_bridge(bridge))
		pci_lu_get(bridge);
	pci_lu_seal();

	return 0;
}

/**
 * pci_liveupdate_unpreserve() - Take pci_liveupdate_preserve() back
 * @pdev: The device
 *
 * Context: From the unpreserve() callback of a LUO file handler, or to unwind
 *          in preserve(). Process context, sleeps.
 */
void pci_liveupdate_unpreserve(struct pci_dev *pdev)
{
	struct pci_dev *bridge;

	guard(mutex)(&pci_lu_lock);

	if (WARN_ON_ONCE(!pci_lu_out || !pci_liveupdate_outgoing(pdev)))
		return;

	pci_lu_put(pdev);
	for (bridge = pci_upstream_bridge(pdev); bridge;
	     bridge = pci_upstream_bridge(bridge))
		pci_lu_put(bridge);
	pci_lu_seal();
}

/**
 * pci_liveupdate_outgoing() - Is a device part of what is handed over?
 * @pdev: The device
 *
 * Context: Any.
 * Return: True if @pdev is preserved, or is a bridge above a preserved device.
 */
bool pci_liveupdate_outgoing(struct pci_dev *pdev)
{
	return test_bit(PCI_DEV_LIVEUPDATE_OUTGOING, &pdev->priv_flags);
}

static int pci_flb_preserve(struct liveupdate_flb_op_args *args)
{
	struct pci_dev *pdev = NULL;
	struct pci_lu_ser *ser;
	u32 nr = 0;

	/* Room for every device there is. The rest of the last page is spare. */
	for_each_pci_dev(pdev)
		nr++;
	nr = min_t(u32, nr, PCI_LU_MAX_DEVICES);

	ser = kho_alloc_preserve(struct_size(ser, devices, nr));
	if (IS_ERR(ser))
		return PTR_ERR(ser);

	ser->magic = PCI_LU_MAGIC;
	ser->version = PCI_LU_VERSION;
	ser->features = PCI_LU_FEATURES;

	guard(mutex)(&pci_lu_lock);
	pci_lu_out = ser;
	pci_lu_out_max = (PAGE_ALIGN(struct_size(ser, devices, nr)) - sizeof(*ser)) /
			 sizeof(ser->devices[0]);
	pci_lu_out_max = min_t(u32, pci_lu_out_max, PCI_LU_MAX_DEVICES);
	pci_lu_seal();

	args->data = virt_to_phys(ser);
	args->obj = ser;
	return 0;
}

static void pci_flb_unpreserve(struct liveupdate_flb_op_args *args)
{
	guard(mutex)(&pci_lu_lock);

	WARN_ON_ONCE(pci_lu_out->nr_devices);
	kho_unpreserve_free(pci_lu_out);
	pci_lu_out = NULL;
}

/* ---- The next kernel ---- */

/* Does that memory exist, so that reading it is safe whatever is in there? */
static bool pci_lu_is_memory(u64 pa, u64 len)
{
	u64 end;

	if (!pa || !PAGE_ALIGNED(pa) || check_add_overflow(pa, len, &end))
		return false;

	for (; pa < end; pa += PAGE_SIZE) {
		if (!pfn_valid(PHYS_PFN(pa)) || !page_is_ram(PHYS_PFN(pa)))
			return false;
	}

	return true;
}

/* Returns why the list is refused, or NULL. Nothing is trusted before. */
static const char *pci_lu_refuse(u64 pa)
{
	struct pci_lu_ser *ser;

	if (!pci_lu_is_memory(pa, sizeof(*ser)))
		return "bad address";

	ser = phys_to_virt(pa);
	if (ser->magic != PCI_LU_MAGIC)
		return "bad magic";
	if (ser->version != PCI_LU_VERSION)
		return "unknown version";
	if (ser->features & ~PCI_LU_FEATURES)
		return "unknown features";
	if (ser->nr_devices > PCI_LU_MAX_DEVICES)
		return "too many devices";
	if (ser->len != struct_size(ser, devices, ser->nr_devices))
		return "bad length";
	if (!pci_lu_is_memory(pa, ser->len))
		return "bad address";
	if (ser->checksum != pci_lu_checksum(ser, ser->len))
		return "bad checksum";
	if (memchr_inv(ser->reserved, 0, sizeof(ser->reserved)))
		return "reserved field not zero";

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
	if (!dev->refcount)
		return "unused device";
	if (!bridge && (dev->flags || dev->subordinate || dev->acs_ctrl || dev->refcount > 1))
		return "device described as a bridge";
	if (memchr_inv(dev->reserved, 0, sizeof(dev->reserved)))
		return "reserved field of a device not zero";

	return NULL;
}

VISIBLE_IF_KUNIT const char *pci_lu_load(u64 pa)
{
	const char *reason;
	u32 i;

	reason = pci_lu_refuse(pa);
	if (reason)
		return reason;

	pci_lu_in = kvmemdup(phys_to_virt(pa),
			     ((struct pci_lu_ser *)phys_to_virt(pa))->len,
			     GFP_KERNEL);
	if (!pci_lu_in)
		return "no memory";

	for (i = 0; i < pci_lu_in->nr_devices; i++) {
		struct pci_lu_dev_ser *dev = &pci_lu_in->devices[i];
		int err;

		reason = pci_lu_refuse_device(dev);
		if (reason)
			return reason;

		err = xa_insert(&pci_lu_in_devices,
				pci_lu_place(dev->segment, dev->devid), dev,
				GFP_KERNEL);
		if (err)
			return err == -EBUSY ? "duplicate device" : "no memory";
	}

	kho_restore_free(phys_to_virt(pa));
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
static int pci_flb_retrieve(struct liveupdate_flb_op_args *args)
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

	return NULL;
}

static const struct pci_lu_dev_ser *pci_lu_find_bridge(struct pci_dev *bridge)
{
	return xa_load(&pci_lu_in_devices,
		       pci_lu_place(pci_domain_nr(bridge->bus),
				    pci_dev_id(bridge)));
}

/* The device and all that decides at which place of the topology it is. */
static bool pci_lu_match(struct pci_dev *pdev, const struct pci_lu_dev_ser *dev)
{
	struct pci_dev *bridge = pdev;
	const char *reason;

	do {
		reason = dev ? pci_lu_mismatch(bridge, dev) : "not recorded";
		if (reason) {
			pci_err(pdev, "live update: not taken over: %s: %s\n",
				pci_name(bridge), reason);
			return false;
		}

		bridge = pci_upstream_bridge(bridge);
		if (bridge)
			dev = pci_lu_find_bridge(bridge);
	} while (bridge);

	return true;
}

static void pci_lu_stop_lost(struct pci_dev *pdev)
{
	u16 command;

	if (pdev->hdr_type != PCI_HEADER_TYPE_NORMAL)
		return;

	pci_read_config_word(pdev, PCI_COMMAND, &command);
	if (!(command & PCI_COMMAND_MASTER))
		return;

	pci_err(pdev, "live update: stopped: nobody can claim it\n");
	pci_clear_master(pdev);
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
	unsigned long place;

	if (pci_lu_in_lost)
		pci_lu_stop_lost(pdev);

	if (xa_empty(&pci_lu_in_devices) || pdev->is_virtfn)
		return;

	guard(mutex)(&pci_lu_lock);

	place = pci_lu_place(pci_domain_nr(pdev->bus), pci_dev_id(pdev));
	dev = xa_load(&pci_lu_in_devices, place);
	if (!dev || dev->flags & PCI_LU_DEV_BRIDGE)
		return;

	/* What is plugged in there later did not live through the kexec. */
	xa_erase(&pci_lu_in_devices, place);

	if (!pci_lu_match(pdev, dev)) {
		pci_clear_master(pdev);
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

/**
 * pci_liveupdate_may_bind() - May a driver bind to a device?
 * @pdev: The device
 * @drv:  The driver
 *
 * The probe() of an ordinary driver resets the device, or clears its bus
 * mastering when it finds that it does not want it. So only two kinds of driver
 * bind to an incoming device: one that the administrator has chosen for it with
 * driver_override, and one that says that DMA of its devices is not its own
 * business (vfio-pci with ids=).
 *
 * Context: Any.
 * Return: False if @drv must not bind to @pdev.
 */
bool pci_liveupdate_may_bind(struct pci_dev *pdev, struct pci_driver *drv)
{
	return !pci_liveupdate_incoming(pdev) || drv->driver_managed_dma ||
	       device_has_driver_override(&pdev->dev);
}

/**
 * pci_liveupdate_retrieve() - Give an incoming device back to its user
 * @pdev: The device
 *
 * Context: From the retrieve() callback of a LUO file handler. Process context,
 *          sleeps.
 * Return: 0 on success, -ENODEV if @pdev is not incoming, -EXDEV if the way to
 *         the device has other settings than in the previous kernel.
 */
int pci_liveupdate_retrieve(struct pci_dev *pdev)
{
	struct pci_dev *bridge;

	guard(mutex)(&pci_lu_lock);

	if (!pci_liveupdate_incoming(pdev)) {
		pci_err(pdev, "live update: not retrieved: not taken over from the previous kernel\n");
		return -ENODEV;
	}

	for (bridge = pci_upstream_bridge(pdev); bridge;
	     bridge = pci_upstream_bridge(bridge)) {
		const struct pci_lu_dev_ser *was = pci_lu_find_bridge(bridge);
		struct pci_lu_dev_ser is;

		pci_lu_describe(bridge, &is);
		if (!was || is.flags != was->flags || is.acs_ctrl != was->acs_ctrl) {
			pci_err(pdev, "live update: not retrieved: %s: other ARI or ACS settings\n",
				pci_name(bridge));
			return -EXDEV;
		}
	}

	set_bit(PCI_DEV_LIVEUPDATE_RETRIEVED, &pdev->priv_flags);
	return 0;
}

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

static void pci_lu_finish(struct pci_dev *pdev)
{
	clear_bit(PCI_DEV_LIVEUPDATE_RETRIEVED, &pdev->priv_flags);
	if (test_and_clear_bit(PCI_DEV_LIVEUPDATE_INCOMING, &pdev->priv_flags))
		pm_runtime_put(&pdev->dev);
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

	pci_lu_finish(pdev);
}

static void pci_lu_stop_unclaimed(struct pci_dev *pdev)
{
	/* Against probe() and remove() of whatever driver it has */
	guard(device)(&pdev->dev);
	guard(mutex)(&pci_lu_lock);

	if (!pci_liveupdate_incoming(pdev))
		return;

	pci_err(pdev, "live update: stopped: nobody has claimed it\n");
	pci_clear_master(pdev);
	pci_msi_liveupdate_finish(pdev);
	pci_lu_finish(pdev);
}

/* Nobody can claim a device any more. */
static void pci_lu_give_up(void)
{
	struct pci_dev *pdev = NULL;

	scoped_guard(mutex, &pci_lu_lock)
		pci_lu_unload();

	for_each_pci_dev(pdev) {
		if (pci_liveupdate_incoming(pdev))
			pci_lu_stop_unclaimed(pdev);
	}
	pci_msi_liveupdate_finish_rest();
}

/* The last file is finished. */
static void pci_flb_finish(struct liveupdate_flb_op_args *args)
{
	pci_lu_give_up();
}

VISIBLE_IF_KUNIT const struct liveupdate_flb_ops pci_liveupdate_flb_ops = {
	.preserve	= pci_flb_preserve,
	.unpreserve	= pci_flb_unpreserve,
	.retrieve	= pci_flb_retrieve,
	.finish		= pci_flb_finish,
	.owner		= THIS_MODULE,
};

static struct liveupdate_flb pci_liveupdate_flb = {
	.ops		= &pci_liveupdate_flb_ops,
	.compatible	= PCI_LU_FLB_COMPATIBLE,
};

/**
 * pci_liveupdate_register_flb() - Attach the list of devices to a file handler
 * @fh: The registered handler of the files of PCI devices
 *
 * Context: Before late_initcall. Process context, sleeps.
 * Return: 0 on success, or what liveupdate_register_flb() says.
 */
int pci_liveupdate_register_flb(struct liveupdate_file_handler *fh)
{
	int err;

	err = liveupdate_register_flb(fh, &pci_liveupdate_flb);
	if (!err)
		pci_lu_has_handler = true;

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
	if (!pci_lu_in)
		pci_msi_liveupdate_finish_rest();

	return 0;
}
postcore_initcall(pci_liveupdate_init);

static int __init pci_liveupdate_check_handler(void)
{
	if (!pci_lu_has_handler)
		pci_lu_give_up();

	return 0;
}
late_initcall(pci_liveupdate_check_handler);
