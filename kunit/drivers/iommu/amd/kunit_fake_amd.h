/* SPDX-License-Identifier: GPL-2.0 */
/*
 * An emulated AMD-Vi unit with one device, and another one that has the same alias.
 *
 * Its registers and its command buffer are memory, in which a hardware breakpoint
 * processes the commands. For the take-over, which asks the core for the records
 * of the previous kernel, the core is replaced by static stubs.
 */

#ifndef _KUNIT_FAKE_AMD_H
#define _KUNIT_FAKE_AMD_H

#include <kunit/irq_liveupdate/fake_core.h>
#include <kunit/irq_liveupdate/watch.h>
#include <kunit/static_stub.h>
#include <kunit/test.h>
#include <linux/amd-iommu.h>
#include <linux/bitfield.h>
#include <linux/iommu_liveupdate.h>
#include <linux/kho/abi/block.h>
#include <linux/pci.h>
#include <linux/xarray.h>
#include <asm/iommu.h>

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

static inline size_t entry_size(void)
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
	int	max_glx;
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
	amd_iommu_max_glx_val = machine.max_glx;
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
	machine.max_glx = amd_iommu_max_glx_val;
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
 * The device table
 */

static inline void fill_device_table(struct dev_table_entry *dev_table)
{
	u32 devid;

	for (devid = 0; devid <= LAST_BDF; devid++) {
		dev_table[devid].data[0] = DTE_FLAG_V | DTE_FLAG_TV | DTE_FLAG_IR | DTE_FLAG_IW |
					   SZ_1M | FIELD_PREP(DTE_MODE_MASK, 3);
		dev_table[devid].data[1] = 17;
		dev_table[devid].data[2] = dte_of_table(&the_unit->table);
	}
}

static inline unsigned int count_dtes(struct dev_table_entry *dev_table, unsigned int word,
				      u64 value)
{
	unsigned int devid, nr = 0;

	for (devid = 0; devid <= LAST_BDF; devid++)
		nr += dev_table[devid].data[word] == value;
	return nr;
}

static inline void expect_no_dma(struct kunit *test, struct dev_table_entry *dev_table)
{
	KUNIT_EXPECT_EQ(test, count_dtes(dev_table, 0, DTE_FLAG_V | DTE_FLAG_TV), LAST_BDF + 1);
	KUNIT_EXPECT_EQ(test, count_dtes(dev_table, 1, DTE_FLAG_SA), LAST_BDF + 1);
}

static inline void preserve_table(struct kunit *test)
{
	the_unit->table.blocked = alloc_memory(test, MAX_IRQS_PER_TABLE_2K / BITS_PER_BYTE);
	the_unit->table.nr_preserved = 1;
}

/*
 * The unit as its driver finds it, with an irq domain
 */

static inline void remove_segment(void *unused)
{
	struct fwnode_handle *fn = the_unit->iommu.ir_domain->fwnode;

	irq_domain_remove(the_unit->iommu.ir_domain);
	irq_domain_free_fwnode(fn);
	list_del(&the_unit->pci_seg.list);
}

static inline void add_segment(struct kunit *test)
{
	KUNIT_ASSERT_EQ(test, 0, amd_iommu_create_irq_domain(&the_unit->iommu));
	list_add(&the_unit->pci_seg.list, &amd_iommu_pci_seg_list);
	KUNIT_ASSERT_EQ(test, 0, kunit_add_action_or_reset(test, remove_segment, NULL));
}

/*
 * Commands that take a while
 */

static inline int fake_wait_once(struct amd_iommu *iommu)
{
	if (!the_unit->stalls)
		return iommu_completion_wait(iommu);
	the_unit->stalls--;
	return -EIO;
}

/* Invalidations of a device that is gone are in the queue, and more of them follow. */
static inline void stall(struct kunit *test, unsigned int stalls, unsigned int stalls_of_flush)
{
	kunit_activate_static_stub(test, amd_lu_wait_once, fake_wait_once);
	the_unit->stalls = stalls;
	the_unit->stalls_of_flush = stalls_of_flush;
}

static inline void expect_stalls_are_over(struct kunit *test)
{
	KUNIT_EXPECT_EQ(test, the_unit->stalls, 0);
	KUNIT_EXPECT_EQ(test, the_unit->stalls_of_flush, 0);
}

#endif /* _KUNIT_FAKE_AMD_H */
