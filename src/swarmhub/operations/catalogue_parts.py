"""Parts of a catalogue in HealthDCAT-AP: agents, variables, and concepts of its vocabularies."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from typing import Any

from swarmhub.contract.records import Declaration
from swarmhub.errors import plain
from swarmhub.home.config import Config

Node = dict[str, Any]  # a JSON-LD node

PROFILE = "https://healthdataeu.pages.code.europa.eu/healthdcat-ap/releases/release-8/"
CONTEXT = {
    "adms": "http://www.w3.org/ns/adms#",
    "csvw": "http://www.w3.org/ns/csvw#",
    "cv": "http://data.europa.eu/m8g/",
    "dcat": "http://www.w3.org/ns/dcat#",
    "dcatap": "http://data.europa.eu/r5r/",
    "dct": "http://purl.org/dc/terms/",
    "dpv": "https://w3id.org/dpv#",
    "eli": "http://data.europa.eu/eli/ontology#",
    "foaf": "http://xmlns.com/foaf/0.1/",
    "healthdcatap": "http://healthdataportal.eu/ns/health#",
    "rdfs": "http://www.w3.org/2000/01/rdf-schema#",
    "skos": "http://www.w3.org/2004/02/skos/core#",
    "vcard": "http://www.w3.org/2006/vcard/ns#",
    "xsd": "http://www.w3.org/2001/XMLSchema#",
}
EU = "http://publications.europa.eu/resource/authority"
HEALTH = "https://hdeu-dcat.data.health.europa.eu/resource/authority"
PERSONAL = "https://w3id.org/dpv/dpv-pd#"
# health categories (Article 51) and personal data that a declared namespace of names tells
OMICS = {"uniprot": "HPML", "olink": "HPML", "ensembl": "HPML", "rsid": "HGPD"}
GENETIC = ("rsid",)
MOST = 2000  # letters of a sentence with strangers' words


def list_variables(data: Declaration | None, title: str) -> Node | None:
    """Return the columns that the terms name. The terms declare the type of the outcome alone."""
    if data is None:
        return None
    outcome = data.outcome
    kind = "number" if outcome.kind == "continuous" else "string"
    columns = {outcome.column: ("Outcome", kind)}
    if outcome.time:
        columns.setdefault(outcome.time, ("Time until the outcome", "number"))
    named = [(c, f"Input of the block '{i.name}'", i.unit) for i in data.inputs for c in i.columns]
    for name, said, unit in named:
        is_pattern = any(sign in name for sign in "*?[")
        said = f"{said}; all columns with names like this" if is_pattern else said
        columns.setdefault(name, (f"{said}{f' in {unit}' if unit else ''}", "anyAtomicType"))
    for name in data.subgroups:
        columns.setdefault(name, ("Subgroup of the evaluation", "anyAtomicType"))
    return {
        "@type": "csvw:TableGroup",
        "dct:title": title,
        "csvw:table": {
            "@type": "csvw:Table",
            "dct:title": title,
            "csvw:column": [
                {
                    "@type": "csvw:Column",
                    "csvw:name": plain(name, MOST),
                    "csvw:title": plain(name, MOST),
                    "dct:description": english(plain(said, MOST)),
                    "csvw:datatype": type_,
                }
                for name, (said, type_) in columns.items()
            ],
        },
    }


def find_categories(data: Declaration | None, here: Config) -> list[Node]:
    """Return the health categories that names of inputs tell, and those of node.toml."""
    told = [OMICS[i.namespace] for i in data.inputs if i.namespace in OMICS] if data else []
    codes = dict.fromkeys([*told, *here.catalogue_categories.split()])
    return [{"@id": f"{HEALTH}/healthcategories/{code}"} for code in codes]


def find_personal_data(data: Declaration | None) -> list[Node]:
    """Return the kinds of personal data: of health, and genetic ones if names of inputs tell so."""
    inputs = data.inputs if data else ()
    is_genetic = any(i.namespace in GENETIC for i in inputs)
    kinds = ["MedicalHealth", *(["Genetic"] if is_genetic else [])]
    return [{"@id": f"{PERSONAL}{kind}", "@type": "dpv:PersonalData"} for kind in kinds]


def make_agent(name: str, contact: str = "") -> Node:
    """Return an organisation; `contact` is mailto: or https:, "" if there is none."""
    found: Node = {"@type": "foaf:Agent", "foaf:name": plain(name, MOST)}
    if contact.startswith("mailto:"):
        point: Node = {"cv:email": contact.removeprefix("mailto:")}
    else:
        point = {"cv:contactPage": {"@id": contact}}
    return {**found, "cv:contactPoint": {"@type": "cv:ContactPoint", **point}} if contact else found


def make_contact(here: Config) -> Node | None:
    """Return the address for questions, None if node.toml has none."""
    if not here.catalogue_contact:
        return None
    by = "vcard:hasEmail" if here.catalogue_contact.startswith("mailto:") else "vcard:hasURL"
    return {
        "@type": "vcard:Kind", "vcard:fn": plain(here.name, MOST),
        by: {"@id": here.catalogue_contact},
    }  # fmt: skip


def list_vocabularies(datasets: Sequence[Node]) -> list[Node]:
    """Return the concepts that datasets name, each with its scheme, which validators look for."""
    codes = {c["@id"] for d in datasets for c in d["healthdcatap:healthCategory"]}
    concepts = {
        f"{EU}/access-right/NON_PUBLIC": ("non-public", ["dct:RightsStatement"]),
        f"{EU}/data-theme/HEAL": ("Health", []),
        f"{EU}/dataset-type/PERSONAL_DATA": ("Personal data", []),
        **{iri: (iri.rpartition("/")[2], []) for iri in sorted(codes)},
    } if datasets else {}  # fmt: skip
    titles = {
        f"{EU}/access-right": "Access right", f"{EU}/data-theme": "Data theme",
        f"{EU}/dataset-type": "Dataset type",
        f"{HEALTH}/healthcategories": "Health categories (Article 51 of Regulation (EU) 2025/327)",
    }  # fmt: skip
    schemes = dict.fromkeys(iri.rpartition("/")[0] for iri in concepts)
    schemes.setdefault(f"{EU}/data-theme")
    return [
        {"@id": PROFILE, "@type": "dct:Standard", "dct:title": "HealthDCAT-AP, Release 8"},
        *({
            "@id": iri, "@type": ["skos:Concept", *types], "skos:prefLabel": english(label),
            "skos:inScheme": {"@id": iri.rpartition("/")[0]},
        } for iri, (label, types) in concepts.items()),
        *({
            "@id": iri, "@type": "skos:ConceptScheme", "dct:title": english(titles[iri]),
        } for iri in schemes),
    ]  # fmt: skip


def english(text: str) -> Node:
    """Return a sentence of ours."""
    return {"@value": text, "@language": "en"}


def make_count(number: int) -> Node | None:
    """Return a number of records or persons, None for 0."""
    return {"@value": str(number), "@type": "xsd:nonNegativeInteger"} if number else None


def make_date(ms: int) -> Node:
    """Return the day (UTC) of a time."""
    day = dt.datetime.fromtimestamp(ms / 1000, dt.UTC).date()
    return {"@value": day.isoformat(), "@type": "xsd:date"}


def drop_empty(node: Node) -> Node:
    """Return a node without the properties that have no value."""
    return {k: v for k, v in node.items() if v is not None and v != [] and v != {}}
