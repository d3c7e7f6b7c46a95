/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "target.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <link.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "launcher/proc.h"
#include "util/monotonic.h"

/* More would be a list that goes in a circle, or memory that changes under us. */
#define MODULES_MAX 4096
#define PHDRS_MAX   64
#define DYNAMIC_MAX 256
#define TABLE_MAX   (64 << 20)

/* A loader that is at work is waited for. */
#define LOADING_NS	 UINT64_C(2000000000)
#define LOADING_PAUSE_NS 10000000

/* Of a module's dynamic section. */
struct tables {
	uint64_t symbols, strings, strings_len, gnu_hash, hash;
};

/* Reads from the process, or writes to it. */
static int transfer(const struct target *t, uint64_t address, char *data, size_t len, bool write)
{
	while (len) {
		ssize_t n = write ? pwrite(t->mem, data, len, (off_t)address)
				  : pread(t->mem, data, len, (off_t)address);

		if (n <= 0)
			return n < 0 ? -errno : -EIO;
		data += n;
		address += (uint64_t)n;
		len -= (size_t)n;
	}
	return 0;
}

int target_read(const struct target *t, uint64_t address, void *out, size_t len)
{
	return transfer(t, address, out, len, false);
}

int target_write(const struct target *t, uint64_t address, const void *data, size_t len)
{
	return transfer(t, address, (char *)data, len, true);
}

/* To be freed; NULL when it cannot be read. */
static void *read_table(const struct target *t, uint64_t address, uint64_t len)
{
	void *table = len && len <= TABLE_MAX ? malloc(len + 1) : NULL;

	if (table && target_read(t, address, table, len)) {
		free(table);
		table = NULL;
	}
	if (table)
		((char *)table)[len] = '\0';
	return table;
}

void target_read_string(const struct target *t, uint64_t address, char *out, size_t size)
{
	size_t used = 0;

	while (used < size - 1 && target_read(t, address + used, out + used, 1) == 0 && out[used])
		used++;
	out[used] = '\0';
}

struct start {
	uint64_t phdr, phnum, vdso;
};

static int read_auxv(pid_t pid, struct start *start)
{
	FILE *file = proc_open(pid, "auxv");
	ElfW(auxv_t) entry;

	memset(start, 0, sizeof(*start));
	if (!file)
		return -errno;
	while (fread(&entry, sizeof(entry), 1, file) == 1 && entry.a_type != AT_NULL) {
		if (entry.a_type == AT_PHDR)
			start->phdr = entry.a_un.a_val;
		else if (entry.a_type == AT_PHNUM)
			start->phnum = entry.a_un.a_val;
		else if (entry.a_type == AT_SYSINFO_EHDR)
			start->vdso = entry.a_un.a_val;
	}
	fclose(file);
	return 0;
}

/* Address of the loader's list of modules, in the program's dynamic section: *list, 0 when it is
 * statically linked. 0; or -EAGAIN while the loader is at work. */
static int find_list(const struct target *t, const struct start *start, uint64_t *list)
{
	ElfW(Phdr) phdrs[PHDRS_MAX];
	ElfW(Dyn) dynamic[DYNAMIC_MAX];
	uint64_t bias = 0, section = 0;
	bool dynamically = false;
	struct r_debug debug;
	size_t len = 0;

	*list = 0;
	if (!start->phnum || start->phnum > PHDRS_MAX ||
	    target_read(t, start->phdr, phdrs, start->phnum * sizeof(phdrs[0])))
		return 0;
	for (size_t i = 0; i < start->phnum; i++)
		if (phdrs[i].p_type == PT_PHDR)
			bias = start->phdr - phdrs[i].p_vaddr;
	for (size_t i = 0; i < start->phnum; i++) {
		if (phdrs[i].p_type == PT_INTERP)
			dynamically = true;
		if (phdrs[i].p_type != PT_DYNAMIC)
			continue;
		section = bias + phdrs[i].p_vaddr;
		len = phdrs[i].p_memsz;
	}
	if (!section)
		return 0;
	if (len > sizeof(dynamic))
		len = sizeof(dynamic);
	if (target_read(t, section, dynamic, len))
		return 0;
	for (size_t i = 0; i < len / sizeof(dynamic[0]) && dynamic[i].d_tag != DT_NULL; i++)
		if (dynamic[i].d_tag == DT_DEBUG && dynamic[i].d_un.d_ptr &&
		    target_read(t, dynamic[i].d_un.d_ptr, &debug, sizeof(debug)) == 0) {
			*list = (uintptr_t)debug.r_map;
			return *list && debug.r_state == RT_CONSISTENT ? 0 : -EAGAIN;
		}
	/* The loader has not come as far as to say where. */
	return dynamically ? -EAGAIN : 0;
}

static int read_modules(struct target *t)
{
	struct target_module *more;
	struct start start;
	struct link_map map;
	uint64_t at;
	int ret;

	ret = read_auxv(t->pid, &start);
	if (ret)
		return ret;
	t->vdso = start.vdso;
	t->count = 0;
	ret = find_list(t, &start, &at);
	if (ret)
		return ret;
	for (; at; at = (uintptr_t)map.l_next) {
		if (t->count == MODULES_MAX || target_read(t, at, &map, sizeof(map)))
			return -EIO;
		more = reallocarray(t->modules, t->count + 1, sizeof(*more));
		if (!more)
			return -ENOMEM;
		t->modules = more;
		more += t->count++;
		more->bias = map.l_addr;
		more->dynamic = (uintptr_t)map.l_ld;
		target_read_string(t, (uintptr_t)map.l_name, more->name, sizeof(more->name));
	}
	t->dynamic = t->count > 0;
	return 0;
}

int target_reload(struct target *t)
{
	const struct timespec nap = {.tv_nsec = LOADING_PAUSE_NS};
	uint64_t end = monotonic_ns() + LOADING_NS;
	int ret;

	for (;;) {
		ret = read_modules(t);
		if (ret != -EAGAIN || monotonic_ns() > end)
			return ret;
		nanosleep(&nap, NULL);
	}
}

int target_open(struct target *t, pid_t pid)
{
	char path[64];
	int ret;

	memset(t, 0, sizeof(*t));
	t->pid = pid;
	snprintf(path, sizeof(path), "/proc/%d/mem", (int)pid);
	t->mem = open(path, O_RDWR | O_CLOEXEC);
	if (t->mem < 0)
		return errno == ENOENT ? -ESRCH : -errno;
	ret = target_reload(t);
	if (ret)
		target_close(t);
	return ret;
}

void target_close(struct target *t)
{
	if (t->mem >= 0)
		close(t->mem);
	free(t->modules);
	t->mem = -1;
	t->modules = NULL;
	t->count = 0;
}

const struct target_module *target_module(const struct target *t, const char *prefix)
{
	/* The program has no name. */
	for (size_t i = 1; i < t->count; i++)
		if (!strncmp(basename(t->modules[i].name), prefix, strlen(prefix)))
			return &t->modules[i];
	return NULL;
}

/* The loader has added the bias where it could write. */
static uint64_t absolute(uint64_t bias, uint64_t value)
{
	return value < bias ? bias + value : value;
}

/* As it is in the module's dynamic section. */
static bool read_pointer(const struct target *t, const struct target_module *module, int64_t tag,
			 uint64_t *value)
{
	uint64_t at = module->dynamic;
	ElfW(Dyn) entry;

	for (int i = 0; i < DYNAMIC_MAX; i++, at += sizeof(entry)) {
		if (target_read(t, at, &entry, sizeof(entry)) || entry.d_tag == DT_NULL)
			break;
		if (entry.d_tag != tag)
			continue;
		*value = entry.d_un.d_ptr;
		return true;
	}
	return false;
}

static bool read_tables(const struct target *t, uint64_t bias, uint64_t dynamic,
			struct tables *tables)
{
	ElfW(Dyn) entry;

	memset(tables, 0, sizeof(*tables));
	for (int i = 0; i < DYNAMIC_MAX; i++, dynamic += sizeof(entry)) {
		if (target_read(t, dynamic, &entry, sizeof(entry)) || entry.d_tag == DT_NULL)
			break;
		switch (entry.d_tag) {
		case DT_SYMTAB:
			tables->symbols = absolute(bias, entry.d_un.d_ptr);
			break;
		case DT_STRTAB:
			tables->strings = absolute(bias, entry.d_un.d_ptr);
			break;
		case DT_STRSZ:
			tables->strings_len = entry.d_un.d_val;
			break;
		case DT_GNU_HASH:
			tables->gnu_hash = absolute(bias, entry.d_un.d_ptr);
			break;
		case DT_HASH:
			tables->hash = absolute(bias, entry.d_un.d_ptr);
			break;
		}
	}
	return tables->symbols && tables->strings;
}

/* How many symbols there are: the hash tables know, and nobody else. */
static uint64_t count_symbols(const struct target *t, const struct tables *tables)
{
	uint32_t header[4], *buckets, last = 0, hash;
	uint64_t chains;

	if (tables->hash && target_read(t, tables->hash, header, 2 * sizeof(header[0])) == 0)
		return header[1];
	if (!tables->gnu_hash || target_read(t, tables->gnu_hash, header, sizeof(header)))
		return 0;
	chains = tables->gnu_hash + sizeof(header) + header[2] * sizeof(ElfW(Addr));
	buckets = read_table(t, chains, header[0] * sizeof(*buckets));
	if (!buckets)
		return 0;
	for (uint32_t i = 0; i < header[0]; i++)
		last = buckets[i] > last ? buckets[i] : last;
	chains += header[0] * sizeof(*buckets);
	free(buckets);
	if (last < header[1])
		return header[1];
	/* The chain of the last bucket ends with the last symbol. */
	do {
		if (target_read(t, chains + (last - header[1]) * sizeof(hash), &hash, sizeof(hash)))
			return 0;
		last++;
	} while (!(hash & 1));
	return last;
}

static uint64_t find_symbol(const struct target *t, uint64_t bias, uint64_t dynamic,
			    const char *name)
{
	ElfW(Sym) *symbols = NULL;
	struct tables tables;
	char *strings = NULL;
	uint64_t count, found = 0;

	if (!read_tables(t, bias, dynamic, &tables))
		return 0;
	count = count_symbols(t, &tables);
	symbols = read_table(t, tables.symbols, count * sizeof(*symbols));
	strings = read_table(t, tables.strings, tables.strings_len);
	for (uint64_t i = 1; symbols && strings && i < count && !found; i++)
		if (symbols[i].st_shndx != SHN_UNDEF && symbols[i].st_name < tables.strings_len &&
		    ELF64_ST_TYPE(symbols[i].st_info) != STT_GNU_IFUNC &&
		    !strcmp(strings + symbols[i].st_name, name))
			found = bias + symbols[i].st_value;
	free(symbols);
	free(strings);
	return found;
}

/* Of an image that the loader knows nothing of; its headers are at `address`. */
static bool read_image(const struct target *t, uint64_t address, uint64_t *bias, uint64_t *dynamic)
{
	ElfW(Phdr) phdrs[PHDRS_MAX];
	uint64_t first = UINT64_MAX;
	ElfW(Ehdr) header;

	if (target_read(t, address, &header, sizeof(header)) || header.e_phnum > PHDRS_MAX ||
	    target_read(t, address + header.e_phoff, phdrs, header.e_phnum * sizeof(phdrs[0])))
		return false;
	*dynamic = 0;
	for (size_t i = 0; i < header.e_phnum; i++) {
		if (phdrs[i].p_type == PT_LOAD && first == UINT64_MAX)
			first = phdrs[i].p_vaddr - phdrs[i].p_offset;
		else if (phdrs[i].p_type == PT_DYNAMIC)
			*dynamic = phdrs[i].p_vaddr;
	}
	*bias = address - first;
	*dynamic += *bias;
	return first != UINT64_MAX && *dynamic != *bias;
}

uint64_t target_symbol(const struct target *t, const struct target_module *module, const char *name)
{
	uint64_t bias, dynamic;

	if (module)
		return find_symbol(t, module->bias, module->dynamic, name);
	if (!t->vdso || !read_image(t, t->vdso, &bias, &dynamic))
		return 0;
	return find_symbol(t, bias, dynamic, name);
}

unsigned char *target_text(const struct target *t, const struct target_module *module,
			   uint64_t *address, size_t *len)
{
	ElfW(Phdr) phdrs[PHDRS_MAX];
	ElfW(Ehdr) header;

	/* A shared object's headers are where it begins. */
	if (target_read(t, module->bias, &header, sizeof(header)) ||
	    memcmp(header.e_ident, ELFMAG, SELFMAG) || header.e_phnum > PHDRS_MAX ||
	    target_read(t, module->bias + header.e_phoff, phdrs, header.e_phnum * sizeof(phdrs[0])))
		return NULL;
	for (size_t i = 0; i < header.e_phnum; i++) {
		if (phdrs[i].p_type != PT_LOAD || !(phdrs[i].p_flags & PF_X))
			continue;
		*address = module->bias + phdrs[i].p_vaddr;
		*len = phdrs[i].p_filesz;
		return read_table(t, *address, *len);
	}
	return NULL;
}

bool target_is_library(const char *path)
{
	static const char name[] = "librdmachunk.so";

	return !strncmp(basename(path), name, sizeof(name) - 1);
}

static bool is_library(const struct target_module *module)
{
	return target_is_library(module->name);
}

static void read_info(const struct target *t, const struct target_module *module,
		      struct attach_info *info)
{
	uint64_t address = target_symbol(t, module, ATTACH_INFO);

	memset(info, 0, sizeof(*info));
	if (!address || target_read(t, address, info, offsetof(struct attach_info, state)) ||
	    target_read(t, address, info, info->size < sizeof(*info) ? info->size : sizeof(*info)))
		memset(info, 0, sizeof(*info));
	info->version[sizeof(info->version) - 1] = '\0';
	info->settings[sizeof(info->settings) - 1] = '\0';
	if (info->settings_len > sizeof(info->settings))
		info->settings_len = sizeof(info->settings);
}

bool target_overwritten(const struct target *t)
{
	uint64_t raw;

	for (size_t i = 1; i < t->count; i++)
		if (is_library(&t->modules[i]) &&
		    read_pointer(t, &t->modules[i], DT_SYMTAB, &raw) && raw < t->modules[i].bias)
			return true;
	return false;
}

const struct target_module *target_inert(const struct target *t, const char *version,
					 struct attach_info *info)
{
	for (size_t i = 1; i < t->count; i++) {
		if (!is_library(&t->modules[i]))
			continue;
		read_info(t, &t->modules[i], info);
		if (info->abi && info->state != ATTACH_HOOKED && !strcmp(info->version, version))
			return &t->modules[i];
	}
	memset(info, 0, sizeof(*info));
	return NULL;
}

enum target_library target_library(const struct target *t, const struct target_module **module,
				   struct attach_info *info)
{
	enum target_library found = TARGET_ABSENT;
	const struct target_module *libc = target_module(t, "libc.so.");

	*module = NULL;
	memset(info, 0, sizeof(*info));
	for (size_t i = 1; i < t->count; i++) {
		const struct target_module *m = &t->modules[i];

		if (!is_library(m))
			continue;
		*module = m;
		read_info(t, m, info);
		/* What is preloaded comes before what the program needs. */
		if (m < libc)
			return TARGET_PRELOADED;
		if (info->state == ATTACH_HOOKED)
			return TARGET_ATTACHED;
		found = TARGET_INERT;
	}
	return found;
}
