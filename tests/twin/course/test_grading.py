import json

import pytest

from tests.strategies import small
from twin.course.answers import Answer
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


def test_who_answered_nothing_and_who_is_not_right_have_their_rows(tmp_path):
    table = grade([saved(tmp_path, "no", right=False), saved(tmp_path, "none", answers=0)])
    assert table["verdict"].tolist() == ["not yet", "unanswered"]
    assert table["first_right"].isna().all()


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"format": 2}, "format is 2; allowed is 1"),
        ({"seed": "7"}, "seed is '7'; allowed is a whole number"),
        ({"predictions": {"reconnect_p50": "many"}}, "reconnect_p50 is 'many'; allowed is a number"),
        ({"verdict": "right"}, "verdict is 'right', but the last answer is not yet"),
        ({"answers": [{"right": "yes"}]}, "allowed is a table with settings and a verdict"),
        ({"answers": [{"right": True, "settings": {}, "expected": "x"}]}, "expected is 'x'; allowed is a number"),
        ({"name": 3}, "name is 3; allowed is a text"),
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
