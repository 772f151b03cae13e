/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef _IRQLU_FILE_H
#define _IRQLU_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <linux/compiler.h>

char *file_read(const char *path, size_t *size);
__printf(1, 2) char *file_text(const char *fmt, ...);
bool file_write(const char *path, const char *text);

#endif /* _IRQLU_FILE_H */
