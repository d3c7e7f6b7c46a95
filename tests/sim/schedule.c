/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "schedule.h"

#include "core/verbs_values.h"

/* No migration of this size takes as many. */
#define STEPS_MAX 2000000

/* Those faults that need nobody to ask for them. */
static void strike(struct world *w)
{
	static const uint32_t statuses[] = {
		VERBS_WC_LOC_LEN_ERR,
		NIC_WC_LOC_PROT_ERR,
		NIC_WC_REM_ACCESS_ERR,
		NIC_WC_RETRY_EXC_ERR,
	};
	struct nic_qp *qp = &w->nic.source;

	if (!w->fault_due && w->steps >= w->settings.fault_step)
		w->fault_due = true;
	if (!w->fault_due || w->fault_fired)
		return;
	if (qp->completed < qp->posted && world_fault(w, FAULT_WR))
		nic_fail(w, qp, statuses[random_below(&w->random, 4)]);
	if (world_fault(w, FAULT_QP))
		nic_fail(w, qp, VERBS_WC_WR_FLUSH_ERR);
	if (world_fault(w, FAULT_DEATH)) {
		w->nic.destination.dead = true;
		w->hang_up = true;
	}
	if (world_fault(w, FAULT_CANCEL))
		w->cancelled = true;
}

static bool can_act(struct world *w, enum actor actor)
{
	switch (actor) {
	case ACTOR_EXECUTE:
		return nic_can_execute(&w->nic.source);
	case ACTOR_COMPLETE:
		return nic_can_complete(&w->nic.source);
	case ACTOR_DESTINATION_EXECUTE:
		return nic_can_execute(&w->nic.destination);
	case ACTOR_DESTINATION_COMPLETE:
		return nic_can_complete(&w->nic.destination);
	case ACTOR_DESTINATION:
		return qemu_destination_can_act(w);
	case ACTOR_PROGRESS:
		return driver_can_listen(&w->source_driver);
	case ACTOR_AHEAD:
		return driver_can_prefetch(&w->source_driver);
	case ACTOR_POSTER:
		return driver_can_post(&w->source_driver);
	case ACTOR_DISCONNECT:
		return w->hang_up && !w->disconnected;
	case ACTORS:
		break;
	}
	return false;
}

static void act(struct world *w, enum actor actor)
{
	switch (actor) {
	case ACTOR_EXECUTE:
		nic_execute(w, &w->nic.source);
		break;
	case ACTOR_COMPLETE:
		nic_complete(w, &w->nic.source);
		break;
	case ACTOR_DESTINATION_EXECUTE:
		nic_execute(w, &w->nic.destination);
		break;
	case ACTOR_DESTINATION_COMPLETE:
		nic_complete(w, &w->nic.destination);
		break;
	case ACTOR_DESTINATION:
		qemu_destination_act(w);
		break;
	case ACTOR_PROGRESS:
		driver_listen(&w->source_driver);
		break;
	case ACTOR_AHEAD:
		driver_prefetch(&w->source_driver);
		break;
	case ACTOR_POSTER:
		driver_post(&w->source_driver);
		break;
	case ACTOR_DISCONNECT:
		world_trace(w, "cm", "the destination has hung up");
		w->disconnected = true;
		conn_disconnected(w->source_driver.conn);
		driver_run(&w->source_driver);
		break;
	case ACTORS:
		break;
	}
}

bool world_step(struct world *w)
{
	unsigned int sum = 0, able = 0, n;

	world_expect(w, ++w->steps < STEPS_MAX, "no end is in sight");
	/* Sixteen different steps, in an order that no draw is taken for. */
	w->clock += w->settings.tick_ns * (1 + (w->steps * 2654435761u >> 28));
	discard_step(w);
	strike(w);
	for (unsigned int i = 0; i < ACTORS; i++) {
		if (!can_act(w, (enum actor)i))
			continue;
		able |= 1u << i;
		sum += w->weight[i];
	}
	if (!sum)
		return false;
	n = random_below(&w->random, sum);
	for (unsigned int i = 0; i < ACTORS; i++) {
		if (!(able & 1u << i))
			continue;
		if (n < w->weight[i]) {
			act(w, (enum actor)i);
			break;
		}
		n -= w->weight[i];
	}
	return true;
}

/* For a while some are much slower than others, and all than QEMU. */
void schedule_init(struct world *w)
{
	for (unsigned int i = 0; i < ACTORS; i++)
		w->weight[i] = 1u << 2 * random_below(&w->random, 5);
	w->pace = RANDOM_OF(&w->random, 2, 2, 10, 50, 200, 500, 900);
	w->period_left = 1 + random_below(&w->random, 1000);
}

void world_yield(struct world *w)
{
	if (!w->period_left--)
		schedule_init(w);
	if (random_percent(&w->random, w->settings.guest_percent))
		guest_write(w);
	discard_step(w);
	while (random_below(&w->random, 1000) < w->pace)
		if (!world_step(w))
			break;
}
