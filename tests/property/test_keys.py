"""Laws of the environment key: everything that changes the content changes it, nothing else does."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from noxden.lock import keys
from noxden.lock.changes import compute_changes
from noxden.lock.keys import EnvironmentDocument, compute_document
from noxden.lock.selection import select
from tests.property.strategies import (
    FALSE_MARKERS,
    FIELDS,
    FOREIGN,
    TAGS,
    Row,
    interpreter,
    render,
    rows,
    versions,
)

if TYPE_CHECKING:
    from noxden.lock.interpreter import Interpreter

some_rows = rows().filter(lambda made: any(row.is_selected for row in made))
settings = st.dictionaries(
    st.sampled_from(["config-settings", "no-binary", "UV_EXCLUDE_NEWER", "no-build-isolation"]),
    st.text(max_size=3) | st.booleans(),
    max_size=3,
)
variables = st.dictionaries(st.sampled_from(["CFLAGS", "CC", "MAX_JOBS"]), st.text(max_size=3))


def document_of(
    made: list[Row],
    python: Interpreter | None = None,
    build: dict[str, object] | None = None,
    env: dict[str, str] | None = None,
    comment: str = "",
) -> EnvironmentDocument:
    python = python or interpreter()
    selection = select(render(made, comment), python)
    return compute_document(selection, python, build or {}, env or {})


def key_of(made: list[Row], *rest: object, **more: object) -> str:
    return document_of(made, *rest, **more).key  # type: ignore[arg-type]


@given(rows(), st.randoms())
def test_the_order_of_the_packages_does_not_count(made: list[Row], random: object) -> None:
    shuffled = list(made)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    assert key_of(shuffled) == key_of(made)


@given(rows(), st.randoms())
def test_the_order_of_the_wheels_of_a_package_does_not_count(
    made: list[Row], random: object
) -> None:
    # Two wheels of one package that fit equally well are told apart by their order only.
    made = [
        row.but(tags=(*{tag for tag in row.tags if tag in {*TAGS[:-1], *FOREIGN}}, TAGS[-1]))
        for row in made
    ]
    shuffled = []
    for row in made:
        tags = list(row.tags)
        random.shuffle(tags)  # type: ignore[attr-defined]
        shuffled.append(row.but(tags=tuple(tags)))
    assert key_of(shuffled) == key_of(made)


@given(rows(), st.text("abc #'=[]", max_size=20))
def test_comments_do_not_count(made: list[Row], comment: str) -> None:
    assert key_of(made, comment=comment) == key_of(made)


@given(some_rows, st.lists(st.sampled_from(FOREIGN), unique=True, max_size=3), st.data())
def test_wheels_for_other_platforms_do_not_count(
    made: list[Row], foreign: list[str], data: st.DataObject
) -> None:
    at = data.draw(st.integers(0, len(made) - 1))
    tags = made[at].tags
    assume(tags)
    more = (*tags, *(tag for tag in foreign if tag not in tags))
    assert key_of([*made[:at], made[at].but(tags=more), *made[at + 1 :]]) == key_of(made)


@given(rows(), st.sampled_from(FALSE_MARKERS), versions)
def test_packages_that_markers_leave_out_do_not_count(
    made: list[Row], marker: str, version: str
) -> None:
    other = Row(name="unrelated", version=version, tags=("py3-none-any",), marker=marker)
    assert key_of([*made, other]) == key_of(made)


@given(rows(), st.sampled_from(["http://mirror.local/x", "https://a.b/c%20d"]))
def test_the_mirror_that_files_come_from_does_not_count(made: list[Row], host: str) -> None:
    assert key_of([row.but(host=host) for row in made]) == key_of(made)


@given(rows(), st.none() | st.integers(0, 2**40))
def test_sizes_do_not_count(made: list[Row], size: int | None) -> None:
    assert key_of([row.but(size=size) for row in made]) == key_of(made)


@given(some_rows, st.data())
def test_the_hash_of_every_selected_package_counts(made: list[Row], data: st.DataObject) -> None:
    at = data.draw(st.sampled_from([i for i, row in enumerate(made) if row.is_selected]))
    changed = [*made[:at], made[at].but(content="tampered"), *made[at + 1 :]]
    assert key_of(changed) != key_of(made)


@given(some_rows, versions, st.data())
def test_the_version_of_every_selected_package_counts(
    made: list[Row], version: str, data: st.DataObject
) -> None:
    at = data.draw(st.sampled_from([i for i, row in enumerate(made) if row.is_selected]))
    assume(made[at].version != version)
    changed = [*made[:at], made[at].but(version=version), *made[at + 1 :]]
    assert key_of(changed) != key_of(made)


@given(some_rows, st.data())
def test_every_package_that_a_marker_selects_counts(made: list[Row], data: st.DataObject) -> None:
    at = data.draw(st.sampled_from([i for i, row in enumerate(made) if row.is_selected]))
    without = [*made[:at], made[at].but(marker=FALSE_MARKERS[0]), *made[at + 1 :]]
    assert key_of(without) != key_of(made)
    assert key_of([*made[:at], *made[at + 1 :]]) == key_of(without)


@pytest.mark.parametrize("field", sorted(FIELDS))
def test_every_field_of_the_interpreter_counts(field: str) -> None:
    made = [Row(name="six", version="1.0", tags=("py3-none-any",))]
    other = not FIELDS[field] if isinstance(FIELDS[field], bool) else f"{FIELDS[field]}x"
    before, after = document_of(made), document_of(made, interpreter(**{field: other}))
    assert after.key != before.key
    assert compute_changes(before.fields, after.fields) == (
        [f"Python {FIELDS[field]} -> {other}"]
        if field == "version"
        else [f"Python {field} {FIELDS[field]} -> {other}"]
    )


def test_the_fields_of_these_tests_are_those_of_a_real_interpreter() -> None:
    import os
    import sys
    from pathlib import Path

    from noxden.lock.interpreter import probe_interpreter

    assert set(probe_interpreter(Path(sys.executable), os.environ).identity) == set(FIELDS)


@given(rows(), variables, variables)
def test_declared_variables_count_always(
    made: list[Row], one: dict[str, str], other: dict[str, str]
) -> None:
    assert (key_of(made, env=one) == key_of(made, env=other)) == (one == other)


@given(rows(), settings, settings)
def test_build_settings_count_exactly_when_something_is_built(
    made: list[Row], one: dict[str, object], other: dict[str, object]
) -> None:
    before, after = document_of(made, build=one), document_of(made, build=other)
    builds = any(found.is_built for found in select(render(made), interpreter()).artifacts)
    assert (before.key == after.key) == (one == other or not builds)


@given(rows())
def test_the_format_of_the_key_counts(made: list[Row]) -> None:
    before = key_of(made)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(keys, "KEY_FORMAT", keys.KEY_FORMAT + 1)
        assert key_of(made) != before


@given(rows(), rows(), settings, settings, variables, variables)
def test_there_are_changes_to_tell_exactly_when_the_keys_differ(
    one: list[Row],
    other: list[Row],
    build: dict[str, object],
    other_build: dict[str, object],
    env: dict[str, str],
    other_env: dict[str, str],
) -> None:
    before = document_of(one, build=build, env=env)
    after = document_of(other, build=other_build, env=other_env)
    assert (compute_changes(before.fields, after.fields) == []) == (before.key == after.key)
    assert compute_changes(before.fields, before.fields) == []


@given(some_rows, st.data(), st.sampled_from(["content", "version", "tags"]))
def test_every_change_of_a_package_is_told_with_its_name(
    made: list[Row], data: st.DataObject, field: str
) -> None:
    at = data.draw(st.sampled_from([i for i, row in enumerate(made) if row.is_selected]))
    value = {"content": "other", "version": "9.9", "tags": ("cp312-cp312-manylinux_2_17_x86_64",)}
    before, after = (
        document_of(made),
        document_of([*made[:at], made[at].but(**{field: value[field]})]),
    )
    told = compute_changes(before.fields, after.fields)
    assert bool([line for line in told if line.startswith(f"{made[at].name} ")]) == (
        {entry["name"]: entry for entry in before.selection}[made[at].name]
        != {entry["name"]: entry for entry in after.selection}[made[at].name]
    )
