# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash disable=SC2034 # used by the files that source this
#
# Finds an RDMA link that a test can use: state ACTIVE, an IPv4 address on its network device, and
# device nodes that the caller may open. Used on the host and in the guest alike.

# link_ipv4 NETDEV: prints its IPv4 addresses, one a line.
link_ipv4() {
	ip -4 -o addr show dev "$1" 2>/dev/null | sed -n 's|.* inet \([0-9.]*\)/.*|\1|p'
}

# link_gid_of_ipv4 A.B.C.D: the GID that RoCE v2 gives the address, as sysfs writes it.
link_gid_of_ipv4() {
	local IFS=.
	# shellcheck disable=SC2086 # split at the dots
	printf '0000:0000:0000:0000:0000:ffff:%02x%02x:%02x%02x\n' $1
}

# link_nodes_open DEVICE: may the caller open the device nodes?
link_nodes_open() {
	local uverbs

	[ -r /dev/infiniband/rdma_cm ] && [ -w /dev/infiniband/rdma_cm ] || return 1
	for uverbs in /sys/class/infiniband_verbs/uverbs*; do
		[ "$(cat "$uverbs/ibdev" 2>/dev/null)" = "$1" ] || continue
		[ -w "/dev/infiniband/${uverbs##*/}" ] && return 0
	done
	return 1
}

# link_of_gids PORT: looks for a RoCE v2 GID made of an IPv4 address of the GID's network device.
# Sets LINK_NETDEV, LINK_ADDR and LINK_GID_INDEX.
link_of_gids() {
	local port=$1 file gid netdev type addr index

	for file in "$port"/gids/*; do
		{ read -r gid <"$file"; } 2>/dev/null || continue
		case $gid in 0000:0000:0000:0000:0000:ffff:*) ;; *) continue ;; esac
		index=${file##*/}
		{ read -r type <"$port/gid_attrs/types/$index"; } 2>/dev/null || continue
		{ read -r netdev <"$port/gid_attrs/ndevs/$index"; } 2>/dev/null || continue
		[ "$type" = "RoCE v2" ] || continue
		for addr in $(link_ipv4 "$netdev"); do
			[ "$(link_gid_of_ipv4 "$addr")" = "$gid" ] || continue
			LINK_NETDEV=$netdev LINK_ADDR=$addr LINK_GID_INDEX=$index
			return 0
		done
	done
	return 1
}

# link_of_parent DEVICE: InfiniBand and iWARP have no such GID; their network device has the same
# parent in sysfs.
link_of_parent() {
	local path addr

	for path in "/sys/class/infiniband/$1"/device/net/*; do
		addr=$(link_ipv4 "${path##*/}" | head -n 1)
		[ -n "$addr" ] || continue
		LINK_NETDEV=${path##*/} LINK_ADDR=$addr LINK_GID_INDEX=0
		return 0
	done
	return 1
}

# Sets LINK_DEVICE, LINK_PORT, LINK_NETDEV, LINK_ADDR and LINK_GID_INDEX; fails when no link will do.
link_find() {
	local port state

	for port in /sys/class/infiniband/*/ports/*; do
		{ read -r state <"$port/state"; } 2>/dev/null || continue
		[ "${state#*: }" = ACTIVE ] || continue
		LINK_DEVICE=${port#/sys/class/infiniband/}
		LINK_DEVICE=${LINK_DEVICE%%/*}
		LINK_PORT=${port##*/}
		link_nodes_open "$LINK_DEVICE" || continue
		link_of_gids "$port" && return 0
		# A RoCE port without such a GID has none yet, or no IPv4 address.
		[ "$(cat "$port/gid_attrs/types/0" 2>/dev/null)" = "RoCE v2" ] && continue
		link_of_parent "$LINK_DEVICE" && return 0
	done
	return 1
}

# link_export WHERE: what the job learns of the link that link_find has found.
link_export() {
	export RDMATEST_WHERE=$1
	export RDMATEST_ADDR=$LINK_ADDR
	export RDMATEST_NETDEV=$LINK_NETDEV
	export RDMATEST_DEVICE=$LINK_DEVICE
	export RDMATEST_PORT=$LINK_PORT
	export RDMATEST_GID_INDEX=$LINK_GID_INDEX
}
