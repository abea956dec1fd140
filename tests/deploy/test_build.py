"""The steps of the Containerfile, done without a container engine, and what they make, run as it says."""

import http.client
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
import yaml

from tests.deploy.manifests import ROOT, image_environment, instructions
from tests.faults.platform import free_port
from tests.stranger.wheel import environment

pytestmark = [pytest.mark.soak, pytest.mark.timeout(900)]

BUILD_MAX_S = 600.0
WAIT_S = 60.0
# Where the image has things; here all of it is below one folder.
MOVED = re.compile(r"(?<![\w./])(/opt/bedplate|/build|/var/lib/bedplate|/usr/share/bedplate)\b")
OWNER = 10001


def is_image_user() -> bool:
    """Whether processes can be those of the image's user, who must be able to reach the interpreter."""
    folders = Path(sys.base_prefix).resolve().parents
    return os.geteuid() == 0 and all(folder.stat().st_mode & 0o001 for folder in folders)


class Image:
    """What was built: a folder that holds what the image's root would."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.source = root / "source"
        self.source.mkdir()

    def here(self, text: str) -> str:
        """A text with the places of the image where they are here."""
        return MOVED.sub(lambda match: f"{self.root}{match[1]}", text)

    def build(self) -> None:
        """Do what the instructions say, in their order."""
        stages = 0
        for each in instructions():
            stages += each.word == "FROM"
            if each.word == "COPY":
                self._copy(each.text, from_stage="--from" in each.text)
            elif each.word == "RUN":
                self._run(each.text)
        assert stages == 2

    def _copy(self, text: str, *, from_stage: bool) -> None:
        *names, target = [word for word in text.split() if not word.startswith("--")]
        if from_stage:
            assert names == [target], "both stages have it in one place, which is one place here too"
            return
        for name in names:
            to = Path(self.here(target)) if target.startswith("/") else self.source / target
            to = to / Path(name).name if target.endswith("/") else to
            to.parent.mkdir(parents=True, exist_ok=True)
            if (ROOT / name).is_dir():
                shutil.copytree(ROOT / name, to, ignore=shutil.ignore_patterns("__pycache__"))
            else:
                shutil.copy(ROOT / name, to)

    def _run(self, text: str) -> None:
        if os.geteuid() != 0:
            text = re.sub(r" --(owner|group)=\d+", "", text)
        done = subprocess.run(
            ["sh", "-ec", self.here(text)],
            cwd=self.source,
            env=environment(PIP_DISABLE_PIP_VERSION_CHECK="1", PIP_ROOT_USER_ACTION="ignore"),
            capture_output=True,
            text=True,
            timeout=BUILD_MAX_S,
        )
        assert done.returncode == 0, f"{text}\n{done.stdout}{done.stderr}"

    def start(
        self, words: list[str], variables: Mapping[str, str], output: Path
    ) -> "subprocess.Popen[bytes]":
        """Start what the image starts, as the user that it has."""
        with output.open("wb") as stream:
            return subprocess.Popen(
                words,
                cwd=self.here("/var/lib/bedplate"),
                env={"PATH": self.here("/opt/bedplate/bin"), "PYTHONDONTWRITEBYTECODE": "1", **variables},
                stdout=stream,
                stderr=stream,
                **({"user": OWNER, "group": OWNER, "extra_groups": []} if is_image_user() else {}),
            )


def of(word: str) -> str:
    return [each.text for each in instructions() if each.word == word][-1]


@pytest.fixture(scope="module")
def image() -> Iterator[Image]:
    """Built once; a folder that others may enter, since the image's user is another."""
    with tempfile.TemporaryDirectory(prefix="bedplate-image-") as folder:
        Path(folder).chmod(0o755)
        made = Image(Path(folder))
        made.build()
        yield made


def test_the_image_holds_the_command_and_nothing_that_builds(image):
    bedplate = image.here("/opt/bedplate/bin/bedplate")
    said = subprocess.run([bedplate, "version"], capture_output=True, text=True, timeout=60)

    assert (said.returncode, said.stderr) == (0, "")
    installed = {
        path.name for path in Path(image.here("/opt/bedplate/lib")).glob("python3.*/site-packages/*")
    }
    assert {"bedplate", "buf", "grpc", "valkey", "brotli.py"} <= installed
    assert not {"pip", "hatchling", "pytest", "mypy", "setuptools"} & installed
    assert Path(image.here("/usr/share/bedplate/contracts.binpb")).stat().st_size > 0


def test_what_the_image_starts_is_healthy_and_ends_with_its_grace(image, tmp_path):
    health = free_port()
    variables = {name: image.here(value) for name, value in image_environment().items()}
    variables |= {
        "BEDPLATE_HEALTH_ADDRESS": f"127.0.0.1:{health}",
        "BEDPLATE_HTTP_ADDRESS": f"127.0.0.1:{free_port()}",
        "BEDPLATE_GRPC_ADDRESS": f"127.0.0.1:{free_port()}",
        "BEDPLATE_TLS_ELSEWHERE": "true",
    }
    words = [image.here("/opt/bedplate/bin/bedplate"), *yaml.safe_load(of("CMD"))]
    asks = [
        part.replace("8081", str(health)) for part in yaml.safe_load(of("HEALTHCHECK").partition("CMD ")[2])
    ]
    asks[0] = image.here(f"/opt/bedplate/bin/{asks[0]}")
    output = tmp_path / "output"

    server = image.start(words, variables, output)
    try:
        until = time.monotonic() + WAIT_S
        while status(health) != 200:
            assert server.poll() is None, output.read_text()
            assert time.monotonic() < until, output.read_text()
            time.sleep(0.05)
        healthy = subprocess.run(asks, capture_output=True, timeout=30)
        server.terminate()
        code = server.wait(30)
    finally:
        if server.poll() is None:
            server.kill()
            server.wait()
    gone = subprocess.run(asks, capture_output=True, timeout=30)

    assert (healthy.returncode, healthy.stderr) == (0, b"")
    assert code == 0
    assert gone.returncode == 1
    assert "Traceback" not in output.read_text()
    if is_image_user():
        theirs = [path for path in image.root.rglob("*") if path.lstat().st_uid == OWNER]
        data = Path(image.here("/var/lib/bedplate"))
        assert theirs
        assert all(path.is_relative_to(data) for path in theirs), "it wrote elsewhere"


def test_the_image_alone_starts_no_plaintext_server_for_others(image, tmp_path):
    variables = {name: image.here(value) for name, value in image_environment().items()}
    words = [image.here("/opt/bedplate/bin/bedplate"), *yaml.safe_load(of("CMD"))]
    output = tmp_path / "output"

    code = image.start(words, variables, output).wait(WAIT_S)

    assert code == 3
    assert "BEDPLATE_TLS_CERTIFICATE" in output.read_text()


def status(port: int) -> int:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.request("GET", "/readyz")
        return connection.getresponse().status
    except OSError:
        return 0
    finally:
        connection.close()
