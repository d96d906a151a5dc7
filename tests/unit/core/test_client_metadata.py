from __future__ import annotations

from typing import Any

import bson
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pymongo.driver_info import DriverInfo

from greenmongo._core.client_metadata import (
    DriverInfoLike,
    EnvironmentFacts,
    build_metadata,
    detect_faas,
)

FACTS = EnvironmentFacts(
    "1.2.3",
    platform="CPython 3.12.1",
    os_type="Linux",
    os_name="Debian",
    os_architecture="x86_64",
    os_version="6.1",
)
FAAS = {"AWS_EXECUTION_ENV": "AWS_Lambda_python3.12", "AWS_REGION": "us-east-1"}


def test_the_metadata_tells_of_application_driver_and_system() -> None:
    assert build_metadata("shop", [], FACTS) == {
        "application": {"name": "shop"},
        "driver": {"name": "greenmongo", "version": "1.2.3"},
        "os": {"type": "Linux", "name": "Debian", "architecture": "x86_64", "version": "6.1"},
        "platform": "CPython 3.12.1",
    }


def test_what_is_not_known_is_left_out_except_for_the_system() -> None:
    assert build_metadata(None, [], EnvironmentFacts("1.2.3")) == {
        "driver": {"name": "greenmongo", "version": "1.2.3"},
        "os": {"type": "unknown"},
    }


def test_wrapping_libraries_append_to_what_is_there() -> None:
    infos = [DriverInfo("odm", "2.0", "fancy"), DriverInfo("app")]
    metadata = build_metadata(None, infos, FACTS)
    assert metadata["driver"] == {"name": "greenmongo|odm|app", "version": "1.2.3|2.0|"}
    assert metadata["platform"] == "CPython 3.12.1|fancy"


def test_a_platform_may_come_from_a_wrapping_library_alone() -> None:
    metadata = build_metadata(None, [DriverInfo("odm", None, "fancy")], EnvironmentFacts("1"))
    assert metadata["platform"] == "fancy"


class Smuggler:
    name, version, platform = "a|b", None, None


def test_wrapping_libraries_cannot_use_the_delimiter() -> None:
    with pytest.raises(ValueError, match="driver info name must not contain"):
        build_metadata(None, [Smuggler()], FACTS)


# -- functions and containers ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("environ", "expected"),
    [
        ({}, None),
        ({"AWS_EXECUTION_ENV": "AWS_Lambda_java8"}, "aws.lambda"),
        ({"AWS_EXECUTION_ENV": "EC2"}, None),
        ({"AWS_LAMBDA_RUNTIME_API": "x"}, "aws.lambda"),
        ({"FUNCTIONS_WORKER_RUNTIME": "python"}, "azure.func"),
        ({"FUNCTIONS_WORKER_RUNTIME": ""}, None),
        ({"K_SERVICE": "x"}, "gcp.func"),
        ({"FUNCTION_NAME": "x"}, "gcp.func"),
        ({"VERCEL": "1"}, "vercel"),
        ({"VERCEL": "1", "AWS_LAMBDA_RUNTIME_API": "x"}, "vercel"),
        ({"VERCEL": "1", "K_SERVICE": "x"}, None),
        ({"K_SERVICE": "x", "AWS_LAMBDA_RUNTIME_API": "x"}, None),
    ],
)
def test_a_function_service_is_known_by_its_environment(
    environ: dict[str, str], expected: str | None
) -> None:
    assert detect_faas(environ) == expected


@pytest.mark.parametrize(
    ("environ", "expected"),
    [
        (
            {**FAAS, "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "1024"},
            {"name": "aws.lambda", "region": "us-east-1", "memory_mb": 1024},
        ),
        ({"AWS_LAMBDA_RUNTIME_API": "x", "AWS_REGION": ""}, {"name": "aws.lambda"}),
        (
            {**FAAS, "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "big"},
            {"name": "aws.lambda", "region": "us-east-1"},
        ),
        (
            {**FAAS, "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "2147483648"},
            {"name": "aws.lambda", "region": "us-east-1"},
        ),
        ({"FUNCTIONS_WORKER_RUNTIME": "python"}, {"name": "azure.func"}),
        (
            {
                "K_SERVICE": "x",
                "FUNCTION_MEMORY_MB": "512",
                "FUNCTION_TIMEOUT_SEC": "60",
                "FUNCTION_REGION": "us-central1",
            },
            {"name": "gcp.func", "memory_mb": 512, "timeout_sec": 60, "region": "us-central1"},
        ),
        ({"VERCEL": "1", "VERCEL_REGION": "cdg1"}, {"name": "vercel", "region": "cdg1"}),
        ({"KUBERNETES_SERVICE_HOST": "1"}, {"container": {"orchestrator": "kubernetes"}}),
        ({"VERCEL": "1", "K_SERVICE": "x"}, None),
    ],
)
def test_the_environment_is_told_as_far_as_it_is_understood(
    environ: dict[str, str], expected: dict[str, Any] | None
) -> None:
    metadata = build_metadata(None, [], EnvironmentFacts("1", environ=environ))
    assert metadata.get("env") == expected


def test_functions_and_containers_are_told_together() -> None:
    facts = EnvironmentFacts("1", environ={"VERCEL": "1"}, in_docker=True)
    metadata = build_metadata(None, [], facts)
    assert metadata["env"] == {"name": "vercel", "container": {"runtime": "docker"}}


# -- the size limit --------------------------------------------------------------------------------


def long_facts(**lengths: int) -> EnvironmentFacts:
    return EnvironmentFacts(
        "1.2.3",
        platform="p" * lengths.get("platform", 1),
        os_type="Linux",
        os_name="n" * lengths.get("os_name", 1),
        environ={"VERCEL": "1", "VERCEL_REGION": "r" * lengths.get("region", 1)},
    )


def test_first_the_environment_keeps_only_its_name() -> None:
    metadata = build_metadata(None, [], long_facts(region=500))
    assert metadata["env"] == {"name": "vercel"}
    assert metadata["os"]["name"] == "n"


def test_then_the_system_keeps_only_its_type() -> None:
    metadata = build_metadata(None, [], long_facts(os_name=500))
    assert metadata["os"] == {"type": "Linux"}
    assert metadata["env"] == {"name": "vercel"}


def test_then_the_environment_is_left_out() -> None:
    metadata = build_metadata(None, [], long_facts(platform=390))
    assert metadata["platform"] == "p" * 390
    assert "env" not in metadata


def test_then_the_platform_is_cut_to_fit_exactly() -> None:
    metadata = build_metadata(None, [], long_facts(platform=2000))
    assert len(bson.encode(metadata)) == 512
    assert metadata["platform"].startswith("ppp")


def test_a_platform_is_not_cut_within_a_character() -> None:
    metadata = build_metadata("x", [], EnvironmentFacts("1", platform="\N{EURO SIGN}" * 999))
    assert set(metadata["platform"]) == {"\N{EURO SIGN}"}
    assert 510 <= len(bson.encode(metadata)) <= 512


def test_a_container_without_a_name_is_left_out_when_space_is_short() -> None:
    facts = EnvironmentFacts("1", os_name="n" * 500, in_docker=True)
    assert "env" not in build_metadata(None, [], facts)


def test_at_last_the_words_of_wrapping_libraries_are_cut() -> None:
    metadata = build_metadata(None, [DriverInfo("x" * 600, "1")], FACTS)
    assert metadata["driver"]["name"].startswith("greenmongo|xxx")
    assert metadata["driver"]["version"] == "1.2.3|"
    assert len(bson.encode(metadata)) == 512
    assert "platform" not in metadata


def test_the_outermost_library_is_cut_first_and_names_and_versions_still_correspond() -> None:
    libraries = [DriverInfo("odm", "2.0"), DriverInfo("x" * 300, "1"), DriverInfo("y" * 300, "2")]
    driver = build_metadata(None, libraries, FACTS)["driver"]
    names, versions = driver["name"].split("|"), driver["version"].split("|")
    assert names[:2] == ["greenmongo", "odm"]
    assert versions[:2] == ["1.2.3", "2.0"]
    assert len(names) == len(versions) == 4
    assert names[2] == "x" * 300
    assert set(names[3]) == {"y"}


@given(
    st.text(max_size=32),
    st.text(st.characters(exclude_characters="|\0", codec="utf-8"), max_size=700),
    st.text(max_size=700),
    st.text(max_size=700),
)
def test_whatever_is_told_the_server_accepts_it(
    app_name: str, wrapper: str, platform: str, system: str
) -> None:
    infos: list[DriverInfoLike] = [DriverInfo(wrapper, wrapper, wrapper)]
    facts = EnvironmentFacts("1", platform=platform, os_name=system, environ=FAAS)
    assert len(bson.encode(build_metadata(app_name, infos, facts))) <= 512
