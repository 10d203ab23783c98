"""Which cards there are, and what a process gets that may use some of them."""

from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from noxden.devices.cards import (
    PROVIDERS,
    Found,
    Look,
    find_cache,
    find_cards,
    load_provider,
    name_file,
    opens,
)
from noxden.devices.providers import cuda, env, simulated, spyre
from noxden.devices.values import Card
from noxden.errors import InfrastructureError, UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from noxden.devices.cards import Provider

A, B, C = "0000:1a:00.0", "0000:1b:00.0", "0000:1c:00.0"
ALL: tuple[Provider, ...] = (spyre, cuda, env, simulated)


def put(file: Path, text: str = "") -> Path:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)
    return file


def put_spyre(root: Path, address: str, group: int, *, node: bool = True) -> Path:
    device = root / "sys/bus/pci/devices" / address
    put(device / "vendor", "0x1014\n")
    put(device / "device", "0x06a7\n")
    (device / "iommu_group").symlink_to(f"../../../../kernel/iommu_groups/{group}")
    if node:
        put(root / f"dev/vfio/{group}")
    return device


def put_cuda(root: Path, address: str, minor: int, uuid: str) -> None:
    put(
        root / f"proc/driver/nvidia/gpus/{address}/information",
        f"Model: \t\t Some\nGPU UUID: \t {uuid}\nBus Location: \t {address}\nDevice Minor: \t {minor}\n",
    )
    put(root / f"dev/nvidia{minor}")


def spyre_card(index: int, address: str, node: str = "", health: str = "ok") -> Card:
    return Card(index=index, address=address, kind="spyre", node=node, health=health, host="here")


def look(root: Path, **variables: str) -> Look:
    return Look(env=variables, root=root, host="here")


# The providers together


@pytest.mark.parametrize("name", PROVIDERS)
def test_every_provider_is_a_module_that_does_all_of_the_protocol(name: str) -> None:
    assert load_provider(name) in ALL


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("spire", "there is no provider of cards 'spire'; did you mean spyre?"),
        (
            "xyz",
            "there is no provider of cards 'xyz'; known: auto, spyre, cuda, env, simulated",
        ),
    ],
)
def test_a_provider_that_is_not_there_is_told_with_the_nearest(name: str, said: str) -> None:
    with pytest.raises(UsageError) as raised:
        load_provider(name)
    assert str(raised.value) == said


def test_without_cards_it_is_told_what_was_looked_at(tmp_path: Path) -> None:
    with pytest.raises(InfrastructureError) as raised:
        find_cards("auto", look(tmp_path))
    assert str(raised.value) == (
        "no cards: spyre: AIU_WORLD_RANK_<n> names none; spyre: PCIDEVICE_IBM_COM_AIU_PF names "
        "none; spyre: AIU_PCIE_IDS names none; "
        f"spyre: {tmp_path}/sys/bus/pci/devices has of 1014:06a7: none; "
        f"cuda: CUDA_VISIBLE_DEVICES is not set; cuda: {tmp_path}/dev has of nvidia<n>: none; "
        "env: no variable is named by variable in [tool.noxden.device]; "
        "run where there are some, or try it with simulated ones: --provider simulated"
    )


def test_auto_takes_the_first_provider_that_finds_cards(tmp_path: Path) -> None:
    there = Look(env={"MY": "0"}, root=tmp_path, variable="MY")
    assert find_cards("auto", there)[0] == "env"
    put(tmp_path / "dev/nvidia0")
    assert find_cards("auto", there)[0] == "cuda"
    put_spyre(tmp_path, A, 1)
    assert find_cards("auto", there)[0] == "spyre"


def test_a_number_limits_the_cards_that_can_be_used_and_shows_all_others(tmp_path: Path) -> None:
    put_spyre(tmp_path, A, 1, node=False)
    put_spyre(tmp_path, B, 2)
    put_spyre(tmp_path, C, 3)
    _, found = find_cards("spyre", Look(env={}, root=tmp_path, count=1))
    assert [(card.address, card.health) for card in found.cards] == [
        (A, f"{tmp_path}/dev/vfio/1 is missing"),
        (B, "ok"),
    ]
    assert [card.address for card in found.usable] == [B]


# Nodes and names


def test_no_node_always_opens_and_a_node_does_when_it_can(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    node = put(tmp_path / "node")
    assert opens("")
    assert opens(str(node))
    with pytest.raises(FileNotFoundError):
        opens(str(tmp_path / "other"))
    for provider in (spyre, cuda):
        assert provider.is_open(spyre_card(0, A, str(node)))

    def refuse(*_: object) -> int:
        raise OSError(errno.EBUSY, "Device or resource busy")

    monkeypatch.setattr(os, "open", refuse)
    assert not opens(str(node))


def test_names_of_files_differ_as_addresses_do() -> None:
    addresses = [A, "a/b", "a%2Fb", ".", "..", "x" * 300, "x" * 301, "MY=0"]
    names = [name_file(address) for address in addresses]
    assert len(set(names)) == len(addresses)
    assert not any("/" in name or name in {".", ".."} or len(name) > 240 for name in names)


# Spyre


@pytest.mark.parametrize(
    ("variables", "addresses", "looked"),
    [
        (
            {"AIU_WORLD_RANK_10": C, "AIU_WORLD_RANK_2": B, "AIU_PCIE_IDS": A},
            [B, C],
            [f"AIU_WORLD_RANK_<n> names {B}, {C}"],
        ),
        (
            {"PCIDEVICE_IBM_COM_AIU_PF": f"{B},{A}", "AIU_PCIE_IDS": C},
            [B, A],
            ["AIU_WORLD_RANK_<n> names none", f"PCIDEVICE_IBM_COM_AIU_PF names {B}, {A}"],
        ),
        (
            {"AIU_PCIE_IDS": "1A:00.0 0000:1B:00.0"},
            [A, B],
            [
                "AIU_WORLD_RANK_<n> names none",
                "PCIDEVICE_IBM_COM_AIU_PF names none",
                f"AIU_PCIE_IDS names {A}, {B}",
            ],
        ),
        (
            {"FLEX_DEVICE": "mock", "AIU_WORLD_SIZE": "2", "AIU_PCIE_IDS": A},
            ["mock:0", "mock:1"],
            ["FLEX_DEVICE is MOCK, number of cards by AIU_WORLD_SIZE: 2"],
        ),
    ],
)
def test_spyre_cards_are_those_of_the_first_variable_that_names_some(
    tmp_path: Path, variables: Mapping[str, str], addresses: Sequence[str], looked: Sequence[str]
) -> None:
    cards = tuple(spyre_card(index, address) for index, address in enumerate(addresses))
    assert spyre.find_cards(look(tmp_path, **variables)) == Found(cards, tuple(looked))


def test_spyre_cards_without_variables_are_those_of_sysfs(tmp_path: Path) -> None:
    put_spyre(tmp_path, B, 12)
    put_spyre(tmp_path, A, 13)
    put(tmp_path / f"sys/bus/pci/devices/{C}/vendor", "0x1014\n")
    assert spyre.find_cards(look(tmp_path)).cards == (
        spyre_card(0, A, f"{tmp_path}/dev/vfio/13"),
        spyre_card(1, B, f"{tmp_path}/dev/vfio/12"),
    )


@pytest.mark.parametrize(
    ("file", "content", "health"),
    [
        ("power_state", b"error\n", "power_state says error"),
        ("power/runtime_status", b"error\n", "power/runtime_status says error"),
        ("config", b"\xff\xff\xff\xff\xff", "does not answer on the bus"),
        ("config", b"\x14\x10\xa7\x06", "ok"),
        ("power_state", b"D3hot\n", "ok"),
    ],
)
def test_the_health_of_a_spyre_card_is_what_sysfs_says(
    tmp_path: Path, file: str, content: bytes, health: str
) -> None:
    put(put_spyre(tmp_path, A, 12) / file).write_bytes(content)
    node = f"{tmp_path}/dev/vfio/12"
    assert spyre.find_cards(look(tmp_path)).cards == (spyre_card(0, A, node, health),)


def test_a_spyre_card_that_is_named_and_is_not_there_cannot_be_used(tmp_path: Path) -> None:
    (put_spyre(tmp_path, B, 1) / "iommu_group").unlink()
    assert spyre.find_cards(look(tmp_path, AIU_PCIE_IDS=f"{A},{B}")).cards == (
        spyre_card(0, A, "", f"not in {tmp_path}/sys/bus/pci/devices"),
        spyre_card(1, B, "", "has no IOMMU group; is VFIO on?"),
    )


@pytest.mark.parametrize(
    ("variables", "cards"),
    [
        ({"SPYRE_DEVICES": "2,0"}, [(0, A), (2, C)]),
        ({"SPYRE_DEVICES": ""}, []),
        ({"SPYRE_DEVICES": "5", "AIU_WORLD_RANK_0": C}, [(5, C)]),
    ],
)
def test_spyre_devices_takes_cards_by_original_index(
    tmp_path: Path, variables: Mapping[str, str], cards: Sequence[tuple[int, str]]
) -> None:
    found = spyre.find_cards(look(tmp_path, AIU_PCIE_IDS=f"{A},{B},{C}", **variables))
    assert [(card.index, card.address) for card in found.cards] == cards
    assert found.looked[-1] == f"SPYRE_DEVICES is {variables['SPYRE_DEVICES']!r}"


@pytest.mark.parametrize(
    ("variables", "said"),
    [
        (
            {"SPYRE_DEVICES": "0,x"},
            "environment variable SPYRE_DEVICES is to list numbers, got '0,x'",
        ),
        (
            {"SPYRE_DEVICES": "0,4"},
            "environment variable SPYRE_DEVICES names card 4, and there are 1, counted from 0",
        ),
        (
            {"FLEX_DEVICE": "MOCK", "AIU_WORLD_SIZE": "two"},
            "environment variable AIU_WORLD_SIZE is to be a number, got 'two'",
        ),
    ],
)
def test_variables_of_spyre_that_cannot_be_read_are_told(
    tmp_path: Path, variables: Mapping[str, str], said: str
) -> None:
    with pytest.raises(UsageError) as raised:
        spyre.find_cards(look(tmp_path, AIU_PCIE_IDS=A, **variables))
    assert str(raised.value) == said


def test_a_process_on_spyre_cards_gets_original_indices_and_new_ranks(tmp_path: Path) -> None:
    before = {"AIU_WORLD_RANK_0": A, "AIU_WORLD_RANK_3": "stale", "CI": "true"}
    cards = [spyre_card(2, C), spyre_card(1, B)]
    assert spyre.plan_environment(cards, before, tmp_path / "1-1") == {
        "SPYRE_DEVICES": "1,2",
        "AIU_WORLD_SIZE": "2",
        "AIU_WORLD_RANK_0": B,
        "AIU_WORLD_RANK_1": C,
        "AIU_WORLD_RANK_3": None,
        "TORCHINDUCTOR_CACHE_DIR": f"{tmp_path}/caches/0000%3A1b%3A00.0%2B0000%3A1c%3A00.0",
        "CI": "",
    }


def test_a_process_on_mocked_cards_gets_no_addresses(tmp_path: Path) -> None:
    planned = spyre.plan_environment([spyre_card(1, "mock:1")], {"AIU_WORLD_RANK_0": A}, tmp_path)
    assert planned["AIU_WORLD_RANK_0"] is None
    assert (planned["SPYRE_DEVICES"], planned["AIU_WORLD_SIZE"]) == ("1", "1")


def test_noxden_on_spyre_cards_inside_of_noxden_finds_just_those(tmp_path: Path) -> None:
    before = {"AIU_PCIE_IDS": f"{A},{B},{C}"}
    found = spyre.find_cards(look(tmp_path, **before)).cards[1:]
    planned = spyre.plan_environment(found, before, tmp_path / "1-1")
    inside = before | {name: value for name, value in planned.items() if value is not None}
    assert spyre.find_cards(look(tmp_path, **inside)).cards == found


@pytest.mark.parametrize(
    ("line", "fault"),
    [
        ('{"name":"RAS::VFIO::DeviceOpenFail","code":"0x332b"}', "RAS::VFIO::DeviceOpenFail (0x332b)"),
        ('E  [x] {"code": 0x7b1b, "name": "RAS::ComputeHardwareError"} y', "RAS::ComputeHardwareError (0x7b1b)"),
        (r'"{\"name\":\"RAS::A\",\"code\":\"0x1\"}"', "RAS::A (0x1)"),
        ('{"name":"RAS::A"}', "RAS::A"),
        ("the name RAS::A without JSON", ""),
        ('{"name":"RAS::"}', ""),
        ('{"name":"other"}', ""),
        ("", ""),
    ],
)  # fmt: skip
def test_a_fault_of_a_spyre_card_is_an_event_of_its_log(line: str, fault: str) -> None:
    assert spyre.find_fault(line) == simulated.find_fault(line) == fault


# CUDA


@pytest.fixture
def gpus(tmp_path: Path) -> Path:
    put_cuda(tmp_path, B, 0, "GPU-bbbb-1")
    put_cuda(tmp_path, A, 1, "GPU-aaaa-1")
    put_cuda(tmp_path, C, 7, "GPU-cccc-1")
    (tmp_path / "dev/nvidia7").unlink()
    put(tmp_path / "dev/nvidiactl")
    return tmp_path


def cuda_card(index: int, address: str, node: str = "") -> Card:
    return Card(index=index, address=address, kind="cuda", node=node, host="here")


def test_cuda_cards_are_counted_by_address_and_need_a_device_file(gpus: Path) -> None:
    assert cuda.find_cards(look(gpus)) == Found(
        (cuda_card(0, A, f"{gpus}/dev/nvidia1"), cuda_card(1, B, f"{gpus}/dev/nvidia0")),
        ("CUDA_VISIBLE_DEVICES is not set", f"{gpus}/dev has of nvidia<n>: 2"),
    )


@pytest.mark.parametrize(
    ("visible", "cards"),
    [
        ("1,0", [(1, B), (0, A)]),
        ("GPU-aaaa,1,0", [(0, A), (1, B)]),
        ("", []),
        ("-1", []),
        ("0,-1,1", [(0, A)]),
        ("0,9,1", [(0, A)]),
        ("NoDevFiles", []),
        ("MIG-1234", [(0, "MIG-1234")]),
    ],
)
def test_cuda_visible_devices_takes_cards_up_to_its_first_bad_entry(
    gpus: Path, visible: str, cards: Sequence[tuple[int, str]]
) -> None:
    found = cuda.find_cards(look(gpus, CUDA_VISIBLE_DEVICES=visible))
    assert [(card.index, card.address) for card in found.cards] == cards
    assert found.looked[0] == f"CUDA_VISIBLE_DEVICES is {visible!r}"


def test_cuda_cards_of_which_the_driver_tells_nothing_go_by_number(tmp_path: Path) -> None:
    put(tmp_path / "dev/nvidia10")
    put(tmp_path / "dev/nvidia9")
    (tmp_path / "proc/driver/nvidia/gpus/x/information").mkdir(parents=True)
    assert cuda.find_cards(look(tmp_path)).cards == (
        cuda_card(0, "cuda:9", f"{tmp_path}/dev/nvidia9"),
        cuda_card(1, "cuda:10", f"{tmp_path}/dev/nvidia10"),
    )


def test_cuda_cards_without_any_file_are_those_of_the_variable(tmp_path: Path) -> None:
    found = cuda.find_cards(look(tmp_path, CUDA_VISIBLE_DEVICES="3,GPU-1"))
    assert found.cards == (cuda_card(3, "cuda:3"), cuda_card(1, "GPU-1"))
    assert cuda.plan_environment(found.cards, {}, tmp_path / "1-1") == {
        "CUDA_VISIBLE_DEVICES": "3,GPU-1",
        "CUDA_DEVICE_ORDER": "PCI_BUS_ID",
        "TORCHINDUCTOR_CACHE_DIR": f"{tmp_path}/caches/cuda%3A3%2BGPU-1",
        "TRITON_CACHE_DIR": f"{tmp_path}/caches/cuda%3A3%2BGPU-1/triton",
    }


@pytest.mark.parametrize(
    ("line", "fault"),
    [
        ("[1.2] NVRM: Xid (PCI:0000:1a:00): 79, pid=1, GPU has fallen off the bus.", "NVRM: Xid (PCI:0000:1a:00): 79"),
        ("CUDA error: CUDA-capable device(s) is/are busy or unavailable", "CUDA-capable device(s) is/are busy or unavailable"),
        ("CUDA error: uncorrectable ECC error encountered", "uncorrectable ECC error"),
        ("CUDA error: device-side assert triggered", ""),
    ],
)  # fmt: skip
def test_a_fault_of_a_cuda_card_is_the_machine_s_and_not_the_test_s(line: str, fault: str) -> None:
    assert cuda.find_fault(line) == fault


# Any variable


def test_cards_of_a_variable_are_its_entries(tmp_path: Path) -> None:
    there = Look(env={"MY": f"4, {A},4,x,"}, variable="MY", host="here")
    cards = (
        Card(index=4, address="MY=4", kind="MY", host="here"),
        Card(index=1, address=A, kind="MY", host="here"),
        Card(index=2, address="MY=x", kind="MY", host="here"),
    )
    assert env.find_cards(there) == Found(cards, (f"MY is '4, {A},4,x,'",))
    assert env.plan_environment(cards[:2], there.env, tmp_path / "1-1") == {
        "MY": f"4,{A}",
        "TORCHINDUCTOR_CACHE_DIR": str(find_cache(cards[:2], tmp_path / "1-1")),
    }
    assert env.is_open(cards[0])
    assert not env.find_fault("anything")


def test_a_variable_that_is_not_set_lists_no_cards() -> None:
    assert env.find_cards(Look(env={}, variable="MY")) == Found((), ("MY is not set",))


def test_caches_of_cards_stay_from_one_attempt_to_the_next() -> None:
    one, two = spyre_card(0, A), spyre_card(1, B)
    run = Path("run")
    assert find_cache([one], run / "1-1") == find_cache([one], run / "2-1")
    assert find_cache([one], run / "1-1") != find_cache([two], run / "1-1")
