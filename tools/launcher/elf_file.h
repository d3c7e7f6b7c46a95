/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RDMACHUNK_LAUNCHER_ELF_FILE_H
#define RDMACHUNK_LAUNCHER_ELF_FILE_H

#include <stdbool.h>
#include <stddef.h>

#define ELF_FILE_NEEDED_MAX 256

/* What the loader would read from an ELF file. Strings point into its bytes. */
struct elf_file {
	unsigned char class;  /* ELFCLASS32 or ELFCLASS64 */
	unsigned char data;   /* ELFDATA2LSB or ELFDATA2MSB */
	unsigned int machine; /* EM_* */

	/*
	 * Of this program's own class and byte order. Nothing below is known of
	 * other files; they cannot be loaded together with the library anyway.
	 */
	bool native;
	bool cut;		 /* ends before what its headers say */
	const char *interpreter; /* the loader; NULL: statically linked, or a library */
	bool dynamic;		 /* has a dynamic section */
	const char *runpath;	 /* DT_RUNPATH or DT_RPATH, or NULL */
	const char *needed[ELF_FILE_NEEDED_MAX];
	size_t needed_count;
	/* Offsets in the file of the dynamic symbols and their names; its size: none. */
	unsigned long long symbols, strings;

	const unsigned char *bytes;
	size_t size;
};

/*
 * Read a file that is in memory, and stays there as long as *elf is used. Returns 0, or -ENOEXEC
 * when it is not ELF or is damaged.
 */
int elf_file_parse(struct elf_file *elf, const void *bytes, size_t size);

/*
 * Map and read the file at `path`. Returns 0, to be ended with elf_file_close(), or a negative
 * errno: -ENOEXEC as above, or what opening it gave.
 */
int elf_file_open(struct elf_file *elf, const char *path);
void elf_file_close(struct elf_file *elf);

/* May the two be loaded into one process? */
bool elf_file_same_machine(const struct elf_file *a, const struct elf_file *b);

/* Room for elf_file_machine(). */
#define ELF_FILE_MACHINE_LEN 64

/* "64-bit x86-64" and the like, for people. Returns `out`. */
const char *elf_file_machine(char out[ELF_FILE_MACHINE_LEN], const struct elf_file *elf);

/* The string that the dynamic symbol `name` stands for, if the file defines it; else NULL. */
const char *elf_file_string(const struct elf_file *elf, const char *name);

/* Is it a program that mounts the file system behind itself, and runs what is in there? */
bool elf_file_is_appimage(const struct elf_file *elf);

/* Does the file contain these bytes anywhere? */
bool elf_file_contains(const struct elf_file *elf, const char *string);

#endif
