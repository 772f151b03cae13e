// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A QEMU plugin that logs every change a guest makes to the tables of its IOMMU
 * which are about one device. They are ordinary guest memory, so QEMU's own trace
 * events do not show writes to them.
 *
 * Interrupts: VT-d has one remapping table, which a register names. AMD-Vi has one
 * for each device, which the device's entry in the device table (DTE) names, and
 * its entries are of 128 bits.
 *
 * DMA: what a device may reach is determined by its context entry (VT-d), in a table
 * that the entry of its bus in the root table names; in scalable mode also by the
 * first entry of the PASID table that the context entry names. On AMD-Vi it is the
 * first half of its DTE. After each store to one of these, they are read again.
 *
 *	-plugin tablewatch.so,vtd=<devid>|amdvi=<devid>[,call=<address>][,entries=<number>]
 *		-d plugin
 *
 *	root_write table 0x... mode N	the guest announced a root table or device table
 *	dma_write w0 0x... w1 0x... ...	the DMA entry of the device as it is after a store:
 *					context entry or DTE, in scalable mode the first
 *					word of that and three of the PASID table entry
 *	irta_write table 0x... entries N	the guest announced a remapping table
 *	irte_write index N low 0x... high 0x...	an entry as it is after a store
 *	dte_write remapped N table 0x...	the DTE of the device has changed
 *	alien_dte_write devid 0x...		another DTE names the same table
 *	call cpu N				the instruction at <address> is executed
 *
 * Only stores of kernel code are observed, and only the first entries of the
 * remapping table, 2048 by default: Linux allocates them from the bottom, and a
 * kernel that abandons its table may use that memory for anything.
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
#define PAGE_SHIFT_4K		12

/* Where QEMU puts its only remapping unit, and the table address registers in it */
#define DMAR_BASE		0xfed90000ULL
#define DMAR_RTADDR		0x20ULL
#define DMAR_IRTA		0xb8ULL
#define IRTA_SIZE		0xfULL

/* Root table: an entry for each bus. In scalable mode it names two context tables. */
#define RTADDR_MODE(value)	((value) >> 10 & 3)
#define RTADDR_SCALABLE		1
#define ROOT_ENTRY_BYTES	16U
#define CONTEXT_BYTES		16U
#define SCALABLE_CONTEXT_BYTES	32U
#define SCALABLE_DEVFNS		128U
#define PASID_ENTRY_BYTES	64U
#define PRESENT			1ULL

/* The same for AMD-Vi: device table base address register, and fields of a DTE */
#define AMDVI_BASE		0xfed80000ULL
#define DEVTAB_ADDRESS		0xfffffffff000ULL
#define DEVTAB_BYTES(base)	((((base) & 0x1ff) + 1) * 4096)
#define DTE_BYTES		32U
#define DTE_INTERRUPTS		16U
#define DTE_WORD_BYTES		8U
#define DTE_DMA_BYTES		16U
#define MAX_DTES		65536U
#define DTE_IV			1ULL
#define DTE_INTTAB		0xfffffffffffc0ULL
#define DTE_INTCTL(interrupts)	((interrupts) >> 60 & 3)
#define DTE_INTCTL_FORWARD	1
#define DTE_INTTABLEN(interrupts) ((interrupts) >> 1 & 0xf)

#define CALL_ARGUMENT		"call="
#define ENTRIES_ARGUMENT	"entries="
#define AMDVI_ARGUMENT		"amdvi="
#define VTD_ARGUMENT		"vtd="

#define NR_HASHED_PAGES		8192U

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
static uint64_t root_table;
static bool is_scalable;
static GByteArray *buffer;

/*
 * Whether there may be something of interest in one of the pages with this hash. The hash of a
 * page is the same at its physical address and in the direct map. Nothing is ever cleared.
 */
static bool is_of_interest[NR_HASHED_PAGES];

/* The parts of the DMA entry, each of which names the next. An address of 0: there is none. */
enum dma_part { ROOT_ENTRY, CONTEXT_ENTRY, PASID_DIR_ENTRY, PASID_ENTRY, NR_DMA_PARTS };
static uint64_t dma_parts[NR_DMA_PARTS];
static uint64_t dma_entry[4];

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

static bool *interest_in(uint64_t address)
{
	return &is_of_interest[(address >> PAGE_SHIFT_4K) % NR_HASHED_PAGES];
}

static void take_interest(uint64_t address, uint64_t bytes)
{
	uint64_t page;

	if (!address)
		return;
	for (page = address & ~PAGE_MASK_4K; page < address + bytes; page += PAGE_MASK_4K + 1)
		__atomic_store_n(interest_in(page), true, __ATOMIC_RELAXED);
}

static void new_table(uint64_t address, unsigned int entries)
{
	char event[100];

	if (address != table)
		memset(shadow, 0, sizeof(shadow));
	take_interest(address, (uint64_t)nr_watched * IRTE_BYTES);
	__atomic_store_n(&table, address, __ATOMIC_RELAXED);

	snprintf(event, sizeof(event), "irta_write table 0x%" PRIx64 " entries %u", table,
		 entries);
	log_line(event);
}

static void log_root(uint64_t address, unsigned int mode)
{
	char event[100];

	snprintf(event, sizeof(event), "root_write table 0x%" PRIx64 " mode %u", address, mode);
	log_line(event);
}

static void log_dma(const uint64_t *entry)
{
	char event[120];

	if (!memcmp(entry, dma_entry, sizeof(dma_entry)))
		return;
	memcpy(dma_entry, entry, sizeof(dma_entry));
	snprintf(event, sizeof(event), "dma_write w0 0x%" PRIx64 " w1 0x%" PRIx64 " w2 0x%" PRIx64
		 " w3 0x%" PRIx64, entry[0], entry[1], entry[2], entry[3]);
	log_line(event);
}

static void read_words(uint64_t address, uint64_t *words, size_t bytes)
{
	memset(words, 0, bytes);
	if (address && !qemu_plugin_read_memory_hwaddr(address, buffer, bytes))
		memcpy(words, buffer->data, bytes);
}

static void set_part(enum dma_part part, uint64_t address)
{
	take_interest(address, PASID_ENTRY_BYTES);
	__atomic_store_n(&dma_parts[part], address, __ATOMIC_RELAXED);
}

/* The address of an entry in the table that a word names. */
static uint64_t named(uint64_t word, uint64_t offset)
{
	return word & PRESENT ? (word & ~PAGE_MASK_4K) + offset : 0;
}

static void read_pasid_entry(uint64_t *entry)
{
	uint64_t word;

	set_part(PASID_DIR_ENTRY, named(entry[0], 0));
	read_words(dma_parts[PASID_DIR_ENTRY], &word, sizeof(word));
	set_part(PASID_ENTRY, named(word, 0));
	read_words(dma_parts[PASID_ENTRY], &entry[1], 3 * sizeof(entry[1]));
}

static void read_context_entry(void)
{
	unsigned int devfn = device & 0xff;
	uint64_t entry[4] = { }, words[2];

	set_part(ROOT_ENTRY, root_table ? root_table + (device >> 8) * ROOT_ENTRY_BYTES : 0);
	read_words(dma_parts[ROOT_ENTRY], words, sizeof(words));
	if (is_scalable) {
		set_part(CONTEXT_ENTRY, named(words[devfn / SCALABLE_DEVFNS],
					      devfn % SCALABLE_DEVFNS * SCALABLE_CONTEXT_BYTES));
		read_words(dma_parts[CONTEXT_ENTRY], entry, sizeof(entry[0]));
		read_pasid_entry(entry);
	} else {
		set_part(CONTEXT_ENTRY, named(words[0], devfn * CONTEXT_BYTES));
		read_words(dma_parts[CONTEXT_ENTRY], entry, CONTEXT_BYTES);
	}
	log_dma(entry);
}

static void read_dte(void)
{
	uint64_t entry[4] = { };

	read_words(device_table + device * DTE_BYTES, entry, DTE_DMA_BYTES);
	log_dma(entry);
}

static void new_device_table(uint64_t base)
{
	uint64_t address = base & DEVTAB_ADDRESS;

	log_root(address, 0);
	if (address == device_table)
		return;
	take_interest(address, DEVTAB_BYTES(base));
	__atomic_store_n(&device_table_bytes, DEVTAB_BYTES(base), __ATOMIC_RELAXED);
	__atomic_store_n(&device_table, address, __ATOMIC_RELAXED);
	memset(dte_interrupts, 0, sizeof(dte_interrupts));
	read_dte();
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

/* A part of a table entry of @entry_bytes is stored. Returns whether that changes it. */
static bool store_part(void *entry, size_t entry_bytes, size_t start, const union irte *stored,
		       size_t size)
{
	uint8_t *part = (uint8_t *)entry + start;

	if (start >= entry_bytes)
		return false;
	if (start + size > entry_bytes)
		size = entry_bytes - start;
	if (!memcmp(part, stored->bytes, size))
		return false;
	memcpy(part, stored->bytes, size);

	return true;
}

/* Interrupts are in the third of four words. */
static void interrupts_store(uint64_t offset, const union irte *stored, size_t size)
{
	unsigned int devid = offset / DTE_BYTES, start = offset % DTE_BYTES - DTE_INTERRUPTS;
	uint64_t interrupts;
	char event[40];

	if (devid >= MAX_DTES ||
	    !store_part(&dte_interrupts[devid], DTE_WORD_BYTES, start, stored, size))
		return;
	interrupts = dte_interrupts[devid];

	if (devid == device) {
		new_interrupts(interrupts);
	} else if (table && (interrupts & DTE_INTTAB) == table) {
		snprintf(event, sizeof(event), "alien_dte_write devid 0x%x", devid);
		log_line(event);
	}
}

static void dte_store(uint64_t offset, const union irte *stored, size_t size)
{
	if (offset / DTE_BYTES == device)
		read_dte();
	interrupts_store(offset, stored, size);
}

static void new_root(uint64_t value)
{
	log_root(value & ~PAGE_MASK_4K, RTADDR_MODE(value));
	is_scalable = RTADDR_MODE(value) == RTADDR_SCALABLE;
	root_table = value & ~PAGE_MASK_4K;
	read_context_entry();
}

static size_t stored_bytes(const struct qemu_plugin_mem_value *value, union irte *bytes)
{
	bytes->low = value->data.u128.low;
	bytes->high = value->data.u128.high;

	return 1U << value->type;
}

static void entry_store(uint64_t offset, const union irte *stored, size_t size)
{
	unsigned int index = offset / IRTE_BYTES;
	char event[100];

	if (!store_part(&shadow[index], IRTE_BYTES, offset % IRTE_BYTES, stored, size))
		return;
	snprintf(event, sizeof(event), "irte_write index %u low 0x%" PRIx64 " high 0x%" PRIx64,
		 index, shadow[index].low, shadow[index].high);
	log_line(event);
}

static bool is_register(qemu_plugin_meminfo_t info, uint64_t vaddr, uint64_t address)
{
	return (vaddr & PAGE_MASK_4K) == (address & PAGE_MASK_4K) &&
	       physical(info, vaddr) == address;
}

/* The offset of an address in linear memory at start, or the size of that memory. */
static uint64_t offset_in(uint64_t start, uint64_t bytes, qemu_plugin_meminfo_t info,
			  uint64_t vaddr)
{
	uint64_t address;

	if (!start || ((vaddr - start) & DIRECT_MAP_ALIGN_MASK) >= bytes)
		return bytes;
	address = physical(info, vaddr);
	return address < start || address - start >= bytes ? bytes : address - start;
}

static bool on_register_store(qemu_plugin_meminfo_t info, uint64_t vaddr)
{
	bool is_root = is_register(info, vaddr, is_amdvi ? AMDVI_BASE : DMAR_BASE + DMAR_RTADDR);
	uint64_t value;

	if (!is_root && (is_amdvi || !is_register(info, vaddr, DMAR_BASE + DMAR_IRTA)))
		return false;

	value = qemu_plugin_mem_get_value(info).data.u64;
	pthread_mutex_lock(&lock);
	if (is_amdvi)
		new_device_table(value);
	else if (is_root)
		new_root(value);
	else
		new_table(value & ~PAGE_MASK_4K, 2U << (value & IRTA_SIZE));
	pthread_mutex_unlock(&lock);

	return true;
}

static void dma_part_store(uint64_t offset, const union irte *stored, size_t size)
{
	read_context_entry();
}

/* Calls store() with the offset of a store in linear memory at start, if it is there. */
static void on_memory_store(qemu_plugin_meminfo_t info, uint64_t vaddr, uint64_t start,
			    uint64_t bytes,
			    void (*store)(uint64_t offset, const union irte *stored, size_t size))
{
	uint64_t offset = offset_in(start, bytes, info, vaddr);
	struct qemu_plugin_mem_value value;
	union irte stored;
	size_t size;

	if (offset == bytes)
		return;
	value = qemu_plugin_mem_get_value(info);
	size = stored_bytes(&value, &stored);
	pthread_mutex_lock(&lock);
	store(offset, &stored, size);
	pthread_mutex_unlock(&lock);
}

static void on_dma_store(qemu_plugin_meminfo_t info, uint64_t vaddr)
{
	static const unsigned int bytes[NR_DMA_PARTS] = {
		[ROOT_ENTRY] = ROOT_ENTRY_BYTES,
		[CONTEXT_ENTRY] = SCALABLE_CONTEXT_BYTES,
		[PASID_DIR_ENTRY] = sizeof(uint64_t),
		[PASID_ENTRY] = PASID_ENTRY_BYTES,
	};
	enum dma_part part;

	for (part = 0; part < NR_DMA_PARTS; part++)
		on_memory_store(info, vaddr, __atomic_load_n(&dma_parts[part], __ATOMIC_RELAXED),
				bytes[part], dma_part_store);
}

/* The cheap tests first: this runs for every store of the guest's kernel. */
static void on_store(unsigned int vcpu, qemu_plugin_meminfo_t info, uint64_t vaddr, void *userdata)
{
	if (on_register_store(info, vaddr) ||
	    !__atomic_load_n(interest_in(vaddr), __ATOMIC_RELAXED))
		return;

	if (is_amdvi)
		on_memory_store(info, vaddr, __atomic_load_n(&device_table, __ATOMIC_RELAXED),
				__atomic_load_n(&device_table_bytes, __ATOMIC_RELAXED), dte_store);
	else
		on_dma_store(info, vaddr);
	on_memory_store(info, vaddr, __atomic_load_n(&table, __ATOMIC_RELAXED),
			(uint64_t)nr_watched * IRTE_BYTES, entry_store);
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
		} else if (!strncmp(argv[i], VTD_ARGUMENT, strlen(VTD_ARGUMENT))) {
			device = strtoul(argv[i] + strlen(VTD_ARGUMENT), NULL, 0);
		} else {
			return -1;
		}
	}
	if (nr_watched > MAX_ENTRIES)
		return -1;
	buffer = g_byte_array_new();
	qemu_plugin_register_vcpu_tb_trans_cb(id, on_translate, NULL);

	return 0;
}
