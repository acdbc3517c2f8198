# A thin front for meson and ninja; `make` alone builds build/dhow.
PREFIX ?= /usr/local
BUILD ?= build
MESON_FLAGS ?=

all: $(BUILD)/build.ninja
	@ninja -C $(BUILD)
deps: ; @tools/deps
$(BUILD)/build.ninja: ; @meson setup $(BUILD) $(MESON_FLAGS)

quickstart: ; @./quickstart
check: ; @./check
check-quick: ; @./check units lint
check-root: ; @./check integration cve
check-vm: ; @tools/deps vm && ./check vm
asan: ; @./check asan
fuzz: ; @tools/fuzz
bench: all
	@tools/deps bench
	@bench/run
format: ; @git ls-files 'src/*.[ch]' 'tests/*.[ch]' 'bench/*.[ch]' | xargs clang-format -i
lint: all
	@tools/lint all
install: all
	@meson configure $(BUILD) -Dprefix=$(PREFIX)
	@DESTDIR=$(DESTDIR) meson install -C $(BUILD)
clean: ; @rm -rf build build-*

.PHONY: all deps quickstart check check-quick check-root check-vm asan fuzz bench format lint install clean
