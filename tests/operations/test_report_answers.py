"""Answers to TRIPOD+AI and PROBAST+AI: every item is there, and none is answered by guesswork."""

import re

from reports import DECLARED, reported

from swarmhub.operations.report import probast, tripod
from swarmhub.operations.report.probast import answer_probast
from swarmhub.operations.report.tripod import answer_tripod

ONLY_AUTHORS_KNOW = {
    "2", "3a", "3b", "3c", "5b", "6b", "6c", "8b", "8c", "9c", "18a", "18b", "18d", "19", "20c",
    "25", "26", "27b", "27c",
}  # fmt: skip


def by_item(answers):
    return {a.item: a for a in answers}


def test_all_27_items_in_52_parts_are_there():
    items = [a.item for a in answer_tripod(reported())]
    assert len(items) == len(set(items)) == 52
    assert list(dict.fromkeys(int(re.match(r"\d+", i)[0]) for i in items)) == list(range(1, 28))


def test_what_only_the_authors_know_is_open():
    answers = by_item(answer_tripod(reported()))
    assert {i for i, a in answers.items() if not a.answer} == ONLY_AUTHORS_KNOW | {"17"}


def test_ethics_is_answered_if_the_terms_name_a_document():
    answer = by_item(answer_tripod(reported(ethics="9" * 64)))["17"]
    assert "9" * 64 in answer.answer
    assert "consent" in answer.rest


def test_a_study_without_a_declaration_answers_less():
    answers = by_item(answer_tripod(reported(declared=None)))
    assert not any(answers[i].answer for i in ("8a", "9a", "9b", "11", "14"))
    assert "mg/l" in by_item(answer_tripod(reported(declared=DECLARED)))["9b"].answer


def test_without_an_evaluation_nothing_is_said_of_one():
    answers = by_item(answer_tripod(reported(counts={})))
    assert not answers["23a"].answer
    assert answers["4"].answer == "A model is developed."
    part = by_item(answer_probast(reported(counts={})))
    assert not any(a.answer for item, a in part.items() if item.startswith("E"))


def test_numbers_in_answers_are_those_of_the_study():
    answers = by_item(answer_tripod(reported()))
    assert "Training: 160 patients, 70 with the outcome." in answers["21"].answer
    assert "Evaluation: 200 patients, 100 with the outcome." in answers["21"].answer
    assert "out of 2 by cross-validation" in answers["12c"].answer


def test_probast_has_both_parts_and_four_domains():
    answers = answer_probast(reported())
    for part in "DE":
        assert len({a.topic for a in answers if a.item.startswith(part)}) == 4
    assert not any(re.search(r"\b(low|high) risk\b", a.answer) for a in answers)


def test_the_publications_are_cited():
    assert "BMJ 2024;385:e078378" in tripod.CITED
    assert "BMJ 2025;388:e082505" in probast.CITED
