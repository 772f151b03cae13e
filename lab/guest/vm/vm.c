// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#include <x86intrin.h>

#include "kselftest.h"

#include "vm.h"

#define KICK		SIGUSR2
#define NSEC_PER_MSEC	1000000

int vm_map(struct vm *vm, enum vm_slot slot, __u64 address, void *memory, size_t size)
{
	struct kvm_userspace_memory_region region = {
		.slot = slot,
		.guest_phys_addr = address,
		.memory_size = size,
		.userspace_addr = (__u64)memory,
	};

	return ioctl(vm->fd, KVM_SET_USER_MEMORY_REGION, &region) ? -errno : 0;
}

/* The whole file */
static int map_memory(struct vm *vm, int memfd)
{
	struct stat stat;

	if (fstat(memfd, &stat))
		return -errno;
	vm->memory_bytes = stat.st_size;
	vm->memory = mmap(NULL, vm->memory_bytes, PROT_READ | PROT_WRITE,
			  MAP_SHARED | MAP_POPULATE, memfd, 0);
	if (vm->memory == MAP_FAILED)
		return -errno;

	return vm_map(vm, SLOT_MEMORY, 0, vm->memory, vm->memory_bytes);
}

static int ask_frequency(struct vm *vm)
{
	int khz = ioctl(vm->vcpus[0].fd, KVM_GET_TSC_KHZ, 0);

	if (khz < 0)
		return -errno;
	vm->tsc_khz = khz;

	return 0;
}

/* Only makes KVM_RUN return; a vCPU that is about to enter it finds immediate_exit. */
static void kicked(int signal)
{
}

static int handle_kicks(void)
{
	struct sigaction action = { .sa_handler = kicked };

	return sigaction(KICK, &action, NULL) ? -errno : 0;
}

static int create_vcpus(struct vm *vm, unsigned int tsc_khz)
{
	unsigned int i;
	int ret;

	ret = ioctl(vm->fd, KVM_SET_TSC_KHZ, tsc_khz) ? -errno : 0;
	for (i = 0; !ret && i < GUEST_CPUS; i++)
		ret = vcpu_create(vm, i);
	for (i = 0; !ret && i < GUEST_CPUS; i++)
		ret = vcpu_check_tsc(&vm->vcpus[i]);

	return ret ? ret : ask_frequency(vm);
}

static int create(struct vm *vm, int memfd, unsigned int tsc_khz)
{
	int ret;

	*vm = (struct vm) { .lock = PTHREAD_MUTEX_INITIALIZER };
	vm->kvm = open("/dev/kvm", O_RDWR | O_CLOEXEC);
	if (vm->kvm < 0)
		return -errno;
	vm->fd = ioctl(vm->kvm, KVM_CREATE_VM, 0);
	if (vm->fd < 0)
		return -errno;
	if (ioctl(vm->fd, KVM_CREATE_IRQCHIP, 0))
		return -errno;

	ret = map_memory(vm, memfd);

	return ret ? ret : create_vcpus(vm, tsc_khz);
}

/*
 * tsc_khz: the frequency that the kernel assumes for the TSC, or 0 for the current value. The
 * kernel refines it a second after it has booted. A vCPU that KVM has created for another
 * frequency has a TSC of its own, which stands still if the CPU cannot scale it. So start over
 * if that has happened in between, and say so.
 */
int vm_create(struct vm *vm, int memfd, unsigned int tsc_khz)
{
	int ret = create(vm, memfd, tsc_khz);

	if (ret == -EAGAIN) {
		ksft_print_msg("created again: the kernel has refined the frequency of the TSC\n");
		vm_destroy(vm);
		ret = create(vm, memfd, 0);
	}

	return ret ? ret : handle_kicks();
}

int vm_run(struct vm *vm)
{
	unsigned int i;
	int ret = 0;

	vm->stop = false;
	for (i = 0; !ret && i < GUEST_CPUS; i++) {
		vm->vcpus[i].run->immediate_exit = 0;
		ret = vcpu_start(&vm->vcpus[i]);
	}

	return ret;
}

/* When it returns, no CPU is in KVM_RUN, and none has an incomplete access. */
void vm_pause(struct vm *vm)
{
	unsigned int i;

	__atomic_store_n(&vm->stop, true, __ATOMIC_SEQ_CST);
	for (i = 0; i < GUEST_CPUS; i++) {
		__atomic_store_n(&vm->vcpus[i].run->immediate_exit, 1, __ATOMIC_SEQ_CST);
		pthread_kill(vm->vcpus[i].thread, KICK);
	}
	for (i = 0; i < GUEST_CPUS; i++)
		pthread_join(vm->vcpus[i].thread, NULL);
}

/* No CPU runs. The memory keeps its contents. */
void vm_destroy(struct vm *vm)
{
	unsigned int i;

	for (i = 0; i < GUEST_CPUS; i++)
		vcpu_destroy(&vm->vcpus[i]);
	munmap(vm->memory, vm->memory_bytes);
	close(vm->fd);
	close(vm->kvm);
}

/* Print where the guest is, when something has waited for it in vain */
void vm_print(struct vm *vm)
{
	unsigned int i;
	int ret;

	vm_pause(vm);
	for (i = 0; i < GUEST_CPUS; i++)
		vcpu_print(&vm->vcpus[i]);
	ret = vm_run(vm);
	if (ret)
		vm->error = ret;
}

int vm_save(struct vm *vm, struct vm_state *state)
{
	unsigned int i;
	int ret = 0;

	for (i = 0; !ret && i < GUEST_CPUS; i++)
		ret = vcpu_save(&vm->vcpus[i], &state->vcpus[i]);
	for (i = 0; !ret && i < VM_IRQCHIPS; i++) {
		state->irqchips[i].chip_id = i;
		ret = ioctl(vm->fd, KVM_GET_IRQCHIP, &state->irqchips[i]) ? -errno : 0;
	}
	if (!ret)
		ret = ioctl(vm->fd, KVM_GET_CLOCK, &state->clock) ? -errno : 0;
	if (!ret && !(state->clock.flags & KVM_CLOCK_HOST_TSC))
		ret = -EOPNOTSUPP;
	state->console = vm->console;

	return ret;
}

/*
 * The time of the pause passes for the guest as well, as on its TSC. From the
 * hardware, the clock of the next kernel has only whole seconds.
 */
static int restore_clock(struct vm *vm, const struct kvm_clock_data *saved)
{
	unsigned __int128 cycles = __rdtsc() - saved->host_tsc;
	struct kvm_clock_data clock = {
		.clock = saved->clock + (__u64)(cycles * NSEC_PER_MSEC / vm->tsc_khz),
	};

	return ioctl(vm->fd, KVM_SET_CLOCK, &clock) ? -errno : 0;
}

int vm_restore(struct vm *vm, const struct vm_state *state)
{
	unsigned int i;
	int ret = 0;

	for (i = 0; !ret && i < VM_IRQCHIPS; i++)
		ret = ioctl(vm->fd, KVM_SET_IRQCHIP, &state->irqchips[i]) ? -errno : 0;
	if (!ret)
		ret = restore_clock(vm, &state->clock);
	for (i = 0; !ret && i < GUEST_CPUS; i++)
		ret = vcpu_restore(&vm->vcpus[i], &state->vcpus[i]);
	vm->console = state->console;

	return ret;
}
