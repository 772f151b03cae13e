// SPDX-License-Identifier: GPL-2.0

/*
 * Tests of what other parts of the kernel may do with an incoming device: drivers that
 * are kept from binding to it, and are probed when it is finished, and system sleep. They
 * use a device of this machine that has no driver, and drivers that do nothing.
 */

#include <kunit/test.h>
#include <linux/cleanup.h>
#include <linux/completion.h>
#include <linux/delay.h>
#include <linux/device.h>
#include <linux/irq_liveupdate.h>
#include <linux/kexec_handover.h>
#include <linux/kthread.h>
#include <linux/mutex.h>
#include <linux/pci.h>
#include <linux/pci_liveupdate.h>
#include <linux/pm_runtime.h>
#include <linux/sched.h>
#include <linux/suspend.h>
#include <linux/workqueue.h>

#include "liveupdate.h"
#include "pci.h"

#define PATIENCE_MS	2000
#define STEP_MS		10

/**
 * struct fake_driver - A driver of the device under test, and what was seen of it
 * @drv:	The driver
 * @ids:	Its ids, those of the device
 * @err:	What its probe returns
 * @nr_probes:	How often it was probed
 * @task:	Task that has probed it
 * @unlocked:	Whether the lock of incoming devices could be taken then
 * @removing:	It is being unbound
 * @may_leave:	It may finish unbinding, if it waits for that
 * @waits:	Whether it does
 */
struct fake_driver {
	struct pci_driver	drv;
	struct pci_device_id	ids[2];
	int			err;
	unsigned int		nr_probes;
	struct task_struct	*task;
	bool			unlocked;
	struct completion	removing;
	struct completion	may_leave;
	bool			waits;
};

static struct pci_dev *the_dev;

static struct fake_driver *fake_of(struct pci_dev *pdev)
{
	return container_of(to_pci_driver(pdev->dev.driver), struct fake_driver, drv);
}

/* The task that has asked for the probe may still hold the lock, but not for long. */
static bool can_be_locked(struct mutex *lock)
{
	for (unsigned int ms = 0; ms < PATIENCE_MS; ms += STEP_MS) {
		if (mutex_trylock(lock)) {
			mutex_unlock(lock);
			return true;
		}
		msleep(STEP_MS);
	}
	return false;
}

static int fake_probe(struct pci_dev *pdev, const struct pci_device_id *id)
{
	struct fake_driver *fake = fake_of(pdev);

	/* There may be more of its kind. */
	if (pdev != the_dev)
		return -ENODEV;

	fake->nr_probes++;
	fake->task = current;
	fake->unlocked = can_be_locked(&pci_lu_lock);
	return fake->err;
}

static void fake_remove(struct pci_dev *pdev)
{
	struct fake_driver *fake = fake_of(pdev);

	complete(&fake->removing);
	if (fake->waits)
		wait_for_completion(&fake->may_leave);
}

static void remove_driver(void *drv)
{
	pci_unregister_driver(drv);
}

static struct fake_driver *add_driver(struct kunit *test, const char *name, bool takes_over)
{
	struct fake_driver *fake = kunit_kzalloc(test, sizeof(*fake), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, fake);
	fake->ids[0] = (struct pci_device_id) { PCI_DEVICE(the_dev->vendor, the_dev->device) };
	init_completion(&fake->removing);
	init_completion(&fake->may_leave);
	fake->drv.name = name;
	fake->drv.id_table = fake->ids;
	fake->drv.probe = fake_probe;
	fake->drv.remove = fake_remove;
	fake->drv.driver_managed_dma = true;
	fake->drv.takes_over = takes_over;
	KUNIT_ASSERT_EQ(test, pci_register_driver(&fake->drv), 0);
	KUNIT_ASSERT_EQ(test, 0, kunit_add_action_or_reset(test, remove_driver, &fake->drv));
	return fake;
}

static bool keeps_vfs(struct pci_dev *pdev)
{
	return true;
}

static const struct device_driver *driver_now(void)
{
	guard(device)(&the_dev->dev);

	return the_dev->dev.driver;
}

/* As if it had been handed over: see pci_liveupdate_setup_device() */
static void take_over_device(struct pci_dev *pdev)
{
	pm_runtime_get_noresume(&pdev->dev);
	set_bit(PCI_DEV_LIVEUPDATE_INCOMING, &pdev->priv_flags);
}

static void take_over(void)
{
	take_over_device(the_dev);
}

static void give_up(struct pci_dev *pdev)
{
	pci_liveupdate_stop(pdev, "a test");
}

static const struct last_step {
	const char	*name;
	void		(*fn)(struct pci_dev *pdev);
} last_steps[] = {
	{ "FINISH",	pci_liveupdate_finish },
	{ "given up",	give_up },
};

KUNIT_ARRAY_PARAM_DESC(last_step, last_steps, name);

static void refused_driver_is_probed_at_the_end(struct kunit *test)
{
	const struct last_step *step = test->param_value;
	struct fake_driver *fake;

	take_over();
	fake = add_driver(test, "refused", false);
	flush_work(&pci_lu_probe_work);
	KUNIT_ASSERT_EQ(test, fake->nr_probes, 0);

	step->fn(the_dev);
	flush_work(&pci_lu_probe_work);
	KUNIT_ASSERT_EQ(test, fake->nr_probes, 1);
	KUNIT_EXPECT_PTR_EQ(test, driver_now(), &fake->drv.driver);
	/* Not by the task that has finished it, which may hold any lock */
	KUNIT_ASSERT_PTR_NE(test, fake->task, current);
	KUNIT_ASSERT_TRUE(test, fake->unlocked);

	/* Once is enough. */
	device_release_driver(&the_dev->dev);
	step->fn(the_dev);
	flush_work(&pci_lu_probe_work);
	KUNIT_EXPECT_EQ(test, fake->nr_probes, 1);
}

/* Such as a task that removes or unbinds another device, or reads sysfs */
static void end_does_not_wait_for_the_lock_of_the_device(struct kunit *test)
{
	const struct last_step *step = test->param_value;
	struct fake_driver *fake;

	take_over();
	fake = add_driver(test, "refused", false);
	scoped_guard(device, &the_dev->dev) {
		step->fn(the_dev);
		KUNIT_EXPECT_FALSE(test, pci_liveupdate_incoming(the_dev));
		KUNIT_EXPECT_EQ(test, fake->nr_probes, 0);
	}
	flush_work(&pci_lu_probe_work);
	KUNIT_EXPECT_EQ(test, fake->nr_probes, 1);
}

static void device_which_has_a_driver_is_not_probed(struct kunit *test)
{
	struct fake_driver *refused, *owner;

	take_over();
	refused = add_driver(test, "refused", false);
	owner = add_driver(test, "owner", true);
	KUNIT_ASSERT_PTR_EQ(test, driver_now(), &owner->drv.driver);

	pci_liveupdate_finish(the_dev);
	flush_work(&pci_lu_probe_work);
	KUNIT_EXPECT_PTR_EQ(test, driver_now(), &owner->drv.driver);
	device_release_driver(&the_dev->dev);
	flush_work(&pci_lu_probe_work);
	KUNIT_EXPECT_NULL(test, driver_now());
	KUNIT_EXPECT_EQ(test, refused->nr_probes, 0);
}

/* Its virtual functions were handed over, the device itself was not. */
static void failed_probe_leaves_virtual_functions_to_another_driver(struct kunit *test)
{
	struct fake_driver *fake;

	pm_runtime_get_noresume(&the_dev->dev);
	set_bit(PCI_DEV_LIVEUPDATE_VFS_INCOMING, &the_dev->priv_flags);
	fake = add_driver(test, "native", false);
	KUNIT_ASSERT_EQ(test, fake->nr_probes, 0);

	fake->drv.sriov_keeps = keeps_vfs;
	fake->err = -EIO;
	KUNIT_EXPECT_LT(test, device_attach(&the_dev->dev), 1);
	KUNIT_EXPECT_EQ(test, fake->nr_probes, 1);
	KUNIT_EXPECT_TRUE(test, pci_liveupdate_vfs_incoming(the_dev));

	fake->err = 0;
	KUNIT_EXPECT_EQ(test, device_attach(&the_dev->dev), 1);
	KUNIT_EXPECT_PTR_EQ(test, driver_now(), &fake->drv.driver);
	KUNIT_EXPECT_TRUE(test, pci_liveupdate_vfs_incoming(the_dev));
}

static int unbind(void *unused)
{
	device_release_driver(&the_dev->dev);
	return 0;
}

static void wait_until_done(struct work_struct *work)
{
	for (unsigned int ms = 0; work_busy(work) && ms < PATIENCE_MS; ms += STEP_MS)
		msleep(STEP_MS);
}

/* The unbinding task waits for the user of the device, for as long as it takes. */
static void device_which_is_being_unbound_is_not_probed(struct kunit *test)
{
	struct fake_driver *refused, *owner;
	struct task_struct *unbinder;

	take_over();
	refused = add_driver(test, "refused", false);
	owner = add_driver(test, "owner", true);
	owner->waits = true;
	unbinder = kthread_run(unbind, NULL, "kunit_unbind");
	KUNIT_ASSERT_FALSE(test, IS_ERR(unbinder));
	get_task_struct(unbinder);
	wait_for_completion(&owner->removing);

	pci_liveupdate_finish(the_dev);
	wait_until_done(&pci_lu_probe_work);
	KUNIT_EXPECT_FALSE(test, work_busy(&pci_lu_probe_work));
	complete(&owner->may_leave);
	kthread_stop_put(unbinder);
	flush_work(&pci_lu_probe_work);
	KUNIT_EXPECT_NULL(test, driver_now());
	KUNIT_EXPECT_EQ(test, refused->nr_probes, 0);
}

/* When it is found again, it is a different device. */
static void device_may_be_removed_before_it_is_probed(struct kunit *test)
{
	struct pci_bus *bus = the_dev->bus;
	unsigned int devfn = the_dev->devfn;
	struct pci_dev *again;

	take_over();
	add_driver(test, "refused", false);
	pci_liveupdate_finish(the_dev);
	pci_stop_and_remove_bus_device_locked(the_dev);
	flush_work(&pci_lu_probe_work);
	KUNIT_EXPECT_NULL(test, driver_now());

	pci_lock_rescan_remove();
	pci_rescan_bus(bus);
	pci_unlock_rescan_remove();
	again = pci_get_slot(bus, devfn);
	KUNIT_ASSERT_NOT_NULL(test, again);
	KUNIT_EXPECT_PTR_NE(test, again, the_dev);
	KUNIT_EXPECT_FALSE(test, test_bit(PCI_DEV_LIVEUPDATE_PROBE, &again->priv_flags));
	pci_dev_put(again);
}

/* This happens to a virtual function if there is no memory for its links in sysfs. */
static void device_may_be_removed_before_it_is_added(struct kunit *test)
{
	struct pci_bus *bus = the_dev->bus;
	unsigned int devfn = the_dev->devfn;
	struct pci_dev *found;

	pci_lock_rescan_remove();
	pci_stop_and_remove_bus_device(the_dev);
	found = pci_dev_get(pci_scan_single_device(bus, devfn));
	if (found) {
		take_over_device(found);
		pci_stop_and_remove_bus_device(found);
	}
	pci_rescan_bus(bus);
	pci_unlock_rescan_remove();

	KUNIT_ASSERT_NOT_NULL(test, found);
	KUNIT_EXPECT_FALSE(test, pci_liveupdate_incoming(found));
	pci_dev_put(found);
}

static void system_does_not_sleep_before_finish(struct kunit *test)
{
	static const unsigned long sleeps[] = {
		PM_SUSPEND_PREPARE, PM_HIBERNATION_PREPARE, PM_RESTORE_PREPARE,
	};

	for (unsigned int i = 0; i < ARRAY_SIZE(sleeps); i++) {
		KUNIT_EXPECT_EQ(test, pci_lu_sleep(NULL, sleeps[i], NULL), NOTIFY_DONE);
		take_over();
		KUNIT_EXPECT_EQ(test, notifier_to_errno(pci_lu_sleep(NULL, sleeps[i], NULL)),
				-EBUSY);
		/* The end of a sleep that others have begun is not refused. */
		KUNIT_EXPECT_EQ(test, pci_lu_sleep(NULL, PM_POST_SUSPEND, NULL), NOTIFY_DONE);
		pci_liveupdate_finish(the_dev);
		KUNIT_EXPECT_EQ(test, pci_lu_sleep(NULL, sleeps[i], NULL), NOTIFY_DONE);

		/* Only virtual functions of this device were handed over. */
		set_bit(PCI_DEV_LIVEUPDATE_VFS_INCOMING, &the_dev->priv_flags);
		KUNIT_EXPECT_EQ(test, notifier_to_errno(pci_lu_sleep(NULL, sleeps[i], NULL)),
				-EBUSY);
		clear_bit(PCI_DEV_LIVEUPDATE_VFS_INCOMING, &the_dev->priv_flags);
	}
}

/* Found on machines with a disk controller for which there is no driver. */
static struct pci_dev *find_idle_device(void)
{
	struct pci_dev *pdev = NULL;

	for_each_pci_dev(pdev) {
		if (pdev->class >> 16 == PCI_BASE_CLASS_STORAGE && !pdev->dev.driver)
			return pdev;
	}
	return NULL;
}

static int probe_test_init(struct kunit *test)
{
	if (is_kho_boot())
		kunit_skip(test, "this kernel may have devices that were handed over");

	the_dev = find_idle_device();
	if (!the_dev)
		kunit_skip(test, "no disk controller without a driver");
	return 0;
}

static void probe_test_exit(struct kunit *test)
{
	if (!the_dev)
		return;

	pci_liveupdate_finish(the_dev);
	flush_work(&pci_lu_probe_work);
	clear_bit(PCI_DEV_LIVEUPDATE_PROBE, &the_dev->priv_flags);
	clear_bit(PCI_DEV_LIVEUPDATE_ADOPTED, &the_dev->priv_flags);
	irq_liveupdate_forget(pci_domain_nr(the_dev->bus), pci_dev_id(the_dev));
	pci_dev_put(the_dev);
	the_dev = NULL;
}

static struct kunit_case probe_test_cases[] = {
	KUNIT_CASE_PARAM(refused_driver_is_probed_at_the_end, last_step_gen_params),
	KUNIT_CASE_PARAM(end_does_not_wait_for_the_lock_of_the_device, last_step_gen_params),
	KUNIT_CASE(device_which_has_a_driver_is_not_probed),
	KUNIT_CASE(failed_probe_leaves_virtual_functions_to_another_driver),
	KUNIT_CASE(device_which_is_being_unbound_is_not_probed),
	KUNIT_CASE(device_may_be_removed_before_it_is_probed),
	KUNIT_CASE(device_may_be_removed_before_it_is_added),
	KUNIT_CASE(system_does_not_sleep_before_finish),
	{}
};

static struct kunit_suite probe_test_suite = {
	.name		= "irq_liveupdate_probe",
	.init		= probe_test_init,
	.exit		= probe_test_exit,
	.test_cases	= probe_test_cases,
};

kunit_test_suite(probe_test_suite);

MODULE_DESCRIPTION("KUnit tests of drivers and system sleep while a device is incoming");
MODULE_LICENSE("GPL");
