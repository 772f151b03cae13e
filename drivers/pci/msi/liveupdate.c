// SPDX-License-Identifier: GPL-2.0

/**
 * DOC: Interrupt live update, PCI/MSI
 *
 * PCI/MSI reads back messages from the device to compare them with those that
 * the kernel has cached. At the point of no return it sets MSI-X Function Mask,
 * or the mask bits of MSI if the device has them. The device then latches its
 * interrupts in pending bits (PCIe r6.0 sec 6.1.4.3).
 *
 * Message, Enable and the mask bits of single MSI-X vectors stay as they are.
 * With Enable clear a device latches nothing, and may fall back to INTx. In the
 * next kernel pci_msix_init() and pci_msi_init() therefore do not clear Enable
 * of an incoming device, nor does msi_capability_init() if the device gets its
 * old messages. Everything else works as usual. If the device is refused, MSI-X
 * stays enabled and masked until its driver enables vectors, unless the driver
 * uses MSI.
 *
 * A device without mask bits for MSI cannot latch. The blocked table entry
 * drops the interrupts that it sends, and the synthetic interrupt replaces
 * them.
 */

#include <kunit/visibility.h>
#include <linux/bitfield.h>
#include <linux/cleanup.h>
#include <linux/export.h>
#include <linux/irq_liveupdate.h>
#include <linux/minmax.h>
#include <linux/pci.h>
#include <linux/pci-tph.h>
#include <linux/pci_liveupdate.h>

#include "../pci.h"
#include "msi.h"

static int last_alias(struct pci_dev *pdev, u16 alias, void *data)
{
	*(u16 *)data = alias;
	return 0;
}

static u16 msix_flags(struct pci_dev *pdev)
{
	u16 flags = 0;

	if (pdev->msix_cap)
		pci_read_config_word(pdev, pdev->msix_cap + PCI_MSIX_FLAGS, &flags);
	return flags;
}

static u16 msi_flags(struct pci_dev *pdev)
{
	u16 flags = 0;

	if (pdev->msi_cap)
		pci_read_config_word(pdev, pdev->msi_cap + PCI_MSI_FLAGS, &flags);
	return flags;
}

/* The type that is enabled, or else the one that a driver is expected to enable. */
static bool uses_msix(struct pci_dev *pdev)
{
	if (msix_flags(pdev) & PCI_MSIX_FLAGS_ENABLE)
		return true;
	return pdev->msix_cap && !(msi_flags(pdev) & PCI_MSI_FLAGS_ENABLE);
}

static int pci_msi_liveupdate_identify(struct device *dev, struct irq_lu_device_ser *ser)
{
	struct pci_dev *pdev = to_pci_dev(dev);

	ser->segment = pci_domain_nr(pdev->bus);
	ser->devid = pci_dev_id(pdev);
	ser->vendor = pdev->vendor;
	ser->device = pdev->device;
	ser->hdr_type = pdev->hdr_type;

	if (uses_msix(pdev)) {
		ser->msi_type = IRQ_LU_MSIX;
		ser->hwsize = msix_table_size(msix_flags(pdev));
	} else if (pdev->msi_cap) {
		ser->msi_type = IRQ_LU_MSI;
		ser->hwsize = pci_msi_vec_count(pdev);
	} else {
		return -EOPNOTSUPP;
	}
	return 0;
}

static u16 pci_msi_liveupdate_requester_id(struct device *dev)
{
	u16 id;

	pci_for_each_dma_alias(to_pci_dev(dev), last_alias, &id);
	return id;
}

/* The driver may change from one type to the other before the freeze. */
static unsigned int pci_msi_liveupdate_max_vectors(struct device *dev)
{
	struct pci_dev *pdev = to_pci_dev(dev);
	int nr_msix = pdev->msix_cap ? msix_table_size(msix_flags(pdev)) : 0;

	return max(nr_msix, pci_msi_vec_count(pdev));
}

static int pci_msi_liveupdate_check(struct device *dev)
{
	struct pci_dev *pdev = to_pci_dev(dev);
	u16 msix = msix_flags(pdev);

	if (pdev->msix_enabled != !!(msix & PCI_MSIX_FLAGS_ENABLE) ||
	    (pdev->msix_enabled && (msix & PCI_MSIX_FLAGS_MASKALL)) ||
	    pdev->msi_enabled != !!(msi_flags(pdev) & PCI_MSI_FLAGS_ENABLE))
		return -EIO;
	return 0;
}

/* The other bits are reserved, and a device may have any value there. */
static u32 vector_control_bits(struct pci_dev *pdev)
{
	u32 bits = PCI_MSIX_ENTRY_CTRL_MASKBIT;

#ifdef CONFIG_PCIE_TPH
	if (pdev->tph_enabled &&
	    FIELD_PREP(PCI_TPH_CAP_LOC_MASK, pcie_tph_get_st_table_loc(pdev)) ==
	    PCI_TPH_LOC_MSIX)
		bits |= PCI_MSIX_ENTRY_CTRL_ST;
#endif
	return bits;
}

/* The lock of the irq descriptor, which is held, protects the cached MSI-X state. */
static bool msix_mask_differs(struct msi_desc *desc)
{
	u32 ctrl = readl(pci_msix_desc_addr(desc) + PCI_MSIX_ENTRY_VECTOR_CTRL);

	return (ctrl ^ desc->pci.msix_ctrl) & vector_control_bits(msi_desc_to_pci_dev(desc));
}

/* All messages share one register, but each has its own descriptor lock. */
static bool msi_mask_differs(struct msi_desc *desc)
{
	struct pci_dev *pdev = msi_desc_to_pci_dev(desc);
	u32 mask;

	guard(raw_spinlock_irqsave)(&pdev->msi_lock);

	pci_read_config_dword(pdev, desc->pci.mask_pos, &mask);
	return (mask ^ desc->pci.msi_mask) & msi_multi_mask(desc);
}

static bool mask_differs(struct msi_desc *desc)
{
	if (!desc->pci.msi_attrib.can_mask)
		return false;

	return desc->pci.msi_attrib.is_msix ? msix_mask_differs(desc) : msi_mask_differs(desc);
}

static int pci_msi_liveupdate_capture(struct msi_desc *desc, unsigned int i,
				      struct irq_lu_vector_ser *rec)
{
	struct pci_dev *pdev = msi_desc_to_pci_dev(desc);
	struct msi_msg msg = { };

	/* Beyond the MSI-X table of the device */
	if (desc->pci.msi_attrib.is_virtual)
		return -EIO;
	if (pdev->current_state != PCI_D0 || pci_dev_is_disconnected(pdev))
		return -EIO;

	/* All messages of multiple message MSI are in the same registers. */
	if (!i) {
		__pci_read_msi_msg(desc, &msg);
		if (msg.address_lo != desc->msg.address_lo ||
		    msg.address_hi != desc->msg.address_hi ||
		    msg.data != desc->msg.data || mask_differs(desc))
			return -EIO;
	}

	rec->msg_addr_lo = desc->msg.address_lo;
	rec->msg_addr_hi = desc->msg.address_hi;
	rec->msg_data = desc->msg.data + i;
	return 0;
}

static void pci_msi_liveupdate_mask(struct device *dev)
{
	struct pci_dev *pdev = to_pci_dev(dev);
	struct msi_desc *desc;

	if (pdev->msix_enabled) {
		pci_write_config_word(pdev, pdev->msix_cap + PCI_MSIX_FLAGS,
				      msix_flags(pdev) | PCI_MSIX_FLAGS_MASKALL);
	} else if (pdev->msi_enabled) {
		desc = irq_get_msi_desc(pdev->irq);
		pci_msi_mask(desc, msi_multi_mask(desc));
	}
}

static bool disable_msix(struct pci_dev *pdev)
{
	u16 flags = msix_flags(pdev);

	if (pdev->msix_enabled || !(flags & (PCI_MSIX_FLAGS_ENABLE | PCI_MSIX_FLAGS_MASKALL)))
		return false;

	pci_write_config_word(pdev, pdev->msix_cap + PCI_MSIX_FLAGS,
			      flags & ~(PCI_MSIX_FLAGS_ENABLE | PCI_MSIX_FLAGS_MASKALL));
	return true;
}

static bool disable_msi(struct pci_dev *pdev)
{
	u16 flags = msi_flags(pdev);

	if (pdev->msi_enabled || !(flags & PCI_MSI_FLAGS_ENABLE))
		return false;

	pci_write_config_word(pdev, pdev->msi_cap + PCI_MSI_FLAGS,
			      flags & ~PCI_MSI_FLAGS_ENABLE);
	return true;
}

/*
 * Disable what is still enabled from the previous kernel, and the driver does not use.
 * Function Mask is cleared together with Enable. Returns whether anything was enabled.
 */
static bool disable_unused(struct pci_dev *pdev)
{
	bool msix = disable_msix(pdev);

	return disable_msi(pdev) || msix;
}

static void pci_msi_liveupdate_disable(struct device *dev)
{
	disable_unused(to_pci_dev(dev));
}

/*
 * A user of the device may disable its memory at any time, through config
 * space. Lock that out for the time of the audit.
 */
static int pci_msi_liveupdate_lock(struct device *dev)
{
	struct pci_dev *pdev = to_pci_dev(dev);
	u16 command;

	pci_cfg_access_lock(pdev);
	if (!pdev->msix_enabled)
		return 0;

	pci_read_config_word(pdev, PCI_COMMAND, &command);
	if (command & PCI_COMMAND_MEMORY)
		return 0;

	pci_cfg_access_unlock(pdev);
	return -EAGAIN;
}

static void pci_msi_liveupdate_unlock(struct device *dev)
{
	pci_cfg_access_unlock(to_pci_dev(dev));
}

VISIBLE_IF_KUNIT const struct irq_liveupdate_dev_ops pci_msi_liveupdate_ops = {
	.identify	= pci_msi_liveupdate_identify,
	.requester_id	= pci_msi_liveupdate_requester_id,
	.max_vectors	= pci_msi_liveupdate_max_vectors,
	.capture	= pci_msi_liveupdate_capture,
	.check		= pci_msi_liveupdate_check,
	.mask		= pci_msi_liveupdate_mask,
	.disable	= pci_msi_liveupdate_disable,
	.lock		= pci_msi_liveupdate_lock,
	.unlock		= pci_msi_liveupdate_unlock,
};

/**
 * pci_msi_liveupdate_find_obstacle - Find out why interrupts cannot be handed over
 * @pdev:	PCI device
 *
 * Context: May sleep.
 * Return: The reason, a constant string, or NULL if none is known. See
 * irq_liveupdate_find_obstacle().
 */
const char *pci_msi_liveupdate_find_obstacle(struct pci_dev *pdev)
{
	if (!pdev->msix_cap && !pdev->msi_cap)
		return "neither MSI nor MSI-X";
	return irq_liveupdate_find_obstacle(&pdev->dev);
}

/**
 * pci_msi_liveupdate_preserve - Prepare the interrupts of a device for a live update
 * @pdev:	PCI device
 *
 * Context: May sleep.
 * Return: 0 or a negative errno: -EOPNOTSUPP if the device has neither MSI nor
 *         MSI-X, -EIO if it has fewer vectors than the kernel has allocated,
 *         otherwise see irq_liveupdate_preserve(). The reason is logged.
 */
int pci_msi_liveupdate_preserve(struct pci_dev *pdev)
{
	if (!pdev->msix_cap && !pdev->msi_cap) {
		irq_liveupdate_report_refusal(&pdev->dev, IRQ_LIVEUPDATE_PRESERVE,
					      "neither MSI nor MSI-X");
		return -EOPNOTSUPP;
	}
	return irq_liveupdate_preserve(&pdev->dev, &pci_msi_liveupdate_ops);
}
EXPORT_SYMBOL_GPL(pci_msi_liveupdate_preserve);

/**
 * pci_msi_liveupdate_freeze - Record the interrupts of a preserved device
 * @pdev:	PCI device
 *
 * Context: May sleep.
 * Return: 0 or a negative errno, see irq_liveupdate_freeze().
 */
int pci_msi_liveupdate_freeze(struct pci_dev *pdev)
{
	return irq_liveupdate_freeze(&pdev->dev);
}
EXPORT_SYMBOL_GPL(pci_msi_liveupdate_freeze);

/**
 * pci_msi_liveupdate_match - Find the records of the interrupts of a device
 * @pdev:	PCI device, with its MSI capabilities found, without a driver yet
 *
 * Context: May sleep.
 */
void pci_msi_liveupdate_match(struct pci_dev *pdev)
{
	irq_liveupdate_match(&pdev->dev, &pci_msi_liveupdate_ops);
}

/**
 * pci_msi_liveupdate_audit - Compare the interrupts of a device with the
 * kernel's cached state
 * @pdev:	PCI device
 *
 * Context: May sleep. As pci_msi_liveupdate_stop().
 * Return: Number of interrupts that agree, or a negative errno, see
 * irq_liveupdate_audit().
 */
int pci_msi_liveupdate_audit(struct pci_dev *pdev)
{
	return irq_liveupdate_audit(&pdev->dev, &pci_msi_liveupdate_ops);
}
EXPORT_SYMBOL_GPL(pci_msi_liveupdate_audit);

/**
 * pci_msi_liveupdate_stop - End the live update of a device that nobody can claim any more
 * @pdev:	PCI device
 *
 * Interrupts that the driver does not use by now are revoked, and MSI or MSI-X is
 * disabled unless the driver has enabled it. If the owner of a device may still claim
 * its vectors, use irq_liveupdate_finish() instead, and irq_liveupdate_release() when
 * the owner has closed the device.
 *
 * Context: May sleep. The caller makes sure that the driver does not enable or
 * disable MSI or MSI-X at the same time.
 */
void pci_msi_liveupdate_stop(struct pci_dev *pdev)
{
	irq_liveupdate_finish(&pdev->dev);
	irq_liveupdate_release(&pdev->dev);
	/* The core may have had no memory to track the device. */
	disable_unused(pdev);
}

/**
 * pci_liveupdate_use_intx - Disable MSI and MSI-X left by the previous kernel
 * @pdev:	PCI device
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
	if (disable_unused(pdev))
		pci_err(pdev, "live update: MSI and MSI-X disabled: the driver uses INTx\n");
}
EXPORT_SYMBOL_GPL(pci_liveupdate_use_intx);
