/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the kernel has logged since a given moment.
 */
#ifndef _IRQ_LIVEUPDATE_KMSG_H
#define _IRQ_LIVEUPDATE_KMSG_H

int kmsg_from_now(void);
unsigned int kmsg_count_and_close(int kmsg, const char *bdf, const char *text);

#endif /* _IRQ_LIVEUPDATE_KMSG_H */
