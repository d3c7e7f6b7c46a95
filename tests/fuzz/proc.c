/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Files of /proc, as the launcher and the module read them: any bytes, and maps of known contents.
 */
#include <elf.h>
#include <link.h>

#include "engine/mapping.h"
#include "launcher/proc.h"
#include "memfile.h"

#define LIBRARY "/usr/lib/librdmachunk.so"

/* What the module finds in /proc/self/maps. */
static const char *own_maps;

FILE *__real_fopen(const char *path, const char *mode);
FILE *__wrap_fopen(const char *path, const char *mode);

FILE *__wrap_fopen(const char *path, const char *mode)
{
	return __real_fopen(strcmp(path, "/proc/self/maps") ? path : own_maps, mode);
}

static FILE *stream_of(const struct memfile *file)
{
	FILE *stream = __real_fopen(file->path, "re");

	ENSURE(stream);
	return stream;
}

static void any_bytes(const uint8_t *data, size_t size)
{
	struct memfile file = memfile_new(data, size);
	FILE *stream = stream_of(&file);
	rlim_t memlock;
	bool found;

	found = proc_read_maps(stream, LIBRARY).library;
	ENSURE(!found || memmem(data, size, LIBRARY, strlen(LIBRARY)));
	rewind(stream);
	proc_is_secure(stream);
	rewind(stream);
	found = proc_has_capability(stream, 14);
	ENSURE(!found || memmem(data, size, "CapEff:", 7));
	ENSURE(!proc_has_capability(stream, 64));
	rewind(stream);
	found = proc_in_first_namespace(stream);
	/* -1 is the same number. */
	ENSURE(!found || memchr(data, '0', size));
	rewind(stream);
	found = proc_read_memlock(stream, &memlock);
	ENSURE(!found || memmem(data, size, "Max locked memory ", 18));
	rewind(stream);
	found = proc_maps_contain(stream, "/librdmachunk.so");
	ENSURE(!found || memmem(data, size, "/librdmachunk.so", 16));
	fclose(stream);
	close(file.fd);
}

/* A list of mappings of [start, end), in it and none empty. */
static void read_list(struct mapping_list *list, const struct memfile *file, uint64_t start,
		      uint64_t end)
{
	*list = (struct mapping_list){0};
	own_maps = file->path;
	ENSURE(!mapping_list_read(list, start, end));
	ENSURE(list->count);
	for (size_t i = 0; i < list->count; i++) {
		const struct mapping *m = &list->mapping[i];

		ENSURE(m->start >= start && m->start < m->end && m->end <= end);
		ENSURE((unsigned int)m->backing <= MAPPING_UNKNOWN);
	}
}

static void any_mappings(struct input in)
{
	uint64_t start = input_64(&in) >> 1, end = start + 1 + input_32(&in);
	struct memfile file = memfile_new(in.at, in.left);
	struct mapping_list list;

	read_list(&list, &file, start, end);
	mapping_list_free(&list);
	close(file.fd);
}

/* What a mapping may be of. */
static const struct kind {
	const char *path;
	bool of_file, huge;
} kinds[] = {
	{"", false, false},
	{"[heap]", false, false},
	{"/dev/zero (deleted)", false, false},
	{"/anon_hugepage (deleted)", false, true},
	{"/memfd:ram (deleted)", true, false},
	{LIBRARY, true, false},
	{"/usr/lib/x86_64-linux-gnu/libc.so.6", true, false},
	{"/a path\\012of two/" LIBRARY, true, false},
};

#define KINDS	   (sizeof(kinds) / sizeof(kinds[0]))
#define MAPPINGS   16
#define NO_DEVICE  "fd:ffff"
#define PAGE_SHIFT 12

struct known {
	uint64_t start, end, offset;
	const struct kind *kind;
};

/* Returns how many there are; they are in order and do not overlap. */
static size_t make_mappings(struct input *in, struct known *known, FILE *f)
{
	uint64_t at = 0;
	size_t n = 0;

	for (; in->left && n < MAPPINGS; n++) {
		struct known *k = &known[n];

		k->kind = &kinds[input_8(in) % KINDS];
		k->start = at + ((uint64_t)input_8(in) << PAGE_SHIFT);
		k->end = k->start + ((uint64_t)(input_8(in) + 1) << PAGE_SHIFT);
		k->offset = k->kind->of_file ? (uint64_t)input_32(in) << PAGE_SHIFT : 0;
		at = k->end;
		fprintf(f, "%08llx-%08llx rw-s %08llx " NO_DEVICE " %d %20s%s\n",
			(unsigned long long)k->start, (unsigned long long)k->end,
			(unsigned long long)k->offset, *k->kind->path == '/', "", k->kind->path);
	}
	return n;
}

static void check_mapping(const struct mapping *m, const struct known *k, uint64_t start,
			  uint64_t end)
{
	uint64_t skipped = k->start < start ? start - k->start : 0;

	ENSURE(m->start == k->start + skipped);
	ENSURE(m->end == (k->end < end ? k->end : end));
	ENSURE(m->offset == k->offset + skipped);
	/* No file of ours is on such a device. */
	ENSURE(m->backing == (k->kind->of_file ? MAPPING_UNKNOWN : MAPPING_ANONYMOUS));
	ENSURE(m->huge == k->kind->huge);
}

/* The last kind ends like the library's path. */
static bool has_odd_path(const struct known *known, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (known[i].kind == &kinds[KINDS - 1])
			return true;
	return false;
}

static void known_mappings(struct input in)
{
	uint64_t start = (uint64_t)input_8(&in) << (PAGE_SHIFT + 2);
	uint64_t end = start + ((uint64_t)(input_8(&in) + 1) << (PAGE_SHIFT + 2));
	bool library = false, libc = false;
	struct known known[MAPPINGS];
	struct mapping_list list;
	struct proc_mapped mapped;
	struct memfile file;
	size_t n, size, found = 0;
	char *text;
	FILE *f = open_memstream(&text, &size);

	ENSURE(f);
	n = make_mappings(&in, known, f);
	fclose(f);
	file = memfile_new(text, size);
	read_list(&list, &file, start, end);
	for (size_t i = 0; i < n; i++) {
		library = library || !strcmp(known[i].kind->path, LIBRARY);
		libc = libc || strstr(known[i].kind->path, "libc.so");
		if (known[i].end > start && known[i].start < end)
			check_mapping(&list.mapping[found++], &known[i], start, end);
	}
	/* One of which nothing is known stands for none. */
	ENSURE(list.count == (found ? found : 1));
	f = stream_of(&file);
	mapped = proc_read_maps(f, LIBRARY);
	ENSURE(mapped.library == library && mapped.libc == libc);
	rewind(f);
	ENSURE(proc_maps_contain(f, "/librdmachunk.so") == (library || has_odd_path(known, n)));
	fclose(f);
	mapping_list_free(&list);
	close(file.fd);
	free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	any_bytes(data, size);
	any_mappings((struct input){data, size});
	known_mappings((struct input){data, size});
	return 0;
}
