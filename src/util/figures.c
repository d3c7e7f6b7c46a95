/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "util/figures.h"

#include <errno.h>
#include <sched.h>
#include <string.h>

#include "util/printable.h"

/* How often a reader looks again. */
#define TRIES 1000

const char *const figures_counter_names[FIGURES_COUNTERS] = {
	[FIGURES_REQUESTS_SEEN] = "requests_seen",
	[FIGURES_REQUESTS_SENT] = "requests_sent",
	[FIGURES_REQUESTS_WIDENED] = "requests_widened",
	[FIGURES_REQUESTS_ANSWERED] = "requests_answered",
	[FIGURES_REQUESTS_HELD] = "requests_held",
	[FIGURES_REQUESTS_AHEAD] = "requests_ahead",
	[FIGURES_UNREGISTERS_ANSWERED] = "unregisters_answered",
	[FIGURES_REGISTRATIONS_ASKED] = "registrations_asked",
	[FIGURES_REGISTRATIONS_MADE] = "registrations_made",
	[FIGURES_REGISTRATIONS_AHEAD] = "registrations_ahead",
	[FIGURES_REGISTRATIONS_RENEWED] = "registrations_renewed",
	[FIGURES_REGISTRATION_FALLBACKS] = "registration_fallbacks",
	[FIGURES_LARGEST_REGISTRATION_BYTES] = "largest_registration_bytes",
	[FIGURES_PINNED_PEAK_BYTES] = "pinned_peak_bytes",
	[FIGURES_WRITES] = "writes",
	[FIGURES_WRITE_BYTES] = "write_bytes",
	[FIGURES_WRITE_WRS] = "write_wrs",
	[FIGURES_WRS] = "wrs",
	[FIGURES_DOORBELLS] = "doorbells",
	[FIGURES_DOORBELLS_DELEGATED] = "doorbells_delegated",
	[FIGURES_SIGNALED] = "signaled",
	[FIGURES_WRITES_WITHHELD] = "writes_withheld",
	[FIGURES_FENCES] = "fences",
	[FIGURES_ZEROS] = "zeros",
	[FIGURES_ZEROS_MERGED] = "zeros_merged",
	[FIGURES_ZEROS_SENT] = "zeros_sent",
	[FIGURES_SCANNED_BYTES] = "scanned_bytes",
	[FIGURES_SCAN_CPU_NS] = "scan_cpu_ns",
};

void figures_init(struct figures_page *page)
{
	page->magic = FIGURES_MAGIC;
	page->layout = FIGURES_LAYOUT;
}

/*
 * A reader that sees one of the new words sees the odd number too, or a later one: each word is
 * released after that number was stored, and its reader looks at the number once more after it
 * has acquired the word.
 */
void figures_write(struct figures_page *page, const struct figures *figures)
{
	uint32_t sequence = atomic_load_explicit(&page->sequence, memory_order_relaxed);
	uint64_t word[FIGURES_WORDS];

	memcpy(word, figures, sizeof(word));
	atomic_store_explicit(&page->sequence, sequence + 1, memory_order_relaxed);
	for (size_t i = 0; i < FIGURES_WORDS; i++)
		atomic_store_explicit(&page->word[i], word[i], memory_order_release);
	atomic_store_explicit(&page->sequence, sequence + 2, memory_order_release);
}

static bool try_to_read(const struct figures_page *page, uint64_t word[FIGURES_WORDS])
{
	uint32_t before = atomic_load_explicit(&page->sequence, memory_order_acquire);

	for (size_t i = 0; i < FIGURES_WORDS; i++)
		word[i] = atomic_load_explicit(&page->word[i], memory_order_acquire);
	return !(before & 1) &&
	       before == atomic_load_explicit(&page->sequence, memory_order_relaxed);
}

static void clean(char *string, size_t size)
{
	string[size - 1] = '\0';
	printable(string);
}

static void clean_strings(struct figures *f)
{
	clean(f->version, sizeof(f->version));
	clean(f->peer, sizeof(f->peer));
	clean(f->role, sizeof(f->role));
	clean(f->state, sizeof(f->state));
	clean(f->phase, sizeof(f->phase));
	clean(f->blocked, sizeof(f->blocked));
}

int figures_read(const struct figures_page *page, struct figures *figures)
{
	uint64_t word[FIGURES_WORDS];

	if (page->magic != FIGURES_MAGIC || page->layout != FIGURES_LAYOUT)
		return -EPROTO;
	for (unsigned int i = 0; i < TRIES; i++) {
		if (try_to_read(page, word)) {
			memcpy(figures, word, sizeof(*figures));
			clean_strings(figures);
			return 0;
		}
		/* The writer may need this processor. */
		sched_yield();
	}
	return -EAGAIN;
}
