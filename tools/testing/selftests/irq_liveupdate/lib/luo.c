// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <linux/liveupdate.h>

#include "luo.h"

/*
 * Only one process may have /dev/liveupdate open; a session stays alive through its
 * own file.
 */
static int luo_device_ioctl(unsigned long request, void *arg)
{
	int fd, ret;

	fd = open("/dev/liveupdate", O_RDWR | O_CLOEXEC);
	if (fd < 0)
		return -errno;

	ret = ioctl(fd, request, arg) ? -errno : 0;
	close(fd);

	return ret;
}

int luo_create_session(const char *name)
{
	struct liveupdate_ioctl_create_session arg = { .size = sizeof(arg) };
	int ret;

	snprintf((char *)arg.name, sizeof(arg.name), "%s", name);
	ret = luo_device_ioctl(LIVEUPDATE_IOCTL_CREATE_SESSION, &arg);

	return ret ? ret : arg.fd;
}

int luo_retrieve_session(const char *name)
{
	struct liveupdate_ioctl_retrieve_session arg = { .size = sizeof(arg) };
	int ret;

	snprintf((char *)arg.name, sizeof(arg.name), "%s", name);
	ret = luo_device_ioctl(LIVEUPDATE_IOCTL_RETRIEVE_SESSION, &arg);

	return ret ? ret : arg.fd;
}

int luo_preserve_fd(int session, int fd, __u64 token)
{
	struct liveupdate_session_preserve_fd arg = {
		.size = sizeof(arg),
		.fd = fd,
		.token = token,
	};

	return ioctl(session, LIVEUPDATE_SESSION_PRESERVE_FD, &arg) ? -errno : 0;
}

int luo_retrieve_fd(int session, __u64 token)
{
	struct liveupdate_session_retrieve_fd arg = {
		.size = sizeof(arg),
		.token = token,
	};

	if (ioctl(session, LIVEUPDATE_SESSION_RETRIEVE_FD, &arg))
		return -errno;

	return arg.fd;
}

int luo_finish(int session)
{
	struct liveupdate_session_finish arg = { .size = sizeof(arg) };

	return ioctl(session, LIVEUPDATE_SESSION_FINISH, &arg) ? -errno : 0;
}
