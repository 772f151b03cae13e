// SPDX-License-Identifier: GPL-2.0-only
/*
 * The part of a VMM that owns the interrupts of an assigned device across a
 * live update. It is driven from outside over a serial line that both kernels
 * have: one command a line, one JSON object a line in reply.
 *
 *	vmm ROLE TTY BDF
 *
 * ROLE is only reported back, so that the driver knows which kernel answers.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

#include <linux/pci_regs.h>

#include "counters.h"
#include "hammer.h"
#include "irqinfo.h"
#include "luo.h"
#include "msi_cap.h"
#include "pci_config.h"
#include "vfio_dev.h"

#define SESSION_NAME	"vmm"
#define COUNTERS_TOKEN	1
#define DEVICE_TOKEN	2

struct vmm {
	const char *role;
	const char *bdf;
	struct vfio_dev dev;
	struct counters counters;
	bool msi;
	unsigned int nr_vectors;
	int session;
};

/* A handler appends its members to the reply, each with a comma in front. */
struct command {
	const char *name;
	int (*run)(struct vmm *vmm, const char *arg, FILE *reply);
};

static void put_string(FILE *reply, const char *s)
{
	fputc('"', reply);
	for (; *s; s++) {
		if (*s == '"' || *s == '\\')
			fprintf(reply, "\\%c", *s);
		else if ((unsigned char)*s < ' ')
			fprintf(reply, "\\u%04x", *s);
		else
			fputc(*s, reply);
	}
	fputc('"', reply);
}

static int cmd_hello(struct vmm *vmm, const char *arg, FILE *reply)
{
	struct utsname uts;

	uname(&uts);
	fprintf(reply, ",\"role\":\"%s\",\"release\":\"%s\",\"cpus\":%ld",
		vmm->role, uts.release, sysconf(_SC_NPROCESSORS_ONLN));

	return 0;
}

static int cmd_open(struct vmm *vmm, const char *arg, FILE *reply)
{
	return vfio_dev_open_cdev(&vmm->dev, vmm->bdf);
}

static int bind_msix(struct vmm *vmm, FILE *reply)
{
	struct vfio_dev *dev = &vmm->dev;
	__u64 bar;
	int ret;

	ret = vfio_dev_bind(dev);
	if (ret)
		return ret;

	bar = pci_bar_address(vmm->bdf, dev->table_bar);
	if (!bar)
		return -ENXIO;

	vmm->nr_vectors = dev->nr_msix < MAX_VECTORS ? dev->nr_msix : MAX_VECTORS;
	vmm->counters.rung = vfio_dev_map_rings(dev);
	fprintf(reply, ",\"table\":%llu", bar + dev->table_offset);

	return 0;
}

static int bind_msi(struct vmm *vmm, FILE *reply)
{
	struct msi_cap cap;
	int ret;

	ret = vfio_dev_bind_msi(&vmm->dev);
	if (ret)
		return ret;

	ret = msi_cap_read(vmm->bdf, &cap);
	if (ret)
		return ret;

	vmm->nr_vectors = cap.nr_messages;
	fprintf(reply, ",\"registers\":%llu,\"msi\":{\"pos\":%u,\"data\":%u,\"mask\":%u}",
		pci_bar_address(vmm->bdf, 0), cap.pos, cap.data_pos, cap.mask_pos);

	return 0;
}

/* "bind": the device is used with MSI-X; "bind msi": with MSI */
static int cmd_bind(struct vmm *vmm, const char *arg, FILE *reply)
{
	int ret;

	vmm->msi = !strcmp(arg, "msi");
	ret = vmm->msi ? bind_msi(vmm, reply) : bind_msix(vmm, reply);

	return ret ? ret : vfio_dev_set_bus_master(&vmm->dev);
}

static int cmd_counters(struct vmm *vmm, const char *arg, FILE *reply)
{
	return counters_create(&vmm->counters);
}

static int parse_range(const char *arg, unsigned int *first, unsigned int *count)
{
	if (sscanf(arg, "%u %u", first, count) != 2 || !*count || *count > MAX_VECTORS ||
	    *first > MAX_VECTORS - *count)
		return -EINVAL;

	return 0;
}

/* "arm FIRST COUNT"; what is armed already stays so */
static int cmd_arm(struct vmm *vmm, const char *arg, FILE *reply)
{
	unsigned int first, count;
	int ret = parse_range(arg, &first, &count);

	return ret ? ret : vfio_dev_arm(&vmm->dev, first, count,
					vmm->counters.eventfd + first);
}

/* "unarm FIRST COUNT": without an eventfd vfio-pci frees the interrupt */
static int cmd_unarm(struct vmm *vmm, const char *arg, FILE *reply)
{
	unsigned int first, count;
	int none[MAX_VECTORS], ret;

	ret = parse_range(arg, &first, &count);
	memset(none, 0xff, sizeof(none));

	return ret ? ret : vfio_dev_arm(&vmm->dev, first, count, none);
}

static int cmd_disarm(struct vmm *vmm, const char *arg, FILE *reply)
{
	return vfio_dev_disarm(&vmm->dev);
}

static int cmd_counts(struct vmm *vmm, const char *arg, FILE *reply)
{
	unsigned int i;

	fputs(",\"counts\":[", reply);
	for (i = 0; i < vmm->nr_vectors; i++)
		fprintf(reply, "%s%llu", i ? "," : "", counters_read(&vmm->counters, i));
	fputs("],\"seen\":[", reply);
	for (i = 0; i < vmm->nr_vectors; i++)
		fprintf(reply, "%s%u", i ? "," : "", vmm->counters.page->seen[i]);
	fputc(']', reply);

	return 0;
}

static int cmd_pending(struct vmm *vmm, const char *arg, FILE *reply)
{
	struct msi_cap cap = { };
	unsigned int i;
	int ret;

	ret = vmm->msi ? msi_cap_read(vmm->bdf, &cap) : 0;
	if (ret)
		return ret;

	fputs(",\"pending\":[", reply);
	for (i = 0; i < vmm->nr_vectors; i++)
		fprintf(reply, "%s%d", i ? "," : "",
			vmm->msi ? cap.pending >> i & 1 : vfio_dev_msix_pending(&vmm->dev, i));
	fputc(']', reply);

	return 0;
}

/* What the device sends for a vector, and whether it is masked */
static struct msix_entry message_of(struct vmm *vmm, unsigned int index)
{
	struct msi_cap cap;

	if (!vmm->msi)
		return vfio_dev_msix_entry(&vmm->dev, index);

	if (msi_cap_read(vmm->bdf, &cap))
		return (struct msix_entry) { };

	return (struct msix_entry) {
		.address = cap.address,
		.data = cap.data + index,
		.control = cap.mask >> index & 1,
	};
}

static void put_vector(FILE *reply, struct msix_entry entry, unsigned int index, int irq)
{
	fprintf(reply, "%s{\"irq\":%d,\"address\":%llu,\"data\":%u,\"control\":%u",
		index ? "," : "", irq, entry.address, entry.data, entry.control);
	fprintf(reply, ",\"irte\":%d,\"cpu\":%d}",
		msi_irte_index(entry.address, entry.data), irq_effective_cpu(irq));
}

static int cmd_snapshot(struct vmm *vmm, const char *arg, FILE *reply)
{
	int irqs[MAX_VECTORS], ret;
	unsigned int i;

	ret = irq_of_vectors(vmm->bdf, irqs, 0, vmm->nr_vectors);
	if (ret)
		return ret;

	fputs(",\"vectors\":[", reply);
	for (i = 0; i < vmm->nr_vectors; i++)
		put_vector(reply, message_of(vmm, i), i, irqs[i]);
	fputc(']', reply);

	return 0;
}

/* "preserve": the counters; "preserve device": the device too */
static int cmd_preserve(struct vmm *vmm, const char *arg, FILE *reply)
{
	int ret;

	vmm->session = luo_create_session(SESSION_NAME);
	if (vmm->session < 0)
		return vmm->session;

	ret = luo_preserve_fd(vmm->session, vmm->counters.memfd, COUNTERS_TOKEN);
	if (ret || strcmp(arg, "device"))
		return ret;

	return luo_preserve_fd(vmm->session, vmm->dev.fd, DEVICE_TOKEN);
}

/* Closing a session that was not handed over cancels what it preserved. */
static int cmd_cancel(struct vmm *vmm, const char *arg, FILE *reply)
{
	return close(vmm->session) ? -errno : 0;
}

static int cmd_session(struct vmm *vmm, const char *arg, FILE *reply)
{
	int memfd;

	vmm->session = luo_retrieve_session(SESSION_NAME);
	if (vmm->session < 0)
		return vmm->session;

	memfd = luo_retrieve_fd(vmm->session, COUNTERS_TOKEN);
	if (memfd < 0)
		return memfd;

	return counters_from_memfd(&vmm->counters, memfd);
}

static int cmd_retrieve(struct vmm *vmm, const char *arg, FILE *reply)
{
	int fd = luo_retrieve_fd(vmm->session, DEVICE_TOKEN);

	if (fd < 0)
		return fd;

	snprintf(vmm->dev.bdf, sizeof(vmm->dev.bdf), "%s", vmm->bdf);
	vmm->dev.fd = fd;

	return 0;
}

static int cmd_finish(struct vmm *vmm, const char *arg, FILE *reply)
{
	return luo_finish(vmm->session);
}

static int cmd_hammer(struct vmm *vmm, const char *arg, FILE *reply)
{
	struct hammer_stats *stats = &vmm->counters.page->hammer;

	if (!strcmp(arg, "start"))
		return hammer_start(&vmm->dev, &vmm->counters, vmm->nr_vectors);
	if (!strcmp(arg, "stop"))
		hammer_stop();

	fprintf(reply, ",\"moved\":%llu,\"move_errors\":%llu", stats->moved, stats->move_errors);
	fprintf(reply, ",\"armed\":%llu,\"arm_busy\":%llu,\"arm_errors\":%llu",
		stats->armed, stats->arm_busy, stats->arm_errors);

	return 0;
}

static int cmd_shell(struct vmm *vmm, const char *arg, FILE *reply)
{
	char buf[512], *text = NULL;
	size_t n, size = 0;
	FILE *pipe, *out;
	int status;

	pipe = popen(arg, "re");
	out = open_memstream(&text, &size);
	if (!pipe || !out)
		return -errno;
	while ((n = fread(buf, 1, sizeof(buf), pipe)) > 0)
		fwrite(buf, 1, n, out);
	status = pclose(pipe);
	fclose(out);

	fprintf(reply, ",\"status\":%d,\"output\":",
		WIFEXITED(status) ? WEXITSTATUS(status) : -1);
	put_string(reply, text);
	free(text);

	return 0;
}

static const struct command commands[] = {
	{ "hello",	cmd_hello },
	{ "open",	cmd_open },
	{ "bind",	cmd_bind },
	{ "counters",	cmd_counters },
	{ "arm",	cmd_arm },
	{ "unarm",	cmd_unarm },
	{ "disarm",	cmd_disarm },
	{ "snapshot",	cmd_snapshot },
	{ "counts",	cmd_counts },
	{ "pending",	cmd_pending },
	{ "preserve",	cmd_preserve },
	{ "cancel",	cmd_cancel },
	{ "session",	cmd_session },
	{ "retrieve",	cmd_retrieve },
	{ "finish",	cmd_finish },
	{ "hammer",	cmd_hammer },
	{ "shell",	cmd_shell },
	{ }
};

/* "refused retrieve": succeeds if the command fails */
static int run_command(struct vmm *vmm, const char *name, const char *arg, FILE *reply)
{
	const struct command *command;

	if (!strcmp(name, "refused"))
		return run_command(vmm, arg, "", reply) < 0 ? 0 : -EEXIST;

	for (command = commands; command->name; command++) {
		if (!strcmp(name, command->name))
			return command->run(vmm, arg, reply);
	}

	return -EOPNOTSUPP;
}

static void answer(struct vmm *vmm, FILE *tty, char *line)
{
	char *arg = line, *members = NULL;
	char *name = strsep(&arg, " ");
	size_t size = 0;
	FILE *reply;
	int ret;

	reply = open_memstream(&members, &size);
	ret = run_command(vmm, name, arg ? arg : "", reply);
	fclose(reply);

	if (ret < 0)
		fprintf(tty, "{\"ok\":false,\"errno\":%d,\"error\":\"%s: %s\"}\n",
			-ret, name, strerror(-ret));
	else
		fprintf(tty, "{\"ok\":true%s}\n", members);
	fflush(tty);
	free(members);
}

static int open_line(const char *path)
{
	struct termios tio;
	int fd;

	fd = open(path, O_RDWR | O_NOCTTY | O_CLOEXEC);
	if (fd < 0 || tcgetattr(fd, &tio))
		return -1;

	cfmakeraw(&tio);
	cfsetspeed(&tio, B115200);
	tio.c_cflag |= CLOCAL;
	tcsetattr(fd, TCSANOW, &tio);

	return fd;
}

static void serve(struct vmm *vmm, int fd)
{
	FILE *in = fdopen(fd, "r"), *out = fdopen(dup(fd), "w");
	char hello[] = "hello", *line = NULL;
	size_t size = 0;

	answer(vmm, out, hello);
	while (getline(&line, &size, in) > 0) {
		line[strcspn(line, "\r\n")] = '\0';
		answer(vmm, out, line);
	}
}

int main(int argc, char *argv[])
{
	struct vmm vmm = { .session = -1 };
	int fd;

	if (argc != 4) {
		fprintf(stderr, "usage: %s ROLE TTY BDF\n", argv[0]);
		return 2;
	}
	vmm.role = argv[1];
	vmm.bdf = argv[3];

	fd = open_line(argv[2]);
	if (fd < 0) {
		perror(argv[2]);
		return 1;
	}
	serve(&vmm, fd);

	return 0;
}
