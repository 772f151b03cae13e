/* SPDX-License-Identifier: GPL-2.0 */

#ifndef _LINUX_VMALLOC_H
#define _LINUX_VMALLOC_H

#include <stdlib.h>

/* The red zone of the address sanitizer stands for the guard page. */
static inline void *vzalloc(size_t size)
{
	return calloc(1, size);
}

static inline void *vmalloc(size_t size)
{
	return malloc(size);
}

static inline void vfree(void *area)
{
	free(area);
}

#endif /* _LINUX_VMALLOC_H */
