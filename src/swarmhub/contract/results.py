"""The settled results of a study's stages, which are no models."""

from __future__ import annotations

from swarmhub.contract.records import RESULT, SPEC, Result
from swarmhub.contract.round.checks import STATISTICS_LAYOUT
from swarmhub.contract.stages import get_result_stages
from swarmhub.contract.state import Reader


def get_results(state: Reader, study: str) -> dict[str, Result]:
    """Return the settled results of a study's stages, by their names."""
    spec = SPEC.get(state, study)
    stages = get_result_stages(spec) if spec else ()
    found = {s.name: RESULT.get(state, study, s.name) for s in stages}
    return {name: result for name, result in found.items() if result}


def get_document(state: Reader, study: str) -> Result | None:
    """Return the newest merged document of a study's `describe` stages."""
    results = get_results(state, study).values()
    documents = [result for result in results if result.layout == STATISTICS_LAYOUT]
    return documents[-1] if documents else None
