"""Which tests count at all, and which rule says so."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from noxden.config import ScopeConfig
from noxden.devices import values
from noxden.devices.scope import Decision, make_scope, read_disabled
from noxden.errors import UsageError

if TYPE_CHECKING:
    from pathlib import Path

IN_SCOPE = Decision(in_scope=True, rule="no rule speaks against it")
OTHERS = "the defaults of noxden leave out tests of other accelerators: "
TRAINING = "the defaults of noxden leave out training tests: "


def make_test(name: str, *markers: str, hw: str = "") -> values.Test:
    return values.Test(id=name, file=name.partition("::")[0], markers=markers, hw=hw)


def decide(config: ScopeConfig, test: values.Test, project: Path) -> Decision:
    return make_scope(config, project).decide(test)


@pytest.mark.parametrize(
    "name",
    [
        "test/test_ops.py::TestCommonPRIVATEUSE1::test_out_abs_privateuse1_float32",
        "test/test_nn.py::test_barracuda",
        "test/test_nn.py::TestRestraining::test_constrain[restraining]",
        "test/test_nn.py::test_no_cuda",
        "test/test_nn.py::test_works_without_gpu",
        "test/test_nn.py::test_backward_compat",
        "test/test_nn.py::test_backward_compatibility[v1]",
        "numpy/_core/tests/test_umath.py::TestAdd::test_x",
        "numpy/lib/tests/test_histograms.py::TestHistogramOptimBinNums::test_empty",
        "numpy/lib/tests/test_function_base.py::TestGradient::test_basic",
        "torch_spyre/tests/test_grad.py::test_no_grad",
        "test/test_nn.py::test_x[a::b]",
    ],
)
def test_what_no_rule_names_is_in_scope(name: str, tmp_path: Path) -> None:
    assert decide(ScopeConfig(), make_test(name), tmp_path) == IN_SCOPE


@pytest.mark.parametrize(
    ("test", "rule"),
    [
        (make_test("test/test_cuda.py::test_x"), OTHERS + "its file has the word 'cuda'"),
        (make_test("a.py::TestCommonCUDA::test_x"), OTHERS + "its class has the word 'cuda'"),
        (make_test("a.py::TestCudaMultiGPU::test_x"), OTHERS + "its class has the word 'cuda'"),
        (make_test("a.py::test_x_cuda_float32"), OTHERS + "its name has the word 'cuda'"),
        (make_test("a.py::test_x[xpu:0-float32]"), OTHERS + "its name has the word 'xpu'"),
        (make_test("a.py::test_x[cuda::b]"), OTHERS + "its name has the word 'cuda'"),
        (make_test("a.py::test_on_mps0"), OTHERS + "its name has the word 'mps'"),
        (make_test("a.py::test_no_cuda_but_rocm"), OTHERS + "its name has the word 'rocm'"),
        (
            make_test("a.py::test_x", "requires_cuda"),
            OTHERS + "its marker requires_cuda has the word 'cuda'",
        ),
        (
            make_test("test/test_optim.py::test_x"),
            TRAINING + "'test/test_optim.py' matches its file",
        ),
        (make_test("a.py::TestAutograd::test_x"), TRAINING + "its class has the word 'autograd'"),
        (make_test("a.py::test_training_step"), TRAINING + "its name has the word 'training'"),
        (make_test("a.py::test_backward"), TRAINING + "its name has the word 'backward'"),
        (
            make_test("test/distributed/fsdp/test_a.py::test_x"),
            TRAINING + "'test/distributed/*' matches its file",
        ),
        (
            make_test("test/test_ops_gradients.py::test_x"),
            TRAINING + "'test/*gradients.py' matches its file",
        ),
    ],
)
def test_the_defaults_leave_out_training_and_other_accelerators(
    test: values.Test, rule: str, tmp_path: Path
) -> None:
    assert decide(ScopeConfig(), test, tmp_path) == Decision(in_scope=False, rule=rule)
    assert decide(ScopeConfig(defaults=False), test, tmp_path) == IN_SCOPE


def test_a_hardware_class_decides_about_accelerators_and_not_about_training(tmp_path: Path) -> None:
    scope = make_scope(ScopeConfig(), tmp_path)
    assert scope.decide(make_test("a.py::test_like_cuda", hw="GENERIC")) == IN_SCOPE
    assert scope.decide(make_test("a.py::test_train", hw="GENERIC")) == Decision(
        in_scope=False, rule=TRAINING + "its name has the word 'train'"
    )
    assert scope.decide(make_test("a.py::test_x", hw="CUDA")) == Decision(
        in_scope=False,
        rule="its hardware class CUDA is not in hw of tool.noxden.device.scope, which has "
        "GENERIC, ACCELERATOR",
    )


def test_a_scope_without_hardware_classes_says_so(tmp_path: Path) -> None:
    assert decide(ScopeConfig(hw=()), make_test("a.py::test_x", hw="CPU"), tmp_path) == Decision(
        in_scope=False,
        rule="its hardware class CPU is not in hw of tool.noxden.device.scope, which has none",
    )


@pytest.mark.parametrize(
    ("config", "rule"),
    [
        (ScopeConfig(allow_paths=("test/test_c*.py",)), "allow-paths of tool.noxden.device.scope has 'test/test_c*.py'"),
        (ScopeConfig(allow_paths=("other", "test/")), "allow-paths of tool.noxden.device.scope has 'test/'"),
        (ScopeConfig(allow_names=("*::test_x?float32?",)), "allow-names of tool.noxden.device.scope has '*::test_x?float32?'"),
        (ScopeConfig(allow_names=("nothing", "test/test_cuda.py::test_x[float32]")), "allow-names of tool.noxden.device.scope has 'test/test_cuda.py::test_x[float32]'"),
        (ScopeConfig(allow_markers=("slow", "quick")), "allow-markers of tool.noxden.device.scope has 'quick'"),
    ],
)  # fmt: skip
def test_what_the_user_allows_is_exempt_from_classes_and_defaults(
    config: ScopeConfig, rule: str, tmp_path: Path
) -> None:
    test = make_test("test/test_cuda.py::test_x[float32]", "quick", hw="CUDA")
    scope = make_scope(config, tmp_path)
    assert scope.decide(test) == Decision(in_scope=True, rule=rule)
    assert not scope.decide(make_test("tests/test_gpu.py::test_y")).in_scope


@pytest.mark.parametrize(
    ("denied", "rule"),
    [
        (ScopeConfig(deny_paths=("numpy/*",)), "deny-paths of tool.noxden.device.scope has 'numpy/*'"),
        (ScopeConfig(deny_paths=("numpy/lib",)), "deny-paths of tool.noxden.device.scope has 'numpy/lib'"),
        (ScopeConfig(deny_names=("*::test_x",)), "deny-names of tool.noxden.device.scope has '*::test_x'"),
        (ScopeConfig(deny_markers=("slow",)), "deny-markers of tool.noxden.device.scope has 'slow'"),
    ],
)  # fmt: skip
def test_what_the_user_denies_is_out_whatever_is_allowed(
    denied: ScopeConfig, rule: str, tmp_path: Path
) -> None:
    config = denied._replace(allow_paths=("*",), allow_names=("*",), allow_markers=("slow",))
    test = make_test("numpy/lib/test_a.py::test_x", "slow")
    assert decide(config, test, tmp_path) == Decision(in_scope=False, rule=rule)


def test_globs_see_the_whole_path_and_the_case_of_letters(tmp_path: Path) -> None:
    scope = make_scope(ScopeConfig(deny_paths=("lib/Test_a.py", "lib/b")), tmp_path)
    assert scope.decide(make_test("lib/test_a.py::test_x")) == IN_SCOPE
    assert scope.decide(make_test("numpy/lib/Test_a.py::test_x")) == IN_SCOPE
    assert scope.decide(make_test("lib/bc/test_a.py::test_x")) == IN_SCOPE


def write_disabled(project: Path, content: object) -> ScopeConfig:
    project.joinpath("disabled.json").write_text(json.dumps(content), "utf-8")
    return ScopeConfig(disabled_tests="disabled.json", allow_names=("*",))


def test_disabled_tests_are_out_by_class_and_name_whatever_is_allowed(tmp_path: Path) -> None:
    config = write_disabled(
        tmp_path,
        {
            "test_a (__main__.TestOne)": ["17", "https://example.org/17", []],
            "test_b[x] (test_ops.TestOne)": [18, "https://example.org/18", ["linux", "rocm"]],
            "test_c (TestOne)": ["", "", []],
        },
    )
    scope = make_scope(config, tmp_path)
    rules = {
        name: scope.decide(make_test(f"test/test_ops.py::{name}"))
        for name in ("TestOne::test_a", "TestOne::test_a[y]", "TestOne::test_b[x]", "TestOne::test_b[z]", "TestTwo::test_a", "test_a")
    }  # fmt: skip
    out = Decision(in_scope=False, rule="disabled in disabled.json: 17 https://example.org/17")
    allowed = Decision(in_scope=True, rule="allow-names of tool.noxden.device.scope has '*'")
    assert rules == {
        "TestOne::test_a": out,
        "TestOne::test_a[y]": out,
        "TestOne::test_b[x]": Decision(
            in_scope=False, rule="disabled in disabled.json: 18 https://example.org/18"
        ),
        "TestOne::test_b[z]": allowed,
        "TestTwo::test_a": allowed,
        "test_a": allowed,
    }


def test_a_test_that_is_disabled_on_other_platforms_only_is_not_disabled(tmp_path: Path) -> None:
    write_disabled(tmp_path, {"test_a (__main__.TestOne)": ["17", "url", ["rocm", "mac"]]})
    path = tmp_path / "disabled.json"
    assert read_disabled(path, "linux") == {}
    assert read_disabled(path, "darwin") == {("TestOne", "test_a"): "17 url"}
    assert read_disabled(path, "rocm") == {("TestOne", "test_a"): "17 url"}


def test_a_test_that_is_disabled_without_an_issue_is_disabled(tmp_path: Path) -> None:
    write_disabled(tmp_path, {"test_a (__main__.TestOne)": []})
    assert read_disabled(tmp_path / "disabled.json") == {("TestOne", "test_a"): "without an issue"}


def test_a_disabled_tests_file_that_is_missing_or_something_else_is_named(tmp_path: Path) -> None:
    config = ScopeConfig(disabled_tests="disabled.json")
    path = tmp_path / "disabled.json"
    with pytest.raises(UsageError) as missing:
        make_scope(config, tmp_path)
    assert str(missing.value) == (
        f"disabled-tests of tool.noxden.device.scope: {path}: No such file or directory"
    )
    path.write_text("[1, 2", "utf-8")
    with pytest.raises(UsageError) as malformed:
        make_scope(config, tmp_path)
    assert str(malformed.value).startswith(f"{path} is no disabled-tests JSON as PyTorch has it: ")
    write_disabled(tmp_path, {"test_a": []})
    with pytest.raises(UsageError) as odd:
        make_scope(config, tmp_path)
    assert str(odd.value) == (
        f"{path} is no disabled-tests JSON as PyTorch has it: 'test_a' is not like "
        "'test_name (__main__.TestClass)'"
    )
