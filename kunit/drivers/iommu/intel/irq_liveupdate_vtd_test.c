// SPDX-License-Identifier: GPL-2.0

/*
 * Tests of interrupt live update on VT-d: the driver on an emulated unit, see
 * kunit_fake_vtd.h. For the take-over, which asks the core for the records of
 * the previous kernel, the core is replaced by static stubs.
 */

#include <kunit/irq_liveupdate/fake_core.h>
#include <kunit/irq_liveupdate/iommu_suite.h>
#include <kunit/test.h>
#include <linux/interrupt.h>
#include <linux/kexec_handover.h>
#include <asm/x86_init.h>

#include "kunit_fake_posting.h"
#include "kunit_left_unit.h"
#include "../../pci/pci.h"
#include "../../../kernel/irq/kunit_load.h"
#include "../../../kernel/irq/liveupdate_ser.h"

#define HANDLE		0x1234
#define OTHER_HANDLE	0x8765

#define XAPIC		IRTE(0x0000070000310009, SOURCE)
#define X2APIC		IRTE(0x0123456700310009, SOURCE)
#define POSTED_MSI	IRTE(0x1234568000318001, BIT_ULL(32) | SOURCE)
#define POSTED_HIGH	(BIT_ULL(33) | SOURCE)
#define POSTED_VCPU	IRTE(0x89abcdc00041c001, POSTED_HIGH)

/* Source-id fields, VT-d spec r4.1 sec 9.10: SVT in bits 19:18 */
#define VERIFY_ID(id)		(BIT(18) | (id))
#define VERIFY_BUS(start, end)	(BIT(19) | (start) << 8 | (end))

/* No type of PCI Express */
#define CONVENTIONAL		(PCI_EXP_FLAGS_TYPE >> 4)

static int fake_unit_init(struct kunit *test)
{
	struct fake_unit *unit = alloc_unit(test);

	attend(test, unit);
	return hotplug(unit, true);
}

/* It is freed with the table. */
static void alloc_held(struct kunit *test, struct ir_table *table)
{
	table->held = bitmap_zalloc(INTR_REMAP_TABLE_ENTRIES, GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, table->held);
}

static void expect_entry(struct kunit *test, u32 handle, struct irte expected)
{
	struct fake_unit *unit = test->priv;
	struct irte *entry = &unit->iommu.ir_table->base[handle];

	KUNIT_EXPECT_MEMEQ_MSG(test, entry, &expected, sizeof(expected), "entry %#x", handle);
}

/*
 * Every intermediate state of an entry
 */

static void do_block(struct fake_unit *unit)
{
	struct irq_lu_vector_ser rec = { .handle = HANDLE, .source = SOURCE };

	ops_of(unit)->block(unit->iommu.ir_domain, &rec, 1);
}

static void do_write(struct fake_unit *unit)
{
	struct irq_2_iommu irq_iommu = { .iommu = &unit->iommu, .irte_index = HANDLE };
	struct irte target = unit->target;

	modify_irte(&irq_iommu, &target);
}

static void do_revoke(struct fake_unit *unit)
{
	struct irq_lu_vector_ser rec = { .handle = HANDLE, .source = SOURCE };

	ops_of(unit)->release(unit->iommu.ir_domain, &rec, 1, true);
}

static void do_drop(struct fake_unit *unit)
{
	intel_ir_drop_others(&unit->iommu);
}

static const struct transition {
	const char	*name;
	struct irte	old;
	void		(*act)(struct fake_unit *unit);
	struct irte	target;
	unsigned int	steps;
	unsigned int	flushes;
} transitions[] = {
	{ "block, remapped, xAPIC",	XAPIC,		do_block,	BLOCKED,	1, 0 },
	{ "block, remapped, x2APIC",	X2APIC,		do_block,	BLOCKED,	1, 0 },
	{ "block, posted to host",	POSTED_MSI,	do_block,	BLOCKED,	1, 0 },
	{ "block, posted to vCPU",	POSTED_VCPU,	do_block,	BLOCKED,	1, 0 },
	{ "block, not activated",	EMPTY,		do_block,	BLOCKED,	2, 0 },
	{ "activate, remapped, xAPIC",	BLOCKED,	do_write,	XAPIC,		1, 1 },
	{ "activate, remapped, x2APIC",	BLOCKED,	do_write,	X2APIC,		1, 1 },
	{ "activate, posted to host",	BLOCKED,	do_write,	POSTED_MSI,	1, 1 },
	{ "activate, posted to vCPU",	BLOCKED,	do_write,	POSTED_VCPU,	1, 1 },
	{ "revoke",			BLOCKED,	do_revoke,	REVOKED,	1, 0 },
	{ "drop, blocked",		BLOCKED,	do_drop,	REVOKED,	1, 0 },
	{ "drop, remapped",		X2APIC,		do_drop,	REVOKED,	2, 0 },
	{ "drop, posted",		POSTED_VCPU,	do_drop,	REVOKED,	1, 0 },
	{ "drop, never used",		EMPTY,		do_drop,	EMPTY,		0, 0 },
};

KUNIT_ARRAY_PARAM_DESC(transition, transitions, name);

static void every_step_is_old_or_target(struct kunit *test)
{
	const struct transition *t = test->param_value;
	struct fake_unit *unit = test->priv;
	struct ir_table *table = unit->iommu.ir_table;

	if (t->act == do_block)
		alloc_blocked(test, table);
	alloc_held(test, table);
	table->base[HANDLE] = t->old;
	observe(test, HANDLE, t->target);

	t->act(unit);

	expect_entry(test, HANDLE, t->target);
	KUNIT_EXPECT_FALSE(test, unit->torn);
	KUNIT_EXPECT_FALSE(test, unit->unverified && t->target.present);
	KUNIT_EXPECT_EQ(test, unit->steps, t->steps);
	KUNIT_EXPECT_EQ(test, unit->selective, t->flushes);
	KUNIT_EXPECT_EQ(test, unit->waits, t->flushes);
	KUNIT_EXPECT_EQ(test, unit->global, 0);
	KUNIT_EXPECT_MEMEQ(test, &unit->cached, t->flushes ? &t->target : &t->old,
			   sizeof(t->target));
}

static void observer_sees_torn_entries(struct kunit *test)
{
	struct fake_unit *unit = test->priv;

	unit->iommu.ir_table->base[HANDLE] = POSTED_VCPU;
	observe(test, HANDLE, XAPIC);

	WRITE_ONCE(unit->entry->low, XAPIC.low);
	KUNIT_EXPECT_FALSE(test, unit->torn);
	WRITE_ONCE(unit->entry->high, 0);
	KUNIT_EXPECT_TRUE(test, unit->torn);

	unit->torn = false;
	WRITE_ONCE(unit->entry->high, SOURCE);
	KUNIT_EXPECT_FALSE(test, unit->torn);
	WRITE_ONCE(unit->entry->low, POSTED_VCPU.low);
	KUNIT_EXPECT_TRUE(test, unit->torn);
	KUNIT_EXPECT_EQ(test, unit->stores, 4);
	KUNIT_EXPECT_EQ(test, unit->steps, 4);
}

/*
 * The kernel that hands over
 */

static void preserved_table_works_until_it_is_blocked(struct kunit *test)
{
	struct device *dev = &alloc_device(test)->pdev.dev;
	struct fake_unit *unit = test->priv;
	struct intel_iommu *iommu = &unit->iommu;
	struct irq_lu_unit_ser ser = { };

	if (!kho_is_enabled())
		kunit_skip(test, "KHO is off, boot with kho=on");

	writeq(IRTA_EIME | readq(iommu->reg + DMAR_IRTA_REG), iommu->reg + DMAR_IRTA_REG);
	KUNIT_ASSERT_EQ(test, 0, ops_of(unit)->preserve(iommu->ir_domain, dev, &ser));
	KUNIT_EXPECT_EQ(test, ser.backend, IRQ_LU_BACKEND_VTD);
	KUNIT_EXPECT_EQ(test, ser.reg_base, iommu->reg_phys);
	KUNIT_EXPECT_EQ(test, ser.table, virt_to_phys(iommu->ir_table->base));
	KUNIT_EXPECT_EQ(test, ser.nr_entries, INTR_REMAP_TABLE_ENTRIES);
	KUNIT_EXPECT_EQ(test, ser.flags, IRQ_LU_UNIT_X2APIC);

	unit->target = X2APIC;
	do_write(unit);
	expect_entry(test, HANDLE, X2APIC);
	do_block(unit);
	do_write(unit);
	expect_entry(test, HANDLE, BLOCKED);

	ops_of(unit)->unpreserve(iommu->ir_domain, dev);
	KUNIT_EXPECT_FALSE(test, irte_is_blocked(iommu->ir_table, HANDLE));
	do_write(unit);
	expect_entry(test, HANDLE, X2APIC);
}

/* The next kernel would not find the unit when it boots. */
static void device_behind_a_hot_added_unit_is_refused(struct kunit *test)
{
	struct device *dev = &alloc_device(test)->pdev.dev;
	struct fake_unit *unit = test->priv;
	struct irq_lu_unit_ser ser = { };

	unit->iommu.flags |= VTD_FLAG_HOT_ADDED;
	KUNIT_EXPECT_EQ(test, -EOPNOTSUPP,
			ops_of(unit)->preserve(unit->iommu.ir_domain, dev, &ser));
	KUNIT_EXPECT_NULL(test, unit->iommu.ir_table->preserved);
}

static void every_message_is_saved_with_its_entry(struct kunit *test)
{
	struct fake_unit *unit = test->priv;
	struct irq_data *irqd = alloc_irqs(test, 2);
	u32 handle = handle_of(unit, irqd);

	KUNIT_EXPECT_EQ(test, handle + 1, handle_of(unit, irq_get_irq_data(irqd->irq + 1)));
	KUNIT_EXPECT_TRUE(test, test_bit(handle, unit->iommu.ir_table->bitmap));
}

static void late_modify_irte_does_nothing(struct kunit *test)
{
	struct fake_unit *unit = test->priv;
	struct irq_2_iommu irq_iommu = { .iommu = &unit->iommu, .irte_index = HANDLE - 1,
					 .sub_handle = 1 };
	struct irte late[] = { XAPIC, POSTED_VCPU, EMPTY };
	unsigned int i;

	alloc_blocked(test, unit->iommu.ir_table);
	do_block(unit);
	observe(test, HANDLE, BLOCKED);

	for (i = 0; i < ARRAY_SIZE(late); i++)
		KUNIT_EXPECT_EQ(test, 0, modify_irte(&irq_iommu, &late[i]));
	KUNIT_EXPECT_EQ(test, unit->stores, 0);
	KUNIT_EXPECT_EQ(test, unit->waits, 0);

	/* The neighbour is not handed over. */
	irq_iommu.sub_handle = 0;
	KUNIT_EXPECT_EQ(test, 0, modify_irte(&irq_iommu, &late[0]));
	expect_entry(test, HANDLE - 1, XAPIC);
	KUNIT_EXPECT_EQ(test, unit->waits, 1);
}

KUNIT_ARRAY_PARAM_DESC(posting, postings, name);

/* What the rest of the kernel still does to its interrupts */
static void nothing_opens_a_blocked_entry(struct kunit *test)
{
	const struct posting *p = test->param_value;
	struct irq_lu_vector_ser rec = { };
	struct fake_unit *unit = test->priv;
	struct ir_table *table = unit->iommu.ir_table;
	struct irq_data *irqd = alloc_irqs(test, 1);

	start(test, irqd, p);
	ops_of(unit)->save(unit->iommu.ir_domain, irqd, &rec);
	KUNIT_EXPECT_EQ(test, rec.source, SOURCE);
	KUNIT_EXPECT_TRUE(test, table->base[rec.handle].present);
	KUNIT_EXPECT_EQ(test, !!table->base[rec.handle].pst, p->to_host || p->to_vcpu);

	alloc_blocked(test, table);
	ops_of(unit)->block(unit->iommu.ir_domain, &rec, 1);
	observe(test, rec.handle, BLOCKED);
	expect_entry(test, rec.handle, BLOCKED);

	KUNIT_EXPECT_EQ(test, 0, post_to_vcpu(irqd));
	KUNIT_EXPECT_EQ(test, 0, irq_set_vcpu_affinity(irqd->irq, NULL));
	KUNIT_EXPECT_EQ(test, 0, irq_set_affinity(irqd->irq, cpu_online_mask));
	irq_domain_deactivate_irq(irqd);
	KUNIT_EXPECT_EQ(test, 0, irq_domain_activate_irq(irqd, false));
	irq_domain_deactivate_irq(irqd);
	free_irq_of(test, irqd);

	KUNIT_EXPECT_EQ(test, unit->stores, 0);
	KUNIT_EXPECT_EQ(test, unit->waits, 0);
	KUNIT_EXPECT_TRUE(test, test_bit(rec.handle, table->bitmap));
}

/* The descriptor to which the unit posts an interrupt of @entry, 0 if it does not. */
static u64 posted_to(const struct fake_unit *unit)
{
	const struct irte *used = &unit->cached;

	if (!used->present || !used->pst)
		return 0;
	return (u64)used->pda_h << 32 | (u64)used->pda_l << (32 - PDA_LOW_BIT);
}

/* Until the flush the unit may use its copy of the entry. */
static void no_descriptor_is_written_after_the_flush(struct kunit *test)
{
	struct fake_unit *unit = test->priv;
	struct irq_data *irqd = alloc_irqs(test, 1);
	u64 descriptor = start(test, irqd, test->param_value);
	struct irq_lu_vector_ser rec = { };

	alloc_blocked(test, unit->iommu.ir_table);
	ops_of(unit)->save(unit->iommu.ir_domain, irqd, &rec);
	observe(test, rec.handle, BLOCKED);
	KUNIT_EXPECT_EQ(test, posted_to(unit), descriptor);

	ops_of(unit)->block(unit->iommu.ir_domain, &rec, 1);
	expect_entry(test, rec.handle, BLOCKED);
	KUNIT_EXPECT_FALSE(test, unit->torn);
	KUNIT_EXPECT_EQ(test, unit->steps, 1);
	KUNIT_EXPECT_EQ(test, unit->waits, 0);
	KUNIT_EXPECT_EQ(test, posted_to(unit), descriptor);

	ops_of(unit)->sync(unit->iommu.ir_domain);
	KUNIT_EXPECT_EQ(test, unit->global, 1);
	KUNIT_EXPECT_EQ(test, unit->waits, 1);
	KUNIT_EXPECT_FALSE(test, unit->cached.present);
	KUNIT_EXPECT_EQ(test, posted_to(unit), 0);

	KUNIT_EXPECT_EQ(test, 0, post_to_vcpu(irqd));
	KUNIT_EXPECT_EQ(test, 0, irq_set_vcpu_affinity(irqd->irq, NULL));
	ops_of(unit)->sync(unit->iommu.ir_domain);
	expect_entry(test, rec.handle, BLOCKED);
	KUNIT_EXPECT_EQ(test, posted_to(unit), 0);
}

static void sync_flushes_once_and_masks_events(struct kunit *test)
{
	struct fake_unit *unit = test->priv;
	void __iomem *reg = unit->iommu.reg;
	unsigned int i;

	alloc_blocked(test, unit->iommu.ir_table);
	unit->iommu.ir_table->base[HANDLE] = POSTED_VCPU;
	observe(test, HANDLE, BLOCKED);

	for (i = 0; i < 7; i++)
		do_block(unit);
	KUNIT_EXPECT_EQ(test, unit->waits, 0);

	ops_of(unit)->sync(unit->iommu.ir_domain);
	KUNIT_EXPECT_EQ(test, unit->global, 1);
	KUNIT_EXPECT_EQ(test, unit->selective, 0);
	KUNIT_EXPECT_EQ(test, unit->waits, 1);
	KUNIT_EXPECT_MEMEQ(test, &unit->cached, &BLOCKED, sizeof(struct irte));
	KUNIT_EXPECT_EQ(test, readl(reg + DMAR_FECTL_REG), DMA_FECTL_IM);
	KUNIT_EXPECT_EQ(test, readl(reg + DMAR_PECTL_REG), 0);

	unit->iommu.ecap |= FAKE_ECAP_PRS;
	ops_of(unit)->sync(unit->iommu.ir_domain);
	KUNIT_EXPECT_EQ(test, readl(reg + DMAR_PECTL_REG), DMA_FECTL_IM);
}

static void sync_flushes_again_when_a_device_spoils_it(struct kunit *test)
{
	struct fake_unit *unit = test->priv;

	alloc_blocked(test, unit->iommu.ir_table);
	unit->global = 0;
	unit->spoiled = 2;

	KUNIT_EXPECT_EQ(test, ops_of(unit)->sync(unit->iommu.ir_domain), 0);
	KUNIT_EXPECT_EQ(test, unit->spoiled, 0);
	KUNIT_EXPECT_EQ(test, unit->global, 1);
}

static void sync_fails_when_nothing_can_be_flushed(struct kunit *test)
{
	struct fake_unit *unit = test->priv;

	alloc_blocked(test, unit->iommu.ir_table);
	unit->spoiled = UINT_MAX;

	KUNIT_EXPECT_EQ(test, ops_of(unit)->sync(unit->iommu.ir_domain), -ETIMEDOUT);
	unit->spoiled = 0;
}

static void note_flush(struct intel_iommu *iommu, void *addr, int size)
{
	struct fake_unit *unit = container_of(iommu, struct fake_unit, iommu);
	void *entry = unit->entry;

	if (entry >= addr && entry + sizeof(*unit->entry) <= addr + size)
		unit->dirty = false;
}

/* For a unit that does not snoop the caches */
static void blocked_entry_is_written_back(struct kunit *test)
{
	struct fake_unit *unit = test->priv;

	kunit_activate_static_stub(test, __iommu_flush_cache, note_flush);
	alloc_blocked(test, unit->iommu.ir_table);
	unit->iommu.ir_table->base[HANDLE] = X2APIC;
	observe(test, HANDLE, BLOCKED);

	do_block(unit);
	KUNIT_EXPECT_GT(test, unit->steps, 0);
	KUNIT_EXPECT_FALSE(test, unit->dirty);
}

static void shutdown_stops_the_queues_of_units_handed_over(struct kunit *test)
{
	struct fake_unit *unit = test->priv;
	void __iomem *reg = unit->iommu.reg;

	if (!list_empty(&dmar_drhd_units))
		kunit_skip(test, "this machine has VT-d, which would be shut down as well");

	unit->iommu.ecap |= FAKE_ECAP_PRS;
	writeq(PAGE_SIZE, reg + DMAR_PQA_REG);
	list_add(&unit->drhd.list, &dmar_drhd_units);

	x86_platform.iommu_shutdown();
	KUNIT_EXPECT_TRUE(test, readl(reg + DMAR_GSTS_REG) & DMA_GSTS_QIES);
	KUNIT_EXPECT_EQ(test, readq(reg + DMAR_PQA_REG), PAGE_SIZE);

	alloc_blocked(test, unit->iommu.ir_table);
	x86_platform.iommu_shutdown();
	KUNIT_EXPECT_FALSE(test, readl(reg + DMAR_GSTS_REG) & DMA_GSTS_QIES);
	KUNIT_EXPECT_EQ(test, readq(reg + DMAR_PQA_REG), 0);
	KUNIT_EXPECT_TRUE(test, readl(reg + DMAR_GSTS_REG) & DMA_GSTS_IRES);
	KUNIT_EXPECT_FALSE(test, unit->disabled);

	list_del(&unit->drhd.list);
}

/*
 * The kernel that takes over
 */

/* Entries that were handed over may be in x2APIC mode while the local APICs are in xAPIC mode. */
static void entries_keep_their_mode_on_resume(struct kunit *test)
{
	struct fake_unit *unit = test->priv;
	void __iomem *reg = unit->iommu.reg;
	u64 irta = readq(reg + DMAR_IRTA_REG);

	if (!list_empty(&dmar_drhd_units))
		kunit_skip(test, "this machine has VT-d, which would be set up again as well");

	list_add(&unit->drhd.list, &dmar_drhd_units);
	KUNIT_EXPECT_EQ(test, 0, intel_irq_remap_ops.reenable(!(irta & IRTA_EIME)));
	list_del(&unit->drhd.list);

	KUNIT_EXPECT_EQ(test, readq(reg + DMAR_IRTA_REG), irta);
	KUNIT_EXPECT_TRUE(test, readl(reg + DMAR_GSTS_REG) & DMA_GSTS_IRES);
}

static const struct reservation {
	const char	*name;
	struct irte	entry;
	bool		taken;
	u32		source;
	int		ret;
	u32		index;		/* in the message, zero if not activated */
	u32		subhandle;
} reservations[] = {
	{ "blocked",		  BLOCKED,			false, SOURCE,		 0 },
	{ "taken",		  BLOCKED,			true,  SOURCE,		 -EEXIST },
	{ "remapped",		  XAPIC,			false, SOURCE,		 -EINVAL },
	{ "posted",		  POSTED_VCPU,			false, SOURCE,		 -EINVAL },
	{ "half posted",	  IRTE(IRTE_FPD, POSTED_HIGH),	false, SOURCE,		 -EINVAL },
	{ "reporting faults",	  IRTE(0, SOURCE),		false, SOURCE,		 -EINVAL },
	{ "empty",		  EMPTY,			false, SOURCE,		 -EINVAL },
	{ "another source",	  BLOCKED,			false, SOURCE + 1,	 -EINVAL },
	{ "another verification", BLOCKED,			false, SOURCE ^ BIT(16), -EINVAL },
	{ "its message",	  BLOCKED,			false, SOURCE,		 0,
	  HANDLE, 0 },
	{ "its MSI message",	  BLOCKED,			false, SOURCE,		 0,
	  HANDLE - 3, 3 },
	{ "another message",	  BLOCKED,			false, SOURCE,		 -EINVAL,
	  HANDLE + 1, 0 },
	{ "far away message",	  BLOCKED,			false, SOURCE,		 -EINVAL,
	  HANDLE | BIT(15), 0 },
	{ "another MSI message",  BLOCKED,			false, SOURCE,		 -EINVAL,
	  HANDLE, 1 },
};

KUNIT_ARRAY_PARAM_DESC(reservation, reservations, name);

static void activate(struct irq_lu_vector_ser *rec, u32 index, u32 subhandle)
{
	struct msi_msg msg = {
		.arch_addr_lo = {
			.dmar_base_address	= X86_MSI_BASE_ADDRESS_LOW,
			.dmar_format		= 1,
			.dmar_subhandle_valid	= 1,
			.dmar_index_0_14	= index & GENMASK(14, 0),
			.dmar_index_15		= index >> 15,
		},
		.arch_data.dmar_subhandle = subhandle,
	};

	rec->flags = IRQ_LU_VECTOR_ACTIVATED;
	rec->msg_addr_lo = msg.address_lo;
	rec->msg_data = msg.data;
}

static void reserve_takes_what_is_recorded(struct kunit *test)
{
	const struct reservation *r = test->param_value;
	struct irq_lu_vector_ser rec = { .handle = HANDLE, .source = r->source };
	struct fake_unit *unit = test->priv;
	struct ir_table *table = unit->iommu.ir_table;

	if (r->index)
		activate(&rec, r->index, r->subhandle);
	alloc_held(test, table);
	table->base[HANDLE] = r->entry;
	__assign_bit(HANDLE, table->bitmap, r->taken);
	observe(test, HANDLE, r->entry);

	KUNIT_EXPECT_EQ(test, r->ret, ops_of(unit)->reserve(unit->iommu.ir_domain, &rec, 1));
	KUNIT_EXPECT_EQ(test, test_bit(HANDLE, table->bitmap), r->taken || !r->ret);
	KUNIT_EXPECT_EQ(test, irte_is_held(table, HANDLE), !r->ret);
	KUNIT_EXPECT_EQ(test, unit->stores, 0);
	KUNIT_EXPECT_EQ(test, unit->waits, 0);
}

static void held_index_stays_with_its_vector(struct kunit *test)
{
	struct fake_unit *unit = test->priv;
	struct irq_domain *d = unit->iommu.ir_domain;
	struct ir_table *table = unit->iommu.ir_table;
	struct irq_data *irqd = alloc_irqs(test, 1);
	u32 handle = handle_of(unit, irqd);
	struct irq_lu_vector_ser rec = { .handle = handle };

	alloc_held(test, table);
	__set_bit(handle, table->held);
	/* As the activation of an interrupt that nobody requests leaves it */
	table->base[handle] = XAPIC;
	free_irq_of(test, irqd);
	expect_entry(test, handle, BLOCKED);
	KUNIT_EXPECT_NE(test, handle, handle_of(unit, alloc_irqs(test, 1)));

	ops_of(unit)->release(d, &rec, 1, true);
	KUNIT_EXPECT_FALSE(test, irte_is_held(table, handle));
	irqd = alloc_irqs(test, 1);
	KUNIT_EXPECT_EQ(test, handle, handle_of(unit, irqd));

	/* An entry that is released without being revoked belongs to its user. */
	__set_bit(handle, table->held);
	ops_of(unit)->release(d, &rec, 1, false);
	KUNIT_EXPECT_FALSE(test, irte_is_held(table, handle));
	KUNIT_EXPECT_TRUE(test, test_bit(handle, table->bitmap));
	free_irq_of(test, irqd);
	KUNIT_EXPECT_FALSE(test, test_bit(handle, table->bitmap));
}

static void held_entry_keeps_its_source_when_it_is_closed(struct kunit *test)
{
	struct fake_unit *unit = test->priv;
	struct ir_table *table = unit->iommu.ir_table;
	struct irq_2_iommu irq_iommu = { .iommu = &unit->iommu, .irte_index = HANDLE };
	struct irte closed = EMPTY, open = XAPIC;

	alloc_held(test, table);
	__set_bit(HANDLE, table->held);
	table->base[HANDLE] = XAPIC;
	observe(test, HANDLE, BLOCKED);
	KUNIT_EXPECT_EQ(test, 0, modify_irte(&irq_iommu, &closed));
	expect_entry(test, HANDLE, BLOCKED);
	KUNIT_EXPECT_EQ(test, unit->waits, 1);

	unit->old = BLOCKED;
	unit->target = XAPIC;
	KUNIT_EXPECT_EQ(test, 0, modify_irte(&irq_iommu, &open));
	expect_entry(test, HANDLE, XAPIC);
	KUNIT_EXPECT_GT(test, unit->stores, 0);
	KUNIT_EXPECT_FALSE(test, unit->torn);
	KUNIT_EXPECT_FALSE(test, unit->unverified);
}

static void check_compares_the_source(struct kunit *test)
{
	struct irq_lu_vector_ser rec = { .handle = HANDLE, .source = SOURCE };
	struct fake_device *dev = alloc_device(test);
	struct fake_unit *unit = test->priv;
	struct irq_domain *d = unit->iommu.ir_domain;

	KUNIT_EXPECT_TRUE(test, ops_of(unit)->check(d, &dev->pdev.dev, &rec));
	dev->pdev.devfn++;
	KUNIT_EXPECT_FALSE(test, ops_of(unit)->check(d, &dev->pdev.dev, &rec));
	dev->pdev.devfn--;
	dev->pdev.dev.bus = NULL;
	KUNIT_EXPECT_FALSE(test, ops_of(unit)->check(d, &dev->pdev.dev, &rec));
}

/* intremap=nosid: the unit does not look at the source, but the record has it. */
static void check_compares_a_source_which_is_not_verified(struct kunit *test)
{
	struct irq_lu_vector_ser unverified = { .source = SOURCE & (u16)~0 };
	struct irq_lu_vector_ser verified = { .source = SOURCE };
	struct fake_device *dev = alloc_device(test);
	struct fake_unit *unit = test->priv;
	struct irq_domain *d = unit->iommu.ir_domain;

	disable_sourceid_checking = 1;
	KUNIT_EXPECT_TRUE(test, ops_of(unit)->check(d, &dev->pdev.dev, &unverified));
	KUNIT_EXPECT_FALSE(test, ops_of(unit)->check(d, &dev->pdev.dev, &verified));
	dev->pdev.devfn++;
	KUNIT_EXPECT_FALSE(test, ops_of(unit)->check(d, &dev->pdev.dev, &unverified));
	disable_sourceid_checking = 0;

	dev->pdev.devfn--;
	KUNIT_EXPECT_FALSE(test, ops_of(unit)->check(d, &dev->pdev.dev, &unverified));
}

/*
 * Devices whose interrupts arrive with the requester id of another one
 */

/* A bridge between the bus of @dev and the root bus. */
static void put_behind(struct kunit *test, struct fake_device *dev, unsigned int type)
{
	struct fake_device *bridge = alloc_device(test);

	bridge->bus.number = 0;
	bridge->pdev.devfn = PCI_DEVFN(4, 0);
	bridge->pdev.pcie_cap = type == CONVENTIONAL ? 0 : PCI_CFG_SPACE_SIZE / 2;
	bridge->pdev.pcie_flags_reg = FIELD_PREP(PCI_EXP_FLAGS_TYPE, type);
	bridge->pdev.subordinate = &dev->bus;
	dev->bus.parent = &bridge->bus;
	dev->bus.self = &bridge->pdev;
}

/* A second bridge above: the first one is on the bus with number 2. */
static void put_behind_two(struct kunit *test, struct fake_device *dev, unsigned int type)
{
	struct fake_device *upper;

	put_behind(test, dev, CONVENTIONAL);
	upper = container_of(dev->bus.parent, struct fake_device, bus);
	upper->bus.number = 2;
	put_behind(test, upper, type);
}

static void add_alias(struct kunit *test, struct fake_device *dev, unsigned int devfn)
{
	dev->pdev.dma_alias_mask = kunit_kzalloc(test, BITS_TO_LONGS(MAX_NR_DEVFNS) *
						 sizeof(long), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, dev->pdev.dma_alias_mask);
	__set_bit(devfn, dev->pdev.dma_alias_mask);
}

static void put_behind_root_port(struct kunit *test, struct fake_device *dev)
{
	put_behind(test, dev, PCI_EXP_TYPE_ROOT_PORT);
}

static void put_behind_pci_bridge(struct kunit *test, struct fake_device *dev)
{
	put_behind(test, dev, PCI_EXP_TYPE_PCI_BRIDGE);
}

static void put_behind_two_pci_bridges(struct kunit *test, struct fake_device *dev)
{
	put_behind_two(test, dev, PCI_EXP_TYPE_PCI_BRIDGE);
}

static void put_behind_pcie_bridge(struct kunit *test, struct fake_device *dev)
{
	put_behind(test, dev, PCI_EXP_TYPE_PCIE_BRIDGE);
}

static void add_function_alias(struct kunit *test, struct fake_device *dev)
{
	add_alias(test, dev, PCI_DEVFN(2, 0));
}

static const struct requester {
	const char	*name;
	void		(*place)(struct kunit *test, struct fake_device *dev);
	u32		source;
} requesters[] = {
	{ "PCI Express",		put_behind_root_port,	    VERIFY_ID(0x0311) },
	{ "PCIe-to-PCI bridge",		put_behind_pci_bridge,	    VERIFY_BUS(3, 3) },
	{ "PCI bridge below",		put_behind_two_pci_bridges, VERIFY_BUS(2, 3) },
	{ "PCI-to-PCIe bridge",		put_behind_pcie_bridge,	    VERIFY_ID(0x0020) },
	{ "alias of a function",	add_function_alias,	    VERIFY_BUS(3, 3) },
};

KUNIT_ARRAY_PARAM_DESC(requester, requesters, name);

static void expect_refused(struct kunit *test, struct fake_device *dev,
			   const struct irq_lu_vector_ser *rec)
{
	struct fake_unit *unit = test->priv;

	KUNIT_EXPECT_FALSE(test, ops_of(unit)->check(unit->iommu.ir_domain, &dev->pdev.dev, rec));
}

static void source_of_an_alias_is_carried(struct kunit *test)
{
	const struct requester *r = test->param_value;
	struct fake_device *dev = alloc_device(test);
	struct fake_unit *unit = test->priv;
	struct irq_domain *d = unit->iommu.ir_domain;
	struct ir_table *table = unit->iommu.ir_table;
	struct irq_lu_vector_ser rec = { };
	struct irq_data *irqd;

	r->place(test, dev);
	irqd = alloc_irqs_of(test, dev, -1, 1);
	KUNIT_ASSERT_EQ(test, 0, irq_domain_activate_irq(irqd, false));
	ops_of(unit)->save(d, irqd, &rec);
	KUNIT_EXPECT_EQ(test, rec.source, r->source);

	alloc_blocked(test, table);
	observe(test, rec.handle, IRTE(IRTE_FPD, r->source));
	ops_of(unit)->block(d, &rec, 1);
	expect_entry(test, rec.handle, IRTE(IRTE_FPD, r->source));
	KUNIT_EXPECT_FALSE(test, unit->torn);
	KUNIT_EXPECT_TRUE(test, ops_of(unit)->check(d, &dev->pdev.dev, &rec));
}

static void source_of_an_alias_fits_nobody_else(struct kunit *test)
{
	const struct requester *r = test->param_value;
	struct irq_lu_vector_ser rec = { .handle = HANDLE, .source = r->source };
	struct fake_device *dev = alloc_device(test);
	struct fake_unit *unit = test->priv;
	struct fake_device *stranger;
	unsigned int bit;

	/* At another address, with and without a bridge */
	stranger = alloc_device(test);
	stranger->pdev.devfn++;
	expect_refused(test, stranger, &rec);
	stranger->bus.number++;
	put_behind_pci_bridge(test, stranger);
	expect_refused(test, stranger, &rec);

	r->place(test, dev);
	KUNIT_EXPECT_TRUE(test, ops_of(unit)->check(unit->iommu.ir_domain, &dev->pdev.dev, &rec));
	for (bit = 0; bit < 32; bit++) {
		rec.source = r->source ^ BIT(bit);
		expect_refused(test, dev, &rec);
	}
}

static struct fake_unit *hand_over(struct kunit *test)
{
	struct fake_unit *unit = test->priv;
	const struct fake_core core = {
		.handed_over	= true,
		.ops		= ops_of(unit),
		.vector		= { .handle = HANDLE, .source = SOURCE },
		.record		= {
			.reg_base	= unit->iommu.reg_phys,
			.table		= virt_to_phys(unit->iommu.ir_table->base),
		},
	};

	replace_core(test, &core);
	return unit;
}

static const struct fit {
	const char	*name;
	bool		x2apic;
	u32		flags;
	u32		nr_entries;
	s64		table;
	u64		irta;
	u32		gsts;
	bool		restored;
	bool		refused;
} fits[] = {
	{ "xAPIC",	   false, 0, SZ_64K, 0,	     0x00f, DMA_GSTS_IRES, true,  false },
	{ "x2APIC",	   true,  1, SZ_64K, 0,	     0x80f, DMA_GSTS_IRES, true,  false },
	{ "disabled",	   false, 0, SZ_64K, 0,	     0x00f, 0,		   false, true },
	{ "other size",	   false, 0, SZ_64K, 0,	     0x00e, DMA_GSTS_IRES, false, true },
	{ "other entries", false, 0, SZ_32K, 0,	     0x00f, DMA_GSTS_IRES, false, true },
	{ "other table",   false, 0, SZ_64K, -SZ_1M, 0x00f, DMA_GSTS_IRES, false, true },
	{ "was x2APIC",	   false, 1, SZ_64K, 0,	     0x00f, DMA_GSTS_IRES, true,  true },
	{ "is x2APIC",	   false, 0, SZ_64K, 0,	     0x80f, DMA_GSTS_IRES, true,  true },
	{ "to be x2APIC",  true,  0, SZ_64K, 0,	     0x00f, DMA_GSTS_IRES, true,  true },
};

KUNIT_ARRAY_PARAM_DESC(fit, fits, name);

static void table_is_restored_if_it_fits(struct kunit *test)
{
	const struct fit *f = test->param_value;
	struct fake_unit *unit = hand_over(test);
	void *left = alloc_table(test);
	void *restored;

	writel(f->gsts, unit->iommu.reg + DMAR_GSTS_REG);
	writeq(virt_to_phys(left) | f->irta, unit->iommu.reg + DMAR_IRTA_REG);
	fake_core.record.table = virt_to_phys(left) + f->table;
	fake_core.record.nr_entries = f->nr_entries;
	fake_core.record.flags = f->flags;

	restored = intel_ir_restore_table(&unit->iommu, f->x2apic);
	KUNIT_EXPECT_PTR_EQ(test, restored, f->restored ? left : NULL);
	KUNIT_EXPECT_EQ(test, !!fake_core.refused, f->refused);
	iommu_free_pages(restored);
}

static void take_over_leaves_what_is_reserved_and_nothing_else(struct kunit *test)
{
	struct fake_unit *unit = hand_over(test);
	struct ir_table *table = unit->iommu.ir_table;

	table->base[HANDLE] = BLOCKED;
	table->base[HANDLE + 1] = X2APIC;
	table->base[OTHER_HANDLE] = BLOCKED;
	observe(test, HANDLE, BLOCKED);

	KUNIT_EXPECT_TRUE(test, intel_ir_take_over(&unit->iommu));
	KUNIT_EXPECT_NULL(test, fake_core.refused);
	KUNIT_ASSERT_NOT_NULL(test, table->held);
	KUNIT_EXPECT_TRUE(test, irte_is_held(table, HANDLE));
	KUNIT_EXPECT_EQ(test, bitmap_weight(table->held, INTR_REMAP_TABLE_ENTRIES), 1);
	KUNIT_EXPECT_EQ(test, bitmap_weight(table->bitmap, INTR_REMAP_TABLE_ENTRIES), 1);
	KUNIT_EXPECT_EQ(test, unit->stores, 0);
	expect_entry(test, HANDLE + 1, REVOKED);
	expect_entry(test, OTHER_HANDLE, REVOKED);
	KUNIT_EXPECT_FALSE(test, unit->disabled);
}

static unsigned int count_revoked(struct ir_table *table)
{
	unsigned int i, nr = 0;

	for (i = 0; i < INTR_REMAP_TABLE_ENTRIES; i++)
		nr += table->base[i].irte == REVOKED.irte;
	return nr;
}

static void table_of_a_unit_not_taken_over_reports_no_faults(struct kunit *test)
{
	struct fake_unit *unit = hand_over(test);
	struct ir_table *table = unit->iommu.ir_table;

	fake_core.handed_over = false;
	fake_core.record.reg_base++;
	KUNIT_EXPECT_FALSE(test, intel_ir_take_over(&unit->iommu));
	KUNIT_EXPECT_EQ(test, count_revoked(table), 0);

	fake_core.handed_over = true;
	KUNIT_EXPECT_TRUE(test, intel_ir_take_over(&unit->iommu));
	KUNIT_EXPECT_EQ(test, count_revoked(table), INTR_REMAP_TABLE_ENTRIES);

	memset64((u64 *)table->base, 0, SZ_1M / sizeof(u64));
	hand_over(test);
	fake_core.record.table += SZ_1M;
	KUNIT_EXPECT_TRUE(test, intel_ir_take_over(&unit->iommu));
	KUNIT_EXPECT_EQ(test, count_revoked(table), INTR_REMAP_TABLE_ENTRIES);
	KUNIT_EXPECT_NULL(test, table->held);
}

/*
 * The messages of MSI
 */

static void describe_messages(const unsigned int *nr, char *desc)
{
	snprintf(desc, KUNIT_PARAM_DESC_SIZE, "%u messages", *nr);
}

static const unsigned int message_counts[] = { 1, 2, 3, 4, 8, 17, 32 };

KUNIT_ARRAY_PARAM(messages, message_counts, describe_messages);

/* The first entry after HANDLE at which a block of any size can start */
#define BLOCK_HANDLE	ALIGN(HANDLE, 32)

static void expect_bits(struct kunit *test, u32 handle, unsigned int nr, bool held, bool used)
{
	struct fake_unit *unit = test->priv;
	struct ir_table *table = unit->iommu.ir_table;
	unsigned long end = handle + nr;

	KUNIT_EXPECT_EQ(test, bitmap_weight(table->held, INTR_REMAP_TABLE_ENTRIES),
			held ? nr : 0);
	KUNIT_EXPECT_EQ(test, find_next_zero_bit(table->held, end, handle), held ? end : handle);
	KUNIT_EXPECT_EQ(test, find_next_bit(table->bitmap, end, handle), used ? handle : end);
	KUNIT_EXPECT_EQ(test, find_next_zero_bit(table->bitmap, end, handle),
			used ? end : handle);
}

static void expect_entries(struct kunit *test, u32 handle, unsigned int nr, struct irte entry)
{
	while (nr--)
		expect_entry(test, handle + nr, entry);
}

static void block_of_messages_is_reserved_as_a_whole(struct kunit *test)
{
	unsigned int nr = *(const unsigned int *)test->param_value;
	unsigned int nr_entries = roundup_pow_of_two(nr);
	struct irq_lu_vector_ser rec = { .handle = BLOCK_HANDLE, .source = SOURCE };
	struct fake_unit *unit = test->priv;
	struct irq_domain *d = unit->iommu.ir_domain;
	struct ir_table *table = unit->iommu.ir_table;
	u32 last = BLOCK_HANDLE + nr_entries - 1;

	alloc_held(test, table);
	for (u32 i = 0; i < 2 * nr_entries; i++)
		table->base[BLOCK_HANDLE + i] = BLOCKED;

	rec.handle += nr_entries / 2;
	KUNIT_EXPECT_EQ(test, ops_of(unit)->reserve(d, &rec, nr), nr > 1 ? -EINVAL : 0);
	ops_of(unit)->release(d, &rec, nr, false);
	bitmap_zero(table->bitmap, INTR_REMAP_TABLE_ENTRIES);
	rec.handle = BLOCK_HANDLE;

	table->base[last] = X2APIC;
	KUNIT_EXPECT_EQ(test, ops_of(unit)->reserve(d, &rec, nr), -EINVAL);
	table->base[last] = BLOCKED;
	__set_bit(last, table->bitmap);
	KUNIT_EXPECT_EQ(test, ops_of(unit)->reserve(d, &rec, nr), -EEXIST);
	__clear_bit(last, table->bitmap);
	expect_bits(test, BLOCK_HANDLE, nr_entries, false, false);

	KUNIT_EXPECT_EQ(test, ops_of(unit)->reserve(d, &rec, nr), 0);
	expect_bits(test, BLOCK_HANDLE, nr_entries, true, true);
	expect_entries(test, BLOCK_HANDLE, nr_entries, BLOCKED);

	ops_of(unit)->release(d, &rec, nr, false);
	expect_bits(test, BLOCK_HANDLE, nr_entries, false, true);
	expect_entries(test, BLOCK_HANDLE, nr_entries, BLOCKED);

	bitmap_zero(table->bitmap, INTR_REMAP_TABLE_ENTRIES);
	KUNIT_EXPECT_EQ(test, ops_of(unit)->reserve(d, &rec, nr), 0);
	ops_of(unit)->release(d, &rec, nr, true);
	expect_bits(test, BLOCK_HANDLE, nr_entries, false, false);
	expect_entries(test, BLOCK_HANDLE, nr_entries, REVOKED);
	expect_entry(test, BLOCK_HANDLE + nr_entries, BLOCKED);
}

static void *map_image(u64 phys, size_t len)
{
	return phys_to_virt(phys);
}

static void free_image(void *mem)
{
}

static const struct irq_lu_memory image_memory = {
	.map	= map_image,
	.take	= map_image,
	.free	= free_image,
};

static void *alloc_page_of_image(struct kunit *test)
{
	void *page = kunit_kzalloc(test, PAGE_SIZE, GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, page);
	return page;
}

/* What the core writes of a device with MSI, and of its unit */
static struct irq_lu_device_ser *record_messages(struct kunit *test, struct irq_data *irqd,
						 unsigned int nr)
{
	struct irq_lu_device_ser *ser = alloc_page_of_image(test);
	struct fake_unit *unit = test->priv;

	ser->msi_type = IRQ_LU_MSI;
	ser->hwsize = 32;
	ser->nr_vectors = nr;
	for (unsigned int i = 0; i < nr; i++) {
		ser->vectors[i].irq = irqd->irq + i;
		ser->vectors[i].msi_index = i;
		ops_of(unit)->save(unit->iommu.ir_domain,
				   irq_domain_get_irq_data(unit->iommu.ir_domain, irqd->irq + i),
				   &ser->vectors[i]);
	}
	irq_lu_ser_seal_device(ser);
	return ser;
}

static void boot_with(struct kunit *test, struct irq_lu_device_ser *ser)
{
	struct irq_lu_device_ref_ser *table = alloc_page_of_image(test);
	struct irq_lu_root_ser *root = alloc_page_of_image(test);
	struct fake_unit *unit = test->priv;
	struct intel_iommu *iommu = &unit->iommu;

	bitmap_zero(iommu->ir_table->bitmap, INTR_REMAP_TABLE_ENTRIES);
	iommu->ir_table->preserved = NULL;
	alloc_held(test, iommu->ir_table);

	strscpy(root->compatible, IRQ_LU_COMPATIBLE);
	root->nr_units = 1;
	root->units[0].backend = IRQ_LU_BACKEND_VTD;
	root->units[0].reg_base = iommu->reg_phys;
	root->units[0].table = virt_to_phys(iommu->ir_table->base);
	root->units[0].nr_entries = INTR_REMAP_TABLE_ENTRIES;
	root->nr_devices = 1;
	root->device_dir = virt_to_phys(table);
	table->blob = virt_to_phys(ser);
	table->len = ser->len;
	irq_lu_ser_seal_root(root, table);

	load_as_booted(root, &image_memory);
	KUNIT_ASSERT_EQ(test, 0, kunit_add_action_or_reset(test, end_live_update, NULL));
	irq_liveupdate_take_over(&root->units[0], iommu->ir_domain);
}

static void activate_irqs(struct kunit *test, struct irq_data *irqd, unsigned int nr)
{
	while (nr--)
		KUNIT_EXPECT_EQ(test, 0, irq_domain_activate_irq(irq_get_irq_data(irqd->irq + nr),
								 false));
}

static void free_irqs_of(struct kunit *test, unsigned int irq, unsigned int nr)
{
	for (; nr--; irq++) {
		struct irq_data *irqd = irq_get_irq_data(irq);

		irq_domain_deactivate_irq(irqd);
		free_irq_of(test, irqd);
	}
}

static void expect_present(struct kunit *test, u32 handle, unsigned int nr, bool present)
{
	struct fake_unit *unit = test->priv;

	while (nr--)
		KUNIT_EXPECT_EQ_MSG(test, !!unit->iommu.ir_table->base[handle + nr].present,
				    present, "message %u", nr);
}

static void messages_keep_their_block(struct kunit *test)
{
	unsigned int nr = *(const unsigned int *)test->param_value;
	unsigned int nr_entries = roundup_pow_of_two(nr), irq;
	struct fake_unit *unit = test->priv;
	struct ir_table *table = unit->iommu.ir_table;
	struct irq_lu_device_ser *ser;
	struct irq_data *irqd;
	u32 handle, excess;

	if (irq_liveupdate_handed_over())
		kunit_skip(test, "this kernel was started by a live update");

	/* A block that could start here as well has to start after it. */
	alloc_irqs(test, 1);
	irqd = alloc_irqs(test, nr);
	irq = irqd->irq;
	handle = handle_of(unit, irqd);
	excess = handle + nr;
	KUNIT_EXPECT_TRUE(test, IS_ALIGNED(handle, nr_entries));
	activate_irqs(test, irqd, nr);
	expect_present(test, handle, nr, true);

	ser = record_messages(test, irqd, nr);
	alloc_blocked(test, table);
	table->base[handle + nr_entries] = X2APIC;
	ops_of(unit)->block(unit->iommu.ir_domain, ser->vectors, nr);
	free_irqs_of(test, irq, nr);
	expect_entries(test, handle, nr_entries, BLOCKED);
	expect_entry(test, handle + nr_entries, X2APIC);

	boot_with(test, ser);
	expect_bits(test, handle, nr_entries, true, true);
	KUNIT_EXPECT_FALSE(test, in_range(handle_of(unit, alloc_irqs(test, nr)), handle,
					  nr_entries));

	for (unsigned int i = 0; i < 2; i++) {
		irqd = alloc_irqs_at(test, irq, nr);
		KUNIT_EXPECT_EQ(test, handle, handle_of(unit, irqd));
		KUNIT_EXPECT_EQ(test, excess - 1,
				handle_of(unit, irq_get_irq_data(irq + nr - 1)));
		activate_irqs(test, irqd, nr);
		expect_present(test, handle, nr, true);
		expect_entries(test, excess, nr_entries - nr, BLOCKED);

		free_irqs_of(test, irq, nr);
		expect_present(test, handle, nr, false);
		expect_entries(test, excess, nr_entries - nr, BLOCKED);
		expect_bits(test, handle, nr_entries, true, true);
	}

	kunit_release_action(test, end_live_update, NULL);
	expect_entries(test, handle, nr_entries, REVOKED);
	expect_bits(test, handle, nr_entries, false, false);
}

static struct kunit_case vtd_test_cases[] = {
	KUNIT_CASE_PARAM(every_step_is_old_or_target, transition_gen_params),
	KUNIT_CASE(observer_sees_torn_entries),
	KUNIT_CASE(preserved_table_works_until_it_is_blocked),
	KUNIT_CASE(device_behind_a_hot_added_unit_is_refused),
	KUNIT_CASE(every_message_is_saved_with_its_entry),
	KUNIT_CASE(late_modify_irte_does_nothing),
	KUNIT_CASE_PARAM(nothing_opens_a_blocked_entry, posting_gen_params),
	KUNIT_CASE_PARAM(no_descriptor_is_written_after_the_flush, posting_gen_params),
	KUNIT_CASE(sync_flushes_once_and_masks_events),
	KUNIT_CASE(sync_flushes_again_when_a_device_spoils_it),
	KUNIT_CASE(sync_fails_when_nothing_can_be_flushed),
	KUNIT_CASE(blocked_entry_is_written_back),
	KUNIT_CASE(shutdown_stops_the_queues_of_units_handed_over),
	KUNIT_CASE(entries_keep_their_mode_on_resume),
	KUNIT_CASE_PARAM(reserve_takes_what_is_recorded, reservation_gen_params),
	KUNIT_CASE(held_index_stays_with_its_vector),
	KUNIT_CASE(held_entry_keeps_its_source_when_it_is_closed),
	KUNIT_CASE(check_compares_the_source),
	KUNIT_CASE(check_compares_a_source_which_is_not_verified),
	KUNIT_CASE_PARAM(source_of_an_alias_is_carried, requester_gen_params),
	KUNIT_CASE_PARAM(source_of_an_alias_fits_nobody_else, requester_gen_params),
	KUNIT_CASE_PARAM(table_is_restored_if_it_fits, fit_gen_params),
	KUNIT_CASE(take_over_leaves_what_is_reserved_and_nothing_else),
	KUNIT_CASE(table_of_a_unit_not_taken_over_reports_no_faults),
	KUNIT_CASE_PARAM(block_of_messages_is_reserved_as_a_whole, messages_gen_params),
	KUNIT_CASE_PARAM(messages_keep_their_block, messages_gen_params),
	{ }
};

static struct kunit_suite vtd_test_suite = {
	.name		= "irq_liveupdate_vtd",
	.init		= fake_unit_init,
	.test_cases	= vtd_test_cases,
};

/*
 * The suite for interrupt remapping drivers
 */

#define VTD_HANDLE	0x1240

static const struct irte vtd_kinds[] = { XAPIC, X2APIC, POSTED_MSI, POSTED_VCPU };

static struct ir_table *vtd_table(struct kunit *test)
{
	return ((struct fake_unit *)test->priv)->iommu.ir_table;
}

static struct irq_domain *vtd_domain(struct kunit *test)
{
	return ((struct fake_unit *)test->priv)->iommu.ir_domain;
}

static void *vtd_entry(struct kunit *test, u32 handle)
{
	return &vtd_table(test)->base[handle];
}

static void vtd_fill(void *entry, unsigned int kind)
{
	*(struct irte *)entry = vtd_kinds[kind];
}

static bool vtd_is_present(const void *entry)
{
	return ((const struct irte *)entry)->present;
}

static bool vtd_is_silent(const void *entry)
{
	return ((const struct irte *)entry)->fpd;
}

static bool vtd_is_taken(struct kunit *test, u32 handle)
{
	return test_bit(handle, vtd_table(test)->bitmap);
}

static bool vtd_is_held(struct kunit *test, u32 handle)
{
	return test_bit(handle, vtd_table(test)->held);
}

static void vtd_write(struct kunit *test, u32 handle, struct irte irte)
{
	struct fake_unit *unit = test->priv;
	struct irq_2_iommu irq_iommu = { .iommu = &unit->iommu, .irte_index = handle };

	KUNIT_EXPECT_EQ(test, 0, modify_irte(&irq_iommu, &irte));
}

static void vtd_own(struct kunit *test, u32 handle, struct irq_data *irqd)
{
	struct intel_ir_data *data = kunit_kzalloc(test, sizeof(*data), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, data);
	data->irq_2_iommu.irte_index = handle - 1;
	data->irq_2_iommu.sub_handle = 1;
	data->irte_entry = vtd_kinds[0];
	irqd->chip_data = data;
}

static void vtd_open(struct kunit *test, u32 handle, unsigned int kind)
{
	vtd_write(test, handle, vtd_kinds[kind]);
}

static void vtd_close(struct kunit *test, u32 handle)
{
	vtd_write(test, handle, EMPTY);
}

static void vtd_message(struct irq_lu_vector_ser *rec)
{
	activate(rec, rec->handle, 0);
}

static void vtd_boot(struct kunit *test)
{
	struct ir_table *table = vtd_table(test);

	bitmap_zero(table->bitmap, INTR_REMAP_TABLE_ENTRIES);
	bitmap_free(table->held);
	table->held = bitmap_zalloc(INTR_REMAP_TABLE_ENTRIES, GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, table->held);
}

static struct device *vtd_device(struct kunit *test, bool another)
{
	struct fake_device *dev = alloc_device(test);

	dev->pdev.devfn += another;
	return &dev->pdev.dev;
}

static unsigned int vtd_flushes(struct kunit *test)
{
	struct fake_unit *unit = test->priv;

	return unit->selective + unit->global;
}

static unsigned int vtd_waits(struct kunit *test)
{
	return ((struct fake_unit *)test->priv)->waits;
}

static struct iommu_fmt vtd_fmt = {
	.source		= SOURCE,
	.handle		= VTD_HANDLE,
	.entry_size	= sizeof(struct irte),
	.nr_kinds	= ARRAY_SIZE(vtd_kinds),
	.domain		= vtd_domain,
	.entry		= vtd_entry,
	.fill		= vtd_fill,
	.is_present	= vtd_is_present,
	.is_silent	= vtd_is_silent,
	.is_taken	= vtd_is_taken,
	.is_held	= vtd_is_held,
	.own		= vtd_own,
	.open		= vtd_open,
	.close		= vtd_close,
	.message	= vtd_message,
	.boot		= vtd_boot,
	.device		= vtd_device,
	.flushes	= vtd_flushes,
	.waits		= vtd_waits,
};

static int vtd_fmt_init(struct kunit *test)
{
	int ret = fake_unit_init(test);

	if (ret)
		return ret;
	vtd_fmt.ops = ops_of(test->priv);
	fmt = &vtd_fmt;
	return 0;
}

DEFINE_IOMMU_SUITE_CASES(vtd_fmt_cases);

static struct kunit_suite vtd_fmt_suite = {
	.name		= "irq_liveupdate_vtd_fmt",
	.init		= vtd_fmt_init,
	.test_cases	= vtd_fmt_cases,
};

kunit_test_suites(&vtd_test_suite, &vtd_fmt_suite);

MODULE_DESCRIPTION("KUnit tests of interrupt live update on VT-d");
MODULE_LICENSE("GPL");
