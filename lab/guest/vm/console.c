// SPDX-License-Identifier: GPL-2.0-only
#include <linux/serial_reg.h>

#include "console.h"

#define PORT	0x3f8

/* Single bytes, as the driver of the port writes them */
void console_port_read(const struct console *console, __u16 port, void *data, size_t size)
{
	if (port == PORT + UART_LCR && size == 1)
		*(__u8 *)data = console->line_control;
}

void console_port_write(struct console *console, __u16 port, const void *data, size_t size)
{
	__u8 byte = *(const __u8 *)data;

	if (size != 1)
		return;
	if (port == PORT + UART_LCR)
		console->line_control = byte;
	else if (port == PORT + UART_TX && !(console->line_control & UART_LCR_DLAB) &&
		 console->length < CONSOLE_BYTES - 1)
		console->text[console->length++] = byte;
}
