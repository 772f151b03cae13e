/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The four ioctls of /dev/liveupdate that a VMM needs.
 */
#ifndef _IRQ_LIVEUPDATE_LUO_H
#define _IRQ_LIVEUPDATE_LUO_H

#include <linux/types.h>

int luo_create_session(const char *name);
int luo_retrieve_session(const char *name);
int luo_preserve_fd(int session, int fd, __u64 token);
int luo_retrieve_fd(int session, __u64 token);
int luo_finish(int session);

#endif /* _IRQ_LIVEUPDATE_LUO_H */
