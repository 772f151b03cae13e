// SPDX-License-Identifier: GPL-2.0-only
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <x86intrin.h>

#include "kselftest.h"

#include "guest.h"

#define STEP_MS		10

/* NULL if there is none */
const struct guest *guest_of_name(const char *name)
{
	static const struct guest *const guests[] = { &bare_guest, &linux_guest, NULL };
	const struct guest *const *guest = guests;

	while (*guest && strcmp((*guest)->name, name))
		guest++;

	return *guest;
}

void pause_step(struct guest_pause *pause, const char *name)
{
	struct pause_step *step = &pause->step[pause->nr_steps++];

	snprintf(step->name, sizeof(step->name), "%s", name);
	step->tsc = __rdtsc();
}

static bool works(const struct guest *guest, struct vm *vm)
{
	if (vm->error)
		ksft_print_msg("the VMM cannot run the guest: %s\n", strerror(-vm->error));

	return !vm->error && guest->works(vm);
}

bool guest_wait(const struct guest *guest, struct vm *vm, unsigned int ms,
		guest_condition condition, const void *before)
{
	struct timespec step = { .tv_nsec = STEP_MS * 1000000 };
	unsigned int waited;

	for (waited = 0; waited < ms && works(guest, vm); waited += STEP_MS) {
		__atomic_thread_fence(__ATOMIC_SEQ_CST);
		if (condition(vm, before))
			return true;
		nanosleep(&step, NULL);
	}
	if (works(guest, vm))
		vm_print(vm);

	return false;
}

static void print_steps(const struct guest_pause *pause)
{
	unsigned int i;

	printf(",\"pause\":[");
	for (i = 0; i < pause->nr_steps; i++)
		printf("%s[\"%s\",%llu]", i ? "," : "", pause->step[i].name,
		       pause->step[i].tsc + pause->tsc_offset);
	putchar(']');
}

/* As members of an object of JSON */
void guest_print_times(const struct vm *vm, const struct guest_pause *pause)
{
	printf("\"tsc_khz\":%llu,\"updates\":%u", vm->tsc_khz, pause->nr_updates);
	if (pause->nr_steps)
		print_steps(pause);
}
