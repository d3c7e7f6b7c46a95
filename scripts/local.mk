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
	scripts/commands/matrix.sh \
	scripts/commands/package.sh \
	scripts/commands/sim.sh \
	scripts/enter-root \
	scripts/lib/build.sh \
	scripts/lib/guest.sh \
	scripts/lib/messages.sh \
	scripts/lib/packages.sh \
	scripts/lib/progress.sh \
	scripts/lib/roots.sh \
	scripts/lib/steps.sh \
	scripts/lint.mk \
	scripts/package-job \
	scripts/model-table \
	scripts/seed-table \
	scripts/spelling \
	scripts/structure
EXTRA_DIST += \
	debian/changelog \
	debian/control \
	debian/copyright \
	debian/rdmachunk.docs \
	debian/rdmachunk.lintian-overrides \
	debian/rdmachunk.triggers \
	debian/rules \
	debian/source/format \
	debian/tests/control \
	debian/tests/migrate \
	packaging/rdmachunk.spec \
	packaging/rpmlint.toml
