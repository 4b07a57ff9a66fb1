"""Tests of nbs/cli/93_site.ipynb: written there, exported by `prism-repro export`. Edit the notebook."""


import contextlib
import functools
import http.server
import json
import re
import shutil
import threading
import time
import urllib.request
from pathlib import Path

import pytest
import yaml

from prism_repro.cli.site import build_site, check_site, main

ROOT = Path(__file__).resolve().parents[1]


def write_repository(root, **pages):
    "A repository with one notebook a page: {name: its prose}."
    (root / "nbs").mkdir(parents=True)
    (root / "settings.ini").write_text(
        "[DEFAULT]\ntitle = toy\nauthor = me\ncopyright = 2026, me\ndescription = A toy\nlib_name = toy\nnbs_path = nbs\n"
    )
    for name, prose in pages.items():
        cells = [{"cell_type": "markdown", "source": prose, "metadata": {}}]
        notebook = {"cells": cells, "metadata": {}, "nbformat": 4, "nbformat_minor": 5}
        (root / "nbs" / f"{name}.ipynb").write_text(json.dumps(notebook))


def test_a_failed_build_says_where_and_keeps_the_last_site(tmp_path, capsys):
    write_repository(tmp_path / "r", index="# Toy", b="# B\n\nSee [the licence](../LICENSE).")
    (tmp_path / "r/LICENSE").write_text("MIT")
    site = build_site(tmp_path / "r", tmp_path / "site")
    before = (site / "b.html").read_text()
    write_repository(tmp_path / "s", index="# Toy", b="# B\n\nSee [nothing](gone.ipynb).")
    assert main(["--root", str(tmp_path / "s"), "--out", str(site)]) == 1
    message = capsys.readouterr().err
    assert "nbs/b.ipynb" in message and "gone.ipynb" in message
    assert (site / "b.html").read_text() == before and check_site(site) == []


def test_a_folder_that_is_no_site_is_not_overwritten(tmp_path):
    write_repository(tmp_path, index="# Toy")
    (tmp_path / "thesis").mkdir()
    (tmp_path / "thesis/chapter_1.txt").write_text("years of work")
    with pytest.raises(FileExistsError, match="thesis exists and is not a site"):
        build_site(tmp_path, "thesis")
    assert (tmp_path / "thesis/chapter_1.txt").exists()


def test_a_missing_package_is_named(tmp_path, monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name, package=None: None)
    with pytest.raises(ModuleNotFoundError, match=r"needs sphinx, .*pip install 'prism_repro\[docs\]'"):
        build_site(tmp_path)


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    return build_site(ROOT, tmp_path_factory.mktemp("docs") / "site")


@contextlib.contextmanager
def served(site):
    "The address of a folder, served on this machine."

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *args): ...

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=str(site)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()


@pytest.fixture(scope="module")
def address(site):
    "The site, served on this machine."
    with served(site) as address:
        yield address


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    "Headless Chromium with a profile of its own that talks to nobody."
    webdriver = pytest.importorskip("selenium.webdriver", reason="selenium is not installed (pip install 'prism_repro[dev]')")
    chromium, driver = shutil.which("chromium"), shutil.which("chromedriver")
    if not (chromium and driver):
        pytest.skip("Chromium and its driver are not installed (make system-deps installs them)")
    options = webdriver.ChromeOptions()
    options.binary_location = chromium
    flags = "headless=new no-sandbox disable-gpu disable-background-networking no-first-run disable-component-update disable-sync disable-quic"
    for flag in [*flags.split(), "window-size=1400,1000", f"user-data-dir={tmp_path_factory.mktemp('profile')}"]:
        options.add_argument(f"--{flag}")
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    browser = webdriver.Chrome(options=options, service=webdriver.ChromeService(driver))
    yield browser
    browser.quit()


MATHS = """
const done = arguments[arguments.length - 1], count = s => document.querySelectorAll(s).length;
const answer = () => done([count('.math'), count('.math > mjx-container'), count('mjx-merror, [data-mml-node=merror]')]);
if (count('.math')) MathJax.startup.promise.then(answer); else answer();
"""
LOADED = "return performance.getEntriesByType('resource').map(e => e.name)"
DIRECTIVES = "return [...document.querySelectorAll('pre')].flatMap(p => p.innerText.split('\\n')).filter(l => /^\\s*# ?\\|/.test(l))"


def wait_for(browser, selector, seconds=10):
    "The elements that a selector finds, once there are any."
    end = time.time() + seconds
    while not (found := browser.find_elements("css selector", selector)) and time.time() < end:
        time.sleep(0.05)
    assert found, f"{browser.current_url} shows no {selector} within {seconds} s"
    return found


def severe(browser):
    "The errors in the browser's console since the last call."
    return [entry["message"] for entry in browser.get_log("browser") if entry["level"] == "SEVERE"]


@pytest.mark.browser
@pytest.mark.slow
def test_every_page_reads_well_in_a_browser(address, browser):
    browser.get(f"{address}/index.html")
    links = [a.get_attribute("href") for a in wait_for(browser, ".sidebar-tree a.reference.internal")]
    have = {p.relative_to(ROOT / "nbs").with_suffix(".html").as_posix() for p in (ROOT / "nbs").rglob("[!_.]*.ipynb")}
    assert have - {"index.html"} <= {link.removeprefix(address + "/") for link in links}, "a notebook is missing in the navigation"
    equations = 0
    for link in links:
        target = next(a for a in wait_for(browser, ".sidebar-tree a.reference.internal") if a.get_attribute("href") == link)
        browser.execute_script("arguments[0].scrollIntoView({behavior: 'instant', block: 'center'})", target)
        target.click()
        wait_for(browser, "article h1")
        for _ in range(100):
            if browser.current_url == link:
                break
            time.sleep(0.05)
        assert browser.current_url == link and wait_for(browser, "article h1")[0].text
        written, drawn, wrong = browser.execute_async_script(MATHS)
        assert written == drawn and wrong == 0, f"{link}: {written} equations, {drawn} drawn, {wrong} with errors"
        equations += drawn
        assert browser.execute_script(DIRECTIVES) == [], link
        assert all(url.startswith(address) for url in browser.execute_script(LOADED)), link
        assert severe(browser) == [], link
    assert equations > 0


@pytest.mark.browser
@pytest.mark.slow
def test_a_wrong_equation_is_seen(browser, tmp_path):
    write_repository(tmp_path, index="# Toy\n\n$x^2$ is right, $\\nosuchmacro$ is not, nor is $\\frac{1$.")
    browser.get((build_site(tmp_path) / "index.html").as_uri())
    assert browser.execute_async_script(MATHS) == [3, 2, 1]  # written, drawn, drawn as an error


@pytest.mark.browser
@pytest.mark.slow
@pytest.mark.parametrize("over", ["http", "file"])
def test_search_finds_a_definition(over, address, site, browser):
    start = address if over == "http" else site.as_uri()
    browser.get(f"{start}/index.html")
    box = wait_for(browser, "input.sidebar-search")[0]
    box.send_keys("SSPool")
    box.submit()
    result = next(a for a in wait_for(browser, "ul.search li a") if a.text.endswith(".SSPool"))
    result.click()
    definition = wait_for(browser, "dt[id='prism_repro.vision.pooling.SSPool']")[0]
    assert definition.is_displayed() and "/vision/" in browser.current_url
    assert severe(browser) == []


@pytest.mark.browser
@pytest.mark.slow
def test_a_name_leads_to_its_definition(address, browser, tmp_path):
    browser.get(f"{address}/names.html")
    link = wait_for(browser, "article a[href$='#prism_repro.vision.pooling.SSPool']")[0]
    browser.execute_script("arguments[0].scrollIntoView({behavior: 'instant', block: 'center'})", link)
    link.click()
    assert browser.current_url.endswith("#prism_repro.vision.pooling.SSPool")
    definition = wait_for(browser, "dt[id='prism_repro.vision.pooling.SSPool']")[0]
    for _ in range(100):  # the theme scrolls smoothly, and equations move what is below them
        if 0 <= (top := browser.execute_script("return arguments[0].getBoundingClientRect().top", definition)) < 500:
            break
        time.sleep(0.05)
    assert 0 <= top < 500, f"the definition stands {top} pixels below the window's upper edge"
    assert browser.save_screenshot(str(tmp_path / "sspool.png")) and (tmp_path / "sspool.png").stat().st_size > 20_000


IMAGES = "return [...document.images].map(i => [i.complete, i.naturalWidth])"
FILMS = """
const done = arguments[arguments.length - 1], films = [...document.querySelectorAll('video')];
const metadata = film => film.readyState > 0 ? 0 : new Promise(ready => { film.onloadedmetadata = ready; film.onerror = ready; film.load(); });
Promise.all(films.map(metadata)).then(() => done(films.map(film => film.duration)));
"""


@pytest.fixture(scope="module")
def with_report(tmp_path_factory):
    "A site of a small repository that has two profiles' real results and their reports."
    from prism_repro.grid.stages import stages
    from prism_repro.results.report import write_report

    root = tmp_path_factory.mktemp("reports") / "r"
    write_repository(root, index="# Toy", **{"table_1": "# Not the table\n\nA page to link to."})
    (root / "nbs/results").mkdir()
    for name in ("table_1", "figure_lift", "figure_saliency"):
        shutil.copyfile(root / "nbs/table_1.ipynb", root / f"nbs/results/{name}.ipynb")
    shutil.copyfile(ROOT / "dvc.yaml", root / "dvc.yaml")
    for profile in ("lite", "lift"):
        for name in ("results", "figures", "profiles"):
            shutil.copytree(ROOT / name / profile, root / name / profile, symlinks=True, ignore=shutil.ignore_patterns("report.*"))
        claim = {"id": "a", "where": "Table 1", "sentence": "A claim.", "verdict": "inconclusive", "estimate": 0.01, "factor": 100, "interval": [-0.03, 0.6], "bootstrap": [-0.02, 0.04], "expected": "equal"}
        (root / f"results/{profile}/claims.json").write_text(json.dumps({"claims": [claim]}))
    for profile, other in (("lite", "lift"), ("lift", "lite")):
        write_report(root, profile, stages(root, profile), yaml.safe_load((root / f"profiles/{profile}/params.yaml").read_text()), [other], pdf=False)
    return build_site(root, root.parent / "site")


def test_a_site_lists_its_reports(with_report):
    assert check_site(with_report) == []
    front = (with_report / "index.html").read_text()
    assert 'href="report/lite.html"' in front and 'href="report/lift.html"' in front
    text = (with_report / "report/lite.html").read_text()
    assert 'href="../results/table_1.html"' in text and 'href="../index.html"' in text and "figure_keypoints.html" not in text


@pytest.mark.browser
@pytest.mark.slow
@pytest.mark.parametrize("width, theme", [(1280, "light"), (390, "dark")])
def test_a_report_reads_well_in_a_browser(with_report, browser, width, theme):
    severe(browser)
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width < 600})
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [{"name": "prefers-color-scheme", "value": theme}]})
    try:
        with served(with_report) as address:
            for profile in ("lite", "lift"):
                browser.get(f"{address}/report/{profile}.html")
                images = browser.execute_script(IMAGES)
                assert len(images) >= 4 and all(complete and wide > 0 for complete, wide in images), (profile, images)
                assert all(seconds and seconds > 0 for seconds in browser.execute_async_script(FILMS)), profile
                assert browser.execute_script("return document.documentElement.scrollWidth") <= width, "the page scrolls sideways"
                ground = [int(n) for n in re.findall(r"\d+", browser.execute_script("return getComputedStyle(document.body).backgroundColor"))[:3]]
                assert (min(ground) > 200) == (theme == "light")
                assert [url for url in browser.execute_script(LOADED) if not url.startswith(("data:", address))] == []
                links = {a.get_attribute("href") for a in browser.find_elements("css selector", "a[href]")}
                inside = {link.partition("#")[0] for link in links if link.startswith(address)}
                assert len(inside) > 10 and all(urllib.request.urlopen(link).status == 200 for link in inside)
                assert all(browser.execute_script("return !!document.getElementById(arguments[0])", link.partition("#")[2]) for link in links if f"/{profile}.html#" in link)
                assert severe(browser) == []
    finally:
        browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
        browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": []})


@pytest.mark.browser
@pytest.mark.slow
def test_film_strips_play_when_asked_to(with_report, browser):
    browser.get((with_report / "report/lite.html").as_uri())
    playing = "return [...document.querySelectorAll('.film img')].map(i => getComputedStyle(i).animationName)"
    before = set(browser.execute_script(playing))
    browser.execute_script("document.querySelector('.play input').click()")
    assert before == {"none"} and set(browser.execute_script(playing)) == {"film"}
