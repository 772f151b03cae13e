// SPDX-License-Identifier: GPL-2.0-only
/*
 * irqlu report: everything that can be compared between machines, always as JSON. The
 * events are those of the trace buffer, from the beginning if the kernel was booted with
 * trace_event=irq_liveupdate.
 */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <linux/kernel.h>
#include <sys/utsname.h>

#include "device.h"
#include "file.h"
#include "output.h"
#include "report.h"
#include "vector.h"
#include "watch.h"

#define IOMMUS		"/sys/class/iommu"
#define TRACE		"/sys/kernel/tracing/trace"
#define COUNTERS	"/sys/kernel/debug/irq_liveupdate/counters"
#define MODEL		"model name\t: "

static void add_text(struct json_object *report, const char *name, const char *text)
{
	json_object_object_add(report, name, text ? json_object_new_string(text) : NULL);
}

static void add_kernel(struct json_object *report)
{
	char *line = file_text("/proc/cmdline");
	struct utsname name;

	add_text(report, "kernel", uname(&name) ? NULL : name.release);
	add_text(report, "command_line", line);
	free(line);
}

static void add_cpu(struct json_object *report)
{
	char *text = file_text("/proc/cpuinfo"), *model;

	model = text ? strstr(text, MODEL) : NULL;
	if (model) {
		model += strlen(MODEL);
		model[strcspn(model, "\n")] = '\0';
	}
	add_text(report, "cpu", model);
	free(text);
}

static void add_iommus(struct json_object *report)
{
	struct json_object *iommus = json_object_new_array();
	struct dirent **entries;
	int nr, i;

	nr = scandir(IOMMUS, &entries, NULL, alphasort);
	for (i = 0; i < nr; i++) {
		if (entries[i]->d_name[0] != '.')
			json_object_array_add(iommus, json_object_new_string(entries[i]->d_name));
		free(entries[i]);
	}
	if (nr >= 0)
		free(entries);
	json_object_object_add(report, "iommus", iommus);
}

/* "revoked 3": what is counted, and the number after the last space */
struct json_object *counters_parse(char *text)
{
	struct json_object *counters = json_object_new_object();
	char *line, *space;

	while ((line = strsep(&text, "\n"))) {
		space = strrchr(line, ' ');
		if (!space)
			continue;
		*space = '\0';
		json_object_object_add(counters, line,
				       json_object_new_int64(strtoll(space + 1, NULL, 10)));
	}

	return counters;
}

static void add_counters(struct json_object *report)
{
	char *text = file_text(COUNTERS);

	json_object_object_add(report, "counters", text ? counters_parse(text) : NULL);
	free(text);
}

static void add_step(struct json_object *steps, struct json_object *event)
{
	const char *name = json_object_get_string(json_object_object_get(event, "event"));
	struct json_object *time = json_object_object_get(event, "time");
	struct json_object *step = json_object_object_get(steps, name);

	if (!step) {
		step = json_object_new_object();
		json_object_object_add(step, "number", json_object_new_int(0));
		json_object_object_add(step, "first", json_object_get(time));
		json_object_object_add(steps, name, step);
	}
	json_object_int_inc(json_object_object_get(step, "number"), 1);
	json_object_object_add(step, "last", json_object_get(time));
}

/* By the name of the event: how often it occurred, and when it did first and last */
struct json_object *steps_of(struct json_object *events)
{
	struct json_object *steps = json_object_new_object();
	size_t i;

	for (i = 0; i < json_object_array_length(events); i++)
		add_step(steps, json_object_array_get_idx(events, i));

	return steps;
}

static void add_events(struct json_object *report)
{
	struct json_object *events = json_object_new_array(), *event;
	char *text = file_text(TRACE), *rest = text, *line;

	while ((line = strsep(&rest, "\n"))) {
		event = event_parse(line);
		if (event)
			json_object_array_add(events, event);
	}
	free(text);
	json_object_object_add(report, "steps", steps_of(events));
	json_object_object_add(report, "events", events);
}

enum irqlu_status irqlu_report(const struct irqlu_options *options, char *args[])
{
	static const char * const members[] = { "vector", "irq", "irte", "state", "count" };
	struct json_object *report = output_new("report");

	add_kernel(report);
	add_cpu(report);
	add_iommus(report);
	json_object_object_add(report, "devices", devices_read("vfio-pci"));
	json_object_object_add(report, "vectors",
			       vectors_read_all(members, ARRAY_SIZE(members)));
	add_counters(report);
	add_events(report);

	return output_json(report);
}
