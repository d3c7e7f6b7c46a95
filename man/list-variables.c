/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Prints the table of variables for check-man: name, allowed values and default, with tabs. */
#include <stdio.h>

#include "util/config.h"

int main(void)
{
	for (const struct config_variable *v = config_variables; v->name; v++)
		printf("%s\t%s\t%s\n", v->name, v->allowed, v->fallback);
	return 0;
}
