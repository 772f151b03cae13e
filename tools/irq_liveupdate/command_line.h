/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef _IRQLU_COMMAND_LINE_H
#define _IRQLU_COMMAND_LINE_H

void command_line_check(const char *next, const char *running,
			void (*found)(void *data, const char *problem), void *data);

#endif /* _IRQLU_COMMAND_LINE_H */
