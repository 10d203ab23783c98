"""The values of the lock floor: selections, settings, requests, projects, interpreters, changes."""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from noxden.errors import InfrastructureError, UsageError
from noxden.lock.changes import compute_changes
from noxden.lock.interpreter import Interpreter, compute_signature, probe_interpreter
from noxden.lock.project import read_project, read_user_pins, read_user_settings
from noxden.lock.pylock import drop_foreign_wheels, read_pylock
from noxden.lock.request import Request
from noxden.lock.selection import LocalSource, select
from noxden.lock.settings import collect_build_settings, collect_from_source
from tests.property.strategies import TAGS, Row, interpreter, render, sha256

if TYPE_CHECKING:
    from noxden.lock.selection import Selection

HEAD = 'lock-version = "1.0"\ncreated-by = "uv"\n'


def selected(entry: str) -> Selection:
    return select(f"{HEAD}[[packages]]\n{entry}", interpreter())


def test_a_wheel_is_named_by_its_file_and_its_hash() -> None:
    (found,) = select(
        render([Row(name="six", version="1.0", tags=("py3-none-any",))]), interpreter()
    ).artifacts
    digest = sha256("six-1.0-py3-none-any.whl ")
    assert found.canonical == {
        "name": "six",
        "version": "1.0",
        "file": "six-1.0-py3-none-any.whl",
        "sha256": digest,
    }
    assert (found.kind, found.size, found.is_built) == ("wheel", 1000, False)
    assert found.entry == {
        "name": "six",
        "version": "1.0",
        "index": "https://index.example/simple",
        "wheels": [
            {
                "url": "https://files.example.org/packages/six-1.0-py3-none-any.whl",
                "size": 1000,
                "hashes": {"sha256": digest},
            }
        ],
    }


def test_a_package_without_a_wheel_that_fits_comes_from_its_sdist() -> None:
    row = Row(name="six", version="1.0", tags=("cp312-cp312-win_amd64",), sdist=True)
    selection = select(render([row]), interpreter())
    (found,) = selection.artifacts
    assert (found.kind, found.file) == ("sdist", "six-1.0.tar.gz")
    assert found.is_built
    assert selection.is_built


def test_a_commit_of_a_repository_is_an_artifact() -> None:
    (found,) = selected(
        'name = "x"\nvcs = { type = "git", url = "https://h/x.git", requested-revision = "main", '
        'commit-id = "abc", subdirectory = "py" }\n'
    ).artifacts
    assert found.canonical == {
        "name": "x", "version": "", "file": "https://h/x.git", "commit": "abc", "subdirectory": "py",
    }  # fmt: skip
    assert found.entry["vcs"] == {
        "type": "git", "url": "https://h/x.git", "requested-revision": "main", "commit-id": "abc",
        "subdirectory": "py",
    }  # fmt: skip
    assert found.is_built


@pytest.mark.parametrize(
    ("url", "file", "built"),
    [
        ("https://h/a%20b/x-1.0.tar.gz#sha", "x-1.0.tar.gz", True),
        ("https://h/x-1.0%2Bcpu-py3-none-any.whl", "x-1.0+cpu-py3-none-any.whl", False),
    ],
)
def test_an_archive_by_url_is_an_artifact(url: str, file: str, built: bool) -> None:
    (found,) = selected(
        f'name = "x"\nversion = "1.0"\narchive = {{ url = "{url}", subdirectory = "s", '
        f"hashes = {{ sha256 = '{sha256('x')}' }} }}\n"
    ).artifacts
    found_as = (found.kind, found.file, found.content, found.is_built)
    assert found_as == ("archive", file, sha256("x"), built)
    assert found.canonical["subdirectory"] == "s"
    assert found.entry["archive"] == {
        "url": url,
        "hashes": {"sha256": sha256("x")},
        "subdirectory": "s",
    }


def test_what_lies_in_the_checkout_is_local() -> None:
    text = HEAD + (
        '[[packages]]\nname = "b"\ndirectory = { path = "b", editable = true }\n'
        '[[packages]]\nname = "a"\ndirectory = { path = "../a" }\n'
        '[[packages]]\nname = "c"\narchive = { path = "c.whl", hashes = { sha256 = "aa" } }\n'
    )
    selection = select(text, interpreter())
    assert selection.artifacts == ()
    assert selection.local == (
        LocalSource("a", "../a", editable=False),
        LocalSource("b", "b", editable=True),
        LocalSource("c", "c.whl", editable=False, sha256="aa"),
    )


def test_an_artifact_without_a_sha256_is_refused() -> None:
    with pytest.raises(UsageError) as caught:
        selected(
            'name = "x"\nversion = "1.0"\n'
            'sdist = { url = "https://h/x-1.0.tar.gz", hashes = { md5 = "aa" } }\n'
        )
    assert str(caught.value) == (
        "uv.lock has no sha256 for x 1.0: noxden installs only what a hash names; "
        "use an index that publishes sha256"
    )


def test_an_interpreter_that_the_lock_does_not_fit_is_named() -> None:
    with pytest.raises(UsageError) as caught:
        select(f'{HEAD}requires-python = ">=3.13"\npackages = []\n', interpreter())
    assert str(caught.value) == (
        "uv.lock does not fit Python 3.12.1: python_full_version '3.12.1' in provided environment "
        "does not satisfy the Python version requirement '>=3.13'"
    )


def test_a_selected_package_with_nothing_that_fits_is_named() -> None:
    text = render([Row(name="pywin32", version="312", tags=("cp312-cp312-win_amd64",))])
    with pytest.raises(UsageError, match=r"uv.lock does not fit Python 3.12.1: .*pywin32"):
        select(text, interpreter())


def test_the_closure_id_is_the_hash_of_the_canonical_selection() -> None:
    empty = select(f"{HEAD}packages = []\n", interpreter())
    assert empty.closure_id == sha256("[]")
    assert empty.pylock == {"lock-version": "1.0", "created-by": "noxden", "packages": []}


def test_a_pylock_that_is_no_toml_says_what_to_run() -> None:
    with pytest.raises(
        UsageError, match=r"^uv exported a pylock.toml that cannot be read \(.*\); run: uv lock$"
    ):
        read_pylock("packages = [", TAGS, sdists=True)


def test_lines_of_a_form_that_uv_does_not_write_are_kept_for_the_parser() -> None:
    text = 'wheels = [{ url = "x-1.0-cp39-cp39-win32.whl" }]\n    { url = "odd.whl" },\n]'
    assert drop_foreign_wheels(text, TAGS) == text


# Changes


@pytest.mark.parametrize(
    ("before", "after", "told"),
    [
        ({"version": "1", "commit": "a" * 40}, {"version": "1", "commit": "b" * 40}, "commit aaaaaaaaaaaa -> bbbbbbbbbbbb"),
        ({"version": "1", "sha256": "a" * 64}, {"version": "1", "sha256": "b" * 64}, "sha256 aaaaaaaaaaaa -> bbbbbbbbbbbb"),
        ({"version": "1", "file": "x.whl"}, {"version": "1", "file": "x.tar.gz"}, "comes from another file"),
        ({"version": "1", "subdirectory": "a"}, {"version": "1"}, "comes from another place"),
        ({"version": "1"}, {"version": "2"}, "1 -> 2"),
    ],
)  # fmt: skip
def test_the_difference_of_a_package_is_told_in_words(
    before: dict[str, str], after: dict[str, str], told: str
) -> None:
    old, new = ({"selection": [{"name": "x", **fields}]} for fields in (before, after))
    assert compute_changes(old, new) == [f"x {told}"]


def test_everything_that_changed_is_told_interpreter_first() -> None:
    old = {
        "format": 1,
        "interpreter": {"version": "3.12.1", "build": "x"},
        "selection": [{"name": "gone", "version": "1"}, {"name": "git", "version": ""}],
        "settings": {"env": {"CC": "gcc"}},
    }
    new = {
        "format": 2,
        "interpreter": {"version": "3.12.1", "build": "y"},
        "selection": [{"name": "new", "version": "2"}],
        "settings": {"env": {"CC": "clang"}, "build": {"no-binary": True}},
    }
    assert compute_changes(old, new) == [
        "Python build x -> y",
        "-git",
        "-gone 1",
        "+new 2",
        "no-binary None -> True",
        "CC 'gcc' -> 'clang'",
        "key format",
    ]


# Requests


def test_a_request_is_spelled_as_options_of_uv() -> None:
    request = Request(("b", "a", "b"), ("lint",), ("fast",), ("one", "two"), "3.12")
    assert request.selectors == [
        "--no-default-groups", "--group", "a", "--group", "b", "--only-group", "lint",
        "--extra", "fast", "--package", "one", "--package", "two",
    ]  # fmt: skip
    assert Request(packages=("one", "*")).selectors == ["--no-default-groups", "--all-packages"]


# Projects


def write(folder: Path, **files: str) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        (folder / name.replace("__", ".")).write_text(text)
    return folder


LOCK = """version = 1

[[package]]
name = "root"
source = { editable = "." }

[[package]]
name = "member"
source = { editable = "packages/member" }

[[package]]
name = "virtual"
source = { virtual = "packages/virtual" }

[[package]]
name = "side"
source = { directory = "../side" }

[[package]]
name = "attrs"
source = { registry = "https://index.example/simple" }
"""


def test_the_deciding_files_are_those_of_every_package_of_the_checkout(tmp_path: Path) -> None:
    workspace = '[tool.uv.workspace]\nmembers = ["packages/*"]\n'
    root = write(tmp_path / "ws", uv__lock=LOCK, pyproject__toml=workspace, uv__toml="2")
    member = write(root / "packages/member", pyproject__toml="3", setup__py="4")
    write(root / "packages/virtual", pyproject__toml="5")
    write(tmp_path / "side", setup__cfg="6")
    (member / ".python-version").write_text("3.12")
    (member / "src" / "deep").mkdir(parents=True)
    project = read_project(member / "src" / "deep")
    assert (project.directory, project.root) == (member, root)
    assert dict(project.files) == {
        "uv.lock": LOCK.encode(),
        "pyproject.toml": workspace.encode(),
        "uv.toml": b"2",
        "packages/member/pyproject.toml": b"3",
        "packages/member/setup.py": b"4",
        "packages/virtual/pyproject.toml": b"5",
        "../side/setup.cfg": b"6",
        "packages/member/.python-version": b"3.12",
    }
    assert project.read("setup.py") == b""


def test_the_digest_of_a_project_knows_names_and_contents(tmp_path: Path) -> None:
    digests = set()
    for number, files in enumerate(
        [
            {"uv__lock": "", "pyproject__toml": ""},
            {"uv__lock": "", "pyproject__toml": "", "setup__py": ""},
            {"uv__lock": "", "pyproject__toml": "", "setup__cfg": ""},
            {"uv__lock": "", "pyproject__toml": " "},
            {"uv__lock": " ", "pyproject__toml": ""},
        ]
    ):
        digests.add(read_project(write(tmp_path / str(number), **files)).digest)
    assert len(digests) == 5


def test_a_deciding_file_that_cannot_be_read_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path, uv__lock="", pyproject__toml="")

    def refuse(path: Path) -> bytes:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(Path, "read_bytes", refuse)
    with pytest.raises(UsageError) as caught:
        read_project(tmp_path)
    assert str(caught.value).startswith(f"cannot read {tmp_path}/uv.lock: Permission denied; ")


def test_settings_of_the_user_are_read_where_uv_reads_them(tmp_path: Path) -> None:
    home, config = tmp_path / "home", tmp_path / "config"
    write(home / ".config" / "uv", uv__toml="a")
    write(config / "uv", uv__toml="b")
    (config / "uv" / ".python-version").write_text("3.12\n")
    own = write(tmp_path, own__toml="c") / "own.toml"
    env = {"HOME": str(home)}
    system = [(str(path), path.read_bytes()) for path in [Path("/etc/uv/uv.toml")] if path.exists()]
    at_home = (str(home / ".config/uv/uv.toml"), b"a")
    assert read_user_settings(env) == (at_home, *system)
    env["XDG_CONFIG_HOME"] = str(config)
    assert read_user_settings(env) == ((str(config / "uv/uv.toml"), b"b"), *system)
    assert read_user_settings(env | {"UV_CONFIG_FILE": str(own)}) == ((str(own), b"c"),)
    assert read_user_settings(env | {"UV_NO_CONFIG": "1"}) == ()
    assert read_user_pins(env) == ("3.12\n",)
    assert read_user_pins({"HOME": str(home)}) == ()


# Settings


def test_the_most_local_setting_wins(tmp_path: Path) -> None:
    manifest = '[tool.uv]\nno-binary-package = ["a"]\ndev-dependencies = []\n'
    project = read_project(write(tmp_path, uv__lock="", pyproject__toml=manifest))
    user = [
        ("first", b'no-binary-package = ["b"]\nno-build-isolation = true\n'),
        ("second", b'no-build-isolation = false\nexclude-newer = "2026-01-01"\n'),
    ]
    env = {"UV_EXCLUDE_NEWER": "2026-02-02", "UV_NO_BINARY": ""}
    assert collect_build_settings(project, user, env) == {
        "no-binary-package": ["a"],
        "no-build-isolation": True,
        "exclude-newer": "2026-01-01",
        "UV_EXCLUDE_NEWER": "2026-02-02",
    }


def test_uv_toml_hides_the_table_of_pyproject(tmp_path: Path) -> None:
    files = {
        "pyproject__toml": "[tool.uv]\nno-binary = true\n",
        "uv__toml": "no-build-isolation = true\n",
    }
    project = read_project(write(tmp_path, uv__lock="", **files))
    assert collect_build_settings(project, [], {}) == {"no-build-isolation": True}


def test_a_table_of_a_wrong_type_counts_as_none(tmp_path: Path) -> None:
    project = read_project(write(tmp_path, uv__lock="", pyproject__toml="[tool]\nuv = 1\n"))
    assert collect_build_settings(project, [], {}) == {}


@pytest.mark.parametrize("content", [b"x = ", b"\xff"])
def test_a_settings_file_that_is_no_toml_is_named(content: bytes, tmp_path: Path) -> None:
    project = read_project(write(tmp_path, uv__lock="", pyproject__toml=""))
    with pytest.raises(UsageError, match=r"^/home/x/uv.toml is not TOML: "):
        collect_build_settings(project, [("/home/x/uv.toml", content)], {})


@pytest.mark.parametrize(
    ("settings", "found"),
    [
        ({}, set()),
        ({"no-binary-package": ["a", "b"], "UV_NO_BINARY_PACKAGE": "c d"}, {"a", "b", "c", "d"}),
        ({"no-binary": True}, {":all:"}),
        ({"UV_NO_BINARY": "TRUE"}, {":all:"}),
        ({"UV_NO_BINARY": "0", "no-binary": False}, set()),
    ],
)
def test_packages_to_build_from_their_sdist_are_named(
    settings: dict[str, object], found: set[str]
) -> None:
    assert collect_from_source(settings) == found


# Interpreters


def test_an_interpreter_tells_who_it_is() -> None:
    found = probe_interpreter(Path(sys.executable), os.environ)
    version = ".".join(map(str, sys.version_info[:3]))
    assert found.version == version
    assert found.label == f"{sys.version_info[0]}.{sys.version_info[1]}" + "t" * bool(
        found.identity["free-threaded"]
    )
    assert found.identity["build"] == sys.version
    assert found.markers["python_full_version"] == version
    assert found.tags[-1] == "py30-none-any"
    assert found.stands()
    assert Interpreter.from_json(found.to_json()) == found


def test_a_free_threaded_interpreter_has_a_label_of_its_own() -> None:
    python = interpreter(**{"free-threaded": True, "version": "3.14.0"})
    assert python.label == "3.14t"


def test_an_interpreter_whose_files_changed_does_not_stand(tmp_path: Path) -> None:
    file = tmp_path / "python"
    file.write_text("one")
    python = interpreter()._replace(signature=compute_signature([str(file)]))
    assert python.stands()
    file.write_text("other")
    assert not python.stands()
    file.unlink()
    assert not python.stands()
    assert compute_signature([str(file)]) == ((str(file), 0, 0, 0),)


def test_a_program_that_is_no_interpreter_is_named(tmp_path: Path) -> None:
    program = tmp_path / "python"
    program.write_text("#!/bin/sh\necho hello\n")
    program.chmod(0o755)
    with pytest.raises(
        InfrastructureError,
        match=re.escape(f"{program} answered 'hello\\n' when asked who it is; reinstall it"),
    ):
        probe_interpreter(program, os.environ)


@pytest.mark.parametrize(
    ("url", "digest", "said"),
    [
        ("https://h.example/..%2F..%2Fvictim.tar.gz", sha256("x"), "../../victim.tar.gz"),
        ("https://h.example/.hidden.tar.gz", sha256("x"), ".hidden.tar.gz"),
        ("https://h.example/a%5Cb.tar.gz", sha256("x"), "a\\b.tar.gz"),
        ("https://h.example/a%07.tar.gz", sha256("x"), "a\x07.tar.gz"),
        ("https://h.example/x.tar.gz", "../../../../evil", "../../../../evil"),
    ],
)
def test_a_name_that_would_lead_out_of_the_den_is_refused(url: str, digest: str, said: str) -> None:
    entry = f'[[packages]]\nname = "x"\narchive = {{ url = "{url}", hashes = {{ sha256 = "{digest}" }} }}\n'
    with pytest.raises(UsageError) as caught:
        select(f"{HEAD}{entry}", interpreter())
    assert str(caught.value) == (
        f"uv.lock names x oddly ({said}), and a file of such a name is not taken; use a URL that "
        f"ends in a plain file name"
    )
