"""JOSE: what a program signs is read strictly, and whatever is wrong with it is one refusal."""

import base64
import hashlib
import hmac
import json
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from joserfc import jws
from joserfc.jwk import ECKey, OKPKey

from referrals.api import jose
from referrals.api.jose import BadToken
from tests.referrals.api.conftest import b64, public, signed

KEY = OKPKey.generate_key("Ed25519")
PUBLIC = OKPKey.import_key(public(KEY))
NO_JWT = r"^This is not a signed JWT\.$"
NO_FIT = r"^The signature does not fit the key\.$"
NO_KEY = r"^The header jwk: This is not an Ed25519 public key in JWK form\.$"


def said(claims: Any = None, **header: Any) -> str:
    """A token by the key, with any claims and any header."""
    text = claims if isinstance(claims, str) else json.dumps(claims or {})
    return signed(KEY, {"alg": "Ed25519"} | header, text)


class TestParse:
    @pytest.mark.parametrize("algorithm", jose.ALGORITHMS)
    def test_reads_what_the_key_signed_under_either_name(self, algorithm: str) -> None:
        token = jose.parse(said({"iss": "lee"}, alg=algorithm, typ="JWT"))
        assert token.header == {"alg": algorithm, "typ": "JWT"}
        assert token.claims == {"iss": "lee"}
        token.check(PUBLIC)

    def test_reads_what_a_stock_library_signed(self) -> None:
        text = jws.serialize_compact({"alg": "Ed25519"}, b'{"iss":"lee"}', KEY, ["Ed25519"])
        jose.parse(text).check(PUBLIC)

    def test_passes_over_a_header_that_it_does_not_know(self) -> None:
        jose.parse(said(kid="key-1", mood="sunny")).check(PUBLIC)

    @pytest.mark.parametrize(
        "text",
        [
            "",
            "..",
            "e30.e30",
            "e30.e30.e30.e30",
            "ä.e30.e30",
            "e.e30.e30",
            f"{b64(b'[]')}.e30.",
            f"{b64(b'7')}.e30.",
            f"{b64(b'{')}.e30.",
            f"{b64(bytes([0x7B, 0xFF, 0x7D]))}.e30.",
            f"{b64(b'[' * 2000)}.e30.",
            signed(KEY, {"alg": "Ed25519"}, "[]"),
            signed(KEY, {"alg": "Ed25519"}, "not JSON"),
            # Twice the same name would mean one thing to us and another to somebody else.
            signed(KEY, {"alg": "Ed25519"}, '{"iss": "lee", "iss": "mia"}'),
            signed(KEY, '{"alg": "none", "alg": "Ed25519"}', "{}"),
            signed(KEY, '{"alg": "Ed25519", "jwk": {"x": "a", "x": "b"}}', "{}"),
        ],
    )
    def test_refuses_what_is_no_signed_object(self, text: str) -> None:
        with pytest.raises(BadToken, match=NO_JWT):
            jose.parse(text)

    def test_refuses_what_is_longer_than_any_honest_token(self) -> None:
        bare = len(said({"pad": ""}))
        jose.parse(said({"pad": "x" * ((jose.LONGEST - bare) * 3 // 4 - 3)}))
        with pytest.raises(BadToken, match=NO_JWT):
            jose.parse(said({"pad": "x" * jose.LONGEST}))

    @pytest.mark.parametrize(
        "algorithm",
        ["none", "HS256", "RS256", "ES256", "PS256", "Ed448", "ed25519", "", None, ["Ed25519"], {}],
    )
    def test_refuses_every_other_algorithm(self, algorithm: Any) -> None:
        with pytest.raises(BadToken, match=r"^The algorithm must be one of Ed25519, EdDSA\.$"):
            jose.parse(said(alg=algorithm))

    def test_refuses_a_header_without_algorithm(self) -> None:
        with pytest.raises(BadToken, match="The algorithm must be"):
            jose.parse(signed(KEY, {}, {}))

    @pytest.mark.parametrize(
        "header",
        [
            {"crit": ["exp"], "exp": 1},
            {"crit": []},
            {"crit": 5},
            {"crit": [["alg"]]},
            {"crit": ["b64"], "b64": False},
            {"b64": False},
        ],
    )
    def test_refuses_an_extension_whatever_its_form(self, header: dict[str, Any]) -> None:
        with pytest.raises(BadToken, match=r"^The header must be without crit and b64\.$"):
            jose.parse(said(**header))


class TestCheck:
    def test_refuses_another_key(self) -> None:
        with pytest.raises(BadToken, match=NO_FIT):
            jose.parse(said()).check(OKPKey.generate_key("Ed25519"))

    @pytest.mark.parametrize("part", [0, 1, 2])
    def test_refuses_a_change_of_any_part(self, part: int) -> None:
        ours, theirs = said({"iss": "lee"}).split("."), said({"iss": "mia"}, kid="x").split(".")
        ours[part] = theirs[part]
        with pytest.raises(BadToken, match=NO_FIT):
            jose.parse(".".join(ours)).check(PUBLIC)

    @pytest.mark.parametrize("change", ["", "AAAA", "{}=", "{}AA", "{}!", "!{}"])
    def test_refuses_a_signature_in_another_form(self, change: str) -> None:
        head, _, signature = said().rpartition(".")
        with pytest.raises(BadToken, match=NO_FIT):
            jose.parse(f"{head}.{change.format(signature)}").check(PUBLIC)

    def test_refuses_base64_that_is_not_the_one_form_of_its_bytes(self) -> None:
        head, body, _ = said().split(".")
        covered = f"{head}!.{body}"
        text = f"{covered}.{b64(KEY.private_key.sign(covered.encode()))}"  # type: ignore[union-attr]
        with pytest.raises(BadToken, match=NO_FIT):
            jose.parse(text).check(PUBLIC)

    @pytest.mark.parametrize("header", [{"kid": 5}, {"typ": 5}, {"kid": "x" * 512}])
    def test_refuses_a_header_that_is_malformed(self, header: dict[str, Any]) -> None:
        with pytest.raises(BadToken, match=NO_FIT):
            jose.parse(said(**header)).check(PUBLIC)

    def test_never_takes_the_public_key_for_a_shared_secret(self) -> None:
        covered = f"{b64(json.dumps({'alg': 'HS256'}).encode())}.{b64(b'{}')}"
        secret = base64.urlsafe_b64decode(public(KEY)["x"] + "=")
        mac = hmac.new(secret, covered.encode(), hashlib.sha256).digest()
        with pytest.raises(BadToken, match="The algorithm must be"):
            jose.parse(f"{covered}.{b64(mac)}")


class TestNumber:
    @pytest.mark.parametrize("value", [0, 1.5, -1, 1_800_000_000])
    def test_reads_seconds(self, value: float) -> None:
        assert jose.parse(said({"exp": value})).number("exp") == value

    @pytest.mark.parametrize(
        "value",
        [
            *["NaN", "Infinity", "-Infinity", "1e999", "true", "null", "[1]", "{}"],
            '"1"',
            f"1{'0' * 5000}",
        ],
        ids=lambda value: value[:12],
    )
    def test_refuses_everything_else(self, value: str) -> None:
        with pytest.raises(BadToken, match=r"^The claim exp wants a number of seconds\.$"):
            jose.parse(said(f'{{"exp": {value}}}')).number("exp")

    def test_refuses_a_claim_that_is_not_there(self) -> None:
        with pytest.raises(BadToken, match="The claim exp wants"):
            jose.parse(said()).number("exp")


class TestJti:
    @pytest.mark.parametrize("value", ["x" * 8, "x" * 128, "!~-_.:/+"])
    def test_is_8_to_128_visible_characters(self, value: str) -> None:
        assert jose.parse(said({"jti": value})).jti() == value

    @pytest.mark.parametrize(
        "value",
        [None, "", "x" * 7, "x" * 129, "with space", "12345678\n", "ümläute-", 12345678, ["x" * 8]],
    )
    def test_is_nothing_else(self, value: Any) -> None:
        sentence = r"^The claim jti wants 8 to 128 visible ASCII characters\.$"
        with pytest.raises(BadToken, match=sentence):
            jose.parse(said({"jti": value})).jti()


class TestPublicKey:
    def test_gives_the_key_and_passes_over_what_else_is_said(self) -> None:
        key = jose.public_key(public(KEY) | {"kid": "key-1", "use": "enc", "key_ops": 5})
        assert key.as_dict() == PUBLIC.as_dict()
        assert key.thumbprint() == KEY.thumbprint()

    @pytest.mark.parametrize("member", ["d", "k", "p", "q", "dp", "dq", "qi", "oth"])
    def test_refuses_every_private_member(self, member: str) -> None:
        sentence = (
            r"^The header jwk: This JWK holds a private key\. Never send it; make a new one\.$"
        )
        with pytest.raises(BadToken, match=sentence):
            jose.public_key(public(KEY) | {member: "AAAA"})

    @pytest.mark.parametrize(
        "jwk",
        [
            None,
            "key",
            [],
            {},
            public(KEY) | {"kty": "EC"},
            public(KEY) | {"crv": "X25519"},
            public(KEY) | {"crv": ["Ed25519"]},
            public(KEY) | {"x": None},
            public(KEY) | {"x": 5},
            public(KEY) | {"x": "AAAA"},
            public(KEY) | {"x": "\ud800"},
            public(KEY) | {"x": public(KEY)["x"] + "="},
            {"kty": "OKP", "crv": "Ed25519"},
            {"kty": "oct", "k": "AAAA"},
            ECKey.generate_key("P-256").as_dict(private=False),
            OKPKey.generate_key("Ed448").as_dict(private=False),
        ],
    )
    def test_refuses_what_is_no_ed25519_key(self, jwk: Any) -> None:
        with pytest.raises(BadToken, match=NO_KEY):
            jose.public_key(jwk)


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner),
    max_leaves=6,
)
HEADER = ("alg", "typ", "jwk", "kid", "crit", "b64", "x5c", "jku", "cty")
JWK = ("kty", "crv", "x", "d")


class TestAnything:
    """Whoever it comes from, it is read or it is a BadToken; a bug would be a 500."""

    @given(text=st.text(max_size=40) | st.lists(st.text("e30-_=", max_size=9)).map(".".join))
    def test_that_is_sent(self, text: str) -> None:
        with pytest.raises(BadToken):
            jose.parse(text).check(PUBLIC)

    @pytest.mark.slow
    @given(
        header=st.dictionaries(st.sampled_from(HEADER), ANYTHING),
        jwk=st.dictionaries(st.sampled_from(JWK), ANYTHING) | ANYTHING,
        claims=st.dictionaries(st.sampled_from(("exp", "jti")), ANYTHING),
    )
    def test_that_is_signed(self, header: Any, jwk: Any, claims: Any) -> None:
        text = said(claims, **({"alg": "Ed25519"} | header))
        for read in (
            lambda: jose.parse(text).check(PUBLIC),
            lambda: jose.parse(text).number("exp"),
            lambda: jose.parse(text).jti(),
            lambda: jose.public_key(jwk),
        ):
            with suppress(BadToken):
                read()
