# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
#
# Steps of a check: each is a function step_NAME whose output goes to a log of its own; what it says
# of tests passed, failed and skipped is added up.

STEPS_DIR=$BUILD_DIR/check

# step_counts LOG: prints PASSED FAILED SKIPPED of the tests that the log tells of, or nothing when
# it tells of none. Totals of these two forms are added up:
#   N passed, N failed, N skipped
#   100%: Checks: N, Failures: N, Errors: N           (the library Check)
# Without any, the first of these that is there counts:
#   a line for each test: "ok NAME", "FAIL NAME why", "SKIP NAME why"
#   automake's summary
step_counts() {
	awk '
	/^[0-9]+ passed, [0-9]+ failed, [0-9]+ skipped$/ { totals = 1; p += $1; f += $3; s += $5 }
	/^[0-9]+%: Checks: [0-9]+, Failures: [0-9]+, Errors: [0-9]+$/ {
		totals = 1; p += $3 - $5 - $7; f += $5 + $7
	}
	/^ok [^ ]/ { lines = 1; lp++ }
	/^FAIL [^ ]/ { lines = 1; lf++ }
	/^(SKIP|skip) [^ ]/ { lines = 1; ls++ }
	/^Testsuite summary/ { automake = 1; summary = 1 }
	/^(make|--)/ { summary = 0 }
	summary && /^# (PASS|XFAIL):/ { ap += $3 }
	summary && /^# (FAIL|XPASS|ERROR):/ { af += $3 }
	summary && /^# SKIP:/ { as += $3 }
	END {
		if (totals) print p + 0, f + 0, s + 0
		else if (lines) print lp + 0, lf + 0, ls + 0
		else if (automake) print ap + 0, af + 0, as + 0
	}' "$1"
}

# step_result STATUS LOG KIND: prints PASSED FAILED SKIPPED of a step that has ended. A step of the
# kind `single' is itself the test; one of the kind `tests' must tell of some that passed.
step_result() {
	local status=$1 log=$2 kind=$3 passed failed skipped counts=

	[ "$kind" = single ] || counts=$(step_counts "$log")
	if [ -n "$counts" ]; then
		read -r passed failed skipped <<<"$counts"
		# All skipped is no success of a step that has to run.
		if [ "$failed" -eq 0 ] && { [ "$status" -ne 0 ] || [ "$passed" -eq 0 ]; }; then
			failed=1
		fi
		echo "$passed $failed $skipped"
	elif [ "$status" -eq 0 ] && [ "$kind" = single ]; then
		echo 1 0 0
	elif [ "$status" -eq 77 ] && [ "$kind" = single ]; then
		echo 0 0 1
	else
		echo 0 1 0
	fi
}

# show_failure LOG: what of it tells most: the first lines that name a failure, and its end.
show_failure() {
	if grep -nE '^FAIL:? |: error: |:[FE]:' "$1" | head -n 20 | grep .; then
		echo "..."
		tail -n 10 "$1"
	else
		tail -n 40 "$1"
	fi
}

# step_failures STATUS LOG KIND: each test that failed, with its reason, in a line: as tests say it ("FAIL
# NAME: why"), as Check does, as automake does; of a step that is the test, and of one that failed without
# saying so, the line that tells most.
step_failures() {
	local status=$1 log=$2 kind=$3 found

	found=$(sed -nE -e 's/^FAIL:? +([^ ].*)$/\1/p' \
		-e 's/^([^ :]+):([0-9]+):[FE]:[^:]*:([^:]*):[0-9]+: (.*)/\3: \4 (\1:\2)/p' "$log")
	if [ "$kind" = single ] || [ -z "$found" ]; then
		found=$(grep -E ': (fatal )?error: |: Assertion|^make.*\*\*\* ' "$log" | head -n 1) || :
		[ -n "$found" ] || found=$(grep -v '^[[:space:]]*$' "$log" | tail -n 1) || :
		found="exit status $status${found:+: $found}"
	fi
	# Automake's summary tells once more, without a reason.
	awk '{ name = $1; sub(/:$/, "", name) } !(name in seen) || NF > 1 { seen[name]; print }' <<<"$found" |
		cut -c -300
}

# step_skips LOG: each test that was not run, with the reason.
step_skips() {
	sed -nE 's/^(SKIP|skip):? +([^ ].*)$/\2/p' "$1" | sort -u | cut -c -300
}

# tell_step NAME KIND SIZE: what failed and what was not run in it, where all of it is and what repeats it;
# nothing when all has passed. SIZE is the check's: quick, check or full.
tell_step() {
	local name=$1 kind=$2 size=$3 log=$STEPS_DIR/$1.log status=none passed=0 failed=1 skipped=0

	[ ! -e "$STEPS_DIR/$name.result" ] || read -r passed failed skipped <"$STEPS_DIR/$name.result"
	[ ! -e "$STEPS_DIR/$name.status" ] || read -r status <"$STEPS_DIR/$name.status"
	if [ "$failed" -gt 0 ]; then
		if [ "$status" = none ]; then
			say "failed: $name: it did not come to its end"
		else
			step_failures "$status" "$log" "$kind" | sed "s/^/failed: $name: /"
		fi
		say "    log: $log"
		say "    again: ./run check$([ "$size" = check ] || echo " $size") $name"
	fi
	if [ "$skipped" -gt 0 ]; then
		step_skips "$log" | sed "s/^/skipped: $name: /"
	fi
}

# run_step NAME KIND TITLE: runs step_NAME, prints a line before and one after it, and the end of the
# log when it failed.
run_step() {
	local name=$1 kind=$2 title=$3 log=$STEPS_DIR/$1.log
	local start=$SECONDS status=0 passed failed skipped step watcher

	printf -- '--> %-11s %s\n' "$name" "$title"
	# Not in a condition, where `set -e' would not hold.
	(
		set -e
		"step_$name"
	) >"$log" 2>&1 </dev/null &
	step=$!
	progress_watch "$name" "$log" &
	watcher=$!
	wait "$step" || status=$?
	kill "$watcher" 2>/dev/null
	wait "$watcher" 2>/dev/null || :
	read -r passed failed skipped < <(step_result "$status" "$log" "$kind")
	echo "$status" >"$STEPS_DIR/$name.status"
	echo "$passed $failed $skipped" >"$STEPS_DIR/$name.result"
	if [ "$failed" -gt 0 ]; then
		printf '%s\n<-- %-11s FAILED after %d s: %d passed, %d failed, %d skipped (%s)\n' \
			"$(show_failure "$log" | sed 's/^/    | /')" \
			"$name" $((SECONDS - start)) "$passed" "$failed" "$skipped" "$log"
	else
		printf '<-- %-11s %d s: %d passed, %d failed, %d skipped\n' \
			"$name" $((SECONDS - start)) "$passed" "$failed" "$skipped"
	fi
}

# The process groups of lanes that run.
lanes=()

end_lanes() {
	local lane

	for lane in "${lanes[@]}"; do
		kill -TERM -- "-$lane" 2>/dev/null || :
	done
	lanes=()
}

# start_lane COMMAND...: in the background, in a process group of its own, so that an interrupt can
# end all of it.
start_lane() {
	set -m
	(
		set +m
		"$@"
	) </dev/null &
	lanes+=($!)
	set +m
}

wait_lanes() {
	local lane

	for lane in "${lanes[@]}"; do
		wait "$lane" || :
	done
	lanes=()
}

# steps_total NAME...: the sum, as one line; fails when anything has failed. A step without a result
# did not come to its end.
steps_total() {
	local name passed=0 failed=0 skipped=0 p f s

	for name; do
		p=0 f=1 s=0
		[ ! -e "$STEPS_DIR/$name.result" ] || read -r p f s <"$STEPS_DIR/$name.result"
		passed=$((passed + p)) failed=$((failed + f)) skipped=$((skipped + s))
	done
	echo "$passed passed, $failed failed, $skipped skipped"
	[ "$failed" -eq 0 ]
}
