"""The command line with a fault of `sim/mutants.py` planted."""

import multiprocessing

from mutants import MUTANTS, planted

from swarmhub.cli import main

multiprocessing.set_start_method("fork")  # so that the campaign's processes have the fault, too
with planted(next(m for m in MUTANTS if m.name == "leaders by id")):
    main()
