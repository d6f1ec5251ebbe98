# The project's tasks. `just` lists them.

default:
    @just --list

# everything that must hold on main (format, lint, types and docs are among the tests)
test:
    scripts/test

lint:
    ruff format --check
    ruff check
    mypy
    mypy --config-file bench/mypy.ini
    mypy --config-file tests/mypy.ini

docs:
    python scripts/make_reference.py --check
    mkdocs build --strict --quiet

# write the generated reference pages anew
reference:
    python scripts/make_reference.py

coverage:
    python -m pytest tests/contract --cov=swarmhub.contract --cov-branch --cov-report=term-missing --cov-fail-under=95

# the figures of a round: 1, 25 and 250 MB
bench:
    python bench/round_overhead.py --nodes 4 --mb 1
    python bench/round_overhead.py --nodes 4 --mb 25
    python bench/round_overhead.py --nodes 4 --mb 250 --rounds 5
    python bench/round_overhead.py --nodes 8 --mb 1
    python bench/round_overhead.py --nodes 16 --mb 1
    python bench/kill.py --kills 20 --role leader --swarms 1 --json
    python bench/audit_overhead.py

# the figures of a round on the ledger of many machines
bench-cometbft:
    python bench/round_overhead.py --ledger cometbft --nodes 4 --mb 1
    python bench/round_overhead.py --ledger cometbft --nodes 4 --mb 25
    python bench/round_overhead.py --ledger cometbft --nodes 4 --mb 250 --rounds 5
    python bench/round_overhead.py --ledger cometbft --nodes 7 --mb 1
    python bench/round_overhead.py --ledger cometbft --nodes 10 --mb 1
    python bench/takeover.py --ledger cometbft --kills 20
    python bench/join.py
    python bench/rotate.py --rotations 30 --load 2
    python bench/ledger_cost.py --idle-s 60
    python bench/ledger_cost.py --missed 1000

# the cost of a block as history grows (half an hour)
bench-history transactions="100000":
    python bench/ledger_cost.py --history {{transactions}}

# rounds between hosts with links of 100 Mbit/s and 40 ms (needs root and ip)
bench-links:
    python bench/shaped_links.py --nodes 4 --mb 1
    python bench/shaped_links.py --nodes 8 --mb 1

# twenty rounds as hospitals have them, a fault in each (needs root, ip, tc and setpriv)
hospitals seed="1":
    python bench/hospitals.py --seed {{seed}}

# kill -9 at every named moment of a round, again and again
kill kills="1000":
    python bench/kill.py --kills {{kills}} --json

# many rounds with drop-outs: nothing grows
soak nodes="8" rounds="100":
    python bench/soak.py --nodes {{nodes}} --rounds {{rounds}} --json

# a longer campaign of seeded schedules
simulate schedules="1000":
    swarmhub sim run --schedules {{schedules}}

# every decoder with hostile bytes; a minute each, in a night `just fuzz 60`
fuzz minutes="1" *options="":
    python -m fuzz --minutes {{minutes}} {{options}}

# the same in hours of CPU time, on all cores; it can be interrupted, and goes on
fuzz-campaign folder="fuzz-campaign" minutes="60":
    python -m fuzz --minutes {{minutes}} --campaign {{folder}}

# hosts in network namespaces: all scenarios (needs root, ip and CometBFT)
hosts:
    SWARMHUB_LONG=1 python -m pytest -q tests/hosts

# tests that take their time: members that hang for 30 s
long:
    SWARMHUB_LONG=1 python -m pytest -q tests/faults
