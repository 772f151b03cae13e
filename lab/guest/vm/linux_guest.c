// SPDX-License-Identifier: GPL-2.0-only
/*
 * A guest with Linux: kernel and initramfs are files that the lab has put into the
 * initramfs of the host. The VMM enters the kernel as its 64-bit boot protocol says
 * (Documentation/arch/x86/boot.rst), and later reads its console.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <asm/bootparam.h>

#include "kselftest.h"

#include "boot.h"
#include "guest.h"
#include "linux_guest.h"

#define KERNEL		"/guest/kernel"
#define INITRD		"/guest/initrd.img"

/*
 * The early console stays in use after the boot, there is no firmware to ask for the
 * device, and messages of the first process are not rate limited. The clock that an
 * emulated host has measured must not be checked against another one.
 */
#define PARAMETERS	"earlyprintk=serial,ttyS0,115200,keep pci=conf1 " \
			"printk.devkmsg=on tsc=reliable panic=-1"

#define SECTOR_BYTES		512
#define DEFAULT_SETUP_SECTORS	4
#define ENTRY_64		0x200
#define LOADER_UNDEFINED	0xff
#define E820_RAM		1
#define E820_RESERVED		2

struct file {
	void *data;
	size_t size;
};

static int map_file(const char *path, struct file *file)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct stat stat;

	if (fd < 0 || fstat(fd, &stat))
		return -errno;
	file->size = stat.st_size;
	file->data = mmap(NULL, file->size, PROT_READ, MAP_PRIVATE, fd, 0);
	close(fd);

	return file->data == MAP_FAILED ? -errno : 0;
}

/* The initramfs is at the end of memory, where the kernel does not unpack itself. */
static int load_initrd(struct vm *vm, struct setup_header *header)
{
	struct file initrd;
	int ret;

	ret = map_file(INITRD, &initrd);
	if (ret)
		return ret;
	if (initrd.size > vm->memory_bytes - header->pref_address - header->init_size)
		return -ENOMEM;

	header->ramdisk_image = (vm->memory_bytes - initrd.size) & ~(PAGE_BYTES - 1UL);
	header->ramdisk_size = initrd.size;
	memcpy(vm->memory + header->ramdisk_image, initrd.data, initrd.size);

	return 0;
}

static int load_kernel(struct vm *vm, struct setup_header *header)
{
	size_t offset, end;
	struct file kernel;
	int ret;

	ret = map_file(KERNEL, &kernel);
	if (ret)
		return ret;

	/* The second byte of the header is the offset of a jump over it. */
	end = offsetof(struct boot_params, hdr.header) + ((__u8 *)kernel.data)[0x201];
	memcpy(header, kernel.data + offsetof(struct boot_params, hdr),
	       end - offsetof(struct boot_params, hdr));
	if (!(header->xloadflags & XLF_KERNEL_64) ||
	    header->pref_address + header->init_size > vm->memory_bytes)
		return -ENOEXEC;

	offset = ((header->setup_sects ?: DEFAULT_SETUP_SECTORS) + 1) * SECTOR_BYTES;
	memcpy(vm->memory + header->pref_address, kernel.data + offset, kernel.size - offset);

	return 0;
}

static void write_memory_map(struct vm *vm, struct boot_params *params)
{
	const struct boot_e820_entry map[] = {
		{ 0, LOW_MEMORY_END, E820_RAM },
		{ LOW_MEMORY_END, HIGH_MEMORY - LOW_MEMORY_END, E820_RESERVED },
		{ HIGH_MEMORY, vm->memory_bytes - HIGH_MEMORY, E820_RAM },
	};

	params->e820_entries = ARRAY_SIZE(map);
	memcpy(params->e820_table, map, sizeof(map));
}

/* It starts the other CPUs itself. */
static int boot(struct vm *vm)
{
	struct boot_params *params = (struct boot_params *)(vm->memory + BOOT_PARAMS);
	struct setup_header *header = &params->hdr;
	int ret;

	ret = load_kernel(vm, header);
	if (!ret)
		ret = load_initrd(vm, header);
	if (ret)
		return ret;

	header->type_of_loader = LOADER_UNDEFINED;
	header->cmd_line_ptr = COMMAND_LINE;
	memcpy(vm->memory + COMMAND_LINE, PARAMETERS, sizeof(PARAMETERS));
	write_memory_map(vm, params);
	mp_table_write(vm);
	boot_write_tables(vm);

	return boot_vcpu(&vm->vcpus[0], (struct kvm_regs) {
		.rip = header->pref_address + ENTRY_64,
		.rsi = BOOT_PARAMS,
	});
}

/* Its console shows if it has given up, for the lab to judge. */
static bool works(struct vm *vm)
{
	return true;
}

static bool has_printed(struct vm *vm, const void *before)
{
	return vm->console.length > *(const __u32 *)before;
}

/* It prints something every second, whether or not the device works. */
static bool goes_on(struct vm *vm)
{
	__u32 before = vm->console.length;

	return guest_wait(&linux_guest, vm, GUEST_PATIENCE_MS, has_printed, &before);
}

/* Each CPU reports each round of its I/O. */
static bool all_verified(struct vm *vm, const void *before)
{
	const char *text = vm->console.text + *(const __u32 *)before;
	unsigned int cpu;
	char wanted[32];

	for (cpu = 0; cpu < GUEST_CPUS; cpu++) {
		snprintf(wanted, sizeof(wanted), "guest: CPU %u verified", cpu);
		if (!strstr(text, wanted))
			return false;
	}

	return true;
}

static bool does_io(struct vm *vm, unsigned int ms)
{
	__u32 before = vm->console.length;

	return guest_wait(&linux_guest, vm, ms, all_verified, &before);
}

/* What is in flight now may have been submitted after the update. */
static void drain(struct vm *vm)
{
	does_io(vm, GUEST_PATIENCE_MS);
}

static void paused(struct vm *vm, struct guest_pause *pause)
{
	const char *newline = vm->console.text;

	pause->console_lines = 0;
	while ((newline = strchr(newline, '\n'))) {
		pause->console_lines++;
		newline++;
	}
}

static void print_console(char *text)
{
	char *line;

	for (line = strtok(text, "\r\n"); line; line = strtok(NULL, "\r\n"))
		printf("# console: %s\n", line);
}

/* The times as one line of JSON, and then the console. */
static void print(struct vm *vm, const struct guest_pause *pause)
{
	static char text[CONSOLE_BYTES];

	printf("# linux: {");
	guest_print_times(vm, pause);
	printf(",\"paused\":%u}\n", pause->console_lines);
	memcpy(text, vm->console.text, sizeof(text) - 1);
	print_console(text);
}

const struct guest linux_guest = {
	.name = "linux",
	.memory_bytes = 64 << 20,
	.boot_ms = 30000,
	.boot = boot,
	.works = works,
	.goes_on = goes_on,
	.does_io = does_io,
	.drain = drain,
	.paused = paused,
	.print = print,
};
