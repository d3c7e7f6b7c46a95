# SPDX-License-Identifier: GPL-2.0-or-later
EXTRA_DIST += \
	.ci/run \
	scripts/bench-job \
	scripts/commands/bench.sh \
	scripts/commands/build.sh \
	scripts/commands/check.sh \
	scripts/commands/clean.sh \
	scripts/commands/coverage.sh \
	scripts/commands/demo.sh \
	scripts/commands/fuzz.sh \
	scripts/commands/sim.sh \
	scripts/lib/build.sh \
	scripts/lib/guest.sh \
	scripts/lib/messages.sh \
	scripts/lib/packages.sh \
	scripts/lib/roots.sh \
	scripts/lib/steps.sh \
	scripts/lint.mk \
	scripts/model-table \
	scripts/seed-table \
	scripts/structure
