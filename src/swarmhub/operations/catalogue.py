"""The studies of a consortium as a catalogue in HealthDCAT-AP (JSON-LD), for data access bodies.

The profile is Release 8 of HealthDCAT-AP for data of the access level NON_PUBLIC
(https://healthdataeu.pages.code.europa.eu/healthdcat-ap/), on DCAT-AP 3. A dataset is the data that
a study trains on: records at several hospitals, which leave none of them. Nothing is invented: a
property says what the terms, the ledger or this hospital's node.toml say, or is left out.
`find_gaps` names the mandatory ones that are.

The profile closes `dct:conformsTo` of a dataset to technical standards such as FHIR, so the profile
itself is named at the catalogue's record of the dataset. It allows one publisher and one custodian:
the publisher is the hospital that writes the catalogue, the enrolled hospitals are the creators,
and no custodian is named, since each holds its own part.
"""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import dataclass

from swarmhub.contract.records import CHAIN
from swarmhub.errors import plain
from swarmhub.home.config import Config
from swarmhub.home.home import Home
from swarmhub.operations.catalogue_parts import (
    CONTEXT,
    EU,
    MOST,
    PROFILE,
    Node,
    drop_empty,
    english,
    find_categories,
    find_personal_data,
    list_variables,
    list_vocabularies,
    make_agent,
    make_contact,
    make_count,
    make_date,
)
from swarmhub.operations.ledger_client import open_client
from swarmhub.operations.ledger_view import LedgerView
from swarmhub.operations.studies import StudyShown, look_at_study
from swarmhub.operations.terms import say_leaving, say_status, say_staying, say_terms

# lines of the terms that a description repeats
DESCRIBED = ("outcome", "inputs", "patients", "missing", "small counts", "test patients")
SETTINGS = {  # of node.toml, by the mandatory properties that they give
    "dcat:contactPoint": "catalogue_contact",
    "dcat:distribution": "catalogue_contact",
    "dcatap:applicableLegislation": "catalogue_legislation",
    "healthdcatap:hdab": "catalogue_hdab and catalogue_hdab_contact",
    "healthdcatap:healthCategory": "catalogue_categories",
}
MANDATORY = {
    "dcat:Catalog": ("dct:title", "dct:description", "dct:publisher",
                     "dcatap:applicableLegislation"),
    "dcat:Dataset": (
        "dct:title", "dct:description", "dct:identifier", "dct:accessRights", "dct:type",
        "dct:provenance", "dcat:keyword", "dcat:theme", "healthdcatap:hasStructuredData",
        *SETTINGS,
    ),
}  # fmt: skip


@dataclass(frozen=True)
class Origin:
    """The consortium whose studies they are, and this hospital, which writes the catalogue."""

    consortium: str
    chain: str
    now_ms: int  # block time
    hospital: Config


@dataclass(frozen=True)
class Gap:
    """A mandatory property that nothing known here can give. `setting` names the key of node.toml
    that would."""

    of: str  # the identifier of a dataset, or the title of the catalogue
    property: str
    setting: str


async def export_catalogue(home: Home) -> Node:
    """Return the catalogue of all studies on the ledger."""
    async with open_client(home) as client:
        return look_at_catalogue(client, home.config)


def look_at_catalogue(view: LedgerView, hospital: Config) -> Node:
    """Return the catalogue of an open ledger."""
    chain = CHAIN.need(view.ledger.state)
    origin = Origin(chain.name, chain.chain_id, view.ledger.estimate_ms(), hospital)
    return make_catalogue([look_at_study(view, s.name) for s in view.studies()], origin)


def make_catalogue(studies: Sequence[StudyShown], origin: Origin) -> Node:
    """Return the JSON-LD document: a catalogue, a dataset and a record for each study."""
    datasets = [describe_study(shown, origin) for shown in studies]
    catalogue: Node = {
        "@id": _iri(origin, ""),
        "@type": "dcat:Catalog",
        "dct:title": plain(origin.consortium, MOST),
        "dct:description": english(
            f"Studies of the swarm learning consortium '{plain(origin.consortium, MOST)}'. The "
            "hospitals train models together; the records stay at each hospital."
        ),
        "dct:publisher": _publisher(origin),
        "dct:modified": make_date(origin.now_ms),
        "dcat:themeTaxonomy": {"@id": f"{EU}/data-theme"},
        "dcat:dataset": [{"@id": d["@id"]} for d in datasets],
        "dcat:record": [_record(s, d, origin) for s, d in zip(studies, datasets, strict=True)],
        **_laws(origin),
    }
    graph = [drop_empty(catalogue), *map(drop_empty, datasets)]
    return {"@context": CONTEXT, "@graph": [*graph, *list_vocabularies(datasets)]}


def without_catalogue(document: Node) -> Node:
    """Return the datasets alone, as the validator of HealthData@EU takes them: it reads a catalogue
    as one more dataset, since `dcat:Catalog` is a subclass."""
    graph = [n for n in document["@graph"] if n["@type"] != "dcat:Catalog"]
    return {**document, "@graph": graph}


def find_gaps(document: Node) -> tuple[Gap, ...]:
    """Return the mandatory properties that a document lacks, by node."""
    return tuple(
        Gap(node.get("dct:identifier") or node["dct:title"], name, SETTINGS.get(name, ""))
        for node in document["@graph"]
        for name in MANDATORY.get(str(node["@type"]), ())
        if name not in node
    )


def say_gaps(gaps: Sequence[Gap]) -> list[tuple[str, str]]:
    """Return how gaps are closed, and the properties that this gives, one line a setting."""
    found: dict[str, list[str]] = {}
    for gap in gaps:
        found.setdefault(gap.setting, []).append(gap.property)
    return [
        (
            f"set {setting} in node.toml" if setting else "nothing here has it",
            ", ".join(dict.fromkeys(names)),
        )
        for setting, names in found.items()
    ]


def describe_study(shown: StudyShown, origin: Origin) -> Node:
    """Return a study's dataset. Properties without a value are None or empty."""
    study, spec, here = shown.study, shown.spec, origin.hospital
    rows = sum(e.samples for e in study.enrolled)
    is_row_a_person = spec.data is not None and not spec.data.patient
    iri = _iri(origin, study.name)
    title = plain(spec.title or study.name, MOST)
    return {
        "@id": iri,
        "@type": "dcat:Dataset",
        "dct:identifier": f"{origin.chain}/{study.name}",
        "dct:title": title,
        "dct:description": english(_describe(shown)),
        "dct:publisher": _publisher(origin) if here.catalogue_contact else None,
        "dct:creator": [make_agent(shown.name(e.member)) for e in study.enrolled],
        "dct:accessRights": {"@id": f"{EU}/access-right/NON_PUBLIC"},
        "dct:type": {"@id": f"{EU}/dataset-type/PERSONAL_DATA"},
        "dct:provenance": {
            "@type": "dct:ProvenanceStatement",
            "rdfs:label": english(
                "Records of the enrolled hospitals, read by each of them as the study's terms "
                f"declare (terms with digest {study.spec}, on the ledger {origin.chain})."
            ),
        },
        "dcat:theme": {"@id": f"{EU}/data-theme/HEAL"},
        "dcat:keyword": _keywords(shown),
        "dcat:contactPoint": make_contact(here),
        "dcat:distribution": _distribution(iri, origin),
        "healthdcatap:healthCategory": find_categories(spec.data, here),
        "healthdcatap:hdab": _access_body(here),
        "healthdcatap:hasStructuredData": spec.data is not None,
        "healthdcatap:hasVariables": list_variables(spec.data, title),
        "healthdcatap:numberOfRecords": make_count(rows),
        "healthdcatap:numberOfUniqueIndividuals": make_count(rows if is_row_a_person else 0),
        "dpv:hasPersonalData": find_personal_data(spec.data),
        "dpv:hasPurpose": {
            "@type": "dpv:Purpose",
            "dct:description": english(f"Research, by training one model together: {title}"),
        },
        "dpv:hasLegalBasis": {
            "@type": "dpv:LegalBasis",
            "dct:description": here.catalogue_legal_basis,
        } if here.catalogue_legal_basis else None,
        **_laws(origin),
    }  # fmt: skip


def _describe(shown: StudyShown) -> str:
    spec = shown.spec
    lines = [(s, said) for s, said in say_terms(shown) if s in DESCRIBED]
    rows = sum(e.samples for e in shown.study.enrolled)
    parts = [
        f"Proposed by {shown.name(shown.study.proposer)}.",
        *(f"{subject.capitalize()}: {said}." for subject, said in lines),
        *(f"Leaves each hospital: {said}." for said in say_leaving(shown)),
        f"Stays: {say_staying(spec)}.",
        f"Records: at most {rows} for training, as the hospitals state at enrolment."
        if rows else "Records: no hospital is enrolled yet.",
        f"Data schema: {spec.data_schema}." if spec.data_schema else "",
        f"Ethics: the document with sha256 {spec.ethics}." if spec.ethics else "",
        "The terms state neither the population, the period that the data cover, nor how long they "
        "are kept.",
    ]  # fmt: skip
    return "\n".join(plain(part, 4 * MOST) for part in parts if part)


def _keywords(shown: StudyShown) -> list[str]:
    data = shown.spec.data
    found = ["swarm learning", "federated learning"]
    if data is not None:
        found += [data.outcome.column, *(i.namespace or i.name for i in data.inputs)]
    return [plain(word, 100) for word in dict.fromkeys(found) if word.strip()]


def _distribution(iri: str, origin: Origin) -> Node | None:
    """Return the way to ask for access: the records themselves are handed to nobody."""
    contact = origin.hospital.catalogue_contact
    if not contact:
        return None
    return drop_empty({
        "@id": _iri(origin, f"{iri} access"),
        "@type": "dcat:Distribution",
        "dct:title": english("Questions and requests"),
        "dct:description": english(
            "No file: the records stay at the hospitals. A question or a request goes to this "
            "address; a hospital takes part by joining the consortium and approving the terms."
        ),
        "dcat:accessURL": {"@id": contact},
        **_laws(origin),
    })  # fmt: skip


def _record(shown: StudyShown, dataset: Node, origin: Origin) -> Node:
    return {
        "@id": _iri(origin, f"{shown.study.name} record"),
        "@type": "dcat:CatalogRecord",
        "foaf:primaryTopic": {"@id": dataset["@id"]},
        "dct:conformsTo": {"@id": PROFILE},
        "dct:modified": make_date(origin.now_ms),
        "dct:description": english(f"State of the study: {say_status(shown)}."),
    }


def _publisher(origin: Origin) -> Node:
    return make_agent(origin.hospital.name, origin.hospital.catalogue_contact)


def _access_body(here: Config) -> Node | None:
    if not here.catalogue_hdab or not here.catalogue_hdab_contact:
        return None
    return make_agent(here.catalogue_hdab, here.catalogue_hdab_contact)


def _laws(origin: Origin) -> Node:
    found = origin.hospital.catalogue_legislation.split()
    return {
        "dcatap:applicableLegislation": [{"@id": x, "@type": "eli:LegalResource"} for x in found]
    }


def _iri(origin: Origin, name: str) -> str:
    """Return an address that is the same in each catalogue of each member."""
    return uuid.uuid5(uuid.NAMESPACE_OID, f"swarmhub/{origin.chain}/{name}").urn
