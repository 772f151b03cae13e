// SPDX-License-Identifier: GPL-2.0-only
/*
 * The part of a VMM that owns the interrupts of assigned devices across a live
 * update. It is driven from outside over a serial line that both kernels
 * have: one command a line, one JSON object a line in reply.
 *
 *	vmm ROLE TTY BDF...
 *
 * ROLE is only reported back, so that the lab knows which kernel answers.
 * Commands act on the first device, or on the one that was selected last.
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
#include "dma.h"
#include "hammer.h"
#include "igb.h"
#include "irqinfo.h"
#include "luo.h"
#include "msi_cap.h"
#include "pci_config.h"
#include "vfio_dev.h"

#define SESSION_NAME	"vmm"
#define COUNTERS_TOKEN	1
#define DEVICE_TOKEN	2
#define MAX_DEVICES	4
#define COUNTER_PAGES	((sizeof(struct counter_page) + DMA_PAGE_BYTES - 1) / DMA_PAGE_BYTES)

/* counter: that of the device's first vector */
struct device {
	const char *bdf;
	struct vfio_dev dev;
	bool msi;
	unsigned int nr_vectors;
	unsigned int counter;
};

/* max_vectors: how many of the counters each device can have */
struct vmm {
	const char *role;
	struct device devices[MAX_DEVICES];
	unsigned int nr_devices;
	unsigned int max_vectors;
	struct device *selected;
	struct counters counters;
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

static int cmd_select(struct vmm *vmm, const char *arg, FILE *reply)
{
	unsigned int index = atoi(arg);

	if (index >= vmm->nr_devices)
		return -ENODEV;

	vmm->selected = &vmm->devices[index];

	return 0;
}

static int cmd_open(struct vmm *vmm, const char *arg, FILE *reply)
{
	return vfio_dev_open_cdev(&vmm->selected->dev, vmm->selected->bdf);
}

/* The rings of an igbvf are numbered in its mailbox. */
static const __u32 *map_mailbox(struct vfio_dev *dev)
{
	size_t size;
	void *map;

	return vfio_dev_map_bar(dev, 0, &map, &size) ? NULL : map + IGBVF_MAILBOX;
}

static void find_rings(struct vmm *vmm, struct device *device)
{
	struct vfio_dev *dev = &device->dev;
	const __u32 *rings = dev->token ? map_mailbox(dev) : vfio_dev_map_rings(dev);
	unsigned int i;

	for (i = 0; rings && i < device->nr_vectors; i++)
		vmm->counters.rung[device->counter + i] = &rings[i];
}

static bool is_virtual(const struct device *device)
{
	char path[64];

	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/physfn", device->bdf);

	return !access(path, F_OK);
}

static int bind_msix(struct vmm *vmm, struct device *device, FILE *reply)
{
	struct vfio_dev *dev = &device->dev;
	__u64 bar;
	int ret;

	if (is_virtual(device))
		dev->token = VFIO_DEV_TOKEN;
	ret = vfio_dev_bind(dev);
	if (ret)
		return ret;

	bar = pci_bar_address(device->bdf, dev->table_bar);
	if (!bar)
		return -ENXIO;

	device->nr_vectors = dev->nr_msix < vmm->max_vectors ? dev->nr_msix : vmm->max_vectors;
	find_rings(vmm, device);
	fprintf(reply, ",\"table\":%llu,\"registers\":%llu", bar + dev->table_offset,
		pci_bar_address(device->bdf, 0));

	return 0;
}

static int bind_msi(struct device *device, FILE *reply)
{
	struct msi_cap cap;
	int ret;

	ret = vfio_dev_bind_msi(&device->dev);
	if (ret)
		return ret;

	ret = msi_cap_read(device->bdf, &cap);
	if (ret)
		return ret;

	device->nr_vectors = cap.nr_messages;
	fprintf(reply, ",\"registers\":%llu,\"msi\":{\"pos\":%u,\"data\":%u,\"mask\":%u}",
		pci_bar_address(device->bdf, 0), cap.pos, cap.data_pos, cap.mask_pos);

	return 0;
}

/* "bind": the device is used with MSI-X; "bind msi": with MSI */
static int cmd_bind(struct vmm *vmm, const char *arg, FILE *reply)
{
	struct device *device = vmm->selected;
	int ret;

	device->msi = !strcmp(arg, "msi");
	ret = device->msi ? bind_msi(device, reply) : bind_msix(vmm, device, reply);

	return ret ? ret : vfio_dev_set_bus_master(&device->dev);
}

/* The device can access the counters, whose memory is preserved before it. */
static int cmd_attach(struct vmm *vmm, const char *arg, FILE *reply)
{
	return dma_attach(&vmm->selected->dev, vmm->counters.page, COUNTER_PAGES);
}

static int cmd_counters(struct vmm *vmm, const char *arg, FILE *reply)
{
	return counters_create(&vmm->counters);
}

static int parse_range(struct vmm *vmm, const char *arg, unsigned int *first,
		       unsigned int *count)
{
	if (sscanf(arg, "%u %u", first, count) != 2 || !*count ||
	    *count > vmm->max_vectors || *first > vmm->max_vectors - *count)
		return -EINVAL;

	return 0;
}

/* "arm FIRST COUNT"; what is armed already stays so */
static int cmd_arm(struct vmm *vmm, const char *arg, FILE *reply)
{
	struct device *device = vmm->selected;
	unsigned int first, count;
	int ret = parse_range(vmm, arg, &first, &count);

	return ret ? ret : vfio_dev_arm(&device->dev, first, count,
					vmm->counters.eventfd + device->counter + first);
}

/* "unarm FIRST COUNT": without an eventfd vfio-pci frees the interrupt */
static int cmd_unarm(struct vmm *vmm, const char *arg, FILE *reply)
{
	unsigned int first, count;
	int none[MAX_VECTORS], ret;

	ret = parse_range(vmm, arg, &first, &count);
	memset(none, 0xff, sizeof(none));

	return ret ? ret : vfio_dev_arm(&vmm->selected->dev, first, count, none);
}

static int cmd_disarm(struct vmm *vmm, const char *arg, FILE *reply)
{
	return vfio_dev_disarm(&vmm->selected->dev);
}

static int cmd_counts(struct vmm *vmm, const char *arg, FILE *reply)
{
	const struct device *device = vmm->selected;
	unsigned int i;

	fputs(",\"counts\":[", reply);
	for (i = 0; i < device->nr_vectors; i++)
		fprintf(reply, "%s%llu", i ? "," : "",
			counters_read(&vmm->counters, device->counter + i));
	fputs("],\"seen\":[", reply);
	for (i = 0; i < device->nr_vectors; i++)
		fprintf(reply, "%s%u", i ? "," : "",
			vmm->counters.page->seen[device->counter + i]);
	fputc(']', reply);

	return 0;
}

static int cmd_pending(struct vmm *vmm, const char *arg, FILE *reply)
{
	struct device *device = vmm->selected;
	struct msi_cap cap = { };
	unsigned int i;
	int ret;

	ret = device->msi ? msi_cap_read(device->bdf, &cap) : 0;
	if (ret)
		return ret;

	fputs(",\"pending\":[", reply);
	for (i = 0; i < device->nr_vectors; i++)
		fprintf(reply, "%s%d", i ? "," : "", device->msi ?
			cap.pending >> i & 1 : vfio_dev_msix_pending(&device->dev, i));
	fputc(']', reply);

	return 0;
}

/* The message that the device sends for a vector, and whether it is masked */
static struct msix_entry message_of(struct device *device, unsigned int index)
{
	struct msi_cap cap;

	if (!device->msi)
		return vfio_dev_msix_entry(&device->dev, index);

	if (msi_cap_read(device->bdf, &cap))
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
	struct device *device = vmm->selected;
	int irqs[MAX_VECTORS], ret;
	unsigned int i;

	ret = irq_of_vectors(device->bdf, irqs, 0, device->nr_vectors);
	if (ret)
		return ret;

	fputs(",\"vectors\":[", reply);
	for (i = 0; i < device->nr_vectors; i++)
		put_vector(reply, message_of(device, i), i, irqs[i]);
	fputc(']', reply);

	return 0;
}

/* "preserve": the counters; "preserve device": also all devices that are open */
static int cmd_preserve(struct vmm *vmm, const char *arg, FILE *reply)
{
	unsigned int i;
	int ret;

	vmm->session = luo_create_session(SESSION_NAME);
	if (vmm->session < 0)
		return vmm->session;

	ret = luo_preserve_fd(vmm->session, vmm->counters.memfd, COUNTERS_TOKEN);
	if (strcmp(arg, "device"))
		return ret;

	for (i = 0; !ret && i < vmm->nr_devices && vmm->devices[i].dev.fd; i++)
		ret = luo_preserve_fd(vmm->session, vmm->devices[i].dev.fd, DEVICE_TOKEN + i);

	return ret;
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
	struct device *device = vmm->selected;
	int fd = luo_retrieve_fd(vmm->session, DEVICE_TOKEN + (device - vmm->devices));

	if (fd < 0)
		return fd;

	snprintf(device->dev.bdf, sizeof(device->dev.bdf), "%s", device->bdf);
	device->dev.fd = fd;

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
		return hammer_start(&vmm->devices[0].dev, &vmm->counters,
				    vmm->devices[0].nr_vectors);
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

static int run_command(struct vmm *vmm, const char *name, const char *arg, FILE *reply);

/* "refused ENODEV retrieve": succeeds if the command fails with exactly this error */
static int cmd_refused(struct vmm *vmm, const char *arg, FILE *reply)
{
	char expected[32], name[32];
	const char *got;
	int ret;

	if (sscanf(arg, "%31s %31s", expected, name) != 2)
		return -EINVAL;

	ret = run_command(vmm, name, "", reply);
	if (ret >= 0)
		return -EPROTO;

	got = strerrorname_np(-ret);

	return got && !strcmp(got, expected) ? 0 : ret;
}

static const struct command commands[] = {
	{ "hello",	cmd_hello },
	{ "select",	cmd_select },
	{ "open",	cmd_open },
	{ "bind",	cmd_bind },
	{ "attach",	cmd_attach },
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
	{ "refused",	cmd_refused },
	{ "shell",	cmd_shell },
	{ }
};

static int run_command(struct vmm *vmm, const char *name, const char *arg, FILE *reply)
{
	const struct command *command;

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
	struct device *device;
	int fd;

	if (argc < 4 || argc > 3 + MAX_DEVICES) {
		fprintf(stderr, "usage: %s ROLE TTY BDF...\n", argv[0]);
		return 2;
	}
	vmm.role = argv[1];
	vmm.selected = vmm.devices;
	vmm.max_vectors = MAX_VECTORS / (argc - 3);
	for (vmm.nr_devices = 0; vmm.nr_devices < argc - 3u; vmm.nr_devices++) {
		device = &vmm.devices[vmm.nr_devices];
		device->bdf = argv[3 + vmm.nr_devices];
		device->counter = vmm.nr_devices * vmm.max_vectors;
	}

	fd = open_line(argv[2]);
	if (fd < 0) {
		perror(argv[2]);
		return 1;
	}
	serve(&vmm, fd);

	return 0;
}
