/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef _IRQLU_DEBUGFS_H
#define _IRQLU_DEBUGFS_H

#include <stdbool.h>
#include <stdint.h>

/**
 * struct irq_debug - What debugfs shows of an interrupt
 * @address:	Address of its message
 * @data:	Data of its message
 * @irte:	Index of its remapping table entry, -1 without one
 * @started:	It may arrive
 * @masked:	It is masked
 */
struct irq_debug {
	uint64_t	address;
	uint32_t	data;
	int		irte;
	bool		started;
	bool		masked;
};

bool irq_debug_parse(const char *text, struct irq_debug *debug);

#endif /* _IRQLU_DEBUGFS_H */
