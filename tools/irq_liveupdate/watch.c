// SPDX-License-Identifier: GPL-2.0-only
/*
 * irqlu watch: trace events of interrupt live update, in a trace instance of its own.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <linux/kernel.h>

#include "device.h"
#include "file.h"
#include "irqlu.h"
#include "watch.h"

#define INSTANCES	"/sys/kernel/tracing/instances"
#define INSTANCE	INSTANCES "/irqlu-%d"
/* The name of the task may contain the same text. */
#define PREFIX		": irq_liveupdate_"
#define REASON		"reason="

/* Signals that end a process by default, sent by users who have seen enough */
static const int endings[] = { SIGHUP, SIGINT, SIGPIPE, SIGQUIT, SIGTERM };

static char instance[64];
static int pipe_fd = -1;

/*
 * An instance stays, with its buffers, until it is removed, which fails while its
 * trace_pipe is open. All functions called here are safe in a signal handler. So there is
 * no flag for which a signal could come too early or too late.
 */
static void end(int signal)
{
	close(pipe_fd);
	rmdir(instance);
	_exit(IRQLU_FINE);
}

/*
 * Ignored signals stay ignored, for nohup. The exception is SIGPIPE: output that nobody
 * reads is not needed.
 */
static void handle_endings(void)
{
	struct sigaction action = { .sa_handler = end }, was;
	unsigned int i;

	sigfillset(&action.sa_mask);
	for (i = 0; i < ARRAY_SIZE(endings); i++) {
		if (!sigaction(endings[i], NULL, &was) &&
		    (was.sa_handler != SIG_IGN || endings[i] == SIGPIPE))
			sigaction(endings[i], &action, NULL);
	}
}

/* While a file of the instance is open that end() does not know */
static void hold_endings(bool hold)
{
	sigset_t signals;
	unsigned int i;

	sigemptyset(&signals);
	for (i = 0; i < ARRAY_SIZE(endings); i++)
		sigaddset(&signals, endings[i]);
	sigprocmask(hold ? SIG_BLOCK : SIG_UNBLOCK, &signals, NULL);
}

static void add_field(struct json_object *event, const char *field)
{
	const char *equals = strchr(field, '=');
	char *name, *end;
	long long number;

	if (!equals)
		return;
	name = strndup(field, equals - field);
	number = strtoll(equals + 1, &end, 10);
	json_object_object_add(event, name, end != equals + 1 && !*end ?
			       json_object_new_int64(number) : json_object_new_string(equals + 1));
	free(name);
}

/*
 * A line of trace_pipe: TASK-PID [CPU] FLAGS SECONDS: irq_liveupdate_EVENT: NAME=VALUE...
 * The reason is the rest of the line. Modifies the line. NULL if it is not such
 * a line.
 */
struct json_object *event_parse(char *line)
{
	char *at = strstr(line, PREFIX), *fields, *field, *time;
	struct json_object *event;

	if (!at)
		return NULL;
	*at = '\0';
	at += strlen(PREFIX);
	fields = strstr(at, ": ");
	if (!fields)
		return NULL;
	*fields = '\0';
	fields += 2;
	fields[strcspn(fields, "\n")] = '\0';

	event = json_object_new_object();
	json_object_object_add(event, "version", json_object_new_int(IRQLU_JSON_VERSION));
	time = strrchr(line, ' ');
	json_object_object_add(event, "time", json_object_new_double(atof(time ? time : line)));
	json_object_object_add(event, "event", json_object_new_string(at));
	while (fields && *fields) {
		field = strncmp(fields, REASON, strlen(REASON)) ? strsep(&fields, " ") :
								  strsep(&fields, "\n");
		add_field(event, field);
	}

	return event;
}

static void print_event(const struct irqlu_options *options, char *line)
{
	struct json_object *event;

	if (!options->json) {
		fputs(line, stdout);
	} else {
		event = event_parse(line);
		if (event)
			puts(json_object_to_json_string_ext(event, JSON_C_TO_STRING_PLAIN));
		json_object_put(event);
	}
	fflush(stdout);
}

static FILE *open_events(void)
{
	char path[128];
	FILE *pipe;

	snprintf(path, sizeof(path), "%s/events/irq_liveupdate/enable", instance);
	if (!file_write(path, "1\n")) {
		irqlu_fail(IRQLU_UNKNOWN, "%s: %m", path);
		return NULL;
	}
	snprintf(path, sizeof(path), "%s/trace_pipe", instance);
	pipe = fopen(path, "r");
	if (!pipe)
		irqlu_fail(IRQLU_UNKNOWN, "%s: %m", path);

	return pipe;
}

static enum irqlu_status print_events(const struct irqlu_options *options)
{
	FILE *pipe = open_events();
	char *line = NULL;
	size_t size = 0;

	if (!pipe)
		return IRQLU_UNKNOWN;

	pipe_fd = fileno(pipe);
	hold_endings(false);
	while (getline(&line, &size, pipe) > 0)
		print_event(options, line);
	free(line);
	fclose(pipe);

	return IRQLU_FINE;
}

enum irqlu_status irqlu_watch(const struct irqlu_options *options, char *args[])
{
	enum irqlu_status status;

	if (!devices_known())
		return IRQLU_UNKNOWN;

	snprintf(instance, sizeof(instance), INSTANCE, getpid());
	hold_endings(true);
	handle_endings();
	if (mkdir(instance, 0700))
		return irqlu_fail(IRQLU_UNKNOWN, "%s: %m: mount tracefs", instance);
	status = print_events(options);
	rmdir(instance);

	return status;
}
