/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "check_host.h"

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "rdma_device.h"

/* QEMU's chunk: how much it registers at a time without the library. */
#define CHUNK (1ULL << 20)

static void path_of(char out[PATH_MAX], const char *format, ...)
	__attribute__((format(printf, 2, 3)));

static void path_of(char out[PATH_MAX], const char *format, ...)
{
	va_list args;

	va_start(args, format);
	if (vsnprintf(out, PATH_MAX, format, args) >= PATH_MAX)
		out[0] = '\0';
	va_end(args);
}

/* The first line of a file, without its end; false when there is none. */
static bool read_line(const char *path, char *line, size_t len)
{
	FILE *file = fopen(path, "re");
	bool read = file && fgets(line, (int)len, file);

	if (file)
		fclose(file);
	if (read)
		line[strcspn(line, "\n")] = '\0';
	return read;
}

static int not_hidden(const struct dirent *entry)
{
	return entry->d_name[0] != '.';
}

/* The entries of a directory in order, to be freed with free_entries(); 0 when it is missing. */
static size_t list_entries(const char *path, struct dirent ***entries)
{
	int count;

	*entries = NULL;
	count = scandir(path, entries, not_hidden, alphasort);
	return count < 0 || !*entries ? 0 : (size_t)count;
}

static void free_entries(struct dirent **entries, size_t count)
{
	for (size_t i = 0; i < count; i++)
		free(entries[i]);
	free(entries);
}

/* A port in the list of check_links(). */
struct port {
	char device[128], number[16], state[64];
	bool active;
};

static void check_node(struct findings *findings, const char *root, const char *name,
		       const char *module)
{
	char path[PATH_MAX];

	path_of(path, "%s/dev/infiniband/%s", root, name);
	if (access(path, R_OK | W_OK) == 0)
		finding(findings, FINDING_OK, "%s may be opened", path);
	else if (errno == ENOENT)
		finding(findings, FINDING_PROBLEM, "%s is not there; fix: modprobe %s", path,
			module);
	else
		finding(findings, FINDING_PROBLEM,
			"%s may not be opened: %s; fix: give the user that runs QEMU access to it, "
			"with a udev rule for instance",
			path, strerror(errno));
}

/* The device's node for verbs. */
static void check_verbs_node(struct findings *findings, const char *root, const char *device)
{
	char directory[PATH_MAX], path[PATH_MAX], name[256];
	struct dirent **entries;
	size_t count, i;

	path_of(directory, "%s/sys/class/infiniband_verbs", root);
	count = list_entries(directory, &entries);
	for (i = 0; i < count; i++) {
		path_of(path, "%s/%s/ibdev", directory, entries[i]->d_name);
		if (read_line(path, name, sizeof(name)) && !strcmp(name, device)) {
			check_node(findings, root, entries[i]->d_name, "ib_uverbs");
			break;
		}
	}
	if (i == count)
		finding(findings, FINDING_PROBLEM,
			"the RDMA device %s has no uverbs node; fix: modprobe ib_uverbs", device);
	free_entries(entries, count);
}

/* Returns whether it is a device of siw's. */
static bool check_limits(struct findings *findings, const char *device, unsigned int shift,
			 unsigned long long memory)
{
	struct rdma_device_limits limits;
	char why[256], size[FINDINGS_SIZE_LEN], region[FINDINGS_SIZE_LEN];
	unsigned long long wanted = (memory >> shift) + !!(memory & ((1ULL << shift) - 1));
	int err = rdma_device_limits(&limits, device, why, sizeof(why));

	if (err) {
		finding(findings, FINDING_WARNING,
			"the limits of %s are not known: %s; fix: install libibverbs and the "
			"device's provider (Debian: ibverbs-providers)",
			device, why);
		return false;
	}
	findings_size(size, limits.max_mr_size);
	findings_size(region, 1ULL << shift);
	if (limits.max_mr_size >> shift == 0)
		finding(findings, FINDING_WARNING,
			"an MR of %s has %s at most, regions of %s are larger and will be halved; "
			"fix: --size %s or less",
			device, size, region, size);
	/* As rxe has it. */
	else if (limits.max_mr_size == ULLONG_MAX)
		finding(findings, FINDING_OK, "an MR of %s may have any size", device);
	else
		finding(findings, FINDING_OK, "an MR of %s may have %s, regions have %s", device,
			size, region);

	/* Each region may be cut at the end of a RAM block, of which there are a few. */
	if (memory && limits.max_mr < wanted)
		finding(findings, FINDING_PROBLEM,
			"%s has %u MRs, the guest needs %llu regions of %s; fix: larger regions",
			device, limits.max_mr, wanted, region);
	else if (memory && limits.max_mr < memory / CHUNK)
		finding(findings, FINDING_OK,
			"%s has %u MRs, enough for the guest's %llu regions but not for stock "
			"QEMU's %llu chunks",
			device, limits.max_mr, wanted, memory / CHUNK);
	else
		finding(findings, FINDING_OK, "%s has %u MRs", device, limits.max_mr);
	return limits.vendor_id == RDMA_DEVICE_VENDOR_SIW;
}

/* Soft-RoCE and software iWARP can be on the loopback interface. */
static bool is_on_loopback(const char *root, const struct port *port)
{
	char path[PATH_MAX], name[64];

	path_of(path, "%s/sys/class/infiniband/%s/parent", root, port->device);
	if (read_line(path, name, sizeof(name)))
		return !strcmp(name, "lo");
	path_of(path, "%s/sys/class/infiniband/%s/ports/%s/gid_attrs/ndevs/0", root, port->device,
		port->number);
	return read_line(path, name, sizeof(name)) && !strcmp(name, "lo");
}

static size_t find_ports(const char *root, struct port *ports, size_t max)
{
	char directory[PATH_MAX], path[PATH_MAX], line[64];
	struct dirent **devices, **numbers;
	size_t found = 0, device_count, number_count;

	path_of(directory, "%s/sys/class/infiniband", root);
	device_count = list_entries(directory, &devices);
	for (size_t d = 0; d < device_count; d++) {
		path_of(path, "%s/%s/ports", directory, devices[d]->d_name);
		number_count = list_entries(path, &numbers);
		for (size_t n = 0; n < number_count && found < max; n++) {
			struct port *port = &ports[found];
			const char *state;

			path_of(path, "%s/%s/ports/%s/state", directory, devices[d]->d_name,
				numbers[n]->d_name);
			/* Such as "4: ACTIVE". */
			if (!read_line(path, line, sizeof(line)))
				continue;
			state = strstr(line, ": ");
			snprintf(port->state, sizeof(port->state), "%s", state ? state + 2 : line);
			snprintf(port->device, sizeof(port->device), "%.127s", devices[d]->d_name);
			snprintf(port->number, sizeof(port->number), "%.15s", numbers[n]->d_name);
			port->active = !strcmp(port->state, "ACTIVE");
			found++;
		}
		free_entries(numbers, number_count);
	}
	free_entries(devices, device_count);
	return found;
}

static void report_link(struct findings *findings, const char *root, const struct port *port,
			bool any)
{
	if (port->active && is_on_loopback(root, port))
		finding(findings, FINDING_WARNING,
			"RDMA link %s/%s is on the loopback interface lo, so that it reaches this host "
			"only; fix: rdma link delete %s; rdma link add %s type rxe netdev NETDEV",
			port->device, port->number, port->device, port->device);
	else
		finding(findings, any ? FINDING_OK : FINDING_PROBLEM, "RDMA link %s/%s is %s%s",
			port->device, port->number, port->state,
			any ? ""
			    : "; fix: plug in its cable, set its network device up (ip link set "
			      "NETDEV up), or start a subnet manager");
}

bool check_links(struct findings *findings, const char *root, unsigned int shift,
		 unsigned long long memory)
{
	struct port ports[64];
	size_t count = find_ports(root, ports, sizeof(ports) / sizeof(ports[0]));
	bool any = false, strict = false;

	if (count == 0) {
		finding(findings, FINDING_PROBLEM,
			"there is no RDMA device; fix: load the adapter's driver, or for a trial: "
			"modprobe rdma_rxe; rdma link add rxe0 type rxe netdev NETDEV");
		return false;
	}
	for (size_t i = 0; i < count; i++)
		any = any || ports[i].active;
	for (size_t i = 0; i < count; i++)
		report_link(findings, root, &ports[i], any);
	if (!any)
		return false;
	check_node(findings, root, "rdma_cm", "rdma_ucm");
	for (size_t i = 0; i < count; i++) {
		/* Once for each device, at its first active port. */
		bool seen = !ports[i].active;

		for (size_t j = 0; j < i; j++)
			seen = seen ||
			       (ports[j].active && !strcmp(ports[j].device, ports[i].device));
		if (seen)
			continue;
		check_verbs_node(findings, root, ports[i].device);
		strict |= check_limits(findings, ports[i].device, shift, memory);
	}
	return strict;
}

static bool file_contains(const char *path, const char *string)
{
	char line[4096];
	FILE *file = fopen(path, "re");
	bool found = false;

	while (file && !found && fgets(line, sizeof(line), file))
		found = line[strspn(line, " \t")] != '#' && strstr(line, string);
	if (file)
		fclose(file);
	return found;
}

void check_security_modules(struct findings *findings, const char *root, const char *library)
{
	char path[PATH_MAX], local[PATH_MAX], line[16];

	path_of(path, "%s/sys/fs/selinux/enforce", root);
	if (read_line(path, line, sizeof(line)) && line[0] == '1')
		finding(findings, FINDING_WARNING,
			"SELinux is enforcing: a QEMU that libvirt starts changes its domain, and the "
			"loader then ignores the library unless the policy has noatsecure; fix: look "
			"for the library in /proc/PID/maps of such a QEMU");

	path_of(path, "%s/sys/module/apparmor/parameters/enabled", root);
	if (!read_line(path, line, sizeof(line)) || line[0] != 'Y')
		return;
	path_of(path, "%s/etc/apparmor.d/abstractions/libvirt-qemu", root);
	path_of(local, "%s/etc/apparmor.d/local/abstractions/libvirt-qemu", root);
	if (access(path, F_OK) != 0)
		finding(findings, FINDING_OK, "AppArmor has no rules for QEMUs of libvirt");
	else if (file_contains(path, library) || file_contains(local, library))
		finding(findings, FINDING_OK, "AppArmor's rules for QEMUs of libvirt name %s",
			library);
	else
		finding(findings, FINDING_WARNING,
			"AppArmor's rules for QEMUs of libvirt do not name %s; fix: the line "
			"\"%s mr,\" in %s, if libvirt starts QEMU",
			library, library, local);
}
