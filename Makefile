# The doors of spate. Each first makes sure that what it needs is there (scripts/setup.sh); the work
# itself is Meson's and the scripts'.
#
#   make              build the library and the program into build/
#   make demo         watch a real swarm on this machine bring 256 MiB
#   make check        every test, sanitizer and linter; ends with "N passed, N failed"
#   make fresh-check  `make demo` and `make check` in a bare Debian 12 chroot (needs root)
#   make sim          every simulated scenario with many seeds: SEEDS=1000
#   make sim-crash    transfers that are crashed again and again: COUNT=1000000 crashes or TIME=7200 s
#   make sim-prove    every bug that is planted on purpose is caught by a checker
#   make fuzz         every fuzz target for a minute, with its coverage
#   make bench        CPU, rate and memory beside floors and other clients; QUICK=1: in three minutes
#   make install      PREFIX=/usr/local, DESTDIR=
#   make fmt          format the source
#   make clean        remove everything that was built

BUILD  ?= build
SEEDS  ?= 1000
COUNT  ?= 1000000
TIME   ?= 7200
PREFIX ?= /usr/local

all:
	@sh scripts/setup.sh build
	@sh scripts/build.sh $(BUILD)

demo:
	@sh scripts/setup.sh build
	@sh scripts/build.sh $(BUILD)
	@bash scripts/demo.sh $(BUILD)

check:
	@sh scripts/setup.sh test
	@bash scripts/check.sh

fresh-check:
	@sh scripts/setup.sh fresh
	@bash scripts/fresh-check.sh

fuzz:
	@sh scripts/setup.sh fuzz
	@bash scripts/fuzz.sh

sim:
	@sh scripts/setup.sh sim
	@sh scripts/sim.sh seeds $(SEEDS)

sim-crash:
	@sh scripts/setup.sh sim
	@sh scripts/sim.sh crash $(COUNT) $(TIME)

sim-prove:
	@sh scripts/setup.sh sim
	@sh scripts/sim.sh prove

bench:
	@sh scripts/setup.sh bench
	@sh scripts/build.sh build-bench -Dbench=true
	@python3 bench/bench.py build-bench $(if $(QUICK),--quick,--docs)

install:
	@sh scripts/setup.sh build
	@sh scripts/build.sh $(BUILD) --prefix=$(PREFIX)
	@DESTDIR="$(DESTDIR)" meson install -C $(BUILD) --no-rebuild

fmt:
	@sh scripts/setup.sh fmt
	@sh scripts/sources.sh | xargs clang-format -i

clean:
	rm -rf $(BUILD) build-bench build-check build-fuzz build-sim build-plants build-fixtures

.PHONY: all demo check fresh-check fuzz sim sim-crash sim-prove bench install fmt clean
