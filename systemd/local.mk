# SPDX-License-Identifier: GPL-2.0-or-later
#
# Examples: a site has units of its own, and the drop-in goes where they are.
examplesdir = $(docdir)/examples/systemd
dist_examples_DATA = systemd/qemu@.service systemd/rdmachunk.default
dropindir = $(examplesdir)/qemu@.service.d
dropin_DATA = systemd/qemu@.service.d/rdmachunk.conf
EXTRA_DIST += systemd/qemu@.service.d/rdmachunk.conf.in
CLEANFILES += systemd/qemu@.service.d/rdmachunk.conf

# $(libdir) is known to make only.
systemd/qemu@.service.d/rdmachunk.conf: systemd/qemu@.service.d/rdmachunk.conf.in Makefile
	$(AM_V_GEN)$(MKDIR_P) $(@D) && \
		sed 's|[@]libdir@|$(libdir)|' $(srcdir)/systemd/qemu@.service.d/rdmachunk.conf.in >$@.new && \
		mv $@.new $@
