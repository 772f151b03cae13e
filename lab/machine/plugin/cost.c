// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A QEMU plugin that counts the instructions of functions of the guest's
 * kernel, from outside: nothing is added to what is counted.
 *
 *	-plugin cost.so,watch=<name>:<address>[,...][,interrupt=<address>...] -d plugin
 *
 *	enter NAME all Y		before the first instruction
 *	leave NAME own X from Z all Y	before the return
 *
 * Y instructions were executed so far, Z when the function was entered. X of the
 * instructions in between were executed on the stack of the task that entered it.
 * Other tasks and CPUs are not included, even if they are in such a function at the
 * same time, and neither are interrupts: they have a stack of their own, and what they
 * do on that of the task is left out, from their entry points, which are given, to the
 * IRET. A function returns where a RET is executed with the stack pointer of its
 * entry, which holds for tail calls too.
 *
 * The number of the CPU is of no use: with thread=single QEMU 11.1 gives that of
 * the CPU for which a block was translated, whichever CPU executes it.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "qemu_plugin_api.h"

#define WATCH_ARGUMENT	"watch="
#define ENTRY_ARGUMENT	"interrupt="
#define STACK_POINTER	"rsp"

#define MAX_WATCHES	128
#define MAX_FRAMES	64
#define MAX_ENTRIES	64
#define NAME_BYTES	64

#define OPCODE_RET	0xc3
#define OPCODE_IRETQ	0xcf48

/* THREAD_SIZE of the guest's kernel */
#define STACK_BYTES	(16U << 10)

struct watch {
	char name[NAME_BYTES];
	uint64_t address;
};

/*
 * A function that has not returned yet
 * @watch:	which one it is
 * @stack:	stack pointer at its entry
 * @from:	instructions executed by all until then
 * @own:	those executed on its stack since, until @charged
 * @interrupted: an interrupt is on its stack
 * @running:	what is being executed is on its stack, and no interrupt
 */
struct frame {
	const struct watch *watch;
	uint64_t stack;
	uint64_t from;
	uint64_t own;
	bool interrupted;
	bool running;
};

QEMU_PLUGIN_EXPORT int qemu_plugin_version = QEMU_PLUGIN_VERSION;

static struct watch watches[MAX_WATCHES];
static unsigned int nr_watches;
static struct frame frames[MAX_FRAMES];
static unsigned int nr_frames;
static uint64_t entries[MAX_ENTRIES];
static unsigned int nr_entries;
static struct qemu_plugin_register *stack_pointer;
static GByteArray *buffer;
static uint64_t executed;
static uint64_t charged;

/*
 * Charge what was executed since the last time to the functions on whose stack it was
 * executed
 */
static void charge(void)
{
	unsigned int i;

	for (i = 0; i < nr_frames; i++) {
		if (frames[i].running)
			frames[i].own += executed - charged;
	}
	charged = executed;
}

static void log_entry(const struct watch *watch)
{
	char line[200];

	snprintf(line, sizeof(line), "enter %s all %" PRIu64 "\n", watch->name, executed);
	qemu_plugin_outs(line);
}

static void log_return(const struct frame *frame)
{
	char line[200];

	snprintf(line, sizeof(line), "leave %s own %" PRIu64 " from %" PRIu64 " all %" PRIu64 "\n",
		 frame->watch->name, frame->own, frame->from, executed);
	qemu_plugin_outs(line);
}

static uint64_t read_stack_pointer(void)
{
	uint64_t value = 0;

	g_byte_array_set_size(buffer, 0);
	if (qemu_plugin_read_register(stack_pointer, buffer) && buffer->len == sizeof(value))
		memcpy(&value, buffer->data, sizeof(value));

	return value;
}

static void on_entry(unsigned int vcpu, void *userdata)
{
	if (nr_frames == MAX_FRAMES)
		abort();
	charge();
	frames[nr_frames++] = (struct frame) {
		.watch = userdata,
		.stack = read_stack_pointer(),
		.from = executed,
		.running = true,
	};
	log_entry(userdata);
}

static void on_ret(unsigned int vcpu, void *userdata)
{
	unsigned int i = nr_frames;
	uint64_t stack;

	if (!i)
		return;

	charge();
	stack = read_stack_pointer();
	while (i--) {
		if (frames[i].stack != stack)
			continue;
		log_return(&frames[i]);
		frames[i] = frames[--nr_frames];
	}
}

static bool same_stack(uint64_t a, uint64_t b)
{
	return a / STACK_BYTES == b / STACK_BYTES;
}

static void on_block(unsigned int vcpu, void *userdata)
{
	unsigned int i;
	uint64_t stack;

	if (!nr_frames)
		return;

	charge();
	stack = read_stack_pointer();
	for (i = 0; i < nr_frames; i++)
		frames[i].running = same_stack(frames[i].stack, stack) && !frames[i].interrupted;
}

static void set_interrupted(bool interrupted)
{
	uint64_t stack;
	unsigned int i;

	if (!nr_frames)
		return;

	charge();
	stack = read_stack_pointer();
	for (i = 0; i < nr_frames; i++) {
		if (!same_stack(frames[i].stack, stack))
			continue;
		frames[i].interrupted = interrupted;
		frames[i].running &= !interrupted;
	}
}

static void on_interrupt(unsigned int vcpu, void *userdata)
{
	set_interrupted(true);
}

/* Any IRET: one of an exception inside an interrupt would end that too early. */
static void on_iret(unsigned int vcpu, void *userdata)
{
	set_interrupted(false);
}

static void on_instruction(unsigned int vcpu, void *userdata)
{
	executed++;
}

/* What must be done first is registered first: a count is taken before the instruction. */
static void watch_instruction(struct qemu_plugin_insn *insn)
{
	uint64_t address = qemu_plugin_insn_vaddr(insn);
	uint16_t opcode = 0;
	unsigned int i;

	for (i = 0; i < nr_entries; i++) {
		if (entries[i] == address)
			qemu_plugin_register_vcpu_insn_exec_cb(insn, on_interrupt,
							       QEMU_PLUGIN_CB_R_REGS, NULL);
	}

	for (i = 0; i < nr_watches; i++) {
		if (watches[i].address == address)
			qemu_plugin_register_vcpu_insn_exec_cb(insn, on_entry,
							       QEMU_PLUGIN_CB_R_REGS,
							       &watches[i]);
	}

	qemu_plugin_insn_data(insn, &opcode, sizeof(opcode));
	if ((opcode & 0xff) == OPCODE_RET)
		qemu_plugin_register_vcpu_insn_exec_cb(insn, on_ret, QEMU_PLUGIN_CB_R_REGS, NULL);
	if (opcode == OPCODE_IRETQ)
		qemu_plugin_register_vcpu_insn_exec_cb(insn, on_iret, QEMU_PLUGIN_CB_R_REGS, NULL);

	qemu_plugin_register_vcpu_insn_exec_cb(insn, on_instruction, QEMU_PLUGIN_CB_NO_REGS, NULL);
}

static void on_translate(struct qemu_plugin_tb *tb, void *userdata)
{
	size_t i, n = qemu_plugin_tb_n_insns(tb);

	qemu_plugin_register_vcpu_tb_exec_cb(tb, on_block, QEMU_PLUGIN_CB_R_REGS, NULL);
	for (i = 0; i < n; i++)
		watch_instruction(qemu_plugin_tb_get_insn(tb, i));
}

static void on_vcpu(unsigned int vcpu, void *userdata)
{
	GArray *registers = qemu_plugin_get_registers();
	qemu_plugin_reg_descriptor *reg = (void *)registers->data;
	unsigned int i;

	for (i = 0; i < registers->len; i++) {
		if (!strcmp(reg[i].name, STACK_POINTER))
			stack_pointer = reg[i].handle;
	}
}

/* "watch=<name>:<address>" */
static int add_watch(const char *argument)
{
	struct watch *watch = &watches[nr_watches];
	const char *value = argument + strlen(WATCH_ARGUMENT);
	const char *colon = strchr(value, ':');

	if (strncmp(argument, WATCH_ARGUMENT, strlen(WATCH_ARGUMENT)) || !colon ||
	    colon - value >= NAME_BYTES || nr_watches == MAX_WATCHES)
		return -1;

	memcpy(watch->name, value, colon - value);
	watch->address = strtoull(colon + 1, NULL, 0);
	nr_watches++;

	return 0;
}

/* "interrupt=<address>" */
static int add_entry(const char *argument)
{
	if (nr_entries == MAX_ENTRIES)
		return -1;
	entries[nr_entries++] = strtoull(argument + strlen(ENTRY_ARGUMENT), NULL, 0);

	return 0;
}

static int add_argument(const char *argument)
{
	if (!strncmp(argument, ENTRY_ARGUMENT, strlen(ENTRY_ARGUMENT)))
		return add_entry(argument);
	return add_watch(argument);
}

QEMU_PLUGIN_EXPORT int qemu_plugin_install(qemu_plugin_id_t id, const struct qemu_info *info,
					   int argc, char **argv)
{
	int i;

	for (i = 0; i < argc; i++) {
		if (add_argument(argv[i]))
			return -1;
	}

	buffer = g_byte_array_new();
	qemu_plugin_register_vcpu_init_cb(id, on_vcpu, NULL);
	qemu_plugin_register_vcpu_tb_trans_cb(id, on_translate, NULL);

	return 0;
}
