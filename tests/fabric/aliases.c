// SPDX-License-Identifier: GPL-2.0-or-later
#include "aliases.h"

#include "frames.h"
#include "mappings.h"
#include "raw.h"

/* In a page of its own in front of the mapping. */
struct alias {
	struct alias *next;
	size_t pages;
	uint64_t references;
};

static struct alias *aliases;

static uintptr_t start_of(const struct alias *alias)
{
	return (uintptr_t)alias + FAB_PAGE_SIZE;
}

uintptr_t fab_alias_new(uintptr_t at, size_t pages)
{
	size_t length = pages << FAB_PAGE_SHIFT;
	struct alias *alias = raw_memory(FAB_PAGE_SIZE + length);

	if (alias == MAP_FAILED)
		return 0;
	/* An old length of 0 leaves the old mapping as it is: mremap(2). */
	if (raw_mremap((void *)at, 0, length, MREMAP_MAYMOVE | MREMAP_FIXED,
		       (void *)start_of(alias)) == MAP_FAILED) {
		raw_munmap(alias, FAB_PAGE_SIZE + length);
		return 0;
	}
	fab_mappings_changed();
	alias->pages = pages;
	alias->references = 0;
	alias->next = aliases;
	aliases = alias;
	return start_of(alias);
}

static struct alias **find(uintptr_t page)
{
	struct alias **p;

	for (p = &aliases; page - start_of(*p) >= (*p)->pages << FAB_PAGE_SHIFT; p = &(*p)->next)
		continue;
	return p;
}

void fab_alias_ref(uintptr_t page)
{
	(*find(page))->references++;
}

static void drop(struct alias **p)
{
	struct alias *alias = *p;

	*p = alias->next;
	raw_munmap(alias, FAB_PAGE_SIZE + (alias->pages << FAB_PAGE_SHIFT));
	fab_mappings_changed();
}

void fab_alias_unref(uintptr_t page)
{
	struct alias **p = find(page);

	if (--(*p)->references == 0)
		drop(p);
}

void fab_alias_drop_unused(void)
{
	struct alias **p = &aliases;

	while (*p) {
		if ((*p)->references == 0)
			drop(p);
		else
			p = &(*p)->next;
	}
}
