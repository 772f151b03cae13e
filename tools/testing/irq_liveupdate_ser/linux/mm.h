/* SPDX-License-Identifier: GPL-2.0 */

#ifndef _LINUX_MM_H
#define _LINUX_MM_H

#include <linux/align.h>

#define PAGE_SIZE		4096UL
#define PAGE_MASK		(~(PAGE_SIZE - 1))
#define MAX_PAGE_ORDER		10
#define PAGE_ALIGN(_len)	ALIGN(_len, PAGE_SIZE)

#endif /* _LINUX_MM_H */
