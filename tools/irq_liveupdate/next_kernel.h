/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef _IRQLU_NEXT_KERNEL_H
#define _IRQLU_NEXT_KERNEL_H

#include "irqlu.h"

enum irqlu_status next_kernel_check(const struct irqlu_options *options,
				    struct json_object *output);

#endif /* _IRQLU_NEXT_KERNEL_H */
