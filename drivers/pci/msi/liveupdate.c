// SPDX-License-Identifier: GPL-2.0

/**
 * DOC: Interrupt live update, PCI/MSI
 *
 * PCI/MSI reads messages back from the device to compare them with what the
 * kernel believes to be there, and sets MSI-X Function Mask, or the mask bits
 * of MSI where the device has them, at the point of no return. The device then
 * latches in its pending bits what it would have sent (PCIe r6.0 sec 6.1.4.3).
 *
 * Message, Enable and the mask bits of single MSI-X vectors stay as they are.
 * With Enable clear a device latches nothing, and may fall back to INTx. In the
 * next kernel pci_msix_init() and pci_msi_init() therefore leave Enable of an
 * incoming device alone, msi_capability_init() does when the device gets its old
 * messages, and everything else goes its ordinary way. When the device is refused
 * then MSI-X stays enabled and masked until its driver enables its vectors, unless
 * that wants MSI.
 *
 * A device without mask bits for MSI latches nothing either. What it sends is
 * dropped by the blocked table entry, and the synthetic interrupt stands in.
 */

#include <kunit/visibility.h>
#include <linux/irq_liveupdate.h>
#include <linux/minmax.h>
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

/* What is enabled, or else what a driver is expected to enable. */
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
	pci_for_each_dma_alias(pdev, last_alias, &ser->requester_id);

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
	    pdev->msi_enabled != !!(msi_flags(pdev) & PCI_MSI_FLAGS_ENABLE)) {
		pci_err(pdev, "irq_liveupdate: device and kernel disagree about MSI enable\n");
		return -EIO;
	}
	return 0;
}

static bool mask_differs(struct msi_desc *desc)
{
	u32 mask;

	if (!desc->pci.msi_attrib.can_mask)
		return false;

	if (desc->pci.msi_attrib.is_msix) {
		mask = readl(pci_msix_desc_addr(desc) + PCI_MSIX_ENTRY_VECTOR_CTRL);
		return mask != desc->pci.msix_ctrl;
	}
	pci_read_config_dword(msi_desc_to_pci_dev(desc), desc->pci.mask_pos, &mask);
	return mask != desc->pci.msi_mask;
}

static int pci_msi_liveupdate_capture(struct msi_desc *desc, unsigned int i,
				      struct irq_lu_vector_ser *rec)
{
	struct pci_dev *pdev = msi_desc_to_pci_dev(desc);
	struct msi_msg msg = { };

	/* Beyond the table which the device has */
	if (desc->pci.msi_attrib.is_virtual)
		return -ERANGE;
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

static void pci_msi_liveupdate_disable(struct device *dev)
{
	struct pci_dev *pdev = to_pci_dev(dev);

	if (!pdev->msix_enabled && (msix_flags(pdev) & PCI_MSIX_FLAGS_ENABLE))
		pci_write_config_word(pdev, pdev->msix_cap + PCI_MSIX_FLAGS,
				      msix_flags(pdev) & ~PCI_MSIX_FLAGS_ENABLE);
	if (!pdev->msi_enabled && (msi_flags(pdev) & PCI_MSI_FLAGS_ENABLE))
		pci_write_config_word(pdev, pdev->msi_cap + PCI_MSI_FLAGS,
				      msi_flags(pdev) & ~PCI_MSI_FLAGS_ENABLE);
}

VISIBLE_IF_KUNIT const struct irq_liveupdate_dev_ops pci_msi_liveupdate_ops = {
	.identify	= pci_msi_liveupdate_identify,
	.max_vectors	= pci_msi_liveupdate_max_vectors,
	.capture	= pci_msi_liveupdate_capture,
	.check		= pci_msi_liveupdate_check,
	.mask		= pci_msi_liveupdate_mask,
	.disable	= pci_msi_liveupdate_disable,
};

/**
 * pci_msi_liveupdate_preserve - Prepare the interrupts of a device for a live update
 * @pdev:	PCI device
 *
 * Context: May sleep.
 * Return: 0 or a negative errno: -ENODATA when the device has neither MSI nor
 * MSI-X, -ERANGE when it has fewer vectors than the kernel believes, or see
 * irq_liveupdate_preserve().
 */
int pci_msi_liveupdate_preserve(struct pci_dev *pdev)
{
	if (!pdev->msix_cap && !pdev->msi_cap) {
		pci_err(pdev, "irq_liveupdate: not preserved: neither MSI nor MSI-X\n");
		return -ENODATA;
	}
	return irq_liveupdate_preserve(&pdev->dev, &pci_msi_liveupdate_ops);
}

/**
 * pci_msi_liveupdate_unpreserve - Undo pci_msi_liveupdate_preserve()
 * @pdev:	PCI device
 *
 * Context: May sleep.
 */
void pci_msi_liveupdate_unpreserve(struct pci_dev *pdev)
{
	irq_liveupdate_unpreserve(&pdev->dev);
}

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

/**
 * pci_msi_liveupdate_unfreeze - Undo pci_msi_liveupdate_freeze()
 * @pdev:	PCI device
 *
 * Context: May sleep.
 */
void pci_msi_liveupdate_unfreeze(struct pci_dev *pdev)
{
	irq_liveupdate_unfreeze(&pdev->dev);
}

/**
 * pci_msi_liveupdate_match - Find the interrupts handed over for a device
 * @pdev:	PCI device, with its MSI capabilities found, without a driver yet
 *
 * Context: May sleep.
 */
void pci_msi_liveupdate_match(struct pci_dev *pdev)
{
	irq_liveupdate_match(&pdev->dev, &pci_msi_liveupdate_ops);
}

/**
 * pci_msi_liveupdate_placed - Does a device get the messages which it has?
 * @pdev:	PCI device
 *
 * Context: May sleep.
 * Return: True until the live update of the device is finished, or refused.
 */
bool pci_msi_liveupdate_placed(struct pci_dev *pdev)
{
	return irq_liveupdate_placed(&pdev->dev);
}

/**
 * pci_msi_liveupdate_audit - Compare the interrupts of a device with the kernel's idea
 * @pdev:	PCI device, with memory decoding enabled
 *
 * Context: May sleep. As pci_msi_liveupdate_finish().
 * Return: Number of interrupts which agree, or -EIO, see irq_liveupdate_audit().
 */
int pci_msi_liveupdate_audit(struct pci_dev *pdev)
{
	return irq_liveupdate_audit(&pdev->dev, &pci_msi_liveupdate_ops);
}

/**
 * pci_msi_liveupdate_finish - End the live update of the interrupts of a device
 * @pdev:	PCI device
 *
 * What its driver does not use by now is revoked. A device whose owner may still
 * come for its vectors is to be finished with irq_liveupdate_finish(), and released
 * with irq_liveupdate_release() when the owner has gone.
 *
 * Context: May sleep. The caller makes sure that the driver does not enable or
 * disable MSI or MSI-X at the same time.
 */
void pci_msi_liveupdate_finish(struct pci_dev *pdev)
{
	irq_liveupdate_finish(&pdev->dev);
	irq_liveupdate_release(&pdev->dev);
}

/**
 * pci_msi_liveupdate_finish_rest - No further device can be claimed
 *
 * Interrupts of devices which were not found again are revoked.
 *
 * Context: May sleep. No device may be locked.
 */
void pci_msi_liveupdate_finish_rest(void)
{
	irq_liveupdate_finish_rest();
}
