/* SPDX-License-Identifier: GPL-2.0 */
#undef TRACE_SYSTEM
#define TRACE_SYSTEM irq_liveupdate

#if !defined(_TRACE_IRQ_LIVEUPDATE_H) || defined(TRACE_HEADER_MULTI_READ)
#define _TRACE_IRQ_LIVEUPDATE_H

#include <linux/device.h>
#include <linux/irq_liveupdate.h>
#include <linux/pci.h>
#include <linux/tracepoint.h>

TRACE_DEFINE_ENUM(IRQ_LIVEUPDATE_PRESERVE);
TRACE_DEFINE_ENUM(IRQ_LIVEUPDATE_FREEZE);
TRACE_DEFINE_ENUM(IRQ_LIVEUPDATE_BLOCK);
TRACE_DEFINE_ENUM(IRQ_LIVEUPDATE_TAKE_OVER);
TRACE_DEFINE_ENUM(IRQ_LIVEUPDATE_RETRIEVE);
TRACE_DEFINE_ENUM(IRQ_LIVEUPDATE_STOP);

/* enum irq_lu_injection, which is private to kernel/irq/ */
TRACE_DEFINE_ENUM(IRQ_LU_SENT);
TRACE_DEFINE_ENUM(IRQ_LU_PENDING);
TRACE_DEFINE_ENUM(IRQ_LU_REPLAY);

/* A step of a whole device. @nr_vectors: the number of vectors concerned. */
DECLARE_EVENT_CLASS(irq_liveupdate_device,
		    TP_PROTO(struct device *dev, unsigned int nr_vectors),
		    TP_ARGS(dev, nr_vectors),
		    TP_STRUCT__entry(__string(device, dev_name(dev))
				     __field(unsigned int, nr_vectors)),
		    TP_fast_assign(__assign_str(device);
				   __entry->nr_vectors = nr_vectors;),
		    TP_printk("device=%s vectors=%u", __get_str(device), __entry->nr_vectors)
);

/* The old kernel has allocated what it needs to hand over the device. */
DEFINE_EVENT(irq_liveupdate_device, irq_liveupdate_preserve,
	     TP_PROTO(struct device *dev, unsigned int nr_vectors),
	     TP_ARGS(dev, nr_vectors)
);

/* The update of the device is cancelled. */
DEFINE_EVENT(irq_liveupdate_device, irq_liveupdate_unpreserve,
	     TP_PROTO(struct device *dev, unsigned int nr_vectors),
	     TP_ARGS(dev, nr_vectors)
);

/* The vectors of the device are recorded. */
DEFINE_EVENT(irq_liveupdate_device, irq_liveupdate_freeze,
	     TP_PROTO(struct device *dev, unsigned int nr_vectors),
	     TP_ARGS(dev, nr_vectors)
);

/* The records of the device are discarded. */
DEFINE_EVENT(irq_liveupdate_device, irq_liveupdate_unfreeze,
	     TP_PROTO(struct device *dev, unsigned int nr_vectors),
	     TP_ARGS(dev, nr_vectors)
);

/* The point of no return: the table entries are not present from here on. */
DEFINE_EVENT(irq_liveupdate_device, irq_liveupdate_block,
	     TP_PROTO(struct device *dev, unsigned int nr_vectors),
	     TP_ARGS(dev, nr_vectors)
);

/* FINISH in the next kernel: @nr_vectors got their synthetic interrupt. */
DEFINE_EVENT(irq_liveupdate_device, irq_liveupdate_finish,
	     TP_PROTO(struct device *dev, unsigned int nr_vectors),
	     TP_ARGS(dev, nr_vectors)
);

/* The next kernel continues with the table of an interrupt remapping unit. */
TRACE_EVENT(irq_liveupdate_take_over,
	    TP_PROTO(const struct irq_lu_unit_ser *unit),
	    TP_ARGS(unit),
	    TP_STRUCT__entry(__field(u32, backend)
			     __field(u32, segment)
			     __field(u64, reg_base)),
	    TP_fast_assign(__entry->backend = unit->backend;
			   __entry->segment = unit->segment;
			   __entry->reg_base = unit->reg_base;),
	    TP_printk("backend=%s segment=%04x registers=%#llx",
		      __print_symbolic(__entry->backend,
				       { IRQ_LU_BACKEND_VTD, "VT-d" },
				       { IRQ_LU_BACKEND_AMDVI, "AMD-Vi" }),
		      __entry->segment, __entry->reg_base)
);

/* A vector that was handed over. Its device may not be enumerated yet. */
DECLARE_EVENT_CLASS(irq_liveupdate_vector,
		    TP_PROTO(const struct irq_lu_device_ser *ser,
			     const struct irq_lu_vector_ser *rec),
		    TP_ARGS(ser, rec),
		    TP_STRUCT__entry(__field(u32, segment)
				     __field(u16, devid)
				     __field(u32, vector)
				     __field(u32, irq)
				     __field(u32, handle)),
		    TP_fast_assign(__entry->segment = ser->segment;
				   __entry->devid = ser->devid;
				   __entry->vector = rec->msi_index;
				   __entry->irq = rec->irq;
				   __entry->handle = rec->handle;),
		    TP_printk("device=%04x:%02x:%02x.%u vector=%u irq=%u handle=%u",
			      __entry->segment, PCI_BUS_NUM(__entry->devid),
			      PCI_SLOT(__entry->devid), PCI_FUNC(__entry->devid),
			      __entry->vector, __entry->irq, __entry->handle)
);

/* Irq number and table entry are reserved for the vector. */
DEFINE_EVENT(irq_liveupdate_vector, irq_liveupdate_reserve,
	     TP_PROTO(const struct irq_lu_device_ser *ser, const struct irq_lu_vector_ser *rec),
	     TP_ARGS(ser, rec)
);

/* The driver allocates the vector and is offered the irq number. */
DEFINE_EVENT(irq_liveupdate_vector, irq_liveupdate_adopt,
	     TP_PROTO(const struct irq_lu_device_ser *ser, const struct irq_lu_vector_ser *rec),
	     TP_ARGS(ser, rec)
);

/* The vector is unused, and its reservation ends. */
DEFINE_EVENT(irq_liveupdate_vector, irq_liveupdate_revoke,
	     TP_PROTO(const struct irq_lu_device_ser *ser, const struct irq_lu_vector_ser *rec),
	     TP_ARGS(ser, rec)
);

/*
 * The synthetic interrupt, at FINISH or when the interrupt is requested after that.
 * "pending": it is left pending until the interrupt is requested or enabled;
 * "replay": it was merged with a resend that was already in flight.
 */
TRACE_EVENT(irq_liveupdate_inject,
	    TP_PROTO(unsigned int irq, unsigned long arrivals, bool was_pending,
		     unsigned int how),
	    TP_ARGS(irq, arrivals, was_pending, how),
	    TP_STRUCT__entry(__field(unsigned int, irq)
			     __field(unsigned long, arrivals)
			     __field(bool, was_pending)
			     __field(unsigned int, how)),
	    TP_fast_assign(__entry->irq = irq;
			   __entry->arrivals = arrivals;
			   __entry->was_pending = was_pending;
			   __entry->how = how;),
	    TP_printk("irq=%u arrivals=%lu was_pending=%u how=%s", __entry->irq,
		      __entry->arrivals, __entry->was_pending,
		      __print_symbolic(__entry->how,
				       { IRQ_LU_SENT, "sent" },
				       { IRQ_LU_PENDING, "pending" },
				       { IRQ_LU_REPLAY, "replay" }))
);

/* A device or its record is refused. The log has the same reason. */
TRACE_EVENT(irq_liveupdate_refuse,
	    TP_PROTO(const char *device, enum irq_liveupdate_step step, const char *reason),
	    TP_ARGS(device, step, reason),
	    TP_STRUCT__entry(__string(device, device)
			     __field(unsigned int, step)
			     __string(reason, reason)),
	    TP_fast_assign(__assign_str(device);
			   __entry->step = step;
			   __assign_str(reason);),
	    TP_printk("device=%s step=%s reason=%s", __get_str(device),
		      __print_symbolic(__entry->step,
				       { IRQ_LIVEUPDATE_PRESERVE, "preserve" },
				       { IRQ_LIVEUPDATE_FREEZE, "freeze" },
				       { IRQ_LIVEUPDATE_BLOCK, "block" },
				       { IRQ_LIVEUPDATE_TAKE_OVER, "take_over" },
				       { IRQ_LIVEUPDATE_RETRIEVE, "retrieve" },
				       { IRQ_LIVEUPDATE_STOP, "stop" }),
		      __get_str(reason))
);

#endif /* _TRACE_IRQ_LIVEUPDATE_H */

/* This part must be outside protection */
#include <trace/define_trace.h>
