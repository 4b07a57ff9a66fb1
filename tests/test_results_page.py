"""Tests of nbs/results/91_page.ipynb: written there, exported by `prism-repro export`. Edit the notebook."""


import re

import numpy as np
import pytest

from prism_repro.results import page as pages
from prism_repro.results.page import document, find_browser, interval_svg, print_pdf, table_parts, webp


def test_text_of_tables_is_never_html():
    caption, body, notes, rows = table_parts("**<script>alert(1)</script>**\n\n| a<img src=x> |\n|---|\n| [x](javascript:alert(1)) |\n\n- <iframe>\n")
    assert caption == "<script>alert(1)</script>" and rows == 1  # text still: whoever prints it escapes it
    assert "<img" not in body and "<iframe" not in notes and 'href="javascript' not in body


def test_a_file_without_caption_or_table_still_shows():
    assert table_parts("just words") == ("", "", "<p>just words</p>\n", 0)


def test_transparent_pictures_come_on_white_and_wide_ones_are_scaled(tmp_path):
    from PIL import Image

    Image.new("RGBA", (40, 20), (0, 0, 0, 0)).save(tmp_path / "a.png")
    content, width, height = webp(tmp_path / "a.png", widest=20)
    (tmp_path / "b.webp").write_bytes(content)
    assert (width, height) == (20, 10) and np.asarray(Image.open(tmp_path / "b.webp").convert("RGB")).min() > 250


def test_an_estimate_outside_the_scale_stays_in_the_picture():
    drawn = interval_svg(900.0, [(-900.0, 950.0), (1.0, 2.0)], 10, paper=-400.0, band=5.0)
    assert drawn.count('class="arrow"') == 2 and '<rect x="49.0" width="82.0"' in drawn
    assert all(0 <= float(x) <= 180 for x in re.findall(r'\b(?:x1|x2|cx)="([^"]+)"', drawn))


@pytest.mark.parametrize("paper, path", [(-57.0, 'class="paper off" d="M1.0 5l7 -4v8z"'), (45.6, 'class="paper off" d="M179.0 5l-7 -4v8z"'), (40.0, 'class="paper" d="M172.0 7.0'), (-20.0, 'class="paper" d="M49.0 7.0')])
def test_the_papers_value_beyond_the_scale_is_an_arrow_and_no_diamond(paper, path):
    drawn = interval_svg(1.0, [(-9.0, 9.0)], 40.0, paper=paper)
    assert path in drawn and drawn.count("paper") == 2 and f"paper {paper:+.1f}" in drawn
    assert 'class="paper hollow pale"' in interval_svg(1.0, [], 40.0, paper=3.0, marks="hollow pale")


def test_without_chromium_it_says_so(monkeypatch, tmp_path):
    monkeypatch.setattr(pages.shutil, "which", lambda name: None)
    with pytest.raises(FileNotFoundError, match="No Chromium was found.*make system-deps"):
        print_pdf("<p>", tmp_path / "a.pdf")
    assert not list(tmp_path.iterdir())


@pytest.mark.browser
def test_the_same_page_gives_the_same_pdf(tmp_path):
    if find_browser() is None:
        pytest.skip("Chromium is not installed (make system-deps installs it)")
    page = document("Toy", "A toy", "<h1>Toy</h1>", "", "<details><summary>more</summary>hidden words</details>")
    first, second = (print_pdf(page, tmp_path / name).read_bytes() for name in ("a.pdf", "b.pdf"))
    assert first[:5] == b"%PDF-" and first == second and b"20000101000000" in first
