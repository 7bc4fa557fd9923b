# make help lists what you can do.  Everything here only calls Meson or a script.
B ?= build/release
PROMPT ?= In two sentences: why is the sky blue?
MESON = tools/meson.sh

.PHONY: help all setup run test test-clients test-web test-faults soak test-arm check lean asan tsan valgrind fuzz bench fmt fmt-check tidy \
        layers shape headers symbols banned oracle clean

all: setup ## build the library and the program: build/release/hone
	@$(MESON) $(B)
setup: ## install what is missing (apt, needs root or sudo)
	@tools/setup.sh
run: all ## build, get the default model, answer a prompt; in a terminal go on as a chat
	@$(B)/hone pull smollm2-135m-instruct >/dev/null
	@$(B)/hone run -i -p "$(PROMPT)"
test: all ## build and run every test
	@tools/test.sh $(B)
test-clients: all ## Python's openai, anthropic and lm-eval clients against `hone serve`
	@tools/test_clients.sh $(B)/hone
test-faults: all ## clients and kills that go wrong, against `hone serve`
	@tools/test_faults.sh $(B)/hone
M ?= 10
soak: all ## a mixed load on `hone serve` for M minutes (default 10)
	@tests/clients/soak.py --minutes $(M) $(B)/hone smollm2-135m-instruct tests/data
test-web: all ## the page of `hone serve` in a headless Chromium (apt)
	@tools/test_web.sh $(B)/hone
test-arm: setup ## cross-compile for ARM, run the tests under qemu-user
	@tools/test_arm.sh
check: fmt-check layers shape headers symbols banned ## what CI runs besides the tests
lean: setup ## compile without the libraries that can be left out
	@$(MESON) build/lean -Dnetwork=disabled -Dserve=disabled -Deditline=disabled -Dtests=disabled
asan: setup ## tests under AddressSanitizer and UBSan
	@$(MESON) build/asan -Db_sanitize=address,undefined -Dc_args=-fno-sanitize-recover=undefined -Db_lundef=false --buildtype=debugoptimized
	@tools/test.sh build/asan
tsan: setup ## tests under ThreadSanitizer
	@$(MESON) build/tsan -Db_sanitize=thread -Db_lundef=false --buildtype=debugoptimized
	@tools/test.sh build/tsan
valgrind: all ## start and end of `hone run` under valgrind
	@tools/valgrind.sh $(B)
T ?= 60
fuzz: setup ## run every fuzzer for T seconds (default 60)
	@tools/fuzz.sh $(T)
bench: all ## hone beside llama.cpp and OpenVINO: ARGS="--model FILE --cases prefill512"
	@bench/peers.py $(ARGS)
fmt: ## reformat in place
	@clang-format -i $$(git ls-files '*.[ch]')
fmt-check: ## fail if fmt would change anything
	@clang-format --dry-run --Werror $$(git ls-files '*.[ch]')
tidy: all ## clang-tidy
	@clang-tidy --quiet -p $(B) $$(git ls-files 'src/*.c')
layers: ## floors include only lower floors
	@tools/check_layers.sh
shape: ## lengths of functions and files
	@tools/check_shape.sh
headers: ## every header compiles alone
	@tools/check_headers.sh
symbols: all ## every external symbol begins with hone_, tpl_ or http_
	@tools/check_symbols.sh $(B)/libhone.a
banned: ## calls that library code does without
	@tools/check_banned.sh
oracle: all ## compare with Hugging Face and jinja2 (needs Python packages, see the scripts)
	@tools/oracle/run.sh $(B)/hone
help: ## this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:[^#]*## /\t/' | expand -t 12
clean: ## remove build/
	rm -rf build
