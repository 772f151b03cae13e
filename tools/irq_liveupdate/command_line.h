/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef _IRQLU_COMMAND_LINE_H
#define _IRQLU_COMMAND_LINE_H

const char *command_line_problem(const char *line, unsigned int i);

#endif /* _IRQLU_COMMAND_LINE_H */
