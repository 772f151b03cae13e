/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * irqlu: the tool for operators of interrupt live update.
 */
#ifndef _IRQLU_H
#define _IRQLU_H

#include <stdbool.h>
#include <json-c/json.h>
#include <linux/compiler.h>

/* Version of the JSON that is printed and saved, see irqlu.schema.json */
#define IRQLU_JSON_VERSION	1

/**
 * enum irqlu_status - Exit status, which scripts rely on
 * @IRQLU_FINE:		Nothing is wrong
 * @IRQLU_REFUSED:	Something is refused, differs, or failed
 * @IRQLU_USAGE:	Wrong arguments
 * @IRQLU_UNKNOWN:	The state cannot be determined
 */
enum irqlu_status {
	IRQLU_FINE,
	IRQLU_REFUSED,
	IRQLU_USAGE,
	IRQLU_UNKNOWN,
};

/**
 * struct irqlu_options - What may come before the arguments of any command
 * @json:		Print JSON instead of a table
 * @noheadings:		Print a table without its first line
 * @columns:		The columns of the table, separated by commas, or NULL
 * @next_kernel:	Image of the next kernel, or NULL
 * @command_line:	Command line of the next kernel, or NULL for that of this one
 */
struct irqlu_options {
	bool		json;
	bool		noheadings;
	const char	*columns;
	const char	*next_kernel;
	const char	*command_line;
};

/**
 * struct irqlu_command - A subcommand
 * @name:	Its name
 * @args:	Its arguments, for the usage
 * @help:	What it does, in a few words
 * @min_args:	How many arguments it has at least
 * @max_args:	... and at most
 * @table:	Whether it prints a table
 * @run:	Does it. @args ends with NULL.
 */
struct irqlu_command {
	const char		*name;
	const char		*args;
	const char		*help;
	int			min_args;
	int			max_args;
	bool			table;
	enum irqlu_status	(*run)(const struct irqlu_options *options, char *args[]);
};

enum irqlu_status irqlu_list(const struct irqlu_options *options, char *args[]);
enum irqlu_status irqlu_show(const struct irqlu_options *options, char *args[]);
enum irqlu_status irqlu_check(const struct irqlu_options *options, char *args[]);
enum irqlu_status irqlu_audit(const struct irqlu_options *options, char *args[]);
enum irqlu_status irqlu_watch(const struct irqlu_options *options, char *args[]);
enum irqlu_status irqlu_save(const struct irqlu_options *options, char *args[]);
enum irqlu_status irqlu_diff(const struct irqlu_options *options, char *args[]);
enum irqlu_status irqlu_affinity(const struct irqlu_options *options, char *args[]);
enum irqlu_status irqlu_report(const struct irqlu_options *options, char *args[]);

/* Prints what is wrong, or that nothing is, on standard error. Returns @status. */
__printf(2, 3)
enum irqlu_status irqlu_fail(enum irqlu_status status, const char *fmt, ...);

#endif /* _IRQLU_H */
