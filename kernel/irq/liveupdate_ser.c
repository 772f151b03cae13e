// SPDX-License-Identifier: GPL-2.0

/**
 * DOC: Serializer and validator of the interrupt state
 *
 * The kernel that hands over fills in the structures of
 * include/linux/kho/abi/irq.h and seals each device, then the root. The kernel
 * that takes over trusts nothing until it is checked, in this order:
 *
 * 1. irq_lu_ser_check_root_head() checks the root and its units. When it
 *    succeeds, the address and the length of the device directory are those that
 *    were written. The caller checks whether they are preserved memory.
 * 2. irq_lu_ser_check_root() checks the device directory. When it succeeds, the
 *    same holds for the address and the length of each blob.
 * 3. irq_lu_ser_check_device(), once per device. A device that is refused does
 *    not affect the others.
 *
 * Each check returns NULL, or the reason for the log.
 *
 * Checks that need more than one record, or a list of known values, are left to
 * the owner of the resource: if two records claim the same irq number or table
 * entry, the second one fails because the first one has reserved it. If two blobs
 * share memory, the second one fails because KHO returns memory only once. A
 * second record of a PCI function is refused when it is loaded. The interrupt
 * remapping driver refuses unknown kinds of units and wrong source ids.
 *
 * Nothing in this file has state, allocates or touches hardware, so that it
 * builds in user space too (tools/testing/irq_liveupdate_ser).
 */

#include <asm/barrier.h>
#include <linux/align.h>
#include <linux/compiler.h>
#include <linux/crc32.h>
#include <linux/limits.h>
#include <linux/log2.h>
#include <linux/string.h>

#include "liveupdate_ser.h"

/* Alignment of everything that an address in the ABI points to. */
#define SER_ALIGN		sizeof(u64)

/* Vectors of the MSI capability (PCIe r6.0 sec 7.7.1.2, Multiple Message Capable). */
#define MSI_MAX_VECTORS		32

/* The highest known layout of config space: CardBus bridge. */
#define HDR_TYPE_MAX		2

static bool all_zero(const void *p, size_t len)
{
	return !memchr_inv(p, 0, len);
}

static bool phys_addr_plausible(u64 addr)
{
	return addr && IS_ALIGNED(addr, SER_ALIGN);
}

static bool phys_range_plausible(u64 addr, u64 len)
{
	u64 end;

	return phys_addr_plausible(addr) && !check_add_overflow(addr, len, &end);
}

/*
 * The checksums are computed over a copy of the header, so that the values that
 * were checked are the ones that are used.
 */
static u32 checksum_device(struct irq_lu_device_ser head,
			   const struct irq_lu_vector_ser *vectors)
{
	u32 crc;

	head.checksum = 0;

	crc = crc32_le(~0U, &head, sizeof(head));
	return crc32_le(crc, vectors, (size_t)head.nr_vectors * sizeof(vectors[0]));
}

static u32 checksum_root(struct irq_lu_root_ser head,
			 const struct irq_lu_unit_ser *units)
{
	u32 crc;

	/* Checksums assume the final state of the root, although it is written last. */
	head.state = IRQ_LU_STATE_FROZEN;
	head.checksum = 0;

	crc = crc32_le(~0U, &head, sizeof(head));
	return crc32_le(crc, units, (size_t)head.nr_units * sizeof(units[0]));
}

static u32 checksum_dir(const struct irq_lu_device_ref_ser *dir, u32 nr_devices)
{
	return crc32_le(~0U, dir, (size_t)nr_devices * sizeof(dir[0]));
}

/**
 * irq_lu_ser_seal_device() - Make a device blob valid for the next kernel
 * @dev:	The blob, complete but for its length and checksum
 *
 * Context: Any.
 */
void irq_lu_ser_seal_device(struct irq_lu_device_ser *dev)
{
	dev->len = irq_lu_ser_device_len(dev->nr_vectors);
	dev->checksum = checksum_device(*dev, dev->vectors);
}

/**
 * irq_lu_ser_seal_root() - Make the interrupt state valid for the next kernel
 * @root:	The root, complete but for its state and checksums
 * @dir:	Its device directory, complete
 *
 * The devices must already be sealed.
 *
 * Context: Any.
 */
void irq_lu_ser_seal_root(struct irq_lu_root_ser *root,
			  const struct irq_lu_device_ref_ser *dir)
{
	root->dir_checksum = checksum_dir(dir, root->nr_devices);
	root->checksum = checksum_root(*root, root->units);

	/* Written last, so that a root in state FROZEN is always complete. */
	smp_wmb();
	WRITE_ONCE(root->state, IRQ_LU_STATE_FROZEN);
}

static const char *check_unit(const struct irq_lu_unit_ser *unit)
{
	if (unit->flags & ~IRQ_LU_UNIT_FLAGS)
		return "unknown unit flags";
	if (!unit->reg_base)
		return "unit without registers";
	if (!phys_addr_plausible(unit->table))
		return "bad address of remapping table";
	if (!unit->nr_entries)
		return "remapping table without entries";
	if (!all_zero(unit->reserved, sizeof(unit->reserved)))
		return "reserved field of unit not zero";

	return NULL;
}

static bool same_unit(const struct irq_lu_unit_ser *a, const struct irq_lu_unit_ser *b)
{
	return a->segment == b->segment && a->reg_base == b->reg_base;
}

/* Quadratic, but there are at most IRQ_LU_MAX_UNITS of them. */
static const char *check_units(const struct irq_lu_unit_ser *units, u32 nr_units)
{
	const char *reason;

	for (u32 i = 0; i < nr_units; i++) {
		/* Unused: a vector that refers to it has no table entry. */
		if (all_zero(&units[i], sizeof(units[i])))
			continue;

		reason = check_unit(&units[i]);
		if (reason)
			return reason;

		for (u32 j = 0; j < i; j++) {
			if (same_unit(&units[i], &units[j]))
				return "duplicate unit";
			if (units[i].table == units[j].table &&
			    units[i].segment != units[j].segment)
				return "duplicate remapping table";
		}
	}
	return NULL;
}

static bool compatible_is(const struct irq_lu_root_ser *head, const char *name)
{
	return !strncmp(head->compatible, name, sizeof(head->compatible));
}

/* These fields determine whether this kernel can read the rest at all. */
static const char *check_root_format(const struct irq_lu_root_ser *head)
{
	if (!compatible_is(head, IRQ_LU_COMPATIBLE))
		return "unknown format";
	if (head->state == IRQ_LU_STATE_PREPARED)
		return "not frozen";
	if (head->state != IRQ_LU_STATE_FROZEN)
		return "unknown state";

	return NULL;
}

static const char *check_device_dir_range(u64 addr, u32 nr_devices)
{
	u64 len = (u64)nr_devices * sizeof(struct irq_lu_device_ref_ser);

	if (nr_devices > IRQ_LU_MAX_DEVICES)
		return "too many devices";
	if (nr_devices && !phys_range_plausible(addr, len))
		return "bad address of device directory";

	return NULL;
}

/**
 * irq_lu_ser_check_root_head() - Check a root, before its device directory is read
 * @blob:	The root
 * @size:	Number of bytes that can be read from there
 *
 * Context: Any.
 * Return: Why it is refused, a constant string, or NULL.
 */
const char *irq_lu_ser_check_root_head(const void *blob, size_t size)
{
	const struct irq_lu_root_ser *root = blob;
	struct irq_lu_root_ser head;
	const char *reason;

	if (!IS_ALIGNED((uintptr_t)blob, SER_ALIGN))
		return "root not aligned";
	if (size < sizeof(head))
		return "root truncated";
	head = *root;

	reason = check_root_format(&head);
	if (reason)
		return reason;
	if (head.nr_units > IRQ_LU_MAX_UNITS)
		return "too many units";
	if (head.nr_units * sizeof(root->units[0]) > size - sizeof(head))
		return "units truncated";
	if (head.checksum != checksum_root(head, root->units))
		return "checksum mismatch";
	if (!all_zero(head.reserved, sizeof(head.reserved)))
		return "reserved field of root not zero";

	reason = check_device_dir_range(head.device_dir, head.nr_devices);
	if (reason)
		return reason;

	return check_units(root->units, head.nr_units);
}

static const char *check_ref(const struct irq_lu_device_ref_ser *ref)
{
	const size_t head = sizeof(struct irq_lu_device_ser);

	if (ref->len < head || ref->len > irq_lu_ser_device_len(IRQ_LU_MAX_VECTORS) ||
	    (ref->len - head) % sizeof(struct irq_lu_vector_ser))
		return "bad length of device blob";
	if (!phys_range_plausible(ref->blob, ref->len))
		return "bad address of device blob";
	if (ref->reserved)
		return "reserved field of device directory not zero";

	return NULL;
}

/**
 * irq_lu_ser_check_root() - Check the device directory of a root
 * @root:	The root, which passed irq_lu_ser_check_root_head()
 * @dir:	Its device directory. Not read when the root has no devices.
 *
 * Context: Any.
 * Return: Why it is refused, a constant string, or NULL.
 */
const char *irq_lu_ser_check_root(const struct irq_lu_root_ser *root,
				  const struct irq_lu_device_ref_ser *dir)
{
	const struct irq_lu_root_ser head = *root;
	const char *reason;

	if (head.dir_checksum != checksum_dir(dir, head.nr_devices))
		return "checksum mismatch of device directory";

	for (u32 i = 0; i < head.nr_devices; i++) {
		reason = check_ref(&dir[i]);
		if (reason)
			return reason;
	}
	return NULL;
}

/* The header, but for length and checksum. A device without vectors is legal. */
static const char *check_device_head(const struct irq_lu_device_ser *head)
{
	if (head->hdr_type > HDR_TYPE_MAX)
		return "bad header type";
	if (head->msi_type != IRQ_LU_MSI && head->msi_type != IRQ_LU_MSIX)
		return "unknown MSI type";
	if (!head->hwsize || head->hwsize > IRQ_LU_MAX_VECTORS)
		return "bad size of MSI capability";
	if (head->msi_type == IRQ_LU_MSI &&
	    (head->hwsize > MSI_MAX_VECTORS || !is_power_of_2(head->hwsize)))
		return "bad size of MSI capability";
	if (head->nr_vectors > head->hwsize)
		return "more vectors than the device has";
	if (!all_zero(head->reserved, sizeof(head->reserved)))
		return "reserved field of device not zero";

	return NULL;
}

/* Values that only a later kernel knows. */
static const char *check_vector_format(const struct irq_lu_vector_ser *vec)
{
	if (vec->flags & ~IRQ_LU_VECTOR_FLAGS)
		return "unknown vector flags";
	if (vec->disposition != IRQ_LU_BLOCKED)
		return "unknown disposition";
	if (!all_zero(vec->reserved, sizeof(vec->reserved)))
		return "reserved field of vector not zero";

	return NULL;
}

/*
 * A vector that was never activated may have no message. The data of the first
 * MSI message is zero, so only the address tells.
 */
static bool message_missing(const struct irq_lu_vector_ser *vec)
{
	return (vec->flags & IRQ_LU_VECTOR_ACTIVATED) && !vec->msg_addr_lo && !vec->msg_addr_hi;
}

static const char *check_vector(const struct irq_lu_vector_ser *vec, u16 hwsize,
				const struct irq_lu_root_ser *root)
{
	const char *reason;

	reason = check_vector_format(vec);
	if (reason)
		return reason;

	if (!vec->irq || vec->irq >= INT_MAX)
		return "irq number out of range";
	if (vec->msi_index >= hwsize)
		return "MSI index out of range";
	if (vec->unit >= root->nr_units)
		return "unit out of range";
	if (vec->handle >= root->units[vec->unit].nr_entries)
		return "table index out of range";
	if (message_missing(vec))
		return "activated vector without message";

	return NULL;
}

/*
 * The vectors of MSI are allocated as one block. The allocators are asked only
 * for the first irq number and the first table index.
 */
static bool in_msi_block(const struct irq_lu_vector_ser *first,
			 const struct irq_lu_vector_ser *vec, u32 i)
{
	return vec->msi_index == i && vec->irq == first->irq + i &&
	       vec->handle == first->handle + i;
}

/*
 * A device is behind one unit and has one source id, so all vectors must agree
 * with the first one.
 */
static const char *check_neighbours(const struct irq_lu_vector_ser *prev,
				    const struct irq_lu_vector_ser *vec)
{
	if (vec->msi_index <= prev->msi_index)
		return "MSI indices not ascending";
	if (vec->unit != prev->unit)
		return "vectors behind different units";
	if (vec->source != prev->source)
		return "vectors with different source ids";

	return NULL;
}

/**
 * irq_lu_ser_check_device() - Check the blob of a device
 * @blob:	The blob
 * @len:	Its length, as in the device directory
 * @root:	The root, which passed irq_lu_ser_check_root()
 *
 * Context: Any.
 * Return: Why it is refused, a constant string, or NULL.
 */
const char *irq_lu_ser_check_device(const void *blob, size_t len,
				    const struct irq_lu_root_ser *root)
{
	const struct irq_lu_device_ser *dev = blob;
	struct irq_lu_device_ser head;
	const char *reason;

	if (!IS_ALIGNED((uintptr_t)blob, SER_ALIGN))
		return "device blob not aligned";
	if (len < sizeof(head))
		return "device blob truncated";
	head = *dev;

	if (head.len != len || irq_lu_ser_device_len(head.nr_vectors) != len)
		return "length mismatch";
	if (head.checksum != checksum_device(head, dev->vectors))
		return "checksum mismatch";

	reason = check_device_head(&head);
	if (reason)
		return reason;

	for (u32 i = 0; i < head.nr_vectors; i++) {
		reason = check_vector(&dev->vectors[i], head.hwsize, root);
		if (!reason && i)
			reason = check_neighbours(&dev->vectors[i - 1], &dev->vectors[i]);
		if (reason)
			return reason;
		if (head.msi_type == IRQ_LU_MSI &&
		    !in_msi_block(&dev->vectors[0], &dev->vectors[i], i))
			return "vectors of MSI not consecutive";
	}
	return NULL;
}

/**
 * irq_lu_ser_find_vector() - Find the record of a vector
 * @dev:	The blob of its device, which passed irq_lu_ser_check_device()
 * @msi_index:	Index of the vector in the device
 *
 * Context: Any.
 * Return: The record, or NULL.
 */
const struct irq_lu_vector_ser *
irq_lu_ser_find_vector(const struct irq_lu_device_ser *dev, unsigned int msi_index)
{
	unsigned int lo = 0, hi = dev->nr_vectors;

	while (lo < hi) {
		unsigned int mid = lo + (hi - lo) / 2;

		if (dev->vectors[mid].msi_index < msi_index)
			lo = mid + 1;
		else
			hi = mid;
	}
	if (lo == dev->nr_vectors || dev->vectors[lo].msi_index != msi_index)
		return NULL;
	return &dev->vectors[lo];
}
