"""One sentence says in what two models differ, and shows both sides."""

import pytest

from swarmhub.params import Layout, Tensor, describe_difference


def layout(shape=(2,), dtype="F64", name="w", **meanings):
    return Layout.of([Tensor(name, dtype, shape)], meanings)


def say(mine, theirs):
    return describe_difference(mine, theirs, "this model", "Hospital 2's")


def test_equal_models_do_not_differ():
    assert say(layout(classes_=["a"]), layout(classes_=["a"])) == ""


def test_both_sides_classes_are_named():
    assert say(layout(classes_=["'ill'", "'well'"]), layout(classes_=["'sick'", "'fit'"])) == (
        "The models differ in classes_: this model has 'ill', 'well', Hospital 2's has 'sick', "
        "'fit'; build the same model at every site."
    )


def test_classes_come_before_the_shapes_that_follow_from_them():
    said = say(layout((1,), classes_=["0", "1"]), layout((3,), classes_=["0", "1", "2"]))
    assert "classes_" in said
    assert "shape" not in said


def test_a_long_list_is_shown_from_its_first_difference_on():
    columns = [f"gene{i}" for i in range(1000)]
    said = say(layout(columns=columns), layout(columns=[*columns[:500], "crp", *columns[500:]]))
    assert "from place 501 on: gene500, gene501" in said
    assert "from place 501 on: crp, gene500" in said
    assert len(said) < 400


def test_a_list_that_only_one_side_has_is_said():
    assert "this model has none, Hospital 2's has 'age'" in say(layout(), layout(c=["'age'"]))


@pytest.mark.parametrize(
    ("theirs", "part"),
    [
        (layout((3,)), "F64 of shape [2], Hospital 2's has F64 of shape [3]"),
        (layout(dtype="F32"), "F64 of shape [2], Hospital 2's has F32 of shape [2]"),
        (layout(name="v"), "array v: this model has none of this name"),
    ],
)
def test_the_first_array_that_differs_is_named(theirs, part):
    assert part in say(layout(), theirs)


def test_what_a_peer_says_is_cut_and_made_printable():
    said = say(layout(c=["a"]), layout(c=["\x1b[2J" + "x" * 500]))
    assert said.isprintable()
    assert len(said) < 300
