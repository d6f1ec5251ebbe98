"""`swarmhub demo`"""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from pathlib import Path
from typing import Annotated, Any

import typer

from swarmhub.cli.shared import DEFAULT_HOME, whole
from swarmhub.errors import BadInput

LEDGERS = ("sqlite", "cometbft")
ROUNDS, NOISY_ROUNDS = 20, 10  # more rounds with noise cost more than they bring


def demo(
    site: Annotated[
        list[str] | None,
        typer.Option(
            help="NAME=FILE: a hospital's own file; 2 to 24 of them. A name that comes "
            "again adds a file (a matrix and a sample sheet)."
        ),
    ] = None,
    study: Annotated[
        Path | None,
        typer.Option(help="Terms with [data], instead of --label and the like: any outcome."),
    ] = None,
    label: Annotated[str, typer.Option(help="The outcome's column (0 or 1).")] = "label",
    positive: Annotated[str, typer.Option(help="Its word for 1, if it has words.")] = "",
    patient: Annotated[str, typer.Option(help="The column with the patient of each row.")] = "",
    sample: Annotated[str, typer.Option(help="The column that joins a hospital's files.")] = "",
    exclude: Annotated[
        list[str] | None, typer.Option(help="A column that is no input; may be given again.")
    ] = None,
    test: Annotated[
        Path | None, typer.Option(help="File of test patients; default: 30% of each site.")
    ] = None,
    rounds: Annotated[
        int | None,
        typer.Option(
            parser=whole(1, 1000),
            help="Rounds of training at most; default: 20, with noise 10, with --kill-leader 30.",
        ),
    ] = None,
    model: Annotated[str, typer.Option(help="A recipe, as in the terms; default: logistic.")] = "",
    privacy: Annotated[
        str,
        typer.Option(
            help="plain, masked (of what each trained, others learn the sum alone), dp (with "
            "noise), or masked,dp."
        ),
    ] = "plain",
    epsilon: Annotated[
        str, typer.Option(help="With --privacy dp: the privacy budget; smaller protects more.")
    ] = "",
    kill_leader: Annotated[
        bool, typer.Option("--kill-leader", help="kill -9 the leader in the middle of a round.")
    ] = False,
    merge: Annotated[
        str, typer.Option(metavar="RULE", help="How models are merged; see the guide on merging.")
    ] = "weighted_mean",
    max_share: Annotated[
        int,
        typer.Option(
            parser=whole(1, 1000),
            metavar="PERMILLE",
            help="The most of the total weight that one hospital has, in thousandths.",
        ),
    ] = 1000,
    ledger: Annotated[
        str, typer.Option(help="sqlite (one file for all) or cometbft (a networked ledger).")
    ] = "sqlite",
    hub: Annotated[
        bool,
        typer.Option(
            "--hub",
            help="Open the first hospital's pages in the browser: you vote the last hospital in.",
        ),
    ] = False,
    hub_auto: Annotated[
        bool, typer.Option("--hub-auto", help="The same, and nothing is left to you.")
    ] = False,
    home: Annotated[
        Path | None, typer.Option(help="Where everything is kept; default: a new directory.")
    ] = None,
    json_: Annotated[bool, typer.Option("--json", help="Print one JSON object, no more.")] = False,
) -> None:
    """Four hospitals (or your own tables) train one model on this machine, as real processes."""
    started = time.monotonic()
    from swarmhub.demo.options import Options
    from swarmhub.demo.run import run_demo
    from swarmhub.demo.screen import RichScreen, quiet, show_outcome
    from swarmhub.demo.sites import (
        count_rounds,
        heart_files,
        make_spec,
        parse_rule,
        parse_sites,
        prepare_sites,
        read_terms,
    )
    from swarmhub.demo.yardstick import yardstick_of
    from swarmhub.operations.engine import need_engine
    from swarmhub.recipes.plan import get_model
    from swarmhub.recipes.registry import find_recipe, need_packages

    model = need_model(model, privacy)
    if ledger not in LEDGERS:
        raise BadInput(f"Expected --ledger {' or '.join(LEDGERS)}, got {ledger!r}.")
    if ledger == "cometbft":
        need_engine()
    own = (test, positive, patient, sample, exclude, None if label == "label" else label)
    if site is None and any(own):
        raise BadInput("--label, --test and the like go with --site NAME=FILE; give your tables.")
    ruled = (merge, max_share) != ("weighted_mean", 1000)
    is_told = any(own) or rounds or kill_leader or ruled or privacy != "plain" or epsilon
    if study is not None and (site is None or is_told):
        raise BadInput(
            "Expected --study with --site NAME=FILE, and without --label, --test, --rounds, "
            "--merge, --privacy, --kill-leader and the like: the terms say it."
        )
    if site is not None and study is None and "dp" in privacy:
        raise BadInput(
            "Expected --study with --site and --privacy dp: in a study with noise the terms say "
            "what is known of each column ([[data.scales]], [[data.levels]]); write them with "
            "'swarmhub study new --privacy dp'."
        )
    rule = parse_rule(merge, max_share)
    files = parse_sites(site) if site else None
    terms = None if study is None else read_terms(study, len(files or ()))
    need_packages(find_recipe(model if terms is None else get_model(terms)))
    root = (home or new_root()).absolute()
    usual = NOISY_ROUNDS if "dp" in privacy else ROUNDS
    rounds = rounds or (30 if kill_leader else usual)  # enough to see the killed node return
    if terms is not None:
        rounds = count_rounds(terms)
    options = Options(
        root, label, rounds, model, kill_leader, test, ledger,
        positive, patient, sample, tuple(exclude or ()), hub or hub_auto, hub_auto, rule,
        privacy, epsilon,
    )  # fmt: skip

    def sites() -> tuple[Any, list[Any]]:
        tables = files or heart_files(root / "tables")
        spec = terms or make_spec(options, len(tables))
        return spec, prepare_sites(tables, spec, options)

    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    screen = quiet() if json_ else RichScreen(rounds, yardstick_of(terms).title if terms else "AUC")

    def tell(outcome: Any) -> None:
        screen.__exit__(None, None, None)
        if json_:
            print(json.dumps(outcome.to_json()))
        else:
            show_outcome(outcome)

    with screen:
        run_demo(options, sites, screen.listener, started, tell)


def need_model(model: str, privacy: str) -> str:
    """Return the recipe, the default one if none is named. Raises BadInput if there is none of this
    name, or if it has not the privacy that it should have."""
    from swarmhub.operations.privacy_terms import MODES
    from swarmhub.recipes.registry import list_dp, list_for, list_maskable

    if privacy not in MODES:
        raise BadInput(f"Expected --privacy {' or '.join(MODES)}, got {privacy!r}.")
    wanted = MODES[privacy]
    known = list_for("binary")
    if wanted.masked:
        known = [name for name in known if name in list_maskable("binary")]
    if wanted.dp is not None:
        known = [name for name in known if name in list_dp("binary")]
    model = model or known[0]
    if model not in known:
        of = "" if privacy == "plain" else f" with --privacy {privacy}"
        raise BadInput(f"Expected --model {' or '.join(known)}{of}, got {model!r}.")
    return model


def new_root() -> Path:
    """Return a directory that no other demo uses."""
    stamp = time.strftime("%Y%m%d-%H%M%S")
    return DEFAULT_HOME / "demos" / f"{stamp}-{os.getpid()}"
