/* SPDX-License-Identifier: GPL-2.0 */

#ifndef _LINUX_KHO_ABI_IRQ_H
#define _LINUX_KHO_ABI_IRQ_H

#include <linux/build_bug.h>
#include <linux/types.h>

/**
 * DOC: Interrupt Live Update ABI
 *
 * This header is the contract between the kernel that hands over its message
 * signaled interrupts and the kernel that takes them over. Any change of a
 * layout, or of the meaning of a field or a constant, requires a new
 * %IRQ_LU_COMPATIBLE, which is the version of everything described here. A
 * kernel writes the newest format it knows, and reads that one and, once there
 * is a second format, the one before. It refuses any other format, and devices
 * start cold. A test keeps an image of each format
 * (kernel/irq/kunit_ser_frozen.h).
 *
 * All fields are in the byte order of the machine and of fixed width. Nothing
 * here depends on the configuration of either kernel.
 *
 * The KHO subtree %IRQ_LU_KHO_NODE names the root. Each of the four blocks is
 * physically contiguous, preserved memory::
 *
 *   root (one page)          device directory      device blob
 *   +------------------+     +------------+     +------------------+
 *   | irq_lu_root_ser  |---->| device ref |---->| irq_lu_device_ser|
 *   | irq_lu_unit_ser 0|     | device ref |     | irq_lu_vector_ser|
 *   | irq_lu_unit_ser 1|     | ...        |     | ...              |
 *   +--------|---------+     +------------+     +------------------+
 *            v
 *   interrupt remapping table, in the format of the hardware
 *
 * A unit is one interrupt remapping unit, found again by its PCI segment and
 * the physical address of its registers. A vector names its unit by the index
 * of the unit in the root. A unit that is all zero is unused, because its last
 * device was unpreserved. The meaning of table, handle and source:
 *
 * %IRQ_LU_BACKEND_VTD:
 *	One table for all devices. The source is SID, SQ and SVT of the entry.
 *
 * %IRQ_LU_BACKEND_AMDVI:
 *	The table of the unit is the device table of its segment. The source is
 *	the devid, the index of the device table entry that names the interrupt
 *	table. The handle is an index in that table, which is preserved as well, in
 *	the format (32 or 128 bits) in which the unit operates.
 *
 * Checksums are CRC-32 (polynomial 0xEDB88320, initial value ~0, not inverted
 * at the end) with the checksum field itself taken as zero. The root has two
 * checksums: one over the root structure and its units, which covers the address
 * and the length of the device directory, and one over the device directory.
 *
 * Writers of the fields: the core writes the root, the device directory, length,
 * checksum and number of vectors of a blob, and irq, MSI index, unit, flags and
 * disposition of the vectors. PCI/MSI writes the rest of the device header and the
 * message. Each irq domain in the hierarchy of a vector writes its own part: the
 * interrupt remapping domain writes handle and source, the CPU vector domain
 * writes the target. The driver of a unit writes the record of the unit.
 */

/* The name of the KHO subtree that contains the root. */
#define IRQ_LU_KHO_NODE		"irq-liveupdate"

/* The format of the root and of everything to which it leads. */
#define IRQ_LU_COMPATIBLE	"irq-liveupdate-v1"

/* irq_lu_root_ser::state */
#define IRQ_LU_STATE_PREPARED	1
#define IRQ_LU_STATE_FROZEN	2

/* irq_lu_unit_ser::backend */
#define IRQ_LU_BACKEND_VTD	1
#define IRQ_LU_BACKEND_AMDVI	2

/* irq_lu_unit_ser::flags */
#define IRQ_LU_UNIT_X2APIC	0x1
#define IRQ_LU_UNIT_FLAGS	IRQ_LU_UNIT_X2APIC

/* irq_lu_device_ser::msi_type */
#define IRQ_LU_MSI		1
#define IRQ_LU_MSIX		2

/* irq_lu_vector_ser::flags */
#define IRQ_LU_VECTOR_ACTIVATED	0x1
#define IRQ_LU_VECTOR_FLAGS	IRQ_LU_VECTOR_ACTIVATED

/* irq_lu_vector_ser::disposition */
#define IRQ_LU_BLOCKED		0

/**
 * struct irq_lu_unit_ser - One interrupt remapping unit
 * @backend:	What kind of unit it is, IRQ_LU_BACKEND_*
 * @segment:	PCI segment of the unit
 * @reg_base:	Physical address of the registers of the unit
 * @table:	Physical address of the interrupt remapping table, or of the table that
 *		leads from a device to its own one. Units of one segment may share it.
 * @nr_entries:	Maximum number of entries in an interrupt remapping table
 * @flags:	Mode in which the unit operates, IRQ_LU_UNIT_*
 * @reserved:	Zero
 */
struct irq_lu_unit_ser {
	__u32	backend;
	__u32	segment;
	__u64	reg_base;
	__u64	table;
	__u32	nr_entries;
	__u32	flags;
	__u64	reserved[4];
};

static_assert(sizeof(struct irq_lu_unit_ser) == 64);

/**
 * struct irq_lu_root_ser - Root of the interrupt state
 * @compatible:		%IRQ_LU_COMPATIBLE, padded with zeros
 * @state:		IRQ_LU_STATE_*. Only a root in the state
 *			%IRQ_LU_STATE_FROZEN is valid for the next kernel. It is
 *			written last.
 * @checksum:		Over the root and its units
 * @nr_units:		Number of entries in @units
 * @nr_devices:		Number of entries in the device directory
 * @device_dir:		Physical address of the device directory, an array of
 *			struct irq_lu_device_ref_ser
 * @dir_checksum:	Over the device directory
 * @reserved:		Zero
 * @units:		The units
 */
struct irq_lu_root_ser {
	char			compatible[24];
	__u32			state;
	__u32			checksum;
	__u32			nr_units;
	__u32			nr_devices;
	__u64			device_dir;
	__u32			dir_checksum;
	__u32			reserved[3];
	struct irq_lu_unit_ser	units[];
};

static_assert(sizeof(struct irq_lu_root_ser) == 64);
static_assert(sizeof(IRQ_LU_COMPATIBLE) <= 24);

/* The root and its units fill one page of this size. */
#define IRQ_LU_ROOT_SIZE	4096
#define IRQ_LU_MAX_UNITS	((IRQ_LU_ROOT_SIZE - sizeof(struct irq_lu_root_ser)) / \
				 sizeof(struct irq_lu_unit_ser))
#define IRQ_LU_MAX_DEVICES	4096

/**
 * struct irq_lu_device_ref_ser - Where the blob of a device is
 * @blob:	Physical address of a struct irq_lu_device_ser
 * @len:	Length of the blob in bytes
 * @reserved:	Zero
 */
struct irq_lu_device_ref_ser {
	__u64	blob;
	__u32	len;
	__u32	reserved;
};

static_assert(sizeof(struct irq_lu_device_ref_ser) == 16);

/**
 * struct irq_lu_vector_ser - One interrupt vector of a device
 * @irq:		Linux irq number
 * @msi_index:		Index of the vector in the device: the number of the
 *			MSI-X table entry, or of the message for MSI
 * @unit:		Index of its interrupt remapping unit in the root
 * @msg_addr_lo:	Low word of the message address in the device
 * @msg_addr_hi:	High word of the message address in the device
 * @msg_data:		Message data that the device sends for the vector
 * @handle:		Index of its entry in the interrupt remapping table
 * @source:		Identifies the devices that may use the entry, in the
 *			encoding of the unit. The same in all vectors of a device.
 * @target:		CPU to which the interrupt was directed, in the encoding
 *			of the architecture (x86: APIC id, all ones without a handler)
 * @flags:		IRQ_LU_VECTOR_*
 * @disposition:	State of the vector at the jump. The only value is
 *			%IRQ_LU_BLOCKED: blocked until activation
 * @reserved:		Zero
 */
struct irq_lu_vector_ser {
	__u32	irq;
	__u16	msi_index;
	__u16	unit;
	__u32	msg_addr_lo;
	__u32	msg_addr_hi;
	__u32	msg_data;
	__u32	handle;
	__u32	source;
	__u32	target;
	__u16	flags;
	__u8	disposition;
	__u8	reserved[13];
};

static_assert(sizeof(struct irq_lu_vector_ser) == 48);

/* A device has at most this many vectors (PCIe r6.0 sec 7.7.2.2, Table Size). */
#define IRQ_LU_MAX_VECTORS	2048

/**
 * struct irq_lu_device_ser - The interrupts of one device
 * @len:		Length of header and vectors in bytes
 * @checksum:		Over the whole blob
 * @segment:		PCI segment (domain number) of the device
 * @devid:		Bus number << 8 | devfn
 * @vendor:		PCI vendor id
 * @device:		PCI device id
 * @hdr_type:		PCI header type, without the multi-function bit
 * @msi_type:		%IRQ_LU_MSI or %IRQ_LU_MSIX
 * @hwsize:		Number of vectors in the capability of the device
 * @requester_id:	Requester id with which the interrupts of the device
 *			arrive at the remapping unit
 * @nr_vectors:		Number of entries in @vectors
 * @reserved:		Zero
 * @vectors:		The vectors, in strictly ascending order of msi_index. For
 *			MSI msi_index starts at 0, and msi_index, irq and handle
 *			are consecutive. In this case the handles are a block of
 *			the table, which the unit may have rounded up. The excess
 *			entries are blocked as well.
 */
struct irq_lu_device_ser {
	__u32				len;
	__u32				checksum;
	__u32				segment;
	__u16				devid;
	__u16				vendor;
	__u16				device;
	__u8				hdr_type;
	__u8				msi_type;
	__u16				hwsize;
	__u16				requester_id;
	__u32				nr_vectors;
	__u32				reserved[5];
	struct irq_lu_vector_ser	vectors[];
};

static_assert(sizeof(struct irq_lu_device_ser) == 48);

#endif /* _LINUX_KHO_ABI_IRQ_H */
