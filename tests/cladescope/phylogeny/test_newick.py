"""Trees as arrays, and the files that they are read from and written to."""

from collections.abc import Iterator
from pathlib import Path

import dendropy
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cladescope.errors import InputError
from cladescope.phylogeny.newick import (
    Tree,
    format_newick,
    format_nexus,
    parse_newick,
    parse_nexus,
    read_tree,
    write_tree,
)
from tests.conftest import SHARED_DATA

REAL = SHARED_DATA / "taxonomy" / "trees"

quick = settings(max_examples=60, deadline=None)
odd_names = st.text(st.sampled_from("ab_' (),:;[]\"\t\nü\u00a0\u4e2d#=\\-1"), min_size=1, max_size=8)
plain_names = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=8)
labels = st.none() | odd_names | plain_names
lengths = st.just(np.nan) | st.floats(allow_nan=False, allow_infinity=False)


@st.composite
def trees(
    draw: st.DrawFn,
    labels: st.SearchStrategy[str | None] = labels,
    lengths: st.SearchStrategy[float] = lengths,
) -> Tree:
    """A tree of up to 12 nodes, in any order that puts parents before children."""
    parent = [-1, *(draw(st.integers(0, row)) for row in range(draw(st.integers(0, 11))))]
    label = [draw(labels) for _ in parent]
    label[0] = label[0] or ("root" if len(parent) == 1 else None)
    return Tree(parent=np.array(parent), length=np.array([draw(lengths) for _ in parent]), label=tuple(label))


def clades(tree: Tree, row: int = 0) -> tuple[object, ...]:
    """The tree as nested tuples of label, length and children, for comparison."""
    below = (int(child) for child in np.flatnonzero(tree.parent == row))
    return tree.label[row], repr(float(tree.length[row])), tuple(clades(tree, child) for child in below)


def ancestors(tree: Tree, row: int) -> Iterator[int]:
    while row >= 0:
        yield row
        row = int(tree.parent[row])


def read_by_dendropy(text: str) -> list[tuple[str | None, str]]:
    """Label and length of each node; DendroPy misreads a quoted sign and a last tip with neither of the two."""
    tree = dendropy.Tree.get(data=text, schema="newick", suppress_leaf_node_taxa=True, suppress_internal_node_taxa=True)
    nodes = tree.preorder_node_iter()
    return [(node.label or None, repr(np.nan if node.edge.length is None else node.edge.length)) for node in nodes]


def caterpillar(n_tips: int) -> Tree:
    """Tips that leave one stem one after the other, two rows a step."""
    inner = np.arange(0, 2 * n_tips - 2, 2)
    parent = np.concatenate([[-1], np.repeat(inner, 2)])
    label = tuple(None if row % 2 == 0 and row < 2 * n_tips - 2 else f"t{row}" for row in range(len(parent)))
    return Tree(parent=parent, length=np.ones(len(parent)), label=label)


FOUR = parse_newick("((a:1,b:2)ab:3,(c:4,d:5)cd:6)r:100;")


@pytest.mark.parametrize(
    "parent, label, message",
    [
        ([-1, 0], (None,), "found 2 parents, 2 lengths and 1 labels"),
        ([], (), "at least one node"),
        ([-1, -1], ("a", "b"), r"found roots in the rows \[0, 1\], expected one, in row 0"),
        ([0, 0], ("a", "b"), r"found roots in the rows \[\], expected one"),
        ([1, -1], ("a", "b"), r"found roots in the rows \[1\]"),
        ([-7, 0], ("a", "b"), "with parent -1"),
        ([-1, 2, 0], ("a", "b", "c"), "the parent of row 1 is row 2, expected an earlier one"),
        ([-1, 1], ("a", "b"), "the parent of row 1 is row 1"),
        ([-1, 5], ("a", "b"), "the parent of row 1 is row 5"),
        ([-1, 0], ("a", ""), "the label of row 1 is empty, expected a name or None"),
    ],
)
def test_arrays_that_are_no_tree_are_refused(parent: list[int], label: tuple[str | None, ...], message: str) -> None:
    with pytest.raises(InputError, match=message):
        Tree(parent=np.array(parent, int), length=np.zeros(len(parent)), label=label)


def test_an_infinite_branch_is_refused() -> None:
    with pytest.raises(InputError, match="infinite"):
        Tree(parent=np.array([-1, 0]), length=np.array([0, np.inf]), label=("a", "b"))


def test_a_tree_knows_its_tips_depths_and_children() -> None:
    assert FOUR.label == ("r", "ab", "a", "b", "cd", "c", "d")
    assert (FOUR.n_nodes, FOUR.n_tips, FOUR.tips.tolist()) == (7, 4, [2, 3, 5, 6])
    assert FOUR.tip_labels == ("a", "b", "c", "d")
    assert FOUR.depth().tolist() == [0, 3, 4, 5, 6, 10, 11]
    starts, rows = FOUR.children()
    assert starts.tolist() == [0, 2, 4, 4, 4, 6, 6, 6]
    assert rows.tolist() == [1, 4, 2, 3, 5, 6]


def test_a_single_node_is_root_and_tip() -> None:
    tree = parse_newick("A:2;")
    assert (tree.n_tips, tree.tip_labels, tree.depth().tolist()) == (1, ("A",), [0.0])
    assert tree.cophenetic().tolist() == [[0.0]]


@quick
@given(trees(), st.data())
def test_the_lca_is_the_last_ancestor_that_two_nodes_share(tree: Tree, data: st.DataObject) -> None:
    rows = st.integers(0, tree.n_nodes - 1)
    a, b = data.draw(rows), data.draw(rows)
    assert tree.lca(a, b) == next(row for row in ancestors(tree, a) if row in set(ancestors(tree, b)))


@quick
@given(trees(lengths=st.floats(0.125, 8, width=16)), st.data())
def test_path_distances_are_the_branches_that_only_one_of_two_nodes_is_below(tree: Tree, data: st.DataObject) -> None:
    above = [set(ancestors(tree, row)) for row in range(tree.n_nodes)]
    expected = np.array([[sum(tree.length[list(one ^ other)]) for other in above] for one in above])
    np.testing.assert_allclose(tree.cophenetic(), expected[np.ix_(tree.tips, tree.tips)])
    np.testing.assert_allclose(tree.depth(), expected[0])
    rows = data.draw(st.lists(st.integers(0, tree.n_nodes - 1), max_size=8))
    distances = tree.cophenetic(rows)
    np.testing.assert_allclose(distances, expected[np.ix_(rows, rows)].reshape(len(rows), len(rows)))
    assert (distances == distances.T).all()
    assert (np.diag(distances) == 0).all()


def test_negative_lengths_as_of_neighbour_joining_are_summed() -> None:
    tree = parse_newick("(a:1,(b:2,c:3):-0.5);")
    assert tree.cophenetic().tolist() == [[0.0, 2.5, 3.5], [2.5, 0.0, 5.0], [3.5, 5.0, 0.0]]


def test_rows_that_a_tree_does_not_have_are_refused() -> None:
    for row in (-1, 7):
        with pytest.raises(InputError, match=f"found row {row}, expected 0 to 6"):
            FOUR.lca(0, row)
        with pytest.raises(InputError, match=f"found row {row}, expected 0 to 6"):
            FOUR.cophenetic([2, row])


def test_distances_of_too_many_tips_are_refused_before_any_memory_is_taken() -> None:
    star = Tree(parent=np.concatenate([[-1], np.zeros(20_001, int)]), length=np.ones(20_002), label=(None,) * 20_002)
    with pytest.raises(InputError, match=r"found 20001 rows, expected at most 20000 .their distances fill 3\.2 GB"):
        star.cophenetic()
    assert star.cophenetic([1, 20_001]).tolist() == [[0.0, 2.0], [2.0, 0.0]]


def test_a_tree_without_all_lengths_has_distances_only_in_branches() -> None:
    tree = parse_newick("(a:1,(b,c:3));")
    for ask in (tree.depth, tree.cophenetic):
        with pytest.raises(InputError, match=r"2 of 4 branches have no length.*with_unit_lengths"):
            ask()
    assert tree.with_unit_lengths().depth().tolist() == [0, 1, 1, 2, 2]


@quick
@given(trees())
def test_a_tree_written_as_newick_or_nexus_reads_back_as_it_was(tree: Tree) -> None:
    assert clades(parse_newick(format_newick(tree))) == clades(tree)
    assert clades(parse_nexus(format_nexus(tree))) == clades(tree)


@quick
@given(trees(labels=odd_names.map(lambda name: f"{name}a")))
def test_another_reader_finds_the_same_labels_and_lengths(tree: Tree) -> None:
    text = format_newick(tree)
    assert read_by_dendropy(text) == [
        *zip(parse_newick(text).label, map(repr, parse_newick(text).length.tolist()), strict=True)
    ]


def test_another_reader_finds_the_same_tips_in_nexus() -> None:
    tree = parse_newick("('a_b':1,('it''s (1)':2,Parus_major:3)90:1,2:5,1:6);")
    read = dendropy.Tree.get(data=format_nexus(tree), schema="nexus")
    assert tuple(leaf.taxon.label for leaf in read.leaf_node_iter()) == tree.tip_labels
    assert tree.tip_labels == ("a_b", "it's (1)", "Parus major", "2", "1")


def test_underscores_are_blanks_unless_quoted_and_go_back_as_they_came() -> None:
    text = "(Parus_major:1.0,'a_b':2.0,'it''s':3.0)'x (y)':0.5;"
    tree = parse_newick(text)
    assert tree.tip_labels == ("Parus major", "a_b", "it's")
    assert format_newick(tree) == text


def test_comments_blanks_and_later_trees_are_skipped() -> None:
    text = "[&R] ( a [one [inside] other] : 1e-3 ,\r\n\tb[&rate=0.1]:+2 )[x];(c,d);"
    tree = parse_newick(text)
    assert tree.label == (None, "a", "b")
    assert tree.length[1:].tolist() == [0.001, 2.0]


def test_nameless_tips_and_single_children_are_kept() -> None:
    tree = parse_newick("((:0.5)Raphus_cucullatus:2,);")
    assert tree.label == (None, "Raphus cucullatus", None, None)
    assert tree.tip_labels == (None, None)


@pytest.mark.parametrize(
    "text, message",
    [
        ("", "the text ends in line 1, expected ';'"),
        (";", "line 1, column 1: found ';', expected '\\(', a label"),
        ("(a,b)", "the text ends in line 1, expected ';' at the end of a tree: is it complete?"),
        ("(a,\nb;", "line 2, column 3: found ';', expected ':', ',' or '\\)'"),
        ("(a,b));", "line 1, column 6: found '\\)', expected a label, ':', ';'"),
        ("(a b,c);", "found 'b', expected ':', ',' or '\\)' \\(a label with blanks or signs needs quotes"),
        ("(a,b)c(d);", "found '\\(', expected ':', ';'"),
        ("(a:1:2,b);", "found ':', expected ',' or '\\)'"),
        ("(a:1)b)c;", "found '\\)'"),
        ("a,b\n1,2\n", "found ',', expected ':', ';'"),
        ("(a:x,b);", "found 'x', expected a branch length, a number"),
        ("(a:,b);", "found ',', expected a branch length"),
        ("(a:nan,b);", "found 'nan', expected a branch length"),
        ("(a:-inf,b);", "found '-inf', expected a branch length"),
        ("(a,'b);", "the quote of line 1 is never closed"),
        ("(a,b)[c;", "the text ends"),
        ("([c]'b d',e);", "expected a blank between a comment and a quoted label"),
    ],
)
def test_a_text_that_is_no_newick_tree_is_refused_where_it_goes_wrong(text: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        parse_newick(text)


def test_nexus_tips_are_renamed_by_translation_or_by_number() -> None:
    taxa = "#nexus [made by hand] begin taxa; dimensions ntax=3; taxlabels A_b 'c_d' e; end;"
    by_number = parse_nexus(taxa + "begin trees; title t; tree * x = [&R] (1:1,(2:1,e:2)3:1); end;")
    assert by_number.label == (None, "A b", "3", "c_d", "e")
    named_by_digits = parse_nexus("#NEXUS begin taxa; taxlabels 2 1; end; begin trees; tree t = (1,2); end;")
    assert named_by_digits.tip_labels == ("1", "2")
    translated = "Begin Trees; Translate 1 x_y, 2 'z z', t3 A_b,; Utree 'a=b'=[&U] (t3,(1,2)2); end;"
    assert parse_nexus(taxa + translated).label == (None, "A b", "2", "x y", "z z")


@pytest.mark.parametrize(
    "text, message",
    [
        ("(a,b);", "found '\\(', expected '#NEXUS'"),
        ("#NEXUS begin taxa; taxlabels a b; end;", "expected a TREES block that holds a tree"),
        ("#NEXUS begin trees; translate a b c d; end;", "found 'c', expected ',' or ';'"),
        ("#NEXUS begin trees; tree t [&U] (a,b); end;", "expected '='"),
        ("#NEXUS begin trees; tree t = (a,b", "is it complete?"),
    ],
)
def test_a_text_that_is_no_nexus_tree_is_refused_where_it_goes_wrong(text: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        parse_nexus(text)


@pytest.mark.parametrize("suffix", [".nwk", ".newick", ".tre", ".tree", ".phy", ".PHY", ".nex", ".nexus"])
def test_a_tree_written_to_a_file_reads_back_by_its_suffix(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"tree{suffix}"
    write_tree(FOUR, path)
    assert path.read_text().startswith("#NEXUS") == suffix.startswith(".nex")
    assert clades(read_tree(str(path))) == clades(FOUR)


def test_the_content_or_the_given_format_decides_where_the_suffix_does_not(tmp_path: Path) -> None:
    path = tmp_path / "tree.tre"
    path.write_text("\ufeff\n" + format_nexus(FOUR), encoding="utf-8")
    assert clades(read_tree(path)) == clades(FOUR)
    with pytest.raises(InputError, match=r"tree\.tre is not a tree in Newick format: line 3"):
        read_tree(path, format="newick")
    other = tmp_path / "tree.txt"
    other.write_text(format_newick(FOUR))
    assert clades(read_tree(other)) == clades(FOUR)
    with pytest.raises(InputError, match="found format 'phyloxml', expected 'newick' or 'nexus'"):
        read_tree(other, format="phyloxml")


@pytest.mark.parametrize(
    "content, message",
    [
        (None, "cannot be read .No such file"),
        (b" \n", "is empty, expected a Newick or Nexus tree"),
        (b"\x89PNG\r\n", "is not text in UTF-8"),
        (b"species,score\nParus major,1\n", "is not a tree in Newick format: line 1, column 8: found ','"),
    ],
)
def test_a_file_that_is_no_tree_is_refused_with_its_reason(tmp_path: Path, content: bytes | None, message: str) -> None:
    path = tmp_path / "tree.nwk"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(InputError, match=rf"tree\.nwk {message}"):
        read_tree(path)


def test_a_tree_is_not_written_to_a_file_of_unknown_kind_or_a_missing_folder(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"ends in '\.txt', expected one of \.nwk, "):
        write_tree(FOUR, tmp_path / "tree.txt")
    with pytest.raises(InputError, match="cannot be written .No such file"):
        write_tree(FOUR, tmp_path / "missing" / "tree.nwk")


def test_a_tree_of_ten_thousand_nested_clades_is_read_written_and_measured() -> None:
    tree = caterpillar(10_001)
    read = parse_newick(format_newick(tree))
    assert read.n_tips == 10_001
    assert read.depth().max() == 10_000
    deepest = int(np.argmax(read.depth()))
    assert read.cophenetic([1, deepest]).max() == 10_001


@pytest.mark.skipif(not REAL.exists(), reason="the published trees lie outside the repository")
def test_the_dated_tree_of_all_birds_is_read_and_its_tips_are_all_of_today() -> None:
    tree = read_tree(REAL / "aves_clements2025_summary_dated.nex")
    assert tree.n_tips == 11_167
    assert "Struthio camelus" in tree.tip_labels
    depth = tree.depth()[tree.tips]
    np.testing.assert_allclose(depth, depth[0], rtol=1e-3)


@pytest.mark.skipif(not REAL.exists(), reason="the published trees lie outside the repository")
def test_published_trees_with_long_comments_and_nameless_tips_are_read_as_another_reader_does() -> None:
    files = [path for path in (REAL / "onezoom").iterdir() if path.suffix.lower() == ".phy"]
    small = [path for path in files if path.stat().st_size < 8000]
    assert len(small) > 40
    for path in small:
        tree = read_tree(path)
        assert [label for label, _ in read_by_dendropy(path.read_text())] == list(tree.label), path.name
    assert None in read_tree(REAL / "onezoom" / "PalaeognathaeMitchell2014.PHY").tip_labels
