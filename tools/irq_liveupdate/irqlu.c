// SPDX-License-Identifier: GPL-2.0-only
#include <getopt.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <linux/kernel.h>

#include "irqlu.h"

static const struct irqlu_command commands[] = {
	{ "list", "", "list devices, and whether they can be handed over", 0, 0, true, irqlu_list },
	{ "show", "BDF", "show the interrupts of a device", 1, 1, true, irqlu_show },
	{ "check", "[BDF]", "check whether devices can be handed over", 0, 1, true, irqlu_check },
	{ "audit", "", "compare incoming devices with the kernel's cache", 0, 0, true,
	  irqlu_audit },
	{ "watch", "", "print the steps of a live update as they happen", 0, 0, false,
	  irqlu_watch },
	{ "save", "FILE", "save what a live update must not change", 1, 1, false, irqlu_save },
	{ "diff", "FILE", "compare with the saved state", 1, 1, true, irqlu_diff },
	{ "affinity", "save|restore FILE", "affinity masks, which are not handed over", 2, 2, false,
	  irqlu_affinity },
	{ "report", "", "print a report on this machine as JSON", 0, 0, false, irqlu_report },
};

#define NR_COMMANDS	ARRAY_SIZE(commands)

enum { JSON = 256, NOHEADINGS, NEXT_KERNEL, COMMAND_LINE };

static const struct option long_options[] = {
	{ "json",		no_argument,		NULL, JSON },
	{ "noheadings",		no_argument,		NULL, NOHEADINGS },
	{ "output",		required_argument,	NULL, 'o' },
	{ "next-kernel",	required_argument,	NULL, NEXT_KERNEL },
	{ "command-line",	required_argument,	NULL, COMMAND_LINE },
	{ "help",		no_argument,		NULL, 'h' },
	{ }
};

enum irqlu_status irqlu_fail(enum irqlu_status status, const char *fmt, ...)
{
	va_list args;

	fputs("irqlu: ", stderr);
	va_start(args, fmt);
	vfprintf(stderr, fmt, args);
	va_end(args);
	fputc('\n', stderr);

	return status;
}

static enum irqlu_status usage(void)
{
	unsigned int i;

	puts("irqlu [OPTION...] COMMAND [ARGUMENT...]\n");
	for (i = 0; i < NR_COMMANDS; i++)
		printf("  %-8s %-18s %s\n", commands[i].name, commands[i].args,
		       commands[i].help);
	puts("\n"
	     "  --json                print JSON\n"
	     "  -o, --output COLUMNS  print only these columns, separated by commas\n"
	     "  --noheadings          do not print headings\n"
	     "  --next-kernel IMAGE   check: whether this kernel takes over devices\n"
	     "  --command-line TEXT   check: its command line, default: that of this kernel\n"
	     "  -h, --help            print this\n"
	     "\nExit status: 0 no problem, 1 refused, different or failed, 2 wrong arguments,\n"
	     "3 unknown.");

	return IRQLU_FINE;
}

/* Returns whether the command accepts the options. */
static bool options_fit(const struct irqlu_command *command, const struct irqlu_options *options)
{
	if (options->next_kernel && command->run != irqlu_check)
		irqlu_fail(IRQLU_USAGE, "%s: --next-kernel is only for check", command->name);
	else if (options->command_line && !options->next_kernel)
		irqlu_fail(IRQLU_USAGE, "--command-line is only for --next-kernel");
	else if (options->columns && !command->table)
		irqlu_fail(IRQLU_USAGE, "%s: --output is only for commands that print a table",
			   command->name);
	else
		return true;

	return false;
}

/* Returns whether the option exists. */
static bool take_option(struct irqlu_options *options, int option)
{
	switch (option) {
	case JSON:
		options->json = true;
		return true;
	case NOHEADINGS:
		options->noheadings = true;
		return true;
	case 'o':
		options->columns = optarg;
		return true;
	case NEXT_KERNEL:
		options->next_kernel = optarg;
		return true;
	case COMMAND_LINE:
		options->command_line = optarg;
		return true;
	default:
		return false;
	}
}

static const struct irqlu_command *find_command(const char *name)
{
	unsigned int i;

	for (i = 0; i < NR_COMMANDS; i++) {
		if (!strcmp(commands[i].name, name))
			return &commands[i];
	}

	return NULL;
}

int main(int argc, char *argv[])
{
	const struct irqlu_command *command;
	struct irqlu_options options = { };
	enum irqlu_status status;
	int option, nr_args;

	while ((option = getopt_long(argc, argv, "o:h", long_options, NULL)) >= 0) {
		if (option == 'h')
			return usage();
		if (!take_option(&options, option))
			return irqlu_fail(IRQLU_USAGE, "see irqlu --help");
	}

	if (optind == argc)
		return irqlu_fail(IRQLU_USAGE, "no command, see irqlu --help");
	command = find_command(argv[optind]);
	if (!command)
		return irqlu_fail(IRQLU_USAGE, "%s: no such command, see irqlu --help",
				  argv[optind]);
	nr_args = argc - optind - 1;
	if (nr_args < command->min_args || nr_args > command->max_args)
		return irqlu_fail(IRQLU_USAGE, "usage: irqlu %s%s%s", command->name,
				  *command->args ? " " : "", command->args);
	if (!options_fit(command, &options))
		return IRQLU_USAGE;

	status = command->run(&options, &argv[optind + 1]);
	if (fflush(stdout) || ferror(stdout))
		return irqlu_fail(IRQLU_REFUSED, "output: %m");

	return status;
}
