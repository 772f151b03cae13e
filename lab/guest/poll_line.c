// SPDX-License-Identifier: GPL-2.0

/*
 *	poll_line TTY
 *
 * Has the kernel poll a serial line, which then works without its interrupt. The line
 * must not be open yet.
 */

#include <err.h>
#include <fcntl.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <linux/serial.h>

int main(int argc, char *argv[])
{
	struct serial_struct line;
	int fd;

	if (argc != 2)
		errx(2, "usage: poll_line TTY");
	fd = open(argv[1], O_RDWR | O_NOCTTY | O_NONBLOCK);
	if (fd < 0 || ioctl(fd, TIOCGSERIAL, &line))
		err(1, "%s", argv[1]);
	line.irq = 0;
	if (ioctl(fd, TIOCSSERIAL, &line))
		err(1, "%s: poll", argv[1]);

	return 0;
}
