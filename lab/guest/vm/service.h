/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The messages between a service and its manager, systemd: see sd_notify(3),
 * sd_listen_fds(3) and sd_notify_barrier(3). Functions return a negative errno.
 */
#ifndef _LAB_VM_SERVICE_H
#define _LAB_VM_SERVICE_H

int service_is_ready(void);
int service_kept_fd(const char *name);
int service_keep_fd(const char *name, int fd);
int service_forget_fd(const char *name);

#endif /* _LAB_VM_SERVICE_H */
