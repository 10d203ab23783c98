"""Laws of an audit: whatever a file says, each line is one of the file, and nothing is raised."""

from __future__ import annotations

import re
import shlex
import tempfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from noxden.ci.audit.audit import audit
from noxden.ci.audit.installs import find_installs
from noxden.ci.audit.keys import read_key
from noxden.ci.audit.nodes import BadYamlError, parse_yaml
from noxden.ci.audit.shell import split_commands

PIECES = (
    "on: push\n", "jobs:\n", "  a:\n", "    steps:\n", "      - run: pip install x\n",
    "      - run: |\n", "          nox -s x\n", "      - uses: ./\n", "      - uses: actions/cache@v1\n",
    "        with: {path: .venv, key: k}\n", "include: a.yml\n", "cache: {paths: [wheels]}\n",
    "a: {extends: a, script: tox}\n", "b: &b {<<: *b}\n", "c: &c [*c]\n", "d: !reference [d, script]\n",
    "runs: {steps: [{uses: ./}]}\n", "<<: {x: y}\n", "---\n", "? [x]\n", "{", "}", "[", "]", "'", '"',
    "stage('x') {", "sh 'pip install x'", "agent { docker 'x' }", "cache(", ")", "${{ env.X }}",
    "$(", "`", "<<EOF\n", "#", "\\", "\n", "\t", "\x00", "é",
)  # fmt: skip
texts = st.lists(st.sampled_from(PIECES) | st.text(max_size=8), max_size=30).map("".join)
words = st.lists(
    st.text(st.characters(exclude_characters="\n", codec="utf-8"), min_size=1), min_size=1
)


@pytest.mark.parametrize(
    "path", [".github/workflows/a.yml", ".gitlab-ci.yml", "Jenkinsfile", ".github/actions/x/action.yml"]
)  # fmt: skip
@given(text=texts)
def test_whatever_is_in_a_file_it_is_audited_or_told(path: str, text: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, path)
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, "utf-8", newline="")
        found = audit(Path(folder))
    lines = len(re.split("\r\n|[\r\n\x85\u2028\u2029]", text))
    places = [one.place for one in found.problems]
    places += [job.place for job in found.jobs]
    places += [one.place for job in found.jobs for one in job.installs]
    places += [one.place for job in found.jobs for one in job.caches]
    assert {place.path for place in places} <= {path}
    assert all(1 <= place.line <= lines for place in places)


@given(texts, st.integers(1, 1000))
def test_commands_stand_on_lines_of_their_script(text: str, first: int) -> None:
    found = list(split_commands(text, first))
    lines = [command.line for command in found]
    assert lines == sorted(lines)
    assert all(first <= line <= first + text.count("\n") for line in lines)
    assert len(list(find_installs(found))) <= 7 * len(found)


@given(words)
def test_quoted_words_are_one_command(spelled: list[str]) -> None:
    quoted = " ".join(f"'{word}'" for word in spelled if "'" not in word)
    expected = tuple(word for word in spelled if "'" not in word)
    assert [one.words for one in split_commands(quoted, 1)] == ([expected] if expected else [])


@given(st.lists(st.from_regex(r"[a-z=./-]+", fullmatch=True), min_size=1))
def test_plain_words_are_split_as_a_shell_does(spelled: list[str]) -> None:
    [command] = split_commands(shlex.join(spelled), 1)
    assert list(command.words) == spelled


@given(texts)
def test_nodes_stand_on_lines_of_their_file(text: str) -> None:
    try:
        documents = parse_yaml(text, "a.yml").documents
    except BadYamlError:
        return
    lines = len(re.split("\r\n|[\r\n\x85\u2028\u2029]", text))
    waiting = list(documents)
    while waiting:
        node = waiting.pop()
        assert 1 <= node.line <= lines
        assert set(node.lines) == set(node.entries)
        waiting += [*node.items, *node.entries.values()]


@given(texts)
def test_a_key_has_its_text_and_nothing_of_it_is_lost(text: str) -> None:
    key = read_key(text)
    assert key.text == text
    assert all(name in text for name in key.files)
