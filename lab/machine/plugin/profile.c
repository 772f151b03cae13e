// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A QEMU plugin that counts the instructions of each function of the guest's
 * kernel, without those of the functions it calls.
 *
 *	-plugin profile.so,map=<System.map>,from=<address>,to=<address> -d plugin
 *
 *	count NAME N		one line for each function, when <to> is reached
 *	end			after them
 *
 * Counting starts where <from> was reached last. <to> without it has no effect.
 * The kernel runs where System.map says: it has no KASLR.
 *
 * For machines with one CPU. QEMU adds the instructions up, which is fast. With more
 * CPUs and thread=single, QEMU 11.1 multiplies the constant number of the CPU in
 * place, and so adds to unrelated memory.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "qemu_plugin_api.h"

#define MAX_FUNCTIONS	(1U << 18)
#define NAME_BYTES	128
#define CPU		0

struct function {
	uint64_t address;
	uint64_t before;
	char name[NAME_BYTES];
};

QEMU_PLUGIN_EXPORT int qemu_plugin_version = QEMU_PLUGIN_VERSION;

static struct function *functions;
static size_t nr_functions;
static uint64_t from;
static uint64_t to;
static bool counting;
static struct qemu_plugin_scoreboard *executed;

static qemu_plugin_u64 counter(const struct function *function)
{
	return (qemu_plugin_u64) { executed, (function - functions) * sizeof(uint64_t) };
}

static void on_from(unsigned int vcpu, void *userdata)
{
	size_t i;

	for (i = 0; i < nr_functions; i++)
		functions[i].before = qemu_plugin_u64_get(counter(&functions[i]), CPU);
	counting = true;
}

static void on_to(unsigned int vcpu, void *userdata)
{
	char line[NAME_BYTES + 40];
	uint64_t count;
	size_t i;

	if (!counting)
		return;
	for (i = 0; i < nr_functions; i++) {
		count = qemu_plugin_u64_get(counter(&functions[i]), CPU) - functions[i].before;
		if (!count)
			continue;
		snprintf(line, sizeof(line), "count %s %" PRIu64 "\n", functions[i].name, count);
		qemu_plugin_outs(line);
	}
	qemu_plugin_outs("end\n");
	counting = false;
}

/* The last function that does not begin after the address */
static struct function *function_at(uint64_t address)
{
	size_t low = 0, high = nr_functions;

	while (high - low > 1) {
		size_t middle = low + (high - low) / 2;

		if (functions[middle].address <= address)
			low = middle;
		else
			high = middle;
	}
	return &functions[low];
}

static void on_translate(struct qemu_plugin_tb *tb, void *userdata)
{
	size_t i, n = qemu_plugin_tb_n_insns(tb);

	for (i = 0; i < n; i++) {
		struct qemu_plugin_insn *insn = qemu_plugin_tb_get_insn(tb, i);
		uint64_t address = qemu_plugin_insn_vaddr(insn);

		if (address == from)
			qemu_plugin_register_vcpu_insn_exec_cb(insn, on_from,
							       QEMU_PLUGIN_CB_NO_REGS, NULL);
		if (address == to)
			qemu_plugin_register_vcpu_insn_exec_cb(insn, on_to,
							       QEMU_PLUGIN_CB_NO_REGS, NULL);
		qemu_plugin_register_vcpu_insn_exec_inline_per_vcpu(insn,
								    QEMU_PLUGIN_INLINE_ADD_U64,
								    counter(function_at(address)),
								    1);
	}
}

static int compare_addresses(const void *a, const void *b)
{
	const struct function *x = a, *y = b;

	return x->address < y->address ? -1 : x->address > y->address;
}

/* "<address> <type> <name>" */
static int read_map(const char *path)
{
	FILE *map = fopen(path, "r");
	struct function *next;

	functions = calloc(MAX_FUNCTIONS, sizeof(*functions));
	if (!map || !functions)
		return -1;

	while (nr_functions < MAX_FUNCTIONS) {
		next = &functions[nr_functions];
		if (fscanf(map, "%" SCNx64 " %*c %127s", &next->address, next->name) != 2)
			break;
		nr_functions++;
	}
	fclose(map);
	qsort(functions, nr_functions, sizeof(*functions), compare_addresses);

	return nr_functions ? 0 : -1;
}

static int read_argument(const char *argument)
{
	const char *value = strchr(argument, '=');

	if (!value)
		return -1;
	value++;

	if (!strncmp(argument, "map=", value - argument))
		return read_map(value);
	if (!strncmp(argument, "from=", value - argument))
		from = strtoull(value, NULL, 0);
	else if (!strncmp(argument, "to=", value - argument))
		to = strtoull(value, NULL, 0);
	else
		return -1;

	return 0;
}

QEMU_PLUGIN_EXPORT int qemu_plugin_install(qemu_plugin_id_t id, const struct qemu_info *info,
					   int argc, char **argv)
{
	int i;

	for (i = 0; i < argc; i++) {
		if (read_argument(argv[i]))
			return -1;
	}
	if (!functions)
		return -1;

	executed = qemu_plugin_scoreboard_new(nr_functions * sizeof(uint64_t));
	qemu_plugin_register_vcpu_tb_trans_cb(id, on_translate, NULL);

	return 0;
}
