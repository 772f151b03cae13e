// SPDX-License-Identifier: GPL-2.0

/*
 * Tests of interrupt live update on AMD-Vi: the suite for interrupt remapping
 * drivers in both formats of an entry, and features that are specific to AMD-Vi.
 * The unit is a page of memory, in which a hardware breakpoint processes the
 * commands. For the take-over, which asks the core for the records of the
 * previous kernel, the core is replaced by static stubs.
 */

#include <kunit/irq_liveupdate/fail_nth.h>
#include <kunit/irq_liveupdate/fake_core.h>
#include <kunit/irq_liveupdate/iommu_suite.h>
#include <kunit/irq_liveupdate/kept_memory.h>
#include <kunit/irq_liveupdate/outcome.h>
#include <kunit/irq_liveupdate/translation_suite.h>
#include <kunit/test.h>
#include <linux/amd-iommu.h>
#include <linux/bitfield.h>
#include <linux/generic_pt/iommu.h>
#include <linux/iommu_liveupdate.h>
#include <linux/kho/abi/block.h>
#include <linux/mem_encrypt.h>
#include <linux/pci.h>
#include <linux/xarray.h>
#include <asm/hw_irq.h>
#include <asm/iommu.h>
#include <asm/irq_remapping.h>

#include "amd_iommu.h"
#include "irq_liveupdate.h"
#include "liveupdate.h"
#include "../iommu-pages.h"
#include "../irq_remapping.h"
#include "../../pci/pci.h"

#define HANDLE		64
#define SOURCE		PCI_DEVID(3, PCI_DEVFN(2, 1))
#define LAST_BDF	0x3ff
#define REGISTERS	(4 * PAGE_SIZE)
#define TABLE_SIZE	(2 * PAGE_SIZE)

/**
 * struct fake_unit - An emulated unit, and what was seen of it
 * @iommu:	The unit as the driver knows it
 * @pci_seg:	Its segment, with one device
 * @domain:	Its irq domain, as far as the methods use it
 * @table:	Interrupt table of the device
 * @fresh:	Device table of a cold boot
 * @sysdata:	Data of the bus below
 * @bus:	Where the devices are
 * @devs:	The device, and another one
 * @stopped:	Why the devices behind it were stopped
 * @flushes:	Number of invalidations of interrupt tables
 * @waits:	Number of commands which signal that all earlier ones are done
 * @dte_stores:	Number of stores to the lower half of the DTE of the device
 * @dte_values:	Number of values which it had there after the old one
 * @last:	The last of these values
 * @writer:	Device whose lock writers of the DTE hold. NULL: there is none yet
 * @unlocked:	Number of stores without it, or without the lock to add a device
 * @cached:	The DTE when it was last invalidated
 * @flushed_domid: Domain id that was flushed last
 * @flush_is_late: It was flushed after the DTE was invalidated
 * @flushed_in_order: And the driver has waited for that
 * @flushed_all: All caches were invalidated
 * @stuck:	The command buffer was locked when the unit was to be flushed
 * @stalls:	Number of waits during which the unit executes commands of another
 *		device. What is flushed before does not count.
 * @stalls_of_flush: The same for waits that follow the next flush
 * @dev_datas:	The driver's data of the devices
 * @dev_iommus:	The core's data of the devices
 */
struct fake_unit {
	struct amd_iommu		iommu;
	struct amd_iommu_pci_seg	pci_seg;
	struct irq_domain		domain;
	struct irq_remap_table		table;
	struct dev_table_entry		*fresh;
	struct pci_sysdata		sysdata;
	struct pci_bus			bus;
	struct pci_dev			devs[2];
	const char			*stopped;
	unsigned int			flushes;
	unsigned int			waits;
	unsigned int			dte_stores;
	unsigned int			dte_values;
	struct dev_table_entry		last;
	struct iommu_dev_data		*writer;
	unsigned int			unlocked;
	struct dev_table_entry		cached;
	u16				flushed_domid;
	bool				flush_is_late;
	bool				flushed_in_order;
	bool				flushed_all;
	bool				stuck;
	unsigned int			stalls;
	unsigned int			stalls_of_flush;
	struct iommu_dev_data		dev_datas[2];
	struct dev_iommu		dev_iommus[2];
};

static struct fake_unit *the_unit;

static void fake_stop(struct amd_iommu *iommu, const char *reason)
{
	the_unit->stopped = reason;
}

/* What the old kernel has left: a record, and the list of tables that it refers to */
static struct {
	struct iommu_lu_device_ser	ser;
	struct kho_block_header_ser	*block;
	bool				recorded;
	const char			*refused;
	unsigned int			adopted;
	unsigned int			added;
} mappings;

static bool fake_entry_stays(u32 segment, u16 devid)
{
	return mappings.recorded && devid == SOURCE;
}

static const struct iommu_lu_device_ser *fake_incoming_entry(u32 segment, u16 devid)
{
	return mappings.recorded && devid == SOURCE ? &mappings.ser : NULL;
}

static void fake_visit_left(struct iommu_device *iommu, iommu_lu_entry_fn fn)
{
	if (mappings.recorded)
		fn(iommu, &mappings.ser);
}

static const char *fake_adopt_entry(const struct iommu_lu_device_ser *ser,
				    struct iommu_device *iommu,
				    const struct iommu_liveupdate_ops *ops)
{
	mappings.adopted++;
	return NULL;
}

static void fake_refuse_entry(u32 segment, u16 devid, const char *reason)
{
	if (devid == SOURCE)
		mappings.refused = reason;
}

static int fake_add_entry(struct iommu_lu_out_device *out, const struct iommu_lu_entry *what)
{
	mappings.added++;
	mappings.ser.devid = what->devid;
	mappings.ser.domain_id = what->domain_id;
	memcpy(mappings.ser.entry, what->value, sizeof(what->value));
	return 0;
}

static int fake_refuse(struct iommu_lu_out_device *out, int error, const char *reason)
{
	mappings.refused = reason;
	return error;
}

static bool has_ga_format(void)
{
	return AMD_IOMMU_GUEST_IR_GA(amd_iommu_guest_ir);
}

static size_t entry_size(void)
{
	return has_ga_format() ? sizeof(struct irte_ga) : sizeof(union irte);
}

static void stall_after_flush(struct fake_unit *unit)
{
	unit->stalls += unit->stalls_of_flush;
	unit->stalls_of_flush = 0;
}

/* Runs in NMI context: takes notes, and answers. */
static void emulate_commands(struct perf_event *bp, struct perf_sample_data *data,
			     struct pt_regs *regs)
{
	struct fake_unit *unit = bp->overflow_handler_context;
	u8 __iomem *mmio = unit->iommu.mmio_base;
	struct dev_table_entry *dte = &unit->iommu.pci_seg->dev_table[SOURCE];
	u32 head = readl(mmio + MMIO_CMD_HEAD_OFFSET);
	u32 tail = readl(mmio + MMIO_CMD_TAIL_OFFSET);

	for (; head != tail; head = (head + sizeof(struct iommu_cmd)) % CMD_BUFFER_SIZE) {
		struct iommu_cmd *cmd = (struct iommu_cmd *)(unit->iommu.cmd_buf + head);

		switch (cmd->data[1] >> 28) {
		case CMD_INV_DEV_ENTRY:
			unit->cached = *dte;
			break;
		case CMD_INV_IOMMU_PAGES:
			unit->flushed_domid = cmd->data[1];
			unit->flush_is_late = !unit->stalls &&
					      !memcmp(unit->cached.data128, dte->data128,
						      sizeof(dte->data128[0]));
			stall_after_flush(unit);
			break;
		case CMD_INV_ALL:
			unit->flushed_all |= !unit->stalls;
			stall_after_flush(unit);
			fallthrough;
		case CMD_INV_IRT:
			unit->flushes++;
			break;
		case CMD_COMPL_WAIT:
			unit->waits++;
			unit->flushed_in_order = unit->flush_is_late;
			*unit->iommu.cmd_sem = cmd->data[2] | (u64)cmd->data[3] << 32;
			break;
		}
	}
	writel(head, mmio + MMIO_CMD_HEAD_OFFSET);
}

static void *alloc_memory(struct kunit *test, size_t size)
{
	void *memory = kunit_kzalloc(test, size, GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, memory);
	return memory;
}

/* Pages, as in the driver, which takes the size of a table from its folio. */
static void *alloc_table(struct kunit *test)
{
	void *table = iommu_alloc_pages_sz(GFP_KERNEL, TABLE_SIZE);

	KUNIT_ASSERT_NOT_NULL(test, table);
	KUNIT_ASSERT_EQ(test, 0, kunit_add_action_or_reset(test, iommu_free_pages, table));
	return table;
}

static struct {
	int	guest_ir;
	u64	efr;
	bool	snp_en;
	bool	irq_remap;
	u8	hpt_vasize;
	enum protection_domain_mode pgtable;
} machine;

static void restore_machine(void *unused)
{
	unsigned long id = 0;

	while (xa_find(&amd_lu_domain_ids, &id, ULONG_MAX, XA_PRESENT))
		amd_liveupdate_ops.free_domain_id(NULL, id);
	amd_iommu_guest_ir = machine.guest_ir;
	amd_iommu_efr = machine.efr;
	amd_iommu_snp_en = machine.snp_en;
	amd_iommu_irq_remap = machine.irq_remap;
	amd_iommu_hpt_vasize = machine.hpt_vasize;
	amd_iommu_pgtable = machine.pgtable;
	xa_destroy(&amd_ir_tables);
}

static void pretend_machine(struct kunit *test, int guest_ir)
{
	if (!list_empty(&amd_iommu_list))
		kunit_skip(test, "this machine has AMD-Vi, whose driver would be confused");

	machine.guest_ir = amd_iommu_guest_ir;
	machine.efr = amd_iommu_efr;
	machine.snp_en = amd_iommu_snp_en;
	machine.irq_remap = amd_iommu_irq_remap;
	machine.hpt_vasize = amd_iommu_hpt_vasize;
	machine.pgtable = amd_iommu_pgtable;
	KUNIT_ASSERT_EQ(test, 0, kunit_add_action_or_reset(test, restore_machine, NULL));
	amd_iommu_guest_ir = guest_ir;
	amd_iommu_efr = FEATURE_IA;
	amd_iommu_irq_remap = true;
}

static u64 dte_of(void *entries)
{
	return virt_to_phys(entries) | DTE_IRQ_REMAP_INTCTL | DTE_INTTABLEN_512 |
	       DTE_IRQ_REMAP_ENABLE;
}

static u64 dte_of_table(struct irq_remap_table *table)
{
	return dte_of(table->table);
}

static void init_segment(struct kunit *test, struct fake_unit *unit)
{
	struct amd_iommu_pci_seg *pci_seg = &unit->pci_seg;

	INIT_LIST_HEAD(&pci_seg->unity_map);
	pci_seg->last_bdf = LAST_BDF;
	pci_seg->dev_table_size = (LAST_BDF + 1) * sizeof(struct dev_table_entry);
	pci_seg->dev_table = alloc_memory(test, pci_seg->dev_table_size);
	pci_seg->rlookup_table = alloc_memory(test, (LAST_BDF + 2) * sizeof(void *));
	pci_seg->irq_lookup_table = alloc_memory(test, (LAST_BDF + 1) * sizeof(void *));
	pci_seg->alias_table = alloc_memory(test, (LAST_BDF + 1) * sizeof(u16));
	pci_seg->alias_table[SOURCE] = SOURCE;
	pci_seg->rlookup_table[SOURCE] = &unit->iommu;
	/* The other device has the same alias. */
	pci_seg->irq_lookup_table[SOURCE] = &unit->table;
	pci_seg->irq_lookup_table[SOURCE + 1] = &unit->table;

	raw_spin_lock_init(&unit->table.lock);
	unit->table.table = alloc_table(test);
	pci_seg->dev_table[SOURCE].data[2] = dte_of_table(&unit->table);
}

static void init_device(struct fake_unit *unit, unsigned int i)
{
	unit->devs[i].bus = &unit->bus;
	unit->devs[i].devfn = (SOURCE & 0xff) + i;
	unit->devs[i].dev.bus = &pci_bus_type;
	/* Only its presence matters: it shows that the device has an IOMMU */
	unit->devs[i].dev.iommu_group = (struct iommu_group *)unit;
}

static void remove_unit(void *iommu)
{
	list_del(&((struct amd_iommu *)iommu)->list);
}

/* A unit of the segment, with registers and a command buffer */
static struct fake_unit *add_unit(struct kunit *test, struct amd_iommu_pci_seg *pci_seg)
{
	struct fake_unit *unit = alloc_memory(test, sizeof(*unit));
	struct amd_iommu *iommu = &unit->iommu;
	void *registers = alloc_memory(test, REGISTERS);

	raw_spin_lock_init(&iommu->lock);
	iommu->mmio_base = (u8 __iomem __force *)registers;
	iommu->mmio_phys = virt_to_phys(registers);
	iommu->pci_seg = pci_seg ?: &unit->pci_seg;
	iommu->irte_ops = has_ga_format() ? &irte_128_ops : &irte_32_ops;
	iommu->cmd_buf = alloc_memory(test, CMD_BUFFER_SIZE);
	iommu->cmd_sem = alloc_memory(test, PAGE_SIZE);
	list_add_tail(&iommu->list, &amd_iommu_list);
	KUNIT_ASSERT_EQ(test, 0, kunit_add_action_or_reset(test, remove_unit, iommu));
	watch(test, registers + MMIO_CMD_TAIL_OFFSET, HW_BREAKPOINT_LEN_4, emulate_commands,
	      unit);
	return unit;
}

static void fake_unit_init(struct kunit *test, int guest_ir)
{
	struct fake_unit *unit;

	pretend_machine(test, guest_ir);
	unit = add_unit(test, NULL);
	the_unit = unit;
	test->priv = unit;

	unit->domain.host_data = &unit->iommu;
	unit->bus.number = PCI_BUS_NUM(SOURCE);
	unit->bus.sysdata = &unit->sysdata;
	init_device(unit, 0);
	init_device(unit, 1);
	init_segment(test, unit);

	replace_core(test, &(struct fake_core) {
		.ops	= &amd_ir_liveupdate_ops,
		.domain	= &unit->domain,
		.vector	= { .handle = HANDLE, .source = SOURCE },
	});
	kunit_activate_static_stub(test, amd_liveupdate_stop, fake_stop);

	memset(&mappings, 0, sizeof(mappings));
	kunit_activate_static_stub(test, iommu_liveupdate_entry_stays, fake_entry_stays);
	kunit_activate_static_stub(test, iommu_liveupdate_incoming_entry, fake_incoming_entry);
	kunit_activate_static_stub(test, iommu_liveupdate_visit_left, fake_visit_left);
	kunit_activate_static_stub(test, iommu_liveupdate_adopt_entry, fake_adopt_entry);
	kunit_activate_static_stub(test, iommu_liveupdate_refuse_entry, fake_refuse_entry);
	kunit_activate_static_stub(test, iommu_lu_add_entry, fake_add_entry);
	kunit_activate_static_stub(test, iommu_lu_refuse, fake_refuse);
}

/*
 * The suite for interrupt remapping drivers
 */

static const struct irte_ga ga_kinds[] = {
	{ .lo.val = 0x0000000000ab0001, .hi.val = 0x31 },			/* xAPIC */
	{ .lo.val = 0x00000000abcdef01, .hi.val = 0x1200000000000032 },		/* x2APIC */
	{ .lo.val = 0x1234567800ab0081, .hi.val = 0x0000123456700041 },		/* guest mode */
};

static const u32 legacy_kinds[] = { 0x00310701, 0x00320901 };

static struct irq_domain *amd_domain(struct kunit *test)
{
	return &the_unit->domain;
}

static void *amd_entry(struct kunit *test, u32 handle)
{
	return (void *)the_unit->table.table + handle * entry_size();
}

/* As the driver leaves an entry that it blocks */
static void close_entry(void *entries, u32 handle)
{
	const struct irte_ga closed = { .lo.val = 2, .hi.val = 0xff };

	memcpy(entries + handle * entry_size(), &closed, entry_size());
}

static void amd_fill(void *entry, unsigned int kind)
{
	if (has_ga_format())
		memcpy(entry, &ga_kinds[kind], entry_size());
	else
		memcpy(entry, &legacy_kinds[kind], entry_size());
}

static bool amd_is_present(const void *entry)
{
	return ((const union irte *)entry)->fields.valid;
}

static bool amd_is_silent(const void *entry)
{
	return ((const union irte *)entry)->fields.no_fault;
}

static bool amd_is_taken(struct kunit *test, u32 handle)
{
	return the_unit->iommu.irte_ops->is_allocated(&the_unit->table, handle);
}

static bool amd_is_held(struct kunit *test, u32 handle)
{
	return test_bit(handle, the_unit->table.held);
}

static void amd_own(struct kunit *test, u32 handle, struct irq_data *irqd)
{
	struct amd_ir_data *data = alloc_memory(test, sizeof(*data));

	data->irq_2_irte.devid = SOURCE;
	data->irq_2_irte.index = handle;
	irqd->chip_data = data;
}

static void amd_open(struct kunit *test, u32 handle, unsigned int kind)
{
	struct irte_ga entry = { };

	amd_fill(&entry, kind);
	the_unit->iommu.irte_ops->activate(&the_unit->iommu, &entry, SOURCE, handle);
}

static void amd_close(struct kunit *test, u32 handle)
{
	struct irte_ga entry = { };

	amd_fill(&entry, 0);
	the_unit->iommu.irte_ops->deactivate(&the_unit->iommu, &entry, SOURCE, handle);
}

static void amd_message(struct irq_lu_vector_ser *rec)
{
	rec->msg_addr_lo = X86_MSI_BASE_ADDRESS_LOW << 20;
	rec->msg_data = rec->handle;
}

static void amd_boot(struct kunit *test)
{
	the_unit->table.held = alloc_memory(test, MAX_IRQS_PER_TABLE_2K / BITS_PER_BYTE);
	KUNIT_ASSERT_FALSE(test, xa_err(xa_store(&amd_ir_tables, SOURCE, &the_unit->table,
						 GFP_KERNEL)));
}

static struct device *amd_device(struct kunit *test, bool another)
{
	return &the_unit->devs[another].dev;
}

static unsigned int amd_flushes(struct kunit *test)
{
	return the_unit->flushes;
}

static unsigned int amd_waits(struct kunit *test)
{
	return the_unit->waits;
}

static struct iommu_fmt amd_fmt = {
	.source		= SOURCE,
	.handle		= HANDLE,
	.ops		= &amd_ir_liveupdate_ops,
	.domain		= amd_domain,
	.entry		= amd_entry,
	.fill		= amd_fill,
	.is_present	= amd_is_present,
	.is_silent	= amd_is_silent,
	.is_taken	= amd_is_taken,
	.is_held	= amd_is_held,
	.own		= amd_own,
	.open		= amd_open,
	.close		= amd_close,
	.message	= amd_message,
	.boot		= amd_boot,
	.device		= amd_device,
	.flushes	= amd_flushes,
	.waits		= amd_waits,
};

static int amd_init(struct kunit *test, int guest_ir, unsigned int nr_kinds)
{
	fake_unit_init(test, guest_ir);
	amd_fmt.entry_size = entry_size();
	amd_fmt.nr_kinds = nr_kinds;
	fmt = &amd_fmt;
	return 0;
}

static int amd_ga_init(struct kunit *test)
{
	return amd_init(test, AMD_IOMMU_GUEST_IR_VAPIC, ARRAY_SIZE(ga_kinds));
}

static int amd_legacy_init(struct kunit *test)
{
	return amd_init(test, AMD_IOMMU_GUEST_IR_LEGACY, ARRAY_SIZE(legacy_kinds));
}

/*
 * Specific to AMD-Vi
 */

static void snp_is_refused(struct kunit *test)
{
	struct irq_lu_unit_ser ser = { };

	amd_iommu_snp_en = true;
	KUNIT_EXPECT_EQ(test, fmt->ops->preserve(fmt->domain(test), fmt->device(test, false), &ser),
			-EOPNOTSUPP);
	KUNIT_EXPECT_EQ(test, ser.backend, 0);
}

static void device_without_iommu_is_refused(struct kunit *test)
{
	struct irq_lu_unit_ser ser = { };

	the_unit->devs[0].dev.iommu_group = NULL;
	KUNIT_EXPECT_EQ(test, fmt->ops->preserve(fmt->domain(test), fmt->device(test, false), &ser),
			-EOPNOTSUPP);
	KUNIT_EXPECT_EQ(test, the_unit->table.nr_preserved, 0);
}

static void running_vcpu_leaves_a_blocked_entry_alone(struct kunit *test)
{
	struct irte_ga entry = ga_kinds[2];
	struct amd_ir_data data = {
		.iommu = &the_unit->iommu,
		.irq_2_irte = { .devid = SOURCE, .index = HANDLE },
		.entry = &entry,
	};

	preserve_device(test);
	amd_fill(amd_entry(test, HANDLE), 2);
	block(test, HANDLE, 1);
	look_at(test, HANDLE);

	KUNIT_EXPECT_EQ(test, amd_iommu_update_ga(&data, 1, false), 0);
	KUNIT_EXPECT_EQ(test, amd_iommu_update_ga(&data, -1, true), 0);
	KUNIT_EXPECT_EQ(test, seen.stores, 0);
	expect_blocked(test, HANDLE);
}

/* Another device has the requester id as an alias, and got interrupts later. */
static void preserved_table_may_be_replaced(struct kunit *test)
{
	struct irq_remap_table *other = alloc_memory(test, sizeof(*other));
	struct device *dev = preserve_device(test);

	raw_spin_lock_init(&other->lock);
	other->table = alloc_table(test);
	other->blocked = alloc_memory(test, MAX_IRQS_PER_TABLE_2K / BITS_PER_BYTE);
	other->nr_preserved = 2;
	the_unit->pci_seg.irq_lookup_table[SOURCE] = other;

	amd_fill(amd_entry(test, HANDLE), 0);
	block(test, HANDLE, 1);
	expect_blocked(test, HANDLE);

	kunit_release_action(test, take_back, dev);
	KUNIT_EXPECT_EQ(test, other->nr_preserved, 2);
	KUNIT_EXPECT_EQ(test, the_unit->table.nr_preserved, 0);
}

static void fill_device_table(struct dev_table_entry *dev_table)
{
	u32 devid;

	for (devid = 0; devid <= LAST_BDF; devid++) {
		dev_table[devid].data[0] = DTE_FLAG_V | DTE_FLAG_TV | DTE_FLAG_IR | DTE_FLAG_IW |
					   SZ_1M | FIELD_PREP(DTE_MODE_MASK, 3);
		dev_table[devid].data[1] = 17;
		dev_table[devid].data[2] = dte_of_table(&the_unit->table);
	}
}

static unsigned int count_dtes(struct dev_table_entry *dev_table, unsigned int word, u64 value)
{
	unsigned int devid, nr = 0;

	for (devid = 0; devid <= LAST_BDF; devid++)
		nr += dev_table[devid].data[word] == value;
	return nr;
}

static void expect_no_dma(struct kunit *test, struct dev_table_entry *dev_table)
{
	KUNIT_EXPECT_EQ(test, count_dtes(dev_table, 0, DTE_FLAG_V | DTE_FLAG_TV), LAST_BDF + 1);
	KUNIT_EXPECT_EQ(test, count_dtes(dev_table, 1, DTE_FLAG_SA), LAST_BDF + 1);
}

static void preserve_table(struct kunit *test)
{
	the_unit->table.blocked = alloc_memory(test, MAX_IRQS_PER_TABLE_2K / BITS_PER_BYTE);
	the_unit->table.nr_preserved = 1;
}

static void only_interrupts_of_preserved_devices_stay(struct kunit *test)
{
	struct dev_table_entry *dev_table = the_unit->pci_seg.dev_table;

	fill_device_table(dev_table);
	the_unit->pci_seg.irq_lookup_table[SOURCE + 1] =
		alloc_memory(test, sizeof(struct irq_remap_table));
	preserve_table(test);

	amd_ir_block_segment(&the_unit->pci_seg);
	expect_no_dma(test, dev_table);
	KUNIT_EXPECT_EQ(test, dev_table[SOURCE].data[2], dte_of_table(&the_unit->table));
	KUNIT_EXPECT_EQ(test, count_dtes(dev_table, 2, DTE_IRQ_IGNORE_UNMAPPED |
					 DTE_IRQ_REMAP_ENABLE), LAST_BDF);
}

/* Those of a device with the same alias, which is not handed over */
static void other_entries_of_a_preserved_table_are_closed(struct kunit *test)
{
	unsigned int i, nr_entries = TABLE_SIZE / entry_size();

	preserve_device(test);
	for (i = 0; i < nr_entries; i++)
		amd_fill(amd_entry(test, i), i % fmt->nr_kinds);
	block(test, HANDLE, 1);

	amd_ir_block_segment(&the_unit->pci_seg);
	for (i = 0; i < nr_entries; i++)
		KUNIT_EXPECT_EQ_MSG(test, amd_is_taken(test, i), i == HANDLE, "entry %u", i);
	expect_blocked(test, HANDLE);
	expect_blocked(test, HANDLE + 1);
}

/* The firmware demands it. */
static void device_with_a_unity_map_goes_on(struct kunit *test)
{
	struct unity_map_entry entry = { .devid_start = SOURCE + 1, .devid_end = SOURCE + 1 };
	struct amd_iommu_pci_seg *pci_seg = &the_unit->pci_seg;
	const u64 all = DTE_FLAG_V | DTE_FLAG_TV | DTE_FLAG_IR | DTE_FLAG_IW;

	fill_device_table(pci_seg->dev_table);
	list_add(&entry.list, &pci_seg->unity_map);

	amd_ir_block_segment(pci_seg);
	KUNIT_EXPECT_EQ(test, pci_seg->dev_table[SOURCE + 1].data[0], all);
	KUNIT_EXPECT_EQ(test, count_dtes(pci_seg->dev_table, 0, DTE_FLAG_V | DTE_FLAG_TV),
			LAST_BDF);
	list_del(&entry.list);
}

/* As after a cold boot: its requester id may not be that of a device. */
static void nobody_keeps_access_to_all_memory(struct kunit *test)
{
	struct unity_map_entry entry = { .devid_start = SOURCE, .devid_end = SOURCE + 1 };
	const u64 all = DTE_FLAG_V | DTE_FLAG_TV | DTE_FLAG_IR | DTE_FLAG_IW;
	struct amd_iommu_pci_seg *pci_seg = &the_unit->pci_seg;
	struct dev_table_entry *table = pci_seg->dev_table;

	fill_device_table(table);
	list_add(&entry.list, &pci_seg->unity_map);
	amd_ir_block_segment(pci_seg);
	list_del(&entry.list);
	KUNIT_EXPECT_EQ(test, count_dtes(table, 0, all), 2);

	/* One of them is attached to its identity domain. */
	table[SOURCE].data[1] = 1;
	amd_ir_block_unused(pci_seg);
	KUNIT_EXPECT_EQ(test, count_dtes(table, 0, all), 2);
	fake_core.handed_over = true;
	amd_ir_block_unused(pci_seg);
	KUNIT_EXPECT_EQ(test, table[SOURCE].data[0], all);
	KUNIT_EXPECT_EQ(test, table[SOURCE].data[1], 1);
	KUNIT_EXPECT_EQ(test, table[SOURCE + 1].data[0], DTE_FLAG_V | DTE_FLAG_TV);
	KUNIT_EXPECT_EQ(test, table[SOURCE + 1].data[1], DTE_FLAG_SA);
}

static const struct dte_change {
	const char	*name;
	u64		clear;
	u64		set;
	u32		handle;
	int		ret;
} dte_changes[] = {
	{ "as it was",		.handle = HANDLE },
	{ "last entry",		.handle = 511 },
	{ "too far",		.handle = 512, .ret = -EINVAL },
	{ "far too far",	.handle = U32_MAX - 1, .ret = -EINVAL },
	{ "not remapped",	.clear = DTE_IRQ_REMAP_ENABLE, .handle = HANDLE, .ret = -EINVAL },
	{ "forwarded",		.clear = DTE_IRQ_REMAP_INTCTL_MASK, .set = BIT_ULL(60),
	  .handle = HANDLE, .ret = -EINVAL },
	{ "aborted",		.clear = DTE_IRQ_REMAP_INTCTL_MASK, .handle = HANDLE,
	  .ret = -EINVAL },
	{ "of unknown size",	.clear = DTE_INTTABLEN_MASK, .set = 10 << 1, .handle = HANDLE,
	  .ret = -EINVAL },
	{ "no table",		.clear = DTE_IRQ_PHYS_ADDR_MASK, .handle = HANDLE,
	  .ret = -EINVAL },
	{ "within a page",	.set = BIT_ULL(7), .handle = HANDLE, .ret = -EINVAL },
	{ "beyond all memory",	.set = BIT_ULL(51), .handle = HANDLE, .ret = -EINVAL },
};

KUNIT_ARRAY_PARAM_DESC(dte_change, dte_changes, name);

/* The table of the device is in memory that KHO has kept for this kernel. */
static void *leave_table(struct kunit *test)
{
	void *entries = alloc_kept(get_order(TABLE_SIZE));

	KUNIT_ASSERT_NOT_NULL(test, entries);
	KUNIT_ASSERT_EQ(test, 0, kunit_add_action_or_reset(test, free_kept, entries));
	the_unit->pci_seg.dev_table[SOURCE].data[2] = dte_of(entries);
	return entries;
}

static void free_taken_table(void *unused)
{
	struct irq_remap_table *table = xa_load(&amd_ir_tables, SOURCE);

	if (!table)
		return;
	iommu_free_pages(table->table);
	bitmap_free(table->held);
	kfree(table);
}

static void table_is_found_by_its_dte(struct kunit *test)
{
	const struct dte_change *c = test->param_value;
	u64 *interrupts = &the_unit->pci_seg.dev_table[SOURCE].data[2];
	void *entries = leave_table(test);

	KUNIT_ASSERT_EQ(test, 0, kunit_add_action_or_reset(test, free_taken_table, NULL));
	*interrupts = (*interrupts & ~c->clear) | c->set;
	if (c->handle < 512)
		close_entry(entries, c->handle);

	KUNIT_EXPECT_EQ(test, reserve(test, c->handle, 1), c->ret);
	KUNIT_EXPECT_EQ(test, !!xa_load(&amd_ir_tables, SOURCE), !c->ret);
}

static void free_pages_of_table(void *pages)
{
	free_pages_exact(pages, TABLE_SIZE);
}

/* Devices that share a table, one of which claims that it is longer than it is */
static void table_ends_where_its_memory_ends(struct kunit *test)
{
	unsigned int nr_entries = PAGE_SIZE / entry_size();
	void *pages = alloc_pages_exact(TABLE_SIZE, GFP_KERNEL | __GFP_ZERO);

	KUNIT_ASSERT_NOT_NULL(test, pages);
	KUNIT_ASSERT_EQ(test, 0, kunit_add_action_or_reset(test, free_pages_of_table, pages));
	amd_boot(test);
	the_unit->table.table = pages;
	close_entry(the_unit->table.table, nr_entries - 1);
	close_entry(the_unit->table.table, nr_entries);

	KUNIT_EXPECT_EQ(test, reserve(test, nr_entries - 1, 1), 0);
	KUNIT_EXPECT_EQ(test, reserve(test, nr_entries, 1), -EINVAL);
}

static void device_of_another_unit_is_refused(struct kunit *test)
{
	struct irq_lu_vector_ser rec = record(HANDLE);

	amd_boot(test);
	KUNIT_ASSERT_FALSE(test, xa_err(xa_store(&amd_ir_tables, SOURCE + 1, &the_unit->table,
						 GFP_KERNEL)));
	the_unit->pci_seg.dev_table[SOURCE + 1].data[2] = dte_of_table(&the_unit->table);
	close_entry(the_unit->table.table, HANDLE);

	rec.source++;
	KUNIT_EXPECT_EQ(test, fmt->ops->reserve(fmt->domain(test), &rec, 1), -EINVAL);
	rec.source = LAST_BDF + 1;
	KUNIT_EXPECT_EQ(test, fmt->ops->reserve(fmt->domain(test), &rec, 1), -EINVAL);
	rec.source = SOURCE;
	KUNIT_EXPECT_EQ(test, fmt->ops->reserve(fmt->domain(test), &rec, 1), 0);
}

/*
 * Taking over
 */

#define XAPIC	BIT_ULL(CONTROL_GA_EN)
#define X2APIC	(BIT_ULL(CONTROL_GA_EN) | BIT_ULL(CONTROL_XT_EN))

/* The previous kernel has left the unit enabled, with @table as its device table. */
static void find_enabled(struct kunit *test, void *table, u64 mode)
{
	struct amd_iommu *iommu = &the_unit->iommu;

	iommu->flags |= AMD_IOMMU_FLAG_STAYS;
	writeq(mode, iommu->mmio_base + MMIO_CONTROL_OFFSET);
	writeq(virt_to_phys(table) + (the_unit->pci_seg.dev_table_size >> PAGE_SHIFT) - 1,
	       iommu->mmio_base + MMIO_DEV_TABLE_OFFSET);

	/* The table of a cold boot, which the driver frees when it has the other one */
	the_unit->fresh = iommu_alloc_pages_sz(GFP_KERNEL, the_unit->pci_seg.dev_table_size);
	KUNIT_ASSERT_NOT_NULL(test, the_unit->fresh);
	for (u32 devid = 0; devid <= LAST_BDF; devid++)
		the_unit->fresh[devid].data[2] = DTE_IRQ_REMAP_ENABLE;
	the_unit->pci_seg.dev_table = the_unit->fresh;
}

static void free_device_table(void *unused)
{
	iommu_free_pages(the_unit->pci_seg.dev_table);
	the_unit->pci_seg.dev_table = NULL;
}

static void take_over_as(struct kunit *test, u64 mode)
{
	amd_ir_take_over_segment(&the_unit->pci_seg, mode);
	KUNIT_ASSERT_EQ(test, 0, kunit_add_action_or_reset(test, free_device_table, NULL));
	KUNIT_ASSERT_EQ(test, 0, kunit_add_action_or_reset(test, free_taken_table, NULL));
}

/* In memory that KHO has kept, with a DTE that names an interrupt table kept as well */
static struct dev_table_entry *leave_device_table(struct kunit *test)
{
	struct dev_table_entry *table = alloc_kept(get_order(the_unit->pci_seg.dev_table_size));

	KUNIT_ASSERT_NOT_NULL(test, table);
	KUNIT_ASSERT_EQ(test, 0, kunit_add_action_or_reset(test, free_kept, table));
	the_unit->pci_seg.dev_table = table;
	fill_device_table(table);
	close_entry(leave_table(test), HANDLE);
	fake_core.record.reg_base = the_unit->iommu.mmio_phys;
	fake_core.record.table = virt_to_phys(table);
	fake_core.record.nr_entries = 512;
	return table;
}

static const struct unit_change {
	const char	*name;
	u64		mode;
	u64		table;
	u32		nr_entries;
	u32		flags;
	bool		no_record;
	bool		no_remapping;
	const char	*refused;
} unit_changes[] = {
	{ "xAPIC",	  XAPIC, 0, 512, 0 },
	{ "x2APIC",	  X2APIC, 0, 512, IRQ_LU_UNIT_X2APIC },
	{ "no record",	  XAPIC, 0, 512, 0, .no_record = true },
	{ "no remapping", XAPIC, 0, 512, 0, .no_remapping = true,
	  .refused = "interrupt remapping is disabled" },
	{ "other entries", XAPIC, 0, 2048, 0,
	  .refused = "size of the remapping table differs" },
	{ "other table",  XAPIC, SZ_64K, 512, 0,
	  .refused = "remapping table is not the one in use" },
	{ "was x2APIC",	  XAPIC, 0, 512, IRQ_LU_UNIT_X2APIC,
	  .refused = "xAPIC or x2APIC mode differs" },
	{ "is x2APIC",	  X2APIC, 0, 512, 0,
	  .refused = "xAPIC or x2APIC mode differs" },
};

KUNIT_ARRAY_PARAM_DESC(unit_change, unit_changes, name);

/* Whatever its record says: the table that the unit reads is known, and its memory is ours. */
static void device_table_stays_where_it_is(struct kunit *test)
{
	const struct unit_change *c = test->param_value;
	struct dev_table_entry *table = leave_device_table(test);
	struct irq_lu_unit_ser *record = &fake_core.record;
	const u64 interrupts = table[SOURCE].data[2];
	const bool taken = !c->refused && !c->no_record;

	if (c->no_record)
		record->reg_base = 0;
	record->table += c->table;
	record->nr_entries = c->nr_entries;
	record->flags = c->flags;
	amd_iommu_irq_remap = !c->no_remapping;
	find_enabled(test, table, c->mode);
	take_over_as(test, c->mode);

	KUNIT_EXPECT_STREQ(test, fake_core.refused ?: "", c->refused ?: "");
	KUNIT_EXPECT_NULL(test, the_unit->stopped);
	KUNIT_EXPECT_TRUE(test, the_unit->iommu.flags & AMD_IOMMU_FLAG_STAYS);
	KUNIT_EXPECT_PTR_EQ(test, the_unit->pci_seg.dev_table, table);
	expect_no_dma(test, table);
	KUNIT_EXPECT_EQ(test, table[SOURCE].data[2] == interrupts, taken);
	KUNIT_EXPECT_EQ(test, count_dtes(table, 2, DTE_IRQ_REMAP_ENABLE | DTE_IRQ_IGNORE_UNMAPPED),
			LAST_BDF + !taken);
}

static const struct table_change {
	const char	*name;
	u64		base;
	u64		mode;
	bool		lost;
	const char	*reason;
} table_changes[] = {
	{ "not preserved", 0, X2APIC, .lost = true, .reason = "device table was not preserved" },
	{ "other size",	   1, X2APIC, .reason = "size of the device table differs" },
	{ "other format",  0, 0, .reason = "its mode is not that of the other units" },
	{ "other mode",	   0, XAPIC, .reason = "its mode is not that of the other units" },
};

KUNIT_ARRAY_PARAM_DESC(table_change, table_changes, name);

static void devices_are_stopped_before_a_unit_is_disabled(struct kunit *test)
{
	const struct table_change *c = test->param_value;
	struct dev_table_entry *table = leave_device_table(test);
	u8 __iomem *mmio = the_unit->iommu.mmio_base;

	find_enabled(test, table, c->mode);
	writeq(readq(mmio + MMIO_DEV_TABLE_OFFSET) + c->base, mmio + MMIO_DEV_TABLE_OFFSET);
	if (c->lost)
		free_kept(table);
	take_over_as(test, X2APIC);

	KUNIT_EXPECT_STREQ(test, the_unit->stopped ?: "", c->reason);
	KUNIT_EXPECT_STREQ(test, fake_core.refused ?: "", c->reason);
	KUNIT_EXPECT_FALSE(test, the_unit->iommu.flags & AMD_IOMMU_FLAG_STAYS);
	KUNIT_EXPECT_PTR_EQ(test, the_unit->pci_seg.dev_table, the_unit->fresh);
	KUNIT_EXPECT_EQ(test, count_dtes(the_unit->fresh, 2, DTE_IRQ_REMAP_ENABLE), LAST_BDF + 1);
}

/* Two units: one has the table of the segment, the other one had a different table */
static void unit_with_a_table_of_its_own_is_disabled(struct kunit *test)
{
	struct dev_table_entry *table = leave_device_table(test);
	struct amd_iommu *other = alloc_memory(test, sizeof(*other));
	void *registers = alloc_memory(test, REGISTERS);

	find_enabled(test, table, XAPIC);
	*other = the_unit->iommu;
	other->mmio_base = (u8 __iomem __force *)registers;
	writeq(XAPIC, other->mmio_base + MMIO_CONTROL_OFFSET);
	writeq(readq(the_unit->iommu.mmio_base + MMIO_DEV_TABLE_OFFSET) + SZ_64K,
	       other->mmio_base + MMIO_DEV_TABLE_OFFSET);
	list_add_tail(&other->list, &amd_iommu_list);
	take_over_as(test, XAPIC);
	list_del(&other->list);

	KUNIT_EXPECT_STREQ(test, the_unit->stopped ?: "",
			   "device table is not that of its segment");
	KUNIT_EXPECT_FALSE(test, other->flags & AMD_IOMMU_FLAG_STAYS);
	KUNIT_EXPECT_TRUE(test, the_unit->iommu.flags & AMD_IOMMU_FLAG_STAYS);
	KUNIT_EXPECT_PTR_EQ(test, the_unit->pci_seg.dev_table, table);
}

/*
 * The driver cannot set the unit up: early, or when the interrupts of other devices
 * already depend on it.
 */
static void devices_are_stopped_before_their_dma_is_not_translated(struct kunit *test)
{
	struct amd_iommu *iommu = &the_unit->iommu;
	int enabled = irq_remapping_enabled;

	find_enabled(test, leave_device_table(test), XAPIC);
	take_over_as(test, XAPIC);
	irq_remapping_enabled = 1;
	amd_ir_teardown();
	irq_remapping_enabled = enabled;
	KUNIT_EXPECT_STREQ(test, the_unit->stopped ?: "", "its IOMMU cannot be set up");
	KUNIT_EXPECT_FALSE(test, iommu->flags & AMD_IOMMU_FLAG_STAYS);
	KUNIT_EXPECT_NULL(test, fake_core.refused);

	iommu->flags |= AMD_IOMMU_FLAG_STAYS;
	irq_remapping_enabled = 0;
	amd_ir_teardown();
	irq_remapping_enabled = enabled;
	KUNIT_EXPECT_STREQ(test, the_unit->stopped ?: "", "the unit is disabled");
	KUNIT_EXPECT_FALSE(test, iommu->flags & AMD_IOMMU_FLAG_STAYS);
	KUNIT_EXPECT_STREQ(test, fake_core.refused ?: "", "the unit is disabled");
}

/* FINISH no longer knows the unit, and its devices were stopped. */
static void faults_are_reported_if_dma_cannot_be_set_up(struct kunit *test)
{
	struct dev_table_entry *table = leave_device_table(test);
	const u64 interrupts = table[SOURCE].data[2];
	int enabled = irq_remapping_enabled;

	find_enabled(test, table, XAPIC);
	take_over_as(test, XAPIC);
	KUNIT_EXPECT_EQ(test, count_dtes(table, 2, DTE_IRQ_REMAP_ENABLE), 0);

	irq_remapping_enabled = 1;
	amd_ir_teardown();
	irq_remapping_enabled = enabled;
	KUNIT_EXPECT_NOT_NULL(test, the_unit->stopped);
	KUNIT_EXPECT_EQ(test, count_dtes(table, 2, DTE_IRQ_REMAP_ENABLE), LAST_BDF);
	KUNIT_EXPECT_EQ(test, table[SOURCE].data[2], interrupts);
}

static bool fake_clear_master_early(u16 devid)
{
	return devid == SOURCE || devid == SOURCE + 1;
}

/* The reason can still be read long afterwards. */
static void endpoint_is_stopped_early_with_a_reason(struct kunit *test)
{
	struct unity_map_entry entry = { .devid_start = SOURCE + 1, .devid_end = SOURCE + 1 };
	struct amd_iommu_pci_seg *pci_seg = &the_unit->pci_seg;
	const char *reason = "a test";

	start_outcome(test, 0, SOURCE);
	start_outcome(test, 0, SOURCE + 1);
	start_outcome(test, 1, SOURCE);
	kunit_activate_static_stub(test, amd_lu_clear_master_early, fake_clear_master_early);
	pci_seg->rlookup_table[SOURCE + 1] = &the_unit->iommu;

	pci_seg->id = 1;
	amd_lu_stop_early(&the_unit->iommu, reason);
	expect_outcome(test, 1, SOURCE, NULL);
	pci_seg->id = 0;

	list_add(&entry.list, &pci_seg->unity_map);
	amd_lu_stop_early(&the_unit->iommu, reason);
	list_del(&entry.list);
	expect_outcome(test, 0, SOURCE, reason);
	expect_outcome(test, 0, SOURCE + 1, NULL);
}

static const struct mode_change {
	const char	*name;
	u64		control;
	int		wanted;
	int		guest_ir;
	int		xt_mode;
} mode_changes[] = {
	{ "guest mode as wanted", X2APIC, AMD_IOMMU_GUEST_IR_VAPIC,
	  AMD_IOMMU_GUEST_IR_VAPIC, IRQ_REMAP_X2APIC_MODE },
	{ "legacy in 128 bits as wanted", X2APIC, AMD_IOMMU_GUEST_IR_LEGACY_GA,
	  AMD_IOMMU_GUEST_IR_LEGACY_GA, IRQ_REMAP_X2APIC_MODE },
	{ "128 bits to 32", X2APIC, AMD_IOMMU_GUEST_IR_LEGACY,
	  AMD_IOMMU_GUEST_IR_LEGACY_GA, IRQ_REMAP_X2APIC_MODE },
	{ "32 bits to guest mode", 0, AMD_IOMMU_GUEST_IR_VAPIC,
	  AMD_IOMMU_GUEST_IR_LEGACY, IRQ_REMAP_XAPIC_MODE },
	{ "32 bits to 128", 0, AMD_IOMMU_GUEST_IR_LEGACY_GA,
	  AMD_IOMMU_GUEST_IR_LEGACY, IRQ_REMAP_XAPIC_MODE },
	{ "xAPIC to x2APIC", XAPIC, AMD_IOMMU_GUEST_IR_VAPIC,
	  AMD_IOMMU_GUEST_IR_VAPIC, IRQ_REMAP_XAPIC_MODE },
};

KUNIT_ARRAY_PARAM_DESC(mode_change, mode_changes, name);

static void mode_is_that_of_the_unit(struct kunit *test)
{
	const struct mode_change *c = test->param_value;
	int xt_mode;

	for (int chosen = IRQ_REMAP_XAPIC_MODE; chosen <= IRQ_REMAP_X2APIC_MODE; chosen++) {
		xt_mode = chosen;
		amd_iommu_guest_ir = c->wanted;
		amd_ir_take_mode(c->control, &xt_mode);
		KUNIT_EXPECT_EQ(test, amd_iommu_guest_ir, c->guest_ir);
		KUNIT_EXPECT_EQ(test, xt_mode, c->xt_mode);
	}
}

static int fake_flush_all(struct amd_iommu *iommu)
{
	the_unit->stuck = raw_spin_is_locked(&iommu->lock);
	if (the_unit->stuck)
		return -EIO;

	kunit_deactivate_static_stub(kunit_get_current_test(), amd_liveupdate_flush_all);
	return amd_liveupdate_flush_all(iommu);
}

static const struct stopped {
	const char	*name;
	bool		locked;
} stops[] = {
	{ "elsewhere", false },
	{ "with the lock", true },
};

KUNIT_ARRAY_PARAM_DESC(stopped, stops, name);

/* Where an NMI has stopped another CPU: before it has queued a command to wait for */
static void command_buffer_of_a_stopped_cpu_can_be_used(struct kunit *test)
{
	const struct stopped *stopped = test->param_value;
	struct amd_iommu *iommu = &the_unit->iommu;
	u32 tail;

	writeq(BIT_ULL(CONTROL_CMDBUF_EN), iommu->mmio_base + MMIO_CONTROL_OFFSET);
	amd_iommu_flush_all_caches(iommu);
	amd_iommu_flush_all_caches(iommu);
	the_unit->flushed_all = false;
	tail = iommu->cmd_buf_tail;
	if (stopped->locked) {
		arch_spin_lock(&iommu->lock.raw_lock);
		iommu->cmd_sem_val++;
	}

	kunit_activate_static_stub(test, amd_liveupdate_flush_all, fake_flush_all);
	KUNIT_EXPECT_EQ(test, amd_ir_flush_last(iommu), 0);
	KUNIT_EXPECT_FALSE(test, the_unit->stuck);
	KUNIT_EXPECT_TRUE(test, the_unit->flushed_all);
	KUNIT_EXPECT_EQ(test, iommu->cmd_buf_tail < tail, stopped->locked);
	KUNIT_EXPECT_TRUE(test, readq(iommu->mmio_base + MMIO_CONTROL_OFFSET) &
			  BIT_ULL(CONTROL_CMDBUF_EN));
}

/* The driver disables the unit, which a next kernel takes over or not. */
static void modes_are_cleared_with_the_unit(struct kunit *test)
{
	const u64 modes = BIT_ULL(CONTROL_IOMMU_EN) | BIT_ULL(CONTROL_GA_EN) |
			  BIT_ULL(CONTROL_GAM_EN) | BIT_ULL(CONTROL_XT_EN) |
			  BIT_ULL(CONTROL_INTCAPXT_EN);
	struct amd_iommu *iommu = &the_unit->iommu;

	iommu->flags |= AMD_IOMMU_FLAG_STAYS;
	writeq(modes, iommu->mmio_base + MMIO_CONTROL_OFFSET);
	amd_iommu_disable();
	KUNIT_EXPECT_EQ(test, readq(iommu->mmio_base + MMIO_CONTROL_OFFSET), modes);

	iommu->flags &= ~AMD_IOMMU_FLAG_STAYS;
	amd_iommu_disable();
	KUNIT_EXPECT_EQ(test, readq(iommu->mmio_base + MMIO_CONTROL_OFFSET), 0);
}

static void faults_are_reported_after_finish(struct kunit *test)
{
	const u64 direct = DTE_FLAG_V | DTE_FLAG_TV | DTE_FLAG_IR | DTE_FLAG_IW;
	struct unity_map_entry entry = { .devid_start = SOURCE + 1, .devid_end = SOURCE + 1 };
	struct dev_table_entry *table = leave_device_table(test);
	const u64 interrupts = table[SOURCE].data[2];
	unsigned int flushes;

	list_add(&entry.list, &the_unit->pci_seg.unity_map);
	find_enabled(test, table, XAPIC);
	take_over_as(test, XAPIC);
	list_del(&entry.list);
	KUNIT_EXPECT_EQ(test, table[SOURCE + 1].data[0], direct);
	KUNIT_EXPECT_EQ(test, count_dtes(table, 1, DTE_FLAG_SA), LAST_BDF + 1);

	flushes = the_unit->flushes;
	amd_liveupdate_ops.finish_unit(&the_unit->iommu.iommu);
	KUNIT_EXPECT_EQ(test, count_dtes(table, 1, 0), LAST_BDF + 1);
	KUNIT_EXPECT_EQ(test, count_dtes(table, 2, DTE_IRQ_REMAP_ENABLE), LAST_BDF);
	KUNIT_EXPECT_GT(test, the_unit->flushes, flushes);

	/* Nothing else has changed. */
	KUNIT_EXPECT_EQ(test, count_dtes(table, 0, DTE_FLAG_V | DTE_FLAG_TV), LAST_BDF);
	KUNIT_EXPECT_EQ(test, table[SOURCE + 1].data[0], direct);
	KUNIT_EXPECT_EQ(test, table[SOURCE].data[2], interrupts);
}

static bool check_device(struct kunit *test)
{
	struct irq_lu_vector_ser rec = record(HANDLE);

	return fmt->ops->check(fmt->domain(test), fmt->device(test, false), &rec);
}

/* Another device with the same alias, without a record, was set up first. */
static void device_with_another_table_is_refused(struct kunit *test)
{
	struct amd_iommu_pci_seg *pci_seg = &the_unit->pci_seg;
	struct irq_remap_table *other = alloc_memory(test, sizeof(*other));

	amd_boot(test);
	pci_seg->irq_lookup_table[SOURCE] = NULL;
	KUNIT_EXPECT_TRUE(test, check_device(test));
	pci_seg->irq_lookup_table[SOURCE] = other;
	KUNIT_EXPECT_FALSE(test, check_device(test));

	pci_seg->irq_lookup_table[SOURCE] = NULL;
	pci_seg->alias_table[SOURCE] = SOURCE + 1;
	pci_seg->irq_lookup_table[SOURCE + 1] = other;
	KUNIT_EXPECT_FALSE(test, check_device(test));
	pci_seg->irq_lookup_table[SOURCE + 1] = &the_unit->table;
	KUNIT_EXPECT_TRUE(test, check_device(test));
}

static void entries_nobody_reserved_are_free(struct kunit *test)
{
	unsigned int i, nr_entries = PAGE_SIZE / entry_size();

	amd_boot(test);
	for (i = 0; i < nr_entries; i++)
		amd_fill(amd_entry(test, i), i % fmt->nr_kinds);
	close_entry(the_unit->table.table, HANDLE);
	KUNIT_ASSERT_EQ(test, reserve(test, HANDLE, 1), 0);

	amd_ir_drop_others(&the_unit->table);
	for (i = 0; i < nr_entries; i++)
		KUNIT_EXPECT_EQ_MSG(test, amd_is_taken(test, i), i == HANDLE, "entry %u", i);
	expect_blocked(test, HANDLE);
}

/*
 * An interrupt of the device, from the allocator of the driver
 */

static void remove_segment(void *unused)
{
	struct fwnode_handle *fn = the_unit->iommu.ir_domain->fwnode;

	irq_domain_remove(the_unit->iommu.ir_domain);
	irq_domain_free_fwnode(fn);
	list_del(&the_unit->pci_seg.list);
}

static void add_segment(struct kunit *test)
{
	KUNIT_ASSERT_EQ(test, 0, amd_iommu_create_irq_domain(&the_unit->iommu));
	list_add(&the_unit->pci_seg.list, &amd_iommu_pci_seg_list);
	KUNIT_ASSERT_EQ(test, 0, kunit_add_action_or_reset(test, remove_segment, NULL));
}

static int alloc_irq_of_device(struct kunit *test)
{
	struct msi_desc desc = { .dev = &the_unit->devs[0].dev };
	struct irq_alloc_info info = { .type = X86_IRQ_ALLOC_TYPE_PCI_MSI, .desc = &desc };
	int irq = __irq_domain_alloc_irqs(the_unit->iommu.ir_domain, -1, 1, NUMA_NO_NODE, &info,
					  false, NULL);

	KUNIT_ASSERT_GT(test, irq, 0);
	return irq;
}

static u32 handle_of(int irq)
{
	struct irq_lu_vector_ser rec = { };

	fmt->ops->save(the_unit->iommu.ir_domain, irq_get_irq_data(irq), &rec);
	return rec.source == SOURCE ? rec.handle : U32_MAX;
}

static void held_index_stays_with_its_vector(struct kunit *test)
{
	int irq, other;
	u32 handle;

	add_segment(test);
	amd_boot(test);
	irq = alloc_irq_of_device(test);
	handle = handle_of(irq);
	__set_bit(handle, the_unit->table.held);
	irq_domain_free_irqs(irq, 1);
	KUNIT_EXPECT_TRUE(test, amd_is_taken(test, handle));

	other = alloc_irq_of_device(test);
	KUNIT_EXPECT_NE(test, handle_of(other), handle);
	irq_domain_free_irqs(other, 1);
	KUNIT_EXPECT_FALSE(test, amd_is_taken(test, handle + 1));

	release(test, handle, 1, true);
	irq = alloc_irq_of_device(test);
	KUNIT_EXPECT_EQ(test, handle_of(irq), handle);
	irq_domain_free_irqs(irq, 1);
	KUNIT_EXPECT_FALSE(test, amd_is_taken(test, handle));
}

/* The software copy of an entry does not learn that faults were suppressed for a while. */
static void closed_entry_reports_faults_once_it_is_open(struct kunit *test)
{
	struct amd_irte_ops *ops = the_unit->iommu.irte_ops;
	struct irte_ga entry = { };

	amd_boot(test);
	amd_fill(&entry, 0);
	__set_bit(HANDLE, the_unit->table.held);
	ops->deactivate(&the_unit->iommu, &entry, SOURCE, HANDLE);
	KUNIT_EXPECT_TRUE(test, amd_is_silent(amd_entry(test, HANDLE)));

	__clear_bit(HANDLE, the_unit->table.held);
	ops->activate(&the_unit->iommu, &entry, SOURCE, HANDLE);
	KUNIT_EXPECT_TRUE(test, amd_is_present(amd_entry(test, HANDLE)));
	KUNIT_EXPECT_FALSE(test, amd_is_silent(amd_entry(test, HANDLE)));
}

/*
 * Devices with mappings
 */

#define MODE(levels)	((u64)(levels) << DEV_ENTRY_MODE_SHIFT)
#define FIRST_DOMAIN_ID	1234
#define OLD_DOMAIN_ID	5678
#define OLD_MODE	MODE(3)
#define TRANSLATES	(DTE_FLAG_V | DTE_FLAG_TV | DTE_FLAG_IR | DTE_FLAG_IW)

static void free_page_of_mappings(void *page)
{
	free_page((unsigned long)page);
}

/* A DTE with mappings, and its record */
static void leave_mappings(struct kunit *test, struct dev_table_entry *dte)
{
	void *block = (void *)get_zeroed_page(GFP_KERNEL);
	u64 tables = SZ_1M;

	KUNIT_ASSERT_NOT_NULL(test, block);
	KUNIT_ASSERT_EQ(test, 0, kunit_add_action_or_reset(test, free_page_of_mappings, block));
	mappings.block = block;
	*(u64 *)(mappings.block + 1) = tables;

	dte->data[0] = TRANSLATES | OLD_MODE | tables;
	dte->data[1] = OLD_DOMAIN_ID;
	mappings.recorded = true;
	mappings.ser.devid = SOURCE;
	mappings.ser.domain_id = OLD_DOMAIN_ID;
	mappings.ser.entry[0] = dte->data[0];
	mappings.ser.entry[1] = dte->data[1];
	mappings.ser.tables.first = virt_to_phys(block);
	mappings.ser.tables.nr = 1;
}

static void mappings_stay_over_the_jump(struct kunit *test)
{
	struct amd_iommu_pci_seg *pci_seg = &the_unit->pci_seg;
	struct dev_table_entry *dte = &pci_seg->dev_table[SOURCE];
	u64 interrupts;

	fill_device_table(pci_seg->dev_table);
	leave_mappings(test, dte);
	interrupts = dte->data[2];
	preserve_table(test);

	amd_ir_block_segment(pci_seg);
	KUNIT_EXPECT_EQ(test, dte->data[0], mappings.ser.entry[0]);
	KUNIT_EXPECT_EQ(test, dte->data[1], mappings.ser.entry[1]);
	KUNIT_EXPECT_EQ(test, dte->data[2], interrupts);
	KUNIT_EXPECT_EQ(test, count_dtes(pci_seg->dev_table, 0, DTE_FLAG_V | DTE_FLAG_TV),
			LAST_BDF);
}

static const struct entry_change {
	const char	*name;
	u64		data0;		/* flipped, in the entry and in the record */
	u64		data1;
	u64		recorded0;	/* flipped in the record alone */
	u64		recorded1;
	u32		domain_id;
	u64		tables;
	u64		pasid_dir;
	bool		no_record;
	const char	*refused;
} entry_changes[] = {
	{ "as it was" },
	{ "no record",	.no_record = true, .refused = "mappings without a valid record" },
	{ "other mode",	.recorded0 = BIT_ULL(9), .refused = "entry differs from its record" },
	{ "other flag",	.recorded1 = BIT_ULL(40), .refused = "entry differs from its record" },
	{ "dirty tracking", .data0 = DTE_FLAG_HAD,
	  .refused = "entry is not one of version 1 tables alone" },
	{ "version 2",	.data0 = DTE_FLAG_GV,
	  .refused = "entry is not one of version 1 tables alone" },
	{ "ATS",	.data1 = DTE_FLAG_IOTLB,
	  .refused = "entry is not one of version 1 tables alone" },
	{ "PASIDs",	.pasid_dir = SZ_1M,
	  .refused = "entry is not one of version 1 tables alone" },
	{ "no levels",	.data0 = OLD_MODE,
	  .refused = "entry has no valid number of table levels" },
	{ "too many levels", .data0 = MODE(4),
	  .refused = "entry has no valid number of table levels" },
	{ "other id",	.domain_id = 1, .refused = "domain id differs from its record" },
	{ "unused id", .data1 = OLD_DOMAIN_ID, .domain_id = OLD_DOMAIN_ID,
	  .refused = "domain id differs from its record" },
	{ "other tables", .tables = SZ_4K, .refused = "entry leads to other tables" },
};

KUNIT_ARRAY_PARAM_DESC(entry_change, entry_changes, name);

/* No other domain gets it: caches may still have entries under it. */
static void expect_domain_id_is_taken(struct kunit *test, u32 id)
{
	KUNIT_EXPECT_EQ(test, amd_iommu_pdom_id_reserve(id, GFP_KERNEL), -ENOSPC);
}

/* All units have been flushed. */
static void expect_domain_id_is_free(struct kunit *test, u32 id)
{
	KUNIT_ASSERT_EQ(test, amd_iommu_pdom_id_reserve(id, GFP_KERNEL), id);
	amd_iommu_pdom_id_free(id);
}

static void mappings_are_compared_with_their_record(struct kunit *test)
{
	const struct entry_change *c = test->param_value;
	struct dev_table_entry *table = leave_device_table(test);
	struct dev_table_entry *dte = &table[SOURCE];
	struct dev_table_entry before;

	leave_mappings(test, dte);
	dte->data[0] ^= c->data0;
	dte->data[1] ^= c->data1;
	mappings.ser.entry[0] ^= c->data0 ^ c->recorded0;
	mappings.ser.entry[1] ^= c->data1 ^ c->recorded1;
	mappings.ser.domain_id ^= c->domain_id;
	mappings.ser.pasid_dir = c->pasid_dir;
	*(u64 *)(mappings.block + 1) ^= c->tables;
	mappings.recorded = !c->no_record;
	before = *dte;
	find_enabled(test, table, XAPIC);
	take_over_as(test, XAPIC);

	KUNIT_EXPECT_STREQ(test, mappings.refused ?: "", c->refused ?: "");
	KUNIT_EXPECT_EQ(test, mappings.adopted, !c->refused);
	if (c->refused) {
		expect_no_dma(test, table);
		expect_domain_id_is_taken(test, FIELD_GET(DTE_DOMID_MASK, before.data[1]));
		amd_liveupdate_ops.finish_unit(&the_unit->iommu.iommu);
		expect_domain_id_is_free(test, FIELD_GET(DTE_DOMID_MASK, before.data[1]));
		return;
	}
	KUNIT_EXPECT_EQ(test, dte->data[0], before.data[0]);
	KUNIT_EXPECT_EQ(test, dte->data[1], before.data[1]);
	KUNIT_EXPECT_EQ(test, count_dtes(table, 0, DTE_FLAG_V | DTE_FLAG_TV), LAST_BDF);
}

/* Except for the DMA part of a device whose mappings are taken over as well */
static void only_the_table_of_an_entry_is_taken_over(struct kunit *test)
{
	const u64 pass_extint = BIT_ULL(DEV_ENTRY_EINT_PASS - 128);
	const u64 pass_nmi = BIT_ULL(DEV_ENTRY_NMI_PASS - 128);
	struct dev_table_entry *table = leave_device_table(test);
	struct dev_table_entry *dte = &table[SOURCE];
	const u64 interrupts = dte->data[2];

	leave_mappings(test, dte);
	dte->data[2] |= pass_nmi | DTE_IRQ_IGNORE_UNMAPPED;
	dte->data[3] = 1;
	find_enabled(test, table, XAPIC);
	the_unit->fresh[SOURCE].data[2] |= pass_extint;
	take_over_as(test, XAPIC);

	KUNIT_EXPECT_EQ(test, mappings.adopted, 1);
	KUNIT_EXPECT_EQ(test, dte->data[0], mappings.ser.entry[0]);
	KUNIT_EXPECT_EQ(test, dte->data[2], interrupts | pass_extint);
	KUNIT_EXPECT_EQ(test, dte->data[3], 0);
}

/* Only a quirk of its owner knows the requester id, and firmware does not. */
static struct dev_table_entry *take_over_alias_of(struct kunit *test, u16 owner)
{
	struct dev_table_entry *table = leave_device_table(test);

	leave_mappings(test, &table[SOURCE]);
	the_unit->pci_seg.rlookup_table[SOURCE] = NULL;
	the_unit->pci_seg.rlookup_table[owner] = &the_unit->iommu;
	mappings.ser.owner = owner;
	find_enabled(test, table, XAPIC);
	take_over_as(test, XAPIC);
	return table;
}

static void alias_from_a_quirk_is_behind_the_unit_of_its_owner(struct kunit *test)
{
	struct dev_table_entry *table = take_over_alias_of(test, SOURCE + 2);

	KUNIT_EXPECT_STREQ(test, mappings.refused ?: "", "");
	KUNIT_EXPECT_EQ(test, mappings.adopted, 1);
	KUNIT_EXPECT_EQ(test, table[SOURCE].data[0], mappings.ser.entry[0]);
}

static void owner_beyond_the_device_table_is_refused(struct kunit *test)
{
	struct dev_table_entry *table = take_over_alias_of(test, LAST_BDF + 1);

	KUNIT_EXPECT_STREQ(test, mappings.refused ?: "", "its unit was not taken over");
	expect_no_dma(test, table);
}

static void domain_id_is_that_of_all_units(struct kunit *test)
{
	const struct iommu_liveupdate_ops *ops = &amd_liveupdate_ops;
	struct iommu_device *iommu = &the_unit->iommu.iommu, other = { };

	KUNIT_ASSERT_EQ(test, ops->reserve_domain_id(iommu, OLD_DOMAIN_ID), 0);
	KUNIT_EXPECT_EQ(test, ops->reserve_domain_id(&other, OLD_DOMAIN_ID), 0);
	KUNIT_EXPECT_EQ(test, amd_iommu_pdom_id_reserve(OLD_DOMAIN_ID, GFP_KERNEL), -ENOSPC);
	ops->free_domain_id(iommu, OLD_DOMAIN_ID);
	KUNIT_EXPECT_EQ(test, amd_iommu_pdom_id_reserve(OLD_DOMAIN_ID, GFP_KERNEL), -ENOSPC);
	ops->free_domain_id(&other, OLD_DOMAIN_ID);
	KUNIT_ASSERT_EQ(test, amd_iommu_pdom_id_reserve(OLD_DOMAIN_ID, GFP_KERNEL), OLD_DOMAIN_ID);
	KUNIT_EXPECT_LT(test, ops->reserve_domain_id(iommu, OLD_DOMAIN_ID), 0);
	amd_iommu_pdom_id_free(OLD_DOMAIN_ID);
}

/* The device has everything that the driver needs to attach it. */
static struct device *probe_device(unsigned int i)
{
	struct iommu_dev_data *dev_data = &the_unit->dev_datas[i];
	struct dev_iommu *dev_iommu = &the_unit->dev_iommus[i];
	struct device *dev = &the_unit->devs[i].dev;

	spin_lock_init(&dev_data->dte_lock);
	mutex_init(&dev_data->mutex);
	dev_data->devid = SOURCE + i;
	dev_data->dev = dev;
	llist_add(&dev_data->dev_data_list, &the_unit->pci_seg.dev_data_list);
	dev_iommu->iommu_dev = &the_unit->iommu.iommu;
	dev_iommu->priv = dev_data;
	dev->iommu = dev_iommu;
	return dev;
}

static void free_domain(void *domain)
{
	amd_iommu_domain_free(domain);
}

static struct iommu_domain *alloc_domain(struct kunit *test, struct device *dev)
{
	struct iommu_domain *domain;

	amd_iommu_hpt_vasize = 48;
	amd_iommu_pgtable = PD_MODE_V1;
	domain = amd_iommu_ops.domain_alloc_paging_flags(dev, 0, NULL);
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, domain);
	domain->type = IOMMU_DOMAIN_UNMANAGED;
	KUNIT_ASSERT_EQ(test, 0, kunit_add_action_or_reset(test, free_domain, domain));
	return domain;
}

static void note_lock(struct fake_unit *unit, spinlock_t *lock)
{
	unit->unlocked += !raw_spin_is_locked(&lock->rlock);
}

/* Runs in NMI context, after each store to the lower half of the DTE. */
static void note_dte(struct perf_event *bp, struct perf_sample_data *data, struct pt_regs *regs)
{
	struct fake_unit *unit = bp->overflow_handler_context;
	struct dev_table_entry *dte = &unit->pci_seg.dev_table[SOURCE];
	bool old = dte->data[0] == mappings.ser.entry[0] && dte->data[1] == mappings.ser.entry[1];
	bool new = dte->data[0] == unit->last.data[0] && dte->data[1] == unit->last.data[1];

	unit->dte_stores++;
	note_lock(unit, unit->writer ? &unit->writer->dte_lock : &amd_iommu_dev_data_lock);
	if (old || new)
		return;
	/* The first value which is not the old one */
	unit->dte_values++;
	unit->last = *dte;
}

static void watch_dte(struct kunit *test)
{
	struct dev_table_entry *dte = &the_unit->pci_seg.dev_table[SOURCE];

	the_unit->last = *dte;
	watch(test, &dte->data[0], HW_BREAKPOINT_LEN_8, note_dte, the_unit);
	watch(test, &dte->data[1], HW_BREAKPOINT_LEN_8, note_dte, the_unit);
}

/* Exactly one other value was seen, and after that no cache has anything of the old one. */
static void expect_replaced(struct kunit *test, u64 data0, u64 data1)
{
	KUNIT_EXPECT_GT(test, the_unit->dte_stores, 0);
	KUNIT_EXPECT_EQ(test, the_unit->dte_values, 1);
	KUNIT_EXPECT_EQ(test, the_unit->last.data[0], data0);
	KUNIT_EXPECT_EQ(test, the_unit->last.data[1], data1);
	KUNIT_EXPECT_EQ(test, the_unit->cached.data[0], data0);
	KUNIT_EXPECT_EQ(test, the_unit->flushed_domid, OLD_DOMAIN_ID);
	KUNIT_EXPECT_TRUE(test, the_unit->flushed_in_order);
}

#define HANDED_OVER	(amd_liveupdate_ops.handed_over)

static int attach(struct iommu_domain *domain, struct device *dev, struct iommu_domain *old)
{
	return domain->ops->attach_dev(domain, dev, old);
}

static void owner_replaces_mappings_at_once(struct kunit *test)
{
	struct dev_table_entry *dte = &the_unit->pci_seg.dev_table[SOURCE];
	struct device *dev = probe_device(0);
	struct iommu_domain *domain = alloc_domain(test, dev);
	struct pt_iommu_amdv1_hw_info info;

	leave_mappings(test, dte);
	watch_dte(test);
	KUNIT_EXPECT_EQ(test, attach(HANDED_OVER, dev, NULL), 0);
	KUNIT_EXPECT_EQ(test, the_unit->dte_stores, 0);

	KUNIT_EXPECT_EQ(test, attach(domain, dev, HANDED_OVER), 0);
	pt_iommu_amdv1_hw_info(&to_pdomain(domain)->amdv1, &info);
	expect_replaced(test, TRANSLATES | FIELD_PREP(DTE_MODE_MASK, info.mode) |
			__sme_set(info.host_pt_root), to_pdomain(domain)->id);
	KUNIT_EXPECT_EQ(test, dte->data[2], dte_of_table(&the_unit->table));

	amd_iommu_block_device(dev);
}

static void mappings_which_nobody_wants_are_closed(struct kunit *test)
{
	struct dev_table_entry *dte = &the_unit->pci_seg.dev_table[SOURCE];
	struct device *dev = probe_device(0);

	leave_mappings(test, dte);
	watch_dte(test);
	KUNIT_EXPECT_EQ(test, attach(HANDED_OVER, dev, NULL), 0);
	KUNIT_EXPECT_EQ(test, attach(amd_iommu_ops.blocked_domain, dev, HANDED_OVER), 0);
	expect_replaced(test, DTE_FLAG_V, 0);
}

static int fake_wait_once(struct amd_iommu *iommu)
{
	if (!the_unit->stalls)
		return iommu_completion_wait(iommu);
	the_unit->stalls--;
	return -EIO;
}

/* Invalidations of a device that is gone are in the queue, and more of them follow. */
static void stall(struct kunit *test, unsigned int stalls, unsigned int stalls_of_flush)
{
	kunit_activate_static_stub(test, amd_lu_wait_once, fake_wait_once);
	the_unit->stalls = stalls;
	the_unit->stalls_of_flush = stalls_of_flush;
}

static void expect_stalls_are_over(struct kunit *test)
{
	KUNIT_EXPECT_EQ(test, the_unit->stalls, 0);
	KUNIT_EXPECT_EQ(test, the_unit->stalls_of_flush, 0);
}

static int flush_left(void)
{
	const struct iommu_lu_device_ser ser = { .devid = SOURCE, .domain_id = OLD_DOMAIN_ID };

	return amd_liveupdate_ops.flush_left(&the_unit->iommu.iommu, &ser);
}

/* The command that invalidates the entry may have been dropped as well. */
static void entry_that_was_left_is_flushed_when_the_unit_is_idle(struct kunit *test)
{
	struct dev_table_entry *dte = &the_unit->pci_seg.dev_table[SOURCE];

	leave_mappings(test, dte);
	dte->data[0] = DTE_FLAG_V;
	stall(test, 2, 3);
	KUNIT_EXPECT_EQ(test, flush_left(), 0);
	expect_stalls_are_over(test);
	KUNIT_EXPECT_EQ(test, the_unit->flushed_domid, OLD_DOMAIN_ID);
	KUNIT_EXPECT_EQ(test, the_unit->cached.data[0], dte->data[0]);
	KUNIT_EXPECT_TRUE(test, the_unit->flushed_in_order);
}

static void unit_that_is_stuck_gets_no_more_commands(struct kunit *test)
{
	stall(test, UINT_MAX, 0);
	KUNIT_EXPECT_EQ(test, flush_left(), -EIO);
	KUNIT_EXPECT_EQ(test, the_unit->flushed_domid, 0);
}

static void interrupts_are_flushed_before_they_are_handed_over(struct kunit *test)
{
	stall(test, 2, 3);
	KUNIT_EXPECT_EQ(test, fmt->ops->sync(fmt->domain(test)), 0);
	expect_stalls_are_over(test);
	KUNIT_EXPECT_TRUE(test, the_unit->flushed_all);

	the_unit->stalls = UINT_MAX;
	KUNIT_EXPECT_EQ(test, fmt->ops->sync(fmt->domain(test)), -EIO);
}

/*
 * The device no longer uses its mappings. For its alias, with that entry or @before, there is no
 * memory.
 */
static const struct dev_table_entry *leave_without_memory(struct kunit *test,
							  const struct dev_table_entry *before)
{
	struct dev_table_entry *table = the_unit->pci_seg.dev_table;
	struct device *dev = probe_device(0);

	init_failing(test);
	add_segment(test);
	the_unit->pci_seg.alias_table[SOURCE] = SOURCE + 1;
	leave_mappings(test, &table[SOURCE]);
	table[SOURCE + 1] = before ? *before : table[SOURCE];

	fail_nth(1);
	amd_iommu_block_device(dev);
	KUNIT_EXPECT_TRUE(test, stop_failing());
	KUNIT_EXPECT_EQ(test, table[SOURCE].data[0], DTE_FLAG_V);
	return &table[SOURCE + 1];
}

/* The alias leaves with its device, and what its entry leads to is freed then. */
static void alias_without_memory_is_closed(struct kunit *test)
{
	const struct dev_table_entry *alias = leave_without_memory(test, NULL);

	KUNIT_EXPECT_EQ(test, alias->data[0], DTE_FLAG_V | DTE_FLAG_TV);
	KUNIT_EXPECT_EQ(test, alias->data[1], 0);
	KUNIT_EXPECT_EQ(test, alias->data[2], dte_of_table(&the_unit->table));
}

/* As when the device is found: what both entries lead to is not freed. */
static void alias_without_memory_stays_with_its_device(struct kunit *test)
{
	struct dev_table_entry before = the_unit->pci_seg.dev_table[SOURCE + 1];

	before.data[0] = DTE_FLAG_V;
	KUNIT_EXPECT_EQ(test, leave_without_memory(test, &before)->data[0], DTE_FLAG_V);
}

static void fake_stop_device(struct pci_dev *pdev, const char *reason)
{
	KUNIT_EXPECT_NE(kunit_get_current_test(), the_unit->pci_seg.dev_table[SOURCE].data[0], 0);
	the_unit->stopped = reason;
}

static void device_without_memory_is_stopped(struct kunit *test)
{
	struct pci_dev *pdev = &the_unit->devs[0];
	struct iommu_device *iommu;

	init_failing(test);
	add_segment(test);
	kunit_activate_static_stub(test, iommu_liveupdate_stop_device, fake_stop_device);
	pdev->dev.iommu = &the_unit->dev_iommus[0];
	set_bit(PCI_DEV_LIVEUPDATE_INCOMING, &pdev->priv_flags);
	the_unit->iommu.iommu.ops = &amd_iommu_ops;
	leave_mappings(test, &the_unit->pci_seg.dev_table[SOURCE]);

	fail_nth(1);
	iommu = amd_iommu_ops.probe_device(&pdev->dev);
	KUNIT_EXPECT_TRUE(test, stop_failing());
	KUNIT_EXPECT_PTR_EQ(test, iommu, ERR_PTR(-ENOMEM));
	KUNIT_EXPECT_STREQ(test, the_unit->stopped ?: "", "its IOMMU cannot be set up");
}

/* Its device is gone, and nobody else has written the entry. */
static void finish_closes_mappings_which_nobody_has_left(struct kunit *test)
{
	struct dev_table_entry *dte = &the_unit->pci_seg.dev_table[SOURCE];

	leave_mappings(test, dte);
	watch_dte(test);
	amd_liveupdate_ops.finish_unit(&the_unit->iommu.iommu);
	KUNIT_EXPECT_EQ(test, dte->data[0], DTE_FLAG_V | DTE_FLAG_TV);
	KUNIT_EXPECT_EQ(test, dte->data[1], 0);
	KUNIT_EXPECT_EQ(test, the_unit->dte_values, 1);
	KUNIT_EXPECT_GT(test, the_unit->flushes, 0);
}

static void expect_locked_finish(struct kunit *test, int least_stores)
{
	amd_liveupdate_ops.finish_unit(&the_unit->iommu.iommu);
	KUNIT_EXPECT_GE(test, the_unit->dte_stores, least_stores);
	KUNIT_EXPECT_EQ(test, the_unit->unlocked, 0);
}

/* An entry is closed, and then one is made to report faults, with its writer locked out. */
static void expect_writer_is_excluded(struct kunit *test)
{
	struct dev_table_entry *dte = &the_unit->pci_seg.dev_table[SOURCE];

	leave_mappings(test, dte);
	watch_dte(test);
	expect_locked_finish(test, 1);
	KUNIT_EXPECT_EQ(test, dte->data[0], DTE_FLAG_V | DTE_FLAG_TV);

	the_unit->dte_stores = 0;
	dte->data[1] = DTE_FLAG_SA;
	KUNIT_EXPECT_EQ(test, the_unit->dte_stores, 1);
	the_unit->unlocked = 0;
	expect_locked_finish(test, 2);
	KUNIT_EXPECT_EQ(test, dte->data[1], 0);
}

/* The device may come back and be attached at the same time. */
static void finish_excludes_the_writer_of_an_entry(struct kunit *test)
{
	the_unit->writer = dev_iommu_priv_get(probe_device(0));
	expect_writer_is_excluded(test);
}

/* At the same time a device may be found whose entry nobody has written yet. */
static void finish_excludes_the_first_writer_of_an_entry(struct kunit *test)
{
	expect_writer_is_excluded(test);
}

/* Runs in NMI context: takes notes. */
static void note_device(struct perf_event *bp, struct perf_sample_data *data,
			struct pt_regs *regs)
{
	note_lock(bp->overflow_handler_context, &amd_iommu_dev_data_lock);
}

/* Here the alias of a device that exists already */
static void device_is_added_under_the_lock_of_finish(struct kunit *test)
{
	struct llist_head *list = &the_unit->pci_seg.dev_data_list;
	struct device *dev = probe_device(0);
	struct iommu_dev_data *added;

	add_segment(test);
	the_unit->pci_seg.alias_table[SOURCE] = SOURCE + 1;
	watch(test, &list->first, HW_BREAKPOINT_LEN_8, note_device, the_unit);
	amd_iommu_block_device(dev);
	KUNIT_EXPECT_EQ(test, the_unit->unlocked, 0);

	added = search_dev_data(&the_unit->iommu, SOURCE + 1);
	KUNIT_ASSERT_NOT_NULL(test, added);
	llist_del_first(list);
	kfree(added);
	/* The positive control: the list is being watched. */
	KUNIT_EXPECT_EQ(test, the_unit->unlocked, 1);
}

/* One of them was off in the previous kernel, so nobody finishes it. */
static void finish_flushes_all_units_of_a_segment(struct kunit *test)
{
	struct fake_unit *other = add_unit(test, &the_unit->pci_seg);

	amd_liveupdate_ops.finish_unit(&the_unit->iommu.iommu);
	KUNIT_EXPECT_TRUE(test, the_unit->flushed_all);
	KUNIT_EXPECT_TRUE(test, other->flushed_all);
}

/* A unit without a command that invalidates everything */
static void finish_flushes_any_domain_id(struct kunit *test)
{
	struct iommu_device *iommu = &the_unit->iommu.iommu;

	/* Far from the ids below it, and not the first one above those of devices */
	static_assert(FIRST_DOMAIN_ID > LAST_BDF);
	static_assert(OLD_DOMAIN_ID / IDA_BITMAP_BITS > FIRST_DOMAIN_ID / IDA_BITMAP_BITS);
	amd_iommu_efr = 0;
	leave_mappings(test, &the_unit->pci_seg.dev_table[SOURCE]);
	KUNIT_ASSERT_EQ(test, amd_liveupdate_ops.reserve_domain_id(iommu, FIRST_DOMAIN_ID), 0);
	KUNIT_ASSERT_EQ(test, amd_liveupdate_ops.reserve_domain_id(iommu, OLD_DOMAIN_ID), 0);
	amd_liveupdate_ops.finish_unit(iommu);
	KUNIT_EXPECT_EQ(test, the_unit->cached.data[0], DTE_FLAG_V | DTE_FLAG_TV);
	KUNIT_EXPECT_EQ(test, the_unit->flushed_domid, OLD_DOMAIN_ID);
	KUNIT_EXPECT_TRUE(test, the_unit->flushed_in_order);
}

/* Another device with the same alias has been attached. */
static void finish_leaves_what_was_written_since(struct kunit *test)
{
	struct dev_table_entry *dte = &the_unit->pci_seg.dev_table[SOURCE];
	u64 data1 = OLD_DOMAIN_ID + 1;

	leave_mappings(test, dte);
	dte->data[1] = data1;
	amd_liveupdate_ops.finish_unit(&the_unit->iommu.iommu);
	KUNIT_EXPECT_EQ(test, dte->data[0], mappings.ser.entry[0]);
	KUNIT_EXPECT_EQ(test, dte->data[1], data1);
}

/* The entry of the device is as it was. */
static void alias_that_a_reset_blocks_is_refused(struct kunit *test)
{
	struct dev_table_entry *table = the_unit->pci_seg.dev_table;
	struct device *dev = probe_device(0);
	struct iommu_domain *domain = alloc_domain(test, dev);

	leave_mappings(test, &table[SOURCE]);
	FIELD_MODIFY(DTE_DOMID_MASK, &table[SOURCE].data[1], to_pdomain(domain)->id);
	the_unit->pci_seg.alias_table[SOURCE] = SOURCE + 1;
	table[SOURCE + 1] = table[SOURCE];
	KUNIT_EXPECT_EQ(test, amd_liveupdate_ops.add_entries(dev, domain, NULL), 0);

	table[SOURCE + 1].data[0] = DTE_FLAG_V;
	table[SOURCE + 1].data[1] = 0;
	KUNIT_EXPECT_EQ(test, amd_liveupdate_ops.add_entries(dev, domain, NULL), -EBUSY);
	KUNIT_EXPECT_STREQ(test, mappings.refused ?: "", "it is being reset");
}

static void alias_beyond_the_device_table_is_refused(struct kunit *test)
{
	struct device *dev = probe_device(0);
	struct iommu_domain *domain = alloc_domain(test, dev);

	the_unit->pci_seg.alias_table[SOURCE] = LAST_BDF + 1;
	KUNIT_EXPECT_EQ(test, amd_liveupdate_ops.add_entries(dev, domain, NULL), -EOPNOTSUPP);
	KUNIT_EXPECT_STREQ(test, mappings.refused ?: "",
			   "a requester id is not in the device table");
	KUNIT_EXPECT_EQ(test, mappings.added, 0);
}

static void tables_of_version_1_are_handed_over(struct kunit *test)
{
	struct dev_table_entry *dte = &the_unit->pci_seg.dev_table[SOURCE];
	struct device *dev = probe_device(0);
	struct iommu_domain *domain = alloc_domain(test, dev);
	struct protection_domain *pdom = to_pdomain(domain);

	leave_mappings(test, dte);
	FIELD_MODIFY(DTE_DOMID_MASK, &dte->data[1], pdom->id);
	KUNIT_ASSERT_NULL(test, amd_liveupdate_ops.check_device(dev));
	KUNIT_EXPECT_EQ(test, amd_liveupdate_ops.add_entries(dev, domain, NULL), 0);
	KUNIT_EXPECT_GT(test, mappings.added, 0);
	KUNIT_EXPECT_EQ(test, mappings.ser.devid, SOURCE);
	KUNIT_EXPECT_EQ(test, mappings.ser.domain_id, pdom->id);
	KUNIT_EXPECT_EQ(test, mappings.ser.entry[0], dte->data[0]);
	KUNIT_EXPECT_EQ(test, mappings.ser.entry[1], dte->data[1]);

	mappings.added = 0;
	pdom->dirty_tracking = true;
	KUNIT_EXPECT_EQ(test, amd_liveupdate_ops.add_entries(dev, domain, NULL), -EOPNOTSUPP);
	pdom->dirty_tracking = false;
	pdom->pd_mode = PD_MODE_V2;
	KUNIT_EXPECT_EQ(test, amd_liveupdate_ops.add_entries(dev, domain, NULL), -EOPNOTSUPP);
	pdom->pd_mode = PD_MODE_V1;
	KUNIT_EXPECT_EQ(test, mappings.added, 0);

	amd_iommu_snp_en = true;
	KUNIT_EXPECT_NOT_NULL(test, amd_liveupdate_ops.check_device(dev));
	amd_iommu_snp_en = false;
	the_unit->sysdata.domain = 1;
	KUNIT_EXPECT_STREQ(test, amd_liveupdate_ops.check_device(dev) ?: "",
			   "not in the first PCI segment");
	the_unit->sysdata.domain = 0;
	((struct iommu_dev_data *)dev_iommu_priv_get(dev))->ats_enabled = true;
	KUNIT_EXPECT_NOT_NULL(test, amd_liveupdate_ops.check_device(dev));
}

static void expect_unity_map_is_found(struct kunit *test, struct device *dev)
{
	KUNIT_EXPECT_STREQ(test, amd_liveupdate_ops.check_device(dev) ?: "",
			   "firmware needs DMA with its requester id");
}

/* The alias as the firmware lists it, the device, and the alias as PCI knows it */
static void device_with_a_unity_map_of_an_alias_is_refused(struct kunit *test)
{
	struct unity_map_entry entry = { .devid_start = SOURCE + 1, .devid_end = SOURCE + 1 };
	struct amd_iommu_pci_seg *pci_seg = &the_unit->pci_seg;
	struct pci_dev *pdev = &the_unit->devs[0];
	struct device *dev = probe_device(0);

	list_add(&entry.list, &pci_seg->unity_map);
	KUNIT_EXPECT_NULL(test, amd_liveupdate_ops.check_device(dev));
	pci_seg->alias_table[SOURCE] = SOURCE + 1;
	expect_unity_map_is_found(test, dev);

	pci_seg->alias_table[SOURCE] = SOURCE;
	entry.devid_start = SOURCE;
	entry.devid_end = SOURCE;
	expect_unity_map_is_found(test, dev);

	entry.devid_start = SOURCE + 1;
	entry.devid_end = SOURCE + 1;
	pdev->dma_alias_mask = alloc_memory(test, BITS_TO_BYTES(MAX_NR_DEVFNS));
	__set_bit(pdev->devfn + 1, pdev->dma_alias_mask);
	expect_unity_map_is_found(test, dev);
	list_del(&entry.list);
}

/*
 * The suite for DMA translation of all drivers
 */

static struct iommu_device *amd_iommu_of(void)
{
	return &the_unit->iommu.iommu;
}

/* The unit has no record except that of its interrupts. */
static struct iommu_lu_unit_ser *amd_ser(void)
{
	return NULL;
}

static struct device *amd_dma_device(struct kunit *test, unsigned int i)
{
	return probe_device(i);
}

static void detach(void *dev)
{
	amd_iommu_block_device(dev);
}

static struct iommu_domain *amd_alloc_domain(struct kunit *test, struct device *dev)
{
	struct iommu_domain *domain = alloc_domain(test, dev);

	KUNIT_ASSERT_EQ(test, 0, kunit_add_action_or_reset(test, detach, dev));
	return domain;
}

static u32 amd_domain_id(struct iommu_domain *domain)
{
	return to_pdomain(domain)->id;
}

static void *amd_dte(unsigned int i)
{
	return &the_unit->pci_seg.dev_table[SOURCE + i];
}

static void amd_leave(struct kunit *test, unsigned int i, struct iommu_lu_device_ser *ser)
{
	struct dev_table_entry *dte = amd_dte(i);

	dte->data[0] = TRANSLATES | OLD_MODE | LEFT_TABLES;
	dte->data[1] = LEFT_DOMAIN_ID;
	memcpy(ser->entry, dte->data, sizeof(ser->entry));
}

static void amd_shut_down(void)
{
	amd_ir_block_segment(&the_unit->pci_seg);
}

static void amd_boot_dma(struct kunit *test)
{
	struct dev_table_entry *old = the_unit->pci_seg.dev_table;
	struct dev_table_entry *table = leave_device_table(test);
	unsigned int i;

	for (i = 0; i < NR_TRANSLATED; i++)
		table[SOURCE + i].data128[0] = old[SOURCE + i].data128[0];
	find_enabled(test, table, XAPIC);
	take_over_as(test, XAPIC);
}

static void amd_block(struct device *dev)
{
	attach(amd_iommu_ops.blocked_domain, dev, NULL);
}

static bool amd_is_closed(const void *entry)
{
	const struct dev_table_entry *dte = entry;

	return !(dte->data[0] & (DTE_FLAG_IR | DTE_FLAG_IW));
}

static bool amd_leads_to(const void *entry, struct iommu_domain *domain)
{
	const struct dev_table_entry *dte = entry;
	struct pt_iommu_amdv1_hw_info info;

	pt_iommu_amdv1_hw_info(&to_pdomain(domain)->amdv1, &info);
	return dte->data[0] == (TRANSLATES | FIELD_PREP(DTE_MODE_MASK, info.mode) |
				__sme_set(info.host_pt_root)) &&
	       (dte->data[1] & DTE_DOMID_MASK) == amd_domain_id(domain);
}

static void amd_start_notes(void)
{
	the_unit->flushed_domid = 0;
	the_unit->flushed_all = false;
}

static bool amd_is_flushed(unsigned int i)
{
	return the_unit->flushed_all || the_unit->flushed_domid == LEFT_DOMAIN_ID;
}

static const struct translation_fmt amd_translation = {
	.ids		= { SOURCE, SOURCE + 1 },
	.entry_size	= sizeof(u128),
	.attach_allocations = 1,
	.ops		= &amd_liveupdate_ops,
	.iommu		= amd_iommu_of,
	.ser		= amd_ser,
	.device		= amd_dma_device,
	.alloc_domain	= amd_alloc_domain,
	.domain_id	= amd_domain_id,
	.entry		= amd_dte,
	.leave		= amd_leave,
	.shut_down	= amd_shut_down,
	.boot		= amd_boot_dma,
	.block		= amd_block,
	.is_closed	= amd_is_closed,
	.leads_to	= amd_leads_to,
	.start_notes	= amd_start_notes,
	.is_flushed	= amd_is_flushed,
};

/* Both devices are behind the unit, and each has a requester id of its own. */
static int amd_dma_init(struct kunit *test)
{
	int ret = amd_ga_init(test);

	if (ret)
		return ret;
	the_unit->pci_seg.alias_table[SOURCE + 1] = SOURCE + 1;
	the_unit->pci_seg.rlookup_table[SOURCE + 1] = &the_unit->iommu;
	start_translation(test, &amd_translation);
	return 0;
}

static struct kunit_case amd_test_cases[] = {
	KUNIT_CASE(snp_is_refused),
	KUNIT_CASE(device_without_iommu_is_refused),
	KUNIT_CASE(running_vcpu_leaves_a_blocked_entry_alone),
	KUNIT_CASE(preserved_table_may_be_replaced),
	KUNIT_CASE(only_interrupts_of_preserved_devices_stay),
	KUNIT_CASE(other_entries_of_a_preserved_table_are_closed),
	KUNIT_CASE(device_with_a_unity_map_goes_on),
	KUNIT_CASE(nobody_keeps_access_to_all_memory),
	KUNIT_CASE_PARAM(table_is_found_by_its_dte, dte_change_gen_params),
	KUNIT_CASE(table_ends_where_its_memory_ends),
	KUNIT_CASE(device_of_another_unit_is_refused),
	KUNIT_CASE_PARAM(device_table_stays_where_it_is, unit_change_gen_params),
	KUNIT_CASE(only_the_table_of_an_entry_is_taken_over),
	KUNIT_CASE_PARAM(devices_are_stopped_before_a_unit_is_disabled, table_change_gen_params),
	KUNIT_CASE(unit_with_a_table_of_its_own_is_disabled),
	KUNIT_CASE(devices_are_stopped_before_their_dma_is_not_translated),
	KUNIT_CASE(faults_are_reported_if_dma_cannot_be_set_up),
	KUNIT_CASE(endpoint_is_stopped_early_with_a_reason),
	KUNIT_CASE_PARAM(mode_is_that_of_the_unit, mode_change_gen_params),
	KUNIT_CASE_PARAM(command_buffer_of_a_stopped_cpu_can_be_used, stopped_gen_params),
	KUNIT_CASE(modes_are_cleared_with_the_unit),
	KUNIT_CASE(faults_are_reported_after_finish),
	KUNIT_CASE(closed_entry_reports_faults_once_it_is_open),
	KUNIT_CASE(mappings_stay_over_the_jump),
	KUNIT_CASE_PARAM(mappings_are_compared_with_their_record, entry_change_gen_params),
	KUNIT_CASE(alias_from_a_quirk_is_behind_the_unit_of_its_owner),
	KUNIT_CASE(owner_beyond_the_device_table_is_refused),
	KUNIT_CASE(domain_id_is_that_of_all_units),
	KUNIT_CASE(owner_replaces_mappings_at_once),
	KUNIT_CASE(mappings_which_nobody_wants_are_closed),
	KUNIT_CASE(interrupts_are_flushed_before_they_are_handed_over),
	KUNIT_CASE(entry_that_was_left_is_flushed_when_the_unit_is_idle),
	KUNIT_CASE(unit_that_is_stuck_gets_no_more_commands),
	KUNIT_CASE(finish_closes_mappings_which_nobody_has_left),
	KUNIT_CASE(finish_excludes_the_writer_of_an_entry),
	KUNIT_CASE(finish_excludes_the_first_writer_of_an_entry),
	KUNIT_CASE(device_is_added_under_the_lock_of_finish),
	KUNIT_CASE(finish_flushes_any_domain_id),
	KUNIT_CASE(finish_flushes_all_units_of_a_segment),
	KUNIT_CASE(finish_leaves_what_was_written_since),
	KUNIT_CASE(alias_without_memory_is_closed),
	KUNIT_CASE(device_without_memory_is_stopped),
	KUNIT_CASE(alias_without_memory_stays_with_its_device),
	KUNIT_CASE(alias_that_a_reset_blocks_is_refused),
	KUNIT_CASE(alias_beyond_the_device_table_is_refused),
	KUNIT_CASE(tables_of_version_1_are_handed_over),
	KUNIT_CASE(device_with_a_unity_map_of_an_alias_is_refused),
	KUNIT_CASE(device_with_another_table_is_refused),
	KUNIT_CASE(entries_nobody_reserved_are_free),
	KUNIT_CASE(held_index_stays_with_its_vector),
	{ }
};

static struct kunit_suite amd_test_suite = {
	.name		= "irq_liveupdate_amd",
	.init		= amd_ga_init,
	.test_cases	= amd_test_cases,
};

DEFINE_IOMMU_SUITE_CASES(amd_ga_cases);

static struct kunit_suite amd_ga_suite = {
	.name		= "irq_liveupdate_amd_ga_fmt",
	.init		= amd_ga_init,
	.test_cases	= amd_ga_cases,
};

DEFINE_IOMMU_SUITE_CASES(amd_legacy_cases);

static struct kunit_suite amd_legacy_suite = {
	.name		= "irq_liveupdate_amd_legacy_fmt",
	.init		= amd_legacy_init,
	.test_cases	= amd_legacy_cases,
};

DEFINE_TRANSLATION_SUITE_CASES(amd_dma_cases);

static struct kunit_suite amd_dma_suite = {
	.name		= "irq_liveupdate_amd_dma",
	.init		= amd_dma_init,
	.test_cases	= amd_dma_cases,
};

kunit_test_suites(&amd_test_suite, &amd_ga_suite, &amd_legacy_suite, &amd_dma_suite);

MODULE_DESCRIPTION("KUnit tests of interrupt live update on AMD-Vi");
MODULE_LICENSE("GPL");
