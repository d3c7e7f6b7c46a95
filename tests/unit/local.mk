# SPDX-License-Identifier: GPL-2.0-or-later

# One program per module of src/core and src/util, and the part of the engine
# that needs no verbs; all instrumented by --enable-sanitizers and
# --enable-coverage, as is the library of the sources they test.
unit_programs = \
	tests/unit/test_prefetch \
	tests/unit/test_ahead_both \
	tests/unit/test_prefetch_amount \
	tests/unit/test_completion_queue \
	tests/unit/test_config \
	tests/unit/test_conn \
	tests/unit/test_conn_destination \
	tests/unit/test_conn_merging \
	tests/unit/test_conn_mrs \
	tests/unit/test_conn_plan \
	tests/unit/test_conn_prefetch \
	tests/unit/test_conn_recvs \
	tests/unit/test_cpr \
	tests/unit/test_data_run \
	tests/unit/test_destination \
	tests/unit/test_discard_map \
	tests/unit/test_error_text \
	tests/unit/test_extent_map \
	tests/unit/test_failmalloc \
	tests/unit/test_figures \
	tests/unit/test_guest \
	tests/unit/test_guest_name \
	tests/unit/test_log \
	tests/unit/test_lookup \
	tests/unit/test_mapping \
	tests/unit/test_output_file \
	tests/unit/test_piece \
	tests/unit/test_pool \
	tests/unit/test_post_cost \
	tests/unit/test_processors \
	tests/unit/test_rate \
	tests/unit/test_ram_blocks \
	tests/unit/test_recv_queue \
	tests/unit/test_registration \
	tests/unit/test_registration_renew \
	tests/unit/test_send_queue \
	tests/unit/test_sink \
	tests/unit/test_source \
	tests/unit/test_source_held \
	tests/unit/test_source_prefetch \
	tests/unit/test_source_skipped \
	tests/unit/test_switch_file \
	tests/unit/test_order \
	tests/unit/test_order_messages \
	tests/unit/test_order_request \
	tests/unit/test_widen \
	tests/unit/test_wire \
	tests/unit/test_worker \
	tests/unit/test_write_queue \
	tests/unit/test_zero_queue

if HAVE_CHECK
check_LIBRARIES += tests/unit/libcore-test.a
check_PROGRAMS += $(unit_programs)
TESTS += $(unit_programs)
endif

unit_cflags = $(AM_CFLAGS) -I$(srcdir)/tests/model $(TEST_CFLAGS) $(CHECK_CFLAGS)
unit_ldadd = tests/unit/libcore-test.a $(CHECK_LIBS) $(PTHREAD_LIBS)

tests_unit_libcore_test_a_SOURCES = $(core_sources) $(model_sources) $(util_sources) \
	tests/model/still.c \
	src/engine/lookup.c src/engine/lookup.h \
	src/engine/mapping.c src/engine/mapping.h \
	src/engine/worker.c src/engine/worker.h \
	tests/unit/ahead.h \
	tests/unit/bench.c tests/unit/bench.h \
	tests/unit/qp.c tests/unit/qp.h \
	tests/unit/qemu.c tests/unit/qemu.h \
	tests/unit/support.c tests/unit/support.h
tests_unit_libcore_test_a_CFLAGS = $(unit_cflags)

tests_unit_test_prefetch_CFLAGS = $(unit_cflags)
tests_unit_test_prefetch_LDADD = $(unit_ldadd)
tests_unit_test_ahead_both_CFLAGS = $(unit_cflags)
tests_unit_test_ahead_both_LDADD = $(unit_ldadd)
tests_unit_test_prefetch_amount_CFLAGS = $(unit_cflags)
tests_unit_test_prefetch_amount_LDADD = $(unit_ldadd)
tests_unit_test_completion_queue_CFLAGS = $(unit_cflags)
tests_unit_test_completion_queue_LDADD = $(unit_ldadd)
tests_unit_test_config_CFLAGS = $(unit_cflags)
tests_unit_test_config_LDADD = $(unit_ldadd)
tests_unit_test_conn_CFLAGS = $(unit_cflags)
tests_unit_test_conn_LDADD = $(unit_ldadd)
tests_unit_test_conn_destination_CFLAGS = $(unit_cflags)
tests_unit_test_conn_destination_LDADD = $(unit_ldadd)
tests_unit_test_conn_merging_CFLAGS = $(unit_cflags)
tests_unit_test_conn_merging_LDADD = $(unit_ldadd)
tests_unit_test_conn_mrs_CFLAGS = $(unit_cflags)
tests_unit_test_conn_mrs_LDADD = $(unit_ldadd)
tests_unit_test_conn_plan_CFLAGS = $(unit_cflags)
tests_unit_test_conn_plan_LDADD = $(unit_ldadd)
tests_unit_test_conn_prefetch_CFLAGS = $(unit_cflags)
tests_unit_test_conn_prefetch_LDADD = $(unit_ldadd)
tests_unit_test_conn_recvs_CFLAGS = $(unit_cflags)
tests_unit_test_conn_recvs_LDADD = $(unit_ldadd)
tests_unit_test_data_run_CFLAGS = $(unit_cflags)
tests_unit_test_data_run_LDADD = $(unit_ldadd)
tests_unit_test_destination_CFLAGS = $(unit_cflags)
tests_unit_test_destination_LDADD = $(unit_ldadd)
tests_unit_test_discard_map_CFLAGS = $(unit_cflags)
tests_unit_test_discard_map_LDADD = $(unit_ldadd)
tests_unit_test_error_text_CFLAGS = $(unit_cflags)
tests_unit_test_error_text_LDADD = $(unit_ldadd)
tests_unit_test_extent_map_CFLAGS = $(unit_cflags)
tests_unit_test_extent_map_LDADD = $(unit_ldadd)
tests_unit_test_failmalloc_CFLAGS = $(unit_cflags)
tests_unit_test_failmalloc_LDADD = $(unit_ldadd)
tests_unit_test_failmalloc_LDFLAGS = \
	-Wl,--wrap=malloc -Wl,--wrap=calloc -Wl,--wrap=realloc -Wl,--wrap=free
tests_unit_test_figures_CFLAGS = $(unit_cflags)
tests_unit_test_figures_LDADD = $(unit_ldadd)
# Of the launcher.
tests_unit_test_cpr_SOURCES = tests/unit/test_cpr.c tools/launcher/cpr.c tools/launcher/cpr.h
tests_unit_test_cpr_CPPFLAGS = $(AM_CPPFLAGS) -I$(top_srcdir)/tools
tests_unit_test_cpr_CFLAGS = $(unit_cflags)
tests_unit_test_cpr_LDADD = $(unit_ldadd)
tests_unit_test_guest_SOURCES = tests/unit/test_guest.c tools/launcher/guest.c tools/launcher/guest.h
tests_unit_test_guest_CPPFLAGS = $(AM_CPPFLAGS) -I$(top_srcdir)/tools
tests_unit_test_guest_CFLAGS = $(unit_cflags)
tests_unit_test_guest_LDADD = $(unit_ldadd)
tests_unit_test_guest_name_CFLAGS = $(unit_cflags)
tests_unit_test_guest_name_LDADD = $(unit_ldadd)
tests_unit_test_log_CFLAGS = $(unit_cflags)
tests_unit_test_log_LDADD = $(unit_ldadd)
tests_unit_test_lookup_CFLAGS = $(unit_cflags)
tests_unit_test_lookup_LDADD = $(unit_ldadd)
tests_unit_test_mapping_CFLAGS = $(unit_cflags)
tests_unit_test_mapping_LDADD = $(unit_ldadd)
tests_unit_test_mapping_LDFLAGS = -Wl,--wrap=fopen
tests_unit_test_output_file_CFLAGS = $(unit_cflags)
tests_unit_test_output_file_LDADD = $(unit_ldadd)
tests_unit_test_piece_CFLAGS = $(unit_cflags)
tests_unit_test_piece_LDADD = $(unit_ldadd)
tests_unit_test_processors_CFLAGS = $(unit_cflags)
tests_unit_test_processors_LDADD = $(unit_ldadd)
tests_unit_test_processors_LDFLAGS = -Wl,--wrap=sysconf
tests_unit_test_rate_CFLAGS = $(unit_cflags)
tests_unit_test_rate_LDADD = $(unit_ldadd)
tests_unit_test_pool_CFLAGS = $(unit_cflags)
tests_unit_test_pool_LDADD = $(unit_ldadd)
tests_unit_test_post_cost_CFLAGS = $(unit_cflags)
tests_unit_test_post_cost_LDADD = $(unit_ldadd)
tests_unit_test_ram_blocks_CFLAGS = $(unit_cflags)
tests_unit_test_ram_blocks_LDADD = $(unit_ldadd)
tests_unit_test_recv_queue_CFLAGS = $(unit_cflags)
tests_unit_test_recv_queue_LDADD = $(unit_ldadd)
tests_unit_test_registration_CFLAGS = $(unit_cflags)
tests_unit_test_registration_LDADD = $(unit_ldadd)
tests_unit_test_registration_renew_CFLAGS = $(unit_cflags)
tests_unit_test_registration_renew_LDADD = $(unit_ldadd)
tests_unit_test_send_queue_CFLAGS = $(unit_cflags)
tests_unit_test_send_queue_LDADD = $(unit_ldadd)
tests_unit_test_sink_CFLAGS = $(unit_cflags)
tests_unit_test_sink_LDADD = $(unit_ldadd)
tests_unit_test_sink_LDFLAGS = -Wl,--wrap=pthread_create
tests_unit_test_source_CFLAGS = $(unit_cflags)
tests_unit_test_source_LDADD = $(unit_ldadd)
tests_unit_test_source_held_CFLAGS = $(unit_cflags)
tests_unit_test_source_held_LDADD = $(unit_ldadd)
tests_unit_test_source_prefetch_CFLAGS = $(unit_cflags)
tests_unit_test_source_prefetch_LDADD = $(unit_ldadd)
tests_unit_test_source_skipped_CFLAGS = $(unit_cflags)
tests_unit_test_source_skipped_LDADD = $(unit_ldadd)
tests_unit_test_order_CFLAGS = $(unit_cflags)
tests_unit_test_order_LDADD = $(unit_ldadd)
tests_unit_test_order_messages_CFLAGS = $(unit_cflags)
tests_unit_test_order_messages_LDADD = $(unit_ldadd)
tests_unit_test_order_request_CFLAGS = $(unit_cflags)
tests_unit_test_order_request_LDADD = $(unit_ldadd)
tests_unit_test_switch_file_CFLAGS = $(unit_cflags)
tests_unit_test_switch_file_LDADD = $(unit_ldadd)
tests_unit_test_switch_file_LDFLAGS = -Wl,--wrap=open
tests_unit_test_widen_CFLAGS = $(unit_cflags)
tests_unit_test_widen_LDADD = $(unit_ldadd)
tests_unit_test_wire_CFLAGS = $(unit_cflags)
tests_unit_test_wire_LDADD = $(unit_ldadd)
tests_unit_test_worker_CFLAGS = $(unit_cflags)
tests_unit_test_worker_LDADD = $(unit_ldadd)
tests_unit_test_write_queue_CFLAGS = $(unit_cflags)
tests_unit_test_write_queue_LDADD = $(unit_ldadd)
tests_unit_test_zero_queue_CFLAGS = $(unit_cflags)
tests_unit_test_zero_queue_LDADD = $(unit_ldadd)
