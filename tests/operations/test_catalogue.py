"""The catalogue of studies: the mandatory constraints of HealthDCAT-AP, and nothing invented."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
from builders import HEART, Consortium, digest

from swarmhub.contract.records import Declaration, Inputs, Outcome
from swarmhub.errors import HomeError
from swarmhub.home.config import encode_config, make_config, parse_config
from swarmhub.operations.catalogue import (
    find_gaps,
    look_at_catalogue,
    say_gaps,
    without_catalogue,
)
from swarmhub.operations.ledger_client import LedgerClient

# rdflib's reader of JSON-LD uses what rdflib itself is about to give up
pytestmark = [
    pytest.mark.filterwarnings("ignore:.* is deprecated:DeprecationWarning"),
]
SHAPES = Path(__file__).with_name("healthdcat_ap.ttl")
BARE = make_config("St. Anna", "anna.example:7400", "", "ledger.sqlite")
FULL = replace(
    BARE, catalogue_contact="mailto:data@anna.example", catalogue_hdab="The access body",
    catalogue_legislation="http://data.europa.eu/eli/reg/2025/327/oj",
    catalogue_hdab_contact="https://access.example/requests", catalogue_categories="EHRS",
    catalogue_legal_basis="consent",
)  # fmt: skip
ILL = Outcome("ill", positive=("yes",))
DECLARED = {
    "proteins": Declaration(ILL, (Inputs("olink", ("IL*",), "olink", "NPX"),), patient="id"),
    "survival": Declaration(Outcome("died", "time_to_event", ("1",), time="days", unit="d")),
    "own": None,
}


def catalogue(declared=None, hospital=FULL, **spec):
    c = Consortium(3)
    c.start(data=declared, **spec)
    return look_at_catalogue(LedgerClient(c, c.accounts[1]), hospital)


def dataset(document):
    return next(n for n in document["@graph"] if n["@type"] == "dcat:Dataset")


def graph_of(document):
    rdflib = pytest.importorskip("rdflib")
    return rdflib.Graph().parse(data=json.dumps(document), format="json-ld")


def faults(document):
    """What the shapes say of a document: the violated paths."""
    pyshacl = pytest.importorskip("pyshacl")
    is_valid, found, said = pyshacl.validate(graph_of(document), shacl_graph=str(SHAPES))
    sh = "http://www.w3.org/ns/shacl#resultPath"
    paths = {str(o) for _, p, o in found if str(p) == sh}
    assert is_valid == (not paths), said
    return paths


@pytest.mark.parametrize("kind", DECLARED)
@pytest.mark.parametrize("alone", [False, True])
def test_a_catalogue_fulfils_the_mandatory_constraints(kind, alone):
    document = catalogue(DECLARED[kind], title="Who is ill?")
    assert find_gaps(document) == ()
    assert faults(without_catalogue(document) if alone else document) == set()


def test_what_nobody_has_said_is_left_out_and_named():
    document = catalogue(DECLARED["survival"], BARE)
    gaps = {g.property for g in find_gaps(document)}
    assert gaps == {
        "dcatap:applicableLegislation", "dcat:contactPoint", "dcat:distribution",
        "healthdcatap:hdab", "healthdcatap:healthCategory",
    }  # fmt: skip
    # the shapes find the same ones missing, and no other fault
    prefixes = document["@context"]
    named = {f"{prefixes[g.partition(':')[0]]}{g.partition(':')[2]}" for g in gaps}
    assert faults(document) == named
    assert "dpv:hasLegalBasis" not in dataset(document)
    assert all(setting.startswith("set catalogue_") for setting, _ in say_gaps(find_gaps(document)))


@pytest.mark.parametrize("name", ["dct:identifier", "dct:provenance", "dcat:keyword", "dct:type",
                                  "healthdcatap:hasVariables", "dct:accessRights"])  # fmt: skip
def test_the_shapes_find_what_is_taken_out(name):
    document = catalogue(DECLARED["proteins"])
    del dataset(document)[name]
    assert find_gaps(document) or name == "healthdcatap:hasVariables"
    pyshacl = pytest.importorskip("pyshacl")
    assert not pyshacl.validate(graph_of(document), shacl_graph=str(SHAPES))[0]


def test_a_dataset_says_what_terms_and_enrolment_say():
    document = catalogue(DECLARED["proteins"], title="Who is ill?", ethics=digest("vote"))
    found = dataset(document)
    assert found["dct:title"] == "Who is ill?"
    assert found["dct:identifier"].endswith(f"/{HEART}")
    assert [a["foaf:name"] for a in found["dct:creator"]] == ["h1", "h2", "h3"]
    said = found["dct:description"]["@value"]
    assert "Outcome: 'yes' in 'ill'" in said
    assert digest("vote") in said
    categories = [c["@id"].rpartition("/")[2] for c in found["healthdcatap:healthCategory"]]
    assert categories == ["HPML", "EHRS"]
    columns = found["healthdcatap:hasVariables"]["csvw:table"]["csvw:column"]
    assert [c["csvw:name"] for c in columns] == ["ill", "IL*"]


def test_rows_are_persons_only_if_no_column_names_the_patients():
    rows = dataset(catalogue(DECLARED["survival"]))
    assert rows["healthdcatap:numberOfRecords"]["@value"] == "300"
    assert rows["healthdcatap:numberOfUniqueIndividuals"] == rows["healthdcatap:numberOfRecords"]
    assert "healthdcatap:numberOfUniqueIndividuals" not in dataset(catalogue(DECLARED["proteins"]))
    assert "healthdcatap:numberOfUniqueIndividuals" not in dataset(catalogue())


def test_a_title_of_a_stranger_stays_text():
    document = catalogue(title='"}], "@id": "http://evil.example', data_schema="a\u202eb\nc")
    rdflib = pytest.importorskip("rdflib")
    graph = graph_of(document)
    subjects = {str(s) for s in graph.subjects() if isinstance(s, rdflib.URIRef)}
    assert not any("evil" in s for s in subjects)
    assert "\u202e" not in json.dumps(document, ensure_ascii=False)


def test_a_study_has_the_same_address_at_each_member():
    other = replace(FULL, name="Other")
    assert dataset(catalogue())["@id"] == dataset(catalogue(hospital=other))["@id"]


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("catalogue_contact", "data@anna.example"),
        ("catalogue_hdab_contact", "javascript:alert(1)"),
        ("catalogue_legislation", "http://data.europa.eu/eli/reg/2025/327/oj EHDS"),
        ("catalogue_categories", "EHRS OTHER"),
    ],
)
def test_a_setting_that_cannot_be_is_refused(tmp_path, key, value):
    assert parse_config(encode_config(FULL).decode(), tmp_path) == FULL
    wrong = encode_config(replace(FULL, **{key: value})).decode()
    with pytest.raises(HomeError, match=f"'{key}'"):
        parse_config(wrong, tmp_path)
