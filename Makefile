# Thin, over Meson and Ninja.  What is real stands in meson.build and in the scripts named here.
# Each purpose has its own folder under build/, so that a second run only does what changed.
PREFIX ?= /usr/local
DESTDIR ?=
PRODUCT = build/product
PACKAGES = packaging/install-packages.sh

.PHONY: build product run test bench fuzz soak install release release-check clean format check-format help
.NOTPARALLEL:

build:
	@$(PACKAGES) --check packaging/debian-run.txt
	@$(MAKE) --no-print-directory product

product:
	@tests/setup.sh $(PRODUCT) -Dtests=false -Dprefix=$(PREFIX)
	@ninja -C $(PRODUCT)

# Command line variables (make run ONESHOT=1) reach the scripts through the environment.
run:
	@$(PACKAGES) packaging/debian-run.txt
	@$(MAKE) --no-print-directory product
	@test -x demo/run.sh || { echo "make run: demo/run.sh is missing from this tree" >&2; exit 3; }
	@demo/run.sh $(PRODUCT)

test:
	@$(PACKAGES) packaging/debian-run.txt packaging/debian-test.txt
	@tests/js/install.sh build || echo "(the tests js-updates and js-built need it)" >&2
	@tests/run.sh

bench:
	@$(PACKAGES) packaging/debian-run.txt packaging/debian-bench.txt
	@$(MAKE) --no-print-directory product
	@test -x bench/run.sh || { echo "make bench: bench/run.sh is missing from this tree" >&2; exit 3; }
	@bench/run.sh $(PRODUCT)

fuzz:
	@$(PACKAGES) packaging/debian-run.txt packaging/debian-test.txt
	@fuzz/run.sh

soak:
	@$(PACKAGES) packaging/debian-run.txt packaging/debian-test.txt
	@tests/soak.sh

install: build
	@DESTDIR='$(DESTDIR)' meson install -C $(PRODUCT) --no-rebuild

release:
	@$(PACKAGES) packaging/debian-run.txt packaging/debian-release.txt
	@packaging/release.sh build/release

release-check:
	@packaging/release-check.sh build/release

clean:
	rm -rf build

format:
	@tests/house/format.sh --fix .

check-format:
	@tests/house/format.sh .

help:
	@echo "make               build the programs into $(PRODUCT)"
	@echo "make run           the demonstration, then it serves until Ctrl-C"
	@echo "                     TOUR=build       instead: packages built again and compared"
	@echo "                     ONESHOT=1        end after the last act"
	@echo "make test          every test; the last line is 'N passed, N failed'"
	@echo "                     STAGES='gcc asan'  only these of: gcc clang asan tsan"
	@echo "make bench         speed, as ratios to well-known programs"
	@echo "make fuzz          every parser under libFuzzer"
	@echo "                     FUZZ_SECONDS=600 seconds for each target"
	@echo "                     FUZZ_ONLY='note' only these targets"
	@echo "make soak          the longer hunts; SOAK_ROUNDS=200"
	@echo "make install       DESTDIR=, PREFIX=/usr/local"
	@echo "make release       source, package and recipe of HEAD, the same bytes everywhere: build/release"
	@echo "make release-check Glarus assembles that release, twice, and compares (minutes)"
	@echo "make format        lay out all C files; make check-format only looks"
	@echo "make clean         remove build/"
	@echo "make run, test, bench, fuzz, soak and release install the Debian packages they miss"
	@echo "(packaging/debian-*.txt) and say which and why."
