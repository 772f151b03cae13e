/* SPDX-License-Identifier: GPL-2.0 */
/* Load the state of a previous kernel more than once. */

#ifndef _KUNIT_LOAD_H
#define _KUNIT_LOAD_H

#include "liveupdate_in.h"

/* As in a kernel that has just booted, whatever another test or the boot has left */
static inline void load_as_booted(struct irq_lu_root_ser *root,
				  const struct irq_lu_memory *memory)
{
	irq_lu_in.refused = NULL;
	irq_lu_in.stopped = false;
	irq_lu_load(virt_to_phys(root), IRQ_LU_ROOT_SIZE, memory);
}

#endif /* _KUNIT_LOAD_H */
