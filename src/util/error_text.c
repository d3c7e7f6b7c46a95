/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "util/error_text.h"

#include <string.h>

const char *error_text(int error)
{
	static _Thread_local char text[64];

	return strerror_r(error, text, sizeof(text));
}
