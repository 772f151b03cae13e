// SPDX-License-Identifier: GPL-2.0-only
/*
 * Whole commands of irqlu, on a made-up /sys and /proc: the linker wraps functions that open
 * files by path, and paths are redirected to a temporary directory. KTAP out.
 */
#include <dirent.h>
#include <fcntl.h>
#include <ftw.h>
#include <limits.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include <linux/kernel.h>

#include "../../include/linux/kho/abi/iommu.h"
#include "../../include/linux/kho/abi/irq.h"
#include "../../include/linux/kho/abi/pci.h"
#include "../../include/linux/kho/abi/vfio_pci.h"

#include "device.h"
#include "irqlu.h"
#include "next_kernel.h"
#include "vector.h"
#include "wrapped.h"

#define RESULTS		49U
#define DEVICE		"/sys/bus/pci/devices/0000:01:00.0"
#define TRACEFS		"/sys/kernel/tracing"
#define TIMEOUT_MS	20000U

static char root[64];
static unsigned int nr_writes;
static char said[65536];
static unsigned int number, failed;

static const struct irqlu_options bare = { .noheadings = true };

static void result(bool passed, const char *name)
{
	printf("%sok %u %s\n", passed ? "" : "not ", ++number, name);
	failed += !passed;
	said[0] = '\0';
}

enum irqlu_status irqlu_fail(enum irqlu_status status, const char *fmt, ...)
{
	size_t len = strlen(said);
	va_list args;

	va_start(args, fmt);
	vsnprintf(said + len, sizeof(said) - len, fmt, args);
	va_end(args);

	return status;
}

ssize_t __wrap_write(int fd, const void *data, size_t size)
{
	nr_writes++;

	return __real_write(fd, data, size);
}

/* One buffer is enough: no caller keeps a path. */
static const char *below_root(const char *path)
{
	static char below[PATH_MAX];

	if (strncmp(path, "/sys/", 5) && strncmp(path, "/proc/", 6))
		return path;
	/* The output that image.c reads back from an unpacker is not redirected. */
	if (!strncmp(path, "/proc/self/", 11))
		return path;
	snprintf(below, sizeof(below), "%s%s", root, path);

	return below;
}

FILE *__wrap_fopen(const char *path, const char *mode)
{
	return __real_fopen(below_root(path), mode);
}

int __wrap_scandir(const char *path, struct dirent ***entries,
		   int (*filter)(const struct dirent *),
		   int (*compare)(const struct dirent **, const struct dirent **))
{
	return __real_scandir(below_root(path), entries, filter, compare);
}

DIR *__wrap_opendir(const char *path)
{
	return __real_opendir(below_root(path));
}

ssize_t __wrap_readlink(const char *path, char *target, size_t size)
{
	return __real_readlink(below_root(path), target, size);
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	return remove(path);
}

static void remove_tree(const char *path)
{
	nftw(path, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

static void put(const char *path, const char *text)
{
	char below[PATH_MAX], *slash;
	FILE *f;

	snprintf(below, sizeof(below), "%s%s", root, path);
	for (slash = strchr(below + strlen(root) + 1, '/'); slash;
	     slash = strchr(slash + 1, '/')) {
		*slash = '\0';
		mkdir(below, 0700);
		*slash = '/';
	}
	f = fopen(below, "w");
	fputs(text, f);
	fclose(f);
}

static void drop(const char *path)
{
	char below[PATH_MAX];

	snprintf(below, sizeof(below), "%s%s", root, path);
	remove_tree(below);
}

static bool has(const char *path, const char *text)
{
	char below[PATH_MAX], line[8192] = "";
	FILE *f;

	snprintf(below, sizeof(below), "%s%s", root, path);
	f = fopen(below, "r");
	if (!f)
		return false;
	if (!fgets(line, sizeof(line), f))
		line[0] = '\0';
	fclose(f);

	return !strcmp(line, text);
}

static void put_message(unsigned int irq, const char *low, const char *chip)
{
	char path[64], text[256];

	snprintf(path, sizeof(path), "/sys/kernel/debug/irq/irqs/%u", irq);
	snprintf(text, sizeof(text),
		 "IRQD_IRQ_STARTED\n address_hi: 0x00000000\n address_lo: %s\n msg_data:   0x0\n"
		 "    chip:    %s\n", low, chip);
	put(path, text);
}

static void put_vector(unsigned int vector, unsigned int irq)
{
	char path[128], text[16];

	snprintf(text, sizeof(text), "%u\n", vector);
	snprintf(path, sizeof(path), DEVICE "/msi_irqs/%u", irq);
	put(path, "msix\n");
	snprintf(path, sizeof(path), "/sys/kernel/irq/%u/hwirq", irq);
	put(path, text);
	snprintf(path, sizeof(path), "/proc/irq/%u/smp_affinity_list", irq);
	put(path, "0-3\n");
	put_message(irq, "0xfee00238", "INTEL-IR");
}

/* A device of vfio-pci with two vectors */
static void put_device(void)
{
	char below[PATH_MAX];

	drop("/sys");
	drop("/proc");
	put(DEVICE "/liveupdate/preservable", "yes\n");
	put(DEVICE "/liveupdate/outcome", "cold\n");
	put(DEVICE "/liveupdate/allowed", "1\n");
	snprintf(below, sizeof(below), "%s" DEVICE "/driver", root);
	if (symlink("../../drivers/vfio-pci", below))
		perror(below);
	put_vector(0, 26);
	put_vector(1, 27);
}

static enum irqlu_status run(enum irqlu_status (*command)(const struct irqlu_options *options,
							  char *args[]), ...)
{
	char *args[4] = { };
	unsigned int i = 0;
	va_list list;

	va_start(list, command);
	while (i < 3 && (args[i] = va_arg(list, char *)))
		i++;
	va_end(list);

	return command(&bare, args);
}

/* The output of a command that has no argument or one */
static enum irqlu_status run_for_output(enum irqlu_status (*command)(const struct irqlu_options *,
								     char *args[]),
					const struct irqlu_options *options, char *arg,
					char *output, size_t size)
{
	int stdout_fd = dup(STDOUT_FILENO);
	char *args[2] = { arg };
	enum irqlu_status status;
	FILE *f = tmpfile();
	size_t len;

	fflush(stdout);
	dup2(fileno(f), STDOUT_FILENO);
	status = command(options, args);
	fflush(stdout);
	dup2(stdout_fd, STDOUT_FILENO);
	close(stdout_fd);
	rewind(f);
	len = fread(output, 1, size - 1, f);
	output[len] = '\0';
	fclose(f);

	return status;
}

/* Whether a command takes -o with these columns */
static bool takes_columns(enum irqlu_status (*command)(const struct irqlu_options *,
						       char *args[]), char *arg,
			  const char *columns)
{
	const struct irqlu_options options = { .columns = columns };
	char output[4096];

	said[0] = '\0';

	return run_for_output(command, &options, arg, output, sizeof(output)) != IRQLU_USAGE;
}

static void test_diff(char *file)
{
	put_device();
	result(run(irqlu_save, file, NULL) == IRQLU_FINE &&
	       run(irqlu_diff, file, NULL) == IRQLU_FINE, "diff: nothing has changed");

	put_message(27, "0xfee00258", "INTEL-IR");
	result(run(irqlu_diff, file, NULL) == IRQLU_REFUSED, "diff: another message");

	put_message(27, "0xfee00238", "APIC");
	result(run(irqlu_diff, file, NULL) == IRQLU_REFUSED, "diff: no table entry any more");

	drop("/sys/kernel/debug");
	result(run(irqlu_diff, file, NULL) == IRQLU_UNKNOWN && strstr(said, "2 vectors"),
	       "diff: debugfs is missing now");

	drop(DEVICE "/msi_irqs/27");
	result(run(irqlu_diff, file, NULL) == IRQLU_REFUSED,
	       "diff: debugfs is missing now, and a vector");

	put_device();
	drop("/sys/kernel/debug");
	result(run(irqlu_save, file, NULL) == IRQLU_UNKNOWN && strstr(said, "2 vectors"),
	       "save: debugfs is missing");
	put_device();
	result(run(irqlu_diff, file, NULL) == IRQLU_UNKNOWN && strstr(said, "2 vectors"),
	       "diff: debugfs was missing");
}

static void test_affinity(char *file)
{
	put_device();
	run(irqlu_affinity, "save", file, NULL);
	put("/proc/irq/26/smp_affinity_list", "1\n");
	put("/proc/irq/27/smp_affinity_list", "1\n");
	result(run(irqlu_affinity, "restore", file, NULL) == IRQLU_FINE && !said[0] &&
	       has("/proc/irq/26/smp_affinity_list", "0-3") &&
	       has("/proc/irq/27/smp_affinity_list", "0-3"), "affinity: restored");

	drop(DEVICE "/msi_irqs/26");
	put("/proc/irq/27/smp_affinity_list", "1\n");
	result(run(irqlu_affinity, "restore", file, NULL) == IRQLU_REFUSED &&
	       strstr(said, "0000:01:00.0: vector 0") && !strstr(said, "vector 1") &&
	       has("/proc/irq/27/smp_affinity_list", "0-3"),
	       "affinity: a vector is gone, the others are restored");

	drop(DEVICE);
	result(run(irqlu_affinity, "restore", file, NULL) == IRQLU_REFUSED &&
	       strstr(said, "vector 0") && strstr(said, "vector 1"), "affinity: a device is gone");

	put_device();
	drop("/proc/irq");
	result(run(irqlu_affinity, "restore", file, NULL) == IRQLU_REFUSED,
	       "affinity: cannot be written");
}

/* A device that stays behind on purpose, or is preserved already, does not hold up others. */
static void test_reasons(void)
{
	static const struct {
		const char		*reason;
		enum irqlu_status	all, named;
	} reasons[] = {
		{ "yes\n", IRQLU_FINE, IRQLU_FINE },
		{ "no: INTx in use\n", IRQLU_REFUSED, IRQLU_REFUSED },
		{ "no: of a later kernel\n", IRQLU_REFUSED, IRQLU_REFUSED },
		{ "no: preserved already\n", IRQLU_FINE, IRQLU_FINE },
		{ "no: not open\n", IRQLU_FINE, IRQLU_REFUSED },
		{ "no: forbidden by the administrator\n", IRQLU_FINE, IRQLU_REFUSED },
		{ "no: its physical function is not preserved\n", IRQLU_FINE, IRQLU_REFUSED },
		{ "no: a virtual function of it is preserved\n", IRQLU_FINE, IRQLU_REFUSED },
	};
	char output[4096];
	bool all = true;
	unsigned int i;

	put_device();
	for (i = 0; i < ARRAY_SIZE(reasons); i++) {
		put(DEVICE "/liveupdate/preservable", reasons[i].reason);
		all &= run_for_output(irqlu_check, &bare, NULL, output,
				      sizeof(output)) == reasons[i].all &&
		       run_for_output(irqlu_check, &bare, "1:0.0", output,
				      sizeof(output)) == reasons[i].named;
	}
	result(all, "check: reasons that count");
}

static void test_long_mask(char *file)
{
	char mask[8192] = "0";
	unsigned int cpu;

	for (cpu = 2; cpu < 1536; cpu += 2)
		snprintf(mask + strlen(mask), sizeof(mask) - strlen(mask), ",%u", cpu);
	put_device();
	put("/proc/irq/26/smp_affinity_list", mask);
	run(irqlu_affinity, "save", file, NULL);
	put("/proc/irq/26/smp_affinity_list", "1\n");
	nr_writes = 0;
	result(run(irqlu_affinity, "restore", file, NULL) == IRQLU_FINE && nr_writes == 2 &&
	       has("/proc/irq/26/smp_affinity_list", mask),
	       "affinity: a long mask is written at once");
}

/* In a kernel without live update the device exists, but has no liveupdate/. */
static void test_no_live_update(char *file)
{
	put_device();
	drop(DEVICE "/liveupdate");
	unlink(file);
	result(run(irqlu_list, NULL) == IRQLU_UNKNOWN && strstr(said, "kho=on"),
	       "no live update: list");
	result(run(irqlu_show, "01:00.0", NULL) == IRQLU_UNKNOWN && strstr(said, "kho=on"),
	       "no live update: show");
	result(run(irqlu_check, NULL) == IRQLU_UNKNOWN, "no live update: check");
	result(run(irqlu_save, file, NULL) == IRQLU_UNKNOWN && access(file, F_OK),
	       "no live update: save");
	result(run(irqlu_affinity, "save", file, NULL) == IRQLU_UNKNOWN && access(file, F_OK),
	       "no live update: affinity save");
	result(run(irqlu_audit, NULL) == IRQLU_UNKNOWN && strstr(said, "kho=on"),
	       "no live update: audit");

	put_device();
	run(irqlu_save, file, NULL);
	drop(DEVICE "/liveupdate");
	result(run(irqlu_diff, file, NULL) == IRQLU_UNKNOWN && strstr(said, "kho=on"),
	       "no live update: diff");
}

static void test_no_device(void)
{
	put_device();
	put("/sys/bus/pci/devices/0000:00:01.0/vendor", "0x8086\n");
	result(run(irqlu_show, "0:1.0", NULL) == IRQLU_UNKNOWN && strstr(said, "a bridge"),
	       "no device: show a bridge");
	result(run(irqlu_check, "2:0.0", NULL) == IRQLU_UNKNOWN && strstr(said, "no such device"),
	       "no device: check");
	drop(DEVICE "/driver");
	result(run(irqlu_check, NULL) == IRQLU_FINE && strstr(said, "vfio-pci"),
	       "no device: of vfio-pci");
}

static void test_no_file(char *file)
{
	put_device();
	unlink(file);
	result(run(irqlu_diff, file, NULL) == IRQLU_UNKNOWN && strstr(said, "No such file"),
	       "no file: diff");
	run(irqlu_affinity, "save", file, NULL);
	result(run(irqlu_diff, file, NULL) == IRQLU_UNKNOWN && strstr(said, "not written by"),
	       "no file: diff of what affinity has saved");
}

/* Tables without a row have no headings, but their columns are checked nevertheless. */
static void test_empty_tables(char *file)
{
	const struct irqlu_options options = { }, json = { .json = true };
	char output[4096];

	put_device();
	put("/sys/kernel/debug/irq_liveupdate/audit", "");
	run(irqlu_save, file, NULL);
	result(run_for_output(irqlu_diff, &options, file, output, sizeof(output)) == IRQLU_FINE &&
	       !output[0] && strstr(said, "2 vectors: nothing has changed"),
	       "empty table: diff");
	result(run_for_output(irqlu_diff, &json, file, output, sizeof(output)) == IRQLU_FINE &&
	       output[0] && !said[0], "empty table: diff, JSON");
	result(!takes_columns(irqlu_diff, file, "bdf,nonsense") && strstr(said, "nonsense") &&
	       takes_columns(irqlu_diff, file, "bdf,vector,what,before,after"),
	       "empty table: columns of diff");
	result(run_for_output(irqlu_audit, &options, NULL, output, sizeof(output)) == IRQLU_FINE &&
	       !output[0] && strstr(said, "no device"), "empty table: audit");
	result(!takes_columns(irqlu_audit, NULL, "nonsense") &&
	       takes_columns(irqlu_audit, NULL, "bdf,agrees,vectors"),
	       "empty table: columns of audit");

	drop(DEVICE "/msi_irqs");
	result(run_for_output(irqlu_show, &options, "1:0.0", output, sizeof(output)) ==
	       IRQLU_FINE && !output[0] && strstr(said, "0000:01:00.0: no vector"),
	       "empty table: show");
	drop(DEVICE "/driver");
	result(run_for_output(irqlu_check, &options, NULL, output, sizeof(output)) ==
	       IRQLU_FINE && !output[0] && strstr(said, "vfio-pci"), "empty table: check");
	result(!takes_columns(irqlu_check, NULL, "nonsense") &&
	       takes_columns(irqlu_check, NULL, "bdf"), "empty table: columns of check");
}

/* Every member of a row can be a column, and nothing else. */
static void test_columns(void)
{
	struct json_object *vectors, *device;
	bool all = true;

	put_device();
	device = device_read("0000:01:00.0");
	json_object_object_foreach(device, member, value) {
		(void)value;
		all = all && takes_columns(irqlu_list, NULL, member);
	}
	result(all, "columns: all of a device");
	json_object_put(device);

	vectors = vectors_read("0000:01:00.0");
	json_object_object_foreach(json_object_array_get_idx(vectors, 0), part, whatever) {
		(void)whatever;
		all = all && takes_columns(irqlu_show, "1:0.0", part);
	}
	result(all, "columns: all of a vector");
	json_object_put(vectors);
}

/* An ELF file with all formats, and this command line */
static enum irqlu_status check_next(const char *line)
{
	struct json_object *output = json_object_new_object();
	struct irqlu_options options = { .command_line = line };
	enum irqlu_status status;
	char image[PATH_MAX];

	snprintf(image, sizeof(image), "%s/vmlinux", root);
	options.next_kernel = image;
	status = next_kernel_check(&options, output);
	json_object_put(output);

	return status;
}

static const char * const formats[] = {
	KHO_FDT_COMPATIBLE, LUO_ABI_COMPATIBLE, MEMFD_LUO_FH_COMPATIBLE,
	VFIO_PCI_LU_FH_COMPATIBLE, IRQ_LU_COMPATIBLE, PCI_LU_FLB_COMPATIBLE, IOMMU_LU_KHO_NODE,
};

/* With all formats but this one */
static void put_image_without(unsigned int missing)
{
	static const char head[] = "\177ELF\0Linux version 7.3";
	char path[PATH_MAX];
	unsigned int i;
	FILE *f;

	snprintf(path, sizeof(path), "%s/vmlinux", root);
	f = fopen(path, "w");
	fwrite(head, 1, sizeof(head), f);
	for (i = 0; i < ARRAY_SIZE(formats); i++) {
		if (i != missing)
			fwrite(formats[i], 1, strlen(formats[i]) + 1, f);
	}
	fclose(f);
}

static void put_image(void)
{
	put_image_without(ARRAY_SIZE(formats));
}

/* LUO would reject all sessions. */
static void test_missing_format(void)
{
	bool all = true;
	unsigned int i;

	put("/proc/cmdline", "kho=on liveupdate=on\n");
	for (i = 0; i < ARRAY_SIZE(formats); i++) {
		put_image_without(i);
		all &= check_next(NULL) == IRQLU_REFUSED;
	}
	result(all, "next kernel: any format is missing");
}

/* The head of a bzImage whose payload is compressed with zstd */
static void put_packed_image(void)
{
	unsigned char image[0x600] = { };
	char path[PATH_MAX];
	FILE *f;

	image[0x1f1] = 1;
	memcpy(image + 0x202, "HdrS", 4);
	image[0x24c] = 0x10;
	memcpy(image + 0x400, "(\265/\375", 4);
	snprintf(path, sizeof(path), "%s/vmlinux", root);
	f = fopen(path, "w");
	fwrite(image, 1, sizeof(image), f);
	fclose(f);
}

static void test_no_unpacker(void)
{
	char *path = strdup(getenv("PATH") ?: "");

	put_packed_image();
	setenv("PATH", "/nonexistent", 1);
	result(check_next("kho=on liveupdate=on") == IRQLU_UNKNOWN &&
	       strstr(said, "zstd: not found") && !strstr(said, "not a kernel image"),
	       "next kernel: its unpacker is missing");
	setenv("PATH", path, 1);
	free(path);
}

static void test_next_kernel(void)
{
	put("/proc/cmdline", "kho=on liveupdate=on\n");
	test_no_unpacker();
	put_image();
	put("/proc/cmdline", "kho=on liveupdate=on\n");
	result(check_next(NULL) == IRQLU_FINE, "next kernel: command line of this one");
	check_next(NULL);
	result(strstr(said, "vmlinux: takes devices over"), "next kernel: says that it is fine");
	put("/proc/cmdline", "kho=on liveupdate=on intel_iommu=off\n");
	result(check_next(NULL) == IRQLU_REFUSED &&
	       check_next("kho=on liveupdate=on") == IRQLU_FINE,
	       "next kernel: command line of its own");
	put("/proc/cmdline", "kho=on liveupdate=on intel_iommu=sm_on\n");
	result(check_next(NULL) == IRQLU_FINE &&
	       check_next("kho=on liveupdate=on intel_iommu=sm_on") == IRQLU_FINE &&
	       check_next("kho=on liveupdate=on intel_iommu=sm_on,sm_off") == IRQLU_REFUSED &&
	       check_next("kho=on liveupdate=on") == IRQLU_REFUSED,
	       "next kernel: another mode of VT-d");
	test_missing_format();
	put_image();
	drop("/proc/cmdline");
	result(check_next(NULL) == IRQLU_UNKNOWN && strstr(said, "/proc/cmdline"),
	       "next kernel: command line unknown");
}

/* As in tracefs: an instance has files from the beginning, and is removed with them. */
int __wrap_mkdir(const char *path, mode_t mode)
{
	char file[PATH_MAX], events[PATH_MAX];

	if (strncmp(path, TRACEFS, strlen(TRACEFS)))
		return __real_mkdir(path, mode);
	snprintf(events, sizeof(events), "%s/events/irq_liveupdate/enable", path);
	put(events, "0\n");
	snprintf(file, sizeof(file), "%s%s/trace_pipe", root, path);

	return mkfifo(file, 0600);
}

int __wrap_rmdir(const char *path)
{
	drop(path);

	return 0;
}

static void sleep_ms(unsigned int ms)
{
	usleep(1000 * ms);
}

static int count_instances(void)
{
	char below[PATH_MAX];
	struct dirent *entry;
	int nr = 0;
	DIR *dir;

	snprintf(below, sizeof(below), "%s" TRACEFS "/instances", root);
	dir = opendir(below);
	while (dir && (entry = readdir(dir)))
		nr += entry->d_name[0] != '.';
	if (dir)
		closedir(dir);

	return nr;
}

/* Writes to the trace_pipe of the instance, which can be opened once something reads it. */
static int open_pipe(pid_t watch)
{
	char pipe[PATH_MAX];
	unsigned int ms;
	int fd = -1;

	snprintf(pipe, sizeof(pipe), "%s" TRACEFS "/instances/irqlu-%d/trace_pipe", root, watch);
	for (ms = 0; fd < 0 && ms < TIMEOUT_MS; ms += 10) {
		sleep_ms(10);
		fd = open(pipe, O_WRONLY | O_NONBLOCK);
	}

	return fd;
}

/* With @reader, only the caller has the other end of @out. */
static pid_t start_watch(int out, int reader)
{
	pid_t watch = fork();

	if (!watch) {
		dup2(out, STDOUT_FILENO);
		if (reader >= 0)
			close(reader);
		_exit(irqlu_watch(&bare, NULL));
	}

	return watch;
}

/* Waits for its end. Returns whether it has left nothing behind, and has this exit status. */
static bool has_cleaned_up(pid_t watch, int expected)
{
	unsigned int ms;
	int status = 0;

	for (ms = 0; ms < TIMEOUT_MS && waitpid(watch, &status, WNOHANG) == 0; ms += 10)
		sleep_ms(10);
	if (ms >= TIMEOUT_MS) {
		kill(watch, SIGKILL);
		waitpid(watch, &status, 0);
	}

	return WIFEXITED(status) && WEXITSTATUS(status) == expected && !count_instances();
}

static void test_watch_signal(int signal, const char *name)
{
	int null = open("/dev/null", O_WRONLY), pipe;
	pid_t watch;

	drop(TRACEFS);
	put(TRACEFS "/instances/.keep", "");
	watch = start_watch(null, -1);
	pipe = open_pipe(watch);
	kill(watch, signal);
	result(pipe >= 0 && has_cleaned_up(watch, IRQLU_FINE), name);
	close(pipe);
	close(null);
}

/* As with nohup */
static void test_watch_ignored_signal(void)
{
	int null = open("/dev/null", O_WRONLY), pipe, status;
	pid_t watch;

	drop(TRACEFS);
	put(TRACEFS "/instances/.keep", "");
	signal(SIGHUP, SIG_IGN);
	watch = start_watch(null, -1);
	signal(SIGHUP, SIG_DFL);
	pipe = open_pipe(watch);
	kill(watch, SIGHUP);
	sleep_ms(100);
	result(pipe >= 0 && !waitpid(watch, &status, WNOHANG), "watch: ignored SIGHUP");
	kill(watch, SIGTERM);
	has_cleaned_up(watch, IRQLU_FINE);
	close(pipe);
	close(null);
}

static void test_watch_reader_gone(void)
{
	int out[2], events;
	pid_t watch;

	drop(TRACEFS);
	put(TRACEFS "/instances/.keep", "");
	if (pipe(out))
		return;
	watch = start_watch(out[1], out[0]);
	events = open_pipe(watch);
	close(out[1]);
	close(out[0]);
	result(write(events, "event\n", 6) == 6 && has_cleaned_up(watch, IRQLU_FINE),
	       "watch: nobody reads any more");
	close(events);
}

static void test_watch_no_live_update(void)
{
	int null = open("/dev/null", O_WRONLY);

	put_device();
	drop(DEVICE "/liveupdate");
	result(has_cleaned_up(start_watch(null, -1), IRQLU_UNKNOWN), "watch: no live update");
	close(null);
}

static void test_watch(void)
{
	test_watch_no_live_update();
	put_device();
	/* A shell starts a command in the background with some of them ignored. */
	signal(SIGINT, SIG_DFL);
	signal(SIGQUIT, SIG_DFL);
	signal(SIGHUP, SIG_DFL);
	test_watch_signal(SIGINT, "watch: SIGINT");
	test_watch_signal(SIGTERM, "watch: SIGTERM");
	test_watch_signal(SIGHUP, "watch: SIGHUP");
	test_watch_signal(SIGQUIT, "watch: SIGQUIT");
	test_watch_ignored_signal();
	test_watch_reader_gone();
}

int main(void)
{
	char file[PATH_MAX];

	snprintf(root, sizeof(root), "/tmp/irqlu-test-XXXXXX");
	if (!mkdtemp(root))
		return 1;
	snprintf(file, sizeof(file), "%s/saved.json", root);
	setvbuf(stdout, NULL, _IOLBF, 0);
	printf("KTAP version 1\n1..%u\n", RESULTS);
	test_diff(file);
	test_affinity(file);
	test_long_mask(file);
	test_reasons();
	test_no_live_update(file);
	test_no_device();
	test_no_file(file);
	test_empty_tables(file);
	test_columns();
	test_next_kernel();
	test_watch();
	remove_tree(root);

	return failed || number != RESULTS;
}
