/* SPDX-License-Identifier: GPL-2.0 */
#undef TRACE_SYSTEM
#define TRACE_SYSTEM irq_liveupdate

#if !defined(_TRACE_IRQ_LIVEUPDATE_H) || defined(TRACE_HEADER_MULTI_READ)
#define _TRACE_IRQ_LIVEUPDATE_H

#include <linux/tracepoint.h>

/*
 * For each interrupt which was handed over, at FINISH or when it is requested after
 * that. What became of the synthetic one is a word: "sent", "pending" (left for the
 * request or the enable to come), or "replay" (another one is on its way, and stands for both).
 */
TRACE_EVENT(irq_liveupdate_inject,
	    TP_PROTO(unsigned int irq, unsigned long arrivals, bool was_pending, const char *how),
	    TP_ARGS(irq, arrivals, was_pending, how),
	    TP_STRUCT__entry(__field(unsigned int, irq)
			     __field(unsigned long, arrivals)
			     __field(bool, was_pending)
			     __string(how, how)),
	    TP_fast_assign(__entry->irq = irq;
			   __entry->arrivals = arrivals;
			   __entry->was_pending = was_pending;
			   __assign_str(how);),
	    TP_printk("irq=%u arrivals=%lu was_pending=%u how=%s", __entry->irq,
		      __entry->arrivals, __entry->was_pending, __get_str(how))
);

/* When a device is released or refused, for each interrupt nobody has. */
TRACE_EVENT(irq_liveupdate_revoke,
	    TP_PROTO(unsigned int irq),
	    TP_ARGS(irq),
	    TP_STRUCT__entry(__field(unsigned int, irq)),
	    TP_fast_assign(__entry->irq = irq;),
	    TP_printk("irq=%u", __entry->irq)
);

#endif /* _TRACE_IRQ_LIVEUPDATE_H */

/* This part must be outside protection */
#include <trace/define_trace.h>
