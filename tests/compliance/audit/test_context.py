"""Who acts: one variable, no leaks, no default."""

import threading
from types import SimpleNamespace

import pytest

from compliance.audit import context
from compliance.audit.context import Acting, NobodyActs, acting, acting_late, current
from compliance.roles import User

LEE = SimpleNamespace(client_id="lee")  # a program of an agency, as far as this room knows it


class TestActing:
    def test_nobody_acts_by_default(self):
        with pytest.raises(NobodyActs, match="pass `by`, or open"):
            current()

    def test_the_inner_actor_gives_way_to_the_outer_again(self):
        with acting("system:worker", cid="a1", purpose="sealing", remote_addr="192.0.2.1"):
            with acting("command:keygen"):
                assert current() == Acting("command:keygen")
            assert current() == Acting("system:worker", None, "a1", "sealing", "192.0.2.1")
        with pytest.raises(NobodyActs):
            current()

    def test_an_error_inside_does_not_leak_the_actor(self):
        with pytest.raises(ZeroDivisionError), acting("system:worker"):
            _ = 1 / 0
        with pytest.raises(NobodyActs):
            current()

    def test_another_thread_does_not_act_as_this_one(self):
        seen = []

        def ask():
            try:
                current()
            except NobodyActs as error:
                seen.append(error)

        with acting("system:worker"):
            thread = threading.Thread(target=ask)
            thread.start()
            thread.join()
        assert len(seen) == 1

    def test_users_and_clients_are_named_by_their_codes(self):
        with acting(user=User(pk=17)) as who:
            assert who.actor_ref == "user:17"
        with acting(client="lee") as who:
            assert who.actor_ref == "liaison:lee"

    def test_a_person_not_signed_in_is_anonymous(self):
        with acting("anonymous") as who:
            assert who.user is None

    @pytest.mark.parametrize("ref", ["", "user:0", "user:ana", "liaison:", "system:a b", "ana"])
    def test_anything_else_is_refused(self, ref):
        with pytest.raises(ValueError, match="names no actor"), acting(ref):
            pass

    def test_a_reference_to_somebody_else_is_refused(self):
        with pytest.raises(ValueError, match=r"user:18 is not user:17\."):
            Acting("user:18", User(pk=17))

    @pytest.mark.parametrize("cid", ["", "two words", "x" * 65, "ana@example.org"])
    def test_a_correlation_id_is_a_code(self, cid):
        with pytest.raises(ValueError, match="correlation id"):
            Acting("system:worker", cid=cid)


class TestActingLate:
    def test_the_actor_is_asked_for_when_it_is_needed(self):
        known = ["anonymous"]
        with acting_late(lambda: Acting(known[-1])):
            known.append("liaison:lee")
            assert current().actor_ref == "liaison:lee"


class TestCurrent:
    def test_by_comes_before_the_context_and_keeps_its_circumstances(self):
        with acting("system:worker", cid="a1", purpose="sealing"):
            who = current(User(pk=17))
        assert (who.actor_ref, who.user, who.cid) == ("user:17", User(pk=17), "a1")

    def test_by_is_enough(self):
        assert current(User(pk=17)) == Acting("user:17", User(pk=17))
        assert current(LEE) == Acting("liaison:lee")

    def test_a_program_takes_the_place_of_the_user_around_it(self):
        with acting(user=User(pk=17), cid="a1", remote_addr="192.0.2.1"):
            assert current(LEE) == Acting("liaison:lee", None, "a1", remote_addr="192.0.2.1")


class TestAttributed:
    @pytest.mark.parametrize(("by", "ref"), [(User(pk=17), "user:17"), (LEE, "liaison:lee")])
    def test_whatever_the_verb_writes_is_by_whom_it_was_given(self, by, ref):
        @context.attributed
        def verb(record, *, by):
            return record, current()

        with acting("command:demo", cid="a1"):
            record, who = verb("a record", by=by)
            assert current().actor_ref == "command:demo"
        assert (record, who.actor_ref, who.cid) == ("a record", ref, "a1")
        assert verb("a record", by=by)[1].cid is None


class TestNewCid:
    def test_each_is_new_and_valid(self):
        cids = {context.new_cid() for _ in range(50)}
        assert len(cids) == 50
        assert all(Acting("system:worker", cid=cid) for cid in cids)
