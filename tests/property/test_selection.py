"""Laws of the selection: what an exported lock says, and nothing else, decides."""

from __future__ import annotations

import json
import tomllib
from typing import cast

from hypothesis import given
from hypothesis import strategies as st
from packaging.pylock import Pylock
from packaging.tags import Tag

from noxden.lock.pylock import drop_foreign_wheels
from noxden.lock.selection import canonical_json, select
from tests.property.strategies import TAGS, Row, interpreter, json_values, render, rows


def chosen_by_packaging(text: str) -> list[tuple[str, str]]:
    """Name and hash of each package, by `packaging` on the whole text."""
    pylock = Pylock.from_dict(tomllib.loads(text))
    found = pylock.select(
        environment=cast("None", interpreter().markers),
        tags=[Tag(*tag.split("-")) for tag in TAGS],
    )
    return sorted((package.name, source.hashes["sha256"]) for package, source in found)  # type: ignore[union-attr]


@given(rows())
def test_leaving_out_what_cannot_fit_never_changes_what_is_selected(made: list[Row]) -> None:
    text = render(made)
    selection = select(text, interpreter())
    assert [(found.name, found.content) for found in selection.artifacts] == chosen_by_packaging(
        text
    )


@given(rows())
def test_a_shortened_lock_is_still_valid_and_has_the_same_packages(made: list[Row]) -> None:
    short = Pylock.from_dict(tomllib.loads(drop_foreign_wheels(render(made), frozenset(TAGS))))
    assert [package.name for package in short.packages] == [row.name for row in made]


@given(rows())
def test_the_packages_are_those_whose_marker_holds_in_order_of_their_names(made: list[Row]) -> None:
    selection = select(render(made), interpreter())
    assert [found.name for found in selection.artifacts] == sorted(
        row.name for row in made if row.is_selected
    )


@given(rows(), st.sampled_from(["numpy", "six", ":all:"]))
def test_packages_that_the_project_wants_built_come_from_their_sdist(
    made: list[Row], wanted: str
) -> None:
    selection = select(render(made), interpreter(), from_source={wanted})
    sdists = {row.name for row in made if row.sdist}
    for artifact in selection.artifacts:
        if artifact.name in sdists and wanted in {artifact.name, ":all:"}:
            assert artifact.kind == "sdist"


@given(rows())
def test_the_pylock_of_a_selection_selects_the_same_again(made: list[Row]) -> None:
    import tomli_w

    selection = select(render(made), interpreter())
    again = select(tomli_w.dumps(selection.pylock), interpreter())
    assert again.canonical == selection.canonical


@given(json_values)
def test_the_canonical_spelling_of_a_document_reads_back_as_the_document(document: object) -> None:
    assert json.loads(canonical_json(document)) == document


@given(st.dictionaries(st.text(), st.integers(), max_size=6), st.randoms())
def test_the_canonical_spelling_does_not_know_the_order_of_keys(
    document: dict[str, int], random: object
) -> None:
    items = list(document.items())
    random.shuffle(items)  # type: ignore[attr-defined]
    assert canonical_json(dict(items)) == canonical_json(document)
