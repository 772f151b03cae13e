// SPDX-License-Identifier: GPL-2.0-only
/*
 * A virtual machine with an assigned NVMe controller, and a live update of its host:
 *
 *	live_vm -s 1 BDF	boots the bare guest, which does verified I/O from now on
 *	kexec -s -l ...
 *	killall -USR1 live_vm	pauses the guest, and jumps
 *	live_vm -s 2 BDF	continues it in the next kernel, and prints what it reports
 *
 * -c instead of -s is the comparison: the virtual machine is handed over, the device
 * is not. -r BDF runs the guest without an update.
 */
#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/reboot.h>
#include <unistd.h>

#include <linux/reboot.h>

#include "kselftest.h"

#include "assigned.h"
#include "guest.h"
#include "luo.h"
#include "test.h"
#include "vm.h"

#define SESSION		"live_vm"
#define MEMORY_TOKEN	1
#define STATE_TOKEN	2
#define DEVICE_TOKEN	3

/* What is handed over beside the guest's memory */
struct handover {
	struct vm_state vm;
	struct assigned_state device;
	struct guest_pause pause;
};

static struct vm vm;
static struct assigned device;

/* The files of a session, in the order in which they are preserved */
struct files {
	int session;
	int memory;
	int state;
};

static int create_memfd(const char *name, size_t size)
{
	int memfd = memfd_create(name, MFD_CLOEXEC);

	check(memfd, name);
	check(ftruncate(memfd, size) ? -errno : 0, name);

	return memfd;
}

static struct handover *map_handover(int memfd)
{
	void *map = mmap(NULL, sizeof(struct handover), PROT_READ | PROT_WRITE,
			 MAP_SHARED | MAP_POPULATE, memfd, 0);

	check(map == MAP_FAILED ? -errno : 0, "map state");

	return map;
}

static void start_guest(const char *bdf, int memory)
{
	int khz;

	check(vm_create(&vm, memory), "create virtual machine");
	check(vfio_dev_open_cdev(&device.dev, bdf), "open device");
	check(assigned_open(&device, &vm), "assign device");
	check(assigned_reset(&device), "reset device");
	check(vm_boot(&vm), "boot guest");
	khz = ioctl(vm.vcpus[0].fd, KVM_GET_TSC_KHZ, 0);
	check(khz, "frequency of the TSC");
	vm_report(&vm)->tsc_khz = khz;
	check(vm_run(&vm), "start CPUs");
	ksft_test_result(guest_does_io(&vm), "the guest does I/O by interrupts\n");
}

/*
 * The virtual machine outlives a stage, so that the device is not reset when it ends.
 * The process in the background is the one that creates it, because it belongs to that.
 */
static void begin_stage(void)
{
	pid_t child = fork();

	check(child, "fork");
	if (child)
		_exit(0);
	setsid();
	ksft_set_plan(1);
}

/* Whoever waits for the output need not wait any longer. */
static void end_stage(void)
{
	ksft_print_cnts();
	fflush(stdout);
	freopen("/dev/null", "w", stdout);
}

static void pause_and_save(struct handover *state)
{
	state->pause.nr_steps = 0;
	pause_step(&state->pause, "update");
	vm_pause(&vm);
	pause_step(&state->pause, "stop");
	check(vm_save(&vm, &state->vm), "save virtual machine");
	state->pause.tsc_offset = state->vm.vcpus[0].tsc_offset;
	state->pause.report = *vm_report(&vm);
	state->device = device.state;
	pause_step(&state->pause, "save");
}

/* Returns only if the kernel refuses. Then the guest goes on where it was. */
static void pause_and_jump(struct handover *state)
{
	pause_and_save(state);
	reboot(LINUX_REBOOT_CMD_KEXEC);
	perror("live_vm: kexec");
	check(vm_run(&vm), "start CPUs");
}

static void stage_1(const char *bdf, bool handover)
{
	struct handover *state;
	struct files files;
	sigset_t update;
	int signal;

	sigemptyset(&update);
	sigaddset(&update, SIGUSR1);
	sigprocmask(SIG_BLOCK, &update, NULL);
	begin_stage();

	files.memory = create_memfd("memory", GUEST_MEMORY_BYTES);
	files.state = create_memfd("state", sizeof(*state));
	state = map_handover(files.state);
	start_guest(bdf, files.memory);

	files.session = luo_create_session(SESSION);
	check(files.session, "session");
	check(luo_preserve_fd(files.session, files.memory, MEMORY_TOKEN), "preserve memory");
	check(luo_preserve_fd(files.session, files.state, STATE_TOKEN), "preserve state");
	if (handover)
		check(luo_preserve_fd(files.session, device.dev.fd, DEVICE_TOKEN),
		      "preserve device");

	end_stage();
	for (;;) {
		sigwait(&update, &signal);
		pause_and_jump(state);
	}
}

static struct handover *take_over(struct files *files)
{
	files->session = luo_retrieve_session(SESSION);
	check(files->session, "session");
	files->memory = luo_retrieve_fd(files->session, MEMORY_TOKEN);
	check(files->memory, "retrieve memory");
	files->state = luo_retrieve_fd(files->session, STATE_TOKEN);
	check(files->state, "retrieve state");

	return map_handover(files->state);
}

/*
 * The local APICs have their state before the first vector is armed: what the device
 * has latched is injected at once.
 */
static void continue_guest(const char *bdf, const struct files *files, struct handover *state,
			   bool handover)
{
	check(vm_create(&vm, files->memory), "create virtual machine");
	check(vm_restore(&vm, &state->vm), "restore virtual machine");
	pause_step(&state->pause, "restore");

	if (handover) {
		device.dev.fd = luo_retrieve_fd(files->session, DEVICE_TOKEN);
		check(device.dev.fd, "retrieve device");
	} else {
		check(vfio_dev_open_cdev(&device.dev, bdf), "open device");
	}
	pause_step(&state->pause, "retrieve");
	check(assigned_open(&device, &vm), "assign device");
	pause_step(&state->pause, "map");
	check(assigned_restore(&device, &state->device), "restore device");
	pause_step(&state->pause, "arm");
	check(luo_finish(files->session), "finish");
	pause_step(&state->pause, "finish");
	check(vm_run(&vm), "start CPUs");
}

static void stage_2(const char *bdf, bool handover)
{
	struct handover *state;
	struct files files;

	begin_stage();
	state = take_over(&files);
	pause_step(&state->pause, "boot");
	continue_guest(bdf, &files, state, handover);

	ksft_test_result(guest_goes_on(&vm), "the guest goes on\n");
	if (handover)
		guest_does_io(&vm);
	guest_drain(&vm);
	guest_print(&vm, &state->pause);
	end_stage();
	for (;;)
		pause();
}

static void run(const char *bdf)
{
	ksft_set_plan(1);
	start_guest(bdf, create_memfd("memory", GUEST_MEMORY_BYTES));
	guest_drain(&vm);
	guest_print(&vm, NULL);
	ksft_finished();
}

int main(int argc, char *argv[])
{
	const char *option = argc > 2 ? argv[1] : "";
	bool handover = !strcmp(option, "-s");

	ksft_print_header();
	if (argc == 3 && !strcmp(option, "-r"))
		run(argv[2]);
	if (argc != 4 || (!handover && strcmp(option, "-c")))
		ksft_exit_fail_msg("usage: %s -s|-c 1|2 BDF, or -r BDF\n", argv[0]);
	require_liveupdate();

	if (!strcmp(argv[2], "1"))
		stage_1(argv[3], handover);
	stage_2(argv[3], handover);
}
