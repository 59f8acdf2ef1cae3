# SPDX-License-Identifier: GPL-2.0-only
#
# The commands. The work is done by the programs under tools/; everything that
# is made goes under build/.

MAKEFLAGS += --no-print-directory --no-builtin-rules
.SUFFIXES:
.DEFAULT_GOAL := help

.PHONY: help
help:
	@sed -n 's/^#: \{0,1\}//p' Makefile

#: make doorbell     the main job: stock's KVM and ours side by side, as a table,
#:                   build/doorbell.json and build/doorbell.svg
.PHONY: doorbell
doorbell:
	@tools/testing/doorbell/run

#: make test         all tests; last line: N passed, N failed
.PHONY: test
test:
	@tools/test/run $(ONLY)

#: make test-long    the tests, and those that take longer: hours
.PHONY: test-long
test-long:
	@tools/test/run --long $(ONLY)

#: make test-host    kselftests and stores on the KVM that this machine has loaded, as
#:                   root; a report for an e-mail: build/test-host/report
.PHONY: test-host
test-host:
	@tools/test/host

#: make test-clients QEMU, vhost and thousands of irqfds on our KVM, all of it
.PHONY: test-clients
test-clients:
	@tools/test/run clients-tool clients-all clients-cost-all clients-powernv8

#: make vm CMD='...' run a command in a VM with KVM in it, with this machine's
#:                   files (read-only, but for /tmp). tools/vm/vm -c CMD does the
#:                   same and returns its exit status; make returns 2 for all
.PHONY: vm
vm:
	@if [ -z "$$CMD" ]; then \
		echo "make vm: error: say which command: make vm CMD='...'" >&2; \
		exit 2; \
	fi
	@tools/vm/vm -c "$$CMD"

#: make modules      kvm.ko and its kin, built against Debian's headers
.PHONY: modules
modules:
	@tools/modules/build

#: make deb          Debian packages of the modules and the tool, for hosts: build/deb/;
#:                   for the newest kernel in apt's list, which is refreshed, or KVER=
.PHONY: deb
deb:
	@tools/deb/build

#: make series       the three series as patches: build/series/*/*.patch
.PHONY: series
series:
	@tools/series/apply --patches

#: make series-check each patch: checkpatch, compiled (x86: W=1 and sparse), loaded, its
#:                   tests run; hours
.PHONY: series-check
series-check:
	@tools/series/check --all $(ONLY)

#: make rebase FROM=6.12 TO=7.3
#:                   what another kernel asks of the series; ends in a list of work
.PHONY: rebase
rebase:
	@tools/series/rebase "$(FROM)" "$(TO)"

#: make powernv      the ppc64le kernel with KVM that make vm ARCH=powernv8 boots
.PHONY: powernv
powernv:
	@tools/kernel/build powernv ours

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
.PHONY: fuzz
fuzz:
	@tools/testing/kvm-io-bus/run fuzz

#: make clean        forget everything under build/ but the downloads
.PHONY: clean
clean:
	@tools/clean

#:
#: Variables:
#:   ONLY    some tests or patches     make test ONLY='selftests-ours kunit'
#:                                     make series-check ONLY='io-bus x86/0001*'
#:   KVM     ours, stock or none       make vm KVM=stock CMD='dmesg'
#:   KERNEL  debian, debug, kcsan or   make vm KERNEL=debug CMD='dmesg'
#:           minimal                   make doorbell KERNEL=minimal
#:   SMP     processors of a VM        make vm SMP=4 CMD='nproc'
#:   MEM     its memory in MiB         make vm MEM=4096 CMD='free -m'
#:   BASE    7.3 in place of 6.12;       make series BASE=7.3
#:           KERNEL=minimal by default   make doorbell BASE=7.3
#:                                       make vm BASE=7.3 KERNEL=debian CMD='uname -r'
#:           a source tree or tarball    make series BASE=../linux
#:   KVER    another kernel of Debian  make modules KVER=6.12.117+deb12-amd64
#:   SUITE   the hosts' Debian, if it    make deb SUITE=trixie
#:           is not this machine's       make deb SUITE=bookworm
#:   SIGN_KEY, SIGN_CERT             sign the modules of the packages
#:                                     make deb SIGN_KEY=mok.key SIGN_CERT=mok.crt
#:   ARCH    another machine, which    make vm ARCH=powernv8 CMD='./program words'
#:           runs a static program
#:   CPU     intel or amd: an emulated   make vm CPU=intel CMD='./program words'
#:           processor with KVM          make doorbell CPU=intel
#:   TIME    seconds                   make fuzz TIME=3600
#:   JOBS    processes of a build      make modules JOBS=1
#: Options for developers: the head of each program, and tools/*/README.rst.
