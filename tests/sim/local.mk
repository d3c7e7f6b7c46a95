# SPDX-License-Identifier: GPL-2.0-or-later

# The core itself, with nothing but calls between its files wrapped, so that a
# fault can be put into one: see tests/sim/mutate.h.
check_PROGRAMS += tests/sim/sim tests/sim/sim-small
TESTS += tests/sim/test-sim
EXTRA_DIST += tests/sim/test-sim

tests_sim_sim_SOURCES = $(core_sources) $(model_sources) \
	tests/sim/interpose.c tests/sim/interpose.h \
	tests/sim/migration.c tests/sim/migration.h \
	tests/sim/mutate.c tests/sim/mutate.h \
	tests/sim/schedule.c tests/sim/schedule.h \
	tests/sim/seed.c tests/sim/seed.h \
	tests/sim/sim.c \
	tests/sim/totals.c tests/sim/totals.h
tests_sim_sim_CFLAGS = $(AM_CFLAGS) -O3 -I$(srcdir)/tests/model $(TEST_CFLAGS) \
	-DEXTENT_MAP_LEAF=8
tests_sim_sim_LDFLAGS = \
	-Wl,--wrap=conn_done \
	-Wl,--wrap=conn_has \
	-Wl,--wrap=conn_next \
	-Wl,--wrap=discard_map_reset \
	-Wl,--wrap=discard_map_round \
	-Wl,--wrap=discard_map_test \
	-Wl,--wrap=nic_post_send \
	-Wl,--wrap=order_batch \
	-Wl,--wrap=order_completed \
	-Wl,--wrap=order_flush \
	-Wl,--wrap=order_ready \
	-Wl,--wrap=order_write \
	-Wl,--wrap=ram_blocks_discard \
	-Wl,--wrap=malloc \
	-Wl,--wrap=prefetch_find \
	-Wl,--wrap=registration_end \
	-Wl,--wrap=registration_get \
	-Wl,--wrap=registration_renew \
	-Wl,--wrap=source_prefetch_local \
	-Wl,--wrap=source_prefetched \
	-Wl,--wrap=wire_build_register_request \
	-Wl,--wrap=write_queue_push \
	-Wl,--wrap=zero_queue_fences

# With queues so short that they are full all the time, and extents that are in many leaves.
tests_sim_sim_small_SOURCES = $(tests_sim_sim_SOURCES)
tests_sim_sim_small_CFLAGS = $(tests_sim_sim_CFLAGS) -UEXTENT_MAP_LEAF -DEXTENT_MAP_LEAF=3 -DORDER_WINDOW_WRITES=24 \
	-DORDER_BATCH=8 -DORDER_SEND_QUEUE=24 -DORDER_UNSIGNALED=5 -DPLAN_PART=1048576 \
	-DORDER_WINDOW_BYTES=33554432 -DORDER_WINDOW_TAIL=33554432 \
	-DPREFETCH_TAIL_BYTES=33554432 \
	-DPIECE_FIRST=1048576 -DPIECE_LEAST=2097152 -DDESTINATION_VAIN_PART=2 -DDESTINATION_AHEAD_PART=1
tests_sim_sim_small_LDFLAGS = $(tests_sim_sim_LDFLAGS)
