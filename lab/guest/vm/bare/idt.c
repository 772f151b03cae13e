// SPDX-License-Identifier: GPL-2.0-only
/*
 * Interrupts and exceptions. Every exception is a mistake of the guest, or of the
 * VMM that has restored it.
 */
#include "bare.h"
#include "cpu.h"

#define CODE_SELECTOR	0x10
#define GATE		0x8e00	/* present, interrupt gate */
#define EXCEPTIONS	32
#define VECTORS		256

#define FLAGS_IF	0x200

/* What the CPU pushes when it calls a handler */
struct frame {
	__u64 rip;
	__u64 cs;
	__u64 flags;
	__u64 rsp;
	__u64 ss;
};

struct gate {
	__u16 offset_low;
	__u16 selector;
	__u16 flags;
	__u16 offset_middle;
	__u32 offset_high;
	__u32 reserved;
};

static struct gate idt[VECTORS];

/*
 * QEMU 11.1 forgets that it has delivered the interrupt which VMRUN injects
 * (helper_vmrun() leaves exception_index set). When the CPU next leaves its loop, with
 * -icount at the end of each slice, it delivers the vector once more, as a fault: even
 * while interrupts are off, unlike any interrupt. Nothing has raised this interrupt,
 * and it must not be acknowledged. A handler that waits here for its own lock hangs.
 */
static bool is_repeated(const struct frame *frame)
{
	if (frame->flags & FLAGS_IF)
		return false;

	report()->cpu[this_cpu()].repeated++;

	return true;
}

#define HANDLER(name, vector)						\
	__attribute__((interrupt)) static void name(struct frame *frame)	\
	{								\
		if (!is_repeated(frame))				\
			interrupt(vector, this_cpu());			\
	}

HANDLER(tick, TICK_VECTOR)
HANDLER(queue_0, QUEUE_VECTOR(0))
HANDLER(queue_1, QUEUE_VECTOR(1))
HANDLER(queue_2, QUEUE_VECTOR(2))
HANDLER(queue_3, QUEUE_VECTOR(3))
HANDLER(queue_4, QUEUE_VECTOR(4))
HANDLER(queue_5, QUEUE_VECTOR(5))

/* Does not return, so that it does not matter whether the CPU has pushed a code. */
__attribute__((interrupt)) static void exception(struct frame *frame)
{
	const __u64 *pushed = (const __u64 *)frame;

	report()->fault[0] = pushed[0];
	report()->fault[1] = pushed[1];
	fail("exception");
}

__attribute__((interrupt)) static void unexpected(struct frame *frame)
{
	fail("interrupt of an unused vector");
}

static void set_gate(unsigned int vector, void (*handler)(struct frame *frame))
{
	__u64 address = (__u64)handler;

	idt[vector] = (struct gate) {
		.offset_low = address,
		.selector = CODE_SELECTOR,
		.flags = GATE,
		.offset_middle = address >> 16,
		.offset_high = address >> 32,
	};
}

static void write_gates(void)
{
	static void (*const queue_handlers[GUEST_QUEUES])(struct frame *frame) = {
		queue_0, queue_1, queue_2, queue_3, queue_4, queue_5,
	};
	unsigned int i;

	for (i = 0; i < VECTORS; i++)
		set_gate(i, i < EXCEPTIONS ? exception : unexpected);
	set_gate(TICK_VECTOR, tick);
	for (i = 0; i < GUEST_QUEUES; i++) {
		set_gate(QUEUE_VECTOR(i), queue_handlers[i]);
		set_gate(OTHER_VECTOR(i), queue_handlers[i]);
	}
}

/* Written only by the first CPU, which may have interrupts when another one gets here. */
void idt_load(unsigned int cpu)
{
	static bool is_written;
	__u64 base = (__u64)idt;
	__u16 descriptor[] = { sizeof(idt) - 1, base, base >> 16, base >> 32, base >> 48 };

	if (!cpu) {
		write_gates();
		__atomic_store_n(&is_written, true, __ATOMIC_RELEASE);
	}
	while (!__atomic_load_n(&is_written, __ATOMIC_ACQUIRE))
		relax();
	asm volatile("lidt %0" : : "m" (descriptor));
}
