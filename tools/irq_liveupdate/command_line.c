// SPDX-License-Identifier: GPL-2.0-only
/*
 * What the command line of a kernel says about taking devices over, parsed as the
 * kernel parses it: in order, so that the last setting counts, with lists separated by
 * commas, in which the beginning of each word counts.
 */
#include <ctype.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <linux/kernel.h>

#include "command_line.h"

/* What has to be on, then what has to be the same as in the running kernel. */
enum {
	KHO,
	LIVEUPDATE,
	IRQ_LIVEUPDATE,
	INTREMAP,
	INTEL_IOMMU,
	AMD_IOMMU,
	IOMMU,
	MSI,
	NR_SWITCHES,
	SCALABLE = NR_SWITCHES,
	NO_SOURCE_ID,
	NR_FLAGS,
};

static const struct {
	bool		initially;
	const char	*problem;
} switches[NR_SWITCHES] = {
	[KHO]		 = { false, "KHO is off on its command line: add kho=on" },
	[LIVEUPDATE]	 = { false, "live update is off on its command line: add liveupdate=on" },
	[IRQ_LIVEUPDATE] = { true, "irq_liveupdate=off on its command line: remove it" },
	[INTREMAP]	 = { true, "intremap=off or nointremap on its command line: remove it" },
	[INTEL_IOMMU]	 = { true, "intel_iommu=off on its command line: remove off" },
	[AMD_IOMMU]	 = { true, "amd_iommu=off on its command line: remove off" },
	[IOMMU]		 = { true, "iommu=off on its command line: remove off" },
	[MSI]		 = { true, "pci=nomsi on its command line: remove nomsi" },
};

/* As kstrtobool() in the kernel: any other value leaves the switch as it is. */
static void set_bool(bool *on, const char *value)
{
	char first = tolower((unsigned char)value[0]);
	char second = first ? tolower((unsigned char)value[1]) : '\0';

	if (first == 'o' ? second == 'n' : first && strchr("eyt1", first))
		*on = true;
	else if (first == 'o' ? second == 'f' : first && strchr("dnf0", first))
		*on = false;
}

static void set_unless_off(bool *on, const char *value)
{
	if (!strcmp(value, "off"))
		*on = false;
}

static const char *next_word(const char *word)
{
	word += strcspn(word, ",");

	return word + strspn(word, ",");
}

static void set_on_off(bool *on, const char *list)
{
	for (; *list; list = next_word(list)) {
		if (!strncmp(list, "on", 2))
			*on = true;
		else if (!strncmp(list, "off", 3))
			*on = false;
	}
}

static void set_scalable(bool *on, const char *list)
{
	for (; *list; list = next_word(list)) {
		if (!strncmp(list, "sm_on", 5))
			*on = true;
		else if (!strncmp(list, "sm_off", 6))
			*on = false;
	}
}

static void set_nosid(bool *on, const char *list)
{
	for (; *list; list = next_word(list)) {
		if (!strncmp(list, "nosid", 5))
			*on = true;
	}
}

/* Nothing in these lists switches anything on again. */
static void set_off(bool *on, const char *list)
{
	for (; *list; list = next_word(list)) {
		if (!strncmp(list, "off", 3))
			*on = false;
	}
}

static void set_nomsi(bool *on, const char *list)
{
	for (; *list; list = next_word(list)) {
		if (strcspn(list, ",") == 5 && !strncmp(list, "nomsi", 5))
			*on = false;
	}
}

static void set_never(bool *on, const char *value)
{
	*on = false;
}

static const struct {
	const char	*name;
	unsigned int	sets;
	bool		has_value;
	void		(*set)(bool *on, const char *value);
} params[] = {
	{ "kho", KHO, true, set_bool },
	{ "liveupdate", LIVEUPDATE, true, set_bool },
	{ "irq_liveupdate", IRQ_LIVEUPDATE, true, set_unless_off },
	{ "intremap", INTREMAP, true, set_on_off },
	{ "intremap", NO_SOURCE_ID, true, set_nosid },
	{ "nointremap", INTREMAP, false, set_never },
	{ "intel_iommu", INTEL_IOMMU, true, set_on_off },
	{ "intel_iommu", SCALABLE, true, set_scalable },
	{ "amd_iommu", AMD_IOMMU, true, set_off },
	{ "iommu", IOMMU, true, set_off },
	{ "pci", MSI, true, set_nomsi },
};

/* A dash equals an underscore, as in parameq() in the kernel. */
static bool is_name(const char *param, const char *name)
{
	for (; *param && *name; param++, name++) {
		if ((*param == '-' ? '_' : *param) != *name)
			return false;
	}

	return *param == *name;
}

static void apply_param(bool on[], const char *name, const char *value)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(params); i++) {
		if (is_name(name, params[i].name) && (value || !params[i].has_value))
			params[i].set(&on[params[i].sets], value);
	}
}

/* As next_arg() in the kernel. Modifies the line, and returns the rest of it. */
static char *next_param(char *line, char **name, char **value)
{
	bool quoted = *line == '"', in_quote = quoted;
	char *end, *equals = NULL;

	line += quoted;
	for (end = line; *end && (in_quote || !isspace((unsigned char)*end)); end++) {
		if (*end == '=' && !equals && end != line)
			equals = end;
		if (*end == '"')
			in_quote = !in_quote;
	}

	*name = line;
	*value = equals ? equals + 1 : NULL;
	line = *end ? end + 1 : end;
	*end = '\0';
	if (equals)
		*equals = '\0';
	if (equals && **value == '"') {
		(*value)++;
		quoted = true;
	}
	if (quoted && end > *name && end[-1] == '"')
		end[-1] = '\0';

	return line + strspn(line, " \t\n\v\f\r");
}

static void set_initially(bool on[])
{
	unsigned int i;

	for (i = 0; i < NR_SWITCHES; i++)
		on[i] = switches[i].initially;
	on[SCALABLE] = false;
	on[NO_SOURCE_ID] = false;
}

/* @on: defaults for what the line does not mention. Words after "--" are for init. */
static void read_line(bool on[], const char *from)
{
	char *copy = strdup(from), *line = copy, *name, *value;

	line += strspn(line, " \t\n\v\f\r");
	while (*line) {
		line = next_param(line, &name, &value);
		if (!value && !strcmp(name, "--"))
			break;
		apply_param(on, name, value);
	}
	free(copy);
}

/* A flag after a line, if this is its default */
static bool state_after(const char *line, unsigned int flag, bool initially)
{
	bool on[NR_FLAGS];

	set_initially(on);
	on[flag] = initially;
	read_line(on, line);

	return on[flag];
}

/* For either default, as long as both kernels have the same */
static bool sets_the_same(unsigned int flag, const char *next, const char *running)
{
	return state_after(next, flag, false) == state_after(running, flag, false) &&
	       state_after(next, flag, true) == state_after(running, flag, true);
}

static const struct {
	unsigned int	flag;
	const char	*problem;
} modes[] = {
	{ SCALABLE, "intel_iommu=sm_on or sm_off differs from the command line of this kernel" },
	{ NO_SOURCE_ID, "intremap=nosid differs from the command line of this kernel" },
};

/*
 * Calls @found with each problem of the line of the next kernel. @running is the
 * line of a kernel in which live update is on. Translation cannot change its mode while it
 * is enabled.
 */
void command_line_check(const char *next, const char *running,
			void (*found)(void *data, const char *problem), void *data)
{
	bool on[NR_FLAGS];
	unsigned int i;

	set_initially(on);
	/* It is on by configuration if the line of the running kernel does not switch it on. */
	on[KHO] = !state_after(running, KHO, false);
	read_line(on, next);
	for (i = 0; i < NR_SWITCHES; i++) {
		if (!on[i])
			found(data, switches[i].problem);
	}
	/* It may be off by configuration if the line of the running kernel switches it on. */
	if (on[INTEL_IOMMU] && state_after(running, INTEL_IOMMU, false) &&
	    !state_after(next, INTEL_IOMMU, false))
		found(data, "intel_iommu=on is on the command line of this kernel only: add it");
	for (i = 0; i < ARRAY_SIZE(modes); i++) {
		if (!sets_the_same(modes[i].flag, next, running))
			found(data, modes[i].problem);
	}
}
