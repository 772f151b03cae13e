# SPDX-License-Identifier: GPL-2.0
#
# Thin: every target is a script in scripts/ or lab/. "make help" lists them.

##@ Variables
BUILD	?= build#	## everything that is generated goes here
KERNEL_SRC ?=#		## Linux 7.3.x tarball or tree instead of Debian's package
LINUX_SERIES ?=#		## kernel series, with a BUILD of its own: 7.2 instead of 7.3
DEBUG	?= 0#		## 1: the debug kernel (KASAN, lockdep, kmemleak)
VECTORS	?= 8#		## demo: MSI-X vectors of the device
CPUS	?= 2#		## demo: CPUs of the old kernel
IOMMU	?= intel#	## demo, storm: intel, amd or another machine (lab/README.md)
MODE	?= x2apic#	## demo: xapic or x2apic
SEED	?= 1#		## storm: seed of rings, pauses, mode, CPUs and vectors
REVISION ?= 1#		## deb-pkg: revision of the package; two revisions can be installed
CONFIG	?=#		## deb-pkg: another configuration instead of Debian's
LSMOD	?=#		## deb-pkg: only the modules in this output of lsmod
QEMU	?=#		## QEMU 11.1 or newer, instead of the system's or Debian's
JOBS	?= $(shell nproc)#	## parallel jobs of kernel builds

export BUILD KERNEL_SRC LINUX_SERIES QEMU JOBS FORCE

FLAVOUR	= $(if $(filter 1,$(DEBUG)),debug,lab)
LAB	= python3 lab/lab.py
# Not $(MAKE): a line with it is run by "make -n", too.
SERIALIZER = make -s -C $(BUILD)/linux/tools/testing/irq_liveupdate_ser \
	OUTPUT=$(abspath $(BUILD))/serializer
IRQLU = mkdir -p $(BUILD)/irqlu && make -s -C $(BUILD)/linux/tools/irq_liveupdate \
	OUTPUT=$(abspath $(BUILD))/irqlu
DEBUG_FLAG = $(if $(filter 1,$(DEBUG)),--debug)
# The kernel of the previous series: the lab updates from it to this one and back. It is Debian's:
# KERNEL_SRC is of this series.
OLDER	= kernel-7.2 'KERNEL_SRC= LINUX_SERIES=7.2 BUILD=$(abspath $(BUILD))-7.2 sh -c \
	  "scripts/prepare.sh && scripts/build-kernel.sh lab && scripts/layouts.py"'
STORMS	= 10
STORMS_AMD = 3
# Does kunit.py accept the configuration of the suites?
KUNITCONFIG = cd $(BUILD)/linux && PATH=/usr/bin:/bin tools/testing/kunit/kunit.py config --arch=x86_64 \
	      --build_dir=$(abspath $(BUILD))/kernel/kunit --kunitconfig=kernel/irq
# generic_pt's test of for_each_table(). At the end of each of their cases, its suites compare a
# counter that is only exact on a single CPU. With --raw_output, kunit.py accepts whatever the kernel
# prints, so the KTAP is printed after the verdict.
TABLES_OUT = $(abspath $(BUILD))/kernel/kunit-tables
TABLES_TEST = cd $(BUILD)/linux && export PATH=$(CURDIR)/scripts/tcg:/usr/bin:/bin && \
	      tools/testing/kunit/kunit.py run --arch=x86_64 --make_options=CC="ccache gcc" \
	      --build_dir=$(TABLES_OUT) --kunitconfig=drivers/iommu/generic_pt \
	      "*iommu_test.test_visit_tables" && \
	      tools/testing/kunit/kunit.py parse --raw_output=kunit $(TABLES_OUT)/test.log
QUICK_TESTS = scripts 'pytest-3 -q -p no:cacheprovider scripts/tests' \
	  kunitconfig '$(KUNITCONFIG)' \
	  overlay 'scripts/overlay.py check' \
	  series scripts/series.py \
	  serializer '$(SERIALIZER) test' \
	  irqlu '$(IRQLU) test' \
	  libraries scripts/library-tests.sh \
	  kunit 'scripts/kunit-run.py --flavour $(FLAVOUR)'
LAB_TESTS = lab '$(LAB) test --build $(BUILD) --jobs 2 $(DEBUG_FLAG) $(FULL_FLAG)'
TESTS	= $(QUICK_TESTS) $(LAB_TESTS)
STORM	= $(LAB) storm --build $(BUILD) $(DEBUG_FLAG)
STORM_TESTS = storm-amd '$(STORM) --jobs 2 --seeds 1-$(STORMS_AMD) --iommu amd' \
	  storm '$(STORM) --jobs 2 --seeds 1-$(STORMS)'

# What only the debug kernel shows, or shows best. What takes longest comes first, one machine at a
# time: KUnit and the storms, which are over long before, use the other CPU.
DEBUG_SCENARIOS = guest-fail-nth handover guest-cancel guest-fail-retrieve hammer sabotage-leak
DEBUG_TESTS = kernel-debug 'scripts/build-kernel.sh debug' \
	  'kunit-debug&' 'scripts/kunit-run.py --flavour debug' \
	  'storm-amd&' '$(STORM) --seeds 1-$(STORMS_AMD) --iommu amd' \
	  'storm&' '$(STORM) --seeds 1-$(STORMS)' \
	  lab-debug '$(LAB) test --build $(BUILD) --debug $(DEBUG_SCENARIOS)'

.PHONY: help setup systemd prepare export kernel image deb-pkg packages demo storm test test-full ci \
	kunit fuzz coverage bench footprint series docs check clean

##@ Targets
help:		## show this list
	@awk -F '#*[ \t]*## ' \
		'/^##@ / { sub(/^##@ /, ""); print (n++ ? "\n" : "") $$0 ":"; next } \
		/^[A-Za-z_]+[ \t]*\?=.*## / || /^[a-z-]+:.*## / { \
			split($$1, head, /[ \t:?=]/); \
			printf "  %-12s %s\n", head[1], $$2 }' $(MAKEFILE_LIST)

setup:		## install the Debian packages that are missing, fetch QEMU
	@scripts/setup.sh
	@scripts/fetch-qemu.sh
	@scripts/fetch-busybox.sh

# Before the images are built
systemd: setup
	@scripts/fetch-systemd.sh

prepare: setup	## lay the overlay over a pristine kernel in $(BUILD)/linux
	@scripts/prepare.sh

export:		## write edits in $(BUILD)/linux back as files and patches
	@scripts/overlay.py export

kernel: prepare	## build the lab kernel (DEBUG=1: the debug kernel)
	@scripts/build-kernel.sh $(FLAVOUR)

image: kernel	## build the initramfs of the lab's guests
	@scripts/build-initramfs.sh
	@scripts/layouts.py

deb-pkg: prepare	## build an installable kernel from Debian's configuration, as a package
	@scripts/setup.sh package
	@scripts/deb-pkg.sh

# The two that vm-package needs, with the modules of the lab's machine; before the images are built
packages: prepare
	@scripts/setup.sh package
	@for revision in 1 2; do \
		REVISION=$$revision LSMOD=lab/configs/package.lsmod scripts/deb-pkg.sh || exit; \
	done

demo: image	## a guest, then a device, across one kexec, handover off and on: tables and a page
	@$(LAB) demo --build $(BUILD) --vectors $(VECTORS) --cpus $(CPUS) \
		--iommu $(IOMMU) --mode $(MODE) $(DEBUG_FLAG)

storm: image	## one storm of interrupts (SEED=n), to repeat one of make test
	@$(LAB) storm --build $(BUILD) --seed $(SEED) --iommu $(IOMMU) $(DEBUG_FLAG)

test: image	## scripts, overlay, validator and libraries with sanitizers, KUnit, the scenarios, 13 storms
	@scripts/build-kernel.sh nolu
	@mkdir -p $(BUILD)/serializer
	@scripts/test.py $(TESTS) $(STORM_TESTS)

test-full: STORMS = 200
test-full: STORMS_AMD = 50
test-full: FULL_FLAG = --full
test-full: export SELFTESTS = irq_liveupdate iommu liveupdate vfio
test-full: systemd packages image	## all tests on all machines that they name, the kernel's own tests, 320 storms, chains of up to 100 updates, fuzz, coverage, each patch of the series
	@scripts/setup.sh full
	@scripts/build-kernel.sh nolu systemd gcov debug newer upstream nolu-upstream
	@mkdir -p $(BUILD)/serializer
	@scripts/test.py $(OLDER) $(TESTS) $(STORM_TESTS) \
		kunit-tables '$(TABLES_TEST)' \
		kunit-nolu 'scripts/kunit-run.py --flavour nolu --same-as kunit' \
		chain '$(LAB) chain --length 100 --build $(BUILD)' \
		chain-amd '$(LAB) chain --length 100 --iommu amd --build $(BUILD)' \
		attach-chain '$(LAB) chain attach-chain --length 100 --build $(BUILD)' \
		vm-chain '$(LAB) chain vm-chain --length 100 --build $(BUILD)' \
		vf-storm '$(LAB) storm vf-storm --seeds 1-50 --build $(BUILD)' \
		vf-storm-amd '$(LAB) storm vf-storm --seeds 1-20 --iommu amd --build $(BUILD)' \
		vf-chain '$(LAB) chain vf-chain --length 20 --build $(BUILD)' \
		nvme '$(LAB) test --build $(BUILD) --repeat 20 nvme-in-flight' \
		fuzz scripts/fuzz.sh \
		coverage '$(LAB) coverage --build $(BUILD)' \
		series-build 'scripts/series.py build' \
		series-kunit 'scripts/series.py kunit'

ci:		## what .ci/run runs: check and test, and some tests on the debug kernel, storms beside them
	@mkdir -p $(BUILD)/results $(BUILD)/serializer
	@scripts/test.py setup 'make -s setup && scripts/setup.sh check' \
		prepare 'make -s prepare' \
		kernel 'scripts/build-kernel.sh lab' \
		image 'scripts/build-initramfs.sh && scripts/layouts.py' \
		kernels 'scripts/build-kernel.sh nolu' $(QUICK_TESTS) \
		'check&' 'nice -n 19 make -s check' $(LAB_TESTS) $(DEBUG_TESTS) \
		cases 'scripts/cases.py --check'

kunit: kernel	## the KUnit suites in the lab kernel under QEMU, with kunit.py
	@scripts/test.py kunit 'scripts/kunit-run.py --flavour $(FLAVOUR)'

fuzz: prepare	## fuzz the validators in user space, under the sanitizers
	@scripts/setup.sh full
	@scripts/fuzz.sh

coverage: image	## line coverage of our files by KUnit and the scenarios (gcov)
	@scripts/setup.sh full
	@scripts/build-kernel.sh nolu gcov
	@$(LAB) coverage --build $(BUILD)

bench: image	## cost of a live update, compared with a cold start, as one table
	@scripts/build-kernel.sh cost nolu
	@mkdir -p $(BUILD)/serializer
	@$(SERIALIZER) cost
	@$(LAB) bench --build $(BUILD)

footprint:	## what the overlay changes in upstream files
	@scripts/footprint.py

series: prepare	## write the overlay as a patch series into $(BUILD)/series, run checkpatch on it
	@scripts/setup.sh check
	@scripts/series.py recipients
	@scripts/series.py checkpatch

docs: prepare	## build the documentation as HTML, with the kernel's Sphinx
	@scripts/setup.sh check
	@scripts/docs.sh

check: prepare	## checkpatch, of the series as well, sparse, W=1, kernel-doc, documentation, shellcheck and pylint
	@scripts/setup.sh check
	@scripts/fetch-sparse.sh
	@scripts/check.sh $(FLAVOUR)

clean:		## remove $(BUILD), unless the kernel tree has edits to export
	@scripts/clean.sh
