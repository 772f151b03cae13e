// SPDX-License-Identifier: GPL-2.0

/*
 * Tests of the name by which the next kernel knows the device of a vfio-pci file, of
 * what is reported when somebody asks about a device, and of writes to config space
 * that are under way while the device is frozen.
 */

#include <kunit/test.h>
#include <kunit/waiting_task.h>
#include <linux/kho/abi/vfio_pci.h>
#include <linux/kthread.h>
#include <linux/mman.h>
#include <linux/mutex.h>
#include <linux/pci.h>
#include <linux/uaccess.h>
#include <linux/vfio.h>
#include <linux/vfio_liveupdate.h>

#include "vfio_pci_liveupdate.h"
#include "vfio_pci_priv.h"
#include "../../pci/pci.h"

/* Names as the first release has written them: their meaning never changes. */
static const struct known_name {
	const char *desc;
	u64 name;
	u32 segment;
	u16 devid;
} known_names[] = {
	{ "0000:00:00.0", 0x0, 0, 0 },
	{ "0000:01:00.0", 0x100, 0, 0x0100 },
	{ "0001:03:02.1", 0x10311, 1, 0x0311 },
	{ "10000:ff:1f.7", 0x10000ffff, 0x10000, 0xffff },
	{ "largest", 0xffffffffffff, U32_MAX, U16_MAX },
};

KUNIT_ARRAY_PARAM_DESC(known_name, known_names, desc);

static void known_name_is_written_and_read(struct kunit *test)
{
	const struct known_name *known = test->param_value;
	u32 segment;
	u16 devid;

	KUNIT_EXPECT_EQ(test, vfio_pci_luo_pack(known->segment, known->devid), known->name);
	KUNIT_EXPECT_TRUE(test, vfio_pci_luo_unpack(known->name, &segment, &devid));
	KUNIT_EXPECT_EQ(test, segment, known->segment);
	KUNIT_EXPECT_EQ(test, devid, known->devid);
}

static void unknown_bit_is_refused(struct kunit *test)
{
	u32 segment;
	u16 devid;

	for (unsigned int bit = 48; bit < 64; bit++) {
		u64 name = 0x10311 | BIT_ULL(bit);

		KUNIT_EXPECT_FALSE_MSG(test, vfio_pci_luo_unpack(name, &segment, &devid),
				       "bit %u", bit);
	}
	KUNIT_EXPECT_FALSE(test, vfio_pci_luo_unpack(U64_MAX, &segment, &devid));
}

/* No two devices have the same name. */
static void every_known_bit_counts(struct kunit *test)
{
	u32 segment;
	u16 devid;

	for (unsigned int bit = 0; bit < 48; bit++) {
		u64 name = 0x10311 ^ BIT_ULL(bit);

		KUNIT_EXPECT_TRUE(test, vfio_pci_luo_unpack(name, &segment, &devid));
		KUNIT_EXPECT_FALSE_MSG(test, segment == 1 && devid == 0x0311, "bit %u", bit);
	}
}

/* preserve() and freeze() only try the lock of the device set, so queries must not hold it. */
static void asking_does_not_need_the_device_set(struct kunit *test)
{
	struct vfio_device *device = kunit_kzalloc(test, sizeof(*device), GFP_KERNEL);
	struct vfio_device_set *dev_set = kunit_kzalloc(test, sizeof(*dev_set), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, device);
	KUNIT_ASSERT_NOT_NULL(test, dev_set);
	mutex_init(&dev_set->lock);
	device->dev_set = dev_set;

	guard(mutex)(&dev_set->lock);

	KUNIT_EXPECT_STREQ(test, vfio_liveupdate_find_obstacle(device), "not open");
	device->open_count = 1;
	KUNIT_EXPECT_STREQ(test, vfio_liveupdate_find_obstacle(device),
			   "not a cdev bound to an iommufd");
	device->cdev_opened = true;
	KUNIT_EXPECT_NULL(test, vfio_liveupdate_find_obstacle(device));
}

/* Two devices of a set. Their user holds its lock until memory that he has mapped arrives. */
struct fake_set {
	struct vfio_device_set		dev_set;
	struct pci_dev			pdevs[2];
	struct vfio_pci_core_device	vdevs[2];
};

static struct fake_set *fake_set(struct kunit *test)
{
	struct fake_set *set = kunit_kzalloc(test, sizeof(*set), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, set);
	mutex_init(&set->dev_set.lock);
	INIT_LIST_HEAD(&set->dev_set.device_list);
	for (unsigned int i = 0; i < ARRAY_SIZE(set->vdevs); i++) {
		struct vfio_device *device = &set->vdevs[i].vdev;

		set->pdevs[i].dev.init_name = i ? "fake.1" : "fake.0";
		set->vdevs[i].pdev = &set->pdevs[i];
		device->dev = &set->pdevs[i].dev;
		device->dev_set = &set->dev_set;
		list_add_tail(&device->dev_set_list, &set->dev_set.device_list);
	}
	return set;
}

static void preserve_does_not_wait_for_the_device_set(struct kunit *test)
{
	struct vfio_device *device = &fake_set(test)->vdevs[0].vdev;

	scoped_guard(mutex, &device->dev_set->lock)
		KUNIT_EXPECT_EQ(test, vfio_liveupdate_keep_attachment(device, NULL), -EBUSY);
	KUNIT_EXPECT_FALSE(test, device->preserved);
	KUNIT_EXPECT_FALSE(test, mutex_is_locked(&device->dev_set->lock));
}

static void freeze_does_not_wait_for_the_device_set(struct kunit *test)
{
	struct fake_set *set = fake_set(test);

	KUNIT_EXPECT_EQ(test, vfio_pci_lu_check_set(&set->vdevs[0]), 0);
	scoped_guard(mutex, &set->dev_set.lock)
		KUNIT_EXPECT_EQ(test, vfio_pci_lu_check_set(&set->vdevs[0]), -EBUSY);
	KUNIT_EXPECT_FALSE(test, mutex_is_locked(&set->dev_set.lock));
}

static void open_device_of_a_set_is_not_left_out(struct kunit *test)
{
	struct fake_set *set = fake_set(test);

	set->vdevs[0].vdev.open_count = 1;
	set->vdevs[0].vdev.preserved = true;
	KUNIT_EXPECT_EQ(test, vfio_pci_lu_check_set(&set->vdevs[0]), 0);
	set->vdevs[1].vdev.open_count = 1;
	KUNIT_EXPECT_EQ(test, vfio_pci_lu_check_set(&set->vdevs[0]), -EBUSY);
	set->vdevs[1].vdev.preserved = true;
	KUNIT_EXPECT_EQ(test, vfio_pci_lu_check_set(&set->vdevs[0]), 0);
}

/* A device whose config space is an array with the MSI capability, and a task that writes it */
#define CAP	0x50
#define FLAGS	(CAP + PCI_MSI_FLAGS)

struct fake_config {
	u8				config[PCI_CFG_SPACE_SIZE];
	struct pci_bus			bus;
	struct pci_dev			pdev;
	struct vfio_pci_core_device	vdev;
	struct mm_struct		*mm;
	char __user			*value;
	struct waiting_task		writer;
	ssize_t				result;
};

static int read_config(struct pci_bus *bus, unsigned int devfn, int where, int size, u32 *val)
{
	struct fake_config *fake = container_of(bus, struct fake_config, bus);

	*val = 0;
	memcpy(val, &fake->config[where], size);
	return PCIBIOS_SUCCESSFUL;
}

static int write_config(struct pci_bus *bus, unsigned int devfn, int where, int size, u32 val)
{
	struct fake_config *fake = container_of(bus, struct fake_config, bus);

	memcpy(&fake->config[where], &val, size);
	return PCIBIOS_SUCCESSFUL;
}

static struct pci_ops config_ops = {
	.read	= read_config,
	.write	= write_config,
};

static void free_config(void *vdev)
{
	vfio_config_free(vdev);
}

static struct fake_config *fake_config(struct kunit *test)
{
	struct fake_config *fake = kunit_kzalloc(test, sizeof(*fake), GFP_KERNEL);
	struct vfio_pci_core_device *vdev;
	unsigned long address;

	KUNIT_ASSERT_NOT_NULL(test, fake);
	fake->config[PCI_STATUS] = PCI_STATUS_CAP_LIST;
	fake->config[PCI_CAPABILITY_LIST] = CAP;
	fake->config[CAP] = PCI_CAP_ID_MSI;
	fake->config[FLAGS] = PCI_MSI_FLAGS_ENABLE;
	fake->bus.ops = &config_ops;
	fake->pdev.bus = &fake->bus;
	fake->pdev.cfg_size = PCI_CFG_SPACE_SIZE;
	fake->pdev.dev.init_name = "fake";

	vdev = &fake->vdev;
	vdev->pdev = &fake->pdev;
	vdev->irq_type = VFIO_PCI_MSI_IRQ_INDEX;
	mutex_init(&vdev->igate);
	init_rwsem(&vdev->memory_lock);
	KUNIT_ASSERT_EQ(test, vfio_config_init(vdev), 0);
	KUNIT_ASSERT_EQ(test, kunit_add_action_or_reset(test, free_config, vdev), 0);

	address = kunit_vm_mmap(test, NULL, 0, PAGE_SIZE, PROT_READ | PROT_WRITE,
				MAP_ANONYMOUS | MAP_PRIVATE, 0);
	KUNIT_ASSERT_FALSE(test, IS_ERR_OR_NULL((void *)address));
	fake->value = (char __user *)address;
	fake->mm = current->mm;
	return fake;
}

static void write_flags(void *arg)
{
	struct fake_config *fake = arg;
	loff_t pos = FLAGS;

	kthread_use_mm(fake->mm);
	fake->result = vfio_pci_config_rw_single(&fake->vdev, fake->value, sizeof(u16), &pos, true);
	kthread_unuse_mm(fake->mm);
}

/* Returns when the writer waits for igate, which the caller holds. */
static void start_to_write_flags(struct kunit *test, struct fake_config *fake, u16 value)
{
	KUNIT_ASSERT_EQ(test, copy_to_user(fake->value, &value, sizeof(value)), 0);
	fake->writer.call = write_flags;
	fake->writer.arg = fake;
	start_waiting_task(test, &fake->writer);
	expect_task_waits(test, &fake->writer);
}

/* User space may write to config space and disable MSI at the same time. */
static void msi_which_is_being_disabled_is_not_enabled_again(struct kunit *test)
{
	struct fake_config *fake = fake_config(test);

	scoped_guard(mutex, &fake->vdev.igate) {
		start_to_write_flags(test, fake, PCI_MSI_FLAGS_ENABLE);
		fake->config[FLAGS] = 0;
		fake->vdev.irq_type = VFIO_PCI_NUM_IRQS;
	}
	end_waiting_task(&fake->writer);
	KUNIT_EXPECT_EQ(test, fake->result, sizeof(u16));
	KUNIT_EXPECT_EQ(test, fake->config[FLAGS], 0);
}

/* The VMM restores the registers of its guest before it requests the interrupts again. */
static void msi_of_an_incoming_device_stays_enabled(struct kunit *test)
{
	struct fake_config *fake = fake_config(test);
	u16 value = 0;
	loff_t pos = FLAGS;

	fake->vdev.irq_type = VFIO_PCI_NUM_IRQS;
	set_bit(PCI_DEV_LIVEUPDATE_INCOMING, &fake->pdev.priv_flags);
	KUNIT_ASSERT_EQ(test, copy_to_user(fake->value, &value, sizeof(value)), 0);
	KUNIT_EXPECT_EQ(test, vfio_pci_config_rw_single(&fake->vdev, fake->value, sizeof(u16),
							&pos, true), sizeof(u16));
	KUNIT_EXPECT_EQ(test, fake->config[FLAGS], PCI_MSI_FLAGS_ENABLE);

	/* An ordinary device has MSI disabled as long as vfio-pci has not enabled it. */
	clear_bit(PCI_DEV_LIVEUPDATE_INCOMING, &fake->pdev.priv_flags);
	pos = FLAGS;
	KUNIT_EXPECT_EQ(test, vfio_pci_config_rw_single(&fake->vdev, fake->value, sizeof(u16),
							&pos, true), sizeof(u16));
	KUNIT_EXPECT_EQ(test, fake->config[FLAGS], 0);
}

static void write_under_way_does_not_reach_msi_of_a_frozen_device(struct kunit *test)
{
	struct fake_config *fake = fake_config(test);

	scoped_guard(mutex, &fake->vdev.igate) {
		start_to_write_flags(test, fake, 0);
		fake->vdev.frozen = true;
	}
	end_waiting_task(&fake->writer);
	KUNIT_EXPECT_EQ(test, fake->result, -EBUSY);
	KUNIT_EXPECT_EQ(test, fake->config[FLAGS], PCI_MSI_FLAGS_ENABLE);
}

/* A physical function, and a virtual one of it. Both are awake. */
static struct fake_set *fake_functions(struct kunit *test)
{
	struct fake_set *set = fake_set(test);

	for (unsigned int i = 0; i < ARRAY_SIZE(set->vdevs); i++) {
		mutex_init(&set->vdevs[i].igate);
		init_rwsem(&set->vdevs[i].memory_lock);
		set->vdevs[i].irq_type = VFIO_PCI_NUM_IRQS;
	}
	set->pdevs[1].is_virtfn = 1;
	set->vdevs[1].sriov_pf_core_dev = &set->vdevs[0];
	return set;
}

/* Their number is part of what freeze() records. */
static void frozen_function_keeps_its_virtual_functions(struct kunit *test)
{
	struct vfio_pci_core_device *physfn = &fake_functions(test)->vdevs[0];

	KUNIT_EXPECT_EQ(test, vfio_pci_liveupdate_begin_sriov(physfn), 0);
	vfio_pci_liveupdate_end_sriov(physfn);

	physfn->frozen = true;
	KUNIT_EXPECT_EQ(test, vfio_pci_liveupdate_begin_sriov(physfn), -EBUSY);
	KUNIT_EXPECT_FALSE(test, physfn->sriov_changing);

	/* When it is unbound, its driver has to disable them */
	physfn->unregistering = true;
	KUNIT_EXPECT_EQ(test, vfio_pci_liveupdate_begin_sriov(physfn), 0);
	vfio_pci_liveupdate_end_sriov(physfn);
}

static void expect_refused(struct kunit *test, struct vfio_pci_core_device *vdev, int err,
			   const char *expected)
{
	const char *reason = NULL;

	KUNIT_EXPECT_EQ(test, vfio_pci_lu_find_obstacle(vdev, &reason), err);
	KUNIT_EXPECT_STREQ(test, reason ?: "none", expected);
}

static void function_whose_virtual_functions_change_is_refused(struct kunit *test)
{
	struct vfio_pci_core_device *physfn = &fake_functions(test)->vdevs[0];

	expect_refused(test, physfn, 0, "none");
	KUNIT_ASSERT_EQ(test, vfio_pci_liveupdate_begin_sriov(physfn), 0);
	expect_refused(test, physfn, -EBUSY, "virtual functions are being enabled or disabled");
	vfio_pci_liveupdate_end_sriov(physfn);
	expect_refused(test, physfn, 0, "none");
}

/*
 * Anybody can read sysfs while the user has the locks. A hot reset only tries to get one of
 * them.
 */
static void obstacle_is_found_without_a_lock(struct kunit *test)
{
	struct vfio_pci_core_device *vdev = &fake_functions(test)->vdevs[0];

	guard(mutex)(&vdev->igate);
	guard(rwsem_write)(&vdev->memory_lock);
	expect_refused(test, vdev, 0, "none");
	vdev->pm_runtime_engaged = true;
	expect_refused(test, vdev, -EAGAIN, "in low power state");
}

static void release_retrieved(void *device)
{
	vfio_pci_liveupdate_release(device);
}

/* The next user of the device may be setting up MSI-X, with igate held. */
static void end_of_a_retrieved_file_waits_for_set_irqs(struct kunit *test)
{
	struct vfio_pci_core_device *vdev = &fake_functions(test)->vdevs[0];
	struct waiting_task release = { .call = release_retrieved, .arg = &vdev->vdev };

	scoped_guard(mutex, &vdev->igate) {
		start_waiting_task(test, &release);
		expect_task_waits(test, &release);
	}
	end_waiting_task(&release);
}

static void virtual_function_of_a_variant_driver_is_refused(struct kunit *test)
{
	struct fake_set *set = fake_functions(test);

	/* Any VFIO driver except vfio-pci itself */
	expect_refused(test, &set->vdevs[1], -EOPNOTSUPP,
		       "its physical function is bound to a variant driver");
	/* The PCI core checks all other drivers. */
	set->vdevs[1].sriov_pf_core_dev = NULL;
	expect_refused(test, &set->vdevs[1], 0, "none");
}

static void virtual_function_is_frozen_after_its_physical_function(struct kunit *test)
{
	struct fake_set *set = fake_functions(test);

	KUNIT_EXPECT_EQ(test, vfio_pci_lu_check_physfn(&set->vdevs[0]), 0);
	KUNIT_EXPECT_EQ(test, vfio_pci_lu_check_physfn(&set->vdevs[1]), -EBUSY);
	set->vdevs[0].frozen = true;
	KUNIT_EXPECT_EQ(test, vfio_pci_lu_check_physfn(&set->vdevs[1]), 0);

	/* Its physical function has no user who could reset it. */
	set->vdevs[1].sriov_pf_core_dev = NULL;
	KUNIT_EXPECT_EQ(test, vfio_pci_lu_check_physfn(&set->vdevs[1]), 0);
}

#ifdef CONFIG_PCI_IOV
/* The reset that comes with the first open would disable it. */
static void function_of_an_incoming_virtual_function_is_not_opened(struct kunit *test)
{
	struct pci_sriov sriov = { .nr_incoming = 1 };
	struct fake_set *set = fake_functions(test);

	set->pdevs[0].is_physfn = 1;
	set->pdevs[0].sriov = &sriov;
	KUNIT_EXPECT_EQ(test, vfio_pci_initial_reset(&set->vdevs[0]), -EAGAIN);
	/* This function cannot be reset anyway. */
	sriov.nr_incoming = 0;
	KUNIT_EXPECT_EQ(test, vfio_pci_initial_reset(&set->vdevs[0]), -ENOTTY);
}
#endif /* CONFIG_PCI_IOV */

static struct kunit_case vfio_test_cases[] = {
	KUNIT_CASE_PARAM(known_name_is_written_and_read, known_name_gen_params),
	KUNIT_CASE(unknown_bit_is_refused),
	KUNIT_CASE(every_known_bit_counts),
	KUNIT_CASE(asking_does_not_need_the_device_set),
	KUNIT_CASE(preserve_does_not_wait_for_the_device_set),
	KUNIT_CASE(freeze_does_not_wait_for_the_device_set),
	KUNIT_CASE(open_device_of_a_set_is_not_left_out),
	KUNIT_CASE(msi_which_is_being_disabled_is_not_enabled_again),
	KUNIT_CASE(msi_of_an_incoming_device_stays_enabled),
	KUNIT_CASE(write_under_way_does_not_reach_msi_of_a_frozen_device),
	KUNIT_CASE(frozen_function_keeps_its_virtual_functions),
	KUNIT_CASE(function_whose_virtual_functions_change_is_refused),
	KUNIT_CASE(obstacle_is_found_without_a_lock),
	KUNIT_CASE(end_of_a_retrieved_file_waits_for_set_irqs),
	KUNIT_CASE(virtual_function_of_a_variant_driver_is_refused),
	KUNIT_CASE(virtual_function_is_frozen_after_its_physical_function),
#ifdef CONFIG_PCI_IOV
	KUNIT_CASE(function_of_an_incoming_virtual_function_is_not_opened),
#endif
	{}
};

static struct kunit_suite vfio_test_suite = {
	.name		= "irq_liveupdate_vfio",
	.test_cases	= vfio_test_cases,
};

kunit_test_suite(vfio_test_suite);

MODULE_DESCRIPTION("KUnit tests of vfio-pci files in a live update");
MODULE_LICENSE("GPL");
