/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "fake.h"

#include <stdio.h>
#include <stdlib.h>

/* The twins for the ABI of 2005, whose structures differ. */
void old_reg_mr(void);
void old_dereg_mr(void);
void old_close_device(void);
void old_modify_qp(void);
void old_query_port(void);

static void called(const char *name)
{
	fake_record("%s@IBVERBS_1.0", name);
	fprintf(stderr, "the IBVERBS_1.0 twin of %s was called\n", name);
	abort();
}

void old_reg_mr(void)
{
	called("ibv_reg_mr");
}

void old_dereg_mr(void)
{
	called("ibv_dereg_mr");
}

void old_close_device(void)
{
	called("ibv_close_device");
}

void old_modify_qp(void)
{
	called("ibv_modify_qp");
}

void old_query_port(void)
{
	called("ibv_query_port");
}

/* The single @: nothing linked today gets these. */
__asm__(".symver old_reg_mr, ibv_reg_mr@IBVERBS_1.0");
__asm__(".symver old_dereg_mr, ibv_dereg_mr@IBVERBS_1.0");
__asm__(".symver old_close_device, ibv_close_device@IBVERBS_1.0");
__asm__(".symver old_modify_qp, ibv_modify_qp@IBVERBS_1.0");
__asm__(".symver old_query_port, ibv_query_port@IBVERBS_1.0");
