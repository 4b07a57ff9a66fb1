"""Tests of nbs/results/81_sheets.ipynb: written there, exported by `prism-repro export`. Edit the notebook."""


from dataclasses import replace

from prism_repro.results.sheets import Sheet, tex_escape, to_csv, to_markdown, to_tex, write_sheet

SHEET = Sheet("table_x", "50 % of_it", ("A", "B & C"), [["x", "-"], ["y", "1.0"]], ["A note.", "Another_one."], [dict(a="x"), dict(a="y", b=1.0)])


def test_three_languages(tmp_path):
    assert to_csv(SHEET) == "a,b\nx,\ny,1.0\n"
    assert to_csv(replace(SHEET, numbers=[{"a": 0.1 + 0.2}, {"a": 0.3}])) == "a\n0.3\n0.3\n"
    assert "| y   |     1.0 |" in to_markdown(SHEET) and to_markdown(SHEET).endswith("- A note.\n- Another_one.\n")
    tex = to_tex(SHEET)
    assert r"\caption{50 \% of\_it}" in tex and r"    x & -- \\" in tex and r"A & B \& C" in tex and r"\label{tab:x}" in tex and r"\begin{tabular}{lr}" in tex
    assert tex_escape("a\\b~c^{2}") == r"a\textbackslash{}b\textasciitilde{}c\textasciicircum{}\{2\}"
    paths = write_sheet(tmp_path, "p", SHEET)
    assert [p.relative_to(tmp_path).as_posix() for p in paths] == [f"results/p/tables/table_x.{kind}" for kind in ("md", "csv", "tex")] and paths[1].read_text() == to_csv(SHEET)


def test_signs_that_latex_would_swallow():
    assert tex_escape("A -> b (ours), 4±1, a<b") == r"A $\rightarrow$ b (ours), 4$\pm$1, a\textless{}b"
    assert tex_escape("**Not 5 % alike**: x*y**2") == r"\textbf{Not 5 \% alike}: x*y**2"


def test_a_wide_sheet_is_scaled_and_stays_balanced():
    assert r"\caption{Heads.}" in to_tex(replace(SHEET, caption="Table 12. Heads."))
    plain, wide = to_tex(SHEET), to_tex(replace(SHEET, wide=True))
    assert r"\resizebox{\linewidth}{!}{%" in wide and "graphicx" in wide and "resizebox" not in plain and "\n\n" not in plain
    assert wide.count("{") - wide.count(r"\{") == wide.count("}") - wide.count(r"\}") and wide.count(r"\begin{") == wide.count(r"\end{") == 2
