/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Programs and libraries that the launcher looks at: any bytes, and files of known contents. */
#include <elf.h>
#include <endian.h>
#include <errno.h>
#include <link.h>

#include "fuzz.h"
#include "launcher/elf_file.h"

#define NAMES_MAX 12
#define STRINGS	  2048
#define SYMBOL	  "a_symbol"

static bool inside(const struct elf_file *elf, const char *string)
{
	const char *bytes = (const char *)elf->bytes;

	return string >= bytes && string < bytes + elf->size &&
	       memchr(string, '\0', (size_t)(bytes + elf->size - string));
}

static void check_symbol(const struct elf_file *elf, const char *name)
{
	const char *string = elf_file_string(elf, name);

	ENSURE(!string || inside(elf, string));
}

static void check(const struct elf_file *elf, size_t size)
{
	char machine[ELF_FILE_MACHINE_LEN];

	ENSURE(elf->size == size && size >= EI_NIDENT);
	ENSURE(elf->needed_count <= ELF_FILE_NEEDED_MAX);
	ENSURE(!elf->interpreter || inside(elf, elf->interpreter));
	ENSURE(!elf->runpath || inside(elf, elf->runpath));
	for (size_t i = 0; i < elf->needed_count; i++)
		ENSURE(inside(elf, elf->needed[i]));
	ENSURE(elf->native || (!elf->interpreter && !elf->needed_count));
	ENSURE(elf->dynamic || (!elf->needed_count && !elf->runpath));
	ENSURE(strlen(elf_file_machine(machine, elf)) < sizeof(machine) && machine[0]);
	for (size_t i = 0; i < elf->needed_count; i++)
		check_symbol(elf, elf->needed[i]);
	check_symbol(elf, "");
	ENSURE(elf_file_same_machine(elf, elf) && elf_file_contains(elf, "\177ELF"));
}

static void any_bytes(const uint8_t *data, size_t size)
{
	struct elf_file elf;
	int ret = elf_file_parse(&elf, data, size);

	ENSURE(ret == 0 || ret == -ENOEXEC);
	if (!ret)
		check(&elf, size);
}

/*
 * Nearly all that can go wrong is behind the magic number. The corpus is without it: who looks at a
 * source package would take an input that has it for a program whose source is missing.
 */
static void behind_magic(const uint8_t *data, size_t size)
{
	uint8_t *bytes = malloc(SELFMAG + size);

	ENSURE(bytes);
	memcpy(bytes, (const uint8_t[SELFMAG]){ELFMAG0, ELFMAG1, ELFMAG2, ELFMAG3}, SELFMAG);
	if (size)
		memcpy(bytes + SELFMAG, data, size);
	any_bytes(bytes, SELFMAG + size);
	free(bytes);
}

/* What a file is to be made of. */
struct contents {
	char *interpreter, *runpath, *needed[NAMES_MAX];
	size_t n_needed;
};

/* How a file that would be sound is damaged. */
enum damage {
	SOUND,
	ENTRY_SIZE,	    /* program headers of another size than ours */
	TABLE_BEYOND,	    /* program headers that end after the file */
	TABLE_WRAPS,	    /* and those that go on at its start */
	INTERPRETER_BEYOND, /* the loader's name after the end of the file */
	DYNAMIC_BEYOND,	    /* the dynamic section ends after the file */
	NAME_BEYOND,	    /* a name after the end of the file */
	NAME_WRAPS,	    /* a name before the strings, by an offset that wraps */
	STRINGS_NOWHERE,    /* strings at an address that is not in the segment */
	DAMAGES
};

/* In this order in the file. Strings are last, so that the last ends where the file does. */
struct image {
	ElfW(Ehdr) header;
	ElfW(Phdr) segment[3];
	ElfW(Dyn) dynamic[NAMES_MAX + 4];
	ElfW(Sym) symbol[2];
	char strings[STRINGS];
};

static ElfW(Addr) put(struct image *image, size_t *used, const char *string)
{
	size_t at = *used, len = strlen(string) + 1;

	ENSURE(len <= STRINGS - at);
	memcpy(image->strings + at, string, len);
	*used += len;
	return at;
}

static void put_dynamic(struct image *image, const struct contents *contents, size_t *used,
			ElfW(Addr) base, bool strings_first)
{
	ElfW(Dyn) *entry = image->dynamic;
	ElfW(Dyn) strings = {.d_tag = DT_STRTAB};

	strings.d_un.d_ptr = base + offsetof(struct image, strings);
	if (strings_first)
		*entry++ = strings;
	for (size_t i = 0; i < contents->n_needed; i++, entry++) {
		entry->d_tag = DT_NEEDED;
		entry->d_un.d_val = put(image, used, contents->needed[i]);
	}
	if (contents->runpath) {
		entry->d_tag = DT_RUNPATH;
		entry->d_un.d_val = put(image, used, contents->runpath);
		entry++;
	}
	if (!strings_first)
		*entry++ = strings;
	entry->d_tag = DT_SYMTAB;
	entry->d_un.d_ptr = base + offsetof(struct image, symbol);
	entry++;
	entry->d_tag = DT_NULL;
}

static void put_headers(struct image *image, size_t interpreter, size_t size, ElfW(Addr) base)
{
	memcpy(image->header.e_ident, ELFMAG, SELFMAG);
	image->header.e_ident[EI_CLASS] = sizeof(void *) == 8 ? ELFCLASS64 : ELFCLASS32;
	image->header.e_ident[EI_DATA] =
		__BYTE_ORDER == __LITTLE_ENDIAN ? ELFDATA2LSB : ELFDATA2MSB;
	image->header.e_machine = EM_X86_64;
	image->header.e_phoff = offsetof(struct image, segment);
	image->header.e_phentsize = sizeof(image->segment[0]);
	image->header.e_phnum = 3;
	image->segment[0] = (ElfW(Phdr)){.p_type = PT_INTERP, .p_offset = interpreter};
	image->segment[1] = (ElfW(Phdr)){
		.p_type = PT_DYNAMIC,
		.p_offset = offsetof(struct image, dynamic),
		.p_filesz = sizeof(image->dynamic),
	};
	image->segment[2] = (ElfW(Phdr)){.p_type = PT_LOAD, .p_vaddr = base, .p_filesz = size};
}

/* The first entry of the dynamic section with that tag. */
static ElfW(Dyn) * entry_of(struct image *image, ElfW(Sxword) tag)
{
	ElfW(Dyn) *entry = image->dynamic;

	while (entry->d_tag != tag)
		entry++;
	return entry;
}

static void do_damage(struct image *image, enum damage damage, size_t size)
{
	const size_t names = offsetof(struct image, strings);

	if (damage == ENTRY_SIZE)
		image->header.e_phentsize--;
	else if (damage == TABLE_BEYOND)
		image->header.e_phoff = size - 1;
	else if (damage == TABLE_WRAPS)
		image->header.e_phoff -= sizeof(image->segment);
	else if (damage == INTERPRETER_BEYOND)
		image->segment[0].p_offset = size;
	else if (damage == DYNAMIC_BEYOND)
		image->segment[1].p_filesz = size;
	else if (damage == NAME_BEYOND)
		entry_of(image, DT_NEEDED)->d_un.d_val = size - 1;
	else if (damage == NAME_WRAPS)
		entry_of(image, DT_NEEDED)->d_un.d_val = -(ElfW(Addr))names;
	else if (damage == STRINGS_NOWHERE)
		image->segment[2].p_filesz = names;
}

static void check_contents(const struct elf_file *elf, const struct contents *contents)
{
	ENSURE(elf->native && elf->dynamic && elf->machine == EM_X86_64);
	ENSURE(elf->interpreter && !strcmp(elf->interpreter, contents->interpreter));
	ENSURE(!elf->runpath == !contents->runpath);
	ENSURE(!elf->runpath || !strcmp(elf->runpath, contents->runpath));
	ENSURE(elf->needed_count == contents->n_needed);
	for (size_t i = 0; i < contents->n_needed; i++)
		ENSURE(!strcmp(elf->needed[i], contents->needed[i]));
	ENSURE(!elf->cut && elf_file_string(elf, SYMBOL) == elf->interpreter);
	ENSURE(!elf_file_string(elf, SYMBOL "x"));
}

static void known_contents(struct input in)
{
	enum damage damage = (enum damage)(input_8(&in) % DAMAGES);
	bool strings_first = input_8(&in) % 2, runpath = input_8(&in) % 2;
	ElfW(Addr) base = (ElfW(Addr))input_32(&in) << 12;
	struct image image = {0};
	struct contents contents = {0};
	size_t used = 0, interpreter, size;
	struct elf_file elf;
	void *bytes;
	int ret;

	if (in.left > STRINGS / 2)
		in.left = STRINGS / 2;
	contents.interpreter = input_string(&in, '\n');
	contents.runpath = runpath ? input_string(&in, '\n') : NULL;
	do
		contents.needed[contents.n_needed++] = input_string(&in, '\n');
	while (in.left && contents.n_needed < NAMES_MAX);
	interpreter = offsetof(struct image, strings) + put(&image, &used, contents.interpreter);
	put_dynamic(&image, &contents, &used, base, strings_first);
	/* The first is of another file, the second stands for the loader's name. */
	image.symbol[0].st_name = image.symbol[1].st_name = put(&image, &used, SYMBOL);
	image.symbol[0].st_value = base;
	image.symbol[1].st_shndx = 1;
	image.symbol[1].st_value = base + interpreter;
	size = offsetof(struct image, strings) + used;
	put_headers(&image, interpreter, size, base);
	do_damage(&image, damage, size);
	bytes = exact_copy(&image, size);
	ret = elf_file_parse(&elf, bytes, size);
	ENSURE(ret == (damage == SOUND ? 0 : -ENOEXEC));
	if (!ret) {
		check(&elf, size);
		check_contents(&elf, &contents);
	}
	free(bytes);
	free(contents.interpreter);
	free(contents.runpath);
	for (size_t i = 0; i < contents.n_needed; i++)
		free(contents.needed[i]);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	any_bytes(data, size);
	behind_magic(data, size);
	known_contents((struct input){data, size});
	return 0;
}
