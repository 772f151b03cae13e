// SPDX-License-Identifier: GPL-2.0

/*
 * Tests of device_block_unbinding(): a task that unbinds a device waits without the
 * lock of the device, also if it has already begun and has unbound consumers of the
 * device in the meantime.
 */

#include <kunit/platform_device.h>
#include <kunit/test.h>
#include <kunit/waiting_task.h>
#include <linux/cleanup.h>
#include <linux/completion.h>
#include <linux/device.h>
#include <linux/platform_device.h>

/**
 * struct fake - A platform device and its driver
 * @pdev:	The device
 * @drv:	The driver
 * @removing:	The driver is being unbound
 * @may_leave:	Lets the unbinding go on
 * @removed:	The driver was unbound
 */
struct fake {
	struct platform_device	*pdev;
	struct platform_driver	drv;
	struct completion	removing;
	struct completion	may_leave;
	bool			removed;
};

/* The supplier, and the task that unbinds it */
struct unbinding {
	struct waiting_task	task;
	struct fake		supplier;
	struct fake		consumer;
};

static int fake_probe(struct platform_device *pdev)
{
	return 0;
}

static void fake_remove(struct platform_device *pdev)
{
	struct fake *fake = container_of(pdev->dev.driver, struct fake, drv.driver);

	complete(&fake->removing);
	wait_for_completion(&fake->may_leave);
	WRITE_ONCE(fake->removed, true);
}

static void unbind(void *dev)
{
	device_release_driver(dev);
}

static void add_device(struct kunit *test, struct fake *fake, const char *name)
{
	init_completion(&fake->removing);
	init_completion(&fake->may_leave);
	fake->drv.probe = fake_probe;
	fake->drv.remove = fake_remove;
	fake->drv.driver.name = name;
	fake->pdev = kunit_platform_device_alloc(test, name, PLATFORM_DEVID_NONE);
	KUNIT_ASSERT_NOT_NULL(test, fake->pdev);
	KUNIT_ASSERT_EQ(test, kunit_platform_device_add(test, fake->pdev), 0);
}

static void add_driver(struct kunit *test, struct fake *fake)
{
	KUNIT_ASSERT_EQ(test, kunit_platform_driver_register(test, &fake->drv), 0);
	KUNIT_ASSERT_PTR_EQ(test, fake->pdev->dev.driver, &fake->drv.driver);
}

static void block(struct fake *fake)
{
	guard(device)(&fake->pdev->dev);

	device_block_unbinding(&fake->pdev->dev);
}

static void expect_waiting(struct kunit *test, struct unbinding *unbinding)
{
	struct fake *fake = &unbinding->supplier;
	bool locked;

	expect_task_waits(test, &unbinding->task);
	KUNIT_EXPECT_FALSE(test, READ_ONCE(fake->removed));
	locked = device_trylock(&fake->pdev->dev);
	KUNIT_EXPECT_TRUE(test, locked);
	if (locked)
		device_unlock(&fake->pdev->dev);
}

static void expect_unbound_at_the_end(struct kunit *test, struct unbinding *unbinding)
{
	struct fake *supplier = &unbinding->supplier;

	expect_waiting(test, unbinding);
	device_unblock_unbinding(&supplier->pdev->dev);
	end_waiting_task(&unbinding->task);
	KUNIT_EXPECT_TRUE(test, supplier->removed);
	KUNIT_EXPECT_NULL(test, supplier->pdev->dev.driver);
}

static void device_is_not_unbound_while_that_is_blocked(struct kunit *test)
{
	struct unbinding *unbinding = test->priv;

	add_driver(test, &unbinding->supplier);
	block(&unbinding->supplier);
	start_waiting_task(test, &unbinding->task);
	expect_unbound_at_the_end(test, unbinding);
}

static void unbinding_is_blocked_while_consumers_are_unbound(struct kunit *test)
{
	struct unbinding *unbinding = test->priv;
	struct fake *supplier = &unbinding->supplier;
	struct fake *consumer = &unbinding->consumer;

	add_device(test, consumer, "kunit_consumer");
	KUNIT_ASSERT_NOT_NULL(test, device_link_add(&consumer->pdev->dev, &supplier->pdev->dev, 0));
	add_driver(test, supplier);
	add_driver(test, consumer);

	start_waiting_task(test, &unbinding->task);
	wait_for_completion(&consumer->removing);
	block(supplier);
	complete_all(&consumer->may_leave);
	expect_unbound_at_the_end(test, unbinding);
	KUNIT_EXPECT_TRUE(test, consumer->removed);
}

static int block_unbinding_test_init(struct kunit *test)
{
	struct unbinding *unbinding = kunit_kzalloc(test, sizeof(*unbinding), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, unbinding);
	add_device(test, &unbinding->supplier, "kunit_supplier");
	unbinding->task.call = unbind;
	unbinding->task.arg = &unbinding->supplier.pdev->dev;
	complete_all(&unbinding->supplier.may_leave);
	test->priv = unbinding;
	return 0;
}

static struct kunit_case block_unbinding_test_cases[] = {
	KUNIT_CASE(device_is_not_unbound_while_that_is_blocked),
	KUNIT_CASE(unbinding_is_blocked_while_consumers_are_unbound),
	{}
};

static struct kunit_suite block_unbinding_test_suite = {
	.name		= "device_block_unbinding",
	.init		= block_unbinding_test_init,
	.test_cases	= block_unbinding_test_cases,
};

kunit_test_suite(block_unbinding_test_suite);

MODULE_DESCRIPTION("KUnit tests of blocked unbinding");
MODULE_LICENSE("GPL");
