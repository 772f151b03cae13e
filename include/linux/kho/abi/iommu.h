/* SPDX-License-Identifier: GPL-2.0 */

#ifndef _LINUX_KHO_ABI_IOMMU_H
#define _LINUX_KHO_ABI_IOMMU_H

#include <linux/build_bug.h>
#include <linux/types.h>

/**
 * DOC: IOMMU Live Update ABI
 *
 * This header is the contract between the kernel that leaves DMA translation
 * enabled for the devices that it hands over and the kernel that takes over the
 * translation. Any change of a layout, or of the meaning of a field or a constant,
 * requires a new version in %IOMMU_LU_KHO_NODE.
 *
 * All fields are in the byte order of the machine and of fixed width. The KHO
 * subtree %IOMMU_LU_KHO_NODE names the root::
 *
 *   root (one page)              list of tables (one page per unit)
 *   +-------------------+        +------------------------+
 *   | iommu_lu_root_ser |  +---->| address of a table     |---> in the format
 *   | iommu_lu_unit_ser |--+     | 0: there is none       |     of the hardware
 *   | iommu_lu_unit_ser |        | ...                    |
 *   +-------------------+        +------------------------+
 *
 *   devices (blocks)               page table of a domain (blocks)
 *   +----------------------+       +----------------------+
 *   | kho_block_header_ser |  +--->| kho_block_header_ser |
 *   | iommu_lu_device_ser  |--+    | address and order    |---> a table
 *   | iommu_lu_device_ser  |--+    | address and order    |---> another one
 *   | ...                  |       | ...                  |
 *   +----------------------+       +----------------------+
 *
 * A unit is one IOMMU, found again by its PCI segment and the physical address
 * of its registers. Everything to which a unit points is preserved memory. The
 * next kernel does not follow an address, in a record or in a table, unless KHO
 * has preserved the memory there. The unit does follow the addresses in tables. What
 * a page table maps is not recorded, so its content cannot be checked, and is trusted
 * as it is in the kernel that hands over.
 *
 * A device record is about a requester id whose entry the unit keeps using,
 * because it was attached to a domain. There is one for each DMA alias of a device
 * that is handed over, and for the bridges of its group. A requester id without
 * such a record cannot access any memory. Records of one domain refer to the same
 * list of tables. Each address in a list refers to one block of pages, preserved
 * as a folio, with its order in the bits below %KHO_BLOCK_SIZE. The first one is
 * the table at which the translation begins. To free the tables, the next kernel
 * uses only the list, and does not follow pointers in the tables.
 *
 * Exactly one list or record refers to each page, block or PASID table, and the
 * page is freed with it. A second record that refers to the same page is refused.
 *
 * Lists are chains of blocks (&struct kho_block_header_ser) with a count and a
 * checksum beside the address of the list.
 *
 * %IOMMU_LU_BACKEND_VTD:
 *	The root is the root table. The list has two addresses of context tables
 *	for each bus: the one of legacy mode, or the lower and the upper one of
 *	scalable mode.
 *
 * A unit of AMD-Vi has no record here, only its devices do: the device table is
 * in the record of interrupts (irq.h).
 */

/* The name of the KHO subtree that contains the root, and its version. */
#define IOMMU_LU_KHO_NODE	"iommu-v1"

/* iommu_lu_unit_ser::backend */
#define IOMMU_LU_BACKEND_VTD	1

/* iommu_lu_unit_ser::flags */
#define IOMMU_LU_UNIT_SCALABLE	0x1
#define IOMMU_LU_UNIT_FLAGS	IOMMU_LU_UNIT_SCALABLE

/**
 * struct iommu_lu_unit_ser - One IOMMU
 * @backend:		What kind of unit it is, IOMMU_LU_BACKEND_*. Zero, like
 *			all other fields, if the record is no longer used.
 * @segment:		PCI segment of the unit
 * @reg_base:		Physical address of the registers of the unit
 * @root:		Physical address of the table at which a walk begins
 * @tables:		Physical address of the list of tables, %IOMMU_LU_NR_TABLES
 *			of u64
 * @pasid_dir:		Physical address of the PASID directory of devices whose
 *			firmware needs DMA to physical addresses, zero if there is
 *			none
 * @pasid_table:	Physical address of the only PASID table in it
 * @flags:		Mode in which the unit operates, IOMMU_LU_UNIT_*
 * @tables_checksum:	CRC-32 of the list of tables
 * @reserved:		Zero
 */
struct iommu_lu_unit_ser {
	__u32	backend;
	__u32	segment;
	__u64	reg_base;
	__u64	root;
	__u64	tables;
	__u64	pasid_dir;
	__u64	pasid_table;
	__u32	flags;
	__u32	tables_checksum;
	__u64	reserved;
};

static_assert(sizeof(struct iommu_lu_unit_ser) == 64);

/**
 * struct iommu_lu_pages_ser - List of preserved pages
 * @first:	Physical address of the first &struct kho_block_header_ser. Its
 *		entries are u64: a physical address, and in the bits below
 *		%KHO_BLOCK_SIZE the order of the folio there.
 * @nr:		Number of entries in all blocks
 * @checksum:	CRC-32 of the entries
 */
struct iommu_lu_pages_ser {
	__u64	first;
	__u32	nr;
	__u32	checksum;
};

static_assert(sizeof(struct iommu_lu_pages_ser) == 16);

/**
 * struct iommu_lu_device_ser - A requester id whose entry stays in use
 * @segment:		PCI segment
 * @devid:		The requester id
 * @owner:		Requester id of the device that is attached and thereby uses
 *			@devid. The two differ for a DMA alias.
 * @domain_id:		Domain id with which the caches of the unit are tagged
 * @checksum:		CRC-32 of this struct, with this field taken as zero
 * @entry:		The part of its entry that controls translation: the context
 *			entry (VT-d), or the lower half of the device table entry
 *			(AMD-Vi)
 * @pasid_dir:		Physical address of its PASID directory and, in the bits below
 *			%KHO_BLOCK_SIZE, its order. Zero if there is none.
 * @pasid_table:	Physical address of the only PASID table in @pasid_dir
 * @tables:		The tables of its domain
 *
 * All fields are zero if the record is no longer used.
 */
struct iommu_lu_device_ser {
	__u32				segment;
	__u16				devid;
	__u16				owner;
	__u32				domain_id;
	__u32				checksum;
	__u64				entry[2];
	__u64				pasid_dir;
	__u64				pasid_table;
	struct iommu_lu_pages_ser	tables;
};

static_assert(sizeof(struct iommu_lu_device_ser) == 64);

/**
 * struct iommu_lu_root_ser - Root of the IOMMU state
 * @nr_units:	Number of entries in @units
 * @checksum:	CRC-32 (polynomial 0xEDB88320, initial value ~0, not inverted at
 *		the end) of the root and its units, with this field taken as zero
 * @devices:	Physical address of the first block of &struct iommu_lu_device_ser,
 *		or zero
 * @nr_devices:	Number of these records in all blocks, unused ones included
 * @reserved:	Zero
 * @units:	The units
 */
struct iommu_lu_root_ser {
	__u32				nr_units;
	__u32				checksum;
	__u64				devices;
	__u32				nr_devices;
	__u32				reserved[11];
	struct iommu_lu_unit_ser	units[];
};

static_assert(sizeof(struct iommu_lu_root_ser) == 64);

/* The root and its units fill one page of this size. */
#define IOMMU_LU_ROOT_SIZE	4096
#define IOMMU_LU_MAX_UNITS	((IOMMU_LU_ROOT_SIZE - sizeof(struct iommu_lu_root_ser)) / \
				 sizeof(struct iommu_lu_unit_ser))
#define IOMMU_LU_NR_TABLES	512

#endif /* _LINUX_KHO_ABI_IOMMU_H */
