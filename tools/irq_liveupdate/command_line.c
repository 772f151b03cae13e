// SPDX-License-Identifier: GPL-2.0-only
/*
 * What a kernel must have on its command line to take devices over, and what it must not.
 */
#include <stdbool.h>
#include <stddef.h>
#include <string.h>
#include <linux/kernel.h>

#include "command_line.h"

static const struct {
	const char	*word;
	bool		wanted;
	const char	*problem;
} rules[] = {
	{ "kho=on", true, "no kho=on on its command line: add it" },
	{ "liveupdate=on", true, "no liveupdate=on on its command line: add it" },
	{ "irq_liveupdate=off", false, "irq_liveupdate=off on its command line: remove it" },
	{ "intremap=off", false, "intremap=off on its command line: remove it" },
	{ "nointremap", false, "nointremap on its command line: remove it" },
	{ "intel_iommu=off", false, "intel_iommu=off on its command line: remove it" },
	{ "amd_iommu=off", false, "amd_iommu=off on its command line: remove it" },
	{ "iommu=off", false, "iommu=off on its command line: remove it" },
	{ "pci=nomsi", false, "pci=nomsi on its command line: remove it" },
};

static bool has_word(const char *line, const char *word)
{
	size_t len = strlen(word);
	const char *at;

	for (at = strstr(line, word); at; at = strstr(at + 1, word)) {
		if ((at == line || at[-1] == ' ') && (!at[len] || at[len] == ' '))
			return true;
	}

	return false;
}

/* By the number of the rule: what is wrong, "" if nothing is, NULL after the last one. */
const char *command_line_problem(const char *line, unsigned int i)
{
	if (i >= ARRAY_SIZE(rules))
		return NULL;

	return has_word(line, rules[i].word) == rules[i].wanted ? "" : rules[i].problem;
}
