"""Tests of nbs/results/92_what_is_where.ipynb: written there, exported by `prism-repro export`. Edit the notebook."""


from prism_repro.results.sheets import to_csv, to_markdown, write_sheet
from prism_repro.results.what_is_where import what_is_where


def paths_record(levels, seeds=2, clips=6, frames="paths"):
    return dict(config=dict(frames=frames), source="solids", measurements=[dict(backbone=n, seed=s, fps=6.0, episodes=[dict(episode=f"c{i}", degrees=v + 5.0 * i + s * 0.1) for i in range(clips)]) for n, v in levels.items() for s in range(seeds)])


def probe_record(levels, seeds=2, clips=6, seen=0, words=0.5):
    return dict(config=dict(frames="solids_probe", folds=3), clips=clips, frames=30, not_asked=["shapes: box"], measurements=[
        dict(backbone=n, seed=s, target=t, seen=seen, episodes=[dict(episode=f"c{i}", value=float(v + s * 0.1 + i) if t == "position" else words + 0.01 * i, baseline=100.0 if t == "position" else 0.4) for i in range(clips)])
        for n, v in levels.items() for s in range(seeds) for t in ("position", "colours", "shapes", "pairs")])


def test_the_table_has_masks_baselines_and_gaps(tmp_path):
    probe = probe_record({"CroBo": 50, "CroBo, mask 75 %": 60}, seen=4)
    sheet = what_is_where("p", probe, {"s": paths_record({"CroBo": 70})}, masks={"75 %": "CroBo, mask 75 %", "90 %": "CroBo", "95 %": "CroBo, mask 95 %"})
    assert [row[0] for row in sheet.rows] == ["blind: the commonest answer", "CroBo", "mask 75 %: CroBo, mask 75 %", "mask 90 %: CroBo", "mask 95 %: CroBo, mask 95 %"]
    assert sheet.rows[1][2:] == sheet.rows[3][2:] and sheet.rows[4][1:] == ["-", *["not run"] * 5] and sheet.rows[0][2] == "100.0" and sheet.rows[2][-1] == "not run"
    assert "**Flattered**: up to 4 of the clips" in to_markdown(sheet) and "Not asked, for want of clips: shapes: box" in to_markdown(sheet)
    assert len({len(line.split(",")) for line in to_csv(sheet).replace('"mask 75 %: CroBo, mask 75 %"', "x").replace('"mask 95 %: CroBo, mask 95 %"', "x").splitlines()}) == 1
    first = [p.read_bytes() for p in write_sheet(tmp_path, "p", sheet)]
    assert first == [p.read_bytes() for p in write_sheet(tmp_path, "p", sheet)]
    assert what_is_where("quick", None).rows == [["CroBo", "-", *["not run"] * 5]] and "smoke run" in what_is_where("quick", None).caption


def test_every_set_of_clips_has_its_column_and_is_named_and_counted():
    straight = {"straightness-solids": paths_record({"CroBo": 70, "random": 80}), "straightness-film": paths_record({"CroBo": 99, "random": 90}, clips=3, frames="film"), "straightness-none": None}
    sheet = what_is_where("p", probe_record({"CroBo": 50, "random": 60}), straight)
    assert sheet.header[-3:] == ("straightness-solids °", "straightness-film °", "straightness-none °") and len(sheet.header) == len(sheet.rows[0])
    assert [[float(cell.split(" ")[0]) for cell in row[-3:-1]] for row in sheet.rows[1:]] == [[82.6, 104.0], [92.6, 95.0]]
    assert [row[-1] for row in sheet.rows] == ["-", "not run", "not run"]
    note = sheet.notes[-1]
    assert "straightness-solids: 6 clips of the set 'paths', source solids, at 6 frames a second; straightness-film: 3 clips of the set 'film'" in note
    assert "straightness-film_degrees_low" in to_csv(sheet)


def test_a_column_that_is_no_better_than_blind_is_named():
    good = what_is_where("p", probe_record({"CroBo": 50, "pixels": 40})).notes
    assert "Best of each column: Position mm pixels (42.5); Colours % CroBo (52.5); Shapes % CroBo (52.5); Shape of a colour % CroBo (52.5)." in good and not any("blind reader**" in n for n in good)
    bad = what_is_where("p", probe_record({"CroBo": 150}, words=0.3)).notes
    assert [n.split(":")[0] for n in bad if "blind reader**" in n] == ["**Position mm", "**Colours %", "**Shapes %", "**Shape of a colour %"]
    assert "(152.5 at best, blind 100.0)" in " ".join(bad) or "(152.6 at best, blind 100.0)" in " ".join(bad)
