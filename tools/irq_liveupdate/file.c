// SPDX-License-Identifier: GPL-2.0-only
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "file.h"

/* Larger than any file that is read here, kernel images included */
#define FILE_MAX	(512UL << 20)

static char *read_all(FILE *f, size_t *size)
{
	size_t room = 4096, len = 0;
	char *text = malloc(room), *more;

	while (text && (len += fread(text + len, 1, room - len - 1, f)) == room - 1) {
		more = room < FILE_MAX ? realloc(text, 2 * room) : NULL;
		if (!more) {
			free(text);
			return NULL;
		}
		text = more;
		room *= 2;
	}
	if (text)
		text[len] = '\0';
	*size = len;

	return text;
}

/* A whole file, with a terminating zero. To be freed. NULL and errno if it cannot be read. */
char *file_read(const char *path, size_t *size)
{
	FILE *f = fopen(path, "r");
	char *text;

	if (!f)
		return NULL;
	text = read_all(f, size);
	if (ferror(f)) {
		free(text);
		text = NULL;
	}
	fclose(f);

	return text;
}

/* A text file without its last newline; @fmt and its arguments make the path. */
char *file_text(const char *fmt, ...)
{
	char path[PATH_MAX], *text;
	va_list args;
	size_t size;

	va_start(args, fmt);
	vsnprintf(path, sizeof(path), fmt, args);
	va_end(args);

	text = file_read(path, &size);
	if (text && size && text[size - 1] == '\n')
		text[size - 1] = '\0';

	return text;
}

/* At once: files in /proc take each write() for a value of its own. */
bool file_write(const char *path, const char *text)
{
	size_t len = strlen(text);
	FILE *f = fopen(path, "w");
	bool written;

	if (!f)
		return false;
	written = write(fileno(f), text, len) == (ssize_t)len;

	return !fclose(f) && written;
}
