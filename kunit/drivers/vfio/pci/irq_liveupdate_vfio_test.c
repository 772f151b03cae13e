// SPDX-License-Identifier: GPL-2.0

/*
 * Tests of the name by which the next kernel knows the device of a vfio-pci file, of
 * what is reported when somebody asks about a device, of attachments, and of writes to
 * config space that are under way while the device is frozen.
 */

#include <kunit/test.h>
#include <kunit/waiting_task.h>
#include <linux/device/driver.h>
#include <linux/fs.h>
#include <linux/kho/abi/vfio_pci.h>
#include <linux/kthread.h>
#include <linux/mm.h>
#include <linux/mman.h>
#include <linux/mutex.h>
#include <linux/pci.h>
#include <linux/pm_runtime.h>
#include <linux/uaccess.h>
#include <linux/vfio.h>
#include <linux/vfio_liveupdate.h>

#include "vfio_pci_liveupdate.h"
#include "vfio_pci_priv.h"
#include "../vfio.h"
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

/* A page of the user of a device */
static unsigned long map_user_page(struct kunit *test)
{
	unsigned long address = kunit_vm_mmap(test, NULL, 0, PAGE_SIZE, PROT_READ | PROT_WRITE,
					      MAP_ANONYMOUS | MAP_PRIVATE, 0);

	KUNIT_ASSERT_FALSE(test, IS_ERR_OR_NULL((void *)address));
	return address;
}

/* A device that is attached through memory of its user, which may disappear meanwhile */
#define PASID	7

struct fake_attach {
	struct vfio_device_set	dev_set;
	struct vfio_device	device;
	struct vfio_device_file	df;
	unsigned long		address;
	bool			unmaps;
	unsigned int		nr_detached;
	unsigned int		nr_pasid_attached;
	unsigned int		nr_pasid_detached;
};

static struct fake_attach *attach_of(struct vfio_device *device)
{
	return container_of(device, struct fake_attach, device);
}

static int attach_ioas(struct vfio_device *device, u32 *pt_id)
{
	struct fake_attach *fake = attach_of(device);

	return fake->unmaps ? vm_munmap(fake->address, PAGE_SIZE) : 0;
}

static void detach_ioas(struct vfio_device *device)
{
	attach_of(device)->nr_detached++;
}

static int pasid_attach_ioas(struct vfio_device *device, u32 pasid, u32 *pt_id)
{
	if (pasid == PASID)
		attach_of(device)->nr_pasid_attached++;
	return attach_ioas(device, pt_id);
}

static void pasid_detach_ioas(struct vfio_device *device, u32 pasid)
{
	if (pasid == PASID)
		attach_of(device)->nr_pasid_detached++;
}

static const struct vfio_device_ops attach_ops = {
	.attach_ioas		= attach_ioas,
	.detach_ioas		= detach_ioas,
	.pasid_attach_ioas	= pasid_attach_ioas,
	.pasid_detach_ioas	= pasid_detach_ioas,
};

static struct fake_attach *fake_attach(struct kunit *test)
{
	struct fake_attach *fake = kunit_kzalloc(test, sizeof(*fake), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, fake);
	mutex_init(&fake->dev_set.lock);
	fake->device.dev_set = &fake->dev_set;
	fake->device.ops = &attach_ops;
	fake->df.device = &fake->device;
	return fake;
}

static int attach(struct kunit *test, struct fake_attach *fake, u32 flags, bool unmaps)
{
	struct vfio_device_attach_iommufd_pt arg = {
		.argsz = sizeof(arg), .flags = flags, .pasid = PASID,
	};
	struct vfio_device_attach_iommufd_pt __user *user;

	fake->address = map_user_page(test);
	user = (struct vfio_device_attach_iommufd_pt __user *)fake->address;
	KUNIT_ASSERT_EQ(test, copy_to_user(user, &arg, sizeof(arg)), 0);
	fake->unmaps = unmaps;
	return vfio_df_ioctl_attach_pt(&fake->df, user);
}

static void attach_that_cannot_be_reported_is_undone(struct kunit *test)
{
	struct fake_attach *fake = fake_attach(test);

	KUNIT_EXPECT_EQ(test, attach(test, fake, 0, false), 0);
	KUNIT_EXPECT_EQ(test, fake->nr_detached, 0);
	KUNIT_EXPECT_EQ(test, attach(test, fake, 0, true), -EFAULT);
	KUNIT_EXPECT_EQ(test, fake->nr_detached, 1);
	KUNIT_EXPECT_EQ(test, fake->nr_pasid_detached, 0);

	KUNIT_EXPECT_EQ(test, attach(test, fake, VFIO_DEVICE_ATTACH_PASID, true), -EFAULT);
	KUNIT_EXPECT_EQ(test, fake->nr_detached, 1);
	KUNIT_EXPECT_EQ(test, fake->nr_pasid_detached, 1);
}

/* Another thread has attached the device to a different page table meanwhile. */
static void attach_of_another_task_is_not_undone(struct kunit *test)
{
	struct fake_attach *fake = fake_attach(test);
	u32 attach_seq;

	KUNIT_ASSERT_EQ(test, attach(test, fake, 0, false), 0);
	attach_seq = fake->df.attach_seq;
	KUNIT_ASSERT_EQ(test, attach(test, fake, 0, false), 0);
	vfio_df_undo_attach(&fake->df, NULL, attach_seq);
	KUNIT_EXPECT_EQ(test, fake->nr_detached, 0);
}

static void attachment_of_a_preserved_device_is_not_undone(struct kunit *test)
{
	struct fake_attach *fake = fake_attach(test);

	KUNIT_ASSERT_EQ(test, attach(test, fake, 0, false), 0);
	fake->device.preserved = true;
	vfio_df_undo_attach(&fake->df, NULL, fake->df.attach_seq);
	KUNIT_EXPECT_EQ(test, fake->nr_detached, 0);
	KUNIT_EXPECT_EQ(test, attach(test, fake, 0, false), -EBUSY);
}

static int detach(struct kunit *test, struct fake_attach *fake, u32 flags)
{
	struct vfio_device_detach_iommufd_pt arg = {
		.argsz = sizeof(arg), .flags = flags, .pasid = PASID,
	};
	struct vfio_device_detach_iommufd_pt __user *user;

	user = (struct vfio_device_detach_iommufd_pt __user *)map_user_page(test);
	KUNIT_ASSERT_EQ(test, copy_to_user(user, &arg, sizeof(arg)), 0);
	return vfio_df_ioctl_detach_pt(&fake->df, user);
}

static void preserved_device_is_not_attached_by_pasid(struct kunit *test)
{
	struct fake_attach *fake = fake_attach(test);

	fake->device.preserved = true;
	KUNIT_EXPECT_EQ(test, attach(test, fake, VFIO_DEVICE_ATTACH_PASID, false), -EBUSY);
	KUNIT_EXPECT_EQ(test, detach(test, fake, VFIO_DEVICE_DETACH_PASID), -EBUSY);
	KUNIT_EXPECT_EQ(test, fake->nr_pasid_attached, 0);
	KUNIT_EXPECT_EQ(test, fake->nr_pasid_detached, 0);

	fake->device.preserved = false;
	KUNIT_EXPECT_EQ(test, attach(test, fake, VFIO_DEVICE_ATTACH_PASID, false), 0);
	KUNIT_EXPECT_EQ(test, detach(test, fake, VFIO_DEVICE_DETACH_PASID), 0);
	KUNIT_EXPECT_EQ(test, fake->nr_pasid_attached, 1);
	KUNIT_EXPECT_EQ(test, fake->nr_pasid_detached, 1);
}

#ifdef CONFIG_VFIO_GROUP
/* The first BIND still waits for memory of the user, and has not granted access yet. */
static void device_that_is_being_bound_is_not_bound_again(struct kunit *test)
{
	struct vfio_device_bind_iommufd arg = { .argsz = sizeof(arg), .iommufd = INT_MAX };
	struct vfio_group *group = kunit_kzalloc(test, sizeof(*group), GFP_KERNEL);
	struct iommufd_ctx *first = (struct iommufd_ctx *)1;
	struct vfio_device_bind_iommufd __user *user;
	struct fake_attach *fake = fake_attach(test);

	KUNIT_ASSERT_NOT_NULL(test, group);
	mutex_init(&group->group_lock);
	fake->device.group = group;
	fake->df.iommufd = first;
	user = (struct vfio_device_bind_iommufd __user *)map_user_page(test);
	KUNIT_ASSERT_EQ(test, copy_to_user(user, &arg, sizeof(arg)), 0);

	KUNIT_EXPECT_EQ(test, vfio_df_ioctl_bind_iommufd(&fake->df, user), -EINVAL);
	KUNIT_EXPECT_PTR_EQ(test, fake->df.iommufd, first);
	KUNIT_EXPECT_EQ(test, group->cdev_device_open_cnt, 0);
}
#endif /* CONFIG_VFIO_GROUP */

/* A device whose config space is an array with three capabilities, and a task that writes it */
#define CAP	0x50
#define FLAGS	(CAP + PCI_MSI_FLAGS)
#define PM	0x60
#define AF	0x70

struct fake_config {
	u8				config[PCI_CFG_SPACE_SIZE];
	struct inode			inode;
	struct pci_sysdata		sysdata;
	struct pci_bus			bus;
	struct pci_dev			pdev;
	struct vfio_pci_core_device	vdev;
	struct mm_struct		*mm;
	char __user			*value;
	loff_t				pos;
	size_t				size;
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

	KUNIT_ASSERT_NOT_NULL(test, fake);
	fake->config[PCI_STATUS] = PCI_STATUS_CAP_LIST;
	fake->config[PCI_CAPABILITY_LIST] = CAP;
	fake->config[CAP] = PCI_CAP_ID_MSI;
	fake->config[CAP + PCI_CAP_LIST_NEXT] = PM;
	fake->config[FLAGS] = PCI_MSI_FLAGS_ENABLE;
	fake->config[PM] = PCI_CAP_ID_PM;
	fake->config[PM + PCI_CAP_LIST_NEXT] = AF;
	fake->config[AF] = PCI_CAP_ID_AF;
	fake->config[AF + PCI_AF_CAP] = PCI_AF_CAP_TP | PCI_AF_CAP_FLR;
	fake->bus.ops = &config_ops;
	fake->bus.sysdata = &fake->sysdata;
	fake->pdev.bus = &fake->bus;
	fake->pdev.cfg_size = PCI_CFG_SPACE_SIZE;
	fake->pdev.dev.init_name = "fake";

	vdev = &fake->vdev;
	vdev->pdev = &fake->pdev;
	vdev->irq_type = VFIO_PCI_MSI_IRQ_INDEX;
	/* Nothing is mapped. */
	address_space_init_once(&fake->inode.i_data);
	fake->inode.i_mapping = &fake->inode.i_data;
	vdev->vdev.inode = &fake->inode;
	INIT_LIST_HEAD(&vdev->dmabufs);
	mutex_init(&vdev->igate);
	init_rwsem(&vdev->memory_lock);
	spin_lock_init(&vdev->irqlock);
	KUNIT_ASSERT_EQ(test, vfio_config_init(vdev), 0);
	KUNIT_ASSERT_EQ(test, kunit_add_action_or_reset(test, free_config, vdev), 0);

	fake->value = (char __user *)map_user_page(test);
	fake->mm = current->mm;
	return fake;
}

static void write_value(void *arg)
{
	struct fake_config *fake = arg;

	kthread_use_mm(fake->mm);
	fake->result = vfio_pci_config_rw_single(&fake->vdev, fake->value, fake->size, &fake->pos,
						 true);
	kthread_unuse_mm(fake->mm);
}

/* Returns when the writer waits for igate or memory_lock, which the caller holds. */
static void start_to_write(struct kunit *test, struct fake_config *fake, loff_t pos, u16 value,
			   size_t size)
{
	KUNIT_ASSERT_EQ(test, copy_to_user(fake->value, &value, size), 0);
	fake->pos = pos;
	fake->size = size;
	fake->writer = (struct waiting_task) { .call = write_value, .arg = fake };
	start_waiting_task(test, &fake->writer);
	expect_task_waits(test, &fake->writer);
}

static void start_to_write_flags(struct kunit *test, struct fake_config *fake, u16 value)
{
	start_to_write(test, fake, FLAGS, value, sizeof(u16));
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

/* VFIO_DEVICE_BIND_IOMMUFD has failed in its last step, and the device was reset. */
static void device_closed_before_finish_is_stopped(struct kunit *test)
{
	struct fake_config *fake = fake_config(test);
	struct pci_dev *pdev = &fake->pdev;

	device_initialize(&pdev->dev);
	pm_runtime_get_noresume(&pdev->dev);
	set_bit(PCI_DEV_LIVEUPDATE_INCOMING, &pdev->priv_flags);
	set_bit(PCI_DEV_LIVEUPDATE_RETRIEVED, &pdev->priv_flags);
	fake->config[PCI_COMMAND] = PCI_COMMAND_MASTER;
	fake->vdev.claimed = true;

	vfio_pci_liveupdate_disable(&fake->vdev);
	KUNIT_EXPECT_FALSE(test, pci_liveupdate_incoming(pdev));
	KUNIT_EXPECT_FALSE(test, pci_liveupdate_retrieved(pdev));
	KUNIT_EXPECT_EQ(test, fake->config[PCI_COMMAND], 0);

	/* FINISH comes later. */
	pci_liveupdate_finish(pdev);
	KUNIT_EXPECT_FALSE(test, test_bit(PCI_DEV_LIVEUPDATE_ADOPTED, &pdev->priv_flags));
}

/* Its user has retrieved the file, and LUO has finished it. */
static void device_closed_before_it_is_bound_is_stopped(struct kunit *test)
{
	struct fake_config *fake = fake_config(test);
	struct pci_dev *pdev = &fake->pdev;

	device_initialize(&pdev->dev);
	pm_runtime_get_noresume(&pdev->dev);
	set_bit(PCI_DEV_LIVEUPDATE_INCOMING, &pdev->priv_flags);
	set_bit(PCI_DEV_LIVEUPDATE_RETRIEVED, &pdev->priv_flags);
	fake->config[PCI_COMMAND] = PCI_COMMAND_MASTER;

	vfio_pci_liveupdate_release(&fake->vdev.vdev);
	KUNIT_EXPECT_FALSE(test, pci_liveupdate_incoming(pdev));
	KUNIT_EXPECT_EQ(test, fake->config[PCI_COMMAND], 0);
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

static const struct late_write {
	const char	*desc;
	loff_t		pos;
	u16		value;
	size_t		size;
} late_writes[] = {
	{ "memory space", PCI_COMMAND, PCI_COMMAND_MEMORY, sizeof(u16) },
	{ "no memory space", PCI_COMMAND, PCI_COMMAND_MASTER, sizeof(u16) },
	{ "power state", PM + PCI_PM_CTRL, (__force u16)PCI_D3hot, sizeof(u16) },
	{ "reset", AF + PCI_AF_CTRL, PCI_AF_CTRL_FLR, sizeof(u8) },
};

KUNIT_ARRAY_PARAM_DESC(late_write, late_writes, desc);

static void write_under_way_does_not_change_a_frozen_device(struct kunit *test)
{
	const struct late_write *late = test->param_value;
	struct fake_config *fake = fake_config(test);
	u8 before[PCI_CFG_SPACE_SIZE];

	memcpy(before, fake->config, sizeof(before));
	scoped_guard(rwsem_write, &fake->vdev.memory_lock) {
		start_to_write(test, fake, late->pos, late->value, late->size);
		fake->vdev.frozen = true;
	}
	end_waiting_task(&fake->writer);
	KUNIT_EXPECT_EQ(test, fake->result, -EBUSY);
	KUNIT_EXPECT_MEMEQ(test, fake->config, before, sizeof(before));
}

/* The guest does not know that its device is preserved. */
static void preserved_device_is_not_put_to_sleep(struct kunit *test)
{
	struct fake_config *fake = fake_config(test);
	u16 sleep = (__force u16)PCI_D3hot;
	u8 before[PCI_CFG_SPACE_SIZE];

	memcpy(before, fake->config, sizeof(before));
	fake->vdev.vdev.preserved = true;
	KUNIT_ASSERT_EQ(test, copy_to_user(fake->value, &sleep, sizeof(sleep)), 0);
	fake->pos = PM + PCI_PM_CTRL;
	KUNIT_EXPECT_EQ(test, vfio_pci_config_rw_single(&fake->vdev, fake->value, sizeof(sleep),
							&fake->pos, true), -EBUSY);
	KUNIT_EXPECT_MEMEQ(test, fake->config, before, sizeof(before));
}

static int arm_intx(struct fake_config *fake)
{
	s32 fd = -1;

	guard(mutex)(&fake->vdev.igate);

	return vfio_pci_set_irqs_ioctl(&fake->vdev, VFIO_IRQ_SET_DATA_EVENTFD |
				       VFIO_IRQ_SET_ACTION_TRIGGER,
				       VFIO_PCI_INTX_IRQ_INDEX, 0, 1, &fd);
}

static void preserved_device_does_not_use_intx(struct kunit *test)
{
	struct fake_config *fake = fake_config(test);

	fake->vdev.irq_type = VFIO_PCI_NUM_IRQS;
	/* It has no INTx. */
	KUNIT_EXPECT_EQ(test, arm_intx(fake), -ENODEV);
	fake->vdev.vdev.preserved = true;
	KUNIT_EXPECT_EQ(test, arm_intx(fake), -EBUSY);
}

static void set_frozen(struct fake_config *fake, bool frozen)
{
	guard(mutex)(&fake->vdev.igate);

	vfio_pci_lu_set_frozen(&fake->vdev, frozen);
}

/*
 * INTx is not in use, but the physical bit follows the virtual one: set, then cleared.
 * Both times the live update is cancelled.
 */
static void write_under_way_does_not_reach_intx_of_a_frozen_device(struct kunit *test)
{
	struct fake_config *fake = fake_config(test);
	u8 *command = &fake->config[PCI_COMMAND + 1];

	fake->vdev.pci_2_3 = true;
	for (unsigned int i = 0; i < 2; i++) {
		u8 disable = i ? 0 : PCI_COMMAND_INTX_DISABLE >> 8;
		u8 before = *command;

		scoped_guard(mutex, &fake->vdev.igate) {
			start_to_write(test, fake, PCI_COMMAND + 1, disable, sizeof(u8));
			vfio_pci_lu_set_frozen(&fake->vdev, true);
		}
		end_waiting_task(&fake->writer);
		KUNIT_EXPECT_EQ(test, fake->result, sizeof(u8));
		KUNIT_EXPECT_EQ(test, *command, before);

		set_frozen(fake, false);
		KUNIT_EXPECT_EQ(test, *command, disable);
	}
}

/* In the next kernel the device has the bit that the old one has set with MSI. */
static void user_does_not_see_intx_disable_of_the_kernel(struct kunit *test)
{
	struct fake_config *fake = fake_config(test);

	vfio_config_free(&fake->vdev);
	fake->config[PCI_COMMAND + 1] = PCI_COMMAND_INTX_DISABLE >> 8;
	fake->vdev.pci_2_3 = true;
	KUNIT_ASSERT_EQ(test, vfio_config_init(&fake->vdev), 0);
	KUNIT_EXPECT_EQ(test, fake->vdev.vconfig[PCI_COMMAND + 1], 0);
	KUNIT_EXPECT_EQ(test, fake->config[PCI_COMMAND + 1], PCI_COMMAND_INTX_DISABLE >> 8);
}

/* The PCI core sets the bit when it enables MSI, the user does not see that. */
static void cancelled_live_update_leaves_intx_disabled(struct kunit *test)
{
	struct fake_config *fake = fake_config(test);
	u8 *command = &fake->config[PCI_COMMAND + 1];

	fake->vdev.pci_2_3 = true;
	*command = PCI_COMMAND_INTX_DISABLE >> 8;
	set_frozen(fake, true);
	set_frozen(fake, false);
	KUNIT_EXPECT_EQ(test, *command, PCI_COMMAND_INTX_DISABLE >> 8);
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

static void expect_refused(struct kunit *test, struct vfio_pci_core_device *vdev, int expected,
			   const char *expected_reason)
{
	const char *reason;
	int err;

	reason = vfio_pci_lu_find_obstacle(vdev, &err);
	KUNIT_EXPECT_EQ(test, reason ? err : 0, expected);
	KUNIT_EXPECT_STREQ(test, reason ?: "none", expected_reason);
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

static struct device_driver *find_vfio_pci(struct kunit *test)
{
	struct device_driver *drv = driver_find("vfio-pci", &pci_bus_type);

	KUNIT_ASSERT_NOT_NULL(test, drv);
	return drv;
}

static void release_nothing(struct device *dev)
{
}

static void unregister_from_class(void *data)
{
	struct device *dev = data;

	dev->parent = NULL;
	device_unregister(dev);
}

/* VFIO finds a device by its parent, which sysfs does not know here. */
static void register_in_class(struct kunit *test, struct vfio_device *device)
{
	struct device *dev = &device->device;

	refcount_set(&device->refcount, 1);
	dev->class = &vfio_device_class;
	dev->release = release_nothing;
	KUNIT_ASSERT_EQ(test, dev_set_name(dev, "kunit_vfio"), 0);
	KUNIT_ASSERT_EQ(test, device_register(dev), 0);
	KUNIT_ASSERT_EQ(test, kunit_add_action_or_reset(test, unregister_from_class, dev), 0);
	dev->parent = device->dev;
}

struct obstacle_query {
	struct waiting_task	task;
	struct pci_dev		*pdev;
	const char		*reason;
};

static void find_obstacle(void *arg)
{
	struct obstacle_query *query = arg;

	query->reason = vfio_pci_liveupdate_find_obstacle(query->pdev);
}

/* Asks while all locks of the first device are held. */
static void expect_obstacle(struct kunit *test, struct fake_set *set, const char *expected)
{
	struct vfio_pci_core_device *vdev = &set->vdevs[0];
	struct obstacle_query query = {
		.task	= { .call = find_obstacle, .arg = &query },
		.pdev	= vdev->pdev,
	};

	scoped_guard(mutex, &set->dev_set.lock) {
		guard(mutex)(&vdev->igate);
		guard(rwsem_write)(&vdev->memory_lock);
		start_waiting_task(test, &query.task);
		expect_task_returns(test, &query.task);
	}
	end_waiting_task(&query.task);
	KUNIT_EXPECT_STREQ(test, query.reason ?: "none", expected);
}

/*
 * Anybody can read sysfs while the user has the locks. A hot reset only tries to get one of
 * them, preserve() and freeze() another one.
 */
static void obstacle_is_found_without_a_lock(struct kunit *test)
{
	struct fake_set *set = fake_functions(test);
	struct vfio_pci_core_device *vdev = &set->vdevs[0];
	struct device_driver *vfio_pci = find_vfio_pci(test);

	expect_obstacle(test, set, "not bound to vfio-pci");
	register_in_class(test, &vdev->vdev);
	expect_obstacle(test, set, "not bound to vfio-pci");
	set->pdevs[0].dev.driver = vfio_pci;
	expect_obstacle(test, set, "not open");
	vdev->vdev.open_count = 1;
	expect_obstacle(test, set, "not a cdev bound to an iommufd");
	vdev->vdev.cdev_opened = true;
	expect_obstacle(test, set, "none");
	vdev->pm_runtime_engaged = true;
	expect_obstacle(test, set, "in low power state");
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

static void virtual_function_is_preserved_after_its_physical_function(struct kunit *test)
{
	struct fake_set *set = fake_functions(test);

	set->pdevs[0].dev.driver = find_vfio_pci(test);
	expect_refused(test, &set->vdevs[1], -EOPNOTSUPP,
		       "its physical function is not preserved");
	set->vdevs[0].vdev.preserved = true;
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
	KUNIT_CASE(preserve_does_not_wait_for_the_device_set),
	KUNIT_CASE(freeze_does_not_wait_for_the_device_set),
	KUNIT_CASE(open_device_of_a_set_is_not_left_out),
	KUNIT_CASE(attach_that_cannot_be_reported_is_undone),
	KUNIT_CASE(attach_of_another_task_is_not_undone),
	KUNIT_CASE(attachment_of_a_preserved_device_is_not_undone),
	KUNIT_CASE(preserved_device_is_not_attached_by_pasid),
#ifdef CONFIG_VFIO_GROUP
	KUNIT_CASE(device_that_is_being_bound_is_not_bound_again),
#endif
	KUNIT_CASE(msi_which_is_being_disabled_is_not_enabled_again),
	KUNIT_CASE(msi_of_an_incoming_device_stays_enabled),
	KUNIT_CASE(device_closed_before_finish_is_stopped),
	KUNIT_CASE(device_closed_before_it_is_bound_is_stopped),
	KUNIT_CASE(write_under_way_does_not_reach_msi_of_a_frozen_device),
	KUNIT_CASE_PARAM(write_under_way_does_not_change_a_frozen_device, late_write_gen_params),
	KUNIT_CASE(preserved_device_is_not_put_to_sleep),
	KUNIT_CASE(preserved_device_does_not_use_intx),
	KUNIT_CASE(write_under_way_does_not_reach_intx_of_a_frozen_device),
	KUNIT_CASE(user_does_not_see_intx_disable_of_the_kernel),
	KUNIT_CASE(cancelled_live_update_leaves_intx_disabled),
	KUNIT_CASE(frozen_function_keeps_its_virtual_functions),
	KUNIT_CASE(function_whose_virtual_functions_change_is_refused),
	KUNIT_CASE(obstacle_is_found_without_a_lock),
	KUNIT_CASE(end_of_a_retrieved_file_waits_for_set_irqs),
	KUNIT_CASE(virtual_function_of_a_variant_driver_is_refused),
	KUNIT_CASE(virtual_function_is_preserved_after_its_physical_function),
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
