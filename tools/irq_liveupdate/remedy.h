/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef _IRQLU_REMEDY_H
#define _IRQLU_REMEDY_H

#include <stdbool.h>

const char *remedy_of(const char *reason);
bool reason_counts(const char *reason, bool named);

#endif /* _IRQLU_REMEDY_H */
