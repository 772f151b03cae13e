/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef _IRQLU_REMEDY_H
#define _IRQLU_REMEDY_H

const char *remedy_of(const char *reason);

#endif /* _IRQLU_REMEDY_H */
