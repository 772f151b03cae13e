// SPDX-License-Identifier: GPL-2.0

/*
 * Tests of PCI devices that are incoming: their resets and drivers, how they are found,
 * retrieved and stopped, and their outcomes.
 */

#include <kunit/irq_liveupdate/fail_nth.h>
#include <kunit/irq_liveupdate/outcome.h>
#include <kunit/static_stub.h>
#include <kunit/test.h>
#include <linux/irq_liveupdate.h>
#include <linux/kho/abi/pci.h>
#include <linux/pci.h>
#include <linux/pci_hotplug.h>
#include <linux/pci_liveupdate.h>
#include <linux/pm_runtime.h>
#include <linux/sysfb.h>
#include <linux/xarray.h>

#include "kunit_fake_list.h"
#include "kunit_fake_path.h"
#include "liveupdate.h"
#include "pci.h"

static void bus_of_an_incoming_device_is_resettable_but_not_reset(struct kunit *test)
{
	struct fake_path *path = fake_path(test);

	KUNIT_EXPECT_EQ(test, pci_probe_reset_bus(&path->bus), 0);
	set_bit(PCI_DEV_LIVEUPDATE_INCOMING, &path->devs[0].priv_flags);
	KUNIT_EXPECT_EQ(test, pci_probe_reset_bus(&path->bus), 0);
	KUNIT_EXPECT_EQ(test, pci_reset_bus(&path->devs[0]), -EBUSY);
	KUNIT_EXPECT_EQ(test, pci_bus_error_reset(&path->bridge), -EBUSY);
}

/* Its requests would not be forwarded. */
static void bridge_above_an_incoming_device_is_not_reset(struct kunit *test)
{
	struct fake_path *path = fake_path(test);

	path->bridge.reset_methods[0] = 1;
	set_bit(PCI_DEV_LIVEUPDATE_INCOMING, &path->devs[0].priv_flags);
	KUNIT_EXPECT_EQ(test, pci_reset_function(&path->bridge), -EBUSY);
	KUNIT_EXPECT_EQ(test, pci_try_reset_function(&path->bridge), -EBUSY);
}

static int count_reset(struct hotplug_slot *hotplug, bool probe)
{
	struct fake_path *path = container_of(hotplug, struct fake_path, hotplug);

	if (!probe)
		path->nr_resets++;
	return 0;
}

static const struct hotplug_slot_ops slot_ops = {
	.reset_slot	= count_reset,
};

/* The first device is in a slot, the only one on the bus. */
static void fake_add_slot(struct fake_path *path)
{
	path->hotplug.ops = &slot_ops;
	path->slot.bus = &path->bus;
	path->slot.hotplug = &path->hotplug;
	path->devs[0].slot = &path->slot;
	list_add(&path->slot.list, &path->bus.slots);
}

static void slot_of_an_incoming_device_is_resettable_but_not_reset(struct kunit *test)
{
	struct fake_path *path = fake_path(test);

	fake_add_slot(path);
	KUNIT_EXPECT_EQ(test, pci_probe_reset_slot(&path->slot), 0);
	set_bit(PCI_DEV_LIVEUPDATE_INCOMING, &path->devs[0].priv_flags);
	KUNIT_EXPECT_EQ(test, pci_probe_reset_slot(&path->slot), 0);
	KUNIT_EXPECT_EQ(test, pci_reset_bus(&path->devs[0]), -EBUSY);
	KUNIT_EXPECT_EQ(test, pci_bus_error_reset(&path->bridge), -EBUSY);
	KUNIT_EXPECT_EQ(test, path->nr_resets, 0);
}

static const struct pci_device_id any_device[] = {
	{ PCI_DEVICE(PCI_ANY_ID, PCI_ANY_ID) },
	{ }
};

static void init_driver(struct pci_driver *drv, bool takes_over)
{
	drv->id_table = any_device;
	drv->driver_managed_dma = true;
	drv->takes_over = takes_over;
	spin_lock_init(&drv->dynids.lock);
	INIT_LIST_HEAD(&drv->dynids.list);
}

/* Both are drivers of VFIO. */
static void incoming_device_binds_to_what_takes_it_over(struct kunit *test)
{
	struct pci_driver vfio_pci = { }, variant = { };
	struct fake_path *path = fake_path(test);
	struct pci_dev *pdev = &path->devs[0];

	init_driver(&vfio_pci, true);
	init_driver(&variant, false);
	device_initialize(&pdev->dev);
	pci_dev_allow_binding(pdev);

	KUNIT_EXPECT_TRUE(test, pci_bus_type.match(&pdev->dev, &variant.driver));
	set_bit(PCI_DEV_LIVEUPDATE_INCOMING, &pdev->priv_flags);
	KUNIT_EXPECT_TRUE(test, pci_bus_type.match(&pdev->dev, &vfio_pci.driver));
	KUNIT_EXPECT_FALSE(test, test_bit(PCI_DEV_LIVEUPDATE_PROBE, &pdev->priv_flags));
	KUNIT_EXPECT_FALSE(test, pci_bus_type.match(&pdev->dev, &variant.driver));
	/* The variant driver is probed when the device is finished. */
	KUNIT_EXPECT_TRUE(test, test_bit(PCI_DEV_LIVEUPDATE_PROBE, &pdev->priv_flags));
}

/* Its virtual functions were handed over, the device itself was not. */
static void device_binds_only_to_a_driver_that_keeps_virtual_functions(struct kunit *test)
{
	struct pci_driver native = { .sriov_keeps = keeps }, other = { }, vfio_pci = { };
	struct fake_path *path = fake_path(test);
	struct pci_dev *pdev = &path->devs[0];

	init_driver(&native, false);
	init_driver(&other, false);
	init_driver(&vfio_pci, true);
	device_initialize(&pdev->dev);
	pci_dev_allow_binding(pdev);

	set_bit(PCI_DEV_LIVEUPDATE_VFS_INCOMING, &pdev->priv_flags);
	KUNIT_EXPECT_TRUE(test, pci_bus_type.match(&pdev->dev, &native.driver));
	KUNIT_EXPECT_FALSE(test, test_bit(PCI_DEV_LIVEUPDATE_PROBE, &pdev->priv_flags));
	KUNIT_EXPECT_FALSE(test, pci_bus_type.match(&pdev->dev, &vfio_pci.driver));
	KUNIT_EXPECT_FALSE(test, pci_bus_type.match(&pdev->dev, &other.driver));
	KUNIT_EXPECT_TRUE(test, test_bit(PCI_DEV_LIVEUPDATE_PROBE, &pdev->priv_flags));

	/* A device that was handed over itself has a user. */
	set_bit(PCI_DEV_LIVEUPDATE_INCOMING, &pdev->priv_flags);
	KUNIT_EXPECT_FALSE(test, pci_bus_type.match(&pdev->dev, &native.driver));
}

/* The function number is on the list, the bus is not. */
static void stray_master_is_stopped_unless_it_is_a_bridge(struct kunit *test)
{
	struct fake_path *path = fake_path(test);
	struct lists *lists = test->priv;
	struct pci_dev *pdev = &path->devs[0];

	good_list(test);
	memcpy(lists->kept, lists->list, ROOM);
	KUNIT_ASSERT_NULL(test, pci_lu_load(virt_to_phys(lists->kept)));

	fake_config = PCI_COMMAND_MASTER | PCI_COMMAND_MEMORY;
	pdev->class = PCI_CLASS_BRIDGE_HOST << 8;
	pci_liveupdate_setup_device(pdev);
	KUNIT_EXPECT_EQ(test, fake_config, PCI_COMMAND_MASTER | PCI_COMMAND_MEMORY);

	pdev->class = PCI_CLASS_NETWORK_ETHERNET << 8;
	pci_liveupdate_setup_device(pdev);
	KUNIT_EXPECT_EQ(test, fake_config, PCI_COMMAND_MEMORY);
}

static void endpoint_at_the_address_of_a_bridge_is_stopped(struct kunit *test)
{
	struct fake_path *path = fake_path(test);
	struct lists *lists = test->priv;

	memcpy(lists->kept, good_list(test), ROOM);
	KUNIT_ASSERT_NULL(test, pci_lu_load(virt_to_phys(lists->kept)));

	path->sysdata.domain = 0;
	KUNIT_ASSERT_EQ(test, pci_dev_id(&path->devs[0]), good_devices[LOWER].devid);
	fake_config = PCI_COMMAND_MASTER | PCI_COMMAND_MEMORY;
	pci_liveupdate_setup_device(&path->devs[0]);
	KUNIT_EXPECT_EQ(test, fake_config, PCI_COMMAND_MEMORY);
}

static void start_outcome_of(struct kunit *test, struct pci_dev *pdev)
{
	start_outcome(test, pci_domain_nr(pdev->bus), pci_dev_id(pdev));
}

static void expect_outcome_of(struct kunit *test, struct pci_dev *pdev, const char *expected)
{
	expect_outcome(test, pci_domain_nr(pdev->bus), pci_dev_id(pdev), expected);
}

static bool fake_is_incoming(struct device *dev)
{
	return pci_liveupdate_incoming(to_pci_dev(dev));
}

/* LUO does not retrieve it again, so this is its final outcome. */
static void failed_retrieve_is_the_outcome(struct kunit *test)
{
	struct fake_path *path = fake_path(test);
	struct pci_dev *pdev = &path->devs[0];

	start_outcome_of(test, pdev);
	kunit_activate_static_stub(test, irq_liveupdate_is_incoming, fake_is_incoming);
	set_bit(PCI_DEV_LIVEUPDATE_INCOMING, &pdev->priv_flags);
	irq_liveupdate_report_refusal(&pdev->dev, IRQ_LIVEUPDATE_RETRIEVE, "not bound to vfio-pci");
	expect_outcome_of(test, pdev, "not bound to vfio-pci");

	irq_liveupdate_report_refusal(&pdev->dev, IRQ_LIVEUPDATE_STOP, "nobody has retrieved it");
	expect_outcome_of(test, pdev, "not bound to vfio-pci");
}

/* As for a second live update file of a device, or for a file with a wrong name. */
static void failed_retrieve_of_another_device_is_no_outcome(struct kunit *test)
{
	struct fake_path *path = fake_path(test);
	struct pci_dev *pdev = &path->devs[0];

	start_outcome_of(test, pdev);
	KUNIT_EXPECT_EQ(test, pci_liveupdate_retrieve(pdev), -ENODEV);
	expect_outcome_of(test, pdev, NULL);
}

/* The path as the previous kernel has recorded it, and its first device as enumeration finds it */
static struct pci_dev *fake_incoming(struct kunit *test, struct fake_path *path)
{
	struct pci_dev *pdev = &path->devs[0];
	struct lists *lists = test->priv;

	KUNIT_ASSERT_EQ(test, pci_liveupdate_preserve(pdev), 0);
	memcpy(lists->kept, path->flb.obj, ROOM);
	pci_liveupdate_unpreserve(pdev);
	KUNIT_ASSERT_NULL(test, pci_lu_load(virt_to_phys(lists->kept)));
	/* The list has been copied, and its memory freed. */
	lists->kept = NULL;
	set_bit(PCI_DEV_LIVEUPDATE_INCOMING, &pdev->priv_flags);
	return pdev;
}

/* FINISH came while the device was enumerated: it was not found. */
static void device_added_after_the_last_file_is_finished_is_stopped(struct kunit *test)
{
	struct fake_path *path = fake_path(test);
	struct pci_dev *pdev = fake_incoming(test, path);

	device_initialize(&pdev->dev);
	pm_runtime_get_noresume(&pdev->dev);
	start_outcome_of(test, pdev);
	fake_config = PCI_COMMAND_MASTER | PCI_COMMAND_MEMORY;
	pci_lu_added(NULL, BUS_NOTIFY_ADD_DEVICE, &pdev->dev);
	KUNIT_EXPECT_TRUE(test, pci_liveupdate_incoming(pdev));

	pci_lu_unload();
	pci_lu_added(NULL, BUS_NOTIFY_BIND_DRIVER, &pdev->dev);
	KUNIT_EXPECT_TRUE(test, pci_liveupdate_incoming(pdev));
	pci_lu_added(NULL, BUS_NOTIFY_ADD_DEVICE, &pdev->dev);
	KUNIT_EXPECT_FALSE(test, pci_liveupdate_incoming(pdev));
	KUNIT_EXPECT_FALSE(test, fake_config & PCI_COMMAND_MASTER);
	expect_outcome_of(test, pdev, "nobody has claimed it");

	/* The same for a device of which only virtual functions were handed over */
	pm_runtime_get_noresume(&pdev->dev);
	set_bit(PCI_DEV_LIVEUPDATE_VFS_INCOMING, &pdev->priv_flags);
	pci_lu_added(NULL, BUS_NOTIFY_ADD_DEVICE, &pdev->dev);
	KUNIT_EXPECT_FALSE(test, pci_liveupdate_vfs_incoming(pdev));
}

/* As a virtual function, the physical function of which gets its driver later than that */
static void device_added_after_its_file_is_finished_is_stopped(struct kunit *test)
{
	struct fake_path *path = fake_path(test);
	struct pci_dev *pdev = fake_incoming(test, path);
	u32 segment = pci_domain_nr(pdev->bus);
	u16 devid = pci_dev_id(pdev);

	device_initialize(&pdev->dev);
	pm_runtime_get_noresume(&pdev->dev);
	start_outcome_of(test, pdev);
	fake_config = PCI_COMMAND_MASTER | PCI_COMMAND_MEMORY;

	/* Of the bridge above it, whatever the previous kernel meant by that */
	pci_liveupdate_stop_unretrieved(segment, pci_dev_id(&path->bridge));
	pci_lu_added(NULL, BUS_NOTIFY_ADD_DEVICE, &pdev->dev);
	KUNIT_EXPECT_TRUE(test, pci_liveupdate_incoming(pdev));

	pci_liveupdate_stop_unretrieved(segment, devid);
	KUNIT_EXPECT_TRUE(test, pci_liveupdate_incoming(pdev));
	pci_lu_added(NULL, BUS_NOTIFY_ADD_DEVICE, &pdev->dev);
	KUNIT_EXPECT_FALSE(test, pci_liveupdate_incoming(pdev));
	KUNIT_EXPECT_FALSE(test, fake_config & PCI_COMMAND_MASTER);
	expect_outcome_of(test, pdev, "nobody has retrieved it");
}

static bool is_recorded(const struct pci_lu_dev_ser *dev)
{
	return xa_load(&pci_lu_in_devices, (unsigned long)dev->segment << 16 | dev->devid);
}

/* None of the devices exists, and virtual functions are found later. */
static void absent_device_is_forgotten(struct kunit *test)
{
	struct pci_lu_dev_ser lower = good_devices[LOWER];
	struct lists *lists = test->priv;
	struct pci_lu_ser *list = good_list(test);

	/* The machine may have a device at its address. */
	lower.segment = U32_MAX;
	list->devices[LOWER] = lower;
	memcpy(lists->kept, list, ROOM);
	KUNIT_ASSERT_NULL(test, pci_lu_load(virt_to_phys(lists->kept)));
	lists->kept = NULL;
	KUNIT_EXPECT_TRUE(test, is_recorded(&good_devices[ON_ROOT]));
	KUNIT_EXPECT_TRUE(test, is_recorded(&lower));

	scoped_guard(mutex, &pci_lu_lock)
		pci_lu_forget_absent();
	KUNIT_EXPECT_FALSE(test, is_recorded(&good_devices[ON_ROOT]));
	KUNIT_EXPECT_FALSE(test, is_recorded(&lower));
	KUNIT_EXPECT_TRUE(test, is_recorded(&good_devices[VIRTUAL]));
}

/* Whatever the previous kernel says, the device belongs to the first file. */
static void device_is_retrieved_once(struct kunit *test)
{
	struct fake_path *path = fake_path(test);
	struct pci_dev *pdev = fake_incoming(test, path);

	start_outcome_of(test, pdev);
	KUNIT_EXPECT_EQ(test, pci_liveupdate_retrieve(pdev), 0);
	KUNIT_EXPECT_EQ(test, pci_liveupdate_retrieve(pdev), -EBUSY);
	KUNIT_EXPECT_TRUE(test, pci_liveupdate_retrieved(pdev));
	expect_outcome_of(test, pdev, NULL);

	/* Nor does the end of the second file stop it. */
	pci_lu_stop_unclaimed(pdev, "nobody has retrieved it");
	KUNIT_EXPECT_TRUE(test, pci_liveupdate_incoming(pdev));
}

#ifdef CONFIG_SYSFB
/* Firmware has used it as a display, and the console would overwrite what its user has there. */
static void incoming_display_is_no_console(struct kunit *test)
{
	struct fake_path *path = fake_path(test);
	struct pci_dev *pdev = &path->devs[0];

	fake_config = PCI_COMMAND_MEMORY;
	KUNIT_EXPECT_TRUE(test, sysfb_pci_dev_is_enabled(pdev));
	set_bit(PCI_DEV_LIVEUPDATE_INCOMING, &pdev->priv_flags);
	KUNIT_EXPECT_FALSE(test, sysfb_pci_dev_is_enabled(pdev));
}
#endif /* CONFIG_SYSFB */

/* The file for its user could not be created. */
static void retrieve_is_undone(struct kunit *test)
{
	struct fake_path *path = fake_path(test);
	struct pci_dev *pdev = fake_incoming(test, path);

	KUNIT_ASSERT_EQ(test, pci_liveupdate_retrieve(pdev), 0);
	pci_liveupdate_unretrieve(pdev);
	KUNIT_EXPECT_FALSE(test, pci_liveupdate_retrieved(pdev));
	KUNIT_EXPECT_TRUE(test, pci_liveupdate_incoming(pdev));
	KUNIT_EXPECT_EQ(test, pci_liveupdate_retrieve(pdev), 0);
}

/* As pcie_do_recovery() leaves it when the reset of its bus is refused */
static void device_with_a_fatal_error_is_not_retrieved(struct kunit *test)
{
	struct fake_path *path = fake_path(test);
	struct pci_dev *pdev = fake_incoming(test, path);

	had_a_fatal_error(path);
	KUNIT_EXPECT_EQ(test, pci_liveupdate_retrieve(pdev), -ENODEV);
	KUNIT_EXPECT_FALSE(test, pci_liveupdate_retrieved(pdev));
}

static void enumerate(struct fake_path *path)
{
	device_initialize(&path->devs[0].dev);
	pci_liveupdate_setup_device(&path->bridge);
	pci_liveupdate_setup_device(&path->devs[0]);
	/* As pci_aer_init() does */
	fake_aer.status = 0;
}

static void reported_by_the_device(struct fake_path *path)
{
	has_errors(path, &path->devs[0], PCI_ERR_UNC_MALF_TLP);
}

static void reported_by_the_bridge(struct fake_path *path)
{
	has_errors(path, &path->bridge, PCI_ERR_UNC_MALF_TLP);
}

static void not_fatal(struct fake_path *path)
{
	has_errors(path, &path->devs[0], PCI_ERR_UNC_UNSUP);
}

static void masked(struct fake_path *path)
{
	reported_by_the_device(path);
	fake_aer.mask = PCI_ERR_UNC_MALF_TLP;
}

/* All registers of a device that is gone */
static void all_ones(struct fake_path *path)
{
	has_errors(path, &path->devs[0], U32_MAX);
	fake_aer.mask = U32_MAX;
	fake_aer.severity = U32_MAX;
}

/* It may be the status of an old error, because the previous kernel could not clear it. */
static void controlled_by_firmware(struct fake_path *path)
{
	reported_by_the_device(path);
	path->host.native_aer = 0;
}

struct error {
	const char	*desc;
	void		(*report)(struct fake_path *path);
	int		err;
};

static const struct error errors[] = {
	{ "of the device",		reported_by_the_device,	-ENODEV },
	{ "of the bridge",		reported_by_the_bridge,	-ENODEV },
	{ "not fatal",			not_fatal,		0 },
	{ "masked",			masked,			0 },
	{ "all ones",			all_ones,		0 },
	{ "controlled by firmware",	controlled_by_firmware,	0 },
};

KUNIT_ARRAY_PARAM_DESC(error, errors, desc);

/* The previous kernel has not recovered it, because it was frozen. */
static void device_with_a_fatal_error_before_enumeration_is_not_retrieved(struct kunit *test)
{
	const struct error *error = test->param_value;
	struct fake_path *path = fake_path(test);
	struct pci_dev *pdev = fake_incoming(test, path);

	error->report(path);
	enumerate(path);
	KUNIT_EXPECT_TRUE(test, pci_liveupdate_incoming(pdev));
	KUNIT_EXPECT_EQ(test, pci_liveupdate_retrieve(pdev), error->err);
	KUNIT_EXPECT_EQ(test, pci_liveupdate_retrieved(pdev), !error->err);
}

/* The bridge would isolate the device from others differently, or address other functions. */
static void device_behind_a_changed_bridge_is_not_retrieved(struct kunit *test)
{
	struct fake_path *path = fake_path(test);
	struct pci_dev *pdev;

	/* Also what the ACS Control register holds, once the bridge has one */
	fake_config = PCI_ACS_SV;
	pdev = fake_incoming(test, path);

	path->bridge.ari_enabled = 1;
	KUNIT_EXPECT_EQ(test, pci_liveupdate_retrieve(pdev), -ENODEV);
	path->bridge.ari_enabled = 0;
	path->bridge.acs_cap = PCI_CFG_SPACE_SIZE;
	KUNIT_EXPECT_EQ(test, pci_liveupdate_retrieve(pdev), -ENODEV);
	path->bridge.acs_cap = 0;
	KUNIT_EXPECT_EQ(test, pci_liveupdate_retrieve(pdev), 0);
}

static void what_the_old_kernel_refuses_is_no_outcome(struct kunit *test)
{
	struct fake_path *path = fake_path(test);
	struct pci_dev *pdev = &path->devs[0];

	start_outcome_of(test, pdev);
	irq_liveupdate_report_refusal(&pdev->dev, IRQ_LIVEUPDATE_PRESERVE, "a reason");
	irq_liveupdate_report_refusal(&pdev->dev, IRQ_LIVEUPDATE_FREEZE, "a reason");
	irq_liveupdate_report_refusal(&pdev->dev, IRQ_LIVEUPDATE_BLOCK, "a reason");
	expect_outcome_of(test, pdev, NULL);
}

static void outcome_is_known_without_memory(struct kunit *test)
{
	struct fake_path *path = fake_path(test);
	struct pci_dev *pdev = &path->devs[0];
	unsigned int n = 0;
	bool failed;

	init_failing(test);
	do {
		start_outcome_of(test, pdev);
		fail_nth(++n);
		irq_liveupdate_record_refusal(pci_domain_nr(pdev->bus), pci_dev_id(pdev),
					      IRQ_LIVEUPDATE_STOP, "its unit is disabled");
		failed = stop_failing();
		expect_outcome_of(test, pdev, "its unit is disabled");
	} while (failed && n < MAX_ALLOCATIONS);
	KUNIT_EXPECT_FALSE(test, failed);
}

static void reset_lost(void *was)
{
	pci_lu_in_lost = was;
}

/* Its unit was disabled before PCI was up, and then the list of devices was refused. */
static void outcome_of_a_device_stopped_early_is_kept_without_the_list(struct kunit *test)
{
	struct fake_path *path = fake_path(test);
	struct pci_dev *pdev = &path->devs[0];

	start_outcome_of(test, pdev);
	KUNIT_ASSERT_EQ(test, 0, kunit_add_action_or_reset(test, reset_lost,
							   (void *)(long)pci_lu_in_lost));
	irq_liveupdate_record_refusal(pci_domain_nr(pdev->bus), pci_dev_id(pdev),
				      IRQ_LIVEUPDATE_STOP, "its unit is disabled");
	pci_lu_in_lost = true;
	pci_liveupdate_setup_device(pdev);
	expect_outcome_of(test, pdev, "its unit is disabled");

	/* A device that is plugged in later is a different one. */
	pci_lu_in_lost = false;
	pci_liveupdate_setup_device(pdev);
	expect_outcome_of(test, pdev, NULL);
}

static struct kunit_case pci_in_cases[] = {
	KUNIT_CASE(bus_of_an_incoming_device_is_resettable_but_not_reset),
	KUNIT_CASE(bridge_above_an_incoming_device_is_not_reset),
	KUNIT_CASE(slot_of_an_incoming_device_is_resettable_but_not_reset),
	KUNIT_CASE(incoming_device_binds_to_what_takes_it_over),
	KUNIT_CASE(device_binds_only_to_a_driver_that_keeps_virtual_functions),
	KUNIT_CASE(stray_master_is_stopped_unless_it_is_a_bridge),
	KUNIT_CASE(endpoint_at_the_address_of_a_bridge_is_stopped),
	KUNIT_CASE(failed_retrieve_is_the_outcome),
	KUNIT_CASE(failed_retrieve_of_another_device_is_no_outcome),
	KUNIT_CASE(device_added_after_the_last_file_is_finished_is_stopped),
	KUNIT_CASE(device_added_after_its_file_is_finished_is_stopped),
	KUNIT_CASE(absent_device_is_forgotten),
	KUNIT_CASE(device_is_retrieved_once),
#ifdef CONFIG_SYSFB
	KUNIT_CASE(incoming_display_is_no_console),
#endif
	KUNIT_CASE(retrieve_is_undone),
	KUNIT_CASE(device_with_a_fatal_error_is_not_retrieved),
	KUNIT_CASE_PARAM(device_with_a_fatal_error_before_enumeration_is_not_retrieved,
			 error_gen_params),
	KUNIT_CASE(device_behind_a_changed_bridge_is_not_retrieved),
	KUNIT_CASE(what_the_old_kernel_refuses_is_no_outcome),
	KUNIT_CASE(outcome_of_a_device_stopped_early_is_kept_without_the_list),
	KUNIT_CASE(outcome_is_known_without_memory),
	{}
};

static struct kunit_suite pci_in_suite = {
	.name		= "irq_liveupdate_pci_in",
	.init		= init_lists,
	.test_cases	= pci_in_cases,
};

kunit_test_suite(pci_in_suite);

MODULE_DESCRIPTION("KUnit tests of incoming PCI devices of a live update");
MODULE_LICENSE("GPL");
