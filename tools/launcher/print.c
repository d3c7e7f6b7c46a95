/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "print.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "guest.h"
#include "util/config.h"

/* libvirt's hard_limit is for all memory of QEMU's, this much of it beside the guest's. */
#define QEMU_ITSELF (1ULL << 30)

struct form {
	const char *name;
	void (*begin)(unsigned long long locked);
	void (*setting)(const char *name, const char *value);
	void (*end)(unsigned long long locked);
};

static void env_begin(unsigned long long locked)
{
	(void)locked;
}

static void env_setting(const char *name, const char *value)
{
	static const char safe[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
				   "/._-+%,:@";
	bool quote = !*value || value[strspn(value, safe)];

	printf("%s=%s", name, quote ? "'" : "");
	for (; *value; value++) {
		if (*value == '\'')
			fputs("'\\''", stdout);
		else
			putchar(*value);
	}
	puts(quote ? "'" : "");
}

static void systemd_begin(unsigned long long locked)
{
	(void)locked;
	puts("[Service]");
}

/* As systemd.exec(5) and systemd.syntax(7) have it; a percent sign begins a specifier. */
static void systemd_setting(const char *name, const char *value)
{
	printf("Environment=\"%s=", name);
	for (; *value; value++) {
		if (*value == '"' || *value == '\\')
			putchar('\\');
		else if (*value == '%')
			putchar('%');
		putchar(*value);
	}
	puts("\"");
}

static void systemd_end(unsigned long long locked)
{
	if (locked)
		printf("LimitMEMLOCK=%lluK\n", locked >> 10);
	else
		puts("LimitMEMLOCK=infinity");
}

static void libvirt_begin(unsigned long long locked)
{
	puts("<!-- in <domain xmlns:qemu='http://libvirt.org/schemas/domain/qemu/1.0'> -->");
	if (locked)
		printf("<memtune>\n  <hard_limit unit='KiB'>%llu</hard_limit>\n</memtune>\n",
		       (locked + QEMU_ITSELF) >> 10);
	puts("<qemu:commandline>");
}

static void libvirt_setting(const char *name, const char *value)
{
	printf("  <qemu:env name='%s' value='", name);
	for (; *value; value++) {
		if (*value == '&')
			fputs("&amp;", stdout);
		else if (*value == '<')
			fputs("&lt;", stdout);
		else if (*value == '\'')
			fputs("&apos;", stdout);
		else
			putchar(*value);
	}
	puts("'/>");
}

static void libvirt_end(unsigned long long locked)
{
	(void)locked;
	puts("</qemu:commandline>");
}

static const struct form forms[] = {
	{"env", env_begin, env_setting, env_begin},
	{"systemd", systemd_begin, systemd_setting, systemd_end},
	{"libvirt", libvirt_begin, libvirt_setting, libvirt_end},
};

static void print_form(const struct form *form, const char *library, unsigned long long locked)
{
	const char *value;

	form->begin(locked);
	form->setting("LD_PRELOAD", library);
	for (size_t i = 0; config_variables[i].name; i++) {
		value = getenv(config_variables[i].name);
		if (value)
			form->setting(config_variables[i].name, value);
	}
	form->end(locked);
}

void print_settings(const char *form, const char *library, unsigned long long memory)
{
	const struct guest guest = guest_of_size(memory);

	for (size_t i = 0; i < sizeof(forms) / sizeof(forms[0]); i++)
		if (!strcmp(forms[i].name, form))
			print_form(&forms[i], library, guest_registered(&guest));
}
