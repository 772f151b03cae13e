/* SPDX-License-Identifier: GPL-2.0 */

/*
 * A valid image of the interrupt state: a root with two units, a table with two
 * devices and their blobs. And what the ABI promises about an image, checked
 * independently of the validator. For all tests of the validator, in the kernel
 * and in user space.
 */

#ifndef _KUNIT_SER_IMAGE_H
#define _KUNIT_SER_IMAGE_H

#include <linux/kho/abi/irq.h>
#include <linux/limits.h>
#include <linux/sizes.h>
#include <linux/string.h>

#define NR_UNITS	2
#define NR_DEVICES	2
#define NR_VECTORS	3

#define ROOT_LEN	(sizeof(struct irq_lu_root_ser) + \
			 NR_UNITS * sizeof(struct irq_lu_unit_ser))
#define DEVICE_LEN	(sizeof(struct irq_lu_device_ser) + \
			 NR_VECTORS * sizeof(struct irq_lu_vector_ser))
#define NR_ENTRIES	SZ_64K

static const struct irq_lu_unit_ser image_units[NR_UNITS] = {
	{
		.backend	= IRQ_LU_BACKEND_VTD,
		.segment	= 0,
		.reg_base	= 0xfed90000,
		.table		= 0x101000000,
		.nr_entries	= NR_ENTRIES,
		.flags		= IRQ_LU_UNIT_X2APIC,
	}, {
		.backend	= IRQ_LU_BACKEND_VTD,
		.segment	= 1,
		.reg_base	= 0xfed90000,
		.table		= 0x101100000,
		.nr_entries	= NR_ENTRIES / 2,
	},
};

static const struct irq_lu_root_ser image_root = {
	.compatible	= IRQ_LU_COMPATIBLE,
	.state		= IRQ_LU_STATE_PREPARED,
	.nr_units	= NR_UNITS,
	.nr_devices	= NR_DEVICES,
	.device_dir	= 0x102000000,
};

static const struct irq_lu_device_ref_ser image_table[NR_DEVICES] = {
	{ .blob = 0x103000000, .len = DEVICE_LEN },
	{ .blob = 0x103001000, .len = DEVICE_LEN },
};

static const struct irq_lu_device_ser image_msix = {
	.segment	= 1,
	.devid		= 0x0310,
	.vendor		= 0x1af4,
	.device		= 0x1110,
	.msi_type	= IRQ_LU_MSIX,
	.hwsize		= 8,
	.requester_id	= 0x0310,
	.nr_vectors	= NR_VECTORS,
};

static const struct irq_lu_vector_ser image_msix_vectors[NR_VECTORS] = {
	{
		.irq		= 41,
		.msi_index	= 0,
		.unit		= 1,
		.msg_addr_lo	= 0xfee00230,
		.handle		= 17,
		.source		= 0x40310,
		.target		= 1,
		.flags		= IRQ_LU_VECTOR_ACTIVATED,
	}, {
		.irq		= 39,
		.msi_index	= 2,
		.unit		= 1,
		.handle		= 18,
		.source		= 0x40310,
	}, {
		.irq		= 57,
		.msi_index	= 5,
		.unit		= 1,
		.msg_addr_lo	= 0xfee00270,
		.handle		= 19,
		.source		= 0x40310,
		.target		= 3,
		.flags		= IRQ_LU_VECTOR_ACTIVATED,
	},
};

static const struct irq_lu_device_ser image_msi = {
	.devid		= 0x0400,
	.vendor		= 0x1234,
	.device		= 0x11e8,
	.msi_type	= IRQ_LU_MSI,
	.hwsize		= 4,
	.requester_id	= 0x0400,
	.nr_vectors	= NR_VECTORS,
};

static const struct irq_lu_vector_ser image_msi_vectors[NR_VECTORS] = {
	{ .irq = 60, .msi_index = 0, .handle = 32 },
	{ .irq = 61, .msi_index = 1, .handle = 33 },
	{ .irq = 62, .msi_index = 2, .handle = 34 },
};

static inline bool ser_is_zero(const void *p, size_t len)
{
	const u8 *byte = p;

	while (len--) {
		if (*byte++)
			return false;
	}
	return true;
}

/* The numbers of a vector that its readers use without checking them again */
static inline const char *ser_broken_vector(const struct irq_lu_vector_ser *vec,
					    const struct irq_lu_device_ser *dev,
					    const struct irq_lu_root_ser *root)
{
	if ((int)vec->irq <= 0 || (int)vec->irq == INT_MAX)
		return "irq";
	if (vec->msi_index >= dev->hwsize)
		return "msi_index";
	if (vec->unit >= root->nr_units || vec->unit != dev->vectors[0].unit)
		return "unit";
	if (vec->handle >= root->units[vec->unit].nr_entries)
		return "handle";
	if (vec->flags > IRQ_LU_VECTOR_ACTIVATED || vec->disposition != IRQ_LU_BLOCKED)
		return "flags or disposition";
	if (vec->flags && ser_is_zero(&vec->msg_addr_lo, 2 * sizeof(u32)))
		return "message";
	if (!ser_is_zero(vec->reserved, sizeof(vec->reserved)))
		return "reserved field of vector";
	return NULL;
}

/* Sorted and without duplicates. MSI: one block from the first message on. */
static inline const char *ser_broken_order(const struct irq_lu_device_ser *dev, u32 i)
{
	const struct irq_lu_vector_ser *vec = &dev->vectors[i], *first = &dev->vectors[0];

	if (i && vec[-1].msi_index >= vec->msi_index)
		return "order";
	if (dev->msi_type == IRQ_LU_MSI &&
	    (vec->msi_index != i || vec->irq - first->irq != i || vec->handle - first->handle != i))
		return "MSI block";
	return NULL;
}

/* Which promise is broken by a device that was accepted, or NULL */
static inline const char *ser_broken_device(const struct irq_lu_device_ser *dev, size_t len,
					    const struct irq_lu_root_ser *root)
{
	const char *broken;

	if (dev->len != len || len != sizeof(*dev) + (u64)dev->nr_vectors * sizeof(*dev->vectors))
		return "length";
	if (dev->hdr_type > 2)
		return "hdr_type";
	if (!dev->hwsize || dev->hwsize > (dev->msi_type == IRQ_LU_MSI ? 32 : 2048) ||
	    dev->nr_vectors > dev->hwsize)
		return "hwsize";
	if (dev->msi_type != IRQ_LU_MSIX &&
	    (dev->msi_type != IRQ_LU_MSI || (dev->hwsize & (dev->hwsize - 1))))
		return "msi_type";
	if (!ser_is_zero(dev->reserved, sizeof(dev->reserved)))
		return "reserved field of device";

	for (u32 i = 0; i < dev->nr_vectors; i++) {
		broken = ser_broken_vector(&dev->vectors[i], dev, root);
		if (!broken)
			broken = ser_broken_order(dev, i);
		if (broken)
			return broken;
	}
	return NULL;
}

static inline const char *ser_broken_unit(const struct irq_lu_unit_ser *unit)
{
	if (!unit->reg_base || !unit->nr_entries)
		return "reg_base or nr_entries";
	if (!unit->table || unit->table & 7)
		return "table";
	if (unit->flags > IRQ_LU_UNIT_X2APIC)
		return "unit flags";
	if (!ser_is_zero(unit->reserved, sizeof(unit->reserved)))
		return "reserved field of unit";
	return NULL;
}

/* Which promise is broken by a root head that was accepted, or NULL */
static inline const char *ser_broken_root_head(const struct irq_lu_root_ser *root, size_t size)
{
	const char *broken;

	if (memcmp(root->compatible, "irq-liveupdate-v1", 18) ||
	    root->state != IRQ_LU_STATE_FROZEN)
		return "format";
	if (root->nr_units > 63 || 64 + 64 * root->nr_units > size)
		return "nr_units";
	if (root->nr_devices > IRQ_LU_MAX_DEVICES)
		return "nr_devices";
	if (root->nr_devices && (!root->device_dir || root->device_dir & 7))
		return "device_dir";
	if (!ser_is_zero(root->reserved, sizeof(root->reserved)))
		return "reserved field of root";

	for (u32 i = 0; i < root->nr_units; i++) {
		const struct irq_lu_unit_ser *a = &root->units[i];

		if (ser_is_zero(a, sizeof(*a)))
			continue;
		broken = ser_broken_unit(a);
		if (broken)
			return broken;
		for (u32 j = i + 1; j < root->nr_units; j++) {
			const struct irq_lu_unit_ser *b = &root->units[j];

			if (a->segment == b->segment ? a->reg_base == b->reg_base :
						       a->table == b->table)
				return "two units are the same";
		}
	}
	return NULL;
}

/* Which promise is broken by a device directory that was accepted, or NULL */
static inline const char *ser_broken_table(const struct irq_lu_device_ref_ser *table, u32 nr)
{
	for (u32 i = 0; i < nr; i++) {
		u64 blob = table[i].blob, last = blob + table[i].len - 1;

		if (table[i].len < 48 || table[i].len > 48 + 2048 * 48 || table[i].len % 48)
			return "len";
		if (!blob || blob & 7 || last < blob || table[i].reserved)
			return "blob or reserved";
	}
	return NULL;
}

#endif /* _KUNIT_SER_IMAGE_H */
