/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "hook/got.h"

#include <elf.h>
#include <errno.h>
#include <link.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "hook/symbols.h"

#if defined(__x86_64__)
#define RELOC_SLOT R_X86_64_JUMP_SLOT
#define RELOC_DATA R_X86_64_GLOB_DAT
#elif defined(__aarch64__)
#define RELOC_SLOT R_AARCH64_JUMP_SLOT
#define RELOC_DATA R_AARCH64_GLOB_DAT
#else
/* Nobody attaches there: no relocation is of this type. */
#define RELOC_SLOT UINT32_MAX
#define RELOC_DATA UINT32_MAX
#endif

/* Modules of which read-only pages are changed at once: the program, and few of QEMU's call any of
 * our functions. */
#define WRITABLE_MAX 128

/* What of a module's tables may be changed. */
enum kind {
	KIND_NONE,
	KIND_QEMU, /* the program or a module of QEMU's: all hooks */
	KIND_CM,   /* librdmacm: ibv_close_device only */
};

struct module {
	uintptr_t base, start, end; /* the load bias; what is mapped of it */
	uintptr_t relro, relro_end; /* pages that are read-only by now */
	const ElfW(Sym) * symbols;
	const char *strings;
	size_t strings_len;
	/* Those for functions called, those for data. */
	const ElfW(Rela) * rela[2];
	size_t rela_count[2];
};

/* A pass over all slots. */
struct pass {
	struct got_hook *hooks;
	size_t count;
	bool first; /* no module has been seen */
	/* What becomes of the slots of one module. */
	int (*slot)(struct pass *pass, const struct module *module, void **slot,
		    struct got_hook *hook);
	bool put_in;
	size_t slots, ours, unchanged;
	int error;
	/* What has been made writable. */
	struct {
		uintptr_t start, end;
	} relro[WRITABLE_MAX];
	size_t relros;
};

static const void *pointer(uintptr_t base, ElfW(Addr) value)
{
	/* The loader has added the bias where it could write. */
	return (const void *)(value < base ? base + value : value);
}

static void read_dynamic(struct module *m, const ElfW(Dyn) * dynamic)
{
	size_t relative = 0;

	for (; dynamic->d_tag != DT_NULL; dynamic++) {
		switch (dynamic->d_tag) {
		case DT_SYMTAB:
			m->symbols = pointer(m->base, dynamic->d_un.d_ptr);
			break;
		case DT_STRTAB:
			m->strings = pointer(m->base, dynamic->d_un.d_ptr);
			break;
		case DT_STRSZ:
			m->strings_len = dynamic->d_un.d_val;
			break;
		case DT_JMPREL:
			m->rela[0] = pointer(m->base, dynamic->d_un.d_ptr);
			break;
		case DT_PLTRELSZ:
			m->rela_count[0] = dynamic->d_un.d_val / sizeof(ElfW(Rela));
			break;
		case DT_RELA:
			m->rela[1] = pointer(m->base, dynamic->d_un.d_ptr);
			break;
		case DT_RELASZ:
			m->rela_count[1] = dynamic->d_un.d_val / sizeof(ElfW(Rela));
			break;
		case DT_RELACOUNT:
			relative = dynamic->d_un.d_val;
			break;
		}
	}
	/* These come first, and there are tens of thousands. */
	if (relative <= m->rela_count[1] && m->rela[1]) {
		m->rela[1] += relative;
		m->rela_count[1] -= relative;
	}
}

/* False when it has no symbols. */
static bool read_module(struct module *m, const struct dl_phdr_info *info)
{
	uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE) - 1;
	const ElfW(Phdr) *dynamic = NULL;

	memset(m, 0, sizeof(*m));
	m->base = info->dlpi_addr;
	m->start = UINTPTR_MAX;
	for (size_t i = 0; i < info->dlpi_phnum; i++) {
		const ElfW(Phdr) *p = &info->dlpi_phdr[i];
		uintptr_t start = m->base + p->p_vaddr;

		if (p->p_type == PT_DYNAMIC) {
			dynamic = p;
		} else if (p->p_type == PT_GNU_RELRO) {
			m->relro = start & ~page;
			m->relro_end = (start + p->p_memsz) & ~page;
		} else if (p->p_type == PT_LOAD) {
			m->start = start < m->start ? start : m->start;
			m->end = start + p->p_memsz > m->end ? start + p->p_memsz : m->end;
		}
	}
	if (!dynamic)
		return false;
	read_dynamic(m, (const ElfW(Dyn) *)(m->base + dynamic->p_vaddr));
	return m->symbols && m->strings;
}

static enum kind kind_of(const struct module *m, const char *name, bool program)
{
	/* QEMU looks for it in what it loads as a module of its own (util/module.c). */
	static const char stamp[] = "\0qemu_stamp";
	const char *slash = strrchr(name, '/');

	if (program)
		return KIND_QEMU;
	if (!strcmp(slash ? slash + 1 : name, "librdmacm.so.1"))
		return KIND_CM;
	/* In QEMU's directory of modules; others' names need not be read. */
	if (strstr(name, "/qemu") && memmem(m->strings, m->strings_len, stamp, sizeof(stamp) - 1))
		return KIND_QEMU;
	return KIND_NONE;
}

static struct got_hook *hook_of(struct pass *pass, enum kind kind, const char *name)
{
	for (size_t i = 0; i < pass->count; i++)
		if (!strcmp(pass->hooks[i].name, name))
			return kind == KIND_QEMU || !strcmp(name, "ibv_close_device")
				       ? &pass->hooks[i]
				       : NULL;
	return NULL;
}

/* Calls `slot` for each slot of the module that has the name of a hook. */
static int each_slot(struct pass *pass, const struct module *m, enum kind kind)
{
	struct got_hook *hook;
	int ret = 0;

	for (int table = 0; table < 2; table++) {
		for (size_t i = 0; m->rela[table] && i < m->rela_count[table]; i++) {
			const ElfW(Rela) *rela = &m->rela[table][i];
			uint32_t type = (uint32_t)ELF64_R_TYPE(rela->r_info);
			const ElfW(Sym) *symbol = &m->symbols[ELF64_R_SYM(rela->r_info)];

			if ((type != RELOC_SLOT && type != RELOC_DATA) ||
			    symbol->st_shndx != SHN_UNDEF)
				continue;
			hook = hook_of(pass, kind, m->strings + symbol->st_name);
			if (!hook)
				continue;
			ret = pass->slot(pass, m, (void **)(m->base + rela->r_offset), hook);
			if (ret)
				return ret;
		}
	}
	return 0;
}

static int visit(struct dl_phdr_info *info, size_t size, void *data)
{
	struct pass *pass = data;
	bool program = pass->first;
	struct module m;
	enum kind kind;

	(void)size;
	pass->first = false;
	if (!read_module(&m, info))
		return 0;
	kind = kind_of(&m, info->dlpi_name ? info->dlpi_name : "", program);
	return kind == KIND_NONE ? 0 : each_slot(pass, &m, kind);
}

/* The program comes first, so that it decides what is next where modules differ. */
static void run(struct pass *pass)
{
	pass->first = true;
	pass->error = dl_iterate_phdr(visit, pass);
}

/* What a call through the slot goes to. */
static void *held(const struct module *m, void *const *slot, const char *name)
{
	void *value = __atomic_load_n(slot, __ATOMIC_RELAXED);

	/* The loader's code for the first call is the module's own, and it changes the slot. */
	if ((uintptr_t)value >= m->start && (uintptr_t)value < m->end)
		return symbols_find(name);
	return value;
}

static int find_slot(struct pass *pass, const struct module *m, void **slot, struct got_hook *hook)
{
	void *value = held(m, slot, hook->name);

	pass->slots++;
	if (value == hook->hook)
		pass->ours++;
	else if (!hook->next)
		hook->next = value;
	return 0;
}

size_t got_find(struct got_hook *hooks, size_t count, size_t *ours)
{
	struct pass pass = {.hooks = hooks, .count = count, .slot = find_slot};

	for (size_t i = 0; i < count; i++)
		hooks[i].next = NULL;
	run(&pass);
	*ours = pass.ours;
	return pass.slots;
}

/* What the slot is to hold; NULL when it stays as it is. */
static void *wanted(struct pass *pass, const struct module *m, void *const *slot,
		    const struct got_hook *hook, bool *unchanged)
{
	void *from = pass->put_in ? hook->next : hook->hook;
	void *to = pass->put_in ? hook->hook : hook->next;
	void *value = hook->next ? held(m, slot, hook->name) : NULL;

	*unchanged = value && value == to;
	return value && value == from && !*unchanged ? to : NULL;
}

static bool is_writable(const struct pass *pass, const struct module *m, void *const *slot)
{
	size_t i = 0;

	if ((uintptr_t)slot < m->relro || (uintptr_t)slot >= m->relro_end)
		return true;
	while (i < pass->relros && pass->relro[i].start != m->relro)
		i++;
	return i < pass->relros;
}

/* All of a module's read-only pages, which takes no more mappings than it has. */
static int open_slot(struct pass *pass, const struct module *m, void **slot, struct got_hook *hook)
{
	bool unchanged;

	if (is_writable(pass, m, slot) || !wanted(pass, m, slot, hook, &unchanged))
		return 0;
	if (pass->relros == WRITABLE_MAX)
		return -ENOSPC;
	if (mprotect((void *)m->relro, m->relro_end - m->relro, PROT_READ | PROT_WRITE))
		return -errno;
	pass->relro[pass->relros].start = m->relro;
	pass->relro[pass->relros++].end = m->relro_end;
	return 0;
}

static int change_slot(struct pass *pass, const struct module *m, void **slot,
		       struct got_hook *hook)
{
	bool unchanged;
	void *to = wanted(pass, m, slot, hook, &unchanged);

	pass->unchanged += unchanged;
	/* Not if the module has been loaded since. */
	if (!to || !is_writable(pass, m, slot))
		return 0;
	__atomic_store_n(slot, to, __ATOMIC_RELEASE);
	pass->slots++;
	return 0;
}

/* All or none: once the pages are writable nothing can fail. */
static struct pass change(const struct got_hook *hooks, size_t count, bool put_in)
{
	struct pass pass = {
		.hooks = (struct got_hook *)hooks,
		.count = count,
		.slot = open_slot,
		.put_in = put_in,
	};

	run(&pass);
	if (!pass.error) {
		pass.slot = change_slot;
		run(&pass);
	}
	/* Where there is no memory for it the pages stay as they are, which nobody notices. */
	for (size_t i = 0; i < pass.relros; i++)
		mprotect((void *)pass.relro[i].start, pass.relro[i].end - pass.relro[i].start,
			 PROT_READ);
	return pass;
}

static int change_all(const struct got_hook *hooks, size_t count, bool put_in)
{
	struct pass pass = change(hooks, count, put_in);

	return pass.error ? pass.error : (int)pass.slots;
}

int got_put_in(const struct got_hook *hooks, size_t count)
{
	return change_all(hooks, count, true);
}

int got_renew(const struct got_hook *hooks, size_t count)
{
	struct pass pass = change(hooks, count, true);

	return pass.error ? pass.error : (int)(pass.slots + pass.unchanged);
}

int got_take_out(const struct got_hook *hooks, size_t count)
{
	return change_all(hooks, count, false);
}
