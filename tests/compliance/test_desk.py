"""The desk's door."""

from django.test import Client


class TestSignIn:
    def test_is_open_to_a_stranger_and_names_nothing_inline(self, db: None) -> None:
        page = Client().get("/admin/login/")
        assert page.status_code == 200
        assert b"<script>" not in page.content
        assert b" style=" not in page.content
        assert "default-src 'none'" in page["Content-Security-Policy"]
