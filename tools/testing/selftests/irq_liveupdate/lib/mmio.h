/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Device memory, each access done once and whole.
 */
#ifndef _IRQ_LIVEUPDATE_MMIO_H
#define _IRQ_LIVEUPDATE_MMIO_H

#include <linux/types.h>

static inline __u8 mmio_read8(const void *address)
{
	return __atomic_load_n((const __u8 *)address, __ATOMIC_RELAXED);
}

static inline __u16 mmio_read16(const void *address)
{
	return __atomic_load_n((const __u16 *)address, __ATOMIC_RELAXED);
}

static inline __u32 mmio_read32(const void *address)
{
	return __atomic_load_n((const __u32 *)address, __ATOMIC_RELAXED);
}

static inline __u64 mmio_read64(const void *address)
{
	return __atomic_load_n((const __u64 *)address, __ATOMIC_RELAXED);
}

static inline void mmio_write8(void *address, __u8 value)
{
	__atomic_store_n((__u8 *)address, value, __ATOMIC_RELAXED);
}

static inline void mmio_write16(void *address, __u16 value)
{
	__atomic_store_n((__u16 *)address, value, __ATOMIC_RELAXED);
}

static inline void mmio_write32(void *address, __u32 value)
{
	__atomic_store_n((__u32 *)address, value, __ATOMIC_RELAXED);
}

static inline void mmio_write64(void *address, __u64 value)
{
	__atomic_store_n((__u64 *)address, value, __ATOMIC_RELAXED);
}

#endif /* _IRQ_LIVEUPDATE_MMIO_H */
