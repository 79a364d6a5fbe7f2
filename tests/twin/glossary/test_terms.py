"""Every entry of the glossary: complete, in two languages, and said once."""

import re

import pytest

from tests.twin.glossary.known import other_than_terms
from twin.glossary.schema import settings
from twin.glossary.term import LANGUAGES, anchor, lines
from twin.glossary.terms import anchors, families, read, terms
from twin.measures import MEASURES
from twin.record.events import TYPES
from twin.scenario.fields import Positive, Seconds
from twin.scenario.scenario import Scenario

HAN = re.compile(r"[一-鿿]")
NUMERIC = {"integer", "number", "array"}


@pytest.mark.parametrize(("kind", "code"), [("measures", MEASURES), ("events", TYPES), ("settings", settings())])
def test_the_glossary_has_each_name_of_the_code_once_and_no_other(kind, code):
    given = [name for entry in read(kind)["entry"] for name in entry["meaning"]]
    assert sorted(given) == sorted(code)
    assert families(kind).keys() == set(given)


def test_no_two_terms_have_one_name_or_one_anchor():
    names = [one["name"] for one in read("words")["entry"]] + [*MEASURES, *TYPES, *settings()]
    assert sorted(names) == sorted(terms())
    assert len({one.anchor for one in terms().values()}) == len(names)


def in_one_language(text, language):
    """Tell whether a text is in a language, names in the code left aside."""
    words = re.sub(r"`[^`]*`|\[[^\]]*\]\([^)]*\)", "", text)
    return not HAN.search(text) if language == "en" else bool(HAN.search(text)) or not re.search("[A-Za-z]{2}", words)


def test_a_term_says_all_in_english_and_in_chinese():
    for one in terms().values():
        for pair in (one.meaning, one.why, one.moves):
            assert all(
                len(text) > 2 and in_one_language(text, which) for text, which in zip(pair, LANGUAGES, strict=True)
            )
        for english, chinese in (one.why, one.moves):
            assert (english[-1], chinese[-1]) == (".", "。"), one.name


def test_what_a_term_names_in_code_is_named_in_chinese_too():
    for one in terms().values():
        pairs = [one.why, one.moves, *([one.meaning] if one.kind == "word" else [])]
        for english, chinese in pairs:
            assert set(re.findall(r"`[^`]+`", english)) == set(re.findall(r"`[^`]+`", chinese)), one.name


def test_a_word_has_a_name_in_chinese_of_its_own():
    words = [one for one in terms().values() if one.kind == "word"]
    assert all(HAN.search(one.chinese) for one in words)
    given = [one.chinese for one in terms().values() if one.chinese and one.kind == "word"]
    assert len(set(given)) == len(given)


def test_each_setting_that_is_a_number_has_one_unit_and_no_other_has_any():
    listed = [name for names in read("settings")["units"].values() for name in names]
    assert len(set(listed)) == len(listed)
    numeric = {name for name, kinds in settings().items() if any(one.types & NUMERIC for one in kinds)}
    assert set(listed) == numeric


def of_time(model, prefix=""):
    """Yield the dotted name of each setting of a model whose type is one of the two kinds of time."""
    bounds = [one.__metadata__[0].metadata for one in (Seconds, Positive)]
    for key, field in model.model_fields.items():
        name = f"{prefix}{key}"
        if field.annotation is float and any(all(one in field.metadata for one in bound) for bound in bounds):
            yield name
        for one in (field.annotation, *getattr(field.annotation, "__args__", ())):
            if hasattr(one, "model_fields"):
                yield from of_time(one, f"{name}.")


def test_what_the_schema_types_as_a_time_has_the_unit_of_seconds():
    times = set(of_time(Scenario))
    assert {"clients.reconnect.base", "balancer.check.timeout", "faults.at"} <= times
    said = {name for name, kinds in settings().items() if any(one.meaning.startswith("Seconds") for one in kinds)}
    assert {"balancer.check.inter", "registry.ttl"} <= said
    assert times | said <= set(read("settings")["units"]["s"])


def test_the_schema_says_of_each_setting_what_it_means():
    assert [name for name, kinds in settings().items() for one in kinds if not one.meaning] == []


def test_units_and_meanings_of_measures_are_those_of_the_code():
    one = terms()["reconnect_p50"]
    assert (one.unit, one.meaning[0]) == ("s", MEASURES["reconnect_p50"].meaning)
    assert "driver `timer`" in one.note


def test_a_setting_of_two_kinds_of_balancer_says_what_each_does():
    rule = terms()["balancer.algorithm"]
    assert rule.note == "default HAProxy `leastconn`, nginx `round_robin`, Envoy `round_robin`"
    assert rule.meaning[0].startswith("HAProxy: Choice rule;")
    assert " nginx: Choice rule;" in rule.meaning[0]
    assert terms()["balancer.max_fails"].meaning[0].startswith("nginx: Failed connects")


@pytest.mark.parametrize(
    ("heading", "expected"),
    [
        ("leastconn", "leastconn"),
        ("balancer.check.inter", "balancercheckinter"),
        ("reconnect_p50", "reconnect_p50"),
        ("U(0, I)", "u0-i"),
        ("Dead-node attraction", "dead-node-attraction"),
        ("pub/sub", "pubsub"),
    ],
)
def test_an_anchor_is_what_github_makes_of_a_heading(heading, expected):
    assert anchor(heading) == expected


def test_an_anchor_of_another_name_never_hides_a_terms_own():
    assert anchors()["least_conn"] == "leastconn"
    assert all(anchors()[one.anchor] == name for name, one in terms().items())


@pytest.mark.parametrize("language", LANGUAGES)
def test_an_entry_has_unit_meaning_why_and_what_moves_it(language):
    head, empty, why, moves = lines(terms()["blind time"], language)
    assert not empty
    assert ("unit s" if language == "en" else "单位 s") in head
    assert why.startswith("- **Why it matters**: " if language == "en" else "- **为何重要**：")
    assert moves.startswith("- **What moves it**: " if language == "en" else "- **受什么影响**：")
    assert "`balancer.check.inter`" in moves


def test_what_an_entry_names_in_code_is_in_the_glossary_or_a_command():
    """`fall` is the end of a setting's name; flags, presets and other programs' settings are listed."""
    unknown = {
        (one.name, code)
        for one in terms().values()
        for english, _ in (one.why, one.moves)
        for code in re.findall(r"`([^`]+)`", english)
        if other_than_terms(code)
    }
    assert unknown == set()
