// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <poll.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "service.h"

#define FIRST_FD	3
#define BARRIER_MS	10000

/* A message, with a file unless fd is negative. A path with '@' is an abstract name. */
static int notify(const char *text, int fd)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	struct iovec iov = { .iov_base = (void *)text, .iov_len = strlen(text) };
	char control[CMSG_SPACE(sizeof(fd))] = { };
	const char *path = getenv("NOTIFY_SOCKET");
	struct msghdr message = {
		.msg_name = &address,
		.msg_iov = &iov,
		.msg_iovlen = 1,
	};
	struct cmsghdr *header;
	int sock, ret = 0;

	if (!path || strlen(path) >= sizeof(address.sun_path))
		return -EINVAL;
	memcpy(address.sun_path, path, strlen(path));
	message.msg_namelen = offsetof(struct sockaddr_un, sun_path) + strlen(path);
	if (path[0] == '@')
		address.sun_path[0] = 0;
	if (fd >= 0) {
		message.msg_control = control;
		message.msg_controllen = sizeof(control);
		header = CMSG_FIRSTHDR(&message);
		header->cmsg_level = SOL_SOCKET;
		header->cmsg_type = SCM_RIGHTS;
		header->cmsg_len = CMSG_LEN(sizeof(fd));
		memcpy(CMSG_DATA(header), &fd, sizeof(fd));
	}

	sock = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (sock < 0)
		return -errno;
	if (sendmsg(sock, &message, MSG_NOSIGNAL) < 0)
		ret = -errno;
	close(sock);

	return ret;
}

/* The manager closes the file when it has handled all earlier messages. */
static int wait_for_manager(void)
{
	struct pollfd fd = { };
	int ends[2], ret;

	if (pipe(ends))
		return -errno;
	ret = notify("BARRIER=1", ends[1]);
	close(ends[1]);
	fd.fd = ends[0];
	if (!ret && poll(&fd, 1, BARRIER_MS) != 1)
		ret = -ETIMEDOUT;
	close(ends[0]);

	return ret;
}

int service_is_ready(void)
{
	return notify("READY=1", -1);
}

/* What the manager has kept under this name; -ENOENT if that is nothing. */
int service_kept_fd(const char *name)
{
	const char *names = getenv("LISTEN_FDNAMES"), *count = getenv("LISTEN_FDS");
	int fd, nr = count ? atoi(count) : 0;
	size_t length;

	for (fd = FIRST_FD; names && fd < FIRST_FD + nr; fd++) {
		length = strcspn(names, ":");
		if (length == strlen(name) && !strncmp(names, name, length))
			return fd;
		names += length + !!names[length];
	}

	return -ENOENT;
}

/*
 * The manager keeps it until the service is started again. Once this has
 * returned, the service may end.
 */
int service_keep_fd(const char *name, int fd)
{
	char text[64];
	int ret;

	snprintf(text, sizeof(text), "FDSTORE=1\nFDNAME=%s", name);
	ret = notify(text, fd);

	return ret ? ret : wait_for_manager();
}

int service_forget_fd(const char *name)
{
	char text[64];
	int ret;

	snprintf(text, sizeof(text), "FDSTOREREMOVE=1\nFDNAME=%s", name);
	ret = notify(text, -1);

	return ret ? ret : wait_for_manager();
}
