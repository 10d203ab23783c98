"""CI files: what is rendered, with which actions, and what happens to files that are there."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from noxden._rule import make_rule
from noxden.ci.files.apply import Difference, apply_differences, compare_files, render_diff
from noxden.ci.files.pins import PINS_FILE, Pin, parse_pins, read_pins
from noxden.ci.files.render import MARK, render_files
from noxden.ci.launch import find_launch
from noxden.ci.plan.values import PlannedSession
from noxden.config import CiConfig, Config, DeviceConfig, JenkinsConfig
from noxden.errors import InfrastructureError, SafetyError, UsageError

if TYPE_CHECKING:
    from pathlib import Path

RULE = make_rule(("label", "input", "schedule"), "run-heavy-deps", "run-heavy-deps", "here")
PLAN = PlannedSession("plan", "plan", "plan", None, default=False)
UNIT = PlannedSession("unit", "unit", "unit", None, default=True)
HEAVY = PlannedSession("heavy", "heavy", "heavy", None, default=False, rule=RULE)
DEVICE = PlannedSession(
    "device", "device", "device", None, default=False, stages=DeviceConfig().stage
)
PACKAGING = PlannedSession("packaging", "packaging", "packaging", None, default=True)
PUBLISH = PlannedSession("publish", "publish", "publish", None, default=False)
ALL = (PLAN, UNIT, HEAVY, DEVICE, PACKAGING, PUBLISH)
EVERY = ("github", "forgejo", "gitlab", "jenkins")
COMMIT = "0123456789abcdef0123456789abcdef01234567"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "pyproject.toml").write_text('[project]\nname = "demo"\n')
    return tmp_path


def render(root: Path, sessions: tuple[PlannedSession, ...] = ALL, **ci: Any) -> dict[str, str]:
    return render_files(root, Config(ci=CiConfig(**{"providers": EVERY, **ci})), sessions)


def read(text: str) -> Any:
    # A key `on` is true for YAML 1.1.
    return yaml.load(text, Loader=yaml.BaseLoader)  # noqa: S506 - it makes texts only


def test_every_system_gets_its_files(root: Path) -> None:
    names = ("noxden-device", "noxden-heavy", "noxden-release", "noxden")
    assert sorted(render(root)) == sorted(
        [
            *(f".forgejo/workflows/{name}.yml" for name in names),
            *(f".github/workflows/{name}.yml" for name in names),
            ".gitlab-ci.yml",
            "Jenkinsfile",
        ]
    )


def test_a_file_is_there_only_where_there_are_sessions_for_it(root: Path) -> None:
    found = render(root, (PLAN, UNIT), providers=("github",))
    assert list(found) == [".github/workflows/noxden.yml"]


@pytest.mark.parametrize("hud", [False, True])
def test_no_file_has_more_than_sixty_lines_without_comments(root: Path, hud: bool) -> None:
    for path, text in render(root, hud=hud, paths={"unit": ("src/**",)}).items():
        lines = [line for line in text.splitlines() if line.strip() and line.strip()[:2] != "//"]
        assert len([one for one in lines if one.strip()[0] != "#"]) <= 60, path


def test_every_file_says_how_it_is_made_and_what_is_cached(root: Path) -> None:
    for path, text in render(root, cache_min_size="7MB").items():
        head = text.split("name:")[0].split("workflow:")[0].split("pipeline {")[0]
        assert MARK in head.splitlines()[0], path
        for word in ("Key:", "Invalid by:", "Never cached:", "from 7MB on"):
            assert word in head, path


def test_a_noxfile_without_a_plan_session_is_told_what_it_lacks(root: Path) -> None:
    with pytest.raises(UsageError) as raised:
        render(root, (UNIT,))
    assert str(raised.value) == "the noxfile has no session that plans; add to it: noxden.plan()"


def test_a_workflow_is_a_plan_a_job_over_its_matrix_and_one_that_is_required(root: Path) -> None:
    made = read(render(root)[".github/workflows/noxden.yml"])
    assert list(made["jobs"]) == ["plan", "run", "required"]
    assert made["permissions"] == {"contents": "read"}
    run = made["jobs"]["run"]
    assert run["strategy"]["matrix"] == "${{ fromJSON(needs.plan.outputs.matrix) }}"
    assert run["if"] == "needs.plan.outputs.count != '0'"
    assert made["jobs"]["required"]["if"] == "always()"
    assert made["jobs"]["required"]["needs"] == ["plan", "run"]
    for job in made["jobs"].values():
        assert "timeout-minutes" in job


def test_nothing_from_outside_is_written_into_a_shell(root: Path) -> None:
    for path, text in render(root, hud=True).items():
        if path.endswith("workflows/noxden.yml") or "noxden-" in path:
            jobs = read(text)["jobs"].values()
            for step in (step for job in jobs for step in job["steps"]):
                assert "${{" not in step.get("run", ""), path


def test_every_action_is_pinned_by_its_commit(root: Path) -> None:
    for path, text in render(root, hud=True).items():
        if not path.endswith(".yml") or path == ".gitlab-ci.yml":
            continue
        jobs = read(text)["jobs"].values()
        used = [step["uses"] for job in jobs for step in job["steps"] if "uses" in step]
        assert used
        assert all(len(one.partition("@")[2]) == 40 for one in used), path
        # Who reads the file wants to know which version a commit is.
        assert text.count("uses: ") == text.count(" # v") + text.count(" # main")


def test_the_gate_of_heavy_sessions_is_in_the_triggers(root: Path) -> None:
    made = read(render(root, nightly="0 1 * * *")[".github/workflows/noxden-heavy.yml"])
    assert "labeled" in made["on"]["pull_request"]["types"]
    assert made["on"]["schedule"] == [{"cron": "0 1 * * *"}]
    assert list(made["on"]["workflow_dispatch"]["inputs"]) == ["run-heavy-deps"]


def test_the_stages_say_when_the_device_workflow_runs(root: Path) -> None:
    made = read(render(root)[".github/workflows/noxden-device.yml"])
    assert made["on"]["schedule"] == [{"cron": "0 3 * * *"}, {"cron": "30 */6 * * *"}]
    assert "pull_request" in made["on"]
    assert "push" not in made["on"]
    stages = tuple(one._replace(frequency="on push") for one in DEVICE.stages)
    made = read(
        render(root, (PLAN, DEVICE._replace(stages=stages)))[".github/workflows/noxden-device.yml"]
    )
    assert made["on"]["push"] == {"branches": ["main"]}
    assert "schedule" not in made["on"]
    assert "pull_request" not in made["on"]


def test_the_relay_of_the_hud_gets_what_the_session_wrote(root: Path) -> None:
    made = read(render(root, hud=True)[".github/workflows/noxden-device.yml"])
    run = made["jobs"]["run"]
    assert run["permissions"] == {"contents": "read", "id-token": "write"}
    [relay] = [one for one in run["steps"] if "cross-repo-ci-relay" in one.get("uses", "")]
    assert relay["with"]["status"] == "completed"
    assert (
        relay["with"]["test-results"] == "${{ fromJSON(steps.hud.outputs.inputs)['test-results'] }}"
    )
    assert "cross-repo" not in render(root, hud=True)[".forgejo/workflows/noxden-device.yml"]


def test_declared_paths_bring_the_comparison_with_the_base(root: Path) -> None:
    plain = read(render(root)[".github/workflows/noxden.yml"])["jobs"]["plan"]["steps"]
    assert "--changed-since" not in plain[-1]["run"]
    steps = read(render(root, paths={"unit": ("src/**",)})[".github/workflows/noxden.yml"])["jobs"][
        "plan"
    ]["steps"]
    assert steps[0]["with"] == {"persist-credentials": "false", "fetch-depth": "0"}
    assert steps[-1]["run"].endswith('-- --pipeline checks --changed-since "$BASE"')


def test_a_release_is_published_without_a_token_where_that_can_be(root: Path) -> None:
    found = render(root, publish_url="https://packages.example/legacy/", environment="production")
    github = read(found[".github/workflows/noxden-release.yml"])["jobs"]["publish"]
    assert github["environment"] == "production"
    built = read(found[".github/workflows/noxden-release.yml"])["jobs"]["build"]["steps"]
    # SHA256SUMS beside them is no distribution.
    assert built[-1]["with"]["path"] == ".noxden/packaging/dist/*.*"
    assert github["permissions"] == {"id-token": "write"}
    assert github["steps"][-1]["with"]["repository-url"] == "https://packages.example/legacy/"
    assert "secrets" not in found[".github/workflows/noxden-release.yml"]
    forgejo = read(found[".forgejo/workflows/noxden-release.yml"])["jobs"]["publish"]
    assert forgejo["steps"][-1]["env"] == {"UV_PUBLISH_TOKEN": "${{ secrets.UV_PUBLISH_TOKEN }}"}
    assert forgejo["steps"][-1]["run"].endswith(
        "publish -- project https://packages.example/legacy/"
    )


def test_secrets_are_variables_of_runs_that_are_not_for_a_pull_request(root: Path) -> None:
    made = read(render(root, secrets=("UV_INDEX_A_PASSWORD",))[".github/workflows/noxden.yml"])
    assert made["jobs"]["run"]["env"]["UV_INDEX_A_PASSWORD"] == (
        "${{ github.event_name != 'pull_request' && secrets.UV_INDEX_A_PASSWORD || '' }}"  # noqa: S105
    )


def test_gitlab_has_a_plan_and_a_child_pipeline(root: Path) -> None:
    made = read(render(root, image="python:3.12")[".gitlab-ci.yml"])
    assert made["default"]["image"] == "python:3.12"
    assert made["run"]["trigger"] == {
        "include": [{"artifact": ".noxden/plan/gitlab.yml", "job": "plan"}],
        "strategy": "depend",
    }
    assert "release" not in read(render(root, (PLAN, UNIT))[".gitlab-ci.yml"])


def test_jenkins_runs_the_projects_own_commands_in_their_order(root: Path) -> None:
    own = JenkinsConfig(
        agent="cards",
        image="docker build -t demo .",
        component="make component",
        integration="make 'integration'",
        upstream="nox -s device -- --stage 0",
        push="docker push demo",
    )
    text = render(root, jenkins=own)["Jenkinsfile"]
    titles = [
        line.split("'")[1] for line in text.splitlines() if line.strip().startswith("stage('")
    ]
    assert titles == [
        "Build the runtime image",
        "Component tests",
        "Plan",
        "Install",
        "Sessions",
        "Integration tests",
        "Upstream subset",
        "Push the image",
    ]
    assert "label 'cards'" in text
    assert "sh 'make \\'integration\\''" in text
    assert "Push" not in render(root)["Jenkinsfile"]


@pytest.mark.parametrize(
    ("said", "manifest", "launch"),
    [
        ("", "", ""),
        ("env", "", "env "),
        ("auto", '[project]\nname = "noxden"\n', "uv run --frozen --no-default-groups "),
        (
            "auto",
            "[dependency-groups]\ndev = ['pytest', 'noxden', {include-group = 'nox'}]\nnox = ['Noxden>=1']\n",
            "uv run --frozen --only-group nox ",
        ),
        (
            "auto",
            "[tool.uv]\ndev-dependencies = ['noxden']\n",
            "uv run --frozen --only-group dev ",
        ),
        (
            "auto",
            "[dependency-groups]\ndev = ['noxdenial']\n",
            "uv run --no-project --with noxden==",
        ),
    ],
)
def test_a_job_starts_nox_by_what_the_lock_has(said: str, manifest: str, launch: str) -> None:
    found = find_launch(said, manifest.encode())
    assert found.startswith(launch)
    assert found == launch or "--with" in launch


def test_a_manifest_that_is_not_toml_is_told() -> None:
    with pytest.raises(UsageError, match=r"pyproject\.toml is not TOML: "):
        find_launch("auto", b"[")


def test_a_projects_own_pins_go_first(root: Path) -> None:
    (root / PINS_FILE).write_text(
        f'[actions.checkout]\nrepository = "mine/checkout"\ncommit = "{COMMIT}"\ntag = "v9"\n'
    )
    pins = read_pins(root)
    assert pins["actions"]["checkout"] == Pin("mine/checkout", COMMIT, "v9")
    assert pins["actions"]["checkout"].action == f"mine/checkout@{COMMIT}"
    assert "setup-uv" in pins["actions"]
    text = render(root)[".github/workflows/noxden.yml"]
    assert f"mine/checkout@{COMMIT}" in text


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[", "pins is not TOML: "),
        ("[action.checkout]", "pins: unknown table action; known: actions, forgejo"),
        (
            "[actions]\ncheckout = 1",
            "pins: actions.checkout needs repository, commit, tag, each a text",
        ),
        (
            '[actions.checkout]\nrepository = "a/b"\ncommit = "v4"\ntag = "v4"',
            "pins: actions.checkout: commit is to be 40 hexadecimal digits, got 'v4'",
        ),
        (
            f'[actions.checkout]\nrepository = "a/b\\n- run: x"\ncommit = "{COMMIT}"\ntag = "v4"',
            "pins: actions.checkout: 'a/b\\n- run: x' is no name of a repository or a tag",
        ),
    ],
)
def test_a_table_of_pins_that_is_wrong_is_refused(text: str, said: str) -> None:
    with pytest.raises(UsageError) as raised:
        parse_pins(text, "pins")
    assert str(raised.value).startswith(said)


def test_a_table_of_pins_that_cannot_be_read_is_told(root: Path) -> None:
    (root / PINS_FILE).write_bytes(b"\xff")
    with pytest.raises(UsageError, match="cannot read"):
        read_pins(root)


def made(text: str) -> str:
    return f"# {MARK}\n{text}\n"


def test_files_are_written_compared_and_removed(tmp_path: Path) -> None:
    files = {".github/workflows/noxden.yml": made("a"), "Jenkinsfile": made("b")}
    first = compare_files(tmp_path, files)
    assert [(one.path, one.before, one.foreign) for one in first] == [
        (".github/workflows/noxden.yml", None, False),
        ("Jenkinsfile", None, False),
    ]
    apply_differences(tmp_path, first)
    assert compare_files(tmp_path, files) == []
    assert compare_files(tmp_path, {"Jenkinsfile": made("c")}) == [
        Difference("Jenkinsfile", made("b"), made("c")),
        Difference(".github/workflows/noxden.yml", made("a"), None),
    ]
    apply_differences(tmp_path, compare_files(tmp_path, {}))
    assert [one.name for one in tmp_path.rglob("*") if one.is_file()] == []


def test_a_file_that_noxden_did_not_make_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "Jenkinsfile").write_text("pipeline {}\n")
    own = tmp_path / ".github" / "workflows"
    own.mkdir(parents=True)
    (own / "noxden-own.yml").write_text("on: push\n")
    found = compare_files(tmp_path, {"Jenkinsfile": made("a")})
    assert [one.path for one in found] == ["Jenkinsfile"]
    with pytest.raises(UsageError) as raised:
        apply_differences(tmp_path, found)
    assert str(raised.value) == (
        "Jenkinsfile was not made by noxden and would be lost; move it away, or say --force"
    )
    apply_differences(tmp_path, found, force=True)
    assert (tmp_path / "Jenkinsfile").read_text() == made("a")


def test_a_folder_that_leads_out_of_the_checkout_is_refused(tmp_path: Path) -> None:
    root = tmp_path / "checkout"
    root.mkdir()
    (tmp_path / "elsewhere" / "workflows").mkdir(parents=True)
    (root / ".github").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(SafetyError) as raised:
        compare_files(root, {".github/workflows/noxden.yml": made("a")})
    file = root / ".github/workflows/noxden.yml"
    assert str(raised.value) == (
        f"{file} leads to {tmp_path / 'elsewhere/workflows/noxden.yml'}, which is outside of the "
        f"checkout; remove the link"
    )
    assert list((tmp_path / "elsewhere" / "workflows").iterdir()) == []


def test_what_cannot_be_read_or_written_is_told(tmp_path: Path) -> None:
    (tmp_path / "Jenkinsfile").mkdir()
    with pytest.raises(InfrastructureError) as raised:
        compare_files(tmp_path, {"Jenkinsfile": made("a")})
    assert str(raised.value) == f"cannot read {tmp_path / 'Jenkinsfile'}: Is a directory"
    difference = Difference("Jenkinsfile", None, made("a"))
    with pytest.raises(InfrastructureError) as raised:
        apply_differences(tmp_path, [difference])
    assert str(raised.value) == f"cannot write {tmp_path / 'Jenkinsfile'}: Is a directory"
    assert [one.name for one in tmp_path.iterdir()] == ["Jenkinsfile"]


def test_a_difference_is_shown_as_a_diff() -> None:
    assert list(render_diff(Difference("a.yml", "x\ny\n", "x\nz\n"))) == [
        "--- a/a.yml", "+++ b/a.yml", "@@ -1,2 +1,2 @@", " x", "-y", "+z",
    ]  # fmt: skip
    assert next(iter(render_diff(Difference("a.yml", None, "x\n")))) == "--- /dev/null"
    assert list(render_diff(Difference("a.yml", "x\n", None)))[1] == "+++ /dev/null"


def test_strings_of_a_workflow_are_json_where_they_come_from_the_table(root: Path) -> None:
    made = read(render(root, branch='main", "x')[".github/workflows/noxden.yml"])
    assert made["on"]["push"] == {"branches": [json.loads('"main\\", \\"x"')]}
