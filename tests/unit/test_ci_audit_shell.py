"""Which commands of a script install Python packages."""

from __future__ import annotations

import textwrap

import pytest

from noxden.ci.audit.installs import find_installs
from noxden.ci.audit.scripts import Script, read_scripts, show_command
from noxden.ci.audit.shell import Command, split_commands
from noxden.ci.audit.values import Install, Place
from noxden.ci.audit.words import split_runner, split_wrapper


def found(script: str) -> list[tuple[str, int, bool]]:
    """Tool, line and lightness of what a script installs."""
    commands = split_commands(textwrap.dedent(script), 1)
    return [(one.tool, one.command.line, one.light) for one in find_installs(commands)]


def tools(command: str) -> list[str]:
    return [tool for tool, _, _ in found(command)]


def test_a_script_is_split_into_commands_with_their_lines() -> None:
    script = textwrap.dedent(
        r"""
        # a comment; pip install no
        set -e; cd "a b"/c && make || echo 'x; y' | tee log
        FOO=1 run \
          --with a#b \
          end   # behind
        (cd x; ls) > out 2>&1 &
        echo $(which pip) `date`
        C:\tools\x.exe "${{ matrix.python }}" ${{ matrix.a && 'b' }} ${HOME}/x
        """
    )
    assert [(one.line, list(one.words)) for one in split_commands(script, 10)] == [
        (12, ["set", "-e"]),
        (12, ["cd", "a b/c"]),
        (12, ["make"]),
        (12, ["echo", "x; y"]),
        (12, ["tee", "log"]),
        (13, ["FOO=1", "run", "--with", "a#b", "end"]),
        (16, ["cd", "x"]),
        (16, ["ls"]),
        (16, ["out"]),
        (17, ["echo"]),
        (17, ["which", "pip"]),
        (17, ["date"]),
        (18, [r"C:\tools\x.exe", "${{ matrix.python }}", "${{ matrix.a && 'b' }}", "${HOME}/x"]),
    ]


def test_here_documents_are_no_commands() -> None:
    script = """\
    cat > a <<EOF && cat <<-'END'
    pip install one
    EOF
    pip install two
      END
    pip install three
    cat <<REST
    pip install four
    """
    assert found(script) == [("pip", 6, False)]


def test_windows_continues_lines_in_its_own_ways() -> None:
    assert found("pip install `\n  numpy\npython -m pip ^\r\n  install torch") == [
        ("pip", 1, False),
        ("pip", 3, False),
    ]


def test_quotes_that_do_not_end_take_the_rest() -> None:
    assert list(split_commands("echo 'a\npip install x", 1)) == [
        Command(("echo", "a\npip install x"), 1)
    ]
    assert list(split_commands("echo \\", 1)) == [Command(("echo", "\\"), 1)]
    assert list(split_commands(r"echo a\;b", 1)) == [Command(("echo", "a;b"), 1)]
    assert list(split_commands("", 1)) == []


@pytest.mark.parametrize(
    ("command", "tool"),
    [
        ("pip install numpy", "pip"),
        ("pip3.12 --quiet install -r requirements.txt", "pip"),
        ("python -m pip install -e .", "pip"),
        ("python3.11 -I -m pip wheel .", "pip"),
        ("py -3 -m pip download numpy", "pip"),
        ('"$PYTHON" -m pip install .', "pip"),
        ("${{ matrix.python }} -m pip install .", "pip"),
        (r"venv\Scripts\pip.exe install numpy", "pip"),
        ("./venv/bin/python -m pip install numpy", "pip"),
        ("if true; then sudo -H -u ci env A=1 timeout -k 5 300 pip install numpy; fi", "pip"),
        ('bash -lc "cd x && pip install numpy"', "pip"),
        ("conda run -n base pip install numpy", "pip"),
        ("xvfb-run -a tox", "tox"),
        ("uv sync --frozen", "uv sync"),
        ("uv --quiet --directory sub sync", "uv sync"),
        ("uv add numpy", "uv add"),
        ("uv pip install numpy", "uv pip install"),
        ("uv pip sync requirements.txt", "uv pip sync"),
        ("uv run pytest", "uv run"),
        ("uv run --no-project --with numpy x.py", "uv run"),
        ("uv tool install ruff", "uv tool install"),
        ("uv build", "uv build"),
        ("uvx ruff check", "uvx"),
        ("pipx run build", "pipx"),
        ("poetry install --with dev", "poetry"),
        ("pdm sync", "pdm"),
        ("pipenv install --dev", "pipenv"),
        ("rye sync", "rye"),
        ("hatch env create", "hatch"),
        ("hatch run test", "hatch"),
        ("conda env update -f environment.yml", "conda"),
        ("mamba install numpy", "mamba"),
        ("micromamba create -n x", "micromamba"),
        ("pixi run test", "pixi"),
        ("conda-lock install", "conda-lock"),
        ("tox -e py312", "tox"),
        ("python -m nox -s unit", "nox"),
        ("python -m build --wheel", "build"),
        ("pyproject-build", "build"),
    ],
)
def test_what_installs_is_known(command: str, tool: str) -> None:
    assert tools(command)[0] == tool


@pytest.mark.parametrize(
    "command",
    [
        "pip list",
        "pip install --help",
        "pip install --dry-run numpy",
        "pip --version",
        "echo pip install numpy",
        "python setup.py build",
        "python -c 'import pip'",
        "uv lock --check",
        "uv sync --check",
        "uv venv",
        "uv python install 3.12",
        "uv pip compile requirements.in",
        "uv run --no-sync pytest",
        "uv run --no-project script.py",
        "uv tool list",
        "uvx",
        "uv",
        "poetry build",
        "hatch version",
        "conda info",
        "pixi info",
        "nox -l",
        "nox --version",
        "tox list",
        "sudo",
        "bash script.sh",
        "bash -c",
        "make install",
    ],
)
def test_what_does_not_install_is_not_listed(command: str) -> None:
    assert tools(command) == []


def test_a_command_in_a_command_is_followed_to_a_depth() -> None:
    assert tools("uv run --group test nox -s unit") == ["uv run", "nox"]
    assert tools("uvx --with tox-uv tox -e py") == ["uvx", "tox"]
    assert tools("pipx run nox -s x") == ["pipx", "nox"]
    assert tools("uv tool run tox") == ["uv tool run", "tox"]
    assert tools("poetry run python -m pip install x") == ["pip"]
    deep = "uv run " * 9 + "tox"
    assert tools(deep) == ["uv run"] * 6


@pytest.mark.parametrize(
    ("command", "light"),
    [
        ("pip install --upgrade pip setuptools wheel", True),
        ("pip install 'nox[uv]==2026.1' tox_uv", True),
        ("python -m build", True),
        ("uv build", True),
        ("uvx ruff", True),
        ("uv tool install nox", True),
        ("pip install --no-deps -e .", True),
        ("uv pip install --no-deps dist/demo.whl", True),
        ("pip install --no-index --find-links wheels demo", True),
        ("pip install pip numpy", False),
        ("pip install -rrequirements.txt", False),
        ("pip install nox -r requirements.txt", False),
        ("pip install --requirement=requirements.txt", False),
        ("pip install --no-deps -r requirements.txt", False),
        ("pip install --no-deps numpy", False),
        ("pip install $PACKAGES", False),
        ("pip install --group test", False),
        ("uv pip sync requirements.txt", False),
        ("uv run pytest", False),
        ("poetry install", False),
    ],
)
def test_tools_alone_are_light(command: str, light: bool) -> None:
    assert [one[2] for one in found(command)] == [light]


def test_scripts_tell_what_they_do_to_caches_and_remotes() -> None:
    place = Place("a.yml", 10)
    done = read_scripts(
        [
            Script("uv sync\nuv cache prune --ci", place),
            Script("uv cache prune --ci", place._replace(line=20)),
            Script("nox -s wheelhouse -- push", place._replace(line=30)),
            Script("nox -s wheelhouse -- push", place._replace(line=40)),
            Script("noxden wheels key >> $GITHUB_OUTPUT", place),
        ]
    )
    assert done.installs[0] == Install("uv sync", place, "uv sync", light=False)
    assert done.drops_wheels == Place("a.yml", 11)
    assert done.pushes == Place("a.yml", 30)
    assert done.prunes
    assert done.wheels
    guarded = read_scripts([Script("nox -s wheelhouse -- push", place, guarded=True)])
    assert guarded.pushes is None


@pytest.mark.parametrize("command", ["pip cache purge", "conda clean --all", "uv cache clean"])
def test_what_empties_a_cache_is_known(command: str) -> None:
    assert read_scripts([Script(command, Place("a.yml", 1))]).prunes


def test_a_long_command_is_cut() -> None:
    assert show_command(["pip", "install", "a\n b"]) == "pip install a b"
    assert show_command(["x" * 200]) == "x" * 117 + "..."


def test_words_before_the_program_are_dropped() -> None:
    assert split_wrapper(["$env:A=1", "A+=2", "sudo", "-u", "me", "time", "nox"]) == ["nox"]
    assert split_wrapper(["sudo", "-E"]) == []
    assert split_runner("uv", ["run"]) == []
    assert split_runner("uv", ["sync"]) == []
    assert split_runner("make", ["run", "x"]) == []
