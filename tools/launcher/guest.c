/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "guest.h"

#include <ctype.h>
#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MIB (1ULL << 20)

/* QEMU's defaults: hw/display of QEMU 11.1. */
static const struct {
	const char *vga;	 /* -vga's word for it, or NULL */
	const char *device;	 /* -device's */
	unsigned int mib;	 /* video memory */
	const char *property[2]; /* that set it, or parts of it, in MiB */
} adapters[] = {
	{"std", "VGA", 16, {"vgamem_mb"}},
	{NULL, "secondary-vga", 16, {"vgamem_mb"}},
	{NULL, "bochs-display", 16, {NULL}},
	{"cirrus", "cirrus-vga", 4, {"vgamem_mb"}},
	{"vmware", "vmware-svga", 16, {"vgamem_mb"}},
	{"qxl", "qxl-vga", 128, {"ram_size_mb", "vram_size_mb"}},
	{NULL, "qxl", 128, {"ram_size_mb", "vram_size_mb"}},
	{"virtio", "virtio-vga", 8, {"vgamem_mb"}},
	{NULL, "virtio-vga-gl", 8, {"vgamem_mb"}},
};
#define ADAPTERS (sizeof(adapters) / sizeof(adapters[0]))

bool guest_parse_size(const char *text, unsigned long long *bytes)
{
	static const char suffixes[] = "kmgt";
	unsigned long long number;
	unsigned int unit = 20;
	const char *suffix;
	char *end;

	if (!isdigit((unsigned char)text[0]))
		return false;
	errno = 0;
	number = strtoull(text, &end, 10);
	if (errno)
		return false;
	if (*end) {
		suffix = strchr(suffixes, tolower((unsigned char)*end));
		if (!suffix || end[1])
			return false;
		unit = 10 * (unsigned int)(suffix - suffixes + 1);
	}
	if (number == 0 || number > (1ULL << 60) >> unit)
		return false;
	*bytes = number << unit;
	return true;
}

/* The value of `name` in "a=b,name=value", into `value`; false when it is not there. */
static bool property(const char *list, const char *name, char *value, size_t size)
{
	size_t len = strlen(name);

	for (; *list; list += strcspn(list, ","), list += *list == ',') {
		if (strncmp(list, name, len) != 0 || list[len] != '=')
			continue;
		snprintf(value, size, "%.*s", (int)strcspn(list + len + 1, ","), list + len + 1);
		return true;
	}
	return false;
}

/* -m 8G, -m size=8G,slots=2,maxmem=16G */
static void take_memory(struct guest *guest, const char *argument)
{
	char value[64];

	if (!property(argument, "size", value, sizeof(value)))
		snprintf(value, sizeof(value), "%.*s", (int)strcspn(argument, ","), argument);
	guest_parse_size(value, &guest->ram);
}

/* The adapter that a first word of an argument names, or ADAPTERS. */
static size_t find_adapter(const char *argument, bool vga)
{
	size_t len = strcspn(argument, ","), i;
	const char *name;

	for (i = 0; i < ADAPTERS; i++) {
		name = vga ? adapters[i].vga : adapters[i].device;
		if (name && strlen(name) == len && !strncmp(name, argument, len))
			break;
	}
	return i;
}

/* Two properties are for the two halves of what there is without them. */
static unsigned long long video_of(size_t adapter, const char *argument)
{
	unsigned int parts = adapters[adapter].property[1] ? 2 : 1;
	unsigned long long sum = 0, part = adapters[adapter].mib / parts * MIB;
	char value[64];

	for (unsigned int i = 0; i < parts; i++) {
		const char *name = adapters[adapter].property[i];

		if (name && property(argument, name, value, sizeof(value)))
			sum += strtoull(value, NULL, 10) * MIB;
		else
			sum += part;
	}
	return sum;
}

struct guest guest_of_size(unsigned long long ram)
{
	return (struct guest){.ram = ram, .video = ram ? 48 * MIB : 0};
}

/* Is `word` the option -NAME or --NAME? */
static bool is_option(const char *word, const char *name)
{
	return word[0] == '-' && !strcmp(word + (word[1] == '-' ? 2 : 1), name);
}

struct guest guest_of_command(char *const *argv)
{
	struct guest guest = {.ram = 128 * MIB};
	bool bare = false, chosen = false;
	size_t adapter;

	for (; *argv; argv++) {
		bool vga = is_option(*argv, "vga");

		bare = bare || is_option(*argv, "nodefaults");
		if (!argv[1])
			break;
		if (is_option(*argv, "m"))
			take_memory(&guest, argv[1]);
		if (!vga && !is_option(*argv, "device"))
			continue;
		adapter = find_adapter(argv[1], vga);
		chosen = chosen || vga || adapter < ADAPTERS;
		if (adapter < ADAPTERS)
			guest.video += video_of(adapter, argv[1]);
	}
	if (!bare && !chosen)
		guest.video = 16 * MIB;
	return guest;
}

unsigned long long guest_registered(const struct guest *guest)
{
	return guest->ram ? guest->ram + guest->video + GUEST_ROMS_BYTES : 0;
}
