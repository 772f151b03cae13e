// SPDX-License-Identifier: GPL-2.0-only
/*
 * What firmware tells about CPUs and IO-APIC, and which pins the ISA interrupts have:
 * MultiProcessor Specification 1.4, chapter 4. Its structures have no padding.
 */
#include <string.h>

#include "linux_guest.h"

#define LOCAL_APIC	0xfee00000
#define IO_APIC		0xfec00000
#define IO_APIC_ID	GUEST_CPUS
#define APIC_VERSION	0x11
#define ISA_BUS		0
#define ISA_INTERRUPTS	16

/* 4.1 */
struct mp_pointer {
	char signature[4];
	__u32 table;
	__u8 paragraphs;
	__u8 specification;
	__u8 checksum;
	__u8 features[5];
};

/* 4.2 */
struct mp_header {
	char signature[4];
	__u16 length;
	__u8 specification;
	__u8 checksum;
	char oem[8];
	char product[12];
	__u32 oem_table;
	__u16 oem_length;
	__u16 entries;
	__u32 local_apic;
	__u32 reserved;
};

/* 4.3.1 to 4.3.4 */
struct mp_cpu {
	__u8 type;
	__u8 apic_id;
	__u8 apic_version;
	__u8 flags;
	__u32 signature;
	__u32 features;
	__u32 reserved[2];
};

struct mp_bus {
	__u8 type;
	__u8 id;
	char name[6];
};

struct mp_io_apic {
	__u8 type;
	__u8 id;
	__u8 version;
	__u8 enabled;
	__u32 address;
};

struct mp_interrupt {
	__u8 type;
	__u8 kind;
	__u16 flags;
	__u8 bus;
	__u8 irq;
	__u8 io_apic;
	__u8 pin;
};

enum { MP_CPU, MP_BUS, MP_IO_APIC, MP_INTERRUPT };

#define CPU_ENABLED	1
#define CPU_BOOTS	2

struct mp_tables {
	struct mp_pointer pointer;
	struct mp_header header;
	struct mp_cpu cpus[GUEST_CPUS];
	struct mp_bus bus;
	struct mp_io_apic io_apic;
	struct mp_interrupt interrupts[ISA_INTERRUPTS];
};

/* What makes the sum of all bytes 0 */
static __u8 checksum(const void *data, size_t size)
{
	const __u8 *bytes = data;
	__u8 sum = 0;

	while (size--)
		sum += *bytes++;

	return -sum;
}

static void write_entries(struct mp_tables *tables)
{
	unsigned int i;

	for (i = 0; i < GUEST_CPUS; i++)
		tables->cpus[i] = (struct mp_cpu) {
			.type = MP_CPU, .apic_id = i, .apic_version = APIC_VERSION,
			.flags = CPU_ENABLED | (i ? 0 : CPU_BOOTS),
		};
	tables->bus = (struct mp_bus) { .type = MP_BUS, .id = ISA_BUS, .name = "ISA   " };
	tables->io_apic = (struct mp_io_apic) {
		.type = MP_IO_APIC, .id = IO_APIC_ID, .version = APIC_VERSION, .enabled = 1,
		.address = IO_APIC,
	};
	for (i = 0; i < ISA_INTERRUPTS; i++)
		tables->interrupts[i] = (struct mp_interrupt) {
			.type = MP_INTERRUPT, .bus = ISA_BUS, .irq = i, .io_apic = IO_APIC_ID,
			.pin = i,
		};
}

void mp_table_write(struct vm *vm)
{
	struct mp_tables *tables = (struct mp_tables *)(vm->memory + MP_TABLE);
	struct mp_pointer *pointer = &tables->pointer;
	struct mp_header *header = &tables->header;

	memset(tables, 0, sizeof(*tables));
	write_entries(tables);

	memcpy(header->signature, "PCMP", sizeof(header->signature));
	header->length = sizeof(*tables) - sizeof(*pointer);
	header->specification = 4;
	header->entries = GUEST_CPUS + 2 + ISA_INTERRUPTS;
	header->local_apic = LOCAL_APIC;
	header->checksum = checksum(header, header->length);

	memcpy(pointer->signature, "_MP_", sizeof(pointer->signature));
	pointer->table = MP_TABLE + sizeof(*pointer);
	pointer->paragraphs = 1;
	pointer->specification = 4;
	pointer->checksum = checksum(pointer, sizeof(*pointer));
}
