"""The commands `./lab course` and `./lab grade`; registered in `stormlab.app`."""

import shutil
from pathlib import Path
from typing import Annotated, Any

import typer

from stormlab.steps import err, out, say_json
from twin.errors import LabError, check_output, writing
from twin.files.places import PACKAGES, RECORDS, SCENARIOS
from twin.files.writing import write_text

NOTEBOOKS = PACKAGES / "notebooks"
EDITIONS = ("student", "teacher")


def course(
    folder: Annotated[
        Path, typer.Argument(help="Folder to write to: student/, teacher/, slides/, and what they need.")
    ],
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object instead of lines.")] = False,
) -> None:
    """Write the labs in two editions: the student's has no outputs and no solutions, the teacher's has all of them.

    Both are made from the notebooks of the lab, and so are slides of each, HTML pages that need no network. In the
    student's a cell waits for predictions before anything is simulated. A lab whose notebook has no placeholders yet is
    left out, and it is said.
    """
    check_output("DIR", folder, folder=True)
    made, left = editions(NOTEBOOKS, folder)
    for name in left:
        err.print(f"{name} is left out: its step 2 has no placeholders yet.", highlight=False, soft_wrap=True)
    if as_json:
        say_json({"folder": str(folder), "labs": made, "left_out": left})
    else:
        out.print(f"{len(made)} labs in {folder}: {', '.join(EDITIONS)}, slides.", highlight=False, soft_wrap=True)


def editions(source: Path, folder: Path) -> tuple[list[str], list[str]]:
    """Write both editions and the slides of each notebook of a folder, with what they load and what they link to.

    Returns:
        The names of those that were written, and of those that have no placeholders yet.

    Raises:
        LabError: there are no notebooks, what reads them is not installed, or a file cannot be written.
    """
    try:
        import mistune  # noqa: F401, slides are made with it
        import nbformat
    except ImportError as error:
        raise LabError(f"course needs {error.name}: pip install 'stormlab[notebook]'.") from None
    from twin.course.editions import has_placeholders, student
    from twin.course.slides import page

    paths = sorted(source.glob("*.ipynb"))
    if not paths:
        raise LabError("course: the labs' notebooks are in the lab's checkout, and this installation has none.")
    if any(folder.resolve() == one.resolve() for one in (source, source.parent)):
        raise LabError(f"DIR is {folder}, where the labs themselves are; give another one.")
    made, left = list[str](), list[str]()
    for path in paths:
        notebook: Any = nbformat.read(path, as_version=4)  # type: ignore[no-untyped-call]
        if not has_placeholders(notebook):
            left.append(path.stem)
            continue
        for edition, one in zip(EDITIONS, (student(notebook), notebook), strict=True):
            text: str = nbformat.writes(one)  # type: ignore[no-untyped-call]
            write_text(folder / edition / path.name, text + "\n")
        shown = page(notebook, lambda name: (source / name).read_bytes())
        write_text(folder / "slides" / f"{path.stem}.html", shown)
        made.append(path.stem)
    beside = [(name, source.parent / name, kind) for name, kind in (("docs", "*.md"), ("figures", "*.png"))]
    for name, where, kind in (("scenarios", SCENARIOS, "*.toml"), ("records", RECORDS, "*"), *beside):
        with writing(folder / name):
            (folder / name).mkdir(parents=True, exist_ok=True)
            for file in sorted(where.glob(kind)):
                shutil.copyfile(file, folder / name / file.name)
    return made, left


def grade(
    folder: Annotated[Path, typer.Argument(help="Folder with the sheets that students saved (JSON).")],
    output: Annotated[Path | None, typer.Option(help="File to write; standard output by default.")] = None,
    again: Annotated[bool, typer.Option("--again", help="Ask each last answer again: what is a sheet worth?")] = False,
) -> None:
    """Put a folder of answer sheets into one table (CSV): predictions, answers and verdicts of each student.

    There are columns for both levels of the transfer question, the clients chosen in step 6, and the bonus of level 3.
    A sheet is a file of the student's and says what it says; --again runs the lab's checks once more on the settings of
    its last answers, which takes some seconds a sheet, and looks its clients up in the lab's own records. Exit status 2
    when a file is no sheet; its row says why.
    """
    import sys

    from twin.course.grading import grade as table_of

    if not folder.is_dir():
        raise LabError(f"{folder}: there is no such folder of answer sheets.")
    check_output("--output", output)
    paths = sorted(folder.glob("*.json"))
    if again:
        from stormlab.choices import chosen_again
        from stormlab.questions import asked_again

        table = table_of(paths, asked_again, chosen_again)
    else:
        table = table_of(paths)
    if not len(table):
        raise LabError(f"{folder}: has no answer sheets (*.json).")
    text = table.to_csv(index=False, lineterminator="\n")
    if output is None:
        sys.stdout.write(text)
    else:
        write_text(output, text)
        out.print(f"{len(table)} sheets: {output}", highlight=False, soft_wrap=True)
    bad = int(table["problem"].notna().sum())
    if bad:
        raise LabError(f"{bad} of {len(table)} files {'is' if bad == 1 else 'are'} no answer sheet; see `problem`.")
