// SPDX-License-Identifier: GPL-2.0-only
/*
 * A virtual machine with an assigned NVMe controller, and live updates of its host:
 *
 *	live_vm -s 1 BDF	boots the bare guest, which does verified I/O from now on
 *	kexec -s -l ...
 *	killall -USR1 live_vm	pauses the guest, and jumps
 *	live_vm -s 2 BDF	continues it in the next kernel, where the cycle starts again
 *	killall -QUIT live_vm	ends its I/O, and puts what it reports into a file
 *
 * SIGHUP cancels the update, and prepares the next one. The result is written to a file, as it
 * is when SIGUSR1 has not made it jump. SIGINT is the reset button of the virtual machine.
 * With
 *
 *	-c 1, -c 2	the virtual machine is handed over, the device is not
 *	-u 2		another VMM was killed that had the device, before it had bound it
 *	-b 2		another one was killed after it had bound, attached and armed it: the
 *			device starts cold, and so does the guest
 *	-f 2		the kernel refines the frequency of the TSC meanwhile
 *	-r		there is no update, and the report is printed
 *	-l N		the guest is saved N times, and continues in another virtual machine
 *			of the same kernel; the report is printed
 *	-n		it is not handed over: it ends with this kernel
 *	-d		it is a service of systemd, in either kernel: after SIGHUP, SIGTERM makes
 *			it pause and end, and systemd keeps the session
 *	-m MIB		the guest gets this much memory
 *	-g linux	another guest is run
 *	-v		BDF is a virtual function; another program owns its physical
 *			function, and hands that over first
 */
#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/reboot.h>
#include <sys/wait.h>
#include <unistd.h>

#include <linux/reboot.h>

#include "kselftest.h"

#include "assigned.h"
#include "guest.h"
#include "luo.h"
#include "service.h"
#include "test.h"
#include "vm.h"

#define SESSION		"live_vm"
#define KEPT		"session"	/* under this name, by the manager */
#define REPORT		"/tmp/live_vm"
#define ANSWER		"/tmp/live_vm_answer"
#define MEMORY_TOKEN	1
#define STATE_TOKEN	2
#define DEVICE_TOKEN	3
#define STALE_TSC_KHZ	1000000
#define MOVE_US		20000		/* at most, from one move to the next */

/* What is handed over beside the guest's memory */
struct handover {
	struct vm_state vm;
	struct assigned_state device;
	struct guest_pause pause;
};

static const struct guest *guest = &bare_guest;
static struct vm vm;
static struct assigned device;
static bool device_goes_along = true;
static size_t memory_bytes;
static unsigned int first_tsc_khz;	/* that the virtual machine is created with */

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

static void start_guest(const char *bdf, int memory, struct handover *state)
{
	bool works;

	check(vm_create(&vm, memory, first_tsc_khz), "create virtual machine");
	check(vfio_dev_open_cdev(&device.dev, bdf), "open device");
	check(assigned_open(&device, &vm), "assign device");
	check(assigned_power_on(&device), "map device");
	check(guest->boot(&vm), "boot guest");
	check(vm_run(&vm), "start CPUs");

	works = guest->does_io(&vm, guest->boot_ms);
	ksft_test_result(works, "the guest does I/O by interrupts\n");
	if (!works)
		guest->print(&vm, &state->pause);
}

/* The signals that it waits for later are blocked in all of its threads. */
static void block_signals(sigset_t *signals)
{
	sigemptyset(signals);
	sigaddset(signals, SIGUSR1);
	sigaddset(signals, SIGHUP);
	sigaddset(signals, SIGINT);
	sigaddset(signals, SIGQUIT);
	sigaddset(signals, SIGTERM);
	sigprocmask(SIG_BLOCK, signals, NULL);
}

/*
 * The virtual machine outlives a stage, so that the device is not reset when the stage
 * ends. A virtual machine belongs to the process that creates it, so the background
 * process does that.
 */
static void begin_stage(sigset_t *signals, unsigned int nr_tests)
{
	pid_t child = fork();

	check(child, "fork");
	if (child)
		_exit(0);
	setsid();
	block_signals(signals);
	ksft_set_plan(nr_tests);
}

/* Nobody need wait for further output. */
static void end_stage(void)
{
	ksft_print_cnts();
	fflush(stdout);
	freopen("/dev/null", "w", stdout);
}

static void cancel(struct files *files)
{
	close(files->session);
	files->session = -1;
}

/* If it fails, nothing is left preserved. */
static int preserve(struct files *files, struct handover *state)
{
	int ret;

	files->session = luo_create_session(SESSION);
	if (files->session < 0)
		return files->session;
	ret = luo_preserve_fd(files->session, files->memory, MEMORY_TOKEN);
	if (!ret)
		ret = luo_preserve_fd(files->session, files->state, STATE_TOKEN);
	if (!ret && device_goes_along)
		ret = luo_preserve_fd(files->session, device.dev.fd, DEVICE_TOKEN);
	if (ret) {
		cancel(files);
		return ret;
	}
	if (guest->prepared)
		guest->prepared(&vm, &state->pause);

	return 0;
}

static void prepare(struct files *files, struct handover *state)
{
	check(preserve(files, state), "preserve");
}

/* The device stays attached. Firmware uses INTx, which a preserved device has not. */
static void reset_guest(struct files *files, struct handover *state)
{
	vm_pause(&vm);
	vm_destroy(&vm);
	check(vm_create(&vm, files->memory, first_tsc_khz), "create virtual machine again");
	check(assigned_reset(&device, &vm), "reset device");
	cancel(files);
	check(firmware_run(&device), "run firmware");
	memset(vm.memory, 0, vm.memory_bytes);
	check(guest->boot(&vm), "boot guest again");
	check(vm_run(&vm), "start CPUs");
	guest->does_io(&vm, guest->boot_ms);
	prepare(files, state);
}

static void pause_and_save(struct handover *state)
{
	if (guest->has_changed)
		guest->has_changed(&vm, &state->pause);
	state->pause.nr_steps = 0;
	pause_step(&state->pause, "update");
	vm_pause(&vm);
	pause_step(&state->pause, "stop");
	check(vm_save(&vm, &state->vm), "save virtual machine");
	state->pause.tsc_offset = state->vm.vcpus[0].tsc_offset;
	guest->paused(&vm, &state->pause);
	state->device = device.state;
	pause_step(&state->pause, "save");
}

/* A reader that waits for the file finds it complete. */
static void answer(int ret)
{
	FILE *file = fopen(ANSWER ".next", "w");

	check(file ? 0 : -errno, ANSWER);
	fprintf(file, "%d\n", -ret);
	fclose(file);
	check(rename(ANSWER ".next", ANSWER) ? -errno : 0, ANSWER);
}

/* Returns only if the kernel refuses. Then the guest continues where it was. */
static void pause_and_jump(struct handover *state)
{
	int ret;

	pause_and_save(state);
	reboot(LINUX_REBOOT_CMD_KEXEC);
	ret = -errno;
	perror("live_vm: kexec");
	state->pause.nr_steps = 0;
	check(vm_run(&vm), "start CPUs");
	answer(ret);
}

static void report(const struct handover *state)
{
	check(freopen(REPORT ".next", "w", stdout) ? 0 : -errno, REPORT);
	guest->drain(&vm);
	guest->print(&vm, &state->pause);
	fflush(stdout);
	check(rename(REPORT ".next", REPORT) ? -errno : 0, REPORT);
}

/* The session lives on without its VMM, and the device with it. */
static void end_service(struct files *files, struct handover *state)
{
	if (files->session < 0)
		exit(0);
	pause_and_save(state);
	check(service_keep_fd(KEPT, files->session), "give session to the manager");
	exit(0);
}

static void serve(struct files *files, struct handover *state, const sigset_t *signals)
{
	int signal;

	for (;;) {
		sigwait(signals, &signal);
		if (signal == SIGUSR1) {
			pause_and_jump(state);
		} else if (signal == SIGHUP) {
			cancel(files);
			answer(preserve(files, state));
		} else if (signal == SIGINT) {
			reset_guest(files, state);
		} else if (signal == SIGTERM) {
			end_service(files, state);
		} else {
			report(state);
		}
	}
}

static void prepare_and_serve(struct files *files, struct handover *state,
			      const sigset_t *signals)
{
	prepare(files, state);
	end_stage();
	serve(files, state, signals);
}

static struct handover *start_with_memory(const char *bdf, struct files *files)
{
	struct handover *state;

	files->memory = create_memfd("memory", memory_bytes);
	files->state = create_memfd("state", sizeof(*state));
	state = map_handover(files->state);
	start_guest(bdf, files->memory, state);

	return state;
}

static void stage_1(const char *bdf)
{
	struct handover *state;
	struct files files;
	sigset_t signals;

	begin_stage(&signals, 1);
	state = start_with_memory(bdf, &files);
	prepare_and_serve(&files, state, &signals);
}

/* files: the session has been retrieved */
static struct handover *take_over(struct files *files)
{
	files->memory = luo_retrieve_fd(files->session, MEMORY_TOKEN);
	check(files->memory, "retrieve memory");
	files->state = luo_retrieve_fd(files->session, STATE_TOKEN);
	check(files->state, "retrieve state");

	return map_handover(files->state);
}

static void get_device(const char *bdf, const struct files *files, struct handover *state)
{
	if (device_goes_along) {
		device.dev.fd = luo_retrieve_fd(files->session, DEVICE_TOKEN);
		check(device.dev.fd, "retrieve device");
	} else {
		check(vfio_dev_open_cdev(&device.dev, bdf), "open device");
	}
	pause_step(&state->pause, "retrieve");
}

/*
 * The local APICs have their state before the first vector is armed: what the device
 * has latched is injected at once.
 */
static void continue_guest(const char *bdf, const struct files *files, struct handover *state)
{
	check(vm_create(&vm, files->memory, first_tsc_khz), "create virtual machine");
	check(vm_restore(&vm, &state->vm), "restore virtual machine");
	pause_step(&state->pause, "restore");
	get_device(bdf, files, state);
	check(assigned_open(&device, &vm), "assign device");
	pause_step(&state->pause, "map");
	check(assigned_restore(&device, &state->device), "restore device");
	pause_step(&state->pause, "arm");
	check(luo_finish(files->session), "finish");
	pause_step(&state->pause, "finish");
	state->pause.nr_updates++;
	check(vm_run(&vm), "start CPUs");
}

/* A VMM that is killed. Another process keeps its session. */
static void die(struct files *files, bool bound)
{
	pid_t child = fork();
	struct handover *state;
	int status;

	check(child, "fork");
	if (child) {
		if (waitpid(child, &status, 0) != child || !WIFSIGNALED(status) ||
		    WTERMSIG(status) != SIGKILL)
			ksft_exit_fail_msg("the process ended before it was killed\n");
		return;
	}
	state = take_over(files);
	check(vm_create(&vm, files->memory, first_tsc_khz), "create virtual machine");
	check(vm_restore(&vm, &state->vm), "restore virtual machine");
	device.dev.fd = luo_retrieve_fd(files->session, DEVICE_TOKEN);
	check(device.dev.fd, "retrieve device");
	if (bound) {
		check(assigned_open(&device, &vm), "assign device");
		check(assigned_restore(&device, &state->device), "restore device");
	}
	raise(SIGKILL);
}

static void begin_stage_2(struct files *files, sigset_t *signals, unsigned int nr_tests)
{
	begin_stage(signals, nr_tests);
	files->session = luo_retrieve_session(SESSION);
	check(files->session, "session");
}

/*
 * The device belongs to the dead VMM until FINISH. Then the guest is booted again in its
 * memory.
 */
static void stage_2_after_bound(const char *bdf)
{
	struct handover *state;
	struct files files;
	sigset_t signals;

	begin_stage_2(&files, &signals, 2);
	die(&files, true);
	state = take_over(&files);
	get_device(bdf, &files, state);
	ksft_test_result(vfio_dev_bind(&device.dev) == -EINVAL, "it cannot be bound again\n");
	check(luo_finish(files.session), "finish");
	vfio_dev_close(&device.dev);
	close(files.session);

	memset(&device, 0, sizeof(device));
	memset(state, 0, sizeof(*state));
	check(ftruncate(files.memory, 0) ? -errno : 0, "clear memory");
	check(ftruncate(files.memory, memory_bytes) ? -errno : 0, "clear memory");
	start_guest(bdf, files.memory, state);
	prepare_and_serve(&files, state, &signals);
}

static void stage_2(const char *bdf, bool again)
{
	struct handover *state;
	struct files files;
	sigset_t signals;

	begin_stage_2(&files, &signals, 1);
	if (again)
		die(&files, false);
	state = take_over(&files);
	pause_step(&state->pause, "boot");
	continue_guest(bdf, &files, state);

	ksft_test_result(guest->goes_on(&vm), "the guest goes on\n");
	if (device_goes_along)
		guest->does_io(&vm, GUEST_PATIENCE_MS);
	close(files.session);
	prepare_and_serve(&files, state, &signals);
}

/* An outgoing session is that of a VMM that was stopped although there was no update. */
static bool is_incoming(int session)
{
	int fd = luo_retrieve_fd(session, MEMORY_TOKEN);

	if (fd >= 0)
		close(fd);

	return fd != -EINVAL;
}

static void forget_session(struct files *files)
{
	check(service_forget_fd(KEPT), "take session from the manager");
	cancel(files);
}

/* The manager of the next kernel gives back what that of the old kernel has kept. */
static void run_service(const char *bdf)
{
	struct handover *state;
	struct files files;
	sigset_t signals;

	block_signals(&signals);
	ksft_set_plan(1);
	files.session = service_kept_fd(KEPT);
	if (files.session >= 0 && is_incoming(files.session)) {
		state = take_over(&files);
		pause_step(&state->pause, "boot");
		continue_guest(bdf, &files, state);
		ksft_test_result(guest->goes_on(&vm), "the guest goes on\n");
		forget_session(&files);
	} else {
		if (files.session >= 0)
			forget_session(&files);
		state = start_with_memory(bdf, &files);
	}
	check(service_is_ready(), "tell the manager");
	ksft_print_cnts();
	serve(&files, state, &signals);
}

static void run(const char *bdf)
{
	static struct handover state;

	ksft_set_plan(1);
	start_guest(bdf, create_memfd("memory", memory_bytes), &state);
	guest->drain(&vm);
	guest->print(&vm, &state.pause);
	ksft_finished();
}

/* What the device signals meanwhile goes to the next virtual machine. */
static void move_guest(int memory, struct handover *state)
{
	vm_pause(&vm);
	check(msix_disconnect(&device), "disconnect device");
	check(vm_save(&vm, &state->vm), "save virtual machine");
	guest->paused(&vm, &state->pause);
	vm_destroy(&vm);
	check(vm_create(&vm, memory, 0), "create virtual machine");
	check(vm_restore(&vm, &state->vm), "restore virtual machine");
	check(assigned_connect(&device, &vm), "connect device");
	check(vm_run(&vm), "start CPUs");
}

/* At any point of its execution */
static void run_and_move(const char *bdf, unsigned int times)
{
	static struct handover state;
	int memory = create_memfd("memory", memory_bytes);
	unsigned int i;

	ksft_set_plan(2);
	start_guest(bdf, memory, &state);
	for (i = 0; i < times; i++) {
		usleep(random() % MOVE_US);
		move_guest(memory, &state);
	}
	ksft_test_result(guest->does_io(&vm, guest->boot_ms), "it goes on after %u moves\n", times);
	guest->drain(&vm);
	guest->print(&vm, &state.pause);
	ksft_finished();
}

static void run_until_end(const char *bdf)
{
	static struct handover state;
	sigset_t signals;

	begin_stage(&signals, 1);
	start_guest(bdf, create_memfd("memory", memory_bytes), &state);
	end_stage();
	for (;;)
		pause();
}

static void refuse(const char *program)
{
	ksft_exit_fail_msg("usage: %s [OPTION...] -s|-c 1|2, -u|-b|-f 2, -r|-n|-d|-l N BDF\n",
			   program);
}

int main(int argc, char *argv[])
{
	int option, mode = 0, stage = 0;

	ksft_print_header();
	while ((option = getopt(argc, argv, "vg:m:s:c:u:b:f:l:rnd")) != -1) {
		if (option == 'g') {
			guest = guest_of_name(optarg);
		} else if (option == 'm') {
			memory_bytes = strtoul(optarg, NULL, 0) << 20;
		} else if (option == 'v') {
			device.dev.token = VFIO_DEV_TOKEN;
		} else {
			mode = option;
			stage = optarg ? atoi(optarg) : 0;
		}
	}
	if (!guest || optind + 1 != argc)
		refuse(argv[0]);
	if (!memory_bytes)
		memory_bytes = guest->memory_bytes;

	if (mode == 'r')
		run(argv[optind]);
	if (mode == 'l')
		run_and_move(argv[optind], stage);
	if (mode == 'n')
		run_until_end(argv[optind]);
	require_liveupdate();
	if (mode == 'd')
		run_service(argv[optind]);
	device_goes_along = mode != 'c';
	first_tsc_khz = mode == 'f' ? STALE_TSC_KHZ : 0;
	if (stage == 1)
		stage_1(argv[optind]);
	if (stage == 2 && mode == 'b')
		stage_2_after_bound(argv[optind]);
	if (stage == 2)
		stage_2(argv[optind], mode == 'u');
	refuse(argv[0]);
}
