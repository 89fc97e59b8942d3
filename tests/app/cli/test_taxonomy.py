"""`cladescope taxonomy`: a backbone built, and names looked up in it."""

import csv

from tests.cladescope.taxonomy.test_backbone import darwin_core


def test_the_command_line_builds_and_matches(run, fails, tmp_path):
    built = run("taxonomy", "build", darwin_core(tmp_path / "Taxon.tsv"), "--out", tmp_path / "b", "--json")
    assert (built.status, built.json["synonyms"]) == (0, 1)
    (tmp_path / "names.csv").write_text("genus,species,class\nParus,ater,Aves\nOenanthe,,Aves\n")
    names = ["Oenanthe", "Periparus atr", tmp_path / "names.csv"]
    found = run("taxonomy", "match", *names, "--backbone", tmp_path / "b", "--json")
    statuses = [match["status"] for match in found.json["matches"]]
    assert statuses == ["ambiguous", "unknown", "synonym", "accepted"]
    assert found.json["matches"][1]["near"][0] == "Periparus ater"
    report = tmp_path / "conflicts.csv"
    (tmp_path / "other.csv").write_text(
        "kingdom,family,species\nFungi,,Parus major\nAnimalia,Sylviidae,Periparus ater\n"
    )
    asked = ["taxonomy", "match", tmp_path / "other.csv", "Oenanthe", "Parus ater", "--backbone", tmp_path / "b"]
    assert run(*asked, "--conflicts", report).status == 0
    rows = list(csv.DictReader(report.read_text().splitlines()))
    assert [(row["name"], row["kingdom"], row["status"], row["pictures"]) for row in rows] == [
        ("Parus major", "Fungi", "conflict", "1"),
        ("Periparus ater", "Animalia", "accepted", "1"),
        ("Oenanthe", "", "ambiguous", "1"),
    ]
    assert rows[1]["why"] == "applied: the backbone has another family"
    assert "other.csv is there already and is no list of conflicts" in fails(
        *asked, "--conflicts", tmp_path / "other.csv"
    )
    shown = run("taxonomy", "match", "Parus ater", "--backbone", tmp_path / "b")
    assert "Periparus ater" in shown.out
    assert "Taxon.tsv: 1 synonym" in shown.err
