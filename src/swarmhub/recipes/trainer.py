"""The trainer for tables: one hospital's files in a study, from statistics to the last model.

Each site describes its training rows (`data.summaries`), the descriptions are merged, every site
builds the same design from the merge and compares its data with it, and the stages of the study
follow one another (`plan`). Test patients of this site measure every merged model before training
goes on, and the last one in full.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from pathlib import Path

from swarmhub import train
from swarmhub.data.check.declared import check_declared
from swarmhub.data.check.merged import check_merged
from swarmhub.data.design import Design
from swarmhub.data.findings import Findings
from swarmhub.errors import BadInput, TrainerError, plain
from swarmhub.recipes import plan
from swarmhub.recipes.confounded import check_standardised
from swarmhub.recipes.designing import make_declared_design, make_design
from swarmhub.recipes.kinds.kind import FEW, kind_of
from swarmhub.recipes.plan import need_dp_model
from swarmhub.recipes.preparing import Prepared, Sources, prepare
from swarmhub.recipes.private import refuse_wide
from swarmhub.recipes.registry import find_recipe, need_packages
from swarmhub.recipes.site import Say, Site, digest_data
from swarmhub.recipes.standardise import keep_scales, make_local_design, scales_of
from swarmhub.train.session import Swarm


def train_table(study: str, home: Path, sources: Sources, say: Say = lambda sentence: None) -> str:
    """Take part in a study with a hospital's files until it is over; return the last model's
    digest, "" if this node does not hold it. Raises BadInput or TrainerError if the data cannot
    take part: nothing of them is in the model then."""
    with train.join(study, home, None, say) as swarm:
        recipe = find_recipe(plan.get_model(swarm.spec))
        need_packages(recipe)
        found = Findings(strict=True)
        prepared = prepare(swarm.spec, sources, found)
        for sentence in found.sentences:
            say(sentence)
        if prepared.training.rows > swarm.samples:
            raise TrainerError(
                f"{sources.data.names} has {prepared.training.rows} training rows, but this "
                f"hospital enrolled with {swarm.samples} samples; 'swarmhub study withdraw "
                f"{study}', then enrol again with --samples {prepared.training.rows}."
            )
        measured = kind_of(prepared.schema.outcome.kind).METRICS
        swarm.explain_no_say = functools.partial(explain_no_say, known=measured)
        swarm.name_data(digest_data(prepared, home))
        if swarm.spec.privacy.dp is not None:
            recipe.run(make_private_site(swarm, prepared, sources, found, say))
            return swarm.final
        merged = swarm.describe(prepared.statistics)
        if merged is None:
            say(f"The study '{study}' is over; its merged statistics are not held here.")
            return swarm.final
        recipe.run(make_site(swarm, prepared, merged, found, say))
        return swarm.final


def make_site(swarm: Swarm, prepared: Prepared, merged: bytes, found: Findings, say: Say) -> Site:
    """Return this hospital's part, once its data agree with the merged statistics. Raises BadInput
    if they do not."""
    schema = prepared.schema
    design: Design = make_design(merged, schema.declaration, schema)
    later = Findings(strict=False)
    local = make_local_design(swarm.spec, design, prepared.statistics)
    check_merged(prepared.training, local, schema, (merged, prepared.statistics), later)
    if plan.standardises_own(swarm.spec):
        mine = (prepared.training, prepared.statistics)
        check_standardised(design, mine, merged, schema, later)
    site = Site(swarm, prepared, design, say, found)
    report_findings(site, later)
    if plan.standardises_own(swarm.spec):
        keep_scales(site.folder, scales_of(design, prepared.statistics))
    return site


def make_private_site(
    swarm: Swarm, prepared: Prepared, sources: Sources, found: Findings, say: Say
) -> Site:
    """Return this hospital's part in a study with differential privacy, which merges no
    statistics: its features follow from the terms. Raises BadInput if the data do not fit them."""
    need_dp_model(plan.get_model(swarm.spec), plan.get_kind(swarm.spec))
    swarm.explain_no_say = lambda metric, measured: ""  # no figure leaves, no model is the best
    design = make_declared_design(prepared.schema)
    refuse_wide(swarm.spec, design, prepared, sources.accepts_loss)
    later = Findings(strict=False)
    check_declared(prepared.training, design, later)
    site = Site(swarm, prepared, design, say, found)
    report_findings(site, later)
    return site


def report_findings(site: Site, later: Findings) -> None:
    """Say and keep what was found once the features were known. Raises BadInput if one is an
    error."""
    site.findings.found += later.found
    for sentence in later.sentences:
        site.say(sentence)
    site.keep({"findings": site.findings.found})
    errors = [f for f in later.found if f.level == "error"]
    if errors:
        raise BadInput(
            f"{errors[0].sentence} Nothing of this hospital's rows is in the model; mend the data, "
            "then start the trainer again."
        )


def explain_no_say(
    metric: str, measured: Mapping[str, float], known: Sequence[str] = ("auc", "loss")
) -> str:
    """Return why a site that has measured this on its test patients has no say in which model is
    the best; "" if it has one."""
    if metric in measured:
        return ""
    if not measured:
        why = f"No patients are set aside here, or fewer than {FEW}"
    elif metric not in known:
        names = " and ".join(known)
        why = f"The study's metric is '{plain(metric, 40)}', and this trainer measures {names}"
    else:
        why = f"The test patients here are fewer than {FEW}, or have one outcome only: no {metric}"
    return (
        f"{why}: this hospital has no say in which model is the best, and if no hospital has, no "
        "best model is chosen."
    )
