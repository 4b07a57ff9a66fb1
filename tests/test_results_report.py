"""Tests of nbs/results/91_report.ipynb: written there, exported by `prism-repro export`. Edit the notebook."""


import re
import shutil
from pathlib import Path

import pytest

from prism_repro.grid.stages import stages
from prism_repro.profiles import read_profile
from prism_repro.results.report import absolute, about, build_page, family_note, publish, verdicts_section, what, write_report
from prism_repro.results.inventory import Artefact, Verdict

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


def claim(id="a", verdict="inconclusive", **more):
    return Verdict(id, "Table 1", "SSPool lifts cubes.", verdict, **more)


def test_an_inferred_value_of_the_paper_says_so():
    shown = lambda **more: verdicts_section("p", [claim(estimate=1.0, intervals=(("95 % over seeds", -9.0, 9.0),), paper=2.7, **more)], None)
    text = shown(paper_mark="inferred", paper_over="Lift, Can and Square under FM")
    assert "paper +2.7 (inferred)" in text and 'class="paper hollow pale"' in text and "The paper&#x27;s value is over Lift, Can and Square under FM." in text
    assert "paper +2.7</div>" in shown(paper_mark="paper") and 'class="paper"' in shown(paper_mark="paper")
    assert "paper 15.4" in verdicts_section("p", [claim(paper=15.4, paper_mark="paper", expects="exact", counted=True)], None)
    assert "paper +9.0" not in verdicts_section("p", [claim(verdict="not run", paper=9.0)], None)


def test_values_of_the_paper_beyond_the_scale_are_arrows_and_estimates_are_never_clamped():
    rows = [claim(estimate=-20.0, intervals=(("95 % over seeds", -90.0, 9.0),), paper=-57.0, paper_mark="inferred"), claim(id="b", estimate=55.0, intervals=(("95 % over seeds", 50.0, 60.0),))]
    assert verdicts_section("p", rows[:1], None).count('class="paper hollow off"') == 1
    both = verdicts_section("p", rows, None)
    assert 'cx="168.1"' in both and both.count('class="arrow"') == 2, "the scale holds every estimate"


def test_whose_claims_they_are_is_said():
    text = verdicts_section("p", [claim(), claim(id="b", group="told"), claim(id="c", group="ours")], None)
    assert text.index("<h3>The paper's claims") < text.index("claim-a") < text.index("<h3>Told beside the paper") < text.index("claim-b") < text.index("<h3>Beyond the paper") < text.index("claim-c")


def test_counts_are_tallied_apart():
    text = verdicts_section("p", [claim(verdict="reproduced", counted=True), claim(id="b"), claim(id="c", verdict="reproduced")], None)
    measured, counted = text.split('<div class="tally">')[1:]
    assert "<b>1</b><span>reproduced" in measured and "<b>1</b><span>inconclusive" in measured and "<b>1</b><span>reproduced" in counted and "<b>0</b><span>inconclusive" in counted
    assert "Counted or timed" not in verdicts_section("p", [claim()], None)


def test_the_page_says_what_one_family_for_both_papers_would_change():
    one, two = [claim(verdict="reproduced", raw_p=0.02)], [claim(id="b", raw_p=0.4)]
    assert family_note({"claims": one}) == "" and "1 and 1 claims" in family_note({"claims": one, "crobo_claims": two})
    assert "Over all 2 together the verdicts would be the same" in family_note({"claims": one, "crobo_claims": two})
    assert "Over all 3 together these would not be decided: a" in family_note({"claims": one, "crobo_claims": two + [claim(id="c", raw_p=0.9)]})


def test_the_title_promises_no_outcome(repository):
    assert "PRISM and CroBo, put to the test" in (repository / "results/lite/report.html").read_text()


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
