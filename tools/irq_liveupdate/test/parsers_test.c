// SPDX-License-Identifier: GPL-2.0-only
/*
 * The parsers of irqlu for input from others, valid and mutated, under the
 * sanitizers. KTAP out.
 */
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "audit.h"
#include "bdf.h"
#include "command_line.h"
#include "debugfs.h"
#include "image.h"
#include "remedy.h"
#include "report.h"
#include "snapshot.h"
#include "watch.h"
#include "wrapped.h"

#define RESULTS		50U
#define MUTATIONS	20000
#define SEED		0x5eed11feU

/* A look-up that goes through all rows makes millions of comparisons. */
#define MANY_VECTORS	4096U

static unsigned int number, failed;
static size_t nr_comparisons;

enum irqlu_status irqlu_fail(enum irqlu_status status, const char *fmt, ...)
{
	return status;
}

int __wrap_json_object_equal(struct json_object *a, struct json_object *b)
{
	nr_comparisons++;

	return __real_json_object_equal(a, b);
}

static void result(bool passed, const char *name)
{
	printf("%sok %u %s\n", passed ? "" : "not ", ++number, name);
	failed += !passed;
}

/* Numerical Recipes, a linear congruential generator: the same numbers each time */
static uint32_t next_random(void)
{
	static uint32_t state = SEED;

	state = state * 1664525 + 1013904223;
	return state >> 8;
}

/* A copy on the heap, of the exact size: the sanitizer notices a byte too many. */
static char *mutate(const char *from, size_t size)
{
	char *text = malloc(size + 1);
	unsigned int i, nr = 1 + next_random() % 4;

	memcpy(text, from, size + 1);
	for (i = 0; i < nr && size; i++)
		text[next_random() % size] = next_random();

	return text;
}

static void mutations(const char *name, const char *from, size_t size,
		      void (*parse)(char *text, size_t size))
{
	unsigned int i;

	for (i = 0; i < MUTATIONS; i++) {
		char *text = mutate(from, size);

		parse(text, size);
		free(text);
	}
	result(true, name);
}

static const char debug[] =
	"handler:  handle_edge_irq\ndevice:   0000:01:00.0\nstatus:   0x00000000\n"
	"dstate:   0x37402200\n            IRQD_ACTIVATED\n            IRQD_IRQ_STARTED\n"
	"domain:  IR-PCI-MSIX-0000:01:00.0-12\n hwirq:   0x3\n chip:    IR-PCI-MSIX-0000:01:00.0\n"
	" address_hi: 0x00000000\n address_lo: 0xfee00238\n msg_data:   0x00000002\n parent:\n"
	"    domain:  INTEL-IR-0-13\n     hwirq:   0x110000\n     chip:    INTEL-IR\n";

static void parse_debug(char *text, size_t size)
{
	struct irq_debug parsed;

	irq_debug_parse(text, &parsed);
}

static void test_debug(void)
{
	struct irq_debug parsed;

	result(irq_debug_parse(debug, &parsed) && parsed.address == 0xfee00238 &&
	       parsed.data == 2 && parsed.irte == 17 + 2 && parsed.started && !parsed.masked,
	       "message and table entry of VT-d");
	result(!irq_debug_parse("handler:  handle_edge_irq\n", &parsed), "no message");
	mutations("mutated debugfs", debug, strlen(debug), parse_debug);
}

static void parse_bdf(char *text, size_t size)
{
	char bdf[BDF_LEN];

	bdf_parse(text, bdf);
}

static void test_bdf(void)
{
	char bdf[BDF_LEN];

	result(bdf_parse("0000:01:00.0", bdf) && !strcmp(bdf, "0000:01:00.0"), "whole address");
	result(bdf_parse("1:0.3", bdf) && !strcmp(bdf, "0000:01:00.3"), "short address");
	result(!bdf_parse("0000:01:20.0", bdf) && !bdf_parse("01:00.8", bdf) &&
	       !bdf_parse("01:00.0x", bdf) && !bdf_parse("../etc", bdf), "no address");
	mutations("mutated address", "0001:02:1f.7", 12, parse_bdf);
}

static const char snapshot[] =
	"{ \"version\": 1, \"command\": \"save\", \"vectors\": [\n"
	"{ \"bdf\": \"0000:01:00.0\", \"vector\": 0, \"irq\": 26, \"irte\": 17,\n"
	"  \"address\": \"0xfee00238\", \"data\": \"0x0\" },\n"
	"{ \"bdf\": \"0000:01:00.0\", \"vector\": 1, \"irq\": 27, \"irte\": null,\n"
	"  \"address\": null, \"data\": null, \"affinity\": \"0-3\" } ] }\n";

static struct json_object *differences_to(const char *from, const char *to)
{
	struct json_object *before = snapshot_parse(snapshot, "save"), *after, *differences;
	char *text = strdup(snapshot), *at = strstr(text, from);
	size_t nr_unknown;

	memcpy(at, to, strlen(to));
	after = snapshot_parse(text, "save");
	differences = snapshot_differences(before, after, &nr_unknown);
	json_object_put(before);
	json_object_put(after);
	free(text);

	return differences;
}

static bool is_difference(struct json_object *differences, const char *what)
{
	struct json_object *row = json_object_array_get_idx(differences, 0);
	bool is = json_object_array_length(differences) == 1 &&
		  !strcmp(json_object_get_string(json_object_object_get(row, "what")), what);

	json_object_put(differences);
	return is;
}

static void parse_snapshot(char *text, size_t size)
{
	struct json_object *was = snapshot_parse(snapshot, "save");
	struct json_object *is = snapshot_parse(text, "save");
	size_t nr_unknown;

	if (is)
		json_object_put(snapshot_differences(was, is, &nr_unknown));
	json_object_put(was);
	json_object_put(is);
}

static struct json_object *many_vectors(void)
{
	struct json_object *snapshot = json_object_new_object(), *row;
	struct json_object *rows = json_object_new_array();
	unsigned int i;

	for (i = 0; i < MANY_VECTORS; i++) {
		row = json_object_new_object();
		json_object_object_add(row, "bdf", json_object_new_string("0000:01:00.0"));
		json_object_object_add(row, "vector", json_object_new_int(i));
		json_object_object_add(row, "irq", json_object_new_int(i));
		json_object_array_add(rows, row);
	}
	json_object_object_add(snapshot, "vectors", rows);

	return snapshot;
}

/* Without debugfs only the irq number is compared. */
static void test_many_vectors(void)
{
	struct json_object *before = many_vectors(), *after = many_vectors(), *differences;
	size_t nr_unknown;

	nr_comparisons = 0;
	differences = snapshot_differences(before, after, &nr_unknown);
	result(!json_object_array_length(differences) && nr_unknown == MANY_VECTORS &&
	       nr_comparisons == MANY_VECTORS, "a vector is compared with its own row only");
	json_object_put(differences);
	json_object_put(before);
	json_object_put(after);
}

static void test_snapshot(void)
{
	struct json_object *same = differences_to("26", "26"), *gone;

	result(!json_object_array_length(same), "no difference");
	json_object_put(same);
	result(is_difference(differences_to("26", "36"), "irq"), "another irq number");
	result(is_difference(differences_to("0xfee00238", "0xfee00258"), "address"),
	       "another message");
	result(is_difference(differences_to("17", "18"), "irte"), "another table entry");
	gone = differences_to("\"vector\": 1", "\"vector\": 2");
	result(json_object_array_length(gone) == 2, "a vector is gone, and one is new");
	json_object_put(gone);
	result(!snapshot_parse("[]", "save") && !snapshot_parse("", "save") &&
	       !snapshot_parse("{\"version\":2,\"command\":\"save\",\"vectors\":[]}", "save") &&
	       !snapshot_parse("{\"version\":1,\"command\":\"save\",\"vectors\":{}}", "save") &&
	       !snapshot_parse("{\"version\":1,\"command\":\"save\",\"vectors\":[{\"bdf\":1}]}",
			       "save"),
	       "not a snapshot");
	result(!snapshot_parse(snapshot, "affinity") &&
	       !snapshot_parse("{\"version\":1,\"vectors\":[]}", "save"),
	       "written by another command, or by none");

	test_many_vectors();
	mutations("mutated snapshot", snapshot, strlen(snapshot), parse_snapshot);
}

static const char audit[] =
	"0000:01:00.0 vectors 8 agree\n0000:02:00.0 device and kernel disagree\n";

static void parse_audit(char *text, size_t size)
{
	struct json_object *devices = json_object_new_array();

	audit_parse(text, devices);
	json_object_put(devices);
}

static enum irqlu_status audit_of(const char *from)
{
	struct json_object *devices = json_object_new_array();
	char *text = strdup(from);
	enum irqlu_status status = audit_parse(text, devices);

	json_object_put(devices);
	free(text);
	return status;
}

static void test_audit(void)
{
	result(audit_of("0000:01:00.0 vectors 8 agree\n") == IRQLU_FINE, "devices agree");
	result(audit_of(audit) == IRQLU_REFUSED, "a device disagrees");
	result(audit_of("0000:01:00.0 cannot be read\n") == IRQLU_UNKNOWN, "cannot be read");
	result(audit_of("nonsense\n") == IRQLU_UNKNOWN, "not an audit");
	mutations("mutated audit", audit, strlen(audit), parse_audit);
}

static const char event[] =
	" irq_liveupdate_-70 [000] .. 3.5: irq_liveupdate_refuse: device=x reason=INTx in use\n";

static void parse_event(char *text, size_t size)
{
	json_object_put(event_parse(text));
}

static void test_event(void)
{
	char *line = strdup(event);
	struct json_object *parsed = event_parse(line);

	result(parsed && !strcmp(json_object_get_string(json_object_object_get(parsed, "reason")),
				 "INTx in use") &&
	       !strcmp(json_object_get_string(json_object_object_get(parsed, "event")), "refuse") &&
	       json_object_get_double(json_object_object_get(parsed, "time")) == 3.5,
	       "event with its time and reason");
	json_object_put(parsed);
	free(line);
	mutations("mutated event", event, strlen(event), parse_event);
}

#define IMAGE_SIZE	4096

static void parse_image(char *text, size_t size)
{
	size_t offset, length;

	if (image_payload(text, size, &offset, &length))
		image_unpacker(text + offset, length);
}

static void test_image(void)
{
	char image[IMAGE_SIZE + 1] = { };
	size_t offset, length;

	memcpy(image + 0x202, "HdrS", 4);
	image[0x1f1] = 1;
	image[0x248] = 0x10;
	image[0x24d] = 4;
	memcpy(image + 1024 + 0x10, "\037\213", 2);
	result(image_payload(image, IMAGE_SIZE, &offset, &length) && offset == 1024 + 0x10 &&
	       length == 1024 && !strcmp(image_unpacker(image + offset, length) ?: "", "gzip"),
	       "compressed kernel in a bzImage");
	result(!image_payload(image, 1200, &offset, &length) &&
	       !image_payload(image, 0x24f, &offset, &length), "truncated bzImage");
	result(image_has_string("x\0irq-liveupdate-v1\0", 20, "irq-liveupdate-v1") &&
	       !image_has_string("x\0irq-liveupdate-v10\0", 21, "irq-liveupdate-v1"),
	       "a format is a whole string");
	mutations("mutated bzImage", image, IMAGE_SIZE, parse_image);
}

static void count_problem(void *data, const char *problem)
{
	unsigned int *nr = data;

	(*nr)++;
}

static unsigned int problems_after(const char *line, const char *running)
{
	unsigned int nr = 0;

	command_line_check(line, running, count_problem, &nr);

	return nr;
}

static unsigned int problems(const char *line)
{
	return problems_after(line, line);
}

/* The problems of a line that is right except for this */
static unsigned int problems_with(const char *words)
{
	char line[128];

	snprintf(line, sizeof(line), "kho=on liveupdate=on %s", words);

	return problems(line);
}

static void parse_command_line(char *text, size_t size)
{
	problems(text);
}

static void test_command_line(void)
{
	static const char line[] = "kho=on \"liveupdate=on\" pci=\"noats\" intel_iommu=on,sm_on";

	result(!problems("quiet kho=on liveupdate=on"), "command line that takes over");
	result(problems("kho=on") == 1, "LUO is off");
	result(problems_after("liveupdate=on", "kho=on liveupdate=on") == 1 &&
	       !problems_after("liveupdate=on", "liveupdate=on") &&
	       problems_after("liveupdate=on kho=off", "liveupdate=on") == 1,
	       "KHO is on by configuration if the running kernel was not asked for it");
	result(problems_with("intremap=off") == 1, "no interrupt remapping");
	result(!problems_with("x.iommu=off iommu=nooff"), "other words");

	result(!problems("kho=1 liveupdate=y") && !problems("kho=On liveupdate=enabled"),
	       "other words for on");
	result(problems_with("kho=0") == 1 && problems_with("kho=off") == 1 &&
	       problems_with("liveupdate=no") == 1 && problems_with("liveupdate=disable") == 1,
	       "other words for off");
	result(problems_with("kho=off kho=on") == 0 && problems_with("kho kho=x kho=") == 0 &&
	       problems_with("kho=ox kho=oy") == 0, "the last word that is one counts");
	result(problems_with("intel_iommu=on,off") == 1 &&
	       problems_with("intel_iommu=off,sm_on") == 1 &&
	       problems_with("intel_iommu=sm_on,,off") == 1, "off in a list of intel_iommu");
	result(!problems_with("intel_iommu=off,on") &&
	       !problems_with("intel_iommu=off intel_iommu=on") &&
	       !problems_with("intel_iommu=igfx_off,sm_off,sp_off"),
	       "intel_iommu is on in the end");
	result(problems_with("amd_iommu=pgtbl_v1,off") == 1 && problems_with("iommu=pt,off") == 1 &&
	       problems_with("iommu=off iommu=pt") == 1, "off in the lists of the others");
	result(problems_with("intremap=nosid,off") == 1 &&
	       !problems_with("nointremap intremap=on") &&
	       problems_with("intremap=on nointremap") == 1 && problems_with("nointremap=0") == 1,
	       "intremap and nointremap, in their order");
	result(problems_after("kho=on liveupdate=on", "kho=on liveupdate=on intel_iommu=on") == 1 &&
	       !problems_after("kho=on liveupdate=on intel_iommu=on", "kho=on liveupdate=on") &&
	       problems_after("kho=on liveupdate=on intel_iommu=off",
			      "kho=on liveupdate=on intel_iommu=on") == 1 &&
	       !problems_with("intel_iommu=on"),
	       "intel_iommu=on in the line of the running kernel");
	result(problems_after("kho=on liveupdate=on intremap=nosid", "kho=on liveupdate=on") == 1 &&
	       problems_after("kho=on liveupdate=on", "kho=on liveupdate=on intremap=nosid") == 1 &&
	       !problems_with("intremap=nosid"), "nosid in one line only");
	result(problems_with("pci=noats,nomsi") == 1 && !problems_with("pci=nomsix,noats"),
	       "nomsi in a list of pci");
	result(problems_with("iommu=\"off\"") == 1 && problems_with("\"iommu=off\"") == 1 &&
	       !problems_with("x=\"a iommu=off\""), "quotes");
	result(!problems_with("irq_liveupdate=offset irq-liveupdate=on") &&
	       problems_with("irq-liveupdate=off irq_liveupdate=on") == 1,
	       "irq_liveupdate is off for good, with a dash too");
	result(problems_with("kho=off -- kho=on") == 1 && !problems_with("-- iommu=off"),
	       "what comes after -- is for init");
	mutations("mutated command line", line, strlen(line), parse_command_line);
}

static const char counters[] = "injected sent 8\npending at finish 1\nrevoked 0\n";

static void parse_counters(char *text, size_t size)
{
	json_object_put(counters_parse(text));
}

static void test_counters(void)
{
	char *text = strdup(counters);
	struct json_object *parsed = counters_parse(text);

	result(json_object_object_length(parsed) == 3 &&
	       json_object_get_int(json_object_object_get(parsed, "injected sent")) == 8,
	       "counters by their names");
	json_object_put(parsed);
	free(text);
	mutations("mutated counters", counters, strlen(counters), parse_counters);
}

static struct json_object *events_of(const char *text)
{
	struct json_object *events = json_object_new_array();
	char *copy = strdup(text), *rest = copy, *line;

	while ((line = strsep(&rest, "\n"))) {
		struct json_object *parsed = event_parse(line);

		if (parsed)
			json_object_array_add(events, parsed);
	}
	free(copy);

	return events;
}

static void test_steps(void)
{
	static const char trace[] =
		"x-1 [000] .. 1.5: irq_liveupdate_reserve: device=x vector=0\n"
		"x-1 [000] .. 2.5: irq_liveupdate_adopt: device=x vector=0\n"
		"x-1 [000] .. 4.5: irq_liveupdate_reserve: device=x vector=1\n";
	struct json_object *events = events_of(trace);
	struct json_object *steps = steps_of(events);
	struct json_object *step = json_object_object_get(steps, "reserve");

	result(json_object_object_length(steps) == 2 &&
	       json_object_get_int(json_object_object_get(step, "number")) == 2 &&
	       json_object_get_double(json_object_object_get(step, "first")) == 1.5 &&
	       json_object_get_double(json_object_object_get(step, "last")) == 4.5,
	       "steps, with their number and times");
	json_object_put(steps);
	json_object_put(events);
}

static void test_remedy(void)
{
	result(remedy_of("ATS is enabled, boot with pci=noats") && !remedy_of("no such reason"),
	       "remedy by the reason");
}

int main(void)
{
	printf("KTAP version 1\n1..%u\n", RESULTS);
	test_bdf();
	test_debug();
	test_snapshot();
	test_audit();
	test_event();
	test_image();
	test_command_line();
	test_remedy();
	test_counters();
	test_steps();

	return failed || number != RESULTS;
}
