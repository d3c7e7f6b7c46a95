/* SPDX-License-Identifier: GPL-2.0-or-later */

/* Enters the hooks before any library is initialised, in constructors, in
 * main(), and in each kind of exit handler. */
#include <stdlib.h>

#include "stage.h"

static void before_all(void)
{
	stage("preinit");
}

/* Called by the loader ahead of every constructor, those of preloads too. */
static void (*const preinit[])(void) __attribute__((section(".preinit_array"), used)) = {
	before_all,
};

static void __attribute__((constructor)) at_start(void)
{
	stage("constructor");
}

static void __attribute__((destructor)) at_end(void)
{
	stage("destructor");
}

static void at_exit(void)
{
	stage("atexit");
}

int main(void)
{
	atexit(at_exit);
	stage("main");
	return 0;
}
