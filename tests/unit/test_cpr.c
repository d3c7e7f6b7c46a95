/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "launcher/cpr.h"

#include <stddef.h>

#include "support.h"

#define WORDS_MAX 12

#define MEMFD	      "memory-backend-memfd,id=m,size=1G"
#define MACHINE	      "-machine", "q35,memory-backend=m"
#define MEMFD_SHARED  "memory-backend-memfd,id=m,size=1G,share=on"
#define MEMFD_PRIVATE "memory-backend-memfd,id=m,size=1G,share=off"
#define DENY	      "on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny"

static const struct {
	const char *word[WORDS_MAX];
	enum cpr cpr;
} lines[] = {
	{{"qemu"}, CPR_PRIVATE},
	{{"qemu", "-m", "8G"}, CPR_PRIVATE},
	{{"qemu", MACHINE, "-object", MEMFD}, CPR_FITS},
	{{"qemu", MACHINE, "--object", MEMFD_SHARED}, CPR_FITS},
	{{"qemu", MACHINE, "-object", MEMFD_PRIVATE}, CPR_PRIVATE},
	{{"qemu", "-M", "memory-backend=m", "-object", "memory-backend-ram,share=on,id=m"},
	 CPR_FITS},
	{{"qemu", MACHINE, "-object", "memory-backend-ram,id=m"}, CPR_PRIVATE},
	{{"qemu", MACHINE, "-object", "memory-backend-file,id=m,mem-path=/x,share=on"}, CPR_FITS},
	{{"qemu", MACHINE, "-object", "memory-backend-file,id=m,mem-path=/x"}, CPR_PRIVATE},
	/* An object that is nobody's memory does not count, nor does a name. */
	{{"qemu", "-object", MEMFD}, CPR_PRIVATE},
	{{"qemu", MACHINE, "-object", "memory-backend-file,id=m,mem-path=/share=on"}, CPR_PRIVATE},
	{{"qemu", MACHINE, "-object", MEMFD, "-object", "iothread,id=i"}, CPR_FITS},
	/* One of two nodes. */
	{{"qemu", "-object", MEMFD, "-object", "memory-backend-ram,id=n", "-numa", "node,memdev=m",
	  "-numa", "node,memdev=n"},
	 CPR_PRIVATE},
	{{"qemu", "-object", MEMFD, "-numa", "node,memdev=m"}, CPR_FITS},
	/* As libvirt has it. */
	{{"qemu", MACHINE, "-object", "{\"qom-type\":\"memory-backend-ram\",\"id\":\"m\"}"},
	 CPR_PRIVATE},
	{{"qemu", MACHINE, "-object", "{\"qom-type\":\"memory-backend-ram\",\"share\":true}"},
	 CPR_FITS},
	{{"qemu", MACHINE, "-object", "{\"qom-type\":\"memory-backend-memfd\",\"share\": false}"},
	 CPR_PRIVATE},
	{{"qemu", MACHINE, "-object", MEMFD, "-sandbox", DENY}, CPR_DENIED},
	{{"qemu", MACHINE, "-object", MEMFD, "-sandbox", "on,spawn=allow"}, CPR_FITS},
	{{"qemu", "-sandbox", "on", MACHINE, "-object", MEMFD, "-S"}, CPR_FITS},
};

START_TEST(a_command_line_tells)
{
	const size_t i = (size_t)_i;

	ck_assert_int_eq(cpr_of_command((char *const *)lines[i].word), lines[i].cpr);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("cpr");
	TCase *tc = tcase_create("cpr");

	tcase_add_loop_test(tc, a_command_line_tells, 0, (int)(sizeof(lines) / sizeof(lines[0])));
	suite_add_tcase(suite, tc);
	return unit_run(suite);
}
