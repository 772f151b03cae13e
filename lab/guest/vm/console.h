/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The output of a serial port, a 16550 whose transmitter is always ready: its
 * registers read as all ones, like any missing port, which says just that.
 */
#ifndef _LAB_VM_CONSOLE_H
#define _LAB_VM_CONSOLE_H

#include <stddef.h>
#include <linux/types.h>

#define CONSOLE_BYTES	(64 << 10)

/* text: ends with a null byte; output that does not fit is lost */
struct console {
	__u8 line_control;
	__u32 length;
	char text[CONSOLE_BYTES];
};

void console_port_read(const struct console *console, __u16 port, void *data, size_t size);
void console_port_write(struct console *console, __u16 port, const void *data, size_t size);

#endif /* _LAB_VM_CONSOLE_H */
