// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A QEMU plugin that counts the instructions of each function of the guest's
 * kernel, those of the functions it calls left out.
 *
 *	-plugin profile.so,map=<System.map>,from=<address>,to=<address> -d plugin
 *
 *	count NAME N		one line for each function, when <to> is reached
 *
 * Nothing is counted before <from> is reached for the first time. The kernel runs
 * where System.map says: it has no KASLR.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "qemu_plugin_api.h"

#define MAX_FUNCTIONS	(1U << 18)
#define NAME_BYTES	128

struct function {
	uint64_t address;
	uint64_t executed;
	char name[NAME_BYTES];
};

QEMU_PLUGIN_EXPORT int qemu_plugin_version = QEMU_PLUGIN_VERSION;

static struct function *functions;
static size_t nr_functions;
static uint64_t from;
static uint64_t to;
static bool counting;

static void on_from(unsigned int vcpu, void *userdata)
{
	counting = true;
}

static void on_to(unsigned int vcpu, void *userdata)
{
	char line[NAME_BYTES + 40];
	size_t i;

	for (i = 0; counting && i < nr_functions; i++) {
		if (!functions[i].executed)
			continue;
		snprintf(line, sizeof(line), "count %s %" PRIu64 "\n", functions[i].name,
			 functions[i].executed);
		qemu_plugin_outs(line);
	}
	counting = false;
}

static void on_instruction(unsigned int vcpu, void *userdata)
{
	struct function *function = userdata;

	function->executed += counting;
}

/* The last one which does not begin behind the address */
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

static void on_translate(qemu_plugin_id_t id, struct qemu_plugin_tb *tb)
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
		qemu_plugin_register_vcpu_insn_exec_cb(insn, on_instruction,
						       QEMU_PLUGIN_CB_NO_REGS,
						       function_at(address));
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

	qemu_plugin_register_vcpu_tb_trans_cb(id, on_translate);

	return 0;
}
