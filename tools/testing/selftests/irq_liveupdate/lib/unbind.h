/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Unbinds a device from its driver or removes it, in a process of its own, because
 * that waits for the user of the device. And holds up a jump, so that there is time
 * for that.
 */
#ifndef _IRQ_LIVEUPDATE_UNBIND_H
#define _IRQ_LIVEUPDATE_UNBIND_H

#include <stdbool.h>
#include <sys/types.h>

struct vfio_dev;

/**
 * struct unbind_way - how to take a device away from its driver
 * @name: "it is being NAME"
 * @command: shell command, with the address of the device
 * @locked: the task that does it holds the one lock for removing PCI devices
 *	until the user of the device closes it
 * @back: binds it to vfio-pci again
 */
struct unbind_way {
	const char *name;
	const char *command;
	bool locked;
	void (*back)(const char *bdf);
};

extern const struct unbind_way unbind_unbound, unbind_rebound, unbind_removed, unbind_unplugged,
			       unbind_disabled;

const struct unbind_way *unbind_way_of(const char *name);
pid_t unbind_begin(const struct unbind_way *way, const char *bdf);
pid_t unbind_start(const struct unbind_way *way, const char *bdf);
pid_t unbind_start_until(const struct unbind_way *way, const char *bdf, const char *user);
bool unbind_ends(pid_t child);
bool unbind_waits(pid_t child);
bool unbind_fails(pid_t child);

void unbind_wait_until_frozen(struct vfio_dev *dev);
void unbind_hold_up_jump(struct vfio_dev *dev, const char *later);

#endif /* _IRQ_LIVEUPDATE_UNBIND_H */
