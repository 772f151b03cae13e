// SPDX-License-Identifier: GPL-2.0-only
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "kselftest.h"

#include "tracing.h"

#define TRACING		"/sys/kernel/tracing/"
#define EVENTS		TRACING "events/irq_liveupdate/enable"
#define TRACE_MAX	(4U << 20)

static void write_file(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_TRUNC);

	if (fd < 0 || write(fd, text, strlen(text)) != (ssize_t)strlen(text))
		ksft_exit_fail_perror(path);
	close(fd);
}

/* Starts with an empty buffer. */
void tracing_start(void)
{
	if (access(EVENTS, F_OK))
		ksft_exit_skip("no " EVENTS ": mount tracefs, or CONFIG_EVENT_TRACING is off\n");

	write_file(EVENTS, "1\n");
	write_file(TRACING "trace", "\n");
}

/* The whole trace, to be freed by the caller. */
char *tracing_read(void)
{
	FILE *f = fopen(TRACING "trace", "r");
	char *trace = malloc(TRACE_MAX);
	size_t size;

	if (!f || !trace)
		ksft_exit_fail_perror(TRACING "trace");
	size = fread(trace, 1, TRACE_MAX - 1, f);
	trace[size] = '\0';
	fclose(f);

	return trace;
}

static bool line_has(const char *line, const char *text)
{
	const char *end = strchrnul(line, '\n');
	size_t len = strlen(text);
	const char *at = memmem(line, end - line, text, len);

	/* A number must not be the beginning of a longer one. */
	return at && (at + len == end || at[len] == ' ' || len == 0);
}

/* The first line of the event that has this text, or NULL */
const char *tracing_find(const char *trace, const char *event, const char *text)
{
	char name[64];
	const char *line;

	snprintf(name, sizeof(name), " irq_liveupdate_%s: ", event);
	for (line = strstr(trace, name); line; line = strstr(line + 1, name)) {
		if (line_has(line + strlen(name) - 1, text))
			return line;
	}

	return NULL;
}

unsigned int tracing_count(const char *trace, const char *event, const char *text)
{
	unsigned int count = 0;

	while ((trace = tracing_find(trace, event, text))) {
		count++;
		trace++;
	}

	return count;
}
