// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A QEMU plugin that logs every change a guest makes to its interrupt remapping
 * table. The table is ordinary guest memory, so QEMU's own trace events do not
 * show writes to it. VT-d has one table, which a register names. AMD-Vi has one
 * for each device, which the device's entry in the device table (DTE) names: it
 * is the table of one device that is watched, and its entries are of 128 bits.
 *
 *	-plugin irtewatch.so[,amdvi=<devid>][,call=<address>][,entries=<number>] -d plugin
 *
 *	irta_write table 0x... entries N	the guest announced a table
 *	irte_write index N low 0x... high 0x...	an entry as it is after a store
 *	dte_write remapped N table 0x...	the DTE of the device has changed
 *	alien_dte_write devid 0x...		another DTE names the same table
 *	call cpu N				the instruction at <address> is run
 *
 * Only stores of kernel code are looked at, and only the first entries of the
 * table, 2048 if nothing else is said: Linux hands them out from the bottom, and a kernel that abandons its
 * table may use that memory for anything.
 */
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "qemu_plugin_api.h"

#define KERNEL_TEXT		0xffffffff80000000ULL
#define DIRECT_MAP_ALIGN_MASK	((1ULL << 30) - 1)
#define PAGE_MASK_4K		0xfffULL

/* Where QEMU puts its only remapping unit, and the table address register in it */
#define DMAR_BASE		0xfed90000ULL
#define DMAR_IRTA		0xb8ULL
#define IRTA_SIZE		0xfULL

/* The same of AMD-Vi: device table base address register, and what is in a DTE */
#define AMDVI_BASE		0xfed80000ULL
#define DEVTAB_ADDRESS		0xfffffffff000ULL
#define DEVTAB_BYTES(base)	((((base) & 0x1ff) + 1) * 4096)
#define DTE_BYTES		32U
#define DTE_INTERRUPTS		16U
#define DTE_WORD_BYTES		8U
#define MAX_DTES		65536U
#define DTE_IV			1ULL
#define DTE_INTTAB		0xfffffffffffc0ULL
#define DTE_INTCTL(interrupts)	((interrupts) >> 60 & 3)
#define DTE_INTCTL_FORWARD	1
#define DTE_INTTABLEN(interrupts) ((interrupts) >> 1 & 0xf)

#define CALL_ARGUMENT		"call="
#define ENTRIES_ARGUMENT	"entries="
#define AMDVI_ARGUMENT		"amdvi="

#define MAX_ENTRIES		65536U
#define IRTE_BYTES		16U

union irte {
	struct {
		uint64_t low;
		uint64_t high;
	};
	uint8_t bytes[IRTE_BYTES];
};

QEMU_PLUGIN_EXPORT int qemu_plugin_version = QEMU_PLUGIN_VERSION;

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static union irte shadow[MAX_ENTRIES];
static unsigned int nr_watched = 2048;
static uint64_t table;
static uint64_t call_address;
static uint64_t device_table;
static uint64_t device_table_bytes;
static uint64_t dte_interrupts[MAX_DTES];
static unsigned int device;
static bool is_amdvi;

static void log_line(const char *event)
{
	char line[200];

	snprintf(line, sizeof(line), "%s\n", event);
	qemu_plugin_outs(line);
}

static uint64_t physical(qemu_plugin_meminfo_t info, uint64_t vaddr)
{
	struct qemu_plugin_hwaddr *hwaddr = qemu_plugin_get_hwaddr(info, vaddr);

	return hwaddr ? qemu_plugin_hwaddr_phys_addr(hwaddr) : 0;
}

static void new_table(uint64_t address, unsigned int entries)
{
	char event[100];

	if (address != table)
		memset(shadow, 0, sizeof(shadow));
	__atomic_store_n(&table, address, __ATOMIC_RELAXED);

	snprintf(event, sizeof(event), "irta_write table 0x%" PRIx64 " entries %u", table,
		 entries);
	log_line(event);
}

static void new_device_table(uint64_t base)
{
	uint64_t address = base & DEVTAB_ADDRESS;

	if (address == device_table)
		return;
	__atomic_store_n(&device_table_bytes, DEVTAB_BYTES(base), __ATOMIC_RELAXED);
	__atomic_store_n(&device_table, address, __ATOMIC_RELAXED);
	memset(dte_interrupts, 0, sizeof(dte_interrupts));
	if (table)
		new_table(0, 0);
}

static void new_interrupts(uint64_t interrupts)
{
	char event[100];

	snprintf(event, sizeof(event), "dte_write remapped %u table 0x%" PRIx64,
		 interrupts & DTE_IV && DTE_INTCTL(interrupts) != DTE_INTCTL_FORWARD,
		 (uint64_t)(interrupts & DTE_INTTAB));
	log_line(event);
	if ((interrupts & DTE_INTTAB) != table)
		new_table(interrupts & DTE_INTTAB, 1U << DTE_INTTABLEN(interrupts));
}

/* Interrupts are in the third of four words. */
static void dte_store(uint64_t offset, const union irte *stored, size_t size)
{
	unsigned int devid = offset / DTE_BYTES, start = offset % DTE_BYTES - DTE_INTERRUPTS;
	uint64_t interrupts;
	char event[40];

	if (start >= DTE_WORD_BYTES || devid >= MAX_DTES)
		return;
	if (start + size > DTE_WORD_BYTES)
		size = DTE_WORD_BYTES - start;
	interrupts = dte_interrupts[devid];
	memcpy((uint8_t *)&interrupts + start, stored->bytes, size);
	if (interrupts == dte_interrupts[devid])
		return;
	dte_interrupts[devid] = interrupts;

	if (devid == device) {
		new_interrupts(interrupts);
	} else if (table && (interrupts & DTE_INTTAB) == table) {
		snprintf(event, sizeof(event), "alien_dte_write devid 0x%x", devid);
		log_line(event);
	}
}

static size_t stored_bytes(const struct qemu_plugin_mem_value *value, union irte *bytes)
{
	bytes->low = value->data.u128.low;
	bytes->high = value->data.u128.high;

	return 1U << value->type;
}

static void entry_store(uint64_t offset, const struct qemu_plugin_mem_value *value)
{
	unsigned int index = offset / IRTE_BYTES, start = offset % IRTE_BYTES;
	size_t size;
	union irte stored, entry;
	char event[100];

	size = stored_bytes(value, &stored);
	if (start + size > IRTE_BYTES)
		size = IRTE_BYTES - start;

	entry = shadow[index];
	memcpy(entry.bytes + start, stored.bytes, size);
	if (!memcmp(&entry, &shadow[index], sizeof(entry)))
		return;
	shadow[index] = entry;

	snprintf(event, sizeof(event), "irte_write index %u low 0x%" PRIx64 " high 0x%" PRIx64,
		 index, entry.low, entry.high);
	log_line(event);
}

static bool is_register(qemu_plugin_meminfo_t info, uint64_t vaddr, uint64_t address)
{
	return (vaddr & PAGE_MASK_4K) == (address & PAGE_MASK_4K) &&
	       physical(info, vaddr) == address;
}

/* Of linear memory at start: the offset in it, or its size. */
static uint64_t offset_in(uint64_t start, uint64_t bytes, qemu_plugin_meminfo_t info,
			  uint64_t vaddr)
{
	uint64_t address;

	if (!start || ((vaddr - start) & DIRECT_MAP_ALIGN_MASK) >= bytes)
		return bytes;
	address = physical(info, vaddr);
	return address < start || address - start >= bytes ? bytes : address - start;
}

static void on_register_store(uint64_t value)
{
	pthread_mutex_lock(&lock);
	if (is_amdvi)
		new_device_table(value);
	else
		new_table(value & ~PAGE_MASK_4K, 2U << (value & IRTA_SIZE));
	pthread_mutex_unlock(&lock);
}

static void on_device_table_store(qemu_plugin_meminfo_t info, uint64_t vaddr)
{
	uint64_t bytes = __atomic_load_n(&device_table_bytes, __ATOMIC_RELAXED), offset;
	struct qemu_plugin_mem_value value;
	union irte stored;
	size_t size;

	offset = offset_in(__atomic_load_n(&device_table, __ATOMIC_RELAXED), bytes, info, vaddr);
	if (offset == bytes)
		return;
	value = qemu_plugin_mem_get_value(info);
	size = stored_bytes(&value, &stored);
	pthread_mutex_lock(&lock);
	dte_store(offset, &stored, size);
	pthread_mutex_unlock(&lock);
}

/* The cheap tests first: this runs for every store of the guest's kernel. */
static void on_store(unsigned int vcpu, qemu_plugin_meminfo_t info, uint64_t vaddr, void *userdata)
{
	uint64_t bytes = nr_watched * IRTE_BYTES, offset;
	struct qemu_plugin_mem_value value;

	if (is_register(info, vaddr, is_amdvi ? AMDVI_BASE : DMAR_BASE + DMAR_IRTA)) {
		on_register_store(qemu_plugin_mem_get_value(info).data.u64);
		return;
	}

	on_device_table_store(info, vaddr);
	offset = offset_in(__atomic_load_n(&table, __ATOMIC_RELAXED), bytes, info, vaddr);
	if (offset == bytes)
		return;

	value = qemu_plugin_mem_get_value(info);
	pthread_mutex_lock(&lock);
	entry_store(offset, &value);
	pthread_mutex_unlock(&lock);
}

static void on_call(unsigned int vcpu, void *userdata)
{
	char event[40];

	snprintf(event, sizeof(event), "call cpu %u", vcpu);
	log_line(event);
}

static void watch(struct qemu_plugin_insn *insn)
{
	uint64_t address = qemu_plugin_insn_vaddr(insn);

	if (address >= KERNEL_TEXT)
		qemu_plugin_register_vcpu_mem_cb(insn, on_store, QEMU_PLUGIN_CB_NO_REGS,
						 QEMU_PLUGIN_MEM_W, NULL);
	if (call_address && address == call_address)
		qemu_plugin_register_vcpu_insn_exec_cb(insn, on_call, QEMU_PLUGIN_CB_NO_REGS,
						       NULL);
}

static void on_translate(struct qemu_plugin_tb *tb, void *userdata)
{
	size_t i, n = qemu_plugin_tb_n_insns(tb);

	for (i = 0; i < n; i++)
		watch(qemu_plugin_tb_get_insn(tb, i));
}

QEMU_PLUGIN_EXPORT int qemu_plugin_install(qemu_plugin_id_t id, const struct qemu_info *info,
					   int argc, char **argv)
{
	int i;

	for (i = 0; i < argc; i++) {
		if (!strncmp(argv[i], CALL_ARGUMENT, strlen(CALL_ARGUMENT))) {
			call_address = strtoull(argv[i] + strlen(CALL_ARGUMENT), NULL, 0);
		} else if (!strncmp(argv[i], ENTRIES_ARGUMENT, strlen(ENTRIES_ARGUMENT))) {
			nr_watched = strtoul(argv[i] + strlen(ENTRIES_ARGUMENT), NULL, 0);
		} else if (!strncmp(argv[i], AMDVI_ARGUMENT, strlen(AMDVI_ARGUMENT))) {
			is_amdvi = true;
			device = strtoul(argv[i] + strlen(AMDVI_ARGUMENT), NULL, 0);
		} else {
			return -1;
		}
	}
	if (nr_watched > MAX_ENTRIES)
		return -1;
	qemu_plugin_register_vcpu_tb_trans_cb(id, on_translate, NULL);

	return 0;
}
