// SPDX-License-Identifier: GPL-2.0-or-later
/* Devices, protection domains, memory regions, queues: what is refused and what is busy. */
#include "conf.h"

#include <arpa/inet.h>
#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

/* Any device will do: the id of a listener has one. */
static struct ibv_context *device(struct side *side)
{
	conf_listen(side);
	CHECK(side->listener->verbs, "a listener on one address has no device");
	return side->listener->verbs;
}

static void device_client(struct side *side)
{
	struct ibv_context *verbs = device(side);
	struct ibv_device_attr attr;
	struct ibv_device_attr_ex more;
	struct ibv_port_attr port;
	union ibv_gid gid;
	int err, count;
	struct ibv_device **list = ibv_get_device_list(&count);

	CHECK(list && count > 0, "no devices listed");
	ibv_free_device_list(list);
	err = ibv_query_device(verbs, &attr);
	CHECK(err == 0, "ibv_query_device: %s", strerror(err));
	CHECK(attr.max_mr_size >= 1ull << 30 && attr.max_mr > 1000 && attr.max_qp_wr >= 512 &&
		      attr.max_cqe >= 1536 && attr.max_sge >= 1 && attr.phys_port_cnt >= 1,
	      "too small a device for a migration");
	err = ibv_query_device_ex(verbs, NULL, &more);
	CHECK(err == 0 && more.orig_attr.max_qp_wr == attr.max_qp_wr, "ibv_query_device_ex: %s",
	      strerror(err));
	err = ibv_query_port(verbs, side->listener->port_num ? side->listener->port_num : 1, &port);
	CHECK(err == 0, "ibv_query_port: %s", strerror(err));
	CHECK(port.state == IBV_PORT_ACTIVE, "port state %d", port.state);
	/* Chunks of 1 MiB, merged to twice that; rxe offers 8 MiB. */
	CHECK(port.max_msg_sz >= 2u << 20, "max_msg_sz %u", port.max_msg_sz);
	CHECK(ibv_query_gid(verbs, 1, 0, &gid) == 0, "ibv_query_gid failed");
	CHECK(ibv_query_port(verbs, 77, &port) != 0, "there is no port 77");
	conf_destroy(side);
}

static void expect_refused(struct ibv_pd *pd, void *addr, size_t length, int access, int expected,
			   const char *what)
{
	struct ibv_mr *mr;

	errno = 0;
	mr = ibv_reg_mr(pd, addr, length, access);
	CHECK(!mr, "%s was registered", what);
	CHECK(errno == expected, "%s: %s, expected %s", what, strerror(errno), strerror(expected));
}

static void register_client(struct side *side)
{
	struct ibv_pd *pd = ibv_alloc_pd(device(side));
	struct ibv_mr *mr[3];
	char *page =
		mmap(NULL, 3 * 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	int i, err;

	CHECK(pd, "ibv_alloc_pd: %s", strerror(errno));
	CHECK(page != MAP_FAILED, "mmap: %s", strerror(errno));
	munmap(page + 2 * 4096, 4096);
	expect_refused(pd, page, 4096, IBV_ACCESS_REMOTE_WRITE, EINVAL,
		       "remote write without local write");
	expect_refused(pd, page, 3 * 4096, IBV_ACCESS_LOCAL_WRITE, EFAULT, "unmapped memory");
	for (i = 0; i < 3; i++) {
		mr[i] = ibv_reg_mr(pd, page + 100 * i, 4096,
				   IBV_ACCESS_LOCAL_WRITE | IBV_ACCESS_REMOTE_WRITE);
		CHECK(mr[i], "ibv_reg_mr: %s", strerror(errno));
		CHECK(mr[i]->addr == page + 100 * i && mr[i]->length == 4096 && mr[i]->pd == pd,
		      "the MR's fields");
	}
	CHECK(mr[0]->lkey != mr[1]->lkey && mr[1]->lkey != mr[2]->lkey, "keys are not unique");
	err = ibv_dealloc_pd(pd);
	CHECK(err == EBUSY, "a domain with MRs was freed: %s", strerror(err));
	for (i = 0; i < 3; i++) {
		err = ibv_dereg_mr(mr[i]);
		CHECK(err == 0, "ibv_dereg_mr: %s", strerror(err));
	}
	/* A page that may not be written can be a source, not a target. */
	mprotect(page, 4096, PROT_READ);
	expect_refused(pd, page, 4096, IBV_ACCESS_LOCAL_WRITE, EFAULT, "read-only memory");
	mr[0] = ibv_reg_mr(pd, page, 4096, 0);
	CHECK(mr[0], "read-only memory as a source: %s", strerror(errno));
	ibv_dereg_mr(mr[0]);
	err = ibv_dealloc_pd(pd);
	CHECK(err == 0, "ibv_dealloc_pd: %s", strerror(err));
	conf_destroy(side);
}

static void busy_client(struct side *side)
{
	int err;

	err = ibv_destroy_cq(side->send_cq);
	CHECK(err == EBUSY, "a CQ with a QP was destroyed: %s", strerror(err));
	err = ibv_destroy_comp_channel(side->send_channel);
	CHECK(err == EBUSY, "a channel with a CQ was destroyed: %s", strerror(err));
	err = ibv_dealloc_pd(side->pd);
	CHECK(err == EBUSY, "a domain with a QP was freed: %s", strerror(err));
	conf_disconnect(side);
}

static void idle(struct side *side)
{
	conf_disconnect(side);
}

static void limits_client(struct side *side)
{
	struct ibv_context *verbs = device(side);
	struct ibv_device_attr attr;
	struct ibv_cq *cq;

	CHECK(ibv_query_device(verbs, &attr) == 0, "ibv_query_device failed");
	cq = ibv_create_cq(verbs, 100, NULL, NULL, 0);
	CHECK(cq, "ibv_create_cq: %s", strerror(errno));
	CHECK(cq->cqe >= 100, "a CQ of %d entries, asked for 100", cq->cqe);
	CHECK(ibv_destroy_cq(cq) == 0, "ibv_destroy_cq failed");
	errno = 0;
	CHECK(!ibv_create_cq(verbs, attr.max_cqe + 1, NULL, NULL, 0) && errno == EINVAL,
	      "a CQ past max_cqe: %s", strerror(errno));
	errno = 0;
	CHECK(!ibv_create_cq(verbs, 0, NULL, NULL, 0) && errno == EINVAL, "an empty CQ: %s",
	      strerror(errno));
	conf_destroy(side);
}

/* The QP is in INIT: it takes RECVs, and nothing to send. */
static void before_connecting_client(struct side *side)
{
	struct ibv_sge sge;
	struct ibv_send_wr wr = {.sg_list = &sge, .num_sge = 1, .opcode = IBV_WR_SEND}, *bad;
	int err;

	conf_resolve(side, conf_hear(side));
	conf_objects(side);
	CHECK(side->qp->qp_type == IBV_QPT_RC && side->qp->pd == side->pd &&
		      side->qp->send_cq == side->send_cq && side->qp->recv_cq == side->recv_cq,
	      "the QP's fields");
	CHECK(conf_qp_state(side->qp) == IBV_QPS_INIT, "the QP is not in INIT");
	conf_post_recv(side, 1, 0, 10);
	sge = (struct ibv_sge){(uintptr_t)side->buffer, 10, side->mr->lkey};
	/* rxe refuses it without naming it in bad. */
	err = ibv_post_send(side->qp, &wr, &bad);
	CHECK(err == EINVAL, "posting before connecting: %s", strerror(err));
	conf_expect_none(side->recv_cq);
	conf_meet(side);
	conf_destroy(side);
}

static void listening_server(struct side *side)
{
	conf_listen(side);
	conf_tell(side, ntohs(rdma_get_src_port(side->listener)));
	conf_meet(side);
	conf_destroy(side);
}

/* The MR's addresses as the peer names them need not be those of its memory. */
static void iova_client(struct side *side)
{
	uint64_t iova = conf_hear(side);
	uint32_t rkey = conf_hear(side);

	memcpy(side->buffer, "elsewhere", 10);
	side->peer_addr = iova;
	side->peer_rkey = rkey;
	conf_post_write(side, 1, 0, 10, 500, IBV_SEND_SIGNALED);
	conf_expect(side->send_cq, 1, IBV_WC_SUCCESS);
	conf_tell(side, 0);
	conf_disconnect(side);
}

static void iova_server(struct side *side)
{
	uint64_t iova = 0x7000000000ull;
	struct ibv_mr *mr = ibv_reg_mr_iova2(side->pd, side->buffer, CONF_BUFFER, iova,
					     IBV_ACCESS_LOCAL_WRITE | IBV_ACCESS_REMOTE_WRITE);

	CHECK(mr, "ibv_reg_mr_iova2: %s", strerror(errno));
	conf_tell(side, iova);
	conf_tell(side, mr->rkey);
	conf_hear(side);
	CHECK(memcmp(side->buffer + 500, "elsewhere", 10) == 0, "the bytes are not there");
	CHECK(ibv_dereg_mr(mr) == 0, "ibv_dereg_mr failed");
	conf_disconnect(side);
}

const struct conf_case conf_object_cases[] = {
	{"device", device_client, NULL, {0}, true, NULL, NULL, 0},
	{"register", register_client, NULL, {0}, true, NULL, NULL, 0},
	{"busy_objects", busy_client, idle, {0}, false, NULL, NULL, 0},
	{"cq_limits", limits_client, NULL, {0}, true, NULL, NULL, 0},
	{"before_connecting", before_connecting_client, listening_server, {0}, true, NULL, NULL, 0},
	{"register_iova", iova_client, iova_server, {0}, false, NULL, NULL, 0},
	{NULL, NULL, NULL, {0}, false, NULL, NULL, 0},
};
