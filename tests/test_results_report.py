"""Tests of nbs/results/91_report.ipynb: written there, exported by `prism-repro export`. Edit the notebook."""


import re
import shutil
from pathlib import Path

import pytest

from prism_repro.grid.stages import stages
from prism_repro.profiles import read_profile
from prism_repro.results.report import absolute, about, build_page, publish, what, write_report
from prism_repro.results.inventory import Artefact

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="module")
def repository(tmp_path_factory):
    "The committed results of profiles lite and lift, in a folder of their own, with their pages."
    root = tmp_path_factory.mktemp("repository")
    for name in ("results/lite", "results/lift", "figures/lite", "figures/lift", "nbs/results"):
        shutil.copytree(ROOT / name, root / name, ignore=shutil.ignore_patterns("report.*"))
    for name in ("profiles/lite/params.yaml", "profiles/lite/grid.json", "profiles/lift/params.yaml", "profiles/lift/grid.json", "settings.ini", "dvc.yaml"):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(ROOT / name, root / name)
    for profile, others in (("lite", ["lift"]), ("lift", ["lite"])):
        params = read_profile(root, profile)
        write_report(root, profile, stages(root, profile), params, others, pdf=False)
    return root


def local(text):
    "The links of a page that lead to files."
    return [link for link in re.findall(r'href="([^"]+)"', text) if not re.match(r"#|[a-z]+:", link)]


def test_the_page_has_every_table_figure_record_and_machine(repository):
    text = (repository / "results/lite/report.html").read_text()
    for file in [*(repository / "results/lite/tables").iterdir(), *(repository / "figures/lite").iterdir(), *(repository / "results/lite/records").glob("*fm.json")]:
        assert any(link.endswith(file.name) for link in local(text)), file.name
    assert text.count("<video") == 1 and text.count('class="film"') == 12 and "Linux x86_64, 2 cores" in text and len(text) < 3_000_000
    assert not re.search(r'(?:src|poster)="(?!data:)', text) and "<script" not in text
    assert all(f'id="{anchor}"' in text for anchor in re.findall(r'href="#([^"]+)"', text))


def test_every_link_of_a_page_leads_to_a_file(repository):
    for page in repository.glob("results/*/report.html"):
        for link in local(page.read_text()):
            assert (page.parent / link).resolve().is_file(), (page, link)


def test_a_deleted_record_is_said_to_be_missing(repository, tmp_path):
    root = shutil.copytree(repository, tmp_path / "r")
    for end in (".json", ".npz", ".machine.json"):
        (root / f"results/lite/records/lift_wide-prism-fm{end}").unlink()
    params = read_profile(root, "lite")
    text = build_page(root, "lite", stages(root, "lite"), params)
    there = sum(not path.name.endswith(".machine.json") for path in (repository / "results/lite/records").glob("*.json"))
    assert "<li>cell: lift_wide-prism-fm</li>" in text and f"{there - 1} of {there}" in text
    assert "Every record that this profile asks for is there" in (root / "results/lite/report.html").read_text()


def test_a_page_published_twice_and_its_links(repository, tmp_path):
    (tmp_path / "results").mkdir()
    (tmp_path / "results/table_1.html").write_text("<h1>Table 1</h1>")
    for _ in range(2):
        assert publish(repository, tmp_path) == ["lift", "lite"]
    text = (tmp_path / "report/lite.html").read_text()
    assert 'href="lift.html"' in text and 'href="../results/table_1.html"' in text and "figure_lift.html" not in text  # that page is not on this site
    for page in (tmp_path / "report").glob("*.html"):
        for link in local(page.read_text()):
            assert (page.parent / link).resolve().is_file(), (page, link)


def test_a_pdf_has_addresses_on_the_web(repository):
    text = absolute((repository / "results/lift/report.html").read_text(), repository, "lift")
    assert not local(text) and "/blob/main/results/lift/records/lift-sspool-fm.json" in text and "/blob/main/figures/lift/figure_latency.svg" in text
    assert not local(absolute('<a href="x.md">x</a>', "/nonexistent", "p"))


def test_too_large_a_page_is_refused(repository, monkeypatch):
    monkeypatch.setattr("prism_repro.results.report.LIMIT", 1000)
    with pytest.raises(ValueError, match="more than 0 MB. Draw its figures smaller"):
        write_report(repository, "lift", stages(repository, "lift"), {"params_file": "profiles/lift/params.yaml"}, pdf=False)


def test_names_for_readers():
    names = {"table_1": "Table 1", "table_probe-lift_wide": "Probe, lift wide", "figure_4": "Figure 4", "claims": "Claims"}
    for name, text in names.items():
        assert what(Artefact(name, name.partition("_")[0], {}, "", ())) == text
    assert about(ROOT, "profiles/lite/params.yaml").startswith("Two CPU cores, two hours")
