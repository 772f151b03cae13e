// SPDX-License-Identifier: GPL-2.0-only
/*
 * Everything that the guest can observe of a virtual CPU, saved from KVM and
 * restored. The order matters: KVM checks some values against others.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <x86intrin.h>

#include "vm.h"

#define MSR_TSC		0x10

static int tsc_offset(struct vcpu *vcpu, unsigned long request, __u64 *offset)
{
	struct kvm_device_attr attr = {
		.group = KVM_VCPU_TSC_CTRL,
		.attr = KVM_VCPU_TSC_OFFSET,
		.addr = (__u64)offset,
	};

	return ioctl(vcpu->fd, request, &attr) ? -errno : 0;
}

static struct kvm_msr_list *msr_list(struct vcpu *vcpu)
{
	struct kvm_msr_list *list;

	list = calloc(1, sizeof(*list) + VM_MAX_MSRS * sizeof(list->indices[0]));
	if (!list)
		return NULL;

	list->nmsrs = VM_MAX_MSRS;
	if (ioctl(vcpu->vm->kvm, KVM_GET_MSR_INDEX_LIST, list)) {
		free(list);
		return NULL;
	}

	return list;
}

static int one_msr(struct vcpu *vcpu, unsigned long request, struct kvm_msr_entry *msr)
{
	struct {
		struct kvm_msrs header;
		struct kvm_msr_entry entry;
	} one = { .header.nmsrs = 1, .entry = *msr };

	if (ioctl(vcpu->fd, request, &one) != 1)
		return -EINVAL;
	*msr = one.entry;

	return 0;
}

/* Except for an offset, the guest's TSC has to be that of the host. */
int vcpu_check_tsc(struct vcpu *vcpu)
{
	struct kvm_msr_entry tsc = { .index = MSR_TSC };
	__u64 offset, before, after;
	int ret;

	ret = tsc_offset(vcpu, KVM_GET_DEVICE_ATTR, &offset);
	before = __rdtsc();
	if (!ret)
		ret = one_msr(vcpu, KVM_GET_MSRS, &tsc);
	after = __rdtsc();
	if (ret)
		return ret;

	return tsc.data - offset >= before && tsc.data - offset <= after ? 0 : -EAGAIN;
}

/* A guest with this CPUID does not have all MSRs of the list. The TSC is set by its offset. */
static int save_msrs(struct vcpu *vcpu, struct vcpu_state *state)
{
	struct kvm_msr_list *list = msr_list(vcpu);
	struct kvm_msr_entry msr;
	unsigned int i;

	if (!list)
		return -errno;

	state->nr_msrs = 0;
	for (i = 0; i < list->nmsrs; i++) {
		msr = (struct kvm_msr_entry) { .index = list->indices[i] };
		if (msr.index != MSR_TSC && !one_msr(vcpu, KVM_GET_MSRS, &msr))
			state->msrs[state->nr_msrs++] = msr;
	}
	free(list);

	return 0;
}

/* Values that the CPU has anyway need not be written, and some of them cannot be. */
static int restore_msrs(struct vcpu *vcpu, const struct vcpu_state *state)
{
	struct kvm_msr_entry saved, now;
	unsigned int i;

	for (i = 0; i < state->nr_msrs; i++) {
		saved = state->msrs[i];
		now = (struct kvm_msr_entry) { .index = saved.index };
		if (!one_msr(vcpu, KVM_GET_MSRS, &now) && now.data == saved.data)
			continue;
		if (one_msr(vcpu, KVM_SET_MSRS, &saved))
			return -EINVAL;
	}

	return 0;
}

struct part {
	unsigned long request;
	void *data;
};

static int do_parts(struct vcpu *vcpu, const struct part *part)
{
	for (; part->request; part++) {
		if (ioctl(vcpu->fd, part->request, part->data))
			return -errno;
	}

	return 0;
}

int vcpu_save(struct vcpu *vcpu, struct vcpu_state *state)
{
	const struct part parts[] = {
		{ KVM_GET_MP_STATE, &state->mp_state },
		{ KVM_GET_REGS, &state->regs },
		{ KVM_GET_SREGS, &state->sregs },
		{ KVM_GET_XCRS, &state->xcrs },
		{ KVM_GET_XSAVE, &state->xsave },
		{ KVM_GET_DEBUGREGS, &state->debugregs },
		{ KVM_GET_LAPIC, &state->lapic },
		{ KVM_GET_VCPU_EVENTS, &state->events },
		{ }
	};
	int ret;

	ret = tsc_offset(vcpu, KVM_GET_DEVICE_ATTR, &state->tsc_offset);
	if (!ret)
		ret = do_parts(vcpu, parts);

	return ret ? ret : save_msrs(vcpu, state);
}

/*
 * Tells the guest that time was lost. The ioctl fails if the guest does not use KVM's
 * clock.
 */
static void tell_watchdogs(struct vcpu *vcpu)
{
	ioctl(vcpu->fd, KVM_KVMCLOCK_CTRL, 0);
}

/* The local APIC needs its base, the deadline of its timer (a MSR) needs the local APIC. */
int vcpu_restore(struct vcpu *vcpu, const struct vcpu_state *saved)
{
	struct vcpu_state state = *saved;
	const struct part parts[] = {
		{ KVM_SET_MP_STATE, &state.mp_state },
		{ KVM_SET_REGS, &state.regs },
		{ KVM_SET_SREGS, &state.sregs },
		{ KVM_SET_XCRS, &state.xcrs },
		{ KVM_SET_XSAVE, &state.xsave },
		{ KVM_SET_DEBUGREGS, &state.debugregs },
		{ KVM_SET_LAPIC, &state.lapic },
		{ }
	};
	int ret;

	ret = tsc_offset(vcpu, KVM_SET_DEVICE_ATTR, &state.tsc_offset);
	if (!ret)
		ret = do_parts(vcpu, parts);
	if (!ret)
		ret = restore_msrs(vcpu, &state);
	if (!ret)
		ret = ioctl(vcpu->fd, KVM_SET_VCPU_EVENTS, &state.events) ? -errno : 0;
	if (!ret)
		tell_watchdogs(vcpu);

	return ret;
}
