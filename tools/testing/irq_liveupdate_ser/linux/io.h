/* SPDX-License-Identifier: GPL-2.0 */

#ifndef _SER_LINUX_IO_H
#define _SER_LINUX_IO_H

#include <linux/types.h>

void *phys_to_virt(phys_addr_t phys);

#endif /* _SER_LINUX_IO_H */
