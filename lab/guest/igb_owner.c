// SPDX-License-Identifier: GPL-2.0-only
/*
 * The owner of the physical function of an igb, whose first virtual function is used by
 * another program.
 *
 *	igb_owner old BDF	enables the virtual function, and preserves the physical one
 *	igb_owner next BDF	retrieves it; it is never finished
 */
#include <string.h>
#include <unistd.h>

#include "kselftest.h"

#include "igb.h"
#include "luo.h"
#include "mmio.h"
#include "test.h"
#include "vfio_dev.h"
#include "virtfn.h"

#define SESSION		"igb_owner"
#define DEVICE_TOKEN	1

static struct vfio_dev dev = { .token = VFIO_DEV_TOKEN };

static void start(const char *bdf)
{
	void *registers;
	size_t size;
	int session;

	check(vfio_dev_open_cdev(&dev, bdf), "open");
	check(vfio_dev_bind(&dev), "bind");
	check(vfio_dev_set_bus_master(&dev), "bus master");
	check(vfio_dev_map_bar(&dev, 0, &registers, &size), "map registers");
	virtfn_enable(bdf, 1);
	mmio_write32(registers + IGB_GPIE, IGB_GPIE_MSIX);

	session = luo_create_session(SESSION);
	check(session, "session");
	check(luo_preserve_fd(session, dev.fd, DEVICE_TOKEN), "preserve");
}

static void start_again(void)
{
	int session = luo_retrieve_session(SESSION);

	check(session, "session");
	dev.fd = luo_retrieve_fd(session, DEVICE_TOKEN);
	check(dev.fd, "retrieve");
	check(vfio_dev_bind(&dev), "bind");
}

int main(int argc, char *argv[])
{
	if (argc != 3)
		ksft_exit_fail_msg("usage: %s old|next BDF\n", argv[0]);
	if (!strcmp(argv[1], "old"))
		start(argv[2]);
	else
		start_again();
	if (!stay())
		return 0;
	for (;;)
		pause();
}
