// SPDX-License-Identifier: GPL-2.0

/*
 * Tests of PCI devices that are handed over: what the old kernel refuses to put on the
 * list, what it writes there, and what is refused while a device is frozen.
 */

#include <kunit/test.h>
#include <kunit/waiting_task.h>
#include <linux/completion.h>
#include <linux/delay.h>
#include <linux/kexec_handover.h>
#include <linux/kho/abi/pci.h>
#include <linux/pci.h>
#include <linux/pci_liveupdate.h>
#include <linux/workqueue.h>

#include "kunit_fake_path.h"
#include "liveupdate.h"
#include "pci.h"

#ifdef CONFIG_PCI_IOV
/* Its physical function is not preserved. */
static void is_virtual(struct fake_path *path)
{
	path->devs[0].is_virtfn = 1;
	path->devs[0].physfn = &path->devs[1];
}

/* Its physical function has a driver. */
static void has_driver(struct fake_path *path, struct pci_driver *drv)
{
	is_virtual(path);
	path->devs[1].is_physfn = 1;
	path->devs[1].sriov = &path->sriov;
	path->devs[1].dev.driver = &drv->driver;
}

static void fake_release(struct device *dev)
{
}

static void fake_unregister(void *dev)
{
	device_unregister(dev);
}

/* The same, and the driver core knows the device, although not its bus. */
static void has_driver_and_is_registered(struct kunit *test, struct fake_path *path,
					 struct pci_driver *drv)
{
	struct device *dev = &path->devs[1].dev;

	dev->bus = NULL;
	dev->release = fake_release;
	KUNIT_ASSERT_EQ(test, device_register(dev), 0);
	KUNIT_ASSERT_EQ(test, kunit_add_action_or_reset(test, fake_unregister, dev), 0);
	has_driver(path, drv);
}

static bool does_not_keep(struct pci_dev *pdev)
{
	return false;
}

static struct pci_driver taking_driver = { .takes_over = true };
static struct pci_driver ordinary_driver = { };
static struct pci_driver losing_driver = { .sriov_keeps = does_not_keep };
static struct pci_driver keeping_driver = { .sriov_keeps = keeps };
static struct pci_driver other_keeping_driver = { .sriov_keeps = keeps };

static void has_a_driver_that_takes_over(struct fake_path *path)
{
	has_driver(path, &taking_driver);
}

static void has_an_ordinary_driver(struct fake_path *path)
{
	has_driver(path, &ordinary_driver);
}

static void has_a_driver_that_does_not_keep_it(struct fake_path *path)
{
	has_driver(path, &losing_driver);
}

/* A physical function other than its own is preserved. */
static void is_virtual_function_of_another(struct fake_path *path)
{
	pci_liveupdate_preserve(&path->devs[2]);
	is_virtual(path);
}

/* The lowest numbered physical function controls ARI. */
static void is_not_the_lowest_physical_function(struct fake_path *path)
{
	/* Some virtual functions are enabled. */
	memset(&path->sriov, 1, sizeof(path->sriov));
	path->sriov.dev = &path->devs[1];
	path->devs[0].is_physfn = 1;
	path->devs[0].sriov = &path->sriov;
}

/* It has to be used together with another one. */
static void is_linked_with_another_physical_function(struct fake_path *path)
{
	is_not_the_lowest_physical_function(path);
	path->sriov.dev = &path->devs[0];
}
#endif /* CONFIG_PCI_IOV */

static void is_bridge(struct fake_path *path)
{
	path->devs[0].hdr_type = PCI_HEADER_TYPE_BRIDGE;
}

/* As a non-transparent bridge */
static void has_the_class_of_a_bridge(struct fake_path *path)
{
	path->devs[0].class = PCI_CLASS_BRIDGE_OTHER << 8;
}

static void is_disconnected(struct fake_path *path)
{
	path->devs[0].error_state = pci_channel_io_perm_failure;
}

static void is_on_a_virtual_bus(struct fake_path *path)
{
	path->bus.self = NULL;
}

static void is_behind_cardbus(struct fake_path *path)
{
	path->bridge.hdr_type = PCI_HEADER_TYPE_CARDBUS;
}

static void has_a_pci_device_as_host_bridge(struct fake_path *path)
{
	path->host.dev.parent = &path->devs[NR_FAKES - 1].dev;
}

static void is_preserved(struct fake_path *path)
{
	pci_liveupdate_preserve(&path->devs[0]);
}

/* With the bridge on the list, there is no room for the last devices. */
static void has_no_room_in_the_list(struct fake_path *path)
{
	for (unsigned int i = 1; i < NR_FAKES; i++)
		pci_liveupdate_preserve(&path->devs[i]);
}

struct refusal {
	const char	*desc;
	void		(*prepare)(struct fake_path *path);
	int		err;
};

static const struct refusal refusals[] = {
#ifdef CONFIG_PCI_IOV
	{ "virtual function",		is_virtual,				-EOPNOTSUPP },
	{ "driver that takes over",	has_a_driver_that_takes_over,		-EOPNOTSUPP },
	{ "ordinary driver",		has_an_ordinary_driver,			-EOPNOTSUPP },
	{ "driver that keeps others",	has_a_driver_that_does_not_keep_it,	-EOPNOTSUPP },
	{ "of another function",	is_virtual_function_of_another,		-EOPNOTSUPP },
	{ "not the lowest function",	is_not_the_lowest_physical_function,	-EOPNOTSUPP },
	{ "linked function",		is_linked_with_another_physical_function, -EOPNOTSUPP },
#endif
	{ "not an endpoint",		is_bridge,				-EOPNOTSUPP },
	{ "class of a bridge",		has_the_class_of_a_bridge,		-EOPNOTSUPP },
	{ "disconnected",		is_disconnected,			-ENODEV },
	{ "fatal error",		had_a_fatal_error,			-ENODEV },
	{ "no path to a root bus",	is_on_a_virtual_bus,			-EOPNOTSUPP },
	{ "not a PCI-to-PCI bridge",	is_behind_cardbus,			-EOPNOTSUPP },
	{ "host bridge",		has_a_pci_device_as_host_bridge,	-EOPNOTSUPP },
	{ "preserved already",		is_preserved,				-EBUSY },
	{ "list is full",		has_no_room_in_the_list,		-ENOSPC },
};

KUNIT_ARRAY_PARAM_DESC(refusal, refusals, desc);

static void device_that_cannot_be_preserved_is_refused(struct kunit *test)
{
	const struct refusal *refusal = test->param_value;
	struct fake_path *path = fake_path(test);
	const struct pci_lu_ser *list = path->flb.obj;
	u32 nr_devices;

	refusal->prepare(path);
	nr_devices = list->nr_devices;
	KUNIT_EXPECT_EQ(test, pci_liveupdate_preserve(&path->devs[0]), refusal->err);
	KUNIT_EXPECT_EQ(test, list->nr_devices, nr_devices);
	KUNIT_EXPECT_EQ(test, pci_liveupdate_outgoing(&path->devs[0]),
			refusal->err == -EBUSY);
}

static void bridge_is_on_the_list_while_a_device_below_it_is(struct kunit *test)
{
	struct fake_path *path = fake_path(test);
	const struct pci_lu_ser *list = path->flb.obj;

	KUNIT_ASSERT_EQ(test, pci_liveupdate_preserve(&path->devs[0]), 0);
	KUNIT_ASSERT_EQ(test, pci_liveupdate_preserve(&path->devs[1]), 0);
	KUNIT_EXPECT_EQ(test, list->nr_devices, 3);
	KUNIT_EXPECT_TRUE(test, pci_liveupdate_outgoing(&path->bridge));

	pci_liveupdate_unpreserve(&path->devs[0]);
	KUNIT_EXPECT_EQ(test, list->nr_devices, 2);
	KUNIT_EXPECT_TRUE(test, pci_liveupdate_outgoing(&path->bridge));

	pci_liveupdate_unpreserve(&path->devs[1]);
	KUNIT_EXPECT_EQ(test, list->nr_devices, 0);
	KUNIT_EXPECT_FALSE(test, pci_liveupdate_outgoing(&path->bridge));
}

#ifdef CONFIG_PCI_IOV
static void virtual_function_keeps_its_physical_function_on_the_list(struct kunit *test)
{
	struct fake_path *path = fake_path(test);
	const struct pci_lu_ser *list = path->flb.obj;

	is_virtual(path);
	KUNIT_ASSERT_EQ(test, pci_liveupdate_preserve(&path->devs[1]), 0);
	KUNIT_EXPECT_EQ(test, list->nr_devices, 2);
	KUNIT_ASSERT_EQ(test, pci_liveupdate_preserve(&path->devs[0]), 0);
	KUNIT_EXPECT_EQ(test, list->nr_devices, 3);
	KUNIT_EXPECT_EQ(test, list->devices[0].flags, 0);
	KUNIT_EXPECT_EQ(test, list->devices[2].flags, PCI_LU_DEV_VIRTFN);

	pci_liveupdate_unpreserve(&path->devs[1]);
	KUNIT_EXPECT_EQ(test, list->nr_devices, 3);
	KUNIT_EXPECT_TRUE(test, pci_liveupdate_outgoing(&path->devs[1]));

	pci_liveupdate_unpreserve(&path->devs[0]);
	KUNIT_EXPECT_EQ(test, list->nr_devices, 0);
	KUNIT_EXPECT_FALSE(test, pci_liveupdate_outgoing(&path->devs[1]));
	KUNIT_EXPECT_FALSE(test, pci_liveupdate_outgoing(&path->bridge));
}

static void expect_obstacle(struct kunit *test, struct pci_dev *pdev, const char *expected)
{
	char reason[128];

	KUNIT_EXPECT_TRUE(test, pci_liveupdate_find_obstacle(pdev, reason, sizeof(reason)));
	KUNIT_EXPECT_STREQ(test, reason, expected);
}

/* The physical function would be frozen after its virtual function. */
static void device_is_not_preserved_while_a_virtual_function_is(struct kunit *test)
{
	struct fake_path *path = fake_path(test);
	struct pci_dev *physfn = &path->devs[1];

	is_virtual(path);
	path->devs[2].is_virtfn = 1;
	path->devs[2].physfn = physfn;
	KUNIT_ASSERT_EQ(test, pci_liveupdate_preserve(physfn), 0);
	KUNIT_ASSERT_EQ(test, pci_liveupdate_preserve(&path->devs[0]), 0);
	expect_obstacle(test, physfn, "preserved already");

	/* The session of the device is closed, that of the virtual function is not. */
	pci_liveupdate_unpreserve(physfn);
	KUNIT_EXPECT_EQ(test, pci_liveupdate_preserve(physfn), -EBUSY);
	expect_obstacle(test, physfn, "a virtual function of it is preserved");
	KUNIT_EXPECT_EQ(test, pci_liveupdate_preserve(&path->devs[2]), -EOPNOTSUPP);

	pci_liveupdate_unpreserve(&path->devs[0]);
	KUNIT_ASSERT_EQ(test, pci_liveupdate_preserve(physfn), 0);
	KUNIT_EXPECT_EQ(test, pci_liveupdate_preserve(&path->devs[2]), 0);
	pci_liveupdate_unpreserve(&path->devs[2]);
}

static void driver_keeps_virtual_functions_of_its_device(struct kunit *test)
{
	struct fake_path *path = fake_path(test);
	const struct pci_lu_ser *list = path->flb.obj;
	struct pci_dev *physfn = &path->devs[1];

	has_driver(path, &keeping_driver);
	path->devs[2].is_virtfn = 1;
	path->devs[2].physfn = physfn;

	/* The task that holds the lock may be waiting for the user who preserves it. */
	scoped_guard(device, &physfn->dev)
		KUNIT_EXPECT_EQ(test, pci_liveupdate_preserve(&path->devs[0]), -EBUSY);

	KUNIT_ASSERT_EQ(test, pci_liveupdate_preserve(&path->devs[0]), 0);
	KUNIT_ASSERT_EQ(test, pci_liveupdate_preserve(&path->devs[2]), 0);
	KUNIT_EXPECT_EQ(test, list->nr_devices, 4);
	KUNIT_EXPECT_EQ(test, list->devices[0].flags, PCI_LU_DEV_VIRTFN);
	KUNIT_EXPECT_EQ(test, list->devices[1].devid, pci_dev_id(physfn));
	KUNIT_EXPECT_EQ(test, list->devices[1].flags, PCI_LU_DEV_KEEPS_VFS);

	/* The physical function itself is not handed over, and loses bus mastering. */
	KUNIT_EXPECT_FALSE(test, pci_liveupdate_outgoing(physfn));
	KUNIT_EXPECT_TRUE(test, pci_liveupdate_vfs_outgoing(physfn));
	KUNIT_EXPECT_EQ(test, pci_liveupdate_preserve(physfn), -EBUSY);
	expect_obstacle(test, physfn, "a virtual function of it is preserved");

	pci_liveupdate_unpreserve(&path->devs[0]);
	KUNIT_EXPECT_TRUE(test, pci_liveupdate_vfs_outgoing(physfn));
	pci_liveupdate_unpreserve(&path->devs[2]);
	KUNIT_EXPECT_FALSE(test, pci_liveupdate_vfs_outgoing(physfn));
	KUNIT_EXPECT_EQ(test, list->nr_devices, 0);
}

static void driver_of_the_device_of_a_frozen_virtual_function_keeps_it(struct kunit *test)
{
	struct fake_path *path = fake_path(test);

	has_driver_and_is_registered(test, path, &keeping_driver);
	KUNIT_ASSERT_EQ(test, pci_liveupdate_preserve(&path->devs[0]), 0);

	/* Its driver may be waiting for the user of another virtual function. */
	scoped_guard(device, &path->devs[1].dev)
		KUNIT_EXPECT_EQ(test, pci_liveupdate_freeze(&path->devs[0]), -EBUSY);

	KUNIT_EXPECT_EQ(test, pci_liveupdate_freeze(&path->devs[0]), 0);
	pci_liveupdate_unfreeze(&path->devs[0]);
	path->devs[1].dev.driver = &other_keeping_driver.driver;
	KUNIT_EXPECT_EQ(test, pci_liveupdate_freeze(&path->devs[0]), 0);
	pci_liveupdate_unfreeze(&path->devs[0]);
	path->devs[1].dev.driver = &losing_driver.driver;
	KUNIT_EXPECT_EQ(test, pci_liveupdate_freeze(&path->devs[0]), -EBUSY);
	path->devs[1].dev.driver = NULL;
	KUNIT_EXPECT_EQ(test, pci_liveupdate_freeze(&path->devs[0]), -EBUSY);
}

/* As when this driver was bound after preserve() had asked the one before */
static void virtual_function_is_not_frozen_if_the_driver_does_not_keep_it(struct kunit *test)
{
	struct fake_path *path = fake_path(test);
	struct pci_driver drv = { .sriov_keeps = keeps };

	has_driver_and_is_registered(test, path, &drv);
	KUNIT_ASSERT_EQ(test, pci_liveupdate_preserve(&path->devs[0]), 0);
	drv.sriov_keeps = does_not_keep;
	KUNIT_EXPECT_EQ(test, pci_liveupdate_freeze(&path->devs[0]), -EBUSY);
	path->devs[1].dev.driver = NULL;
}

struct reader {
	struct work_struct	work;
	struct device		*dev;
	struct completion	locked;
};

/* Longer than one attempt of freeze() to get the lock, shorter than all of them together */
#define READ_US	3000

static void read_locked(struct work_struct *work)
{
	struct reader *reader = container_of(work, struct reader, work);

	guard(device)(reader->dev);
	complete(&reader->locked);
	fsleep(READ_US);
}

/* On the CPU of the test, so that both are held up if that CPU is. */
static void virtual_function_is_frozen_while_sriov_numvfs_is_read(struct kunit *test)
{
	struct fake_path *path = fake_path(test);
	struct reader reader = { .dev = &path->devs[1].dev };

	has_driver_and_is_registered(test, path, &keeping_driver);
	KUNIT_ASSERT_EQ(test, pci_liveupdate_preserve(&path->devs[0]), 0);

	init_completion(&reader.locked);
	INIT_WORK_ONSTACK(&reader.work, read_locked);
	migrate_disable();
	schedule_work_on(smp_processor_id(), &reader.work);
	wait_for_completion(&reader.locked);
	KUNIT_EXPECT_EQ(test, pci_liveupdate_freeze(&path->devs[0]), 0);
	migrate_enable();
	flush_work(&reader.work);
	destroy_work_on_stack(&reader.work);

	pci_liveupdate_unfreeze(&path->devs[0]);
	/* The driver core does not know it. */
	path->devs[1].dev.driver = NULL;
}

static void unregister_driver(void *drv)
{
	pci_unregister_driver(drv);
}

/* Anybody can read sysfs while another task wants to have the lock. */
static void obstacle_is_found_without_the_lock(struct kunit *test)
{
	static const struct pci_device_id none[] = { { } };
	struct fake_path *path = fake_path(test);
	struct pci_driver *drv = kunit_kzalloc(test, sizeof(*drv), GFP_KERNEL);
	struct pci_dev *physfn = &path->devs[1];

	KUNIT_ASSERT_NOT_NULL(test, drv);
	drv->name = "kunit_physfn";
	drv->id_table = none;
	KUNIT_ASSERT_EQ(test, pci_register_driver(drv), 0);
	KUNIT_ASSERT_EQ(test, kunit_add_action_or_reset(test, unregister_driver, drv), 0);
	has_driver(path, drv);

	guard(device)(&physfn->dev);
	expect_obstacle(test, &path->devs[0],
			"the driver of its physical function does not keep virtual functions");
	drv->sriov_keeps = keeps;
	expect_obstacle(test, &path->devs[0], "neither MSI nor MSI-X");
	drv->takes_over = true;
	expect_obstacle(test, &path->devs[0], "its physical function is not preserved");
	physfn->dev.driver = NULL;
	expect_obstacle(test, &path->devs[0], "its physical function has no driver");
}

static void unbind(void *dev)
{
	device_release_driver(dev);
}

/* The task that unbinds it does not hold its lock, which the shutdown needs. */
static void expect_waiting(struct kunit *test, struct waiting_task *unbinder)
{
	struct device *dev = unbinder->arg;
	bool locked;

	expect_task_waits(test, unbinder);
	locked = device_trylock(dev);
	KUNIT_EXPECT_TRUE(test, locked);
	if (locked)
		device_unlock(dev);
}

/* Two virtual functions are frozen. */
static void device_is_not_unbound_while_a_virtual_function_is_frozen(struct kunit *test)
{
	struct fake_path *path = fake_path(test);
	struct pci_dev *physfn = &path->devs[1];
	struct waiting_task unbinder = { .call = unbind, .arg = &physfn->dev };

	has_driver_and_is_registered(test, path, &keeping_driver);
	path->devs[2].is_virtfn = 1;
	path->devs[2].physfn = physfn;
	KUNIT_ASSERT_EQ(test, pci_liveupdate_preserve(&path->devs[0]), 0);
	KUNIT_ASSERT_EQ(test, pci_liveupdate_preserve(&path->devs[2]), 0);
	KUNIT_EXPECT_EQ(test, pci_liveupdate_freeze(&path->devs[0]), 0);
	KUNIT_EXPECT_EQ(test, pci_liveupdate_freeze(&path->devs[2]), 0);

	/* The driver core does not know the device, so it must not call the driver. */
	physfn->dev.driver = NULL;
	start_waiting_task(test, &unbinder);
	expect_waiting(test, &unbinder);
	pci_liveupdate_unfreeze(&path->devs[2]);
	expect_waiting(test, &unbinder);
	pci_liveupdate_unfreeze(&path->devs[0]);
	end_waiting_task(&unbinder);
}

/* The user of the physical function shuts that down. */
static void preserved_device_is_not_held_by_its_virtual_functions(struct kunit *test)
{
	struct fake_path *path = fake_path(test);
	struct pci_dev *physfn = &path->devs[1];

	has_driver(path, &taking_driver);
	KUNIT_ASSERT_EQ(test, pci_liveupdate_preserve(physfn), 0);
	KUNIT_ASSERT_EQ(test, pci_liveupdate_preserve(&path->devs[0]), 0);
	scoped_guard(device, &physfn->dev)
		KUNIT_EXPECT_EQ(test, pci_liveupdate_freeze(&path->devs[0]), 0);
	pci_liveupdate_unfreeze(&path->devs[0]);
}

/* They were enabled after it was preserved. */
static void device_is_not_frozen_with_virtual_functions_of_another(struct kunit *test)
{
	struct fake_path *path = fake_path(test);

	KUNIT_ASSERT_EQ(test, pci_liveupdate_preserve(&path->devs[0]), 0);
	is_linked_with_another_physical_function(path);
	KUNIT_EXPECT_EQ(test, pci_liveupdate_freeze(&path->devs[0]), -EOPNOTSUPP);
	KUNIT_EXPECT_FALSE(test, pci_liveupdate_frozen(&path->devs[0]));
}

/* A reset would clear VF Enable, and set it again. */
static void device_is_not_reset_while_a_virtual_function_is_frozen(struct kunit *test)
{
	struct fake_path *path = fake_path(test);
	struct pci_dev *physfn = &path->devs[1];

	has_driver_and_is_registered(test, path, &keeping_driver);
	list_add(&physfn->bus_list, &path->bus.devices);
	physfn->reset_methods[0] = 1;
	KUNIT_ASSERT_EQ(test, pci_liveupdate_preserve(&path->devs[0]), 0);
	KUNIT_ASSERT_EQ(test, pci_liveupdate_freeze(&path->devs[0]), 0);
	/* It is on a virtual bus. */
	list_del(&path->devs[0].bus_list);

	KUNIT_EXPECT_EQ(test, pci_reset_function(physfn), -EBUSY);
	KUNIT_EXPECT_EQ(test, pci_try_reset_function(physfn), -EBUSY);
	KUNIT_EXPECT_EQ(test, pci_reset_bus(physfn), -EBUSY);
	KUNIT_EXPECT_EQ(test, pci_bus_error_reset(&path->bridge), -EBUSY);

	pci_liveupdate_unfreeze(&path->devs[0]);
	KUNIT_EXPECT_FALSE(test, pci_liveupdate_frozen(physfn));
	physfn->dev.driver = NULL;
}
#endif /* CONFIG_PCI_IOV */

/* The first entry is the device's, the second the bridge's. */
static void list_is_that_of_the_freeze(struct kunit *test)
{
	struct fake_path *path = fake_path(test);
	const struct pci_lu_ser *list = path->flb.obj;

	path->bridge.acs_cap = 0x100;
	KUNIT_ASSERT_EQ(test, pci_liveupdate_preserve(&path->devs[0]), 0);
	fake_config = 0x00040302;
	path->bridge.ari_enabled = 1;
	KUNIT_EXPECT_EQ(test, list->devices[1].acs_ctrl, 0);

	KUNIT_EXPECT_EQ(test, pci_liveupdate_freeze(&path->devs[0]), 0);
	KUNIT_EXPECT_EQ(test, list->nr_devices, 2);
	KUNIT_EXPECT_EQ(test, list->devices[0].addresses[0], fake_config);
	KUNIT_EXPECT_EQ(test, list->devices[1].acs_ctrl, 0x0302);
	KUNIT_EXPECT_EQ(test, list->devices[1].secondary, 3);
	KUNIT_EXPECT_EQ(test, list->devices[1].subordinate, 4);
	KUNIT_EXPECT_EQ(test, list->devices[1].flags, PCI_LU_DEV_BRIDGE | PCI_LU_DEV_ARI);
	/* Without Secondary Status, which is not an address */
	KUNIT_EXPECT_EQ(test, list->devices[1].addresses[0], 0x0302);

	is_disconnected(path);
	KUNIT_EXPECT_EQ(test, pci_liveupdate_freeze(&path->devs[0]), -ENODEV);
	had_a_fatal_error(path);
	KUNIT_EXPECT_EQ(test, pci_liveupdate_freeze(&path->devs[0]), -ENODEV);
}

/*
 * A task that resets it would wait for its lock with the bridge locked, and the shutdown
 * needs the lock of the bridge.
 */
static void frozen_device_is_not_reset(struct kunit *test)
{
	struct fake_path *path = fake_path(test);

	path->devs[0].reset_methods[0] = 1;
	KUNIT_ASSERT_EQ(test, pci_liveupdate_preserve(&path->devs[0]), 0);
	KUNIT_ASSERT_EQ(test, pci_liveupdate_freeze(&path->devs[0]), 0);
	KUNIT_EXPECT_EQ(test, pci_reset_function(&path->devs[0]), -EBUSY);
	KUNIT_EXPECT_EQ(test, pci_try_reset_function(&path->devs[0]), -EBUSY);
	KUNIT_EXPECT_EQ(test, pci_probe_reset_bus(&path->bus), 0);
	KUNIT_EXPECT_EQ(test, pci_reset_bus(&path->devs[0]), -EBUSY);
	KUNIT_EXPECT_EQ(test, pci_bus_error_reset(&path->bridge), -EBUSY);
	pci_liveupdate_unfreeze(&path->devs[0]);
	KUNIT_EXPECT_FALSE(test, pci_liveupdate_frozen(&path->devs[0]));
}

#ifdef CONFIG_PCIEAER
static pci_ers_result_t reset_fails(struct pci_dev *pdev)
{
	return PCI_ERS_RESULT_DISCONNECT;
}

static pci_ers_result_t reset_succeeds(struct pci_dev *pdev)
{
	return PCI_ERS_RESULT_RECOVERED;
}

static pci_ers_result_t needs_reset(struct pci_dev *pdev, pci_channel_state_t state)
{
	return PCI_ERS_RESULT_NEED_RESET;
}

static const struct pci_error_handlers recovering_handlers = {
	.error_detected	= needs_reset,
	.slot_reset	= reset_succeeds,
};

static struct pci_driver recovering_driver = { .err_handler = &recovering_handlers };

struct recovery {
	struct waiting_task	task;
	struct pci_dev		*bridge;
	pci_ers_result_t	(*reset)(struct pci_dev *pdev);
	pci_ers_result_t	result;
};

static void recover(void *arg)
{
	struct recovery *recovery = arg;

	recovery->result = pcie_do_recovery(recovery->bridge, pci_channel_io_frozen,
					    recovery->reset);
}

/* Holds the lock of the first device meanwhile. */
static pci_ers_result_t recover_locked(struct kunit *test, struct fake_path *path,
				       pci_ers_result_t (*reset)(struct pci_dev *pdev))
{
	struct pci_dev *pdev = &path->devs[0];
	struct recovery recovery = {
		.task	= { .call = recover, .arg = &recovery },
		.bridge	= &path->bridge,
		.reset	= reset,
	};

	scoped_guard(device, &pdev->dev) {
		start_waiting_task(test, &recovery.task);
		if (!pci_liveupdate_frozen(pdev)) {
			expect_task_waits(test, &recovery.task);
			KUNIT_EXPECT_EQ(test, pci_liveupdate_freeze(pdev), 0);
		}
		expect_task_returns(test, &recovery.task);
	}
	end_waiting_task(&recovery.task);
	return recovery.result;
}

/* The lock of the device is held until the jump, and pci_bus_sem would be as well. */
static void recovery_does_not_wait_for_a_frozen_device(struct kunit *test)
{
	struct fake_path *path = fake_path(test);
	struct pci_dev *pdev = &path->devs[0], *mate = &path->devs[1];

	path->bridge.pcie_flags_reg = PCI_EXP_TYPE_ROOT_PORT << 4;
	device_initialize(&pdev->dev);
	KUNIT_ASSERT_EQ(test, pci_liveupdate_preserve(pdev), 0);

	/* The device is frozen while the recovery waits for its lock, or before. */
	recover_locked(test, path, reset_fails);
	KUNIT_EXPECT_TRUE(test, pdev->error_state == pci_channel_io_normal);
	recover_locked(test, path, reset_fails);
	KUNIT_EXPECT_TRUE(test, pdev->error_state == pci_channel_io_normal);

	/* All callbacks that follow a reset, which another device on the bus asks for */
	device_initialize(&mate->dev);
	mate->driver = &recovering_driver;
	list_add_tail(&mate->bus_list, &path->bus.devices);
	KUNIT_EXPECT_TRUE(test, recover_locked(test, path, reset_succeeds) ==
				PCI_ERS_RESULT_RECOVERED);
	KUNIT_EXPECT_TRUE(test, pdev->error_state == pci_channel_io_normal);
	KUNIT_EXPECT_TRUE(test, mate->error_state == pci_channel_io_normal);

	pci_liveupdate_unfreeze(pdev);
	pcie_do_recovery(&path->bridge, pci_channel_io_frozen, reset_fails);
	KUNIT_EXPECT_TRUE(test, pdev->error_state == pci_channel_io_frozen);
}

/* The next kernel would take it for that of an error since the freeze. */
static void status_of_a_fatal_error_is_cleared_at_the_freeze(struct kunit *test)
{
	struct fake_path *path = fake_path(test);
	struct pci_dev *pdev = &path->devs[0];

	KUNIT_ASSERT_EQ(test, pci_liveupdate_preserve(pdev), 0);
	has_errors(path, pdev, PCI_ERR_UNC_MALF_TLP | PCI_ERR_UNC_UNSUP);
	KUNIT_EXPECT_EQ(test, pci_liveupdate_freeze(pdev), 0);
	KUNIT_EXPECT_EQ(test, fake_aer.status, PCI_ERR_UNC_UNSUP);
	pci_liveupdate_unfreeze(pdev);

	has_errors(path, &path->bridge, PCI_ERR_UNC_MALF_TLP);
	KUNIT_EXPECT_EQ(test, pci_liveupdate_freeze(pdev), 0);
	KUNIT_EXPECT_EQ(test, fake_aer.status, 0);
	pci_liveupdate_unfreeze(pdev);

	/* A device that shares the bridge may be frozen. */
	has_errors(path, &path->bridge, PCI_ERR_UNC_MALF_TLP);
	had_a_fatal_error(path);
	KUNIT_EXPECT_EQ(test, pci_liveupdate_freeze(pdev), -ENODEV);
	KUNIT_EXPECT_EQ(test, fake_aer.status, PCI_ERR_UNC_MALF_TLP);
}
#endif

static void without_the_list_nothing_is_preserved(struct kunit *test)
{
	struct fake_path *path = fake_path(test);

	kunit_release_action(test, flb_unpreserve, path);
	KUNIT_EXPECT_EQ(test, pci_liveupdate_preserve(&path->devs[0]), -ENOENT);
}

static int pci_out_init(struct kunit *test)
{
	if (is_kho_boot())
		kunit_skip(test, "this kernel may have a list of its own");
	return 0;
}

static struct kunit_case pci_out_cases[] = {
	KUNIT_CASE_PARAM(device_that_cannot_be_preserved_is_refused, refusal_gen_params),
	KUNIT_CASE(bridge_is_on_the_list_while_a_device_below_it_is),
#ifdef CONFIG_PCI_IOV
	KUNIT_CASE(virtual_function_keeps_its_physical_function_on_the_list),
	KUNIT_CASE(device_is_not_preserved_while_a_virtual_function_is),
	KUNIT_CASE(driver_keeps_virtual_functions_of_its_device),
	KUNIT_CASE(driver_of_the_device_of_a_frozen_virtual_function_keeps_it),
	KUNIT_CASE(virtual_function_is_not_frozen_if_the_driver_does_not_keep_it),
	KUNIT_CASE(virtual_function_is_frozen_while_sriov_numvfs_is_read),
	KUNIT_CASE(obstacle_is_found_without_the_lock),
	KUNIT_CASE(device_is_not_unbound_while_a_virtual_function_is_frozen),
	KUNIT_CASE(preserved_device_is_not_held_by_its_virtual_functions),
	KUNIT_CASE(device_is_not_frozen_with_virtual_functions_of_another),
	KUNIT_CASE(device_is_not_reset_while_a_virtual_function_is_frozen),
#endif
	KUNIT_CASE(list_is_that_of_the_freeze),
	KUNIT_CASE(frozen_device_is_not_reset),
#ifdef CONFIG_PCIEAER
	KUNIT_CASE(recovery_does_not_wait_for_a_frozen_device),
	KUNIT_CASE(status_of_a_fatal_error_is_cleared_at_the_freeze),
#endif
	KUNIT_CASE(without_the_list_nothing_is_preserved),
	{}
};

static struct kunit_suite pci_out_suite = {
	.name		= "irq_liveupdate_pci_out",
	.init		= pci_out_init,
	.test_cases	= pci_out_cases,
};

kunit_test_suite(pci_out_suite);

MODULE_DESCRIPTION("KUnit tests of PCI devices that are handed over in a live update");
MODULE_LICENSE("GPL");
