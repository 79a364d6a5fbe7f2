import json

import pytest

from tests.strategies import small
from twin.course.answers import Answer
from twin.course.discrepancies import Discrepancy, beyond_by_luck, chance_of
from twin.course.grading import COLUMNS, grade
from twin.course.sheet import Sheet


def saved(folder, name="ada", right=True, answers=2):
    sheet = Sheet("01-failover", 7)
    sheet.predict(small(), {"reconnect_p50": 1.5, "attempts_per_client": 4})
    for i in range(answers):
        last = i == answers - 1
        sheet.answered(Answer(right and last, "so", 2.0 - i, 1.0), inter=0.5 - 0.1 * i)
    sheet.save(name, folder)
    return folder / f"01-failover-{name}.json"


def test_a_row_has_what_a_sheet_says(tmp_path):
    (row,) = grade([saved(tmp_path)]).to_dict("records")
    assert list(row) == list(COLUMNS)
    assert (row["name"], row["lab"], row["seed"], row["verdict"]) == ("ada", "01-failover", 7, "right")
    assert row["predictions"] == "reconnect_p50 = 1.5; attempts_per_client = 4"
    assert (row["tries"], row["first_right"], row["settings"]) == (2, 2, '{"inter": 0.4}')
    assert (row["expected"], row["found"], row["error"]) == (1.0, 2.0, 0.5)
    assert row["problem"] is None


def whole_sheet(folder, values=(3.0, 4.0, 5.0), standing="confirmed"):
    """Write the sheet of a reader who answered everything, with a finding."""
    sheet = Sheet("01-failover", 7)
    sheet.predict(small(), {"reconnect_p50": 1.5})
    sheet.answered(Answer(True, "so", 2.0, 1.0), inter=0.5)
    sheet.answered(Answer(True, "so", 3.0, 1.0), level=2, fall=3)
    sheet.chosen("long wait", Answer(False, "so"), 1)
    sheet.chosen("long wait", Answer(True, "so"), 17)
    sheet.chosen("just missed", Answer(False, "so"), 3)
    outside = sum(one is None or one > 2.0 for one in values)
    chance = chance_of(outside, len(values), beyond_by_luck(200)) if values else None
    why = "The balancer queues."
    numbers = ("reconnect_p50", 5.0, 1.0, 2.0, 200, "balancer", why, values, outside, chance, 0.01, standing, "so")
    sheet.found(Discrepancy({"seed": 8}, *numbers))
    sheet.save("ada", folder)
    return folder / "01-failover-ada.json"


def test_a_row_shows_step_6_and_the_three_levels(tmp_path):
    def chosen(data):
        return f"{len(data['choices'])} looked up"

    (row,) = grade([whole_sheet(tmp_path)], lambda _, level: f"asked {level}", chosen).to_dict("records")
    assert (row["tries"], row["settings"], row["verdict"], row["asked_again"]) == (
        1, '{"inter": 0.5}', "right", "asked 1"
    )  # fmt: skip
    assert (row["harder_settings"], row["harder"], row["harder_asked_again"]) == ('{"fall": 3}', "right", "asked 2")
    assert row["choices"] == "long wait: client 17 right; just missed: client 3 not yet"
    assert row["choices_asked_again"] == "3 looked up"
    assert (row["bonus"], row["discrepancy"]) == ("confirmed", "reconnect_p50, balancer: The balancer queues.")
    assert row["problem"] is None


def test_a_sheet_of_the_first_format_has_its_row(tmp_path):
    path = saved(tmp_path)
    data = json.loads(path.read_text()) | {"format": 1}
    for name in ("choices", "discrepancies", "harder", "bonus"):
        del data[name]
    for one in data["answers"]:
        del one["level"]
    path.write_text(json.dumps(data))
    (row,) = grade([path]).to_dict("records")
    assert (row["problem"], row["verdict"], row["harder"], row["bonus"]) == (None, "right", "unanswered", "none")


@pytest.mark.parametrize(
    ("values", "standing"),
    [((1.5, 1.2, 1.9), "confirmed"), ((3.0, 4.0, 5.0), "unconfirmed"), ((), "confirmed"), ((3.0,), "confirmed")],
)
def test_a_finding_is_what_its_own_numbers_say(values, standing, tmp_path):
    (row,) = grade([whole_sheet(tmp_path, values, standing)]).to_dict("records")
    assert f"a finding is called {standing}, but by its own numbers it is " in row["problem"]


@pytest.mark.parametrize("values", [(), (3.0, None, 5.0)])
def test_a_finding_without_runs_and_one_that_was_not_reached_have_their_rows(values, tmp_path):
    standing = "confirmed" if values else "unconfirmed"
    (row,) = grade([whole_sheet(tmp_path, values, standing)]).to_dict("records")
    assert (row["problem"], row["bonus"]) == (None, standing)


def test_who_answered_nothing_and_who_is_not_right_have_their_rows(tmp_path):
    table = grade([saved(tmp_path, "no", right=False), saved(tmp_path, "none", answers=0)])
    assert table["verdict"].tolist() == ["not yet", "unanswered"]
    assert table["first_right"].isna().all()


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"format": 3}, "format is 3; allowed is 1 to 2"),
        ({"seed": "7"}, "seed is '7'; allowed is a whole number"),
        ({"predictions": {"reconnect_p50": "many"}}, "reconnect_p50 is 'many'; allowed is a number"),
        ({"verdict": "right"}, "verdict is 'right', but the last answer is not yet"),
        ({"answers": [{"right": "yes"}]}, "allowed is a table with settings and a verdict"),
        ({"answers": [{"right": True, "settings": {}, "expected": "x"}]}, "expected is 'x'; allowed is a number"),
        ({"name": 3}, "name is 3; allowed is a text"),
        ({"harder": "right"}, "harder is 'right', but the last answer of level 2 is unanswered"),
        ({"bonus": "confirmed"}, "bonus is 'confirmed', but the best is none"),
        ({"choices": [3]}, "choices is [3]; allowed is a list of tables"),
        ({"choices": [{"right": 1}]}, "allowed is a table with a question and a verdict"),
        ({"discrepancies": {}}, "discrepancies is {}; allowed is a list of tables"),
        ({"discrepancies": [{"standing": "great"}]}, "allowed is a table with a measure, a mechanism and a standing"),
        (
            {"discrepancies": [{"standing": "confirmed", "measure": "x", "mechanism": "y"}]},
            "a finding has no 'values'",
        ),
    ],
)
def test_a_sheet_that_does_not_agree_with_itself_is_said(change, said, tmp_path):
    path = saved(tmp_path, right=False)
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    (row,) = grade([path]).to_dict("records")
    assert said in row["problem"]


@pytest.mark.parametrize("text", ["", "[]", "3", "[" * 100, "{"])
def test_a_file_that_is_no_sheet_costs_the_others_nothing(text, tmp_path):
    good = saved(tmp_path)
    (tmp_path / "bad.json").write_text(text)
    table = grade([tmp_path / "bad.json", good])
    assert "is no answer sheet" in table["problem"].iloc[0]
    assert table["verdict"].iloc[1] == "right"


def test_a_spreadsheet_runs_nothing_of_a_sheet(tmp_path):
    path = saved(tmp_path)
    path.write_text(json.dumps(json.loads(path.read_text()) | {"name": "=HYPERLINK(1)\n"}))
    assert grade([path])["name"].iloc[0] == "'=HYPERLINK(1) "
