// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Runs a plugin without QEMU, linked with it:
 *
 *	plugin_host ARGUMENT... < INSTRUCTIONS
 *
 * An instruction is a line, "ADDRESS STACK OPCODE", and a block of its own.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../machine/plugin/qemu_plugin_api.h"

#define MAX_CALLBACKS	16
#define STACK_POINTER	"rsp"

struct callback {
	qemu_plugin_vcpu_udata_cb_t fn;
	void *userdata;
};

struct callbacks {
	struct callback each[MAX_CALLBACKS];
	unsigned int nr;
};

/* The instruction that is being executed, which is its own block */
static struct {
	uint64_t address;
	uint64_t stack;
	uint16_t opcode;
	struct callbacks of_block;
	struct callbacks of_instruction;
} current;

static qemu_plugin_vcpu_udata_cb_t on_vcpu;
static qemu_plugin_vcpu_tb_trans_cb_t on_translate;

int qemu_plugin_install(qemu_plugin_id_t id, const struct qemu_info *info, int argc, char **argv);

static void add(struct callbacks *callbacks, qemu_plugin_vcpu_udata_cb_t fn, void *userdata)
{
	if (callbacks->nr == MAX_CALLBACKS)
		abort();
	callbacks->each[callbacks->nr++] = (struct callback) { fn, userdata };
}

static void call(const struct callbacks *callbacks)
{
	unsigned int i;

	for (i = 0; i < callbacks->nr; i++)
		callbacks->each[i].fn(0, callbacks->each[i].userdata);
}

void qemu_plugin_register_vcpu_init_cb(qemu_plugin_id_t id, qemu_plugin_vcpu_udata_cb_t cb,
				       void *userdata)
{
	on_vcpu = cb;
}

void qemu_plugin_register_vcpu_tb_trans_cb(qemu_plugin_id_t id, qemu_plugin_vcpu_tb_trans_cb_t cb,
					   void *userdata)
{
	on_translate = cb;
}

void qemu_plugin_register_vcpu_tb_exec_cb(struct qemu_plugin_tb *tb,
					  qemu_plugin_vcpu_udata_cb_t cb,
					  enum qemu_plugin_cb_flags flags, void *userdata)
{
	add(&current.of_block, cb, userdata);
}

void qemu_plugin_register_vcpu_insn_exec_cb(struct qemu_plugin_insn *insn,
					    qemu_plugin_vcpu_udata_cb_t cb,
					    enum qemu_plugin_cb_flags flags, void *userdata)
{
	add(&current.of_instruction, cb, userdata);
}

size_t qemu_plugin_tb_n_insns(const struct qemu_plugin_tb *tb)
{
	return 1;
}

struct qemu_plugin_insn *qemu_plugin_tb_get_insn(const struct qemu_plugin_tb *tb, size_t index)
{
	return NULL;
}

uint64_t qemu_plugin_insn_vaddr(const struct qemu_plugin_insn *insn)
{
	return current.address;
}

size_t qemu_plugin_insn_data(const struct qemu_plugin_insn *insn, void *dest, size_t len)
{
	memcpy(dest, &current.opcode, sizeof(current.opcode));
	return sizeof(current.opcode);
}

GArray *qemu_plugin_get_registers(void)
{
	static qemu_plugin_reg_descriptor descriptor = { .name = STACK_POINTER };
	static GArray registers = { (char *)&descriptor, 1 };

	return &registers;
}

bool qemu_plugin_read_register(struct qemu_plugin_register *handle, GByteArray *buf)
{
	buf->data = (uint8_t *)&current.stack;
	buf->len = sizeof(current.stack);
	return true;
}

GByteArray *g_byte_array_new(void)
{
	static GByteArray array;

	return &array;
}

GByteArray *g_byte_array_set_size(GByteArray *array, unsigned int len)
{
	array->len = len;
	return array;
}

void qemu_plugin_outs(const char *string)
{
	fputs(string, stdout);
}

int main(int argc, char **argv)
{
	unsigned long long address, stack;
	unsigned int opcode;

	if (qemu_plugin_install(0, NULL, argc - 1, argv + 1))
		return EXIT_FAILURE;

	on_vcpu(0, NULL);
	while (scanf("%llx %llx %x", &address, &stack, &opcode) == 3) {
		memset(&current, 0, sizeof(current));
		current.address = address;
		current.stack = stack;
		current.opcode = opcode;
		on_translate(NULL, NULL);
		call(&current.of_block);
		call(&current.of_instruction);
	}

	return EXIT_SUCCESS;
}
