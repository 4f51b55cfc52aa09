"""The public log: hashes for anybody, one address for each, and nothing else."""

import base64
from typing import Any

import pytest
from django.test import Client

from compliance import audit
from compliance.audit import checkpoints, notes, signing, tree
from compliance.roles import User
from config import log
from config.log import TileAddress, TileConverter


@pytest.fixture
def sealed(db: object, ana: User) -> int:
    """A log of three hundred entries: a full tile, a partial one, and one above them."""
    for _ in range(299):
        audit.record("finding.recorded", ana, by=ana, purpose="Marker-7f3a")
    checkpoints.seal_due()
    return 300


class TestTileConverter:
    @pytest.mark.parametrize(
        ("path", "address"),
        [
            ("0/000", TileAddress(0, 0)),
            ("1/017.p/5", TileAddress(1, 17, 5)),
            ("63/999", TileAddress(63, 999)),
            ("0/x001/000", TileAddress(0, 1000)),
            ("0/x001/x234/067", TileAddress(0, 1234067)),  # the specification's example
            ("0/x001/x234/067.p/255", TileAddress(0, 1234067, 255)),
        ],
    )
    def test_reads_and_writes_the_one_path_of_a_tile(self, path: str, address: TileAddress) -> None:
        assert TileConverter().to_python(path) == address
        assert TileConverter().to_url(address) == path

    @pytest.mark.parametrize(
        "path", ["00/000", "0/x000/001", "0/000.p/0", "0/000.p/256", "0/000.p/007", "0/000.p/999"]
    )
    def test_knows_no_second_path(self, path: str) -> None:
        with pytest.raises(ValueError, match="not how a tile's path"):
            TileConverter().to_python(path)


@pytest.mark.slow
class TestAnybody:
    def test_reads_the_newest_checkpoint(self, sealed: int, client: Client) -> None:
        answer = client.get("/log/checkpoint")
        assert answer["Content-Type"] == "text/plain; charset=utf-8"
        assert answer["Cache-Control"] == "public, max-age=2"
        note = answer.content.decode()
        assert notes.open_checkpoint(note, notes.read_vkey(signing.vkey())).size == sealed

    def test_makes_the_signed_root_from_the_tiles_alone(self, sealed: int, client: Client) -> None:
        def tiles(level: int, n: int) -> bytes:
            width = (sealed >> (tree.HEIGHT * level)) - n * tree.WIDTH
            answer = client.get(f"/log/tile/{tree.tile_path(level, n, min(width, tree.WIDTH))}")
            assert answer.status_code == 200
            assert answer["Content-Type"] == "application/octet-stream"
            assert answer["Cache-Control"] == "public, max-age=31536000, immutable"
            content: bytes = answer.content
            return content

        state = notes.open_checkpoint(
            client.get("/log/checkpoint").content.decode(), notes.read_vkey(signing.vkey())
        )
        assert tree.root(sealed, tree.reader(tiles)) == state.root

    def test_finds_hashes_and_nothing_private(self, sealed: int, client: Client) -> None:
        for path, size in (("0/000", 8192), ("0/001.p/44", 44 * 32), ("1/000.p/1", 32)):
            data = client.get(f"/log/tile/{path}").content
            assert len(data) == size
            assert b"Marker" not in data

    def test_costs_a_query_a_request(
        self, sealed: int, client: Client, django_assert_num_queries: Any
    ) -> None:
        for path in ("checkpoint", "tile/0/000", "tile/0/x999/000"):
            with django_assert_num_queries(1):
                client.get(f"/log/{path}")

    @pytest.mark.parametrize(
        "path",
        [
            "tile/0/001", "tile/0/001.p/45", "tile/0/000.p/256", "tile/0/000.p/0", "tile/2/000",
            "tile/2/000.p/1", "tile/0/002", "tile/0/0", "tile/00/000", "tile/64/000", "tile/-1/000",
            "tile/entries/000", "tile/entries/001.p/44", "tile/", "", "checkpoint/", "entries/000",
            "tile/0/x000/000", "tile/0/000/", "tile/0/../../../api/schema",
        ],
    )  # fmt: skip
    def test_finds_nothing_else(self, sealed: int, client: Client, path: str) -> None:
        assert client.get(f"/log/{path}").status_code == 404

    def test_can_only_read(self, sealed: int) -> None:
        anybody = Client()
        for path in ("checkpoint", "tile/0/000"):
            assert anybody.head(f"/log/{path}").content == b""
            for method in ("POST", "PUT", "PATCH", "DELETE"):
                assert anybody.generic(method, f"/log/{path}").status_code == 405


class TestEmptyLog:
    def test_has_no_checkpoint(self, db: object, client: Client) -> None:
        assert client.get("/log/checkpoint").status_code == 404


class TestShowsCheckpoint:
    def test_gives_each_answer_of_the_api_the_newest_one(
        self, db: object, ana: User, client: Client
    ) -> None:
        assert log.HEADER not in client.get("/api/v1/referrals").headers
        checkpoints.seal_due()
        refused = client.get("/api/v1/referrals")
        assert refused.status_code == 401
        note = base64.b64decode(refused[log.HEADER]).decode()
        assert note == client.get("/log/checkpoint").content.decode()

    def test_gives_it_to_nobody_at_the_desk(self, db: object, ana: User, client: Client) -> None:
        checkpoints.seal_due()
        assert log.HEADER not in client.get("/admin/login/").headers
