# SPDX-License-Identifier: GPL-2.0-or-later
#
# Static analysis, of what has changed since the last time: make -f scripts/lint.mk OUT=DIR, in the
# source directory. A file that passed has a stamp in DIR. TIDY are more options of clang-tidy.
#
# clang-tidy looks at all C files, as .clang-tidy says. gcc and cppcheck do not see the tests that the
# sanitizers run, nor stand-ins for libraries: memory that these give to others looks leaked.
OUT = _build/lint
TIDY =

sources := $(sort $(shell find src tools man tests -name '*.c'))
analyzed := $(filter-out $(addprefix tests/,$(addsuffix /%,engine fabric fake fuzz model preload sim unit)),$(sources))
shell := $(sort $(shell find run .ci completions debian man scripts src tests -type f ! -name '*.c' ! -name '*.h' \
	-exec awk 'FNR == 1 && (/^\#!.*[ \/](ba|da)?sh$$/ || FILENAME ~ /\.sh$$/) { print FILENAME }; { nextfile }' {} +) \
	$(filter-out %.mk,$(wildcard completions/*)))

libraries := $(shell pkg-config --cflags check json-c libibverbs librdmacm)
flags = -std=gnu11 -D_GNU_SOURCE -Isrc -Itools -Itests -Itests/model $(libraries) -Wall -Wextra -DLIBRARY_PATH='""' \
	-DLIBRDMACHUNK_PATH='""' -DCOUNT_LIBRARY_PATH='""' -DPACKAGE_VERSION='""' -DBUILD_ID='""'

all: $(sources:%=$(OUT)/%.tidy) $(analyzed:%=$(OUT)/%.analyzed) $(OUT)/cppcheck $(OUT)/shellcheck

# What they include, too.
-include $(sources:%=$(OUT)/%.d)

$(OUT)/%.tidy: %
	@mkdir -p $(@D)
	@gcc $(flags) -MM -MP -MT $@ -MT $(OUT)/$*.analyzed -MF $(OUT)/$*.d $<
	@echo "clang-tidy $<"
	@clang-tidy -quiet $(TIDY) $< -- $(flags) >$@.log 2>&1 || { cat $@.log; false; }
	@touch $@

$(OUT)/%.analyzed: %
	@mkdir -p $(@D)
	@echo "gcc -fanalyzer $<"
	@gcc $(flags) -O2 -fanalyzer -Werror -c -o /dev/null $<
	@touch $@

$(sources:%=$(OUT)/%.tidy): $(wildcard .clang-tidy */.clang-tidy) scripts/lint.mk
$(analyzed:%=$(OUT)/%.analyzed): scripts/lint.mk

# readdir_r, which it asks for, is on its way out: readdir has no state but the directory's. The tools
# have one thread each, so getpwnam and getpwuid will do there.
$(OUT)/cppcheck: $(analyzed) $(shell find src tools -name '*.h') scripts/lint.mk
	@mkdir -p $(@D)
	cppcheck --quiet --error-exitcode=1 --std=c11 --library=posix --library=gnu \
		--enable=warning,performance,portability --suppress=readdirCalled \
		'--suppress=getpwnamCalled:tools/*' '--suppress=getpwuidCalled:tools/*' --inline-suppr \
		-D_GNU_SOURCE '-DBUILD_ID=""' '-DElfW(type)=Elf64_\#\#type' -Isrc -Itools $(analyzed)
	@touch $@

$(OUT)/shellcheck: $(shell) .shellcheckrc scripts/lint.mk
	@mkdir -p $(@D)
	shellcheck $(shell)
	@touch $@

.PHONY: all
