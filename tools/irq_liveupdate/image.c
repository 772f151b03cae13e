// SPDX-License-Identifier: GPL-2.0-only
/*
 * A kernel image that can be booted: an ELF file (vmlinux), or a bzImage, whose
 * compressed kernel is unpacked by the program for its format.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include <linux/kernel.h>

#include "file.h"
#include "image.h"
#include "irqlu.h"

/* Documentation/arch/x86/boot.rst */
#define SETUP_SECTS		0x1f1
#define SETUP_SECTS_DEFAULT	4
#define SECTOR			512
#define HEADER_MAGIC		0x202
#define PAYLOAD_OFFSET		0x248
#define PAYLOAD_LENGTH		0x24c
#define HEADER_END		0x250

/* Exit status if a program does not exist */
#define NOT_FOUND		127

/* Every kernel contains this */
#define BANNER			"Linux version "

static const struct {
	const char *magic;
	const char *unpacker;
} formats[] = {
	{ "\037\213", "gzip" },
	{ "\3757zXZ", "xz" },
	{ "BZh", "bzip2" },
	{ "\135\0\0\0", "lzma" },
	{ "\211LZO", "lzop" },
	{ "\002!L\030", "lz4" },
	{ "(\265/\375", "zstd" },
};

static uint32_t read32(const char *at)
{
	const unsigned char *byte = (const unsigned char *)at;

	return byte[0] | byte[1] << 8 | byte[2] << 16 | (uint32_t)byte[3] << 24;
}

static bool is_elf(const char *image, size_t size)
{
	return size >= 4 && !memcmp(image, "\177ELF", 4);
}

/* Where the compressed kernel is. False if this is no bzImage. */
bool image_payload(const char *image, size_t size, size_t *offset, size_t *length)
{
	unsigned char sects;

	if (size < HEADER_END || memcmp(image + HEADER_MAGIC, "HdrS", 4))
		return false;

	sects = image[SETUP_SECTS];
	*offset = ((sects ? sects : SETUP_SECTS_DEFAULT) + 1UL) * SECTOR +
		  read32(image + PAYLOAD_OFFSET);
	*length = read32(image + PAYLOAD_LENGTH);

	return *offset <= size && *length <= size - *offset;
}

/* The program that unpacks it, NULL if none is known. */
const char *image_unpacker(const char *payload, size_t length)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(formats); i++) {
		size_t len = formats[i].magic[0] == '\135' ? 4 : strlen(formats[i].magic);

		if (length >= len && !memcmp(payload, formats[i].magic, len))
			return formats[i].unpacker;
	}

	return NULL;
}

/* Only as a whole string: "irq-liveupdate-v1" is not found in "irq-liveupdate-v10". */
bool image_has_string(const char *kernel, size_t size, const char *string)
{
	return memmem(kernel, size, string, strlen(string) + 1);
}

static void unpack(const char *unpacker, int in, int out)
{
	dup2(in, STDIN_FILENO);
	dup2(out, STDOUT_FILENO);
	execlp(unpacker, unpacker, "-dc", NULL);
	_exit(NOT_FOUND);
}

/* In a temporary file: a pipe would have to be filled and emptied at the same time. */
static FILE *packed_file(const char *payload, size_t length)
{
	FILE *f = tmpfile();

	if (f && (fwrite(payload, 1, length, f) != length || fflush(f) || fseek(f, 0, SEEK_SET))) {
		fclose(f);
		return NULL;
	}

	return f;
}

/* An unpacker may complain about what follows its data, although it has unpacked the data. */
static char *run_unpacker(const char *unpacker, FILE *in, size_t *size)
{
	FILE *out = tmpfile();
	char path[32], *kernel = NULL;
	int status = 0;
	pid_t child;

	if (!out)
		return NULL;
	child = fork();
	if (!child)
		unpack(unpacker, fileno(in), fileno(out));
	if (child > 0)
		waitpid(child, &status, 0);
	if (WIFEXITED(status) && WEXITSTATUS(status) == NOT_FOUND) {
		irqlu_fail(IRQLU_UNKNOWN, "%s: not found", unpacker);
		errno = ENOPKG;
	} else {
		snprintf(path, sizeof(path), "/proc/self/fd/%d", fileno(out));
		kernel = file_read(path, size);
	}
	fclose(out);

	return kernel;
}

static char *unpack_payload(const char *payload, size_t length, size_t *size)
{
	const char *unpacker = image_unpacker(payload, length);
	char *kernel = NULL;
	FILE *in;

	if (!unpacker)
		return NULL;
	in = packed_file(payload, length);
	if (in) {
		kernel = run_unpacker(unpacker, in, size);
		fclose(in);
	}

	return kernel;
}

/* Takes ownership of the image. */
static char *unpack_image(char *image, size_t *size)
{
	size_t offset, length;
	char *kernel = NULL;

	if (is_elf(image, *size))
		return image;
	if (image_payload(image, *size, &offset, &length))
		kernel = unpack_payload(image + offset, length, size);
	free(image);

	return kernel;
}

/*
 * The kernel in it, to be freed. NULL if it is unknown: then errno is 0, or gives the
 * reason.
 */
char *image_read(const char *path, size_t *size)
{
	char *image = file_read(path, size), *kernel;

	if (!image)
		return NULL;

	errno = 0;
	kernel = unpack_image(image, size);
	if (kernel && !memmem(kernel, *size, BANNER, strlen(BANNER))) {
		free(kernel);
		kernel = NULL;
		errno = 0;
	}

	return kernel;
}
