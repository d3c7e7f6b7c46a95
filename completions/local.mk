# SPDX-License-Identifier: GPL-2.0-or-later
bashcompletiondir = $(datadir)/bash-completion/completions
dist_bashcompletion_DATA = completions/rdmachunk
# It goes with its program; make dist takes it along all the same.
if HAVE_JSONC
dist_bashcompletion_DATA += completions/rdmachunk-ab
else
EXTRA_DIST += completions/rdmachunk-ab
endif
