"""Five Mondays at nine (docs/troubleshooting.md): something is wrong, is seen in the console, and put right."""

from __future__ import annotations

import itertools
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from tests import disk
from tests.pictures.camera import Camera
from tests.pictures.office import MONDAY, NEW, Office, office
from tests.waiting import until
from tests.web.console import chromium

TODAY, TROUBLE = "/console/", "#troubles .trouble"
_AFTER = 16 * 60
"""Seconds after which single events of trouble are forgotten."""


def take(language: str, folder: Path) -> None:
    """Live through all five in a language, and say how long each took from the trouble seen to its end."""
    with (
        TemporaryDirectory() as home,
        disk.small_disk(Path(home) / "shop", "64m") as shop,
        office(shop, language, MONDAY, Path(home), calls_back=False) as place,
        _console(place, language, folder) as camera,
    ):
        for monday in (_crm_down, _file_broken, _disk_full, _wrong_password, _refused):
            camera.wait(TODAY, lambda: camera.find(".calm"))
            steps = monday(place, camera)
            next(steps)
            began = time.monotonic()
            for _ in steps:
                pass
            sys.stdout.write(f"{monday.__name__[1:]}: {time.monotonic() - began:.0f} s\n")
            sys.stdout.flush()


@contextmanager
def _console(place: Office, language: str, folder: Path) -> Iterator[Camera]:
    with chromium.browser(1280, script=True) as browser:
        chromium.sign_in(browser, place.base, language)
        yield Camera(browser, place.base, language, folder)


def _sees(camera: Camera, name: str, *words: str) -> None:
    """Wait until the first trouble says this, and take its picture."""
    camera.wait(TODAY, lambda: any(word in _text(camera, TROUBLE) for word in words))
    camera.parts(name, ".head", TROUBLE)


def _text(camera: Camera, selector: str) -> str:
    return " ".join(element.text for element in camera.find(selector))


def _gone(camera: Camera) -> None:
    camera.wait(TODAY, lambda: camera.find(".calm"))


def _crm_down(place: Office, camera: Camera) -> Iterator[None]:
    """The CRM is away: callers are put through by default, and what is to be written waits."""
    place.crm.go_away()
    for number in range(6):
        place.call(f"60011122{number + 2}", f"9810000{number}", "DESVIO")
    camera.wait(TODAY, lambda: camera.find(TROUBLE))
    yield
    _sees(camera, "monday-crm", "crm")
    camera.open("/console/work")
    place.crm.come_back()
    camera.open(TODAY)
    camera.press(f"{TROUBLE} form button")
    _gone(camera)


def _file_broken(place: Office, camera: Camera) -> Iterator[None]:
    """Somebody saved the file of new customers, and gave a column another name."""
    file, more = place.folder / "altas.csv", f"{NEW}Casa Lola;600222303;ALTA\nSol;600222304;ALTA\n"
    file.write_text(more.replace("telefono", "móvil"), encoding="utf-8")
    camera.wait(TODAY, lambda: camera.find(TROUBLE))
    yield
    _sees(camera, "monday-file", "altas.csv")
    file.write_text(more, encoding="utf-8")
    _gone(camera)
    camera.open("/console/try?query=ALTA&caller=600222304")
    camera.press("main form button.primary")
    assert "ALTA" in _text(camera, "main table")


def _disk_full(place: Office, camera: Camera) -> Iterator[None]:
    """No room is left: the platform is refused, and does not come again."""
    filling = disk.fill(place.folder)
    calls = itertools.count(98200000)  # SQLite has room left in a file of its own
    until(lambda: place.call("600111229", str(next(calls)), "DESVIO").status == 503)
    camera.wait(TODAY, lambda: camera.find(TROUBLE))
    yield
    _sees(camera, "monday-disk", "MB")
    filling.unlink()
    assert place.call("600111229", "98290000", "DESVIO").good
    place.later(_AFTER)
    _gone(camera)


def _wrong_password(place: Office, camera: Camera) -> Iterator[None]:
    """Somebody changed the telephone password in the panel."""
    for number in range(3):
        place.call("600111230", f"9830000{number}", "DESVIO", password="9999")
    camera.wait(TODAY, lambda: camera.find(TROUBLE))
    yield
    _sees(camera, "monday-password", "912345678")
    camera.press(f"{TROUBLE} .actions a")
    camera.wait("/console/connect", lambda: (said := _text(camera, "main")).count("error") > 1 and "full" not in said)
    camera.page("monday-password-connect", 590)
    assert place.call("600111230", "98300009", "DESVIO").good
    place.later(_AFTER)
    _gone(camera)


def _refused(place: Office, camera: Camera) -> Iterator[None]:
    """The CRM finds one call's activity too long, and refuses it."""
    place.crm.faults.add("refused", "/calls", after=1, times=1)  # after it was looked for
    place.call("600111222", "98400000", "DESVIO")
    camera.wait(TODAY, lambda: camera.find(TROUBLE))
    yield
    _sees(camera, "monday-refused", "crm")
    camera.open("/console/calls?name=ruiz")
    camera.press("main table tbody a")
    camera.press("main .timeline a[href*='/work/']")
    camera.page("monday-refused-work", 900)
    camera.press("main .actions form button")
    _gone(camera)
