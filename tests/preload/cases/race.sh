# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash disable=SC2154 # variables of run-tests
# Threads that meet in the shim. What these do wrong mostly shows under ThreadSanitizer alone: the
# check runs them so, too.

nothing_is_left()
{
	must_exit shim 0
	must_be_silent shim
	one_line shim.out '^live: contexts 0 pds 0 mrs 0 channels 0 cqs 0 qps 0 ids 0$'
}

case_race_polls_of_a_session_that_ends()
{
	run_shim "$client" polls 50
	nothing_is_left
}

case_race_a_device_is_closed()
{
	run_shim "$client" contexts 50
	nothing_is_left
}
