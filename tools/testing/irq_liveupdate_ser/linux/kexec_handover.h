/* SPDX-License-Identifier: GPL-2.0 */

#ifndef _SER_LINUX_KEXEC_HANDOVER_H
#define _SER_LINUX_KEXEC_HANDOVER_H

#include <stdbool.h>
#include <linux/types.h>

/* What KHO has kept is up to the program. */
bool kho_is_preserved(phys_addr_t phys, size_t size);

#endif /* _SER_LINUX_KEXEC_HANDOVER_H */
