// SPDX-License-Identifier: GPL-2.0-only
/*
 * A virtual CPU and its thread, which runs it and emulates its accesses to the
 * console, and to the device's configuration space and MSI-X table.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "assigned.h"
#include "vm.h"

#define MAX_CPUID	256

/* CPUID leaves that tell a CPU its own number */
#define CPUID_FEATURES		0x1
#define CPUID_TOPOLOGY		0xb

static void set_cpu_number(struct kvm_cpuid_entry2 *entry, unsigned int index)
{
	if (entry->function == CPUID_FEATURES)
		entry->ebx = (entry->ebx & 0x00ffffff) | index << 24;
	if (entry->function == CPUID_TOPOLOGY)
		entry->edx = index;
}

/* All features that KVM supports */
static int set_cpuid(struct vcpu *vcpu)
{
	struct kvm_cpuid2 *cpuid;
	unsigned int i;
	int ret;

	cpuid = calloc(1, sizeof(*cpuid) + MAX_CPUID * sizeof(cpuid->entries[0]));
	if (!cpuid)
		return -ENOMEM;

	cpuid->nent = MAX_CPUID;
	ret = ioctl(vcpu->vm->kvm, KVM_GET_SUPPORTED_CPUID, cpuid) ? -errno : 0;
	for (i = 0; !ret && i < cpuid->nent; i++)
		set_cpu_number(&cpuid->entries[i], vcpu->index);
	if (!ret)
		ret = ioctl(vcpu->fd, KVM_SET_CPUID2, cpuid) ? -errno : 0;
	free(cpuid);

	return ret;
}

int vcpu_create(struct vm *vm, unsigned int index)
{
	struct vcpu *vcpu = &vm->vcpus[index];
	int size = ioctl(vm->kvm, KVM_GET_VCPU_MMAP_SIZE, 0);

	vcpu->run_bytes = size;
	vcpu->vm = vm;
	vcpu->index = index;
	vcpu->fd = ioctl(vm->fd, KVM_CREATE_VCPU, index);
	if (size < 0 || vcpu->fd < 0)
		return -errno;

	vcpu->run = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, vcpu->fd, 0);
	if (vcpu->run == MAP_FAILED)
		return -errno;

	return set_cpuid(vcpu);
}

void vcpu_destroy(struct vcpu *vcpu)
{
	munmap(vcpu->run, vcpu->run_bytes);
	close(vcpu->fd);
}

/* An address with nothing behind it reads as all ones. */
static void port_access(struct vcpu *vcpu)
{
	struct kvm_run *run = vcpu->run;
	void *data = (void *)run + run->io.data_offset;
	size_t size = run->io.size * run->io.count;

	if (run->io.direction == KVM_EXIT_IO_IN) {
		memset(data, 0xff, size);
		console_port_read(&vcpu->vm->console, run->io.port, data, size);
		assigned_port_read(vcpu->vm->device, run->io.port, data, size);
	} else {
		console_port_write(&vcpu->vm->console, run->io.port, data, size);
		assigned_port_write(vcpu->vm->device, run->io.port, data, size);
	}
}

static void memory_access(struct vcpu *vcpu)
{
	struct kvm_run *run = vcpu->run;

	if (run->mmio.is_write) {
		assigned_memory_write(vcpu->vm->device, run->mmio.phys_addr, run->mmio.data,
				      run->mmio.len);
		return;
	}
	memset(run->mmio.data, 0xff, run->mmio.len);
	assigned_memory_read(vcpu->vm->device, run->mmio.phys_addr, run->mmio.data, run->mmio.len);
}

static int handle_exit(struct vcpu *vcpu)
{
	void (*handle)(struct vcpu *vcpu);

	switch (vcpu->run->exit_reason) {
	case KVM_EXIT_IO:
		handle = port_access;
		break;
	case KVM_EXIT_MMIO:
		handle = memory_access;
		break;
	default:
		return -EPROTO;
	}

	pthread_mutex_lock(&vcpu->vm->lock);
	handle(vcpu);
	pthread_mutex_unlock(&vcpu->vm->lock);

	return 0;
}

/*
 * Returns 1 if the CPU has made an access, which is completed only when this is called again.
 */
static int run_once(struct vcpu *vcpu)
{
	if (!ioctl(vcpu->fd, KVM_RUN, 0))
		return handle_exit(vcpu) ?: 1;

	return errno == EINTR || errno == EAGAIN ? 0 : -errno;
}

static void *run(void *arg)
{
	struct vcpu *vcpu = arg;
	int ret;

	do {
		ret = run_once(vcpu);
	} while (ret > 0 || (!ret && !__atomic_load_n(&vcpu->vm->stop, __ATOMIC_SEQ_CST)));
	if (ret)
		vcpu->vm->error = ret;

	return NULL;
}

int vcpu_start(struct vcpu *vcpu)
{
	return -pthread_create(&vcpu->thread, NULL, run, vcpu);
}
