// SPDX-License-Identifier: GPL-2.0-only
/*
 * Makes the kernel poll the serial port which is the standard input. Interrupts
 * of the IO-APIC do not arrive on a machine with QEMU 10.0's AMD-Vi, because it
 * lays out the address space of the IO-APIC before there is anything in it.
 */
#include <stdio.h>
#include <sys/ioctl.h>
#include <unistd.h>
#include <linux/serial.h>

int main(void)
{
	struct serial_struct port;

	if (ioctl(STDIN_FILENO, TIOCGSERIAL, &port))
		return 1;
	port.irq = 0;

	return ioctl(STDIN_FILENO, TIOCSSERIAL, &port) ? 1 : 0;
}
