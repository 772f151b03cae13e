/* SPDX-License-Identifier: GPL-2.0 */

#ifndef _SER_LINUX_KEXEC_HANDOVER_H
#define _SER_LINUX_KEXEC_HANDOVER_H

#include <stddef.h>
#include <linux/types.h>

struct folio;

/* The program decides what KHO has kept. */
size_t kho_preserved_size(phys_addr_t phys);
struct folio *kho_restore_folio(phys_addr_t phys);

#endif /* _SER_LINUX_KEXEC_HANDOVER_H */
