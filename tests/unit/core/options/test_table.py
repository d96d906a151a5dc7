"""The rows agree with the rest: one row is all that a new option needs."""

from __future__ import annotations

import dataclasses
import inspect
import warnings
from typing import Any

import pytest
from bson.codec_options import CodecOptions

from greenmongo import MongoClient
from greenmongo._core.options import ClientOptions
from greenmongo._core.options.table import OPTIONS, SECRETS, Option, documented_name
from greenmongo._core.options.validation import read_keywords, read_uri_options

FIELDS = {field.name for field in dataclasses.fields(ClientOptions)}
CODEC_FIELDS = set(inspect.signature(CodecOptions).parameters)
ROWS = pytest.mark.parametrize("option", OPTIONS.values(), ids=OPTIONS)


@ROWS
def test_a_value_goes_to_a_field_that_exists(option: Option) -> None:
    assert {option.field} - {None} <= FIELDS
    assert {option.codec_option} - {None} <= CODEC_FIELDS


@ROWS
def test_the_documentation_knows_the_default(option: Option) -> None:
    assert option.default is not None or option.field is not None


@ROWS
def test_the_documentation_is_one_cell_of_a_table(option: Option) -> None:
    for text in (option.name, option.takes, option.meaning, option.default or "-"):
        assert text
        assert not {"|", "\n"} & set(text)


def test_no_name_is_there_twice() -> None:
    names = [name for option in OPTIONS.values() for name in (option.key, option.alias) if name]
    assert len(names) == len(set(names))


@pytest.mark.parametrize("name", sorted(SECRETS))
def test_the_repr_of_a_client_shows_no_secret(name: str) -> None:
    value = "AWS_SESSION_TOKEN:h4sh" if name == "authmechanismproperties" else "h4sh"
    needed: dict[str, Any] = {"username": "u", "password": "p", "proxyhost": "h", "tls": True}
    needed |= {"proxyusername": "u", "proxypassword": "p", name: value}
    client: MongoClient[Any] = MongoClient(connect=False, **needed)
    assert "h4sh" not in repr(client)
    client.close()


@pytest.mark.parametrize("name", [name for name in sorted(SECRETS) if OPTIONS[name].is_for_uris])
def test_beside_a_secret_a_uri_shows_nothing(name: str) -> None:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        read_uri_options(f"{name}=a&h4sh=b")
    assert caught
    assert not any("h4sh" in str(each.message) for each in caught)


def test_a_name_is_documented_in_one_case() -> None:
    assert documented_name("MAXPOOLSIZE") == "maxPoolSize"
    assert documented_name("nosuch") == "nosuch"


def test_an_alias_is_the_same_option() -> None:
    assert read_keywords({"max_adaptive_retries": 3}) == {"maxadaptiveretries": 3}


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("driver", "driver can be given as a keyword only"),
        ("max_adaptive_retries", "Did you mean maxAdaptiveRetries"),
    ],
)
def test_a_keyword_in_a_uri_is_explained(name: str, hint: str) -> None:
    with pytest.warns(UserWarning, match=hint):
        assert read_uri_options(f"{name}=1") == {}
