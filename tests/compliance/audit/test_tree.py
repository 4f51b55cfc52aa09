"""The tree: against vectors of other implementations, and against its own definition."""

import hashlib

import pytest

from compliance.audit import tree
from tests.merkle import needs_vectors, unb64, vectors

LEAVES = [tree.leaf_hash(str(i).encode()) for i in range(70)]


def at(height, n):
    return tree.fold(LEAVES[n << height : (n + 1) << height])


def accepted(check, *args):
    try:
        check(*args)
    except tree.Unproven:
        return False
    return True


@needs_vectors
class TestVectors:
    def test_inclusion_proofs_are_judged_as_others_judge_them(self):
        cases = vectors("inclusion")
        assert len(cases) == 65
        for case in cases:
            proof = [unb64(each) for each in case["proof"] or []]
            leaf, root = unb64(case["leafHash"]), unb64(case["root"])
            verdict = accepted(
                tree.verify_inclusion, case["leafIdx"], case["treeSize"], leaf, proof, root
            )
            assert verdict is not case["wantErr"], case["desc"]

    def test_consistency_proofs_are_judged_as_others_judge_them(self):
        cases = vectors("consistency")
        assert len(cases) == 66
        for case in cases:
            proof = [unb64(each) for each in case["proof"] or []]
            roots = unb64(case["root1"]), unb64(case["root2"])
            verdict = accepted(tree.verify_consistency, case["size1"], case["size2"], *roots, proof)
            assert verdict is not case["wantErr"], case["desc"]


class TestRoot:
    def test_the_empty_tree_has_the_hash_of_nothing(self):
        assert tree.root(0, at) == hashlib.sha256(b"").digest()

    def test_it_follows_the_definition_of_rfc_6962(self):
        def mth(leaves):
            if len(leaves) == 1:
                return leaves[0]
            cut = 1
            while cut * 2 < len(leaves):
                cut *= 2
            return hashlib.sha256(b"\x01" + mth(leaves[:cut]) + mth(leaves[cut:])).digest()

        for size in range(1, 70):
            assert tree.root(size, at) == mth(LEAVES[:size])

    def test_a_leaf_cannot_pass_for_a_node(self):
        pair = LEAVES[0] + LEAVES[1]
        assert tree.leaf_hash(pair) != tree.node_hash(LEAVES[0], LEAVES[1])


class TestInclusion:
    def test_every_leaf_of_every_size_is_proven(self):
        for size in range(1, 40):
            root = tree.root(size, at)
            for index in range(size):
                proof = tree.inclusion_proof(index, size, at)
                tree.verify_inclusion(index, size, LEAVES[index], proof, root)

    def test_any_change_is_refused(self):
        proof, root = tree.inclusion_proof(5, 13, at), tree.root(13, at)
        wrong = [
            (6, 13, LEAVES[5], proof, root),
            (5, 14, LEAVES[5], proof[:-1], root),
            (5, 13, LEAVES[6], proof, root),
            (5, 13, LEAVES[5], proof[::-1], root),
            (5, 13, LEAVES[5], proof[:-1], root),
            (5, 13, LEAVES[5], [*proof, LEAVES[0]], root),
            (5, 13, LEAVES[5], proof, LEAVES[0]),
            (5, 13, LEAVES[5][:31], proof, root),
            (5, 13, LEAVES[5], proof, root[:31]),
            (13, 13, LEAVES[5], proof, root),
            (-1, 13, LEAVES[5], proof, root),
        ]
        for case in wrong:
            assert not accepted(tree.verify_inclusion, *case)

    @pytest.mark.parametrize("index", [-1, 3])
    def test_there_is_none_for_a_leaf_outside_the_tree(self, index):
        with pytest.raises(tree.Unproven, match=f"3 leaves has no leaf {index}"):
            tree.inclusion_proof(index, 3, at)


class TestConsistency:
    def test_every_pair_of_sizes_is_proven(self):
        for second in range(1, 40):
            for first in range(1, second + 1):
                proof = tree.consistency_proof(first, second, at)
                roots = tree.root(first, at), tree.root(second, at)
                tree.verify_consistency(first, second, *roots, proof)

    def test_any_change_is_refused(self):
        proof = tree.consistency_proof(6, 13, at)
        old, new = tree.root(6, at), tree.root(13, at)
        wrong = [
            (6, 13, old, new, proof[::-1]),
            (6, 13, old, new, proof[:-1]),
            (6, 13, old, new, [*proof, old]),
            (6, 13, old, new, []),
            (6, 13, new, new, proof),
            (6, 13, old, old, proof),
            (7, 13, old, new, proof),
            (13, 6, new, old, proof),
            (0, 13, tree.EMPTY, new, []),
            (13, 13, new, new, proof),
            (13, 13, new, old, []),
        ]
        for case in wrong:
            assert not accepted(tree.verify_consistency, *case)

    @pytest.mark.parametrize(("first", "second"), [(0, 3), (4, 3)])
    def test_there_is_none_from_nothing_or_backwards(self, first, second):
        with pytest.raises(tree.Unproven, match=f"from size {first} to size {second}"):
            tree.consistency_proof(first, second, at)


@pytest.fixture
def small(monkeypatch):
    """Tiles of four hashes, so that seventy leaves fill four levels."""
    monkeypatch.setattr(tree, "WIDTH", 4)
    monkeypatch.setattr(tree, "HEIGHT", 2)


class TestAppend:
    @pytest.mark.parametrize("batch", [1, 3, 4, 17, 70])
    def test_tiles_grown_in_batches_give_the_root_of_the_whole(self, small, batch):
        tiles = {}

        def tile(*key):
            return tiles[key]

        for size in range(0, 70, batch):
            tiles.update(tree.append(size, LEAVES[size : size + batch], tile))
        read = tree.reader(tile)
        for size in range(71):
            assert tree.root(size, read) == tree.root(size, at)
        assert {level for level, _ in tiles} == {0, 1, 2, 3}

    def test_a_tile_is_full_at_256_hashes_and_only_then_hashed_upward(self):
        leaves = LEAVES * 4
        tiles = tree.append(0, leaves[:255], dict)
        assert list(tiles) == [(0, 0)]
        tiles |= tree.append(255, leaves[255:257], lambda *key: tiles[key])
        assert [len(tiles[key]) for key in sorted(tiles)] == [8192, 32, 32]
        assert tiles[1, 0] == tree.fold(leaves[:256])

    def test_a_shortened_tile_is_refused(self, small):
        with pytest.raises(tree.Unproven, match="Tile 0 of level 0 is too short"):
            tree.append(3, LEAVES[3:5], lambda *key: b"".join(LEAVES[:2]))
        with pytest.raises(tree.Unproven, match="Tile 0 of level 0 is too short"):
            tree.root(3, tree.reader(lambda *key: b"".join(LEAVES[:2])))
