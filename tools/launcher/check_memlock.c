/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "check_memlock.h"

#include <stdio.h>

#define FIX_LEN 512

/* libvirt's hard_limit is for all memory of QEMU's, this much of it beside the guest's. */
#define QEMU_ITSELF_KIB (1ULL << 20)

/* How to set a limit of so many bytes; 0: none. */
static const char *set_limit(char fix[FIX_LEN], unsigned long long bytes)
{
	unsigned long long kib = bytes >> 10;

	if (bytes)
		snprintf(
			fix, FIX_LEN,
			"at least: ulimit -l %llu; in a unit of systemd LimitMEMLOCK=%lluK; with "
			"libvirt <hard_limit unit='KiB'>%llu</hard_limit>, 1 GiB of it for QEMU itself",
			kib, kib, kib + QEMU_ITSELF_KIB);
	else
		snprintf(fix, FIX_LEN,
			 "ulimit -l unlimited, in a unit of systemd LimitMEMLOCK=infinity, "
			 "for logins \"memlock unlimited\" in /etc/security/limits.conf");
	return fix;
}

/* "8 GiB (8256 MiB with video memory and ROMs)" */
static void guest_text(char *text, size_t size, const struct guest *guest)
{
	char ram[FINDINGS_SIZE_LEN], all[FINDINGS_SIZE_LEN];

	snprintf(text, size, "a guest of %s (%s with video memory and ROMs)",
		 findings_size(ram, guest->ram), findings_size(all, guest_registered(guest)));
}

void check_memlock(struct findings *findings, const struct target *target, bool chosen, bool strict)
{
	unsigned long long need = guest_registered(&target->guest);
	bool enough = need && target->memlock >= need;
	char limit[FINDINGS_SIZE_LEN], guest[128], fix[FIX_LEN];

	findings_size(limit, target->memlock);
	guest_text(guest, sizeof(guest), &target->guest);
	set_limit(fix, need);
	if (target->memlock == RLIM_INFINITY)
		finding(findings, FINDING_OK, "RLIMIT_MEMLOCK is unlimited");
	else if (enough)
		finding(findings, FINDING_OK, "RLIMIT_MEMLOCK is %s, enough for %s", limit, guest);
	else if (target->may_lock && !strict && chosen)
		finding(findings, FINDING_OK,
			"RLIMIT_MEMLOCK is %s, and CAP_IPC_LOCK lifts it for this user", limit);
	else if (target->may_lock && !strict)
		finding(findings, FINDING_WARNING,
			"RLIMIT_MEMLOCK is %s; CAP_IPC_LOCK lifts it for the user that you are, but not "
			"for a QEMU of another user; fix: name QEMU's user with --user, or %s",
			limit, fix);
	else if (!need)
		finding(findings, FINDING_WARNING,
			"RLIMIT_MEMLOCK is %s, and the guest's memory must fit in%s; fix: give its size "
			"with --memory, or %s",
			limit, target->may_lock ? " (siw knows no CAP_IPC_LOCK)" : "", fix);
	else
		finding(findings, FINDING_PROBLEM,
			"RLIMIT_MEMLOCK is %s, too low for %s%s; fix: %s", limit, guest,
			target->may_lock ? ", and siw knows no CAP_IPC_LOCK" : "", fix);
}
