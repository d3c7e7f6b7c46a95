/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "launcher/guest.h"

#include <stddef.h>

#include "support.h"

#define WORDS_MAX 16

/* QEMU's command line, ended by NULL, and what of its guest is registered. */
static const struct {
	const char *word[WORDS_MAX];
	unsigned long long ram, video; /* MiB */
} lines[] = {
	{{"qemu"}, 128, 16},
	{{"qemu", "-nodefaults"}, 128, 0},
	{{"qemu", "-m", "8G"}, 8192, 16},
	{{"qemu", "--m", "8192"}, 8192, 16},
	{{"qemu", "-m", "8192,maxmem=16G"}, 8192, 16},
	{{"qemu", "-m", "size=4194304k,slots=2,maxmem=16G", "-nodefaults"}, 4096, 0},
	{{"qemu", "-m", "slots=2,maxmem=16G,size=2G"}, 2048, 16},
	/* What follows an option may look like another. */
	{{"qemu", "-name", "-m", "-m", "1G", "-vga", "none"}, 1024, 0},
	{{"qemu", "-m"}, 128, 16},
	{{"qemu", "-m", "many"}, 128, 16},
	{{"qemu", "-vga", "cirrus"}, 128, 4},
	{{"qemu", "-vga", "qxl"}, 128, 128},
	{{"qemu", "-nodefaults", "-device", "VGA,id=v,vgamem_mb=64"}, 128, 64},
	{{"qemu", "-nodefaults", "-device", "qxl-vga,vram_size_mb=32"}, 128, 96},
	{{"qemu", "-nodefaults", "-device", "qxl-vga", "-device", "qxl,ram_size_mb=16"}, 128, 208},
	{{"qemu", "-nodefaults", "-device", "virtio-net-pci"}, 128, 0},
	{{"qemu", "-device", "virtio-net-pci"}, 128, 16},
};

START_TEST(a_command_line_tells_the_memory)
{
	const size_t i = (size_t)_i;
	struct guest guest = guest_of_command((char *const *)lines[i].word);

	ck_assert_uint_eq(guest.ram, lines[i].ram * MIB);
	ck_assert_uint_eq(guest.video, lines[i].video * MIB);
	ck_assert_uint_eq(guest_registered(&guest), guest.ram + guest.video + GUEST_ROMS_BYTES);
}
END_TEST

START_TEST(a_size_has_64_mib_beside_it)
{
	struct guest guest = guest_of_size(8192 * MIB);

	ck_assert_uint_eq(guest_registered(&guest), (8192 + 64) * MIB);
	guest = guest_of_size(0);
	ck_assert_uint_eq(guest_registered(&guest), 0);
}
END_TEST

START_TEST(sizes_are_those_of_qemu)
{
	static const char *const bad[] = {"", "0", "G", "-1", "1GB", "1.5G", "1E", "99999999T"};
	unsigned long long bytes = 0;

	ck_assert(guest_parse_size("3", &bytes) && bytes == 3 * MIB);
	ck_assert(guest_parse_size("4k", &bytes) && bytes == 4096);
	ck_assert(guest_parse_size("2T", &bytes) && bytes == 2 * MIB * MIB);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		ck_assert_msg(!guest_parse_size(bad[i], &bytes), "%s", bad[i]);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("guest");
	TCase *tc = tcase_create("guest");

	tcase_add_loop_test(tc, a_command_line_tells_the_memory, 0,
			    (int)(sizeof(lines) / sizeof(lines[0])));
	tcase_add_test(tc, a_size_has_64_mib_beside_it);
	tcase_add_test(tc, sizes_are_those_of_qemu);
	suite_add_tcase(suite, tc);
	return unit_run(suite);
}
