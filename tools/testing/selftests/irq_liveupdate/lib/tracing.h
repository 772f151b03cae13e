/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Trace events of interrupt live update, as the kernel prints them.
 */
#ifndef _IRQ_LIVEUPDATE_TRACING_H
#define _IRQ_LIVEUPDATE_TRACING_H

void tracing_start(void);
char *tracing_read(void);
const char *tracing_find(const char *trace, const char *event, const char *text);
unsigned int tracing_count(const char *trace, const char *event, const char *text);

#endif /* _IRQ_LIVEUPDATE_TRACING_H */
