/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "elf_file.h"

#include <elf.h>
#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <link.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#if __BYTE_ORDER == __LITTLE_ENDIAN
#define NATIVE_DATA ELFDATA2LSB
#else
#define NATIVE_DATA ELFDATA2MSB
#endif
#define NATIVE_CLASS (sizeof(void *) == 8 ? ELFCLASS64 : ELFCLASS32)

/* `len` bytes at `offset`, or NULL when the file ends before. */
static const void *at(const struct elf_file *elf, unsigned long long offset, size_t len)
{
	if (offset > elf->size || len > elf->size - offset)
		return NULL;
	return elf->bytes + offset;
}

/* The string at `offset` bytes after `start`, or NULL when it does not end within the file. */
static const char *string_at(const struct elf_file *elf, unsigned long long start,
			     unsigned long long offset)
{
	if (start >= elf->size || offset >= elf->size - start)
		return NULL;
	start += offset;
	if (!memchr(elf->bytes + start, '\0', elf->size - start))
		return NULL;
	return (const char *)elf->bytes + start;
}

/* The i-th program header. The table has been seen to be within the file. */
static ElfW(Phdr) segment_at(const struct elf_file *elf, const ElfW(Ehdr) * header, unsigned int i)
{
	ElfW(Phdr) segment;

	memcpy(&segment, elf->bytes + header->e_phoff + i * sizeof(segment), sizeof(segment));
	return segment;
}

/* Where in the file the address `vaddr` comes from; past its end when nowhere. */
static unsigned long long offset_of(const struct elf_file *elf, const ElfW(Ehdr) * header,
				    ElfW(Addr) vaddr)
{
	for (unsigned int i = 0; i < header->e_phnum; i++) {
		ElfW(Phdr) segment = segment_at(elf, header, i);

		if (segment.p_type == PT_LOAD && vaddr >= segment.p_vaddr &&
		    vaddr - segment.p_vaddr < segment.p_filesz && segment.p_offset < elf->size)
			return segment.p_offset + (vaddr - segment.p_vaddr);
	}
	return elf->size;
}

/* Reads the dynamic section: the names come after the string table is known, so twice. */
static bool read_dynamic(struct elf_file *elf, const ElfW(Ehdr) * header,
			 const ElfW(Phdr) * segment)
{
	size_t entries = segment->p_filesz / sizeof(ElfW(Dyn));
	const char *name;
	ElfW(Dyn) entry;

	if (!at(elf, segment->p_offset, entries * sizeof(entry)))
		return false;
	elf->dynamic = true;
	for (int pass = 0; pass < 2; pass++) {
		for (size_t i = 0; i < entries; i++) {
			memcpy(&entry, elf->bytes + segment->p_offset + i * sizeof(entry),
			       sizeof(entry));
			if (entry.d_tag == DT_NULL)
				break;
			if (pass == 0) {
				if (entry.d_tag == DT_STRTAB)
					elf->strings = offset_of(elf, header, entry.d_un.d_ptr);
				if (entry.d_tag == DT_SYMTAB)
					elf->symbols = offset_of(elf, header, entry.d_un.d_ptr);
				continue;
			}
			if (entry.d_tag != DT_NEEDED && entry.d_tag != DT_RUNPATH &&
			    entry.d_tag != DT_RPATH)
				continue;
			name = string_at(elf, elf->strings, entry.d_un.d_val);
			if (!name)
				return false;
			if (entry.d_tag != DT_NEEDED)
				elf->runpath = name;
			else if (elf->needed_count < ELF_FILE_NEEDED_MAX)
				elf->needed[elf->needed_count++] = name;
		}
	}
	return true;
}

static bool read_segment(struct elf_file *elf, const ElfW(Ehdr) * header,
			 const ElfW(Phdr) * segment)
{
	switch (segment->p_type) {
	case PT_LOAD:
		elf->cut = elf->cut || !at(elf, segment->p_offset, segment->p_filesz);
		return true;
	case PT_INTERP:
		elf->interpreter = string_at(elf, segment->p_offset, 0);
		return elf->interpreter;
	case PT_DYNAMIC:
		return read_dynamic(elf, header, segment);
	default:
		return true;
	}
}

static bool read_headers(struct elf_file *elf)
{
	ElfW(Ehdr) header;
	ElfW(Phdr) segment;

	/* Both classes and byte orders have these fields in the same places. */
	if (elf->size < EI_NIDENT + 4 || memcmp(elf->bytes, ELFMAG, SELFMAG) != 0)
		return false;
	elf->class = elf->bytes[EI_CLASS];
	elf->data = elf->bytes[EI_DATA];
	elf->machine = elf->data == ELFDATA2MSB
			       ? (unsigned int)elf->bytes[18] << 8 | elf->bytes[19]
			       : (unsigned int)elf->bytes[19] << 8 | elf->bytes[18];
	elf->native = elf->class == NATIVE_CLASS && elf->data == NATIVE_DATA;
	if (!elf->native)
		return true;
	if (elf->size < sizeof(header))
		return false;
	memcpy(&header, elf->bytes, sizeof(header));
	/* The loader takes no other size, either. */
	if (header.e_phnum && header.e_phentsize != sizeof(segment))
		return false;
	if (!at(elf, header.e_phoff, header.e_phnum * sizeof(segment)))
		return false;
	/* The loader does not read section headers, but they are what a file ends with. */
	elf->cut = !at(elf, header.e_shoff, (size_t)header.e_shnum * header.e_shentsize);
	for (unsigned int i = 0; i < header.e_phnum; i++) {
		segment = segment_at(elf, &header, i);
		if (!read_segment(elf, &header, &segment))
			return false;
	}
	return true;
}

int elf_file_parse(struct elf_file *elf, const void *bytes, size_t size)
{
	memset(elf, 0, sizeof(*elf));
	elf->bytes = bytes;
	elf->size = size;
	elf->symbols = elf->strings = size;
	return read_headers(elf) ? 0 : -ENOEXEC;
}

int elf_file_open(struct elf_file *elf, const char *path)
{
	struct stat st;
	void *map;
	int fd, err;

	fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (fd < 0)
		return -errno;
	if (fstat(fd, &st) != 0) {
		err = -errno;
		goto out;
	}
	err = -ENOEXEC;
	if (!S_ISREG(st.st_mode) || st.st_size == 0)
		goto out;
	map = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
	if (map == MAP_FAILED) {
		err = -errno;
		goto out;
	}
	err = elf_file_parse(elf, map, (size_t)st.st_size);
	if (err)
		elf_file_close(elf);
out:
	close(fd);
	return err;
}

void elf_file_close(struct elf_file *elf)
{
	munmap((void *)elf->bytes, elf->size);
	elf->bytes = NULL;
}

bool elf_file_same_machine(const struct elf_file *a, const struct elf_file *b)
{
	return a->class == b->class && a->data == b->data && a->machine == b->machine;
}

const char *elf_file_machine(char out[ELF_FILE_MACHINE_LEN], const struct elf_file *elf)
{
	static const struct {
		unsigned int machine;
		const char *name;
	} names[] = {
		{EM_386, "x86"},      {EM_X86_64, "x86-64"}, {EM_ARM, "ARM"},
		{EM_AARCH64, "ARM"},  {EM_PPC64, "POWER"},   {EM_S390, "s390"},
		{EM_RISCV, "RISC-V"}, {258, "LoongArch"},
	};
	const char *bits = elf->class == ELFCLASS64 ? "64-bit" : "32-bit";
	const char *order = elf->data == ELFDATA2MSB ? "big-endian" : "little-endian";

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		if (names[i].machine == elf->machine) {
			snprintf(out, ELF_FILE_MACHINE_LEN, "%s %s", bits, names[i].name);
			if (elf->machine == EM_PPC64)
				snprintf(out, ELF_FILE_MACHINE_LEN, "%s %s, %s", bits,
					 names[i].name, order);
			return out;
		}
	}
	snprintf(out, ELF_FILE_MACHINE_LEN, "%s machine %u, %s", bits, elf->machine, order);
	return out;
}

/*
 * The table of symbols has no length of its own. Linkers put the names behind it; where they do
 * not, it ends with the file at the latest.
 */
const char *elf_file_string(const struct elf_file *elf, const char *name)
{
	unsigned long long end = elf->symbols < elf->strings ? elf->strings : elf->size;
	const char *its_name;
	ElfW(Ehdr) header;
	ElfW(Sym) symbol;

	if (!elf->native || elf->size < sizeof(header))
		return NULL;
	memcpy(&header, elf->bytes, sizeof(header));
	for (unsigned long long offset = elf->symbols;
	     offset < end && at(elf, offset, sizeof(symbol)); offset += sizeof(symbol)) {
		memcpy(&symbol, elf->bytes + offset, sizeof(symbol));
		if (symbol.st_shndx == SHN_UNDEF)
			continue;
		its_name = string_at(elf, elf->strings, symbol.st_name);
		if (its_name && !strcmp(its_name, name))
			return string_at(elf, offset_of(elf, &header, symbol.st_value), 0);
	}
	return NULL;
}

/* Both types of AppImage have "AI" and their number in the padding of e_ident. */
bool elf_file_is_appimage(const struct elf_file *elf)
{
	return elf->size > EI_ABIVERSION + 2 && elf->bytes[8] == 'A' && elf->bytes[9] == 'I' &&
	       (elf->bytes[10] == 1 || elf->bytes[10] == 2);
}

bool elf_file_contains(const struct elf_file *elf, const char *string)
{
	return memmem(elf->bytes, elf->size, string, strlen(string));
}
