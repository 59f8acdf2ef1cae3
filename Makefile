# SPDX-License-Identifier: GPL-2.0-only
#
# The commands. The work is done by the programs under tools/; everything that
# is made goes under build/.

MAKEFLAGS += --no-print-directory --no-builtin-rules
.SUFFIXES:
.DEFAULT_GOAL := help

# Every variable that a command takes reaches it through the environment
export BASE KVER KVM KERNEL SMP MEM ICOUNT TIMEOUT ACCEL KVM_PARAMS
export ARCH EXTRA_INITRD INSIDE VM_APPEND VM_QEMU SPLAT LEAKS CMD ONLY JOBS TIME

.PHONY: help
help:
	@sed -n 's/^#: \{0,1\}//p' Makefile

#: make doorbell     the main job: stock's KVM and ours side by side, as a table,
#:                   build/doorbell.json and build/doorbell.svg
#:                   KERNEL=minimal: on a kernel with little more than KVM in it
.PHONY: doorbell
doorbell:
	@tools/testing/doorbell/run

#: make test         all tests; last line: N passed, N failed
#:                   ONLY='name...' some of them
.PHONY: test
test:
	@tools/test/run $(ONLY)

#: make test-long    the tests, and those that take longer: two hours in all
.PHONY: test-long
test-long:
	@tools/test/run --long $(ONLY)

#: make test-clients QEMU, vhost and thousands of irqfds on our KVM, all of it
.PHONY: test-clients
test-clients:
	@tools/test/run clients-tool clients-all clients-cost-all clients-powernv8

#: make vm CMD='...' run a command in a VM with KVM in it, with this machine's
#:                   files (read-only, but for /tmp)
#:                   KVM=ours|stock|none KERNEL=debian|debug|kcsan|minimal
#:                   SMP=n MEM=MiB
#:                   (tools/vm/vm -c CMD does the same and returns its exit status;
#:                   make can only say 2)
#:                   ICOUNT=1 (clock counts instructions) TIMEOUT=seconds
.PHONY: vm
vm:
	@if [ -z "$$CMD" ]; then \
		echo "make vm: error: say which command: make vm CMD='...'" >&2; \
		exit 2; \
	fi
	@tools/vm/vm -c "$$CMD"

#: make modules      kvm.ko and its kin, built against Debian's headers
#:                   KVM=ours|stock KVER=version
.PHONY: modules
modules:
	@tools/modules/build

#: make series       the three series as patches: build/series/*/*.patch
.PHONY: series
series:
	@tools/series/apply --patches

#: make series-check each patch: checkpatch, compiled with W=1 and sparse, loaded, its
#:                   tests run; hours. ONLY='io-bus x86/0001*' some of them
.PHONY: series-check
series-check:
	@tools/series/check --all $(ONLY)

#: make powernv      the ppc64le kernel with KVM that make vm ARCH=... boots
#:                   KVM=ours|stock; then make vm ARCH=powernv8|powernv9|pseries|pr
#:                   CMD='a static ppc64le program and its words'
.PHONY: powernv
powernv:
	@tools/kernel/powernv

#: make tce          what TCE hcalls cost on POWER8: stock beside ours, as a table
#:                   and build/tce.json
.PHONY: tce
tce:
	@tools/testing/tce/run

#: make figures      write tools/figures.rst and the chart of README.md from the
#:                   results of the benchmarks that have run
.PHONY: figures
figures:
	@tools/figures

#: make check        checkpatch, sparse, W=1 and shellcheck on what is ours
.PHONY: check
check:
	@tools/check/run

#: make lines        the lines of the tree, by role
.PHONY: lines
lines:
	@tools/lines

#: make fuzz         the bus against its model, by libFuzzer from a corpus
#:                   TIME=seconds (600)
.PHONY: fuzz
fuzz:
	@tools/testing/kvm-io-bus/run fuzz

#: make clean        forget everything under build/ but the downloads
.PHONY: clean
clean:
	@tools/clean
