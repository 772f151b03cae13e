/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The virtual functions of a device.
 */
#ifndef _IRQ_LIVEUPDATE_VIRTFN_H
#define _IRQ_LIVEUPDATE_VIRTFN_H

#define VIRTFN_BDF_BYTES	16

void virtfn_enable(const char *bdf, unsigned int count);
void virtfn_find(const char *bdf, unsigned int count, char found[][VIRTFN_BDF_BYTES]);

#endif /* _IRQ_LIVEUPDATE_VIRTFN_H */
