/* SPDX-License-Identifier: GPL-2.0 */

#ifndef _LINUX_IRQ_LIVEUPDATE_H
#define _LINUX_IRQ_LIVEUPDATE_H

#include <linux/errno.h>
#include <linux/kho/abi/irq.h>
#include <linux/list.h>
#include <linux/types.h>

/* Size of a buffer for a reason. Longer than any reason in the kernel. */
#define IRQ_LIVEUPDATE_REASON_LEN	128

struct device;
struct irq_data;
struct irq_domain;
struct msi_desc;

/**
 * struct irq_domain_liveupdate_ops - Live update methods of an irq domain
 * @save:	Write what this domain knows about the interrupt @irqd to @rec.
 *		Called with the irq descriptor locked, must not sleep. Each
 *		domain writes only its own fields, see DOC in
 *		include/linux/kho/abi/irq.h.
 * @preserve:	Preserve with KHO what the unit reads for the interrupts of @dev: its
 *		remapping table, and all structures that lead to it. Memory that
 *		several devices share is preserved with the first of them. Describe
 *		the unit in @ser, which is either zero or already describes it.
 *		Called once for each device, whose MSI descriptors are locked if it
 *		has any. Interrupts of the device continue, and may still be
 *		allocated and freed. May sleep. Returns 0 or a negative errno.
 * @unpreserve:	Undo @preserve. Memory that several devices share is unpreserved
 *		with the last of them. May sleep.
 * @block:	Make the table entries not present, with fault reporting
 *		suppressed and the source-id fields of @rec, and pin them: from
 *		now on this kernel must not change them any more. Called at the
 *		point of no return, while other CPUs still run. Must not allocate
 *		memory.
 * @sync:	Make sure that the unit uses no stale copy of a blocked entry,
 *		and that it does not raise event interrupts itself. Called once,
 *		after the last @block. Returns 0 or a negative errno. After an
 *		error no interrupts are handed over. Once the other CPUs are
 *		stopped, the driver also has to keep the unit from accessing
 *		memory that the next kernel does not know about.
 * @reserve:	Take the table entries out of the allocator, either all of them or
 *		none. Fails with -EEXIST if one is in use, and with -EINVAL if
 *		one does not have the recorded source-id fields or is not blocked,
 *		or if they could not have been allocated together. Called while
 *		the unit is set up in the next kernel. May sleep.
 * @check:	Whether the entry of @rec may be used by @dev, i.e. whether the
 *		source-id fields computed for @dev equal the recorded ones.
 * @release:	Undo @reserve: the table entries are no longer reserved, and with
 *		@revoke set they are cleared and free again. They may suppress faults
 *		until @finish. May sleep.
 * @finish:	Let all entries that are not reserved report faults again, and flush
 *		them. Devices that nobody has claimed are stopped by then. Called from
 *		a worker for each unit that was added by irq_liveupdate_add_unit(),
 *		and again after a later @release that leaves closed entries. May sleep.
 *
 * Each domain with such methods implements @save. The others make it an interrupt
 * remapping unit: either all of them are implemented, or none.
 *
 * Where they take @nr, @rec is the first of @nr records whose table entries were
 * allocated together, with consecutive handles: all messages of MSI, or a single
 * vector of MSI-X. A unit that allocates more entries than that, for the sake of
 * alignment, treats the additional ones in the same way.
 *
 * Calls of @preserve, @unpreserve, @block and @sync of all units are serialized.
 * So are those of @reserve, @check and @release, and those of @finish. But @finish
 * may run at the same time as @check or @release.
 */
struct irq_domain_liveupdate_ops {
	void	(*save)(struct irq_domain *d, struct irq_data *irqd,
			struct irq_lu_vector_ser *rec);
	int	(*preserve)(struct irq_domain *d, struct device *dev,
			    struct irq_lu_unit_ser *ser);
	void	(*unpreserve)(struct irq_domain *d, struct device *dev);
	void	(*block)(struct irq_domain *d, const struct irq_lu_vector_ser *rec,
			 unsigned int nr);
	int	(*sync)(struct irq_domain *d);
	int	(*reserve)(struct irq_domain *d, const struct irq_lu_vector_ser *rec,
			   unsigned int nr);
	bool	(*check)(struct irq_domain *d, struct device *dev,
			 const struct irq_lu_vector_ser *rec);
	void	(*release)(struct irq_domain *d, const struct irq_lu_vector_ser *rec,
			   unsigned int nr, bool revoke);
	void	(*finish)(struct irq_domain *d);
};

/**
 * struct irq_liveupdate_dev_ops - Live update methods of a bus
 * @identify:	Fill in the header of the record of @dev: everything from
 *		segment to hwsize. Returns 0, or a negative errno when the
 *		interrupts of the device cannot be handed over.
 * @requester_id: Requester id with which the interrupts of @dev arrive at its unit.
 *		Does not access the device. In the next kernel it is called when the
 *		driver allocates interrupts.
 * @max_vectors: Maximum number of vectors that the driver may use, of any type
 * @capture:	Compare the message that the device has for interrupt @i of
 *		@desc with the one that the kernel has cached, and write it to
 *		@rec. Only reads from the device. Called with the irq descriptor
 *		locked. Returns -EIO if they differ.
 * @check:	Compare the MSI enable bits of the device with the kernel's state.
 *		Only reads from the device. Returns -EIO if they differ.
 * @mask:	Make the device latch its interrupts instead of sending them, in
 *		the way that needs the fewest accesses. Must not sleep.
 * @disable:	Disable the MSI type that the previous kernel has left enabled, if the
 *		driver does not use it. The device starts cold.
 * @lock:	Called before an audit. Makes sure that the device can be read until
 *		@unlock, whatever its user does. Returns -EAGAIN if it cannot be
 *		read now. May sleep.
 * @unlock:	Called after an audit. Undoes @lock.
 */
struct irq_liveupdate_dev_ops {
	int	(*identify)(struct device *dev, struct irq_lu_device_ser *ser);
	u16	(*requester_id)(struct device *dev);
	unsigned int (*max_vectors)(struct device *dev);
	int	(*capture)(struct msi_desc *desc, unsigned int i,
			   struct irq_lu_vector_ser *rec);
	int	(*check)(struct device *dev);
	void	(*mask)(struct device *dev);
	void	(*disable)(struct device *dev);
	int	(*lock)(struct device *dev);
	void	(*unlock)(struct device *dev);
};

/**
 * enum irq_liveupdate_step - Step of a live update at which a device may be refused
 * @IRQ_LIVEUPDATE_PRESERVE:	The old kernel prepares to hand it over
 * @IRQ_LIVEUPDATE_FREEZE:	The old kernel records its state
 * @IRQ_LIVEUPDATE_BLOCK:	The point of no return
 * @IRQ_LIVEUPDATE_TAKE_OVER:	The next kernel finds its records, and the device
 * @IRQ_LIVEUPDATE_RETRIEVE:	The owner of the device asks for it
 * @IRQ_LIVEUPDATE_STOP:	It can no longer be claimed
 */
enum irq_liveupdate_step {
	IRQ_LIVEUPDATE_PRESERVE,
	IRQ_LIVEUPDATE_FREEZE,
	IRQ_LIVEUPDATE_BLOCK,
	IRQ_LIVEUPDATE_TAKE_OVER,
	IRQ_LIVEUPDATE_RETRIEVE,
	IRQ_LIVEUPDATE_STOP,
};

#ifdef CONFIG_IRQ_LIVEUPDATE

/* Devices of the previous kernel that are not released yet. Private to kernel/irq. */
extern struct list_head irq_liveupdate_incoming;

/* The kernel that hands over */
const char *irq_liveupdate_find_obstacle(struct device *dev);
int irq_liveupdate_preserve(struct device *dev,
			    const struct irq_liveupdate_dev_ops *ops);
void irq_liveupdate_unpreserve(struct device *dev);
int irq_liveupdate_freeze(struct device *dev);
void irq_liveupdate_unfreeze(struct device *dev);

/* Both */
__printf(3, 4) void irq_liveupdate_report_refusal(struct device *dev, enum irq_liveupdate_step step,
						  const char *fmt, ...);
void irq_liveupdate_record_refusal(u32 segment, u16 devid, enum irq_liveupdate_step step,
				   const char *reason);
bool irq_liveupdate_was_refused(u32 segment, u16 devid, char *reason, size_t size);
void irq_liveupdate_forget(u32 segment, u16 devid);
int irq_liveupdate_audit(struct device *dev, const struct irq_liveupdate_dev_ops *ops);

/* The kernel that takes over: interrupt remapping units */
bool irq_liveupdate_handed_over(void);
const struct irq_lu_unit_ser *irq_liveupdate_incoming_unit(u32 backend, u32 segment,
							   u64 reg_base);
void irq_liveupdate_refuse_unit(const struct irq_lu_unit_ser *unit,
				const char *reason);
void irq_liveupdate_take_over(const struct irq_lu_unit_ser *unit,
			      struct irq_domain *domain);
void irq_liveupdate_add_unit(struct irq_domain *domain);
void irq_liveupdate_remove_unit(struct irq_domain *domain);

/* The kernel that takes over: devices */
bool irq_liveupdate_is_incoming(struct device *dev);
void irq_liveupdate_match(struct device *dev,
			  const struct irq_liveupdate_dev_ops *ops);
void irq_liveupdate_finish(struct device *dev);
void irq_liveupdate_release(struct device *dev);
void irq_liveupdate_revoke_absent(void);
void irq_liveupdate_finish_units(void);

/* The kernel that takes over: allocators */
bool __irq_liveupdate_reserved(struct device *dev);
int __irq_liveupdate_irq(struct device *dev, struct msi_desc *desc);
int __irq_liveupdate_handle(unsigned int irq);
int __irq_liveupdate_target(unsigned int irq, u32 *target);
bool __irq_liveupdate_skip(int *start, unsigned int cnt);
void __irq_liveupdate_requested(unsigned int irq);

/**
 * irq_liveupdate_reserved - Test whether irq numbers are reserved for a device
 * @dev:	Device
 *
 * Context: May sleep.
 * Return: True from irq_liveupdate_match() to irq_liveupdate_release() if the
 * device already holds the messages that its driver will get. In this case the
 * device must not be prevented from sending them.
 */
static inline bool irq_liveupdate_reserved(struct device *dev)
{
	if (list_empty(&irq_liveupdate_incoming))
		return false;
	return __irq_liveupdate_reserved(dev);
}

/**
 * irq_liveupdate_irq - Irq number that an MSI descriptor must get
 * @dev:	Device of the descriptor
 * @desc:	MSI descriptor that has no interrupt yet
 *
 * Context: Called with the MSI descriptors of @dev locked. May sleep.
 * Return: The first irq number that is reserved for @desc, or -1 if there is none.
 */
static inline int irq_liveupdate_irq(struct device *dev, struct msi_desc *desc)
{
	if (list_empty(&irq_liveupdate_incoming))
		return -1;
	return __irq_liveupdate_irq(dev, desc);
}

/**
 * irq_liveupdate_handle - Remapping table index that an interrupt must get
 * @irq:	Irq number
 *
 * Context: Any.
 * Return: The table index that is reserved for @irq, or -1 if there is none.
 */
static inline int irq_liveupdate_handle(unsigned int irq)
{
	if (list_empty(&irq_liveupdate_incoming))
		return -1;
	return __irq_liveupdate_handle(irq);
}

/**
 * irq_liveupdate_target - CPU to which an interrupt was directed
 * @irq:	Irq number
 * @target:	The CPU, in the encoding of the architecture
 *
 * This is only a hint: the CPU may no longer exist.
 *
 * Context: Any.
 * Return: 0, or -ENOENT if there is no record of @irq.
 */
static inline int irq_liveupdate_target(unsigned int irq, u32 *target)
{
	if (list_empty(&irq_liveupdate_incoming))
		return -ENOENT;
	return __irq_liveupdate_target(irq, target);
}

/**
 * irq_liveupdate_skip - Skip reserved irq numbers in a search for free ones
 * @start:	First number of a free area, moved behind the reserved numbers
 * @cnt:	Number of irq numbers needed
 *
 * Context: Called with the irq descriptor tree locked (irq_lock_sparse()).
 * Return: True if the area contained a reserved number and @start was moved.
 */
static inline bool irq_liveupdate_skip(int *start, unsigned int cnt)
{
	if (list_empty(&irq_liveupdate_incoming))
		return false;
	return __irq_liveupdate_skip(start, cnt);
}

/**
 * irq_liveupdate_requested - An interrupt has got a handler
 * @irq:	Irq number
 *
 * If its device is already finished, the vector gets its synthetic interrupt now.
 *
 * Context: May sleep. The caller keeps @irq from being freed, and has no MSI
 * descriptors locked.
 */
static inline void irq_liveupdate_requested(unsigned int irq)
{
	if (!list_empty(&irq_liveupdate_incoming))
		__irq_liveupdate_requested(irq);
}

#else /* !CONFIG_IRQ_LIVEUPDATE */

static inline bool irq_liveupdate_reserved(struct device *dev)
{
	return false;
}

static inline int irq_liveupdate_irq(struct device *dev, struct msi_desc *desc)
{
	return -1;
}

static inline int irq_liveupdate_handle(unsigned int irq)
{
	return -1;
}

static inline int irq_liveupdate_target(unsigned int irq, u32 *target)
{
	return -ENOENT;
}

static inline bool irq_liveupdate_skip(int *start, unsigned int cnt)
{
	return false;
}

static inline void irq_liveupdate_requested(unsigned int irq) { }

#endif /* CONFIG_IRQ_LIVEUPDATE */
#endif /* _LINUX_IRQ_LIVEUPDATE_H */
