/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the linker calls instead of a library, and how to call the library.
 */
#ifndef _IRQLU_TEST_WRAPPED_H
#define _IRQLU_TEST_WRAPPED_H

#include <dirent.h>
#include <stdio.h>
#include <sys/types.h>

struct json_object;

FILE *__real_fopen(const char *path, const char *mode);
FILE *__wrap_fopen(const char *path, const char *mode);
int __real_scandir(const char *path, struct dirent ***entries,
		   int (*filter)(const struct dirent *),
		   int (*compare)(const struct dirent **, const struct dirent **));
int __wrap_scandir(const char *path, struct dirent ***entries,
		   int (*filter)(const struct dirent *),
		   int (*compare)(const struct dirent **, const struct dirent **));
DIR *__real_opendir(const char *path);
DIR *__wrap_opendir(const char *path);
ssize_t __real_readlink(const char *path, char *target, size_t size);
ssize_t __wrap_readlink(const char *path, char *target, size_t size);
int __real_mkdir(const char *path, mode_t mode);
int __wrap_mkdir(const char *path, mode_t mode);
int __wrap_rmdir(const char *path);
ssize_t __real_write(int fd, const void *data, size_t size);
ssize_t __wrap_write(int fd, const void *data, size_t size);
int __real_json_object_equal(struct json_object *a, struct json_object *b);
int __wrap_json_object_equal(struct json_object *a, struct json_object *b);

#endif /* _IRQLU_TEST_WRAPPED_H */
