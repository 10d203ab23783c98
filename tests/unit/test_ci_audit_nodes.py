"""YAML as an audit reads it: lines, aliases, merges, and files that are hostile."""

from __future__ import annotations

import re

import pytest

from noxden.ci.audit.nodes import MISSING, BadYamlError, parse_yaml


def refusal(text: str) -> str:
    with pytest.raises(BadYamlError) as caught:
        parse_yaml(text, "a.yml")
    return str(caught.value)


def test_no_type_is_guessed_and_every_node_has_its_line() -> None:
    [node] = parse_yaml("on: yes\nn: 1\nlist:\n  - a\n  - [b, c]\n", "a.yml").documents
    assert node.get("on").word == "yes"
    assert node.get("n").text == "1"
    assert node.lines == {"on": 1, "n": 2, "list": 3}
    assert node.get("list").words() == ("a", "b", "c")
    assert [one.line for one in node.get("list").scalars()] == [4, 5, 5]
    assert not node.get("list", "a", "b").there
    assert node.get("gone") is MISSING


def test_the_text_of_a_block_starts_a_line_later() -> None:
    [node] = parse_yaml("a: |\n  x\n  y\nb: z\n", "a.yml").documents
    assert (node.get("a").line, node.get("a").start) == (1, 2)
    assert node.get("a").words() == ("x", "y")
    assert (node.get("b").line, node.get("b").start) == (4, 4)


def test_aliases_and_merges_are_resolved_and_the_nearest_wins() -> None:
    text = """
a: &a {x: 1, y: 1}
b: &b {y: 2, z: 2}
c: {<<: *a, x: 3}
d:
  <<: [*a, *b]
  w: 4
"""
    [node] = parse_yaml(text, "a.yml").documents
    assert {name: one.word for name, one in node.get("c").entries.items()} == {"x": "3", "y": "1"}
    assert {name: one.word for name, one in node.get("d").entries.items()} == {
        "x": "1",
        "y": "1",
        "z": "2",
        "w": "4",
    }
    assert node.get("d").lines["z"] == 3


def test_unknown_tags_and_keys_that_are_no_texts_are_tolerated() -> None:
    [node] = parse_yaml("a: !reference [.b, script]\n? [k]\n: v\n", "a.yml").documents
    assert node.get("a").tag == "!reference"
    assert list(node.entries) == ["a"]


def test_a_key_that_is_there_twice_is_noted() -> None:
    parsed = parse_yaml("a: 1\nb: 2\na: 3\n", "a.yml")
    assert parsed.twice == (("a", 3),)
    assert parsed.documents[0].get("a").word == "3"


def test_several_documents_are_read_and_an_empty_file_has_none() -> None:
    assert len(parse_yaml("a: 1\n---\nb: 2\n", "a.yml").documents) == 2
    assert parse_yaml("", "a.yml").documents == ()
    assert parse_yaml("# only\n", "a.yml").documents == ()


def test_what_is_no_yaml_is_refused_in_a_few_words() -> None:
    assert re.fullmatch(r"is not YAML: .+ \(line \d\)", refusal("a: ["))
    assert re.fullmatch(r"is not YAML: .+ \(line 1\)", refusal("a: !x!y z"))
    assert refusal("a: *gone") == "has an alias, *gone, whose anchor is not complete"
    assert refusal("a: &a [*a]") == "has an alias, *a, whose anchor is not complete"
    assert refusal("a: \x00").startswith("is not YAML: ")
    assert refusal("[" * 200) == "is nested more than 100 deep"


def test_an_anchor_of_one_document_is_not_there_in_the_next() -> None:
    assert refusal("a: &a 1\n---\nb: *a\n") == ("has an alias, *a, whose anchor is not complete")


def test_bombs_are_refused_before_they_go_off() -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 12)]
    assert refusal("\n".join(lines)) == "is too large once its aliases are expanded"
    text = "\n".join(["a: &a " + "x" * 1_000_000, "b: [*a, *a, *a, *a]"])
    assert refusal(text) == "is too large once its aliases are expanded"
    merges = ["a: &a {" + ", ".join(f"k{n}: v" for n in range(10_000)) + "}"]
    merges += [f"b{n}: {{<<: *a}}" for n in range(30)]
    assert refusal("\n".join(merges)) == "is too large once its aliases are expanded"
