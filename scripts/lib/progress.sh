# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
#
# What a person who waits is told: what is done, how long that takes, and that it goes on.

# A line at least every so many seconds.
PROGRESS_SECONDS=${RDMATEST_PROGRESS_SECONDS:-25}

# progress_watch NAME LOG: until it is killed, or ./run ends: says each PROGRESS_SECONDS that NAME goes on,
# and the last line of LOG. Has no process of its own that would keep a pipe open.
progress_watch() {
	local name=$1 log=$2 start=$SECONDS said=$SECONDS never last

	exec {never}<> <(:)
	while ! read -r -t 1 -u "$never"; do
		kill -0 $$ 2>/dev/null || return
		[ $((SECONDS - said)) -ge "$PROGRESS_SECONDS" ] || continue
		said=$SECONDS
		last=$(tail -n 1 "$log" 2>/dev/null | tr -d '\000-\037' | cut -c -100)
		printf '... %-11s %d s%s\n' "$name" $((SECONDS - start)) "${last:+: $last}"
	done
}

# phase NAME SECONDS LOG TEXT COMMAND...: does it, and says what is done and how long that took last time:
# on this machine, else SECONDS, as on two processors. What the command says of itself is in LOG, or on
# the screen.
phase() {
	local name=$1 seconds=$2 log=$3 text=$4 file=$BUILD_DIR/times/$1 start=$SECONDS status=0 watcher
	shift 4

	if [ -s "$file" ]; then
		say "$text ($(cat "$file") s last time)"
	else
		say "$text (about $seconds s)"
	fi
	progress_watch "$name" "$log" &
	watcher=$!
	"$@" || status=$?
	kill "$watcher" 2>/dev/null
	wait "$watcher" 2>/dev/null || :
	if [ "$status" -eq 0 ]; then
		mkdir -p "$BUILD_DIR/times"
		echo $((SECONDS - start)) >"$file"
		say "$name: $((SECONDS - start)) s"
	fi
	return "$status"
}
