/* SPDX-License-Identifier: GPL-2.0 */

#ifndef _SER_LINUX_KEXEC_HANDOVER_H
#define _SER_LINUX_KEXEC_HANDOVER_H

#include <stdbool.h>
#include <linux/types.h>

struct folio;

/* The program decides what KHO has kept. */
bool kho_is_preserved(phys_addr_t phys, size_t size);
struct folio *kho_restore_folio(phys_addr_t phys);

#endif /* _SER_LINUX_KEXEC_HANDOVER_H */
