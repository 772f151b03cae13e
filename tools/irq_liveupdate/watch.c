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

#include "file.h"
#include "irqlu.h"
#include "watch.h"

#define INSTANCES	"/sys/kernel/tracing/instances"
#define INSTANCE	INSTANCES "/irqlu-%d"
/* The task may be called so, too. */
#define PREFIX		": irq_liveupdate_"
#define REASON		"reason="

static bool interrupted;

static void interrupt(int signal)
{
	__atomic_store_n(&interrupted, true, __ATOMIC_RELAXED);
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
 * The reason is the rest of the line. Takes the line apart. NULL if it is none.
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

static enum irqlu_status print_events(const struct irqlu_options *options, const char *instance)
{
	char path[128], *line = NULL;
	size_t size = 0;
	FILE *pipe;

	snprintf(path, sizeof(path), "%s/events/irq_liveupdate/enable", instance);
	if (!file_write(path, "1\n"))
		return irqlu_fail(IRQLU_UNKNOWN, "%s: %m", path);
	snprintf(path, sizeof(path), "%s/trace_pipe", instance);
	pipe = fopen(path, "r");
	if (!pipe)
		return irqlu_fail(IRQLU_UNKNOWN, "%s: %m", path);

	while (!__atomic_load_n(&interrupted, __ATOMIC_RELAXED) &&
	       getline(&line, &size, pipe) > 0)
		print_event(options, line);
	free(line);
	fclose(pipe);

	return IRQLU_FINE;
}

enum irqlu_status irqlu_watch(const struct irqlu_options *options, char *args[])
{
	struct sigaction action = { .sa_handler = interrupt };
	enum irqlu_status status;
	char instance[64];

	snprintf(instance, sizeof(instance), INSTANCE, getpid());
	if (mkdir(instance, 0700))
		return irqlu_fail(IRQLU_UNKNOWN, "%s: %m: mount tracefs", instance);
	sigaction(SIGINT, &action, NULL);
	sigaction(SIGTERM, &action, NULL);
	status = print_events(options, instance);
	rmdir(instance);

	return status;
}
