/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef _IRQLU_IMAGE_H
#define _IRQLU_IMAGE_H

#include <stdbool.h>
#include <stddef.h>

bool image_payload(const char *image, size_t size, size_t *offset, size_t *length);
const char *image_unpacker(const char *payload, size_t length);
bool image_has_string(const char *kernel, size_t size, const char *string);
char *image_read(const char *path, size_t *size);

#endif /* _IRQLU_IMAGE_H */
