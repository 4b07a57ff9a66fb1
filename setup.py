"""Packaging. Everything it says stands in settings.ini, so that notebooks, nbdev and pip read one file."""
from configparser import ConfigParser
from pathlib import Path

from setuptools import find_packages, setup

here = Path(__file__).parent
config = ConfigParser(delimiters=["="], interpolation=None)
config.read(here / "settings.ini", encoding="utf-8")
cfg = config["DEFAULT"]
extras = {name: cfg[f"{name}_requirements"].split() for name in ("sim", "libero", "control", "repro", "ray", "onnx", "docs", "dev")}

setup(
    name=cfg["lib_name"],
    version=cfg["version"],
    description=cfg["description"],
    long_description=(here / "README.md").read_text(encoding="utf-8"),
    long_description_content_type="text/markdown",
    url=cfg["git_url"],
    author=cfg["author"],
    license="MIT",
    keywords=cfg["keywords"].split(),
    packages=find_packages(include=["prism_repro", "prism_repro.*"]),
    python_requires=">=" + cfg["min_python"],
    install_requires=cfg["requirements"].split(),
    extras_require=extras,
    entry_points={"console_scripts": cfg["console_scripts"].split()},
    package_data={cfg["lib_name"]: ["assets/*", "assets/weights/*/*", "assets/control/*", "assets/video/*"]},
    include_package_data=True,
)
