# SPDX-License-Identifier: GPL-2.0-or-later
bin_PROGRAMS += tools/launcher/rdmachunk
tools_launcher_rdmachunk_SOURCES = \
	src/util/attach_abi.h \
	src/util/config.c \
	src/util/config.h \
	src/util/version.h \
	tools/attach/arch.h \
	tools/attach/arch_aarch64.c \
	tools/attach/arch_none.c \
	tools/attach/arch_x86_64.c \
	tools/attach/attach.c \
	tools/attach/attach.h \
	tools/attach/checks.c \
	tools/attach/checks.h \
	tools/attach/process.c \
	tools/attach/process.h \
	tools/attach/target.c \
	tools/attach/target.h \
	tools/attach/tracee.c \
	tools/attach/tracee.h \
	tools/launcher/account.c \
	tools/launcher/account.h \
	tools/launcher/check.c \
	tools/launcher/check.h \
	tools/launcher/check_host.c \
	tools/launcher/check_host.h \
	tools/launcher/check_memlock.c \
	tools/launcher/check_memlock.h \
	tools/launcher/check_program.c \
	tools/launcher/check_program.h \
	tools/launcher/cpr.c \
	tools/launcher/cpr.h \
	tools/launcher/elf_deps.c \
	tools/launcher/elf_deps.h \
	tools/launcher/elf_file.c \
	tools/launcher/elf_file.h \
	tools/launcher/findings.c \
	tools/launcher/findings.h \
	tools/launcher/guest.c \
	tools/launcher/guest.h \
	tools/launcher/json_text.c \
	tools/launcher/json_text.h \
	tools/launcher/library.c \
	tools/launcher/library.h \
	tools/launcher/options.c \
	tools/launcher/options.h \
	tools/launcher/output_file.c \
	tools/launcher/output_file.h \
	tools/launcher/preload.c \
	tools/launcher/preload.h \
	tools/launcher/print.c \
	tools/launcher/print.h \
	tools/launcher/probe.c \
	tools/launcher/probe.h \
	tools/launcher/proc.c \
	tools/launcher/proc.h \
	tools/launcher/rdma_device.c \
	tools/launcher/rdma_device.h \
	tools/launcher/rdmachunk.c \
	tools/launcher/target.c \
	tools/launcher/target.h \
	tools/launcher/ways.c \
	tools/launcher/ways.h \
	src/util/error_text.c \
	src/util/error_text.h \
	src/util/figures.c \
	src/util/figures.h \
	src/util/guest_name.c \
	src/util/guest_name.h \
	src/util/output_file.c \
	src/util/output_file.h \
	src/util/printable.c \
	src/util/printable.h \
	src/util/spawn.c \
	src/util/spawn.h \
	src/util/switch_file.c \
	src/util/condition.c \
	src/util/switch_file.h \
	tools/status/json.c \
	tools/status/output.h \
	tools/status/prometheus.c \
	tools/status/qemu.c \
	tools/status/qemu.h \
	tools/status/status.c \
	tools/status/status.h \
	tools/status/text.c
tools_launcher_rdmachunk_CPPFLAGS = $(AM_CPPFLAGS) -I$(top_srcdir)/tools
tools_launcher_rdmachunk_CFLAGS = $(AM_CFLAGS) $(PTHREAD_CFLAGS) \
	-DLIBRARY_PATH='"$(libdir)/librdmachunk.so"'
tools_launcher_rdmachunk_LDADD = $(DL_LIBS) $(PTHREAD_LIBS)

# The same script under each name that a manager may want: the path of an emulator goes to the other
# host with a guest, so it has to be the same wherever $(libdir) is.
emulatorsdir = $(prefix)/lib/rdmachunk
emulators = qemu-kvm qemu-system-aarch64 qemu-system-x86_64
nodist_emulators_SCRIPTS = $(emulators:%=tools/launcher/emulators/%)
EXTRA_DIST += tools/launcher/emulator.in
CLEANFILES += $(nodist_emulators_SCRIPTS)

$(nodist_emulators_SCRIPTS): tools/launcher/emulator.in Makefile
	$(AM_V_GEN)$(MKDIR_P) $(@D) && \
		sed 's|[@]libdir@|$(libdir)|' $(srcdir)/tools/launcher/emulator.in >$@.new && \
		chmod +x $@.new && mv $@.new $@
