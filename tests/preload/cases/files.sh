# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash disable=SC2154 # variables of run-tests
# The files that RDMACHUNK_STATS and RDMACHUNK_LOG_FILE name, and standard error:
# whatever they are, the program goes on, and ends, as it would without them.

migrate=("$client" migrate 192.0.2.7 source destination)
others=$build/tests/preload/.libs

# Makes something of each kind that is not a file to write to: its path and what is wrong with it
make_kinds()
{
	mkfifo fifo full-fifo
	mkdir directory
	echo untouched >target
	ln -s target link
	ln -s nowhere dangling
	cp "$client" running
	# shellcheck disable=SC2034 # open, so that it stays full
	exec {full}<>full-fifo
	dd if=/dev/zero of=full-fifo bs=4096 oflag=nonblock 2>/dev/null || true
	kinds=(
		"$PWD/fifo|is a FIFO"
		"$PWD/full-fifo|is a FIFO"
		"$PWD/directory|is a directory"
		"$PWD/link|is a symbolic link"
		"$PWD/dangling|is a symbolic link"
		"/dev/full|is a device"
		"/dev/null|is a device"
		"/nonexistent/file|No such file or directory"
		"$PWD/target/file|Not a directory"
		"$PWD/running|Text file busy"
		"$PWD/$(printf 'x%.0s' {1..300})|File name too long"
	)
}

# for_each_kind VARIABLE REGEX: one line on standard error, naming the variable, the value, what
# is wrong and what is allowed
for_each_kind()
{
	local kind path why

	make_kinds
	migrate[0]=$PWD/running
	run_bare "${migrate[@]}"
	for kind in "${kinds[@]}"; do
		path=${kind%|*}
		why=${kind#*|}
		run_shim "$1=$path" "${migrate[@]}"
		must_exit shim 0
		one_line shim.err "^rdmachunk: $1=${path::200}: $why; $2\$"
		sed 's/^requests [0-9]*/requests N/' bare.out >bare.seen
		sed 's/^requests [0-9]*/requests N/' shim.out >shim.seen
		same bare.seen shim.seen "standard output with $path"
		[[ $(<target) == untouched && ! -e nowhere ]] || fail "written through a link"
		cmp -s "$client" running || fail "written to a program that runs"
	done
}

case_files_stats_of_another_kind()
{
	for_each_kind RDMACHUNK_STATS \
		'statistics are lost: use the path of a regular file that can be written, or stderr'
}

case_files_log_of_another_kind()
{
	for_each_kind RDMACHUNK_LOG_FILE \
		'logging to standard error: use the path of a regular file that can be written'
}

# What would have gone to the log file is on standard error then, in its order.
case_files_log_goes_to_standard_error()
{
	mkfifo fifo
	run_shim RDMACHUNK_LOG=info RDMACHUNK_LOG_FILE="$PWD/fifo" "$client" migrate 192.0.2.7 \
		source destination
	must_exit shim 0
	sed 's/^rdmachunk: \([^ ,]*\).*/\1/' shim.err >said
	printf '%s\n' "RDMACHUNK_LOG_FILE=$PWD/fifo:" source source destination destination >expected
	same expected said "standard error"
}

case_files_stats_without_permission()
{
	need setpriv util-linux
	[[ $(id -u) == 0 ]] || skip "only root can become somebody else: run as root"
	chmod 755 .
	cp "$client" "$shim" "$fakes"/lib*.so.1 .
	setpriv --reuid=65534 --clear-groups test -x "$PWD/${client##*/}" ||
		skip "another user cannot come here: set TMPDIR to a place where he can"
	run shim -u FAKE_LOG setpriv --reuid=65534 --clear-groups env LD_LIBRARY_PATH="$PWD" \
		LD_PRELOAD="$PWD/librdmachunk.so" RDMACHUNK_STATS="$PWD/stats" \
		"$PWD/${client##*/}" migrate 192.0.2.7 source
	must_exit shim 0
	one_line shim.err "^rdmachunk: RDMACHUNK_STATS=$PWD/stats: Permission denied; "
}

# No more than 4 KiB: the line does not fit, nor what is left of it.
case_files_stats_cut_short()
{
	printf '%4000s\n' x >stats
	(
		ulimit -f 4
		run shim -u FAKE_LOG LD_LIBRARY_PATH="$fakes" LD_PRELOAD="$shim" \
			RDMACHUNK_STATS="$PWD/stats" "${migrate[@]}"
	)
	must_exit shim 0
	one_line shim.err "^rdmachunk: RDMACHUNK_STATS=$PWD/stats: File too large; statistics are lost"
	[[ $(stat -c %s stats) == 4096 ]] || fail "the file has $(stat -c %s stats) bytes"
}

# hangs WHAT VARIABLE: the program ends all the same, and says why there are no lines
hangs()
{
	run shim LD_LIBRARY_PATH="$fakes" LD_PRELOAD="$shim $others/libhang.so" \
		"$1=$PWD/file" "$2=$PWD/file" RDMACHUNK_LOG=info "${@:3}" "${migrate[@]}"
	must_exit shim 0
	grep -v ' of a migration, peer ' shim.err >said || fail "nothing is said: $(<shim.err)"
	one_line said "^rdmachunk: $2=$PWD/file: it takes too long to write; "
	[[ ! -s file ]] || fail "what should hang did not"
}

case_files_that_hang()
{
	local what variable

	run shim LD_LIBRARY_PATH="$fakes" LD_PRELOAD="$shim $others/libhang.so" \
		RDMACHUNK_STATS="$PWD/stats" "${migrate[@]}"
	must_exit shim 0
	must_be_silent shim
	[[ $(wc -l <stats) == 2 ]] || fail "two lines, if nothing hangs: $(<stats)"
	for what in HANG_OPEN HANG_WRITE; do
		for variable in RDMACHUNK_STATS RDMACHUNK_LOG_FILE; do
			hangs $what $variable
		done
	done
	# Said once for each connection, and the migration is made as if there were none.
	echo off >switch
	run shim LD_LIBRARY_PATH="$fakes" LD_PRELOAD="$shim $others/libhang.so" HANG_OPEN="$PWD/switch" \
		RDMACHUNK_SWITCH_FILE="$PWD/switch" "${migrate[@]}"
	must_exit shim 0
	[[ $(count "^rdmachunk: RDMACHUNK_SWITCH_FILE=$PWD/switch: it takes too long to read; taking part: " \
		shim.err) == 2 && $(wc -l <shim.err) == 2 ]] || fail "$(<shim.err)"
}

# with_stderr NAME COMMAND... : standard error is file descriptor $err; $err_why says what it is
with_stderr()
{
	local name=$1

	: >"$name.log"
	env FAKE_LOG="$PWD/$name.log" timeout "$limit" env LD_LIBRARY_PATH="$fakes" "${@:2}" \
		>"$name.out" 2>&"$err" </dev/null && echo 0 >"$name.rc" || echo $? >"$name.rc"
	: >"$name.err"
	[[ $(<"$name.rc") == 0 ]] || fail "exit status $(<"$name.rc") where standard error is $err_why"
}

both_to_stderr()
{
	with_stderr bare "${migrate[@]}"
	with_stderr shim LD_PRELOAD="$shim" RDMACHUNK_STATS=stderr RDMACHUNK_LOG=debug \
		RDMACHUNK_FOO=1 "${migrate[@]}"
	sed 's/^requests [0-9]*/requests N/' bare.out >bare.seen
	sed 's/^requests [0-9]*/requests N/' shim.out >shim.seen
	same bare.seen shim.seen "standard output where standard error is $err_why"
}

case_files_standard_error_that_nobody_reads()
{
	mkfifo pipe
	exec {err}<>pipe
	dd if=/dev/zero of=pipe bs=4096 oflag=nonblock 2>/dev/null || true
	err_why="a pipe that is full"
	both_to_stderr
}

case_files_standard_error_without_a_reader()
{
	local reader

	mkfifo pipe
	exec {reader}<>pipe
	exec {err}>pipe
	exec {reader}<&-
	err_why="a pipe without a reader"
	both_to_stderr
	exec {err}<&-
	err=-
	err_why=closed
	both_to_stderr
}

# stats_lines N: so many lines, all of JSON
stats_lines()
{
	[[ -e stats ]] || fail "no statistics at all"
	[[ $(wc -l <stats) == "$1" ]] || fail "not $1 lines but $(wc -l <stats): $(head -c 300 stats)"
	[[ $(jq -c . stats | wc -l) == "$1" ]] || fail "no JSON: $(<stats)"
}

# 8 of 8: without the module's own end the line was never there
case_files_stats_of_a_program_that_quits()
{
	need jq
	for _ in {1..8}; do
		rm -f stats
		run_shim RDMACHUNK_STATS="$PWD/stats" "$client" quit connected
		must_exit shim 0
		must_be_silent shim
		stats_lines 2
		[[ $(jq -r .role stats | sort | tr '\n' ' ') == "destination source " ]] || fail "$(<stats)"
		jq -se 'map(select(.role == "source"))[0] | .writes == 1 and .state == "active"' stats \
			>/dev/null || fail "$(<stats)"
	done
	run_shim RDMACHUNK_STATS=stderr "$client" quit connected
	must_exit shim 0
	cp shim.err stats
	stats_lines 2
}

# One line each: closed, disconnected, still connected
case_files_stats_are_told_once()
{
	need jq
	run_shim RDMACHUNK_STATS="$PWD/stats" "$client" quit mixed
	must_exit shim 0
	must_be_silent shim
	stats_lines 3
}

case_files_stats_when_it_disconnects()
{
	need jq
	run_shim RDMACHUNK_STATS="$PWD/stats" "$client" quit disconnected
	must_exit shim 0
	must_be_silent shim
	stats_lines 1
}

# Its session's lock is held, and will be.
case_files_stats_of_a_busy_connection()
{
	run_shim RDMACHUNK_STATS="$PWD/stats" RDMACHUNK_SHIFT=20 "$client" quit busy
	must_exit shim 0
	one_line shim.err "^rdmachunk: RDMACHUNK_STATS=$PWD/stats: a connection is busy at exit"
	[[ ! -s stats ]] || fail "$(<stats)"
}

# The parent's connection, which is busy for ever in the child, is none of the child's.
case_files_stats_of_a_child()
{
	need jq
	run_shim RDMACHUNK_STATS="$PWD/stats" RDMACHUNK_SHIFT=20 "$client" quit forked
	must_exit shim 0
	must_be_silent shim
	jq -es 'length == 1 and .[0].outcome == "unfinished"' stats >/dev/null || fail "statistics: $(<stats)"
}
