/* SPDX-License-Identifier: GPL-2.0 */

#ifndef _KERNEL_IRQ_LIVEUPDATE_SER_H
#define _KERNEL_IRQ_LIVEUPDATE_SER_H

#include <linux/kho/abi/irq.h>
#include <linux/overflow.h>
#include <linux/types.h>

/**
 * irq_lu_ser_device_len() - Length of the blob of a device
 * @nr_vectors:	Number of vectors of the device
 *
 * Context: Any.
 * Return: The length in bytes, header included.
 */
static inline size_t irq_lu_ser_device_len(u32 nr_vectors)
{
	return struct_size((struct irq_lu_device_ser *)NULL, vectors, nr_vectors);
}

void irq_lu_ser_seal_device(struct irq_lu_device_ser *dev);
void irq_lu_ser_seal_root(struct irq_lu_root_ser *root,
			  const struct irq_lu_device_ref_ser *dir);

const char *irq_lu_ser_check_root_head(const void *blob, size_t size);
const char *irq_lu_ser_check_root(const struct irq_lu_root_ser *root,
				  const struct irq_lu_device_ref_ser *dir);
const char *irq_lu_ser_check_device(const void *blob, size_t len,
				    const struct irq_lu_root_ser *root);

const struct irq_lu_vector_ser *
irq_lu_ser_find_vector(const struct irq_lu_device_ser *dev, unsigned int msi_index);

#endif /* _KERNEL_IRQ_LIVEUPDATE_SER_H */
