/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef _IRQLU_BDF_H
#define _IRQLU_BDF_H

#include <stdbool.h>

/* ffffffff:ff:1f.7 */
#define BDF_LEN	17

bool bdf_parse(const char *text, char bdf[BDF_LEN]);

#endif /* _IRQLU_BDF_H */
