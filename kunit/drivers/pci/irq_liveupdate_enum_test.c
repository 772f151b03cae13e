// SPDX-License-Identifier: GPL-2.0

/*
 * Tests of what enumeration configures: the real code on functions whose
 * configuration space is an array. Below a root port there are an endpoint and a
 * sibling of it, which may be a port with another endpoint. The previous kernel has left
 * settings that this one would not choose. A function that is running keeps them, see
 * "What does the next kernel write to a device that is running?" in
 * Documentation/core-api/irq/irq-liveupdate.rst.
 */

#include <kunit/test.h>
#include <linux/bitfield.h>
#include <linux/kexec.h>
#include <linux/kho/abi/pci.h>
#include <linux/pci.h>
#include <linux/pci_liveupdate.h>
#include <linux/pm_runtime.h>
#include <linux/xarray.h>

#include "liveupdate.h"
#include "pci.h"

#define CAP		0x40
#define SRIOV		0x100
#define CONFIG_SIZE	0x140
#define SEGMENT		0xffff

#define MPS_128		FIELD_PREP(PCI_EXP_DEVCTL_PAYLOAD, 0)
#define MPS_256		FIELD_PREP(PCI_EXP_DEVCTL_PAYLOAD, 1)
#define MPS_512		FIELD_PREP(PCI_EXP_DEVCTL_PAYLOAD, 2)

/* Whether a byte was ever written, and the bits that every write to SR-IOV Control had set */
struct fake_function {
	u8			config[CONFIG_SIZE];
	bool			written[CONFIG_SIZE];
	u16			kept;
	struct pci_dev		pdev;
};

/* The only VF BAR */
#define VF_BAR		(SRIOV + PCI_SRIOV_BAR)
#define VF_BAR_SIZE	0x4000
#define VF_ADDRESS	0xfe100000

struct fake_hierarchy {
	struct pci_sysdata	sysdata;
	struct pci_host_bridge	host;
	struct pci_bus		root;
	struct pci_bus		bus;
	struct pci_bus		below;
	struct fake_function	port;
	struct fake_function	functions[2];
	struct fake_function	plugged;
	struct pci_lu_dev_ser	record;
};

static struct fake_function *function_at(struct pci_bus *bus, unsigned int devfn)
{
	struct fake_hierarchy *fake = container_of(bus->sysdata, struct fake_hierarchy, sysdata);

	switch (bus->number) {
	case 0:
		return &fake->port;
	case 1:
		return &fake->functions[devfn];
	default:
		return &fake->plugged;
	}
}

static int read_config(struct pci_bus *bus, unsigned int devfn, int where, int size, u32 *val)
{
	*val = 0;
	memcpy(val, &function_at(bus, devfn)->config[where], size);
	return PCIBIOS_SUCCESSFUL;
}

static int write_config(struct pci_bus *bus, unsigned int devfn, int where, int size, u32 val)
{
	struct fake_function *function = function_at(bus, devfn);

	if (where == VF_BAR)
		val &= ~(VF_BAR_SIZE - 1);
	else if (where > VF_BAR && where < VF_BAR + PCI_SRIOV_NUM_BARS * 4)
		val = 0;
	if (where == SRIOV + PCI_SRIOV_CTRL)
		function->kept &= val;
	memset(&function->written[where], true, size);
	memcpy(&function->config[where], &val, size);
	return PCIBIOS_SUCCESSFUL;
}

static struct pci_ops config_ops = {
	.read	= read_config,
	.write	= write_config,
};

static u16 get(struct fake_function *function, unsigned int reg)
{
	u16 value;

	memcpy(&value, &function->config[CAP + reg], sizeof(value));
	return value;
}

static void put(struct fake_function *function, unsigned int reg, u16 value)
{
	memcpy(&function->config[CAP + reg], &value, sizeof(value));
}

static u16 command_of(struct fake_function *function)
{
	u16 value;

	memcpy(&value, &function->config[PCI_COMMAND], sizeof(value));
	return value;
}

static void init_function(struct fake_function *function, struct pci_bus *bus,
			  unsigned int devfn, int type)
{
	struct pci_dev *pdev = &function->pdev;

	pdev->bus = bus;
	pdev->devfn = devfn;
	pdev->dev.init_name = "fake";
	pdev->cfg_size = CONFIG_SIZE;
	pdev->pcie_cap = CAP;
	pdev->pcie_flags_reg = 2 | FIELD_PREP(PCI_EXP_FLAGS_TYPE, type);
	pdev->pcie_mpss = FIELD_GET(PCI_EXP_DEVCTL_PAYLOAD, MPS_512);
	spin_lock_init(&pdev->pcie_cap_lock);
}

static void init_bus(struct pci_bus *bus, struct fake_hierarchy *fake)
{
	bus->sysdata = &fake->sysdata;
	bus->ops = &config_ops;
	INIT_LIST_HEAD(&bus->devices);
}

static int enum_test_init(struct kunit *test)
{
	struct fake_hierarchy *fake = kunit_kzalloc(test, sizeof(*fake), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, fake);
	fake->sysdata.domain = SEGMENT;
	init_bus(&fake->root, fake);
	fake->root.bridge = &fake->host.dev;
	INIT_LIST_HEAD(&fake->host.windows);
	init_bus(&fake->bus, fake);
	fake->bus.number = 1;
	fake->bus.parent = &fake->root;
	fake->bus.self = &fake->port.pdev;

	init_function(&fake->port, &fake->root, PCI_DEVFN(4, 0), PCI_EXP_TYPE_ROOT_PORT);
	put(&fake->port, PCI_EXP_DEVCTL, MPS_256);
	put(&fake->port, PCI_EXP_LNKCTL, PCI_EXP_LNKCTL_RCB);
	for (unsigned int i = 0; i < ARRAY_SIZE(fake->functions); i++) {
		init_function(&fake->functions[i], &fake->bus, i, PCI_EXP_TYPE_ENDPOINT);
		put(&fake->functions[i], PCI_EXP_DEVCAP, PCI_EXP_DEVCAP_EXT_TAG);
		list_add_tail(&fake->functions[i].pdev.bus_list, &fake->bus.devices);
	}

	init_bus(&fake->below, fake);
	fake->below.number = 2;
	fake->below.parent = &fake->bus;
	init_function(&fake->plugged, &fake->below, 0, PCI_EXP_TYPE_ENDPOINT);
	list_add_tail(&fake->plugged.pdev.bus_list, &fake->below.devices);

	test->priv = fake;
	return 0;
}

static void configure_as(enum pcie_bus_config_types config, struct pci_bus *bus)
{
	enum pcie_bus_config_types was = pcie_bus_config;

	pcie_bus_config = config;
	pcie_bus_configure_settings(bus);
	pcie_bus_config = was;
}

static unsigned long place(const struct pci_lu_dev_ser *ser)
{
	return (unsigned long)ser->segment << 16 | ser->devid;
}

static void erase_record(void *record)
{
	xa_erase(&pci_lu_in_devices, place(record));
}

/* The port forwards the requests of a running device. */
static void record_port(struct kunit *test)
{
	struct fake_hierarchy *fake = test->priv;

	fake->record.segment = SEGMENT;
	fake->record.devid = pci_dev_id(&fake->port.pdev);
	KUNIT_ASSERT_EQ(test, 0, xa_insert(&pci_lu_in_devices, place(&fake->record),
					   &fake->record, GFP_KERNEL));
	KUNIT_ASSERT_EQ(test, 0, kunit_add_action_or_reset(test, erase_record, &fake->record));
}

static void function_that_starts_is_configured(struct kunit *test)
{
	struct fake_hierarchy *fake = test->priv;
	struct fake_function *function = &fake->functions[0];

	pci_configure_device(&function->pdev);
	KUNIT_EXPECT_EQ(test, get(function, PCI_EXP_DEVCTL), MPS_256 | PCI_EXP_DEVCTL_EXT_TAG);
	KUNIT_EXPECT_EQ(test, get(function, PCI_EXP_LNKCTL), PCI_EXP_LNKCTL_RCB);

	configure_as(PCIE_BUS_PEER2PEER, &fake->bus);
	KUNIT_EXPECT_EQ(test, get(function, PCI_EXP_DEVCTL) & PCI_EXP_DEVCTL_PAYLOAD, MPS_128);
	KUNIT_EXPECT_EQ(test, get(&fake->port, PCI_EXP_DEVCTL), MPS_128);
}

static void running_function_keeps_its_settings(struct kunit *test)
{
	struct fake_hierarchy *fake = test->priv;
	struct fake_function *function = &fake->functions[0];

	set_bit(PCI_DEV_LIVEUPDATE_INCOMING, &function->pdev.priv_flags);
	pci_configure_device(&function->pdev);
	KUNIT_EXPECT_EQ(test, get(function, PCI_EXP_DEVCTL), 0);
	KUNIT_EXPECT_EQ(test, get(function, PCI_EXP_LNKCTL), 0);

	put(function, PCI_EXP_DEVCTL, MPS_256);
	configure_as(PCIE_BUS_PEER2PEER, &fake->bus);
	KUNIT_EXPECT_EQ(test, get(function, PCI_EXP_DEVCTL), MPS_256);
}

/* It may have an interrupt to signal, on a line without a handler. */
static void running_function_keeps_intx_disabled(struct kunit *test)
{
	struct fake_hierarchy *fake = test->priv;
	struct fake_function *function = &fake->functions[0];
	struct pci_dev *pdev = &function->pdev;

	function->config[PCI_INTERRUPT_PIN] = 1;
	function->config[PCI_COMMAND + 1] = PCI_COMMAND_INTX_DISABLE >> 8;
	atomic_set(&pdev->enable_cnt, 1);
	set_bit(PCI_DEV_LIVEUPDATE_INCOMING, &pdev->priv_flags);
	KUNIT_ASSERT_EQ(test, pci_reenable_device(pdev), 0);
	KUNIT_EXPECT_EQ(test, command_of(function), PCI_COMMAND_INTX_DISABLE);

	clear_bit(PCI_DEV_LIVEUPDATE_INCOMING, &pdev->priv_flags);
	KUNIT_ASSERT_EQ(test, pci_reenable_device(pdev), 0);
	KUNIT_EXPECT_EQ(test, command_of(function), 0);
}

/* Quirks enable a device to look at its registers, and disable it again. */
static void running_function_stays_a_bus_master(struct kunit *test)
{
	struct fake_hierarchy *fake = test->priv;
	struct fake_function *function = &fake->functions[0];
	struct pci_dev *pdev = &function->pdev;

	function->config[PCI_COMMAND] = PCI_COMMAND_MASTER;
	set_bit(PCI_DEV_LIVEUPDATE_INCOMING, &pdev->priv_flags);
	atomic_set(&pdev->enable_cnt, 1);
	pci_disable_device(pdev);
	KUNIT_EXPECT_EQ(test, command_of(function), PCI_COMMAND_MASTER);

	clear_bit(PCI_DEV_LIVEUPDATE_INCOMING, &pdev->priv_flags);
	atomic_set(&pdev->enable_cnt, 1);
	pci_disable_device(pdev);
	KUNIT_EXPECT_EQ(test, command_of(function), 0);
}

static struct pci_lu_dev_ser *record_function(struct kunit *test, struct fake_function *function)
{
	struct pci_lu_dev_ser *record = kunit_kzalloc(test, sizeof(*record), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, record);
	pci_lu_describe(&function->pdev, record);
	KUNIT_ASSERT_EQ(test, 0, xa_insert(&pci_lu_in_devices, place(record), record, GFP_KERNEL));
	KUNIT_ASSERT_EQ(test, 0, kunit_add_action_or_reset(test, erase_record, record));
	return record;
}

/* It was replaced while the machine was off, for instance. */
static void function_which_does_not_match_its_record_is_configured(struct kunit *test)
{
	struct fake_hierarchy *fake = test->priv;
	struct fake_function *function = &fake->functions[0];

	record_function(test, function)->device++;
	pci_lu_in_lost = true;
	pci_liveupdate_setup_device(&function->pdev);
	pci_lu_in_lost = false;
	pci_configure_device(&function->pdev);
	KUNIT_EXPECT_EQ(test, get(function, PCI_EXP_DEVCTL), MPS_256 | PCI_EXP_DEVCTL_EXT_TAG);
}

/* What assigns addresses gives it the same ones again, if it is alone below its port. */
static void function_that_was_reset_does_not_match_its_record(struct kunit *test)
{
	struct fake_hierarchy *fake = test->priv;
	struct fake_function *function = &fake->functions[0];
	const u32 address = 0xfe000000;

	memcpy(&function->config[PCI_BASE_ADDRESS_0], &address, sizeof(address));
	record_function(test, &fake->port);
	record_function(test, function);
	memset(&function->config[PCI_BASE_ADDRESS_0], 0, sizeof(address));
	pci_lu_in_lost = true;
	pci_liveupdate_setup_device(&function->pdev);
	KUNIT_EXPECT_FALSE(test, pci_liveupdate_incoming(&function->pdev));

	memcpy(&function->config[PCI_BASE_ADDRESS_0], &address, sizeof(address));
	record_function(test, function);
	pci_liveupdate_setup_device(&function->pdev);
	pci_lu_in_lost = false;
	KUNIT_EXPECT_TRUE(test, pci_liveupdate_incoming(&function->pdev));
}

/* A switch that is plugged in again, for instance, was reset. */
static void bridge_that_is_removed_is_not_recorded(struct kunit *test)
{
	struct fake_hierarchy *fake = test->priv;

	record_port(test);
	KUNIT_EXPECT_TRUE(test, pci_liveupdate_recorded(&fake->port.pdev));
	pci_liveupdate_remove(&fake->port.pdev);
	KUNIT_EXPECT_FALSE(test, pci_liveupdate_recorded(&fake->port.pdev));
}

/* The host bridge or a device in the hierarchy has a quirk. */
static void running_function_keeps_extended_tags(struct kunit *test)
{
	struct fake_hierarchy *fake = test->priv;
	struct fake_function *function = &fake->functions[0];

	fake->host.no_ext_tags = 1;
	set_bit(PCI_DEV_LIVEUPDATE_INCOMING, &function->pdev.priv_flags);
	for (unsigned int i = 0; i < ARRAY_SIZE(fake->functions); i++)
		put(&fake->functions[i], PCI_EXP_DEVCTL, PCI_EXP_DEVCTL_EXT_TAG);

	pci_walk_bus(&fake->bus, pci_configure_extended_tags, NULL);
	KUNIT_EXPECT_EQ(test, get(function, PCI_EXP_DEVCTL), PCI_EXP_DEVCTL_EXT_TAG);
	KUNIT_EXPECT_EQ(test, get(&fake->functions[1], PCI_EXP_DEVCTL), 0);
}

static void bridge_of_a_running_function_keeps_its_settings(struct kunit *test)
{
	struct fake_hierarchy *fake = test->priv;
	struct fake_function *sibling = &fake->functions[1];

	record_port(test);
	configure_as(PCIE_BUS_PEER2PEER, &fake->bus);
	KUNIT_EXPECT_EQ(test, get(&fake->port, PCI_EXP_DEVCTL), MPS_256);

	/* Not even for a sibling that cannot receive what the port may send */
	sibling->pdev.pcie_mpss = 0;
	pci_configure_device(&sibling->pdev);
	KUNIT_EXPECT_EQ(test, get(&fake->port, PCI_EXP_DEVCTL), MPS_256);
}

struct policy {
	const char			*desc;
	enum pcie_bus_config_types	config;
};

static const struct policy policies[] = {
	{ "default",		PCIE_BUS_DEFAULT },
	{ "safe",		PCIE_BUS_SAFE },
	{ "performance",	PCIE_BUS_PERFORMANCE },
	{ "peer to peer",	PCIE_BUS_PEER2PEER },
};

KUNIT_ARRAY_PARAM_DESC(policy, policies, desc);

static void enumerate_as(enum pcie_bus_config_types config, struct fake_function *function)
{
	enum pcie_bus_config_types was = pcie_bus_config;

	pcie_bus_config = config;
	pci_configure_device(&function->pdev);
	pcie_bus_configure_settings(function->pdev.bus);
	pcie_bus_config = was;
}

static u16 payload(struct fake_function *function)
{
	return get(function, PCI_EXP_DEVCTL) & PCI_EXP_DEVCTL_PAYLOAD;
}

static void sibling_of_a_running_function_has_the_payload_of_their_port(struct kunit *test)
{
	const struct policy *policy = test->param_value;
	struct fake_hierarchy *fake = test->priv;

	record_port(test);
	set_bit(PCI_DEV_LIVEUPDATE_INCOMING, &fake->functions[0].pdev.priv_flags);
	put(&fake->functions[0], PCI_EXP_DEVCTL, MPS_256);

	enumerate_as(policy->config, &fake->functions[1]);
	KUNIT_EXPECT_EQ(test, payload(&fake->port), MPS_256);
	KUNIT_EXPECT_EQ(test, payload(&fake->functions[0]), MPS_256);
	KUNIT_EXPECT_EQ(test, payload(&fake->functions[1]), MPS_256);
}

/* A port of a switch, another port of which leads to a running function */
static void function_behind_another_port_has_the_payload_of_the_root_port(struct kunit *test)
{
	const struct policy *policy = test->param_value;
	struct fake_hierarchy *fake = test->priv;
	struct fake_function *other = &fake->functions[1];

	record_port(test);
	other->pdev.is_hotplug_bridge = 1;
	other->pdev.pcie_flags_reg = 2 | FIELD_PREP(PCI_EXP_FLAGS_TYPE, PCI_EXP_TYPE_DOWNSTREAM);
	put(other, PCI_EXP_DEVCTL, MPS_256);
	fake->below.self = &other->pdev;

	enumerate_as(policy->config, &fake->plugged);
	KUNIT_EXPECT_EQ(test, payload(other), MPS_256);
	KUNIT_EXPECT_EQ(test, payload(&fake->plugged), MPS_256);
}

static void put_at(struct fake_function *function, unsigned int reg, u32 value, size_t size)
{
	memcpy(&function->config[SRIOV + reg], &value, size);
}

static u16 sriov_control(struct fake_function *function)
{
	u16 value;

	memcpy(&value, &function->config[SRIOV + PCI_SRIOV_CTRL], sizeof(value));
	return value;
}

#define VFS_ENABLED	(PCI_SRIOV_CTRL_VFE | PCI_SRIOV_CTRL_MSE)

/* Two of four virtual functions are enabled. */
static struct fake_function *with_vfs(struct kunit *test)
{
	struct fake_hierarchy *fake = test->priv;
	struct fake_function *function = &fake->functions[0];

	put_at(function, 0, PCI_EXT_CAP_ID_SRIOV | 1 << 16, 4);
	put_at(function, PCI_SRIOV_CTRL, VFS_ENABLED, 2);
	put_at(function, PCI_SRIOV_INITIAL_VF, 4, 2);
	put_at(function, PCI_SRIOV_TOTAL_VF, 4, 2);
	put_at(function, PCI_SRIOV_NUM_VF, 2, 2);
	put_at(function, PCI_SRIOV_VF_OFFSET, 0x100, 2);
	put_at(function, PCI_SRIOV_VF_STRIDE, 1, 2);
	put_at(function, PCI_SRIOV_SUP_PGSIZE, 0x553, 4);
	put_at(function, PCI_SRIOV_SYS_PGSIZE, 0x2, 4);
	put_at(function, PCI_SRIOV_BAR, VF_ADDRESS, 4);
	function->kept = U16_MAX;
	/* Without this the capability is not found */
	function->pdev.cfg_size = PCI_CFG_SPACE_EXP_SIZE;
	return function;
}

#ifdef CONFIG_PCI_IOV
static void release_sriov(void *pdev)
{
	pci_iov_release(pdev);
}

static void init_iov(struct kunit *test, struct fake_function *function)
{
	KUNIT_ASSERT_EQ(test, pci_iov_init(&function->pdev), 0);
	KUNIT_ASSERT_EQ(test, kunit_add_action_or_reset(test, release_sriov, &function->pdev), 0);
}

static void init_incoming_iov(struct kunit *test, struct fake_function *function)
{
	set_bit(PCI_DEV_LIVEUPDATE_INCOMING, &function->pdev.priv_flags);
	init_iov(test, function);
}

static void running_function_keeps_its_virtual_functions(struct kunit *test)
{
	struct fake_function *function = with_vfs(test);
	struct resource *res = pci_resource_n(&function->pdev, PCI_IOV_RESOURCES);

	init_incoming_iov(test, function);
	KUNIT_EXPECT_TRUE(test, function->kept & PCI_SRIOV_CTRL_VFE);
	KUNIT_EXPECT_EQ(test, sriov_control(function), VFS_ENABLED);
	KUNIT_EXPECT_FALSE(test, function->written[SRIOV + PCI_SRIOV_NUM_VF]);
	KUNIT_EXPECT_FALSE(test, function->written[SRIOV + PCI_SRIOV_SYS_PGSIZE]);

	/* The BAR is sized with decoding disabled, and keeps its address */
	KUNIT_EXPECT_TRUE(test, function->written[VF_BAR]);
	KUNIT_EXPECT_FALSE(test, function->kept & PCI_SRIOV_CTRL_MSE);
	KUNIT_EXPECT_EQ(test, res->start, VF_ADDRESS);
	KUNIT_EXPECT_EQ(test, resource_size(res), 4 * VF_BAR_SIZE);
	KUNIT_EXPECT_TRUE(test, res->flags & IORESOURCE_PCI_FIXED);

	KUNIT_EXPECT_EQ(test, pci_iov_running(&function->pdev), 2);
	KUNIT_EXPECT_EQ(test, pci_num_vf(&function->pdev), 0);
	KUNIT_EXPECT_EQ(test, pci_iov_virtfn_bus(&function->pdev, 1), 2);
	KUNIT_EXPECT_EQ(test, pci_iov_virtfn_devfn(&function->pdev, 1), 1);
	KUNIT_EXPECT_TRUE(test, pci_liveupdate_vfs_running(&function->pdev));
}

static void virtual_functions_without_a_driver_are_stopped(struct kunit *test)
{
	struct fake_function *function = with_vfs(test);

	init_incoming_iov(test, function);
	pci_iov_halt(&function->pdev);
	KUNIT_EXPECT_EQ(test, sriov_control(function), 0);
	/* A reset restores them */
	KUNIT_EXPECT_FALSE(test, pci_resource_n(&function->pdev, PCI_IOV_RESOURCES)->flags &
				 IORESOURCE_PCI_FIXED);
	KUNIT_EXPECT_EQ(test, pci_iov_running(&function->pdev), 0);
	KUNIT_EXPECT_FALSE(test, pci_liveupdate_vfs_running(&function->pdev));

	/* Virtual functions need a second before they can be enabled again */
	KUNIT_EXPECT_FALSE(test, function->written[SRIOV + PCI_SRIOV_NUM_VF]);
	KUNIT_EXPECT_EQ(test, pci_enable_sriov(&function->pdev, 2), -EBUSY);
	pci_iov_settle(&function->pdev);
	KUNIT_EXPECT_TRUE(test, function->written[SRIOV + PCI_SRIOV_NUM_VF]);
	KUNIT_EXPECT_EQ(test, pci_enable_sriov(&function->pdev, 2), -ENOMEM);
}

/* FINISH happens while the driver of the physical function enables them. */
static void virtual_functions_that_are_added_are_not_stopped(struct kunit *test)
{
	struct fake_function *function = with_vfs(test);

	init_incoming_iov(test, function);
	function->pdev.sriov->running = PCI_IOV_ADDING;
	pci_iov_halt(&function->pdev);
	pci_iov_settle(&function->pdev);
	KUNIT_EXPECT_EQ(test, sriov_control(function), VFS_ENABLED);
	KUNIT_EXPECT_EQ(test, pci_iov_running(&function->pdev), 2);
}

/* pci_liveupdate_finish() needs the device in this state. */
static void init_device(struct fake_function *function)
{
	function->pdev.dev.bus = &pci_bus_type;
	device_initialize(&function->pdev.dev);
	pm_runtime_get_noresume(&function->pdev.dev);
}

/* The physical function itself is not incoming. */
static void init_kept_iov(struct kunit *test, struct fake_function *function)
{
	set_bit(PCI_DEV_LIVEUPDATE_VFS_INCOMING, &function->pdev.priv_flags);
	init_device(function);
	init_iov(test, function);
}

static void function_that_only_keeps_virtual_functions_is_no_bus_master(struct kunit *test)
{
	struct fake_function *function = with_vfs(test);
	struct pci_dev *pdev = &function->pdev;

	record_port(test);
	record_function(test, function)->flags |= PCI_LU_DEV_KEEPS_VFS;
	function->config[PCI_COMMAND] = PCI_COMMAND_MASTER | PCI_COMMAND_MEMORY;
	device_initialize(&pdev->dev);

	pci_lu_in_lost = true;
	pci_liveupdate_setup_device(pdev);
	pci_lu_in_lost = false;
	KUNIT_EXPECT_TRUE(test, pci_liveupdate_vfs_incoming(pdev));
	KUNIT_EXPECT_FALSE(test, pci_liveupdate_incoming(pdev));
	KUNIT_EXPECT_EQ(test, command_of(function), PCI_COMMAND_MEMORY);
}

static void function_that_starts_keeps_virtual_functions_that_were_handed_over(struct kunit *test)
{
	struct fake_function *function = with_vfs(test);

	init_kept_iov(test, function);
	KUNIT_EXPECT_TRUE(test, function->kept & PCI_SRIOV_CTRL_VFE);
	KUNIT_EXPECT_FALSE(test, function->written[SRIOV + PCI_SRIOV_NUM_VF]);
	KUNIT_EXPECT_EQ(test, pci_iov_running(&function->pdev), 2);

	/* Nobody retrieves them, or their physical function is gone. */
	pci_lu_stop_unclaimed(&function->pdev, "nobody has claimed it");
	KUNIT_EXPECT_EQ(test, sriov_control(function), 0);
	KUNIT_EXPECT_FALSE(test, pci_liveupdate_vfs_incoming(&function->pdev));
}

static void shut_down_for_kexec(struct pci_dev *pdev)
{
	kexec_in_progress = true;
	pci_bus_type.shutdown(&pdev->dev);
	kexec_in_progress = false;
}

/* Nobody has added them, so they are not shut down themselves. */
static void virtual_functions_without_a_driver_are_stopped_before_a_kexec(struct kunit *test)
{
	struct fake_function *function = with_vfs(test);
	struct pci_dev *pdev = &function->pdev;

	init_kept_iov(test, function);
	/* Firmware resets them */
	pci_bus_type.shutdown(&pdev->dev);
	KUNIT_EXPECT_EQ(test, sriov_control(function), VFS_ENABLED);

	shut_down_for_kexec(pdev);
	KUNIT_EXPECT_EQ(test, sriov_control(function), 0);
	KUNIT_EXPECT_EQ(test, pdev->sriov->running, PCI_IOV_NONE);
	KUNIT_EXPECT_FALSE(test, pci_liveupdate_vfs_incoming(pdev));
}

/* The physical function was handed over as well. */
static void virtual_functions_of_an_incoming_function_are_stopped_before_a_kexec(struct kunit *test)
{
	struct fake_function *function = with_vfs(test);
	struct pci_dev *pdev = &function->pdev;

	init_device(function);
	init_incoming_iov(test, function);
	function->config[PCI_COMMAND] = PCI_COMMAND_MASTER | PCI_COMMAND_MEMORY;

	shut_down_for_kexec(pdev);
	KUNIT_EXPECT_EQ(test, sriov_control(function), 0);
	KUNIT_EXPECT_EQ(test, pdev->sriov->running, PCI_IOV_NONE);
	KUNIT_EXPECT_EQ(test, command_of(function), PCI_COMMAND_MEMORY);
}

/* The virtual functions have been added; one of them was handed over. */
static struct pci_dev *with_incoming_vf(struct kunit *test, struct fake_function *function)
{
	struct fake_hierarchy *fake = test->priv;
	struct pci_dev *virtfn = &fake->functions[1].pdev;

	function->pdev.sriov->running = PCI_IOV_NONE;
	virtfn->is_virtfn = 1;
	virtfn->physfn = &function->pdev;
	virtfn->dev.bus = &pci_bus_type;
	device_initialize(&virtfn->dev);
	pm_runtime_get_noresume(&virtfn->dev);
	set_bit(PCI_DEV_LIVEUPDATE_INCOMING, &virtfn->priv_flags);
	pci_iov_count_incoming(virtfn, 1);
	return virtfn;
}

static void function_of_an_incoming_virtual_function_is_kept(struct kunit *test)
{
	struct fake_function *function = with_vfs(test);
	struct pci_dev *virtfn;

	init_kept_iov(test, function);
	virtfn = with_incoming_vf(test, function);

	KUNIT_EXPECT_TRUE(test, pci_liveupdate_vfs_running(&function->pdev));
	pci_lu_stop_unclaimed(&function->pdev, "nobody has claimed it");
	KUNIT_EXPECT_TRUE(test, pci_liveupdate_vfs_incoming(&function->pdev));
	KUNIT_EXPECT_EQ(test, sriov_control(function), VFS_ENABLED);

	pci_liveupdate_finish(virtfn);
	KUNIT_EXPECT_FALSE(test, pci_liveupdate_vfs_running(&function->pdev));
	KUNIT_EXPECT_FALSE(test, pci_liveupdate_vfs_incoming(&function->pdev));
	KUNIT_EXPECT_EQ(test, sriov_control(function), VFS_ENABLED);
}

/* A card that is plugged in at the address later is not the one that was handed over. */
static void function_is_recorded_until_its_last_virtual_function_is_finished(struct kunit *test)
{
	struct fake_function *function = with_vfs(test);
	struct pci_dev *pdev = &function->pdev;
	struct pci_dev *virtfn;

	record_function(test, function);
	init_device(function);
	init_incoming_iov(test, function);
	virtfn = with_incoming_vf(test, function);

	pci_liveupdate_finish(pdev);
	KUNIT_EXPECT_FALSE(test, pci_liveupdate_incoming(pdev));
	KUNIT_EXPECT_TRUE(test, pci_liveupdate_recorded(pdev));
	pci_liveupdate_finish(virtfn);
	KUNIT_EXPECT_FALSE(test, pci_liveupdate_recorded(pdev));
}

static int sriov_fails(struct pci_dev *pdev, int nr)
{
	return -EBUSY;
}

static int sriov_is_ignored(struct pci_dev *pdev, int nr)
{
	return nr;
}

static int sriov_is_enabled(struct pci_dev *pdev, int nr)
{
	pdev->sriov->running = PCI_IOV_NONE;
	return nr;
}

struct driver {
	const char	*desc;
	int		(*sriov_configure)(struct pci_dev *pdev, int nr);
	u16		control;
};

static const struct driver drivers[] = {
	{ "no callback",	NULL,			0 },
	{ "fails",		sriov_fails,		0 },
	{ "does nothing",	sriov_is_ignored,	0 },
	{ "enables them",	sriov_is_enabled,	VFS_ENABLED },
};

KUNIT_ARRAY_PARAM_DESC(driver, drivers, desc);

static void virtual_functions_are_enabled_by_the_driver_or_stopped(struct kunit *test)
{
	const struct driver *driver = test->param_value;
	struct pci_driver drv = { .sriov_configure = driver->sriov_configure };
	struct fake_function *function = with_vfs(test);

	init_kept_iov(test, function);
	function->pdev.driver = &drv;
	pci_liveupdate_add_vfs(&function->pdev);
	KUNIT_EXPECT_EQ(test, sriov_control(function), driver->control);
	KUNIT_EXPECT_EQ(test, pci_iov_running(&function->pdev), 0);
	/* None of the virtual functions that were enabled is incoming. */
	KUNIT_EXPECT_FALSE(test, pci_liveupdate_vfs_incoming(&function->pdev));
}

/* Its driver is bound, and cannot enable them again. */
static struct fake_function *lose_vfs(struct kunit *test, bool retrieved)
{
	struct pci_driver drv = { .sriov_configure = sriov_fails };
	struct fake_function *function = with_vfs(test);
	struct pci_dev *pdev = &function->pdev;

	init_device(function);
	init_incoming_iov(test, function);
	function->config[PCI_COMMAND] = PCI_COMMAND_MASTER | PCI_COMMAND_MEMORY;
	if (retrieved)
		set_bit(PCI_DEV_LIVEUPDATE_RETRIEVED, &pdev->priv_flags);

	pdev->driver = &drv;
	pci_liveupdate_add_vfs(pdev);
	pdev->driver = NULL;

	KUNIT_EXPECT_EQ(test, sriov_control(function), 0);
	KUNIT_EXPECT_EQ(test, pci_iov_running(pdev), 0);
	return function;
}

/* Its user may retrieve it while its driver adds them. */
static void retrieved_function_only_loses_its_virtual_functions(struct kunit *test)
{
	struct fake_function *function = lose_vfs(test, true);

	KUNIT_EXPECT_EQ(test, command_of(function), PCI_COMMAND_MASTER | PCI_COMMAND_MEMORY);
	KUNIT_EXPECT_TRUE(test, pci_liveupdate_incoming(&function->pdev));
	pci_liveupdate_finish(&function->pdev);
}

static void function_is_stopped_with_its_virtual_functions(struct kunit *test)
{
	struct fake_function *function = lose_vfs(test, false);

	KUNIT_EXPECT_EQ(test, command_of(function), PCI_COMMAND_MEMORY);
	KUNIT_EXPECT_FALSE(test, pci_liveupdate_incoming(&function->pdev));
}

/* Not even bus mastering is cleared in the attempt. */
static void function_with_running_virtual_functions_is_not_reset(struct kunit *test)
{
	struct fake_function *function = with_vfs(test);
	struct pci_dev *pdev = &function->pdev;

	init_kept_iov(test, function);
	pdev->reset_methods[0] = 1;
	memset(function->written, 0, sizeof(function->written));
	KUNIT_EXPECT_EQ(test, pci_reset_function(pdev), -EBUSY);
	KUNIT_EXPECT_EQ(test, pci_try_reset_function(pdev), -EBUSY);
	scoped_guard(device, &pdev->dev) {
		KUNIT_EXPECT_EQ(test, pci_reset_function_locked(pdev), -EBUSY);
		KUNIT_EXPECT_EQ(test, __pci_reset_function_locked(pdev), -EBUSY);
	}
	KUNIT_EXPECT_NULL(test, memchr_inv(function->written, 0, sizeof(function->written)));
}

static void other_number_of_virtual_functions_than_run_is_refused(struct kunit *test)
{
	struct fake_function *function = with_vfs(test);

	init_incoming_iov(test, function);
	KUNIT_EXPECT_EQ(test, pci_enable_sriov(&function->pdev, 3), -EBUSY);
	KUNIT_EXPECT_EQ(test, sriov_control(function), 0);
	KUNIT_EXPECT_EQ(test, pci_iov_running(&function->pdev), 0);
}

/* Nobody has claimed their memory where it is: they would have to move. */
static void virtual_functions_without_memory_are_stopped(struct kunit *test)
{
	struct fake_function *function = with_vfs(test);

	init_incoming_iov(test, function);
	KUNIT_EXPECT_EQ(test, pci_enable_sriov(&function->pdev, 2), -ENOMEM);
	KUNIT_EXPECT_EQ(test, sriov_control(function), 0);
	KUNIT_EXPECT_EQ(test, pci_num_vf(&function->pdev), 0);
}

static void function_that_starts_has_no_virtual_functions(struct kunit *test)
{
	struct fake_function *function = with_vfs(test);

	init_iov(test, function);
	KUNIT_EXPECT_FALSE(test, function->kept & PCI_SRIOV_CTRL_VFE);
	KUNIT_EXPECT_EQ(test, sriov_control(function), 0);
	KUNIT_EXPECT_TRUE(test, function->written[SRIOV + PCI_SRIOV_NUM_VF]);
	KUNIT_EXPECT_TRUE(test, function->written[SRIOV + PCI_SRIOV_SYS_PGSIZE]);
	KUNIT_EXPECT_EQ(test, pci_iov_running(&function->pdev), 0);
}
#else
/* Without CONFIG_PCI_IOV, nothing else knows about them. */
static void virtual_functions_of_another_function_are_stopped(struct kunit *test)
{
	struct fake_function *function = with_vfs(test);

	pci_lu_in_lost = true;
	pci_liveupdate_setup_device(&function->pdev);
	pci_lu_in_lost = false;
	KUNIT_EXPECT_EQ(test, sriov_control(function), 0);
}
#endif /* CONFIG_PCI_IOV */

static void bridge_of_other_functions_is_configured(struct kunit *test)
{
	struct fake_hierarchy *fake = test->priv;
	struct fake_function *sibling = &fake->functions[1];

	sibling->pdev.pcie_mpss = 0;
	pci_configure_device(&sibling->pdev);
	KUNIT_EXPECT_EQ(test, get(&fake->port, PCI_EXP_DEVCTL), MPS_128);
}

#ifdef CONFIG_PCIE_DPC
static void port_whose_errors_this_kernel_contains_is_disarmed(struct kunit *test)
{
	const u16 armed = PCI_EXP_DPC_CTL_EN_FATAL | PCI_EXP_DPC_CTL_INT_EN;
	struct fake_hierarchy *fake = test->priv;
	struct fake_function *port = &fake->port;

	port->pdev.aer_cap = SRIOV;
	port->pdev.dpc_cap = SRIOV;
	put(port, SRIOV - CAP + PCI_EXP_DPC_CTL, armed);
	pci_dpc_disable(&port->pdev);
	KUNIT_EXPECT_EQ(test, get(port, SRIOV - CAP + PCI_EXP_DPC_CTL), armed);

	fake->host.native_aer = 1;
	pci_dpc_disable(&port->pdev);
	KUNIT_EXPECT_EQ(test, get(port, SRIOV - CAP + PCI_EXP_DPC_CTL), 0);
}

/* A port of whose errors this kernel takes care, and whose link is inactive */
static struct fake_function *port_in_dpc_state(struct kunit *test, u16 status)
{
	struct fake_hierarchy *fake = test->priv;
	struct fake_function *port = &fake->port;

	fake->host.native_aer = 1;
	port->pdev.aer_cap = SRIOV;
	port->pdev.dpc_cap = SRIOV;
	port->pdev.link_active_reporting = 1;
	put(port, SRIOV - CAP + PCI_EXP_DPC_STATUS, status);
	return port;
}

static void contained_port_is_released(struct kunit *test)
{
	const u16 contained = PCI_EXP_DPC_STATUS_TRIGGER | PCI_EXP_DPC_STATUS_TRIGGER_RSN_FE;
	struct fake_hierarchy *fake = test->priv;
	struct fake_function *port = port_in_dpc_state(test, contained);

	fake->host.native_aer = 0;
	pci_dpc_release(&port->pdev);
	KUNIT_EXPECT_FALSE(test, port->written[SRIOV + PCI_EXP_DPC_STATUS]);

	/* Writing 1 clears the bit of a real port. The fake one shows what was written. */
	fake->host.native_aer = 1;
	pci_dpc_release(&port->pdev);
	KUNIT_EXPECT_EQ(test, get(port, SRIOV - CAP + PCI_EXP_DPC_STATUS),
			PCI_EXP_DPC_STATUS_TRIGGER);
}

static void port_that_contains_nothing_is_not_released(struct kunit *test)
{
	struct fake_function *port = port_in_dpc_state(test, PCI_EXP_DPC_STATUS_TRIGGER_RSN_FE);

	pci_dpc_release(&port->pdev);
	KUNIT_EXPECT_FALSE(test, port->written[SRIOV + PCI_EXP_DPC_STATUS]);

	/* It is not there any more. */
	put(port, SRIOV - CAP + PCI_EXP_DPC_STATUS, U16_MAX);
	pci_dpc_release(&port->pdev);
	KUNIT_EXPECT_FALSE(test, port->written[SRIOV + PCI_EXP_DPC_STATUS]);
}

static void busy_root_port_is_not_released(struct kunit *test)
{
	struct fake_function *port = port_in_dpc_state(test, PCI_EXP_DPC_STATUS_TRIGGER |
							     PCI_EXP_DPC_RP_BUSY);

	port->pdev.dpc_rp_extensions = true;
	pci_dpc_release(&port->pdev);
	KUNIT_EXPECT_FALSE(test, port->written[SRIOV + PCI_EXP_DPC_STATUS]);
}
#endif

static struct kunit_case enum_test_cases[] = {
	KUNIT_CASE(function_that_starts_is_configured),
	KUNIT_CASE(running_function_keeps_its_settings),
	KUNIT_CASE(running_function_keeps_intx_disabled),
	KUNIT_CASE(running_function_stays_a_bus_master),
	KUNIT_CASE(function_which_does_not_match_its_record_is_configured),
	KUNIT_CASE(function_that_was_reset_does_not_match_its_record),
	KUNIT_CASE(running_function_keeps_extended_tags),
	KUNIT_CASE(bridge_of_a_running_function_keeps_its_settings),
	KUNIT_CASE_PARAM(sibling_of_a_running_function_has_the_payload_of_their_port,
			 policy_gen_params),
	KUNIT_CASE_PARAM(function_behind_another_port_has_the_payload_of_the_root_port,
			 policy_gen_params),
	KUNIT_CASE(bridge_of_other_functions_is_configured),
	KUNIT_CASE(bridge_that_is_removed_is_not_recorded),
#ifdef CONFIG_PCIE_DPC
	KUNIT_CASE(port_whose_errors_this_kernel_contains_is_disarmed),
	KUNIT_CASE(contained_port_is_released),
	KUNIT_CASE(port_that_contains_nothing_is_not_released),
	KUNIT_CASE_SLOW(busy_root_port_is_not_released),
#endif
#ifdef CONFIG_PCI_IOV
	KUNIT_CASE(running_function_keeps_its_virtual_functions),
	KUNIT_CASE_SLOW(virtual_functions_without_a_driver_are_stopped),
	KUNIT_CASE_SLOW(other_number_of_virtual_functions_than_run_is_refused),
	KUNIT_CASE_SLOW(virtual_functions_without_memory_are_stopped),
	KUNIT_CASE(virtual_functions_that_are_added_are_not_stopped),
	KUNIT_CASE(function_that_only_keeps_virtual_functions_is_no_bus_master),
	KUNIT_CASE_SLOW(function_that_starts_keeps_virtual_functions_that_were_handed_over),
	KUNIT_CASE_SLOW(virtual_functions_without_a_driver_are_stopped_before_a_kexec),
	KUNIT_CASE_SLOW(virtual_functions_of_an_incoming_function_are_stopped_before_a_kexec),
	KUNIT_CASE(function_of_an_incoming_virtual_function_is_kept),
	KUNIT_CASE(function_is_recorded_until_its_last_virtual_function_is_finished),
	KUNIT_CASE_PARAM_ATTR(virtual_functions_are_enabled_by_the_driver_or_stopped,
			      driver_gen_params, {.speed = KUNIT_SPEED_SLOW}),
	KUNIT_CASE_SLOW(retrieved_function_only_loses_its_virtual_functions),
	KUNIT_CASE_SLOW(function_is_stopped_with_its_virtual_functions),
	KUNIT_CASE(function_with_running_virtual_functions_is_not_reset),
	KUNIT_CASE_SLOW(function_that_starts_has_no_virtual_functions),
#else
	KUNIT_CASE(virtual_functions_of_another_function_are_stopped),
#endif
	{}
};

static struct kunit_suite enum_test_suite = {
	.name		= "irq_liveupdate_enum",
	.init		= enum_test_init,
	.test_cases	= enum_test_cases,
};

kunit_test_suite(enum_test_suite);

MODULE_DESCRIPTION("KUnit tests of what enumeration leaves of a running device");
MODULE_LICENSE("GPL");
