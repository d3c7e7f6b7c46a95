# SPDX-License-Identifier: GPL-2.0-or-later

# QEMU's two ends, NICs and a driver of the core: see tests/model/world.h for what is left to
# whoever uses them.
model_sources = \
	tests/model/destination_slots.c tests/model/destination_slots.h \
	tests/model/discard.c tests/model/discard.h \
	tests/model/driver.c tests/model/driver.h \
	tests/model/driver_mr.c tests/model/driver_mr.h \
	tests/model/extents.c tests/model/extents.h \
	tests/model/guest.c tests/model/guest.h \
	tests/model/memory.c tests/model/memory.h \
	tests/model/message.h \
	tests/model/nic.c tests/model/nic.h \
	tests/model/qemu_destination.c tests/model/qemu_destination.h \
	tests/model/qemu_exchange.c tests/model/qemu_exchange.h \
	tests/model/qemu_source.c tests/model/qemu_source.h \
	tests/model/random.h \
	tests/model/rules.c tests/model/rules.h \
	tests/model/world.c tests/model/world.h
