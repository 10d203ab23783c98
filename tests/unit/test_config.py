"""The table ``[tool.noxden]``, what overrides it, and what is wrong with it."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from noxden._config_table import Setting, collect_settings
from noxden.config import (
    _KNOWN,
    _OURS,
    ClusterConfig,
    Config,
    DenConfig,
    DeviceConfig,
    JenkinsConfig,
    LintConfig,
    ScopeConfig,
    StageConfig,
    UnitConfig,
    load_config,
)
from noxden.den.layout import open_den
from noxden.errors import UsageError
from noxden.inside import noxden_inside

if TYPE_CHECKING:
    from collections.abc import Mapping

FULL = """
[tool.noxden]
sessions = ["unit"]
[tool.noxden.unit]
groups = ["test", "extra"]
python = ["3.11", "3.13"]
workers = 4
coverage = true
[tool.noxden.lint]
spelling = "typos"
[tool.noxden.den]
max-size = "1GB"
key-env = ["CFLAGS"]
"""


def load(tmp_path: Path, table: str | None, env: Mapping[str, str] | None = None) -> Config:
    # An underscore in the folder: messages name files as they are.
    project = tmp_path / "my_project"
    project.mkdir(exist_ok=True)
    if table is not None:
        (project / "pyproject.toml").write_text(table)
    return load_config(project, {"NOXDEN_DIR": str(tmp_path / "den"), **(env or {})})


@pytest.mark.parametrize("text", [None, "", "[project]\nname = 'x'\n", "# noxden is used here\n"])
def test_a_project_that_says_nothing_gets_the_defaults(text: str | None, tmp_path: Path) -> None:
    assert load(tmp_path, text) == Config()


def test_every_value_of_the_table_is_taken(tmp_path: Path) -> None:
    assert load(tmp_path, FULL) == Config(
        sessions=("unit",),
        unit=UnitConfig(
            groups=("test", "extra"), python=("3.11", "3.13"), workers=4, coverage=True
        ),
        lint=LintConfig(spelling="typos"),
        den=DenConfig(max_size="1GB", key_env=("CFLAGS",)),
    )


def test_what_is_remembered_is_what_was_read(tmp_path: Path) -> None:
    open_den({"NOXDEN_DIR": str(tmp_path / "den")})
    first = load(tmp_path, FULL)
    assert [path.name[:6] for path in (tmp_path / "den" / "memo").iterdir()] == ["config"]
    assert load(tmp_path, FULL) == first
    assert load(tmp_path, FULL.replace("1GB", "2GB")).den.max_size == "2GB"


def test_reading_the_table_makes_no_den(tmp_path: Path) -> None:
    load(tmp_path, FULL)
    assert not (tmp_path / "den").exists()


def test_variables_override_the_table(tmp_path: Path) -> None:
    env = {
        "NOXDEN_SESSIONS": "lint, unit",
        "NOXDEN_UNIT_PYTHON": "3.12,3.14",
        "NOXDEN_UNIT_WORKERS": "2",
        "NOXDEN_UNIT_COVERAGE": "false",
        "NOXDEN_LINT_GROUPS": "",
        "NOXDEN_DEN_MAX_SIZE": "3GB",
        "NOXDEN_DEN_KEY_ENV": "CC",
    }
    found = load(tmp_path, FULL, env)
    assert found.sessions == ("lint", "unit")
    assert found.unit == UnitConfig(("test", "extra"), ("3.12", "3.14"), workers=found.unit.workers)
    assert str(found.unit.workers) == "2"
    assert found.lint == LintConfig((), spelling="typos")
    assert found.den == DenConfig("3GB", key_env=("CC",))


def wrong(tmp_path: Path, table: str, env: Mapping[str, str] | None = None) -> str:
    with pytest.raises(UsageError) as caught:
        load(tmp_path, table, env)
    return str(caught.value).replace(f"{tmp_path}/my_project/", "")


@pytest.mark.parametrize(
    ("table", "message"),
    [
        (
            "[tool.noxden.unit]\nworker = 1\n",
            "pyproject.toml: unknown key tool.noxden.unit.worker; did you mean workers?",
        ),
        (
            "[tool.noxden.den]\nmax_size = '1GB'\n",
            "pyproject.toml: unknown key tool.noxden.den.max_size; did you mean max-size?",
        ),
        (
            "[tool.noxden.uint]\n",
            "pyproject.toml: unknown key tool.noxden.uint; did you mean unit?",
        ),
        (
            "[tool.noxden]\nxyz = 1\n",
            "pyproject.toml: unknown key tool.noxden.xyz; "
            "known keys: sessions, lint, unit, heavy, device, packaging, den",
        ),
        (
            "[tool.noxden.unit]\nworkers = 1.5\n",
            "pyproject.toml: tool.noxden.unit.workers: Expected `int | str`, got `float`",
        ),
        (
            "[tool.noxden.den]\nkey-env = [1]\n",
            "pyproject.toml: tool.noxden.den.key-env: Expected `str`, got `int` - at `$[0]`",
        ),
        ("[tool.noxden.unit]\ngroups = 'test'\n",
            "pyproject.toml: tool.noxden.unit.groups: Expected `array`, got `str`"),
        ("[tool]\nnoxden = 1\n", "pyproject.toml: tool.noxden is to be a table, got 1"),
        ("[tool.noxden]\nunit = 1\n", "pyproject.toml: tool.noxden.unit is to be a table, got 1"),
        (
            "[tool.noxden]\nsessions = ['units']\n",
            "pyproject.toml: tool.noxden.sessions names 'units'; known: lint, unit, heavy, device, packaging, wheelhouse, publish, plan",
        ),
        (
            "[tool.noxden.ci]\nproviders = ['github', 'gitlub']\n",
            "pyproject.toml: tool.noxden.ci.providers[1]: it cannot be 'gitlub'; did you mean gitlab?",
        ),
        (
            "[tool.noxden.ci]\nnightly = 'at three'\n",
            "pyproject.toml: tool.noxden.ci.nightly: it is a cron schedule of five fields, got 'at three'",
        ),
        (
            "[tool.noxden.ci]\ntimeout = 0\n",
            "pyproject.toml: tool.noxden.ci.timeout: it is a number of minutes from 1 on, got 0",
        ),
        (
            "[tool.noxden.ci.timeouts]\nunit = -5\n",
            "pyproject.toml: tool.noxden.ci.timeouts.unit: it is a number of minutes from 1 on, got -5",
        ),
        (
            "[tool.noxden.ci]\nsecrets = ['A', 'a b']\n",
            "pyproject.toml: tool.noxden.ci.secrets[1]: it is the name of a variable, got 'a b'",
        ),
        (
            "[tool.noxden.ci]\ncache-min-size = 'big'\n",
            "pyproject.toml: tool.noxden.ci.cache-min-size: ",
        ),
        (
            "[tool.noxden.ci]\nrunners = {unit = 5}\n",
            "pyproject.toml: tool.noxden.ci.runners: Expected `array`, got `int`",
        ),
        (
            "[[tool.noxden.device.stage]]\nnumber = 1\nfrequency = 'often'\n",
            "pyproject.toml: tool.noxden.device.stage[0]: 'often' is no frequency; say on pull request",
        ),
        ("[tool.noxden\n", "pyproject.toml is not TOML: "),
        ("# noxden\ntool = 1\n", "pyproject.toml: tool is to be a table, got 1"),
    ],
)  # fmt: skip
def test_what_is_wrong_with_the_table_is_told_by_file_key_and_nearest_name(
    table: str, message: str, tmp_path: Path
) -> None:
    assert wrong(tmp_path, table).startswith(message)


@pytest.mark.parametrize(
    ("variable", "value", "message"),
    [
        (
            "NOXDEN_UNIT_WORKER", "1",
            "unknown environment variable NOXDEN_UNIT_WORKER; did you mean NOXDEN_UNIT_WORKERS?",
        ),
        (
            "NOXDEN_UNIT_COVERAGE", "often",
            "environment variable NOXDEN_UNIT_COVERAGE: Expected `bool`, got `str`",
        ),
        (
            "NOXDEN_SESSIONS", "units",
            "environment variable NOXDEN_SESSIONS names 'units'; known: lint, unit, heavy, device, packaging, wheelhouse, publish, plan",
        ),
        (
            "NOXDEN_SESSIONS_X", "unit",
            "unknown environment variable NOXDEN_SESSIONS_X; did you mean NOXDEN_SESSIONS?",
        ),
    ],
)  # fmt: skip
def test_what_is_wrong_with_a_variable_is_told_by_its_name(
    variable: str, value: str, message: str, tmp_path: Path
) -> None:
    assert wrong(tmp_path, "", {variable: value}) == message


@pytest.mark.parametrize(
    ("variable", "value", "message"),
    [
        (
            "NOXDEN_UNTI_WORKERS", "1",
            "unknown environment variable NOXDEN_UNTI_WORKERS; did you mean NOXDEN_UNIT_WORKERS?",
        ),
        (
            "NOXDEN_TRSUT", "untrusted",
            "unknown environment variable NOXDEN_TRSUT; did you mean NOXDEN_TRUST?",
        ),
        (
            "NOXDEN_QQQQQQQQQQ", "1",
            "unknown environment variable NOXDEN_QQQQQQQQQQ; noxden config shows those it knows",
        ),
        (
            "NOXDEN_TRUST", "Untrusted",
            "environment variable NOXDEN_TRUST is to be trusted or untrusted, got 'Untrusted'",
        ),
        (
            "NOXDEN_OFFLINE", "ja",
            "environment variable NOXDEN_OFFLINE is to be 1 or 0, got 'ja'",
        ),
    ],
)  # fmt: skip
def test_a_wrong_variable_is_refused_in_a_project_without_a_table_too(
    variable: str, value: str, message: str, tmp_path: Path
) -> None:
    assert wrong(tmp_path, "", {variable: value}) == message


def test_every_variable_that_is_documented_or_set_by_a_session_is_known() -> None:
    reference = Path(__file__).parents[2].joinpath("docs", "reference")
    said = " ".join(file.read_text("utf-8") for file in reference.iterdir())
    inside = Path(noxden_inside.__file__).read_text("utf-8")
    names = {*re.findall(r"\bNOXDEN_[A-Z_]*[A-Z]\b(?!>)", said + inside)}
    assert {"NOXDEN_DIR", "NOXDEN_UNIT_WORKERS", "NOXDEN_REMOTE", "NOXDEN_WHEEL"} <= names
    assert sorted(names - _KNOWN - _OURS) == []


@pytest.mark.parametrize("mode", [0o777, 0o750])
def test_a_den_that_others_may_write_is_neither_read_nor_written(mode: int, tmp_path: Path) -> None:
    memo = open_den({"NOXDEN_DIR": str(tmp_path / "den")}).memo
    expected = load(tmp_path, FULL)
    [planted] = memo.iterdir()
    text = planted.read_text("utf-8").replace("typos", "none")
    planted.write_text(text, "utf-8")
    memo.parent.chmod(mode)
    assert load(tmp_path, FULL) == expected
    planted.unlink()
    assert load(tmp_path, FULL) == expected
    assert list(memo.iterdir()) == []


def test_tables_by_session_are_remembered_as_they_were_read(tmp_path: Path) -> None:
    table = """
        [tool.noxden.ci]
        runners = {unit = "big", device = ["self-hosted", "card"]}
        timeouts = {unit = 5}
        paths = {unit = ["src/**"]}
    """
    open_den({"NOXDEN_DIR": str(tmp_path / "den")})
    first = load(tmp_path, table)
    assert first.ci.runners == {"unit": ("big",), "device": ("self-hosted", "card")}
    assert load(tmp_path, table) == first


def test_reading_the_configuration_makes_no_den(tmp_path: Path) -> None:
    load(tmp_path, FULL)
    assert not (tmp_path / "den").exists()


def test_every_setting_says_where_its_value_comes_from() -> None:
    overrides = {"NOXDEN_UNIT_WORKERS": "2", "NOXDEN_SESSIONS": "lint"}
    found = collect_settings(FULL.encode(), Path("/x/pyproject.toml"), overrides)
    by_name = {setting.name: setting for setting in found}
    tables = (ScopeConfig, ClusterConfig, JenkinsConfig)
    inner = sum(len(table._fields) - 1 for table in tables)
    assert len(by_name) == len(found) == sum(len(table) for table in Config()[1:]) + 1 + inner
    assert by_name["device.scope.defaults"] == Setting("device.scope.defaults", True, "default")
    assert by_name["sessions"] == Setting(
        "sessions", ("lint",), "environment variable NOXDEN_SESSIONS"
    )
    assert by_name["unit.workers"].source == "environment variable NOXDEN_UNIT_WORKERS"
    assert by_name["den.max-size"] == Setting("den.max-size", "1GB", "pyproject.toml")
    assert by_name["den.max-age"] == Setting("den.max-age", "30d", "default")
    assert by_name["lint.groups"].source == "default"


DEVICE = """
[tool.noxden.device]
provider = "env"
variable = "MY_DEVICES"
timeout = 60
[tool.noxden.device.scope]
deny-paths = ["tests/slow/*"]
hw = ["GENERIC"]
[[tool.noxden.device.stage]]
number = 7
coverage = 0.5
[[tool.noxden.device.stage]]
number = 8
blocking = false
tests = ["--pyargs", "numpy"]
[tool.noxden.device.cluster]
kind = "slurm"
directives = ["--gres=card:1"]
"""


def test_tables_inside_of_a_table_are_values_too(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text(DEVICE)
    env = {"NOXDEN_DIR": str(tmp_path / "den"), "NOXDEN_DEVICE_CARDS": "3"}
    open_den(env)
    first = load_config(tmp_path, env)
    assert first.device == DeviceConfig(
        provider="env",
        variable="MY_DEVICES",
        cards=3,
        timeout=60.0,
        scope=ScopeConfig(deny_paths=("tests/slow/*",), hw=("GENERIC",)),
        stage=(
            StageConfig(7, coverage=0.5),
            StageConfig(8, blocking=False, tests=("--pyargs", "numpy")),
        ),
        cluster=ClusterConfig(kind="slurm", directives=("--gres=card:1",)),
    )
    # The second time it comes from the memo.
    assert load_config(tmp_path, env) == first


def test_settings_of_inner_tables_say_where_they_come_from() -> None:
    found = collect_settings(DEVICE.encode(), Path("/x/pyproject.toml"), {})
    by_name = {setting.name: setting for setting in found}
    assert by_name["device.scope.deny-paths"] == Setting(
        "device.scope.deny-paths", ("tests/slow/*",), "pyproject.toml"
    )
    assert by_name["device.cluster.queue"] == Setting("device.cluster.queue", "", "default")
    stages = by_name["device.stage"]
    assert stages.source == "pyproject.toml"
    assert isinstance(stages.value, tuple)
    assert [stage["number"] for stage in stages.value] == [7, 8]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("scope = 3", "device.scope is to be a table, got 3"),
        ("[tool.noxden.device.scope]\ndeny-path = []",
         "unknown key tool.noxden.device.scope.deny-path; did you mean deny-paths?"),
        ("[[tool.noxden.device.stage]]\ncards = 1", "tool.noxden.device.stage[0] needs number"),
        ("[[tool.noxden.device.stage]]\nnumber = 1\ncoverage = 1.5",
         "tool.noxden.device.stage[0]: coverage is a share, more than 0 and at most 1, got 1.5"),
        ("[[tool.noxden.device.stage]]\nnumber = 1\ncards = 0",
         "tool.noxden.device.stage[0]: number is 0 or more, and cards 1 or more"),
        ("[[tool.noxden.device.stage]]\nnumber = 1\n[[tool.noxden.device.stage]]\nnumber = 1",
         "tool.noxden.device.stage[0]: there are several stages 1; give each a number of its own"),
        ("stall = 0", "tool.noxden.device.stall (or NOXDEN_DEVICE_STALL) is a number from 0.1 on, got 0"),
        ("env = ['A']", "tool.noxden.device.env takes NAME=value, got 'A'"),
        ("[tool.noxden.device.cluster]\ntls = ['ca.pem']",
         "tool.noxden.device.cluster.tls takes three files: authority, certificate, key"),
        ("[tool.noxden.device.cluster]\nkind = 'slum'",
         "tool.noxden.device.cluster.kind: it cannot be 'slum'; did you mean slurm?"),
        ("provider = 'spire'", "tool.noxden.device.provider: it cannot be 'spire'; did you mean spyre?"),
    ],
)  # fmt: skip
def test_what_is_wrong_with_a_device_table_is_told(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "pyproject.toml").write_text(f"[tool.noxden.device]\n{text}\n")
    with pytest.raises(UsageError, match=re.escape(message)):
        load_config(tmp_path, {})
